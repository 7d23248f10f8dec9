/* Parameters of the kernels on quantised matrices. How they are stored: core/quant.def. */
#ifndef MXI_CUDA_KERNELS_QUANTIZED_H
#define MXI_CUDA_KERNELS_QUANTIZED_H
#include "cuda/kernels/choice.h"

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
  int rounded_once;   /* dequantize: not the product and then the sum */
};

/* y (m, n) = x (m, k) W^T or x W for each product of a batch; blockIdx.z says which. The matrices of an
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
  struct mxi_cuda_choice choice;
};

/* ---- y = x W^T by tensor cores (quantized_tensor.cu) ---- */
enum {
  MXI_CUDA_TENSOR_ROWS = 16,       /* of W, a tile */
  MXI_CUDA_TENSOR_WARPS = 16,      /* of a block */
  MXI_CUDA_TENSOR_CHUNK = 128,     /* columns of W that a warp multiplies at once */
  MXI_CUDA_TENSOR_STEP = 4,        /* chunks: a part has a multiple of them */
  MXI_CUDA_TENSOR_RUN_BYTES = 128, /* of a row of W, that a warp's copies bring at once */
  MXI_CUDA_TENSOR_STAGES = 2,      /* of the ring that they go to */
  MXI_CUDA_TENSOR_PAD = 64         /* bytes after each row of x, against bank conflicts */
};
/* Bytes of a stage, which has so many groups of each row. */
#define MXI_CUDA_TENSOR_STAGE(groups, biases) \
  (MXI_CUDA_TENSOR_ROWS * (MXI_CUDA_TENSOR_RUN_BYTES + (groups) * ((biases) ? 4 : 1)))
/* Tiles whose sums wait to be added up. */
#define MXI_CUDA_TENSOR_SLOTS(x_rows) ((x_rows) > 8 ? 1 : 2)
/* A team of `slices` warps takes a tile, each warp its share of the runs; a block has `teams` of them.
   blockIdx.y: the part of the columns; blockIdx.z: the batch, and the pass, which is of so many rows of x as
   the kernel takes. */
struct mxi_cuda_quantized_tensor {
  struct mxi_cuda_quantized_product product;
  float *partial; /* (parts, batch, m, n); NULL where there is one part */
  int teams, slices, passes;
  int part_steps;                   /* of a part */
  int sums_at, partial_at, ring_at; /* bytes in shared memory */
  int whole; /* no run is cut, and the scales of each are aligned to 16 bytes or their size */
};
/* Sums the parts. */
enum { MXI_CUDA_PARTS_THREADS = 256 };
struct mxi_cuda_quantized_parts {
  const float *partial; /* (parts, size) */
  void *y;
  int64_t size;
  int parts;
};
#endif
