"""Layers whose weights are stored in a few bits: each row in groups of elements that share a scale.

In the mode "affine" a weight is q * scale + bias of its group, with an integer q; in the modes "mxfp4" and
"mxfp8" (OCP Microscaling, 2023) and "nvfp4" it is a small float times its group's scale.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx.utils import tree_map_with_path

# group_size and bits of each mode, by default.
_DEFAULTS = {"affine": (64, 4), "mxfp4": (32, 4), "nvfp4": (16, 4), "mxfp8": (32, 8)}


def _format(group_size: int | None, bits: int | None, mode: str) -> tuple[int, int]:
    if mode not in _DEFAULTS:
        raise ValueError(f"expected one of the modes {', '.join(_DEFAULTS)}, got {mode!r}")
    default_size, default_bits = _DEFAULTS[mode]
    return default_size if group_size is None else group_size, default_bits if bits is None else bits


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
        group_size: Elements that share a scale. Default: 64 for "affine", 32 for "mxfp4" and "mxfp8", 16 for
            "nvfp4"; these three know no other.
        bits: Of an element: 2, 3, 4, 5, 6 or 8 for "affine". Default: 4, and 8 for "mxfp8".
        mode: "affine", "mxfp4", "mxfp8" or "nvfp4".
        quantize_input: Round what goes into linear layers too, in modes other than "affine"; layers of
            embeddings then are a ValueError, to be left out by ``class_predicate``.
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
    """What the quantised layers share: packed weight, scales and, if "affine", biases, frozen at first."""

    def __init__(self, group_size: int | None, bits: int | None, mode: str) -> None:
        super().__init__()
        self.group_size, self.bits = _format(group_size, bits, mode)
        self.mode = mode

    def _set_weight(self, weight: mx.array) -> None:
        self.weight, self.scales, *biases = mx.quantize(weight, **self._options())
        self.biases = biases[0] if biases else None

    def _options(self) -> dict:
        return {"group_size": self.group_size, "bits": self.bits, "mode": self.mode}

    def _rows(self, ids: mx.array) -> mx.array:
        """Rows of the weight, dequantised."""
        biases = self["biases"][ids] if "biases" in self else None
        return mx.dequantize(self["weight"][ids], self["scales"][ids], biases, **self._options())

    def _product(self, x: mx.array) -> mx.array:
        """x W^T. It is called for every layer and token, and arguments by position cost half of those in a dictionary."""
        biases = self.get("biases")
        return mx.quantized_matmul(
            x, self["weight"], self["scales"], biases, True, self.group_size, self.bits, self.mode
        )

    def _columns(self) -> int:
        return self.weight.shape[-1] * 32 // self.bits

    def _format_repr(self) -> str:
        return f"group_size={self.group_size}, bits={self.bits}, mode={self.mode}"


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
        """ids (...) -> (..., dims): in the dtype of the table, bfloat16 in modes other than "affine"."""
        return self._rows(x)

    def as_linear(self, x: mx.array) -> mx.array:
        """x (..., dims) times the transposed table."""
        return self._product(x)

    def _extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.dims}, {self._format_repr()}"

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
        x = self._product(x)
        return x + self["bias"] if "bias" in self else x

    def _extra_repr(self) -> str:
        return (
            f"input_dims={self._columns()}, output_dims={self.weight.shape[0]}, bias={'bias' in self}, "
            f"{self._format_repr()}"
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


class QQLinear(Module):
    """y = round(x) round(W)^T: a linear layer without bias whose input and weight are both rounded to a
    quantised format, so that the product can be one of small floats.

    In training ``weight`` (output_dims, input_dims) keeps its dtype and is rounded in each call; the
    derivative passes the rounding as if it were the identity (Bengio et al., 2013). :meth:`eval` packs it,
    with ``scales``, and :meth:`train` unpacks it again.

    Args:
        input_dims: Of x; a multiple of the group size.
        output_dims: Of y.
        group_size, bits: Those of the mode, which knows no other. Default: these.
        mode: "nvfp4", "mxfp8" or "mxfp4", else ValueError.
    """

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "nvfp4",
    ) -> None:
        super().__init__()
        self.group_size, self.bits = _format(group_size, bits, mode)
        if mode == "affine" or (self.group_size, self.bits) != _DEFAULTS[mode]:
            raise ValueError(
                "[QQLinear] expected a mode of small floats with its own group_size and bits, "
                f"got {mode!r} with {self.group_size} and {self.bits}"
            )
        bound = math.sqrt(1 / input_dims)
        self.weight = mx.random.uniform(low=-bound, high=bound, shape=(output_dims, input_dims))
        self.mode = mode
        self._packed_from: mx.Dtype | None = None

    def _options(self) -> dict:
        return {"group_size": self.group_size, "bits": self.bits, "mode": self.mode}

    def _extra_repr(self) -> str:
        columns = self.weight.shape[1] * (32 // self.bits if "scales" in self else 1)
        return (
            f"input_dims={columns}, output_dims={self.weight.shape[0]}, group_size={self.group_size}, "
            f"bits={self.bits}, mode={self.mode}"
        )

    def quantize(self) -> None:
        """Packs the weight, unless it is packed."""
        if "scales" not in self:
            self._packed_from = self.weight.dtype
            self.weight, self.scales = mx.quantize(self.weight, **self._options())
            if "weight" in self._no_grad:
                self.freeze(keys="scales", recurse=False)

    def dequantize(self) -> None:
        """Unpacks the weight, if it is packed: the rounded numbers, in the dtype that they had before."""
        if "scales" in self:
            self.weight = self._unpacked(self._packed_from)
            del self.scales

    def _unpacked(self, dtype: mx.Dtype | None) -> mx.array:
        return mx.dequantize(self.weight, self.scales, dtype=dtype, **self._options())

    def _training_changed(self) -> None:
        if self.training:
            self.dequantize()
        else:
            self.quantize()

    def __call__(self, x: mx.array) -> mx.array:
        """x (..., input_dims) -> (..., output_dims), in x's dtype."""
        return mx.qqmm(x, self.weight, self.get("scales"), **self._options())

    @classmethod
    def from_linear(
        cls,
        linear_layer: Module,
        group_size: int | None = None,
        bits: int | None = None,
        mode: str = "nvfp4",
    ) -> Module:
        """The weight of a :class:`Linear`, packed if that isn't in training; NotImplementedError if it has a
        bias.
        """
        output_dims, input_dims = linear_layer.weight.shape
        self = cls(input_dims, output_dims, group_size, bits, mode)
        if "bias" in linear_layer:
            raise NotImplementedError("[QQLinear] expected a layer without bias, got one with bias")
        self.weight = linear_layer.weight
        self.train(linear_layer.training)
        return self
