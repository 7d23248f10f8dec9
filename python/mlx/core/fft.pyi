"""Type stubs of mlx.core.fft, written by tools/stubs.py."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any


from . import DeviceType, Device, Dtype, Stream, ThreadLocalStream, array

_Scalar = bool | int | float | complex
_Value = Any  # an array, a scalar, a nested list of scalars, or an object with a buffer, as a NumPy array
_Stream = Stream | ThreadLocalStream | Device | DeviceType

def fft(a: array, n: int | None = None, axis: int = -1, norm: str = "backward", stream: _Stream | None = None) -> array:
    """The discrete Fourier transform along an axis: complex64. n: the length to which the axis is cut or padded with zeros; None: its own. norm: 'backward' has the factor 1 / n at the inverse, 'forward' at the forward transform, 'ortho' its root at both."""

def fft2(a: array, s: int | Sequence[int] | None = None, axes: int | Sequence[int] | None = None, norm: str = "backward", stream: _Stream | None = None) -> array:
    """The transform along two axes, the last ones unless said otherwise: complex64. s: the lengths to which the axes are cut or padded with zeros; None: their own. Without axes, s is of the last ones. norm: 'backward' has the factor 1 / n at the inverse, 'forward' at the forward transform, 'ortho' its root at both."""

def fftfreq(n: int, d: float = 1.0, stream: _Stream | None = None) -> array:
    """The frequencies of a transform of n samples d apart: float32 (n)."""

def fftn(a: array, s: int | Sequence[int] | None = None, axes: int | Sequence[int] | None = None, norm: str = "backward", stream: _Stream | None = None) -> array:
    """The transform along axes, all of them if None: complex64. s: the lengths to which the axes are cut or padded with zeros; None: their own. Without axes, s is of the last ones. norm: 'backward' has the factor 1 / n at the inverse, 'forward' at the forward transform, 'ortho' its root at both."""

def fftshift(a: array, axes: int | Sequence[int] | None = None, stream: _Stream | None = None) -> array:
    """Frequency 0 moved to the middle of the axes, all of them if None."""

def ifft(a: array, n: int | None = None, axis: int = -1, norm: str = "backward", stream: _Stream | None = None) -> array:
    """The inverse transform along an axis: complex64. n: the length to which the axis is cut or padded with zeros; None: its own. norm: 'backward' has the factor 1 / n at the inverse, 'forward' at the forward transform, 'ortho' its root at both."""

def ifft2(a: array, s: int | Sequence[int] | None = None, axes: int | Sequence[int] | None = None, norm: str = "backward", stream: _Stream | None = None) -> array:
    """The inverse transform along two axes, the last ones unless said otherwise: complex64. s: the lengths to which the axes are cut or padded with zeros; None: their own. Without axes, s is of the last ones. norm: 'backward' has the factor 1 / n at the inverse, 'forward' at the forward transform, 'ortho' its root at both."""

def ifftn(a: array, s: int | Sequence[int] | None = None, axes: int | Sequence[int] | None = None, norm: str = "backward", stream: _Stream | None = None) -> array:
    """The inverse transform along axes, all of them if None: complex64. s: the lengths to which the axes are cut or padded with zeros; None: their own. Without axes, s is of the last ones. norm: 'backward' has the factor 1 / n at the inverse, 'forward' at the forward transform, 'ortho' its root at both."""

def ifftshift(a: array, axes: int | Sequence[int] | None = None, stream: _Stream | None = None) -> array:
    """Undoes fftshift."""

def irfft(a: array, n: int | None = None, axis: int = -1, norm: str = "backward", stream: _Stream | None = None) -> array:
    """The inverse of rfft: float32. n: the length of the result along the axis; None: 2 * (a.shape[axis] - 1). norm: 'backward' has the factor 1 / n at the inverse, 'forward' at the forward transform, 'ortho' its root at both."""

def irfft2(a: array, s: int | Sequence[int] | None = None, axes: int | Sequence[int] | None = None, norm: str = "backward", stream: _Stream | None = None) -> array:
    """The inverse of rfft2: float32. s: the lengths to which the axes are cut or padded with zeros; None: their own. Without axes, s is of the last ones. norm: 'backward' has the factor 1 / n at the inverse, 'forward' at the forward transform, 'ortho' its root at both."""

def irfftn(a: array, s: int | Sequence[int] | None = None, axes: int | Sequence[int] | None = None, norm: str = "backward", stream: _Stream | None = None) -> array:
    """The inverse of rfftn: float32. s: the lengths to which the axes are cut or padded with zeros; None: their own. Without axes, s is of the last ones. norm: 'backward' has the factor 1 / n at the inverse, 'forward' at the forward transform, 'ortho' its root at both."""

def istft(stft_matrix: array, n_fft: int | None = None, hop_length: int | None = None, win_length: int | None = None, window: array | None = None, center: bool = True, norm: str = "backward", onesided: bool | None = None, length: int | None = None, stream: _Stream | None = None) -> array:
    """The signal whose stft is stft_matrix (..., frequencies, frames): float32 (..., length), overlapping frames added and divided by the sum of squared windows. n_fft: None: what the number of frequencies says, an even one where they are onesided. length: of the result; None: what the frames give."""

def rfft(a: array, n: int | None = None, axis: int = -1, norm: str = "backward", stream: _Stream | None = None) -> array:
    """The first n // 2 + 1 elements of the transform of real elements along an axis: complex64. n: the length to which the axis is cut or padded with zeros; None: its own. norm: 'backward' has the factor 1 / n at the inverse, 'forward' at the forward transform, 'ortho' its root at both."""

def rfft2(a: array, s: int | Sequence[int] | None = None, axes: int | Sequence[int] | None = None, norm: str = "backward", stream: _Stream | None = None) -> array:
    """The transform of real elements along two axes, the last ones unless said otherwise: complex64, half of it along the last. s: the lengths to which the axes are cut or padded with zeros; None: their own. Without axes, s is of the last ones. norm: 'backward' has the factor 1 / n at the inverse, 'forward' at the forward transform, 'ortho' its root at both."""

def rfftfreq(n: int, d: float = 1.0, stream: _Stream | None = None) -> array:
    """The frequencies of rfft of n samples d apart: float32 (n // 2 + 1)."""

def rfftn(a: array, s: int | Sequence[int] | None = None, axes: int | Sequence[int] | None = None, norm: str = "backward", stream: _Stream | None = None) -> array:
    """The transform of real elements along axes, all of them if None: complex64, half of it along the last. s: the lengths to which the axes are cut or padded with zeros; None: their own. Without axes, s is of the last ones. norm: 'backward' has the factor 1 / n at the inverse, 'forward' at the forward transform, 'ortho' its root at both."""

def stft(x: array, n_fft: int = 2048, hop_length: int | None = None, win_length: int | None = None, window: array | None = None, center: bool = True, pad_mode: str = "reflect", norm: str = "backward", onesided: bool | None = None, stream: _Stream | None = None) -> array:
    """Transforms of frames of x's last axis, n_fft long and hop_length (n_fft // 4) apart, times the window, which is centred in the frame: complex64 (..., frequencies, frames). center: frames are centred on multiples of hop_length, the ends padded by pad_mode. onesided: non-negative frequencies only; None: if x is real."""
