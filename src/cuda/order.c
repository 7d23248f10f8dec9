#include "cuda/order.h"
#include "base/error.h"
#include "cuda/kernel.h"
#include "cuda/kernels/order.h"
#include "cuda/radix.h"

enum { FEW = 4096 /* positions that are ranked: one launch, whose work is their square */ };

static struct mxi_cuda_kernel rank_kernel = MXI_CUDA_KERNEL(order, order_rank);

static int rank_keys(mx_stream s, const int64_t *keys, int64_t n, int64_t *sorted, uint32_t *positions) {
  struct mxi_cuda_rank p = {keys, sorted, positions, (uint32_t)n};
  struct mxi_cuda_grid grid = {.x = mxi_cuda_blocks(n, MXI_CUDA_ORDER_THREADS / 32),
                               .threads = MXI_CUDA_ORDER_THREADS};
  return mxi_cuda_launch(s, &rank_kernel, grid, &p, sizeof p);
}

static int sort_keys(mx_stream s, const int64_t *keys, int64_t n, int64_t bound, int64_t *sorted,
                     uint32_t *positions) {
  int bits = 1;
  while (bits < 63 && bound >> bits) bits++;
  struct mxi_cuda_radix r = {.log_bytes = 3,
                             .coding.kind = MXI_CUDA_SORT_UNSIGNED,
                             .bits = bits,
                             .rows = 1,
                             .length = n,
                             .in = keys,
                             .sorted = sorted,
                             .places = positions};
  return mxi_cuda_radix_sort(s, &r);
}

int mxi_cuda_order(mx_stream s, const int64_t *keys, int64_t n, int64_t bound, struct mxi_cuda_order *order) {
  size_t count = (size_t)n;
  MXI_TRY(mxi_cuda_scratch_take(s, count * (sizeof *keys + sizeof *order->positions), &order->scratch));
  int64_t *sorted = order->scratch.address;
  uint32_t *positions = (uint32_t *)(sorted + n);
  int result =
      n <= FEW ? rank_keys(s, keys, n, sorted, positions) : sort_keys(s, keys, n, bound, sorted, positions);
  order->keys = sorted;
  order->positions = positions;
  if (result < 0) mxi_cuda_scratch_free(&order->scratch);
  return result;
}
