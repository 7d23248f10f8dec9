/* The part of CUDA's cooperative groups that kernels of the user's are written with, by its names: the grid's
   and the block's threads, and tiles of a warp. A grid can be counted, not waited for. NVRTC finds this as
   <cooperative_groups.h>. */
#ifndef MXI_CUDA_KERNELS_GROUPS_CUH
#define MXI_CUDA_KERNELS_GROUPS_CUH
#include "cuda/kernels/kernel.cuh"

namespace cooperative_groups {
struct thread_block {
  __device__ static unsigned thread_rank() {
    return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z);
  }
  __device__ static unsigned size() { return blockDim.x * blockDim.y * blockDim.z; }
  __device__ static unsigned num_threads() { return size(); }
  __device__ static dim3 group_index() { return dim3(blockIdx.x, blockIdx.y, blockIdx.z); }
  __device__ static dim3 thread_index() { return dim3(threadIdx.x, threadIdx.y, threadIdx.z); }
  __device__ static dim3 group_dim() { return dim3(blockDim.x, blockDim.y, blockDim.z); }
  __device__ static dim3 dim_threads() { return group_dim(); }
  __device__ static void sync() { __syncthreads(); }
};
__device__ inline thread_block this_thread_block() { return thread_block(); }
__device__ inline void sync(const thread_block &) { __syncthreads(); }

struct grid_group {
  __device__ static unsigned long long block_rank() {
    return blockIdx.x +
           (unsigned long long)gridDim.x * (blockIdx.y + (unsigned long long)gridDim.y * blockIdx.z);
  }
  __device__ static unsigned long long num_blocks() {
    return (unsigned long long)gridDim.x * gridDim.y * gridDim.z;
  }
  __device__ static unsigned long long thread_rank() {
    return block_rank() * thread_block::size() + thread_block::thread_rank();
  }
  __device__ static unsigned long long size() { return num_blocks() * thread_block::size(); }
  __device__ static unsigned long long num_threads() { return size(); }
  __device__ static dim3 block_index() { return dim3(blockIdx.x, blockIdx.y, blockIdx.z); }
  __device__ static dim3 group_dim() { return dim3(gridDim.x, gridDim.y, gridDim.z); }
  __device__ static dim3 dim_blocks() { return group_dim(); }
};
__device__ inline grid_group this_grid() { return grid_group(); }

/* SIZE (1, 2, 4 ... 32) neighbouring lanes of a warp. */
template <unsigned SIZE, class PARENT = thread_block> struct thread_block_tile {
  static_assert(SIZE >= 1 && SIZE <= 32 && (SIZE & (SIZE - 1)) == 0,
                "a tile has 1, 2, 4, 8, 16 or 32 threads");
  __device__ static unsigned thread_rank() { return thread_block::thread_rank() % SIZE; }
  __device__ static constexpr unsigned size() { return SIZE; }
  __device__ static constexpr unsigned num_threads() { return SIZE; }
  __device__ static unsigned meta_group_rank() { return thread_block::thread_rank() / SIZE; }
  __device__ static unsigned meta_group_size() { return (thread_block::size() + SIZE - 1) / SIZE; }
  /* The tile's lanes in its warp. */
  __device__ static unsigned mask() {
    return (unsigned)((1ull << SIZE) - 1) << (thread_block::thread_rank() % 32 / SIZE * SIZE);
  }
  __device__ static unsigned first_lane() { return thread_block::thread_rank() % 32 / SIZE * SIZE; }
  __device__ static void sync() { __syncwarp(mask()); }
  template <class T> __device__ static T shfl(T x, int lane) { return __shfl_sync(mask(), x, lane, SIZE); }
  template <class T> __device__ static T shfl_up(T x, unsigned by) {
    return __shfl_up_sync(mask(), x, by, SIZE);
  }
  template <class T> __device__ static T shfl_down(T x, unsigned by) {
    return __shfl_down_sync(mask(), x, by, SIZE);
  }
  template <class T> __device__ static T shfl_xor(T x, unsigned by) {
    return __shfl_xor_sync(mask(), x, by, SIZE);
  }
  __device__ static int any(int x) { return ballot(x) != 0; }
  __device__ static int all(int x) { return ballot(!x) == 0; }
  __device__ static unsigned ballot(int x) { return (__ballot_sync(mask(), x) & mask()) >> first_lane(); }
};
template <unsigned SIZE, class PARENT>
__device__ inline thread_block_tile<SIZE, PARENT> tiled_partition(const PARENT &) {
  return thread_block_tile<SIZE, PARENT>();
}
template <unsigned SIZE, class PARENT>
__device__ inline void sync(const thread_block_tile<SIZE, PARENT> &tile) {
  tile.sync();
}

/* ---- <cooperative_groups/reduce.h> ---- */
template <class T> struct plus {
  __device__ T operator()(T a, T b) const { return a + b; }
};
template <class T> struct less {
  __device__ T operator()(T a, T b) const { return b < a ? b : a; }
};
template <class T> struct greater {
  __device__ T operator()(T a, T b) const { return a < b ? b : a; }
};
/* Every thread of the tile gets the result; in a fixed order. */
template <unsigned SIZE, class PARENT, class T, class F>
__device__ inline T reduce(const thread_block_tile<SIZE, PARENT> &tile, T x, F f) {
  for (unsigned by = SIZE / 2; by; by /= 2) x = f(x, tile.shfl_xor(x, by));
  return x;
}
} // namespace cooperative_groups
namespace cg = cooperative_groups;
#endif
