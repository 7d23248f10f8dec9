#include "cpu/gemm_plan.h"
#include "cpu/pool.h"
#include "base/checked.h"
#include <math.h>

/* Products below this many multiply-adds run on the caller: a parallel loop costs microseconds. */
static const double inline_work = 400000;

static double work_of(const struct mxi_gemm *g) { return (double)g->m * (double)g->n * (double)g->k; }

static bool has_callbacks(const struct mxi_gemm *g) { return g->pack_b || g->gather_a; }

/* The product that makes C transposed, still to be told where. */
static struct mxi_gemm transpose_of(const struct mxi_gemm *g) {
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

static void begin_plan(struct mxi_gemm_plan *p, const struct mxi_gemm *g) {
  p->g = g;
  p->item = (int64_t)mx_dtype_size(g->dtype);
  p->workspace_bytes = p->transposed_bytes = 0;
}

/* ---- Packed ---- */
enum {
  BLOCK = 2048,
  TASK_ROWS = 18,     /* of C, or one sliver of more rows */
  TASK_COLUMNS = 1024 /* of C */
};

static const struct mxi_gemm_kernels *packed_kernels(const struct mxi_gemm *g) {
  if (g->dtype == MX_FLOAT64) return MXI_DISPATCH(mxi_gemm_f64)();
  const struct mxi_gemm_kernels *native = NULL;
  if (g->dtype == MX_BFLOAT16 && !g->pack_b) {
    native = MXI_DISPATCH(mxi_gemm_amx)();
    if (!native) native = MXI_DISPATCH(mxi_gemm_bf16_dot)();
  }
  return native ? native : MXI_DISPATCH(mxi_gemm_f32)();
}

/* The size of equal parts of `total`, each at most `largest` and a multiple of `unit`. */
static int64_t even_cut(int64_t total, int64_t largest, int64_t unit) {
  if (total > largest) total = mxi_ceil_div(total, mxi_ceil_div(total, largest));
  return mxi_round_up(total, unit);
}

static void plan_blocks(struct mxi_gemm_packed_plan *p, const struct mxi_gemm *g) {
  const struct mxi_gemm_kernels *kern = p->kern;
  p->mb = even_cut(g->m, BLOCK, 1);
  p->nb = even_cut(g->n, BLOCK, kern->nr);
  /* Callbacks unpack runs of 32, such as groups. */
  p->kb = even_cut(g->k, kern->kc, g->pack_b ? 32 : mxi_max(kern->unit, 2));
  int64_t units = mxi_ceil_div(mxi_min(p->kb, g->k), kern->unit);
  p->b_bytes = p->product_bytes = mxi_round_up(p->nb * units * kern->unit_bytes, 64);
  if (!p->direct && g->k > p->kb) p->product_bytes += mxi_round_up(p->mb * p->nb * kern->size, 64);
}

/* Many products are shared out whole, and so are a few small ones; else each is cut into tasks. */
static void plan_batch(struct mxi_gemm_plan *p) {
  const struct mxi_gemm *g = p->g;
  int64_t threads = mxi_pool_size();
  double work = work_of(g);
  bool many = g->batch >= 4 * threads, few_but_small = g->batch > 1 && work < 64 * inline_work;
  bool apart = (many || few_but_small) && work * (double)g->batch >= inline_work;
  p->packed.group = !apart ? 0 : work < inline_work ? (int64_t)(inline_work / (work + 1)) + 1 : 1;
  p->parallel = !apart && work >= inline_work;
  p->workspace_bytes += (size_t)((apart ? threads : 1) * p->packed.product_bytes);
}

static void plan_packed(struct mxi_gemm_plan *p) {
  const struct mxi_gemm *g = p->g;
  const struct mxi_gemm_kernels *kern = packed_kernels(g);
  struct mxi_gemm_packed_plan *packed = &p->packed;
  *packed = (struct mxi_gemm_packed_plan){.kern = kern, .pack_b = kern->pack[g->dtype]};
  packed->pack_a = kern->pack_a ? kern->pack_a : packed->pack_b;
  packed->direct = !mxi_is_half(g->dtype);
  packed->plain =
      packed->direct && fabs(g->alpha) == 1 && (!mxi_gemm_has_addend(g) || (g->beta == 1 && g->c0_col == 1));
  packed->negate = packed->plain && g->alpha == -1;
  p->form = MXI_GEMM_PACKED;
  p->finish = kern->finish;
  plan_blocks(packed, g);
  plan_batch(p);
}

struct mxi_gemm_cuts mxi_gemm_cut_block(const struct mxi_gemm_plan *p, int64_t rows, int64_t cols) {
  const struct mxi_gemm_kernels *kern = p->packed.kern;
  struct mxi_gemm_cuts c = {.height = even_cut(rows, kern->mr, 1),
                            .panels = mxi_ceil_div(cols, kern->nr),
                            .task_slivers = mxi_max(TASK_ROWS / kern->mr, 1)};
  c.slivers = mxi_ceil_div(rows, c.height);
  c.down = mxi_ceil_div(c.slivers, c.task_slivers);
  c.task_panels = even_cut(c.panels, TASK_COLUMNS / kern->nr, 1);
  c.tasks = c.down * mxi_ceil_div(c.panels, c.task_panels);
  /* Tasks are narrower where there would be too few. */
  int64_t threads = p->parallel ? mxi_pool_size() : 1;
  while (threads > 1 && c.tasks < 4 * threads && c.task_panels > 2) {
    c.task_panels = (c.task_panels + 1) / 2;
    c.tasks = c.down * mxi_ceil_div(c.panels, c.task_panels);
  }
  return c;
}

/* ---- Packed, by the transposed product ---- */
enum {
  ALWAYS_FEW = 8, /* rows of A: B is read once, whatever its size */
  MOST_ROWS = 128,
  LEAST_WORK = 1 << 22 /* multiply-adds; smaller matrices stay in the caches, packed or not */
};

/* A few rows times a matrix whose columns are contiguous, by AMX: the matrix becomes A, whose slivers are
   packed by copying, where panels of B would have to be interleaved, which takes longer than multiplying
   them. */
static bool is_faster_transposed(const struct mxi_gemm *g) {
  if (g->dtype != MX_BFLOAT16 || has_callbacks(g) || !MXI_DISPATCH(mxi_gemm_amx)()) return false;
  return g->b_row == 1 && g->b_col != 1 && g->m > ALWAYS_FEW && g->m <= MOST_ROWS && g->n > MOST_ROWS &&
         work_of(g) >= LEAST_WORK;
}

void mxi_gemm_plan_transposed(struct mxi_gemm_plan *p, const struct mxi_gemm *g) {
  p->transpose = transpose_of(g);
  p->transpose.c_row = g->m; /* its C is known once there is a workspace */
  begin_plan(p, &p->transpose);
  p->c = g->c;
  p->c_row = g->c_row;
  p->transposed_bytes = (size_t)mxi_round_up(g->batch * g->n * g->m * p->item, 64);
  p->workspace_bytes = p->transposed_bytes;
  plan_packed(p);
}

/* ---- Few rows ---- */
enum {
  LARGE_B = 1 << 20, /* elements; read once rather than packed for up to MXI_FEW_ROWS rows */
  DOT_COLS = MXI_FEW_ROWS_SUMS / MXI_FEW_ROWS, /* most columns of a chunk where B's columns are contiguous */
  ROW_SUMS = 16384,     /* most sums of a chunk where B's rows are: they stay in the second cache */
  NEAR_ROW_SUMS = 4096, /* with several rows of A they are used more often, and stay in the first */
  CHUNK_WORK = 131072,  /* elements of B in a chunk, about */
  FEW_CHUNKS = 32       /* fewer chunks than this are cut along k */
};

/* Does B serve where it lies, and is reading it once faster than packing it? */
static bool has_few_rows(const struct mxi_gemm *g) {
  if (has_callbacks(g) || g->dtype == MX_FLOAT64) return false;
  if (g->m <= ALWAYS_FEW) return g->b_row == 1 || g->b_col == 1;
  return g->m <= MXI_FEW_ROWS && g->b_row == 1 && g->n > 1 && (double)g->n * (double)g->k >= LARGE_B;
}

static void cut_few_rows(struct mxi_gemm_few_rows_plan *f, const struct mxi_gemm *g, bool along_k) {
  int64_t cols = along_k ? mxi_min(mxi_round_up(mxi_ceil_div(CHUNK_WORK, g->k), 4), DOT_COLS)
                         : (g->m <= 2 ? ROW_SUMS : NEAR_ROW_SUMS) / g->m;
  f->cols = mxi_min(cols, g->n);
  f->chunks = mxi_ceil_div(g->n, f->cols);
  f->piece = g->k;
  if (f->chunks * g->batch < FEW_CHUNKS) {
    int64_t pieces = FEW_CHUNKS / (f->chunks * g->batch), least = CHUNK_WORK / 2 / f->cols + 1;
    f->piece = mxi_min(g->k, mxi_round_up(mxi_max(mxi_ceil_div(g->k, pieces), least), 64));
  }
  f->pieces = mxi_ceil_div(g->k, f->piece);
}

/* The kernel for the dtype and for the way that B lies, and what it asks of A. */
static void choose_few_rows_kernel(struct mxi_gemm_few_rows_plan *f, const struct mxi_gemm *g, bool along_k,
                                   int64_t item) {
  const struct mxi_few_rows_kernels *kern = MXI_DISPATCH(mxi_few_rows)();
  mxi_few_rows_fn dots = along_k && g->dtype == MX_BFLOAT16 ? MXI_DISPATCH(mxi_few_rows_bf16_dot)() : NULL;
  f->sum = dots ? dots : along_k ? kern->along_k[g->dtype] : kern->along_n[g->dtype];
  f->stride = along_k ? g->b_col : g->b_row;
  f->a_item = dots ? item : (int64_t)sizeof(float);
  bool copied = f->a_item != item || g->a_col != 1;
  f->a_bytes = copied ? mxi_round_up(g->batch * g->m * g->k * f->a_item, 64) : 0;
}

static void plan_few_rows(struct mxi_gemm_plan *p) {
  const struct mxi_gemm *g = p->g;
  struct mxi_gemm_few_rows_plan *f = &p->few_rows;
  bool along_k = g->b_row == 1 && (g->b_col != 1 || g->k >= g->n);
  choose_few_rows_kernel(f, g, along_k, p->item);
  cut_few_rows(f, g, along_k);
  f->partial = f->pieces > 1 || g->m * f->cols > MXI_FEW_ROWS_SUMS;
  p->form = MXI_GEMM_FEW_ROWS;
  p->finish = MXI_DISPATCH(mxi_gemm_f32)()->finish;
  p->parallel = work_of(g) * (double)g->batch >= inline_work / 4;
  int64_t sums = f->partial ? g->batch * f->pieces * g->m * g->n : 0;
  p->workspace_bytes = (size_t)(f->a_bytes + sums * (int64_t)sizeof(float));
}

/* ---- The choice ---- */
/* A product of one column is the transposed product of one row, and its result lies as that one's. */
static const struct mxi_gemm *column_as_row(struct mxi_gemm_plan *p, const struct mxi_gemm *g) {
  if (g->n != 1 || g->m == 1 || g->c_row != 1) return g;
  p->transpose = transpose_of(g);
  p->transpose.c = g->c;
  p->transpose.c_row = g->m;
  return &p->transpose;
}

void mxi_gemm_make_plan(struct mxi_gemm_plan *p, const struct mxi_gemm *g) {
  if (g->k <= 0) {
    begin_plan(p, g);
    p->form = MXI_GEMM_EMPTY;
    p->finish = packed_kernels(g)->finish;
    return;
  }
  if (is_faster_transposed(g)) {
    mxi_gemm_plan_transposed(p, g);
    return;
  }
  const struct mxi_gemm *row = column_as_row(p, g);
  if (has_few_rows(row)) {
    begin_plan(p, row);
    plan_few_rows(p);
  } else {
    begin_plan(p, g);
    plan_packed(p);
  }
}
