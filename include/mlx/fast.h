/* Fused layers of language models. Computed in float32 inside, whatever the dtype. */
#ifndef MLX_FAST_H
#define MLX_FAST_H
#include "mlx/array.h"
MX_BEGIN
/* x / sqrt(mean(x^2) + eps) * weight, over the last axis. weight (D) or NULL. Zhang & Sennrich 2019. */
MX_API mx_array mx_fast_rms_norm(mx_array x, mx_array weight, double eps);
/* (x - mean) / sqrt(var + eps) * weight + bias, over the last axis. Ba et al. 2016. */
MX_API mx_array mx_fast_layer_norm(mx_array x, mx_array weight, mx_array bias, double eps);
typedef struct mx_rope_opts {
  int dims;         /* features that turn; even */
  bool traditional; /* pairs (0, 1), (2, 3) ...; else (i, i + dims/2) */
  double base;      /* 0 with freqs */
  double scale;     /* of positions */
} mx_rope_opts;
/* Rotary position embedding (Su et al. 2021) of x (B, ..., T, D). offset: int scalar or (B), the first
   position. freqs (dims / 2) or NULL: inverse frequencies' reciprocals, in place of base. */
MX_API mx_array mx_fast_rope(mx_array x, mx_rope_opts opts, mx_array offset, mx_array freqs);
/* softmax(scale q k^T + mask) v. q (B, H, Tq, D), k and v (B, Hkv, Tk, D); H a multiple of Hkv. causal aligns
   the last query with the last key. mask: NULL, bool (true = attend) or additive, broadcastable to (B, H, Tq,
   Tk). sinks (H) or NULL: one more logit a head in the denominator. */
MX_API mx_array mx_fast_scaled_dot_product_attention(mx_array q, mx_array k, mx_array v, double scale,
                                                     bool causal, mx_array mask, mx_array sinks);
/* The gated delta rule (Yang et al. 2024) over T steps: q and k (B, T, Hk, Dk), v (B, T, Hv, Dv), gamma (B,
   T, Hv) or (B, T, Hv, Dk), beta (B, T, Hv); Hv a multiple of Hk. state (B, Hv, Dv, Dk) or NULL for zeros;
   mask (B, T) or NULL: a false step gives zeros and leaves the state. out: the outputs (B, T, Hv, Dv), the
   last state. 0 or -1. */
MX_API int mx_fast_gated_delta_update(mx_array q, mx_array k, mx_array v, mx_array gamma, mx_array beta,
                                      mx_array state, mx_array mask, mx_array *out);
MX_END
#endif
