/* Parameters of the copies. Strides and offsets count words, as large as both sides' layouts allow. */
#ifndef MXI_CUDA_KERNELS_COPY_H
#define MXI_CUDA_KERNELS_COPY_H
#include "cuda/kernels/index.h"

enum { MXI_CUDA_COPY_THREADS = 256, MXI_CUDA_COPY_EACH = 4 /* words of a thread */, MXI_CUDA_SLICE_EACH = 1 };

struct mxi_cuda_copy {
  char *to;
  const char *from;
  struct mxi_cuda_region region; /* operand 0: to, 1: from */
};

struct mxi_cuda_cast {
  struct mxi_cuda_copy copy;
  int32_t dtype; /* of `to` */
};

/* The same from or to a slice whose start is data. */
struct mxi_cuda_slice {
  struct mxi_cuda_copy copy;
  struct mxi_cuda_origin origin;
};

/* Matrices, (columns, rows) in `from` and (rows, columns) in `to`, by tiles that lie in shared memory. */
struct mxi_cuda_transpose {
  char *to;
  const char *from;
  int64_t to_row, to_column, from_row, from_column;
  uint32_t rows, columns;
  uint32_t log_rows, log_columns; /* of a tile, where its shape isn't fixed */
  struct mxi_cuda_divisor tiles_down, tiles_across;
  struct mxi_cuda_region matrices;
};
#endif
