/* rms_norm and layer_norm of rows: one pass for the mean of squares, or two for mean and variance, then one
   that writes, over a row that stays in cache. Sums run over four vectors of lanes. */
#include "cpu/kernels/rows.h"
#include "cpu/kernels/rows_exp.h"

MXI_INLINE float row_sum(const void *x, int64_t n, int type) {
  vf32 sum[4] = {{0}};
  int64_t i = 0;
  for (; i + 4 * MXI_VL <= n; i += 4 * MXI_VL)
    for (int j = 0; j < 4; j++) sum[j] += load_as_f32(x, i + j * MXI_VL, type);
  for (; i + MXI_VL <= n; i += MXI_VL) sum[0] += load_as_f32(x, i, type);
  if (i < n) sum[1] += loadn_as_f32(x, i, n - i, type);
  return mxi_hsum_f32((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

/* The sum of (x - center)^2. */
MXI_INLINE float row_squares(const void *x, int64_t n, int type, float center) {
  vf32 sum[4] = {{0}}, c = mxi_set_f32(center);
  int64_t i = 0;
  for (; i + 4 * MXI_VL <= n; i += 4 * MXI_VL)
    for (int j = 0; j < 4; j++) {
      vf32 d = load_as_f32(x, i + j * MXI_VL, type) - c;
      sum[j] = multiply_add_f32(d, d, sum[j]);
    }
  for (; i + MXI_VL <= n; i += MXI_VL) {
    vf32 d = load_as_f32(x, i, type) - c;
    sum[0] = multiply_add_f32(d, d, sum[0]);
  }
  if (i < n) {
    vf32 d = fill_from(loadn_as_f32(x, i, n - i, type) - c, n - i, 0);
    sum[1] = multiply_add_f32(d, d, sum[1]);
  }
  return mxi_hsum_f32((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

MXI_INLINE void stream_f32(float *p, vf32 v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(p, (__m512)v);
#elif defined(__AVX__)
  _mm256_stream_ps(p, (__m256)v);
#else
  mxi_store_f32(p, v);
#endif
}

/* out = (x - center) * factor * weight + bias, from element i on, while whole vectors last. */
MXI_INLINE int64_t apply_vectors(const struct mxi_norm *job, const void *x, void *out, float center,
                                 float factor, int x_type, int out_type, bool weighted, bool biased,
                                 bool stream) {
  const float *weight = job->weight, *bias = job->bias;
  vf32 c = mxi_set_f32(center), f = mxi_set_f32(factor);
  int64_t i = 0;
  for (; i + MXI_VL <= job->n; i += MXI_VL) {
    vf32 y = (load_as_f32(x, i, x_type) - c) * f;
    if (weighted && biased)
      y = multiply_add_f32(y, mxi_load_f32(weight + i), mxi_load_f32(bias + i));
    else if (weighted)
      y *= mxi_load_f32(weight + i);
    else if (biased)
      y += mxi_load_f32(bias + i);
    if (stream)
      stream_f32((float *)out + i, y);
    else
      store_from_f32(out, i, y, out_type);
  }
  return i;
}

MXI_INLINE void apply(const struct mxi_norm *job, const void *x, void *out, float center, float factor,
                      int x_type, int out_type) {
  const float *weight = job->weight, *bias = job->bias;
  bool stream = job->stream && out_type == MX_FLOAT32 && (uintptr_t)out % MXI_VBYTES == 0;
  int64_t i;
  if (stream)
    i = apply_vectors(job, x, out, center, factor, x_type, out_type, weight, bias, true);
  else if (weight && !bias)
    i = apply_vectors(job, x, out, center, factor, x_type, out_type, true, false, false);
  else
    i = apply_vectors(job, x, out, center, factor, x_type, out_type, weight, bias, false);
  if (i == job->n) return;
  vf32 y = (loadn_as_f32(x, i, job->n - i, x_type) - mxi_set_f32(center)) * mxi_set_f32(factor);
  vf32 w = weight ? mxi_loadn_f32(weight + i, job->n - i) : mxi_set_f32(1);
  if (weight && bias)
    y = multiply_add_f32(y, w, mxi_loadn_f32(bias + i, job->n - i));
  else if (weight)
    y *= w;
  else if (bias)
    y += mxi_loadn_f32(bias + i, job->n - i);
  storen_from_f32(out, i, y, job->n - i, out_type);
}

MXI_INLINE double element(const void *x, int64_t i, int type) { return loadn_as_f32(x, i, 1, type)[0]; }

/* A row whose squares leave float32, or that isn't finite: all of it in double. */
MXI_INLINE void norm_large_row(const struct mxi_norm *job, const void *x, void *out, int x_type,
                               bool centered) {
  double n = (double)job->n, center = 0, square = 0;
  for (int64_t i = 0; centered && i < job->n; i++) center += element(x, i, x_type) / n;
  for (int64_t i = 0; i < job->n; i++) {
    double d = element(x, i, x_type) - center;
    square += d * d / n;
  }
  double factor = 1 / sqrt(square + job->eps);
  for (int64_t i = 0; i < job->n; i++) {
    double y = (element(x, i, x_type) - center) * factor;
    if (job->weight) y *= ((const float *)job->weight)[i];
    if (job->bias) y += ((const float *)job->bias)[i];
    storen_from_f32(out, i, mxi_set_f32((float)y), 1, job->out_type);
  }
}

MXI_INLINE void norm_rows(const struct mxi_norm *job, int64_t first, int64_t rows, int x_type,
                          bool centered) {
  int64_t x_bytes = x_type == MX_FLOAT32 ? 4 : 2, out_bytes = job->out_type == MX_FLOAT32 ? 4 : 2;
  for (int64_t r = first; r < first + rows; r++) {
    const char *x = (const char *)job->x + r * job->x_row * x_bytes;
    char *out = (char *)job->out + r * job->n * out_bytes;
    float center = centered ? row_sum(x, job->n, x_type) / (float)job->n : 0;
    float square = row_squares(x, job->n, x_type, center) / (float)job->n;
    if (!(square < INFINITY)) {
      norm_large_row(job, x, out, x_type, centered);
      continue;
    }
    float factor = 1 / sqrtf(square + (float)job->eps);
    FOR_FLOAT_TYPE(job->out_type, out_type, apply(job, x, out, center, factor, x_type, out_type));
  }
}

static void norm_rows_f64(const struct mxi_norm *job, int64_t first, int64_t rows, bool centered) {
  const double *weight = job->weight, *bias = job->bias;
  int64_t n = job->n;
  for (int64_t r = first; r < first + rows; r++) {
    const double *x = (const double *)job->x + r * job->x_row;
    double *out = (double *)job->out + r * n;
    double center = 0, square = 0;
    for (int64_t i = 0; centered && i < n; i++) center += x[i] / (double)n;
    for (int64_t i = 0; i < n; i++) square += (x[i] - center) * (x[i] - center);
    double factor = 1 / sqrt(square / (double)n + job->eps);
    for (int64_t i = 0; i < n; i++)
      out[i] = (x[i] - center) * factor * (weight ? weight[i] : 1) + (bias ? bias[i] : 0);
  }
}

void MXI_ISA_NAME(mxi_rms_norm_rows)(const struct mxi_norm *job, int64_t first, int64_t rows) {
  if (job->out_type == MX_FLOAT64)
    norm_rows_f64(job, first, rows, false);
  else
    FOR_FLOAT_TYPE(job->x_type, type, norm_rows(job, first, rows, type, false));
}

void MXI_ISA_NAME(mxi_layer_norm_rows)(const struct mxi_norm *job, int64_t first, int64_t rows) {
  if (job->out_type == MX_FLOAT64)
    norm_rows_f64(job, first, rows, true);
  else
    FOR_FLOAT_TYPE(job->x_type, type, norm_rows(job, first, rows, type, true));
}
