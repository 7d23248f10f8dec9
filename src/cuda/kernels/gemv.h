/* Products of a large matrix w with few rows x: y[i][j] = alpha sum_l x[i][l] w[j][l] + beta c[i][j], for i <
   rows, j < n, l < k. T: w's elements are side by side along l; N: along j. Grid: (tiles of n, splits of k,
   batch). */
#ifndef MXI_CUDA_KERNELS_GEMV_H
#define MXI_CUDA_KERNELS_GEMV_H
#include "cuda/kernels/choice.h"

enum {
  MXI_CUDA_GEMV_ROWS = 8,  /* at most, of x */
  MXI_CUDA_GEMV_WARPS = 8, /* at most, of a block: they share the sums over l */
  /* Of w: outputs of a block, and elements along l that one warp takes at a time. */
  MXI_CUDA_GEMV_T_OUTPUTS = 2, /* halves: of a warp, for one row of x */
  MXI_CUDA_GEMV_T_STEP = 512,
  MXI_CUDA_GEMV_T_TILE_FLOAT32 = 4,
  MXI_CUDA_GEMV_T_STEP_FLOAT32 = 128,
  MXI_CUDA_GEMV_N_TILE = 64,
  MXI_CUDA_GEMV_N_STEP = 32,
  MXI_CUDA_GEMV_N_STEP_FLOAT32 = 8
};
struct mxi_cuda_gemv {
  const void *x, *w, *c; /* c NULL: none */
  void *y;
  float *partial; /* (splits, batch, rows, n): where the sums of each split go; NULL: there is one split */
  int64_t x_row, x_batch;
  int64_t w_line, w_batch; /* T: from one j to the next; N: from one l to the next */
  int64_t y_row, y_column, y_batch, c_row, c_column, c_batch;
  int64_t n, k, split; /* elements along l of a split */
  int64_t splits, batch;
  int32_t rows, teams; /* of warps that have outputs of their own (T of halves) */
  float alpha, beta;
  struct mxi_cuda_choice choice; /* left: of x, right: of w */
};
#endif
