"""Neural network layers, losses and initialisers."""

from mlx.nn import init, losses
from mlx.nn.layers import *  # noqa: F403
from mlx.nn.utils import value_and_grad

__all__ = ["init", "losses", "value_and_grad"]
