"""Wrong calls, and what each must raise: `call => exception: text`, over the names of good_calls.py.

`{a|b}` in a call stands for one call with each name, `@` in its text for that name, `{UNARY}` for a group below. The
text is what the message begins with; `...` in it stands for anything. test_wrong_calls.py runs the table.
"""

GROUPS = dict(
    UNARY="abs|acos|acosh|arccos|arccosh|arcsin|arcsinh|arctan|arctanh|asin|asinh|atan|atanh|ceil|conj|conjugate|cos|"
    "cosh|degrees|erf|erfinv|exp|expm1|floor|isfinite|isinf|isnan|isneginf|isposinf|log|log10|log1p|log2|"
    "logical_not|positive|radians|real|imag|reciprocal|round|rsqrt|sigmoid|sign|sin|sinh|sqrt|square|stop_gradient|"
    "tan|tanh|trunc|nan_to_num|bitwise_invert|negative",
    BINARY="add|arctan2|bitwise_and|bitwise_or|bitwise_xor|divide|equal|floor_divide|greater|greater_equal|"
    "left_shift|less|less_equal|logaddexp|logical_and|logical_or|logical_xor|maximum|minimum|multiply|not_equal|"
    "power|remainder|right_shift|subtract",
    REDUCTION="all|any|sum|prod|max|min|mean|var|std|logsumexp|softmax",
    ALONG="argmax|argmin|sort|argsort|cumsum|cumprod|cummax|cummin|logcumsumexp",
    FFTN="fft2|ifft2|rfft2|irfft2|fftn|ifftn|rfftn|irfftn",
)

WRONG = r"""
mx.{UNARY}(None) => TypeError: @(): expected an array or a scalar for argument 'a', got NoneType
mx.{atleast_1d|atleast_2d|atleast_3d}(None) => TypeError: @(): expected arrays, got NoneType
mx.{argwhere|nonzero}(None) => TypeError: @(): expected an array for argument 'a', got NoneType
mx.{UNARY}("a") => ValueError: @(): expected an array or a scalar for argument 'a', got str
mx.{atleast_1d|atleast_2d|atleast_3d}("a") => TypeError: @(): expected arrays, got str
mx.{argwhere|nonzero}("a") => TypeError: @(): expected an array for argument 'a', got str
mx.{ceil|floor|trunc|erf|erfinv|expm1|sigmoid}(z) => ValueError: [@] expected a real dtype, got complex64
mx.bitwise_invert(x) => ValueError: [bitwise_invert] expected integers or bool, got float32
mx.negative(b) => ValueError: [negative] expected a number, got bool: use logical_not
mx.round(x, 2**40) => ValueError: round(): expected an int of 32 bits for argument 'decimals', got 1099511627776
mx.{BINARY|atan2|divmod|isclose|allclose|pow|bitwise_left_shift|bitwise_right_shift}(i, mx.array([1, 2])) => ValueError: [@] expected broadcastable shapes, got (3) and (2)
mx.{add|arctan2|atan2|bitwise_and|bitwise_or|bitwise_xor|divide|equal|floor_divide|greater|greater_equal|left_shift|less|less_equal|logaddexp|logical_and|logical_or|logical_xor|maximum|minimum|multiply|not_equal|power|remainder|right_shift|subtract|divmod}(x, "a") => ValueError: @(): expected arrays or scalars
mx.{isclose|allclose|array_equal}(x, "a") => ValueError: @(): expected an array or a scalar for argument 'b', got str
mx.{add|arctan2|bitwise_and|divide|equal|floor_divide|greater|left_shift|less|logaddexp|logical_and|maximum|multiply|power|remainder|subtract|divmod|isclose|allclose|array_equal}(None, x) => TypeError: @(): expected an array or a scalar for argument 'a', got NoneType
mx.{bitwise_and|bitwise_or|bitwise_xor|left_shift|right_shift}(x, 1) => ValueError: [@] expected integers or bool, got float32
mx.{add|subtract|multiply|maximum|power|bitwise_and|left_shift|equal|less}(u, 300) => ValueError: [@] expected an integer that uint8 holds, got 300
mx.{add|equal|floor_divide}(u, -1) => ValueError: [@] expected an integer that uint8 holds, got -1
mx.{add|multiply}(i, 2**40) => ValueError: [@] expected an integer that int32 holds, got 1099511627776
mx.{add|equal}(x, [1, 2]) => ValueError: @(): expected arrays or scalars
mx.{remainder|arctan2}(z, z) => ValueError: [@] expected a real dtype, got complex64
mx.floor_divide(z, z) => TypeError: [floor_divide] expected real dtypes, got complex64
mx.floor_divide(x, 1j) => TypeError: [floor_divide] expected real dtypes, got complex64
mx.floor_divide(2, z) => TypeError: [floor_divide] expected real dtypes, got complex64
mx.divmod(z, z) => ValueError: [divmod] expected real dtypes, got complex64 and complex64
mx.power(2, mx.array("a")) => ValueError: [array] expected numbers, arrays or nested lists of them, got str
mx.clip(x) => ValueError: [clip] expected a bound, got None for both
mx.clip(x, None, None) => ValueError: [clip] expected a bound, got None for both
mx.clip(x, mx.ones((2,)), None) => ValueError: [clip] expected broadcastable shapes, got (2,3) and (2)
mx.clip("a", 0, 1) => TypeError: clip(): expected an array for argument 'a', got str
mx.where(x, x) => TypeError: where(): missing argument 'y'
mx.where(b, x, mx.ones((2,))) => ValueError: [where] expected broadcastable shapes, got (2,3) and (2)
mx.where(None, x, x) => TypeError: where(): expected an array or a scalar for argument 'condition', got NoneType
mx.where(b, "a", x) => ValueError: where(): expected arrays or scalars
mx.{REDUCTION|median|minmax|count_nonzero}(x, axis=2) => AxisError: [@] expected an axis of an array with 2 dimensions, got 2
mx.{REDUCTION|median|minmax|count_nonzero}(x, axis=-3) => AxisError: [@] expected an axis of an array with 2 dimensions, got -3
mx.{all|any|sum|prod|max|min|mean|var|std|logsumexp|median|minmax|count_nonzero|softmax}(x, axis=2**63) => AxisError: @(): expected None or an axis for argument 'axis', got 9223372036854775808
mx.{REDUCTION|median|minmax|count_nonzero}(x, axis=2**62) => AxisError: [@] expected an axis of an array with 2 dimensions, got 4611686018427387904
mx.{REDUCTION|minmax}(x, axis=(0, -2)) => ValueError: [@] expected distinct axes, got axis 0 twice
mx.{sum|max|mean}(x, axis=(0, 1, 2)) => AxisError: [@] expected an axis of an array with 2 dimensions, got 2
mx.{all|sum|max|softmax}(x, axis="a") => TypeError: @(): expected None or an int or a sequence of ints for argument 'axis', got str
mx.{all|sum|max}(x, axis=1.5) => TypeError: @(): expected None or an int or a sequence of ints for argument 'axis', got ...
mx.{all|any|sum|prod|max|min|mean|var|std|logsumexp}(x, 0, 1) => TypeError: @(): expected a bool for argument 'keepdims', got int
mx.{all|any|sum|prod|max|min|mean|var|std|logsumexp|median|minmax|count_nonzero|softmax|argmax|argmin|sort|argsort|cumsum|cumprod|cummax|cummin|logcumsumexp|cumulative_sum|cumulative_prod}([1.0]) => TypeError: @(): expected an array for argument 'a', got list
mx.{max|min|minmax}(none) => ValueError: [@] expected a non-empty axis to reduce, got axis 0 of shape (0)
mx.{argmax|argmin}(none) => ValueError: [@] expected a non-empty axis, got axis 0 of shape (0)
mx.median(none) => ValueError: [median] expected at least one element
mx.{max|min|minmax}(empty, 1) => ValueError: [@] expected a non-empty axis to reduce, got axis 1 of shape (3,0)
mx.{argmax|argmin|logsumexp}(empty, 1) => ValueError: [@] expected a non-empty axis, got axis 1 of shape (3,0)
mx.median(empty, 1) => ValueError: [median] expected at least one element
mx.{ALONG|cumulative_sum|cumulative_prod}(x, 2) => AxisError: [@] expected an axis of an array with 2 dimensions, got 2
mx.{ALONG|cumulative_sum|cumulative_prod}(x, 2**62) => AxisError: @(): expected None or an axis for argument 'axis', got 4611686018427387904
mx.{ALONG|cumulative_sum|cumulative_prod}(x, -2**63) => AxisError: @(): expected None or an axis for argument 'axis', got -9223372036854775808
mx.{argmax|argmin|sort|argsort|cumsum}(x, (0, 1)) => TypeError: @(): expected None or an int for argument 'axis', got tuple
mx.{sort|argsort}(s) => AxisError: [@] expected an axis of an array with 0 dimensions, got -1
mx.{var|std}(x, ddof=1.5) => TypeError: @(): expected an int for argument 'ddof', got float
mx.cumsum(x, 0, reverse=1) => TypeError: cumsum(): expected a bool for argument 'reverse', got int
mx.cumsum(x, dtype="int32") => TypeError: cumsum(): expected None or a Dtype for argument 'dtype', got str
mx.{partition|argpartition}(x, 4) => ValueError: [@] expected kth within axis 1 of shape (2,3), got 4
mx.topk(x, 4) => ValueError: [topk] expected k within axis 1 of shape (2,3), got 4
mx.{partition|argpartition}(x, -5) => ValueError: [@] expected kth within axis 1 of shape (2,3), got -5
mx.topk(x, -5) => ValueError: [topk] expected k within axis 1 of shape (2,3), got -5
mx.{partition|argpartition}(x, 2**62) => ValueError: [@] expected kth within axis 1 of shape (2,3), got 4611686018427387904
mx.topk(x, 2**62) => ValueError: [topk] expected k within axis 1 of shape (2,3), got 4611686018427387904
mx.{partition|argpartition|topk|diff}(x, 1, 2) => AxisError: [@] expected an axis of an array with 2 dimensions, got 2
mx.{partition|argpartition}(x) => TypeError: @(): missing argument 'kth'
mx.topk(x) => TypeError: topk(): missing argument 'k'
mx.searchsorted(x, v) => ValueError: [searchsorted] expected a sorted vector, got shape (2,3)
mx.searchsorted(v, v, "middle") => ValueError: [searchsorted] expected side 'left' or 'right', got 'middle'
mx.diff(x, -1) => ValueError: [diff] expected n of 0 or more, got -1
mx.diff(s) => AxisError: [diff] expected an axis of an array with 0 dimensions, got -1
mx.unique(v, -1) => ValueError: [unique] expected a size of 0 or more, got -1
mx.unique(v, 2**62) => ValueError: [unique] expected a shape whose size in bytes is below 2^63, got more
mx.unique(v, "a") => TypeError: unique(): expected None or an int for argument 'size', got str
mx.reshape(x, (4, 2)) => ValueError: [reshape] expected a shape of 6 elements for an array of shape (2,3), got (4,2)
mx.reshape(x, (-1, -1)) => ValueError: [reshape] expected a shape of 6 elements for an array of shape (2,3), got ...
mx.reshape(x, (-1, 4)) => ValueError: [reshape] expected a shape of 6 elements for an array of shape (2,3), got (-1,4)
mx.reshape(x, (-2, -3)) => ValueError: [reshape] expected a shape of 6 elements for an array of shape (2,3), got ...
mx.reshape(x, (2**32, 2**32)) => ValueError: [reshape] expected a shape of 6 elements for an array of shape (2,3), got ...
mx.reshape(x, (2.0, 3)) => TypeError: reshape(): expected an int or a sequence of ints for argument 'shape', got tuple
mx.reshape(none, (0, -1)) => ValueError: [reshape] expected a shape of 0 elements for an array of shape (0), got (0,-1)
mx.reshape([1, 2], (2,)) => TypeError: reshape(): expected an array for argument 'a', got list
mx.flatten(cube, 2, 1) => ValueError: [flatten] expected start_axis <= end_axis, got 2 and 1
mx.flatten(cube, 3) => ValueError: [flatten] expected start_axis <= end_axis, got 3 and -1
mx.flatten(cube, 0, 2**62) => AxisError: flatten(): expected an axis for argument 'end_axis', got 4611686018427387904
mx.unflatten(x, 2, (3, 1)) => AxisError: [unflatten] expected an axis of an array with 2 dimensions, got 2
mx.unflatten(x, 1, (2, 2)) => ValueError: [unflatten] expected a shape of 3 elements for axis 1, got (2,2)
mx.unflatten(x, 1, ()) => ValueError: [unflatten] expected a shape of 3 elements for axis 1, got ()
mx.unflatten(x, 1, (-1, -1)) => ValueError: [unflatten] expected a shape of 3 elements for axis 1, got (-1,-1)
mx.squeeze(x, 0) => ValueError: [squeeze] expected axis 0 of size 1, got shape (2,3)
mx.{squeeze|flip}(x, 2) => AxisError: [@] expected an axis of an array with 2 dimensions, got 2
mx.squeeze(x[None, None], (0, 0)) => ValueError: [squeeze] expected distinct axes, got axis 0 twice
mx.expand_dims(x, 4) => AxisError: [expand_dims] expected an axis of an array with 3 dimensions, got 4
mx.expand_dims(x, (0, 0)) => ValueError: [expand_dims] expected distinct axes, got axis 0 twice
mx.expand_dims(x, "a") => TypeError: expand_dims(): expected an int or a sequence of ints for argument 'axis', got ...
mx.flip(x, (0, -2)) => ValueError: [flip] expected distinct axes, got axis 0 twice
mx.unstack(x, axis=2) => AxisError: [unstack] expected an axis of an array with 2 dimensions, got 2
mx.unstack(s) => AxisError: [unstack] expected an axis of an array with 0 dimensions, got 0
mx.moveaxis(x, 2, 0) => AxisError: [moveaxis] expected an axis of an array with 2 dimensions, got 2
mx.moveaxis(x, 0, -3) => AxisError: [moveaxis] expected an axis of an array with 2 dimensions, got -3
mx.moveaxis(x, 2**62, 0) => AxisError: moveaxis(): expected an axis for argument 'source', got 4611686018427387904
mx.swapaxes(x, 0, 2) => AxisError: [swapaxes] expected an axis of an array with 2 dimensions, got 2
mx.swapaxes(x, -2**63, 0) => AxisError: swapaxes(): expected an axis for argument 'axis1', got -9223372036854775808
mx.{transpose|permute_dims}(x, (0,)) => ValueError: [@] expected 2 axes for shape (2,3), got 1
mx.{transpose|permute_dims}(x, (0, 0)) => ValueError: [@] expected distinct axes, got axis 0 twice
mx.{transpose|permute_dims}(x, (0, 2)) => AxisError: [@] expected an axis of an array with 2 dimensions, got 2
mx.matrix_transpose(v) => ValueError: [matrix_transpose] expected at least 2 dimensions, got 1
mx.broadcast_to(x, (2, 4)) => ValueError: [broadcast_to] expected a shape that (2,3) broadcasts to, got (2,4)
mx.broadcast_to(x, (3,)) => ValueError: [broadcast_to] expected a shape that (2,3) broadcasts to, got (3)
mx.broadcast_to(x, (-1, 3)) => ValueError: [broadcast_to] expected non-negative dimensions, got shape (-1,3)
mx.broadcast_to(x, (2**62, 2, 3)) => ValueError: [broadcast_to] expected fewer than 2^63 elements, got shape ...
mx.broadcast_to("a", (2,)) => ValueError: broadcast_to(): expected an array or a scalar for argument 'a', got str
mx.broadcast_arrays(x, mx.ones((2,))) => ValueError: [broadcast_arrays] expected broadcastable shapes, got (2,3) and (2)
mx.broadcast_arrays(x, 1) => TypeError: broadcast_arrays(): expected arrays, got int
mx.broadcast_shapes((2, 3), (2,)) => ValueError: [broadcast_shapes] expected broadcastable shapes, got (2,3) and (2)
mx.broadcast_shapes() => ValueError: [broadcast_shapes] expected at least one shape, got none
mx.broadcast_shapes((2, -3)) => ValueError: [broadcast_shapes] expected non-negative dimensions, got shape (2,-3)
mx.broadcast_shapes((2**63,)) => ValueError: broadcast_shapes(): expected an int of 64 bits, got (9223372036854775808,)
mx.broadcast_shapes("a") => TypeError: broadcast_shapes(): expected shapes, sequences of ints, got str
mx.{concatenate|concat}([]) => ValueError: [@] expected at least one array, got 0
mx.{concatenate|concat}([x, v]) => ValueError: [@] expected shapes that differ along axis 0 only, got (2,3) and (3)
mx.{concatenate|concat}([x, x[:, :2]], 0) => ValueError: [@] expected shapes that differ along axis 0 only, got (2,3) and (2,2)
mx.{concatenate|concat}([x, x], 2) => AxisError: [@] expected an axis of an array with 2 dimensions, got 2
mx.{concatenate|concat}([x, 1]) => TypeError: @(): expected a list of arrays, element 1 isn't one
mx.{concatenate|concat}([x, x], 2**62) => AxisError: @(): expected None or an axis for argument 'axis', got 4611686018427387904
mx.concatenate([s, s]) => AxisError: [concatenate] expected an axis of an array with 0 dimensions, got 0
mx.stack([]) => ValueError: [stack] expected at least one array, got 0
mx.stack([x, v]) => ValueError: [stack] expected arrays of one shape, got (2,3) and (3)
mx.stack([x, x], 3) => AxisError: [stack] expected an axis of an array with 3 dimensions, got 3
mx.stack([x, None]) => TypeError: stack(): expected a list of arrays, element 1 isn't one
mx.stack(x, 2**62) => AxisError: stack(): expected None or an axis for argument 'axis', got 4611686018427387904
mx.split(x, 2, 1) => ValueError: [split] expected axis 1 to divide into 2 equal parts, got shape (2,3)
mx.split(x, 0) => ValueError: [split] expected a positive number of parts
mx.split(x, -1) => ValueError: [split] expected a positive number of parts
mx.{split|repeat}(x, 2, 2) => AxisError: [@] expected an axis of an array with 2 dimensions, got 2
mx.split(x, "a") => TypeError: split(): expected an int or a sequence of ints for argument ...
mx.split(x, 2**62) => ValueError: [split] expected a positive number of parts
mx.split(x, [1, 2**63]) => ValueError: split(): expected an int of 64 bits for argument 'indices_or_sections', got [1 ...
mx.repeat(x, -1) => ValueError: [repeat] expected repeats >= 0, got -1
mx.repeat(x, 2**62) => ValueError: [repeat] expected fewer than 2^63 elements, got shape ...
mx.repeat(x, 1.5) => TypeError: repeat(): expected an int for argument 'repeats', got float
mx.tile(x, -1) => ValueError: [tile] expected non-negative dimensions, got shape (-1)
mx.tile(x, (2**62, 2)) => ValueError: [tile] expected fewer than 2^63 elements, got shape (4611686018427387904,2)
mx.tile(x, "a") => TypeError: tile(): expected an int or a sequence of ints for argument 'reps', got str
mx.roll(x, 1, 2) => AxisError: [roll] expected an axis of an array with 2 dimensions, got 2
mx.roll(x, 1.5) => TypeError: roll(): expected an int or a sequence of ints for argument 'shift', got float
mx.pad(x, -1) => ValueError: [pad] expected sizes >= 0, got (-1,-1) for axis 0
mx.pad(x, [(1, 1)] * 3) => ValueError: [pad] expected one pair or 2 pairs, got 3
mx.pad(x, (1, 2, 3)) => ValueError: [pad] expected an int, (low, high) or one pair for each axis
mx.pad(x, 2**62) => ValueError: [pad] expected axes below 2^63 elements, got more
mx.pad(x, 1, "wrong") => ValueError: [pad] expected mode constant, edge, reflect or symmetric, got 'wrong'
mx.pad(x, 1, constant_values=v[:2]) => ValueError: [pad] expected one value to pad with, got shape (2)
mx.pad(x, "a") => TypeError: pad(): expected an int, (low, high) or one pair for each axis for argument ...
mx.pad(empty, 1, "edge") => ValueError: [pad] expected a non-empty axis to repeat, got shape (5,0)
mx.as_strided(x, (100,), (1,)) => ValueError: [as_strided] expected elements within the 6 of shape (2,3), got shape (100) ...
mx.as_strided(x, (2, 2), (1,)) => ValueError: [as_strided] expected 2 strides for shape (2,2), got 1
mx.as_strided(x, (2,), (-1,)) => ValueError: [as_strided] expected elements within the 6 of shape (2,3), got shape (2) ...
mx.as_strided(x, (2,), (1,), 5) => ValueError: [as_strided] expected elements within the 6 of shape (2,3), got shape (2) ...
mx.as_strided(x, (2,), (1,), -1) => ValueError: [as_strided] expected elements within the 6 of shape (2,3), got shape (2) ...
mx.as_strided(x, (2**62,), (2**62,)) => ValueError: [as_strided] expected elements within the 6 of shape (2,3), got shape ...
mx.as_strided(x, (-1,), (1,)) => ValueError: [as_strided] expected non-negative dimensions, got shape (-1)
mx.contiguous([1]) => TypeError: contiguous(): expected an array for argument 'a', got list
mx.diag(cube) => ValueError: [diag] expected 1 or 2 dimensions, got shape (2,3,4)
mx.diag(s) => ValueError: [diag] expected 1 or 2 dimensions, got shape ()
mx.diag(v, 2**63 - 1) => ValueError: [diag] expected a matrix below 2^63 elements, got diagonal 9223372036854775807
mx.{diagonal|trace|tril|triu}(v) => ValueError: [@] expected at least 2 dimensions, got shape (3)
mx.{diagonal|trace}(x, 0, 0, 2) => AxisError: [@] expected an axis of an array with 2 dimensions, got 2
mx.diagonal(x, 0, 1, 1) => ValueError: [diagonal] expected two axes, got axis 1 twice
mx.{tril|triu}(x, "a") => TypeError: @(): expected an int for argument 'k', got str
mx.{tri|eye|identity}(-1) => ValueError: [@] expected non-negative dimensions, got shape (-1,-1)
mx.{tri|eye}(2**62, 4) => ValueError: [@] expected fewer than 2^63 elements, got shape (4611686018427387904,4)
mx.identity(2**62) => ValueError: [identity] expected fewer than 2^63 elements, got shape ...
mx.identity(2, "float32") => TypeError: identity(): expected None or a Dtype for argument 'dtype', got str
mx.{zeros|ones|empty}(-1) => ValueError: [@] expected non-negative dimensions, got shape (-1)
mx.{zeros|ones|empty}((2, -1)) => ValueError: [@] expected non-negative dimensions, got shape (2,-1)
mx.{zeros|ones|empty}((2**62, 2**62)) => ValueError: [@] expected fewer than 2^63 elements, got shape ...
mx.{zeros|ones|empty}(2**63) => ValueError: @(): expected an int of 64 bits for argument 'shape', got 9223372036854775808
mx.{zeros|ones|empty}(2.5) => TypeError: @(): expected an int or a sequence of ints for argument 'shape', got float
mx.{zeros|ones|empty}("a") => TypeError: @(): expected an int or a sequence of ints for argument 'shape', got str
mx.{zeros|ones|empty}((1,), "float32") => TypeError: @(): expected None or a Dtype for argument 'dtype', got str
mx.{zeros|ones|empty}((1,) * 100) => ValueError: [@] expected at most 32 dimensions, got 100
mx.{zeros_like|ones_like|empty_like}("a") => TypeError: @(): expected an array for argument 'a', got str
mx.{zeros_like|ones_like|empty_like}([1, 2]) => TypeError: @(): expected an array for argument 'a', got list
mx.{zeros_like|ones_like|empty_like}(x, "float32") => TypeError: @(): expected None or a Dtype for argument 'dtype', got str
mx.full((2, 3), v[:2]) => ValueError: [full] expected broadcastable shapes, got (2) and (2,3)
mx.full((2,), "a") => ValueError: full(): expected an array or a scalar for argument 'vals'
mx.full((-2,), 1) => ValueError: [full] expected non-negative dimensions, got shape (-2)
mx.full((2,), None) => TypeError: full(): expected an array or a scalar for argument 'vals', got NoneType
mx.full_like(x, v[:2]) => ValueError: [full_like] expected broadcastable shapes, got (2) and (2,3)
mx.full_like(x, "a") => ValueError: [full_like] expected numbers, arrays or nested lists of them, got str
mx.arange() => TypeError: arange(): expected at least a stop
mx.arange("a") => TypeError: arange(): expected ints or floats for start, stop and step
mx.arange(0, 1, 0) => ValueError: [arange] expected a step other than 0, got 0
mx.arange(inf) => ValueError: [arange] expected a finite length, got start 0, stop inf, step 1
mx.arange(nan) => ValueError: [arange] expected a finite length, got start 0, stop nan, step 1
mx.arange(0, 1e30, 1) => ValueError: [arange] expected a finite length, got start 0, stop 1e+30, step 1
mx.arange(0, 4, 1, mx.bool_) => ValueError: [arange] expected a dtype of numbers, got bool
mx.arange(0, 4, 1, "int32") => TypeError: arange(): expected None or a Dtype for argument 'dtype', got str
mx.linspace(0, 1, -1) => ValueError: [linspace] expected a number of samples >= 0, got -1
mx.linspace(0, 1, 2**62) => ValueError: [linspace] expected a finite length, got start 0, stop 4.61169e+18, step 1
mx.linspace("a", 1) => TypeError: linspace(): expected a float for argument 'start', got str
mx.linspace(0, 1, 2.5) => TypeError: linspace(): expected an int for argument 'num', got float
mx.{bartlett|blackman|hamming|hanning}("a") => TypeError: @(): expected an int for argument 'M', got str
mx.{bartlett|blackman|hamming|hanning}(1.5) => TypeError: @(): expected an int for argument 'M', got float
mx.{bartlett|blackman|hamming|hanning}(2**63) => ValueError: @(): expected an int of 64 bits for argument 'M', got 9223372036854775808
mx.meshgrid(v, indexing="yx") => ValueError: [meshgrid] expected indexing 'xy' or 'ij'
mx.meshgrid(v, 1) => TypeError: meshgrid(): expected arrays, got int
mx.astype(x, "float32") => TypeError: astype(): expected a Dtype for argument 'dtype', got str
mx.astype("a", mx.int32) => ValueError: astype(): expected an array or a scalar for argument 'a', got str
mx.view(mx.ones((3,), mx.int8), mx.int32) => ValueError: [view] expected a last axis of a multiple of 4 bytes, got int8 of shape (3)
mx.view(s, mx.int8) => ValueError: [view] expected a last axis of a multiple of 1 bytes, got float32 of shape ()
mx.view(x, "int32") => TypeError: view(): expected a Dtype for argument 'dtype', got str
mx.matmul(x, x) => ValueError: [matmul] expected the last axis of the first to match the second last of the ...
mx.matmul(x, mx.ones((2,))) => ValueError: [matmul] expected the last axis of the first to match the second last of the ...
mx.matmul(s, x) => ValueError: [matmul] expected at least 1 dimension, got shapes () and (2,3)
mx.matmul(i, i) => ValueError: [matmul] expected floating point or complex dtypes, got int32 and int32
mx.matmul(cube, mx.ones((5, 4, 2))) => ValueError: [matmul] expected broadcastable shapes, got (2) and (5)
mx.{matmul|inner}(x, 2) => TypeError: @(): expected an array for argument 'b', got int
mx.addmm(x, x, x) => ValueError: [addmm] expected the last axis of the first to match the second last of the ...
mx.addmm(mx.ones((3, 3)), x, square[:3, :3]) => ValueError: [addmm] expected broadcastable shapes, got (3,3) and (2,3)
mx.addmm(x, i, i) => ValueError: [addmm] expected c to broadcast to shape (), got (2,3)
mx.addmm(x, x, square[:3, :3], "a") => TypeError: addmm(): expected a float for argument 'alpha', got str
mx.inner(x, mx.ones((2,))) => ValueError: [inner] expected the same last dimension, got shapes (2,3) and (2)
mx.outer(x, None) => TypeError: outer(): expected an array for argument 'b', got NoneType
mx.vecdot(x, mx.ones((2,))) => ValueError: [vecdot] expected broadcastable shapes, got (2,3) and (2)
mx.vecdot(x, x, axis=2) => AxisError: [vecdot] expected an axis of an array with 2 dimensions, got 2
mx.tensordot(x, x, 3) => ValueError: [tensordot] expected between 0 and 2 axes, got 3
mx.tensordot(x, x, -1) => ValueError: [tensordot] expected between 0 and 2 axes, got -1
mx.tensordot(x, x, [[0], [1]]) => ValueError: [tensordot] expected equal sizes on the contracted axes, got shapes (2,3) and ...
mx.tensordot(x, x, [[0, 1], [0]]) => ValueError: [tensordot] expected as many axes of one as of the other, got 2 and 1
mx.tensordot(x, x, [[2], [0]]) => AxisError: [tensordot] expected an axis of an array with 2 dimensions, got 2
mx.tensordot(x, x, [[0]]) => ValueError: [tensordot] expected an int or a pair of sequences of ints as axes
mx.tensordot(x, x, "ab") => ValueError: [tensordot] expected an int or a pair of sequences of ints as axes
mx.kron(x, 1) => TypeError: kron(): expected an array for argument 'b', got int
mx.einsum("ij,jk->ik", x, x) => ValueError: [einsum] expected size 3 or 1 for dimension 0 of input 1, got shape (2,3)
mx.einsum("ij", x, x) => ValueError: [einsum] expected 1 operands for these subscripts, got 2
mx.einsum("ijk->i", x) => ValueError: [einsum] expected one subscript for each of 2 dimensions, got 3
mx.einsum("ij->ii", x) => ValueError: [einsum] expected no repeated output subscripts
mx.einsum("ij->k", x) => ValueError: [einsum] expected output subscripts that an input has, got 'k'
mx.einsum("i1->i", x) => ValueError: [einsum] expected letters, commas, one '...' a term and '->', got '1'
mx.einsum("ij->ij->i", x) => ValueError: [einsum] expected one output term, got more
mx.einsum("", ) => ValueError: [einsum] expected at least one operand
mx.einsum(1, x) => TypeError: einsum(): expected a str for argument 'subscripts', got int
mx.einsum("ij,ij", x, 1) => TypeError: einsum(): expected arrays, got int
mx.einsum_path("ij,jk->ik", x, x) => ValueError: [einsum_path] expected size 3 or 1 for dimension 0 of input 1, got shape (2,3)
mx.einsum_path("ij,jk->ik", x) => ValueError: [einsum_path] expected 2 operands for these subscripts, got 1
mx.gather_mm(cube, cube, mx.array([0]), mx.array([0])) => ValueError: [gather_mm] expected the last axis of the first to match the second last of the ...
mx.gather_mm(cube, cube.swapaxes(1, 2), mx.array([2]), mx.array([0])) => IndexError: [gather_mm] expected indices in [-2, 2) on axis 0, got 2
mx.gather_mm(cube, cube.swapaxes(1, 2), v, mx.array([0])) => ValueError: [gather_mm] expected integer indices, got float32
mx.gather_mm(i, i) => ValueError: [gather_mm] expected real floating point dtypes, got int32 and int32
mx.segmented_mm(x, x, i[:2][None]) => ValueError: [segmented_mm] expected the last axis of the first to match the second last of ...
mx.segmented_mm(x, x.T, i) => ValueError: [segmented_mm] expected segments of shape (..., 2), got (3)
mx.segmented_mm(x, x.T, v[:2][None]) => ValueError: [segmented_mm] expected integer indices, got float32
mx.block_masked_mm(rows, rows.T, 7) => ValueError: [block_masked_mm] expected a block size of 32 or 64, got 7
mx.block_masked_mm(rows, rows) => ValueError: [block_masked_mm] expected the last axis of the first to match the second last ...
mx.block_masked_mm(rows, rows.T, 64, x) => ValueError: [block_masked_mm] expected a shape that (2,3) broadcasts to, got (1,1)
mx.hadamard_transform(mx.ones((7 * 13,))) => ValueError: [hadamard_transform] expected a last axis of m 2^k elements with m in 1, 12 ...
mx.hadamard_transform(none) => ValueError: [hadamard_transform] expected elements, got shape (0)
mx.quantize(x) => ValueError: [quantize] expected at least 2 dimensions and a last one divisible by 64 for ...
mx.quantize(rows, 7) => ValueError: [quantize] expected a group size of 16, 32, 64 or 128, got 7
mx.quantize(rows, 64, 7) => ValueError: [quantize] expected 2, 3, 4, 5, 6 or 8 bits, got 7
mx.quantize(rows, 64, 2**40) => ValueError: quantize(): expected None or an int of 32 bits for argument 'bits', got ...
mx.quantize(rows, mode="wrong") => ValueError: [quantize] expected mode 'affine', 'mxfp4', 'mxfp8' or 'nvfp4', got 'wrong'
mx.quantize(v) => ValueError: [quantize] expected at least 2 dimensions and a last one divisible by 64 for ...
mx.quantize(mx.ones((2, 64), mx.int32)) => ValueError: [quantize] expected a real floating point dtype, got int32
mx.dequantize(w, scales[:3], biases) => ValueError: [dequantize] expected packed (..., N, K * 4 / 32), scales and biases (..., N, K ...
mx.dequantize(w, scales, biases, 32) => ValueError: [dequantize] expected packed (..., N, K * 4 / 32), scales and biases (..., N, K ...
mx.dequantize(w, scales, biases, 64, 3) => ValueError: [dequantize] expected packed (..., N, K * 3 / 32), scales and biases (..., N, K ...
mx.dequantize(w, scales) => ValueError: [dequantize] expected biases in affine mode
mx.dequantize(rows, scales, biases) => ValueError: [dequantize] expected the packed matrix as uint32, got float32
mx.dequantize(w, scales, biases, mode="wrong") => ValueError: [dequantize] expected mode 'affine', 'mxfp4', 'mxfp8' or 'nvfp4', got 'wrong'
mx.quantized_matmul(x, w, scales, biases) => ValueError: [quantized_matmul] expected a last dimension of 64 for the matrix (32,64) ...
mx.quantized_matmul(rows, rows, scales, biases) => ValueError: [quantized_matmul] expected the packed matrix as uint32, got float32
mx.quantized_matmul(rows, w, scales[:3], biases[:3]) => ValueError: [quantized_matmul] expected packed (..., N, K * 4 / 32), scales and biases ...
mx.quantized_matmul(rows, w, scales, biases, True, 32) => ValueError: [quantized_matmul] expected packed (..., N, K * 4 / 32), scales and biases ...
mx.quantized_matmul(rows, w, scales) => ValueError: [quantized_matmul] expected biases in affine mode
mx.gather_qmm(x[None], w[None], scales[None], biases[None], i[:1], i[:1]) => ValueError: [gather_qmm] expected a last dimension of 64 for the matrix (32,64) ...
mx.gather_qmm(rows[None], w[None], scales[None], biases[None], i[:1], mx.array([5])) => IndexError: [gather_qmm] expected indices in [-1, 1) on axis 0, got 5
mx.gather_qqmm(rows[None], w[None], scales[None], v, i[:1]) => ValueError: [gather_qqmm] expected a packed matrix of uint32 and scales of uint8, got uint32 ...
mx.gather_qqmm(rows[None], w[None], scales[None], i[:1], i[:1], mode="affine") => ValueError: [gather_qqmm] expected mode 'mxfp4', 'mxfp8' or 'nvfp4', got 'affine'
mx.qqmm(rows, x) => ValueError: [qqmm] expected at least 2 dimensions and a last one divisible by the group ...
mx.qqmm(x, x) => ValueError: [qqmm] expected at least 2 dimensions and a last one divisible by the group ...
mx.qqmm(rows, rows, mode="affine") => ValueError: [qqmm] expected mode 'mxfp4', 'mxfp8' or 'nvfp4', got 'affine'
mx.to_fp8("a") => TypeError: to_fp8(): expected an array for argument 'x', got str
mx.to_fp8(z) => ValueError: [to_fp8] expected a real floating point dtype, got complex64
mx.from_fp8(x) => ValueError: [from_fp8] expected uint8 and a real floating point dtype, got float32 to ...
mx.from_fp8(u, "float32") => TypeError: from_fp8(): expected a Dtype for argument 'dtype', got str
mx.conv1d(x, x) => ValueError: [conv1d] expected an input with 3 dimensions (N, spatial..., C), got 2
mx.conv1d(images[0], kernels) => ValueError: [conv1d] expected an input (N, spatial..., C) and a weight (O, spatial..., C / ...
mx.conv1d(images[0], kernels[0], 0) => ValueError: [conv1d] expected a positive stride, got 0
mx.conv1d(images[0], kernels[0], -1) => ValueError: [conv1d] expected a positive stride, got -1
mx.conv1d(images[0], kernels[0], 1, 2**62) => ValueError: [conv1d] expected moderate paddings for 1 spatial axes, got 4611686018427387904 ...
mx.conv1d(images[0], kernels[0], 1, 0, 0) => ValueError: [conv1d] expected a positive dilation, got 0
mx.conv1d(images[0], kernels[0], 1, 0, 1, 0) => ValueError: [conv1d] expected a positive number of groups, got 0
mx.conv1d(images[0], kernels[0], 1, 0, 1, 3) => ValueError: [conv1d] expected a number of groups that divides the 2 input channels and 3 ...
mx.conv1d(images[0], kernels[0][..., :1], 1) => ValueError: [conv1d] expected a weight of 2 input channels a group, got shapes (5,5,2) and ...
mx.conv1d(i[None, :, None], i[None, :, None]) => ValueError: [conv1d] expected floating point dtypes, got int32 and int32
mx.conv1d(images[0, :, :2], kernels[0]) => ValueError: [conv1d] expected an input no smaller than the weight on axis 1, got 2 (padded) ...
mx.conv2d(x, kernels) => ValueError: [conv2d] expected an input with 4 dimensions (N, spatial..., C), got 2
mx.conv_general(x, kernels) => ValueError: [conv_general] expected an input (N, spatial..., C) and a weight (O, spatial..., C / ...
mx.{conv2d|conv_general}(images, kernels[..., :1]) => ValueError: [@] expected a weight of 2 input channels a group, got shapes (1,5,5,2) and ...
mx.{conv2d|conv_general}(images, kernels, (1, 2, 3)) => ValueError: [@] expected one stride or 2, got 3
mx.{conv2d|conv_general}(images, kernels, (1, 0)) => ValueError: [@] expected a positive stride, got 0
mx.{conv2d|conv_general}(images, kernels, 1, (1, 2, 3)) => ValueError: [@] expected one padding or 2, got 3
mx.{conv2d|conv_general}(images, kernels, 1, -2) => ValueError: [@] expected an input no smaller than the weight on axis 1, got 1 (padded) ...
mx.{conv2d|conv_general}(images, kernels, 1, 2**62) => ValueError: [@] expected moderate paddings for 2 spatial axes, got 4611686018427387904 ...
mx.{conv2d|conv_general}(images, kernels, 1, 0, 4) => ValueError: [@] expected an input no smaller than the weight on axis 1, got 5 (padded) ...
mx.conv2d(images, kernels, 1, 0, -1) => ValueError: [conv2d] expected a positive dilation, got -1
mx.conv_general(images, kernels, 1, 0, -1) => ValueError: [conv_general] expected a positive kernel dilation, got -1
mx.conv2d(images, kernels, 1, 0, 1, 5) => ValueError: [conv2d] expected a number of groups that divides the 2 input channels and 3 ...
mx.conv2d(images, kernels, 1, 0, 1, -1) => ValueError: [conv2d] expected a positive number of groups, got -1
mx.conv2d(images, kernels, 1, 0, 1, 2**62) => ValueError: [conv2d] expected a number of groups that divides the 2 input channels and 3 ...
mx.conv2d(images, kernels, "a") => TypeError: conv2d(): expected an int or a sequence of ints for argument 'stride', got str
mx.conv3d(images, kernels) => ValueError: [conv3d] expected an input with 5 dimensions (N, spatial..., C), got 4
mx.conv3d(images[None], kernels[None], 1, 0, 3) => ValueError: [conv3d] expected an input no smaller than the weight on axis 1, got 1 (padded) ...
mx.conv_general(images, kernels, 1, "a") => TypeError: conv_general(): expected an int, a sequence of ints, or a pair of sequences for ...
mx.conv_general(images, kernels, input_dilation=0) => ValueError: [conv_general] expected a positive input dilation, got 0
mx.conv_general(images, kernels, 1, ((1, 1), (1, 1, 1))) => ValueError: [conv_general] expected one padding or 2, got 3
mx.conv_transpose1d(images[0], kernels[0][..., :1]) => ValueError: [conv_transpose1d] expected a weight of 2 input channels a group, got shapes (5,5,2) and ...
mx.conv_transpose1d(images[0], kernels[0], 0) => ValueError: [conv_transpose1d] expected a positive stride, got 0
mx.conv_transpose1d(images[0], kernels[0], 1, 9) => ValueError: [conv_transpose1d] expected an input no smaller than the weight on axis 1, got -9 (padded) ...
mx.conv_transpose1d(images[0], kernels[0], 1, 0, 1, -9) => ValueError: [conv_transpose1d] expected an input no smaller than the weight on axis 1, got 0 (padded) ...
mx.conv_transpose2d(images, kernels[0]) => ValueError: [conv_transpose2d] expected an input (N, spatial..., C) and a weight (O, spatial..., C / ...
mx.conv_transpose2d(images, kernels, (1, 2, 3)) => ValueError: [conv_transpose2d] expected one stride or 2, got 3
mx.conv_transpose2d(images, kernels, 2**62) => ValueError: [conv_transpose2d] expected positive input dilations for 2 spatial axes, got ...
mx.conv_transpose3d(images, kernels) => ValueError: [conv_transpose3d] expected an input with 5 dimensions (N, spatial..., C), got 4
mx.conv_transpose3d(images[None], kernels[None], 1, 0, 1, 0, 7) => ValueError: [conv_transpose3d] expected a number of groups that divides the 2 input channels and 1 ...
mx.convolve(x, v) => ValueError: [convolve] expected two vectors of at least one element, got shapes (2,3) and ...
mx.convolve(v, v, "wrong") => ValueError: [convolve] expected mode 'full', 'same' or 'valid', got 'wrong'
mx.convolve(none, v) => ValueError: [convolve] expected two vectors of at least one element, got shapes (0) and (3)
mx.convolve(v, 1) => TypeError: convolve(): expected an array for argument 'v', got int
mx.take(x, mx.array([6])) => IndexError: [gather] expected indices in [-6, 6) on axis 0, got 6
mx.take(x, 6) => IndexError: [take] index 6 is out of range for size 6
mx.take(x, -7) => IndexError: [take] index -7 is out of range for size 6
mx.take(x, 3, 1) => IndexError: [take] index 3 is out of range for size 3
mx.take(x, mx.array([-4]), 1) => IndexError: [gather] expected indices in [-3, 3) on axis 1, got -4
mx.take(x, mx.array([2**40]), 1) => IndexError: [gather] expected indices in [-3, 3) on axis 1, got 1099511627776
mx.take(x, v) => ValueError: [take] expected integer indices, got float32
mx.take(x, 1.5) => TypeError: take(): expected an int or an array for argument 'indices', got float
mx.take(x, i, 2) => AxisError: [take] expected an axis of an array with 2 dimensions, got 2
mx.take(x, "a") => TypeError: take(): expected an int or an array for argument 'indices', got str
mx.take(empty, i, 1) => ValueError: [take] expected a non-empty axis to take from, got shape (3,0)
mx.take_along_axis(x, i, 1) => ValueError: [take_along_axis] expected indices of 2 dimensions, as shape (2,3), got shape ...
mx.take_along_axis(x, i[None] + 1, 1) => IndexError: [take_along_axis] expected indices in [-3, 3) on axis 1, got 3
mx.take_along_axis(x, v[None], 1) => ValueError: [take_along_axis] expected integer indices, got float32
mx.take_along_axis(x, i[None], 2) => AxisError: [take_along_axis] expected an axis of an array with 2 dimensions, got 2
mx.take_along_axis(x, 1) => TypeError: take_along_axis(): expected an array for argument 'indices', got int
mx.put_along_axis(x, i, v, 1) => ValueError: [put_along_axis] expected indices of 2 dimensions, as shape (2,3), got shape (3)
mx.put_along_axis(x, i[None] + 1, v[None], 1) => IndexError: [put_along_axis] expected indices in [-3, 3) on axis 1, got 3
mx.put_along_axis(x, i[None], "a", 1) => ValueError: [put_along_axis] expected numbers, arrays or nested lists of them, got str
mx.put_along_axis(x, i[None], v[None], 2) => AxisError: [put_along_axis] expected an axis of an array with 2 dimensions, got 2
mx.put_along_axis(x, i[None], v[:2], 1) => ValueError: [put_along_axis] expected a shape that (2) broadcasts to, got (2,3)
mx.slice(x, i[:2], (0,), (1, 1)) => ValueError: [slice] expected a start for each of 1 axes, got shape (2)
mx.slice(x, i[:1], (2,), (1, 1)) => AxisError: [slice] expected an axis of an array with 2 dimensions, got 2
mx.slice(x, i[:1], (0,), (3, 1)) => ValueError: [slice] expected a slice within shape (2,3), got (3,1)
mx.slice(x, i[:1], (0,), (1,)) => ValueError: [slice] expected a slice within shape (2,3), got (1)
mx.slice(x, v[:1], (0,), (1, 1)) => ValueError: [slice] expected integer indices, got float32
mx.slice(x, i[:1], (0,), (-1, 1)) => ValueError: [slice] expected a slice within shape (2,3), got (-1,1)
mx.slice_update(x, cube, i[:1], (0,)) => ValueError: [slice_update] expected an update within shape (2,3), got (2,3,4)
mx.slice_update(x, x, i[:1], (2,)) => AxisError: [slice_update] expected an axis of an array with 2 dimensions, got 2
mx.slice_update(x, x, v[:1], (0,)) => ValueError: [slice_update] expected integer indices, got float32
mx.slice_update(x, mx.ones((3, 3)), i[:1], (0,)) => ValueError: [slice_update] expected an update within shape (2,3), got (3,3)
mx.array() => TypeError: array(): expected a value and an optional Dtype: array(val, dtype=None)
mx.array(None) => TypeError: [array] expected a scalar, list, buffer or array, got None
mx.array("abc") => ValueError: [array] expected numbers, arrays or nested lists of them, got str
mx.array([None]) => ValueError: [array] expected numbers, arrays or nested lists of them, got NoneType
mx.array([[1, 2], [3]]) => ValueError: [array] expected lists of one length at each depth, got a ragged one
mx.array([1, [2]]) => ValueError: [array] expected lists of one depth, got a list beside a number
mx.array([x, v]) => ValueError: [array] expected lists of one length at each depth, got a ragged one
mx.array(2**70) => ValueError: [array] expected an integer that uint64 holds, got 1180591620717411303424
mx.array([2**70]) => ValueError: [array] expected an integer that int64 holds, got 1180591620717411303424
mx.array(1, "float32") => TypeError: array(): expected a value and an optional Dtype: array(val, dtype=None)
mx.array(1, foo=2) => TypeError: array(): expected a value and an optional Dtype: array(val, dtype=None)
mx.array({}) => ValueError: [array] expected numbers, arrays or nested lists of them, got dict
mx.array(np.array(["a"])) => ValueError: [array] expected a buffer of numbers, got format '1w'
mx.array(object()) => ValueError: [array] expected numbers, arrays or nested lists of them, got object
mx.asarray("a") => ValueError: [asarray] expected numbers, arrays or nested lists of them, got str
mx.asarray(None) => TypeError: [asarray] expected a scalar, list, buffer or array, got None
mx.asarray([1, 2], copy=False) => ValueError: [asarray] expected data that can be used without a copy, got data that can't
mx.asarray(v, "float32") => TypeError: asarray(): expected None or a Dtype for argument 'dtype', got str
mx.asarray(v, mx.int32, copy=False) => ValueError: [asarray] expected data that can be used without a copy, got data that can't
mx.from_dlpack(1) => TypeError: [from_dlpack] expected an object with __dlpack__, got int
mx.from_dlpack([1]) => TypeError: [from_dlpack] expected an object with __dlpack__, got list
mx.issubdtype(1, mx.int8) => ValueError: [issubdtype] expected a Dtype or DtypeCategory for the first input
mx.issubdtype(mx.int8, "integer") => ValueError: [issubdtype] expected a Dtype or DtypeCategory for the second input
mx.isdtype(mx.int8, "wrong") => ValueError: [isdtype] expected a kind of the array API standard, got 'wrong'
mx.isdtype(1, "integral") => TypeError: isdtype(): expected a Dtype for argument 'dtype', got int
mx.isdtype(mx.int8, 1) => TypeError: isdtype(): expected a Dtype, a str or a tuple of them for argument 'kind'
mx.can_cast("a", mx.int8) => TypeError: can_cast(): expected an array or a Dtype for argument 'from_', got str
mx.can_cast(mx.int8, 1) => TypeError: can_cast(): expected a Dtype for argument 'to', got int
mx.result_type() => ValueError: [result_type] expected at least one array or Dtype, got none
mx.result_type(1) => TypeError: result_type(): expected arrays or Dtypes, got int
mx.finfo(mx.int8) => ValueError: [finfo] expected an inexact dtype, got int8
mx.finfo(1) => TypeError: finfo(): expected a Dtype
mx.finfo() => TypeError: finfo(): expected a Dtype
mx.iinfo(mx.float32) => ValueError: [iinfo] expected an integer dtype, got float32
mx.iinfo("int8") => TypeError: iinfo(): expected a Dtype
mx.Device(1) => TypeError: Device(): expected a DeviceType and an optional int as index
mx.Device(mx.cpu, "a") => TypeError: Device(): expected a DeviceType and an optional int as index
mx.Device(mx.cpu, 2**40) => ValueError: Device(): expected an index of 32 bits, got 1099511627776
mx.StreamContext("a") => TypeError: [StreamContext] expected a Stream, Device, DeviceType or None for argument 'stream' ...
mx.StreamContext(None) => TypeError: [StreamContext] expected a Stream, Device, DeviceType or None for argument 'stream' ...
mx.PrintOptions("a") => TypeError: [printoptions] expected an int as the precision, got ...
mx.PrintOptions(-2) => ValueError: [printoptions] expected a precision of -1 (the default) to 64 decimals, got -2
mx.{set_printoptions|printoptions}("a") => TypeError: [@] expected an int as the precision, got ...
mx.{set_printoptions|printoptions}(-2) => ValueError: [@] expected a precision of -1 (the default) to 64 decimals, got -2
mx.{set_printoptions|printoptions}(2**63) => ValueError: [@] expected a precision of -1 (the default) to 64 decimals, got ...
mx.{default_stream|new_stream|new_thread_local_stream|new_thread_unsafe_stream|set_default_device}(1) => TypeError: @(): expected a Device or DeviceType, got int
mx.{stream|set_default_stream}(1) => TypeError: [@] expected a Stream, Device, DeviceType or None for argument 'stream' ...
mx.default_stream(mx.Device(mx.gpu, 7)) => ValueError: [default_stream] expected an available device, got gpu:7, which this machine or build ...
mx.{new_stream|stream|set_default_device}(mx.Device(mx.gpu, 7)) => ValueError: [@] expected an available device, got gpu:7, which this machine or build lacks
mx.{is_available|device_count|device_info}("a") => TypeError: @(): expected a Device or DeviceType, got str
mx.synchronize("a") => TypeError: [synchronize] expected a Stream, Device, DeviceType or None for argument 'stream' ...
mx.{get_active_memory|get_cache_memory|get_peak_memory|get_memory_limit|reset_peak_memory|clear_cache|clear_streams|get_printoptions|default_device|disable_compile|enable_compile}(1) => TypeError: @(): expected at most 0 positional arguments, got 1
mx.{set_memory_limit|set_cache_limit|set_wired_limit}("a") => TypeError: @(): expected an int for argument 'limit', got str
mx.{set_memory_limit|set_cache_limit|set_wired_limit}(-1) => ValueError: @(): expected a limit of 0 bytes or more
mx.get_array_buffer_size(1) => TypeError: get_array_buffer_size(): expected an array for argument 'a', got int
mx.add(x, x, stream="a") => TypeError: [add] expected a Stream, Device, DeviceType or None for argument 'stream' ...
mx.add(x, x, stream=mx.Device(mx.gpu, 7)) => ValueError: [add] expected an available device, got gpu:7, which this machine or build ...
mx.eval(mx.take(x, mx.array([100]))) => IndexError: [gather] expected indices in [-6, 6) on axis 0, got 100
mx.depends(x, 1) => TypeError: depends(): expected a list of arrays
mx.depends("a", x) => TypeError: depends(): expected a list of arrays
mx.{grad|value_and_grad}(1) => TypeError: @(): expected a function for argument 'fun', got int
mx.{grad|value_and_grad}(fn, -1) => ValueError: [@] expected non-negative argnums, got -1
mx.{grad|value_and_grad}(fn, (0, 0)) => ValueError: [@] expected distinct argnums, got 0 twice
mx.{grad|value_and_grad}(fn, 1)(x) => ValueError: [@] expected a call with argument 1, which argnums chose, got 1 positional ...
mx.{grad|value_and_grad}(fn, "a") => TypeError: [@] expected ints as argnums, got 'a'
mx.{grad|value_and_grad}(fn, 0, 1) => TypeError: [@] expected argnames of type str
mx.{grad|value_and_grad}(fn, 0, ["b"])(x) => ValueError: [@] expected a call with keyword argument 'b', which argnames chose
mx.{grad|value_and_grad}(lambda a: a)(x) => ValueError: [@] expected a scalar as first output, got an array of 2 dimensions
mx.grad(lambda a: 1.0)(x) => ValueError: [grad] expected the function to return a scalar array, got float
mx.value_and_grad(lambda a: 1.0)(x) => ValueError: [value_and_grad] expected the function to return a scalar array or a tuple that ...
mx.value_and_grad(fn)(1.0) => ValueError: [value_and_grad] expected a tree of arrays alone, got float
mx.value_and_grad(fn)() => ValueError: [value_and_grad] expected a call with argument 0, which argnums chose, got 0 positional ...
mx.vjp(fn, [x], []) => ValueError: [vjp] expected one cotangent for each of 1 outputs, got 0
mx.jvp(fn, [x], []) => ValueError: [jvp] expected as many tangents as primals, got 0 and 1
mx.vjp(fn, [x], [cube]) => ValueError: [vjp] expected cotangent 0 of its output's shape (), got (2,3,4)
mx.jvp(fn, [x], [cube]) => ValueError: [jvp] expected tangent 0 of its input's shape (2,3), got (2,3,4)
mx.{vjp|jvp}(fn, [1.0], [s]) => TypeError: @(): expected a list of arrays, element 0 isn't one
mx.{vjp|jvp}(1, [x], [x]) => TypeError: @(): expected a function for argument 'fun', got int
mx.{vjp|jvp}(fn, "a", [x]) => TypeError: @(): expected a list of arrays
mx.{compile|checkpoint}(1) => TypeError: @(): expected a function for argument 'fun', got int
mx.custom_function(1) => TypeError: custom_function(): expected a function
mx.compile(fn)(object()) => ValueError: [compile] expected trees of arrays or constants (floats, ints, strings or None) as arguments, got object
mx.compile(fn, shapeless=1) => TypeError: compile(): expected a bool for argument 'shapeless', got int
mx.export_function(1, fn, x) => TypeError: export_function(): expected a str, a path or a file object with write() for argument 'file', got int
mx.export_function("/tmp/a.mlxfn", 1, x) => TypeError: export_function(): expected a function for argument 'fun', got int
mx.export_function("/tmp/a.mlxfn", fn, 1) => ValueError: [export_function] expected arrays and named arrays, or a tuple of arrays and a dict of named ones, got other inputs
mx.export_function("/tmp/a.mlxfn", lambda a: 1, x) => ValueError: [export_function] expected an array, or a tuple or list of arrays, as result, got int
mx.export_function("/tmp/a.mlxfn", fn, x, metadata=1) => TypeError: export_function(): expected None or a str for argument 'metadata', got int
mx.export_function("/nonexistent/a.mlxfn", fn, x) => OSError: [export_function] expected to create /nonexistent/a.mlxfn, got: No such file ...
mx.exporter("/tmp/a.mlxfn", 1) => TypeError: exporter(): expected a function for argument 'fun', got int
mx.exporter(1, fn) => TypeError: exporter(): expected a str, a path or a file object with write() for argument 'file', got int
mx.exporter("/tmp/a.mlxfn", fn)(1) => ValueError: [export_function] expected arrays and named arrays, ...
mx.FunctionExporter() => TypeError: cannot create 'mlx.core.FunctionExporter' instances
mx.import_function(1) => TypeError: import_function(): expected a str, a path or a file object with read() for argument 'file', got int
mx.import_function("/nonexistent/a.mlxfn") => OSError: [import_function] expected to open /nonexistent/a.mlxfn, got: No such file ...
mx.export_to_dot(1, x) => ValueError: [export_to_dot] expected a path or a file object with write(), got int
mx.export_to_dot("/tmp/a.dot", 1) => ValueError: [export_to_dot] expected arrays, or trees of them, got int
mx.export_to_dot("/tmp/a.dot", x, a=1) => ValueError: [export_to_dot] expected named arrays, got int
mx.compile(lambda a: a.item())(s) => ValueError: [eval] expected arrays with values, got a placeholder: ...
mx.load(3) => TypeError: load(): expected a str, a path or a file object with read() for argument 'file', got int
mx.load("/nonexistent/a.npy") => OSError: [load_npy] expected to open /nonexistent/a.npy, got: No such file or directory
mx.load("/nonexistent/a.what") => ValueError: [load] expected npy, npz, safetensors or gguf, got format 'what'
mx.load("/nonexistent/a", "what") => ValueError: [load] expected npy, npz, safetensors or gguf, got format 'what'
mx.{save|savez|savez_compressed}(3, x) => TypeError: @(): expected a str, a path or a file object with write() for argument 'file', got int
mx.save("/nonexistent/a.npy", x) => OSError: [save_npy] expected to create /nonexistent/a.npy, got: No such file or ...
mx.save("/tmp/a.npy", 1) => TypeError: save(): expected an array for argument 'arr', got int
mx.{savez|savez_compressed}("/nonexistent/a.npz", x) => OSError: [save_npz] expected to create /nonexistent/a.npz, got: No such file ...
mx.{savez|savez_compressed}("/tmp/a.npz", "a") => TypeError: @(): expected arrays, got str
mx.save_safetensors("/nonexistent/a.safetensors", {"a": x}) => OSError: [save_safetensors] expected to create /nonexistent/a.safetensors, got: ...
mx.save_safetensors("/tmp/a.safetensors", x) => TypeError: save_safetensors(): expected a dict from str to array, got array
mx.save_safetensors("/tmp/a.safetensors", {1: x}) => TypeError: save_safetensors(): expected a dict from str to array, got int
mx.save_gguf("/nonexistent/a.gguf", {"a": x}) => OSError: [save_gguf] expected to create /nonexistent/a.gguf, got: No such file ...
mx.save_gguf("/tmp/a.gguf", {"a": 1}) => TypeError: save_gguf(): expected a dict from str to array, got int
mx.random.{seed|key}(1.5) => TypeError: @(): expected an int for argument 'seed', got float
mx.random.seed("a") => TypeError: seed(): expected an int for argument 'seed', got str
mx.random.{seed|key}(-1) => ValueError: @(): expected a seed of 0 to 2^64 - 1, got -1
mx.random.{seed|key}(2**64) => ValueError: @(): expected a seed of 0 to 2^64 - 1, got 18446744073709551616
mx.random.split(x) => ValueError: [split] expected a key of dtype uint32, got float32
mx.random.split(key, -1) => ValueError: [split] expected a number of keys >= 0, got -1
mx.random.split(key, 2**62) => ValueError: split(): expected an int of 32 bits for argument 'num', got 4611686018427387904
mx.random.split(1) => TypeError: split(): expected an array for argument 'key', got int
mx.random.uniform(0, 1, (-1,)) => ValueError: [uniform] expected non-negative dimensions, got shape (-1)
mx.random.uniform(0, 1, (2**62, 4)) => ValueError: [uniform] expected fewer than 2^63 elements, got shape ...
mx.random.uniform("a", 1) => ValueError: [uniform] expected numbers, arrays or nested lists of them, got str
mx.random.uniform(0, 1, (2,), mx.int32) => ValueError: [uniform] expected float16, bfloat16 or float32, got int32
mx.random.uniform(0, v, (2,)) => ValueError: [uniform] expected broadcastable shapes, got (2) and (3)
mx.random.uniform(key=v) => ValueError: [uniform] expected a key of dtype uint32, got float32
mx.random.uniform(key=i) => ValueError: [uniform] expected a key of dtype uint32, got int32
mx.random.normal((-1,)) => ValueError: [normal] expected non-negative dimensions, got shape (-1)
mx.random.normal((2,), mx.int32) => ValueError: [normal] expected a floating point dtype or complex64, got int32
mx.random.normal((2,), loc=v) => ValueError: [normal] expected broadcastable shapes, got (2) and (3)
mx.random.normal("a") => TypeError: normal(): expected an int or a sequence of ints for argument 'shape', got str
mx.random.normal((2,), key=1) => TypeError: normal(): expected None or an array for argument 'key', got int
mx.random.randint(0, 5, (-1,)) => ValueError: [randint] expected non-negative dimensions, got shape (-1)
mx.random.randint(0, 5, (2,), mx.float32) => ValueError: [randint] expected an integer dtype or bool, got float32
mx.random.randint(0, v, (2,)) => ValueError: [randint] expected broadcastable shapes, got (2) and (3)
mx.random.randint("a", 5) => ValueError: [randint] expected numbers, arrays or nested lists of them, got str
mx.random.bernoulli(2.0, (-1,)) => ValueError: [bernoulli] expected non-negative dimensions, got shape (-1)
mx.random.bernoulli(v, (2,)) => ValueError: [bernoulli] expected broadcastable shapes, got (3) and (2)
mx.random.bernoulli("a") => ValueError: [bernoulli] expected numbers, arrays or nested lists of them, got str
mx.random.truncated_normal(v, 1, (2,)) => ValueError: [truncated_normal] expected broadcastable shapes, got (2) and (3)
mx.random.truncated_normal(0, 1, (2,), mx.int32) => ValueError: [truncated_normal] expected float16, bfloat16 or float32, got int32
mx.random.truncated_normal(0, 1, (-2,)) => ValueError: [truncated_normal] expected non-negative dimensions, got shape (-2)
mx.random.{gumbel|laplace}((-1,)) => ValueError: [@] expected non-negative dimensions, got shape (-1)
mx.random.gumbel((2,), mx.int32) => ValueError: [gumbel] expected float16, bfloat16 or float32, got int32
mx.random.laplace((2,), mx.int32) => ValueError: [laplace] expected a real floating point dtype, got int32
mx.random.laplace((2,), loc="a") => ValueError: [laplace] expected numbers, arrays or nested lists of them, got str
mx.random.categorical(x, 2) => AxisError: [categorical] expected an axis of an array with 2 dimensions, got 2
mx.random.categorical(x, 1, (3,)) => ValueError: [categorical] expected broadcastable shapes, got (2,3) and (3,3)
mx.random.categorical(x, 1, (2,), 3) => ValueError: [categorical] expected shape or num_samples, got both
mx.random.categorical(x, 1, None, -1) => ValueError: [categorical] expected a number of samples >= 0, got -1
mx.random.categorical(s) => AxisError: [categorical] expected an axis of an array with 0 dimensions, got -1
mx.random.categorical("a") => TypeError: categorical(): expected an array for argument 'logits', got str
mx.random.permutation(-1) => ValueError: [permutation] expected non-negative dimensions, got shape (-1)
mx.random.permutation(x, 2) => AxisError: [permutation] expected an axis of an array with 2 dimensions, got 2
mx.random.permutation("a") => TypeError: permutation(): expected an int or an array for argument 'x', got str
mx.random.permutation(s) => AxisError: [permutation] expected an axis of an array with 0 dimensions, got 0
mx.fast.rms_norm(s, None, 1e-5) => ValueError: [rms_norm] expected at least 1 dimension, got shape ()
mx.fast.rms_norm(x, v[:2], 1e-5) => ValueError: [rms_norm] expected a weight of shape (3), got (2)
mx.fast.rms_norm(x, x, 1e-5) => ValueError: [rms_norm] expected a weight of shape (3), got (2,3)
mx.fast.rms_norm(i, None, 1e-5) => ValueError: [rms_norm] expected a real floating point dtype, got int32
mx.fast.rms_norm(x, v) => TypeError: rms_norm(): missing argument 'eps'
mx.fast.rms_norm(x, v, "a") => TypeError: rms_norm(): expected a float for argument 'eps', got str
mx.fast.layer_norm(s, None, None, 1e-5) => ValueError: [layer_norm] expected at least 1 dimension, got shape ()
mx.fast.layer_norm(x, v[:2], None, 1e-5) => ValueError: [layer_norm] expected a weight of shape (3), got (2)
mx.fast.layer_norm(x, v, x, 1e-5) => ValueError: [layer_norm] expected a bias of shape (3), got (2,3)
mx.fast.layer_norm(i, None, None, 1e-5) => ValueError: [layer_norm] expected a real floating point dtype, got int32
mx.fast.rope(v, 2, traditional=True, base=1.0, scale=1.0, offset=0) => ValueError: [rope] expected at least 3 dimensions, got shape (3)
mx.fast.rope(heads, 20, traditional=True, base=1.0, scale=1.0, offset=0) => ValueError: [rope] expected dims even, positive and at most 16, got 20
mx.fast.rope(heads, 7, traditional=True, base=1.0, scale=1.0, offset=0) => ValueError: [rope] expected dims even, positive and at most 16, got 7
mx.fast.rope(heads, 0, traditional=True, base=1.0, scale=1.0, offset=0) => ValueError: [rope] expected dims even, positive and at most 16, got 0
mx.fast.rope(heads, 2**40, traditional=True, base=1.0, scale=1.0, offset=0) => ValueError: rope(): expected an int of 32 bits for argument 'dims', got 1099511627776
mx.fast.rope(heads, 8, traditional=True, base=1.0, scale=1.0, offset=0, freqs=v) => ValueError: [rope] expected either base or freqs, got both
mx.fast.rope(heads, 8, traditional=True, base=None, scale=1.0, offset=0) => ValueError: [rope] expected either base or freqs, got both
mx.fast.rope(heads, 8, traditional=True, base=None, scale=1.0, offset=0, freqs=v) => ValueError: [rope] expected freqs of shape (4), got (3)
mx.fast.rope(heads, 8, traditional=True, base=1.0, scale=1.0, offset=v) => ValueError: [rope] expected an integer offset, got float32
mx.fast.rope(heads, 8, traditional=True, base=1.0, scale=1.0, offset="a") => TypeError: rope(): expected an int or an array for argument 'offset', got str
mx.fast.rope(mx.ones((1, 4, 8), mx.int32), 8, traditional=True, base=1.0, scale=1.0, offset=0) => ValueError: [rope] expected a real floating point dtype, got int32
mx.fast.scaled_dot_product_attention(x, x, x, scale=1.0) => ValueError: [scaled_dot_product_attention] expected 4 dimensions, got shape (2,3)
mx.fast.scaled_dot_product_attention(heads, heads[..., :8], heads, scale=1.0) => ValueError: [scaled_dot_product_attention] expected q (B, H, Tq, D), k (B, Hkv, Tk, D), v ...
mx.fast.scaled_dot_product_attention(heads, heads, heads[:, :, :3], scale=1.0) => ValueError: [scaled_dot_product_attention] expected q (B, H, Tq, D), k (B, Hkv, Tk, D), v ...
mx.fast.scaled_dot_product_attention(heads[:, :1], heads, heads, scale=1.0) => ValueError: [scaled_dot_product_attention] expected q (B, H, Tq, D), k (B, Hkv, Tk, D), v ...
mx.fast.scaled_dot_product_attention(heads, heads, heads, scale=1.0, mask="wrong") => ValueError: [scaled_dot_product_attention] expected mask None, 'causal' or an array, got ...
mx.fast.scaled_dot_product_attention(heads, heads, heads, scale=1.0, mask=i) => ValueError: [scaled_dot_product_attention] expected broadcastable shapes, got (3) and ...
mx.fast.scaled_dot_product_attention(heads, heads, heads, scale=1.0, mask=mx.ones((3, 3))) => ValueError: [scaled_dot_product_attention] expected broadcastable shapes, got (3,3) and ...
mx.fast.scaled_dot_product_attention(heads, heads, heads, scale=1.0, sinks=v) => ValueError: [scaled_dot_product_attention] expected sinks of shape (2), got (3)
mx.fast.scaled_dot_product_attention(heads, heads, heads) => TypeError: scaled_dot_product_attention(): missing argument 'scale'
mx.fast.scaled_dot_product_attention(heads.astype(mx.int32), heads.astype(mx.int32), heads.astype(mx.int32), scale=1.0) => ValueError: [scaled_dot_product_attention] expected a real floating point dtype, got int32
mx.fast.cross_entropy(x, i) => ValueError: [cross_entropy] expected broadcastable shapes, got (2,1) and (3,1)
mx.fast.cross_entropy(x, v[:2]) => ValueError: [cross_entropy] expected integer indices, got float32
mx.fast.cross_entropy(x, mx.array([0, 9])) => IndexError: [take_along_axis] expected indices in [-3, 3) on axis 1, got 9
mx.fast.cross_entropy(i, i) => ValueError: [cross_entropy] expected indices of 1 dimensions, as shape (3), got shape ...
mx.fft.{fft|ifft|rfft|irfft}(x, 4, 2) => AxisError: [@] expected an axis of an array with 2 dimensions, got 2
mx.fft.{fft|ifft|rfft|irfft}(x, 0) => ValueError: [@] expected lengths from 1 to 2^31 - 1, got 0 for axis 1 of shape (2,3)
mx.fft.{fft|ifft|rfft|irfft}(x, -1) => ValueError: [@] expected lengths from 1 to 2^31 - 1, got -1 for axis 1 of shape (2,3)
mx.fft.{fft|ifft|rfft}(x, 2**62) => ValueError: [@] expected lengths from 1 to 2^31 - 1, got 4611686018427387904 for axis 1 ...
mx.fft.irfft(x, 2**62) => ValueError: [irfft] expected lengths from 1 to 2^31 - 1, got 4611686018427387904 for axis ...
mx.fast.gated_delta_update(x, heads, heads, heads[..., 0], heads[..., 0]) => ValueError: [gated_delta_update] expected q and k (B, T, Hk, Dk) and v ...
mx.fast.gated_delta_update(heads, heads[..., 1:], heads, heads[..., 0], heads[..., 0]) => ValueError: [gated_delta_update] expected q and k (B, T, Hk, Dk) and v ...
mx.fast.gated_delta_update(heads, heads, heads[:, :, :3], heads[..., 0], heads[..., 0]) => ValueError: [gated_delta_update] expected q and k (B, T, Hk, Dk) and v ...
mx.fast.gated_delta_update(heads, heads, heads, x, heads[..., 0]) => ValueError: [gated_delta_update] expected gamma (B, T, Hv) or (B, T, Hv, Dk) for v ... got (2,3)
mx.fast.gated_delta_update(heads, heads, heads, heads[..., 0], x) => ValueError: [gated_delta_update] expected beta (B, T, Hv) for v ... got (2,3)
mx.fast.gated_delta_update(heads, heads, heads, heads[..., 0], heads[..., 0], heads) => ValueError: [gated_delta_update] expected a state (B, Hv, Dv, Dk) = (1,4,16,16) ...
mx.fast.gated_delta_update(heads, heads, heads, heads[..., 0], heads[..., 0], None, x) => ValueError: [gated_delta_update] expected a bool mask (B, T) for v ...
mx.fast.gated_delta_update(i, i, i, i, i) => ValueError: [gated_delta_update] expected real floating point dtypes, got int32
mx.fast.metal_kernel(1, [], [], "") => TypeError: metal_kernel(): expected a str for argument 'name', got int
mx.fast.metal_kernel("a", ["x"], ["y"], "")(inputs=[x]) => RuntimeError: [metal_kernel] expected a Metal backend, which this build lacks
mx.fast.cuda_kernel("a", ["x"], ["y"], "") => RuntimeError: [cuda_kernel] expected a CUDA backend, which this build lacks
mx.fast.precompiled_cuda_kernel(name="a", compiled_source=b"", inputs=[x], output_shapes=[(2,)], output_dtypes=[mx.float32], scalars=[], grid=(1, 1, 1), threadgroup=(1, 1, 1)) => RuntimeError: [precompiled_cuda_kernel] expected a CUDA backend, which this build lacks
mx.distributed.{all_sum|all_max|all_min|all_gather|sum_scatter}(None) => TypeError: @(): expected an array or a scalar for argument 'x', got NoneType
mx.distributed.{all_sum|all_max|all_min|all_gather|sum_scatter}(x, group=1) => TypeError: @(): expected None or a Group for argument 'group', got int
mx.distributed.init(backend="tcp") => ValueError: [init] expected the backend 'any', 'mpi', 'ring', 'nccl' or 'jaccl', got 'tcp'
mx.distributed.init(all_gather_factory=print) => ValueError: [init] expected all_gather_factory with the backend 'jaccl' alone, got 'any'
mx.distributed.init(strict=True) => RuntimeError: [init] expected a backend that connects processes, which this build lacks (strict)
mx.distributed.is_available(1) => TypeError: is_available(): expected a str for argument 'backend', got int
mx.distributed.send(x, 0) => ValueError: [send] expected another process in the group, got a group of one
mx.distributed.recv((2,), mx.float32, 0) => ValueError: [recv] expected another process in the group, got a group of one
mx.distributed.recv_like(x, 0) => ValueError: [recv_like] expected another process in the group, got a group of one
mx.cuda.is_available(1) => TypeError: mlx.core.cuda.is_available() takes no arguments ...
mx.metal.{is_available|device_info|stop_capture}(1) => TypeError: mlx.core.metal.@() takes no arguments ...
mx.metal.start_capture("a") => RuntimeError: [start_capture] expected a Metal backend, which this build lacks
mx.metal.stop_capture() => RuntimeError: [stop_capture] expected a Metal backend, which this build lacks
mx.metal.{get_active_memory|get_cache_memory|get_peak_memory|reset_peak_memory|clear_cache}(1) => TypeError: @(): expected at most 0 positional arguments, got 1
mx.metal.{set_memory_limit|set_cache_limit|set_wired_limit}(-1) => ValueError: @(): expected a limit of 0 bytes or more
mx.linalg.{inv|det|slogdet|cholesky|eig|eigvals|eigh|eigvalsh|tri_inv|cholesky_inv|pinv|qr|svd|lu|lu_factor}(v) => ValueError: [@] expected matrices, of 2 dimensions or more, got shape (3)
mx.linalg.{inv|det|slogdet|cholesky|eig|eigvals|eigh|eigvalsh|tri_inv|cholesky_inv}(x) => ValueError: [@] expected square matrices, got shape (2,3)
mx.linalg.inv(mx.zeros((2, 2))) => RuntimeError: [inv] expected invertible matrices, got a singular one (number 0)
mx.linalg.cholesky(mx.zeros((2, 2))) => RuntimeError: [cholesky] expected positive definite matrices, got another (number 0)
mx.linalg.tri_inv(mx.zeros((2, 2))) => RuntimeError: [solve_triangular] expected invertible matrices, got a singular one (number 0)
mx.linalg.{eigh|eigvalsh}(square, "X") => ValueError: [@] expected UPLO 'L' or 'U', got 'X'
mx.linalg.norm(x, "what") => ValueError: [norm] expected ord 'fro', 'f' or 'nuc', got 'what'
mx.linalg.norm(x, axis=2) => AxisError: [norm] expected an axis of an array with 2 dimensions, got 2
mx.linalg.norm(cube, "fro") => ValueError: [norm] expected two axes for ord 'fro', got 3 for shape (2,3,4)
mx.linalg.cross(x, mx.ones((2, 4))) => ValueError: [cross] expected size 2 or 3 along axis -1, got shapes (2,3) and (2,4)
mx.linalg.cross(x, x, 2) => AxisError: [cross] expected an axis of an array with 2 dimensions, got 2
mx.linalg.{solve|solve_triangular}(x, v) => ValueError: [@] expected square matrices, got shape (2,3)
mx.linalg.solve(square, v) => ValueError: [solve] expected a vector or matrices with as many rows as the first array, got shapes ...
mx.linalg.solve(mx.zeros((2, 2)), mx.ones((2,))) => RuntimeError: [solve] expected invertible matrices, got a singular one (number 0)
mx.linalg.solve_triangular(square, v) => ValueError: [solve_triangular] expected a vector or matrices with as many rows as the first array ...
mx.random.multivariate_normal(v, square) => ValueError: [multivariate_normal] expected a mean (..., N) and a covariance (..., N, N), got shapes ...
mx.random.multivariate_normal(s, square) => ValueError: [multivariate_normal] expected a mean (..., N) and a covariance (..., N, N), got shapes ...
mx.random.multivariate_normal(v, x) => ValueError: [multivariate_normal] expected a mean (..., N) and a covariance (..., N, N), got shapes ...
mx.random.multivariate_normal(v, mx.eye(3), (2,), mx.int32) => ValueError: [multivariate_normal] expected dtype float32, got int32
mx.random.multivariate_normal(v, mx.eye(3), (-2,)) => ValueError: [multivariate_normal] expected non-negative dimensions, got shape (-2)
mx.vmap(1) => TypeError: vmap(): expected a function for argument 'fun', got int
mx.vmap(fn, 0, 5)(x) => AxisError: [vmap] expected an axis of output 0 in [-1, 1), got 5
mx.vmap(fn, 5)(x) => AxisError: [vmap] expected an axis of input 0 in [-2, 2), got 5
mx.vmap(fn, "a")(x) => ValueError: [vmap] expected in_axes as int, None or a tree of them, got a str
mx.vmap(fn, None)(x) => ValueError: [vmap] expected at least one mapped input, got none among 1
mx.vmap(pair)(x, v) => ValueError: [vmap] expected mapped axes of one size, got 2 (axis 0 of input 0) and 3 (axis 0 of ...
mx.vmap(fn)(1.0) => ValueError: [vmap] expected in_axes of None for what is not an array, got an axis for a float
mx.vmap(fn)(s) => AxisError: [vmap] expected an axis of input 0 in [0, 0), got 0
mx.linalg.{inv|det|slogdet|cholesky|eig|eigvals|eigh|eigvalsh|tri_inv|cholesky_inv|pinv|qr|svd|lu|lu_factor}([1.0]) => TypeError: @(): expected an array for argument 'a', got list
mx.fft.{fft|ifft|rfft|irfft}(x, norm="wrong") => ValueError: [@] expected norm 'backward', 'ortho' or 'forward', got 'wrong'
mx.fft.{fft|ifft|rfft|irfft}(s) => AxisError: [@] expected an axis of an array with 0 dimensions, got -1
mx.fft.{fft|ifft|rfft|irfft}([1.0]) => TypeError: @(): expected an array for argument 'a', got list
mx.fft.{fft|ifft|rfft}(empty) => ValueError: [@] expected lengths from 1 to 2^31 - 1, got 0 for axis 1 of shape (3,0)
mx.fft.irfft(empty) => ValueError: [irfft] expected lengths from 1 to 2^31 - 1, got -2 for axis 1 of shape (3,0)
mx.fft.{fft2|ifft2|rfft2|irfft2}(v) => AxisError: [@] expected an axis of an array with 1 dimensions, got -2
mx.fft.{fft2|ifft2|rfft2|irfft2}(x, (2, 3, 4)) => ValueError: [@] expected one length for each of 2 axes, got 3
mx.fft.{fftn|ifftn|rfftn|irfftn}(x, (2, 3, 4)) => ValueError: [@] expected at most one length for each of 2 axes, got 3
mx.fft.{fft2|ifft2|rfft2|irfft2}(x, (0, 3)) => ValueError: [@] expected lengths from 1 to 2^31 - 1, got 0 for axis 0 of shape (2,3)
mx.fft.{fftn|ifftn|rfftn|irfftn}(x, (0, 3)) => ValueError: [@] expected lengths from 1 to 2^31 - 1, got 0 for axis 0 of shape (2,3)
mx.fft.{fft2|ifft2|rfft2|irfft2|fftn|ifftn|rfftn|irfftn}(x, (2, 3), (0, 2)) => AxisError: [@] expected an axis of an array with 2 dimensions, got 2
mx.fft.{FFTN}(x, norm="wrong") => ValueError: [@] expected norm 'backward', 'ortho' or 'forward', got 'wrong'
mx.fft.{FFTN}(x, 5.5) => TypeError: @(): expected None or an int or a sequence of ints for argument 's', got float
mx.fft.{fftshift|ifftshift}(x, 2) => AxisError: [@] expected an axis of an array with 2 dimensions, got 2
mx.fft.{fftshift|ifftshift}("a") => TypeError: @(): expected an array for argument 'a', got str
mx.fft.{fftfreq|rfftfreq}(0) => ValueError: [@] expected n from 1 to 2^31 - 1, got 0
mx.fft.{fftfreq|rfftfreq}(-1) => ValueError: [@] expected n from 1 to 2^31 - 1, got -1
mx.fft.{fftfreq|rfftfreq}(5, "a") => TypeError: @(): expected a float for argument 'd', got str
mx.fft.{fftfreq|rfftfreq}(2**62) => ValueError: [@] expected n from 1 to 2^31 - 1, got 4611686018427387904
mx.fft.stft(rows.flatten(), 0) => ValueError: [stft] expected n_fft from 1 to 2^31 - 1
mx.fft.stft(rows.flatten(), 16, 0) => ValueError: [stft] expected a positive hop_length
mx.fft.stft(rows.flatten(), 16, 4, 32) => ValueError: [stft] expected a window of at most n_fft = 16 elements, got 32
mx.fft.stft(rows.flatten(), 16, pad_mode="wrong") => ValueError: [stft] expected pad_mode constant, edge, reflect or symmetric, got 'wrong'
mx.fft.stft(rows.flatten(), 16, window=x) => ValueError: [stft] expected a window of one dimension, got shape (2,3)
mx.fft.stft(rows.flatten(), 16, norm="wrong") => ValueError: [stft] expected norm 'backward', 'ortho' or 'forward', got 'wrong'
mx.fft.istft(v) => ValueError: [istft] expected an array (..., frequencies, frames), got shape (3)
mx.fft.istft(x, 16, 0) => ValueError: [istft] expected a positive hop_length
x.{all|any|sum|prod|max|min|mean|var|std|logsumexp|argmax|argmin|cumsum|cumprod|cummax|cummin|logcumsumexp}(2) => AxisError: [@] expected an axis of an array with 2 dimensions, got 2
x.{abs|conj|cos|exp|log|log10|log1p|log2|reciprocal|rsqrt|sin|sqrt|square}(1) => TypeError: @(): expected at most 0 positional arguments, got 1
x.item(1) => TypeError: array.item() takes no arguments (1 given)
x.tolist(1) => TypeError: array.tolist() takes no arguments (1 given)
x.{abs|cos|exp|sum}(stream="a") => TypeError: [@] expected a Stream, Device, DeviceType or None for argument 'stream' ...
x.item() => ValueError: [item] expected an array of one element, got 6
x.astype("float32") => TypeError: astype(): expected a Dtype for argument 'dtype', got str
x.astype() => TypeError: astype(): missing argument 'dtype'
x.view("int32") => TypeError: view(): expected a Dtype for argument 'dtype', got str
u.view(mx.int32) => ValueError: [view] expected a last axis of a multiple of 4 bytes, got uint8 of shape (3)
x.reshape(4, 2) => ValueError: [reshape] expected a shape of 6 elements for an array of shape (2,3), got (4,2)
x.reshape("a") => TypeError: reshape(): expected ints or one sequence of ints, got str
x.reshape(2.0, 3) => TypeError: reshape(): expected ints or one sequence of ints, got float
x.flatten(2) => ValueError: [flatten] expected start_axis <= end_axis, got 2 and -1
x.squeeze(0) => ValueError: [squeeze] expected axis 0 of size 1, got shape (2,3)
x.diag("a") => TypeError: diag(): expected an int for argument 'k', got str
v.diagonal() => ValueError: [diagonal] expected at least 2 dimensions, got shape (3)
x.{moveaxis|swapaxes}(0, 2) => AxisError: [@] expected an axis of an array with 2 dimensions, got 2
x.transpose(0, 0) => ValueError: [transpose] expected distinct axes, got axis 0 twice
x.transpose(0) => ValueError: [transpose] expected 2 axes for shape (2,3), got 1
x.transpose("a") => TypeError: transpose(): expected ints or one sequence of ints, got str
x.split(5) => ValueError: [split] expected axis 0 to divide into 5 equal parts, got shape (2,3)
x.round(1.5) => TypeError: round(): expected an int for argument 'decimals', got float
x.var(ddof="a") => TypeError: var(): expected an int for argument 'ddof', got str
x.at[5].add(1) => IndexError: [at.add] index 5 is out of range for axis 0 with size 2
x.at[0].{add|subtract|multiply|divide|maximum|minimum}("a") => ValueError: [at.@] expected an array or a scalar as the new value
x.at[0].{add|subtract|multiply|divide|maximum|minimum}(None) => TypeError: [at.@] expected an array or a scalar as the new value
x.at[0].{add|subtract|multiply|divide|maximum|minimum}(cube) => ValueError: [at.@] expected a value that broadcasts to the indexed part, got 3 dimensions
x.at[mx.array([5])].{add|maximum}(1) => IndexError: [scatter] expected indices in [-2, 2) on axis 0, got 5
x.at["a"].add(1) => ValueError: [at.add] expected ints, slices, ..., None or arrays, got ...
x[2] => IndexError: [index] index 2 is out of range for axis 0 with size 2
x[-3] => IndexError: [index] index -3 is out of range for axis 0 with size 2
x[0, 3] => IndexError: [index] index 3 is out of range for axis 1 with size 3
x[0, 0, 0] => ValueError: [index] expected at most 2 indices, got more
x[2**63] => IndexError: [index] index out of range
x[1.5] => ValueError: [index] expected ints, slices, ..., None or arrays, got ...
x["a"] => ValueError: [index] expected ints, slices, ..., None or arrays, got ...
x[mx.array([2])] => IndexError: [gather] expected indices in [-2, 2) on axis 0, got 2
x[mx.array([-3])] => IndexError: [gather] expected indices in [-2, 2) on axis 0, got -3
x[v] => ValueError: [index] expected indices of an integer dtype, got another
x[b] => IndexError: [index] expected a boolean mask of the sizes of the axes from 0 on, got size 3 ...
x[[0, 5]] => IndexError: [gather] expected indices in [-2, 2) on axis 0, got 5
x[[True, False, True]] => IndexError: [index] expected a boolean mask of the sizes of the axes from 0 on, got size 3 ...
x[..., ...] => ValueError: [index] expected at most one ellipsis
x[::0] => ValueError: [index] expected a slice whose step is not zero
x[0:1.5] => ValueError: [index] expected ints or None in a slice
x[i, mx.array([0, 1])] => ValueError: [broadcast_shapes] expected broadcastable shapes, got (3) and (2)
x[{}] => ValueError: [index] expected ints, slices, ..., None or arrays, got dict
s[0] => ValueError: [index] expected no indices for an array of 0 dimensions
x.__setitem__(2, 1) => IndexError: [index] index 2 is out of range for axis 0 with size 2
x.__setitem__(0, "a") => ValueError: [at] expected an array or a scalar as the new value
x.__setitem__(0, None) => TypeError: [at] expected an array or a scalar as the new value
x.__setitem__(0, cube) => ValueError: [setitem] expected a value that broadcasts to the indexed part, got 3 dimensions
x.__setitem__(b, 1) => ValueError: [setitem] expected a boolean mask with the shape of the array's leading axes
x.__setitem__(slice(None, None, 0), 1) => ValueError: [index] expected a slice whose step is not zero
x.__delitem__(0) => TypeError: array elements can't be deleted
x + None => TypeError: unsupported operand type(s) for +: 'mlx.core.array' and 'NoneType'
x + "a" => ValueError: [addition] expected an array or a scalar on the other side, got str
x + mx.ones((2,)) => ValueError: [add] expected broadcastable shapes, got (2,3) and (2)
x - object() => TypeError: unsupported operand type(s) for -: 'mlx.core.array' and 'object'
x * [1] => ValueError: [multiplication] expected an array or a scalar on the other side, got list
u + 300 => ValueError: [array] expected an integer that uint8 holds, got 300
u & 300 => ValueError: [array] expected an integer that uint8 holds, got 300
i + 2**40 => ValueError: [array] expected an integer that int32 holds, got 1099511627776
x / "a" => ValueError: [division] expected an array or a scalar on the other side, got str
x // None => TypeError: unsupported operand type(s) for //: 'mlx.core.array' and 'NoneType'
x % "a" => ValueError: [modulus] expected an array or a scalar on the other side, got str
x ** None => TypeError: unsupported operand type(s) for ** or pow(): 'mlx.core.array' and 'NoneType'
x @ 2 => TypeError: unsupported operand type(s) for @: 'mlx.core.array' and 'int'
x @ x => ValueError: [matmul] expected the last axis of the first to match the second last of the ...
2 @ x => TypeError: unsupported operand type(s) for @: 'int' and 'mlx.core.array'
x << 1 => ValueError: [left_shift] expected integers or bool, got float32
x & x => ValueError: [bitwise_and] expected integers or bool, got float32
~x => ValueError: [bitwise_invert] expected integers or bool, got float32
-b => ValueError: [negative] expected a number, got bool: use logical_not
x < "a" => ValueError: [less than] expected an array or a scalar on the other side, got str
x < None => TypeError: '<' not supported between instances of 'mlx.core.array' and 'NoneType'
x >= cube => ValueError: [greater_equal] expected broadcastable shapes, got (2,3) and (2,3,4)
pow(x, 2, 3) => TypeError: unsupported operand type(s) for ** or pow(): 'mlx.core.array', 'int', 'int'
x.__iadd__("a") => ValueError: [addition] expected an array or a scalar on the other side, got str
x.__imatmul__(x) => ValueError: [matmul] expected the last axis of the first to match the second last of the ...
x.__iand__(1) => ValueError: [bitwise_and] expected integers or bool, got float32
bool(x) => ValueError: [item] expected an array of one element, got 6
bool(none) => ValueError: [item] expected an array of one element, got 0
int(x) => ValueError: [item] expected an array of one element, got 6
float(x) => ValueError: [item] expected an array of one element, got 6
complex(x) => ValueError: [item] expected an array of one element, got 6
len(s) => TypeError: len() of an array of 0 dimensions
iter(s) => TypeError: iteration over an array of 0 dimensions
range(s) => TypeError: expected an integer array of 0 dimensions as an index
format(x, "d") => TypeError: __format__(): expected no format for an array with axes
x.nothing => AttributeError: 'mlx.core.array' object has no attribute 'nothing'
v.mT => ValueError: [matrix_transpose] expected at least 2 dimensions, got 1
x.__array_namespace__("1999.12") => ValueError: [__array_namespace__] expected an API version from 2021.12 to 2024.12, got '1999.12'
x.__array_namespace__(1) => TypeError: __array_namespace__(): expected None or a str for argument 'api_version', got ...
x.to_device() => TypeError: to_device() ...
x.to_device("cpu") => TypeError: to_device(): expected a Device or DeviceType, got str
x[0:v] => ValueError: [index] expected ints or None in a slice
x.__dlpack__(copy="a") => TypeError: __dlpack__(): expected None or a bool for argument 'copy', got str
x.__dlpack__(dl_device=(2, 0)) => BufferError: [__dlpack__] expected the device (1, 0), the CPU
x.__setstate__(1) => ValueError: __setstate__(): expected (bytes, shape, dtype) that fit each other
x.__setstate__((b"", (2**62, 8), mx.int32)) => ValueError: __setstate__(): expected (bytes, shape, dtype) that fit each other
mx.random.{seed|key}("a") => TypeError: @(): expected an int for argument 'seed', got str
mx.broadcast_shapes((1,) * 100) => ValueError: [broadcast_shapes] expected at most 32 dimensions, got 100
mx.eval(x.__setitem__(mx.array([9]), 1), x) => IndexError: [scatter] expected indices in [-2, 2) on axis 0, got 9
mx.isdtype() => TypeError: isdtype(): missing argument 'dtype'
mx.issubdtype() => TypeError: issubdtype(): missing argument 'arg1'
mx.can_cast() => TypeError: can_cast(): missing argument 'from_'
mx.{finfo|iinfo}() => TypeError: @(): expected a Dtype
mx.Device() => TypeError: Device(): expected a DeviceType and an optional int as index
mx.Stream() => TypeError: cannot create 'mlx.core.Stream' instances
mx.{grad|vjp|jvp|vjp|compile}() => TypeError: @(): missing argument 'fun'
mx.custom_function() => TypeError: custom_function(): expected a function
mx.array([1, 2], mx.float32, 3) => TypeError: array(): expected a value and an optional Dtype: array(val, dtype=None)
"""
