"""Module: a dictionary of parameters and submodules that can be called."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten


class Module(dict):
    """The base of all layers.

    Arrays, modules, and lists or dictionaries of them, assigned as attributes, become the module's parameters and
    children: entries of the dictionary that a module is. Names that begin with an underscore and everything else are
    plain attributes.

    Subclasses call ``super().__init__()`` first and define ``__call__``.
    """

    __call__: Callable

    def __init__(self):
        self._no_grad: set[str] = set()
        self._training = True

    # -- attributes --

    def __getattr__(self, key: str):
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {key!r}") from None

    def __setattr__(self, key: str, value: Any):
        if isinstance(value, (mx.array, dict, list, tuple)) and not key.startswith("_"):
            self.__dict__.pop(key, None)
            self[key] = value
        else:
            self.pop(key, None)
            super().__setattr__(key, value)

    def __delattr__(self, key: str):
        if key in self:
            del self[key]
        else:
            super().__delattr__(key)

    # A module is one thing, not the sum of its entries.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def _extra_repr(self) -> str:
        return ""

    def __repr__(self):
        children = tree_flatten(self.children(), is_leaf=self.is_module)
        head = f"{type(self).__name__}({self._extra_repr()}"
        for name, child in children:
            head += "\n" + textwrap.indent(f"({name}): {child!r}", "  ")
        return head + ("\n)" if children else ")")

    # -- looking inside --

    @property
    def training(self) -> bool:
        """Whether the module is in training mode (see :meth:`train`)."""
        return self._training

    @property
    def state(self) -> dict:
        """The module's own dictionary: its entries may be replaced from outside, as ``mx.compile`` does."""
        return self

    @staticmethod
    def is_module(value) -> bool:
        return isinstance(value, Module)

    @staticmethod
    def valid_child_filter(module, key, value) -> bool:
        return isinstance(value, (dict, list, tuple))

    @staticmethod
    def valid_parameter_filter(module, key, value) -> bool:
        return isinstance(value, (dict, list, tuple, mx.array)) and not key.startswith("_")

    @staticmethod
    def trainable_parameter_filter(module, key, value) -> bool:
        return Module.valid_parameter_filter(module, key, value) and key not in module._no_grad

    def filter_and_map(
        self,
        filter_fn: Callable[[Module, str, Any], bool],
        map_fn: Callable | None = None,
        is_leaf_fn: Callable[[Module, str, Any], bool] | None = None,
    ):
        """A tree of the entries that pass ``filter_fn(module, name, value)``, with leaves mapped by ``map_fn``.

        ``is_leaf_fn(module, name, value)`` says where to stop; by default at everything that is not a module,
        dictionary, list or tuple.
        """
        map_fn = map_fn or (lambda x: x)
        is_leaf_fn = is_leaf_fn or (lambda m, k, v: not isinstance(v, (Module, dict, list, tuple)))
        return {
            key: _unwrap(self, key, value, filter_fn, map_fn, is_leaf_fn)
            for key, value in self.items()
            if filter_fn(self, key, value)
        }

    def parameters(self):
        """The tree of all arrays of this module and its children."""
        return self.filter_and_map(self.valid_parameter_filter)

    def trainable_parameters(self):
        """The tree of the arrays that are not frozen."""
        return self.filter_and_map(self.trainable_parameter_filter)

    def children(self):
        """The tree of the modules directly inside."""
        return self.filter_and_map(self.valid_child_filter, is_leaf_fn=lambda m, k, v: isinstance(v, Module))

    def leaf_modules(self):
        """The tree of the modules that have no modules inside."""

        def is_leaf(module, key, value):
            return isinstance(value, Module) and not tree_flatten(value.children(), is_leaf=self.is_module)

        return self.filter_and_map(self.valid_child_filter, is_leaf_fn=is_leaf)

    def modules(self) -> list[Module]:
        """This module and all below it."""
        return [module for _, module in self.named_modules()]

    def named_modules(self) -> list[tuple[str, Module]]:
        """Pairs of dotted path and module, this one first with the empty path."""
        found = [("", self)]
        waiting = [("", self)]
        while waiting:
            prefix, module = waiting.pop()
            for name, child in tree_flatten(module.children(), f".{prefix}" if prefix else "", is_leaf=self.is_module):
                if isinstance(child, Module):
                    found.append((name, child))
                    waiting.append((name, child))
        return found

    # -- changing --

    def update(self, parameters: dict, strict: bool = True) -> Module:
        """Replaces parameters by those of a tree like :meth:`parameters` (or a part of it).

        Raises ValueError for a name the module lacks, unless ``strict`` is false.
        """
        _assign(self, parameters, strict)
        return self

    def update_modules(self, modules: dict, strict: bool = True) -> Module:
        """Replaces children by those of a tree like :meth:`children` or :meth:`leaf_modules` (or a part of it)."""
        _assign_modules(self, modules, strict)
        return self

    def apply(
        self,
        map_fn: Callable[[mx.array], mx.array],
        filter_fn: Callable[[Module, str, Any], bool] | None = None,
    ) -> Module:
        """Replaces each parameter (that passes ``filter_fn``) by ``map_fn`` of it."""
        self.update(self.filter_and_map(filter_fn or Module.valid_parameter_filter, map_fn))
        return self

    def apply_to_modules(self, apply_fn: Callable[[str, Module], Any]) -> Module:
        """Calls ``apply_fn(path, module)`` for this module and all below it."""
        for name, module in self.named_modules():
            apply_fn(name, module)
        return self

    def set_dtype(
        self,
        dtype: mx.Dtype,
        predicate: Callable[[mx.Dtype], bool] | None = lambda x: mx.issubdtype(x, mx.floating),
    ) -> Module:
        """Casts the parameters whose dtype passes ``predicate`` (by default the floating ones) to ``dtype``."""
        if predicate is None:
            predicate = lambda _: True  # noqa: E731
        return self.apply(lambda x: x.astype(dtype) if predicate(x.dtype) else x)

    def _set_frozen(self, frozen: bool, recurse: bool, keys, strict: bool) -> Module:
        names = [keys] if isinstance(keys, str) else keys

        def one(_, module: Module):
            own = names
            if own is None:
                own = [k for k, _ in tree_flatten(module.filter_and_map(_own_arrays))] if frozen else list(module._no_grad)
            if strict:
                for key in own:
                    if key not in module:
                        raise KeyError(f"Module doesn't contain member {key}.")
            (module._no_grad.update if frozen else module._no_grad.difference_update)(own)

        if recurse:
            self.apply_to_modules(one)
        else:
            one("", self)
        return self

    def freeze(self, *, recurse: bool = True, keys: str | list[str] | None = None, strict: bool = False) -> Module:
        """Takes parameters out of training: all, or those named by ``keys``; in the children too if ``recurse``."""
        return self._set_frozen(True, recurse, keys, strict)

    def unfreeze(self, *, recurse: bool = True, keys: str | list[str] | None = None, strict: bool = False) -> Module:
        """Puts parameters back into training; the reverse of :meth:`freeze`."""
        return self._set_frozen(False, recurse, keys, strict)

    def train(self, mode: bool = True) -> Module:
        """Sets training mode here and below: Dropout and the like act in training alone."""
        for module in self.modules():
            module._training = mode
        return self

    def eval(self) -> Module:
        """Leaves training mode: ``train(False)``."""
        return self.train(False)

    # -- files --

    def load_weights(self, file_or_weights: str | list[tuple[str, mx.array]], strict: bool = True) -> Module:
        """Sets the parameters from a .safetensors or .npz file, or from pairs of path and array.

        With ``strict`` the names must match the module's exactly and the shapes must agree, else ValueError.
        """
        weights = file_or_weights
        if not isinstance(weights, list):
            weights = list(mx.load(str(weights)).items())
        if strict:
            new, current = dict(weights), tree_flatten(self.parameters(), destination={})
            if extras := sorted(new.keys() - current.keys()):
                raise ValueError(f"Received {len(extras)} parameters not in model: \n" + ",\n".join(extras) + ".")
            if missing := sorted(current.keys() - new.keys()):
                raise ValueError(f"Missing {len(missing)} parameters: \n" + ",\n".join(missing) + ".")
            for name, value in current.items():
                if not isinstance(new[name], mx.array):
                    raise ValueError(f"Expected mx.array but received {type(new[name])} for parameter {name}")
                if new[name].shape != value.shape:
                    raise ValueError(
                        f"Expected shape {value.shape} but received shape {new[name].shape} for parameter {name}"
                    )
        if weights:
            self.update(tree_unflatten(weights), strict=False)
        return self

    def save_weights(self, file: str):
        """Writes the parameters to a .safetensors or .npz file; another ending is a ValueError."""
        parameters = tree_flatten(self.parameters(), destination={})
        if str(file).endswith(".npz"):
            mx.savez(file, **parameters)
        elif str(file).endswith(".safetensors"):
            mx.save_safetensors(file, parameters)
        else:
            raise ValueError(f"Unsupported file extension for {file}. Use '.npz' or '.safetensors'.")


def _own_arrays(module: Module, key: str, value: Any) -> bool:
    return (
        Module.valid_parameter_filter(module, key, value)
        and not isinstance(value, Module)
        and isinstance(value, mx.array)
    )


def _unwrap(module, key, value, filter_fn, map_fn, is_leaf_fn):
    if is_leaf_fn(module, key, value):
        return map_fn(value)
    if isinstance(value, Module):
        return {k: _unwrap(value, k, v, filter_fn, map_fn, is_leaf_fn) for k, v in value.items() if filter_fn(value, k, v)}
    if isinstance(value, dict):
        tree = {}
        for k, v in value.items():
            sub = f"{key}.{k}"
            if is_leaf_fn(module, sub, v):
                tree[k] = map_fn(v)
            elif isinstance(v, (dict, list, tuple)):
                tree[k] = _unwrap(module, sub, v, filter_fn, map_fn, is_leaf_fn)
            else:
                tree[k] = {}
        return tree
    if isinstance(value, (list, tuple)):
        items = []
        for i, v in enumerate(value):
            sub = f"{key}.{i}"
            if is_leaf_fn(module, sub, v):
                items.append(map_fn(v))
            elif isinstance(v, (dict, list, tuple)):
                items.append(_unwrap(module, sub, v, filter_fn, map_fn, is_leaf_fn))
            else:
                items.append({})
        return items
    raise RuntimeError("Unexpected leaf found while traversing the module")


def _replaced(container, key, value) -> None:
    """Sets an entry of a module, dictionary or list, keeping a module's own rules."""
    container[key] = value


def _assign(target, parameters, strict: bool) -> None:
    """Copies arrays from a tree into a module, dictionary or list of the same structure."""
    if isinstance(parameters, dict):
        for key, new in parameters.items():
            if key not in target:
                if strict:
                    raise ValueError(f'Module does not have parameter named "{key}".')
                continue
            current = target[key]
            if isinstance(current, mx.array):
                if strict and not isinstance(new, mx.array):
                    raise ValueError(f"Received invalid type: {type(new).__name__}.")
                _replaced(target, key, new)
            elif isinstance(current, tuple):
                _replaced(target, key, _assign_tuple(current, new, strict))
            else:
                _assign(current, new, strict)
    elif isinstance(parameters, (list, tuple)):
        if not isinstance(target, list):
            raise ValueError(f"Received invalid type: {type(parameters).__name__}.")
        if strict and len(parameters) > len(target):
            raise ValueError(f"Received {len(parameters)} entries for a list of {len(target)}.")
        for i, (current, new) in enumerate(zip(target, parameters)):
            if isinstance(current, mx.array):
                target[i] = new
            elif isinstance(current, tuple):
                target[i] = _assign_tuple(current, new, strict)
            else:
                _assign(current, new, strict)
    elif strict:
        raise ValueError(f"Received invalid type: {type(parameters).__name__}.")


def _assign_tuple(current: tuple, new, strict: bool) -> tuple:
    items = list(current)
    _assign(items, list(new), strict)
    return tuple(items)


def _assign_modules(target, modules, strict: bool) -> None:
    """Replaces modules in a module, dictionary or list by those of a tree of the same structure."""
    if isinstance(modules, dict):
        entries = modules.items()
    elif isinstance(modules, (list, tuple)) and isinstance(target, list):
        entries = list(enumerate(modules))
    else:
        if strict:
            raise ValueError(f"Received invalid type: {type(modules).__name__}.")
        return
    for key, new in entries:
        present = key in target if isinstance(target, dict) else key < len(target)
        if not present:
            if strict:
                raise ValueError(f'Module does not have sub-module named "{key}".')
            continue
        current = target[key]
        if isinstance(new, Module) and isinstance(current, Module):
            target[key] = new
        elif isinstance(current, tuple):
            items = list(current)
            _assign_modules(items, list(new), strict)
            target[key] = tuple(items)
        elif isinstance(current, (dict, list)) and new:
            _assign_modules(current, new, strict)
        elif strict and new:
            raise ValueError(f"Received invalid type: {type(new).__name__}.")
