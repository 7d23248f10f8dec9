"""Products on the GPU where the common table is too small to tell: few rows, batches, layouts, c, alpha and beta."""

import itertools

import mlx.core as mx
import numpy as np
import pytest
from devices import HAS_GPU

pytestmark = pytest.mark.skipif(not HAS_GPU, reason="computes products on a GPU")

DTYPES = {
    "float16": 2e-3,
    "bfloat16": 1.6e-2,
    "float32": 2e-6,
    "float64": 1e-14,
    "complex64": 4e-6,
}


def random(shape, dtype, rng):
    """An array of `dtype` made on the CPU, and its values in double precision."""
    values = rng.standard_normal(shape)
    if dtype == "complex64":
        values = values + 1j * rng.standard_normal(shape)
    with mx.stream(mx.cpu):
        x = mx.array(values.astype(np.complex64 if dtype == "complex64" else np.float64))
        x = x.astype(getattr(mx, dtype))
        mx.eval(x)
        wide = x if dtype in ("complex64", "float64") else x.astype(mx.float32)
        return x, np.array(wide).astype(np.complex128 if dtype == "complex64" else np.float64)


def widened(x):
    with mx.stream(mx.cpu):
        return np.array(x if x.dtype in (mx.complex64, mx.float64) else x.astype(mx.float32))


def check(got, want, terms, dtype):
    """Within rounding of sums of `terms` products of order 1."""
    got = widened(got)
    assert got.shape == want.shape
    scale = np.sqrt(terms) * 4 + np.abs(want)
    error = np.abs(got - want) / scale
    assert error.size == 0 or error.max() < DTYPES[dtype], error.max()


SIZES = [
    (1, 40, 64),
    (1, 64, 8),
    (2, 17, 256),
    (3, 128, 1024),
    (5, 200, 520),
    (8, 72, 136),
    (1, 33, 4096),
    (1, 33, 1048),
    (1, 5, 33032),
    (1, 1, 2048),
    (7, 65, 31),
    (12, 24, 20),
    (33, 65, 17),
    (65, 3, 128),
    (130, 1, 264),
    (16, 16, 1),
    (1, 7, 1),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m, n, k", SIZES)
def test_product_of_every_layout(m, n, k, dtype):
    rng = np.random.default_rng(1)
    for transpose_a, transpose_b in itertools.product((False, True), repeat=2):
        a, wide_a = random((k, m) if transpose_a else (m, k), dtype, rng)
        b, wide_b = random((n, k) if transpose_b else (k, n), dtype, rng)
        if transpose_a:
            a, wide_a = a.T, wide_a.T
        if transpose_b:
            b, wide_b = b.T, wide_b.T
        check(mx.matmul(a, b), wide_a @ wide_b, k, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_operands_that_start_or_step_anywhere(dtype):
    rng = np.random.default_rng(2)
    a, wide_a = random((9, 70), dtype, rng)
    b, wide_b = random((141, 90), dtype, rng)
    for first, rows, step in itertools.product((0, 1, 3), (1, 4, 9), (1, 2, -1)):
        inner = range(70)[first : first + 60 : 2] if step == 2 else range(70)[first : first + 32]
        start, stop = inner[0], inner[-1] + 1
        columns = slice(start, stop, 2 if step == 2 else 1)
        left, wide_left = a[:rows, columns], wide_a[:rows, columns]
        if step == -1:
            left, wide_left = a[:rows, columns][:, ::-1], wide_a[:rows, columns][:, ::-1]
        k = wide_left.shape[1]
        check(mx.matmul(left, b[1 : 1 + k, 3:67]), wide_left @ wide_b[1 : 1 + k, 3:67], k, dtype)
        check(mx.matmul(left, b[:k, ::2]), wide_left @ wide_b[:k, ::2], k, dtype)
        check(mx.matmul(left, b[: 2 * k : 2, :24]), wide_left @ wide_b[: 2 * k : 2, :24], k, dtype)


BATCHES = [
    ((4,), (4,)),
    ((4,), ()),
    ((), (4,)),
    ((2, 3), (2, 3)),
    ((2, 3), (1, 3)),
    ((2, 1), (1, 3)),
    ((2, 3, 2), (2, 1, 2)),
    ((0, 3), (1, 3)),
]


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float64"])
@pytest.mark.parametrize("batch_a, batch_b", BATCHES)
def test_batches_broadcast(batch_a, batch_b, dtype):
    rng = np.random.default_rng(3)
    for m, n, k in [(1, 16, 24), (5, 32, 16), (10, 11, 12)]:
        a, wide_a = random((*batch_a, m, k), dtype, rng)
        b, wide_b = random((*batch_b, k, n), dtype, rng)
        check(mx.matmul(a, b), wide_a @ wide_b, k, dtype)
        if len(batch_a) == 2 and batch_a == batch_b:  # heads between rows and elements
            heads, wide_heads = random((batch_a[0], m, batch_a[1], k), dtype, rng)
            check(mx.matmul(mx.swapaxes(heads, 1, 2), b), np.swapaxes(wide_heads, 1, 2) @ wide_b, k, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m, n, k", [(1, 64, 128), (6, 40, 64), (64, 1, 64), (20, 24, 16), (9, 15, 7)])
def test_addmm_of_every_c(m, n, k, dtype):
    rng = np.random.default_rng(4)
    a, wide_a = random((m, k), dtype, rng)
    b, wide_b = random((k, n), dtype, rng)
    for shape, (alpha, beta) in itertools.product(
        [(), (n,), (1, n), (m, 1), (m, n), (n, m)], [(1, 1), (0.5, 2), (2, 0)]
    ):
        if shape == (n, m):
            c, wide_c = random((n, m), dtype, rng)
            c, wide_c = c.T, wide_c.T
        else:
            c, wide_c = random(shape, dtype, rng)
        want = alpha * (wide_a @ wide_b) + beta * wide_c
        check(mx.addmm(c, a, b, alpha, beta), want, k, dtype)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_addmm_of_batches(dtype):
    rng = np.random.default_rng(5)
    for m, n, k in [(1, 32, 64), (12, 20, 16)]:
        a, wide_a = random((3, m, k), dtype, rng)
        for batch, shape in itertools.product(((), (3,)), ((n,), (3, m, n), (1, m, n), (3, 1, n))):
            b, wide_b = random((*batch, k, n), dtype, rng)
            c, wide_c = random(shape, dtype, rng)
            check(mx.addmm(c, a, b), wide_a @ wide_b + wide_c, k, dtype)


def test_c_is_not_read_when_beta_is_zero():
    c = mx.full((12, 16), float("nan"), stream=mx.cpu)
    for m in (1, 12):
        a, wide_a = random((m, 32), "float32", np.random.default_rng(6))
        b, wide_b = random((32, 16), "float32", np.random.default_rng(7))
        check(mx.addmm(c[:m], a, b, 1.0, 0.0), wide_a @ wide_b, 32, "float32")


def test_sums_of_one_product_are_the_same_each_time():
    """Few outputs of long sums, which are split among blocks."""
    for dtype, transposed in itertools.product(("bfloat16", "float32"), (False, True)):
        rng = np.random.default_rng(8)
        x, wide_x = random((2, 8192), dtype, rng)
        w, wide_w = random((8192, 64), dtype, rng)
        if transposed:
            w, wide_w = random((64, 8192), dtype, rng)
            w, wide_w = w.T, wide_w.T
        results = [widened(mx.matmul(x, w)) for _ in range(3)]
        check(mx.matmul(x, w), wide_x @ wide_w, 8192, dtype)
        assert all((r == results[0]).all() for r in results)


def test_what_the_cpu_reads_of_a_plans_memory_is_what_the_device_wrote_last():
    """Two steps of a compiled function whose results lie in one piece of memory, each read by an op that
    the CPU runs."""
    x = mx.random.normal((6, 8), key=mx.random.key(0), stream=mx.cpu)

    def values(x):
        wide, tall = mx.matmul(x.T, x), mx.matmul(x, x.T)
        return mx.linalg.eigvalsh(wide), mx.linalg.eigvalsh(tall)

    for got, want in zip(mx.compile(values)(x), values(x), strict=True):
        assert np.array_equal(np.array(got), np.array(want))
