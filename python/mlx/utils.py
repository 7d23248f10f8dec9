"""Trees: nested lists, tuples and dictionaries of arrays (or of anything)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any


def _children(tree: Any, prefix: str):
    """Yields (path, child) of an inner node; paths join keys by dots."""
    dot = prefix + "." if prefix else ""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, child in items:
        yield f"{dot}{key}", child


def tree_map(fn: Callable, tree: Any, *rest: Any, is_leaf: Callable | None = None) -> Any:
    """A tree of the same structure with each leaf x replaced by ``fn(x, *others)``.

    Args:
        fn: Called with the leaf and the leaves at its place in ``rest``.
        tree: The tree whose structure counts.
        rest: Trees that have at least that structure.
        is_leaf: Says of an inner node whether to treat it as a leaf. Default: never.
    """
    if is_leaf is not None and is_leaf(tree):
        return fn(tree, *rest)
    if isinstance(tree, (list, tuple)):
        kind = type(tree)
        items = [tree_map(fn, child, *(r[i] for r in rest), is_leaf=is_leaf) for i, child in enumerate(tree)]
        return kind(*items) if hasattr(tree, "_fields") else kind(items)
    if isinstance(tree, dict):
        return {k: tree_map(fn, child, *(r[k] for r in rest), is_leaf=is_leaf) for k, child in tree.items()}
    return fn(tree, *rest)


def tree_map_with_path(
    fn: Callable, tree: Any, *rest: Any, is_leaf: Callable | None = None, path: Any | None = None
) -> Any:
    """As :func:`tree_map`, but ``fn`` is called with the leaf's dotted path first, for example ``"layers.0.weight"``."""
    path = "" if path is None else str(path)
    if is_leaf is not None and is_leaf(tree):
        return fn(path, tree, *rest)
    if isinstance(tree, (list, tuple)):
        return type(tree)(
            tree_map_with_path(fn, child, *(r[i] for r in rest), is_leaf=is_leaf, path=child_path)
            for i, (child_path, child) in enumerate(_children(tree, path))
        )
    if isinstance(tree, dict):
        return {
            key: tree_map_with_path(
                fn, child, *(r[key] for r in rest), is_leaf=is_leaf, path=f"{path}.{key}" if path else str(key)
            )
            for key, child in tree.items()
        }
    return fn(path, tree, *rest)


def tree_flatten(
    tree: Any,
    prefix: str = "",
    is_leaf: Callable | None = None,
    destination: list[tuple[str, Any]] | dict[str, Any] | None = None,
) -> list[tuple[str, Any]] | dict[str, Any]:
    """The leaves with their dotted paths, depth first, in a list of pairs, or in ``destination`` (a list or dictionary).

    Args:
        tree: Nested lists, tuples and dictionaries.
        prefix: Put before every path, with a dot.
        is_leaf: Says of an inner node whether to treat it as a leaf. Default: never.
        destination: Where to put the leaves. Default: a new list.
    """
    if destination is None:
        destination = []
    prefix = prefix.removeprefix(".")
    if isinstance(tree, (list, tuple, dict)) and not (is_leaf is not None and is_leaf(tree)):
        for path, child in _children(tree, prefix):
            tree_flatten(child, path, is_leaf, destination)
    elif isinstance(destination, dict):
        destination[prefix] = tree
    else:
        destination.append((prefix, tree))
    return destination


def tree_unflatten(tree: list[tuple[str, Any]] | dict[str, Any]) -> Any:
    """The inverse of :func:`tree_flatten`. Levels whose keys are all numbers become lists, the others dictionaries."""
    items = list(tree.items()) if isinstance(tree, dict) else list(tree)
    if len(items) == 1 and items[0][0] == "":
        return items[0][1]
    children: dict[str, list[tuple[str, Any]]] = {}
    for path, leaf in items:
        key, _, below = path.partition(".")
        children.setdefault(key, []).append((below, leaf))
    if children and all(key.isdigit() for key in children):
        count = max(int(key) for key in children) + 1
        return [tree_unflatten(children[str(i)]) if str(i) in children else {} for i in range(count)]
    return {key: tree_unflatten(child) for key, child in children.items()}


def tree_reduce(fn, tree, initializer=None, is_leaf=None):
    """Folds the leaves, depth first: ``fn(fn(initializer, leaf0), leaf1) ...``. Without initializer the first leaf starts."""
    result = initializer
    for _, leaf in tree_flatten(tree, is_leaf=is_leaf):
        result = leaf if result is None else fn(result, leaf)
    return result


def tree_merge(tree_a, tree_b, merge_fn=None):
    """One tree with the leaves of both.

    Where both have a leaf, ``merge_fn(a, b)`` decides; without it that is a ValueError. None and empty lists and
    dictionaries give way to the other side.
    """
    if isinstance(tree_a, (list, tuple, dict)) and not tree_a:
        tree_a = None
    if isinstance(tree_b, (list, tuple, dict)) and not tree_b:
        tree_b = None
    if tree_a is None or tree_b is None:
        return tree_b if tree_a is None else tree_a
    if isinstance(tree_a, (list, tuple)) and isinstance(tree_b, (list, tuple)):
        return type(tree_a)(tree_merge(a, b, merge_fn) for a, b in zip_longest(tree_a, tree_b))
    if isinstance(tree_a, dict) and isinstance(tree_b, dict):
        keys = [*tree_a, *(k for k in tree_b if k not in tree_a)]
        return {k: tree_merge(tree_a.get(k), tree_b.get(k), merge_fn) for k in keys}
    if merge_fn is None:
        raise ValueError("tree_merge: both trees have a leaf at the same place and there is no merge_fn")
    return merge_fn(tree_a, tree_b)
