"""Functions that MLX lacks, of arrays of one dtype: what sign bits, neighbours and infinities make of them."""

from __future__ import annotations

import mlx.core as mx

from ._rules import REAL_FLOATING

SIGNED_OF_SIZE = {2: mx.int16, 4: mx.int32, 8: mx.int64}


def _bits(x: mx.array) -> mx.array:
    """The bytes of floats as signed integers."""
    return mx.view(x, SIGNED_OF_SIZE[x.dtype.size])


def signbit(x: mx.array) -> mx.array:
    """Is the sign bit of floats set? Also that of -0.0 and NaN."""
    return _bits(x) < 0


def copysign(x1: mx.array, x2: mx.array) -> mx.array:
    """The magnitude of x1 with the sign of x2."""
    return mx.where(signbit(x1) == signbit(x2), x1, -x1)


def nextafter(x1: mx.array, x2: mx.array) -> mx.array:
    """The float next to x1 in the direction of x2.

    Floats of one sign are ordered as the integers that their bytes are: a step away from 0 adds 1. The step
    from 0 itself leads to the smallest subnormal number of x2's sign.
    """
    x1, x2 = mx.broadcast_arrays(x1, x2)
    bits = _bits(x1)
    grows = (x1 < x2) == (bits >= 0)
    stepped = mx.view(mx.where(grows, bits + 1, bits - 1), x1.dtype)
    from_zero = copysign(mx.view(mx.ones_like(bits), x1.dtype), x2)
    stepped = mx.where(bits << 1 == 0, from_zero, stepped)
    unordered = mx.isnan(x1) | mx.isnan(x2)
    return mx.where(unordered, x1 + x2, mx.where(x1 == x2, x2, stepped))


def remainder(x1: mx.array, x2: mx.array) -> mx.array:
    """What floor division leaves, which has the sign of x2; MLX's 0 has any."""
    rest = mx.remainder(x1, x2)
    return copysign(rest, x2) if rest.dtype in REAL_FLOATING.dtypes else rest


def hypot(x1: mx.array, x2: mx.array) -> mx.array:
    """The root of x1^2 + x2^2 that overflows only where the result does; infinite where either is."""
    x1, x2 = mx.abs(x1), mx.abs(x2)
    large, small = mx.maximum(x1, x2), mx.minimum(x1, x2)
    ratio = small / mx.where(large == 0, 1, large)
    length = large * mx.sqrt(1 + ratio * ratio)
    return mx.where(mx.isinf(x1) | mx.isinf(x2), mx.array(mx.inf, x1.dtype), length)


def complex_of(real: mx.array, imag: mx.array) -> mx.array:
    """The complex64 with these float32 parts; unlike real + 1j * imag, it keeps infinities apart from NaN."""
    return mx.stack([real, imag], axis=-1).view(mx.complex64)[..., 0]


def expm1(x: mx.array) -> mx.array:
    """e^x - 1, of complex numbers too: expm1(a) cos b + (cos b - 1) + i e^a sin b."""
    if x.dtype != mx.complex64:
        return mx.expm1(x)
    a, b = mx.real(x), mx.imag(x)
    half = mx.sin(b / 2)
    real = mx.where(b == 0, mx.expm1(a), mx.expm1(a) * mx.cos(b) - 2 * half * half)
    imag = mx.where(b == 0, b, mx.exp(a) * mx.sin(b))
    # e^-inf is 0 at whatever angle; e^inf at an angle that isn't finite is infinite in an unknown direction.
    lost = mx.isinf(a) & ~mx.isfinite(b)
    real = mx.where(lost, mx.where(a < 0, -1, a), real)
    return complex_of(real, mx.where(lost & (a < 0), 0, imag))
