"""Optimizers that scale each element's step by the size its gradients have had.

In means of squares the small factor is applied first: (1 - b) g g stays within halves where g^2 does not.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import mlx.core as mx
from mlx.optimizers.base import Optimizer


def _expect(name: str, what: str, value: float, least: str) -> None:
    """ValueError if ``value`` is negative."""
    if value < 0:
        raise ValueError(f"[{name}] expected {what} {least}, got {value}")


class RMSprop(Optimizer):
    """v = alpha v + (1 - alpha) g^2;  p -= learning_rate g / (sqrt(v) + eps) (Tieleman and Hinton, 2012).

    ValueError if alpha or eps is negative.
    """

    def __init__(
        self,
        learning_rate: float | Callable[[mx.array], mx.array],
        alpha: float = 0.99,
        eps: float = 1e-8,
    ) -> None:
        super().__init__()
        _expect("RMSprop", "alpha", alpha, ">= 0")
        _expect("RMSprop", "eps", eps, "> 0")
        self._maybe_schedule("learning_rate", learning_rate)
        self.alpha = alpha
        self.eps = eps

    def init_single(self, parameter: mx.array, state: dict) -> None:
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict) -> mx.array:
        v = self.alpha * state["v"] + (1 - self.alpha) * gradient * gradient
        state["v"] = v
        return parameter - self._rate(gradient) * gradient / (mx.sqrt(v) + self.eps)


class Adagrad(Optimizer):
    """v += g^2;  p -= learning_rate g / (sqrt(v) + eps) (Duchi et al., 2011).

    ValueError if eps is negative.
    """

    def __init__(self, learning_rate: float | Callable[[mx.array], mx.array], eps: float = 1e-8) -> None:
        super().__init__()
        _expect("Adagrad", "eps", eps, "> 0")
        self._maybe_schedule("learning_rate", learning_rate)
        self.eps = eps

    def init_single(self, parameter: mx.array, state: dict) -> None:
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict) -> mx.array:
        v = state["v"] + mx.square(gradient)
        state["v"] = v
        return parameter - self._rate(gradient) * gradient / (mx.sqrt(v) + self.eps)


class AdaDelta(Optimizer):
    """v = rho v + (1 - rho) g^2;  d = sqrt(u + eps) / sqrt(v + eps) g;  u = rho u + (1 - rho) d^2;  p -=
    learning_rate d.

    From Zeiler (2012). ValueError if rho or eps is negative.
    """

    def __init__(
        self,
        learning_rate: float | Callable[[mx.array], mx.array],
        rho: float = 0.9,
        eps: float = 1e-6,
    ) -> None:
        super().__init__()
        _expect("AdaDelta", "rho", rho, ">= 0")
        _expect("AdaDelta", "eps", eps, "> 0")
        self._maybe_schedule("learning_rate", learning_rate)
        self.rho = rho
        self.eps = eps

    def init_single(self, parameter: mx.array, state: dict) -> None:
        state["v"] = mx.zeros_like(parameter)
        state["u"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict) -> mx.array:
        v = self.rho * state["v"] + (1 - self.rho) * gradient * gradient
        delta = mx.sqrt(state["u"] + self.eps) / mx.sqrt(v + self.eps) * gradient
        state["v"] = v
        state["u"] = self.rho * state["u"] + (1 - self.rho) * delta * delta
        return parameter - self._rate(gradient) * delta


class Adam(Optimizer):
    """m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2;  p -= learning_rate m / (sqrt(v) + eps) (Kingma and
    Ba, 2014).

    Args:
        learning_rate: A number or a schedule.
        betas: (b1, b2)
        eps: Keeps the quotient finite; ValueError if negative.
        bias_correction: As in the paper, divide m by 1 - b1^t and v by 1 - b2^t at step t, as they start from
            0. Not by default.
    """

    def __init__(
        self,
        learning_rate: float | Callable[[mx.array], mx.array],
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        bias_correction: bool = False,
    ) -> None:
        super().__init__()
        _expect(type(self).__name__, "eps", eps, ">= 0")
        self._maybe_schedule("learning_rate", learning_rate)
        self.betas = betas
        self.eps = eps
        self.bias_correction = bias_correction

    def init_single(self, parameter: mx.array, state: dict) -> None:
        state["m"] = mx.zeros_like(parameter)
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict) -> mx.array:
        b1, b2 = self.betas
        m = b1 * state["m"] + (1 - b1) * gradient
        v = b2 * state["v"] + (1 - b2) * gradient * gradient
        state["m"], state["v"] = m, v
        if not self.bias_correction:
            return parameter - self._rate(gradient) * m / (mx.sqrt(v) + self.eps)
        # in the learning rate's float32: 1 - b2^t has few digits left in float16
        scale_m = (self.learning_rate / (1 - b1**self.step)).astype(gradient.dtype)
        scale_v = mx.rsqrt(1 - b2**self.step).astype(gradient.dtype)
        return parameter - scale_m * m / (mx.sqrt(v) * scale_v + self.eps)


class AdamW(Adam):
    """Adam on parameters first scaled by 1 - learning_rate weight_decay (Loshchilov and Hutter, 2017)."""

    def __init__(
        self,
        learning_rate: float | Callable[[mx.array], mx.array],
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
        bias_correction: bool = False,
    ) -> None:
        super().__init__(learning_rate, betas, eps, bias_correction)
        self.weight_decay = weight_decay

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict) -> mx.array:
        decayed = parameter * (1 - self._rate(gradient) * self.weight_decay)
        return super().apply_single(gradient, decayed, state)


class Adamax(Adam):
    """m = b1 m + (1 - b1) g;  v = max(b2 v, |g|);  p -= learning_rate m / (v + eps), from Adam's paper.

    ValueError if eps is negative.
    """

    def __init__(
        self,
        learning_rate: float | Callable[[mx.array], mx.array],
        betas: Sequence[float] = (0.9, 0.999),
        eps: float = 1e-8,
    ) -> None:
        super().__init__(learning_rate, betas, eps)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict) -> mx.array:
        b1, b2 = self.betas
        m = b1 * state["m"] + (1 - b1) * gradient
        v = mx.maximum(b2 * state["v"], mx.abs(gradient))
        state["m"], state["v"] = m, v
        return parameter - self._rate(gradient) * m / (v + self.eps)


class Adafactor(Optimizer):
    """Adam with the second moments of a matrix kept as those of its rows and columns (Shazeer and Stern,
    2018).

    Args:
        learning_rate: A number or a schedule; None if ``relative_step``.
        eps: The least squared gradient, and the least root mean square of a parameter that
            ``scale_parameter`` uses.
        clip_threshold: The most that an update's root mean square may be.
        decay_rate: c in the decay 1 - t^c of the second moments at step t.
        beta_1: Of a running mean of updates. Default: none is kept.
        weight_decay: Decoupled from the gradient.
        scale_parameter: Multiply the rate by the parameter's root mean square.
        relative_step: The rate is min(0.01, 1 / sqrt(t)).
        warmup_init: Then 0.01 becomes 1e-6 t.
    """

    def __init__(
        self,
        learning_rate: float | Callable[[mx.array], mx.array] | None = None,
        eps: tuple[float, float] = (1e-30, 1e-3),
        clip_threshold: float = 1.0,
        decay_rate: float = -0.8,
        beta_1: float | None = None,
        weight_decay: float = 0.0,
        scale_parameter: bool = True,
        relative_step: bool = True,
        warmup_init: bool = False,
    ) -> None:
        super().__init__()
        if learning_rate is not None:
            self._maybe_schedule("learning_rate", learning_rate)
        self.eps = eps
        self.clip_threshold = clip_threshold
        self.decay_rate = decay_rate
        self.beta_1 = beta_1
        self.weight_decay = weight_decay
        self.scale_parameter = scale_parameter
        self.relative_step = relative_step
        self.warmup_init = warmup_init

    def init_single(self, parameter: mx.array, state: dict) -> None:
        if parameter.ndim >= 2:
            shape, dtype = parameter.shape, parameter.dtype
            state["exp_avg_sq_row"] = mx.zeros(shape[:-1], dtype=dtype)
            state["exp_avg_sq_col"] = mx.zeros(shape[:-2] + shape[-1:], dtype=dtype)
        else:
            state["exp_avg_sq"] = mx.zeros_like(parameter)
        if self.beta_1 is not None:
            state["exp_avg"] = mx.zeros_like(parameter)

    def _parameter_rate(self, parameter: mx.array) -> mx.array:
        if self.relative_step:
            most = 1e-6 * self.step if self.warmup_init else 1e-2
            rate = mx.minimum(most, mx.rsqrt(self.step.astype(mx.float32)))
        else:
            rate = self.learning_rate
        rate = rate.astype(parameter.dtype)
        return mx.maximum(self.eps[1], _rms(parameter)) * rate if self.scale_parameter else rate

    def _direction(self, gradient: mx.array, state: dict) -> mx.array:
        """The gradient over the root of its second moment."""
        decay = (1.0 - self.step.astype(mx.float32) ** self.decay_rate).astype(gradient.dtype)
        square = mx.square(gradient) + self.eps[0]
        if gradient.ndim < 2:
            state["exp_avg_sq"] = decay * state["exp_avg_sq"] + (1 - decay) * square
            return mx.rsqrt(state["exp_avg_sq"]) * gradient
        row = decay * state["exp_avg_sq_row"] + (1 - decay) * mx.mean(square, axis=-1)
        column = decay * state["exp_avg_sq_col"] + (1 - decay) * mx.mean(square, axis=-2)
        state["exp_avg_sq_row"], state["exp_avg_sq_col"] = row, column
        share = mx.rsqrt(row / mx.mean(row, axis=-1, keepdims=True))
        return mx.expand_dims(share, -1) * mx.expand_dims(mx.rsqrt(column), -2) * gradient

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict) -> mx.array:
        rate = self._parameter_rate(parameter)
        update = self._direction(gradient, state)
        update = rate * update / mx.maximum(1.0, _rms(update) / self.clip_threshold)
        if self.beta_1 is not None:
            state["exp_avg"] = self.beta_1 * state["exp_avg"] + (1 - self.beta_1) * update
            update = state["exp_avg"]
        if self.weight_decay != 0:
            parameter = parameter + parameter * (-self.weight_decay * rate)
        return parameter - update


def _rms(x: mx.array) -> mx.array:
    wide = x.astype(mx.result_type(x, mx.float32))  # the sum of halves' squares overflows
    return mx.sqrt(mx.sum(mx.square(wide)) / math.prod(x.shape)).astype(x.dtype)
