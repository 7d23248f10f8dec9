/* Factorisations and spectra by LAPACK. A row-major matrix is its transpose to LAPACK, so where it can, an op
   asks for the transposed problem and copies nothing twice: with A = U S V^T, the factors of A^T are V and U;
   A = Q R is A^T = R^T Q^T, an LQ factorisation. */
#include "cpu/linalg.h"
#include "cpu/gemm.h"
#include "cpu/lapack.h"
#include <limits.h>
#include <math.h>
#include <string.h>

enum { NOT_FINITE = INT_MIN, NOT_CONVERGED = INT_MIN + 1 };

struct job {
  const struct mxi_lapack *lapack;
  mx_dtype dtype;
  int which; /* of float and double */
  struct mxi_matrices a;
  int m, n, k;
  int lwork, lrwork, liwork; /* elements; of LAPACK's workspaces */
  bool vectors, upper;
  char *out[3];
  size_t out_bytes[3]; /* of one matrix of the batch */
};

static size_t item_of(const struct job *j) { return mx_dtype_size(j->dtype); }

static char *result(const struct job *j, int output, int64_t i) {
  return j->out[output] + (size_t)i * j->out_bytes[output];
}

/* Memory for what a thread needs, cut into aligned parts. */
static char *take(char **work, size_t bytes) {
  char *part = *work;
  *work += (bytes + 63) & ~(size_t)63;
  return part;
}

static int start(struct job *j, struct mxi_call *c, const char *op) {
  mx_array a = c->in[0];
  *j = (struct job){.dtype = (mx_dtype)a->dtype, .which = a->dtype == MX_FLOAT64, .a = mxi_matrices_of(a)};
  if (j->a.rows > INT_MAX || j->a.columns > INT_MAX)
    return mxi_fail(MX_NOT_SUPPORTED,
                    "[%s] expected matrices of less than 2^31 rows and columns, got %lld by %lld", op,
                    (long long)j->a.rows, (long long)j->a.columns);
  j->m = (int)j->a.rows;
  j->n = (int)j->a.columns;
  j->k = j->m < j->n ? j->m : j->n;
  for (int i = 0; i < c->noutputs; i++) {
    mx_array out = c->out[i];
    MXI_TRY(mxi_alloc(out));
    j->out[i] = out->data;
    j->out_bytes[i] = j->a.count ? (size_t)out->size / (size_t)j->a.count * mxi_itemsize(out) : 0;
  }
  return (j->lapack = mxi_lapack()) ? 0 : -1;
}

/* A workspace size that LAPACK says in the first element of the workspace. Floats may have rounded it down.
 */
static int workspace_size(const char *op, const struct job *j, const void *first, int *size) {
  double said =
      j->dtype == MX_FLOAT64 ? *(const double *)first : (double)*(const float *)first * (1 + 0x1p-22);
  if (!(said < INT_MAX))
    return mxi_fail(MX_NOT_SUPPORTED,
                    "[%s] expected matrices that LAPACK's 32-bit integers can address, got %d by %d", op,
                    j->m, j->n);
  *size = said < 1 ? 1 : (int)ceil(said);
  return 0;
}

/* Exponents that are all ones. */
#define FINITE(T, name, mask)                                                     \
  static bool name(const T *bits, int64_t n) {                                    \
    T bad = 0;                                                                    \
    for (int64_t i = 0; i < n; i++) bad |= (T)0 - ((bits[i] & (mask)) == (mask)); \
    return !bad;                                                                  \
  }
FINITE(uint32_t, finite_32, 0x7f800000u)
FINITE(uint64_t, finite_64, 0x7ff0000000000000u)
static bool all_finite(mx_dtype t, const void *data, int64_t n) {
  return t == MX_FLOAT64 ? finite_64(data, n) : finite_32(data, t == MX_COMPLEX64 ? 2 * n : n);
}

static int run(const char *op, struct job *j, double cost, size_t bytes,
               int (*one)(void *, int64_t, char *)) {
  struct mxi_batch batch = {.count = j->a.count, .cost = cost, .work_bytes = bytes, .one = one, .ctx = j};
  int64_t failed;
  int why;
  MXI_TRY(mxi_batch_run(&batch, &failed, &why));
  if (failed < 0) return 0;
  if (why == NOT_FINITE)
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[%s] expected finite elements, got NaN or infinity in matrix number %lld", op,
                    (long long)failed);
  return mxi_fail(MX_INVALID_ARGUMENT,
                  "[%s] expected the iteration to converge, got none for matrix number %lld", op,
                  (long long)failed);
}
static double cubed(const struct job *j) { return (double)j->m * (double)j->n * (double)(j->k + 1); }

/* ---- QR ---- */
static int qr_one(void *ctx, int64_t i, char *work) {
  struct job *j = ctx;
  size_t item = item_of(j);
  char *a = take(&work, (size_t)j->m * (size_t)j->n * item), *tau = take(&work, (size_t)j->k * item);
  char *q = result(j, 0, i), *r = result(j, 1, i);
  int info;
  mxi_load_matrix(&j->a, i, a, j->n, 1);
  j->lapack->gelqf[j->which](&j->n, &j->m, a, &j->n, tau, work, &j->lwork, &info);
  for (int row = 0; row < j->k; row++) {
    size_t bytes = (size_t)j->n * item, before = (size_t)row * item;
    memset(r + (size_t)row * bytes, 0, before);
    memcpy(r + (size_t)row * bytes + before, a + (size_t)row * bytes + before, bytes - before);
  }
  j->lapack->orglq[j->which](&j->k, &j->m, &j->k, a, &j->n, tau, work, &j->lwork, &info);
  mxi_copy_matrix((struct mxi_place2){q, j->k, 1}, a, j->n, 1, j->m, j->k, item);
  return 0;
}
int mxi_cpu_QR(struct mxi_call *c) {
  struct job j;
  MXI_TRY(start(&j, c, "qr"));
  if (!j.k || !j.a.count) return 0;
  int query = -1, info, size[2];
  double first[2] = {0}, none[2] = {0};
  j.lapack->gelqf[j.which](&j.n, &j.m, none, &j.n, none, &first[0], &query, &info);
  j.lapack->orglq[j.which](&j.k, &j.m, &j.k, none, &j.n, none, &first[1], &query, &info);
  for (int i = 0; i < 2; i++) MXI_TRY(workspace_size("qr", &j, &first[i], &size[i]));
  j.lwork = size[0] > size[1] ? size[0] : size[1];
  size_t elements = (size_t)j.m * (size_t)j.n + (size_t)j.k + (size_t)j.lwork;
  return run("qr", &j, 3 * cubed(&j), elements * item_of(&j) + 256, qr_one);
}

/* ---- SVD ---- */
static int call_gesdd(const struct job *j, void *a, void *s, void *vt, void *u, void *work, int lwork,
                      void *rwork, int *iwork) {
  char job = j->vectors ? 'A' : 'N';
  int info, one = 1, m = j->m ? j->m : 1, n = j->n ? j->n : 1;
  if (!j->vectors) m = n = one;
  int lda = j->n ? j->n : 1;
  if (j->dtype == MX_COMPLEX64)
    j->lapack->cgesdd(&job, &j->n, &j->m, a, &lda, s, vt, &n, u, &m, work, &lwork, rwork, iwork, &info, 1);
  else
    j->lapack->gesdd[j->which](&job, &j->n, &j->m, a, &lda, s, vt, &n, u, &m, work, &lwork, iwork, &info, 1);
  return info;
}
/* To LAPACK the matrix is A^T = conj(V) S U^T; its left factor read row-major is V^H, its right one U. */
static int svd_into(const struct job *j, int64_t i, char *u, char *s, char *vt, char *work) {
  int64_t elements = (int64_t)j->m * j->n;
  char *a = take(&work, (size_t)elements * item_of(j));
  int *iwork = (int *)take(&work, 8 * (size_t)j->k * sizeof(int));
  char *rwork = take(&work, (size_t)j->lrwork * sizeof(float));
  mxi_load_matrix(&j->a, i, a, j->n, 1);
  if (!all_finite(j->dtype, a, elements)) return NOT_FINITE;
  return call_gesdd(j, a, s, vt, u, work, j->lwork, rwork, iwork) ? NOT_CONVERGED : 0;
}
static int svd_one(void *ctx, int64_t i, char *work) {
  struct job *j = ctx;
  if (!j->vectors) return svd_into(j, i, NULL, result(j, 0, i), NULL, work);
  return svd_into(j, i, result(j, 0, i), result(j, 1, i), result(j, 2, i), work);
}
static void put_identity(mx_dtype t, char *to, int64_t n) {
  size_t item = mx_dtype_size(t);
  memset(to, 0, (size_t)(n * n) * item);
  for (int64_t i = 0; i < n; i++) {
    char *element = to + (size_t)(i * n + i) * item;
    if (t == MX_FLOAT64)
      *(double *)element = 1;
    else
      *(float *)element = 1;
  }
}
/* The vectors of matrices without elements: the matrix determines none. */
static void svd_of_nothing(const struct job *j) {
  for (int64_t i = 0; i < j->a.count && j->vectors; i++) {
    put_identity(j->dtype, result(j, 0, i), j->m);
    put_identity(j->dtype, result(j, 2, i), j->n);
  }
}
static int svd_sizes(const char *op, struct job *j) {
  double first[2] = {0}, none[2] = {0};
  int iwork = 0;
  /* The sizes that the complex function documents for its real workspace. */
  int64_t k = j->k, larger = j->m > j->n ? j->m : j->n, real = 7 * k;
  if (j->vectors) real = mxi_max(5 * k * k + 5 * k, 2 * larger * k + 2 * k * k + k);
  if (j->dtype == MX_COMPLEX64) j->lrwork = real < INT_MAX ? (int)real : INT_MAX;
  call_gesdd(j, none, none, none, none, first, -1, none, &iwork);
  return workspace_size(op, j, first, &j->lwork);
}
static size_t svd_bytes(const struct job *j) {
  return ((size_t)j->m * (size_t)j->n + (size_t)j->lwork) * item_of(j) + 8 * (size_t)j->k * sizeof(int) +
         (size_t)j->lrwork * sizeof(float) + 256;
}
int mxi_cpu_SVD(struct mxi_call *c) {
  struct job j;
  MXI_TRY(start(&j, c, "svd"));
  j.vectors = c->noutputs == 3;
  if (!j.k || !j.a.count) {
    svd_of_nothing(&j);
    return 0;
  }
  MXI_TRY(svd_sizes("svd", &j));
  return run("svd", &j, 20 * cubed(&j), svd_bytes(&j), svd_one);
}

/* ---- Pseudo-inverse ---- V diag(1 / s) U^T, without the singular values that count as 0 */
#define DIVIDE_COLUMNS(T, name, eps)                                                                  \
  static void name(const struct job *j, T *u, const T *s) {                                           \
    T least = s[0] * (T)(10 * (j->m > j->n ? j->m : j->n) * eps);                                     \
    for (int64_t i = 0; i < j->m; i++)                                                                \
      for (int64_t c = 0; c < j->k; c++) u[i * j->m + c] = s[c] > least ? u[i * j->m + c] / s[c] : 0; \
  }
DIVIDE_COLUMNS(float, divide_f32, 0x1p-23)
DIVIDE_COLUMNS(double, divide_f64, 0x1p-52)

static int pinv_one(void *ctx, int64_t i, char *work) {
  struct job *j = ctx;
  size_t item = item_of(j);
  char *u = take(&work, (size_t)j->m * (size_t)j->m * item),
       *vt = take(&work, (size_t)j->n * (size_t)j->n * item);
  char *s = take(&work, (size_t)j->k * item);
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
                       .c = result(j, 0, i),
                       .c_row = j->m};
  return mxi_gemm_run(&g) < 0 ? INT_MAX : 0;
}
int mxi_cpu_PINV(struct mxi_call *c) {
  struct job j;
  MXI_TRY(start(&j, c, "pinv"));
  if (!j.k || !j.a.count) return 0;
  j.vectors = true;
  MXI_TRY(svd_sizes("pinv", &j));
  size_t m = (size_t)j.m, n = (size_t)j.n;
  return run("pinv", &j, 25 * cubed(&j), svd_bytes(&j) + (m * m + n * n + n) * item_of(&j) + 256, pinv_one);
}

/* ---- Symmetric eigenvalues ---- */
static int call_eigh(const struct job *j, void *a, void *w, void *work, int lwork, void *rwork, int lrwork,
                     int *iwork, int liwork) {
  char job = j->vectors ? 'V' : 'N', uplo = j->upper ? 'U' : 'L';
  int info;
  if (j->dtype == MX_COMPLEX64)
    j->lapack->cheevd(&job, &uplo, &j->n, a, &j->n, w, work, &lwork, rwork, &lrwork, iwork, &liwork, &info, 1,
                      1);
  else
    j->lapack->syevd[j->which](&job, &uplo, &j->n, a, &j->n, w, work, &lwork, iwork, &liwork, &info, 1, 1);
  return info;
}
/* Finite in the triangle that is read; a is column-major. */
static bool triangle_finite(const struct job *j, const char *a) {
  for (int64_t c = 0; c < j->n; c++) {
    int64_t first = j->upper ? 0 : c, count = j->upper ? c + 1 : j->n - c;
    if (!all_finite(j->dtype, a + (size_t)(c * j->n + first) * item_of(j), count)) return false;
  }
  return true;
}
/* The eigenvectors stay as LAPACK leaves them, in columns one after the other: the result has their strides.
 */
static int eigh_one(void *ctx, int64_t i, char *work) {
  struct job *j = ctx;
  char *a = j->vectors ? result(j, 1, i) : take(&work, (size_t)j->n * (size_t)j->n * item_of(j));
  int *iwork = (int *)take(&work, (size_t)j->liwork * sizeof(int));
  char *rwork = take(&work, (size_t)j->lrwork * sizeof(float));
  mxi_load_matrix(&j->a, i, a, 1, j->n);
  if (!triangle_finite(j, a)) return NOT_FINITE;
  return call_eigh(j, a, result(j, 0, i), work, j->lwork, rwork, j->lrwork, iwork, j->liwork) ? NOT_CONVERGED
                                                                                              : 0;
}
/* Output 1 has columns where rows would be. */
static void transpose_strides(mx_array a) {
  int64_t *strides = mxi_strides(a), rows = strides[a->ndim - 2];
  strides[a->ndim - 2] = strides[a->ndim - 1];
  strides[a->ndim - 1] = rows;
  mxi_update_flags(a);
}
int mxi_cpu_EIGH(struct mxi_call *c) {
  struct job j;
  MXI_TRY(start(&j, c, "eigh"));
  j.vectors = c->noutputs == 2;
  j.upper = MXI_CALL_PARAMS(EIGH, c)->upper;
  if (j.vectors) transpose_strides(c->out[1]);
  if (!j.n || !j.a.count) return 0;
  double first[2] = {0}, real[2] = {0}, none[2] = {0};
  call_eigh(&j, none, none, first, -1, real, -1, &j.liwork, -1);
  MXI_TRY(workspace_size("eigh", &j, first, &j.lwork));
  if (j.dtype == MX_COMPLEX64) MXI_TRY(workspace_size("eigh", &j, real, &j.lrwork));
  size_t bytes = ((size_t)j.n * (size_t)j.n + (size_t)j.lwork) * item_of(&j) +
                 (size_t)j.liwork * sizeof(int) + (size_t)j.lrwork * sizeof(float) + 256;
  return run("eigh", &j, 9 * cubed(&j), bytes, eigh_one);
}

/* ---- Eigenvalues of any matrix ---- */
static int call_eig(const struct job *j, void *a, void *w, void *wi, void *v, void *work, int lwork,
                    void *rwork) {
  char left = 'N', right = j->vectors ? 'V' : 'N';
  int info, one = 1;
  if (j->dtype == MX_COMPLEX64)
    j->lapack->cgeev(&left, &right, &j->n, a, &j->n, w, NULL, &one, v, &j->n, work, &lwork, rwork, &info, 1,
                     1);
  else
    j->lapack->geev[j->which](&left, &right, &j->n, a, &j->n, w, wi, NULL, &one, v, &j->n, work, &lwork,
                              &info, 1, 1);
  return info;
}
/* LAPACK gives real and imaginary parts apart: of the eigenvalues in w and wi, of the vectors of a conjugate
   pair in two neighbouring columns. All come out column-major. */
#define JOIN(T, name)                                                                     \
  static void name(int64_t n, const T *w, const T *wi, const T *v, mxi_complex64 *values, \
                   mxi_complex64 *vectors) {                                              \
    for (int64_t i = 0; i < n; i++) values[i] = CMPLXF((float)w[i], (float)wi[i]);        \
    for (int64_t c = 0; c < n && vectors; c++) {                                          \
      const T *re = v + c * n;                                                            \
      bool pair = wi[c] != 0 && c + 1 < n;                                                \
      for (int64_t i = 0; i < n; i++) {                                                   \
        float im = pair ? (float)re[n + i] : 0;                                           \
        vectors[c * n + i] = CMPLXF((float)re[i], im);                                    \
        if (pair) vectors[(c + 1) * n + i] = CMPLXF((float)re[i], -im);                   \
      }                                                                                   \
      c += pair;                                                                          \
    }                                                                                     \
  }
JOIN(float, join_f32)
JOIN(double, join_f64)

static int eig_one(void *ctx, int64_t i, char *work) {
  struct job *j = ctx;
  size_t item = item_of(j), n = (size_t)j->n, vectors = j->vectors ? n * n * item : 0;
  bool joined = j->dtype == MX_COMPLEX64;
  char *a = take(&work, n * n * item), *w = take(&work, n * item), *wi = take(&work, n * item);
  char *v = take(&work, joined ? 0 : vectors), *rwork = take(&work, 2 * n * sizeof(float));
  mxi_complex64 *values = (mxi_complex64 *)result(j, 0, i);
  mxi_complex64 *out = j->vectors ? (mxi_complex64 *)result(j, 1, i) : NULL;
  mxi_load_matrix(&j->a, i, a, 1, j->n);
  if (!all_finite(j->dtype, a, (int64_t)(n * n))) return NOT_FINITE;
  if (call_eig(j, a, joined ? (void *)values : w, wi, joined ? (void *)out : v, work, j->lwork, rwork))
    return NOT_CONVERGED;
  if (j->dtype == MX_FLOAT64)
    join_f64(j->n, (double *)w, (double *)wi, (double *)v, values, out);
  else if (!joined)
    join_f32(j->n, (float *)w, (float *)wi, (float *)v, values, out);
  return 0;
}
int mxi_cpu_EIG(struct mxi_call *c) {
  struct job j;
  MXI_TRY(start(&j, c, "eig"));
  j.vectors = c->noutputs == 2;
  if (j.vectors) transpose_strides(c->out[1]);
  if (!j.n || !j.a.count) return 0;
  double first[2] = {0}, none[2] = {0};
  call_eig(&j, none, none, none, none, first, -1, none);
  MXI_TRY(workspace_size("eig", &j, first, &j.lwork));
  size_t n = (size_t)j.n;
  return run("eig", &j, 25 * cubed(&j), (2 * n * n + 4 * n + (size_t)j.lwork) * item_of(&j) + 512, eig_one);
}

/* ---- Cholesky ---- */
/* The row-major lower triangle is LAPACK's upper one. */
static bool positive(const struct job *j, const char *element) {
  return j->which ? *(const double *)element > 0 : *(const float *)element > 0;
}
static int cholesky_one(void *ctx, int64_t i, char *work) {
  struct job *j = ctx;
  char *a = result(j, 0, i), uplo = j->upper ? 'L' : 'U';
  size_t item = item_of(j), bytes = (size_t)j->n * item;
  int info;
  (void)work;
  mxi_load_matrix(&j->a, i, a, j->n, 1);
  j->lapack->potrf[j->which](&uplo, &j->n, a, &j->n, &info, 1);
  for (int row = 0; row < j->n; row++) {
    char *first = a + (size_t)row * bytes;
    if (!positive(j, first + (size_t)row * item)) info = 1; // NaN passes LAPACK's own test
    if (j->upper)
      memset(first, 0, (size_t)row * item);
    else
      memset(first + (size_t)(row + 1) * item, 0, bytes - (size_t)(row + 1) * item);
  }
  return info ? NOT_CONVERGED : 0;
}
int mxi_cpu_CHOLESKY(struct mxi_call *c) {
  struct job j;
  MXI_TRY(start(&j, c, "cholesky"));
  j.upper = MXI_CALL_PARAMS(CHOLESKY, c)->upper;
  if (!j.n) return 0;
  struct mxi_batch batch = {j.a.count, cubed(&j) / 3, 64, cholesky_one, &j};
  int64_t failed;
  int why;
  MXI_TRY(mxi_batch_run(&batch, &failed, &why));
  if (failed < 0) return 0;
  return mxi_fail(MX_RUNTIME_ERROR,
                  "[cholesky] expected positive definite matrices, got another (number %lld)",
                  (long long)failed);
}
