"""Reductions and row kernels on the GPU, where the table of ops is too small: long runs, tall columns, alignment."""

import mlx.core as mx
import numpy as np
import pytest
from devices import HAS_GPU

pytestmark = pytest.mark.skipif(not HAS_GPU, reason="compares a GPU's results with the CPU's")

RNG = np.random.default_rng(7)
TOLERANCES = {"float16": 2e-3, "bfloat16": 1.6e-2, "float32": 2e-5, "float64": 1e-12}
FLOATS = list(TOLERANCES)
# Elements of a run that several blocks share, of rows that registers hold or don't, and odd ones.
LENGTHS = [1, 31, 2050, 8200, 33000, 140001]


def random(shape, dtype="float32"):
    with mx.stream(mx.cpu):
        return mx.array(RNG.uniform(0.5, 1.5, shape) * RNG.choice([-1, 1], shape)).astype(getattr(mx, dtype))


def widened(x):
    with mx.stream(mx.cpu):
        return np.array(x.astype(mx.float64))


def check(f, *inputs, scale=1.0):
    got, want = f(*inputs, stream=mx.gpu), f(*inputs, stream=mx.cpu)
    assert got.dtype == want.dtype and got.shape == want.shape
    tolerance = TOLERANCES.get(str(want.dtype).split(".")[-1], 0)
    np.testing.assert_allclose(widened(got), widened(want), rtol=tolerance, atol=tolerance * scale)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_sums_of_runs_and_columns_are_the_cpus(n, dtype):
    scale = np.sqrt(n)
    check(lambda x, stream: mx.sum(x, stream=stream), random((n,), dtype), scale=scale)
    check(lambda x, stream: mx.sum(x, axis=1, stream=stream), random((2, n), dtype), scale=scale)
    check(lambda x, stream: mx.sum(x, axis=0, stream=stream), random((n, 9), dtype), scale=scale)


@pytest.mark.parametrize(
    "shape, axes", [((4, 700, 16), (0, 1)), ((3, 5, 7, 11), (0, 2)), ((40, 3, 8), (1, 2))]
)
def test_extremes_over_any_axes_of_any_layout_are_the_cpus(shape, axes):
    x = random(shape)
    with mx.stream(mx.cpu):
        layouts = [
            x,
            x[::-1],
            mx.swapaxes(mx.contiguous(mx.swapaxes(x, 0, -1)), 0, -1),
            x[..., ::2],
            x[:, 1:],
        ]
    for layout in layouts:
        for op in (mx.min, mx.max):
            check(lambda a, stream, op=op: op(a, axis=axes, stream=stream), layout)


@pytest.mark.parametrize("n", LENGTHS[:-1])
def test_alignment_does_not_change_the_bits_of_a_sum(n):
    with mx.stream(mx.cpu):
        base = random((3 * n + 1,))
        views = base[1:].reshape(3, n), base[1:].reshape(n, 3)
        copies = [mx.contiguous(v + 0) for v in views]
        mx.eval(*views, *copies)
    for view, copy in zip(views, copies):
        for axis in (0, 1, None):
            got = mx.sum(view, axis=axis, stream=mx.gpu), mx.sum(copy, axis=axis, stream=mx.gpu)
            assert np.array_equal(np.array(got[0]), np.array(got[1]))


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("reverse", [False, True])
def test_the_first_of_equal_extremes_is_found_in_the_order_of_the_axis(axis, reverse):
    x = RNG.integers(0, 3, (2, 90000) if axis else (90000, 2))
    with mx.stream(mx.cpu):
        a = mx.array(x.astype(np.int16))
        a = (a[:, ::-1] if axis else a[::-1]) if reverse else a
    assert np.array_equal(np.array(mx.argmax(a, axis=axis, stream=mx.gpu)), np.argmax(np.array(a), axis))
    assert np.array_equal(np.array(mx.argmin(a, axis=axis, stream=mx.gpu)), np.argmin(np.array(a), axis))


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_rows_of_any_length_are_the_cpus(n, dtype):
    x, w, b = random((2, n), dtype), random((n,), dtype), random((n,), dtype)
    check(lambda x, stream: mx.softmax(x, axis=-1, stream=stream), x)
    check(lambda x, stream: mx.logsumexp(x, axis=-1, stream=stream), x)
    check(lambda *a, stream: mx.fast.rms_norm(*a, 1e-5, stream=stream), x, w)
    check(lambda *a, stream: mx.fast.layer_norm(*a, 1e-5, stream=stream), x, w, b)


@pytest.mark.parametrize("n", [40, 70000])
@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_rows_with_infinities_and_nan_are_the_cpus(n, value):
    x = RNG.standard_normal((3, n))
    x[0, n // 2], x[1, :], x[2, -1] = value, value, -np.inf
    a = mx.array(x.astype(np.float32))
    check(lambda x, stream: mx.softmax(x, axis=-1, stream=stream), a)
    check(lambda x, stream: mx.logsumexp(x, axis=-1, stream=stream), a)


@pytest.mark.parametrize("shape, axis", [((40000,), 0), ((2, 33000), 1), ((1000, 9), 0), ((1, 20000, 2), 1)])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("inclusive", [False, True])
def test_scans_of_long_lines_and_columns_are_the_cpus(shape, axis, reverse, inclusive):
    x, i = random(shape, "float64"), mx.array(RNG.integers(-9, 9, shape).astype(np.int8))
    for op, a in ((mx.cumsum, x), (mx.cumsum, i), (mx.cummax, x), (mx.logcumsumexp, x)):
        check(
            lambda a, stream, op=op: op(a, axis=axis, reverse=reverse, inclusive=inclusive, stream=stream),
            a,
            scale=np.prod(shape),
        )


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("traditional", [False, True])
@pytest.mark.parametrize("shape, dims", [((2, 3, 5, 64), 64), ((1, 4, 300, 40), 24), ((2, 1, 3, 1060), 1048)])
def test_positions_turn_features_as_on_the_cpu(shape, dims, traditional, dtype):
    x = random(shape, dtype)
    with mx.stream(mx.cpu):
        layouts = [x, mx.swapaxes(mx.contiguous(mx.swapaxes(x, 1, 2)), 1, 2), x[:, :, ::-1]]
        offsets = [mx.array(100000), mx.array(np.arange(shape[0], dtype=np.int32) * 11)]
        freqs = mx.array(RNG.uniform(1, 1000, dims // 2).astype(np.float32))
    for layout in layouts:
        for offset in offsets:
            for base, f in ((10000.0, None), (None, freqs)):
                check(
                    lambda a, stream, offset=offset, base=base, f=f: mx.fast.rope(
                        a,
                        dims,
                        traditional=traditional,
                        base=base,
                        scale=0.5,
                        offset=offset,
                        freqs=f,
                        stream=stream,
                    ),
                    layout,
                    scale=1e3 if dtype == "float64" else 1.0,  # an angle of 5e4 is known to 1e-11
                )
