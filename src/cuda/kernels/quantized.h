/* Parameters of the kernels on quantised matrices. How they are stored: core/quant.def. */
#ifndef MXI_CUDA_KERNELS_QUANTIZED_H
#define MXI_CUDA_KERNELS_QUANTIZED_H
#include "cuda/kernels/plain.h"

/* Threads of a block. */
enum {
  MXI_CUDA_CONVERT_THREADS = 256,
  MXI_CUDA_CONVERT_RUNS = 4, /* of eight weights, that a thread of dequantize makes */
  MXI_CUDA_QUANTIZED_ROWS_THREADS = 128,
  MXI_CUDA_QUANTIZED_ROWS_X = 4, /* rows of x that a block of it meets */
  MXI_CUDA_QUANTIZED_COLUMNS_THREADS = 256,
  MXI_CUDA_QUANTIZED_COLUMNS_WIDTH = 256 /* columns of W that a block of it meets */
};

/* w <-> packed, scales, biases; all row-major. */
struct mxi_cuda_quantized_conversion {
  void *w, *packed, *scales, *biases;
  int64_t runs; /* of eight weights */
  int bits;
  int log_group_runs; /* log2 of the runs of a group */
  int aligned;        /* w to 16 bytes */
};

/* y (m, n) = x (m, k) W^T or x W for each matrix of a batch; blockIdx.z says which. The matrices of an
   operand lie `.._batch` elements (words, groups) apart. */
struct mxi_cuda_quantized_product {
  const void *x;
  const uint32_t *packed;
  const void *scales, *biases;
  void *y;
  int64_t m, n, k;
  int64_t x_batch, packed_batch, scales_batch, y_batch;
  int log_group;
  int aligned; /* x to 16 bytes, in every row and matrix */
};
#endif
