"""Optimizers, schedules of their learning rates, and gradient clipping.

The module and tree functions are importable from here too, as in MLX.
"""

from mlx.nn.layers.base import Module  # noqa: F401
from mlx.optimizers.optimizers import (
    SGD,
    AdaDelta,
    Adafactor,
    Adagrad,
    Adam,
    Adamax,
    AdamW,
    Lion,
    MultiOptimizer,
    Muon,
    Optimizer,
    RMSprop,
    clip_grad_norm,
)
from mlx.optimizers.schedulers import (
    cosine_decay,
    exponential_decay,
    join_schedules,
    linear_schedule,
    step_decay,
)
from mlx.utils import tree_flatten, tree_map, tree_merge, tree_reduce, tree_unflatten  # noqa: F401

__all__ = [
    "SGD", "AdaDelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "MultiOptimizer",
    "Muon", "Optimizer", "RMSprop", "clip_grad_norm", "cosine_decay", "exponential_decay",
    "join_schedules", "linear_schedule", "step_decay",
]  # fmt: skip
