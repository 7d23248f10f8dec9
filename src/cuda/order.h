/* A stable sort of positions by keys, for work whose order counts. */
#ifndef MXI_CUDA_ORDER_H
#define MXI_CUDA_ORDER_H
#include "cuda/memory.h"

/* Positions 0 .. n - 1 by their keys, which lie in [0, bound]; equal ones stay in order. n < 2^31. */
struct mxi_cuda_order {
  const int64_t *keys; /* sorted */
  const uint32_t *positions;
  struct mxi_cuda_scratch scratch;
};
int mxi_cuda_order(mx_stream s, const int64_t *keys, int64_t n, int64_t bound, struct mxi_cuda_order *order);
#endif
