/* Products of few rows of A, such as a vector times a matrix (or, transposed, a matrix times a vector): B is
   streamed once, where it lies. The columns are cut into chunks, and where those are few, k into pieces,
   whose sums are added in order: both cuts are functions of the shape alone. */
#include "cpu/gemm_plan.h"
#include "cpu/locals.h"
#include "cpu/pool.h"
#include "base/checked.h"
#include "base/error.h"
#include <string.h>

enum { REDUCE_COLS = 1024 };

struct few_rows_run {
  const struct mxi_gemm_plan *plan;
  const char *a;  /* A of all products as `sum` takes it, (batch, m, k), or NULL: A itself serves */
  float *partial; /* (batch, pieces, m, n) or NULL: a chunk's sums are whole */
};

static const char *rows_of_a(const struct few_rows_run *r, int64_t product) {
  const struct mxi_gemm *g = r->plan->g;
  int64_t a_item = r->plan->few_rows.a_item;
  return r->a ? r->a + product * g->m * g->k * a_item : mxi_gemm_at(g->a, g->a_batch, product, a_item);
}

static void sum_chunk(void *ctx, int64_t i) {
  const struct few_rows_run *r = ctx;
  const struct mxi_gemm_few_rows_plan *f = &r->plan->few_rows;
  const struct mxi_gemm *g = r->plan->g;
  int64_t piece = i % f->pieces, product = i / f->pieces / f->chunks,
          col = i / f->pieces % f->chunks * f->cols;
  int64_t cols = mxi_min(f->cols, g->n - col), k0 = piece * f->piece, kc = mxi_min(f->piece, g->k - k0);
  const char *b = mxi_gemm_at(g->b, g->b_batch, product, r->plan->item) +
                  (k0 * g->b_row + col * g->b_col) * r->plan->item;
  const char *a = rows_of_a(r, product) + k0 * f->a_item;
  int64_t a_row = r->a ? g->k : g->a_row;
  if (r->partial) {
    float *sums = r->partial + (product * f->pieces + piece) * g->m * g->n + col;
    f->sum(a, a_row, b, f->stride, g->m, cols, kc, sums, g->n);
    return;
  }
  MXI_LOCAL(float, sums, MXI_FEW_ROWS_SUMS);
  f->sum(a, a_row, b, f->stride, g->m, cols, kc, sums, cols);
  mxi_gemm_finish_sums(r->plan, product, 0, col, g->m, cols, sums, cols);
}

/* Adds the pieces of some columns in order. */
static void add_pieces(void *ctx, int64_t task) {
  const struct few_rows_run *r = ctx;
  const struct mxi_gemm *g = r->plan->g;
  int64_t pieces = r->plan->few_rows.pieces, across = mxi_ceil_div(g->n, REDUCE_COLS);
  int64_t product = task / across, col = task % across * REDUCE_COLS;
  int64_t cols = mxi_min(REDUCE_COLS, g->n - col);
  float *sums = r->partial + product * pieces * g->m * g->n + col;
  for (int64_t piece = 1; piece < pieces; piece++)
    for (int64_t i = 0; i < g->m; i++)
      for (int64_t j = 0; j < cols; j++) sums[i * g->n + j] += sums[(piece * g->m + i) * g->n + j];
  mxi_gemm_finish_sums(r->plan, product, 0, col, g->m, cols, sums, g->n);
}

static void copy_pairs(void *dst, const void *src, int64_t n) { memcpy(dst, src, (size_t)n * 2); }

/* Makes A contiguous along k, in the dtype that `sum` takes. */
static void copy_a(const struct mxi_gemm_plan *p, char *to) {
  const struct mxi_gemm *g = p->g;
  int64_t a_item = p->few_rows.a_item;
  void (*contiguous)(void *, const void *, int64_t) =
      a_item == 2 ? copy_pairs : MXI_DISPATCH(mxi_few_rows)()->widen[g->dtype];
  for (int64_t product = 0; product < g->batch; product++)
    for (int64_t i = 0; i < g->m; i++, to += g->k * a_item) {
      const char *row = mxi_gemm_at(g->a, g->a_batch, product, p->item) + i * g->a_row * p->item;
      if (g->a_col == 1)
        contiguous(to, row, g->k);
      else
        for (int64_t k = 0; k < g->k; k++) contiguous(to + k * a_item, row + k * g->a_col * p->item, 1);
    }
}

int mxi_gemm_run_few_rows(const struct mxi_gemm_plan *p, char *workspace) {
  const struct mxi_gemm_few_rows_plan *f = &p->few_rows;
  struct few_rows_run r = {.plan = p};
  if (f->a_bytes) {
    copy_a(p, workspace);
    r.a = workspace;
  }
  if (f->partial) r.partial = (float *)(workspace + f->a_bytes);
  MXI_TRY(mxi_parallel_for_if(p->parallel, p->g->batch * f->chunks * f->pieces, sum_chunk, &r));
  if (!f->partial) return 0;
  return mxi_parallel_for_if(p->parallel, p->g->batch * mxi_ceil_div(p->g->n, REDUCE_COLS), add_pieces, &r);
}
