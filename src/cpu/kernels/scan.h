/* The arithmetic of scans, on accumulators as in reduce.h; op is an mxi_scan_op. */
#ifndef MXI_CPU_KERNELS_SCAN_H
#define MXI_CPU_KERNELS_SCAN_H
#include "cpu/kernels/reduce.h"

/* dst[i] = before op (carry op src[0] op ... op src[i]), where dst may be src and before may be NULL; carry
   becomes what it was op all of src. float32 sums go by groups of 16: a prefix within the group, by steps of
   1, 2, 4, 8, then the carry added to each. stream: dst won't be read again soon. */
MXI_DECLARE_KERNEL(void, mxi_scan_tile,
                   (const struct mxi_reduce_kind *r, void *dst, const void *src, int64_t n, void *carry,
                    const void *before, bool stream));
/* values[i] = with[i] op values[i]; with_step 0 or 1. */
MXI_DECLARE_KERNEL(void, mxi_scan_combine,
                   (const struct mxi_reduce_kind *r, void *values, const void *with, int64_t with_step,
                    int64_t n));
MXI_DECLARE_KERNEL(void, mxi_scan_identity, (const struct mxi_reduce_kind *r, void *values, int64_t n));
#endif
