/* QR and Cholesky factorisations. */
#include "cpu/linalg_job.h"
#include "cpu/kernels/qr.h"
#include "cpu/reflectors.h"

/* ---- QR ---- */
static struct mxi_reflectors reflectors(const struct mxi_job *j, const char *a, const char *tau,
                                        int64_t first, int64_t count) {
  size_t item = mxi_job_item(j);
  return (struct mxi_reflectors){.dtype = j->dtype,
                                 .v = a + (size_t)(first * j->m + first) * item,
                                 .step = 1,
                                 .next = j->m,
                                 .tau = tau + (size_t)first * item,
                                 .count = count,
                                 .length = j->m - first};
}

/* Some columns are factored by LAPACK, and their reflectors applied to the columns after them: a,
   column-major, is its transpose row-major, and Q^T A is A^T Q. */
static int factor_by_blocks(const struct mxi_job *j, char *a, char *tau, char *work) {
  size_t item = mxi_job_item(j);
  for (int c = 0; c < j->k; c += MXI_REFLECTOR_BLOCK) {
    int count = j->k - c < MXI_REFLECTOR_BLOCK ? j->k - c : MXI_REFLECTOR_BLOCK, rows = j->m - c, info;
    char *corner = a + ((size_t)c * (size_t)j->m + (size_t)c) * item;
    MXI_LAPACK_CALL(j->lapack->geqrf[j->which](&rows, &count, corner, &j->m, tau + (size_t)c * item, work,
                                               &j->lwork, &info));
    int rest = j->n - c - count;
    if (rest <= 0) continue;
    struct mxi_reflectors q = reflectors(j, a, tau, c, count);
    char *right = corner + (size_t)count * (size_t)j->m * item;
    if (mxi_reflect_rows(&q, true, right, j->m, rest, work) < 0) return MXI_NO_MEMORY;
  }
  return 0;
}

/* The upper triangle of a, whose rows and columns are so far apart. */
static void store_r(const struct mxi_job *j, const char *a, int64_t row, int64_t column, char *r) {
  size_t item = mxi_job_item(j);
  mxi_copy_matrix((struct mxi_target){r, j->n, 1}, a, row, column, j->k, j->n, item);
  for (int i = 1; i < j->k; i++) memset(r + (size_t)i * (size_t)j->n * item, 0, (size_t)i * item);
}

/* 0 when done; 1: the elements are not moderate. */
static int qr_of_small(const struct mxi_job *j, int64_t i, char *q, char *r, char *work) {
  size_t item = mxi_job_item(j), bytes = (size_t)j->m * MXI_QR_COLUMNS * item;
  char *a = mxi_take(&work, bytes), *columns = mxi_take(&work, bytes);
  memset(a, 0, bytes);
  mxi_load_matrix(&j->a, i, a, MXI_QR_COLUMNS, 1);
  if (!mxi_moderate(j->dtype, mxi_largest(j->dtype, a, (int64_t)j->m * MXI_QR_COLUMNS))) return 1;
  if (j->which)
    MXI_DISPATCH(mxi_qr_f64)(a, j->m, j->n, columns);
  else
    MXI_DISPATCH(mxi_qr_f32)(a, j->m, j->n, columns);
  store_r(j, a, MXI_QR_COLUMNS, 1, r);
  mxi_copy_matrix((struct mxi_target){q, j->k, 1}, columns, MXI_QR_COLUMNS, 1, j->m, j->k, item);
  return 0;
}
static bool small(const struct mxi_job *j) { return j->n <= MXI_QR_COLUMNS && j->m <= 2 * MXI_QR_COLUMNS; }

static int qr_one(void *ctx, int64_t i, char *work) {
  struct mxi_job *j = ctx;
  size_t item = mxi_job_item(j);
  char *a = mxi_take(&work, (size_t)j->m * (size_t)j->n * item), *tau = mxi_take(&work, (size_t)j->k * item);
  char *q = mxi_job_result(j, 0, i), *r = mxi_job_result(j, 1, i);
  int info;
  if (small(j) && qr_of_small(j, i, q, r, a) == 0) return 0;
  mxi_load_matrix(&j->a, i, a, 1, j->m);
  if (!j->large)
    MXI_LAPACK_CALL(j->lapack->geqrf[j->which](&j->m, &j->n, a, &j->m, tau, work, &j->lwork, &info));
  else if (factor_by_blocks(j, a, tau, work))
    return MXI_NO_MEMORY;
  store_r(j, a, 1, j->m, r);
  if (j->large) {
    struct mxi_reflectors all = reflectors(j, a, tau, 0, j->k);
    mxi_put_identity(j->dtype, q, j->m, j->k);
    return mxi_reflect_identity(&all, q, j->k, j->k, work) < 0 ? MXI_NO_MEMORY : 0;
  }
  MXI_LAPACK_CALL(j->lapack->orgqr[j->which](&j->m, &j->k, &j->k, a, &j->m, tau, work, &j->lwork, &info));
  mxi_copy_matrix((struct mxi_target){q, j->k, 1}, a, 1, j->m, j->m, j->k, item);
  return 0;
}
int mxi_cpu_QR(struct mxi_call *c) {
  struct mxi_job j;
  MXI_TRY(mxi_job_start(&j, c, "qr"));
  if (!j.k || !j.a.count) return 0;
  int query = -1, info, size[2];
  double first[2] = {0}, none[2] = {0};
  MXI_LAPACK_CALL(j.lapack->geqrf[j.which](&j.m, &j.n, none, &j.m, none, &first[0], &query, &info));
  MXI_LAPACK_CALL(j.lapack->orgqr[j.which](&j.m, &j.k, &j.k, none, &j.m, none, &first[1], &query, &info));
  for (int i = 0; i < 2; i++) MXI_TRY(mxi_job_workspace(&j, &first[i], &size[i]));
  j.lwork = size[0] > size[1] ? size[0] : size[1];
  size_t item = mxi_job_item(&j), lapack = (size_t)j.lwork * item;
  size_t blocks = j.large ? mxi_reflectors_work(j.dtype, j.m, j.n) : 0;
  size_t bytes = ((size_t)j.m * (size_t)j.n + (size_t)j.k) * item + (lapack > blocks ? lapack : blocks) + 256;
  if (small(&j)) bytes += 2 * (size_t)j.m * MXI_QR_COLUMNS * item + 128;
  return mxi_job_run(&j, 3 * mxi_job_cost(&j), bytes, qr_one);
}

/* ---- Cholesky ---- */
static bool positive(const struct mxi_job *j, const char *element) {
  return j->which ? *(const double *)element > 0 : *(const float *)element > 0;
}
/* The row-major lower triangle is LAPACK's upper one. */
static int cholesky_one(void *ctx, int64_t i, char *work) {
  struct mxi_job *j = ctx;
  char *a = mxi_job_result(j, 0, i), uplo = j->upper ? 'L' : 'U';
  size_t item = mxi_job_item(j), bytes = (size_t)j->n * item;
  int info;
  (void)work;
  mxi_load_matrix(&j->a, i, a, j->n, 1);
  MXI_LAPACK_CALL(j->lapack->potrf[j->which](&uplo, &j->n, a, &j->n, &info, 1));
  for (int row = 0; row < j->n; row++) {
    char *first = a + (size_t)row * bytes;
    if (!positive(j, first + (size_t)row * item)) info = 1; // NaN passes LAPACK's own test
    if (j->upper)
      memset(first, 0, (size_t)row * item);
    else
      memset(first + (size_t)(row + 1) * item, 0, bytes - (size_t)(row + 1) * item);
  }
  return info ? MXI_NOT_POSITIVE : 0;
}
int mxi_cpu_CHOLESKY(struct mxi_call *c) {
  struct mxi_job j;
  MXI_TRY(mxi_job_start(&j, c, "cholesky"));
  j.upper = MXI_CALL_PARAMS(CHOLESKY, c)->upper;
  return j.n ? mxi_job_run(&j, mxi_job_cost(&j) / 3, 64, cholesky_one) : 0;
}
