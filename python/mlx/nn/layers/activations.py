"""Activations: functions of an array, and modules that call them.

All keep the shape (GLU halves an axis) and the dtype of floating input; integers give float32 where the
formula divides or has a constant with a fraction.
"""

from __future__ import annotations

import math

import mlx.core as mx
from mlx.nn.layers.base import Module

__all__ = [
    "CELU", "ELU", "GELU", "GLU", "SELU", "HardShrink", "HardTanh", "Hardswish", "LeakyReLU",
    "LogSigmoid", "LogSoftmax", "Mish", "PReLU", "ReLU", "ReLU2", "ReLU6", "SiLU", "Sigmoid", "Softmax",
    "Softmin", "Softplus", "Softshrink", "Softsign", "Step", "Tanh", "celu", "elu", "gelu", "gelu_approx",
    "gelu_fast_approx", "glu", "hard_shrink", "hard_tanh", "hardswish", "leaky_relu", "log_sigmoid",
    "log_softmax", "mish", "prelu", "relu", "relu2", "relu6", "selu", "sigmoid", "silu", "softmax",
    "softmin", "softplus", "softshrink", "softsign", "step", "tanh",
]  # fmt: skip

# -- rectifiers --


def _negative_part(x: mx.array) -> mx.array:
    """x where negative or zero, else 0: for a branch that must stay finite, with its gradient, where the
    other one is taken.
    """
    return mx.where(x > 0, 0, x)


def relu(x: mx.array) -> mx.array:
    """max(x, 0)"""
    return mx.maximum(x, 0)


def relu2(x: mx.array) -> mx.array:
    """max(x, 0)^2 (So et al., "Primer", 2021)"""
    return mx.square(mx.maximum(x, 0))


def relu6(x: mx.array) -> mx.array:
    """min(max(x, 0), 6)"""
    return mx.minimum(mx.maximum(x, 0), 6.0)


def leaky_relu(x: mx.array, negative_slope: float = 0.01) -> mx.array:
    """x where positive, else ``negative_slope`` x; for slopes up to 1."""
    return mx.maximum(negative_slope * x, x)


def prelu(x: mx.array, alpha: mx.array) -> mx.array:
    """x where positive, else alpha x with a learnt ``alpha`` that broadcasts to x (He et al., 2015)."""
    return mx.where(x > 0, x, alpha * _negative_part(x))


def elu(x: mx.array, alpha: float = 1.0) -> mx.array:
    """x where positive, else alpha (exp(x) - 1) (Clevert et al., 2015)."""
    return mx.where(x > 0, x, alpha * mx.expm1(_negative_part(x)))


def celu(x: mx.array, alpha: float = 1.0) -> mx.array:
    """x where positive, else alpha (exp(x / alpha) - 1) (Barron, 2017)"""
    return mx.where(x > 0, x, alpha * mx.expm1(_negative_part(x) / alpha))


def selu(x: mx.array) -> mx.array:
    """ELU with the scales that keep mean 0 and variance 1 from layer to layer (Klambauer et al., 2017)."""
    return elu(x, 1.67326) * 1.0507


# -- smooth gates --


def sigmoid(x: mx.array) -> mx.array:
    """1 / (1 + exp(-x))"""
    return mx.sigmoid(x)


def log_sigmoid(x: mx.array) -> mx.array:
    """log(sigmoid(x)), without overflow"""
    return -softplus(-x)


def softplus(x: mx.array) -> mx.array:
    """log(1 + exp(x)), without overflow"""
    return mx.logaddexp(x, 0)


def silu(x: mx.array) -> mx.array:
    """x sigmoid(x), also called swish (Elfwing et al., 2017)"""
    return x * mx.sigmoid(x)


def mish(x: mx.array) -> mx.array:
    """x tanh(softplus(x)) (Misra, 2019)"""
    return x * mx.tanh(softplus(x))


def gelu(x: mx.array) -> mx.array:
    """x Phi(x), with Phi the distribution function of the normal law (Hendrycks and Gimpel, 2016)"""
    return 0.5 * x * (1 + mx.erf(x / math.sqrt(2)))


def gelu_approx(x: mx.array) -> mx.array:
    """GELU with Phi(x) ~ (1 + tanh(u)) / 2 = sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3), from the same
    paper
    """
    near = mx.clip(x, -30, 30)  # Phi is 0 or 1 beyond in every dtype, and the cube stays finite
    u = math.sqrt(2 / math.pi) * near * (1 + 0.044715 * mx.square(near))
    return x * mx.sigmoid(2 * u)


def gelu_fast_approx(x: mx.array) -> mx.array:
    """GELU with Phi(x) ~ sigmoid(1.702 x), from the same paper"""
    return x * mx.sigmoid(1.702 * x)


def glu(x: mx.array, axis: int = -1) -> mx.array:
    """a sigmoid(b), with a and b the halves of x along ``axis`` (Dauphin et al., 2016); ValueError if its
    size is odd.
    """
    a, b = mx.split(x, 2, axis=axis)
    return a * mx.sigmoid(b)


# -- bounded, shrinking and stepping --


def tanh(x: mx.array) -> mx.array:
    """The hyperbolic tangent."""
    return mx.tanh(x)


def hard_tanh(x: mx.array, min_val: float = -1.0, max_val: float = 1.0) -> mx.array:
    """x kept within [min_val, max_val]"""
    return mx.minimum(mx.maximum(x, min_val), max_val)


def hardswish(x: mx.array) -> mx.array:
    """x min(max(x + 3, 0), 6) / 6 (Howard et al., "MobileNetV3", 2019)"""
    return _hardswish(x)


@mx.custom_function
def _hardswish(x: mx.array) -> mx.array:
    return x * (mx.minimum(mx.maximum(x + 3, 0), 6) * (1 / 6))


def _hardswish_slope(x: mx.array) -> mx.array:
    return mx.where(mx.abs(x) >= 3, x > 0, x * (1 / 3) + 0.5)


# Of x alone, so that nothing is kept from the way there.
_hardswish.vjp(lambda x, dy, _: dy * _hardswish_slope(x))
_hardswish.jvp(lambda x, tangent: tangent * _hardswish_slope(x))


def softsign(x: mx.array) -> mx.array:
    """x / (1 + |x|)"""
    return mx.divide(x, 1 + mx.abs(x))


def hard_shrink(x: mx.array, lambd: float = 0.5) -> mx.array:
    """x where |x| > ``lambd``, else 0; a NaN stays one"""
    return mx.where(mx.abs(x) <= lambd, 0, x)


def softshrink(x: mx.array, lambd: float = 0.5) -> mx.array:
    """x moved by ``lambd`` towards 0, and 0 where |x| <= ``lambd``; a NaN stays one"""
    return mx.where(mx.abs(x) <= lambd, 0, x - mx.sign(x) * lambd)


def step(x: mx.array, threshold: float = 0.0) -> mx.array:
    """1 where x >= ``threshold``, else 0; int32"""
    return mx.where(x >= threshold, 1, 0)


# -- over an axis --


def softmax(x: mx.array, axis: int = -1) -> mx.array:
    """exp(x) / sum(exp(x)) along ``axis``"""
    return mx.softmax(x, axis=axis)


def softmin(x: mx.array, axis: int = -1) -> mx.array:
    """softmax(-x) along ``axis``"""
    return mx.softmax(-x, axis=axis)


def log_softmax(x: mx.array, axis: int = -1) -> mx.array:
    """log(softmax(x)) along ``axis``, without overflow; halves are computed in float32, and rounded once"""
    if x.dtype in (mx.float16, mx.bfloat16):
        return log_softmax(x.astype(mx.float32), axis).astype(x.dtype)
    shifted = x - mx.stop_gradient(mx.max(x, axis=axis, keepdims=True))  # large x leave the sum its digits
    return shifted - mx.log(mx.sum(mx.exp(shifted), axis=axis, keepdims=True))


# -- modules --


def _module(name: str, function) -> type[Module]:
    """A module class without parameters that calls a function of one array."""

    def call(_, x: mx.array) -> mx.array:
        return function(x)

    body = {
        "__call__": call,
        "__doc__": f"The module of :func:`{function.__name__}`.",
        "__module__": __name__,
    }
    return type(name, (Module,), body)


HardTanh = _module("HardTanh", hard_tanh)
Hardswish = _module("Hardswish", hardswish)
LogSigmoid = _module("LogSigmoid", log_sigmoid)
LogSoftmax = _module("LogSoftmax", log_softmax)
Mish = _module("Mish", mish)
ReLU = _module("ReLU", relu)
ReLU2 = _module("ReLU2", relu2)
ReLU6 = _module("ReLU6", relu6)
SELU = _module("SELU", selu)
SiLU = _module("SiLU", silu)
Sigmoid = _module("Sigmoid", sigmoid)
Softmax = _module("Softmax", softmax)
Softmin = _module("Softmin", softmin)
Softplus = _module("Softplus", softplus)
Softsign = _module("Softsign", softsign)
Tanh = _module("Tanh", tanh)


class CELU(Module):
    """The module of :func:`celu`."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self._alpha = alpha

    def __call__(self, x: mx.array) -> mx.array:
        return celu(x, self._alpha)


class ELU(Module):
    """The module of :func:`elu`."""

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self._alpha = alpha

    def __call__(self, x: mx.array) -> mx.array:
        return elu(x, self._alpha)


_GELUS = {"none": gelu, "precise": gelu_approx, "tanh": gelu_approx, "fast": gelu_fast_approx}


class GELU(Module):
    """The module of :func:`gelu`, exact or approximate.

    Args:
        approx: "none" for :func:`gelu`, "precise" or "tanh" for :func:`gelu_approx`, "fast" for
            :func:`gelu_fast_approx`; else a ValueError.
    """

    def __init__(self, approx: str = "none") -> None:
        super().__init__()
        if approx not in _GELUS:
            raise ValueError(f"[GELU] expected approx to be one of {list(_GELUS)}, got {approx!r}")
        self._approx = approx

    def __call__(self, x: mx.array) -> mx.array:
        return _GELUS[self._approx](x)


class GLU(Module):
    """The module of :func:`glu`."""

    def __init__(self, axis: int = -1) -> None:
        super().__init__()
        self.axis = axis

    def __call__(self, x: mx.array) -> mx.array:
        return glu(x, axis=self.axis)


class HardShrink(Module):
    """The module of :func:`hard_shrink`."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def __call__(self, x: mx.array) -> mx.array:
        return hard_shrink(x, self.lambd)


class LeakyReLU(Module):
    """The module of :func:`leaky_relu`."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        self._negative_slope = negative_slope

    def __call__(self, x: mx.array) -> mx.array:
        return leaky_relu(x, self._negative_slope)


class PReLU(Module):
    """The module of :func:`prelu`; ``weight`` (num_parameters) holds the slopes, all ``init`` at first."""

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        super().__init__()
        self.weight = mx.full([num_parameters], init)

    def __call__(self, x: mx.array) -> mx.array:
        return prelu(x, self.weight)


class Softshrink(Module):
    """The module of :func:`softshrink`."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def __call__(self, x: mx.array) -> mx.array:
        return softshrink(x, self.lambd)


class Step(Module):
    """The module of :func:`step`."""

    def __init__(self, threshold: float = 0.0) -> None:
        super().__init__()
        self.threshold = threshold

    def __call__(self, x: mx.array) -> mx.array:
        return step(x, self.threshold)
