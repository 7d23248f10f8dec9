/* Offsets of numbered elements. */
#ifndef MXI_CUDA_KERNELS_AXES_CUH
#define MXI_CUDA_KERNELS_AXES_CUH
#include "cuda/kernels/axes.h"
#include "cuda/kernels/kernel.cuh"

template <class INDEX>
MXI_DEVICE int64_t mxi_walk_axes(const struct mxi_cuda_axes &a, const int64_t *strides, INDEX i) {
  int64_t offset = 0;
  for (int k = a.ndim - 1; k > 0; k--) {
    INDEX size = static_cast<INDEX>(a.shape[k]), quotient = i / size;
    offset += static_cast<int64_t>(i - quotient * size) * strides[k];
    i = quotient;
  }
  return offset + static_cast<int64_t>(i) * strides[0];
}
/* Called, not inlined: the common arrays have one axis left when neighbours are merged. */
static __device__ __noinline__ int64_t mxi_walk_several_axes(const struct mxi_cuda_axes &a,
                                                             const int64_t *strides, int64_t i) {
  return a.narrow ? mxi_walk_axes(a, strides, static_cast<uint32_t>(i))
                  : mxi_walk_axes(a, strides, static_cast<uint64_t>(i));
}
MXI_DEVICE int64_t mxi_axes_offset(const struct mxi_cuda_axes &a, const int64_t *strides, int64_t i) {
  return a.ndim > 1 ? mxi_walk_several_axes(a, strides, i) : i * strides[0];
}
MXI_DEVICE int64_t mxi_in_offset(const struct mxi_cuda_axes &a, int64_t i) {
  return mxi_axes_offset(a, a.in, i);
}
MXI_DEVICE int64_t mxi_out_offset(const struct mxi_cuda_axes &a, int64_t i) {
  return mxi_axes_offset(a, a.out, i);
}
#endif
