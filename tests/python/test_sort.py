"""Sorts and partitions of every dtype, length and pattern against NumPy; running sums and extremes of long rows."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from samples import FLOATS, INTEGERS

DTYPES = [t for t in INTEGERS + FLOATS if t != "bfloat16"]  # NumPy has no bfloat16
# Around vectors, register blocks of 64, 128 and 256 items, short rows, and rows that threads share.
LENGTHS = [1, 2, 15, 16, 17, 63, 65, 127, 129, 255, 256, 257, 1025, 5000, 70_001]


def random(dtype: str, shape, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    t = np.dtype(dtype)
    if t.kind == "f":
        return rng.standard_normal(shape).astype(t)
    return rng.integers(np.iinfo(t).min, np.iinfo(t).max, shape, dtype=t, endpoint=True)


def few_values(x: np.ndarray) -> np.ndarray:
    return np.round(x) + x.dtype.type(0) if x.dtype.kind == "f" else (x % 7).astype(x.dtype)


def with_nan(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[..., np.random.default_rng(1).integers(0, x.shape[-1], x.shape[-1] // 3)] = np.nan
    return x


PATTERNS = {
    "random": lambda x: x,
    "few values": few_values,
    "rising": np.sort,
    "falling": lambda x: np.sort(x)[..., ::-1].copy(),
    "up and down": lambda x: np.concatenate([np.sort(x), np.sort(x)[..., ::-1]], -1),
    "equal": np.zeros_like,
    "nan": with_nan,
}
cases = pytest.mark.parametrize(
    "dtype, pattern",
    [(d, p) for d in DTYPES for p in PATTERNS if p != "nan" or d.startswith("float")],
)


def inputs(dtype: str, pattern: str):
    for n in LENGTHS:
        x = PATTERNS[pattern](random(dtype, (2, n), n))
        yield x, mx.array(x, dtype=getattr(mx, dtype))


def same(a, b) -> bool:
    return np.array_equal(a, b, equal_nan=b.dtype.kind == "f")


@cases
def test_sort_gives_numpys_order(dtype, pattern):
    for x, a in inputs(dtype, pattern):
        assert same(np.array(mx.sort(a)), np.sort(x)), x.shape


@cases
def test_argsort_keeps_the_order_of_equals(dtype, pattern):
    for x, a in inputs(dtype, pattern):
        assert same(np.array(mx.argsort(a)), np.argsort(x, kind="stable")), x.shape


def assert_parted(y: np.ndarray, expected: np.ndarray, k: int):
    """y holds the elements of the sorted rows, split at the k-th."""
    assert same(np.sort(y), expected)
    assert same(y[:, k], expected[:, k])
    assert same(np.sort(y[:, :k]), expected[:, :k])
    assert same(np.sort(y[:, k:]), expected[:, k:])


@cases
def test_partitions_split_at_the_kth_element(dtype, pattern):
    for x, a in inputs(dtype, pattern):
        expected, n = np.sort(x), x.shape[1]
        for k in {0, n // 3, n // 2, n - 1}:
            assert_parted(np.array(mx.partition(a, k)), expected, k)
            order = np.array(mx.argpartition(a, k))
            assert same(np.sort(order), np.broadcast_to(np.arange(n, dtype=np.uint32), x.shape))
            assert_parted(np.take_along_axis(x, order.astype(np.int64), 1), expected, k)


def test_partitions_keep_the_order_of_the_row_on_either_side():
    x = random("float32", 100_000)
    order = np.array(mx.argpartition(mx.array(x), 30_000))
    assert (np.diff(order[:30_000].astype(np.int64)) > 0).all()
    assert (np.diff(order[30_001:].astype(np.int64)) > 0).all()


@pytest.mark.parametrize("n", [50, 3000, 70_000])
def test_complex_rows_are_parted_by_real_then_imaginary_part(n):
    x = (few_values(random("float32", n)) + 1j * random("float32", n, 1)).astype(np.complex64)
    expected, k = np.sort(x), n // 2
    y = np.array(mx.partition(mx.array(x), k))
    assert y[k] == expected[k] and same(np.sort(y[:k]), expected[:k])
    y = x[np.array(mx.argpartition(mx.array(x), k)).astype(np.int64)]
    assert y[k] == expected[k] and same(np.sort(y[:k]), expected[:k])


def test_partition_of_columns_and_in_place():
    x = random("float32", (3000, 5))
    y = mx.partition(mx.array(x) + 0, 1000, axis=0)  # the sum's memory may be taken
    assert_parted(np.array(y).T, np.sort(x, 0).T, 1000)


def test_a_sample_that_misleads_does_no_harm():
    """The sampled places hold the largest elements, so that the window misses the middle."""
    n = 1 << 18
    x = random("float32", n)
    step = n // 2048
    places = np.arange(2048) * step + np.arange(2048) * 37 % step
    x[places] = 100 + np.arange(2048, dtype=np.float32)
    for k in (10, n // 2, n - 5):
        y = np.array(mx.partition(mx.array(x), k))
        assert_parted(y[None], np.sort(x)[None], k)


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("shape", [(40_000, 3), (5, 70_001), (3000, 4000)])
def test_running_sums_of_long_rows(shape, axis):
    x = random("float32", shape)
    expected = np.cumsum(x.astype(np.float64), axis)
    got = np.array(mx.cumsum(mx.array(x), axis=axis))
    assert np.abs(got - expected).max() < 2e-6 * np.abs(x).sum(axis).max()
    before = np.array(mx.cumsum(mx.array(x), axis=axis, inclusive=False))
    assert same(np.delete(before, 0, axis), np.delete(got, -1, axis))
    assert not np.take(before, 0, axis).any()


def test_running_sums_of_all_elements_past_the_caches():
    x = np.random.default_rng(0).integers(-8, 8, (1 << 23) + 5).astype(np.float32)  # sums are exact
    assert same(np.array(mx.cumsum(mx.array(x))), np.cumsum(x.astype(np.float64)).astype(np.float32))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [64, 1000, 1024, 70_000])
def test_one_nan_anywhere_is_the_maximum_and_the_minimum(dtype, n):
    for place in {0, 1, 33, n // 2, n - 1}:
        x = random(dtype, n)
        x[place] = np.nan
        a = mx.array(x, dtype=getattr(mx, dtype))
        assert np.isnan(np.array(mx.max(a))) and np.isnan(np.array(mx.min(a)))
        assert mx.argmax(a).item() == mx.argmin(a).item() == place
