"""Neural network layers, losses and initialisers."""

from mlx.nn import init, layers, losses
from mlx.nn.layers import *
from mlx.nn.utils import average_gradients, value_and_grad

__all__ = ["average_gradients", "init", "losses", "value_and_grad"]
__all__ += layers.__all__
