/* A stable sort of positions by keys: order_rank for few, and for many a digit at a time (least significant
   first): order_count, how often each tile has each digit; order_offsets, what of a digit comes in earlier
   tiles; order_place. */
#include "cuda/kernels/kernel.cuh"
#include "cuda/kernels/order.h"

enum {
  THREADS = MXI_CUDA_ORDER_THREADS,
  WARPS = THREADS / 32,
  EACH = MXI_CUDA_ORDER_EACH,
  TILE = MXI_CUDA_ORDER_TILE,
  DIGITS = MXI_CUDA_ORDER_DIGITS
};
static_assert(THREADS == DIGITS, "a thread serves one digit");

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

MXI_DEVICE uint32_t digit_of(int64_t key, uint32_t shift) {
  return static_cast<uint32_t>(static_cast<uint64_t>(key) >> shift) & (DIGITS - 1);
}

MXI_KERNEL(order_count, mxi_cuda_digit, THREADS) {
  __shared__ uint32_t count[DIGITS];
  count[threadIdx.x] = 0;
  __syncthreads();
  uint32_t first = blockIdx.x * TILE + threadIdx.x;
#pragma unroll 4
  for (uint32_t j = 0; j < EACH; j++)
    if (first + j * THREADS < p.n) atomicAdd(&count[digit_of(p.keys[first + j * THREADS], p.shift)], 1u);
  __syncthreads();
  p.counts[threadIdx.x * p.tiles + blockIdx.x] = count[threadIdx.x];
}

/* Exclusive sums of the block's values; `total` is that of all. */
MXI_DEVICE uint32_t block_sums(uint32_t value, uint32_t &total) {
  __shared__ uint32_t of_warp[WARPS];
  uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32, sum = value;
#pragma unroll
  for (uint32_t delta = 1; delta < 32; delta *= 2) {
    uint32_t before = __shfl_up_sync(~0u, sum, delta);
    if (lane >= delta) sum += before;
  }
  __syncthreads();
  if (lane == 31) of_warp[warp] = sum;
  __syncthreads();
  uint32_t earlier = 0;
  total = 0;
#pragma unroll
  for (uint32_t w = 0; w < WARPS; w++) {
    if (w < warp) earlier += of_warp[w];
    total += of_warp[w];
  }
  return earlier + sum - value;
}

/* A block for each digit. */
MXI_KERNEL(order_offsets, mxi_cuda_digit, THREADS) {
  uint32_t *counts = p.counts + blockIdx.x * p.tiles, before = 0;
  for (uint32_t first = 0; first < p.tiles; first += THREADS) {
    uint32_t i = first + threadIdx.x, total, sum = block_sums(i < p.tiles ? counts[i] : 0, total);
    if (i < p.tiles) counts[i] = before + sum;
    before += total;
  }
  if (threadIdx.x == 0) p.totals[blockIdx.x] = before;
}

/* The lanes whose digit is this lane's; those without a key are alone among themselves. */
MXI_DEVICE uint32_t lanes_alike(uint32_t digit, bool present) {
  uint32_t alike = __ballot_sync(~0u, present);
  if (!present) alike = ~alike;
#pragma unroll
  for (int bit = 0; bit < MXI_CUDA_ORDER_BITS; bit++) {
    uint32_t set = __ballot_sync(~0u, digit >> bit & 1);
    alike &= digit >> bit & 1 ? set : ~set;
  }
  return alike;
}

/* Each warp has 32 * EACH keys of the tile in a row. Their places among the warp's of the same digit first,
   then the place of the warp's. */
MXI_KERNEL(order_place, mxi_cuda_digit, THREADS) {
  __shared__ uint32_t place[WARPS][DIGITS];
  uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  uint32_t first = blockIdx.x * TILE + warp * (32 * EACH) + lane;
  int64_t key[EACH];
  uint32_t rank[EACH];
#pragma unroll
  for (int w = 0; w < WARPS; w++) place[w][threadIdx.x] = 0;
#pragma unroll
  for (int j = 0; j < EACH; j++) key[j] = first + j * 32 < p.n ? p.keys[first + j * 32] : 0;
  __syncthreads();
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    bool present = first + j * 32 < p.n;
    uint32_t digit = digit_of(key[j], p.shift), alike = lanes_alike(digit, present);
    uint32_t before = __popc(alike & ((1u << lane) - 1));
    rank[j] = place[warp][digit] + before;
    __syncwarp();
    if (present && before == 0) place[warp][digit] += __popc(alike);
    __syncwarp();
  }
  uint32_t all;
  uint32_t start = block_sums(p.totals[threadIdx.x], all) + p.counts[threadIdx.x * p.tiles + blockIdx.x];
#pragma unroll
  for (int w = 0; w < WARPS; w++) {
    uint32_t count = place[w][threadIdx.x];
    place[w][threadIdx.x] = start;
    start += count;
  }
  __syncthreads();
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    uint32_t i = first + j * 32;
    if (i >= p.n) break;
    uint32_t to = place[warp][digit_of(key[j], p.shift)] + rank[j];
    p.sorted[to] = key[j];
    p.sorted_order[to] = p.order ? p.order[i] : i;
  }
}
