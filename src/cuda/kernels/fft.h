/* Parameters of the kernel that scales transforms. */
#ifndef MXI_CUDA_KERNELS_FFT_H
#define MXI_CUDA_KERNELS_FFT_H
#include "cuda/kernels/plain.h"

enum { MXI_CUDA_FFT_THREADS = 256, MXI_CUDA_FFT_EACH = 16 };
struct mxi_cuda_fft_scale {
  float *x; /* n of them, aligned to 8 bytes */
  int64_t n;
  float scale;
};
#endif
