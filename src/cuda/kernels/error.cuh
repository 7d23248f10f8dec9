/* How a kernel notes an index that is out of bounds; it must not use it. */
#ifndef MXI_CUDA_KERNELS_ERROR_CUH
#define MXI_CUDA_KERNELS_ERROR_CUH
#include "cuda/kernels/kernel.cuh"
#include "cuda/kernels/error.h"

/* Out of the way: it is called by what happens almost never. */
static __device__ __noinline__ void mxi_note_index(struct mxi_cuda_error *e, uint32_t op, int64_t index,
                                                   int64_t bound, int64_t axis) {
  if (atomicCAS(&e->taken, 0u, 1u) != 0u) return;
  e->index = index;
  e->bound = bound;
  e->axis = axis;
  __threadfence_system();
  *(volatile uint32_t *)&e->op = op;
}

/* The index counted from the front, or -1 if it is out of bounds, which is noted. */
MXI_DEVICE int64_t mxi_checked_index(int64_t index, int64_t bound, struct mxi_cuda_error *e, uint32_t op,
                                     int64_t axis) {
  int64_t i = index < 0 ? index + bound : index;
  if (static_cast<uint64_t>(i) < static_cast<uint64_t>(bound)) return i;
  mxi_note_index(e, op, index, bound, axis);
  return -1;
}
#endif
