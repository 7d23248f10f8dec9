"""The standard's extension linalg. Matrices are in the last two axes; the axes before are of a batch.

A matrix that is singular, or not positive definite, raises RuntimeError when the result is evaluated.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import mlx.core as mx

from . import _complex_linalg
from ._products import matmul, matrix_transpose, tensordot, vecdot
from ._rules import ANY, COMPLEX, FLOATING, INDEX, NUMERIC, Axes, axes_of, expect, promoted
from ._statistical import sum as sum_along

__all__ = [
    "cholesky", "cross", "det", "diagonal", "eig", "eigh", "eigvals", "eigvalsh", "inv", "matmul", "matrix_norm",
    "matrix_power", "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals",
    "tensordot", "trace", "vecdot", "vector_norm",
]  # fmt: skip


class EigResult(NamedTuple):
    eigenvalues: mx.array
    eigenvectors: mx.array


class EighResult(NamedTuple):
    eigenvalues: mx.array
    eigenvectors: mx.array


class QRResult(NamedTuple):
    Q: mx.array
    R: mx.array


class SlogdetResult(NamedTuple):
    sign: mx.array
    logabsdet: mx.array


class SVDResult(NamedTuple):
    U: mx.array
    S: mx.array
    Vh: mx.array


def _expect_matrices(x: mx.array, function: str, square: bool = False) -> None:
    expect(x, FLOATING, function)
    if x.ndim < 2 or (square and x.shape[-1] != x.shape[-2]):
        raise ValueError(f"[{function}] expected {'square ' * square}matrices, got shape {x.shape}")


def _is_complex(x: mx.array) -> bool:
    return x.dtype in COMPLEX.dtypes


def _adjoint(x: mx.array) -> mx.array:
    return mx.conj(mx.matrix_transpose(x))


# ---- Products ----
def cross(x1: mx.array, x2: mx.array, /, *, axis: int = -1) -> mx.array:
    """The cross product along an axis of length 3, counted from the end; the other axes broadcast."""
    expect(x1, NUMERIC, "cross")
    expect(x2, NUMERIC, "cross")
    if not -min(x1.ndim, x2.ndim) <= axis < 0:
        raise ValueError(f"[cross] expected a negative axis that both arrays have, got {axis}")
    if x1.shape[axis] != 3 or x2.shape[axis] != 3:
        raise ValueError(f"[cross] expected length 3 along axis {axis}, got shapes {x1.shape} and {x2.shape}")
    a, b, c = mx.unstack(x1, axis=axis)
    d, e, f = mx.unstack(x2, axis=axis)
    parts = mx.broadcast_arrays(b * f - c * e, c * d - a * f, a * e - b * d)
    return mx.stack(parts, axis)


def outer(x1: mx.array, x2: mx.array, /) -> mx.array:
    """The products of each element of a vector with each of another."""
    expect(x1, NUMERIC, "outer")
    expect(x2, NUMERIC, "outer")
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"[outer] expected vectors, got shapes {x1.shape} and {x2.shape}")
    return x1[:, None] * x2[None, :]


def matrix_power(x: mx.array, n: int, /) -> mx.array:
    """The product of n equal square matrices; of their inverses where n is negative."""
    _expect_matrices(x, "matrix_power", square=True)
    if n < 0:
        x, n = inv(x), -n
    power = mx.broadcast_to(mx.eye(x.shape[-1], dtype=x.dtype), x.shape)
    while n:
        if n & 1:
            power = power @ x
        x, n = x @ x if n > 1 else x, n >> 1
    return power


# ---- Diagonals ----
def diagonal(x: mx.array, /, *, offset: int = 0) -> mx.array:
    """The offset-th diagonal, above the main one where it is positive."""
    expect(x, ANY, "diagonal")
    return mx.diagonal(x, offset, -2, -1)


def trace(x: mx.array, /, *, offset: int = 0, dtype: mx.Dtype | None = None) -> mx.array:
    """The sum of a diagonal, in the dtype that sum gives it."""
    expect(x, NUMERIC, "trace")
    return sum_along(diagonal(x, offset=offset), axis=-1, dtype=dtype)


# ---- Factorisations ----
def cholesky(x: mx.array, /, *, upper: bool = False) -> mx.array:
    """Lower triangular L with x = L L^H of positive definite matrices, or upper triangular U with x = U^H U."""
    _expect_matrices(x, "cholesky", square=True)
    if _is_complex(x):
        lower = _complex_linalg.cholesky(x)
    else:
        lower = mx.linalg.cholesky(x)
    return _adjoint(lower) if upper else lower


def qr(x: mx.array, /, *, mode: Literal["reduced", "complete"] = "reduced") -> QRResult:
    """x = Q R with orthonormal columns in Q (..., M, K) and triangular R (..., K, N); K is min(M, N) or, complete, M."""
    _expect_matrices(x, "qr")
    if mode not in ("reduced", "complete"):
        raise ValueError(f"[qr] expected mode 'reduced' or 'complete', got {mode!r}")
    *batch, rows, columns = x.shape
    if _is_complex(x):
        q, r, _ = _complex_linalg.householder(x)
        k = min(rows, columns) if mode == "reduced" else rows
        return QRResult(q[..., :k], r[..., :k, :])
    if mode == "complete" and rows > columns:
        # Any columns that span the rest give the other columns of Q; the identity's do.
        identity = mx.broadcast_to(mx.eye(rows, dtype=x.dtype), (*batch, rows, rows))
        q, r = mx.linalg.qr(mx.concatenate([x, identity], -1))
        return QRResult(q, r[..., :columns])
    return QRResult(*mx.linalg.qr(x))


def eig(x: mx.array, /) -> EigResult:
    """Eigenvalues and eigenvectors of square matrices, complex64."""
    _expect_matrices(x, "eig", square=True)
    return EigResult(*mx.linalg.eig(x))


def eigvals(x: mx.array, /) -> mx.array:
    """Eigenvalues of square matrices, complex64."""
    _expect_matrices(x, "eigvals", square=True)
    return mx.linalg.eigvals(x)


def eigh(x: mx.array, /) -> EighResult:
    """Eigenvalues, in rising order, and eigenvectors of symmetric or Hermitian matrices."""
    _expect_matrices(x, "eigh", square=True)
    return EighResult(*mx.linalg.eigh(x))


def eigvalsh(x: mx.array, /) -> mx.array:
    """Eigenvalues, in rising order, of symmetric or Hermitian matrices."""
    _expect_matrices(x, "eigvalsh", square=True)
    return mx.linalg.eigvalsh(x)


def svd(x: mx.array, /, *, full_matrices: bool = True) -> SVDResult:
    """x = U diag(S) Vh with S in falling order. Without full_matrices U and Vh have min(M, N) columns and rows."""
    _expect_matrices(x, "svd")
    if full_matrices:
        return SVDResult(*mx.linalg.svd(x))
    rows, columns = x.shape[-2:]
    k = min(rows, columns)
    if rows == columns or _is_complex(x):
        u, s, vh = mx.linalg.svd(x)
        return SVDResult(u[..., :k], s, vh[..., :k, :])
    if rows < columns:
        u, s, vh = svd(mx.matrix_transpose(x), full_matrices=False)
        return SVDResult(mx.matrix_transpose(vh), s, mx.matrix_transpose(u))
    q, r = mx.linalg.qr(x)  # spares the (M, M) matrix U
    u, s, vh = mx.linalg.svd(r)
    return SVDResult(q @ u, s, vh)


def svdvals(x: mx.array, /) -> mx.array:
    """Singular values in falling order."""
    _expect_matrices(x, "svdvals")
    return mx.linalg.svd(x, compute_uv=False)


# ---- Equations ----
def inv(x: mx.array, /) -> mx.array:
    """Inverses of square matrices."""
    _expect_matrices(x, "inv", square=True)
    return _complex_linalg.inv(x) if _is_complex(x) else mx.linalg.inv(x)


def solve(x1: mx.array, x2: mx.array, /) -> mx.array:
    """x with x1 x = x2: x2 is one vector (N) or matrices (..., N, K)."""
    _expect_matrices(x1, "solve", square=True)
    expect(x2, FLOATING, "solve")
    x1, x2 = promoted(x1, x2)
    if x2.ndim == 1:
        return solve(x1, x2[:, None])[..., 0]
    batch = mx.broadcast_shapes(x1.shape[:-2], x2.shape[:-2])
    x1 = mx.broadcast_to(x1, (*batch, *x1.shape[-2:]))
    x2 = mx.broadcast_to(x2, (*batch, *x2.shape[-2:]))
    return _complex_linalg.solve(x1, x2) if _is_complex(x1) else mx.linalg.solve(x1, x2)


def det(x: mx.array, /) -> mx.array:
    """Determinants of square matrices."""
    _expect_matrices(x, "det", square=True)
    if not _is_complex(x):
        return mx.linalg.det(x)
    diagonal, sign = _complex_linalg.diagonal_product_terms(x)
    return mx.prod(diagonal, -1) * sign


def slogdet(x: mx.array, /) -> SlogdetResult:
    """The sign, or direction, of determinants and the logarithm of their absolute values."""
    _expect_matrices(x, "slogdet", square=True)
    if not _is_complex(x):
        return SlogdetResult(*mx.linalg.slogdet(x))
    diagonal, sign = _complex_linalg.diagonal_product_terms(x)
    return SlogdetResult(mx.prod(mx.sign(diagonal), -1) * sign, mx.sum(mx.log(mx.abs(diagonal)), -1))


def _least_size(s: mx.array, x: mx.array, rtol: float | mx.array | None) -> mx.array:
    """Singular values up to this (..., 1) count as 0."""
    if rtol is None:
        rtol = max(x.shape[-2:]) * mx.finfo(s.dtype).eps
    if isinstance(rtol, mx.array) and rtol.ndim:
        rtol = rtol[..., None]
    return rtol * mx.max(s, -1, keepdims=True)


def matrix_rank(x: mx.array, /, *, rtol: float | mx.array | None = None) -> mx.array:
    """How many singular values exceed rtol, max(M, N) eps where it is None, times the largest: int64."""
    s = svdvals(x)
    if s.shape[-1] == 0:
        return mx.zeros(s.shape[:-1], INDEX)
    return mx.sum((s > _least_size(s, x, rtol)).astype(INDEX), -1)


def pinv(x: mx.array, /, *, rtol: float | mx.array | None = None) -> mx.array:
    """Moore-Penrose inverses; singular values up to rtol, max(M, N) eps where it is None, times the largest are 0."""
    u, s, vh = svd(x, full_matrices=False)
    if s.shape[-1] == 0:
        return mx.matrix_transpose(x)
    kept = s > _least_size(s, x, rtol)
    inverse = mx.where(kept, 1 / mx.where(kept, s, 1), 0)
    return _adjoint(vh) @ (inverse[..., None] * _adjoint(u))


# ---- Norms ----
def vector_norm(x: mx.array, /, *, axis: Axes = None, keepdims: bool = False, ord: float = 2) -> mx.array:
    """The p-norm over axes together: the p-th root of the sum of |x|^p; for p = 0 the count of nonzeros."""
    expect(x, FLOATING, "vector_norm")
    axes, size = axes_of(axis, x.ndim), mx.abs(x)
    if ord == math.inf:
        return mx.max(size, axes, keepdims)
    if ord == -math.inf:
        return mx.min(size, axes, keepdims)
    if ord == 0:
        return mx.sum((size != 0).astype(size.dtype), axes, keepdims)
    if ord == 1:
        return mx.sum(size, axes, keepdims)
    if ord == 2:
        return mx.sqrt(mx.sum(mx.square(size), axes, keepdims))
    return mx.sum(size**ord, axes, keepdims) ** (1 / ord)


def matrix_norm(
    x: mx.array,
    /,
    *,
    keepdims: bool = False,
    ord: float | Literal["fro", "nuc"] | None = "fro",
) -> mx.array:
    """Norms of matrices: 'fro', 'nuc' (the sum of singular values), 2 and -2 (the largest, the least of them),
    1 and -1 (the largest, the least sum of a column's sizes), inf and -inf (of a row's)."""
    _expect_matrices(x, "matrix_norm")
    if ord in ("fro", None):
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord == "nuc":
        norm = mx.sum(svdvals(x), -1)
    elif ord in (2, -2):
        norm = (mx.max if ord > 0 else mx.min)(svdvals(x), -1)
    elif ord in (1, -1, math.inf, -math.inf):
        sums = mx.sum(mx.abs(x), -1 if math.isinf(ord) else -2)
        norm = (mx.max if ord > 0 else mx.min)(sums, -1)
    else:
        raise ValueError(f"[matrix_norm] expected 'fro', 'nuc', 1, 2, inf or their negatives, got {ord!r}")
    return norm[..., None, None] if keepdims else norm
