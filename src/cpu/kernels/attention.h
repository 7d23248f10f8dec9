/* Scaled dot-product attention with a running maximum and sum (Milakov and Gimelshein, "Online normalizer
   calculation for softmax", 2018; Dao et al., "FlashAttention", 2022): no score matrix is ever stored.

   A logit is scale * q . k, plus an additive mask. A key that a boolean mask or causality hides has the
   lowest finite logit, so that a row with every key hidden averages all of them. A sink is one more logit of
   its head that has no value: it joins the sum alone. */
#ifndef MXI_CPU_KERNELS_ATTENTION_H
#define MXI_CPU_KERNELS_ATTENTION_H
#include "mlx/dtype.h"
#include "cpu/isa.h"
#include <stdbool.h>
#include <stdint.h>

/* Strides in elements; the last axes of q, k, v and out are contiguous. */
struct mxi_attention {
  mx_dtype dtype; /* of q, k, v and out */
  int64_t batch, heads, kv_heads, queries, keys, width, value_width;
  const void *q, *k, *v; /* (batch, heads, queries, width), (batch, kv_heads, keys, width | value_width) */
  void *out;             /* (batch, heads, queries, value_width) */
  int64_t q_strides[3], k_strides[3], v_strides[3], out_strides[3]; /* of batch, head, position */
  float scale;
  double scale_f64;
  bool causal;      /* query i sees the keys j <= i + keys - queries */
  const void *mask; /* (batch, heads, queries, keys), or NULL; bool (true keeps) or a float type */
  mx_dtype mask_type;
  int64_t mask_strides[4];
  const float *sinks; /* (heads), or NULL */
};

/* Sizes of the blocks, shared with the callers that cut the work. */
enum {
  MXI_DECODE_QUERIES = 8,    /* decode handles up to so many queries */
  MXI_DECODE_KEYS = 256,     /* keys of one decode block */
  MXI_PREFILL_QUERIES = 240, /* query rows of one prefill item */
  MXI_PREFILL_SLAB = 48,     /* of them, those whose logits are in work at a time */
  MXI_PREFILL_KEYS = 256     /* keys in work at a time */
};

/* Decode: few queries. The rows are the group's heads times the queries, row = head_in_group * queries +
   query; they share each read of K and V. One call takes keys [block * MXI_DECODE_KEYS, ...) of (batch b, key
   head h), and writes for each row its maximum, its sum and its unnormalised values: partial (rows, 2 +
   value_width). */
MXI_DECLARE_KERNEL(void, mxi_attention_decode,
                   (const struct mxi_attention *a, int64_t b, int64_t h, int64_t block, float *partial,
                    float *scratch));
/* Combines the partials (blocks, rows, 2 + value_width) of one (b, h) in order, adds the sinks, writes out.
 */
MXI_DECLARE_KERNEL(void, mxi_attention_combine,
                   (const struct mxi_attention *a, int64_t b, int64_t h, int64_t blocks,
                    const float *partials));
static inline int64_t mxi_attention_decode_scratch(const struct mxi_attention *a) { /* floats */
  return a->heads / a->kv_heads * a->queries * (MXI_DECODE_KEYS + a->width + 16) + 16 * (a->width + 16);
}

/* Prefill: query rows [first, first + rows) of one head, at most MXI_PREFILL_QUERIES, against all keys. */
MXI_DECLARE_KERNEL(void, mxi_attention_prefill,
                   (const struct mxi_attention *a, int64_t b, int64_t head, int64_t first, int64_t rows,
                    float *scratch));
static inline int64_t mxi_attention_prefill_scratch(const struct mxi_attention *a) { /* floats */
  int64_t width = a->width + 16, value_width = a->value_width + 32;
  return (MXI_PREFILL_QUERIES + MXI_PREFILL_KEYS) * (width + value_width) +
         MXI_PREFILL_SLAB * MXI_PREFILL_KEYS + 3 * MXI_PREFILL_QUERIES;
}

/* float64, one query row at a time, in double throughout; scratch holds one double a key. */
MXI_DECLARE_KERNEL(void, mxi_attention_f64,
                   (const struct mxi_attention *a, int64_t b, int64_t head, int64_t query, double *scratch));
#endif
