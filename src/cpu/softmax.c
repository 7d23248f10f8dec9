/* softmax and logsumexp over the last axis. Rows go to the pool in chunks; a row longer than a cache is cut
   into blocks, whose maxima and sums are combined in order. */
#include "cpu/cpu.h"
#include "cpu/kernels/rows.h"
#include <math.h>

enum {
  CHUNK = 32768,    /* elements a chunk of rows aims at: about 10 us */
  LONG_ROW = 65536, /* longer rows are cut */
  BLOCK = 16384
};

struct softmax_rows {
  struct mxi_softmax job;
  int64_t count, chunk;                 /* rows in all, and in a chunk */
  int64_t blocks;                       /* of a long row */
  struct mxi_softmax_partial *partials; /* (count, blocks) */
  _Atomic int out_of_memory;
};

static int64_t rows_in_chunk(int64_t n) { return n >= CHUNK ? 1 : CHUNK / n; }

static int64_t rows_of_chunk(const struct softmax_rows *r, int64_t chunk) {
  return mxi_min(r->chunk, r->count - chunk * r->chunk);
}

static void softmax_chunk(void *ctx, int64_t i) {
  struct softmax_rows *r = ctx;
  float *row = mxi_scratch((size_t)r->job.n * sizeof(float));
  if (!row)
    r->out_of_memory = 1;
  else
    MXI_DISPATCH(mxi_softmax_rows)(&r->job, i * r->chunk, rows_of_chunk(r, i), row);
}

static void logsumexp_chunk(void *ctx, int64_t i) {
  struct softmax_rows *r = ctx;
  MXI_DISPATCH(mxi_logsumexp_rows)(&r->job, i * r->chunk, rows_of_chunk(r, i));
}

static int64_t block_start(const struct softmax_rows *r, int64_t i) {
  return (i / r->blocks) * r->job.n + (i % r->blocks) * BLOCK;
}
static int64_t block_length(const struct softmax_rows *r, int64_t i) {
  return mxi_min(BLOCK, r->job.n - (i % r->blocks) * BLOCK);
}

static void partial_block(void *ctx, int64_t i) {
  struct softmax_rows *r = ctx;
  const char *x = (const char *)r->job.x + block_start(r, i) * (int64_t)mx_dtype_size(r->job.dtype);
  r->partials[i] = MXI_DISPATCH(mxi_softmax_block)(r->job.dtype, x, block_length(r, i));
}

/* After partial_block: each block's partial holds its row's maximum and the inverse of its row's sum. */
static void scale_block(void *ctx, int64_t i) {
  struct softmax_rows *r = ctx;
  int64_t offset = block_start(r, i) * (int64_t)mx_dtype_size(r->job.dtype);
  struct mxi_softmax_partial p = r->partials[i];
  MXI_DISPATCH(mxi_softmax_scale)
  (r->job.dtype, (const char *)r->job.x + offset, (char *)r->job.out + offset, block_length(r, i), p.max,
   p.sum);
}

static struct mxi_softmax_partial combine_partials(const struct mxi_softmax_partial *p, int64_t blocks) {
  float max = -INFINITY;
  double sum = 0;
  for (int64_t i = 0; i < blocks; i++) max = p[i].max > max ? p[i].max : max;
  float shift = isinf(max) ? 0 : max;
  for (int64_t i = 0; i < blocks; i++) {
    float scale = max == INFINITY ? 1 : expf((isinf(p[i].max) ? 0 : p[i].max) - shift);
    if (p[i].sum != 0) sum += (double)p[i].sum * (double)scale;
  }
  return (struct mxi_softmax_partial){max, (float)sum};
}

static int reduce_blocks(struct softmax_rows *r) {
  r->blocks = mxi_ceil_div(r->job.n, BLOCK);
  r->partials = mxi_malloc((size_t)(r->count * r->blocks) * sizeof *r->partials);
  if (!r->partials) return -1;
  return mxi_parallel_for(r->count * r->blocks, partial_block, r);
}

static int softmax_long(struct softmax_rows *r) {
  MXI_TRY(reduce_blocks(r));
  for (int64_t i = 0; i < r->count; i++) {
    struct mxi_softmax_partial *p = r->partials + i * r->blocks, whole = combine_partials(p, r->blocks);
    float inverse = isinf(whole.max) ? NAN : 1 / whole.sum;
    for (int64_t j = 0; j < r->blocks; j++) p[j] = (struct mxi_softmax_partial){whole.max, inverse};
  }
  return mxi_parallel_for(r->count * r->blocks, scale_block, r);
}

static int logsumexp_long(struct softmax_rows *r) {
  MXI_TRY(reduce_blocks(r));
  for (int64_t i = 0; i < r->count; i++) {
    struct mxi_softmax_partial whole = combine_partials(r->partials + i * r->blocks, r->blocks);
    float y = (float)((double)whole.max + log((double)whole.sum));
    if (whole.max == -INFINITY && whole.sum == 0) y = -INFINITY;
    mxi_scalar_store((char *)r->job.out + i * (int64_t)mx_dtype_size(r->job.dtype), r->job.dtype, (double)y,
                     0);
  }
  return 0;
}

/* x is row-major; out is x's memory or fresh. */
static struct softmax_rows rows_of(mx_array x, void *out, int64_t n) {
  return (struct softmax_rows){.job = {.dtype = (mx_dtype)x->dtype, .x = x->data, .out = out, .n = n},
                               .count = x->size / n,
                               .chunk = rows_in_chunk(n)};
}

static bool is_long(const struct softmax_rows *r) {
  return r->job.n > LONG_ROW && r->job.dtype != MX_FLOAT64;
}

static int run_softmax(struct softmax_rows *r) {
  if (is_long(r)) {
    int status = softmax_long(r);
    mxi_free(r->partials);
    return status;
  }
  MXI_TRY(mxi_parallel_for(mxi_ceil_div(r->count, r->chunk), softmax_chunk, r));
  return r->out_of_memory ? mxi_fail_memory((size_t)r->job.n * sizeof(float)) : 0;
}

static int run_logsumexp(struct softmax_rows *r) {
  if (is_long(r)) {
    int status = logsumexp_long(r);
    mxi_free(r->partials);
    return status;
  }
  return mxi_parallel_for(mxi_ceil_div(r->count, r->chunk), logsumexp_chunk, r);
}

int mxi_cpu_SOFTMAX(struct mxi_call *c) {
  mx_array out = c->out[0];
  mx_array x = mxi_row_major(c->in[0]);
  if (!x) return mxi_untouched(c);
  int status = 0;
  if (out->size > 0) {
    struct softmax_rows r = rows_of(x, out->data, mxi_shape(x)[x->ndim - 1]);
    status = run_softmax(&r);
  }
  mxi_unref(x);
  return status;
}

/* An empty last axis sums to zero, whose logarithm is -inf. */
static int fill_minus_infinity(mx_array out) {
  size_t bytes = mxi_itemsize(out);
  for (int64_t i = 0; i < out->size; i++)
    mxi_scalar_store((char *)out->data + i * (int64_t)bytes, (mx_dtype)out->dtype, -INFINITY, 0);
  return 0;
}

int mxi_cpu_LOGSUMEXP(struct mxi_call *c) {
  mx_array out = c->out[0];
  if (out->size == 0) return 0;
  if (c->in[0]->size == 0) return fill_minus_infinity(out);
  mx_array x = mxi_row_major(c->in[0]);
  if (!x) return -1;
  struct softmax_rows r = rows_of(x, out->data, mxi_shape(x)[x->ndim - 1]);
  int status = run_logsumexp(&r);
  mxi_unref(x);
  return status;
}
