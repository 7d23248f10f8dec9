"""Optimizers, schedules of their learning rates, and gradient clipping."""

from mlx.optimizers.adaptive import AdaDelta, Adafactor, Adagrad, Adam, Adamax, AdamW, RMSprop
from mlx.optimizers.base import MultiOptimizer, Optimizer, clip_grad_norm
from mlx.optimizers.momentum import SGD, Lion, Muon
from mlx.optimizers.schedulers import (
    cosine_decay,
    exponential_decay,
    join_schedules,
    linear_schedule,
    step_decay,
)

__all__ = [
    "SGD", "AdaDelta", "Adafactor", "Adagrad", "Adam", "AdamW", "Adamax", "Lion", "MultiOptimizer",
    "Muon", "Optimizer", "RMSprop", "clip_grad_norm", "cosine_decay", "exponential_decay",
    "join_schedules", "linear_schedule", "step_decay",
]  # fmt: skip
