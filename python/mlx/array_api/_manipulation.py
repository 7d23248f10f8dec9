"""Shapes and orders of elements, and indexing by arrays."""

from __future__ import annotations

import mlx.core as mx

from ._rules import INTEGER, Axes, axes_of, expect, normal_axis

__all__ = [
    "broadcast_arrays", "broadcast_shapes", "broadcast_to", "concat", "expand_dims", "flip", "moveaxis",
    "permute_dims", "repeat", "reshape", "roll", "squeeze", "stack", "take", "take_along_axis", "tile",
    "unstack",
]  # fmt: skip


def broadcast_arrays(*arrays: mx.array) -> list[mx.array]:
    """The arrays broadcast to their common shape."""
    return list(mx.broadcast_arrays(*arrays))


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that these broadcast to."""
    return tuple(mx.broadcast_shapes(*shapes)) if shapes else ()


def broadcast_to(x: mx.array, /, shape: tuple[int, ...]) -> mx.array:
    """x broadcast to a shape."""
    return mx.broadcast_to(x, shape)


def concat(arrays: tuple[mx.array, ...] | list[mx.array], /, *, axis: int | None = 0) -> mx.array:
    """The arrays one after another along an axis, or flattened where it is None, in their common dtype."""
    arrays = list(arrays)
    dtype = mx.result_type(*arrays)
    if axis is None:
        return mx.concatenate([a.flatten().astype(dtype) for a in arrays], axis=0)
    return mx.concatenate([a.astype(dtype) for a in arrays], axis=axis)


def expand_dims(x: mx.array, /, axis: int) -> mx.array:
    """x with an axis of length 1 more."""
    return mx.expand_dims(x, axis)


def flip(x: mx.array, /, *, axis: Axes = None) -> mx.array:
    """x in reverse order along axes, all of them if None."""
    return mx.flip(x, axes_of(axis, x.ndim)) if x.ndim else +x


def moveaxis(x: mx.array, source: int | tuple[int, ...], destination: int | tuple[int, ...], /) -> mx.array:
    """x with axes moved to other places; the others keep their order.

    Raises:
        ValueError: Not as many places as axes, or one of them twice.
    """
    source, destination = axes_of(source, x.ndim), axes_of(destination, x.ndim)
    if len(set(source)) != len(destination) or len(set(destination)) != len(source):
        raise ValueError(f"[moveaxis] expected as many places as axes, got {source} and {destination}")
    order = [a for a in range(x.ndim) if a not in source]
    for place, axis in sorted(zip(destination, source)):
        order.insert(place, axis)
    return mx.permute_dims(x, order) if x.ndim else +x


def permute_dims(x: mx.array, /, axes: tuple[int, ...]) -> mx.array:
    """x with its axes in another order."""
    return mx.permute_dims(x, axes) if x.ndim else x.reshape(())


def repeat(x: mx.array, repeats: int | mx.array, /, *, axis: int | None = None) -> mx.array:
    """Each element, or each slice along an axis, repeats times in a row; x is flattened if axis is None.

    An array of repeats has one for each, or one for all; it is evaluated, for the result's shape depends on it.
    """
    if axis is None:
        x, axis = x.flatten(), 0
    axis = normal_axis(axis, x.ndim)
    if isinstance(repeats, mx.array) and repeats.size == 1:
        repeats = repeats.item()
    if isinstance(repeats, int):
        return mx.repeat(x, repeats, axis)
    expect(repeats, INTEGER, "repeat")
    if repeats.shape != (x.shape[axis],):
        raise ValueError(f"[repeat] expected {x.shape[axis]} repeats, got shape {repeats.shape}")
    ends = mx.cumsum(repeats.astype(mx.int64))
    total = ends[-1].item() if ends.size else 0
    return mx.take(x, mx.searchsorted(ends, mx.arange(total, dtype=mx.int64), "right"), axis)


def reshape(x: mx.array, /, shape: tuple[int, ...], *, copy: bool | None = None) -> mx.array:
    """x in another shape of as many elements. copy means nothing: arrays are immutable and share what they can."""
    return mx.reshape(x, shape)


def roll(x: mx.array, /, shift: int | tuple[int, ...], *, axis: Axes = None) -> mx.array:
    """x with elements moved along axes, those that fall off put in at the other end."""
    if isinstance(shift, tuple) and isinstance(axis, int):
        axis = (axis,) * len(shift)
    return mx.roll(x, shift, axis)


def squeeze(x: mx.array, /, axis: int | tuple[int, ...]) -> mx.array:
    """x without axes of length 1; ValueError where another length is."""
    return mx.squeeze(x, axes_of(axis, x.ndim))


def stack(arrays: tuple[mx.array, ...] | list[mx.array], /, *, axis: int = 0) -> mx.array:
    """The arrays along a new axis, in their common dtype."""
    dtype = mx.result_type(*arrays)
    return mx.stack([a.astype(dtype) for a in arrays], axis)


def tile(x: mx.array, repetitions: tuple[int, ...], /) -> mx.array:
    """x repeated along each axis as a whole."""
    return mx.tile(x, repetitions)


def unstack(x: mx.array, /, *, axis: int = 0) -> tuple[mx.array, ...]:
    """The slices along an axis."""
    return tuple(mx.unstack(x, axis=axis))


def take(x: mx.array, indices: mx.array, /, *, axis: int | None = None) -> mx.array:
    """The slices at the indices along an axis, which may be None for a vector.

    Raises:
        TypeError: Indices that aren't integers.
        ValueError: No axis of an array of several dimensions.
    """
    expect(indices, INTEGER, "take")
    if axis is None and x.ndim != 1:
        raise ValueError(f"[take] expected an axis for {x.ndim} dimensions, got None")
    return mx.take(x, indices, 0 if axis is None else axis)


def take_along_axis(x: mx.array, indices: mx.array, /, *, axis: int = -1) -> mx.array:
    """The elements at the indices along an axis; the other axes broadcast."""
    expect(indices, INTEGER, "take_along_axis")
    axis = normal_axis(axis, x.ndim)
    shapes = [s[:axis] + (1,) + s[axis + 1 :] for s in (x.shape, indices.shape)]
    common = mx.broadcast_shapes(*shapes)
    x = mx.broadcast_to(x, (*common[:axis], x.shape[axis], *common[axis + 1 :]))
    indices = mx.broadcast_to(indices, (*common[:axis], indices.shape[axis], *common[axis + 1 :]))
    return mx.take_along_axis(x, indices, axis)
