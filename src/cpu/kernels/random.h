#ifndef MXI_CPU_KERNELS_RANDOM_H
#define MXI_CPU_KERNELS_RANDOM_H
#include "cpu/isa.h"
#include <stdint.h>

/* Threefry-2x32 with 20 rounds of the n counters (first + i, second + i): their two words go to a[i] and
 * b[i]. */
MXI_DECLARE_KERNEL(void, mxi_threefry,
                   (const uint32_t key[2], uint32_t first, uint32_t second, int64_t n, uint32_t *a,
                    uint32_t *b));
#endif
