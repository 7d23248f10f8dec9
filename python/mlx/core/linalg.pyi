"""Type stubs of mlx.core.linalg, written by tools/stubs.py."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any


from . import DeviceType, Device, Dtype, Stream, ThreadLocalStream, array

_Scalar = bool | int | float | complex
_Value = Any  # an array, a scalar, a nested list of scalars, or an object with a buffer, as a NumPy array
_Stream = Stream | ThreadLocalStream | Device | DeviceType

def cholesky(a: array, upper: bool = False, *, stream: _Stream | None = None) -> array:
    """Lower triangular L with a = L L^T of symmetric positive definite matrices, or upper triangular U with a = U^T U. That triangle of a is read alone. float32 or float64; other dtypes raise ValueError. Matrices that are not positive definite raise RuntimeError when evaluated. Derivatives: Giles, "Collected matrix derivative results" (2008)."""

def cholesky_inv(a: array, upper: bool = False, *, stream: _Stream | None = None) -> array:
    """The inverses of the matrices whose Cholesky factors a holds, lower (or upper) triangular. float32 or float64; other dtypes raise ValueError. A singular matrix raises RuntimeError when evaluated."""

def cross(a: array, b: array, axis: int = -1, *, stream: _Stream | None = None) -> array:
    """The cross product along an axis of size 3, or of size 2 where the third component counts as 0; other sizes raise ValueError. The other axes broadcast, and the result has size 3 along the axis."""

def det(a: array, *, stream: _Stream | None = None) -> array:
    """The determinants (...) of square matrices (..., N, N): float32 or float64; integers become float32, other dtypes raise ValueError. The derivative needs invertible matrices."""

def eig(a: array, *, stream: _Stream | None = None) -> tuple[array, array]:
    """The eigenvalues of square matrices, in no order, complex64 (..., N), and eigenvectors of length 1 in the columns of complex64 (..., N, N). float32, float64 or complex64; other dtypes raise ValueError. NaN and infinities raise ValueError when evaluated. Not differentiable."""

def eigh(a: array, UPLO: str = "L", *, stream: _Stream | None = None) -> tuple[array, array]:
    """The eigenvalues (..., N), in rising order, and eigenvectors, in the columns of (..., N, N), of symmetric or Hermitian matrices, of which the lower ('L') or upper ('U') triangle is read. float32, float64 or complex64; other dtypes raise ValueError. NaN and infinities raise ValueError when evaluated. Derivatives: Giles, "Collected matrix derivative results" (2008)."""

def eigvals(a: array, *, stream: _Stream | None = None) -> array:
    """The eigenvalues of square matrices, in no order: complex64 (..., N). float32, float64 or complex64; other dtypes raise ValueError. NaN and infinities raise ValueError when evaluated. Not differentiable."""

def eigvalsh(a: array, UPLO: str = "L", *, stream: _Stream | None = None) -> array:
    """The eigenvalues (..., N), in rising order, of symmetric or Hermitian matrices, of which the lower ('L') or upper ('U') triangle is read. float32, float64 or complex64; other dtypes raise ValueError. NaN and infinities raise ValueError when evaluated. Derivatives: Giles, "Collected matrix derivative results" (2008)."""

def inv(a: array, *, stream: _Stream | None = None) -> array:
    """The inverses of square matrices (..., N, N). float32 or float64; other dtypes raise ValueError. A singular matrix raises RuntimeError when evaluated. Derivatives: Giles, "Collected matrix derivative results" (2008)."""

def lu(a: array, *, stream: _Stream | None = None) -> tuple[array, array, array]:
    """The factorisation by partial pivoting of matrices (..., M, N), with K = min(M, N): row indices uint32 (..., M), unit lower triangular L (..., M, K) and upper triangular U (..., K, N). a == (L @ U)[rows]. float32 or float64; other dtypes raise ValueError."""

def lu_factor(a: array, *, stream: _Stream | None = None) -> tuple[array, array]:
    """The same in compact form: L without its diagonal and U in one (..., M, N), and pivots uint32 (..., min(M, N)): row i changed places with row pivots[i]. float32 or float64; other dtypes raise ValueError."""

def norm(a: array, /, ord: Any = None, axis: int | Sequence[int] | None = None, keepdims: bool = False, *, stream: _Stream | None = None) -> array:
    """Norms of vectors (one axis) or matrices (two axes: rows, columns); definitions as in Higham, "Accuracy and Stability of Numerical Algorithms", chapter 6.

ord: None, the root of the sum of |a|^2 over the axes, all of them if axis is None. For vectors a number p: the p-th root of the sum of |a|^p; inf and -inf the largest and least |a|; 0 the count of nonzeros. For matrices: 'fro' or 'f' the root of the sum of squares, 'nuc' the sum of singular values, 1 and -1 the largest and least column sum of |a|, inf and -inf the same of rows, 2 and -2 the largest and least singular value. With ord and no axis a must have one or two dimensions. keepdims: the axes stay, with size 1. Real dtypes stay, integers become float32, complex64 has float32 norms; singular values need float32, float64 or complex64. An ord or number of axes that is not listed raises ValueError. Powers must stay in float32, where halves are computed too (float64 in itself): a norm of squares is inf beyond 1.8e19, and 0 below 1e-23."""

def pinv(a: array, *, stream: _Stream | None = None) -> array:
    """The Moore-Penrose inverses (..., N, M) of matrices (..., M, N), by singular values; those below 10 max(M, N) eps times the largest count as 0. float32 or float64; other dtypes raise ValueError. NaN and infinities raise ValueError when evaluated. Derivative, for a rank that stays: Golub & Pereyra (1973)."""

def qr(a: array, *, stream: _Stream | None = None) -> tuple[array, array]:
    """a = Q R of matrices (..., M, N), with K = min(M, N): Q (..., M, K) with orthonormal columns, R (..., K, N) upper triangular. float32 or float64; other dtypes raise ValueError. Derivatives: Walter & Lehmann (2010); of wide matrices Roberts & Roberts (2020)."""

def slogdet(a: array, *, stream: _Stream | None = None) -> tuple[array, array]:
    """The sign (...) and the logarithm of the absolute value (...) of determinants; 0 and -inf for singular matrices. Shapes and dtypes as in det."""

def solve(a: array, b: array, *, stream: _Stream | None = None) -> array:
    """x with a x = b: a (..., N, N), b (N) or (..., N, K), whose leading axes broadcast. The dtypes promote to float32 or float64, else ValueError. A singular matrix raises RuntimeError when evaluated. Derivatives: Giles, "Collected matrix derivative results" (2008)."""

def solve_triangular(a: array, b: array, *, upper: bool = False, stream: _Stream | None = None) -> array:
    """x with a x = b, of a's lower (or upper) triangle; the other is not read. Shapes and dtypes as in solve. A singular matrix raises RuntimeError when evaluated."""

def svd(a: array, compute_uv: bool = True, *, stream: _Stream | None = None) -> array | tuple[array, array, array]:
    """Singular values of matrices (..., M, N), with K = min(M, N). U (..., M, M), S (..., K) in falling order and Vt (..., N, N), so that a = U[..., :K] diag(S) Vt[..., :K, :]; without compute_uv S alone. float32, float64 or complex64; other dtypes raise ValueError. NaN and infinities raise ValueError when evaluated. Derivatives: Townsend (2016); of complex matrices those of S alone."""

def tri_inv(a: array, upper: bool = False, *, stream: _Stream | None = None) -> array:
    """The inverses of the lower (or upper) triangles of square matrices; the other triangle is not read. float32 or float64; other dtypes raise ValueError. A singular matrix raises RuntimeError when evaluated."""
