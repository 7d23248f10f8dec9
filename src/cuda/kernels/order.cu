/* A stable sort of few positions by keys: the rank of each among all. */
#include "cuda/kernels/kernel.cuh"
#include "cuda/kernels/order.h"

enum { THREADS = MXI_CUDA_ORDER_THREADS, WARPS = THREADS / 32 };

/* A warp ranks one key: how many are less, or equal and earlier. */
MXI_KERNEL(order_rank, mxi_cuda_rank, THREADS) {
  uint32_t i = blockIdx.x * WARPS + threadIdx.x / 32, rank = 0;
  if (i >= p.n) return;
  int64_t key = p.keys[i];
#pragma unroll 4
  for (uint32_t j = threadIdx.x % 32; j < p.n; j += 32)
    rank += p.keys[j] < key || (p.keys[j] == key && j < i);
  for (int lanes = 16; lanes; lanes /= 2) rank += __shfl_xor_sync(~0u, rank, lanes);
  if (threadIdx.x % 32) return;
  p.sorted[rank] = key;
  p.order[rank] = i;
}
