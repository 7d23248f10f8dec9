"""Functions about dtypes."""

from __future__ import annotations

import mlx.core as mx

from ._rules import (
    BOOL,
    COMPLEX,
    FLOATING,
    INTEGER,
    NUMERIC,
    REAL_FLOATING,
    SIGNED,
    UNSIGNED,
    Scalar,
    expect_device,
    weak,
)

__all__ = [
    "__array_namespace_info__", "astype", "can_cast", "finfo", "iinfo", "isdtype", "result_type",
]  # fmt: skip

KINDS = {
    "bool": BOOL,
    "signed integer": SIGNED,
    "unsigned integer": UNSIGNED,
    "integral": INTEGER,
    "real floating": REAL_FLOATING,
    "complex floating": COMPLEX,
    "numeric": NUMERIC,
}


def astype(
    x: mx.array, dtype: mx.Dtype, /, *, copy: bool = True, device: mx.Device | None = None
) -> mx.array:
    """x in another dtype; x itself where nothing changes and copy is False.

    Raises:
        TypeError: x is complex and dtype is not.
    """
    device = expect_device(device, "astype")
    if x.dtype == dtype:
        return +x if copy else x
    if x.dtype in COMPLEX.dtypes:
        raise TypeError(f"[astype] expected a complex dtype for complex numbers, got {dtype}")
    return x.astype(dtype, stream=device)


def _dtype_of(type: mx.Dtype | mx.array, function: str) -> mx.Dtype:
    dtype = type.dtype if isinstance(type, mx.array) else type
    if not isinstance(dtype, mx.Dtype):
        raise TypeError(f"[{function}] expected a Dtype or an array, got {dtype.__class__.__name__}")
    return dtype


def can_cast(from_: mx.Dtype | mx.array, to: mx.Dtype, /) -> bool:
    """Does promotion take the one to the other within a kind, or from real to complex floats, without loss?"""
    source, to = _dtype_of(from_, "can_cast"), _dtype_of(to, "can_cast")
    within = any(source in kind.dtypes and to in kind.dtypes for kind in (BOOL, INTEGER, FLOATING))
    narrower = source == mx.float64 and to == mx.complex64
    return within and not narrower and mx.result_type(source, to) == to


def finfo(type: mx.Dtype | mx.array, /) -> mx.finfo:
    """Limits of a floating dtype: bits, eps, max, min, smallest_normal, dtype."""
    return mx.finfo(_dtype_of(type, "finfo"))


def iinfo(type: mx.Dtype | mx.array, /) -> mx.iinfo:
    """Limits of an integer dtype: bits, max, min, dtype."""
    return mx.iinfo(_dtype_of(type, "iinfo"))


def isdtype(dtype: mx.Dtype, kind: mx.Dtype | str | tuple[mx.Dtype | str, ...]) -> bool:
    """Is the dtype of the kind, or of one in a tuple of kinds?"""
    return mx.isdtype(dtype, kind)


def result_type(*arrays_and_dtypes: mx.array | mx.Dtype | Scalar) -> mx.Dtype:
    """The dtype that these promote to; a Python scalar changes it only where its kind asks for that.

    Raises:
        ValueError: No array or dtype among them.
    """
    strong = [a for a in arrays_and_dtypes if isinstance(a, (mx.array, mx.Dtype))]
    if not strong:
        raise ValueError("[result_type] expected at least one array or dtype")
    result = mx.result_type(*strong)
    for scalar in arrays_and_dtypes:
        if isinstance(scalar, (bool, int, float, complex)):
            result = mx.result_type(result, weak(scalar, result))
        elif not isinstance(scalar, (mx.array, mx.Dtype)):
            raise TypeError(f"[result_type] expected arrays, dtypes and scalars, got {scalar!r}")
    return result


class __array_namespace_info__:
    """What the standard asks about a namespace."""

    def capabilities(self) -> dict:
        """What indexing and shapes may depend on; the most dimensions of an array."""
        return mx.__array_namespace_info__().capabilities()

    def default_device(self) -> mx.Device:
        """The device that computes unless another is named."""
        return mx.default_device()

    def devices(self) -> list[mx.Device]:
        """The devices that can compute."""
        return [mx.Device(kind, i) for kind in (mx.cpu, mx.gpu) for i in range(mx.device_count(kind))]

    def default_dtypes(self, *, device: mx.Device | None = None) -> dict[str, mx.Dtype]:
        """The dtypes of new arrays of each kind, and of indices."""
        expect_device(device, "default_dtypes")
        return {
            "real floating": mx.float32,
            "complex floating": mx.complex64,
            "integral": mx.int32,
            "indexing": mx.int64,
        }

    def dtypes(
        self, *, device: mx.Device | None = None, kind: str | tuple[str, ...] | None = None
    ) -> dict[str, mx.Dtype]:
        """The standard's dtypes by name: all, or those of a kind, or of one in a tuple of kinds."""
        expect_device(device, "dtypes")
        for name in (kind,) if isinstance(kind, str) else kind or ():
            if name not in KINDS:
                raise ValueError(f"[dtypes] expected a kind of {', '.join(KINDS)}, got {name!r}")
        info = mx.__array_namespace_info__()
        return info.dtypes() if kind is None else info.dtypes(kind=kind)
