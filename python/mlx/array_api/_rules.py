"""What the functions share: kinds of dtypes, and the checks of arguments."""

from __future__ import annotations

import math
from typing import NamedTuple

import mlx.core as mx

Scalar = bool | int | float | complex
Operand = mx.array | Scalar
Axes = int | tuple[int, ...] | None


class Kind(NamedTuple):
    """Dtypes that a function takes, the Python scalars that may stand beside such an array, and their name."""

    name: str
    dtypes: frozenset[mx.Dtype]
    scalars: tuple[type, ...]


_bool = frozenset({mx.bool_})
_signed = frozenset({mx.int8, mx.int16, mx.int32, mx.int64})
_unsigned = frozenset({mx.uint8, mx.uint16, mx.uint32, mx.uint64})
_real_floating = frozenset({mx.float16, mx.bfloat16, mx.float32, mx.float64})
_complex = frozenset({mx.complex64})
_integers = _signed | _unsigned

BOOL = Kind("bool", _bool, (bool,))
SIGNED = Kind("signed integer", _signed, (int,))
UNSIGNED = Kind("unsigned integer", _unsigned, (int,))
INTEGER = Kind("integer", _integers, (int,))
INTEGER_OR_BOOL = Kind("integer or bool", _integers | _bool, (int,))
REAL_FLOATING = Kind("real floating", _real_floating, (int, float))
COMPLEX = Kind("complex floating", _complex, (int, float, complex))
FLOATING = Kind("floating", _real_floating | _complex, (int, float, complex))
REAL = Kind("real numeric", _integers | _real_floating, (int, float))
NUMERIC = Kind("numeric", _integers | _real_floating | _complex, (int, float, complex))
ANY = Kind("any", _bool | _integers | _real_floating | _complex, (int, float, complex))

DEFAULT_REAL, DEFAULT_COMPLEX, DEFAULT_INTEGER, INDEX = mx.float32, mx.complex64, mx.int32, mx.int64


def expect(x: object, kind: Kind, function: str) -> None:
    """TypeError unless x is an array whose dtype is of the kind."""
    if not isinstance(x, mx.array):
        raise TypeError(f"[{function}] expected an array, got {type(x).__name__}")
    if x.dtype not in kind.dtypes:
        raise TypeError(f"[{function}] expected {kind.name} dtypes, got {x.dtype}")


def expect_operands(x1: object, x2: object, kind: Kind, function: str) -> None:
    """TypeError unless both are arrays of the kind, or one is, and the other a Python scalar that fits."""
    arrays = isinstance(x1, mx.array) and isinstance(x2, mx.array)
    if arrays and x1.dtype in kind.dtypes and x2.dtype in kind.dtypes:
        return
    if isinstance(x1, mx.array):
        expect(x1, kind, function)
        if not isinstance(x2, kind.scalars):
            expect(x2, kind, function)
    else:
        expect(x2, kind, function)
        if not isinstance(x1, kind.scalars):
            expect(x1, kind, function)


def weak(value: Operand, dtype: mx.Dtype) -> mx.array:
    """A Python scalar as an array of the dtype, or of its own default dtype where that cannot hold its kind."""
    if isinstance(value, mx.array):
        return value
    if isinstance(value, complex):
        held = COMPLEX
    elif isinstance(value, float):
        held = FLOATING
    elif isinstance(value, bool):
        held = ANY
    else:
        held = NUMERIC
    return mx.array(value, dtype) if dtype in held.dtypes else mx.array(value)


def promoted(x1: Operand, x2: Operand) -> tuple[mx.array, mx.array]:
    """Two operands of a function, one of them an array, as arrays of the dtype that they promote to."""
    x1 = weak(x1, x2.dtype) if isinstance(x2, mx.array) else x1
    x2 = weak(x2, x1.dtype)
    dtype = mx.result_type(x1, x2)
    return x1.astype(dtype), x2.astype(dtype)


def expect_device(device: object, function: str) -> mx.Device | mx.DeviceType | None:
    """The device, which is None for the default one; ValueError for what is no device."""
    if device is None or isinstance(device, (mx.Device, mx.DeviceType)):
        return device
    raise ValueError(f"[{function}] expected a Device or None, got {device!r}")


def expect_dtype(dtype: object, function: str) -> None:
    """ValueError unless a dtype or None."""
    if dtype is not None and not isinstance(dtype, mx.Dtype):
        raise ValueError(f"[{function}] expected a Dtype or None, got {dtype!r}")


def axes_of(axis: Axes, ndim: int) -> tuple[int, ...]:
    """The axes, counted from the front; None are all of them."""
    if axis is None:
        return tuple(range(ndim))
    return tuple(normal_axis(a, ndim) for a in ((axis,) if isinstance(axis, int) else axis))


def normal_axis(axis: int, ndim: int) -> int:
    """The axis, counted from the front; IndexError where there is none."""
    if not -ndim <= axis < ndim:
        raise IndexError(f"expected an axis in [{-ndim}, {ndim}), got {axis}")
    return axis % ndim


def count_along(x: mx.array, axis: Axes) -> int:
    """How many elements a reduction over the axes joins into one."""
    return math.prod(x.shape[a] for a in axes_of(axis, x.ndim))


def summed_dtype(x: mx.array, dtype: mx.Dtype | None) -> mx.Dtype:
    """The dtype of sums and products: integers smaller than the default one widen to it."""
    if dtype is not None:
        return dtype
    if x.dtype in _integers and x.dtype.size < DEFAULT_INTEGER.size:
        return mx.uint32 if x.dtype in _unsigned else DEFAULT_INTEGER
    return x.dtype
