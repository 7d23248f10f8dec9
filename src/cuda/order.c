#include "cuda/order.h"
#include "base/error.h"
#include "cuda/kernel.h"
#include "cuda/kernels/order.h"

enum { FEW = 4096 /* positions that are ranked: one launch, whose work is their square */ };

static struct mxi_cuda_kernel rank_kernel = MXI_CUDA_KERNEL(order, order_rank);
static struct mxi_cuda_kernel count_kernel = MXI_CUDA_KERNEL(order, order_count);
static struct mxi_cuda_kernel offsets_kernel = MXI_CUDA_KERNEL(order, order_offsets);
static struct mxi_cuda_kernel place_kernel = MXI_CUDA_KERNEL(order, order_place);

static int rank_keys(mx_stream s, const struct mxi_cuda_digit *d) {
  struct mxi_cuda_rank p = {d->keys, d->sorted, d->sorted_order, d->n};
  struct mxi_cuda_grid grid = {.x = mxi_cuda_blocks(d->n, MXI_CUDA_ORDER_THREADS / 32),
                               .threads = MXI_CUDA_ORDER_THREADS};
  return mxi_cuda_launch(s, &rank_kernel, grid, &p, sizeof p);
}

static int sort_by_digit(mx_stream s, const struct mxi_cuda_digit *d) {
  struct mxi_cuda_grid tiles = {.x = d->tiles, .threads = MXI_CUDA_ORDER_THREADS};
  struct mxi_cuda_grid digits = {.x = MXI_CUDA_ORDER_DIGITS, .threads = MXI_CUDA_ORDER_THREADS};
  MXI_TRY(mxi_cuda_launch(s, &count_kernel, tiles, d, sizeof *d));
  MXI_TRY(mxi_cuda_launch(s, &offsets_kernel, digits, d, sizeof *d));
  return mxi_cuda_launch(s, &place_kernel, tiles, d, sizeof *d);
}

/* Digit by digit, to and fro between two pairs of lists; what is sorted at last is in `d`. */
static int sort_keys(mx_stream s, int64_t bound, struct mxi_cuda_digit *d, int64_t *other,
                     uint32_t *other_order) {
  for (; d->shift == 0 || (d->shift < 63 && bound >> d->shift > 0); d->shift += MXI_CUDA_ORDER_BITS) {
    if (d->shift) {
      int64_t *sorted = d->sorted;
      uint32_t *sorted_order = d->sorted_order;
      d->keys = sorted, d->order = sorted_order;
      d->sorted = other, d->sorted_order = other_order;
      other = sorted, other_order = sorted_order;
    }
    MXI_TRY(sort_by_digit(s, d));
  }
  return 0;
}

int mxi_cuda_order(mx_stream s, const int64_t *keys, int64_t n, int64_t bound, struct mxi_cuda_order *order) {
  struct mxi_cuda_digit d = {
      .keys = keys, .n = (uint32_t)n, .tiles = (uint32_t)mxi_cuda_blocks(n, MXI_CUDA_ORDER_TILE)};
  size_t count = (size_t)n, counts = (size_t)MXI_CUDA_ORDER_DIGITS * (d.tiles + 1);
  size_t bytes = 2 * count * (sizeof *keys + sizeof *d.order) + counts * sizeof *d.counts;
  MXI_TRY(mxi_cuda_scratch_take(s, bytes, &order->scratch));
  int64_t *lists = order->scratch.address;
  uint32_t *orders = (uint32_t *)(lists + 2 * n);
  d.sorted = lists;
  d.sorted_order = orders;
  d.counts = orders + 2 * n;
  d.totals = d.counts + (size_t)MXI_CUDA_ORDER_DIGITS * d.tiles;
  int result = n <= FEW ? rank_keys(s, &d) : sort_keys(s, bound, &d, lists + n, orders + n);
  order->keys = d.sorted;
  order->positions = d.sorted_order;
  if (result < 0) mxi_cuda_scratch_free(&order->scratch);
  return result;
}
