#include "cpu/linalg_job.h"
#include <math.h>
#include <stdlib.h>

int mxi_job_start(struct mxi_job *j, struct mxi_call *c, const char *op) {
  mx_array a = c->in[0];
  *j = (struct mxi_job){
      .op = op, .dtype = (mx_dtype)a->dtype, .which = a->dtype == MX_FLOAT64, .a = mxi_matrices_of(a)};
  if (j->a.rows > INT_MAX || j->a.columns > INT_MAX)
    return mxi_fail(MX_NOT_SUPPORTED,
                    "[%s] expected matrices of less than 2^31 rows and columns, got %lld by %lld", op,
                    (long long)j->a.rows, (long long)j->a.columns);
  j->m = (int)j->a.rows;
  j->n = (int)j->a.columns;
  j->k = j->m < j->n ? j->m : j->n;
  j->large = j->k >= MXI_LARGE && j->dtype != MX_COMPLEX64;
  for (int i = 0; i < c->noutputs; i++) {
    mx_array out = c->out[i];
    j->out[i] = out->data;
    j->out_bytes[i] = j->a.count ? (size_t)out->size / (size_t)j->a.count * mxi_itemsize(out) : 0;
  }
  return (j->lapack = mxi_lapack()) ? 0 : -1;
}

/* Floats may have rounded it down. */
int mxi_job_workspace(const struct mxi_job *j, const void *first, int *size) {
  double said =
      j->dtype == MX_FLOAT64 ? *(const double *)first : (double)*(const float *)first * (1 + 0x1p-22);
  if (!(said < INT_MAX))
    return mxi_fail(MX_NOT_SUPPORTED,
                    "[%s] expected matrices that LAPACK's 32-bit integers can address, got %d by %d", j->op,
                    j->m, j->n);
  *size = said < 1 ? 1 : (int)ceil(said);
  return 0;
}

/* Absolute values are ordered as their bits. */
#define LARGEST(T, F, name)                                \
  static double name(const T *bits, int64_t n) {           \
    T most = 0;                                            \
    for (int64_t i = 0; i < n; i++) {                      \
      T size = bits[i] & ((T)-1 >> 1);                     \
      most = size > most ? size : most;                    \
    }                                                      \
    F value;                                               \
    memcpy(&value, &most, sizeof value);                   \
    return value < (F)INFINITY ? (double)value : INFINITY; \
  }
LARGEST(uint32_t, float, largest_f32)
LARGEST(uint64_t, double, largest_f64)
double mxi_largest(mx_dtype t, const void *data, int64_t n) {
  return t == MX_FLOAT64 ? largest_f64(data, n) : largest_f32(data, t == MX_COMPLEX64 ? 2 * n : n);
}

static int rising(const void *a, const void *b) {
  double x = ((const struct mxi_ranked *)a)->value, y = ((const struct mxi_ranked *)b)->value;
  return (x > y) - (x < y);
}
void mxi_rank(int which, const char *x, int n, struct mxi_ranked *ranks) {
  for (int i = 0; i < n; i++) ranks[i] = (struct mxi_ranked){mxi_get_real(which, x, i), i};
  qsort(ranks, (size_t)n, sizeof *ranks, rising);
}

void mxi_put_identity(mx_dtype t, char *to, int64_t rows, int64_t columns) {
  size_t item = mx_dtype_size(t);
  memset(to, 0, (size_t)(rows * columns) * item);
  for (int64_t i = 0; i < mxi_min(rows, columns); i++) {
    char *element = to + (size_t)(i * columns + i) * item;
    if (t == MX_FLOAT64)
      *(double *)element = 1;
    else
      *(float *)element = 1;
  }
}

int mxi_job_run(struct mxi_job *j, double cost, size_t bytes, int (*one)(void *, int64_t, char *)) {
  struct mxi_batch batch = {.count = j->a.count, .cost = cost, .work_bytes = bytes, .one = one, .ctx = j};
  int64_t failed;
  int why;
  mxi_lapack_look_for_room();
  MXI_TRY(mxi_batch_run(&batch, &failed, &why));
  if (failed < 0) return 0;
  switch (why) {
  case MXI_NOT_FINITE:
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[%s] expected finite elements, got NaN or infinity in matrix number %lld", j->op,
                    (long long)failed);
  case MXI_NOT_POSITIVE:
    return mxi_fail(MX_RUNTIME_ERROR, "[%s] expected positive definite matrices, got another (number %lld)",
                    j->op, (long long)failed);
  case MXI_NO_MEMORY: // or interrupted: a product failed, in whatever thread it ran
    return mx_error_code() == MX_INTERRUPTED ? -1 : mxi_fail_memory(bytes);
  default:
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[%s] expected the iteration to converge, got none for matrix number %lld", j->op,
                    (long long)failed);
  }
}
