"""Recurrent layers: they take a sequence step by step, and give the state after each step.

A sequence is x (..., T, input_size), with batch axes before the time axis or none; states are
(..., T, hidden_size), those to start from (..., hidden_size), zeros by default. Weights and biases start
uniform within 1 / sqrt(hidden_size). The products of the inputs are computed for all steps at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import mlx.core as mx
from mlx.nn.layers.activations import tanh
from mlx.nn.layers.base import Module


class _Recurrent(Module):
    """What the layers share: their sizes, the first parameters, the walk along the time axis."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.hidden_size = hidden_size

    def _uniform(self, *shape: int) -> mx.array:
        bound = 1 / math.sqrt(self.hidden_size)
        return mx.random.uniform(low=-bound, high=bound, shape=shape)

    def _walk(self, x: mx.array, step: Callable, *states: mx.array | None) -> list[mx.array]:
        """Sequences (..., T, hidden_size) of each of the states.

        Args:
            x: Products of the inputs, (..., T, gates).
            step: A function of x at one step and the states, that gives the next states.
            states: To start from; None: zeros.
        """
        if x.ndim < 2:
            raise ValueError(
                f"[{type(self).__name__}] expected x (..., T, input_size), got {x.ndim} dimension"
            )
        first = (*x.shape[:-2], self.hidden_size)
        current = tuple(mx.zeros(first, x.dtype) if s is None else s for s in states)
        if x.shape[-2] == 0:
            return [mx.zeros((*x.shape[:-1], self.hidden_size), x.dtype) for _ in states]
        history = []
        for t in range(x.shape[-2]):
            current = step(x[..., t, :], *current)
            history.append(current)
        return [mx.stack(sequence, axis=-2) for sequence in zip(*history)]


def _affine(x: mx.array, weight: mx.array, bias: mx.array | None) -> mx.array:
    """x W^T + b"""
    return x @ weight.T if bias is None else mx.addmm(bias, x, weight.T)


class RNN(_Recurrent):
    """h_t = f(W_xh x_t + W_hh h_{t-1} + b) (Elman, 1990).

    Args:
        input_size: Features of x.
        hidden_size: Of the state.
        bias: Whether there is a b.
        nonlinearity: f. Default: tanh. ValueError if it can't be called.

    ``Wxh`` is (hidden_size, input_size), ``Whh`` (hidden_size, hidden_size), ``bias`` (hidden_size).
    """

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: Callable | None = None
    ) -> None:
        super().__init__(hidden_size)
        self.nonlinearity = tanh if nonlinearity is None else nonlinearity
        if not callable(self.nonlinearity):
            raise ValueError(f"[RNN] expected a nonlinearity to call, got {nonlinearity!r}")  # noqa: TRY004
        self.Wxh = self._uniform(hidden_size, input_size)
        self.Whh = self._uniform(hidden_size, hidden_size)
        self.bias = self._uniform(hidden_size) if bias else None

    def _extra_repr(self) -> str:
        return (
            f"input_dims={self.Wxh.shape[1]}, hidden_size={self.hidden_size}, "
            f"nonlinearity={self.nonlinearity}, bias={self.bias is not None}"
        )

    def __call__(self, x: mx.array, hidden: mx.array | None = None) -> mx.array:
        """The states (..., T, hidden_size) of x (..., T, input_size), from ``hidden`` (..., hidden_size)."""

        def step(x: mx.array, h: mx.array) -> tuple[mx.array]:
            return (self.nonlinearity(x + h @ self.Whh.T),)

        return self._walk(_affine(x, self.Wxh, self.bias), step, hidden)[0]


class GRU(_Recurrent):
    """Gated recurrent unit (Cho et al., 2014), with the reset gate after the product as in cuDNN:

    r_t = sigmoid(W_xr x_t + W_hr h_{t-1} + b_r),  z_t = sigmoid(W_xz x_t + W_hz h_{t-1} + b_z),
    n_t = tanh(W_xn x_t + b_n + r_t (W_hn h_{t-1} + b_hn)),  h_t = (1 - z_t) n_t + z_t h_{t-1}.

    Args:
        input_size: Features of x.
        hidden_size: Of the state.
        bias: Whether there are biases.

    ``Wx`` is (3 hidden_size, input_size), ``Wh`` (3 hidden_size, hidden_size), ``b`` (3 hidden_size), each
    for r, z and n one after the other; ``bhn`` is (hidden_size).
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__(hidden_size)
        self.Wx = self._uniform(3 * hidden_size, input_size)
        self.Wh = self._uniform(3 * hidden_size, hidden_size)
        self.b = self._uniform(3 * hidden_size) if bias else None
        self.bhn = self._uniform(hidden_size) if bias else None

    def _extra_repr(self) -> str:
        return f"input_dims={self.Wx.shape[1]}, hidden_size={self.hidden_size}, bias={self.b is not None}"

    def __call__(self, x: mx.array, hidden: mx.array | None = None) -> mx.array:
        """The states (..., T, hidden_size) of x (..., T, input_size), from ``hidden`` (..., hidden_size)."""
        size = self.hidden_size

        def step(x: mx.array, h: mx.array) -> tuple[mx.array]:
            product = h @ self.Wh.T
            gates = mx.sigmoid(x[..., : 2 * size] + product[..., : 2 * size])
            r, z = gates[..., :size], gates[..., size:]
            candidate = product[..., 2 * size :]
            if self.bhn is not None:
                candidate = candidate + self.bhn
            n = mx.tanh(x[..., 2 * size :] + r * candidate)
            return ((1 - z) * n + z * h,)

        return self._walk(_affine(x, self.Wx, self.b), step, hidden)[0]


class LSTM(_Recurrent):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997; the forget gate from Gers et al., 2000):

    i_t = sigmoid(W_xi x_t + W_hi h_{t-1} + b_i),  f_t = sigmoid(W_xf x_t + W_hf h_{t-1} + b_f),
    g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g),  o_t = sigmoid(W_xo x_t + W_ho h_{t-1} + b_o),
    c_t = f_t c_{t-1} + i_t g_t,  h_t = o_t tanh(c_t).

    Args:
        input_size: Features of x.
        hidden_size: Of the states h and c.
        bias: Whether there is a b.

    ``Wx`` is (4 hidden_size, input_size), ``Wh`` (4 hidden_size, hidden_size), ``bias`` (4 hidden_size), each
    for i, f, g and o one after the other.
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        super().__init__(hidden_size)
        self.Wx = self._uniform(4 * hidden_size, input_size)
        self.Wh = self._uniform(4 * hidden_size, hidden_size)
        self.bias = self._uniform(4 * hidden_size) if bias else None

    def _extra_repr(self) -> str:
        return f"input_dims={self.Wx.shape[1]}, hidden_size={self.hidden_size}, bias={self.bias is not None}"

    def __call__(
        self, x: mx.array, hidden: mx.array | None = None, cell: mx.array | None = None
    ) -> tuple[mx.array, mx.array]:
        """The states h and c, each (..., T, hidden_size), of x (..., T, input_size), from ``hidden`` and
        ``cell`` (..., hidden_size).
        """

        def step(x: mx.array, h: mx.array, c: mx.array) -> tuple[mx.array, mx.array]:
            i, f, g, o = mx.split(x + h @ self.Wh.T, 4, axis=-1)
            c = mx.sigmoid(f) * c + mx.sigmoid(i) * mx.tanh(g)
            return mx.sigmoid(o) * mx.tanh(c), c

        h, c = self._walk(_affine(x, self.Wx, self.bias), step, hidden, cell)
        return h, c
