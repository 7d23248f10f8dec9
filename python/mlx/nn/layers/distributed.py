"""Linear layers that are spread over a group of processes, and what spreads them (Shoeybi et al.,
"Megatron-LM", 2019).

There are two ways to share the product x W^T among N processes. "all-to-sharded": each has all of x and a
part of W's rows, and gets a part of the result. "sharded-to-all": each has a part of x and of W's columns,
and the sum over the processes is the result. One layer of each kind after the other communicates once. A
group of one process has all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx.nn.layers.linear import Linear
from mlx.nn.layers.quantized import QuantizedLinear, _Quantized
from mlx.utils import tree_flatten, tree_map, tree_map_with_path, tree_unflatten  # noqa: F401

Group = mx.distributed.Group
# Of a parameter's path and the parameter: the axis to split, or (axis, segments), or None to leave it whole.
Sharding = Callable[[str, mx.array], int | tuple[int, int | list] | None]


def _group(group: Group | None) -> Group:
    return mx.distributed.init() if group is None else group


def _share(layer: type, what: str, dims: int, group: Group) -> int:
    """dims / N; ValueError unless that is an integer."""
    if dims % group.size() != 0:
        raise ValueError(
            f"[{layer.__name__}] expected {what} that a group of {group.size()} divides, got {dims}"
        )
    return dims // group.size()


# -- communication --


def sum_gradients(group: Group) -> Callable[[mx.array], mx.array]:
    """The identity, whose gradient is summed over the group."""
    if group.size() == 1:
        return lambda x: x
    identity = mx.custom_function(lambda x: x)
    identity.vjp(lambda x, dx, _: mx.distributed.all_sum(dx, group=group))
    return identity


# -- splitting --


def _segments(x: mx.array, axis: int, segments: int | list) -> list[mx.array]:
    """x in pieces along an axis: that many of equal size, or cut at shares of its size, or at indices."""
    if not isinstance(segments, int):
        segments = [int(cut * x.shape[axis]) if isinstance(cut, float) else cut for cut in segments]
    return mx.split(x, segments, axis=axis)


def _shard(x: mx.array, axis: int, segments: int | list, group: Group) -> mx.array:
    """This process's part of x: its part of each segment, as of queries, keys and values in one matrix."""
    parts = [mx.split(piece, group.size(), axis=axis)[group.rank()] for piece in _segments(x, axis, segments)]
    return parts[0] if len(parts) == 1 else mx.concatenate(parts, axis=axis)


def _sharding(name: str, segments: int | list) -> Sharding:
    """Which axis of each parameter of a linear layer a kind of sharding splits."""
    if name == "all-to-sharded":  # rows: of the bias too
        return lambda path, x: (max(x.ndim - 2, 0), segments)
    if name == "sharded-to-all":  # columns: the bias is added once, to the sum
        return lambda path, x: None if path.endswith("bias") else (x.ndim - 1, segments)
    raise ValueError(f"expected sharding 'all-to-sharded' or 'sharded-to-all', got {name!r}")


def _shard_tree(parameters: Any, sharding: Sharding, group: Group) -> Any:
    def shard(path: str, x: mx.array) -> mx.array:
        choice = sharding(path, x)
        if choice is None:
            return x
        if isinstance(choice, int):
            choice = (choice, 1)
        if not isinstance(choice, tuple) or len(choice) != 2:
            raise ValueError(
                f"[shard_inplace] expected sharding to give an axis, (axis, segments) or None, got {choice!r}"
            )
        return _shard(x, *choice, group)

    return tree_map_with_path(shard, parameters)


def shard_inplace(
    module: Module,
    sharding: str | Sharding,
    *,
    segments: int | list = 1,
    group: Group | None = None,
) -> None:
    """Replaces each parameter of a module by this process's part of it. The module itself has to communicate.

    Args:
        module: Changed in place.
        sharding: "all-to-sharded" splits rows (the axis before the last, or the only one), "sharded-to-all"
            splits columns (the last axis) of all but biases; or a function of path and parameter that gives
            the axis to split, or (axis, segments), or None to leave it whole.
        segments: Pieces of which each is split by itself, as of a fused matrix: their number, or a list of
            where to cut, in shares of the size (floats) or indices (ints). Not for a function.
        group: Default: that of all processes.

    Raises:
        ValueError: Another sharding, or a size that is not divisible.
    """
    if not callable(sharding):
        sharding = _sharding(sharding, segments)
    module.update(_shard_tree(module.parameters(), sharding, _group(group)))


def shard_linear(
    module: Module, sharding: str, *, segments: int | list = 1, group: Group | None = None
) -> Module:
    """A new layer with this process's part of a :class:`Linear` or :class:`QuantizedLinear`.

    Args:
        module: Stays as it is.
        sharding: "all-to-sharded" or "sharded-to-all".
        segments: See :func:`shard_inplace`.
        group: Default: that of all processes.

    Raises:
        ValueError: Another module or sharding, or a size that is not divisible.
    """
    _sharding(sharding, segments)
    rows = sharding == "all-to-sharded"
    if isinstance(module, Linear):
        layer = AllToShardedLinear if rows else ShardedToAllLinear
        return layer.from_linear(module, segments=segments, group=group)
    if isinstance(module, QuantizedLinear):
        quantized = QuantizedAllToShardedLinear if rows else QuantizedShardedToAllLinear
        return quantized.from_quantized_linear(module, segments=segments, group=group)
    raise ValueError(f"[shard_linear] expected a Linear or QuantizedLinear, got {type(module).__name__}")


# -- layers --


class AllToShardedLinear(Module):
    """This process's part of y = x W^T + b: x (..., input_dims) -> (..., output_dims / N).

    Args:
        input_dims: Of x.
        output_dims: Of y in all processes together; a multiple of N, else ValueError.
        bias: Whether there is a b.
        group: Of N processes. Default: that of all processes.

    ``weight`` is (output_dims / N, input_dims), ``bias`` (output_dims / N).
    """

    def __init__(
        self, input_dims: int, output_dims: int, bias: bool = True, group: Group | None = None
    ) -> None:
        super().__init__()
        self.group = _group(group)
        rows = _share(type(self), "output_dims", output_dims, self.group)
        bound = math.sqrt(1.0 / input_dims)
        self.weight = mx.random.uniform(low=-bound, high=bound, shape=(rows, input_dims))
        if bias:
            self.bias = mx.random.uniform(low=-bound, high=bound, shape=(rows,))

    def _extra_repr(self) -> str:
        rows, columns = self.weight.shape
        return f"input_dims={columns}, output_dims={rows * self.group.size()}, bias={'bias' in self}"

    def __call__(self, x: mx.array) -> mx.array:
        x = sum_gradients(self.group)(x)
        if "bias" in self:
            return mx.addmm(self["bias"], x, self["weight"].T)
        return x @ self["weight"].T

    @classmethod
    def from_linear(
        cls, linear_layer: Module, *, segments: int | list = 1, group: Group | None = None
    ) -> Module:
        """The part of a :class:`Linear`; ``segments`` as in :func:`shard_inplace`."""
        output_dims, input_dims = linear_layer.weight.shape
        self = cls(input_dims, output_dims, "bias" in linear_layer, group)
        return _take_parts(self, linear_layer, "all-to-sharded", segments)


class ShardedToAllLinear(Module):
    """y = x W^T + b, with a part of x and W in each process: x (..., input_dims / N) -> (..., output_dims).

    Args:
        input_dims: Of x in all processes together; a multiple of N, else ValueError.
        output_dims: Of y.
        bias: Whether there is a b.
        group: Of N processes. Default: that of all processes.

    ``weight`` is (output_dims, input_dims / N), ``bias`` (output_dims).
    """

    def __init__(
        self, input_dims: int, output_dims: int, bias: bool = True, group: Group | None = None
    ) -> None:
        super().__init__()
        self.group = _group(group)
        columns = _share(type(self), "input_dims", input_dims, self.group)
        bound = math.sqrt(1.0 / input_dims)
        self.weight = mx.random.uniform(low=-bound, high=bound, shape=(output_dims, columns))
        if bias:
            self.bias = mx.random.uniform(low=-bound, high=bound, shape=(output_dims,))

    def _extra_repr(self) -> str:
        rows, columns = self.weight.shape
        return f"input_dims={columns * self.group.size()}, output_dims={rows}, bias={'bias' in self}"

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.distributed.all_sum(x @ self["weight"].T, group=self.group)
        return y + self["bias"] if "bias" in self else y

    @classmethod
    def from_linear(
        cls, linear_layer: Module, *, segments: int | list = 1, group: Group | None = None
    ) -> Module:
        """The part of a :class:`Linear`; ``segments`` as in :func:`shard_inplace`."""
        output_dims, input_dims = linear_layer.weight.shape
        self = cls(input_dims, output_dims, "bias" in linear_layer, group)
        return _take_parts(self, linear_layer, "sharded-to-all", segments)


class _QuantizedSharded(_Quantized):
    """What the quantised layers share: they are frozen, and stay so."""

    def unfreeze(self, *args: Any, **kwargs: Any) -> Module:
        """As :meth:`Module.unfreeze`, but the layer's own parameters stay frozen."""
        super().unfreeze(*args, **kwargs)
        self.freeze(recurse=False)
        return self

    def _start(self, rows: int, columns: int, bound: float, bias: bool) -> None:
        self._set_weight(mx.random.uniform(low=-bound, high=bound, shape=(rows, columns)))
        if bias:
            self.bias = mx.zeros((rows,))
        self.freeze()


class QuantizedAllToShardedLinear(_QuantizedSharded):
    """An :class:`AllToShardedLinear` whose weight is quantised along its rows.

    ``group_size``, ``bits`` and ``mode`` are those of :class:`QuantizedLinear`.
    """

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        bias: bool = True,
        group_size: int = 64,
        bits: int = 4,
        mode: str = "affine",
        group: Group | None = None,
    ) -> None:
        super().__init__(group_size, bits, mode)
        self.group = _group(group)
        rows = _share(type(self), "output_dims", output_dims, self.group)
        self._start(rows, input_dims, math.sqrt(1.0 / input_dims), bias)

    def _extra_repr(self) -> str:
        rows = self.weight.shape[0] * self.group.size()
        return (
            f"input_dims={self._columns()}, output_dims={rows}, bias={'bias' in self}, {self._format_repr()}"
        )

    def __call__(self, x: mx.array) -> mx.array:
        y = self._product(sum_gradients(self.group)(x))
        return y + self["bias"] if "bias" in self else y

    @classmethod
    def from_quantized_linear(
        cls,
        quantized_linear_layer: Module,
        *,
        segments: int | list = 1,
        group: Group | None = None,
    ) -> Module:
        """The part of a :class:`QuantizedLinear`; ``segments`` as in :func:`shard_inplace`."""
        return _quantized_part(cls, quantized_linear_layer, "all-to-sharded", segments, group)


class QuantizedShardedToAllLinear(_QuantizedSharded):
    """A :class:`ShardedToAllLinear` whose weight is quantised along its rows.

    ``group_size``, ``bits`` and ``mode`` are those of :class:`QuantizedLinear`.
    """

    def __init__(
        self,
        input_dims: int,
        output_dims: int,
        bias: bool = True,
        group_size: int = 64,
        bits: int = 4,
        mode: str = "affine",
        group: Group | None = None,
    ) -> None:
        super().__init__(group_size, bits, mode)
        self.group = _group(group)
        columns = _share(type(self), "input_dims", input_dims, self.group)
        self._start(output_dims, columns, math.sqrt(1.0 / input_dims), bias)

    def _extra_repr(self) -> str:
        columns = self._columns() * self.group.size()
        return (
            f"input_dims={columns}, output_dims={self.weight.shape[0]}, bias={'bias' in self}, "
            f"{self._format_repr()}"
        )

    def __call__(self, x: mx.array) -> mx.array:
        y = mx.distributed.all_sum(self._product(x), group=self.group)
        return y + self["bias"] if "bias" in self else y

    @classmethod
    def from_quantized_linear(
        cls,
        quantized_linear_layer: Module,
        *,
        segments: int | list = 1,
        group: Group | None = None,
    ) -> Module:
        """The part of a :class:`QuantizedLinear`; ``segments`` as in :func:`shard_inplace`."""
        return _quantized_part(cls, quantized_linear_layer, "sharded-to-all", segments, group)


def _take_parts(layer: Module, whole: Module, sharding: str, segments: int | list) -> Module:
    """The layer with this process's parts of the parameters of another."""
    parts = _shard_tree(whole.parameters(), _sharding(sharding, segments), layer.group)
    return layer.update(parts)


def _quantized_part(
    cls: type, whole: Module, sharding: str, segments: int | list, group: Group | None
) -> Module:
    layer = cls(
        whole.weight.shape[1] * 32 // whole.bits,
        whole.weight.shape[0],
        "bias" in whole,
        whole.group_size,
        whole.bits,
        whole.mode,
        group,
    )
    return _take_parts(layer, whole, sharding, segments)


# -- whole modules, for training --


class FullyShardedModule(Module):
    """A module of which each process holds a part of every parameter, along axis 0 (Rajbhandari et al.,
    "ZeRO", 2019).

    A call gathers the parameters; in the backward pass each process gets the part of their gradient that is
    its own, summed over the group.

    Args:
        module: Becomes ``module``, with its parameters split in place.
        group: Of N processes; N divides the size of each parameter's axis 0, else ValueError. Default: that
            of all processes.
        compute_dtype: Floating parameters are cast to it for the call. Default: they keep theirs.
    """

    def __init__(
        self, module: Module, group: Group | None = None, compute_dtype: mx.Dtype | None = None
    ) -> None:
        super().__init__()
        if not isinstance(module, Module):
            raise ValueError(  # noqa: TRY004
                f"[FullyShardedModule] expected a module, got {type(module).__name__}"
            )
        self.group = _group(group)
        self.compute_dtype = compute_dtype
        self.module = module
        if self.group.size() > 1:
            shard_inplace(module, lambda path, x: 0, group=self.group)

    def _extra_repr(self) -> str:
        return f"num_sharded_params={len(tree_flatten(self.module.parameters()))}"

    def _gather(self, x: mx.array) -> mx.array:
        if self.group.size() > 1:
            gather = mx.custom_function(lambda x: mx.distributed.all_gather(x, group=self.group))
            gather.vjp(lambda x, dx, _: mx.distributed.sum_scatter(dx, group=self.group))
            x = gather(x)
        if self.compute_dtype is not None and mx.issubdtype(x.dtype, mx.floating):
            x = x.astype(self.compute_dtype)
        return x

    def _with_whole(self, function: Callable, *args: Any, **kwargs: Any) -> Any:
        """The function's result while the module has the whole parameters."""
        parts = self.module.parameters()
        self.module.update(tree_map(self._gather, parts))
        try:
            return function(*args, **kwargs)
        finally:
            self.module.update(parts)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """What the module gives."""
        return self._with_whole(self.module, *args, **kwargs)

    def as_linear(self, *args: Any, **kwargs: Any) -> Any:
        """What the module's ``as_linear`` gives, as of an :class:`Embedding`."""
        return self._with_whole(self.module.as_linear, *args, **kwargs)


def fully_shard(
    module: Module, *, group: Group | None = None, compute_dtype: mx.Dtype | None = None
) -> Module:
    """The module in a :class:`FullyShardedModule`, or, in a group of one process, as it is."""
    group = _group(group)
    return module if group.size() == 1 else FullyShardedModule(module, group, compute_dtype)
