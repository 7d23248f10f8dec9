/* Linear algebra on the matrices in the last two axes, (..., M, N); leading axes are a batch. float32 and
   float64, and complex64 where a function says so; other dtypes are an error. Errors that only the elements
   show (a singular matrix, NaN where an iteration needs finite numbers) come at eval. */
#ifndef MLX_LINALG_H
#define MLX_LINALG_H
#include "mlx/array.h"
MX_BEGIN

/* ---- Norms ---- of vectors along one axis, of matrices in two: (rows, columns) in that order. Integers
   become float32; complex64 has float32 norms. Powers must stay in float32, in which halves are computed too
   (float64 in itself): a norm of squares is inf beyond 1.8e19, and 0 below 1e-23 ---- */
/* The square root of the sum of |a|^2 over the axes, any number of them. */
MX_API mx_array mx_linalg_norm(mx_array a, mx_ints axes, bool keepdims);
/* Vectors: (sum |a|^ord)^(1/ord), the largest or least |a| for +-inf, the number of nonzeros for 0. Matrices:
   the largest or least (negative ord) column sum for 1, row sum for inf, singular value for 2. MX_ALL_AXES:
   those of a vector or a matrix. */
MX_API mx_array mx_linalg_norm_ord(mx_array a, double ord, mx_ints axes, bool keepdims);
/* Matrices: "fro" or "f", the root of the sum of squares; "nuc", the sum of singular values. */
MX_API mx_array mx_linalg_norm_matrix(mx_array a, const char *ord, mx_ints axes, bool keepdims);

/* The cross product along an axis of size 3; where one has size 2, its third component is 0. The result
 * has 3. */
MX_API mx_array mx_linalg_cross(mx_array a, mx_array b, int axis);

/* ---- Systems of equations ---- float32, float64. A singular matrix is MX_RUNTIME_ERROR at eval. */
MX_API mx_array mx_linalg_inv(mx_array a);
/* The inverse of the lower or upper triangle; the other is not read. */
MX_API mx_array mx_linalg_tri_inv(mx_array a, bool upper);
/* x with a x = b: a (..., N, N), b (N) or (..., N, K), whose batch axes broadcast. */
MX_API mx_array mx_linalg_solve(mx_array a, mx_array b);
/* The same of a's lower or upper triangle. */
MX_API mx_array mx_linalg_solve_triangular(mx_array a, mx_array b, bool upper);
/* The Moore-Penrose inverse (..., N, M). Singular values below 10 max(M, N) eps times the largest count as 0.
 */
MX_API mx_array mx_linalg_pinv(mx_array a);
/* Of square matrices; integers become float32. logabs is -inf and sign 0 where a matrix is singular. */
MX_API mx_array mx_linalg_det(mx_array a);
MX_API int mx_linalg_slogdet(mx_array a, mx_array *sign, mx_array *logabs);

/* ---- Factorisations ---- float32, float64 */
/* With K = min(M, N): l (..., M, K) unit lower triangular, u (..., K, N) upper triangular, and rows, uint32
   (..., M): row i of a is row rows[i] of l u. */
MX_API int mx_linalg_lu(mx_array a, mx_array *rows, mx_array *l, mx_array *u);
/* Both in one (..., M, N), l without its diagonal; pivots uint32 (..., K): row i changed places with
 * pivots[i]. */
MX_API int mx_linalg_lu_factor(mx_array a, mx_array *lu, mx_array *pivots);
/* The triangular factor of a symmetric matrix, a = l l^T, or u^T u (upper); reads that triangle alone. A
   matrix that is not positive definite is MX_RUNTIME_ERROR at eval. */
MX_API mx_array mx_linalg_cholesky(mx_array a, bool upper);
/* The inverse of the matrix whose Cholesky factor is a. */
MX_API mx_array mx_linalg_cholesky_inv(mx_array a, bool upper);
/* a = q r: q (..., M, K) with orthonormal columns, r (..., K, N) upper triangular. */
MX_API int mx_linalg_qr(mx_array a, mx_array *q, mx_array *r);

/* ---- Spectra ---- float32, float64, complex64. Elements that are not finite are MX_INVALID_ARGUMENT at
 * eval. */
/* a = u[:, :K] diag(s) vt[:K]: u (..., M, M), s (..., K) falling, vt (..., N, N). s and real results are
   float32 for complex64. */
MX_API int mx_linalg_svd(mx_array a, mx_array *u, mx_array *s, mx_array *vt);
MX_API mx_array mx_linalg_svdvals(mx_array a);
/* Of symmetric or Hermitian matrices, of which the lower or upper triangle is read: w (..., N) rising, and
   eigenvectors in the columns of v (..., N, N). */
MX_API int mx_linalg_eigh(mx_array a, bool upper, mx_array *w, mx_array *v);
MX_API mx_array mx_linalg_eigvalsh(mx_array a, bool upper);
/* Of any square matrix: complex64 w (..., N), in no order, and eigenvectors of length 1 in the columns of v.
 */
MX_API int mx_linalg_eig(mx_array a, mx_array *w, mx_array *v);
MX_API mx_array mx_linalg_eigvals(mx_array a);
MX_END
#endif
