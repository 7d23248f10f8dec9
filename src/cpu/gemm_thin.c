/* Thin products: a vector times a matrix, a matrix times a vector, or a few rows times a matrix. B is
   streamed once. The columns are cut into chunks, and where those are few, k into pieces, whose sums are
   added in order: both cuts are functions of the shape alone. */
#include "cpu/gemm_parts.h"
#include "cpu/kernels/gemm_kernels.h"
#include "cpu/locals.h"
#include "cpu/pool.h"
#include "base/checked.h"
#include <string.h>

enum {
  LARGE_B = 1 << 20,    /* elements; read once rather than packed for up to MXI_THIN_ROWS rows */
  DOT_COLS = 256,       /* most columns of a chunk where B's columns are contiguous: their sums are local */
  ROW_SUMS = 16384,     /* most sums of a chunk where B's rows are: they stay in the second cache */
  NEAR_ROW_SUMS = 4096, /* with several rows of A they are used more often, and stay in the first */
  CHUNK_WORK = 131072,  /* elements of B in a chunk, about */
  FEW_CHUNKS = 32,      /* fewer chunks than this are cut along k */
  REDUCE_COLS = 1024,
  SMALL_FLOATS = 4096
};

struct thin {
  struct mxi_gemm g;
  mxi_thin_fn sum;
  void (*finish)(const void *tile, int64_t tile_row, const struct mxi_gemm_finish *f);
  bool along_k;
  int64_t item, stride;
  int64_t cols, chunks;  /* columns of a chunk, chunks of a product */
  int64_t piece, pieces; /* elements of k in a piece */
  const char *a;         /* A of all products as `sum` takes it, (batch, m, k), or NULL: A itself serves */
  int64_t a_item;        /* bytes of its elements */
  float *partial;        /* (batch, pieces, m, n) or NULL: a chunk's sums are whole */
};

/* A product of one column is the transposed product of one row. */
static struct mxi_gemm oriented(const struct mxi_gemm *g) {
  if (g->n != 1 || g->m == 1 || g->c_row != 1) return *g;
  struct mxi_gemm t = mxi_gemm_transposed(g);
  t.c = g->c;
  t.c_row = g->m;
  return t;
}

bool mxi_gemm_is_thin(const struct mxi_gemm *g) {
  if (g->pack_b || g->gather_a || g->dtype == MX_FLOAT64) return false;
  struct mxi_gemm t = oriented(g);
  if (t.m <= MXI_FEW_ROWS) return t.b_row == 1 || t.b_col == 1;
  return t.m <= MXI_THIN_ROWS && t.b_row == 1 && t.n > 1 && (double)t.n * (double)t.k >= LARGE_B;
}

static void plan_cuts(struct thin *t) {
  const struct mxi_gemm *g = &t->g;
  int64_t cols = t->along_k ? mxi_min(mxi_round_up(mxi_ceil_div(CHUNK_WORK, g->k), 4), DOT_COLS)
                            : (g->m <= 2 ? ROW_SUMS : NEAR_ROW_SUMS) / g->m;
  t->cols = mxi_min(cols, g->n);
  t->chunks = mxi_ceil_div(g->n, t->cols);
  t->piece = g->k;
  if (t->chunks * g->batch < FEW_CHUNKS) {
    int64_t pieces = FEW_CHUNKS / (t->chunks * g->batch), least = CHUNK_WORK / 2 / t->cols + 1;
    t->piece = mxi_min(g->k, mxi_round_up(mxi_max(mxi_ceil_div(g->k, pieces), least), 64));
  }
  t->pieces = mxi_ceil_div(g->k, t->piece);
}

static const char *rows_of_a(const struct thin *t, int64_t product) {
  if (t->a) return t->a + product * t->g.m * t->g.k * t->a_item;
  return (const char *)t->g.a + (t->g.a_batch ? t->g.a_batch[product] : 0) * t->a_item;
}

static void finish(const struct thin *t, int64_t product, int64_t col, int64_t cols, const float *sums,
                   int64_t sums_row) {
  const struct mxi_gemm *g = &t->g;
  struct mxi_gemm_finish f = {.dtype = g->dtype,
                              .rows = g->m,
                              .cols = cols,
                              .c_row = g->c_row,
                              .c0_row = g->c0_row,
                              .c0_col = g->c0_col,
                              .alpha = g->alpha,
                              .beta = g->beta};
  f.c = (char *)g->c + (product * g->m * g->c_row + col) * t->item;
  if (g->c0 && g->beta != 0)
    f.c0 = (const char *)g->c0 + ((g->c0_batch ? g->c0_batch[product] : 0) + col * g->c0_col) * t->item;
  t->finish(sums, sums_row, &f);
}

static void chunk(void *ctx, int64_t i) {
  const struct thin *t = ctx;
  const struct mxi_gemm *g = &t->g;
  int64_t piece = i % t->pieces, product = i / t->pieces / t->chunks,
          col = i / t->pieces % t->chunks * t->cols;
  int64_t cols = mxi_min(t->cols, g->n - col), k0 = piece * t->piece, kc = mxi_min(t->piece, g->k - k0);
  const char *b = (const char *)g->b +
                  ((g->b_batch ? g->b_batch[product] : 0) + k0 * g->b_row + col * g->b_col) * t->item;
  const char *a = rows_of_a(t, product) + k0 * t->a_item;
  int64_t a_row = t->a ? g->k : g->a_row;
  if (t->partial) {
    float *sums = t->partial + (product * t->pieces + piece) * g->m * g->n + col;
    t->sum(a, a_row, b, t->stride, g->m, cols, kc, sums, g->n);
    return;
  }
  MXI_LOCAL(float, sums, MXI_THIN_ROWS *DOT_COLS);
  t->sum(a, a_row, b, t->stride, g->m, cols, kc, sums, cols);
  finish(t, product, col, cols, sums, cols);
}

/* Adds the pieces of some columns in order. */
static void reduce(void *ctx, int64_t chunk) {
  const struct thin *t = ctx;
  const struct mxi_gemm *g = &t->g;
  int64_t across = mxi_ceil_div(g->n, REDUCE_COLS), product = chunk / across,
          col = chunk % across * REDUCE_COLS;
  int64_t cols = mxi_min(REDUCE_COLS, g->n - col);
  float *sums = t->partial + product * t->pieces * g->m * g->n + col;
  for (int64_t piece = 1; piece < t->pieces; piece++)
    for (int64_t i = 0; i < g->m; i++)
      for (int64_t j = 0; j < cols; j++) sums[i * g->n + j] += sums[(piece * g->m + i) * g->n + j];
  finish(t, product, col, cols, sums, g->n);
}

static void copy_pairs(void *dst, const void *src, int64_t n) { memcpy(dst, src, (size_t)n * 2); }

/* Makes A contiguous along k, in the dtype that `sum` takes. */
static void place_a(const struct thin *t, char *to) {
  const struct mxi_gemm *g = &t->g;
  void (*contiguous)(void *, const void *, int64_t) =
      t->a_item == 2 ? copy_pairs : MXI_DISPATCH(mxi_thin)()->widen[g->dtype];
  for (int64_t product = 0; product < g->batch; product++)
    for (int64_t i = 0; i < g->m; i++, to += g->k * t->a_item) {
      const char *row =
          (const char *)g->a + ((g->a_batch ? g->a_batch[product] : 0) + i * g->a_row) * t->item;
      if (g->a_col == 1)
        contiguous(to, row, g->k);
      else
        for (int64_t k = 0; k < g->k; k++) contiguous(to + k * t->a_item, row + k * g->a_col * t->item, 1);
    }
}

/* The kernel for the dtype and for the way that B lies. */
static void choose_kernel(struct thin *t) {
  const struct mxi_gemm *g = &t->g;
  const struct mxi_thin_kernels *kern = MXI_DISPATCH(mxi_thin)();
  t->item = (int64_t)mx_dtype_size(g->dtype);
  t->a_item = sizeof(float);
  t->along_k = g->b_row == 1 && (g->b_col != 1 || g->k >= g->n);
  t->stride = t->along_k ? g->b_col : g->b_row;
  t->sum = t->along_k ? kern->along_k[g->dtype] : kern->along_n[g->dtype];
  t->finish = MXI_DISPATCH(mxi_gemm_f32)()->finish;
  mxi_thin_fn dots = t->along_k && g->dtype == MX_BFLOAT16 ? MXI_DISPATCH(mxi_thin_bf16_dot)() : NULL;
  if (dots) {
    t->sum = dots;
    t->a_item = t->item;
  }
}

int mxi_gemm_thin(const struct mxi_gemm *original) {
  struct thin t = {.g = oriented(original)};
  const struct mxi_gemm *g = &t.g;
  choose_kernel(&t);
  plan_cuts(&t);

  bool placed = t.a_item != t.item || g->a_col != 1;
  int64_t a_floats = placed ? g->batch * g->m * mxi_ceil_div(g->k * t.a_item, (int64_t)sizeof(float)) : 0;
  bool partial = t.pieces > 1 || g->m * t.cols > MXI_THIN_ROWS * DOT_COLS;
  int64_t floats = a_floats + (partial ? g->batch * t.pieces * g->m * g->n : 0);
  MXI_LOCAL(float, small, SMALL_FLOATS);
  float *workspace = floats <= SMALL_FLOATS ? small : mxi_gemm_workspace_take((size_t)floats * sizeof(float));
  if (!workspace) return -1;
  if (placed) {
    place_a(&t, (char *)workspace);
    t.a = (const char *)workspace;
  }
  if (partial) t.partial = workspace + a_floats;

  int64_t chunks = g->batch * t.chunks * t.pieces;
  bool parallel = (double)g->batch * (double)g->m * (double)g->n * (double)g->k >= MXI_GEMM_INLINE_WORK / 4;
  int failed = mxi_gemm_loop(parallel, chunks, chunk, &t);
  if (t.partial && !failed)
    failed = mxi_gemm_loop(parallel, g->batch * mxi_ceil_div(g->n, REDUCE_COLS), reduce, &t);
  if (workspace != small) mxi_gemm_workspace_give(workspace);
  return failed;
}
