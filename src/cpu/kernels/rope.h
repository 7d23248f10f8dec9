/* Rotary position embedding (Su et al., "RoFormer", 2021): the pair (a, b) number i of a row at position p
   turns to (a cos t - b sin t, b cos t + a sin t) with t = p * frequency[i]. The pairs are (x[i], x[i +
   dims/2]), or traditionally (x[2i], x[2i + 1]). */
#ifndef MXI_CPU_KERNELS_ROPE_H
#define MXI_CPU_KERNELS_ROPE_H
#include "mlx/dtype.h"
#include "cpu/isa.h"
#include <stdbool.h>
#include <stdint.h>

/* A table row holds, for each pair, the cosines and then the sines as floats: `pairs` of each. The
   traditional one holds 2 * pairs of each, laid out as the row's elements: c c ..., then -s +s ... */
static inline int64_t mxi_rope_table_width(int64_t pairs, bool traditional) {
  return traditional ? 4 * pairs : 2 * pairs;
}
/* The table row of one position. frequencies may be infinite or NaN, and then the angles are NaN. */
MXI_DECLARE_KERNEL(void, mxi_rope_table,
                   (double position, const double *frequencies, int64_t pairs, bool traditional, float *row));

/* Turns one contiguous row of float16, bfloat16 or float32: its first 2 * pairs elements; the others, up to
   `width`, are copied. out may be x. */
MXI_DECLARE_KERNEL(void, mxi_rope_row,
                   (mx_dtype dtype, const void *x, void *out, int64_t width, int64_t pairs, bool traditional,
                    const float *table));
#endif
