/* Parameters of the kernel that finishes factors. */
#ifndef MXI_CUDA_KERNELS_LINALG_H
#define MXI_CUDA_KERNELS_LINALG_H
#include "cuda/kernels/plain.h"

enum { MXI_CUDA_LINALG_THREADS = 256 };
/* Of matrices (count, n, n): what isn't in the triangle becomes 0. A diagonal element that isn't positive is
   noted in its matrix's info. */
struct mxi_cuda_triangle {
  void *a;
  int *infos;
  int64_t size, n; /* elements in all; of a side */
  int32_t upper;
};
#endif
