/* softmax and logsumexp of rows: the maximum, then the sum of exp(x - maximum), then the result, each a pass
   over a row that stays in cache. A NaN never wins a maximum, but its exponential is NaN and so is the sum.
 */
#include "cpu/kernels/rows.h"
#include "cpu/kernels/rows_exp.h"

MXI_INLINE float row_max(const void *x, int64_t n, int type) {
  vf32 m[4];
  for (int j = 0; j < 4; j++) m[j] = mxi_set_f32(-INFINITY);
  int64_t i = 0;
  for (; i + 4 * MXI_VL <= n; i += 4 * MXI_VL)
    for (int j = 0; j < 4; j++) m[j] = max_f32(load_as_f32(x, i + j * MXI_VL, type), m[j]);
  for (; i + MXI_VL <= n; i += MXI_VL) m[0] = max_f32(load_as_f32(x, i, type), m[0]);
  if (i < n) m[0] = max_f32(fill_from(loadn_as_f32(x, i, n - i, type), n - i, -INFINITY), m[0]);
  return max_lanes(max_f32(max_f32(m[0], m[1]), max_f32(m[2], m[3])));
}

/* The sum of exp(x - max), and if `keep`, the exponentials themselves in e, which may be x. */
MXI_INLINE float row_exp_sum(const void *x, int64_t n, int type, float max, bool keep, float *e) {
  vf32 sum[4] = {{0}}, shift = mxi_set_f32(max);
  int64_t i = 0;
  for (; i + 4 * MXI_VL <= n; i += 4 * MXI_VL)
    for (int j = 0; j < 4; j++) {
      vf32 y = exp_negative(load_as_f32(x, i + j * MXI_VL, type) - shift);
      if (keep) mxi_store_f32(e + i + j * MXI_VL, y);
      sum[j] += y;
    }
  for (; i + MXI_VL <= n; i += MXI_VL) {
    vf32 y = exp_negative(load_as_f32(x, i, type) - shift);
    if (keep) mxi_store_f32(e + i, y);
    sum[0] += y;
  }
  if (i < n) {
    vf32 y = fill_from(exp_negative(loadn_as_f32(x, i, n - i, type) - shift), n - i, 0);
    if (keep) mxi_storen_f32(e + i, y, n - i);
    sum[1] += y;
  }
  return mxi_hsum_f32((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

/* out = e * factor; out may be e. */
MXI_INLINE void row_scale(const float *e, void *out, int64_t n, int type, float factor) {
  vf32 f = mxi_set_f32(factor);
  int64_t i = 0;
  for (; i + MXI_VL <= n; i += MXI_VL) store_from_f32(out, i, mxi_load_f32(e + i) * f, type);
  if (i < n) storen_from_f32(out, i, mxi_loadn_f32(e + i, n - i) * f, n - i, type);
}

MXI_INLINE void softmax_rows(const struct mxi_softmax *job, int64_t first, int64_t rows, int type,
                             float *row) {
  int64_t row_bytes = job->n * (type == MX_FLOAT32 ? 4 : 2);
  for (int64_t r = first; r < first + rows; r++) {
    const char *x = (const char *)job->x + r * row_bytes;
    char *out = (char *)job->out + r * row_bytes;
    float *e = type == MX_FLOAT32 ? (float *)(void *)out : row;
    float sum = row_exp_sum(x, job->n, type, row_max(x, job->n, type), true, e);
    row_scale(e, out, job->n, type, 1 / sum);
  }
}

static void softmax_rows_f64(const struct mxi_softmax *job, int64_t first, int64_t rows) {
  int64_t n = job->n;
  for (int64_t r = first; r < first + rows; r++) {
    const double *x = (const double *)job->x + r * n;
    double *out = (double *)job->out + r * n;
    double max = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) max = x[i] > max ? x[i] : max;
    for (int64_t i = 0; i < n; i++) sum += out[i] = exp(x[i] - max);
    for (int64_t i = 0; i < n; i++) out[i] /= sum;
  }
}

void MXI_ISA_NAME(mxi_softmax_rows)(const struct mxi_softmax *job, int64_t first, int64_t rows, float *row) {
  if (job->dtype == MX_FLOAT64)
    softmax_rows_f64(job, first, rows);
  else
    FOR_FLOAT_TYPE(job->dtype, type, softmax_rows(job, first, rows, type, row));
}

MXI_INLINE bool any_nan(const void *x, int64_t n, int type) {
  vi32 nan = {0};
  int64_t i = 0;
  for (; i + MXI_VL <= n; i += MXI_VL) {
    vf32 v = load_as_f32(x, i, type);
    nan |= v != v;
  }
  if (i < n) {
    vf32 v = loadn_as_f32(x, i, n - i, type);
    nan |= v != v;
  }
  for (int j = 0; j < MXI_VL; j++)
    if (nan[j]) return true;
  return false;
}

/* A row whose maximum is +inf sums to infinity, unless a NaN hides in it. */
MXI_INLINE struct mxi_softmax_partial row_partial(const void *x, int64_t n, int type) {
  float max = row_max(x, n, type);
  if (max == INFINITY) return (struct mxi_softmax_partial){max, any_nan(x, n, type) ? NAN : 1};
  return (struct mxi_softmax_partial){max, row_exp_sum(x, n, type, max == -INFINITY ? 0 : max, false, NULL)};
}

static void logsumexp_rows_f64(const struct mxi_softmax *job, int64_t first, int64_t rows) {
  for (int64_t r = first; r < first + rows; r++) {
    const double *x = (const double *)job->x + r * job->n;
    double max = -INFINITY, sum = 0;
    for (int64_t i = 0; i < job->n; i++) max = x[i] > max ? x[i] : max;
    double shift = isinf(max) ? 0 : max;
    for (int64_t i = 0; i < job->n; i++) sum += exp(x[i] - shift);
    ((double *)job->out)[r] = shift + log(sum);
  }
}

void MXI_ISA_NAME(mxi_logsumexp_rows)(const struct mxi_softmax *job, int64_t first, int64_t rows) {
  if (job->dtype == MX_FLOAT64) {
    logsumexp_rows_f64(job, first, rows);
    return;
  }
  int64_t row_bytes = job->n * (job->dtype == MX_FLOAT32 ? 4 : 2);
  for (int64_t r = first; r < first + rows; r++) {
    struct mxi_softmax_partial p =
        MXI_ISA_NAME(mxi_softmax_block)(job->dtype, (const char *)job->x + r * row_bytes, job->n);
    float y = (float)((double)p.max + log((double)p.sum));
    if (p.max == -INFINITY && p.sum == 0) y = -INFINITY;
    if (job->dtype == MX_FLOAT32)
      ((float *)job->out)[r] = y;
    else
      ((uint16_t *)job->out)[r] = job->dtype == MX_BFLOAT16 ? mxi_bf16_from_f32(mxi_set_f32(y))[0]
                                                            : mxi_f16_from_f32(mxi_set_f32(y))[0];
  }
}

struct mxi_softmax_partial MXI_ISA_NAME(mxi_softmax_block)(mx_dtype dtype, const void *x, int64_t n) {
  struct mxi_softmax_partial p;
  FOR_FLOAT_TYPE(dtype, type, p = row_partial(x, n, type));
  return p;
}

MXI_INLINE void scale_row(const void *x, void *out, int64_t n, int type, float max, float factor) {
  vf32 shift = mxi_set_f32(max), f = mxi_set_f32(factor);
  int64_t i = 0;
  for (; i + MXI_VL <= n; i += MXI_VL)
    store_from_f32(out, i, exp_negative(load_as_f32(x, i, type) - shift) * f, type);
  if (i < n) storen_from_f32(out, i, exp_negative(loadn_as_f32(x, i, n - i, type) - shift) * f, n - i, type);
}

void MXI_ISA_NAME(mxi_softmax_scale)(mx_dtype dtype, const void *x, void *out, int64_t n, float max,
                                     float inverse_sum) {
  FOR_FLOAT_TYPE(dtype, type, scale_row(x, out, n, type, max, inverse_sum));
}
