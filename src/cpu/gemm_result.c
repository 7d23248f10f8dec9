/* From sums to C: the end of a tile, the result of no sums, and a transposed result put in place. */
#include "cpu/gemm_plan.h"
#include "cpu/kernels/copy.h"
#include "cpu/pool.h"
#include "base/checked.h"

enum { COLUMNS = 512 }; /* of C that a task transposes into place */

void mxi_gemm_finish_sums(const struct mxi_gemm_plan *p, int64_t product, int64_t row, int64_t col,
                          int64_t rows, int64_t cols, const void *sums, int64_t sums_row) {
  const struct mxi_gemm *g = p->g;
  struct mxi_gemm_finish f = {.dtype = g->dtype,
                              .rows = rows,
                              .cols = cols,
                              .c = (char *)g->c + ((product * g->m + row) * g->c_row + col) * p->item,
                              .c_row = g->c_row,
                              .c0_row = g->c0_row,
                              .c0_col = g->c0_col,
                              .alpha = g->alpha,
                              .beta = g->beta};
  if (mxi_gemm_has_addend(g))
    f.c0 = mxi_gemm_at(g->c0, g->c0_batch, product, p->item) + (row * g->c0_row + col * g->c0_col) * p->item;
  p->finish(sums, sums_row, &f);
}

int mxi_gemm_run_empty(const struct mxi_gemm_plan *p, char *workspace) {
  static const _Alignas(64) char zeros[MXI_GEMM_TILE_BYTES];
  enum { ROWS = 16, COLS = MXI_GEMM_TILE_BYTES / ROWS / sizeof(double) }; /* of any dtype */
  const struct mxi_gemm *g = p->g;
  (void)workspace;
  for (int64_t i = 0; i < g->batch; i++)
    for (int64_t row = 0; row < g->m; row += ROWS)
      for (int64_t col = 0; col < g->n; col += COLS)
        mxi_gemm_finish_sums(p, i, row, col, mxi_min(ROWS, g->m - row), mxi_min(COLS, g->n - col), zeros,
                             COLS);
  return 0;
}

static void transpose_columns(void *ctx, int64_t i) {
  const struct mxi_gemm_plan *p = ctx;
  int64_t rows = p->g->n, all_cols = p->g->m, tasks = mxi_ceil_div(all_cols, COLUMNS);
  int64_t product = i / tasks, col = i % tasks * COLUMNS;
  struct mxi_panel panel = {rows, mxi_min(COLUMNS, all_cols - col), p->c_row, 1, 1, rows};
  MXI_DISPATCH(mxi_copy_panel)
  ((int)p->item, &panel, (char *)p->c + (product * rows * p->c_row + col) * p->item,
   (const char *)p->g->c + (product * all_cols + col) * rows * p->item, 0);
}

int mxi_gemm_transpose_result(const struct mxi_gemm_plan *p) {
  return mxi_parallel_for(p->g->batch * mxi_ceil_div(p->g->m, COLUMNS), transpose_columns, (void *)p);
}
