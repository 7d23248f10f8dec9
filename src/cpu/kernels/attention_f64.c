/* Attention of float64 arrays: one query row at a time, as the definition reads. */
#include "cpu/kernels/attention_parts.h"

static double mask_f64(const struct mxi_attention *a, const int64_t at[4], double logit) {
  int64_t i = 0;
  for (int axis = 0; axis < 4; axis++) i += at[axis] * a->mask_strides[axis];
  if (a->mask_type == MX_BOOL) return ((const uint8_t *)a->mask)[i] ? logit : -DBL_MAX;
  if (a->mask_type == MX_FLOAT64) return logit + ((const double *)a->mask)[i];
  return logit + (double)mask_value(a->mask, i, a->mask_type);
}

void MXI_ISA_NAME(mxi_attention_f64)(const struct mxi_attention *a, int64_t b, int64_t head, int64_t query,
                                     double *p) {
  int64_t h = head / (a->heads / a->kv_heads), seen = visible_keys(a, query);
  const double *q = (const double *)(const void *)attention_row(a->q, a->q_strides, b, head, query, 8);
  double *out = (double *)(void *)attention_row(a->out, a->out_strides, b, head, query, 8);
  double max = a->sinks ? (double)a->sinks[head] : -INFINITY, sum = 0;
  for (int64_t j = 0; j < a->keys; j++) {
    const double *k = (const double *)(const void *)attention_row(a->k, a->k_strides, b, h, j, 8);
    double logit = 0;
    for (int64_t d = 0; d < a->width; d++) logit += q[d] * k[d];
    logit *= a->scale_f64;
    if (a->mask) logit = mask_f64(a, (int64_t[4]){b, head, query, j}, logit);
    p[j] = j < seen ? logit : -DBL_MAX;
    max = p[j] > max ? p[j] : max;
  }
  double shift = isinf(max) && max < 0 ? 0 : max;
  for (int64_t j = 0; j < a->keys; j++) sum += p[j] = exp(p[j] - shift);
  if (a->sinks) sum += exp((double)a->sinks[head] - shift);
  for (int64_t d = 0; d < a->value_width; d++) out[d] = 0;
  for (int64_t j = 0; j < a->keys; j++) {
    const double *v = (const double *)(const void *)attention_row(a->v, a->v_strides, b, h, j, 8);
    for (int64_t d = 0; d < a->value_width; d++) out[d] += p[j] * v[d];
  }
  for (int64_t d = 0; d < a->value_width && a->keys; d++) out[d] /= sum;
}
