"""Functions that make arrays. ``device``: where the op runs; memory is shared by all devices."""

from __future__ import annotations

from typing import Any, Literal

import mlx.core as mx

from ._rules import (
    DEFAULT_COMPLEX,
    DEFAULT_REAL,
    Scalar,
    expect_device,
    expect_dtype,
)

__all__ = [
    "arange", "asarray", "empty", "empty_like", "eye", "from_dlpack", "full", "full_like", "linspace",
    "meshgrid", "ones", "ones_like", "tril", "triu", "zeros", "zeros_like",
]  # fmt: skip

Shape = int | tuple[int, ...]


def asarray(
    obj: Any, /, *, dtype: mx.Dtype | None = None, device: mx.Device | None = None, copy: bool | None = None
) -> mx.array:
    """An array of a scalar, nested sequences, or an object with a buffer or DLPack, whose dtype it keeps.

    Python numbers become int32 (int64 where needed), float32 or complex64; complex128 becomes complex64.

    Raises:
        ValueError: copy is False where a copy is needed.
        OverflowError: An int beyond 64 bits.
    """
    expect_device(device, "asarray")
    expect_dtype(dtype, "asarray")
    if isinstance(obj, int) and not -(2**63) <= obj < 2**64:
        raise OverflowError(f"[asarray] expected an integer of 64 bits, got {obj}")
    if isinstance(obj, mx.array):
        if dtype in (None, obj.dtype):
            return +obj if copy else obj
        if copy is False:
            raise ValueError(f"[asarray] expected {obj.dtype} with copy=False, got {dtype}")
        return obj.astype(dtype, stream=device)
    if copy is False and hasattr(obj, "__dlpack__"):
        return mx.asarray(obj, dtype, copy=False)
    if dtype is None and _has_doubles(obj):
        dtype = mx.float64
    return mx.asarray(obj, dtype, copy=copy)


def _has_doubles(obj: Any) -> bool:
    """Has it a buffer of float64, which MLX would make float32?"""
    try:
        with memoryview(obj) as view:
            return view.format is not None and view.format.lstrip("@=<") == "d"
    except (TypeError, BufferError, ValueError):
        return False


def arange(
    start: float,
    /,
    stop: float | None = None,
    step: float = 1,
    *,
    dtype: mx.Dtype | None = None,
    device: mx.Device | None = None,
) -> mx.array:
    """start, start + step, ... before stop; from 0 to start where stop is None."""
    device = expect_device(device, "arange")
    expect_dtype(dtype, "arange")
    if stop is None:
        start, stop = 0, start
    return mx.arange(start, stop, step, dtype, stream=device)


def empty(shape: Shape, *, dtype: mx.Dtype | None = None, device: mx.Device | None = None) -> mx.array:
    """An array of any values: zeros here."""
    return zeros(shape, dtype=dtype, device=device)


def empty_like(x: mx.array, /, *, dtype: mx.Dtype | None = None, device: mx.Device | None = None) -> mx.array:
    """An array of x's shape and, unless given, dtype, of any values: zeros here."""
    return zeros_like(x, dtype=dtype, device=device)


def eye(
    n_rows: int,
    n_cols: int | None = None,
    /,
    *,
    k: int = 0,
    dtype: mx.Dtype | None = None,
    device: mx.Device | None = None,
) -> mx.array:
    """Ones on the k-th diagonal of a matrix of zeros."""
    expect_dtype(dtype, "eye")
    columns = n_rows if n_cols is None else n_cols
    return mx.eye(n_rows, columns, k, dtype or DEFAULT_REAL, stream=expect_device(device, "eye"))


def from_dlpack(x: Any, /, *, device: mx.Device | None = None, copy: bool | None = None) -> mx.array:
    """An array over the memory of an object with __dlpack__; a copy of it where copy is True."""
    expect_device(device, "from_dlpack")
    return mx.from_dlpack(x, copy=copy)


def _dtype_of_scalar(value: Scalar) -> mx.Dtype:
    if isinstance(value, bool):
        return mx.bool_
    if isinstance(value, int):
        return mx.array(value).dtype
    return DEFAULT_REAL if isinstance(value, float) else DEFAULT_COMPLEX


def full(
    shape: Shape,
    fill_value: Scalar,
    *,
    dtype: mx.Dtype | None = None,
    device: mx.Device | None = None,
) -> mx.array:
    """An array of one value; its dtype is the default one of the value's kind.

    Raises:
        TypeError: fill_value is no Python scalar.
    """
    device = expect_device(device, "full")
    expect_dtype(dtype, "full")
    if isinstance(fill_value, mx.array) and fill_value.ndim == 0:
        dtype, fill_value = dtype or fill_value.dtype, fill_value.item()
    if not isinstance(fill_value, (bool, int, float, complex)):
        raise TypeError(f"[full] expected a Python scalar, got {type(fill_value).__name__}")
    value = mx.array(fill_value, dtype or _dtype_of_scalar(fill_value))
    return mx.full(shape, value, stream=device)


def full_like(
    x: mx.array,
    /,
    fill_value: Scalar,
    *,
    dtype: mx.Dtype | None = None,
    device: mx.Device | None = None,
) -> mx.array:
    """An array of one value, of x's shape and, unless given, dtype."""
    return full(x.shape, fill_value, dtype=dtype or x.dtype, device=device)


def linspace(
    start: complex,
    stop: complex,
    /,
    num: int,
    *,
    dtype: mx.Dtype | None = None,
    device: mx.Device | None = None,
    endpoint: bool = True,
) -> mx.array:
    """num numbers from start to stop, evenly spaced; without stop itself where endpoint is False."""
    device = expect_device(device, "linspace")
    expect_dtype(dtype, "linspace")
    if not isinstance(start, complex) and not isinstance(stop, complex):
        return mx.linspace(start, stop, num, endpoint, dtype or DEFAULT_REAL, stream=device)
    start, stop = complex(start), complex(stop)
    parts = [
        mx.linspace(a, b, num, endpoint, stream=device)
        for a, b in ((start.real, stop.real), (start.imag, stop.imag))
    ]
    return (parts[0] + 1j * parts[1]).astype(dtype or DEFAULT_COMPLEX)


def meshgrid(*arrays: mx.array, indexing: Literal["xy", "ij"] = "xy") -> list[mx.array]:
    """The coordinates of a grid over vectors, each of the grid's shape.

    Raises:
        ValueError: Vectors of several dtypes.
    """
    if len({a.dtype for a in arrays}) > 1:
        raise ValueError("[meshgrid] expected arrays of one dtype")
    return list(mx.meshgrid(*arrays, indexing=indexing)) if arrays else []


def ones(shape: Shape, *, dtype: mx.Dtype | None = None, device: mx.Device | None = None) -> mx.array:
    """An array of ones."""
    expect_dtype(dtype, "ones")
    return mx.ones(shape, dtype or DEFAULT_REAL, stream=expect_device(device, "ones"))


def ones_like(x: mx.array, /, *, dtype: mx.Dtype | None = None, device: mx.Device | None = None) -> mx.array:
    """Ones of x's shape and, unless given, dtype."""
    return ones(x.shape, dtype=dtype or x.dtype, device=device)


def _triangle(x: mx.array, function: str) -> mx.array:
    if x.ndim < 2:
        raise ValueError(f"[{function}] expected at least 2 dimensions, got {x.ndim}")
    return x


def tril(x: mx.array, /, *, k: int = 0) -> mx.array:
    """Matrices with zeros above the k-th diagonal."""
    return mx.tril(_triangle(x, "tril"), k)


def triu(x: mx.array, /, *, k: int = 0) -> mx.array:
    """Matrices with zeros below the k-th diagonal."""
    return mx.triu(_triangle(x, "triu"), k)


def zeros(shape: Shape, *, dtype: mx.Dtype | None = None, device: mx.Device | None = None) -> mx.array:
    """An array of zeros."""
    expect_dtype(dtype, "zeros")
    return mx.zeros(shape, dtype or DEFAULT_REAL, stream=expect_device(device, "zeros"))


def zeros_like(x: mx.array, /, *, dtype: mx.Dtype | None = None, device: mx.Device | None = None) -> mx.array:
    """Zeros of x's shape and, unless given, dtype."""
    return zeros(x.shape, dtype=dtype or x.dtype, device=device)
