"""einsum, products of many matrices, Hadamard, small floats, distinct elements: against NumPy."""

import mlx.core as mx
import numpy as np
import pytest
from formats import FLOAT_MODES


def draw(*shape, seed=0):
    return np.random.default_rng([seed, *shape]).standard_normal(shape).astype(np.float32)


def close(got, expected, tolerance=1e-5):
    got, expected = np.array(got), np.asarray(expected)
    return got.shape == expected.shape and np.allclose(
        got, expected, rtol=tolerance, atol=tolerance, equal_nan=True
    )


def numeric_gradient(f, x, eps=1e-2):
    g = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        d = np.zeros_like(x)
        d[i] = eps
        g[i] = (float(f(mx.array(x + d))) - float(f(mx.array(x - d)))) / (2 * eps)
    return g


# ---- einsum ----
EINSUMS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ij->ji", (2, 3)),
    ("ba", (2, 3)),
    ("ij->", (2, 3)),
    ("ij->j", (2, 3)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("iij->j", (3, 3, 2)),
    ("iijj->ij", (2, 2, 3, 3)),
    ("iii->i", (3, 3, 3)),
    ("i,i", (4,), (4,)),
    ("i,j->ij", (2,), (3,)),
    ("i,i->i", (4,), (4,)),
    ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
    ("bij,kj->bik", (2, 3, 4), (5, 4)),
    ("bhqd,bkhd->bhqk", (2, 3, 4, 5), (2, 6, 3, 5)),
    ("...ij,...jk->...ik", (2, 3, 4), (4, 5)),
    ("...i,...i->...", (2, 3), (3,)),
    ("...ij->...ji", (2, 3, 4)),
    ("i...,i...", (3, 2), (3, 2)),
    ("...,...", (2, 3), (3,)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)),
    ("ij,jk,kl,lm->im", (10, 20), (20, 2), (2, 15), (15, 3)),
    ("a,b,c->abc", (2,), (3,), (4,)),
    ("ea,fb,abcd,gc,hd->efgh", (2, 3), (2, 4), (3, 4, 5, 6), (2, 5), (2, 6)),
    ("ij,ij->", (2, 3), (2, 3)),
    ("ij,kj->ik", (2, 1), (3, 4)),
    ("i,ij", (1,), (4, 2)),
    ("ij,jk->ki", (2, 3), (3, 4)),
    ("", ()),
    (",->", (), ()),
    ("ij,k->", (2, 3), (4,)),
    ("Ab,bA->A", (2, 3), (3, 2)),
    (" i j , j k -> i k ", (2, 3), (3, 4)),
    ("ij,jk->ik", (0, 3), (3, 4)),
    ("ij,jk->ik", (2, 0), (0, 4)),
    ("bi,bj,bk->bijk", (2, 3), (2, 4), (2, 2)),
    ("a,ab,bc,cd,de,ef,fg,gh,h", (2,), (2, 3), (3, 2), (2, 4), (4, 2), (2, 3), (3, 2), (2, 3), (3,)),
]


@pytest.mark.parametrize("subscripts, shapes", [(e[0], e[1:]) for e in EINSUMS], ids=lambda p: str(p))
def test_einsum_agrees_with_numpy(subscripts, shapes):
    operands = [draw(*s, seed=i) for i, s in enumerate(shapes)]
    if "i,ij" == subscripts or (2, 1) in shapes:  # sizes of 1 repeat, which NumPy has for "..." only
        operands_np = [
            np.broadcast_to(o, s)
            for o, s in zip(operands, ((4,), (4, 2)) if "i,ij" == subscripts else ((2, 4), (3, 4)))
        ]
    else:
        operands_np = operands
    expected = np.einsum(subscripts, *[o.astype(np.float64) for o in operands_np])
    assert close(mx.einsum(subscripts, *map(mx.array, operands)), expected, 1e-4)


def test_einsum_keeps_integers_where_nothing_is_contracted():
    assert mx.einsum("i,i->i", mx.arange(4), mx.arange(4)).dtype == mx.int32
    assert mx.einsum("ij->", mx.ones((2, 2), mx.int32)).item() == 4


@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16, mx.float64, mx.complex64])
def test_einsum_keeps_dtypes(dtype):
    with mx.stream(mx.cpu):
        a = mx.einsum("ij,kj->ik", mx.ones((2, 3), dtype), mx.ones((4, 3), dtype))
    assert a.dtype == dtype and np.array(a.astype(mx.float32)).tolist() == [[3] * 4] * 2


def test_einsum_has_gradients():
    a, b = draw(2, 3), draw(3, 2, seed=1)
    f = lambda a: (mx.einsum("ij,jk,ik->k", a, mx.array(b), a[:, :2]) ** 2).sum()
    assert close(mx.grad(f)(mx.array(a)), numeric_gradient(f, a), 2e-2)


def test_einsum_compiles():
    f = lambda a, b: mx.einsum("bij,bjk->bk", a, b)
    a, b = mx.array(draw(2, 3, 4)), mx.array(draw(2, 4, 5))
    assert mx.array_equal(mx.compile(f)(a, b), f(a, b))


def test_einsum_path_takes_the_cheapest_order():
    shapes = [(10, 100), (100, 2), (2, 50), (50, 3)]
    path, text = mx.einsum_path("ij,jk,kl,lm->im", *[mx.zeros(s) for s in shapes])
    assert path == [(0, 1), (0, 1), (0, 1)]
    assert "Naive scaling:  5" in text and "Optimized scaling:  3" in text
    assert "Naive FLOP count:  1200000" in text and "Optimized FLOP count:  4720" in text
    assert mx.einsum_path("ij->ji", mx.zeros((2, 3)))[0] == [(0,)]
    assert mx.einsum_path("ij,jk,kl->il", mx.ones((3, 4)), mx.ones((4, 5)), mx.ones((5, 2)))[0] == [
        (1, 2),
        (0, 1),
    ]
    vectors = [mx.ones(2)] * 12  # more than the exact search takes
    path, _ = mx.einsum_path(",".join("abcdefghijkl") + "->", *vectors)
    assert len(path) == 11 and mx.einsum(",".join("abcdefghijkl") + "->", *vectors).item() == 2**12


# ---- Products of many matrices ----
def gathered(a, b, i, j):
    a3, b3 = a.reshape((-1,) + a.shape[-2:]), b.reshape((-1,) + b.shape[-2:])
    i = np.arange(len(a3)).reshape(a.shape[:-2]) if i is None else np.array(i)
    j = np.arange(len(b3)).reshape(b.shape[:-2]) if j is None else np.array(j)
    i, j = np.broadcast_arrays(i, j)
    return a3[i] @ b3[j]


def array_or_none(i):
    return None if i is None else mx.array(i, mx.uint32)


GATHERS = [
    ([0, 1], [2, 3]),
    (None, [2, 3, 1, 0]),
    ([[0], [3]], [4, 5]),
    ([1], None),
    ([], []),
    (None, [[0, 0, 1, 5]] * 3),
]


@pytest.mark.parametrize("i, j", GATHERS)
def test_gather_mm_multiplies_picked_matrices(i, j):
    a, b = draw(4, 3, 5), draw(6, 5, 2)
    i, j = (np.array(x, int) if x == [] else x for x in (i, j))
    assert close(
        mx.gather_mm(mx.array(a), mx.array(b), array_or_none(i), array_or_none(j)), gathered(a, b, i, j)
    )


def test_gather_mm_counts_through_batches():
    a, b = draw(2, 2, 3, 5), draw(3, 2, 5, 2)
    assert close(
        mx.gather_mm(mx.array(a), mx.array(b), mx.array([3, 0]), mx.array([5, 1])),
        gathered(a, b, [3, 0], [5, 1]),
    )
    assert close(
        mx.gather_mm(mx.array(a[0, 0]), mx.array(b), None, mx.array([5, 1])),
        a[0, 0] @ b.reshape(6, 5, 2)[[5, 1]],
    )
    assert close(
        mx.gather_mm(mx.array(a[0, 0, 0]), mx.array(b), None, mx.array([5])),
        a[0, 0, 0] @ b.reshape(6, 5, 2)[[5]],
    )


def test_gather_mm_has_gradients():
    a, b, j = draw(2, 2, 3), draw(3, 3, 2), mx.array([2, 0])
    f = lambda b: (mx.gather_mm(mx.array(a), b, None, j) ** 2).sum()
    assert close(mx.grad(f)(mx.array(b)), numeric_gradient(f, b), 2e-2)


def composed_mm(a, b, i=None, j=None):
    """gather_mm as a gather of matrices and a product."""
    return mx.matmul(picked_matrices(a, i), picked_matrices(b, j))


def picked_matrices(a, i):
    return a if i is None else mx.take(a.reshape(-1, *a.shape[-2:]), i, axis=0)


def composed_qmm(x, w, scales, biases, i=None, j=None, **options):
    parts = [picked_matrices(p, j) for p in (w, scales, biases)]
    return mx.quantized_matmul(picked_matrices(x, i), *parts, **options)


CHOICES = [
    ([0, 3, 3, 1], [2, 2, 0, 2]),
    ([[1], [-4]], [5, -1, 0]),
    ([2, 2], None),
    (None, [1, 1, 1, 4]),
    (2, [3, 3]),
    ([1, 0], 5),
]


@pytest.mark.parametrize("i, j", CHOICES)
def test_gather_mm_differentiates_as_a_gather_and_a_product_do(i, j):
    a, b = draw(4, 3, 5), draw(6, 5, 2)
    a, b = mx.array(a), mx.array(b if j is not None else b[: len(i)])
    i, j = (None if x is None else mx.array(x) for x in (i, j))
    loss = lambda f: lambda a, b: (mx.sin(f(a, b, i, j)) * mx.arange(2)).sum()  # noqa: E731
    for got, want in zip(*(mx.grad(loss(f), (0, 1))(a, b) for f in (mx.gather_mm, composed_mm)), strict=True):
        assert close(got, want)
    tangents = mx.cos(a), mx.sin(b)
    got, want = (
        mx.jvp(lambda a, b, f=f: f(a, b, i, j), (a, b), tangents) for f in (mx.gather_mm, composed_mm)
    )
    assert close(got[1][0], want[1][0])


@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize("i, j", CHOICES)
def test_gather_qmm_differentiates_as_a_gather_and_a_product_do(i, j, transpose):
    x, w = mx.array(draw(4, 3, 64 if transpose else 32)), mx.array(draw(6, 32, 64))
    w = w if j is not None else w[: len(i)]
    w, scales, biases = mx.quantize(w)
    i, j = (None if v is None else mx.array(v) for v in (i, j))

    def loss(f):
        return lambda x, s, b: mx.sin(f(x, w, s, b, i, j, transpose=transpose)).sum()

    grads = [mx.grad(loss(f), (0, 1, 2))(x, scales, biases) for f in (mx.gather_qmm, composed_qmm)]
    for got, want in zip(*grads, strict=True):
        assert close(got, want, 1e-3)
    primals = x, scales, biases
    got, want = (
        mx.jvp(
            lambda x, s, b, f=f: f(x, w, s, b, i, j, transpose=transpose),
            primals,
            [mx.cos(p) for p in primals],
        )
        for f in (mx.gather_qmm, composed_qmm)
    )
    assert close(got[1][0], want[1][0], 1e-3)


def test_a_gather_qmm_of_small_floats_has_the_gradient_of_x():
    x, (w, scales), j = (
        mx.array(draw(2, 3, 64)),
        mx.quantize(mx.array(draw(4, 32, 64)), mode="mxfp4"),
        mx.array([3, 1]),
    )
    got = mx.grad(lambda x: mx.gather_qmm(x, w, scales, rhs_indices=j, mode="mxfp4").sum())(x)
    full = mx.dequantize(w, scales, mode="mxfp4")
    assert close(got, mx.grad(lambda x: mx.gather_mm(x, full.swapaxes(-1, -2), rhs_indices=j).sum())(x), 1e-5)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
@pytest.mark.parametrize("rows", [1, 3, 70])
def test_rows_that_share_a_matrix_have_the_results_they_have_alone(rows, dtype):
    t = getattr(mx, dtype)
    with mx.stream(mx.cpu):
        a, b = mx.array(draw(50, rows, 40)).astype(t), mx.array(draw(5, 40, 24)).astype(t)
        order = np.random.default_rng(rows).integers(0, 5, (30, 7))
        left = np.random.default_rng(1).integers(0, 50, (30, 7))
        full = [np.array(v.astype(mx.float32)) for v in (a, b)]
        mx.eval(a, b)
    stream = mx.cpu if dtype == "float64" else None
    for by in (b, mx.contiguous(b.swapaxes(-1, -2), stream=stream).swapaxes(-1, -2, stream=stream)):
        got = mx.gather_mm(a, by, mx.array(left), mx.array(order), stream=stream)
        assert got.dtype == t
        got = np.array(got.astype(mx.float32, stream=mx.cpu))
        assert np.allclose(got, full[0][left] @ full[1][order], **TOLERANCES[dtype])


TOLERANCES = {
    "float32": {"rtol": 1e-5, "atol": 1e-4},
    "float64": {"rtol": 1e-5, "atol": 1e-5},
    "float16": {"rtol": 1e-3, "atol": 2e-2},
    "bfloat16": {"rtol": 8e-3, "atol": 5e-2},
}


@pytest.mark.parametrize("dtype", [mx.uint8, mx.int8, mx.int32, mx.uint32, mx.int64, mx.uint64])
def test_matrices_are_chosen_by_indices_of_any_integer_dtype_and_layout(dtype):
    a, b = draw(4, 1, 5), draw(6, 5, 2)
    j = np.array([[5, 0, 3], [1, 1, 4]])
    lists = mx.array(j).astype(dtype)
    assert close(
        mx.gather_mm(mx.array(a), mx.array(b), mx.array([[1], [0]]), lists), gathered(a, b, [[1], [0]], j)
    )
    assert close(
        mx.gather_mm(mx.array(a[:3, None]), mx.array(b), None, lists.T), gathered(a[:3, None], b, None, j.T)
    )
    assert close(
        mx.gather_mm(mx.array(a), mx.array(b), mx.array(1), lists[:, ::-2]), gathered(a, b, 1, j[:, ::-2])
    )


def test_an_index_of_uint64_beyond_int64_is_out_of_bounds():
    j = mx.array(np.array([2**64 - 1], np.uint64))
    with pytest.raises(IndexError, match=r"\[gather_mm\] .* \[-6, 6\) on axis 0, got 18446744073709551615"):
        mx.eval(mx.gather_mm(mx.array(draw(1, 5)), mx.array(draw(6, 5, 2)), None, j))


def test_products_of_chosen_matrices_are_exported(tmp_path):
    a, b, j = mx.array(draw(2, 3, 64)), mx.array(draw(4, 64, 32)), mx.array([3, 0])
    q = mx.quantize(mx.array(draw(4, 32, 64)))
    file = str(tmp_path / "chosen.mlxfn")
    f = lambda a, b, j: (mx.gather_mm(a, b, rhs_indices=j), mx.gather_qmm(a, *q, j // 2, j))  # noqa: E731
    for shapeless in (False, True):
        mx.export_function(file, f, a, b, j, shapeless=shapeless)
        for got, want in zip(mx.import_function(file)(a, b, j), f(a, b, j), strict=True):
            assert mx.array_equal(got, want)
    compiled = mx.compile(f, shapeless=True)
    for rows in (3, 1, 4):
        for got, want in zip(compiled(a[:, :rows], b, j), f(a[:, :rows], b, j), strict=True):
            assert mx.array_equal(got, want)


def test_segmented_mm_multiplies_each_segment():
    a, b = draw(3, 10), draw(10, 4)
    segments = [[[0, 4], [4, 10]], [[3, 3], [5, 2]], [[8, 20], [0, 10]]]
    got = np.array(mx.segmented_mm(mx.array(a), mx.array(b), mx.array(segments, mx.uint32)))
    assert got.shape == (3, 2, 3, 4)
    for i in np.ndindex(3, 2):
        s, e = segments[i[0]][i[1]]
        assert close(got[i], a[:, s:e] @ b[s:e])


def test_segmented_mm_keeps_nan_in_its_segment():
    a, b = draw(3, 10), draw(10, 4)
    b[7] = np.nan
    got = np.array(mx.segmented_mm(mx.array(a), mx.array(b), mx.array([[0, 5], [5, 10]])))
    assert close(got[0], a[:, :5] @ b[:5]) and np.isnan(got[1]).all()


def blocks(mask, size, rows, columns):
    return np.repeat(np.repeat(np.array(mask).astype(np.float32), size, -2), size, -1)[..., :rows, :columns]


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("kind", [bool, np.float32])
def test_block_masked_mm_masks_blocks(size, batch, kind):
    m, k, n = 100, 70, 130
    a, b = draw(*batch, m, k), draw(k, n)
    count = lambda x: -(-x // size)
    masks = [
        np.random.default_rng(s).random((count(r), count(c)))
        for s, (r, c) in enumerate([(m, n), (m, k), (k, n)])
    ]
    masks = [x > 0.5 if kind is bool else x.astype(np.float32) for x in masks]
    out, left, right = (blocks(x, size, r, c) for x, (r, c) in zip(masks, [(m, n), (m, k), (k, n)]))
    got = mx.block_masked_mm(mx.array(a), mx.array(b), size, *map(mx.array, masks))
    assert close(got, out * ((left * a) @ (right * b)), 1e-4)
    assert close(mx.block_masked_mm(mx.array(a), mx.array(b), size), a @ b, 1e-4)


def test_a_cleared_block_hides_nan():
    a = np.ones((64, 64), np.float32)
    a[0, 0] = np.nan
    mask = mx.array([[False, True], [True, True]])
    assert not np.isnan(np.array(mx.block_masked_mm(mx.array(a), mx.ones((64, 64)), 32, mask_lhs=mask))).any()


# ---- Quantised ----
E4M3 = np.array(
    [m * 2.0**-9 if e == 0 else (8 + m) * 2.0 ** (e - 10) for e in range(16) for m in range(8)][:127]
)
E2M1 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])


def encode(x, table, even):
    """The code of the nearest value; halves to the even code, or towards zero."""
    size = np.abs(x).astype(np.float64)
    i = np.clip(np.searchsorted(table, size), 1, len(table) - 1)
    down, up = size - table[i - 1], table[i] - size
    tie = np.where(i % 2 == 0, i, i - 1) if even else i - 1
    code = np.where(down < up, i - 1, np.where(down > up, i, tie))
    return code


def quantized(x, mode):
    """Codes with their signs, scale bytes, and the values that they stand for."""
    group, bits = FLOAT_MODES[mode]
    w = x.reshape(-1, group)
    largest = np.float32(448 if bits == 8 else 6)
    ratio = (np.abs(w).max(1) / largest).astype(np.float32)
    if mode == "nvfp4":
        scale_codes = encode(ratio, E4M3, True)
        scale = E4M3[scale_codes].astype(np.float32)
    else:
        exponent = np.where(ratio > 0, np.ceil(np.log2(np.where(ratio > 0, ratio, 1).astype(np.float64))), 0)
        scale_codes, scale = exponent.astype(int) + 127, np.exp2(exponent).astype(np.float32)
    table = E4M3 if bits == 8 else E2M1
    q = (w / np.where(scale == 0, 1, scale)[:, None]).astype(np.float32) * (scale != 0)[:, None]
    code = encode(q, table, bits == 8)
    values = np.where(w < 0, -1, 1) * table[code] * scale[:, None]
    negative = np.signbit(q) & ((code > 0) | (bits == 8))
    code = code | np.where(negative, 1 << (bits - 1), 0)
    return code.reshape(x.shape), scale_codes.reshape(*x.shape[:-1], -1), values.reshape(x.shape)


def wide_values(*shape):
    x = draw(*shape) * np.exp(np.random.default_rng(1).uniform(-6, 6, shape[:-1] + (1,))).astype(np.float32)
    rows = x.reshape(-1, shape[-1])
    rows[0, :32] = 0
    rows[1, :32] = np.resize(
        [6, 0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5, -0.25, -0.75, -1.25, -1.75, -2.5, -3.5, -5], 32
    )
    return x


@pytest.mark.parametrize("mode", FLOAT_MODES)
def test_float_modes_quantize_to_the_nearest(mode):
    x = wide_values(16, 64)
    code, scale, values = quantized(x, mode)
    packed, scales = mx.quantize(mx.array(x), mode=mode)
    raw = np.array(packed).view(np.uint8)
    if FLOAT_MODES[mode][1] == 4:
        raw = np.stack([raw & 15, raw >> 4], -1).reshape(x.shape)
    assert packed.dtype == mx.uint32 and scales.dtype == mx.uint8
    assert np.array_equal(np.array(scales), scale)
    assert np.array_equal(raw, code)
    back = mx.dequantize(packed, scales, mode=mode, dtype=mx.float32)
    assert np.array_equal(np.array(back), values.astype(np.float32))
    assert mx.dequantize(packed, scales, mode=mode).dtype == mx.bfloat16


def test_a_global_scale_stretches_nvfp4():
    x = wide_values(16, 64)
    largest = mx.array(np.abs(x).max())
    back = mx.dequantize(
        *mx.quantize(mx.array(x), mode="nvfp4", global_scale=largest),
        mode="nvfp4",
        global_scale=largest,
        dtype=mx.float32,
    )
    rows = np.abs(x).max(1) > 1
    assert np.abs(np.array(back) - x)[rows].max() <= 0.2 * np.abs(x).max()
    assert np.isclose(np.abs(np.array(back)).max(), np.abs(x).max())


@pytest.mark.parametrize("mode", FLOAT_MODES)
def test_products_with_float_modes(mode):
    w, x = wide_values(4, 8, 64), draw(6, 3, 64)
    packed, scales = mx.quantize(mx.array(w), mode=mode)
    full = quantized(w, mode)[2].astype(np.float32)
    tolerance = 1e-4
    for i in range(2):
        scale = np.abs(full[i]).max()
        got = mx.quantized_matmul(mx.array(x[0]), packed[i], scales[i], mode=mode)
        assert close(np.array(got) / scale, x[0] @ full[i].T / scale, tolerance)
        got = mx.quantized_matmul(mx.array(x[0, :, :8]), packed[i], scales[i], mode=mode, transpose=False)
        assert close(np.array(got) / scale, x[0, :, :8] @ full[i] / scale, tolerance)
    got = mx.gather_qmm(
        mx.array(x), packed, scales, None, mx.array([5, 0, 1]), mx.array([3, 3, 0]), mode=mode
    )
    expected = x[[5, 0, 1]] @ full[[3, 3, 0]].swapaxes(-1, -2)
    assert close(np.array(got) / np.abs(expected).max(), expected / np.abs(expected).max(), tolerance)


@pytest.mark.parametrize("mode", FLOAT_MODES)
def test_qqmm_rounds_both_factors(mode):
    x, w = draw(3, 64), draw(8, 64, seed=1)
    expected = quantized(x, mode)[2] @ quantized(w, mode)[2].T
    assert close(mx.qqmm(mx.array(x), mx.array(w), mode=mode), expected, 1e-4)
    packed, scales = mx.quantize(mx.array(w), mode=mode)
    assert close(mx.qqmm(mx.array(x), packed, scales, mode=mode), expected, 1e-4)
    got = mx.gather_qqmm(
        mx.array(x[None]), mx.array(w.reshape(2, 4, 64)), rhs_indices=mx.array([1, 0, 1]), mode=mode
    )
    assert close(got, np.stack([expected[:, 4:], expected[:, :4], expected[:, 4:]]), 1e-4)


@pytest.mark.parametrize("mode", FLOAT_MODES)
def test_the_derivative_of_qqmm_passes_the_rounding(mode):
    x, w, g = (mx.random.normal(shape) for shape in ((3, 5, 64), (32, 64), (3, 5, 32)))
    packed, scales = mx.quantize(w, mode=mode)
    unpacked = mx.dequantize(packed, scales, mode=mode)

    def whole(x, w):
        return mx.qqmm(x, w, mode=mode)

    _, by_x_and_w = mx.vjp(whole, [x, w], [g])
    assert close(by_x_and_w[0], np.array(g @ w), 1e-5)
    assert close(by_x_and_w[1], np.array((g.swapaxes(-1, -2) @ x).sum(0)), 1e-5)
    _, (by_x,) = mx.vjp(lambda x: mx.qqmm(x, packed, scales, mode=mode), [x], [g])
    assert close(by_x, np.array(g @ unpacked), 1e-5)
    _, (tangent,) = mx.jvp(whole, [x, w], [x, w])
    assert close(tangent, np.array(2 * (x @ w.T)), 1e-5)
    _, (of_vector,) = mx.vjp(lambda x: mx.qqmm(x, w, mode=mode), [x[0, 0]], [g[0, 0]])
    assert close(of_vector, np.array(g[0, 0] @ w), 1e-5)
    halves = mx.grad(lambda w: mx.qqmm(x, w, mode=mode).sum())(w.astype(mx.bfloat16))
    assert halves.dtype == mx.bfloat16


@pytest.mark.parametrize("packed", [False, True])
def test_qqmm_and_its_derivative_under_other_transforms(packed):
    x, w = mx.random.normal((4, 5, 64)), mx.random.normal((4, 32, 64))
    packed_ones = list(zip(*(mx.quantize(one, mode="nvfp4") for one in w))) if packed else [list(w)]
    rest = [mx.stack(parts) for parts in packed_ones]

    def gradient(x, *rest):
        return mx.grad(lambda x: mx.square(mx.qqmm(x, *rest, mode="nvfp4")).sum())(x)

    for f in (lambda x, *rest: mx.qqmm(x, *rest, mode="nvfp4"), gradient):
        one_by_one = mx.stack([f(x[i], *(a[i] for a in rest)) for i in range(4)])
        assert close(mx.vmap(f)(x, *rest), np.array(one_by_one), 1e-5)
        shared = mx.stack([f(a, *(a[0] for a in rest)) for a in x])
        assert close(
            mx.vmap(f, in_axes=(0, *(None for _ in rest)))(x, *(a[0] for a in rest)), np.array(shared), 1e-5
        )
        assert close(mx.compile(f)(x[0], *(a[0] for a in rest)), np.array(one_by_one[0]), 1e-5)
    if not packed:
        by_w = mx.vmap(mx.grad(lambda w, x: mx.qqmm(x, w, mode="nvfp4").sum()), in_axes=(None, 0))(w[0], x)
        assert close(by_w, np.array(mx.stack([mx.ones((32, 5)) @ a for a in x])), 1e-5)


def test_an_exported_qqmm_has_its_derivative(tmp_path):
    x, w = mx.random.normal((5, 64)), mx.random.normal((32, 64))
    file = str(tmp_path / "qqmm.mlxfn")
    mx.export_function(file, lambda x, w: mx.qqmm(x, w, mode="mxfp8"), x, w)
    imported = mx.import_function(file)
    assert mx.array_equal(imported(x, w)[0], mx.qqmm(x, w, mode="mxfp8"))
    assert close(mx.grad(lambda x: imported(x, w)[0].sum())(x), np.array(mx.ones((5, 32)) @ w), 1e-5)


@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize("i, j", GATHERS)
def test_gather_qmm_multiplies_picked_matrices(i, j, transpose):
    w, k = draw(6, 32, 64), 64 if transpose else 32
    x = draw(4, 3, k)
    i, j = (np.array(x, int) if x == [] else x for x in (i, j))
    q = mx.quantize(mx.array(w))
    full = np.array(mx.dequantize(*q))
    expected = gathered(x, full.swapaxes(-1, -2) if transpose else full, i, j)
    got = mx.gather_qmm(mx.array(x), *q, array_or_none(i), array_or_none(j), transpose=transpose)
    assert close(got, expected, 1e-4)


def test_fp8_codes_are_those_of_e4m3():
    codes = np.arange(256, dtype=np.uint8)
    values = np.where(codes & 127 == 127, np.nan, np.append(E4M3, 0)[codes & 127]) * np.where(
        codes & 128, -1, 1
    )
    for dtype in (mx.float16, mx.bfloat16, mx.float32):
        got = mx.from_fp8(mx.array(codes), dtype)
        assert got.dtype == dtype and np.array_equal(np.array(got.astype(mx.float32)), values, equal_nan=True)
    finite = codes & 127 != 127
    assert np.array_equal(np.array(mx.to_fp8(mx.array(values[finite].astype(np.float32)))), codes[finite])


def test_fp8_rounds_half_to_even_and_saturates():
    x = (draw(20000) * np.exp(np.random.default_rng(0).uniform(-12, 7, 20000))).astype(np.float32)
    midpoints = ((E4M3[1:] + E4M3[:-1]) / 2).astype(np.float32)
    x = np.concatenate([x, midpoints, -midpoints, [449, 480, 1e30, np.inf, 0]]).astype(np.float32)
    expected = encode(x, E4M3, True) | np.where(np.signbit(x), 128, 0)
    assert np.array_equal(np.array(mx.to_fp8(mx.array(x))), expected)
    assert mx.to_fp8(mx.array([float("-inf"), float("nan"), -0.0])).tolist() == [254, 126, 128]


# ---- Hadamard ----
def sylvester(n):
    return np.array([[1 - 2 * (bin(i & j).count("1") % 2) for j in range(n)] for i in range(n)])


@pytest.mark.parametrize("n", [1, 2, 4, 8, 64, 128, 512])
def test_hadamard_is_sylvesters_matrix(n):
    x = draw(3, n)
    assert close(mx.hadamard_transform(mx.array(x)), x @ sylvester(n) / np.sqrt(n), 1e-4)
    assert close(mx.hadamard_transform(mx.array(x), scale=2.0), 2 * x @ sylvester(n), 1e-3)


@pytest.mark.parametrize("n", [12, 20, 28, 24, 48, 80, 224])
def test_hadamard_matrices_are_orthogonal_and_signs(n):
    h = np.array(mx.hadamard_transform(mx.eye(n), scale=1.0)).T
    assert np.array_equal(np.abs(h), np.ones((n, n))) and np.array_equal(h @ h.T, n * np.eye(n))
    small = n >> 1 if n not in (12, 20, 28) else None
    if small:  # the Kronecker product with the next smaller one
        inner = np.array(mx.hadamard_transform(mx.eye(small), scale=1.0)).T
        assert np.array_equal(h, np.kron(inner, sylvester(2)))


def test_hadamard_of_halves_and_integers():
    x = draw(2, 64)
    for dtype in (mx.float16, mx.bfloat16):
        got = mx.hadamard_transform(mx.array(x).astype(dtype))
        assert got.dtype == dtype
        assert close(
            got.astype(mx.float32),
            np.array(mx.array(x).astype(dtype).astype(mx.float32)) @ sylvester(64) / 8,
            2e-2,
        )
    assert mx.hadamard_transform(mx.ones(4, mx.int32)).dtype == mx.float32


def test_hadamard_is_its_own_gradient():
    x, g = mx.array(draw(2, 24)), mx.array(draw(2, 24, seed=1))
    _, (got,) = mx.vjp(mx.hadamard_transform, [x], [g])
    h = np.array(mx.hadamard_transform(mx.eye(24))).T
    assert close(got, np.array(g) @ h, 1e-4)


# ---- Sets and positions ----
UNIQUES = [
    [3, 1, 2, 3, 1],
    [],
    [7],
    [[3, 1], [1, 2]],
    [1.5, -0.5, 1.5],
    [True, False, True],
    [0.0, -0.0],
    [5] * 100,
]


@pytest.mark.parametrize("values", UNIQUES, ids=repr)
def test_unique_agrees_with_numpy(values):
    a = mx.array(values)
    expected = np.unique(np.array(a), True, True, True)
    got = mx.unique(a, None, True, True, True)
    for g, e in zip(got, expected):
        assert np.array_equal(np.array(g).ravel(), e.ravel())
    assert got[2].shape == a.shape
    assert [g.dtype for g in got[1:]] == [mx.uint32, mx.uint32, mx.int32]
    assert np.array_equal(np.array(mx.unique(a)), expected[0])


def test_unique_of_a_given_size_is_lazy_cut_and_filled():
    a = mx.array([2, 1, 2, 3, 1])
    assert mx.unique(a, 2).tolist() == [1, 2]
    assert mx.unique(a, 5).tolist() == [1, 2, 3, 1, 1]
    values, index, inverse, counts = mx.unique(a, 4, True, True, True, fill_value=9)
    assert values.tolist() == [1, 2, 3, 9] and index.tolist() == [1, 0, 3, 1]
    assert inverse.tolist() == [1, 0, 1, 2, 0] and counts.tolist() == [2, 2, 1, 0]
    values, inverse, counts = mx.unique(a, 2, return_inverse=True, return_counts=True)
    assert inverse.tolist() == [1, 0, 1, 1, 0] and counts.tolist() == [2, 2]
    assert mx.unique(mx.array([], mx.int32), 2, fill_value=7).tolist() == [7, 7]
    assert mx.compile(lambda a: mx.unique(a, 3))(a).tolist() == [1, 2, 3]
    nan = float("nan")
    assert np.array_equal(np.array(mx.unique(mx.array([nan, 1, nan]))), [1, nan, nan], equal_nan=True)


@pytest.mark.parametrize("shape", [(0,), (5,), (3, 4), (2, 3, 4), (2, 0, 3)])
def test_nonzero_and_argwhere_agree_with_numpy(shape):
    n = np.random.default_rng(0).integers(0, 2, shape)
    for values in (n, n.astype(bool), n.astype(np.float32), np.zeros(shape), np.ones(shape, np.int8)):
        a = mx.array(values)
        assert np.array_equal(np.array(mx.argwhere(a)), np.argwhere(values))
        got = mx.nonzero(a)
        assert all(np.array_equal(np.array(g), e) for g, e in zip(got, np.nonzero(values))) and len(
            got
        ) == len(shape)
    assert mx.argwhere(mx.array(3)).shape == (1, 0)
    assert mx.argwhere(mx.zeros((4, 4))).shape == (0, 2)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 1000])
def test_searchsorted_agrees_with_numpy(side, n):
    rng = np.random.default_rng(n)
    for dtype in (np.int32, np.float32):
        a = np.sort(rng.integers(-50, 50, n)).astype(dtype)
        v = rng.integers(-60, 60, (5, 7)).astype(dtype)
        got = mx.searchsorted(mx.array(a), mx.array(v), side)
        assert got.dtype == mx.uint32 and np.array_equal(np.array(got), np.searchsorted(a, v, side))
    nan = np.array([1, 2, np.nan, np.nan], np.float32)
    assert np.array_equal(
        np.array(mx.searchsorted(mx.array(nan), mx.array(nan), side)), np.searchsorted(nan, nan, side)
    )
    assert mx.searchsorted(mx.array([1, 3, 5]), 3, side).item() == (1 if side == "left" else 2)


def test_the_median_of_nan_is_nan():
    a = np.array([[1, 2, np.nan], [3, 1, 2]], np.float32)
    assert close(mx.median(mx.array(a), axis=1), np.median(a, axis=1))
    assert np.isnan(mx.median(mx.array(a)).item())


def test_array_like_stands_for_its_array():
    like = mx.ArrayLike(np.ones(3, np.float32))
    assert (mx.zeros(3) + like).tolist() == [1, 1, 1]
    with pytest.raises(TypeError):
        mx.ArrayLike()


# ---- Wrong calls ----
F, I8 = mx.ones((2, 64)), mx.ones((2, 64), mx.int32)
Q4 = mx.quantize(F, mode="mxfp4")
QA = mx.quantize(F)
WRONG = {
    "einsum no operand": (lambda: mx.einsum("ij"), ValueError),
    "einsum too few": (lambda: mx.einsum("ij,jk", F), ValueError),
    "einsum too many": (lambda: mx.einsum("ij", F, F), ValueError),
    "einsum rank": (lambda: mx.einsum("ijk", F), ValueError),
    "einsum rank of ellipsis": (lambda: mx.einsum("...abc", F), ValueError),
    "einsum character": (lambda: mx.einsum("i1->i", F), ValueError),
    "einsum two ellipses": (lambda: mx.einsum("...i...->i", F), ValueError),
    "einsum two dots": (lambda: mx.einsum("..i", F), ValueError),
    "einsum two outputs": (lambda: mx.einsum("ij->i->j", F), ValueError),
    "einsum output comma": (lambda: mx.einsum("ij->i,j", F), ValueError),
    "einsum repeated output": (lambda: mx.einsum("ij->ii", F), ValueError),
    "einsum unknown output": (lambda: mx.einsum("ij->ik", F), ValueError),
    "einsum lost ellipsis": (lambda: mx.einsum("...j->j", F), ValueError),
    "einsum sizes": (lambda: mx.einsum("ij,ij", F, mx.ones((2, 63))), ValueError),
    "einsum integers": (lambda: mx.einsum("ij,kj->ik", I8, I8), ValueError),
    "einsum wide output": (
        lambda: mx.einsum("abcdefghijklmnopq,ABCDEFGHIJKLMNOPQ", mx.ones((1,) * 17), mx.ones((1,) * 17)),
        ValueError,
    ),
    "einsum diagonal": (lambda: mx.einsum("ii", F), ValueError),
    "einsum list": (lambda: mx.einsum("i", [1, 2]), TypeError),
    "einsum subscripts": (lambda: mx.einsum(F, "ij"), TypeError),
    "einsum_path few": (lambda: mx.einsum_path("ij,jk", F), ValueError),
    "gather_mm dtype": (lambda: mx.gather_mm(I8, I8.T), ValueError),
    "gather_mm inner": (lambda: mx.gather_mm(F, F), ValueError),
    "gather_mm 0-d": (lambda: mx.gather_mm(mx.array(1.0), F), ValueError),
    "gather_mm float index": (lambda: mx.gather_mm(F, F.T, mx.array([0.0])), ValueError),
    "gather_mm bool index": (lambda: mx.gather_mm(F, F.T, mx.array([True])), ValueError),
    "gather_mm range": (lambda: mx.gather_mm(F, F.T, None, mx.array([3])), IndexError),
    "gather_mm shapes": (lambda: mx.gather_mm(F, F.T, mx.array([0, 0]), mx.array([0, 0, 0])), ValueError),
    "segmented_mm batch": (lambda: mx.segmented_mm(F[None], F.T, mx.array([[0, 1]])), ValueError),
    "segmented_mm pairs": (lambda: mx.segmented_mm(F, F.T, mx.array([[0, 1, 2]])), ValueError),
    "segmented_mm 0-d": (lambda: mx.segmented_mm(F, F.T, mx.array(1)), ValueError),
    "segmented_mm float": (lambda: mx.segmented_mm(F, F.T, mx.array([[0.0, 1.0]])), ValueError),
    "segmented_mm inner": (lambda: mx.segmented_mm(F, F, mx.array([[0, 1]])), ValueError),
    "block_masked_mm size": (lambda: mx.block_masked_mm(F, F.T, 48), ValueError),
    "block_masked_mm huge size": (lambda: mx.block_masked_mm(F, F.T, 2**40), ValueError),
    "block_masked_mm mask": (lambda: mx.block_masked_mm(F, F.T, 64, mx.ones((3, 3))), ValueError),
    "block_masked_mm 1-d mask": (lambda: mx.block_masked_mm(F, F.T, 64, mx.ones(1)), ValueError),
    "block_masked_mm inner": (lambda: mx.block_masked_mm(F, F), ValueError),
    "hadamard size": (lambda: mx.hadamard_transform(mx.ones((2, 6))), ValueError),
    "hadamard 36": (lambda: mx.hadamard_transform(mx.ones(36)), ValueError),
    "hadamard empty": (lambda: mx.hadamard_transform(mx.ones((0, 4))), ValueError),
    "to_fp8 int": (lambda: mx.to_fp8(I8), ValueError),
    "from_fp8 int": (lambda: mx.from_fp8(I8), ValueError),
    "from_fp8 to int": (lambda: mx.from_fp8(mx.zeros(2, mx.uint8), mx.int32), ValueError),
    "quantize mode": (lambda: mx.quantize(F, mode="fp5"), ValueError),
    "quantize group": (lambda: mx.quantize(F, 64, mode="mxfp4"), ValueError),
    "quantize bits": (lambda: mx.quantize(F, None, 5, "nvfp4"), ValueError),
    "quantize columns": (lambda: mx.quantize(mx.ones((2, 40)), mode="mxfp8"), ValueError),
    "quantize vector": (lambda: mx.quantize(mx.ones(64), mode="mxfp8"), ValueError),
    "quantize int": (lambda: mx.quantize(I8, mode="mxfp8"), ValueError),
    "quantize global": (lambda: mx.quantize(F, mode="mxfp8", global_scale=mx.array(1.0)), ValueError),
    "quantize affine global": (lambda: mx.quantize(F, global_scale=mx.array(1.0)), ValueError),
    "quantize global size": (lambda: mx.quantize(F, mode="nvfp4", global_scale=mx.ones(2)), ValueError),
    "dequantize biases": (lambda: mx.dequantize(*Q4, mx.ones(1), mode="mxfp4"), ValueError),
    "dequantize no biases": (lambda: mx.dequantize(*QA[:2]), ValueError),
    "dequantize scale dtype": (
        lambda: mx.dequantize(Q4[0], Q4[1].astype(mx.float32), mode="mxfp4"),
        ValueError,
    ),
    "dequantize scale shape": (lambda: mx.dequantize(Q4[0], Q4[1][:, :1], mode="mxfp4"), ValueError),
    "dequantize words": (lambda: mx.dequantize(Q4[0].astype(mx.int32), Q4[1], mode="mxfp4"), ValueError),
    "dequantize dtype": (lambda: mx.dequantize(*Q4, mode="mxfp4", dtype=mx.int32), ValueError),
    "quantized_matmul inner": (lambda: mx.quantized_matmul(mx.ones((3, 60)), *Q4, mode="mxfp4"), ValueError),
    "quantized_matmul int": (lambda: mx.quantized_matmul(I8, *Q4, mode="mxfp4"), ValueError),
    "gather_qmm biases": (lambda: mx.gather_qmm(F, QA[0], QA[1]), ValueError),
    "gather_qmm range": (lambda: mx.gather_qmm(F, *QA, None, mx.array([1])), IndexError),
    "gather_qmm batch of scales": (
        lambda: mx.gather_qmm(F, QA[0][None], *QA[1:], None, mx.array([0])),
        ValueError,
    ),
    "gather_qmm float index": (lambda: mx.gather_qmm(F, *QA, mx.array([0.5])), ValueError),
    "qqmm affine": (lambda: mx.qqmm(F, F, mode="affine"), ValueError),
    "qqmm int": (lambda: mx.qqmm(I8, F), ValueError),
    "qqmm inner": (lambda: mx.qqmm(F, mx.ones((2, 32))), ValueError),
    "unique negative": (lambda: mx.unique(F, -1), ValueError),
    "unique huge": (lambda: mx.unique(F, 2**63 - 1), (ValueError, MemoryError)),
    "unique fill": (lambda: mx.unique(F, 3, fill_value=mx.ones(2)), ValueError),
    "unique empty": (lambda: mx.unique(mx.ones(0), 3), ValueError),
    "unique list": (lambda: mx.unique([1, 2], 3), TypeError),
    "nonzero 0-d": (lambda: mx.nonzero(mx.array(1)), ValueError),
    "searchsorted side": (lambda: mx.searchsorted(mx.arange(3), 1, "middle"), ValueError),
    "searchsorted rank": (lambda: mx.searchsorted(F, 1), ValueError),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_calls_raise(name):
    call, error = WRONG[name]
    with pytest.raises(error):
        mx.eval(call())


def test_logcumsumexp_of_complex_numbers_is_the_logarithm_of_their_cumulative_sum():
    rng = np.random.default_rng(6)
    a = rng.uniform(-3, 3, (3, 300)) + 1j * rng.uniform(-2, 2, (3, 300))
    for axis in 0, 1:
        for reverse in False, True:
            flip = (lambda v, i=axis: np.flip(v, i)) if reverse else (lambda v: v)
            want = flip(np.cumsum(flip(np.exp(a)), axis))
            got = mx.logcumsumexp(mx.array(a.astype(np.complex64)), axis, reverse=reverse)
            np.testing.assert_allclose(np.exp(np.array(got)), want, rtol=1e-4, atol=1e-4)
    special = mx.array([complex(-np.inf), 1j, complex(-np.inf), complex(np.nan)])
    got = np.array(mx.logcumsumexp(special))
    np.testing.assert_array_equal(got[:3], [complex(-np.inf), 1j, 1j])
    assert np.isnan(got[3])


def test_logcumsumexp_of_complex_numbers_has_the_derivative_of_differences():
    rng = np.random.default_rng(7)
    a, t, w = (
        mx.array((rng.normal(size=9) + 1j * rng.normal(size=9)).astype(np.complex64)) for _ in range(3)
    )

    def f(z):
        return [mx.logcumsumexp(z)]

    h = 1e-2
    slope = (mx.logcumsumexp(a + h * t) - mx.logcumsumexp(a - h * t)) / (2 * h)
    (tangent,) = mx.jvp(f, [a], [t])[1]
    np.testing.assert_allclose(np.array(tangent), np.array(slope), rtol=2e-2, atol=2e-2)
    (gradient,) = mx.vjp(f, [a], [w])[1]
    left, right = (mx.sum(mx.real(mx.conjugate(x) * y)).item() for x, y in ((w, tangent), (gradient, t)))
    assert left == pytest.approx(right, rel=1e-4)


@pytest.mark.parametrize(
    "shape, reps",
    [((), (2,) * 17), ((2, 3), (1, 2) * 11), ((1,) * 30 + (2,), (2,) * 3), ((0, 2), (3,) + (2,) * 17)],
)
def test_tiles_of_more_repeated_axes_than_half_the_limit_agree_with_numpy(shape, reps):
    a = np.arange(np.prod(shape, dtype=int), dtype=np.int32).reshape(shape)
    got, want = mx.tile(mx.array(a), reps), np.tile(a, reps)
    assert got.shape == want.shape and np.array_equal(np.array(got.reshape(-1)), want.reshape(-1))
