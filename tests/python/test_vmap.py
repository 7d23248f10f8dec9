"""mx.vmap against loops: every op of the table in opinfo.py, and the transforms it meets."""

import gc
import itertools
import zlib

import mlx.core as mx
import numpy as np
import pytest
from opinfo import OPS
from samples import EPS, rounded, to_mlx, to_numpy

BATCH = 3


def as_list(r):
    return list(r) if isinstance(r, (tuple, list)) else [r]


def loop(f, inputs, axes, size, out_axis=0):
    """What vmap promises: f of each element, stacked."""
    elements = [
        [a if x is None else mx.take(a, i, x) for a, x in zip(inputs, axes, strict=True)] for i in range(size)
    ]
    results = [as_list(f(*e)) for e in elements]
    return [mx.stack(list(r), out_axis) for r in zip(*results, strict=True)]


def check_same(got, want, ulps=2.0, scale=1.0):
    got, want = as_list(got), as_list(want)
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert g.dtype == w.dtype and g.shape == w.shape
        tolerance = 2 * ulps * EPS.get(str(g.dtype).removeprefix("mlx.core."), 0)
        np.testing.assert_allclose(to_numpy(g), to_numpy(w), rtol=tolerance, atol=tolerance * scale)


def check_against_loop(f, *inputs, in_axes=None, out_axes=0, **tolerance):
    axes = [0] * len(inputs) if in_axes is None else list(in_axes)
    size = next(a.shape[x] for a, x in zip(inputs, axes, strict=True) if x is not None)
    got = mx.vmap(f, tuple(axes), out_axes)(*inputs)
    check_same(got, loop(f, inputs, axes, size, out_axes), **tolerance)


def normal(*shape, seed=0):
    return mx.random.normal(shape, key=mx.random.key(seed + sum(shape)))


# ---- Every op ----
def batched_samples(op, dtype, small=False):
    """BATCH samples of each input, (elements as NumPy arrays, dtype) each."""
    rng = np.random.default_rng(zlib.crc32(f"vmap {op} {dtype}".encode()))
    out = []
    for i, spec in enumerate(op.inputs):
        sampler, shape = spec if isinstance(spec, tuple) else (spec, (3, 4))
        follows = not op.follows or i in op.follows
        values = [sampler(rng, shape, dtype if follows else None) for _ in range(BATCH)]
        out.append(([rounded(v, dtype) for v in values] if follows else values, dtype if follows else None))
    return out


def stacked_along(elements, axis, dtype):
    return to_mlx(np.stack(elements, axis), dtype)


def subsets(n):
    return [s for s in itertools.product([True, False], repeat=n) if any(s)]


def in_tolerance(op):
    return dict(ulps=op.ulps, scale=max(op.scale, 4))


def table(ops):
    return [pytest.param(op, t, id=f"{op}-{t}")
            for op in ops for t in ("float32", "int32", "bool_", "complex64", "bfloat16") if t in op.dtypes]  # fmt: skip


@pytest.mark.parametrize("op, dtype", table(OPS))
def test_every_op_agrees_with_a_loop(op, dtype):
    """For each subset of mapped inputs; mapped axes first, then last."""
    samples = batched_samples(op, dtype)
    for mapped in subsets(len(samples)):
        for axis in (0, -1):
            inputs = [stacked_along(v, axis, t) if m else to_mlx(v[0], t)
                      for (v, t), m in zip(samples, mapped, strict=True)]  # fmt: skip
            axes = [axis if m else None for m in mapped]
            check_against_loop(op.call, *inputs, in_axes=axes, out_axes=axis, **in_tolerance(op))


@pytest.mark.parametrize("op", OPS, ids=str)
def test_every_op_takes_an_empty_batch(op):
    dtype = "float32" if "float32" in op.dtypes else op.dtypes[0]
    samples = batched_samples(op, dtype)
    inputs = [stacked_along(v, 0, t)[:0] for v, t in samples]
    for got, one in zip(as_list(mx.vmap(op.call)(*inputs)), as_list(op.call(*[to_mlx(v[0], t) for v, t in samples])),
                        strict=True):  # fmt: skip
        assert got.shape == (0, *one.shape) and got.dtype == one.dtype
        mx.eval(got)


@pytest.mark.parametrize("op", OPS, ids=str)
def test_every_op_nests(op):
    """vmap of vmap, over different axes, with the last input mapped in the inner one alone."""
    dtype = "float32" if "float32" in op.dtypes else op.dtypes[0]
    samples = batched_samples(op, dtype)
    grids = [to_mlx(np.stack([np.stack(v), np.stack(v[::-1])], 1), t) for v, t in samples]  # (BATCH, 2, ...)
    grids[-1] = grids[-1][:, 0] if len(grids) > 1 else grids[-1]
    inner = [0] * len(grids)
    outer = [1] * (len(grids) - 1) + [None if len(grids) > 1 else 1]
    got = mx.vmap(mx.vmap(op.call, tuple(inner)), tuple(outer))(*grids)
    want = loop(lambda *a: loop(op.call, a, inner, BATCH), grids, outer, 2)
    check_same(got, want, **in_tolerance(op))


SMOOTH = [op for op in OPS if op.smooth]


def weighted_problem(op):
    """A scalar function of the differentiable inputs, in float64, and all inputs' samples."""
    samples = batched_samples(op, "float64")
    one = as_list(op.call(*[to_mlx(v[0], t) for v, t in samples]))
    rng = np.random.default_rng(4)
    weights = [to_mlx(rng.normal(size=r.shape), "float64") for r in one]

    def f(*inputs):
        return sum(mx.sum(w * r) for w, r in zip(weights, as_list(op.call(*inputs)), strict=True))

    return f, samples


@pytest.mark.parametrize("op", SMOOTH, ids=str)
def test_gradients_under_vmap_agree_with_a_loop(op):
    f, samples = weighted_problem(op)
    gradient = mx.grad(f, argnums=op.smooth)
    for mapped in subsets(len(samples)):
        inputs = [
            stacked_along(v, 0, t) if m else to_mlx(v[0], t)
            for (v, t), m in zip(samples, mapped, strict=True)
        ]
        axes = [0 if m else None for m in mapped]
        check_against_loop(lambda *a: as_list(gradient(*a)), *inputs, in_axes=axes, ulps=1e4, scale=100)


@pytest.mark.parametrize("op", SMOOTH, ids=str)
def test_gradients_of_vmap_agree_with_those_of_a_loop(op):
    """Unmapped inputs get the sum over the batch."""
    f, samples = weighted_problem(op)
    for mapped in subsets(len(samples)):
        inputs = [
            stacked_along(v, 0, t) if m else to_mlx(v[0], t)
            for (v, t), m in zip(samples, mapped, strict=True)
        ]
        axes = [0 if m else None for m in mapped]
        weights = to_mlx(np.arange(1.0, BATCH + 1), "float64")
        got = mx.grad(lambda *a: mx.sum(weights * mx.vmap(f, tuple(axes))(*a)), op.smooth)(*inputs)
        want = mx.grad(lambda *a: mx.sum(weights * loop(f, a, axes, BATCH)[0]), op.smooth)(*inputs)
        check_same(got, want, ulps=1e4, scale=100)


# ---- Primitives that the table doesn't reach, or not every way ----
def test_dynamic_slices_with_a_start_of_each_element():
    a, starts = normal(4, 7, 6), mx.array([[1, 2], [0, 9], [-3, 1], [5, 5]])
    take = lambda a, s: mx.slice(a, s, (0, 1), (3, 2))  # noqa: E731
    for axes in [(0, 0), (None, 0), (0, None)]:
        check_against_loop(
            take, a if axes[0] == 0 else a[0], starts if axes[1] == 0 else starts[0], in_axes=axes
        )
    one_axis = lambda a, s: mx.slice(a, s, (1,), (7, 2))  # noqa: E731
    check_against_loop(one_axis, a, mx.array([[4], [0], [2], [99]], mx.uint64))
    check_against_loop(one_axis, a[0], mx.array([[2**63 + 5], [0]], mx.uint64), in_axes=(None, 0))


def test_dynamic_updates_with_a_start_of_each_element():
    a, u, starts = normal(4, 7, 6), normal(4, 3, 2), mx.array([[1, 2], [0, 9], [-3, 1], [5, 5]])
    put = lambda a, u, s: mx.slice_update(a, u, s, (0, 1))  # noqa: E731
    for axes in subsets(3):
        inputs = [x if m else x[0] for x, m in zip((a, u, starts), axes, strict=True)]
        check_against_loop(put, *inputs, in_axes=[0 if m else None for m in axes])


@pytest.mark.parametrize("how", ["add", "multiply", "maximum", "minimum"])
def test_updates_of_every_mode(how):
    a, i, u = normal(3, 6, 4), mx.array([[0, 2, 2], [5, 5, 5], [1, -1, 0]]), normal(3, 3, 4)
    for axes in subsets(3):
        inputs = [x if m else x[0] for x, m in zip((a, i, u), axes, strict=True)]
        check_against_loop(
            lambda a, i, u: getattr(a.at[i], how)(u), *inputs, in_axes=[0 if m else None for m in axes]
        )
    check_against_loop(lambda a, u: getattr(a.at[1:4], how)(u), a, u)


def test_padding_with_a_value_of_each_element():
    a, values = normal(3, 2, 4), mx.array([1.0, 2.0, 3.0])
    pad = lambda a, v: mx.pad(a, ((1, 0), (2, 1)), constant_values=v)  # noqa: E731
    for axes in [(0, 0), (None, 0), (0, None)]:
        check_against_loop(
            pad, a if axes[0] == 0 else a[0], values if axes[1] == 0 else values[1], in_axes=axes
        )


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("axes", [(0, None), (None, 0), (0, 0), (2, 1)], ids=str)
def test_convolutions_of_each_elements_inputs_and_weights(axes, groups):
    x, w = normal(2, 8, 9, 6), normal(12, 3, 2, 6 // groups)
    batched = [
        a if d is None else mx.moveaxis(mx.stack([a, a * 2 + 1, -a]), 0, d)
        for a, d in zip((x, w), axes, strict=True)
    ]
    conv = lambda x, w: mx.conv2d(x, w, stride=(2, 1), padding=(1, 0), groups=groups)  # noqa: E731
    check_against_loop(conv, *batched, in_axes=axes, ulps=100, scale=8)
    gradient = mx.grad(lambda x, w: mx.sum(mx.square(conv(x, w))), (0, 1))
    check_against_loop(lambda x, w: list(gradient(x, w)), *batched, in_axes=axes, ulps=400, scale=400)


def test_other_convolutions():
    x, w = normal(3, 2, 9, 4), normal(3, 5, 3, 4)
    for axes in [(0, 0), (None, 0), (0, None)]:
        inputs = [a if d == 0 else a[0] for a, d in zip((x, w), axes, strict=True)]
        check_against_loop(
            lambda x, w: mx.conv_transpose1d(x, w, stride=2), *inputs, in_axes=axes, ulps=50, scale=8
        )
    check_against_loop(mx.convolve, normal(3, 9), normal(3, 4), ulps=50, scale=4)


@pytest.mark.parametrize(
    "axes", [a for a in itertools.product([0, None], repeat=2) if any(x == 0 for x in a)], ids=str
)
def test_quantisation(axes):
    x, w = normal(3, 4, 64), normal(3, 6, 64)
    x, w = (a if d == 0 else a[0] for a, d in zip((x, w), axes, strict=True))

    def f(x, w):
        packed = mx.quantize(w, group_size=32, bits=4)
        back = mx.dequantize(*packed, group_size=32, bits=4)
        return [*packed, back, mx.quantized_matmul(x, *packed, transpose=True, group_size=32, bits=4),
                mx.quantized_matmul(x[:, :6], *packed, transpose=False, group_size=32, bits=4)]  # fmt: skip

    check_against_loop(f, x, w, in_axes=axes, ulps=16, scale=32)
    check_against_loop(
        lambda x, w: mx.quantized_matmul(x[None, None], *mx.quantize(w)),
        x,
        w,
        in_axes=axes,
        ulps=16,
        scale=32,
    )


def test_parts_of_a_quantised_matrix_may_be_mapped_alone():
    x, (packed, scales, biases) = normal(2, 5, 64), mx.quantize(normal(6, 64))
    product = lambda x, s: mx.quantized_matmul(x, packed, s, biases)  # noqa: E731
    check_against_loop(product, x[0], mx.stack([scales, 2 * scales]), in_axes=(None, 0), ulps=16, scale=64)
    check_against_loop(product, x, mx.stack([scales, 2 * scales]), ulps=16, scale=64)
    many = [mx.stack([a, a, a]) for a in (packed, scales, biases)]
    check_against_loop(lambda x: mx.quantized_matmul(x, *many), normal(2, 3, 5, 64), ulps=16, scale=64)


@pytest.mark.parametrize("axes", subsets(3), ids=str)
def test_norms_with_parameters_of_each_element(axes):
    x, w, c = normal(3, 4, 32), normal(3, 32), normal(3, 32, seed=1)
    for dtype in (mx.float32, mx.bfloat16):
        inputs = [(a if m else a[0]).astype(dtype) for a, m in zip((x, w, c), axes, strict=True)]
        check_against_loop(lambda x, w, c: [mx.fast.rms_norm(x, w, 1e-5), mx.fast.layer_norm(x, w, c, 1e-5),
                                            mx.fast.layer_norm(x, None, c, 1e-5)], *inputs,
                           in_axes=[0 if m else None for m in axes], ulps=8, scale=4)  # fmt: skip


@pytest.mark.parametrize("traditional", [False, True])
def test_rope_with_offsets_and_frequencies_of_each_element(traditional):
    x, freqs = normal(3, 2, 4, 5, 16), mx.abs(normal(3, 4)) + 0.5
    turn = dict(dims=8, traditional=traditional, scale=0.5)
    check = lambda *a, **k: check_against_loop(*a, **k, ulps=16, scale=4)  # noqa: E731
    plain = lambda x, o: mx.fast.rope(x, **turn, base=100.0, offset=o)  # noqa: E731
    scalar, rows = mx.array([3, 0, 11]), mx.array([[1, 2], [0, 5], [7, 7]])
    for offset, axes in itertools.product((scalar, rows), [(0, 0), (None, 0), (0, None)]):
        check(plain, x if axes[0] == 0 else x[0], offset if axes[1] == 0 else offset[0], in_axes=axes)
    check(plain, x[:1], scalar[:1])
    own = lambda x, o, f: mx.fast.rope(x, **turn, base=None, offset=o, freqs=f)  # noqa: E731
    for offset, axes in itertools.product((scalar, rows), subsets(3)):
        inputs = [a if m else a[0] for a, m in zip((x, offset, freqs), axes, strict=True)]
        check(own, *inputs, in_axes=[0 if m else None for m in axes])


@pytest.mark.parametrize("mask", [None, "causal", "array"])
def test_attention_with_sinks_of_each_element(mask):
    q, k, v, sinks = (
        normal(3, 2, 4, 5, 16),
        normal(3, 2, 2, 9, 16),
        normal(3, 2, 2, 9, 16, seed=1),
        normal(3, 4),
    )
    m = normal(3, 5, 9) if mask == "array" else mask

    def attend(q, k, v, s):
        return mx.fast.scaled_dot_product_attention(
            q, k, v, scale=0.3, mask=m[0] if mask == "array" else m, sinks=s
        )

    for axes in subsets(4):
        inputs = [a if d else a[0] for a, d in zip((q, k, v, sinks), axes, strict=True)]
        check_against_loop(attend, *inputs, in_axes=[0 if d else None for d in axes], ulps=16, scale=2)
    if mask == "array":
        masked = lambda q, m: mx.fast.scaled_dot_product_attention(q, k[0], v[0], scale=0.3, mask=m)  # noqa: E731
        check_against_loop(masked, q, m, ulps=16, scale=2)
        check_against_loop(masked, q[0], m, in_axes=(None, 0), ulps=16, scale=2)


def test_products_of_a_shared_matrix():
    w, x, c = normal(5, 7), normal(3, 7), normal(3, 5)
    check_against_loop(lambda x: w @ x, x, ulps=16, scale=8)
    check_against_loop(lambda x: x @ w.T, x, ulps=16, scale=8)
    check_against_loop(lambda x, c: mx.addmm(c, w, x[:, None], 0.5, 2.0), x, c[:, :, None], ulps=16, scale=8)
    check_against_loop(lambda c: mx.addmm(c, w, w.T), c, ulps=16, scale=16)


def test_views_and_transforms_of_a_signal():
    x = normal(3, 4, 8)
    check_against_loop(lambda x: mx.as_strided(x, (3, 2, 3), (8, 2, 1), 3), x)
    check_against_loop(lambda x: mx.view(x, mx.int16), x)
    check_against_loop(lambda x: mx.view(x[0, 0], mx.int32), x)
    check_against_loop(
        lambda x: [mx.fft.fft(x), mx.fft.rfft2(x), mx.fft.irfft(x, axis=0)], x, ulps=16, scale=32
    )
    check_against_loop(lambda x: mx.contiguous(x.T, True), x)


# ---- Axes and trees ----
def test_axes_count_from_either_end():
    x = normal(2, 3, 4)
    for axis in range(-3, 3):
        for out in range(-3, 3):
            got = mx.vmap(lambda a: a * 2, axis, out)(x)
            np.testing.assert_array_equal(np.array(got), np.moveaxis(np.array(x * 2), axis, out))


def test_trees_of_arguments_and_results():
    x, y, z = normal(2, 3), normal(3, 2), normal(3)

    def f(pair, named):
        return {"sum": pair[0] + named["b"], "parts": [pair[1][0], (named["b"],)]}

    got = mx.vmap(f, ((0, [1]), {"b": None}), {"sum": 1, "parts": [0, None]})((x, [y]), {"b": z})
    assert list(got) == ["sum", "parts"]
    check_same([got["sum"], got["parts"][0], got["parts"][1][0]], [(x + z).T, y.T, z])


def test_an_axis_stands_for_all_arrays_below_it():
    x = normal(2, 3)
    check_same(
        mx.vmap(lambda t, k: t["a"][0] + t["b"] + k, (0, None))({"a": [x], "b": x}, x[0]), 2 * x + x[0]
    )
    check_same(mx.vmap(lambda t: t[0] * t[1])((x, x)), x * x)


def test_axes_of_a_single_argument_are_its_own_or_of_the_arguments():
    x, y = normal(2, 3), normal(3)
    f = lambda t: t["a"] + t["b"]  # noqa: E731
    for axes in ({"a": 0, "b": None}, ({"a": 0, "b": None},)):
        check_same(mx.vmap(f, axes)({"a": x, "b": y}), x + y)
    for axes in ((0, None), ((0, None),)):
        check_same(mx.vmap(lambda p: p[0] + p[1], axes)((x, y)), x + y)
    check_same(mx.vmap(lambda p: p[0], (1,))((x,)), x.T)


def test_what_is_no_array_may_be_passed_unmapped():
    x = normal(2, 3)
    check_same(
        mx.vmap(lambda a, n, s: a * n if s == "double" else a, (0, None, None))(x, 2.0, "double"), 2 * x
    )


def test_results_that_do_not_depend_on_mapped_arguments():
    x, w = normal(2, 3), normal(4)
    check_same(mx.vmap(lambda a: (a, w), out_axes=(0, 1))(x)[1], mx.stack([w, w], 1))
    check_same(mx.vmap(lambda a: (a, w * 2), out_axes=(0, None))(x)[1], w * 2)
    after = mx.vmap(lambda a: (a, mx.depends(w, a)), out_axes=(0, None))(x)[1]
    check_same(after * 1, w)
    check_same(mx.vmap(lambda a: mx.depends(w, a) * 2, out_axes=None)(x), w * 2)


def test_a_function_may_return_its_arguments_and_nothing():
    x = normal(2, 3)
    check_same(mx.vmap(lambda a: [a, a])(x), [x, x])
    assert mx.vmap(lambda a: ())(x) == ()


def test_the_name_of_the_function_stays():
    def some_name(a):
        return a

    assert mx.vmap(some_name).__name__ == "some_name"


# ---- Errors ----
X = mx.zeros((2, 3))


@pytest.mark.parametrize("axes, error, said", [
    (3, IndexError, r"\[vmap\] expected an axis of input 0 in \[-2, 2\), got 3"),
    (-3, ValueError, r"got -3"),
    (10**30, OverflowError, "too"),
    (None, ValueError, "at least one mapped input, got none"),
    (1.0, ValueError, "in_axes as int, None or a tree of them, got a float"),
    ("a", ValueError, "got a str"),
    ((0, 0, 0), ValueError, "expected in_axes for a tuple of 2, got a tuple of 3"),
    ([0, 0], ValueError, "expected in_axes for a tuple of 2, got a list of 2"),
    ((0, {"a": 0}), ValueError, "expected in_axes for a array, got a dict of 1"),
], ids=str)  # fmt: skip
def test_bad_in_axes(axes, error, said):
    with pytest.raises(error, match=said):
        mx.vmap(lambda a, b: a + b, axes)(X, X)


@pytest.mark.parametrize("axes, error, said", [
    (2, IndexError, r"\[vmap\] expected an axis of output 0 in \[-2, 2\), got 2"),
    (-3, ValueError, r"got -3"),
    (None, ValueError, "expected output 0, which has no mapped axis, not to depend on mapped inputs"),
    ((0, None), ValueError, "expected output 1"),
    ((0, 0, 0), ValueError, "expected out_axes for a tuple of 2, got a tuple of 3"),
    ([0, 0], ValueError, "expected out_axes for a tuple of 2, got a list of 2"),
    ("a", ValueError, "got a str"),
], ids=str)  # fmt: skip
def test_bad_out_axes(axes, error, said):
    with pytest.raises(error, match=said):
        mx.vmap(lambda a: (a, a * 2), 0, axes)(X)


def test_sizes_of_mapped_axes_must_agree():
    with pytest.raises(ValueError, match=r"got 2 \(axis 0 of input 0\) and 3 \(axis 1 of input 1\)"):
        mx.vmap(lambda a, b: a + b, (0, 1))(X, X)


def test_keys_of_dicts_must_agree():
    with pytest.raises(ValueError, match="expected in_axes with the key 'a', got none"):
        mx.vmap(lambda d: d["a"], {"b": 0})({"a": X})


def test_scalars_have_no_axis_to_map():
    with pytest.raises(IndexError, match=r"in \[0, 0\), got 0"):
        mx.vmap(lambda a: a)(mx.array(1.0))


def test_what_is_mapped_is_an_array():
    with pytest.raises(ValueError, match="in_axes of None for what is not an array, got an axis for a float"):
        mx.vmap(lambda a, b: a)(X, 2.0)


def test_keyword_arguments_are_refused():
    with pytest.raises(TypeError, match="keyword"):
        mx.vmap(lambda a, b: a)(X, b=X)


@pytest.mark.parametrize("result", [2.0, None, (X, 1)], ids=str)
def test_results_must_be_arrays(result):
    with pytest.raises(ValueError, match="arrays"):
        mx.vmap(lambda a: result)(X)


def test_functions_are_needed():
    with pytest.raises(TypeError, match="function"):
        mx.vmap(3)


def test_exceptions_of_the_function_come_through():
    with pytest.raises(ZeroDivisionError):
        mx.vmap(lambda a: 1 // 0)(X)
    check_same(mx.vmap(lambda a: a + 1)(X), X + 1)  # the next call is not disturbed


@pytest.mark.parametrize("look", [lambda a: a.sum().item(), lambda a: mx.eval(a * 2), lambda a: bool(a[0] > 0),
                                  lambda a: np.array(a), lambda a: str(a), lambda a: a.tolist()])  # fmt: skip
def test_elements_have_no_values_while_the_function_is_traced(look):
    with pytest.raises(ValueError, match="while compile or vmap traces it"):
        mx.vmap(lambda a: (look(a), a)[1])(X)


def test_what_is_not_mapped_has_values():
    w = mx.array([1.0, 2.0])
    check_same(mx.vmap(lambda a, w: a * w.sum().item(), (0, None))(X + 1, w), 3 * (X + 1))


def test_a_placeholder_that_escapes_is_refused_later():
    kept = []
    mx.vmap(lambda a: kept.append(a * 2) or a)(X)
    with pytest.raises(ValueError, match="placeholder"):
        mx.eval(kept[0])
    with pytest.raises(ValueError, match="placeholder"):
        mx.eval(mx.vmap(lambda a: a + kept[0])(X))


def test_errors_inside_name_the_shapes_of_one_element():
    with pytest.raises(ValueError, match=r"\[matmul\].*\(3\) and \(4,5\)"):
        mx.vmap(lambda a: a @ mx.zeros((4, 5)))(X)


# ---- With other transforms ----
def test_jacobians():
    x = normal(4)
    f = lambda x: mx.sin(x) * mx.sum(x)  # noqa: E731
    n = np.array(x)
    want = np.diag(np.cos(n) * n.sum()) + np.sin(n)[:, None]
    backward = mx.vmap(lambda c: mx.vjp(f, [x], [c])[1][0])(mx.eye(4))
    forward = mx.vmap(lambda t: mx.jvp(f, [x], [t])[1][0], out_axes=1)(mx.eye(4))
    np.testing.assert_allclose(np.array(backward), want, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.array(forward), want, rtol=1e-4, atol=1e-5)


def test_hessians_of_a_batch():
    x = normal(3, 4)
    f = lambda x: mx.sum(mx.exp(x) * x) + mx.prod(x)  # noqa: E731
    hessian = lambda x: mx.vmap(lambda d: mx.jvp(mx.grad(f), [x], [d])[1][0])(mx.eye(4))  # noqa: E731
    check_against_loop(hessian, x, ulps=64, scale=8)


def test_gradients_of_each_example():
    w, x, y = normal(5), normal(7, 5), normal(7)
    loss = lambda w, x, y: mx.square(x @ w - y)  # noqa: E731
    check_same(mx.vmap(mx.grad(loss), (None, 0, 0))(w, x, y), 2 * (x @ w - y)[:, None] * x, ulps=50, scale=10)
    value, gradient = mx.vmap(mx.value_and_grad(loss), (None, 0, 0))(w, x, y)
    check_same(value, mx.square(x @ w - y), ulps=50, scale=10)
    assert gradient.shape == (7, 5)


def test_gradients_twice_through_vmap():
    x = normal(3, 4)
    inner = lambda x: mx.sum(mx.vmap(lambda r: mx.sum(mx.tanh(r) ** 2))(x))  # noqa: E731
    check_against_loop(
        lambda x: mx.grad(lambda z: mx.sum(mx.grad(inner)(z) ** 2))(x), x[None], ulps=64, scale=4
    )


def test_values_inside_a_gradient_inside_stay_unknown():
    with pytest.raises(ValueError, match="traces it"):
        mx.vmap(mx.grad(lambda a: (a.item(), a)[1]))(mx.ones(3))


@pytest.mark.parametrize("f", [lambda x, y: mx.softmax(x @ y) + 1, lambda x, y: (x + y.sum(), x * 2)])
def test_vmap_of_compiled_functions(f):
    x, y = normal(4, 4, 4), normal(4, 4, 4, seed=1)
    compiled = mx.compile(f)
    for axes in [(0, 0), (None, 1), (0, None)]:
        inputs = [a if d is not None else a[0] for a, d in zip((x, y), axes, strict=True)]
        check_same(mx.vmap(compiled, axes)(*inputs), mx.vmap(f, axes)(*inputs), ulps=16)
    check_same(compiled(x[0], y[0]), f(x[0], y[0]), ulps=16)


def test_compile_of_vmap():
    x, w = normal(3, 4), normal(4, 5)
    f = mx.vmap(lambda x, w: mx.tanh(x @ w), (0, None), 1)
    compiled = mx.compile(f)
    for scale in (1, 2):
        check_same(compiled(x * scale, w), f(x * scale, w), ulps=16)
    check_same(mx.compile(mx.vmap(mx.grad(lambda x: mx.sum(mx.sin(x)))))(x), mx.cos(x), ulps=16)


def test_compiled_functions_may_capture_elements():
    x, w = normal(3, 4), normal(4)
    check_same(mx.vmap(lambda a: mx.compile(lambda b: b * a + a)(w))(x), w * x + x, ulps=16)
    inner = mx.compile(lambda a: mx.compile(lambda b: b * a)(a + 1))
    check_same(mx.vmap(inner)(x), (x + 1) * x, ulps=16)
    check_same(inner(x), (x + 1) * x, ulps=16)


def test_compiled_functions_inside_a_trace_may_capture_what_is_differentiated():
    x = normal(3)
    f = lambda p: mx.grad(lambda a: mx.sum(mx.compile(lambda b: b * a)(p)))(p)  # noqa: E731
    check_same(mx.compile(f)(x), x)
    check_same(mx.vmap(f)(x), x)


def test_compiled_functions_refuse_placeholders_that_escaped():
    kept = []
    mx.vmap(lambda a: kept.append(a * 2) or a)(X)
    with pytest.raises(ValueError, match="placeholder of a trace that is over"):
        mx.compile(lambda b: b + kept[0])(X[0])


def test_vmap_inside_vmap_of_what_the_outer_one_maps():
    x, y = normal(3, 4), normal(5)
    got = mx.vmap(lambda a: mx.vmap(lambda b: a * b + mx.vmap(lambda c: c + a + b, out_axes=1)(a).sum())(y))(
        x
    )
    a, b = np.array(x)[:, None, :], np.array(y)[None, :, None]
    want = a * b + sum(np.array(x)[:, i, None, None] + a + b for i in range(4)).sum(-1, keepdims=True)
    np.testing.assert_allclose(np.array(got), want, rtol=1e-4, atol=1e-4)


def test_checkpoints():
    x, w = normal(3, 4), normal(4)
    f = lambda x, w: mx.sum(mx.sin(x * w))  # noqa: E731
    saved = mx.checkpoint(f)
    check_same(mx.vmap(saved, (0, None))(x, w), mx.vmap(f, (0, None))(x, w), ulps=16)
    check_same(
        mx.vmap(mx.grad(saved, (0, 1)), (0, None))(x, w),
        mx.vmap(mx.grad(f, (0, 1)), (0, None))(x, w),
        ulps=16,
    )
    whole = lambda g: mx.grad(lambda x, w: mx.sum(mx.vmap(g, (0, None))(x, w) ** 2), (0, 1))(x, w)  # noqa: E731
    check_same(whole(saved), whole(f), ulps=64, scale=4)


# ---- custom_function ----
def custom(vjp=None, jvp=None, vmap=None):
    f = mx.custom_function(lambda x, w: (mx.sum(x * w), 2 * w))
    if vjp:
        f.vjp(vjp)
    if jvp:
        f.jvp(jvp)
    if vmap:
        f.vmap(vmap)
    return f


def tenfold_vjp(primals, cotangents, outputs):
    (x, w), (c, d) = primals, cotangents
    return 10 * c * w, 10 * (c * x + 2 * d)


def test_a_custom_vjp_holds_under_vmap():
    x, w = normal(3, 4), normal(4)
    f = custom(vjp=tenfold_vjp)
    scalar = lambda x, w: f(x, w)[0] + mx.sum(f(x, w)[1])  # noqa: E731
    for argnum, want in ((0, 10 * mx.stack([w] * 3)), (1, 10 * (x + 2))):
        check_same(mx.vmap(mx.grad(scalar, argnum), (0, None))(x, w), want, ulps=16)
    got = mx.grad(lambda x, w: mx.sum(mx.vmap(scalar, (0, None))(x, w)), (0, 1))(x, w)
    check_same(got, [10 * mx.stack([w] * 3), 10 * mx.sum(x + 2, axis=0)], ulps=16)
    twice = mx.vmap(mx.vmap(scalar, (0, None)), (0, None))
    got = mx.grad(lambda x: mx.sum(twice(x, w)))(mx.stack([x, x]))
    check_same(got, mx.broadcast_to(10 * w, (2, 3, 4)), ulps=16)


def test_a_custom_jvp():
    x, w = normal(3, 4), normal(4)
    f = custom(jvp=lambda primals, tangents: (10 * mx.sum(tangents[0]), 10 * tangents[1]))
    check_same(mx.jvp(f, [x[0], w], [w, x[0]])[1], [10 * mx.sum(w), 10 * x[0]], ulps=16)
    forward = lambda x, w, t: mx.jvp(f, [x, w], [t, t])[1]  # noqa: E731
    want = [10 * mx.sum(x, axis=1), 10 * x]
    check_same(mx.vmap(forward, (0, None, 0))(x, w, x), want, ulps=16)
    check_same(mx.jvp(mx.vmap(f), [x, x], [x, x])[1], want, ulps=16)
    check_same(mx.grad(lambda x: f(x, w)[0])(x[0]), w)  # the plain derivative


def test_a_custom_vmap():
    x, w = normal(3, 4), normal(4)
    seen = []

    def rule(inputs, axes):
        seen.append(axes)
        x, w = inputs
        return (mx.sum(x * w, -1) + 100, mx.stack([w, w, w], 1)), (0, 1)

    f = custom(vmap=rule)
    got = mx.vmap(f, (1, None))(x.T, w)
    assert seen == [(0, None)]
    check_same(got, [x @ w + 100, mx.stack([w] * 3)], ulps=16)
    check_same(mx.grad(lambda x: mx.sum(mx.vmap(f, (0, None))(x, w)[0]))(x), mx.stack([w] * 3), ulps=16)
    check_same(f(x[0], w)[0], mx.sum(x[0] * w), ulps=16)
    check_same(mx.grad(lambda x: f(x, w)[0])(x[0]), w, ulps=16)
    check_same(mx.jvp(lambda x: f(x, w)[0], [x[0]], [w])[1], mx.sum(w * w), ulps=16)


def test_a_custom_vmap_of_one_argument_and_an_unmapped_result():
    f = mx.custom_function(lambda x: (x * 2, mx.ones(2)))
    f.vmap(lambda x, axis: ((x * 3, mx.zeros(2)), (axis, None)))
    x = normal(3, 4)
    got = mx.vmap(f, out_axes=(0, None))(x)
    check_same(got, [x * 3, mx.zeros(2)])


def test_a_custom_vmap_beside_a_custom_vjp():
    x, w = normal(3, 4), normal(4)
    f = custom(vjp=tenfold_vjp, vmap=lambda i, axes: ((mx.sum(i[0] * i[1], -1), 2 * i[1]), (0, None)))
    got = mx.grad(lambda x, w: mx.sum(mx.vmap(f, (0, None))(x, w)[0]), (0, 1))(x, w)
    check_same(got, [10 * mx.stack([w] * 3), 10 * mx.sum(x, axis=0)], ulps=16)


@pytest.mark.parametrize("returned, said", [
    (lambda i, a: i[0], r"\(outputs, axes\)"),
    (lambda i, a: (i[0], 0), "2 outputs from the vmap, got 1"),
    (lambda i, a: ((i[0], i[1]), (0, 0)), "with the shape and dtype of the function's output"),
    (lambda i, a: ((i[0][:, 0], i[1]), (0, 0, 0)), "expected the axes for a tuple of 2, got a tuple of 3"),
    (lambda i, a: ((i[0][:, 0], i[1]), (7, 0)), "axis"),
])  # fmt: skip
def test_bad_custom_vmaps(returned, said):
    with pytest.raises(ValueError, match=said):
        mx.vmap(custom(vmap=returned))(normal(3, 4), normal(3, 4))


def test_rules_live_as_long_as_the_graph():
    x = normal(3, 4)
    f = mx.custom_function(lambda x: mx.sum(x))
    f.vjp(lambda x, c, y: 10 * c * mx.ones_like(x))
    mapped = mx.vmap(f)
    del f
    gc.collect()
    check_same(mx.grad(lambda x: mx.sum(mapped(x)))(x), 10 * mx.ones((3, 4)))


# ---- Random numbers ----
def test_random_numbers_of_each_elements_key():
    keys = mx.random.split(mx.random.key(7), 4)
    draws = [lambda k: mx.random.normal((2, 3), key=k), lambda k: mx.random.split(k, 3),
             lambda k: mx.random.permutation(6, key=k),
             lambda k: mx.random.categorical(mx.zeros((3, 5)), key=k), lambda k: mx.random.randint(0, 9, (4,), key=k),
             lambda k: mx.random.truncated_normal(-1.0, 1.0, (3,), key=k)]  # fmt: skip
    for draw in draws:
        check_against_loop(draw, keys)
    check_against_loop(lambda k: mx.vmap(draws[0])(mx.random.split(k)), keys)


def test_the_implicit_key_gives_all_elements_the_same_numbers_and_moves_on_once():
    mx.random.seed(5)
    got = mx.vmap(lambda a: a + mx.random.uniform(shape=(3,)))(mx.zeros((2, 3)))
    after = mx.random.uniform(shape=(3,))
    mx.random.seed(5)
    first, second = mx.random.uniform(shape=(3,)), mx.random.uniform(shape=(3,))
    check_same([got, after], [mx.stack([first, first]), second])


def test_compiled_random_state_stays_usable_after_vmap():
    from functools import partial

    @partial(mx.compile, inputs=mx.random.state, outputs=mx.random.state)
    def noisy(a):
        return a + mx.random.uniform(shape=(3,))

    outer = partial(mx.compile, inputs=mx.random.state, outputs=mx.random.state)(lambda a: noisy(a) * 1)
    for f in (noisy, outer):
        mx.random.seed(5)
        got = mx.vmap(f)(mx.zeros((2, 3)))
        after = mx.random.uniform(shape=(3,))
        mx.random.seed(5)
        first, second = mx.random.uniform(shape=(3,)), mx.random.uniform(shape=(3,))
        check_same([got, after], [mx.stack([first, first]), second])


# ---- Size ----
def test_long_chains_need_no_stack():
    def f(a):
        for _ in range(200_000):
            a = a + 1
        return a

    check_same(mx.vmap(f)(mx.zeros((2, 3))), mx.full((2, 3), 200_000.0))


def test_many_calls_inside_a_trace_walk_their_own_part_alone():
    """Time is linear: 4,000 calls over a graph of 4,000 nodes would walk 8 million the other way."""
    step = mx.vmap(lambda a: a + 1)

    def f(a):
        for _ in range(4000):
            a = step(a)
        return a

    check_same(mx.vmap(f)(mx.zeros((2, 3))), mx.full((2, 3), 4000.0))


def test_arrays_of_the_most_dimensions():
    x = mx.ones((1,) * 32)
    assert mx.vmap(lambda a: a + 1)(x).shape == (1,) * 32
    for f in (lambda a: mx.expand_dims(a, 0), lambda a: a + mx.ones((1,) * 32)):
        with pytest.raises(ValueError, match="at most 31 dimensions beside the mapped axis, got 32"):
            mx.vmap(f)(x)
    with pytest.raises(ValueError, match="at most 32 dimensions, got 33"):
        mx.vmap(lambda a: (a, mx.ones((1,) * 32)))(x)
