"""Elementwise functions: rows of a name, the dtypes that the standard gives it, and the op behind it."""

from __future__ import annotations

from collections.abc import Callable

import mlx.core as mx

from . import _special
from ._rules import (
    ANY,
    BOOL,
    COMPLEX,
    FLOATING,
    INTEGER,
    INTEGER_OR_BOOL,
    NUMERIC,
    REAL,
    REAL_FLOATING,
    Kind,
    Operand,
    expect,
    expect_operands,
    promoted,
    weak,
)

__all__ = [
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and",
    "bitwise_invert", "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "ceil",
    "clip", "conj", "copysign", "cos", "cosh", "divide", "equal", "exp", "expm1", "floor",
    "floor_divide", "greater", "greater_equal", "hypot", "imag", "isfinite", "isinf", "isnan", "less",
    "less_equal", "log", "log1p", "log2", "log10", "logaddexp", "logical_and", "logical_not",
    "logical_or", "logical_xor", "maximum", "minimum", "multiply", "negative", "nextafter", "not_equal",
    "positive", "pow", "real", "reciprocal", "remainder", "round", "sign", "signbit", "sin", "sinh",
    "sqrt", "square", "subtract", "tan", "tanh", "trunc",
]  # fmt: skip


def _unary(name: str, kind: Kind, op: Callable[[mx.array], mx.array]) -> Callable[[mx.array], mx.array]:
    def function(x: mx.array, /) -> mx.array:
        expect(x, kind, name)
        return op(x)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The standard's {name}. x: of {kind.name} dtype; TypeError for another."
    return function


def _binary(name: str, kind: Kind, op: Callable[[Operand, Operand], mx.array]) -> Callable:
    def function(x1: Operand, x2: Operand, /) -> mx.array:
        expect_operands(x1, x2, kind, name)
        return op(x1, x2)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = (
        f"The standard's {name}. x1, x2: arrays of {kind.name} dtypes that broadcast; one may be a Python "
        "scalar. TypeError for others."
    )
    return function


def _on_promoted(op: Callable[[mx.array, mx.array], mx.array]) -> Callable[[Operand, Operand], mx.array]:
    """For ops of ours, which want two arrays of one dtype."""
    return lambda x1, x2: op(*promoted(x1, x2))


abs = _unary("abs", NUMERIC, mx.abs)
acos = _unary("acos", FLOATING, mx.acos)
acosh = _unary("acosh", FLOATING, mx.acosh)
asin = _unary("asin", FLOATING, mx.asin)
asinh = _unary("asinh", FLOATING, mx.asinh)
atan = _unary("atan", FLOATING, mx.atan)
atanh = _unary("atanh", FLOATING, mx.atanh)
bitwise_invert = _unary("bitwise_invert", INTEGER_OR_BOOL, mx.bitwise_invert)
ceil = _unary("ceil", REAL, mx.ceil)
conj = _unary("conj", NUMERIC, mx.conj)
cos = _unary("cos", FLOATING, mx.cos)
cosh = _unary("cosh", FLOATING, mx.cosh)
exp = _unary("exp", FLOATING, mx.exp)
expm1 = _unary("expm1", FLOATING, _special.expm1)
floor = _unary("floor", REAL, mx.floor)
imag = _unary("imag", COMPLEX, mx.imag)
isfinite = _unary("isfinite", NUMERIC, mx.isfinite)
isinf = _unary("isinf", NUMERIC, mx.isinf)
isnan = _unary("isnan", NUMERIC, mx.isnan)
log = _unary("log", FLOATING, mx.log)
log10 = _unary("log10", FLOATING, mx.log10)
log1p = _unary("log1p", FLOATING, mx.log1p)
log2 = _unary("log2", FLOATING, mx.log2)
logical_not = _unary("logical_not", BOOL, mx.logical_not)
negative = _unary("negative", NUMERIC, mx.negative)
positive = _unary("positive", NUMERIC, mx.positive)
real = _unary("real", NUMERIC, mx.real)
reciprocal = _unary("reciprocal", FLOATING, mx.reciprocal)
round = _unary("round", NUMERIC, mx.round)
sign = _unary("sign", NUMERIC, mx.sign)
signbit = _unary("signbit", REAL_FLOATING, _special.signbit)
sin = _unary("sin", FLOATING, mx.sin)
sinh = _unary("sinh", FLOATING, mx.sinh)
sqrt = _unary("sqrt", FLOATING, mx.sqrt)
square = _unary("square", NUMERIC, mx.square)
tan = _unary("tan", FLOATING, mx.tan)
tanh = _unary("tanh", FLOATING, mx.tanh)
trunc = _unary("trunc", REAL, mx.trunc)

add = _binary("add", NUMERIC, mx.add)
atan2 = _binary("atan2", REAL_FLOATING, mx.atan2)
bitwise_and = _binary("bitwise_and", INTEGER_OR_BOOL, mx.bitwise_and)
bitwise_left_shift = _binary("bitwise_left_shift", INTEGER, mx.bitwise_left_shift)
bitwise_or = _binary("bitwise_or", INTEGER_OR_BOOL, mx.bitwise_or)
bitwise_right_shift = _binary("bitwise_right_shift", INTEGER, mx.bitwise_right_shift)
bitwise_xor = _binary("bitwise_xor", INTEGER_OR_BOOL, mx.bitwise_xor)
copysign = _binary("copysign", REAL_FLOATING, _on_promoted(_special.copysign))
divide = _binary("divide", FLOATING, mx.divide)
equal = _binary("equal", ANY, mx.equal)
floor_divide = _binary("floor_divide", REAL, mx.floor_divide)
greater = _binary("greater", REAL, mx.greater)
greater_equal = _binary("greater_equal", REAL, mx.greater_equal)
hypot = _binary("hypot", REAL_FLOATING, _on_promoted(_special.hypot))
less = _binary("less", REAL, mx.less)
less_equal = _binary("less_equal", REAL, mx.less_equal)
logaddexp = _binary("logaddexp", REAL_FLOATING, mx.logaddexp)
logical_and = _binary("logical_and", BOOL, mx.logical_and)
logical_or = _binary("logical_or", BOOL, mx.logical_or)
logical_xor = _binary("logical_xor", BOOL, mx.logical_xor)
maximum = _binary("maximum", REAL, mx.maximum)
minimum = _binary("minimum", REAL, mx.minimum)
multiply = _binary("multiply", NUMERIC, mx.multiply)
nextafter = _binary("nextafter", REAL_FLOATING, _on_promoted(_special.nextafter))
not_equal = _binary("not_equal", ANY, mx.not_equal)
pow = _binary("pow", NUMERIC, mx.power)
remainder = _binary("remainder", REAL, _on_promoted(_special.remainder))
subtract = _binary("subtract", NUMERIC, mx.subtract)


def _bound(bound: Operand | None, x: mx.array) -> mx.array | None:
    """A bound as an array of x's dtype; None where it excludes none of the dtype's numbers."""
    if bound is None:
        return None
    if isinstance(bound, mx.array):
        same_kind = (bound.dtype in INTEGER.dtypes) == (x.dtype in INTEGER.dtypes)
        if bound.dtype not in REAL.dtypes or not same_kind:
            raise TypeError(f"[clip] expected bounds of the kind of {x.dtype}, got {bound.dtype}")
    elif not isinstance(bound, int if x.dtype in INTEGER.dtypes else (int, float)):
        raise TypeError(f"[clip] expected a bound of the kind of {x.dtype}, got {type(bound).__name__}")
    return bound


def clip(x: mx.array, /, min: Operand | None = None, max: Operand | None = None) -> mx.array:
    """x, not below min and not above max, in x's dtype. The bounds broadcast; NaN in them gives NaN.

    Raises:
        TypeError: Dtypes that aren't real numeric; floating bounds of integers, integer arrays as bounds of floats.
    """
    expect(x, REAL, "clip")
    result = +x
    for bound, narrower in ((min, mx.maximum), (max, mx.minimum)):
        bound = _bound(bound, x)
        if isinstance(bound, int) and x.dtype in INTEGER.dtypes:
            info = mx.iinfo(x.dtype)
            bound = sorted((info.min, bound, info.max))[1]
        if bound is not None:
            result = narrower(result, weak(bound, x.dtype))
    return result.astype(x.dtype)
