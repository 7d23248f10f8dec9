/* Parameters of the kernels that make arrays from nothing, and write into parts of them. */
#ifndef MXI_CUDA_KERNELS_CREATION_H
#define MXI_CUDA_KERNELS_CREATION_H
#include "cuda/kernels/region.h"

enum { MXI_CUDA_CREATION_THREADS = 256, MXI_CUDA_CREATION_EACH = 4 /* elements of a thread */ };
enum { MXI_CUDA_UPDATE_EACH = 2 /* elements, or 16 bytes of them */ };

/* Element i is start + i * step: of integers in integers, which wrap, of others in double. */
struct mxi_cuda_arange {
  void *to;
  int64_t size;
  uint64_t integer_start, integer_step;
  double start, step;
};

/* to = to mode from; operand 0: to, 1: from. */
struct mxi_cuda_update {
  void *to;
  const void *from;
  int32_t mode; /* a mxi_update_mode */
  struct mxi_cuda_region region;
};
#endif
