/* What radix sorts are made of: keys of elements, and places of a block's items by one digit. */
#ifndef MXI_CUDA_KERNELS_RADIX_CUH
#define MXI_CUDA_KERNELS_RADIX_CUH
#include "cuda/kernels/kernel.cuh"
#include "cuda/kernels/sort.h"

enum { MXI_DIGITS = MXI_CUDA_SORT_DIGITS };

/* ---- Keys. A float's bits, sign flipped, are in order; a negative one's are all flipped ---- */
template <class U> MXI_DEVICE U mxi_float_key(U u, U infinity, bool equates) {
  constexpr U top = static_cast<U>(static_cast<U>(1) << (8 * sizeof(U) - 1));
  if (static_cast<U>(u & ~top) > infinity) return static_cast<U>(~static_cast<U>(0));
  if (equates && u == top) u = 0;
  return u & top ? static_cast<U>(~u) : static_cast<U>(u | top);
}

/* By real, then imaginary part; after all those without NaN come those with a NaN imaginary part alone (as
   equals), a NaN real part alone, both. */
MXI_DEVICE uint64_t mxi_complex_key(uint64_t u) {
  const uint32_t infinity = 0x7f800000u, nan = ~0u;
  uint64_t re = mxi_float_key(static_cast<uint32_t>(u), infinity, true);
  uint64_t im = mxi_float_key(static_cast<uint32_t>(u >> 32), infinity, true);
  if (re == nan) return (im == nan ? re : re - 1) << 32 | im;
  return im == nan ? static_cast<uint64_t>(nan - 2) << 32 : re << 32 | im;
}

template <class U> MXI_DEVICE U mxi_key_of(U u, const mxi_cuda_sort_coding &coding) {
  constexpr U top = static_cast<U>(static_cast<U>(1) << (8 * sizeof(U) - 1));
  if (coding.kind == MXI_CUDA_SORT_FLOAT)
    return mxi_float_key(u, static_cast<U>(coding.infinity), coding.equates);
  if constexpr (sizeof(U) == 8)
    if (coding.kind == MXI_CUDA_SORT_COMPLEX) return mxi_complex_key(u);
  return coding.kind == MXI_CUDA_SORT_SIGNED ? static_cast<U>(u ^ top) : u;
}
/* Not of complex elements. */
template <class U> MXI_DEVICE U mxi_element_of(U key, const mxi_cuda_sort_coding &coding) {
  constexpr U top = static_cast<U>(static_cast<U>(1) << (8 * sizeof(U) - 1));
  if (coding.kind == MXI_CUDA_SORT_UNSIGNED) return key;
  if (coding.kind == MXI_CUDA_SORT_SIGNED || key & top) return static_cast<U>(key ^ top);
  return static_cast<U>(~key);
}

template <class K> MXI_DEVICE uint32_t mxi_digit_of(K key, uint32_t shift) {
  return static_cast<uint32_t>(key >> shift) & (MXI_DIGITS - 1);
}

/* ---- Places ---- */
/* The lanes whose digit is this lane's. */
MXI_DEVICE uint32_t mxi_lanes_alike(uint32_t digit) {
  uint32_t alike = ~0u;
#pragma unroll
  for (int bit = 0; bit < MXI_CUDA_SORT_BITS; bit++) {
    bool mine = digit >> bit & 1;
    uint32_t set = __ballot_sync(~0u, mine);
    alike &= mine ? set : ~set;
  }
  return alike;
}

/* Of a warp's items, 32 at a time: each one's rank among those of its digit. counts: the warp's own, zeros
   before; how often each digit comes, after. digit(j): of the thread's item j < each. */
template <int EACH, class DIGIT>
MXI_DEVICE void mxi_warp_ranks(uint32_t (&rank)[EACH], int each, uint32_t *counts, DIGIT digit) {
  const uint32_t below = (1u << threadIdx.x % 32) - 1;
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    if (j >= each) break;
    uint32_t d = digit(j), alike = mxi_lanes_alike(d), before = __popc(alike & below);
    rank[j] = counts[d] + before;
    __syncwarp();
    if (before == 0) counts[d] = rank[j] + __popc(alike);
    __syncwarp();
  }
}

/* Of digit threadIdx.x: the warps' counts become what is in warps before; returns the sum. */
template <int WARPS> MXI_DEVICE uint32_t mxi_sum_warps(uint32_t (*counts)[MXI_DIGITS]) {
  uint32_t sum = 0;
#pragma unroll
  for (int w = 0; w < WARPS; w++) {
    uint32_t count = counts[w][threadIdx.x];
    counts[w][threadIdx.x] = sum;
    sum += count;
  }
  return sum;
}

/* Exclusive sums over the first MXI_DIGITS threads of a block, which has at least those; all threads call it.
   space: a value a warp. */
template <class T> MXI_DEVICE T mxi_sums_before(T value, T *space) {
  const uint32_t lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  T sum = value;
#pragma unroll
  for (uint32_t delta = 1; delta < 32; delta *= 2) {
    T before = __shfl_up_sync(~0u, sum, delta);
    if (lane >= delta) sum += before;
  }
  if (lane == 31 && warp < MXI_DIGITS / 32) space[warp] = sum;
  __syncthreads();
  T earlier = 0;
#pragma unroll
  for (uint32_t w = 0; w < MXI_DIGITS / 32; w++)
    if (w < warp) earlier += space[w];
  return earlier + sum - value;
}
#endif
