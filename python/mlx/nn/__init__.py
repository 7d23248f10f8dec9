"""Neural network layers, losses and initialisers."""

from mlx.nn import init, layers, losses
from mlx.nn.layers import *
from mlx.nn.utils import value_and_grad

__all__ = ["init", "losses", "value_and_grad"]
__all__ += layers.__all__
