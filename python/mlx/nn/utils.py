"""Transforms over modules. The tree functions are importable from here too, as in MLX."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

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
