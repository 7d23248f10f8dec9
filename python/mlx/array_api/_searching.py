"""Sorting, searching and sets. Indices are int64."""

from __future__ import annotations

from typing import Literal, NamedTuple

import mlx.core as mx

from ._rules import ANY, BOOL, INDEX, INTEGER, REAL, Operand, expect, expect_operands, normal_axis, promoted

__all__ = [
    "argmax", "argmin", "argsort", "isin", "nonzero", "searchsorted", "sort", "unique_all",
    "unique_counts", "unique_inverse", "unique_values", "where",
]  # fmt: skip


# ---- Sorting ----
def argsort(x: mx.array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> mx.array:
    """The indices that sort along an axis. Equal elements keep their order, whatever stable says; NaN is largest."""
    expect(x, REAL, "argsort")
    axis = normal_axis(axis, x.ndim)
    if not descending:
        return mx.argsort(x, axis).astype(INDEX)
    # Of a reversed array the last of equal elements comes first; reversed again, it comes last.
    backwards = mx.argsort(mx.flip(x, axis), axis).astype(INDEX)
    return mx.flip(x.shape[axis] - 1 - backwards, axis)


def sort(x: mx.array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> mx.array:
    """x sorted along an axis. Equal elements keep their order, whatever stable says; NaN is largest."""
    expect(x, REAL, "sort")
    axis = normal_axis(axis, x.ndim)
    if not descending:
        return mx.sort(x, axis)
    return mx.flip(mx.sort(mx.flip(x, axis), axis), axis)


# ---- Searching ----
def argmax(x: mx.array, /, *, axis: int | None = None, keepdims: bool = False) -> mx.array:
    """Where the largest element is first: along an axis, or in the flattened array."""
    expect(x, REAL, "argmax")
    return mx.argmax(x, axis, keepdims).astype(INDEX)


def argmin(x: mx.array, /, *, axis: int | None = None, keepdims: bool = False) -> mx.array:
    """Where the smallest element is first: along an axis, or in the flattened array."""
    expect(x, REAL, "argmin")
    return mx.argmin(x, axis, keepdims).astype(INDEX)


def nonzero(x: mx.array, /) -> tuple[mx.array, ...]:
    """The indices of elements other than 0, a vector for each axis. Evaluates x."""
    return tuple(index.astype(INDEX) for index in mx.nonzero(x))


def searchsorted(
    x1: mx.array,
    x2: mx.array | int | float,
    /,
    *,
    side: Literal["left", "right"] = "left",
    sorter: mx.array | None = None,
) -> mx.array:
    """Where to insert each element of x2 into the vector x1, which is sorted, or is once taken by sorter.

    side: 'left', before equal elements, or 'right', after them.
    """
    expect(x1, REAL, "searchsorted")
    expect_operands(x1, x2, REAL, "searchsorted")
    if sorter is not None:
        expect(sorter, INTEGER, "searchsorted")
        x1 = mx.take(x1, sorter, 0)
    x1, x2 = promoted(x1, x2)
    return mx.searchsorted(x1, x2, side).astype(INDEX)


def where(condition: mx.array, x1: Operand, x2: Operand, /) -> mx.array:
    """x1 where the condition holds, else x2, in their common dtype.

    Raises:
        TypeError: A condition that isn't bool.
    """
    expect(condition, BOOL, "where")
    if isinstance(x1, mx.array) or isinstance(x2, mx.array):
        x1, x2 = promoted(x1, x2)
    return mx.where(condition, x1, x2)


# ---- Sets. Shapes depend on the data: x is evaluated. ----
class UniqueAllResult(NamedTuple):
    values: mx.array
    indices: mx.array
    inverse_indices: mx.array
    counts: mx.array


class UniqueCountsResult(NamedTuple):
    values: mx.array
    counts: mx.array


class UniqueInverseResult(NamedTuple):
    values: mx.array
    inverse_indices: mx.array


def unique_all(x: mx.array, /) -> UniqueAllResult:
    """The sorted distinct elements, where each occurs first, where each element of x went, and the counts.

    Every NaN is distinct.
    """
    values, *indices = mx.unique(x, return_index=True, return_inverse=True, return_counts=True)
    return UniqueAllResult(values, *(i.astype(INDEX) for i in indices))


def unique_counts(x: mx.array, /) -> UniqueCountsResult:
    """The sorted distinct elements and how often each occurs."""
    values, counts = mx.unique(x, return_counts=True)
    return UniqueCountsResult(values, counts.astype(INDEX))


def unique_inverse(x: mx.array, /) -> UniqueInverseResult:
    """The sorted distinct elements and where each element of x went."""
    values, inverse = mx.unique(x, return_inverse=True)
    return UniqueInverseResult(values, inverse.astype(INDEX))


def unique_values(x: mx.array, /) -> mx.array:
    """The sorted distinct elements."""
    return mx.unique(x)


def isin(x1: mx.array | int, x2: mx.array | int, /, *, invert: bool = False) -> mx.array:
    """Is each element of x1 an element of x2? invert: is it not? NaN is in nothing."""
    expect_operands(x1, x2, ANY, "isin")
    x1, x2 = promoted(x1, x2)
    if x2.size == 0:
        return mx.full(x1.shape, invert, mx.bool_)
    members = mx.sort(x2.flatten())
    places = mx.minimum(mx.searchsorted(members, x1), members.size - 1)
    found = mx.take(members, places, 0) == x1
    return ~found if invert else found
