"""What optimizers share: the state, its beginning, the learning rate; several optimizers as one; clipping."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import mlx.core as mx
from mlx.nn.layers.base import Module
from mlx.nn.utils import _clip_to, _sum_of_squares
from mlx.utils import _like, tree_flatten, tree_map, tree_merge, tree_unflatten


class Optimizer:
    """The base of all optimizers.

    ``state`` is a tree: "step" (uint64, the updates so far), "learning_rate" and other scheduled values, and,
    at the place of each parameter, a dictionary of that parameter's own. A subclass defines
    :meth:`init_single` and :meth:`apply_single`.

    Args:
        schedulers: Functions of the step, by the name of the value in ``state`` that they give. Default:
            none.
    """

    def __init__(self, schedulers: dict[str, Callable] | None = None) -> None:
        self._initialized = False
        self._state: dict[str, Any] = {"step": mx.array(0, mx.uint64)}
        self._schedulers = dict(schedulers or {})

    # -- updates --

    def update(self, model: Module, gradients: dict) -> None:
        """Replaces the model's parameters by updated ones; ``gradients`` is a tree like theirs or a part."""
        model.update(self.apply_gradients(gradients, model))

    def apply_gradients(self, gradients: dict, parameters: dict) -> dict:
        """The updated parameters, as a tree like ``gradients``. KeyError if ``parameters`` lacks one."""
        if not self._initialized:
            self.init(gradients)
        for name, schedule in self._schedulers.items():
            self.state[name] = schedule(self.step)
        self.state["step"] = self.step + 1
        return tree_map(self.apply_single, gradients, parameters, self.state)

    # -- state --

    def init(self, parameters: dict) -> None:
        """Makes the state of each parameter in a tree; what is there, such as a state from a file, stays.

        The first update does it, for its gradients. To be called where the state must exist before.
        """
        _init_state(self, parameters, self._state)
        self._initialized = True

    def init_single(self, parameter: mx.array, state: dict) -> None:
        """Puts the state of one parameter into ``state``, a dictionary."""
        raise NotImplementedError

    def apply_single(self, gradient: mx.array, parameter: mx.array, state: dict) -> mx.array:
        """One parameter updated; its ``state`` changes in place."""
        raise NotImplementedError

    @property
    def state(self) -> dict:
        """The state; one assigned is completed at the next update."""
        return self._state

    @state.setter
    def state(self, state: dict) -> None:
        self._initialized = False
        self._state = state

    @property
    def step(self) -> mx.array:
        """The updates so far, a uint64 scalar."""
        return self.state["step"]

    @property
    def learning_rate(self) -> mx.array:
        """A float32 scalar; KeyError in an optimizer that has none."""
        return self.state["learning_rate"]

    @learning_rate.setter
    def learning_rate(self, learning_rate: float | mx.array) -> None:
        self.state["learning_rate"] = mx.array(learning_rate)

    def _maybe_schedule(self, name: str, value: float | Callable[[mx.array], mx.array]) -> None:
        """Puts a value into the state: itself, or, if it is a schedule, its value at each step."""
        if callable(value):
            self._schedulers[name] = value
            value = value(self.step)
        self.state[name] = mx.array(value)

    def _rate(self, gradient: mx.array) -> mx.array:
        """The learning rate in the gradient's dtype, so that float16 parameters stay float16."""
        return self.learning_rate.astype(gradient.dtype)


def _init_state(optimizer: Optimizer, tree: Any, state: Any) -> Any:
    """Completes a state tree in place. Returns it."""
    if isinstance(tree, (list, tuple)):
        state = list(state or [])
        state += [{} for _ in range(len(tree) - len(state))]
        return _like(tree, [_init_state(optimizer, child, below) for child, below in zip(tree, state)])
    if isinstance(tree, dict):
        for key, child in tree.items():
            state[key] = _init_state(optimizer, child, state.get(key, {}))
    elif isinstance(tree, mx.array) and not state:
        optimizer.init_single(tree, state)
    return state


class MultiOptimizer(Optimizer):
    """Several optimizers, each for the parameters that its filter picks.

    Args:
        optimizers: The last one takes the parameters that no filter picks.
        filters: Functions of a parameter's dotted path and gradient, one for each optimizer but the last; the
            first that is true decides. ValueError if there are more or fewer.
    """

    def __init__(
        self, optimizers: list[Optimizer], filters: Sequence[Callable[[str, mx.array], bool]] = ()
    ) -> None:
        super().__init__()
        self._state = {}
        if len(filters) != len(optimizers) - 1:
            raise ValueError(f"[MultiOptimizer] expected {len(optimizers) - 1} filters, got {len(filters)}")
        self.optimizers = optimizers
        self.filters = [*filters, lambda *_: True]

    def _split(self, tree: dict) -> list[dict]:
        parts: list[list[tuple[str, Any]]] = [[] for _ in self.optimizers]
        for path, leaf in tree_flatten(tree):
            part = next(i for i, chosen in enumerate(self.filters) if chosen(path, leaf))
            parts[part].append((path, leaf))
        return [tree_unflatten(part) if part else {} for part in parts]

    def init(self, parameters: dict) -> None:
        for optimizer, part in zip(self.optimizers, self._split(parameters)):
            optimizer.init(part)
        self._initialized = True

    def apply_gradients(self, gradients: dict, parameters: dict) -> dict:
        updated: dict = {}
        for optimizer, part in zip(self.optimizers, self._split(gradients)):
            updated = tree_merge(updated, optimizer.apply_gradients(part, parameters))
        return updated

    @property
    def state(self) -> dict:
        """{"states": the optimizers' states}; ValueError if one assigned is not of that form."""
        return {"states": [optimizer.state for optimizer in self.optimizers]}

    @state.setter
    def state(self, state: dict) -> None:
        states = state.get("states")
        if not isinstance(states, list) or len(states) != len(self.optimizers):
            raise ValueError(
                f"[MultiOptimizer] expected {{'states': a list of {len(self.optimizers)} states}}"
            )
        for optimizer, own in zip(self.optimizers, states):
            optimizer.state = own

    @property
    def learning_rate(self) -> mx.array:
        """The first optimizer's; one assigned goes to all."""
        return self.optimizers[0].learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate: float | mx.array) -> None:
        for optimizer in self.optimizers:
            optimizer.learning_rate = learning_rate


def clip_grad_norm(grads: Any, max_norm: float) -> tuple[Any, mx.array]:
    """Gradients scaled so that together they are no longer than ``max_norm``, and their length before
    (Pascanu et al., 2012).

    Returns:
        A tree like ``grads``, floating dtypes kept and integers in float32, and a scalar: the root of the sum
        of all squares, summed at least in float32.
    """
    norm = mx.sqrt(_sum_of_squares(grads))
    return _clip_to(grads, max_norm, norm), norm
