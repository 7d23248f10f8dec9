/* The packed, blocked matrix product (K. Goto, R. van de Geijn, Anatomy of high-performance matrix
   multiplication, ACM TOMS 34(3), 2008).

   C is cut into blocks of at most BLOCK x BLOCK; a block takes its sums over k in steps of kc. A step packs
   a strip of B into panels that all threads share. Then each task packs a sliver or some of A, which stay in
   the nearest cache while the panels pass by, out of the next one, and add up to tiles of C. The sums of a
   step stay in registers; between steps they rest in C itself, or, for halves, in float32 beside it, so C is
   rounded once.

   How C is cut never shows in a result: each element is a sum in the same order in any tile, and only the
   steps of k, a function of k alone, set that order. So the cuts of m and n may suit the number of threads.
 */
#include "cpu/gemm_plan.h"
#include "cpu/locals.h"
#include "cpu/pool.h"
#include "base/checked.h"
#include "base/error.h"
#include <string.h>

enum { SLIVER_BYTES = 65536 }; /* most of a sliver, packed or not, and of a task's slivers */

/* One step: rows [m0, m0 + mc) and columns [n0, n0 + nc) of C over k in [k0, k0 + kc). */
struct gemm_step {
  const struct mxi_gemm_plan *plan;
  const struct mxi_gemm_kernels *kern;
  int64_t product;
  const char *a, *b, *c0; /* of the product; c0 may be NULL */
  char *c;
  int64_t m0, mc, n0, nc, k0, kc, units;
  bool first, last;
  struct mxi_gemm_cuts cuts;
  char *packed_b, *sums;
  int64_t sums_row;
};

/* ---- Packing ---- */
static void pack_sliver(const struct gemm_step *s, int64_t sliver, char *dst) {
  const struct mxi_gemm_packed_plan *p = &s->plan->packed;
  const struct mxi_gemm *g = s->plan->g;
  int64_t row = sliver * s->cuts.height, rows = mxi_min(s->cuts.height, s->mc - row);
  if (g->gather_a) {
    MXI_LOCAL(char, gathered, SLIVER_BYTES);
    g->gather_a(g->gather_ctx, gathered, s->m0 + row, rows, s->k0, s->kc);
    p->pack_a(dst, gathered, s->kc, 1, rows, rows, s->kc);
  } else
    p->pack_a(dst, s->a + ((s->m0 + row) * g->a_row + s->k0 * g->a_col) * s->plan->item, g->a_row, g->a_col,
              rows, rows, s->kc);
  if (p->negate) p->kern->negate(dst, rows * s->units);
}

static void pack_panel(void *ctx, int64_t panel) {
  const struct gemm_step *s = ctx;
  const struct mxi_gemm *g = s->plan->g;
  int64_t nr = s->kern->nr, col = panel * nr, cols = mxi_min(nr, s->nc - col);
  char *dst = s->packed_b + col * s->units * s->kern->unit_bytes;
  if (g->pack_b)
    g->pack_b(g->pack_ctx, (float *)dst, s->k0, s->kc, s->n0 + col, cols, nr);
  else
    s->plan->packed.pack_b(dst, s->b + ((s->n0 + col) * g->b_col + s->k0 * g->b_row) * s->plan->item,
                           g->b_col, g->b_row, cols, nr, s->kc);
}

/* ---- Tiles ---- */
static void copy_rows(char *dst, int64_t dst_bytes, const char *src, int64_t src_bytes, int64_t rows,
                      int64_t bytes) {
  for (int64_t i = 0; i < rows; i++) memcpy(dst + i * dst_bytes, src + i * src_bytes, (size_t)bytes);
}

/* Sums between steps are read and written in place where a whole tile fits, else through a copy; a result
   that is more than its sums goes through a copy to be finished. */
static void compute_tile(const struct gemm_step *s, const char *a, int64_t sliver, int64_t panel) {
  const struct mxi_gemm_packed_plan *p = &s->plan->packed;
  const struct mxi_gemm_kernels *kern = s->kern;
  int64_t row = sliver * s->cuts.height, rows = mxi_min(s->cuts.height, s->mc - row);
  int64_t col = panel * kern->nr, cols = mxi_min(kern->nr, s->nc - col), size = kern->size;
  const char *b = s->packed_b + col * s->units * kern->unit_bytes;
  char *sums = s->sums + (row * s->sums_row + col) * size;
  const char *in = sums;
  int64_t in_row = s->sums_row;
  if (s->first) {
    in_row = s->plan->g->c0_row;
    in = p->plain && s->c0 ? s->c0 + ((s->m0 + row) * in_row + s->n0 + col) * size : NULL;
  }
  mxi_gemm_tile_fn tile = kern->tiles[rows - 1];
  bool whole = cols == kern->nr || !p->direct, finish = s->last && !p->plain;
  if (whole && !finish) {
    tile(s->units, a, b, in, in_row, sums, s->sums_row);
    return;
  }
  _Alignas(64) char t[MXI_GEMM_TILE_BYTES] = {0};
  if (in && !whole) {
    copy_rows(t, kern->nr * size, in, in_row * size, rows, cols * size);
    in = t;
    in_row = kern->nr;
  }
  tile(s->units, a, b, in, in_row, t, kern->nr);
  if (finish)
    mxi_gemm_finish_sums(s->plan, s->product, s->m0 + row, s->n0 + col, rows, cols, t, kern->nr);
  else
    copy_rows(sums, s->sums_row * size, t, kern->nr * size, rows, cols * size);
}

static void compute_tiles(void *ctx, int64_t task) {
  const struct gemm_step *s = ctx;
  const struct mxi_gemm_cuts *c = &s->cuts;
  MXI_LOCAL(char, slivers, SLIVER_BYTES);
  int64_t sliver0 = task % c->down * c->task_slivers,
          sliver1 = mxi_min(sliver0 + c->task_slivers, c->slivers);
  int64_t panel0 = task / c->down * c->task_panels, panel1 = mxi_min(panel0 + c->task_panels, c->panels);
  int64_t bytes = c->height * s->units * s->kern->unit_bytes;
  for (int64_t sliver = sliver0; sliver < sliver1; sliver++)
    pack_sliver(s, sliver, slivers + (sliver - sliver0) * bytes);
  for (int64_t panel = panel0; panel < panel1; panel++)
    for (int64_t sliver = sliver0; sliver < sliver1; sliver++)
      compute_tile(s, slivers + (sliver - sliver0) * bytes, sliver, panel);
}

/* ---- Blocks and products ---- */
static int compute_block(struct gemm_step *s) {
  const struct mxi_gemm_packed_plan *p = &s->plan->packed;
  const struct mxi_gemm *g = s->plan->g;
  bool parallel = s->plan->parallel;
  s->cuts = mxi_gemm_cut_block(s->plan, s->mc, s->nc);
  if (p->direct) {
    s->sums = s->c + (s->m0 * g->c_row + s->n0) * s->plan->item;
    s->sums_row = g->c_row;
  } else
    s->sums_row = s->cuts.panels * p->kern->nr;
  for (s->k0 = 0; s->k0 < g->k; s->k0 += p->kb) {
    s->kc = mxi_min(p->kb, g->k - s->k0);
    s->units = mxi_ceil_div(s->kc, p->kern->unit);
    s->first = s->k0 == 0;
    s->last = s->k0 + s->kc == g->k;
    MXI_TRY(mxi_parallel_for_if(parallel, s->cuts.panels, pack_panel, s));
    MXI_TRY(mxi_parallel_for_if(parallel, s->cuts.tasks, compute_tiles, s));
  }
  return 0;
}

static int compute_product(const struct mxi_gemm_plan *p, int64_t product, char *workspace) {
  const struct mxi_gemm *g = p->g;
  struct gemm_step s = {.plan = p,
                        .kern = p->packed.kern,
                        .product = product,
                        .a = mxi_gemm_at(g->a, g->a_batch, product, p->item), /* absent: rows are gathered */
                        .b = mxi_gemm_at(g->b, g->b_batch, product, p->item),
                        .c = (char *)g->c + product * g->m * g->c_row * p->item,
                        .packed_b = workspace,
                        .sums = workspace + p->packed.b_bytes};
  if (mxi_gemm_has_addend(g)) s.c0 = mxi_gemm_at(g->c0, g->c0_batch, product, p->item);
  for (s.m0 = 0; s.m0 < g->m; s.m0 += p->packed.mb)
    for (s.n0 = 0; s.n0 < g->n; s.n0 += p->packed.nb) {
      s.mc = mxi_min(p->packed.mb, g->m - s.m0);
      s.nc = mxi_min(p->packed.nb, g->n - s.n0);
      MXI_TRY(compute_block(&s));
    }
  return 0;
}

/* ---- Batches ---- */
struct gemm_groups {
  const struct mxi_gemm_plan *plan;
  char *workspaces; /* one a slot */
};

static void compute_group(void *ctx, int64_t i, int slot) {
  const struct gemm_groups *b = ctx;
  const struct mxi_gemm_packed_plan *p = &b->plan->packed;
  int64_t from = i * p->group, to = mxi_min(from + p->group, b->plan->g->batch);
  for (int64_t product = from; product < to; product++)
    compute_product(b->plan, product, b->workspaces + slot * p->product_bytes);
}

int mxi_gemm_run_packed(const struct mxi_gemm_plan *p, char *workspace) {
  if (p->packed.group) {
    struct gemm_groups b = {p, workspace};
    return mxi_parallel_for_slots(mxi_ceil_div(p->g->batch, p->packed.group), compute_group, &b);
  }
  for (int64_t i = 0; i < p->g->batch; i++) MXI_TRY(compute_product(p, i, workspace));
  return 0;
}
