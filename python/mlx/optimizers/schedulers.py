"""Schedules: functions of the step, an int or a scalar array, that give a value such as a learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import mlx.core as mx

# Each is a function of the module with all but its step given, so that optimizers can be pickled.


def _exponential(init, decay_rate, step):
    return init * decay_rate**step


def exponential_decay(init: float, decay_rate: float) -> Callable:
    """init decay_rate^step"""
    return partial(_exponential, init, decay_rate)


def _stepwise(init, decay_rate, step_size, step):
    return init * (decay_rate ** (step // step_size))


def step_decay(init: float, decay_rate: float, step_size: int) -> Callable:
    """init decay_rate^floor(step / step_size)"""
    return partial(_stepwise, init, decay_rate, step_size)


def _cosine(init, decay_steps, end, step):
    done = mx.minimum(step, decay_steps)
    share = 0.5 * (1.0 + mx.cos((math.pi / decay_steps) * done))
    return end + share * (init - end)


def cosine_decay(init: float, decay_steps: int, end: float = 0.0) -> Callable:
    """From ``init`` to ``end`` in ``decay_steps`` along half a wave of the cosine (Loshchilov and Hutter,
    2016).
    """
    return partial(_cosine, init, decay_steps, end)


def _linear(init, end, steps, step):
    return mx.minimum(step, steps) * ((end - init) / steps) + init


def linear_schedule(init: float, end: float, steps: int) -> Callable:
    """From ``init`` to ``end`` in ``steps``, evenly, then ``end``.

    ValueError unless ``steps`` is at least 1.
    """
    if steps < 1:
        raise ValueError(f"[linear_schedule] expected at least 1 step, got {steps}")
    return partial(_linear, init, end, steps)


def _joined(schedules, boundaries, step):
    value = schedules[0](step)
    for boundary, later in zip(boundaries, schedules[1:]):
        value = mx.where(step < boundary, value, later(step - boundary))
    return value


def join_schedules(schedules: list[Callable], boundaries: list[int]) -> Callable:
    """One schedule after the other: number i + 1 takes over, with its own step 0, at step ``boundaries[i]``.

    ValueError unless there is a schedule, and one boundary less than schedules.
    """
    if not schedules:
        raise ValueError("[join_schedules] expected at least 1 schedule, got none")
    if len(boundaries) != len(schedules) - 1:
        raise ValueError(f"[join_schedules] expected {len(schedules) - 1} boundaries, got {len(boundaries)}")
    return partial(_joined, schedules, boundaries)
