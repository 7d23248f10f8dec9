/* Parameters of the random bits, whose layout src/cpu/random.c describes. */
#ifndef MXI_CUDA_KERNELS_RANDOM_H
#define MXI_CUDA_KERNELS_RANDOM_H
#include "cuda/kernels/region.h"

enum { MXI_CUDA_RANDOM_THREADS = 256, MXI_CUDA_RANDOM_EACH = 4 /* counters of a thread */ };
struct mxi_cuda_random {
  char *to;
  const uint32_t *keys;
  int64_t key_step;            /* between a key's two words */
  int64_t bytes, half, odd;    /* of one key's output, in bytes and words */
  struct mxi_cuda_region each; /* the keys: operand 0 */
};
#endif
