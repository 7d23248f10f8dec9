/* Row kernels: softmax, logsumexp, rms_norm and layer_norm over contiguous rows of n elements.
   Halves and float32 are computed in float32, float64 in double. */
#ifndef MXI_CPU_KERNELS_ROWS_H
#define MXI_CPU_KERNELS_ROWS_H
#include "mlx/dtype.h"
#include "cpu/isa.h"
#include <stdbool.h>
#include <stdint.h>

/* x and out hold rows of n elements, one after another; out may be x. */
struct mxi_softmax {
  mx_dtype dtype;
  const void *x;
  void *out;
  int64_t n;
};
/* `row` is scratch for n floats, used for halves alone. */
MXI_DECLARE_KERNEL(void, mxi_softmax_rows,
                   (const struct mxi_softmax *job, int64_t first, int64_t rows, float *row));
/* log(sum(exp(row))): out holds one element a row. */
MXI_DECLARE_KERNEL(void, mxi_logsumexp_rows, (const struct mxi_softmax *job, int64_t first, int64_t rows));

/* For rows longer than a cache, cut into blocks. A partial stands for a block: its maximum, and its sum of
   exp(x - maximum), where an infinite maximum counts as zero in the difference. Not for float64. */
struct mxi_softmax_partial {
  float max, sum;
};
MXI_DECLARE_KERNEL(struct mxi_softmax_partial, mxi_softmax_block, (mx_dtype dtype, const void *x, int64_t n));
/* out[i] = exp(x[i] - max) * inverse_sum */
MXI_DECLARE_KERNEL(void, mxi_softmax_scale,
                   (mx_dtype dtype, const void *x, void *out, int64_t n, float max, float inverse_sum));

/* rms_norm: x * rsqrt(mean(x^2) + eps) * weight. layer_norm: (x - mean) * rsqrt(var + eps) * weight + bias.
   Unless out_type is float64, weight and bias are float32 rows of n elements or NULL, and x is up to float32;
   in float64 all of them are. Rows of x start x_row elements apart, those of out lie one after another. */
struct mxi_norm {
  mx_dtype x_type, out_type;
  const void *x;
  void *out;
  int64_t n, x_row;
  const void *weight, *bias;
  double eps;
  bool stream; /* the result is far larger than the caches: write past them */
};
MXI_DECLARE_KERNEL(void, mxi_rms_norm_rows, (const struct mxi_norm *job, int64_t first, int64_t rows));
MXI_DECLARE_KERNEL(void, mxi_layer_norm_rows, (const struct mxi_norm *job, int64_t first, int64_t rows));
#endif
