"""Upsample: interpolation to another size, axis by axis.

Along an axis of size N that becomes M, result i lies at a position p_i between the samples, and is a weighted
sum of the taps around it: one for the nearest sample, two for linear interpolation, four for cubic
convolution (Keys, 1981). Positions and weights follow from sizes alone, so they are computed before x is
touched.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import mlx.core as mx
from mlx.nn.layers.base import Module

# The taps of each result: at tap k the samples' numbers, and the weights (None: all 1).
Taps = list[tuple[list[int], list[float] | None]]

_CUBIC = -0.75  # the slope of the cubic kernel at distance 1; antialiased: -0.5


def _triangle(distance: float) -> float:
    """The kernel of linear interpolation."""
    return max(0.0, 1.0 - abs(distance))


def _cubic(distance: float, a: float) -> float:
    """Keys' kernel, with slope ``a`` at distance 1: 1 at 0, and 0 at 1 and from 2 on."""
    d = abs(distance)
    if d <= 1:
        return ((a + 2) * d - (a + 3)) * d * d + 1
    return a * (((d - 5) * d + 8) * d - 4) if d < 2 else 0.0


def _positions(n: int, m: int, scale: float, align_corners: bool) -> list[float]:
    """p_i of m results between n samples: with the first and last samples on the first and last results, or
    with the axes' middles on each other and steps of 1 / scale.
    """
    if align_corners:
        step = (n - 1) / (m - 1) if m > 1 else 0.0
        return [i * step for i in range(m)]
    return [(i - (m - 1) / 2) / scale + (n - 1) / 2 for i in range(m)]


def _within(place: int, n: int) -> int:
    """The nearest number of a sample: the edges go on outside."""
    return min(max(place, 0), n - 1)


def _nearest_taps(n: int, m: int) -> Taps:
    """The sample in whose cell a result's middle lies, half-way the even one; of fewer results, the first of
    each result's share of the samples.
    """
    if m > n:
        return [([_within(round(((2 * i + 1) * n - m) / (2 * m)), n) for i in range(m)], None)]
    return [([i * n // m for i in range(m)], None)]


def _kernel_taps(n: int, positions: list[float], kernel: Callable[[float], float], reach: int) -> Taps:
    """The samples nearer than ``reach`` to each position, weighted by the kernel of their distance."""
    taps: Taps = []
    for offset in range(1 - reach, reach + 1):
        places = [math.floor(p) + offset for p in positions]
        weights = [kernel(p - place) for p, place in zip(positions, places)]
        taps.append(([_within(place, n) for place in places], weights))
    return taps


def _antialiased_taps(
    n: int, positions: list[float], scale: float, kernel: Callable[[float], float], reach: int
) -> Taps:
    """As :func:`_kernel_taps`, with the kernel as wide as a result's share of the samples where there are
    fewer results. Samples outside don't count, and the weights are divided by their sum.
    """
    width = max(1.0, 1.0 / scale)
    radius = math.ceil(reach * width)
    columns = []
    for p in positions:
        places = [math.floor(p) + offset for offset in range(1 - radius, radius + 1)]
        weights = [kernel((p - place) / width) if 0 <= place < n else 0.0 for place in places]
        total = sum(weights)
        columns.append([(_within(place, n), weight / total) for place, weight in zip(places, weights)])
    taps = [tuple(map(list, zip(*tap))) for tap in zip(*columns)]
    return [(places, weights) for places, weights in taps if any(weights)]


def _weigh(x: mx.array, axis: int, taps: Taps) -> mx.array:
    """The sum of the taps of x along an axis."""
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    rows = x.reshape(math.prod(before), n, math.prod(after))
    result = None
    for places, weights in taps:
        tap = mx.take(rows, mx.array(places, mx.int32), 1)
        if weights is not None:
            tap = tap * mx.array(weights, mx.float32).reshape(-1, 1)
        result = tap if result is None else result + tap
    return result.reshape(*before, -1, *after)


class Upsample(Module):
    """x (N, *spatial, C) with each spatial axis ``scale_factor`` times as long (rounded down), interpolated.

    Args:
        scale_factor: One number, or one for each spatial axis.
        mode: "nearest", "linear" (bilinear in two dimensions, trilinear in three) or "cubic".
        align_corners: The first and last samples stay first and last; otherwise the samples lie in the middle
            of equal cells. Without effect on "nearest".
        antialias: Where an axis becomes shorter, average all samples that lie in a result's cell. Only with
            "linear" and "cubic", and without ``align_corners``; else ValueError.
    """

    def __init__(
        self,
        scale_factor: float | tuple[float, ...],
        mode: Literal["nearest", "linear", "cubic"] = "nearest",
        align_corners: bool = False,
        antialias: bool = False,
    ) -> None:
        super().__init__()
        if mode not in ("nearest", "linear", "cubic"):
            raise ValueError(f"[Upsample] expected mode 'nearest', 'linear' or 'cubic', got {mode!r}")
        if antialias and (mode == "nearest" or align_corners):
            raise ValueError(
                "[Upsample] expected antialias with mode 'linear' or 'cubic' and without align_corners, got "
                f"mode {mode!r} and align_corners={align_corners}"
            )
        if isinstance(scale_factor, (list, tuple)):
            self.scale_factor = tuple(map(float, scale_factor))
        else:
            self.scale_factor = float(scale_factor)
        self.mode = mode
        self.align_corners = align_corners
        self.antialias = antialias

    def _extra_repr(self) -> str:
        return f"scale_factor={self.scale_factor}, mode={self.mode!r}, align_corners={self.align_corners}"

    def _taps(self, n: int, m: int, scale: float) -> Taps:
        if self.mode == "nearest":
            return _nearest_taps(n, m)
        positions = _positions(n, m, scale, self.align_corners)
        slope = -0.5 if self.antialias else _CUBIC
        kernel, reach = (
            (_triangle, 1) if self.mode == "linear" else (lambda distance: _cubic(distance, slope), 2)
        )
        if self.antialias:
            return _antialiased_taps(n, positions, scale, kernel, reach)
        return _kernel_taps(n, positions, kernel, reach)

    def __call__(self, x: mx.array) -> mx.array:
        """x (N, *spatial, C) -> (N, *longer, C): in x's dtype for "nearest", else float32 or wider.

        ValueError without spatial axes, for another number of factors, or for a factor below 0.
        """
        if x.ndim < 3:
            raise ValueError(f"[Upsample] expected x (N, ..., C) with spatial axes, got shape {x.shape}")
        factors, axes = self.scale_factor, range(1, x.ndim - 1)
        if not isinstance(factors, tuple):
            factors = (factors,) * len(axes)
        if len(factors) != len(axes) or min(factors) < 0:
            raise ValueError(
                f"[Upsample] expected a factor of 0 or more for each of {len(axes)} spatial axes, "
                f"got {factors}"
            )
        longer = [int(scale * x.shape[axis]) for axis, scale in zip(axes, factors)]
        if 0 in longer:
            dtype = x.dtype if self.mode == "nearest" else mx.result_type(x, mx.float32)
            return mx.zeros((x.shape[0], *longer, x.shape[-1]), dtype)
        # short rows, on which a pass is slow, while there are fewest: the smallest factors first, and of equal
        # ones the first axis to shrink or the last to grow
        passes = zip(factors, axes, longer)
        for scale, axis, m in sorted(passes, key=lambda p: (p[0], p[1] if p[0] < 1 else -p[1])):
            n = x.shape[axis]
            if self.mode == "nearest" and m % n == 0:
                x = mx.repeat(x, m // n, axis)
            else:
                x = _weigh(x, axis, self._taps(n, m, scale))
        return x
