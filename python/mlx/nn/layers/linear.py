from __future__ import annotations

import math
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module


class Identity(Module):
    """Returns its input; takes and ignores any arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def __call__(self, x: mx.array) -> mx.array:
        return x


class Linear(Module):
    """y = x W^T + b: x (..., input_dims) -> (..., output_dims).

    ``weight`` (output_dims, input_dims) and ``bias`` (output_dims) start uniform within 1 / sqrt(input_dims).
    """

    def __init__(self, input_dims: int, output_dims: int, bias: bool = True) -> None:
        super().__init__()
        bound = math.sqrt(1.0 / input_dims)
        self.weight = mx.random.uniform(low=-bound, high=bound, shape=(output_dims, input_dims))
        if bias:
            self.bias = mx.random.uniform(low=-bound, high=bound, shape=(output_dims,))

    def _extra_repr(self) -> str:
        return f"input_dims={self.weight.shape[1]}, output_dims={self.weight.shape[0]}, bias={'bias' in self}"

    def __call__(self, x: mx.array) -> mx.array:
        if "bias" in self:
            return mx.addmm(self["bias"], x, self["weight"].T)
        return x @ self["weight"].T

    def to_quantized(
        self,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
        quantize_input: bool = False,
    ) -> Module:
        """The same layer with a quantised weight: a :class:`QuantizedLinear`, or, with ``quantize_input``, a
        :class:`QQLinear`, in modes other than "affine" and without bias.
        """
        from mlx.nn.layers.quantized import QQLinear, QuantizedLinear

        return (QQLinear if quantize_input else QuantizedLinear).from_linear(self, group_size, bits, mode)


class Bilinear(Module):
    """y_k = x1^T W_k x2 + b_k: x1 (..., input1_dims), x2 (..., input2_dims) -> (..., output_dims).

    ``weight`` is (output_dims, input2_dims, input1_dims).
    """

    def __init__(self, input1_dims: int, input2_dims: int, output_dims: int, bias: bool = True) -> None:
        super().__init__()
        bound = math.sqrt(1.0 / input1_dims)
        self.weight = mx.random.uniform(low=-bound, high=bound, shape=(output_dims, input2_dims, input1_dims))
        if bias:
            self.bias = mx.random.uniform(low=-bound, high=bound, shape=(output_dims,))

    def _extra_repr(self) -> str:
        out, in2, in1 = self.weight.shape
        return f"input1_dims={in1}, input2_dims={in2}, output_dims={out}, bias={'bias' in self}"

    def __call__(self, x1: mx.array, x2: mx.array) -> mx.array:
        out, in2, in1 = self.weight.shape
        batch = x1.shape[:-1]
        x1, x2 = x1.reshape(-1, in1), x2.reshape(-1, 1, in2)
        y = (x1 @ self.weight.reshape(out * in2, in1).T).reshape(-1, out, in2).swapaxes(-2, -1)
        y = (x2 @ y).reshape(*batch, out)
        return y + self.bias if "bias" in self else y
