/* mlx.core.linalg: matrices in the last two axes. */
#include "core.h"
#include <string.h>

#define A                            f->v[0].a
#define LINALG(name, signature, doc) FUNCTION_IN(linalg, name, signature, doc)

/* 0 and the results as a tuple, or the library's error. */
static PyObject *tuple_of(int status, int n, const mx_array *results) {
  return status < 0 ? py_raise() : py_wrap_tuple(n, results);
}

/* Does the text name the upper triangle? -1 with the exception set if it names neither. */
static int upper_of(const frame *f, int i) {
  const char *s = f->v[i].s;
  if (!strcmp(s, "L") || !strcmp(s, "l")) return 0;
  if (!strcmp(s, "U") || !strcmp(s, "u")) return 1;
  PyErr_Format(PyExc_ValueError, "[%s] expected UPLO 'L' or 'U', got '%s'", f->f->name, s);
  return -1;
}

#define FLOATS     " float32 or float64; other dtypes raise ValueError."
#define ANY_FLOAT  " float32, float64 or complex64; other dtypes raise ValueError."
#define NOT_FINITE " NaN and infinities raise ValueError when evaluated."
#define SINGULAR   " A singular matrix raises RuntimeError when evaluated."
#define MATRICES   "a: array"
#define GILES      " Derivatives: Giles, \"Collected matrix derivative results\" (2008)."

LINALG(norm, "a: array, /, ord: object? = None, axis: axes? = None, keepdims: bool = False" STREAM,
       "Norms of vectors (one axis) or matrices (two axes: rows, columns); definitions as in Higham, "
       "\"Accuracy and "
       "Stability of Numerical Algorithms\", chapter 6.\n\n"
       "ord: None, the root of the sum of |a|^2 over the axes, all of them if axis is None. For vectors a "
       "number p: the "
       "p-th root of the sum of |a|^p; inf and -inf the largest and least |a|; 0 the count of nonzeros. For "
       "matrices: "
       "'fro' or 'f' the root of the sum of squares, 'nuc' the sum of singular values, 1 and -1 the largest "
       "and least "
       "column sum of |a|, inf and -inf the same of rows, 2 and -2 the largest and least singular value. "
       "With ord and "
       "no axis a must have one or two dimensions. keepdims: the axes stay, with size 1. Real dtypes stay, "
       "integers "
       "become float32, complex64 has float32 norms; singular values need float32, float64 or complex64. An "
       "ord or "
       "number of axes that is not listed raises ValueError. Powers must stay in float32, where halves are "
       "computed too "
       "(float64 in itself): a norm of squares is inf beyond 1.8e19, and 0 below 1e-23.") {
  mx_ints axes = f->v[2].ints;
  bool keep = f->v[3].b;
  if (!py_given(f, 1)) return py_wrap(mx_linalg_norm(A, axes, keep));
  PyObject *ord = f->v[1].o;
  if (PyUnicode_Check(ord)) {
    const char *name = PyUnicode_AsUTF8AndSize(ord, NULL);
    return name ? py_wrap(mx_linalg_norm_matrix(A, name, axes, keep)) : NULL;
  }
  double value = PyFloat_AsDouble(ord);
  if (value == -1 && PyErr_Occurred()) return py_wrong_argument(f, 1, "a number or a str");
  return py_wrap(mx_linalg_norm_ord(A, value, axes, keep));
}
LINALG(cross, "a: array, b: array, axis: axis = -1" STREAM,
       "The cross product along an axis of size 3, or of size 2 where the third component counts as 0; other "
       "sizes "
       "raise ValueError. The other axes broadcast, and the result has size 3 along the axis.") {
  return py_wrap(mx_linalg_cross(A, f->v[1].a, (int)f->v[2].i));
}

/* ---- Systems ---- */
LINALG(inv, MATRICES STREAM, "The inverses of square matrices (..., N, N)." FLOATS SINGULAR GILES) {
  return py_wrap(mx_linalg_inv(A));
}
LINALG(tri_inv, "a: array, upper: bool = False" STREAM,
       "The inverses of the lower (or upper) triangles of square matrices; the other triangle is not "
       "read." FLOATS SINGULAR) {
  return py_wrap(mx_linalg_tri_inv(A, f->v[1].b));
}
LINALG(solve, "a: array, b: array" STREAM,
       "x with a x = b: a (..., N, N), b (N) or (..., N, K), whose leading axes broadcast. The dtypes "
       "promote to float32 "
       "or float64, else ValueError." SINGULAR GILES) {
  return py_wrap(mx_linalg_solve(A, f->v[1].a));
}
LINALG(solve_triangular, "a: array, b: array, *, upper: bool = False, stream: stream = None",
       "x with a x = b, of a's lower (or upper) triangle; the other is not read. Shapes and dtypes as in "
       "solve." SINGULAR) {
  return py_wrap(mx_linalg_solve_triangular(A, f->v[1].a, f->v[2].b));
}
LINALG(pinv, MATRICES STREAM,
       "The Moore-Penrose inverses (..., N, M) of matrices (..., M, N), by singular values; those below 10 "
       "max(M, N) "
       "eps times the largest count as 0." FLOATS NOT_FINITE
       " Derivative, for a rank that stays: Golub & Pereyra (1973).") {
  return py_wrap(mx_linalg_pinv(A));
}
LINALG(det, MATRICES STREAM,
       "The determinants (...) of square matrices (..., N, N): float32 or float64; integers become float32, "
       "other dtypes "
       "raise ValueError. The derivative needs invertible matrices.") {
  return py_wrap(mx_linalg_det(A));
}
LINALG(slogdet, MATRICES STREAM " -> tuple[array, array]",
       "The sign (...) and the logarithm of the absolute value (...) of determinants; 0 and -inf for "
       "singular matrices. "
       "Shapes and dtypes as in det.") {
  mx_array out[2];
  return tuple_of(mx_linalg_slogdet(A, &out[0], &out[1]), 2, out);
}

/* ---- Factorisations ---- */
LINALG(lu, MATRICES STREAM " -> tuple[array, array, array]",
       "The factorisation by partial pivoting of matrices (..., M, N), with K = min(M, N): row indices "
       "uint32 (..., M), "
       "unit lower triangular L (..., M, K) and upper triangular U (..., K, N). a == (L @ U)[rows]." FLOATS) {
  mx_array out[3];
  return tuple_of(mx_linalg_lu(A, &out[0], &out[1], &out[2]), 3, out);
}
LINALG(lu_factor, MATRICES STREAM " -> tuple[array, array]",
       "The same in compact form: L without its diagonal and U in one (..., M, N), and pivots uint32 (..., "
       "min(M, N)): "
       "row i changed places with row pivots[i]." FLOATS) {
  mx_array out[2];
  return tuple_of(mx_linalg_lu_factor(A, &out[0], &out[1]), 2, out);
}
LINALG(cholesky, "a: array, upper: bool = False" STREAM,
       "Lower triangular L with a = L L^T of symmetric positive definite matrices, or upper triangular U "
       "with a = U^T U. "
       "That triangle of a is read alone." FLOATS
       " Matrices that are not positive definite raise RuntimeError when evaluated." GILES) {
  return py_wrap(mx_linalg_cholesky(A, f->v[1].b));
}
LINALG(cholesky_inv, "a: array, upper: bool = False" STREAM,
       "The inverses of the matrices whose Cholesky factors a holds, lower (or upper) triangular." FLOATS
           SINGULAR) {
  return py_wrap(mx_linalg_cholesky_inv(A, f->v[1].b));
}
LINALG(qr, MATRICES STREAM " -> tuple[array, array]",
       "a = Q R of matrices (..., M, N), with K = min(M, N): Q (..., M, K) with orthonormal columns, R (..., "
       "K, N) upper "
       "triangular." FLOATS
       " Derivatives: Walter & Lehmann (2010); of wide matrices Roberts & Roberts (2020).") {
  mx_array out[2];
  return tuple_of(mx_linalg_qr(A, &out[0], &out[1]), 2, out);
}

/* ---- Spectra ---- */
LINALG(svd, "a: array, compute_uv: bool = True" STREAM " -> array | tuple[array, array, array]",
       "Singular values of matrices (..., M, N), with K = min(M, N). U (..., M, M), S (..., K) in falling "
       "order and Vt "
       "(..., N, N), so that a = U[..., :K] diag(S) Vt[..., :K, :]; without compute_uv S alone." ANY_FLOAT
           NOT_FINITE " Derivatives: Townsend (2016); of complex matrices those of S alone.") {
  mx_array out[3];
  if (!f->v[1].b) return py_wrap(mx_linalg_svdvals(A));
  return tuple_of(mx_linalg_svd(A, &out[0], &out[1], &out[2]), 3, out);
}
LINALG(eigvalsh, "a: array, UPLO: str = 'L'" STREAM,
       "The eigenvalues (..., N), in rising order, of symmetric or Hermitian matrices, of which the lower "
       "('L') or upper "
       "('U') triangle is read." ANY_FLOAT NOT_FINITE GILES) {
  int upper = upper_of(f, 1);
  return upper < 0 ? NULL : py_wrap(mx_linalg_eigvalsh(A, upper));
}
LINALG(eigh, "a: array, UPLO: str = 'L'" STREAM " -> tuple[array, array]",
       "The eigenvalues (..., N), in rising order, and eigenvectors, in the columns of (..., N, N), of "
       "symmetric or "
       "Hermitian matrices, of which the lower ('L') or upper ('U') triangle is read." ANY_FLOAT NOT_FINITE
           GILES) {
  mx_array out[2];
  int upper = upper_of(f, 1);
  return upper < 0 ? NULL : tuple_of(mx_linalg_eigh(A, upper, &out[0], &out[1]), 2, out);
}
LINALG(eigvals, MATRICES STREAM,
       "The eigenvalues of square matrices, in no order: complex64 (..., N)." ANY_FLOAT NOT_FINITE
       " Not differentiable.") {
  return py_wrap(mx_linalg_eigvals(A));
}
LINALG(eig, MATRICES STREAM " -> tuple[array, array]",
       "The eigenvalues of square matrices, in no order, complex64 (..., N), and eigenvectors of length 1 in "
       "the columns "
       "of complex64 (..., N, N)." ANY_FLOAT NOT_FINITE " Not differentiable.") {
  mx_array out[2];
  return tuple_of(mx_linalg_eig(A, &out[0], &out[1]), 2, out);
}

static struct PyModuleDef linalg_module = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "mlx.core.linalg", .m_doc = "Linear algebra.", .m_size = -1};

int py_linalg_init(PyObject *module) {
  PyObject *m = PyModule_Create(&linalg_module);
  if (!m || py_add_functions(m, __start_mx_linalg, __stop_mx_linalg) < 0) return -1;
  if (PyDict_SetItemString(PyImport_GetModuleDict(), "mlx.core.linalg", m) < 0) return -1;
  return py_add_object(module, "linalg", m);
}
