"""Sorts on the device give the CPU's bits: rows around the sizes of blocks and tiles, layouts, donated memory."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from devices import HAS_GPU

pytestmark = pytest.mark.skipif(not HAS_GPU, reason="compares a GPU's results with the CPU's")

DTYPES = ["bool_", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64"]
DTYPES += ["float16", "bfloat16", "float32", "float64", "complex64"]
BITS = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def random_bits(dtype: str, shape, seed: int = 0) -> np.ndarray:
    """Elements of any bits: of floats both zeros, infinities and several NaNs."""
    rng = np.random.default_rng(seed)
    size = mx.array(0, dtype=getattr(mx, dtype)).nbytes
    if dtype == "bool_":
        return rng.integers(0, 2, shape, dtype=np.uint8)
    u = rng.integers(0, np.iinfo(BITS[size]).max, shape, dtype=BITS[size], endpoint=True)
    few = rng.integers(0, 4, shape).astype(u.dtype) << np.uint8(8 * size - 2)
    return np.where(rng.random(shape) < 0.3, few, u)


def both(f, u: np.ndarray, dtype: str):
    """f of the elements on both devices, as bits."""
    results = []
    for device in (mx.gpu, mx.cpu):
        with mx.stream(device):
            y = f(mx.array(u).view(getattr(mx, dtype)))
            results.append(np.array(y.view(getattr(mx, np.dtype(BITS[y.itemsize]).name))))
    return results


def check(f, u: np.ndarray, dtype: str):
    got, want = both(f, u, dtype)
    assert got.dtype == want.dtype and np.array_equal(got, want)


SHAPES = [(1,), (7, 1), (1500, 3), (30, 255), (2, 2049), (1, 4097), (2, 8500)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_rows_are_sorted_as_on_the_cpu(dtype, shape):
    u = random_bits(dtype, shape)
    check(lambda a: mx.sort(a, -1), u, dtype)
    check(lambda a: mx.argsort(a, -1), u, dtype)


@pytest.mark.parametrize("shape", [(40, 3, 9), (2, 5000, 2)])
@pytest.mark.parametrize("dtype", ["int8", "float32", "complex64"])
def test_any_axis_of_any_layout_is_sorted(dtype, shape):
    u = random_bits(dtype, shape)
    for axis in range(len(shape)):
        for op in (mx.sort, mx.argsort):
            check(lambda a, op=op, axis=axis: op(a, axis), u, dtype)
            check(lambda a, op=op, axis=axis: op(a[::-1].T[..., ::2], axis), u, dtype)


@pytest.mark.parametrize("dtype", ["bool_", "uint8", "bfloat16", "float32", "int64", "complex64"])
def test_long_rows_are_parted_in_their_order(dtype):
    u = random_bits(dtype, (2, 4500))
    for k in (0, 3000, 4499):
        check(lambda a, k=k: mx.argpartition(a, k, -1), u, dtype)


@pytest.mark.parametrize("n", [100, 5000])
@pytest.mark.parametrize("dtype", ["bool_", "uint8", "float16", "float32", "float64", "complex64"])
def test_memory_that_is_given_away_may_be_sorted_in_place(dtype, n):
    u = random_bits(dtype, (n,))
    check(lambda a: mx.sort(mx.concatenate([a, a])), u, dtype)


def test_sorts_run_beside_each_other_on_streams():
    u = random_bits("float32", (10_000,))
    streams = [mx.new_stream(mx.gpu) for _ in range(3)]
    results = [mx.argsort(mx.array(u).view(mx.float32), stream=s) for s in streams]
    mx.eval(results)
    for r in results:
        assert np.array_equal(np.array(r), np.array(results[0]))


def test_updates_of_one_place_are_added_in_their_order():
    places = np.random.default_rng(0).integers(0, 300, 10_000)
    updates = random_bits("uint32", (10_000,)) % np.uint32(1 << 23) + np.uint32(0x3F000000)
    check(lambda a: mx.zeros(300).at[mx.array(places)].add(a), updates, "float32")
