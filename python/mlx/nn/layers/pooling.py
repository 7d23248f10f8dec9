"""Pooling: the maximum or mean of each window of x (N, *spatial, C), channel by channel.

A spatial axis of size L becomes (L + 2 padding - kernel_size) / stride + 1, rounded down, or 0 where the
window does not fit. Each size is an int or one for each spatial axis; the stride is the window's size by
default.
"""

from __future__ import annotations

import math

import mlx.core as mx
from mlx.nn.layers.base import Module

Size1 = int | tuple[int]
Size2 = int | tuple[int, int]
Size3 = int | tuple[int, int, int]


def _sizes(
    layer: Module, what: str, value: int | tuple[int, ...], dimensions: int, least: int
) -> tuple[int, ...]:
    """``value`` for each axis; ValueError if it is no int or tuple of ints, or less than ``least``."""
    sizes = (value,) * dimensions if isinstance(value, int) else value
    if (
        not isinstance(sizes, (tuple, list))
        or len(sizes) != dimensions
        or not all(isinstance(size, int) and size >= least for size in sizes)
    ):
        raise ValueError(
            f"[{type(layer).__name__}] expected {what} to be an int of at least {least} or a tuple of "
            f"{dimensions}, got {value!r}"
        )
    return tuple(sizes)


def _lowest(dtype: mx.Dtype) -> bool | int | float:
    """What no value of the dtype is below."""
    if dtype == mx.bool_:
        return False
    return mx.iinfo(dtype).min if mx.issubdtype(dtype, mx.integer) else -math.inf


class _Pool(Module):
    """What the layers share: the sizes, and the windows."""

    def __init__(
        self,
        dimensions: int,
        kernel_size: int | tuple[int, ...],
        stride: int | tuple[int, ...] | None,
        padding: int | tuple[int, ...],
    ) -> None:
        super().__init__()
        self._kernel_size = _sizes(self, "kernel_size", kernel_size, dimensions, 1)
        stride = self._kernel_size if stride is None else stride
        self._stride = _sizes(self, "stride", stride, dimensions, 1)
        self._padding = _sizes(self, "padding", padding, dimensions, 0)

    def _extra_repr(self) -> str:
        return f"kernel_size={self._kernel_size}, stride={self._stride}, padding={self._padding}"

    def _windows(self, x: mx.array, padding_value: bool | int | float) -> tuple[mx.array, tuple[int, ...]]:
        """Views of the windows, (N, *places, *kernel_size, C) or another order, and the window's axes."""
        dimensions = len(self._kernel_size)
        if x.ndim != dimensions + 2:
            raise ValueError(
                f"[{type(self).__name__}] expected x of {dimensions + 2} dimensions, (N, ..., C), "
                f"got shape {x.shape}"
            )
        if any(self._padding):
            x = mx.pad(x, [(0, 0), *((p, p) for p in self._padding), (0, 0)], constant_values=padding_value)
        batch, *spatial, channels = x.shape
        places = [
            max(0, (size - kernel) // stride + 1)
            for size, kernel, stride in zip(spatial, self._kernel_size, self._stride)
        ]
        if self._stride == self._kernel_size:
            return self._tiles(x, places)
        strides = [math.prod(x.shape[axis + 1 :]) for axis in range(x.ndim)]
        between = [stride * step for stride, step in zip(strides[1:-1], self._stride)]
        return mx.as_strided(
            x,
            [batch, *places, *self._kernel_size, channels],
            [strides[0], *between, *strides[1:-1], strides[-1]],
        ), tuple(range(1 + dimensions, 1 + 2 * dimensions))

    def _tiles(self, x: mx.array, places: list[int]) -> tuple[mx.array, tuple[int, ...]]:
        """The same for windows side by side: a reshape to (N, place, kernel, place, kernel, ..., C)."""
        covered = [place * kernel for place, kernel in zip(places, self._kernel_size)]
        x = x[(slice(None), *(slice(size) for size in covered))]
        pairs = [size for pair in zip(places, self._kernel_size) for size in pair]
        return x.reshape(x.shape[0], *pairs, x.shape[-1]), tuple(range(2, 2 + len(pairs), 2))


class _MaxPool(_Pool):
    def __call__(self, x: mx.array) -> mx.array:
        """The maximum of each window of x (N, *spatial, C), in x's dtype; padding never is the maximum."""
        windows, axes = self._windows(x, _lowest(x.dtype))
        return mx.max(windows, axes)


class _AvgPool(_Pool):
    def __call__(self, x: mx.array) -> mx.array:
        """The mean of each window of x (N, *spatial, C), zeros of the padding included; floats keep their
        dtype, others give float32.
        """
        windows, axes = self._windows(x, 0)
        return mx.mean(windows, axes)


class MaxPool1d(_MaxPool):
    """The maximum of each window: x (N, L, C) -> (N, L', C).

    Args:
        kernel_size: Of the window.
        stride: From window to window. Default: ``kernel_size``.
        padding: Places before and after x that hold the least value.

    ValueError for another number of sizes, or a size out of range.
    """

    def __init__(self, kernel_size: Size1, stride: Size1 | None = None, padding: Size1 = 0) -> None:
        super().__init__(1, kernel_size, stride, padding)


class MaxPool2d(_MaxPool):
    """The maximum of each window: x (N, H, W, C) -> (N, H', W', C); the arguments are those of
    :class:`MaxPool1d`, for both axes or one each.
    """

    def __init__(self, kernel_size: Size2, stride: Size2 | None = None, padding: Size2 = 0) -> None:
        super().__init__(2, kernel_size, stride, padding)


class MaxPool3d(_MaxPool):
    """The maximum of each window: x (N, D, H, W, C) -> (N, D', H', W', C); the arguments are those of
    :class:`MaxPool1d`, for all axes or one each.
    """

    def __init__(self, kernel_size: Size3, stride: Size3 | None = None, padding: Size3 = 0) -> None:
        super().__init__(3, kernel_size, stride, padding)


class AvgPool1d(_AvgPool):
    """The mean of each window: x (N, L, C) -> (N, L', C).

    Args:
        kernel_size: Of the window.
        stride: From window to window. Default: ``kernel_size``.
        padding: Zeros before and after x, which count.

    ValueError for another number of sizes, or a size out of range.
    """

    def __init__(self, kernel_size: Size1, stride: Size1 | None = None, padding: Size1 = 0) -> None:
        super().__init__(1, kernel_size, stride, padding)


class AvgPool2d(_AvgPool):
    """The mean of each window: x (N, H, W, C) -> (N, H', W', C); the arguments are those of
    :class:`AvgPool1d`, for both axes or one each.
    """

    def __init__(self, kernel_size: Size2, stride: Size2 | None = None, padding: Size2 = 0) -> None:
        super().__init__(2, kernel_size, stride, padding)


class AvgPool3d(_AvgPool):
    """The mean of each window: x (N, D, H, W, C) -> (N, D', H', W', C); the arguments are those of
    :class:`AvgPool1d`, for all axes or one each.
    """

    def __init__(self, kernel_size: Size3, stride: Size3 | None = None, padding: Size3 = 0) -> None:
        super().__init__(3, kernel_size, stride, padding)
