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
#include "cpu/gemm.h"
#include "cpu/gemm_parts.h"
#include "cpu/kernels/gemm_kernels.h"
#include "cpu/locals.h"
#include "cpu/pool.h"
#include "base/checked.h"
#include "base/error.h"
#include <math.h>
#include <string.h>

enum {
  BLOCK = 2048,
  TASK_ROWS = 18,       /* of C, or one sliver of more rows */
  TASK_COLUMNS = 1024,  /* of C */
  SLIVER_BYTES = 65536, /* most of a sliver, packed or not, and of a task's slivers */
  SMALL_WORKSPACE = 16384
};

struct plan {
  const struct mxi_gemm *g;
  const struct mxi_gemm_kernels *kern;
  mxi_gemm_pack_fn pack_a, pack_b; /* of B where there is no callback */
  int64_t item;                    /* bytes of an element of A, B and C */
  int64_t mb, nb, kb;              /* largest block of rows and columns, largest step of k */
  bool direct;                     /* sums rest in C */
  bool plain;                      /* and are the result as they are */
  bool negate; /* A once packed, in place of alpha = -1; sums of halves are scaled when they are rounded */
  int64_t b_bytes, sums_bytes; /* parts of a workspace */
  int64_t workspace_bytes;
  bool parallel; /* loops inside a product go over the pool */
};

/* One step: rows [m0, m0 + mc) and columns [n0, n0 + nc) of C over k in [k0, k0 + kc). */
struct step {
  const struct plan *plan;
  const char *a, *b, *c0; /* of the product; c0 may be NULL */
  char *c;
  int64_t m0, mc, n0, nc, k0, kc, units;
  bool first, last;
  int64_t height, slivers, panels;   /* rows of a sliver; how many slivers and panels */
  int64_t task_slivers, task_panels; /* of a task of tiles */
  int64_t down, tasks;               /* tasks one below the other, tasks in all */
  char *packed_b, *sums;
  int64_t sums_row;
};

static int64_t even_cut(int64_t total, int64_t largest, int64_t unit) {
  if (total <= 0) return unit;
  return mxi_round_up(mxi_ceil_div(total, mxi_ceil_div(total, largest)), unit);
}

int mxi_gemm_loop(bool parallel, int64_t n, void (*fn)(void *, int64_t), void *ctx) {
  if (parallel) return mxi_parallel_for(n, fn, ctx);
  for (int64_t i = 0; i < n; i++) fn(ctx, i);
  return 0;
}

/* ---- Packing ---- */
static void pack_a_sliver(const struct step *s, int64_t sliver, char *dst) {
  const struct plan *p = s->plan;
  const struct mxi_gemm *g = p->g;
  int64_t row = sliver * s->height, rows = mxi_min(s->height, s->mc - row);
  if (g->gather_a) {
    MXI_LOCAL(char, gathered, SLIVER_BYTES);
    g->gather_a(g->gather_ctx, gathered, s->m0 + row, rows, s->k0, s->kc);
    p->pack_a(dst, gathered, s->kc, 1, rows, rows, s->kc);
  } else
    p->pack_a(dst, s->a + ((s->m0 + row) * g->a_row + s->k0 * g->a_col) * p->item, g->a_row, g->a_col, rows,
              rows, s->kc);
  if (p->negate) p->kern->negate(dst, rows * s->units);
}

static void pack_b_panel(const struct step *s, int64_t panel) {
  const struct mxi_gemm *g = s->plan->g;
  int64_t nr = s->plan->kern->nr, col = panel * nr, cols = mxi_min(nr, s->nc - col);
  char *dst = s->packed_b + col * s->units * s->plan->kern->unit_bytes;
  if (g->pack_b)
    g->pack_b(g->pack_ctx, (float *)dst, s->k0, s->kc, s->n0 + col, cols, nr);
  else
    s->plan->pack_b(dst, s->b + ((s->n0 + col) * g->b_col + s->k0 * g->b_row) * s->plan->item, g->b_col,
                    g->b_row, cols, nr, s->kc);
}

static void pack_task(void *ctx, int64_t i) { pack_b_panel(ctx, i); }

/* ---- Tiles ---- */
static void copy_rows(char *dst, int64_t dst_bytes, const char *src, int64_t src_bytes, int64_t rows,
                      int64_t bytes) {
  for (int64_t i = 0; i < rows; i++) memcpy(dst + i * dst_bytes, src + i * src_bytes, (size_t)bytes);
}

static void finish_tile(const struct step *s, const void *tile, int64_t row, int64_t col, int64_t rows,
                        int64_t cols) {
  const struct mxi_gemm *g = s->plan->g;
  int64_t i = s->m0 + row, j = s->n0 + col, item = s->plan->item;
  struct mxi_gemm_finish f = {.dtype = g->dtype,
                              .rows = rows,
                              .cols = cols,
                              .c = s->c + (i * g->c_row + j) * item,
                              .c_row = g->c_row,
                              .c0 = s->c0 ? s->c0 + (i * g->c0_row + j * g->c0_col) * item : NULL,
                              .c0_row = g->c0_row,
                              .c0_col = g->c0_col,
                              .alpha = g->alpha,
                              .beta = g->beta};
  s->plan->kern->finish(tile, s->plan->kern->nr, &f);
}

/* Sums between steps are read and written in place where a whole tile fits, else through a copy; a result
   that is more than its sums goes through a copy to `finish`. */
static void compute_tile(const struct step *s, const char *a, int64_t sliver, int64_t panel) {
  const struct plan *p = s->plan;
  const struct mxi_gemm_kernels *kern = p->kern;
  int64_t row = sliver * s->height, rows = mxi_min(s->height, s->mc - row);
  int64_t col = panel * kern->nr, cols = mxi_min(kern->nr, s->nc - col), size = kern->size;
  const char *b = s->packed_b + col * s->units * kern->unit_bytes;
  char *sums = s->sums + (row * s->sums_row + col) * size;
  const char *in = sums;
  int64_t in_row = s->sums_row;
  if (s->first) {
    in_row = p->g->c0_row;
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
    finish_tile(s, t, row, col, rows, cols);
  else
    copy_rows(sums, s->sums_row * size, t, kern->nr * size, rows, cols * size);
}

static void tile_task(void *ctx, int64_t i) {
  const struct step *s = ctx;
  MXI_LOCAL(char, slivers, SLIVER_BYTES);
  int64_t sliver0 = i % s->down * s->task_slivers, sliver1 = mxi_min(sliver0 + s->task_slivers, s->slivers);
  int64_t panel0 = i / s->down * s->task_panels, panel1 = mxi_min(panel0 + s->task_panels, s->panels);
  int64_t bytes = s->height * s->units * s->plan->kern->unit_bytes;
  for (int64_t sliver = sliver0; sliver < sliver1; sliver++)
    pack_a_sliver(s, sliver, slivers + (sliver - sliver0) * bytes);
  for (int64_t panel = panel0; panel < panel1; panel++)
    for (int64_t sliver = sliver0; sliver < sliver1; sliver++)
      compute_tile(s, slivers + (sliver - sliver0) * bytes, sliver, panel);
}

/* ---- Blocks ---- */
/* Cuts a block into slivers, panels and tasks, which are narrower where there would be too few. */
static void cut_tasks(struct step *s) {
  const struct mxi_gemm_kernels *kern = s->plan->kern;
  s->height = mxi_ceil_div(s->mc, mxi_ceil_div(s->mc, kern->mr));
  s->slivers = mxi_ceil_div(s->mc, s->height);
  s->panels = mxi_ceil_div(s->nc, kern->nr);
  s->task_slivers = mxi_max(TASK_ROWS / kern->mr, 1);
  s->task_panels = even_cut(s->panels, TASK_COLUMNS / kern->nr, 1);
  s->down = mxi_ceil_div(s->slivers, s->task_slivers);
  int64_t threads = s->plan->parallel ? mxi_pool_size() : 1;
  s->tasks = s->down * mxi_ceil_div(s->panels, s->task_panels);
  while (threads > 1 && s->tasks < 4 * threads && s->task_panels > 2) {
    s->task_panels = (s->task_panels + 1) / 2;
    s->tasks = s->down * mxi_ceil_div(s->panels, s->task_panels);
  }
}

static int run_block(struct step *s) {
  const struct plan *p = s->plan;
  const struct mxi_gemm *g = p->g;
  cut_tasks(s);
  if (p->direct) {
    s->sums = s->c + (s->m0 * g->c_row + s->n0) * p->item;
    s->sums_row = g->c_row;
  } else
    s->sums_row = s->panels * p->kern->nr;
  for (s->k0 = 0; s->k0 < g->k; s->k0 += p->kb) {
    s->kc = mxi_min(p->kb, g->k - s->k0);
    s->units = mxi_ceil_div(s->kc, p->kern->unit);
    s->first = s->k0 == 0;
    s->last = s->k0 + s->kc == g->k;
    MXI_TRY(mxi_gemm_loop(p->parallel, s->panels, pack_task, s));
    MXI_TRY(mxi_gemm_loop(p->parallel, s->tasks, tile_task, s));
  }
  return 0;
}

/* ---- Products ---- */
static int run_product(const struct plan *p, int64_t i, char *workspace) {
  const struct mxi_gemm *g = p->g;
  struct step s = {.plan = p, .c = (char *)g->c + i * g->m * g->c_row * p->item};
  if (g->a)
    s.a = (const char *)g->a + (g->a_batch ? g->a_batch[i] : 0) * p->item; // absent: rows are gathered
  if (g->b) s.b = (const char *)g->b + (g->b_batch ? g->b_batch[i] : 0) * p->item;
  s.c0 = g->c0 && g->beta != 0 ? (const char *)g->c0 + (g->c0_batch ? g->c0_batch[i] : 0) * p->item : NULL;
  s.packed_b = workspace;
  s.sums = workspace + p->b_bytes;
  for (s.m0 = 0; s.m0 < g->m; s.m0 += p->mb)
    for (s.n0 = 0; s.n0 < g->n; s.n0 += p->nb) {
      s.mc = mxi_min(p->mb, g->m - s.m0);
      s.nc = mxi_min(p->nb, g->n - s.n0);
      if (run_block(&s) < 0) return -1;
    }
  return 0;
}

struct batch {
  const struct plan *plan;
  char *workspaces; /* one a slot */
  int64_t group;    /* products of one chunk */
};

static void run_group(void *ctx, int64_t i, int slot) {
  const struct batch *b = ctx;
  int64_t from = i * b->group, to = mxi_min(from + b->group, b->plan->g->batch);
  for (int64_t product = from; product < to; product++)
    run_product(b->plan, product, b->workspaces + slot * b->plan->workspace_bytes);
}

static int run_batch(struct plan *p, double work) {
  int64_t threads = mxi_pool_size();
  p->parallel = false;
  char *workspaces = mxi_gemm_workspace_take((size_t)(threads * p->workspace_bytes));
  if (!workspaces) return -1;
  struct batch b = {p, workspaces,
                    work < MXI_GEMM_INLINE_WORK ? (int64_t)(MXI_GEMM_INLINE_WORK / (work + 1)) + 1 : 1};
  int failed = mxi_parallel_for_slots(mxi_ceil_div(p->g->batch, b.group), run_group, &b);
  mxi_gemm_workspace_give(workspaces);
  return failed;
}

static int run_in_turn(struct plan *p, double work) {
  MXI_LOCAL(char, small, SMALL_WORKSPACE);
  p->parallel = work >= MXI_GEMM_INLINE_WORK;
  char *workspace =
      p->workspace_bytes <= SMALL_WORKSPACE ? small : mxi_gemm_workspace_take((size_t)p->workspace_bytes);
  if (!workspace) return -1;
  int failed = 0;
  for (int64_t i = 0; i < p->g->batch && !failed; i++) failed = run_product(p, i, workspace);
  if (workspace != small) mxi_gemm_workspace_give(workspace);
  return failed;
}

static const struct mxi_gemm_kernels *choose_kernels(const struct mxi_gemm *g) {
  if (g->dtype == MX_FLOAT64) return MXI_DISPATCH(mxi_gemm_f64)();
  const struct mxi_gemm_kernels *native = NULL;
  if (g->dtype == MX_BFLOAT16 && !g->pack_b) {
    native = MXI_DISPATCH(mxi_gemm_amx)();
    if (!native) native = MXI_DISPATCH(mxi_gemm_bf16_dot)();
  }
  return native ? native : MXI_DISPATCH(mxi_gemm_f32)();
}

static struct plan make_plan(const struct mxi_gemm *g) {
  const struct mxi_gemm_kernels *kern = choose_kernels(g);
  struct plan p = {
      .g = g, .kern = kern, .pack_b = kern->pack[g->dtype], .item = (int64_t)mx_dtype_size(g->dtype)};
  p.pack_a = kern->pack_a ? kern->pack_a : p.pack_b;
  p.mb = even_cut(g->m, BLOCK, 1);
  p.nb = even_cut(g->n, BLOCK, kern->nr);
  /* Callbacks unpack runs of 32, such as groups. */
  p.kb = even_cut(g->k, kern->kc, g->pack_b ? 32 : mxi_max(kern->unit, 2));
  p.direct = !mxi_is_half(g->dtype);
  bool addend = g->c0 && g->beta != 0;
  p.plain = p.direct && fabs(g->alpha) == 1 && (!addend || (g->beta == 1 && g->c0_col == 1));
  p.negate = p.plain && g->alpha == -1;
  int64_t units = mxi_ceil_div(mxi_min(p.kb, g->k), kern->unit),
          nb = mxi_min(p.nb, mxi_round_up(g->n, kern->nr));
  p.b_bytes = mxi_round_up(nb * units * kern->unit_bytes, 64);
  p.sums_bytes = !p.direct && g->k > p.kb ? mxi_round_up(mxi_min(p.mb, g->m) * nb * kern->size, 64) : 0;
  p.workspace_bytes = p.b_bytes + p.sums_bytes;
  return p;
}

/* k == 0: every sum is zero. */
static int run_empty(const struct plan *p) {
  static const _Alignas(64) char zeros[MXI_GEMM_TILE_BYTES];
  const struct mxi_gemm *g = p->g;
  for (int64_t i = 0; i < g->batch; i++) {
    struct step s = {.plan = p, .c = (char *)g->c + i * g->m * g->c_row * p->item};
    s.c0 = g->c0 && g->beta != 0 ? (const char *)g->c0 + (g->c0_batch ? g->c0_batch[i] : 0) * p->item : NULL;
    for (int64_t row = 0; row < g->m; row += p->kern->mr)
      for (int64_t col = 0; col < g->n; col += p->kern->nr)
        finish_tile(&s, zeros, row, col, mxi_min(p->kern->mr, g->m - row), mxi_min(p->kern->nr, g->n - col));
  }
  return 0;
}

int mxi_gemm_run(const struct mxi_gemm *g) {
  if (g->batch <= 0 || g->m <= 0 || g->n <= 0) return 0;
  if (g->k > 0 && mxi_gemm_is_better_turned(g)) return mxi_gemm_turned(g);
  if (g->k > 0 && mxi_gemm_is_thin(g)) return mxi_gemm_thin(g);
  struct plan p = make_plan(g);
  if (g->k <= 0) return run_empty(&p);
  double work = (double)g->m * (double)g->n * (double)g->k;
  bool many = g->batch >= 4 * (int64_t)mxi_pool_size(),
       few_but_small = g->batch > 1 && work < 64 * MXI_GEMM_INLINE_WORK;
  if ((many || few_but_small) && work * (double)g->batch >= MXI_GEMM_INLINE_WORK) return run_batch(&p, work);
  return run_in_turn(&p, work);
}
