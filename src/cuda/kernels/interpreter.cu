#include "cuda/kernels/kernel.cuh"
#include "cuda/kernels/interpreter.h"
MXI_KERNEL(interpret, mxi_cuda_program, 256) {
  int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < p.size) p.out[i] = 1;
}
