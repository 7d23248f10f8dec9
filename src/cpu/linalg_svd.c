/* Singular values, and what follows from them. */
#include "cpu/bidiagonal.h"
#include "cpu/gemm.h"
#include "cpu/linalg_job.h"
#include "cpu/reflectors.h"

/* ---- SVD ---- */
static int call_gesdd(const struct mxi_job *j, void *a, void *s, void *vt, void *u, void *work, int lwork,
                      void *rwork, int *iwork) {
  char job = j->vectors ? 'A' : 'N';
  int info, one = 1, m = j->m ? j->m : 1, n = j->n ? j->n : 1;
  if (!j->vectors) m = n = one;
  int lda = j->n ? j->n : 1;
  if (j->dtype == MX_COMPLEX64)
    MXI_LAPACK_CALL(j->lapack->cgesdd(&job, &j->n, &j->m, a, &lda, s, vt, &n, u, &m, work, &lwork, rwork,
                                      iwork, &info, 1));
  else
    MXI_LAPACK_CALL(j->lapack->gesdd[j->which](&job, &j->n, &j->m, a, &lda, s, vt, &n, u, &m, work, &lwork,
                                               iwork, &info, 1));
  return info;
}
/* What a reduction to two diagonals leaves beside the reflectors, and its workspace. */
struct reduction {
  char *d, *e, *tauq, *taup;
  char *x, *y;        /* (PANEL, M), (PANEL, N): a panel's part in the rest of the matrix */
  char *left, *right; /* (2 PANEL, N), (2 PANEL, M) */
};
enum { PANEL = 32 };
static size_t reduction_bytes(const struct mxi_job *j) {
  return 3 * PANEL * ((size_t)j->m + (size_t)j->n) * mxi_job_item(j);
}

/* LAPACK reduces some rows and columns of a, M by N; the rest, whose transpose is row-major, follows on the
   pool: A -= V Y^T + X U^T (Dongarra, Hammarling & Sorensen 1989), as one product. */
static int bidiagonalise(const struct mxi_job *j, char *a, const struct reduction *r) {
  int64_t item = (int64_t)mxi_job_item(j), lda = j->n;
  for (int c = 0; c < j->k; c += PANEL) {
    int m = j->n - c, n = j->m - c, count = j->k - c < PANEL ? j->k - c : PANEL;
    int64_t first = c * item, below = m - count, beside = n - count;
    char *corner = a + c * (lda + 1) * item;
    MXI_LAPACK_CALL(j->lapack->labrd[j->which](&m, &n, &count, corner, &j->n, r->d + first, r->e + first,
                                               r->tauq + first, r->taup + first, r->x, &j->n, r->y, &j->m));
    if (below <= 0 || beside <= 0) continue;
    struct mxi_target y = {r->left, beside, 1}, u = {r->left + count * beside * item, beside, 1};
    struct mxi_target v = {r->right, below, 1}, x = {r->right + count * below * item, below, 1};
    mxi_copy_matrix(y, r->y + count * item, j->m, 1, count, beside, (size_t)item);
    mxi_copy_matrix(u, corner + count * lda * item, 1, lda, count, beside, (size_t)item);
    mxi_copy_matrix(v, corner + count * item, lda, 1, count, below, (size_t)item);
    mxi_copy_matrix(x, r->x + count * item, lda, 1, count, below, (size_t)item);
    char *rest = corner + count * (lda + 1) * item;
    struct mxi_gemm g = {.dtype = j->dtype,
                         .m = beside,
                         .n = below,
                         .k = 2 * count,
                         .batch = 1,
                         .a = r->left,
                         .a_row = 1,
                         .a_col = beside,
                         .b = r->right,
                         .b_row = below,
                         .b_col = 1,
                         .c = rest,
                         .c_row = lda,
                         .c0 = rest,
                         .c0_row = lda,
                         .c0_col = 1,
                         .alpha = -1,
                         .beta = 1};
    MXI_TRY(mxi_gemm_run(&g));
  }
  return 0;
}

/* By blocks, M by N to LAPACK: its own reduction to two diagonals, its own SVD of those, and the reflectors
   of the reduction applied to both sides' vectors by products. */
static int svd_by_blocks(const struct mxi_job *j, char *a, void *s, void *vt, void *u, char *work,
                         int *iwork) {
  size_t item = mxi_job_item(j);
  int64_t m = j->n, n = j->m, k = j->k, below = m < n; // the second diagonal is below the first
  char uplo = 'L', vectors = 'I';
  struct reduction r = {.d = s};
  r.e = mxi_take(&work, (size_t)k * item);
  r.tauq = mxi_take(&work, (size_t)k * item);
  r.taup = mxi_take(&work, (size_t)k * item);
  r.x = work;
  r.y = r.x + (size_t)(PANEL * m) * item;
  r.left = r.y + (size_t)(PANEL * n) * item;
  r.right = r.left + (size_t)(2 * PANEL * n) * item;
  if (bidiagonalise(j, a, &r) < 0) return MXI_NO_MEMORY;
  mxi_put_identity(j->dtype, vt, m, m);
  mxi_put_identity(j->dtype, u, n, n);
  if (below) {
    int info;
    MXI_LAPACK_CALL(j->lapack->bdsdc[j->which](&uplo, &vectors, &j->k, s, r.e, vt, &j->n, u, &j->m, NULL,
                                               NULL, work, iwork, &info, 1, 1));
    if (info) return MXI_NOT_CONVERGED;
  } else {
    int why = mxi_bidiagonal_svd(j->lapack, j->dtype, j->k, s, r.e, vt, j->n, u, j->m, work);
    if (why) return why;
  }
  struct mxi_reflectors q = {.dtype = j->dtype,
                             .v = (char *)a + (size_t)below * item,
                             .step = 1,
                             .next = m,
                             .tau = r.tauq,
                             .count = below ? m - 1 : n,
                             .length = m - below};
  struct mxi_reflectors p = {.dtype = j->dtype,
                             .v = (char *)a + (size_t)((1 - below) * m) * item,
                             .step = m,
                             .next = 1,
                             .tau = r.taup,
                             .count = below ? m : n - 1,
                             .length = n - (1 - below)};
  if (mxi_reflect_rows(&q, false, (char *)vt + (size_t)below * item, m, m, work) < 0) return MXI_NO_MEMORY;
  if (mxi_reflect_columns(&p, (char *)u + (size_t)((1 - below) * n) * item, n, n, work) < 0)
    return MXI_NO_MEMORY;
  return 0;
}

/* To LAPACK the matrix is A^T = conj(V) S U^T; its left factor read row-major is V^H, its right one U. */
static int svd_into(const struct mxi_job *j, int64_t i, char *u, char *s, char *vt, char *work) {
  int64_t elements = (int64_t)j->m * j->n;
  char *a = mxi_take(&work, (size_t)elements * mxi_job_item(j));
  int *iwork = (int *)mxi_take(&work, 8 * (size_t)j->k * sizeof(int));
  char *rwork = mxi_take(&work, (size_t)j->lrwork * sizeof(float));
  mxi_load_matrix(&j->a, i, a, j->n, 1);
  double largest = mxi_largest(j->dtype, a, elements);
  if (largest == INFINITY) return MXI_NOT_FINITE;
  if (j->large && mxi_moderate(j->dtype, largest)) return svd_by_blocks(j, a, s, vt, u, work, iwork);
  return call_gesdd(j, a, s, vt, u, work, j->lwork, rwork, iwork) ? MXI_NOT_CONVERGED : 0;
}
static int svd_one(void *ctx, int64_t i, char *work) {
  struct mxi_job *j = ctx;
  if (!j->vectors) return svd_into(j, i, NULL, mxi_job_result(j, 0, i), NULL, work);
  return svd_into(j, i, mxi_job_result(j, 0, i), mxi_job_result(j, 1, i), mxi_job_result(j, 2, i), work);
}
/* The vectors of matrices without elements: the matrix determines none. */
static void svd_of_nothing(const struct mxi_job *j) {
  for (int64_t i = 0; i < j->a.count && j->vectors; i++) {
    mxi_put_identity(j->dtype, mxi_job_result(j, 0, i), j->m, j->m);
    mxi_put_identity(j->dtype, mxi_job_result(j, 2, i), j->n, j->n);
  }
}
static int svd_sizes(struct mxi_job *j) {
  double first[2] = {0}, none[2] = {0};
  int iwork = 0;
  /* The sizes that the complex function documents for its real workspace. */
  int64_t k = j->k, larger = j->m > j->n ? j->m : j->n, real = 7 * k;
  if (j->vectors) real = mxi_max(5 * k * k + 5 * k, 2 * larger * k + 2 * k * k + k);
  if (j->dtype == MX_COMPLEX64) j->lrwork = real < INT_MAX ? (int)real : INT_MAX;
  call_gesdd(j, none, none, none, none, first, -1, none, &iwork);
  j->large = j->large && j->vectors && larger < 2 * k; // LAPACK begins with QR where it is longer
  return mxi_job_workspace(j, first, &j->lwork);
}
static size_t svd_bytes(const struct mxi_job *j) {
  size_t item = mxi_job_item(j), m = (size_t)j->m, n = (size_t)j->n, k = (size_t)j->k,
         most = (size_t)j->lwork * item;
  if (j->large) {
    int64_t larger = (int64_t)mxi_larger_size(m, n);
    most = mxi_larger_size(most, mxi_reflectors_work(j->dtype, larger, larger));
    most = mxi_larger_size(most, reduction_bytes(j));
    most = mxi_larger_size(most, mxi_bidiagonal_work(j->dtype, j->k));
  }
  return most + (m * n + 3 * k) * item + 8 * k * sizeof(int) + (size_t)j->lrwork * sizeof(float) + 512;
}
int mxi_cpu_SVD(struct mxi_call *c) {
  struct mxi_job j;
  MXI_TRY(mxi_job_start(&j, c, "svd"));
  j.vectors = c->noutputs == 3;
  if (!j.k || !j.a.count) {
    svd_of_nothing(&j);
    return 0;
  }
  MXI_TRY(svd_sizes(&j));
  return mxi_job_run(&j, 20 * mxi_job_cost(&j), svd_bytes(&j), svd_one);
}

/* ---- Pseudo-inverse ---- V diag(1 / s) U^T, without the singular values that count as 0 */
#define DIVIDE_COLUMNS(T, name, eps)                                                                  \
  static void name(const struct mxi_job *j, T *u, const T *s) {                                       \
    T least = s[0] * (T)(10 * (j->m > j->n ? j->m : j->n) * eps);                                     \
    for (int64_t i = 0; i < j->m; i++)                                                                \
      for (int64_t c = 0; c < j->k; c++) u[i * j->m + c] = s[c] > least ? u[i * j->m + c] / s[c] : 0; \
  }
DIVIDE_COLUMNS(float, divide_f32, 0x1p-23)
DIVIDE_COLUMNS(double, divide_f64, 0x1p-52)

static int pinv_one(void *ctx, int64_t i, char *work) {
  struct mxi_job *j = ctx;
  size_t item = mxi_job_item(j);
  char *u = mxi_take(&work, (size_t)j->m * (size_t)j->m * item),
       *vt = mxi_take(&work, (size_t)j->n * (size_t)j->n * item);
  char *s = mxi_take(&work, (size_t)j->k * item);
  int why = svd_into(j, i, u, s, vt, work);
  if (why) return why;
  if (j->dtype == MX_FLOAT64)
    divide_f64(j, (double *)u, (const double *)s);
  else
    divide_f32(j, (float *)u, (const float *)s);
  struct mxi_gemm g = {.dtype = j->dtype,
                       .m = j->n,
                       .n = j->m,
                       .k = j->k,
                       .batch = 1,
                       .alpha = 1,
                       .a = vt,
                       .a_row = 1,
                       .a_col = j->n,
                       .b = u,
                       .b_row = 1,
                       .b_col = j->m,
                       .c = mxi_job_result(j, 0, i),
                       .c_row = j->m};
  return mxi_gemm_run(&g) < 0 ? MXI_NO_MEMORY : 0;
}
int mxi_cpu_PINV(struct mxi_call *c) {
  struct mxi_job j;
  MXI_TRY(mxi_job_start(&j, c, "pinv"));
  if (!j.k || !j.a.count) return 0;
  j.vectors = true;
  MXI_TRY(svd_sizes(&j));
  size_t m = (size_t)j.m, n = (size_t)j.n;
  return mxi_job_run(&j, 25 * mxi_job_cost(&j), svd_bytes(&j) + (m * m + n * n + n) * mxi_job_item(&j) + 256,
                     pinv_one);
}
