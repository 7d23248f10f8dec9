"""Every op under mx.vmap against a loop: the table of opinfo.py, and what it doesn't reach."""

import itertools
import zlib

import mlx.core as mx
import numpy as np
import pytest
from formats import FLOAT_MODES
from loops import as_list, check_against_loop, check_same, loop, normal, subsets
from opinfo import OPS
from samples import rounded, to_mlx

BATCH = 3


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


@pytest.mark.parametrize("mode", FLOAT_MODES)
def test_small_floats_under_shared_scales(mode):
    x, w = normal(3, 4, 64), normal(3, 8, 64)

    def f(x, w):
        packed = mx.quantize(w, mode=mode)
        return [*packed, mx.dequantize(*packed, mode=mode), mx.quantized_matmul(x, *packed, mode=mode)]

    check_against_loop(f, x, w, ulps=16, scale=32)
    check_against_loop(f, x, w[0], in_axes=(0, None), ulps=16, scale=32)


def test_matrices_picked_cut_and_masked():
    x, w, at = normal(3, 4, 64), normal(3, 8, 64), mx.array([[0, 1], [1, 1], [0, 0]])
    pick = lambda x, w, i: mx.gather_mm(x, mx.stack([w.T, 2 * w.T]), rhs_indices=i)  # noqa: E731
    check_against_loop(pick, x, w, at, ulps=16, scale=32)
    quantised = lambda x, w, i: mx.gather_qmm(x, *mx.quantize(mx.stack([w, 2 * w])), rhs_indices=i)  # noqa: E731
    check_against_loop(quantised, x, w, at, ulps=16, scale=64)
    segments = mx.array([[[0, 2], [2, 7]], [[0, 1], [3, 7]], [[1, 4], [0, 0]]])
    check_against_loop(mx.segmented_mm, normal(3, 4, 7), normal(3, 7, 3), segments, ulps=16, scale=8)
    mask = mx.random.bernoulli(0.5, (3, 2, 2), key=mx.random.key(1))
    masked = lambda a, b, m: mx.block_masked_mm(a, b, 32, None, m, None)  # noqa: E731
    check_against_loop(masked, normal(3, 64, 64), normal(3, 64, 64), mask, ulps=16, scale=64)


@pytest.mark.parametrize("lists", ["both", "left", "right"])
@pytest.mark.parametrize(
    "axes", [(0, 0, 0), (0, None, None), (None, 0, None), (None, None, 0), (0, 0, None), (None, 0, 0)]
)
def test_products_of_chosen_matrices(axes, lists):
    x, w = normal(3, 2, 4, 64), normal(3, 2, 32, 64)
    at = (
        mx.array([[0, -1, 1], [1, 1, 0], [0, 0, -2]])
        if lists == "both"
        else mx.array([[0, 1], [1, 1], [-2, 0]])
    )
    args = [a if axis == 0 else a[0] for a, axis in zip((x, w, at), axes, strict=True)]
    left, right = lists != "right", lists != "left"

    def product(x, w, at):
        return mx.gather_mm(x, w.swapaxes(-1, -2), at if left else None, at if right else None)

    def quantised(x, w, at):
        return mx.gather_qmm(x, *mx.quantize(w), at if left else None, at if right else None)

    for f in (product, quantised):
        check_against_loop(f, *args, in_axes=axes, ulps=16, scale=64)


def test_an_index_beyond_its_own_batch_is_an_error():
    x, w, at = normal(3, 2, 4, 8), normal(3, 2, 8, 4), mx.array([0, 2])
    with pytest.raises(IndexError, match=r"\[gather_mm\]"):
        mx.eval(mx.vmap(lambda x, w: mx.gather_mm(x, w, None, at))(x, w))


def test_indexing_and_assignment():
    a, row, column, at = normal(3, 4, 5), normal(3, 5), normal(3, 4, seed=1), mx.array([1, 3, 0])

    def assign(a, row, column):
        a = a * 1
        a[1] = row
        a[:, 0] = column
        return a

    for axes in subsets(3):
        inputs = [x if m else x[0] for x, m in zip((a, row, column), axes, strict=True)]
        check_against_loop(assign, *inputs, in_axes=[0 if m else None for m in axes])
    for axes in subsets(2):
        inputs = [x if m else x[1] for x, m in zip((a, at), axes, strict=True)]
        picked = lambda a, i: [a[i], a[i, ::2], a[:, i], a[None, i]]  # noqa: E731
        check_against_loop(picked, *inputs, in_axes=[0 if m else None for m in axes])
