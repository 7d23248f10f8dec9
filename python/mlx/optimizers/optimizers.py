"""All optimizers, under the module path that programs written for MLX import them from."""

from mlx.optimizers.adaptive import AdaDelta, Adafactor, Adagrad, Adam, Adamax, AdamW, RMSprop
from mlx.optimizers.base import MultiOptimizer, Optimizer, clip_grad_norm
from mlx.optimizers.momentum import SGD, Lion, Muon

__all__ = [
    "SGD", "AdaDelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "MultiOptimizer",
    "Muon", "Optimizer", "RMSprop", "clip_grad_norm",
]  # fmt: skip
