/* What the threads of a warp and of a block combine, always in one order, which is part of the results:

   - lanes l and l ^ 16 meet first, then l and l ^ 8, and so on to l ^ 1 (mxi_team_combine);
   - then the warps' values are combined by the same tree over the warps' numbers (mxi_block_combine). */
#ifndef MXI_CUDA_KERNELS_BLOCK_CUH
#define MXI_CUDA_KERNELS_BLOCK_CUH
#include "cuda/kernels/kernel.cuh"
#ifdef MXI_EMULATED
#include <string.h>
#endif

/* A value of any type from lane l ^ mask. */
template <class T> MXI_DEVICE T mxi_shuffle_xor(T x, int mask) {
  unsigned words[(sizeof(T) + 3) / 4] = {};
  memcpy(words, &x, sizeof x);
#pragma unroll
  for (unsigned i = 0; i < (sizeof(T) + 3) / 4; i++) words[i] = __shfl_xor_sync(~0u, words[i], mask);
  memcpy(&x, words, sizeof x);
  return x;
}
/* ... from lane l - delta, or the lane's own. */
template <class T> MXI_DEVICE T mxi_shuffle_up(T x, int delta) {
  unsigned words[(sizeof(T) + 3) / 4] = {};
  memcpy(words, &x, sizeof x);
#pragma unroll
  for (unsigned i = 0; i < (sizeof(T) + 3) / 4; i++) words[i] = __shfl_up_sync(~0u, words[i], delta);
  memcpy(&x, words, sizeof x);
  return x;
}
/* ... from one lane. */
template <class T> MXI_DEVICE T mxi_shuffle(T x, int lane) {
  unsigned words[(sizeof(T) + 3) / 4] = {};
  memcpy(words, &x, sizeof x);
#pragma unroll
  for (unsigned i = 0; i < (sizeof(T) + 3) / 4; i++) words[i] = __shfl_sync(~0u, words[i], lane);
  memcpy(&x, words, sizeof x);
  return x;
}

/* Combines the values of a team of neighbouring lanes, a power of two up to 32; all of them get the result of
   the lane of their own order. OP::combine(a, b). */
template <class OP, class T> MXI_DEVICE T mxi_team_combine(T x, int team) {
  if (team == 32) {
#pragma unroll
    for (int mask = 16; mask; mask /= 2) x = OP::combine(x, mxi_shuffle_xor(x, mask));
  } else
    for (int mask = team / 2; mask; mask /= 2) x = OP::combine(x, mxi_shuffle_xor(x, mask));
  return x;
}

/* Combines a value a thread over a block of `threads`, a power of two from 32 to 1024; all threads get it.
   space: shared memory for 32 values, not in use by another call without a barrier between. */
template <class OP, class T> MXI_DEVICE T mxi_block_combine(T x, int threads, T *space) {
  x = mxi_team_combine<OP>(x, 32);
  if (threads == 32) return x;
  const int warps = threads / 32, lane = threadIdx.x % 32;
  if (lane == 0) space[threadIdx.x / 32] = x;
  __syncthreads();
  return mxi_team_combine<OP>(space[lane & (warps - 1)], warps);
}

/* The values of v[N] to one: neighbours' distance halves. */
template <class OP, class T, int N> MXI_DEVICE T mxi_lanes_combine(const T (&v)[N]) {
  T x[N];
#pragma unroll
  for (int i = 0; i < N; i++) x[i] = v[i];
#pragma unroll
  for (int n = N / 2; n; n /= 2)
#pragma unroll
    for (int i = 0; i < n; i++) x[i] = OP::combine(x[i], x[i + n]);
  return x[0];
}
#endif
