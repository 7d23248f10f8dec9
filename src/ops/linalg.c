/* Linear algebra: systems of equations, factorisations, spectra. Derivatives are in linalg_rules.c. */
#include "mlx/linalg.h"
#include "ops/common.h"
#include "ops/linalg.h"
#include "ops/rules.h"

/* ---- Arguments ---- */
enum { SQUARE = 1, COMPLEX = 2 };

static int check_matrices(const char *op, mx_array a, unsigned what) {
  if (!mxi_usable1(op, a)) return -1;
  if (a->ndim < 2)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected matrices, of 2 dimensions or more, got shape %s", op,
                    MXI_SHAPE_TEXT(a));
  if ((what & SQUARE) && mx_dim(a, -1) != mx_dim(a, -2))
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected square matrices, got shape %s", op,
                    MXI_SHAPE_TEXT(a));
  mx_dtype t = mxi_dtype(a);
  if (t == MX_FLOAT32 || t == MX_FLOAT64 || (t == MX_COMPLEX64 && (what & COMPLEX))) return 0;
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected %s, got %s", op,
                  what & COMPLEX ? "float32, float64 or complex64" : "float32 or float64", mx_dtype_name(t));
}

static int64_t least_side(mx_array a) { return mxi_min(mx_dim(a, -1), mx_dim(a, -2)); }
static mx_dtype real_of(mx_array a) { return a->dtype == MX_COMPLEX64 ? MX_FLOAT32 : mxi_dtype(a); }

/* Shapes of results: a's batch, then rows, then columns unless < 0. */
static struct mxi_output result(mx_array a, mx_dtype t, int64_t *shape, int64_t rows, int64_t columns) {
  mx_ints s = mxi_copy_ints(shape, mxi_shape_of(a));
  s.n -= 2;
  shape[s.n++] = rows;
  if (columns >= 0) shape[s.n++] = columns;
  return (struct mxi_output){t, s};
}

struct results {
  int64_t shapes[3][MX_MAX_NDIM];
  struct mxi_output specs[3];
  mx_array out[3];
};
static int apply_to_matrices(const char *op, int prim, const void *params, mx_array a, int n,
                             struct results *r) {
  for (int i = 0; i < n; i++) {
    r->out[i] = MX_BAD;
    MXI_TRY(mxi_check_shape(op, r->specs[i].shape, NULL));
  }
  if (n > 1) return mxi_apply_multi(prim, params, 1, &a, n, r->specs, r->out);
  r->out[0] = mxi_apply(prim, params, 1, &a, r->specs[0].dtype, r->specs[0].shape);
  return mx_ok(r->out[0]) ? 0 : -1;
}
static void spec(struct results *r, int i, mx_array a, mx_dtype t, int64_t rows, int64_t columns) {
  r->specs[i] = result(a, t, r->shapes[i], rows, columns);
}

/* ---- Triangles ---- */
mx_array mxi_transposed(mx_array a) { return mx_swapaxes(a, -1, -2); }
mx_array mxi_adjoint(mx_array a) { return mx_conjugate(mxi_transposed(a)); }
mx_array mxi_identity(mx_array like) {
  return mx_eye(mx_dim(like, -2), mx_dim(like, -1), 0, mxi_dtype(like));
}
mx_array mxi_block(mx_array a, int64_t row, int64_t rows, int64_t column, int64_t columns) {
  int64_t start[MX_MAX_NDIM], stop[MX_MAX_NDIM], step[MX_MAX_NDIM];
  if (!mx_ok(a)) return MX_BAD;
  int n = a->ndim;
  mx_ints from = mxi_fill_ints(start, n, 0), to = mxi_copy_ints(stop, mxi_shape_of(a));
  start[n - 2] = row;
  stop[n - 2] = row + rows;
  start[n - 1] = column;
  stop[n - 1] = column + columns;
  return mx_slice(a, from, to, mxi_fill_ints(step, n, 1));
}

/* ---- LU ---- */
int mxi_lu(const char *op, mx_array a, mx_array *lu, mx_array *pivots, mx_array *rows) {
  struct results r;
  int64_t m = mx_dim(a, -2);
  spec(&r, 0, a, mxi_dtype(a), m, mx_dim(a, -1));
  spec(&r, 1, a, MX_UINT32, least_side(a), -1);
  spec(&r, 2, a, MX_UINT32, m, -1);
  int status = apply_to_matrices(op, MXI_LU, NULL, a, 3, &r);
  *lu = r.out[0];
  *pivots = r.out[1];
  *rows = r.out[2];
  return status;
}

MXI_BUILD(LU) {
  if (!mxi_build_takes(b, 1, 3)) return -1;
  MXI_TRY(check_matrices("lu_factor", b->in[0], 0));
  return mxi_lu("lu_factor", b->in[0], &b->out[0], &b->out[1], &b->out[2]);
}

static int pass_matrix(mx_array *to, mx_array a) {
  *to = mx_pass(a);
  return mx_ok(a) ? 0 : -1;
}
int mx_linalg_lu_factor(mx_array a, mx_array *lu, mx_array *pivots) {
  mx_array rows;
  if (!mxi_has_place("lu_factor", lu) || !mxi_has_place("lu_factor", pivots)) return -1;
  *lu = *pivots = MX_BAD;
  return check_matrices("lu_factor", a, 0) < 0 ? -1 : mxi_lu("lu_factor", a, lu, pivots, &rows);
}

static int unpack_lu(mx_array a, mx_array *rows, mx_array *l, mx_array *u) {
  mx_array lu, pivots, order;
  MXI_TRY(mxi_lu("lu", a, &lu, &pivots, &order));
  int64_t k = least_side(a);
  mx_array lower = mxi_block(lu, 0, mx_dim(a, -2), 0, k);
  MXI_TRY(pass_matrix(rows, order));
  MXI_TRY(pass_matrix(l, mx_add(mx_tril(lower, -1), mxi_identity(lower))));
  return pass_matrix(u, mx_triu(mxi_block(lu, 0, k, 0, mx_dim(a, -1)), 0));
}
int mx_linalg_lu(mx_array a, mx_array *rows, mx_array *l, mx_array *u) {
  if (!mxi_has_place("lu", rows) || !mxi_has_place("lu", l) || !mxi_has_place("lu", u)) return -1;
  *rows = *l = *u = MX_BAD;
  if (check_matrices("lu", a, 0) < 0) return -1;
  mx_scope scope = mx_scope_open();
  int status = unpack_lu(a, rows, l, u);
  mx_scope_close(&scope);
  return status;
}

/* ---- Determinants ---- from the diagonal of U; each row that changed places turns the sign ---- */
static mx_array check_determinant(const char *op, mx_array a) {
  if (!mxi_usable1(op, a)) return MX_BAD;
  mx_array x = mxi_is_integer(mxi_dtype(a)) || a->dtype == MX_BOOL ? mx_astype(a, MX_FLOAT32) : a;
  return mx_ok(x) && check_matrices(op, x, SQUARE) == 0 ? x : MX_BAD;
}
static int diagonal_and_sign(const char *op, mx_array a, mx_array *diagonal, mx_array *sign) {
  mx_array lu, pivots, rows;
  MXI_TRY(mxi_lu(op, a, &lu, &pivots, &rows));
  mx_array stays = mx_equal(pivots, mx_arange(0, (double)mx_dim(a, -1), 1, MX_UINT32));
  *sign = mx_prod(mx_where(stays, mx_like(a, 1), mx_like(a, -1)), MX_AXES(-1), false);
  *diagonal = mx_diagonal(lu, 0, -2, -1);
  return mx_ok(*diagonal) && mx_ok(*sign) ? 0 : -1;
}
static mx_array determinant(mx_array a) {
  mx_array diagonal, sign;
  if (diagonal_and_sign("det", a, &diagonal, &sign) < 0) return MX_BAD;
  return mx_multiply(sign, mx_prod(diagonal, MX_AXES(-1), false));
}
mx_array mx_linalg_det(mx_array a) {
  a = check_determinant("det", a);
  return mx_ok(a) ? MXI_COMPOSED(determinant(a)) : MX_BAD;
}
static int sign_and_log(mx_array a, mx_array *sign, mx_array *logabs) {
  mx_array diagonal, turns;
  MXI_TRY(diagonal_and_sign("slogdet", a, &diagonal, &turns));
  MXI_TRY(pass_matrix(sign, mx_multiply(turns, mx_prod(mx_sign(diagonal), MX_AXES(-1), false))));
  return pass_matrix(logabs, mx_sum(mx_log(mx_abs(diagonal)), MX_AXES(-1), false));
}
int mx_linalg_slogdet(mx_array a, mx_array *sign, mx_array *logabs) {
  if (!mxi_has_place("slogdet", sign) || !mxi_has_place("slogdet", logabs)) return -1;
  *sign = *logabs = MX_BAD;
  a = check_determinant("slogdet", a);
  if (!mx_ok(a)) return -1;
  mx_scope scope = mx_scope_open();
  int status = sign_and_log(a, sign, logabs);
  mx_scope_close(&scope);
  return status;
}

/* ---- Systems ---- */
mx_array mx_linalg_inv(mx_array a) {
  if (check_matrices("inv", a, SQUARE) < 0) return MX_BAD;
  return mxi_apply(MXI_INVERSE, NULL, 1, &a, mxi_dtype(a), mxi_shape_of(a));
}

/* A vector becomes a column; matrices get one batch. */
static mx_array solution(const char *op, int prim, const void *params, mx_array a, mx_array b) {
  int64_t batch[MX_MAX_NDIM], shape[MX_MAX_NDIM];
  bool vector = b->ndim == 1;
  if (vector) b = mx_expand_dims(b, MX_AXES(-1));
  if (!mx_ok(b)) return MX_BAD;
  int n = mxi_broadcast_shape(op, (mx_ints){a->dims, a->ndim - 2}, (mx_ints){b->dims, b->ndim - 2}, batch);
  if (n < 0) return MX_BAD;
  mxi_copy_ints(shape, (mx_ints){batch, n});
  shape[n] = shape[n + 1] = mx_dim(a, -1);
  a = mx_broadcast_to(a, (mx_ints){shape, n + 2});
  shape[n + 1] = mx_dim(b, -1);
  b = mx_broadcast_to(b, (mx_ints){shape, n + 2});
  if (!mx_ok(a) || !mx_ok(b)) return MX_BAD;
  mx_array x = mxi_apply(prim, params, 2, (mx_array[]){a, b}, mxi_dtype(b), mxi_shape_of(b));
  return vector ? mx_squeeze(x, MX_AXES(-1)) : x;
}

/* One matrix for a batch of right-hand sides: theirs are columns of one system, so that it is factored once.
 */
static mx_array solution_of_many(const char *op, int prim, const void *params, mx_array a, mx_array b) {
  int64_t order[MX_MAX_NDIM], back[MX_MAX_NDIM], shape[MX_MAX_NDIM];
  int n = b->ndim;
  for (int i = 0; i < n; i++) order[i] = i == 0 ? n - 2 : i < n - 1 ? i - 1 : n - 1;
  for (int i = 0; i < n; i++) back[order[i]] = i;
  mx_array columns = mx_transpose(b, (mx_ints){order, n});
  if (!mx_ok(columns)) return MX_BAD;
  mx_ints wide = mxi_copy_ints(shape, mxi_shape_of(columns));
  int64_t rows = mx_dim(b, -2);
  mx_array x = solution(op, prim, params, a, mx_reshape(columns, MX_SHAPE(rows, rows ? b->size / rows : 0)));
  return mx_transpose(mx_reshape(x, wide), (mx_ints){back, n});
}

static mx_array solve(const char *op, int prim, const void *params, mx_array a, mx_array b) {
  if (!mxi_usable2(op, a, b)) return MX_BAD;
  mx_dtype t = mx_promote_types(mxi_dtype(a), mxi_dtype(b));
  if (t != MX_FLOAT32 && t != MX_FLOAT64)
    return mxi_bad(MX_INVALID_ARGUMENT,
                   "[%s] expected dtypes that promote to float32 or float64, got %s and %s", op,
                   mx_dtype_name(mxi_dtype(a)), mx_dtype_name(mxi_dtype(b)));
  a = mx_astype(a, t);
  b = mx_astype(b, t);
  if (check_matrices(op, a, SQUARE) < 0 || !mx_ok(b)) return MX_BAD;
  if (b->ndim < 1 || mx_dim(b, b->ndim == 1 ? 0 : -2) != mx_dim(a, -1))
    return mxi_bad(
        MX_INVALID_ARGUMENT,
        "[%s] expected a vector or matrices with as many rows as the first array, got shapes %s and %s", op,
        MXI_SHAPE_TEXT(a), MXI_SHAPE_TEXT(b));
  if (a->ndim == 2 && b->ndim > 2 && b->size) return MXI_COMPOSED(solution_of_many(op, prim, params, a, b));
  return MXI_COMPOSED(solution(op, prim, params, a, b));
}
mx_array mx_linalg_solve(mx_array a, mx_array b) { return solve("solve", MXI_SOLVE, NULL, a, b); }
static mx_array solve_triangular(const char *op, mx_array a, mx_array b, bool upper) {
  struct mxi_p_SOLVE_TRIANGULAR p = {.upper = upper};
  return solve(op, MXI_SOLVE_TRIANGULAR, &p, a, b);
}
mx_array mx_linalg_solve_triangular(mx_array a, mx_array b, bool upper) {
  return solve_triangular("solve_triangular", a, b, upper);
}
static mx_array inverse_triangle(const char *op, mx_array a, bool upper) {
  mx_array identity = mx_broadcast_to(mxi_identity(a), mxi_shape_of(a));
  return mx_ok(identity) ? solve_triangular(op, a, identity, upper) : MX_BAD;
}
mx_array mx_linalg_tri_inv(mx_array a, bool upper) {
  if (check_matrices("tri_inv", a, SQUARE) < 0) return MX_BAD;
  return MXI_NAMED("tri_inv", inverse_triangle("tri_inv", a, upper));
}

mx_array mx_linalg_pinv(mx_array a) {
  struct results r;
  if (check_matrices("pinv", a, 0) < 0) return MX_BAD;
  spec(&r, 0, a, mxi_dtype(a), mx_dim(a, -1), mx_dim(a, -2));
  apply_to_matrices("pinv", MXI_PINV, NULL, a, 1, &r);
  return r.out[0];
}

/* ---- Cholesky and QR ---- */
mx_array mx_linalg_cholesky(mx_array a, bool upper) {
  struct mxi_p_CHOLESKY p = {.upper = upper};
  if (check_matrices("cholesky", a, SQUARE) < 0) return MX_BAD;
  return mxi_apply(MXI_CHOLESKY, &p, 1, &a, mxi_dtype(a), mxi_shape_of(a));
}
/* (L L^T)^-1 = L^-T L^-1. */
static mx_array inverse_of_factor(mx_array a, bool upper) {
  mx_array w = inverse_triangle("cholesky_inv", a, upper);
  return upper ? mx_matmul(w, mxi_transposed(w)) : mx_matmul(mxi_transposed(w), w);
}
mx_array mx_linalg_cholesky_inv(mx_array a, bool upper) {
  if (check_matrices("cholesky_inv", a, SQUARE) < 0) return MX_BAD;
  return MXI_COMPOSED(inverse_of_factor(a, upper));
}

int mx_linalg_qr(mx_array a, mx_array *q, mx_array *r) {
  struct results out;
  if (!mxi_has_place("qr", q) || !mxi_has_place("qr", r)) return -1;
  *q = *r = MX_BAD;
  MXI_TRY(check_matrices("qr", a, 0));
  int64_t k = least_side(a);
  spec(&out, 0, a, mxi_dtype(a), mx_dim(a, -2), k);
  spec(&out, 1, a, mxi_dtype(a), k, mx_dim(a, -1));
  MXI_TRY(apply_to_matrices("qr", MXI_QR, NULL, a, 2, &out));
  *q = out.out[0];
  *r = out.out[1];
  return 0;
}

/* ---- Spectra ---- */
int mx_linalg_svd(mx_array a, mx_array *u, mx_array *s, mx_array *vt) {
  struct results r;
  if (!mxi_has_place("svd", u) || !mxi_has_place("svd", s) || !mxi_has_place("svd", vt)) return -1;
  *u = *s = *vt = MX_BAD;
  MXI_TRY(check_matrices("svd", a, COMPLEX));
  int64_t m = mx_dim(a, -2), n = mx_dim(a, -1);
  spec(&r, 0, a, mxi_dtype(a), m, m);
  spec(&r, 1, a, real_of(a), mxi_min(m, n), -1);
  spec(&r, 2, a, mxi_dtype(a), n, n);
  MXI_TRY(apply_to_matrices("svd", MXI_SVD, NULL, a, 3, &r));
  *u = r.out[0];
  *s = r.out[1];
  *vt = r.out[2];
  return 0;
}
mx_array mx_linalg_svdvals(mx_array a) {
  struct results r;
  if (check_matrices("svd", a, COMPLEX) < 0) return MX_BAD;
  spec(&r, 0, a, real_of(a), least_side(a), -1);
  apply_to_matrices("svd", MXI_SVD, NULL, a, 1, &r);
  return r.out[0];
}

/* Eigenvalues of dtype w, and vectors of dtype v where they are asked for. */
static int eigen(const char *op, int prim, const void *params, mx_array a, mx_dtype w, mx_dtype v,
                 mx_array *values, mx_array *vectors) {
  struct results r;
  *values = MX_BAD;
  if (vectors) *vectors = MX_BAD;
  MXI_TRY(check_matrices(op, a, SQUARE | COMPLEX));
  int64_t n = mx_dim(a, -1);
  spec(&r, 0, a, w, n, -1);
  spec(&r, 1, a, v, n, n);
  MXI_TRY(apply_to_matrices(op, prim, params, a, vectors ? 2 : 1, &r));
  *values = r.out[0];
  if (vectors) *vectors = r.out[1];
  return 0;
}
static int eigen_symmetric(const char *op, mx_array a, bool upper, mx_array *w, mx_array *v) {
  struct mxi_p_EIGH p = {.upper = upper};
  mx_dtype t = mx_ok(a) ? mxi_dtype(a) : MX_FLOAT32;
  return eigen(op, MXI_EIGH, &p, a, t == MX_COMPLEX64 ? MX_FLOAT32 : t, t, w, v);
}
int mx_linalg_eigh(mx_array a, bool upper, mx_array *w, mx_array *v) {
  if (!mxi_has_place("eigh", w) || !mxi_has_place("eigh", v)) return -1;
  return eigen_symmetric("eigh", a, upper, w, v);
}
mx_array mx_linalg_eigvalsh(mx_array a, bool upper) {
  mx_array w;
  eigen_symmetric("eigvalsh", a, upper, &w, NULL);
  return w;
}
int mx_linalg_eig(mx_array a, mx_array *w, mx_array *v) {
  if (!mxi_has_place("eig", w) || !mxi_has_place("eig", v)) return -1;
  return eigen("eig", MXI_EIG, NULL, a, MX_COMPLEX64, MX_COMPLEX64, w, v);
}
mx_array mx_linalg_eigvals(mx_array a) {
  mx_array w;
  eigen("eigvals", MXI_EIG, NULL, a, MX_COMPLEX64, MX_COMPLEX64, &w, NULL);
  return w;
}
