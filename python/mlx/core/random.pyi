"""Type stubs of mlx.core.random, written by tools/stubs.py."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any


from . import DeviceType, Device, Dtype, Stream, ThreadLocalStream, array

_Scalar = bool | int | float | complex
_Value = Any  # an array, a scalar, a nested list of scalars, or an object with a buffer, as a NumPy array
_Stream = Stream | ThreadLocalStream | Device | DeviceType

class _RandomState:
    """The random key of the calling thread; an input or output of compiled functions."""
    def __getitem__(self, key: Any, /) -> Any: ...
    def __len__(self) -> int: ...
    def __setitem__(self, key: Any, value: _Value, /) -> None: ...

def bernoulli(p: _Value = 0.5, shape: int | Sequence[int] | None = None, key: array | None = None, stream: _Stream | None = None) -> array:
    """True with probability p; p's shape unless given."""

def categorical(logits: array, axis: int = -1, shape: int | Sequence[int] | None = None, num_samples: int | None = None, key: array | None = None, stream: _Stream | None = None) -> array:
    """Indices with the probabilities softmax(logits, axis), uint32: one for each row unless a shape or a number of samples is given."""

def gumbel(shape: int | Sequence[int] = ..., dtype: Dtype | None = ..., key: array | None = None, stream: _Stream | None = None) -> array:
    """The standard Gumbel distribution."""

def key(seed: Any) -> array:
    """A key, uint32 (2), from an integer of 0 to 2^64 - 1."""

def laplace(shape: int | Sequence[int] = ..., dtype: Dtype | None = ..., loc: _Value = 0.0, scale: _Value = 1.0, key: array | None = None, stream: _Stream | None = None) -> array:
    """Laplace with mean loc and scale."""

def multivariate_normal(mean: array, cov: array, shape: int | Sequence[int] = ..., dtype: Dtype | None = ..., key: array | None = None, stream: _Stream | None = None) -> array:
    """Normal vectors (..., N) with mean (..., N) and covariance (..., N, N), symmetric and positive semidefinite, by its singular values. shape: of the batch, to which the leading axes of both broadcast; [] for theirs. float32; another dtype raises ValueError, and so do NaN and infinities of cov when evaluated."""

def normal(shape: int | Sequence[int] = ..., dtype: Dtype | None = ..., loc: _Value = None, scale: _Value = None, key: array | None = None, stream: _Stream | None = None) -> array:
    """Normal with mean loc (0) and standard deviation scale (1)."""

def permutation(x: Any, axis: int = 0, key: array | None = None, stream: _Stream | None = None) -> array:
    """The slices of an array along an axis in random order; for an int n, 0 ... n - 1 in random order."""

def randint(low: _Value, high: _Value, shape: int | Sequence[int] = ..., dtype: Dtype | None = ..., key: array | None = None, stream: _Stream | None = None) -> array:
    """Integers in [low, high), which broadcast to the shape."""

def seed(seed: Any) -> None:
    """Sets this thread's key from an integer of 0 to 2^64 - 1."""

def split(key: array, num: int = 2, stream: _Stream | None = None) -> array:
    """num independent keys, uint32 (num, 2), from one."""

state: Any

def truncated_normal(lower: _Value, upper: _Value, shape: int | Sequence[int] | None = None, dtype: Dtype | None = ..., key: array | None = None, stream: _Stream | None = None) -> array:
    """Standard normal, restricted to [lower, upper]; their common shape unless given."""

def uniform(low: _Value = 0, high: _Value = 1, shape: int | Sequence[int] = ..., dtype: Dtype | None = ..., key: array | None = None, stream: _Stream | None = None) -> array:
    """Uniform over [low, high), which broadcast to the shape."""
