/* Axes of an array as kernels walk them: the number of an element, in row-major order, to where it is. */
#ifndef MXI_CUDA_KERNELS_AXES_H
#define MXI_CUDA_KERNELS_AXES_H
#include "cuda/kernels/plain.h"

enum { MXI_CUDA_AXES = 32 };
struct mxi_cuda_axes {
  int32_t ndim;   /* 0: one element, and strides[0] is 0 */
  int32_t narrow; /* fewer than 2^31 elements: 32-bit division will do */
  int64_t shape[MXI_CUDA_AXES];
  int64_t in[MXI_CUDA_AXES], out[MXI_CUDA_AXES]; /* strides, in elements */
};
#endif
