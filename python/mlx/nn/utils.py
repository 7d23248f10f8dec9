"""Transforms over modules."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

import mlx.core as mx
from mlx.nn.layers.base import Module


def value_and_grad(model: Module, fn: Callable) -> Callable:
    """A function of the same arguments that returns ``fn``'s value and its gradient by the model's trainable
    parameters.

    Args:
        model: The module whose parameters count. ``fn`` reads them from it.
        fn: Its first result is a scalar array; further results are passed through.
    """

    def with_parameters(parameters, *args, **kwargs):
        model.update(parameters)
        return fn(*args, **kwargs)

    inner = mx.value_and_grad(with_parameters)

    @wraps(fn)
    def wrapped(*args, **kwargs):
        parameters = model.trainable_parameters()
        try:
            return inner(parameters, *args, **kwargs)
        finally:
            model.update(parameters)  # the tracers leave with the call

    return wrapped
