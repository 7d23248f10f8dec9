"""Sums, means and extremes along axes; all of them where axis is None."""

from __future__ import annotations

import mlx.core as mx

from ._rules import (
    FLOATING,
    INDEX,
    NUMERIC,
    REAL,
    REAL_FLOATING,
    Axes,
    count_along,
    expect,
    normal_axis,
    summed_dtype,
)

__all__ = [
    "all", "any", "count_nonzero", "cumulative_prod", "cumulative_sum", "diff", "max", "mean", "min",
    "prod", "std", "sum", "var",
]  # fmt: skip


def sum(
    x: mx.array, /, *, axis: Axes = None, dtype: mx.Dtype | None = None, keepdims: bool = False
) -> mx.array:
    """The sum; small integers widen to 32 bits unless a dtype is given."""
    expect(x, NUMERIC, "sum")
    dtype = summed_dtype(x, dtype)
    return mx.sum(x.astype(dtype), axis, keepdims).astype(dtype)


def prod(
    x: mx.array, /, *, axis: Axes = None, dtype: mx.Dtype | None = None, keepdims: bool = False
) -> mx.array:
    """The product; small integers widen to 32 bits unless a dtype is given."""
    expect(x, NUMERIC, "prod")
    dtype = summed_dtype(x, dtype)
    return mx.prod(x.astype(dtype), axis, keepdims).astype(dtype)


def max(x: mx.array, /, *, axis: Axes = None, keepdims: bool = False) -> mx.array:
    """The largest element; NaN where there is one."""
    expect(x, REAL, "max")
    return mx.max(x, axis, keepdims)


def min(x: mx.array, /, *, axis: Axes = None, keepdims: bool = False) -> mx.array:
    """The smallest element; NaN where there is one."""
    expect(x, REAL, "min")
    return mx.min(x, axis, keepdims)


def mean(x: mx.array, /, *, axis: Axes = None, keepdims: bool = False) -> mx.array:
    """The mean."""
    expect(x, FLOATING, "mean")
    return mx.mean(x, axis, keepdims)


def var(x: mx.array, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False) -> mx.array:
    """The variance: the sum of squares divided by N - correction, which counts as 0 where it is negative."""
    expect(x, REAL_FLOATING, "var")
    n = count_along(x, axis)
    if correction == 0:
        return mx.var(x, axis, keepdims)
    if n <= correction:
        squares = mx.square(x - mx.mean(x, axis, keepdims=True))
        return mx.sum(squares, axis, keepdims) / mx.array(0, x.dtype)
    return mx.var(x, axis, keepdims) * (n / (n - correction))


def std(x: mx.array, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False) -> mx.array:
    """The standard deviation: the root of the variance."""
    expect(x, REAL_FLOATING, "std")
    return mx.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def _running_axis(x: mx.array, axis: int | None, function: str) -> int:
    if x.ndim == 0 or (axis is None and x.ndim > 1):
        raise ValueError(f"[{function}] expected an axis of an array that has some, got {axis} of {x.ndim}")
    return normal_axis(0 if axis is None else axis, x.ndim)


def _with_initial(running: mx.array, axis: int, initial: int) -> mx.array:
    shape = (*running.shape[:axis], 1, *running.shape[axis + 1 :])
    return mx.concatenate([mx.full(shape, initial, running.dtype), running], axis)


def cumulative_sum(
    x: mx.array,
    /,
    *,
    axis: int | None = None,
    dtype: mx.Dtype | None = None,
    include_initial: bool = False,
) -> mx.array:
    """The sums of the first elements along an axis; include_initial: 0, that of none, comes first."""
    expect(x, NUMERIC, "cumulative_sum")
    axis = _running_axis(x, axis, "cumulative_sum")
    running = mx.cumsum(x.astype(summed_dtype(x, dtype)), axis)
    return _with_initial(running, axis, 0) if include_initial else running


def cumulative_prod(
    x: mx.array,
    /,
    *,
    axis: int | None = None,
    dtype: mx.Dtype | None = None,
    include_initial: bool = False,
) -> mx.array:
    """The products of the first elements along an axis; include_initial: 1, that of none, comes first."""
    expect(x, NUMERIC, "cumulative_prod")
    axis = _running_axis(x, axis, "cumulative_prod")
    running = mx.cumprod(x.astype(summed_dtype(x, dtype)), axis)
    return _with_initial(running, axis, 1) if include_initial else running


def count_nonzero(x: mx.array, /, *, axis: Axes = None, keepdims: bool = False) -> mx.array:
    """How many elements are other than 0, int64."""
    return mx.sum((x != 0).astype(INDEX), axis, keepdims)


def all(x: mx.array, /, *, axis: Axes = None, keepdims: bool = False) -> mx.array:
    """Are all elements other than 0?"""
    return mx.all(x, axis, keepdims)


def any(x: mx.array, /, *, axis: Axes = None, keepdims: bool = False) -> mx.array:
    """Is any element other than 0?"""
    return mx.any(x, axis, keepdims)


def diff(
    x: mx.array,
    /,
    *,
    axis: int = -1,
    n: int = 1,
    prepend: mx.array | None = None,
    append: mx.array | None = None,
) -> mx.array:
    """The n-th differences of neighbours along an axis, of x with prepend before it and append after."""
    expect(x, NUMERIC, "diff")
    axis = normal_axis(axis, x.ndim)
    parts = [part for part in (prepend, x, append) if part is not None]
    if len(parts) > 1:
        dtype = mx.result_type(*parts)
        x = mx.concatenate([part.astype(dtype) for part in parts], axis)
    return mx.diff(x, n, axis)
