/* What decode and prefill share: masks, the rows' running softmax, and sums over vectors' lanes. */
#ifndef MXI_CPU_KERNELS_ATTENTION_PARTS_H
#define MXI_CPU_KERNELS_ATTENTION_PARTS_H
#include "cpu/kernels/attention.h"
#include "cpu/kernels/rows_exp.h"
#include "cpu/kernels/transpose.h"
#include <float.h>

/* Elements of a row, rounded up to whole vectors of the widest set. */
enum { PAD = 16 };
static inline int64_t padded(int64_t n) { return (n + PAD - 1) / PAD * PAD; }

static inline int64_t attention_item(const struct mxi_attention *a) { return a->dtype == MX_FLOAT32 ? 4 : 2; }
static inline const char *attention_row(const void *base, const int64_t *strides, int64_t b, int64_t h,
                                        int64_t t, int64_t item) {
  return (const char *)base + (b * strides[0] + h * strides[1] + t * strides[2]) * item;
}

/* How many keys query row i sees: at most `keys`, below 1 for none. */
static inline int64_t visible_keys(const struct mxi_attention *a, int64_t i) {
  int64_t n = a->causal ? i + a->keys - a->queries + 1 : a->keys;
  return n < a->keys ? n : a->keys;
}

/* One row of n elements to floats, padded with zeros to whole vectors, times a factor. */
MXI_INLINE void widen_row(const void *x, int64_t n, int type, float factor, float *out) {
  vf32 f = mxi_set_f32(factor);
  int64_t i = 0;
  for (; i + MXI_VL <= n; i += MXI_VL) mxi_store_f32(out + i, load_as_f32(x, i, type) * f);
  if (i < n) mxi_store_f32(out + i, loadn_as_f32(x, i, n - i, type) * f);
  if (i < n) i += MXI_VL;
  for (int64_t end = padded(n); i < end; i += MXI_VL) mxi_store_f32(out + i, (vf32){0});
}

MXI_INLINE float mask_value(const void *mask, int64_t i, mx_dtype type) {
  switch (type) {
  case MX_FLOAT32: return ((const float *)mask)[i];
  case MX_FLOAT64: return (float)((const double *)mask)[i];
  case MX_BFLOAT16: return mxi_f32_from_bf16((vu16h){((const uint16_t *)mask)[i]})[0];
  default: return mxi_f32_from_f16((vu16h){((const uint16_t *)mask)[i]})[0];
  }
}

/* Applies the mask of query row i to the logits of keys [first, first + n). */
static inline void mask_logits(const struct mxi_attention *a, int64_t b, int64_t head, int64_t i,
                               int64_t first, int64_t n, float *logits) {
  int64_t step = a->mask_strides[3];
  int64_t at = b * a->mask_strides[0] + head * a->mask_strides[1] + i * a->mask_strides[2] + first * step;
  if (a->mask_type == MX_BOOL) {
    const uint8_t *keep = (const uint8_t *)a->mask + at;
    for (int64_t j = 0; j < n; j++) logits[j] = keep[j * step] ? logits[j] : -FLT_MAX;
  } else if (a->mask_type == MX_FLOAT32 && step == 1) {
    const float *added = (const float *)a->mask + at;
    for (int64_t j = 0; j < n; j++) logits[j] += added[j];
  } else {
    for (int64_t j = 0; j < n; j++) logits[j] += mask_value(a->mask, at + j * step, a->mask_type);
  }
}

/* Logits of keys [first, first + n) of query row i: masked, and -inf from n up to `width`, whole vectors. */
static inline void finish_logits(const struct mxi_attention *a, int64_t b, int64_t head, int64_t i,
                                 int64_t first, int64_t n, int64_t width, float *logits) {
  if (a->mask) mask_logits(a, b, head, i, first, n, logits);
  int64_t seen = visible_keys(a, i) - first;
  for (int64_t j = seen < 0 ? 0 : seen; j < n; j++) logits[j] = -FLT_MAX;
  for (int64_t j = n; j < width; j++) logits[j] = -INFINITY;
}

/* What to subtract from logits whose maximum is max: a row of -inf alone sums to 0, not to NaN. */
static inline float shift_of(float max) { return max == -INFINITY ? 0 : max; }

/* Turns `width` logits (whole vectors) into exp(logit - max), where max is the greater of theirs and *max,
   and brings *max and *sum up to date. Returns the factor for what was summed before. */
MXI_INLINE float softmax_step(float *logits, int64_t width, float *max, float *sum) {
  vf32 m = mxi_set_f32(*max);
  for (int64_t j = 0; j < width; j += MXI_VL) m = max_f32(mxi_load_f32(logits + j), m);
  float top = max_lanes(m);
  float factor = *max == top ? 1 : exp_negative(mxi_set_f32(*max - shift_of(top)))[0];
  vf32 total = {0}, shift = mxi_set_f32(shift_of(top));
  for (int64_t j = 0; j < width; j += MXI_VL) {
    vf32 e = exp_negative(mxi_load_f32(logits + j) - shift);
    mxi_store_f32(logits + j, e);
    total += e;
  }
  *sum = *sum * factor + mxi_hsum_f32(total);
  *max = top;
  return factor;
}

/* exp(max - top): what brings sums taken about `max` to a greater maximum `top`. Without logits above -inf
   the sums are zero, and stay so. */
static inline float rescale(float max, float top) {
  return max == -INFINITY ? 0 : exp_negative(mxi_set_f32(max - top))[0];
}

/* The factor that ends a row: 1 / sum, or with a sink, what brings it to the greater of their maxima over
 * both. */
static inline float normaliser(const struct mxi_attention *a, int64_t head, float max, float sum) {
  if (a->keys == 0) return 0;
  if (!a->sinks) return 1 / sum;
  float sink = a->sinks[head], top = sink > max ? sink : max, scale = rescale(max, top);
  return scale / (sum * scale + rescale(sink, top));
}

/* Lane i is the sum of the lanes of v[i]. */
MXI_INLINE vf32 sum_each(vf32 v[MXI_VL]) {
  MXI_UNROLL
  for (int n = MXI_VL / 2; n; n /= 2) MXI_UNROLL
  for (int i = 0; i < n; i++) v[i] = ZIP_LOW(v[i], v[i + n]) + ZIP_HIGH(v[i], v[i + n]);
  return v[0];
}
#endif
