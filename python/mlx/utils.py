"""Trees: nested lists, tuples and dictionaries of arrays (or of anything)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import zip_longest
from typing import Any


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
        items = [tree_map(fn, child, *(r[i] for r in rest), is_leaf=is_leaf) for i, child in enumerate(tree)]
        return _like(tree, items)
    if isinstance(tree, dict):
        return {k: tree_map(fn, child, *(r[k] for r in rest), is_leaf=is_leaf) for k, child in tree.items()}
    return fn(tree, *rest)


def tree_map_with_path(
    fn: Callable, tree: Any, *rest: Any, is_leaf: Callable | None = None, path: Any | None = None
) -> Any:
    """As :func:`tree_map`, but ``fn`` is called with the leaf's dotted path first, as in "layers.0.weight".

    ``path`` is put before all paths, with a dot. A tree that is a leaf has the path None.
    """
    if is_leaf is not None and is_leaf(tree):
        return fn(path, tree, *rest)
    if not isinstance(tree, (list, tuple, dict)):
        return fn(path, tree, *rest)
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    children = [
        tree_map_with_path(
            fn,
            tree[k],
            *(r[k] for r in rest),
            is_leaf=is_leaf,
            path=f"{k}" if path is None else f"{path}.{k}",
        )
        for k in keys
    ]
    if isinstance(tree, dict):
        return dict(zip(keys, children))
    return _like(tree, children)


def _like(tree: list | tuple, items: list) -> Any:
    """A list or tuple of the same type, named tuples too, of other items."""
    return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)


def tree_flatten(
    tree: Any,
    prefix: str = "",
    is_leaf: Callable | None = None,
    destination: list[tuple[str, Any]] | dict[str, Any] | None = None,
) -> list[tuple[str, Any]] | dict[str, Any]:
    """The leaves with their dotted paths, depth first, in a list of pairs, or in ``destination`` (a list or
    dictionary).

    Args:
        tree: Nested lists, tuples and dictionaries.
        prefix: Put before every path. Paths are built with a dot before each key, and lose their first
            character at the end: that of the prefix if there is one.
        is_leaf: Says of an inner node whether to treat it as a leaf. Default: never.
        destination: Where to put the leaves. Default: a new list.
    """
    if destination is None:
        destination = []
    if not isinstance(destination, (list, dict)):
        raise ValueError(  # noqa: TRY004
            f"[tree_flatten] expected a list or a dictionary as destination, got {type(destination)}"
        )
    if isinstance(tree, (list, tuple, dict)) and not (is_leaf is not None and is_leaf(tree)):
        for key, child in tree.items() if isinstance(tree, dict) else enumerate(tree):
            tree_flatten(child, f"{prefix}.{key}", is_leaf, destination)
    elif isinstance(destination, dict):
        destination[prefix[1:]] = tree
    else:
        destination.append((prefix[1:], tree))
    return destination


def tree_unflatten(tree: list[tuple[str, Any]] | dict[str, Any]) -> Any:
    """The inverse of :func:`tree_flatten`: from pairs of dotted path and leaf, or a dictionary of them.

    Levels whose keys are all numbers, and different ones, become lists, with ``{}`` where a number is
    missing, the others dictionaries. ValueError for numbers above a million: paths may come from a file.
    """
    items = list(tree.items()) if isinstance(tree, dict) else list(tree)
    if len(items) == 1 and items[0][0] == "":
        return items[0][1]
    children: dict[str, list[tuple[str, Any]]] = {}
    for path, leaf in items:
        key, _, below = path.partition(".")
        children.setdefault(key, []).append((below, leaf))
    try:
        places = sorted((int(key), key) for key in children)
    except ValueError:
        places = []
    if len({place for place, _ in places}) < len(children):
        return {key: tree_unflatten(child) for key, child in children.items()}
    nodes: list[Any] = []
    for place, key in places:
        if place > 1_000_000:
            raise ValueError(f"[tree_unflatten] expected list places up to a million, got {key}")
        nodes.extend({} for _ in range(place - len(nodes)))
        nodes.append(tree_unflatten(children[key]))
    return nodes


def tree_reduce(fn: Callable, tree: Any, initializer: Any = None, is_leaf: Callable | None = None) -> Any:
    """Folds the leaves, depth first: ``fn(fn(initializer, leaf0), leaf1) ...``. Without initializer the first
    leaf starts.
    """
    result = initializer
    for _, leaf in tree_flatten(tree, is_leaf=is_leaf):
        result = leaf if result is None else fn(result, leaf)
    return result


def tree_merge(tree_a: Any, tree_b: Any, merge_fn: Callable | None = None) -> Any:
    """One tree with the leaves of both.

    None and empty lists, tuples and dictionaries give way to what the other tree has at their place. Where
    both have a leaf, ``merge_fn(a, b)`` decides; without it that is a ValueError.
    """
    a, b = _none_if_empty(tree_a), _none_if_empty(tree_b)
    if (a is None) != (b is None):
        return tree_b if a is None else tree_a
    if isinstance(tree_a, (list, tuple)) and isinstance(tree_b, (list, tuple)):
        return _like(tree_a, [tree_merge(x, y, merge_fn) for x, y in zip_longest(tree_a, tree_b)])
    if isinstance(tree_a, dict) and isinstance(tree_b, dict):
        keys = [*tree_a, *(k for k in tree_b if k not in tree_a)]
        return {k: tree_merge(tree_a.get(k), tree_b.get(k), merge_fn) for k in keys}
    if merge_fn is None:
        raise ValueError(
            f"[tree_merge] expected a leaf in one tree alone, got {type(tree_a)} and {type(tree_b)}"
        )
    return merge_fn(tree_a, tree_b)


def _none_if_empty(tree: Any) -> Any:
    return None if isinstance(tree, (list, tuple, dict)) and not tree else tree
