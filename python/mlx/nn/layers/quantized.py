"""Layers whose weights are stored in a few bits (affine: w = q * scale + bias for each group of a row)."""

from __future__ import annotations

import math
from collections.abc import Callable

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx.utils import tree_map_with_path


def _defaults(group_size: int | None, bits: int | None, mode: str) -> tuple[int, int]:
    if mode != "affine":
        raise ValueError(f"Unsupported quantization mode {mode!r}: this build has 'affine'")
    return group_size or 64, bits or 4


def quantize(
    model: Module,
    group_size: int | None = None,
    bits: int | None = None,
    *,
    mode: str = "affine",
    quantize_input: bool = False,
    class_predicate: Callable[[str, Module], bool | dict] | None = None,
):
    """Replaces the layers of a model that can be quantised (they have ``to_quantized``) by their quantised form.

    Args:
        model: Changed in place.
        group_size: Elements that share a scale and a bias. Default: 64.
        bits: 2, 3, 4, 5, 6 or 8. Default: 4.
        mode: "affine".
        quantize_input: Quantise activations too; not supported.
        class_predicate: Called with path and module: whether to quantise, or a dictionary of arguments for
            ``to_quantized``. Default: every layer that can be.
    """
    predicate = class_predicate or (lambda _, m: hasattr(m, "to_quantized"))

    def maybe_quantize(path, module):
        choice = predicate(path, module)
        if not choice:
            return module
        if not hasattr(module, "to_quantized"):
            raise ValueError(f"Unable to quantize model of type {type(module)}")
        if isinstance(choice, dict):
            return module.to_quantized(**choice)
        if not isinstance(choice, bool):
            raise ValueError("``class_predicate`` must return a bool or a dict of parameters to pass to to_quantized")
        options = {"quantize_input": True} if quantize_input else {}
        return module.to_quantized(group_size=group_size, bits=bits, mode=mode, **options)

    leaves = tree_map_with_path(maybe_quantize, model.leaf_modules(), is_leaf=Module.is_module)
    model.update_modules(leaves)


class _Quantized(Module):
    """What the quantised layers share: packed weight, scales, biases, all frozen."""

    def __init__(self, group_size: int | None, bits: int | None, mode: str):
        super().__init__()
        self.group_size, self.bits = _defaults(group_size, bits, mode)
        self.mode = mode

    def _set_weight(self, weight: mx.array):
        self.weight, self.scales, self.biases = mx.quantize(weight, self.group_size, self.bits, mode=self.mode)

    def _options(self) -> dict:
        return {"group_size": self.group_size, "bits": self.bits, "mode": self.mode}

    def _columns(self) -> int:
        return self.weight.shape[-1] * 32 // self.bits

    def unfreeze(self, *args, **kwargs):
        """Unfreezes other parameters; the quantised ones stay frozen."""
        super().unfreeze(*args, **kwargs)
        return self._freeze_quantized()

    def _freeze_quantized(self):
        self._no_grad.update(("weight", "scales", "biases"))
        return self


class QuantizedEmbedding(_Quantized):
    """An :class:`Embedding` whose table is quantised along its rows."""

    def __init__(
        self,
        num_embeddings: int,
        dims: int,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
    ):
        super().__init__(group_size, bits, mode)
        self._set_weight(mx.random.normal(shape=(num_embeddings, dims), scale=math.sqrt(1 / dims)))
        self.num_embeddings = num_embeddings
        self.dims = dims
        self._freeze_quantized()

    def __call__(self, x):
        return mx.dequantize(self["weight"][x], self["scales"][x], self["biases"][x], **self._options())

    def as_linear(self, x):
        """x (..., dims) times the transposed table."""
        return mx.quantized_matmul(x, self["weight"], self["scales"], self["biases"], transpose=True, **self._options())

    def _extra_repr(self):
        return f"{self.num_embeddings}, {self.dims}, group_size={self.group_size}, bits={self.bits}, mode={self.mode}"

    @classmethod
    def from_embedding(cls, embedding, group_size: int | None = None, bits: int | None = None, mode: str = "affine"):
        """Quantises the table of an :class:`Embedding`."""
        self = cls.__new__(cls)
        _Quantized.__init__(self, group_size, bits, mode)
        self.num_embeddings, self.dims = embedding.weight.shape
        self._set_weight(embedding.weight)
        return self._freeze_quantized()


class QuantizedLinear(_Quantized):
    """A :class:`Linear` whose weight is quantised along its rows."""

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        bias: bool = True,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
    ):
        super().__init__(group_size, bits, mode)
        bound = math.sqrt(1 / input_dims)
        self._set_weight(mx.random.uniform(low=-bound, high=bound, shape=(output_dims, input_dims)))
        if bias:
            self.bias = mx.zeros((output_dims,))
        self._freeze_quantized()

    def __call__(self, x):
        x = mx.quantized_matmul(x, self["weight"], self["scales"], self["biases"], transpose=True, **self._options())
        return x + self["bias"] if "bias" in self else x

    def _extra_repr(self):
        return (
            f"input_dims={self._columns()}, output_dims={self.weight.shape[0]}, bias={'bias' in self}, "
            f"group_size={self.group_size}, bits={self.bits}, mode={self.mode}"
        )

    @classmethod
    def from_linear(cls, linear_layer, group_size: int | None = None, bits: int | None = None, mode: str = "affine"):
        """Quantises the weight of a :class:`Linear`."""
        self = cls.__new__(cls)
        _Quantized.__init__(self, group_size, bits, mode)
        self._set_weight(linear_layer.weight)
        if "bias" in linear_layer:
            self.bias = linear_layer.bias
        return self._freeze_quantized()
