/* Eigenvalues. */
#include "cpu/linalg_job.h"
#include "cpu/reflectors.h"
#include "cpu/tridiagonal.h"

/* ---- Symmetric eigenvalues ---- */
static int call_eigh(const struct mxi_job *j, void *a, void *w, void *work, int lwork, void *rwork,
                     int lrwork, int *iwork, int liwork) {
  char job = j->vectors ? 'V' : 'N', uplo = j->upper ? 'U' : 'L';
  int info;
  if (j->dtype == MX_COMPLEX64)
    MXI_LAPACK_CALL(j->lapack->cheevd(&job, &uplo, &j->n, a, &j->n, w, work, &lwork, rwork, &lrwork, iwork,
                                      &liwork, &info, 1, 1));
  else
    MXI_LAPACK_CALL(j->lapack->syevd[j->which](&job, &uplo, &j->n, a, &j->n, w, work, &lwork, iwork, &liwork,
                                               &info, 1, 1));
  return info;
}
/* The largest element of the triangle that is read; a is column-major. */
static double largest_of_triangle(const struct mxi_job *j, const char *a) {
  double largest = 0;
  for (int64_t c = 0; c < j->n; c++) {
    int64_t first = j->upper ? 0 : c, count = j->upper ? c + 1 : j->n - c;
    largest = fmax(largest, mxi_largest(j->dtype, a + (size_t)(c * j->n + first) * mxi_job_item(j), count));
  }
  return largest;
}

/* LAPACK reduces a to three diagonals and solves those; the reflectors of the reduction are applied by
 * products. */
static int eigh_by_blocks(const struct mxi_job *j, char *a, char *w, char *z, char *work) {
  size_t item = mxi_job_item(j);
  char *e = mxi_take(&work, (size_t)j->n * item), *tau = mxi_take(&work, (size_t)j->n * item), uplo = 'L';
  int info;
  MXI_LAPACK_CALL(j->lapack->sytrd[j->which](&uplo, &j->n, a, &j->n, w, e, tau, work, &j->lwork, &info, 1));
  int why = mxi_tridiagonal_eigen(j->lapack, j->dtype, j->n, w, e, z, work);
  if (why) return why;
  struct mxi_reflectors q = {.dtype = j->dtype,
                             .v = a + item,
                             .step = 1,
                             .next = j->n,
                             .tau = tau,
                             .count = j->n - 1,
                             .length = j->n - 1};
  return mxi_reflect_rows(&q, false, z + item, j->n, j->n, work) < 0 ? MXI_NO_MEMORY : 0;
}

/* The eigenvectors stay as LAPACK leaves them, in columns one after the other: the result has their strides.
 */
static int eigh_one(void *ctx, int64_t i, char *work) {
  struct mxi_job *j = ctx;
  char *w = mxi_job_result(j, 0, i), *z = j->vectors ? mxi_job_result(j, 1, i) : NULL;
  char *a = z && !j->large ? z : mxi_take(&work, (size_t)j->n * (size_t)j->n * mxi_job_item(j));
  int *iwork = (int *)mxi_take(&work, (size_t)j->liwork * sizeof(int));
  char *rwork = mxi_take(&work, (size_t)j->lrwork * sizeof(float));
  mxi_load_matrix(&j->a, i, a, j->mirrored ? j->n : 1, j->mirrored ? 1 : j->n);
  double largest = largest_of_triangle(j, a);
  if (largest == INFINITY) return MXI_NOT_FINITE;
  if (j->large && mxi_moderate(j->dtype, largest)) return eigh_by_blocks(j, a, w, z, work);
  if (call_eigh(j, a, w, work, j->lwork, rwork, j->lrwork, iwork, j->liwork)) return MXI_NOT_CONVERGED;
  if (z && a != z) memcpy(z, a, (size_t)j->n * (size_t)j->n * mxi_job_item(j));
  return 0;
}
int mxi_cpu_EIGH(struct mxi_call *c) {
  struct mxi_job j;
  MXI_TRY(mxi_job_start(&j, c, "eigh"));
  j.vectors = c->noutputs == 2;
  j.upper = MXI_CALL_PARAMS(EIGH, c)->upper;
  j.large = j.large && j.vectors;
  j.mirrored = j.upper && j.dtype != MX_COMPLEX64;
  if (j.mirrored) j.upper = false;
  if (!j.n || !j.a.count) return 0;
  double first[2] = {0}, real[2] = {0}, none[2] = {0};
  call_eigh(&j, none, none, first, -1, real, -1, &j.liwork, -1);
  MXI_TRY(mxi_job_workspace(&j, first, &j.lwork));
  if (j.dtype == MX_COMPLEX64) MXI_TRY(mxi_job_workspace(&j, real, &j.lrwork));
  size_t n = (size_t)j.n, item = mxi_job_item(&j), most = (size_t)j.lwork * item;
  if (j.large) {
    most = mxi_larger_size(most, mxi_reflectors_work(j.dtype, j.n, j.n));
    most = mxi_larger_size(most, mxi_tridiagonal_work(j.dtype, j.n));
  }
  size_t bytes =
      (n * n + 2 * n) * item + most + (size_t)j.liwork * sizeof(int) + (size_t)j.lrwork * sizeof(float) + 512;
  return mxi_job_run(&j, 9 * mxi_job_cost(&j), bytes, eigh_one);
}

/* ---- Eigenvalues of any matrix ---- */
static int call_eig(const struct mxi_job *j, void *a, void *w, void *wi, void *v, void *work, int lwork,
                    void *rwork) {
  char left = 'N', right = j->vectors ? 'V' : 'N';
  int info, one = 1;
  if (j->dtype == MX_COMPLEX64)
    MXI_LAPACK_CALL(j->lapack->cgeev(&left, &right, &j->n, a, &j->n, w, NULL, &one, v, &j->n, work, &lwork,
                                     rwork, &info, 1, 1));
  else
    MXI_LAPACK_CALL(j->lapack->geev[j->which](&left, &right, &j->n, a, &j->n, w, wi, NULL, &one, v, &j->n,
                                              work, &lwork, &info, 1, 1));
  return info;
}
static mxi_complex64 complex_of(float re, float im) {
  mxi_complex64 z;
  memcpy(&z, (float[]){re, im}, sizeof z);
  return z;
}
/* LAPACK gives real and imaginary parts apart: of the eigenvalues in w and wi, of the vectors of a conjugate
   pair in two neighbouring columns. All come out column-major. */
#define JOIN(T, name)                                                                     \
  static void name(int64_t n, const T *w, const T *wi, const T *v, mxi_complex64 *values, \
                   mxi_complex64 *vectors) {                                              \
    for (int64_t i = 0; i < n; i++) values[i] = complex_of((float)w[i], (float)wi[i]);    \
    for (int64_t c = 0; c < n && vectors; c++) {                                          \
      const T *re = v + c * n;                                                            \
      bool pair = wi[c] != 0 && c + 1 < n;                                                \
      for (int64_t i = 0; i < n; i++) {                                                   \
        float im = pair ? (float)re[n + i] : 0;                                           \
        vectors[c * n + i] = complex_of((float)re[i], im);                                \
        if (pair) vectors[(c + 1) * n + i] = complex_of((float)re[i], -im);               \
      }                                                                                   \
      c += pair;                                                                          \
    }                                                                                     \
  }
JOIN(float, join_f32)
JOIN(double, join_f64)

static int eig_one(void *ctx, int64_t i, char *work) {
  struct mxi_job *j = ctx;
  size_t item = mxi_job_item(j), n = (size_t)j->n, vectors = j->vectors ? n * n * item : 0;
  bool joined = j->dtype == MX_COMPLEX64;
  char *a = mxi_take(&work, n * n * item), *w = mxi_take(&work, n * item), *wi = mxi_take(&work, n * item);
  char *v = mxi_take(&work, joined ? 0 : vectors), *rwork = mxi_take(&work, 2 * n * sizeof(float));
  mxi_complex64 *values = (mxi_complex64 *)mxi_job_result(j, 0, i);
  mxi_complex64 *out = j->vectors ? (mxi_complex64 *)mxi_job_result(j, 1, i) : NULL;
  mxi_load_matrix(&j->a, i, a, 1, j->n);
  if (mxi_largest(j->dtype, a, (int64_t)(n * n)) == INFINITY) return MXI_NOT_FINITE;
  if (call_eig(j, a, joined ? (void *)values : w, wi, joined ? (void *)out : v, work, j->lwork, rwork))
    return MXI_NOT_CONVERGED;
  if (j->dtype == MX_FLOAT64)
    join_f64(j->n, (double *)w, (double *)wi, (double *)v, values, out);
  else if (!joined)
    join_f32(j->n, (float *)w, (float *)wi, (float *)v, values, out);
  return 0;
}
int mxi_cpu_EIG(struct mxi_call *c) {
  struct mxi_job j;
  MXI_TRY(mxi_job_start(&j, c, "eig"));
  j.vectors = c->noutputs == 2;
  if (!j.n || !j.a.count) return 0;
  double first[2] = {0}, none[2] = {0};
  call_eig(&j, none, none, none, none, first, -1, none);
  MXI_TRY(mxi_job_workspace(&j, first, &j.lwork));
  size_t n = (size_t)j.n;
  return mxi_job_run(&j, 25 * mxi_job_cost(&j),
                     (2 * n * n + 4 * n + (size_t)j.lwork) * mxi_job_item(&j) + 512, eig_one);
}
