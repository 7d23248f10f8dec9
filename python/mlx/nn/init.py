"""Initialisers: functions that take an array and return one of its shape with other values. The array's own
do not count.

``dtype`` is that of the result, float32 by default.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import mlx.core as mx

__all__ = [
    "constant", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "identity", "normal",
    "orthogonal", "sparse", "uniform",
]  # fmt: skip


def constant(value: float, dtype: mx.Dtype = mx.float32) -> Callable[[mx.array], mx.array]:
    """All ``value``."""

    def initializer(a: mx.array) -> mx.array:
        return mx.full(a.shape, value, dtype=dtype)

    return initializer


def normal(
    mean: float = 0.0, std: float = 1.0, dtype: mx.Dtype = mx.float32
) -> Callable[[mx.array], mx.array]:
    """Normal numbers of that mean and standard deviation."""

    def initializer(a: mx.array) -> mx.array:
        return mx.random.normal(shape=a.shape, dtype=dtype, loc=mean, scale=std)

    return initializer


def uniform(
    low: float = 0.0, high: float = 1.0, dtype: mx.Dtype = mx.float32
) -> Callable[[mx.array], mx.array]:
    """Uniform numbers in [low, high)."""

    def initializer(a: mx.array) -> mx.array:
        return mx.random.uniform(low, high, a.shape, dtype=dtype)

    return initializer


def identity(dtype: mx.Dtype = mx.float32) -> Callable[[mx.array], mx.array]:
    """The identity matrix; ValueError unless the array is a square matrix."""

    def initializer(a: mx.array) -> mx.array:
        if a.ndim != 2 or a.shape[0] != a.shape[1]:
            raise ValueError(f"[identity] expected a square matrix, got shape {a.shape}")
        return mx.eye(a.shape[0], dtype=dtype)

    return initializer


def _fans(a: mx.array) -> tuple[int, int]:
    """(fan in, fan out): the inputs that feed an output and the outputs that an input feeds.

    The first axis counts outputs, the last inputs, those between the places of a convolution's window.
    """
    if a.ndim < 2:
        raise ValueError(f"expected an array of at least 2 dimensions, got shape {a.shape}")
    window = math.prod(a.shape[1:-1])
    return a.shape[-1] * window, a.shape[0] * window


def _fan(a: mx.array, mode: str) -> int:
    fan_in, fan_out = _fans(a)
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"expected mode to be 'fan_in' or 'fan_out', got {mode!r}")
    return fan_in if mode == "fan_in" else fan_out


def glorot_normal(dtype: mx.Dtype = mx.float32) -> Callable[[mx.array, float], mx.array]:
    """Normal with std = gain sqrt(2 / (fan in + fan out)) (Glorot and Bengio, 2010). Called with the array
    and the gain, 1.

    ValueError for an array of fewer than 2 dimensions.
    """

    def initializer(a: mx.array, gain: float = 1.0) -> mx.array:
        std = gain * math.sqrt(2.0 / sum(_fans(a)))
        return mx.random.normal(shape=a.shape, dtype=dtype, scale=std)

    return initializer


def glorot_uniform(dtype: mx.Dtype = mx.float32) -> Callable[[mx.array, float], mx.array]:
    """As :func:`glorot_normal`, but uniform within gain sqrt(6 / (fan in + fan out))."""

    def initializer(a: mx.array, gain: float = 1.0) -> mx.array:
        limit = gain * math.sqrt(6.0 / sum(_fans(a)))
        return mx.random.uniform(-limit, limit, a.shape, dtype=dtype)

    return initializer


def he_normal(
    dtype: mx.Dtype = mx.float32,
) -> Callable[[mx.array, Literal["fan_in", "fan_out"], float], mx.array]:
    """Normal with std = gain / sqrt(fan) (He et al., 2015). Called with the array, the mode ("fan_in") and
    the gain, 1.

    ValueError for an array of fewer than 2 dimensions, or another mode.
    """

    def initializer(
        a: mx.array, mode: Literal["fan_in", "fan_out"] = "fan_in", gain: float = 1.0
    ) -> mx.array:
        return mx.random.normal(shape=a.shape, dtype=dtype, scale=gain / math.sqrt(_fan(a, mode)))

    return initializer


def he_uniform(
    dtype: mx.Dtype = mx.float32,
) -> Callable[[mx.array, Literal["fan_in", "fan_out"], float], mx.array]:
    """As :func:`he_normal`, but uniform within gain sqrt(3 / fan)."""

    def initializer(
        a: mx.array, mode: Literal["fan_in", "fan_out"] = "fan_in", gain: float = 1.0
    ) -> mx.array:
        limit = gain * math.sqrt(3.0 / _fan(a, mode))
        return mx.random.uniform(-limit, limit, a.shape, dtype=dtype)

    return initializer


def sparse(
    sparsity: float, mean: float = 0.0, std: float = 1.0, dtype: mx.Dtype = mx.float32
) -> Callable[[mx.array], mx.array]:
    """Normal numbers, of which ``sparsity`` (rounded up) of each row, at random places, are 0; ValueError
    unless 2D.
    """

    def initializer(a: mx.array) -> mx.array:
        if a.ndim != 2:
            raise ValueError(f"[sparse] expected a matrix, got shape {a.shape}")
        zeros = math.ceil(sparsity * a.shape[1])
        order = mx.argsort(mx.random.uniform(shape=a.shape), axis=1)
        values = mx.random.normal(shape=a.shape, dtype=dtype, loc=mean, scale=std)
        return mx.put_along_axis(values, order[:, :zeros], mx.array(0, dtype=dtype), axis=1)

    return initializer


def orthogonal(gain: float = 1.0, dtype: mx.Dtype = mx.float32) -> Callable[[mx.array], mx.array]:
    """``gain`` times a random matrix whose rows, or columns if those are fewer, are orthonormal (Saxe et al.,
    2013); ValueError unless 2D.
    """

    def initializer(a: mx.array) -> mx.array:
        if a.ndim != 2:
            raise ValueError(f"[orthogonal] expected a matrix, got shape {a.shape}")
        rows, columns = a.shape
        tall = mx.random.normal((max(rows, columns), min(rows, columns)))
        q, r = mx.linalg.qr(tall)
        q = q * mx.where(mx.diag(r) < 0, -1.0, 1.0)  # as likely as any other (Mezzadri, 2006)
        return (gain * (q if rows >= columns else q.T)).astype(dtype)

    return initializer
