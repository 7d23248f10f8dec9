#ifndef MXI_CUDA_KERNELS_INTERPRETER_H
#define MXI_CUDA_KERNELS_INTERPRETER_H
#include "cuda/kernels/plain.h"
struct mxi_cuda_program {
  float *out;
  int64_t size;
};
#endif
