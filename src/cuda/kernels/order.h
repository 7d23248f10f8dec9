/* Parameters of the stable sort of few positions by keys. */
#ifndef MXI_CUDA_KERNELS_ORDER_H
#define MXI_CUDA_KERNELS_ORDER_H
#include "cuda/kernels/plain.h"

enum { MXI_CUDA_ORDER_THREADS = 256 };

/* By the rank of each key among all, for few. */
struct mxi_cuda_rank {
  const int64_t *keys;
  int64_t *sorted;
  uint32_t *order;
  uint32_t n;
};
#endif
