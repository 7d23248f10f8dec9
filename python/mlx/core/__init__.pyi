"""Type stubs of mlx.core, written by tools/stubs.py."""

import enum
from collections.abc import Callable, Iterator, Sequence
from typing import Any


from . import cuda as cuda, distributed as distributed, fast as fast, fft as fft, linalg as linalg, metal as metal, random as random

_Scalar = bool | int | float | complex
_Value = Any  # an array, a scalar, a nested list of scalars, or an object with a buffer, as a NumPy array
_Stream = Stream | ThreadLocalStream | Device | DeviceType

class ArrayAt:
    """Updates of a copy: x.at[index].add(values)."""
    def __getitem__(self, key: Any, /) -> Any: ...
    def add(self, *args: Any, **kwargs: Any) -> Any: ...
    def divide(self, *args: Any, **kwargs: Any) -> Any: ...
    def maximum(self, *args: Any, **kwargs: Any) -> Any: ...
    def minimum(self, *args: Any, **kwargs: Any) -> Any: ...
    def multiply(self, *args: Any, **kwargs: Any) -> Any: ...
    def subtract(self, *args: Any, **kwargs: Any) -> Any: ...

class ArrayIterator:
    """Iterates over the first axis of an array."""
    def __iter__(self) -> Iterator[array]: ...
    def __next__(self) -> array: ...

class ArrayLike:
    """Any object that an array can be made of, used as one."""
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def __mlx_array__(self, *args: Any, **kwargs: Any) -> Any: ...

class AxisError(IndexError, ValueError):
    """An axis out of range."""

class Device:
    """A device to compute on."""
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def __hash__(self) -> int: ...
    def __repr__(self) -> str: ...
    @property
    def type(self) -> DeviceType: ...

class DeviceType(enum.Enum):
    cpu = 0
    gpu = 1

class Dtype:
    """The type of an array's elements, such as mx.float32."""
    def __hash__(self) -> int: ...
    def __repr__(self) -> str: ...
    @property
    def size(self) -> int: ...

class DtypeCategory(enum.Enum):
    generic = 0
    number = 1
    integer = 2
    signedinteger = 3
    unsignedinteger = 4
    inexact = 5
    floating = 6
    complexfloating = 7

class FunctionExporter:
    """Exports traces of one function to a file: what exporter gives."""
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __enter__(self) -> Any: ...
    def __exit__(self, *args: Any) -> None: ...
    def close(self, *args: Any, **kwargs: Any) -> Any: ...

class PrintOptions:
    """How arrays are printed."""
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    @property
    def precision(self) -> int: ...

class Stream:
    """A queue of work on a device: operations on it run in order."""
    def __copy__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __deepcopy__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __hash__(self) -> int: ...
    def __repr__(self) -> str: ...
    @property
    def device(self) -> Device: ...

class StreamContext:
    """Makes s the default stream inside `with`."""
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def __enter__(self) -> Any: ...
    def __exit__(self, *args: Any) -> None: ...

class ThreadLocalStream:
    """A stream of its own for each thread that uses it."""
    def __copy__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __deepcopy__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __repr__(self) -> str: ...
    @property
    def device(self) -> Any: ...

class _PrintOptionsContext:
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def __enter__(self) -> Any: ...
    def __exit__(self, *args: Any) -> None: ...

__version__: str

class _gc_func:
    """A transformed function."""
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __copy__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __deepcopy__(self, *args: Any, **kwargs: Any) -> Any: ...

def _signatures() -> list[tuple[str, str, str, str, str]]:
    """Of every function: the module or type it is in, its name, its typed parameters, the type of its result, and its documentation. Type stubs are made from it."""

def abs(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The absolute value. complex64 gives float32."""

def acos(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The inverse cosine, in radians. Integers become float32."""

def acosh(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The inverse hyperbolic cosine. Integers become float32."""

def add(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """a + b. Shapes broadcast."""

def addmm(c: array, a: array, b: array, /, alpha: float = 1.0, beta: float = 1.0, *, stream: _Stream | None = None) -> array:
    """alpha a b + beta c."""

def all(a: array, /, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
    """Are all nonzero? bool. axis: None, an int or a sequence; keepdims: axes stay with size 1."""

def allclose(a: _Value, b: _Value, /, rtol: float = 1e-5, atol: float = 1e-8, *, equal_nan: bool = False, stream: _Stream | None = None) -> array:
    """Are all elements close? See isclose. A bool scalar array."""

def any(a: array, /, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
    """Is any nonzero? bool. axis: None, an int or a sequence; keepdims: axes stay with size 1."""

def arange(start: Any = None, stop: Any = None, step: Any = None, dtype: Dtype | None = None, *, stream: _Stream | None = None) -> array:
    """arange(stop), arange(start, stop, step=1): start, start + step, ... before stop. dtype: int32 (int64 where needed) for ints, float32 when one is a float."""

def arccos(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The inverse cosine, in radians. Integers become float32."""

def arccosh(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The inverse hyperbolic cosine. Integers become float32."""

def arcsin(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The inverse sine, in radians. Integers become float32."""

def arcsinh(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The inverse hyperbolic sine. Integers become float32."""

def arctan(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The inverse tangent, in radians. Integers become float32."""

def arctan2(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """The angle of the point (b, a), in radians. Shapes broadcast."""

def arctanh(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The inverse hyperbolic tangent. Integers become float32."""

def argmax(a: array, /, axis: int | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
    """Where the largest element is, uint32: along an axis, or in the flattened array."""

def argmin(a: array, /, axis: int | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
    """Where the smallest element is, uint32: along an axis, or in the flattened array."""

def argpartition(a: array, /, kth: int, axis: int | None = -1, *, stream: _Stream | None = None) -> array:
    """The indices of partition, uint32."""

def argsort(a: array, /, axis: int | None = -1, *, stream: _Stream | None = None) -> array:
    """The indices that sort, uint32; equal elements keep their order."""

def argwhere(a: array, /, *, stream: _Stream | None = None) -> array:
    """The places of the elements other than 0, (count, ndim) int64, in row-major order. Evaluates a: the call waits."""

class array:
    """A lazy n-dimensional array. val: a scalar, (nested) lists, an array, or any object with a buffer or DLPack; its elements are copied. dtype: what to convert to; by default int32 (int64 where needed), float32, bool or complex64 for Python numbers and the object's own dtype otherwise (float64 becomes float32)."""
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    @property
    def T(self) -> array: ...
    def __abs__(self) -> array: ...
    def __add__(self, other: _Value, /) -> array: ...
    def __and__(self, other: _Value, /) -> array: ...
    def __array__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __array_namespace__(self, api_version: str | None = None) -> Any:
        """The module mlx.array_api, whose functions are the array API standard's. ValueError for versions of the standard other than 2021.12 to 2024.12."""
    def __bool__(self) -> bool: ...
    def __bytes__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __ceil__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __complex__(self) -> complex: ...
    def __copy__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __deepcopy__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __div__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __dlpack__(self, *, stream: Any = None, max_version: Any = None, dl_device: int | Sequence[int] | None = None, copy: bool | None = None) -> array:
        """A DLPack capsule of the evaluated array, at its own strides. copy: True always copies, False raises BufferError where a copy is needed, None copies what is read-only."""
    def __dlpack_device__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __eq__(self, other: _Value, /) -> array: ...  # type: ignore[override]
    def __float__(self) -> float: ...
    def __floor__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __floordiv__(self, other: _Value, /) -> array: ...
    def __format__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __ge__(self, other: _Value, /) -> array: ...
    def __getitem__(self, key: Any, /) -> array: ...
    def __gt__(self, other: _Value, /) -> array: ...
    def __hash__(self) -> int: ...
    def __iadd__(self, other: _Value, /) -> array: ...
    def __iand__(self, other: _Value, /) -> array: ...
    def __ifloordiv__(self, other: _Value, /) -> array: ...
    def __ilshift__(self, other: _Value, /) -> array: ...
    def __imatmul__(self, other: _Value, /) -> array: ...
    def __imod__(self, other: _Value, /) -> array: ...
    def __imul__(self, other: _Value, /) -> array: ...
    def __index__(self) -> int: ...
    def __int__(self) -> int: ...
    def __invert__(self) -> array: ...
    def __ior__(self, other: _Value, /) -> array: ...
    def __ipow__(self, other: _Value, /) -> array: ...
    def __irshift__(self, other: _Value, /) -> array: ...
    def __isub__(self, other: _Value, /) -> array: ...
    def __iter__(self) -> Iterator[array]: ...
    def __itruediv__(self, other: _Value, /) -> array: ...
    def __ixor__(self, other: _Value, /) -> array: ...
    def __le__(self, other: _Value, /) -> array: ...
    def __len__(self) -> int: ...
    def __lshift__(self, other: _Value, /) -> array: ...
    def __lt__(self, other: _Value, /) -> array: ...
    def __matmul__(self, other: _Value, /) -> array: ...
    def __mod__(self, other: _Value, /) -> array: ...
    def __mul__(self, other: _Value, /) -> array: ...
    def __ne__(self, other: _Value, /) -> array: ...  # type: ignore[override]
    def __neg__(self) -> array: ...
    def __or__(self, other: _Value, /) -> array: ...
    def __pos__(self) -> array: ...
    def __pow__(self, other: _Value, /) -> array: ...
    def __radd__(self, other: _Value, /) -> array: ...
    def __rand__(self, other: _Value, /) -> array: ...
    def __rdiv__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __repr__(self) -> str: ...
    def __reversed__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __rfloordiv__(self, other: _Value, /) -> array: ...
    def __rlshift__(self, other: _Value, /) -> array: ...
    def __rmatmul__(self, other: _Value, /) -> array: ...
    def __rmod__(self, other: _Value, /) -> array: ...
    def __rmul__(self, other: _Value, /) -> array: ...
    def __ror__(self, other: _Value, /) -> array: ...
    def __round__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __rpow__(self, other: _Value, /) -> array: ...
    def __rrshift__(self, other: _Value, /) -> array: ...
    def __rshift__(self, other: _Value, /) -> array: ...
    def __rsub__(self, other: _Value, /) -> array: ...
    def __rtruediv__(self, other: _Value, /) -> array: ...
    def __rxor__(self, other: _Value, /) -> array: ...
    def __setitem__(self, key: Any, value: _Value, /) -> None: ...
    def __setstate__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __sub__(self, other: _Value, /) -> array: ...
    def __truediv__(self, other: _Value, /) -> array: ...
    def __trunc__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __xor__(self, other: _Value, /) -> array: ...
    def abs(self, *, stream: _Stream | None = None) -> array:
        """The absolute value. complex64 gives float32."""
    def all(self, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
        """Are all nonzero? bool. axis: None, an int or a sequence; keepdims: axes stay with size 1."""
    def any(self, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
        """Is any nonzero? bool. axis: None, an int or a sequence; keepdims: axes stay with size 1."""
    def argmax(self, axis: int | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
        """Where the largest element is, uint32: along an axis, or in the flattened array."""
    def argmin(self, axis: int | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
        """Where the smallest element is, uint32: along an axis, or in the flattened array."""
    def astype(self, dtype: Dtype, stream: _Stream | None = None) -> array:
        """Converted to dtype. Integers wrap. Floats are truncated to a signed integer of 64 bits for 64-bit dtypes and of 32 bits for the others, whose low bits are the result; NaN and what does not fit are that integer's least value: -1 is 255 as uint8, 3e9 is -2**31 as int32. uint32 and uint64 have their whole range."""
    @property
    def at(self) -> ArrayAt: ...
    def conj(self, *, stream: _Stream | None = None) -> array:
        """The complex conjugate."""
    def cos(self, *, stream: _Stream | None = None) -> array:
        """The cosine of radians. Integers become float32."""
    def cummax(self, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: _Stream | None = None) -> array:
        """The running maximum along an axis. reverse: from the end; inclusive=False: without the element itself."""
    def cummin(self, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: _Stream | None = None) -> array:
        """The running minimum along an axis. reverse: from the end; inclusive=False: without the element itself."""
    def cumprod(self, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, dtype: Dtype | None = None, stream: _Stream | None = None) -> array:
        """The running product along an axis. reverse: from the end; inclusive=False: without the element itself."""
    def cumsum(self, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, dtype: Dtype | None = None, stream: _Stream | None = None) -> array:
        """The running sum along an axis. reverse: from the end; inclusive=False: without the element itself."""
    @property
    def device(self) -> Device: ...
    def diag(self, k: int = 0, *, stream: _Stream | None = None) -> array:
        """A vector: the matrix with it on the k-th diagonal. A matrix: its k-th diagonal."""
    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1, stream: _Stream | None = None) -> array:
        """The diagonal over two axes; it becomes the last axis."""
    @property
    def dtype(self) -> Dtype: ...
    def exp(self, *, stream: _Stream | None = None) -> array:
        """e to the power a. Integers become float32."""
    def flatten(self, start_axis: int = 0, end_axis: int = -1, *, stream: _Stream | None = None) -> array:
        """Axes start_axis to end_axis joined into one."""
    @property
    def imag(self) -> array: ...
    def item(self, *args: Any, **kwargs: Any) -> Any: ...
    @property
    def itemsize(self) -> int: ...
    def log(self, *, stream: _Stream | None = None) -> array:
        """The natural logarithm. Integers become float32."""
    def log10(self, *, stream: _Stream | None = None) -> array:
        """The logarithm to base 10. Integers become float32."""
    def log1p(self, *, stream: _Stream | None = None) -> array:
        """log(1 + a), accurate near 0. Integers become float32."""
    def log2(self, *, stream: _Stream | None = None) -> array:
        """The logarithm to base 2. Integers become float32."""
    def logcumsumexp(self, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: _Stream | None = None) -> array:
        """The running logsumexp along an axis. reverse: from the end; inclusive=False: without the element itself."""
    def logsumexp(self, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
        """log(sum(exp(a))) without overflow. axis: None, an int or a sequence; keepdims: axes stay with size 1."""
    @property
    def mT(self) -> array: ...
    def max(self, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
        """The largest element; nan if there is one. axis: None, an int or a sequence; keepdims: axes stay with size 1."""
    def mean(self, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
        """The mean. Integers become float32. axis: None, an int or a sequence; keepdims: axes stay with size 1."""
    def min(self, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
        """The smallest element; nan if there is one. axis: None, an int or a sequence; keepdims: axes stay with size 1."""
    def moveaxis(self, source: int, destination: int, *, stream: _Stream | None = None) -> array:
        """One axis moved to another place."""
    @property
    def nbytes(self) -> int: ...
    @property
    def ndim(self) -> int: ...
    def prod(self, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
        """The product. axis: None, an int or a sequence; keepdims: axes stay with size 1."""
    @property
    def real(self) -> array: ...
    def reciprocal(self, *, stream: _Stream | None = None) -> array:
        """1 / a. Integers become float32."""
    def reshape(self, *shape: Any, stream: _Stream | None = None) -> array:
        """The same elements in another shape, given as ints or one sequence; one dim may be -1."""
    def round(self, decimals: int = 0, stream: _Stream | None = None) -> array:
        """Rounded to decimals (negative: to tens, hundreds ...), halves to even."""
    def rsqrt(self, *, stream: _Stream | None = None) -> array:
        """1 over the square root. Integers become float32."""
    @property
    def shape(self) -> tuple[int, ...]: ...
    def sin(self, *, stream: _Stream | None = None) -> array:
        """The sine of radians. Integers become float32."""
    @property
    def size(self) -> int: ...
    def split(self, indices_or_sections: Any, axis: int = 0, *, stream: _Stream | None = None) -> list[array]:
        """A list of parts along an axis: an int gives that many equal ones, a sequence where to cut."""
    def sqrt(self, *, stream: _Stream | None = None) -> array:
        """The square root; nan below 0. Integers become float32."""
    def square(self, *, stream: _Stream | None = None) -> array:
        """The square."""
    def squeeze(self, axis: int | Sequence[int] | None = None, *, stream: _Stream | None = None) -> array:
        """Without the given axes, which should have size 1; None: without all such axes."""
    def std(self, axis: int | Sequence[int] | None = None, keepdims: bool = False, ddof: int = 0, *, correction: int | None = None, stream: _Stream | None = None) -> array:
        """The standard deviation: the square root of var."""
    def sum(self, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
        """The sum. bool and small integers add up in int32 or uint32. axis: None, an int or a sequence; keepdims: axes stay with size 1."""
    def swapaxes(self, axis1: int, axis2: int, *, stream: _Stream | None = None) -> array:
        """Two axes exchanged."""
    def to_device(self, device: Any, /, *, stream: Any = None) -> array:
        """The array: memory is shared by all devices, and each op takes the device to run on."""
    def tolist(self, *args: Any, **kwargs: Any) -> Any: ...
    def transpose(self, *axes: Any, stream: _Stream | None = None) -> array:
        """The axes in another order, given as ints or one sequence; reversed without arguments."""
    def var(self, axis: int | Sequence[int] | None = None, keepdims: bool = False, ddof: int = 0, *, correction: int | None = None, stream: _Stream | None = None) -> array:
        """The variance; the sum of squares is divided by N - ddof (or correction)."""
    def view(self, dtype: Dtype, stream: _Stream | None = None) -> array:
        """The same bytes as another dtype; the last axis scales by the ratio of sizes."""

def array_equal(a: _Value, b: _Value, equal_nan: bool = False, stream: _Stream | None = None) -> array:
    """Do the shapes and all elements agree? A bool scalar array."""

def as_strided(a: array, /, shape: int | Sequence[int] | None = None, strides: int | Sequence[int] | None = None, offset: int = 0, *, stream: _Stream | None = None) -> array:
    """A view of a's row-major elements with any shape, strides (in elements) and offset. Element ranges are checked."""

def asarray(a: Any, dtype: Dtype | None = None, *, copy: bool | None = None) -> array:
    """An array from a scalar, sequence, buffer or array. copy=False raises ValueError where a copy is needed."""

def asin(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The inverse sine, in radians. Integers become float32."""

def asinh(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The inverse hyperbolic sine. Integers become float32."""

def astype(a: _Value, dtype: Dtype, stream: _Stream | None = None) -> array:
    """Converted to dtype. Integers wrap. Floats are truncated to a signed integer of 64 bits for 64-bit dtypes and of 32 bits for the others, whose low bits are the result; NaN and what does not fit are that integer's least value: -1 is 255 as uint8, 3e9 is -2**31 as int32. uint32 and uint64 have their whole range."""

def async_eval(*args: Any) -> None:
    """Starts to compute the arrays of all trees given, without waiting. An error surfaces at the next eval."""

def atan(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The inverse tangent, in radians. Integers become float32."""

def atan2(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """The angle of the point (b, a), in radians. Shapes broadcast."""

def atanh(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The inverse hyperbolic tangent. Integers become float32."""

def atleast_1d(*arys: Any, stream: _Stream | None = None) -> array | list[array]:
    """Arrays with at least one axis; one array, or a list of several."""

def atleast_2d(*arys: Any, stream: _Stream | None = None) -> array | list[array]:
    """Arrays with at least two axes; one array, or a list of several."""

def atleast_3d(*arys: Any, stream: _Stream | None = None) -> array | list[array]:
    """Arrays with at least three axes; one array, or a list of several."""

def bartlett(M: int, *, stream: _Stream | None = None) -> array:
    """The triangular window of M points, float32."""

bfloat16: Dtype

def bitwise_and(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """Bitwise and of integers or bools. Shapes broadcast."""

def bitwise_invert(a: _Value, stream: _Stream | None = None) -> array:
    """Every bit flipped; logical not for bool. ValueError for floats."""

def bitwise_left_shift(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """a shifted left by b bits. Shapes broadcast."""

def bitwise_or(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """Bitwise or of integers or bools. Shapes broadcast."""

def bitwise_right_shift(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """a shifted right by b bits. Shapes broadcast."""

def bitwise_xor(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """Bitwise exclusive or of integers or bools. Shapes broadcast."""

def blackman(M: int, *, stream: _Stream | None = None) -> array:
    """The Blackman window of M points, float32."""

def block_masked_mm(a: array, b: array, /, block_size: int = 64, mask_out: array | None = None, mask_lhs: array | None = None, mask_rhs: array | None = None, *, stream: _Stream | None = None) -> array:
    """The matrix product with blocks of block_size x block_size (32 or 64) of a, b and the result masked. A mask has one element for each block, (..., rows / block_size, columns / block_size) rounded up: a bool keeps or clears the block, a number multiplies it."""

bool_: Dtype

def broadcast_arrays(*arrays: Any, stream: _Stream | None = None) -> list[array]:
    """A list of the arrays as views in their common shape."""

def broadcast_shapes(*shapes: Any) -> tuple[int, ...]:
    """The common shape of several shapes. ValueError when there is none."""

def broadcast_to(a: _Value, /, shape: int | Sequence[int], *, stream: _Stream | None = None) -> array:
    """A view in a larger shape: axes of size 1 repeat."""

def can_cast(from_: Any, to: Dtype) -> bool:
    """Does promotion of the two dtypes give `to`?"""

def ceil(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The smallest integer not below a. The dtype stays."""

def checkpoint(fun: Any) -> Callable[..., Any]:
    """A function equal to fun that keeps no intermediate values for the gradient: they are computed again."""

def clear_cache() -> None:
    """Gives the memory kept for reuse back to the system."""

def clear_streams() -> None:
    """Waits for all work on the default streams."""

def clip(a: array, /, a_min: _Value = None, a_max: _Value = None, *, stream: _Stream | None = None) -> array:
    """a, no smaller than a_min and no larger than a_max; one of them may be None."""

def compile(fun: Any, inputs: Any = None, outputs: Any = None, shapeless: bool = False) -> Callable[..., Any]:
    """A compiled fun: traced at its first call for each set of shapes, dtypes and constants, then run from its plan. inputs and outputs: lists or dicts of arrays that fun reads, or changes, besides its arguments and result. shapeless: one trace serves all sizes of a rank and dtype, so fun isn't called for others: sizes that it read stay, and what can't follow is a ValueError that names the op. fun must not evaluate arrays."""

complex64: Dtype

complexfloating: DtypeCategory

def concat(arrays: Any, axis: int | None = 0, *, stream: _Stream | None = None) -> array:
    """See concatenate."""

def concatenate(arrays: Any, axis: int | None = 0, *, stream: _Stream | None = None) -> array:
    """A list of arrays joined along an axis; None: flattened and joined."""

def conj(a: _Value, *, stream: _Stream | None = None) -> array:
    """The complex conjugate."""

def conjugate(a: _Value, *, stream: _Stream | None = None) -> array:
    """The complex conjugate."""

def contiguous(a: array, /, allow_col_major: bool = False, *, stream: _Stream | None = None) -> array:
    """a in row-major layout; a copy only when it isn't."""

def conv1d(input: array, weight: array, /, stride: int | Sequence[int] = 1, padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1, groups: int = 1, *, stream: _Stream | None = None) -> array:
    """The 1D convolution of input (N, L, C) with weight (O, K, C / groups), (N, M, O); the weight is not flipped. padding: zeros at both ends; dilation: distance of the weight's taps."""

def conv2d(input: array, weight: array, /, stride: int | Sequence[int] = 1, padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1, groups: int = 1, *, stream: _Stream | None = None) -> array:
    """The 2D convolution of input (N, H, W, C) with weight (O, KH, KW, C / groups), (N, MH, MW, O); the weight is not flipped. stride, padding and dilation: an int, or one for each of H and W."""

def conv3d(input: array, weight: array, /, stride: int | Sequence[int] = 1, padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1, groups: int = 1, *, stream: _Stream | None = None) -> array:
    """The 3D convolution of input (N, D, H, W, C) with weight (O, KD, KH, KW, C / groups), (N, MD, MH, MW, O); the weight is not flipped. stride, padding and dilation: an int, or one for each of D, H and W."""

def conv_general(input: array, weight: array, /, stride: int | Sequence[int] = 1, padding: Any = 0, kernel_dilation: int | Sequence[int] = 1, input_dilation: int | Sequence[int] = 1, groups: int = 1, flip: bool = False, *, stream: _Stream | None = None) -> array:
    """The convolution of input (N, spatial..., C) with weight (O, spatial..., C / groups), 1 to 3 spatial axes. padding: an int, one an axis, or a pair (low, high) of sequences, one value an axis; negative crops. input_dilation: distance of the input's elements, with zeros between them. flip: the weight reversed along its spatial axes."""

def conv_transpose1d(input: array, weight: array, /, stride: int | Sequence[int] = 1, padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1, output_padding: int | Sequence[int] = 0, groups: int = 1, *, stream: _Stream | None = None) -> array:
    """The 1D transposed convolution of input (N, L, C) with weight (O, K, C / groups), (N, M, O), M = (L - 1) stride - 2 padding + (K - 1) dilation + 1 + output_padding."""

def conv_transpose2d(input: array, weight: array, /, stride: int | Sequence[int] = 1, padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1, output_padding: int | Sequence[int] = 0, groups: int = 1, *, stream: _Stream | None = None) -> array:
    """The 2D transposed convolution of input (N, H, W, C) with weight (O, KH, KW, C / groups); each axis as in conv_transpose1d. The options: an int, or one for each of H and W."""

def conv_transpose3d(input: array, weight: array, /, stride: int | Sequence[int] = 1, padding: int | Sequence[int] = 0, dilation: int | Sequence[int] = 1, output_padding: int | Sequence[int] = 0, groups: int = 1, *, stream: _Stream | None = None) -> array:
    """The 3D transposed convolution of input (N, D, H, W, C) with weight (O, KD, KH, KW, C / groups); each axis as in conv_transpose1d. The options: an int, or one for each of D, H and W."""

def convolve(a: array, v: array, /, mode: str = "full", *, stream: _Stream | None = None) -> array:
    """The convolution of two vectors. mode 'full': N + M - 1 elements; 'same': max(N, M); 'valid': those where the vectors overlap completely."""

def cos(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The cosine of radians. Integers become float32."""

def cosh(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The hyperbolic cosine. Integers become float32."""

def count_nonzero(a: array, /, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
    """The number of nonzero elements, int32."""

cpu: DeviceType

def cummax(a: array, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: _Stream | None = None) -> array:
    """The running maximum along an axis. reverse: from the end; inclusive=False: without the element itself."""

def cummin(a: array, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: _Stream | None = None) -> array:
    """The running minimum along an axis. reverse: from the end; inclusive=False: without the element itself."""

def cumprod(a: array, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, dtype: Dtype | None = None, stream: _Stream | None = None) -> array:
    """The running product along an axis. reverse: from the end; inclusive=False: without the element itself."""

def cumsum(a: array, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, dtype: Dtype | None = None, stream: _Stream | None = None) -> array:
    """The running sum along an axis. reverse: from the end; inclusive=False: without the element itself."""

def cumulative_prod(a: array, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, dtype: Dtype | None = None, stream: _Stream | None = None) -> array:
    """The running product along an axis. reverse: from the end; inclusive=False: without the element itself."""

def cumulative_sum(a: array, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, dtype: Dtype | None = None, stream: _Stream | None = None) -> array:
    """The running sum along an axis. reverse: from the end; inclusive=False: without the element itself."""

class custom_function:
    """A function with derivatives of its own: decorate rules with .vjp, .jvp, .vmap."""
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __copy__(self, *args: Any, **kwargs: Any) -> Any: ...
    def __deepcopy__(self, *args: Any, **kwargs: Any) -> Any: ...
    def jvp(self, *args: Any, **kwargs: Any) -> Any: ...
    def vjp(self, *args: Any, **kwargs: Any) -> Any: ...
    def vmap(self, *args: Any, **kwargs: Any) -> Any: ...

def default_device() -> Device:
    """The device that operations run on unless told otherwise."""

def default_stream(device: Any) -> Stream:
    """The thread's default stream of a device."""

def degrees(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """Radians to degrees. Integers become float32."""

def depends(inputs: Any, dependencies: Any) -> array | list[array]:
    """The inputs, evaluated only after the dependencies. Arrays or sequences of arrays."""

def dequantize(w: array, /, scales: array, biases: array | None = None, group_size: int | None = None, bits: int | None = None, mode: str = "affine", global_scale: array | None = None, dtype: Dtype | None = None, *, stream: _Stream | None = None) -> array:
    """The matrix that quantize packed. dtype None: that of the scales, or bfloat16 in the float modes."""

def device_count(device_type: Any) -> int:
    """The number of devices of a type."""

def device_info(d: Any = None) -> dict[str, Any]:
    """What is known of a device, a dict; of the default device without argument."""

def diag(a: array, /, k: int = 0, *, stream: _Stream | None = None) -> array:
    """A vector: the matrix with it on the k-th diagonal. A matrix: its k-th diagonal."""

def diagonal(a: array, offset: int = 0, axis1: int = 0, axis2: int = 1, stream: _Stream | None = None) -> array:
    """The diagonal over two axes; it becomes the last axis."""

def diff(a: array, /, n: int = 1, axis: int = -1, *, stream: _Stream | None = None) -> array:
    """Differences of neighbours along an axis, n times."""

def disable_compile() -> None:
    """Compiled functions call the plain function from now on."""

def divide(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """a / b; integers give float32. Shapes broadcast."""

def divmod(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """[floor_divide(a, b), remainder(a, b)]."""

e: float

def einsum(subscripts: str, *operands: Any, stream: _Stream | None = None) -> array:
    """Einstein summation: each operand's axes are named by letters, equal letters run together, and those that the output (after '->') lacks are summed. '...' stands for leading axes that broadcast, a repeated letter for a diagonal; without '->' the output has the letters that occur once, sorted. Contractions are matrix products: they need floating point or complex dtypes."""

def einsum_path(subscripts: str, *operands: Any) -> tuple[list[tuple[int, ...]], str]:
    """The order in which einsum contracts, and its cost: ([(i, j), ...], text). Each step multiplies the operands at places i < j of those left and puts the product at the end."""

def empty(shape: int | Sequence[int], dtype: Dtype | None = ..., *, stream: _Stream | None = None) -> array:
    """An array whose values don't matter (zeros)."""

def empty_like(a: array, /, dtype: Dtype | None = None, *, stream: _Stream | None = None) -> array:
    """An array of a's shape whose values don't matter (zeros)."""

def enable_compile() -> None:
    """Compiled functions are compiled again."""

def equal(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """a == b, bool. Shapes broadcast."""

def erf(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The error function. Integers become float32."""

def erfinv(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The inverse of erf; inf at 1, nan beyond. Integers become float32."""

euler_gamma: float

def eval(*args: Any) -> None:
    """Computes the arrays of all trees given, and waits. Other leaves are ignored."""

def exp(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """e to the power a. Integers become float32."""

def expand_dims(a: array, /, axis: int | Sequence[int], *, stream: _Stream | None = None) -> array:
    """With new axes of size 1 at these places of the result."""

def expm1(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """exp(a) - 1, accurate near 0. Integers become float32."""

def export_function(file_or_callback: Any, fun: Any, *args: Any, shapeless: bool = False, metadata: str | None = None, **kwargs: Any) -> None:
    """Writes fun to a file, as traced for the arrays given: positional and named ones, or a tuple and a dict of them. fun takes arrays and gives an array, or a tuple or list of arrays; arrays it uses besides become constants of the file. import_function reads it, also where fun's source isn't. shapeless: the trace serves arrays of other sizes too. metadata: a text to keep beside it. With a callback instead of a path nothing is written: it gets the parts of the graph as dicts."""

def export_to_dot(file: Any, *args: Any, **kwargs: Any) -> None:
    """Writes the graph behind arrays that are not evaluated yet as text for Graphviz, to a path or a file object that takes text. args: arrays, or trees of them; kwargs: arrays with the names under which they appear, while others are letters."""

def exporter(file: Any, fun: Any, *, shapeless: bool = False, metadata: str | None = None) -> FunctionExporter:
    """Exports several traces of fun to one file: call the exporter with each set of arrays, and close it, or use it in a with statement. A call of the imported function picks the trace that serves it."""

def eye(n: int, m: int | None = None, k: int = 0, dtype: Dtype | None = ..., *, stream: _Stream | None = None) -> array:
    """An n x m matrix (m = n unless given) with ones on the k-th diagonal."""

class finfo:
    """Limits of a floating dtype."""
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def __repr__(self) -> str: ...
    @property
    def bits(self) -> int: ...
    @property
    def dtype(self) -> Dtype: ...
    @property
    def eps(self) -> float: ...
    @property
    def max(self) -> float: ...
    @property
    def min(self) -> float: ...
    @property
    def smallest_normal(self) -> float: ...

def flatten(a: array, /, start_axis: int = 0, end_axis: int = -1, *, stream: _Stream | None = None) -> array:
    """Axes start_axis to end_axis joined into one."""

def flip(a: array, /, axis: int | Sequence[int] | None = None, *, stream: _Stream | None = None) -> array:
    """The elements in reverse order along the axes (all: None)."""

float16: Dtype

float32: Dtype

float64: Dtype

floating: DtypeCategory

def floor(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The largest integer not above a. The dtype stays."""

def floor_divide(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """a / b rounded down. Shapes broadcast."""

def from_dlpack(x: Any, /, *, copy: bool | None = None) -> array:
    """An array over the memory of any object with __dlpack__, without a copy unless copy is True."""

def from_fp8(x: array, dtype: Dtype = ..., *, stream: _Stream | None = None) -> array:
    """The floats of e4m3 in uint8."""

def full(shape: int | Sequence[int], vals: _Value, dtype: Dtype | None = None, *, stream: _Stream | None = None) -> array:
    """An array filled with vals, a scalar or an array that broadcasts to the shape. A scalar takes dtype where its kind fits in it, as in MLX: an int is no bool and gives integers, a float no integer; True and False are bools, and astype casts anything."""

def full_like(a: array, vals: _Value, dtype: Dtype | None = None, *, stream: _Stream | None = None) -> array:
    """vals in a's shape and, unless given, dtype."""

def gather_mm(a: array, b: array, /, lhs_indices: array | None = None, rhs_indices: array | None = None, *, sorted_indices: bool = False, stream: _Stream | None = None) -> array:
    """Products of matrices picked by flat indices into the batches of a (..., M, K) and b (..., K, N): (I..., M, N), where both index arrays broadcast to I. None: every matrix. sorted_indices is a hint. An index out of range raises IndexError at eval."""

def gather_qmm(x: array, w: array, /, scales: array, biases: array | None = None, lhs_indices: array | None = None, rhs_indices: array | None = None, transpose: bool = True, group_size: int | None = None, bits: int | None = None, mode: str = "affine", global_scale: array | None = None, *, sorted_indices: bool = False, stream: _Stream | None = None) -> array:
    """quantized_matmul of matrices picked by flat indices into the batches of x and of w, as gather_mm. scales and biases have the batch of w."""

def gather_qqmm(x: array, w: array, /, scales: array | None = None, lhs_indices: array | None = None, rhs_indices: array | None = None, group_size: int | None = None, bits: int | None = None, mode: str = "nvfp4", global_scale_x: array | None = None, global_scale_w: array | None = None, *, sorted_indices: bool = False, stream: _Stream | None = None) -> array:
    """qqmm of matrices picked by flat indices into the batches of x and of w, as gather_mm."""

generic: DtypeCategory

def get_active_memory() -> int:
    """Bytes of memory in use by arrays; memory kept for reuse doesn't count."""

def get_array_buffer_size(a: array) -> int:
    """Bytes of the elements of an array."""

def get_cache_memory() -> int:
    """Bytes of freed memory that are kept for reuse."""

def get_memory_limit() -> int:
    """The most bytes that arrays may use."""

def get_peak_memory() -> int:
    """The most bytes that were in use at once, since the start or reset_peak_memory."""

def get_printoptions() -> PrintOptions:
    """The current options of printing."""

gpu: DeviceType

def grad(fun: Any, argnums: Any = None, argnames: Any = ...) -> Callable[..., Any]:
    """A function that returns the gradient of fun, which returns a scalar array. See value_and_grad."""

def greater(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """a > b, bool. Shapes broadcast."""

def greater_equal(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """a >= b, bool. Shapes broadcast."""

def hadamard_transform(a: array, scale: float | None = None, stream: _Stream | None = None) -> array:
    """scale times the Hadamard matrix times the last axis, whose size is m 2^k with m 1, 12, 20 or 28. scale None: 1 / sqrt of that size, which keeps lengths. Integers give float32."""

def hamming(M: int, *, stream: _Stream | None = None) -> array:
    """The Hamming window of M points, float32."""

def hanning(M: int, *, stream: _Stream | None = None) -> array:
    """The Hann window of M points, float32."""

def identity(n: int, dtype: Dtype | None = ..., *, stream: _Stream | None = None) -> array:
    """The n x n identity matrix."""

class iinfo:
    """Limits of an integer dtype."""
    def __init__(self, *args: Any, **kwargs: Any) -> None: ...
    def __repr__(self) -> str: ...
    @property
    def bits(self) -> int: ...
    @property
    def dtype(self) -> Dtype: ...
    @property
    def max(self) -> int: ...
    @property
    def min(self) -> int: ...

def imag(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The imaginary part."""

def import_function(file: Any, return_metadata: bool = False) -> Callable[..., Any]:
    """The function of a file that export_function or exporter wrote. It takes the arrays that one of its traces was made of, positional and named ones, or a tuple and a dict of them, and gives a tuple of arrays; ValueError for others. return_metadata: the pair of the function and its text."""

inexact: DtypeCategory

inf: float

def inner(a: array, b: array, /, *, stream: _Stream | None = None) -> array:
    """The sum of products over the last axis of both."""

int16: Dtype

int32: Dtype

int64: Dtype

int8: Dtype

integer: DtypeCategory

def is_available(device: Any) -> bool:
    """Can this build and machine compute on the device?"""

def isclose(a: _Value, b: _Value, /, rtol: float = 1e-5, atol: float = 1e-8, *, equal_nan: bool = False, stream: _Stream | None = None) -> array:
    """|a - b| <= atol + rtol |b|, elementwise; equal_nan: nan is close to nan."""

def isdtype(dtype: Dtype, kind: Any) -> bool:
    """Is the dtype of this kind: a Dtype, 'bool', 'signed integer', 'unsigned integer', 'integral', 'real floating', 'complex floating', 'numeric', or a tuple of these?"""

def isfinite(a: _Value, stream: _Stream | None = None) -> array:
    """Is it neither nan nor infinite? The result is bool."""

def isinf(a: _Value, stream: _Stream | None = None) -> array:
    """Is it inf or -inf? The result is bool."""

def isnan(a: _Value, stream: _Stream | None = None) -> array:
    """Is it nan? The result is bool."""

def isneginf(a: _Value, stream: _Stream | None = None) -> array:
    """Is it -inf? The result is bool."""

def isposinf(a: _Value, stream: _Stream | None = None) -> array:
    """Is it inf? The result is bool."""

def issubdtype(arg1: Any, arg2: Any) -> bool:
    """Is the dtype or category arg1 inside the dtype or category arg2? A dtype is inside itself."""

def jvp(fun: Any, primals: Any, tangents: Any) -> tuple[list[array], list[array]]:
    """fun's outputs at the primals, and the tangents pushed forward to the outputs. Lists of arrays."""

def kron(a: array, b: array, *, stream: _Stream | None = None) -> array:
    """The Kronecker product: every element of a times all of b."""

def left_shift(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """a shifted left by b bits. Shapes broadcast."""

def less(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """a < b, bool. Shapes broadcast."""

def less_equal(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """a <= b, bool. Shapes broadcast."""

def linspace(start: float, stop: float, num: int = 50, endpoint: bool = True, dtype: Dtype | None = ..., stream: _Stream | None = None) -> array:
    """num evenly spaced values from start to stop, with stop itself when endpoint."""

def load(file: Any, /, format: str | None = None, return_metadata: bool = False, *, stream: _Stream | None = None) -> array | dict[str, array] | tuple[dict[str, array], dict[str, Any]]:
    """The arrays of a file, a path or an object with read(): one array (npy) or a dict (npz, safetensors, gguf), with return_metadata (dict, metadata). The format is the name's ending unless given. A file at a path is read, or if it is large mapped and used in place: when another program changes it then, using its arrays raises OSError. A file object is read once. A bad file raises ValueError, an absent one OSError."""

def log(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The natural logarithm. Integers become float32."""

def log10(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The logarithm to base 10. Integers become float32."""

def log1p(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """log(1 + a), accurate near 0. Integers become float32."""

def log2(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The logarithm to base 2. Integers become float32."""

def logaddexp(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """log(exp(a) + exp(b)) without overflow. Shapes broadcast."""

def logcumsumexp(a: array, /, axis: int | None = None, *, reverse: bool = False, inclusive: bool = True, stream: _Stream | None = None) -> array:
    """The running logsumexp along an axis. reverse: from the end; inclusive=False: without the element itself."""

def logical_and(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """Are both nonzero? bool. Shapes broadcast."""

def logical_not(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """Is a zero? The result is bool."""

def logical_or(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """Is either nonzero? bool. Shapes broadcast."""

def logical_xor(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """Is exactly one nonzero? bool. Shapes broadcast."""

def logsumexp(a: array, /, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
    """log(sum(exp(a))) without overflow. axis: None, an int or a sequence; keepdims: axes stay with size 1."""

def matmul(a: array, b: array, /, *, stream: _Stream | None = None) -> array:
    """The matrix product of the last two axes; leading axes broadcast. A vector joins in as in NumPy."""

def matrix_transpose(a: array, /, *, stream: _Stream | None = None) -> array:
    """The last two axes exchanged."""

def max(a: array, /, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
    """The largest element; nan if there is one. axis: None, an int or a sequence; keepdims: axes stay with size 1."""

def maximum(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """The larger of both; nan if either is. Shapes broadcast."""

def mean(a: array, /, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
    """The mean. Integers become float32. axis: None, an int or a sequence; keepdims: axes stay with size 1."""

def median(a: array, /, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
    """The middle element of the sorted ones, or the mean of the two in the middle; NaN if there is one; float32 for integers."""

def meshgrid(*arrays: Any, sparse: bool | None = False, indexing: str | None = "xy", stream: _Stream | None = None) -> tuple[array, ...]:
    """Coordinate arrays of a grid over vectors. indexing 'xy': the first vector runs along the second axis; 'ij': along the first. sparse: the other axes have size 1."""

def min(a: array, /, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
    """The smallest element; nan if there is one. axis: None, an int or a sequence; keepdims: axes stay with size 1."""

def minimum(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """The smaller of both; nan if either is. Shapes broadcast."""

def minmax(a: array, /, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> tuple[array, array]:
    """(min, max) over axes."""

def moveaxis(a: array, /, source: int, destination: int, *, stream: _Stream | None = None) -> array:
    """One axis moved to another place."""

def multiply(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """a * b. Shapes broadcast."""

nan: float

def nan_to_num(a: _Value, nan: float = 0, posinf: float | None = None, neginf: float | None = None, *, stream: _Stream | None = None) -> array:
    """nan, inf and -inf replaced: by 0 and the largest and smallest finite numbers unless given."""

def negative(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """-a. ValueError for bool."""

def new_stream(device: Any) -> Stream:
    """A new stream on a device."""

def new_thread_local_stream(device: Any) -> ThreadLocalStream:
    """A stream of its own for each thread that uses it."""

def new_thread_unsafe_stream(device: Any) -> Stream:
    """The same as new_stream: every stream may be used from any thread."""

newaxis: None

def nonzero(a: array, /, *, stream: _Stream | None = None) -> tuple[array, ...]:
    """The places of the elements other than 0: a tuple of one int64 array for each axis. Evaluates a: the call waits."""

def not_equal(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """a != b, bool. Shapes broadcast."""

number: DtypeCategory

def ones(shape: int | Sequence[int], dtype: Dtype | None = ..., *, stream: _Stream | None = None) -> array:
    """Ones. shape: an int or a sequence of ints."""

def ones_like(a: array, /, dtype: Dtype | None = None, *, stream: _Stream | None = None) -> array:
    """Ones of a's shape and, unless given, dtype."""

def outer(a: array, b: array, /, *, stream: _Stream | None = None) -> array:
    """All products of elements of two vectors, (N, M)."""

def pad(a: array, pad_width: Any, mode: str = "constant", constant_values: _Value = 0, *, stream: _Stream | None = None) -> array:
    """More elements before and after each axis: an int, (low, high), or a pair for each axis. mode: 'constant', 'edge', 'reflect' or 'symmetric'."""

def partition(a: array, /, kth: int, axis: int | None = -1, *, stream: _Stream | None = None) -> array:
    """Reordered so that the kth element stands where sorting puts it, smaller ones before it."""

def permute_dims(a: array, /, axes: int | Sequence[int] | None = None, *, stream: _Stream | None = None) -> array:
    """See transpose."""

pi: float

def positive(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """a itself."""

def pow(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """a to the power b. Shapes broadcast."""

def power(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """a to the power b. Shapes broadcast."""

def printoptions(precision: Any = -1) -> _PrintOptionsContext:
    """A context in which floats are printed with that many decimals."""

def prod(a: array, /, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
    """The product. axis: None, an int or a sequence; keepdims: axes stay with size 1."""

def put_along_axis(a: array, /, indices: array, values: _Value, axis: int | None = None, *, stream: _Stream | None = None) -> array:
    """A copy of a with values put at the places that take_along_axis would take."""

def qqmm(x: array, w: array, scales: array | None = None, group_size: int | None = None, bits: int | None = None, mode: str = "nvfp4", global_scale_x: array | None = None, global_scale_w: array | None = None, *, stream: _Stream | None = None) -> array:
    """x times the transpose of w, both rounded to the format of mode first; w may be quantized already: then with its scales. The result has x's dtype."""

def quantize(w: array, /, group_size: int | None = None, bits: int | None = None, mode: str = "affine", *, global_scale: array | None = None, stream: _Stream | None = None) -> list[array]:
    """w (..., N, K) in few bits. 'affine': [packed uint32 (..., N, K * bits / 32), scales, biases (..., N, K / group_size)], so that w is about q * scale + bias in each group; group_size 16, 32, 64 (default) or 128; bits 2, 3, 4 (default), 5, 6 or 8. 'mxfp4' and 'nvfp4' (e2m1 floats) and 'mxfp8' (e4m3): [packed uint32, scales uint8], with groups of 32 under a power of two, or for 'nvfp4' of 16 under an e4m3 float, times global_scale / 2688 if given."""

def quantized_matmul(x: array, w: array, /, scales: array, biases: array | None = None, transpose: bool = True, group_size: int | None = None, bits: int | None = None, mode: str = "affine", *, stream: _Stream | None = None) -> array:
    """x times the (transposed, by default) matrix that quantize packed."""

def radians(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """Degrees to radians. Integers become float32."""

def real(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The real part."""

def reciprocal(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """1 / a. Integers become float32."""

def remainder(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """The remainder of a / b, with the sign of b. Shapes broadcast."""

def repeat(array: array, repeats: int, axis: int | None = None, *, stream: _Stream | None = None) -> array:
    """Every element repeated along an axis; None: of the flattened array."""

def reset_peak_memory() -> None:
    """Starts measuring the peak anew."""

def reshape(a: array, /, shape: int | Sequence[int], *, stream: _Stream | None = None) -> array:
    """The same elements, row-major, in another shape; one dim may be -1."""

def result_type(*arrays_and_dtypes: Any) -> Dtype:
    """The dtype that an operation over all of these gives."""

def right_shift(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """a shifted right by b bits. Shapes broadcast."""

def roll(a: array, shift: int | Sequence[int], axis: int | Sequence[int] | None = None, *, stream: _Stream | None = None) -> array:
    """Elements moved by shift along axes, around the end; axis None: over the flattened array."""

def round(a: _Value, /, decimals: int = 0, stream: _Stream | None = None) -> array:
    """Rounded to decimals (negative: to tens, hundreds ...), halves to even."""

def rsqrt(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """1 over the square root. Integers become float32."""

def save(file: Any, arr: array) -> None:
    """Saves one array as npy, to an object with write() or a path, which gets the ending where it lacks it."""

def save_gguf(file: Any, arrays: Any, metadata: Any = None) -> None:
    """Saves a dict of arrays as GGUF, with metadata: arrays, strings or lists of strings, to an object with write() or a path, which gets the ending where it lacks it."""

def save_safetensors(file: Any, arrays: Any, metadata: Any = None) -> None:
    """Saves a dict of arrays, and a dict of strings as metadata, as safetensors, to an object with write() or a path, which gets the ending where it lacks it."""

def savez(file: Any, *args: Any, **kwargs: Any) -> None:
    """Saves arrays as npz, to an object with write() or a path, which gets the ending where it lacks it. They are named arr_0, arr_1 ... and by keyword."""

def savez_compressed(file: Any, *args: Any, **kwargs: Any) -> None:
    """As savez, compressed."""

def searchsorted(sorted_sequence: array, values: _Value, /, side: str = "left", *, stream: _Stream | None = None) -> array:
    """For each value, where to insert it into a sorted vector, uint32. side 'left': before equal elements; 'right': after. NaN comes last."""

def segmented_mm(a: array, b: array, /, segments: array, *, stream: _Stream | None = None) -> array:
    """a[:, start:stop] @ b[start:stop] for each pair (start, stop) of segments (..., 2): (..., M, N) of a (M, K) and b (K, N). Places outside 0 to K count for nothing."""

def set_cache_limit(limit: int) -> int:
    """Sets the most bytes of freed memory that are kept for reuse. Returns the old limit."""

def set_default_device(device: Any) -> None:
    """Sets the default device. ValueError when it is absent."""

def set_default_stream(stream: Any) -> None:
    """Makes a stream the default one of its device."""

def set_memory_limit(limit: int) -> int:
    """Sets the most bytes that arrays may use: allocations beyond raise MemoryError. Returns the old limit."""

def set_printoptions(precision: Any = -1) -> None:
    """Sets the decimals of printed floats; -1: six significant digits."""

def set_wired_limit(limit: int) -> int:
    """Has no effect here: memory isn't wired. Returns 0."""

def sigmoid(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """1 / (1 + exp(-a)). Integers become float32."""

def sign(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """-1, 0 or 1; z / |z| for complex64."""

signedinteger: DtypeCategory

def sin(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The sine of radians. Integers become float32."""

def sinh(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The hyperbolic sine. Integers become float32."""

def slice(a: array, start_indices: array, axes: int | Sequence[int], slice_size: int | Sequence[int], *, stream: _Stream | None = None) -> array:
    """The part of slice_size (one int for each axis of a) that starts at start_indices along axes; starts are data."""

def slice_update(a: array, update: array, start_indices: array, axes: int | Sequence[int], *, stream: _Stream | None = None) -> array:
    """A copy of a with update written at start_indices along axes; starts are data."""

def softmax(a: array, /, axis: int | Sequence[int] | None = None, *, precise: bool = False, stream: _Stream | None = None) -> array:
    """exp(a) / sum(exp(a)) over axes, without overflow. precise: halves are computed in float32."""

def sort(a: array, /, axis: int | None = -1, *, stream: _Stream | None = None) -> array:
    """Sorted, smallest first, nan last; None: the flattened array."""

def split(a: array, /, indices_or_sections: Any, axis: int = 0, *, stream: _Stream | None = None) -> list[array]:
    """A list of parts along an axis: an int gives that many equal ones, a sequence where to cut."""

def sqrt(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The square root; nan below 0. Integers become float32."""

def square(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The square."""

def squeeze(a: array, /, axis: int | Sequence[int] | None = None, *, stream: _Stream | None = None) -> array:
    """Without the given axes, which should have size 1; None: without all such axes."""

def stack(arrays: Any, axis: int | None = 0, *, stream: _Stream | None = None) -> array:
    """A list of arrays of one shape joined along a new axis."""

def std(a: array, /, axis: int | Sequence[int] | None = None, keepdims: bool = False, ddof: int = 0, *, stream: _Stream | None = None) -> array:
    """The standard deviation: the square root of var."""

def stop_gradient(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """a, with a derivative of zero."""

def stream(s: Any) -> StreamContext:
    """A context in which s is the default stream: `with mx.stream(mx.cpu): ...`."""

def subtract(a: _Value, b: _Value, stream: _Stream | None = None) -> array:
    """a - b. Shapes broadcast."""

def sum(a: array, /, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
    """The sum. bool and small integers add up in int32 or uint32. axis: None, an int or a sequence; keepdims: axes stay with size 1."""

def swapaxes(a: array, /, axis1: int, axis2: int, *, stream: _Stream | None = None) -> array:
    """Two axes exchanged."""

def synchronize(stream: Any = None) -> None:
    """Waits until all work queued on a stream is done."""

def take(a: array, /, indices: Any, axis: int | None = None, *, stream: _Stream | None = None) -> array:
    """The elements at indices (an int or an integer array) along an axis, or of the flattened array. An index that is out of range raises IndexError: at once for an int, at eval for an array."""

def take_along_axis(a: array, /, indices: array, axis: int | None = -1, *, stream: _Stream | None = None) -> array:
    """For each position, the element whose place along the axis is the index there; None: of flattened arrays."""

def tan(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The tangent of radians. Integers become float32."""

def tanh(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """The hyperbolic tangent. Integers become float32."""

def tensordot(a: array, b: array, /, axes: Any = 2, *, stream: _Stream | None = None) -> array:
    """The sum of products over the last `axes` axes of a and the first of b, or over the axes that two lists name."""

def tile(a: array, reps: int | Sequence[int], /, *, stream: _Stream | None = None) -> array:
    """The whole array repeated along its axes."""

def to_fp8(x: array, *, stream: _Stream | None = None) -> array:
    """Floats as e4m3 in uint8, rounded half to even; what is larger than 448, infinite or NaN becomes 448."""

def topk(a: array, /, k: int, axis: int | None = -1, *, stream: _Stream | None = None) -> array:
    """The k largest elements along an axis, in no particular order."""

def trace(a: array, /, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Dtype | None = None, *, stream: _Stream | None = None) -> array:
    """The sum of a diagonal."""

def transpose(a: array, /, axes: int | Sequence[int] | None = None, *, stream: _Stream | None = None) -> array:
    """The axes in another order; reversed when None."""

def tri(n: int, m: int | None = None, k: int = 0, dtype: Dtype | None = None, *, stream: _Stream | None = None) -> array:
    """An n x m matrix with ones at and below the k-th diagonal; float32 unless given."""

def tril(x: array, k: int = 0, *, stream: _Stream | None = None) -> array:
    """x with zeros above the k-th diagonal of its last two axes."""

def triu(x: array, k: int = 0, *, stream: _Stream | None = None) -> array:
    """x with zeros below the k-th diagonal of its last two axes."""

def trunc(a: _Value, /, *, stream: _Stream | None = None) -> array:
    """a without its fraction. The dtype stays."""

uint16: Dtype

uint32: Dtype

uint64: Dtype

uint8: Dtype

def unflatten(a: array, /, axis: int, shape: int | Sequence[int], *, stream: _Stream | None = None) -> array:
    """One axis split into several; one of them may be -1."""

def unique(a: array, /, size: int | None = None, return_index: bool = False, return_inverse: bool = False, return_counts: bool = False, fill_value: _Value = None, *, stream: _Stream | None = None) -> array | tuple[array, ...]:
    """The sorted distinct elements of a, flattened: size of them, cut off or filled up with fill_value (None: the first of them). With size None there are as many as there are, and a is evaluated: the call waits. On request also, in a tuple: the place of the first occurrence of each (uint32), where each element of a went (uint32, a's shape), how often each occurs (int32; 0 for filling). Every NaN is distinct."""

unsignedinteger: DtypeCategory

def unstack(x: array, /, *, axis: int = 0, stream: _Stream | None = None) -> tuple[array, ...]:
    """A tuple of the slices along an axis, without it."""

def value_and_grad(fun: Any, argnums: Any = None, argnames: Any = ...) -> Callable[..., tuple[Any, Any]]:
    """A function that returns fun's value and its gradient. fun returns a scalar array, or a tuple that starts with one. argnums: the positions (int or sequence; 0 when neither is given) and argnames: the keywords to differentiate by; each may be a tree of arrays. The gradient has the trees' form: a tuple for several positions, in ascending order, and (positional, {name: gradient}) with argnames."""

def var(a: array, /, axis: int | Sequence[int] | None = None, keepdims: bool = False, ddof: int = 0, *, stream: _Stream | None = None) -> array:
    """The variance; the sum of squares is divided by N - ddof."""

def vecdot(a: array, b: array, /, *, axis: int = -1, stream: _Stream | None = None) -> array:
    """The sum of products along an axis, with a conjugated."""

def view(a: _Value, dtype: Dtype, stream: _Stream | None = None) -> array:
    """The same bytes as another dtype; the last axis scales by the ratio of sizes."""

def vjp(fun: Any, primals: Any, cotangents: Any) -> tuple[list[array], list[array]]:
    """fun's outputs at the primals, and the cotangents pulled back to the primals. Lists of arrays."""

def vmap(fun: Any, in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """A function that applies fun, a function of one element, to every element along an axis of its arguments at once. in_axes: the axis, or a tree of axes that is a prefix of the arguments' tree (of the one argument's, if there is one): an int (negative from the end), or None for what every element gets whole. out_axes: the same for the results: where they have the axis; None for what doesn't depend on mapped arguments. fun takes and returns trees of arrays, by position, and must not evaluate what depends on mapped arguments. Random numbers without a key are the same for every element."""

def where(condition: _Value, x: _Value, y: _Value, /, *, stream: _Stream | None = None) -> array:
    """x where the condition is nonzero, else y. Shapes broadcast."""

def zeros(shape: int | Sequence[int], dtype: Dtype | None = ..., *, stream: _Stream | None = None) -> array:
    """Zeros. shape: an int or a sequence of ints."""

def zeros_like(a: array, /, dtype: Dtype | None = None, *, stream: _Stream | None = None) -> array:
    """Zeros of a's shape and, unless given, dtype."""
