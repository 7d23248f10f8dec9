/* The arithmetic of scans, on accumulators as in reduce.h; op is an mxi_scan_op. */
#ifndef MXI_CPU_KERNELS_SCAN_H
#define MXI_CPU_KERNELS_SCAN_H
#include "cpu/kernels/reduce.h"

/* tile[i] becomes carry op tile[0] op ... op tile[i]; carry becomes the last of them. float32 sums go by
   groups of 16: a prefix within the group, by steps of 1, 2, 4, 8, then the carry added to each. */
MXI_DECLARE_KERNEL(void, mxi_scan_tile,
                   (const struct mxi_reduce_kind *r, void *tile, int64_t n, void *carry));
/* values[i] = with[i] op values[i]; with_step 0 or 1. */
MXI_DECLARE_KERNEL(void, mxi_scan_combine,
                   (const struct mxi_reduce_kind *r, void *values, const void *with, int64_t with_step,
                    int64_t n));
MXI_DECLARE_KERNEL(void, mxi_scan_identity, (const struct mxi_reduce_kind *r, void *values, int64_t n));
#endif
