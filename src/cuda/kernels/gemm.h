/* A product of matrices of any strides, for those that no other kernel takes. */
#ifndef MXI_CUDA_KERNELS_GEMM_H
#define MXI_CUDA_KERNELS_GEMM_H
#include "cuda/kernels/plain.h"

enum { MXI_CUDA_GEMM_TILE = 16 }; /* a block computes a square of this side */

struct mxi_cuda_strided_gemm {
  const void *a, *b, *c; /* c NULL: none */
  void *d;
  int64_t m, n, k, batch;
  int64_t a_row, a_column, a_batch, b_row, b_column, b_batch, c_row, c_column, c_batch, d_row, d_batch;
  double alpha, beta;
};
#endif
