"""Large matrices on the device: factors, inverses and systems agree with the CPU's, and so do errors."""

from __future__ import annotations

import mlx.core as mx
import numpy as np
import pytest
from devices import HAS_GPU

pytestmark = pytest.mark.skipif(not HAS_GPU, reason="compares a GPU's results with the CPU's")

dtypes = pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-4), ("float64", 1e-12)])
shapes = pytest.mark.parametrize("shape", [(300, 300), (2, 3, 257, 257)])


def matrices(shape, dtype: str) -> mx.array:
    """Diagonally dominant, so that they are far from singular."""
    x = np.random.default_rng(0).standard_normal(shape) / np.sqrt(shape[-1])
    return mx.array(x + 3 * np.eye(shape[-1]), dtype=getattr(mx, dtype))


def check(f, tolerance: float, *operands: mx.array):
    got, want = (f(*operands, stream=device) for device in (mx.gpu, mx.cpu))
    assert got.dtype == want.dtype and got.shape == want.shape
    assert np.abs(np.array(got) - np.array(want)).max() < tolerance


@dtypes
@shapes
def test_inverses_agree_with_the_cpus(dtype, tolerance, shape):
    a = matrices(shape, dtype)
    check(mx.linalg.inv, tolerance, a)
    check(mx.linalg.inv, tolerance, mx.swapaxes(a, -1, -2))


@dtypes
@shapes
@pytest.mark.parametrize("columns", [1, 7])
def test_systems_agree_with_the_cpus(dtype, tolerance, shape, columns):
    a = matrices(shape, dtype)
    check(mx.linalg.solve, tolerance, a, a[..., 5 : 5 + columns] * 2)
    check(mx.linalg.solve, tolerance, mx.swapaxes(a, -1, -2), a[..., :columns])


@dtypes
@shapes
@pytest.mark.parametrize("upper", [False, True])
def test_cholesky_factors_agree_with_the_cpus(dtype, tolerance, shape, upper):
    a = matrices(shape, dtype)
    with mx.stream(mx.cpu):
        positive = a @ mx.swapaxes(a, -1, -2)
    check(lambda x, stream: mx.linalg.cholesky(x, upper, stream=stream), tolerance, positive)


@dtypes
def test_singular_and_indefinite_matrices_are_named(dtype, tolerance):
    a = mx.stack([matrices((300, 300), dtype)] * 3)
    a[1, 7] = 0
    with pytest.raises(RuntimeError, match="number 1"):
        mx.eval(mx.linalg.inv(a, stream=mx.gpu))
    with pytest.raises(RuntimeError, match="number 1"):
        mx.eval(mx.linalg.solve(a, a, stream=mx.gpu))
    with pytest.raises(RuntimeError, match="number 1"):
        mx.eval(mx.linalg.cholesky(a, stream=mx.gpu))
