/* The transposed product in place of a product, for a few rows times a matrix whose columns are contiguous by
   AMX: the matrix becomes A, whose slivers are packed by copying, where panels of B would have to be
   interleaved, which takes longer than multiplying them. */
#include "cpu/gemm_parts.h"
#include "cpu/kernels/copy.h"
#include "cpu/kernels/gemm_kernels.h"
#include "cpu/pool.h"
#include "base/checked.h"

enum {
  MOST_ROWS = 128,
  LEAST_WORK = 1 << 22, /* multiply-adds; smaller matrices stay in the caches, packed or not */
  COLUMNS = 512         /* of the result that a task puts in place */
};

bool mxi_gemm_is_better_turned(const struct mxi_gemm *g) {
  if (g->dtype != MX_BFLOAT16 || g->pack_b || g->gather_a || !MXI_DISPATCH(mxi_gemm_amx)()) return false;
  return g->b_row == 1 && g->b_col != 1 && g->m > MXI_FEW_ROWS && g->m <= MOST_ROWS && g->n > MOST_ROWS &&
         (double)g->m * (double)g->n * (double)g->k >= LEAST_WORK;
}

struct turning {
  const struct mxi_gemm *g;
  const char *transposed;
  int64_t item, tasks; /* tasks of a product */
};

static void turn_task(void *ctx, int64_t i) {
  const struct turning *t = ctx;
  const struct mxi_gemm *g = t->g;
  int64_t product = i / t->tasks, column = i % t->tasks * COLUMNS;
  struct mxi_panel p = {g->m, mxi_min(COLUMNS, g->n - column), g->c_row, 1, 1, g->m};
  MXI_DISPATCH(mxi_copy_panel)
  ((int)t->item, &p, (char *)g->c + (product * g->m * g->c_row + column) * t->item,
   t->transposed + (product * g->n + column) * g->m * t->item, 0);
}

struct mxi_gemm mxi_gemm_transposed(const struct mxi_gemm *g) {
  return (struct mxi_gemm){.dtype = g->dtype,
                           .m = g->n,
                           .n = g->m,
                           .k = g->k,
                           .batch = g->batch,
                           .a = g->b,
                           .a_row = g->b_col,
                           .a_col = g->b_row,
                           .a_batch = g->b_batch,
                           .b = g->a,
                           .b_row = g->a_col,
                           .b_col = g->a_row,
                           .b_batch = g->a_batch,
                           .c0 = g->c0,
                           .c0_row = g->c0_col,
                           .c0_col = g->c0_row,
                           .c0_batch = g->c0_batch,
                           .alpha = g->alpha,
                           .beta = g->beta};
}

int mxi_gemm_turned(const struct mxi_gemm *g) {
  struct turning t = {.g = g, .item = (int64_t)mx_dtype_size(g->dtype), .tasks = mxi_ceil_div(g->n, COLUMNS)};
  void *transposed = mxi_gemm_workspace_take((size_t)(g->batch * g->n * g->m * t.item));
  if (!transposed) return -1;
  struct mxi_gemm product = mxi_gemm_transposed(g);
  product.c = transposed;
  product.c_row = g->m;
  t.transposed = transposed;
  int failed = mxi_gemm_run(&product);
  if (!failed) failed = mxi_parallel_for(g->batch * t.tasks, turn_task, &t);
  mxi_gemm_workspace_give(transposed);
  return failed;
}
