/* Strided regions as kernels take them: fewer than 2^31 elements (a launcher cuts larger ones into pieces),
   whose offsets may be as large as memory. */
#ifndef MXI_CUDA_KERNELS_REGION_H
#define MXI_CUDA_KERNELS_REGION_H
#include "cuda/kernels/plain.h"

/* Division of numbers below 2^31 by one of them, as a product (T. Granlund, P. L. Montgomery, "Division by
   invariant integers using multiplication", PLDI 1994). */
struct mxi_cuda_divisor {
  uint32_t divisor, magic, shift;
};

enum { MXI_CUDA_REGION_NDIM = 32, MXI_CUDA_REGION_OPERANDS = 3 };
struct mxi_cuda_region {
  uint32_t size;
  int32_t ndim; /* 0: one element */
  struct mxi_cuda_divisor shape[MXI_CUDA_REGION_NDIM];
  int64_t strides[MXI_CUDA_REGION_OPERANDS][MXI_CUDA_REGION_NDIM];
};
#endif
