/* Products with quantised matrices, and the conversions, over raw memory: which kernel, and how the pool
   shares it. Rows of W (columns, for y = x W) never meet in a sum, so how they are cut leaves every result as
   it is. */
#include "cpu/quantized.h"
#include "base/checked.h"
#include "base/error.h"
#include "cpu/gemm.h"
#include "cpu/pool.h"
#include <string.h>

enum {
  MATVEC_MAX_ROWS = 40,     /* with more rows of x, packing W once and the blocked product win */
  SPLIT_PRODUCTS = 1 << 16, /* about 3 us: from here on every thread gets a share */
  CHUNK_PRODUCTS =
      1 << 20, /* more chunks than threads are worth at least so much: each starts without prefetch */
  CHUNKS_PER_THREAD = 16,   /* at most: enough to even out threads that were held up */
  PREPARE_INLINE = 1 << 16, /* elements of x that the caller prepares alone */
  CONVERT_CHUNK = 1 << 15   /* elements a chunk in quantize and dequantize */
};

struct matvec_chunks {
  const struct mxi_matvec *product;
  int64_t step;
};

static void prepare_task(void *ctx, int64_t i) { MXI_DISPATCH(mxi_matvec_prepare)(ctx, i); }

static int prepare_x(struct mxi_matvec *product) {
  MXI_DISPATCH(mxi_matvec_layout)(product);
  int64_t floats = 0, bytes = 0;
  if (!mxi_mul(product->permuted_stride + product->sums_stride, product->m, &floats) ||
      !mxi_mul(floats, 4, &bytes))
    return mxi_fail_memory(SIZE_MAX);
  product->permuted = mxi_scratch((size_t)bytes);
  if (!product->permuted) return -1;
  product->sums = product->permuted + product->permuted_stride * product->m;
  if (product->m * product->w.cols >= PREPARE_INLINE)
    return mxi_parallel_for(product->m, prepare_task, product);
  for (int64_t i = 0; i < product->m; i++) prepare_task(product, i);
  return 0;
}

static void matvec_task(void *ctx, int64_t i) {
  const struct matvec_chunks *c = ctx;
  int64_t begin = i * c->step;
  MXI_DISPATCH(mxi_matvec_rows)(c->product, begin, mxi_min(begin + c->step, c->product->w.rows));
}

/* Rows of W a chunk: an even share for each thread, no chunk too small to be worth a thread's while. */
static int64_t rows_per_chunk(const struct mxi_matvec *product) {
  double products = (double)product->w.rows * (double)product->w.cols * (double)mxi_max(1, product->m / 2);
  int64_t threads = mxi_pool_size(), most = threads * CHUNKS_PER_THREAD;
  int64_t chunks = products > (double)most * CHUNK_PRODUCTS ? most : (int64_t)(products / CHUNK_PRODUCTS);
  chunks = products < SPLIT_PRODUCTS ? 1 : mxi_round_up(mxi_max(chunks, 1), threads);
  return mxi_round_up(mxi_ceil_div(product->w.rows, mxi_max(chunks, 1)), 4);
}

static int matvec(struct mxi_matvec *product) {
  MXI_TRY(prepare_x(product));
  struct matvec_chunks c = {product, rows_per_chunk(product)};
  return mxi_parallel_for(mxi_ceil_div(product->w.rows, c.step), matvec_task, &c);
}

static void vecmat_task(void *ctx, int64_t i) {
  const struct matvec_chunks *c = ctx;
  MXI_DISPATCH(mxi_vecmat_columns)(c->product, i * c->step, mxi_min((i + 1) * c->step, c->product->w.cols));
}

/* Wide strips read W in longer runs; narrow ones keep every thread busy. */
static int vecmat(const struct mxi_matvec *product) {
  int64_t wide = MXI_VECMAT_COLUMNS;
  struct matvec_chunks c = {product, product->w.cols >= 2 * wide * mxi_pool_size() ? wide : wide / 4};
  return mxi_parallel_for(mxi_ceil_div(product->w.cols, c.step), vecmat_task, &c);
}

static int blocked_product(void *y, const void *x, mx_dtype t, int64_t m, const struct mxi_quantized *w,
                           bool transpose) {
  static const int64_t no_offset[1] = {0};
  int64_t n = transpose ? w->rows : w->cols, k = transpose ? w->cols : w->rows;
  struct mxi_gemm g = {.dtype = t,
                       .m = m,
                       .n = n,
                       .k = k,
                       .batch = 1,
                       .alpha = 1,
                       .pack_ctx = w,
                       .a = x,
                       .a_row = k,
                       .a_col = 1,
                       .a_batch = no_offset,
                       .b_batch = no_offset,
                       .c = y,
                       .c_row = n,
                       .c0_batch = no_offset,
                       .pack_b = transpose ? MXI_DISPATCH(mxi_pack_quantized_transposed)
                                           : MXI_DISPATCH(mxi_pack_quantized)};
  return mxi_gemm_run(&g);
}

int mxi_quantized_matmul(void *y, const void *x, mx_dtype t, int64_t m, const struct mxi_quantized *w,
                         bool transpose) {
  struct mxi_matvec product = {.w = *w, .dtype = t, .m = m, .x = x, .y = y};
  int64_t n = transpose ? w->rows : w->cols, k = transpose ? w->cols : w->rows;
  if (m == 0 || n == 0) return 0;
  if (k == 0) {
    memset(y, 0, (size_t)(m * n) * mx_dtype_size(t));
    return 0;
  }
  if (transpose && m <= MATVEC_MAX_ROWS) return matvec(&product);
  if (!transpose && m <= MXI_VECMAT_ROWS) return vecmat(&product);
  return blocked_product(y, x, t, m, w, transpose);
}

struct quantized_conversion {
  const struct mxi_quantized *q;
  const void *w; /* quantize reads it, */
  void *out;     /* dequantize writes it */
  int64_t groups, step;
};

static struct quantized_conversion whole_conversion(const struct mxi_quantized *q) {
  return (struct quantized_conversion){
      .q = q, .groups = q->rows * (q->cols / q->group_size), .step = CONVERT_CHUNK / q->group_size};
}

static void quantize_task(void *ctx, int64_t i) {
  const struct quantized_conversion *c = ctx;
  MXI_DISPATCH(mxi_quantize_groups)(c->q, c->w, i * c->step, mxi_min((i + 1) * c->step, c->groups));
}

int mxi_quantize(const struct mxi_quantized *q, const void *w) {
  struct quantized_conversion c = whole_conversion(q);
  c.w = w;
  return mxi_parallel_for(mxi_ceil_div(c.groups, c.step), quantize_task, &c);
}

static void dequantize_task(void *ctx, int64_t i) {
  const struct quantized_conversion *c = ctx;
  MXI_DISPATCH(mxi_dequantize_groups)(c->q, c->out, i * c->step, mxi_min((i + 1) * c->step, c->groups));
}

int mxi_dequantize(void *out, const struct mxi_quantized *q) {
  struct quantized_conversion c = whole_conversion(q);
  c.out = out;
  return mxi_parallel_for(mxi_ceil_div(c.groups, c.step), dequantize_task, &c);
}
