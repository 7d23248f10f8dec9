"""Optimizers whose state is one running mean of the gradients, v or m."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import mlx.core as mx
from mlx.optimizers.base import Optimizer


class SGD(Optimizer):
    """Stochastic gradient descent: g += weight_decay p;  v = momentum v + (1 - dampening) g;  p -=
    learning_rate v.

    Args:
        learning_rate: A number or a schedule.
        momentum: Without (0) p moves along g, and v stays 0.
        weight_decay: The strength of the L2 penalty.
        dampening: See above.
        nesterov: Move along g + momentum v instead of v (Sutskever et al., 2013); ValueError without momentum
            or with dampening.
    """

    def __init__(
        self,
        learning_rate: float | Callable[[mx.array], mx.array],
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError(
                f"[SGD] expected momentum > 0 and no dampening with nesterov, got {momentum} and {dampening}"
            )
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.dampening = dampening
        self.nesterov = nesterov

    def init_single(self, parameter: mx.array, state: dict) -> None:
        state["v"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict) -> mx.array:
        if self.weight_decay != 0:
            gradient = gradient + self.weight_decay * parameter
        rate = self._rate(gradient)
        if self.momentum <= 0:
            return parameter - rate * gradient
        fresh = (1 - self.dampening) * gradient if self.dampening > 0 else gradient
        v = self.momentum * state["v"] + fresh
        state["v"] = v
        return parameter - rate * (gradient + self.momentum * v if self.nesterov else v)


class Lion(Optimizer):
    """c = b1 m + (1 - b1) g;  m = b2 m + (1 - b2) g;  p -= learning_rate (sign(c) + weight_decay p) (Chen et
    al., 2023).

    Args:
        learning_rate: A number or a schedule; about a tenth of Adam's.
        betas: (b1, b2)
        weight_decay: Decoupled from the gradient.
    """

    def __init__(
        self,
        learning_rate: float | Callable[[mx.array], mx.array],
        betas: Sequence[float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.betas = betas
        self.weight_decay = weight_decay

    def init_single(self, parameter: mx.array, state: dict) -> None:
        state["m"] = mx.zeros_like(parameter)

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict) -> mx.array:
        rate = self._rate(gradient)
        b1, b2 = self.betas
        m = state["m"]
        direction = mx.sign(b1 * m + (1 - b1) * gradient)
        state["m"] = b2 * m + (1 - b2) * gradient
        if self.weight_decay > 0:
            parameter = (1 - rate * self.weight_decay) * parameter
        return parameter - rate * direction


class Muon(Optimizer):
    """Momentum whose matrices are made nearly orthogonal before the step (Jordan et al., "Muon", 2024).

    g += weight_decay p;  v = momentum v + (1 - momentum) g;  p -= learning_rate O(v), where O replaces the
    singular values of a matrix by numbers near 1. Arrays of more than 2 dimensions are matrices with the axes
    after the first together; those of fewer move along v.

    Args:
        learning_rate: A number or a schedule.
        momentum: See above.
        weight_decay: The strength of the L2 penalty.
        nesterov: O of (1 - momentum) g + momentum v instead of v.
        ns_steps: Newton-Schulz iterations in O.
    """

    def __init__(
        self,
        learning_rate: float | Callable[[mx.array], mx.array],
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        nesterov: bool = True,
        ns_steps: int = 5,
    ) -> None:
        super().__init__()
        self._maybe_schedule("learning_rate", learning_rate)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.nesterov = nesterov
        self.ns_steps = ns_steps

    def init_single(self, parameter: mx.array, state: dict) -> None:
        state["v"] = mx.zeros_like(parameter)

    def _orthogonal(self, x: mx.array) -> mx.array:
        """x (m, n), with singular values s moved towards 1 by s <- a s + b s^3 + c s^5 from s / |x|."""
        a, b, c = 3.4445, -4.7750, 2.0315  # the paper's: steepest at 0 with all s ending within 0.7 to 1.2
        wide = x if x.shape[0] <= x.shape[1] else x.T  # the smaller product
        size = mx.sqrt(mx.sum(mx.square(wide.astype(mx.result_type(wide, mx.float32))))) + 1e-7
        wide = (wide / size).astype(x.dtype)  # the sum of halves' squares overflows
        for _ in range(self.ns_steps):
            square = wide @ wide.T
            wide = a * wide + (b * square + c * (square @ square)) @ wide
        return wide if x.shape[0] <= x.shape[1] else wide.T

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict) -> mx.array:
        if self.weight_decay != 0:
            gradient = gradient + self.weight_decay * parameter
        v = self.momentum * state["v"] + (1 - self.momentum) * gradient
        state["v"] = v
        step = (1 - self.momentum) * gradient + self.momentum * v if self.nesterov else v
        rate = self._rate(gradient)
        if step.ndim >= 2:
            shape = step.shape
            matrix = self._orthogonal(step.reshape(shape[0], -1))
            rate = rate * max(1, matrix.shape[0] / matrix.shape[1]) ** 0.5
            step = matrix.reshape(shape)
        return parameter - rate * step
