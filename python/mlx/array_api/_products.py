"""Products of arrays, of integers too: MLX multiplies matrices of floats alone.

Integers of b bits are cut into limbs of 16 bits. Products of limbs and sums of them are below 2^53, so that
products of matrices of float64 give them exactly; shifted and added modulo 2^b they are the integers' product.
Of the pairs of limbs, those whose product is shifted by b or more have no part in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import mlx.core as mx

from ._rules import INTEGER, NUMERIC, axes_of, expect

__all__ = [
    "matmul", "matrix_transpose", "tensordot", "vecdot",
]  # fmt: skip

LIMB_BITS = 16
LONGEST_SUM = 1 << 20  # of products below 2^32, which stays below 2^53


def _limbs(x: mx.array) -> list[mx.array]:
    """The limbs of integers as float64, the lowest first; one that keeps its sign where 16 bits hold all."""
    count = 8 * x.dtype.size // LIMB_BITS
    if count <= 1:
        return [x.astype(mx.float64)]
    x = x.astype(mx.int64)
    return [((x >> LIMB_BITS * i) & 0xFFFF).astype(mx.float64) for i in range(count)]


def _integer_matmul(x1: mx.array, x2: mx.array, dtype: mx.Dtype) -> mx.array:
    length, rows = x1.shape[-1], 0 if x2.ndim == 1 else -2
    if length > LONGEST_SUM:
        head = _integer_matmul(x1[..., :LONGEST_SUM], _rows(x2, 0, LONGEST_SUM, rows), dtype)
        return head + _integer_matmul(x1[..., LONGEST_SUM:], _rows(x2, LONGEST_SUM, length, rows), dtype)
    left, right = _limbs(x1.astype(dtype)), _limbs(x2.astype(dtype))
    total = None
    for i, a in enumerate(left):
        for j, b in enumerate(right[: len(left) - i]):
            part = mx.matmul(a, b).astype(mx.int64) << LIMB_BITS * (i + j)
            total = part if total is None else total + part
    return total.astype(dtype)


def _rows(x: mx.array, start: int, stop: int, axis: int) -> mx.array:
    return x[start:stop] if axis == 0 else x[..., start:stop, :]


def matmul(x1: mx.array, x2: mx.array, /) -> mx.array:
    """Products of matrices; a vector is a row on the left and a column on the right. Leading axes broadcast."""
    expect(x1, NUMERIC, "matmul")
    expect(x2, NUMERIC, "matmul")
    dtype = mx.result_type(x1, x2)
    if dtype not in INTEGER.dtypes:
        return mx.matmul(x1, x2)
    if x1.ndim == 0 or x2.ndim == 0:
        raise ValueError(f"[matmul] expected at least 1 dimension, got shapes {x1.shape} and {x2.shape}")
    return _integer_matmul(x1, x2, dtype)


def matrix_transpose(x: mx.array, /) -> mx.array:
    """x with its last two axes swapped."""
    return mx.matrix_transpose(x)


def tensordot(
    x1: mx.array, x2: mx.array, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2
) -> mx.array:
    """The sum of products over pairs of axes: the last of x1 and first of x2, or those that are named."""
    expect(x1, NUMERIC, "tensordot")
    expect(x2, NUMERIC, "tensordot")
    if mx.result_type(x1, x2) not in INTEGER.dtypes:
        return mx.tensordot(x1, x2, axes if isinstance(axes, int) else [list(a) for a in axes])
    if isinstance(axes, int):
        axes = tuple(range(x1.ndim - axes, x1.ndim)), tuple(range(axes))
    summed1, summed2 = axes_of(tuple(axes[0]), x1.ndim), axes_of(tuple(axes[1]), x2.ndim)
    lengths = [x1.shape[a] for a in summed1]
    if lengths != [x2.shape[a] for a in summed2]:
        raise ValueError(f"[tensordot] expected axes of one length, got shapes {x1.shape} and {x2.shape}")
    kept1 = [a for a in range(x1.ndim) if a not in summed1]
    kept2 = [a for a in range(x2.ndim) if a not in summed2]
    shape = [x1.shape[a] for a in kept1], [x2.shape[a] for a in kept2]
    rows, length, columns = (math.prod(s) for s in (shape[0], lengths, shape[1]))
    left = mx.transpose(x1, [*kept1, *summed1]).reshape(rows, length)
    right = mx.transpose(x2, [*summed2, *kept2]).reshape(length, columns)
    return matmul(left, right).reshape([*shape[0], *shape[1]])


def vecdot(x1: mx.array, x2: mx.array, /, *, axis: int = -1) -> mx.array:
    """The sum of products along an axis, with x1 conjugated. The other axes broadcast.

    Raises:
        ValueError: Axes of two lengths.
    """
    expect(x1, NUMERIC, "vecdot")
    expect(x2, NUMERIC, "vecdot")
    if x1.shape[axis] != x2.shape[axis]:
        raise ValueError(f"[vecdot] expected axes of one length, got shapes {x1.shape} and {x2.shape}")
    return mx.vecdot(x1, x2, axis=axis).astype(mx.result_type(x1, x2))
