/* Copies of strided panels, and conversions between dtypes. Strides are in elements. */
#ifndef MXI_CPU_KERNELS_COPY_H
#define MXI_CPU_KERNELS_COPY_H
#include "mlx/dtype.h"
#include "core/reduce.h"
#include "cpu/isa.h"
#include <stdint.h>
#include <stddef.h>
#include <stdbool.h>

/* A panel of rows x columns elements on both sides. */
struct mxi_panel {
  int64_t rows, columns;
  int64_t dst_row, dst_column, src_row, src_column; /* strides */
};
/* Copies elements of 1, 2, 4 or 8 bytes. stream: the panel won't be read again soon, so stores may bypass the
 * caches. */
MXI_DECLARE_KERNEL(void, mxi_copy_panel,
                   (int itemsize, const struct mxi_panel *p, void *dst, const void *src, int stream));
/* The same between dtypes, converted as astype does: integers wrap, floats become integers by the rule of
   core/cast.h, complex numbers lose the imaginary part, bool is "not zero". */
MXI_DECLARE_KERNEL(void, mxi_cast_panel,
                   (mx_dtype to, mx_dtype from, const struct mxi_panel *p, void *dst, const void *src));
/* dst[i] = start + (first + i) * step for i in [0, n): in integers that wrap for an integer t, else in
   double, cast to t. */
MXI_DECLARE_KERNEL(void, mxi_arange,
                   (mx_dtype t, void *dst, int64_t first, int64_t n, double start, double step));
/* dst[i * dst_stride] = dst[..] mode src[i * src_stride], in order of i, for elements of one dtype; mode is
   an mxi_update_mode. */
MXI_DECLARE_KERNEL(void, mxi_update_run,
                   (mx_dtype t, int mode, int64_t n, void *dst, int64_t dst_stride, const void *src,
                    int64_t src_stride));
/* dst[to[i]] = dst[to[i]] mode src[from[i]], in order of i. */
MXI_DECLARE_KERNEL(void, mxi_update_at,
                   (mx_dtype t, int mode, int64_t n, void *dst, const int64_t *to, const void *src,
                    const int64_t *from));

/* ---- Indices, of any integer dtype ---- */
/* offsets[i] += index * stride for n indices of an axis of length dim; negative indices count from its end.
   Returns the first i whose index is not below limit (offsets are then unusable), or -1. */
MXI_DECLARE_KERNEL(int64_t, mxi_index_run,
                   (mx_dtype t, const void *indices, int64_t index_stride, int64_t n, int64_t dim,
                    int64_t limit, int64_t stride, int64_t *offsets));
/* dst[i] = src[offsets[i]]. */
MXI_DECLARE_KERNEL(void, mxi_gather_elements,
                   (int itemsize, int64_t n, void *dst, const void *src, const int64_t *offsets));
/* Row i of dst, `bytes` long, comes from src + offsets[i] elements. stream: dst won't be read again soon. */
MXI_DECLARE_KERNEL(void, mxi_gather_rows,
                   (int itemsize, size_t bytes, int64_t n, void *dst, const void *src, const int64_t *offsets,
                    bool stream));
#endif
