/* Products of chosen matrices with many rows in all: the places are sorted by the matrix on the right, and a
   block multiplies a tile of rows that meet the same one. */
#ifndef MXI_CUDA_KERNELS_GROUPED_H
#define MXI_CUDA_KERNELS_GROUPED_H
#include "cuda/kernels/choice.h"

enum {
  MXI_CUDA_GROUPED_THREADS = 256,
  MXI_CUDA_GROUPED_ROWS = 64,         /* of a tile */
  MXI_CUDA_GROUPED_COLUMNS = 128,     /* by tensor cores */
  MXI_CUDA_GROUPED_COLUMNS_PLAIN = 64 /* by the ordinary units */
};

/* Numbers of the matrices of each place; on the right `matrices` where an index is out of bounds. */
struct mxi_cuda_chosen_numbers {
  struct mxi_cuda_choice choice;
  int64_t *left, *right;
  int64_t places;
};

/* Rows [first, first + count) of the lists below meet a matrix. */
struct mxi_cuda_tile {
  int32_t matrix, first, count;
};
/* One block: sorted (places) to tiles, the last of which are empty. */
struct mxi_cuda_chosen_tiles {
  const int64_t *sorted; /* numbers on the right */
  struct mxi_cuda_tile *tiles;
  int64_t places, matrices, rows_each, most_tiles;
};
/* Where the rows of x and y of each place are, in the order of the sorted places. */
struct mxi_cuda_chosen_rows {
  const uint32_t *positions;
  const int64_t *left;
  int64_t *x_rows, *y_rows;
  int64_t rows, rows_each;
};

/* y = x w of each tile; blockIdx.x: the tile, of `tiles`, and the columns. */
struct mxi_cuda_grouped {
  const struct mxi_cuda_tile *tiles;
  const int64_t *x_rows, *y_rows;
  const void *x; /* rows of k */
  void *y;       /* rows of n */
  int64_t n, k, ntiles;
  /* Dense: elements from one k, n, matrix to the next. */
  const void *w;
  int64_t w_k, w_n, w_matrix;
  /* Quantised. */
  const uint32_t *packed;
  const void *scales, *biases;
  int64_t words, groups; /* of a matrix */
  int log_group;
};
#endif
