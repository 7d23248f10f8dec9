"""mlx.utils: maps, paths, folds and merges of trees."""

from collections import namedtuple

import pytest
from mlx.utils import (
    tree_flatten,
    tree_map,
    tree_map_with_path,
    tree_merge,
    tree_reduce,
    tree_unflatten,
)

TREE = {"layers": [{"weight": 1, "bias": 2}, {"weight": 3}], "scale": (4, 5)}
PATHS = ["layers.0.weight", "layers.0.bias", "layers.1.weight", "scale.0", "scale.1"]


def test_map_keeps_the_structure():
    assert tree_map(lambda x: x + 1, TREE) == {
        "layers": [{"weight": 2, "bias": 3}, {"weight": 4}],
        "scale": (5, 6),
    }


def test_map_gives_the_function_the_leaves_of_all_trees():
    assert tree_map(lambda x, y: x * y, [1, {"a": 2}], [3, {"a": 4, "more": 5}]) == [3, {"a": 8}]


@pytest.mark.parametrize("other, error", [([1], IndexError), ({}, KeyError)])
def test_map_of_a_tree_that_lacks_leaves_raises(other, error):
    tree = [1, 2] if isinstance(other, list) else {"a": 1}
    with pytest.raises(error):
        tree_map(lambda x, y: x, tree, other)


def test_map_stops_where_is_leaf_says():
    assert tree_map(len, [(1, 2), [(3,)]], is_leaf=lambda x: isinstance(x, tuple)) == [2, [1]]


def test_maps_keep_named_tuples():
    Point = namedtuple("Point", "x y")
    assert tree_map(lambda x: x + 1, Point(1, 2)) == Point(2, 3)
    assert tree_map_with_path(lambda path, x: path, Point(1, 2)) == Point("0", "1")


def test_map_with_path_joins_keys_by_dots():
    pairs = tree_map_with_path(lambda path, x: (path, x), TREE, path="model")
    assert pairs["layers"][1]["weight"] == ("model.layers.1.weight", 3)
    assert tree_map_with_path(lambda path, x: path, [7, {3: 8}]) == ["0", {3: "1.3"}]
    assert tree_map_with_path(lambda path, x: path, 7) is None


def test_flatten_lists_paths_depth_first():
    assert tree_flatten(TREE) == list(zip(PATHS, range(1, 6)))


def test_flatten_fills_its_destination():
    assert tree_flatten(TREE, destination={}) == dict(zip(PATHS, range(1, 6)))
    assert tree_flatten([2], destination=[("first", 1)]) == [("first", 1), ("0", 2)]
    with pytest.raises(ValueError, match="destination"):
        tree_flatten([1], destination=())


def test_flatten_takes_a_prefix_with_its_dot():
    assert tree_flatten([1], prefix=".model") == [("model.0", 1)]


def test_flatten_drops_empty_nodes():
    assert tree_flatten([[], {}, None]) == [("2", None)]


@pytest.mark.parametrize("tree", [{"a": [1, {"b": 2}]}, [[1], [2, [3]]], 5, {"w": {"x": 1}}])
def test_unflatten_inverts_flatten(tree):
    assert tree_unflatten(tree_flatten(tree)) == tree
    assert tree_unflatten(tree_flatten(tree, destination={})) == tree


def test_unflatten_orders_lists_and_fills_their_gaps():
    assert tree_unflatten([("3", "d"), ("1", "b")]) == [{}, "b", {}, "d"]
    assert tree_unflatten([("10", 1), ("a", 2)]) == {"10": 1, "a": 2}


def test_unflatten_refuses_a_list_place_that_would_fill_the_memory():
    with pytest.raises(ValueError, match="million"):
        tree_unflatten([("99999999999", 1)])


def test_reduce_folds_from_the_first_leaf_or_the_initializer():
    assert tree_reduce(lambda a, b: a - b, [10, (2, {"a": 3})]) == 5
    assert tree_reduce(lambda a, b: a + [b], [1, 2], []) == [1, 2]
    assert tree_reduce(lambda a, b: a + b, [], 7) == 7
    assert tree_reduce(lambda a, b: a + b, []) is None


def test_merge_takes_what_one_tree_alone_has():
    assert tree_merge({"a": 1, "c": [None, 2]}, {"b": 3, "c": [4, None, 5]}) == {
        "a": 1,
        "b": 3,
        "c": [4, 2, 5],
    }
    assert tree_merge([], [1]) == [1]
    assert tree_merge({"a": {}}, {"a": {"b": 1}}) == {"a": {"b": 1}}


def test_merge_of_two_leaves_needs_a_function():
    with pytest.raises(ValueError, match="tree_merge"):
        tree_merge({"a": 1}, {"a": 2})
    assert tree_merge({"a": 1}, {"a": 2}, lambda x, y: x + y) == {"a": 3}


def test_merge_keeps_named_tuples():
    Point = namedtuple("Point", "x y")
    assert tree_merge(Point(1, None), Point(None, {"a": 2})) == Point(1, {"a": 2})


def test_unflatten_makes_dictionaries_of_numbers_that_name_no_places():
    assert tree_unflatten({"0": 1, "a": 2}) == {"0": 1, "a": 2}
    assert tree_unflatten({"01": 1, "1": 2}) == {"01": 1, "1": 2}
