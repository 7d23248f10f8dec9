/* Parameters of the stable sort of positions by keys. */
#ifndef MXI_CUDA_KERNELS_ORDER_H
#define MXI_CUDA_KERNELS_ORDER_H
#include "cuda/kernels/plain.h"

enum {
  MXI_CUDA_ORDER_THREADS = 256,
  MXI_CUDA_ORDER_EACH = 16, /* keys of a thread */
  MXI_CUDA_ORDER_TILE = MXI_CUDA_ORDER_THREADS * MXI_CUDA_ORDER_EACH,
  MXI_CUDA_ORDER_BITS = 8, /* of a digit */
  MXI_CUDA_ORDER_DIGITS = 1 << MXI_CUDA_ORDER_BITS
};

/* By the rank of each key among all, for few. */
struct mxi_cuda_rank {
  const int64_t *keys;
  int64_t *sorted;
  uint32_t *order;
  uint32_t n;
};

/* By one digit, the others being done; none of the keys is negative. */
struct mxi_cuda_digit {
  const int64_t *keys;
  const uint32_t *order; /* NULL: 0, 1, 2 ... */
  int64_t *sorted;
  uint32_t *sorted_order;
  uint32_t *counts; /* (digits, tiles): how often a tile has a digit, then where its first goes */
  uint32_t *totals; /* (digits) */
  uint32_t n, tiles, shift;
};
#endif
