"""Products of chosen matrices on the GPU against the CPU, in the sizes that lead to each of its kernels: few products read
their indices in place, the rows of many are grouped by matrix."""

import mlx.core as mx
import numpy as np
import pytest
from formats import BITS, FLOAT_MODES

pytestmark = pytest.mark.skipif(not mx.is_available(mx.gpu), reason="no GPU")

EPS = {"float64": 2**-40, "float32": 2**-18, "float16": 2**-9, "bfloat16": 2**-6}
FORMATS = [("affine", g, b) for b, g in zip(BITS["affine"], [32, 64, 128, 32, 64, 128], strict=True)]
FORMATS += [(mode, *FLOAT_MODES[mode]) for mode in FLOAT_MODES]


def values(shape, dtype, seed=0):
    a = np.random.default_rng([seed, *shape]).normal(size=shape).astype(np.float32)
    with mx.stream(mx.cpu):
        a = mx.array(a).astype(getattr(mx, dtype))
        mx.eval(a)
    return a


def picks(n, shape, seed=0):
    return np.random.default_rng([seed, n, *shape]).integers(-n, n, shape)


def numpy(a):
    return np.array(a.astype(mx.float64, stream=mx.cpu))


def check(got, x, w, dtype):
    """got is x w, rounded once or twice."""
    assert got.dtype == getattr(mx, dtype)
    want, size = x @ w, np.abs(x) @ np.abs(w)
    assert (np.abs(numpy(got) - want) <= EPS[dtype] * (size / 4 + np.abs(want))).all()


@pytest.mark.parametrize("transposed", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize(
    "places, m, k, n",
    [
        ((8,), 1, 128, 72),  # few rows
        ((3, 5), 7, 64, 136),
        ((300,), 1, 72, 136),  # more rows than a tile for some matrices
        ((5, 40), 3, 136, 200),
        ((2, 3), 100, 40, 24),  # tiles of one product
        ((150,), 1, 37, 29),  # lengths that are no multiples of a vector
        ((3,), 2, 5, 3),
    ],
)
def test_gather_mm_is_a_product_of_the_chosen_matrices(places, m, k, n, dtype, transposed):
    a, b = values((9, m, k), dtype), values((4, n, k) if transposed else (4, k, n), dtype, 1)
    i, j = picks(9, places), picks(4, places, 1)
    factor = b.swapaxes(-1, -2) if transposed else b
    got = mx.gather_mm(a, factor, mx.array(i), mx.array(j), stream=mx.gpu)
    check(got, numpy(a)[i], numpy(factor)[j], dtype)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_gather_mm_takes_operands_that_are_not_aligned(dtype):
    a, b = values((9 * 8 * 64 + 1,), dtype), values((4 * 64 * 32 + 3,), dtype, 1)
    i, j = picks(9, (200,)), picks(4, (200,), 1)
    x, w = a[1:].reshape(9, 8, 64), b[3:].reshape(4, 64, 32)
    check(mx.gather_mm(x, w, mx.array(i), mx.array(j), stream=mx.gpu), numpy(x)[i], numpy(w)[j], dtype)


def test_gather_mm_takes_batches_of_any_layout():
    a, b = values((3, 5, 2, 64), "bfloat16"), values((2, 3, 32, 64), "bfloat16", 1)
    i, j = picks(15, (40, 7)), picks(6, (7,), 1)
    x, w = a.swapaxes(0, 1), b.transpose(1, 0, 3, 2)
    left, right = numpy(x).reshape(15, 2, 64), numpy(w).reshape(6, 64, 32)
    check(mx.gather_mm(x, w, mx.array(i), mx.array(j), stream=mx.gpu), left[i], right[j], "bfloat16")
    shared = mx.broadcast_to(b[:1, :1], b.shape).swapaxes(-1, -2)
    got = mx.gather_mm(x, shared, mx.array(i), mx.array(j), stream=mx.gpu)
    check(got, left[i], numpy(shared).reshape(6, 64, 32)[j], "bfloat16")


def test_absent_indices_stand_for_the_batch_in_its_order():
    x, w = values((30, 1, 1, 64), "bfloat16"), values((6, 64, 136), "bfloat16", 1)
    j = picks(6, (30, 8))
    check(mx.gather_mm(x, w, None, mx.array(j), stream=mx.gpu), numpy(x), numpy(w)[j], "bfloat16")
    i = picks(30, (20, 6), 2)
    got = mx.gather_mm(x, w, mx.array(i), None, stream=mx.gpu)
    check(got, numpy(x)[i][:, :, 0], numpy(w), "bfloat16")


@pytest.mark.parametrize("places, m", [((8,), 1), ((20,), 5), ((200,), 1), ((3,), 70)])
@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("mode, group, bits", FORMATS)
def test_gather_qmm_is_a_product_of_the_chosen_matrices(mode, group, bits, dtype, transpose, places, m):
    rows, columns = 136, 384
    options = {"group_size": group, "bits": bits, "mode": mode}
    w = mx.quantize(values((4, rows, columns), dtype), **options, stream=mx.cpu)
    full = numpy(mx.dequantize(*w, **options, dtype=mx.float32, stream=mx.cpu))
    x = values((5, m, columns if transpose else rows), dtype, 1)
    i, j = picks(5, places), picks(4, places, 1)
    got = mx.gather_qmm(x, *w, lhs_indices=mx.array(i), rhs_indices=mx.array(j), transpose=transpose, **options, stream=mx.gpu)  # fmt: skip
    check(got, numpy(x)[i], (full.swapaxes(-1, -2) if transpose else full)[j], dtype)


def test_scales_of_another_dtype_than_x_serve_grouped_products():
    w = mx.quantize(values((4, 96, 128), "float32"), stream=mx.cpu)
    x, j = values((200, 1, 128), "float32", 1), picks(4, (200,))
    full = numpy(mx.dequantize(*w, stream=mx.cpu)).swapaxes(-1, -2)
    for dtype in ("float16", "bfloat16"):
        own = x.astype(getattr(mx, dtype), stream=mx.cpu)
        got = mx.gather_qmm(own, *w, rhs_indices=mx.array(j), stream=mx.gpu)
        assert np.allclose(numpy(got), numpy(own) @ full[j], rtol=2e-2, atol=0.5)


@pytest.mark.parametrize("places", [5, 300])
def test_an_index_out_of_bounds_is_an_error_and_reads_nothing(places):
    j = np.zeros(places, int)
    j[places // 2] = 4
    a, w = values((1, 128), "bfloat16"), values((4, 64, 128), "bfloat16", 1)
    q = mx.quantize(w, stream=mx.cpu)
    for f, op in (
        (lambda: mx.gather_mm(a, w.swapaxes(-1, -2), None, mx.array(j), stream=mx.gpu), "gather_mm"),
        (lambda: mx.gather_qmm(a, *q, None, mx.array(j), stream=mx.gpu), "gather_qmm"),
    ):
        with pytest.raises(IndexError, match=rf"\[{op}\] expected indices in \[-4, 4\) on axis 0, got 4"):
            mx.eval(f())


def test_a_result_does_not_depend_on_who_else_chooses_its_matrix():
    w = mx.quantize(values((4, 64, 128), "bfloat16"), stream=mx.cpu)
    x = values((400, 1, 128), "bfloat16", 1)
    j = picks(4, (400,))
    f = lambda at: mx.gather_qmm(x, *w, rhs_indices=mx.array(at), stream=mx.gpu)  # noqa: E731
    every = numpy(f(j))
    other = np.where(np.arange(400) % 2, j, 0)
    assert (numpy(f(other))[1::2] == every[1::2]).all()
