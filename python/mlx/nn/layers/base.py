"""Module: a dictionary of parameters and submodules that can be called."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from os import PathLike
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten, tree_unflatten


class Module(dict):
    """The base of all layers.

    Arrays, modules, and lists, dictionaries and tuples, assigned as attributes, become entries of the
    dictionary that a module is; everything else is a plain attribute. Entries that are arrays or modules,
    also within lists and dictionaries, are the module's parameters and children. Entries in tuples are not,
    nor are arrays under a name that begins with an underscore.

    Subclasses call ``super().__init__()`` first and define ``__call__``.
    """

    __call__: Callable

    def __init__(self) -> None:
        self._no_grad: set[str] = set()
        self._training = True

    # -- attributes --

    def __getattr__(self, key: str) -> Any:
        try:
            return self[key]
        except KeyError:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {key!r}") from None

    def __setattr__(self, key: str, value: Any) -> None:
        if isinstance(value, (mx.array, dict, list, tuple)):
            self.__dict__.pop(key, None)
            self[key] = value
        else:
            self.pop(key, None)
            super().__setattr__(key, value)

    def __delattr__(self, key: str) -> None:
        if key in self:
            del self[key]
        else:
            super().__delattr__(key)

    def _extra_repr(self) -> str:
        return ""

    def __repr__(self) -> str:
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
    def is_module(value: Any) -> bool:
        """Whether ``value`` is a module."""
        return isinstance(value, Module)

    @staticmethod
    def valid_child_filter(module: Module, key: str, value: Any) -> bool:
        """Whether an entry may be or hold a module."""
        return isinstance(value, (dict, list))

    @staticmethod
    def valid_parameter_filter(module: Module, key: str, value: Any) -> bool:
        """Whether an entry may be or hold a parameter."""
        return isinstance(value, (dict, list, mx.array)) and not key.startswith("_")

    @staticmethod
    def trainable_parameter_filter(module: Module, key: str, value: Any) -> bool:
        """Whether an entry may be or hold a parameter that is not frozen."""
        return Module.valid_parameter_filter(module, key, value) and key not in module._no_grad

    def filter_and_map(
        self,
        filter_fn: Callable[[Module, str, Any], bool],
        map_fn: Callable | None = None,
        is_leaf_fn: Callable[[Module, str, Any], bool] | None = None,
    ):
        """A tree of the entries that pass ``filter_fn(module, name, value)``, with leaves mapped by
        ``map_fn``.

        What does not pass is left out of modules, and is ``{}`` in dictionaries and lists, whose entries are
        named as in ``"layers.0"``. ``is_leaf_fn(module, name, value)`` says where to stop; by default at
        everything that is not a module, dictionary or list. RuntimeError if it goes on beyond those.
        """
        map_fn = map_fn or (lambda x: x)
        is_leaf_fn = is_leaf_fn or (lambda m, k, v: not isinstance(v, (Module, dict, list)))

        def visit(module: Module, key: str, value: Any) -> Any:
            if is_leaf_fn(module, key, value):
                return map_fn(value)
            if isinstance(value, Module):
                return {k: visit(value, k, v) for k, v in value.items() if filter_fn(value, k, v)}
            if isinstance(value, dict):
                return {k: visit_within(module, f"{key}.{k}", v) for k, v in value.items()}
            if isinstance(value, list):
                return [visit_within(module, f"{key}.{i}", v) for i, v in enumerate(value)]
            raise RuntimeError(
                f"[filter_and_map] expected {key} to be a leaf, got {type(value)} and more to visit"
            )

        def visit_within(module: Module, key: str, value: Any) -> Any:
            return visit(module, key, value) if filter_fn(module, key, value) else {}

        return {key: visit(self, key, value) for key, value in self.items() if filter_fn(self, key, value)}

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
        """Pairs of dotted path and module: this one first, with the empty path, then depth first, the last
        child first.
        """
        found: list[tuple[str, Module]] = []
        waiting: list[tuple[str, Module]] = [("", self)]
        while waiting:
            prefix, module = waiting.pop()
            found.append((prefix, module))
            dotted = f".{prefix}" if prefix else ""
            below = tree_flatten(module.children(), dotted, is_leaf=self.is_module)
            waiting.extend((name, child) for name, child in below if isinstance(child, Module))
        return found

    # -- changing --

    def update(self, parameters: dict, strict: bool = True) -> Module:
        """Replaces parameters by those of a tree like :meth:`parameters` (or a part of it).

        Raises ValueError for a name the module lacks, unless ``strict`` is false.
        """
        _assign(self, parameters, strict)
        return self

    def update_modules(self, modules: dict, strict: bool = True) -> Module:
        """Replaces children by those of a tree like :meth:`children` or :meth:`leaf_modules` (or a part of
        it).
        """
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
        """Casts the parameters whose dtype passes ``predicate`` (by default the floating ones; None: all) to
        ``dtype``.
        """
        if predicate is None:
            return self.apply(lambda x: x.astype(dtype))
        return self.apply(lambda x: x.astype(dtype) if predicate(x.dtype) else x)

    def _each(self, change: Callable[[str, Module], None], recurse: bool) -> Module:
        if recurse:
            self.apply_to_modules(change)
        else:
            change("", self)
        return self

    def _names(self, keys: str | list[str] | None, recurse: bool, strict: bool) -> list[str] | None:
        """The keys as a list. If ``strict``, KeyError for one that no module has of those that count."""
        names = [keys] if isinstance(keys, str) else keys
        for name in names or [] if strict else []:
            if not any(name in module for module in (self.modules() if recurse else [self])):
                below = " or below" if recurse else ""
                raise KeyError(
                    f"[freeze] expected keys of parameters in {type(self).__name__}{below}, got {name!r}"
                )
        return names

    def freeze(
        self, *, recurse: bool = True, keys: str | list[str] | None = None, strict: bool = False
    ) -> Module:
        """Takes parameters out of training.

        Args:
            recurse: In all modules below too.
            keys: Names of the parameters in a module. Default: all.
            strict: KeyError if none of the modules has a parameter of such a name.
        """
        names = self._names(keys, recurse, strict)

        def own(module: Module, key: str, value: Any) -> bool:
            return not isinstance(value, Module) and Module.valid_parameter_filter(module, key, value)

        def change(_: str, module: Module) -> None:
            all_names = (name for name, _ in tree_flatten(module.filter_and_map(own)))
            module._no_grad.update(all_names if names is None else names)

        return self._each(change, recurse)

    def unfreeze(
        self, *, recurse: bool = True, keys: str | list[str] | None = None, strict: bool = False
    ) -> Module:
        """Puts parameters back into training; the arguments are those of :meth:`freeze`."""
        names = self._names(keys, recurse, strict)

        def change(_: str, module: Module) -> None:
            module._no_grad.difference_update(list(module._no_grad) if names is None else names)

        return self._each(change, recurse)

    def train(self, mode: bool = True) -> Module:
        """Sets training mode here and below: Dropout and the like act in training alone."""
        for module in self.modules():
            module._training = mode
            module._training_changed()
        return self

    def _training_changed(self) -> None:
        """Called when :meth:`train` has set the mode: for modules that hold other parameters in each."""

    def eval(self) -> Module:
        """Leaves training mode: ``train(False)``."""
        return self.train(False)

    # -- files --

    def load_weights(self, file_or_weights: str | list[tuple[str, mx.array]], strict: bool = True) -> Module:
        """Sets the parameters from a .safetensors or .npz file, or from pairs of path and array.

        With ``strict`` the names must match the module's exactly and the shapes must agree, else ValueError.
        """
        weights = file_or_weights
        if isinstance(weights, (str, PathLike)):
            weights = list(mx.load(str(weights)).items())
        if strict:
            new, current = dict(weights), tree_flatten(self.parameters(), destination={})
            if extra := sorted(new.keys() - current.keys()):
                raise ValueError(f"[load_weights] the model has no parameters {', '.join(extra)}")
            if missing := sorted(current.keys() - new.keys()):
                raise ValueError(f"[load_weights] expected parameters {', '.join(missing)} too")
            for name, value in current.items():
                if not isinstance(new[name], mx.array):
                    raise ValueError(  # noqa: TRY004
                        f"[load_weights] expected an array for {name}, got {type(new[name])}"
                    )
                if new[name].shape != value.shape:
                    raise ValueError(
                        f"[load_weights] expected {name} of shape {value.shape}, got {new[name].shape}"
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
            raise ValueError(f"[save_weights] expected a name that ends in .npz or .safetensors, got {file}")


def _assign(target: Any, parameters: Any, strict: bool) -> None:
    """Copies arrays from a tree into a module, dictionary or list of the same structure."""
    for key, new in _entries(target, parameters, strict, "parameter"):
        current = target[key]
        if not isinstance(current, mx.array):
            _assign(current, new, strict)
        elif isinstance(new, mx.array) or not strict:
            target[key] = new
        else:
            raise ValueError(f"[update] expected an array for {key!r}, got {type(new)}")


def _assign_modules(target: Any, modules: Any, strict: bool) -> None:
    """Replaces modules in a module, dictionary or list by those of a tree of the same structure."""
    for key, new in _entries(target, modules, strict, "module"):
        current = target[key]
        if isinstance(current, Module) and isinstance(new, Module):
            target[key] = new
        elif isinstance(current, (dict, list)):
            _assign_modules(current, new, strict)
        elif strict and not (isinstance(new, dict) and not new):  # {} stands for what holds no modules
            raise ValueError(
                f"[update_modules] expected nothing for {key!r}, which is no module, got {type(new)}"
            )


def _entries(target: Any, tree: Any, strict: bool, what: str) -> list[tuple[Any, Any]]:
    """The pairs of key and value of an inner node of a tree, for those keys that ``target`` has.

    If ``strict``, ValueError for other keys, or if there is no inner node of the target's kind.
    """
    if isinstance(tree, dict):
        known = target if isinstance(target, dict) else {}
        entries = list(tree.items())
    elif isinstance(tree, list) and isinstance(target, (list, tuple)):
        known = range(len(target))
        entries = list(enumerate(tree))
    elif strict:
        raise ValueError(f"expected a tree like the module's, got {type(tree)} for {type(target)}")
    else:
        return []
    for key, _ in entries:
        if strict and key not in known:
            raise ValueError(f"{type(target).__name__} has no {what} {key!r}")
    return [(key, new) for key, new in entries if key in known]
