"""Layers whose weights are stored in a few bits (affine: w = q * scale + bias for each group of a row)."""

from __future__ import annotations

import math
from collections.abc import Callable

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx.utils import tree_map_with_path


def _defaults(group_size: int | None, bits: int | None, mode: str) -> tuple[int, int]:
    if mode != "affine":
        raise ValueError(f"expected the mode 'affine', the one that this build has, got {mode!r}")
    return 64 if group_size is None else group_size, 4 if bits is None else bits


def quantize(
    model: Module,
    group_size: int | None = None,
    bits: int | None = None,
    *,
    mode: str = "affine",
    quantize_input: bool = False,
    class_predicate: Callable[[str, Module], bool | dict] | None = None,
) -> None:
    """Replaces the layers of a model that can be quantised (they have ``to_quantized``) by their quantised
    form.

    Args:
        model: Changed in place.
        group_size: Elements that share a scale and a bias. Default: 64.
        bits: 2, 3, 4, 5, 6 or 8. Default: 4.
        mode: "affine".
        quantize_input: A ValueError if true: activations are not quantised.
        class_predicate: Called with path and module: whether to quantise, or a dictionary of arguments for
            ``to_quantized``. Default: every layer that can be.
    """
    predicate = class_predicate or (lambda _, m: hasattr(m, "to_quantized"))

    def maybe_quantize(path: str, module: Module) -> Module:
        choice = predicate(path, module)
        if not choice:
            return module
        if not hasattr(module, "to_quantized"):
            raise ValueError(
                f"[quantize] expected a module that can be quantised at {path}, got {type(module)}"
            )
        if isinstance(choice, dict):
            return module.to_quantized(**choice)
        if not isinstance(choice, bool):
            raise ValueError(  # noqa: TRY004
                f"[quantize] expected class_predicate to give a bool or a dictionary, got {type(choice)}"
            )
        options = {"quantize_input": True} if quantize_input else {}
        return module.to_quantized(group_size=group_size, bits=bits, mode=mode, **options)

    leaves = tree_map_with_path(maybe_quantize, model.leaf_modules(), is_leaf=Module.is_module)
    model.update_modules(leaves)


class _Quantized(Module):
    """What the quantised layers share: packed weight, scales and biases, frozen at first."""

    def __init__(self, group_size: int | None, bits: int | None, mode: str) -> None:
        super().__init__()
        self.group_size, self.bits = _defaults(group_size, bits, mode)
        self.mode = mode

    def _set_weight(self, weight: mx.array) -> None:
        self.weight, self.scales, self.biases = mx.quantize(
            weight, self.group_size, self.bits, mode=self.mode
        )

    def _options(self) -> dict:
        return {"group_size": self.group_size, "bits": self.bits, "mode": self.mode}

    def _columns(self) -> int:
        return self.weight.shape[-1] * 32 // self.bits


class QuantizedEmbedding(_Quantized):
    """An :class:`Embedding` whose table is quantised along its rows."""

    def __init__(
        self,
        num_embeddings: int,
        dims: int,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
    ) -> None:
        super().__init__(group_size, bits, mode)
        self._set_weight(mx.random.normal(shape=(num_embeddings, dims), scale=math.sqrt(1 / dims)))
        self.num_embeddings = num_embeddings
        self.dims = dims
        self.freeze()

    def __call__(self, x: mx.array) -> mx.array:
        return mx.dequantize(self["weight"][x], self["scales"][x], self["biases"][x], **self._options())

    def as_linear(self, x: mx.array) -> mx.array:
        """x (..., dims) times the transposed table."""
        return mx.quantized_matmul(
            x, self["weight"], self["scales"], self["biases"], transpose=True, **self._options()
        )

    def _extra_repr(self) -> str:
        return (
            f"{self.num_embeddings}, {self.dims}, "
            f"group_size={self.group_size}, bits={self.bits}, mode={self.mode}"
        )

    @classmethod
    def from_embedding(
        cls,
        embedding_layer: Module,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
    ) -> Module:
        """Quantises the table of an :class:`Embedding`."""
        self = cls(*embedding_layer.weight.shape, group_size, bits, mode)
        self._set_weight(embedding_layer.weight)
        return self


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
    ) -> None:
        super().__init__(group_size, bits, mode)
        bound = math.sqrt(1 / input_dims)
        self._set_weight(mx.random.uniform(low=-bound, high=bound, shape=(output_dims, input_dims)))
        if bias:
            self.bias = mx.zeros((output_dims,))
        self.freeze()

    def __call__(self, x: mx.array) -> mx.array:
        x = mx.quantized_matmul(
            x, self["weight"], self["scales"], self["biases"], transpose=True, **self._options()
        )
        return x + self["bias"] if "bias" in self else x

    def _extra_repr(self) -> str:
        return (
            f"input_dims={self._columns()}, output_dims={self.weight.shape[0]}, bias={'bias' in self}, "
            f"group_size={self.group_size}, bits={self.bits}, mode={self.mode}"
        )

    @classmethod
    def from_linear(
        cls,
        linear_layer: Module,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "affine",
    ) -> Module:
        """Quantises the weight of a :class:`Linear`."""
        output_dims, input_dims = linear_layer.weight.shape
        self = cls(input_dims, output_dims, False, group_size, bits, mode)
        self._set_weight(linear_layer.weight)
        if "bias" in linear_layer:
            self.bias = linear_layer.bias  # trains on
        return self
