"""Transforms over modules. The tree functions are importable from here too, as in MLX."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx.utils import tree_flatten, tree_map, tree_reduce, tree_unflatten  # noqa: F401


def _with_parameters(model: Module, fn: Callable) -> Callable:
    """``fn`` as a function of the model's parameters too, its first argument."""

    def pure(parameters, *args, **kwargs):
        model.update(parameters)
        return fn(*args, **kwargs)

    return pure


def value_and_grad(model: Module, fn: Callable) -> Callable:
    """A function of the same arguments that returns ``fn``'s value and its gradient by the model's trainable
    parameters.

    Args:
        model: The module whose parameters count. ``fn`` reads them from it.
        fn: Its first result is a scalar array; further results are passed through.
    """

    inner = mx.value_and_grad(_with_parameters(model, fn))

    @wraps(fn)
    def wrapped(*args, **kwargs):
        parameters = model.trainable_parameters()
        try:
            return inner(parameters, *args, **kwargs)
        finally:
            model.update(parameters)  # the tracers leave with the call

    return wrapped


def checkpoint(module: Module, fn: Callable | None = None) -> Callable:
    """A function like ``fn`` that keeps no intermediate arrays for its gradient, but computes them again.

    Args:
        module: The module whose trainable parameters the gradient is taken by.
        fn: Calls the module. Default: the module itself.
    """
    fn = module if fn is None else fn
    inner = mx.checkpoint(_with_parameters(module, fn))

    def wrapped(*args, **kwargs):
        parameters = module.trainable_parameters()
        try:
            return inner(parameters, *args, **kwargs)
        finally:
            module.update(parameters)

    return wrapped


def average_gradients(
    gradients: Any,
    group: mx.distributed.Group | None = None,
    all_reduce_size: int = 32 * 2**20,
    communication_stream: mx.Stream | None = None,
) -> Any:
    """The mean of each gradient over the processes of a group.

    Args:
        gradients: A tree, of the same structure in all processes.
        group: Default: that of all processes. One process alone keeps its gradients as they are.
        all_reduce_size: Bytes to send at once. A hint: here each array goes by itself.
        communication_stream: Where the sums are taken. Default: the default stream.
    """
    group = mx.distributed.init() if group is None else group
    if group.size() == 1:
        return gradients
    return tree_map(
        lambda g: mx.distributed.all_sum(g, group=group, stream=communication_stream) / group.size(),
        gradients,
    )


def clip_grad_norm_sharded(
    gradients: Any, max_norm: float, group: mx.distributed.Group | None = None
) -> tuple[Any, mx.array]:
    """Gradients that are spread over a group, scaled so that all together are no longer than ``max_norm``,
    and their length before: :func:`mlx.optimizers.clip_grad_norm` for the parts that a :func:`fully_shard`
    gives.

    Args:
        gradients: A tree of this process's parts.
        max_norm: The most that the root of the sum of all squares may be.
        group: Default: that of all processes.

    Returns:
        A tree like ``gradients``, floating dtypes kept, and a scalar.
    """
    norm = mx.sqrt(mx.distributed.all_sum(_sum_of_squares(gradients), group=group))
    return _clip_to(gradients, max_norm, norm), norm


def _sum_of_squares(gradients: Any) -> mx.array:
    """Of all elements in a tree, at least in float32."""

    def add(total: mx.array, g: mx.array) -> mx.array:
        return total + mx.sum(mx.square(g.astype(mx.result_type(g, mx.float32))))

    return tree_reduce(add, gradients, mx.array(0.0))


def _clip_to(gradients: Any, max_norm: float, norm: mx.array) -> Any:
    """Gradients of that norm scaled to at most ``max_norm``; integers give float32."""
    factor = mx.minimum(max_norm / (norm + 1e-6), 1.0)

    def scaled(g: mx.array) -> mx.array:
        return (g * factor).astype(g.dtype if mx.issubdtype(g.dtype, mx.inexact) else factor.dtype)

    return tree_map(scaled, gradients)
