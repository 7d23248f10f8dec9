"""The standard's extension fft: transforms of complex64 and of real floats.

There is no complex128: float64 goes in, and complex64 or float32 comes out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import mlx.core as mx

from ._rules import COMPLEX, DEFAULT_REAL, FLOATING, REAL_FLOATING, expect, expect_device

Norm = Literal["backward", "ortho", "forward"]

__all__ = [
    "fft", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifftn", "ifftshift", "ihfft", "irfft", "irfftn", "rfft",
    "rfftfreq", "rfftn",
]  # fmt: skip

# hfft and ihfft are irfft and rfft of the conjugate, with the factor at the other end.
_OTHER_END: dict[str, Norm] = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def fft(x: mx.array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> mx.array:
    """The transform along an axis, cut or padded with zeros to length n."""
    expect(x, COMPLEX, "fft")
    return mx.fft.fft(x, n, axis, norm)


def ifft(x: mx.array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> mx.array:
    """The inverse transform along an axis."""
    expect(x, COMPLEX, "ifft")
    return mx.fft.ifft(x, n, axis, norm)


def fftn(
    x: mx.array,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> mx.array:
    """The transform along axes, cut or padded with zeros to the lengths s."""
    expect(x, COMPLEX, "fftn")
    return mx.fft.fftn(x, s, axes, norm)


def ifftn(
    x: mx.array,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> mx.array:
    """The inverse transform along axes."""
    expect(x, COMPLEX, "ifftn")
    return mx.fft.ifftn(x, s, axes, norm)


def rfft(x: mx.array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> mx.array:
    """The first half of the transform of real numbers."""
    expect(x, REAL_FLOATING, "rfft")
    return mx.fft.rfft(x, n, axis, norm)


def irfft(x: mx.array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> mx.array:
    """The inverse of rfft; n: the length of the result."""
    expect(x, COMPLEX, "irfft")
    return mx.fft.irfft(x, n, axis, norm)


def rfftn(
    x: mx.array,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> mx.array:
    """The transform of real numbers along axes, the first half of it along the last."""
    expect(x, REAL_FLOATING, "rfftn")
    return mx.fft.rfftn(x, s, axes, norm)


def irfftn(
    x: mx.array,
    /,
    *,
    s: Sequence[int] | None = None,
    axes: Sequence[int] | None = None,
    norm: Norm = "backward",
) -> mx.array:
    """The inverse of rfftn; s: the lengths of the result."""
    expect(x, COMPLEX, "irfftn")
    return mx.fft.irfftn(x, s, axes, norm)


def hfft(x: mx.array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> mx.array:
    """The transform, which is real, of a signal of which Hermitian symmetry gives the second half."""
    expect(x, COMPLEX, "hfft")
    return mx.fft.irfft(mx.conj(x), n, axis, _OTHER_END[norm])


def ihfft(x: mx.array, /, *, n: int | None = None, axis: int = -1, norm: Norm = "backward") -> mx.array:
    """The inverse of hfft."""
    expect(x, REAL_FLOATING, "ihfft")
    return mx.conj(mx.fft.rfft(x, n, axis, _OTHER_END[norm]))


def _frequencies(
    name: str, ticks: mx.array, n: int, d: float, dtype: mx.Dtype | None, device: mx.Device | None
) -> mx.array:
    if dtype is not None and dtype not in REAL_FLOATING.dtypes:
        raise ValueError(f"[{name}] expected a real floating dtype, got {dtype}")
    expect_device(device, name)
    return ticks.astype(dtype or DEFAULT_REAL) / (n * d)


def fftfreq(
    n: int, /, *, d: float = 1.0, dtype: mx.Dtype | None = None, device: mx.Device | None = None
) -> mx.array:
    """The frequencies of a transform of n samples d apart: those from 0 on, then the negative ones."""
    ticks = mx.concatenate([mx.arange(0, (n + 1) // 2), mx.arange(-(n // 2), 0)])
    return _frequencies("fftfreq", ticks, n, d, dtype, device)


def rfftfreq(
    n: int, /, *, d: float = 1.0, dtype: mx.Dtype | None = None, device: mx.Device | None = None
) -> mx.array:
    """The frequencies of rfft of n samples d apart."""
    return _frequencies("rfftfreq", mx.arange(0, n // 2 + 1), n, d, dtype, device)


def fftshift(x: mx.array, /, *, axes: int | Sequence[int] | None = None) -> mx.array:
    """Frequency 0 moved to the middle of the axes, all of them if None."""
    expect(x, FLOATING, "fftshift")
    return mx.fft.fftshift(x, axes)


def ifftshift(x: mx.array, /, *, axes: int | Sequence[int] | None = None) -> mx.array:
    """Undoes fftshift."""
    expect(x, FLOATING, "ifftshift")
    return mx.fft.ifftshift(x, axes)
