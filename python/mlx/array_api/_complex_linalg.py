"""Factorisations of complex64 matrices, which MLX has of real ones alone.

A complex matrix A + iB acts on pairs of real numbers as the matrix of blocks [A, -B; B, A], which has the same
inverses and products. With rows and columns in the order real, imaginary, real, ... each element is a block of
2 x 2, so that a triangular matrix with a real diagonal is a triangular one again.
"""

from __future__ import annotations

import mlx.core as mx

from ._special import complex_of


def _real_form(x: mx.array) -> mx.array:
    """(..., M, N) to blocks [A, -B; B, A], float32 (..., 2M, 2N)."""
    a, b = mx.real(x), mx.imag(x)
    top, bottom = mx.concatenate([a, -b], -1), mx.concatenate([b, a], -1)
    return mx.concatenate([top, bottom], -2)


def _interleaved(x: mx.array) -> mx.array:
    """(..., M, N) to blocks of 2 x 2, float32 (..., 2M, 2N)."""
    *batch, rows, columns = x.shape
    a, b = mx.real(x), mx.imag(x)
    blocks = mx.stack([mx.stack([a, -b], -1), mx.stack([b, a], -1)], -3)  # (..., M, 2, N, 2)
    return blocks.reshape(*batch, 2 * rows, 2 * columns)


def inv(x: mx.array) -> mx.array:
    n = x.shape[-1]
    inverse = mx.linalg.inv(_real_form(x))
    return complex_of(inverse[..., :n, :n], inverse[..., n:, :n])


def solve(x1: mx.array, x2: mx.array) -> mx.array:
    """x with x1 x = x2, for x2 (..., N, K)."""
    n = x1.shape[-1]
    found = mx.linalg.solve(_real_form(x1), mx.concatenate([mx.real(x2), mx.imag(x2)], -2))
    return complex_of(found[..., :n, :], found[..., n:, :])


def cholesky(x: mx.array) -> mx.array:
    """Lower triangular L with x = L L^H. Its diagonal is real, so that its blocks are the blocks' own L."""
    blocks = mx.linalg.cholesky(_interleaved(x))
    return complex_of(blocks[..., ::2, ::2], blocks[..., 1::2, ::2])


def householder(x: mx.array) -> tuple[mx.array, mx.array, mx.array]:
    """Q (..., M, M), R (..., M, N) and det Q, 1 or -1 (...), by one reflection a column (Householder, 1958).

    A reflection I - 2 u u^H takes a column v below its diagonal to alpha e; u is v - alpha e, of length 1. Of the
    two alpha, of the length of v and the direction of its first element, the one with the other sign cancels
    nothing.
    """
    *batch, rows, columns = x.shape
    q = mx.broadcast_to(mx.eye(rows, dtype=mx.complex64), (*batch, rows, rows))
    determinant = mx.ones(batch)
    for k in range(min(rows - 1, columns)):
        below, on = mx.arange(rows) >= k, mx.arange(rows) == k
        v = mx.where(below, x[..., :, k], 0)
        first = v[..., k, None]
        size = mx.abs(first)
        direction = mx.where(size == 0, 1, first / mx.where(size == 0, 1, size))
        length = mx.sqrt(mx.sum(mx.square(mx.abs(v)), -1, keepdims=True))
        u = v + mx.where(on, direction * length, 0)
        scale = mx.sqrt(mx.sum(mx.square(mx.abs(u)), -1, keepdims=True))
        u = mx.where(scale == 0, 0, u / mx.where(scale == 0, 1, scale))
        column, row = u[..., :, None], mx.conj(u)[..., None, :]
        x = x - 2 * column @ (row @ x)
        q = q - 2 * (q @ column) @ row
        determinant = mx.where(scale[..., 0] == 0, determinant, -determinant)
    return q, mx.triu(x), determinant


def diagonal_product_terms(x: mx.array) -> tuple[mx.array, mx.array]:
    """The diagonal of R (..., N) and det Q (...), whose product is the determinant."""
    _, r, determinant = householder(x)
    return mx.diagonal(r, 0, -2, -1), determinant
