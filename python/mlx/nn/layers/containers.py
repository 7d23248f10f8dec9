from collections.abc import Callable

import mlx.core as mx
from mlx.nn.layers.base import Module


class Sequential(Module):
    """Calls modules, or any functions, one after the other, each with the result of the one before."""

    def __init__(self, *modules: Callable) -> None:
        super().__init__()
        self.layers = list(modules)

    def __call__(self, x: mx.array) -> mx.array:
        for layer in self.layers:
            x = layer(x)
        return x
