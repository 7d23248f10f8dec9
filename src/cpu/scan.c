/* Cumulative operations along an axis.

   Lines: each line along the axis is scanned tile by tile. A line longer than a block is scanned twice: once
   for the totals of its blocks, once more, each block starting from what came before it: out = before op
   (scan of the block). Columns: where another axis is contiguous, rows of running values walk along the axis.
 */
#include "cpu/cpu.h"
#include "cpu/kernels/scan.h"
#include "cpu/locals.h"
#include "cpu/reduce_plan.h"
#include "cpu/stream_bytes.h"
#include <string.h>

enum {
  TILE = MXI_REDUCE_TILE,
  BLOCK = MXI_REDUCE_BLOCK,
  COLUMNS = 512,    /* of a chunk of columns */
  FEW_COLUMNS = 16, /* fewer than this are scanned as lines */
  CHUNK = 32768,    /* elements of a chunk of lines */
};

struct scan {
  struct mxi_reduce_kind r;
  bool exclusive, stream;            /* stream: the result is too large for the caches */
  struct mxi_region lines;           /* the other axes; operand 0: input, 1: output */
  int64_t length, in_step, out_step; /* of the axis, in the direction of the scan */
  const char *in;
  char *out;
  int64_t blocks, batch;
  char *totals; /* (lines, blocks) accumulators: block b's becomes what came before it */
  int64_t width, tiles, in_column, out_column; /* of the contiguous other axis */
};

static const char *in_at(const struct scan *x, const struct mxi_region_iter *line, int64_t at) {
  return x->in + (line->offset[0] + at * x->in_step) * (int64_t)mx_dtype_size(x->r.from);
}
static char *out_at(const struct scan *x, const struct mxi_region_iter *line, int64_t at) {
  return x->out + (line->offset[1] + at * x->out_step) * (int64_t)mx_dtype_size(x->r.to);
}

/* Scans block b of a line; `before`, unless NULL, is what came before it. `out` false: only the total is
   wanted. Sums that are stored as they are go straight to the output. */
static void scan_block(const struct scan *x, const struct mxi_region_iter *line, int64_t b,
                       const void *before, bool out, uint64_t *total) {
  MXI_LOCAL(uint64_t, space, TILE + 1); /* the element before the tile, then the tile */
  MXI_LOCAL(uint64_t, scratch, TILE);
  uint64_t start;
  int64_t size = mxi_acc_size(&x->r), end = mxi_min(x->length, (b + 1) * BLOCK);
  char *tile = (char *)(space + 1), *previous = tile - size;
  bool straight = out && !x->exclusive && x->out_step == 1 && x->r.to == x->r.acc;
  MXI_DISPATCH(mxi_scan_identity)(&x->r, &start, 1);
  memcpy(total, &start, sizeof start);
  memcpy(previous, before ? before : &start, (size_t)size);
  int64_t step = straight && x->r.from == x->r.acc && x->in_step == 1 ? BLOCK : TILE;
  for (int64_t at = b * BLOCK; at < end; at += step) {
    int64_t n = mxi_min(step, end - at);
    const void *src = MXI_DISPATCH(mxi_reduce_load)(&x->r, in_at(x, line, at), x->in_step, n, scratch);
    char *dst = straight ? out_at(x, line, at) : tile;
    MXI_DISPATCH(mxi_scan_tile)(&x->r, dst, src, n, total, before, straight && x->stream);
    if (!out || straight) continue;
    MXI_DISPATCH(mxi_reduce_store)
    (&x->r, x->exclusive ? previous : tile, n, out_at(x, line, at), x->out_step);
    memcpy(previous, tile + (n - 1) * size, (size_t)size);
  }
}

static void scan_lines_chunk(void *ctx, int64_t i) {
  const struct scan *x = ctx;
  int64_t first = i * x->batch, end = mxi_min(x->lines.size, first + x->batch);
  struct mxi_region_iter line;
  uint64_t total;
  mxi_region_iter_init(&line, &x->lines, first);
  for (int64_t k = first; k < end; k++) {
    scan_block(x, &line, 0, NULL, true, &total);
    mxi_region_iter_advance(&line, &x->lines, 1);
  }
}

static void scan_total_chunk(void *ctx, int64_t i) {
  const struct scan *x = ctx;
  struct mxi_region_iter line;
  uint64_t total;
  mxi_region_iter_init(&line, &x->lines, i / x->blocks);
  scan_block(x, &line, i % x->blocks, NULL, false, &total);
  memcpy(x->totals + i * mxi_acc_size(&x->r), &total, (size_t)mxi_acc_size(&x->r));
}

static void scan_block_chunk(void *ctx, int64_t i) {
  const struct scan *x = ctx;
  struct mxi_region_iter line;
  uint64_t total;
  mxi_region_iter_init(&line, &x->lines, i / x->blocks);
  scan_block(x, &line, i % x->blocks, i % x->blocks ? x->totals + i * mxi_acc_size(&x->r) : NULL, true,
             &total);
}

/* Turns the totals of a line's blocks into what came before each. */
static void carry_totals(const struct scan *x, char *totals) {
  uint64_t before, total;
  size_t size = (size_t)mxi_acc_size(&x->r);
  memcpy(&before, totals, size);
  for (int64_t b = 1; b < x->blocks; b++) {
    memcpy(&total, totals + b * (int64_t)size, size);
    memcpy(totals + b * (int64_t)size, &before, size);
    MXI_DISPATCH(mxi_scan_combine)(&x->r, &total, &before, 1, 1);
    before = total;
  }
}

static int scan_long_lines(struct scan *x) {
  int64_t units = x->lines.size * x->blocks;
  x->totals = mxi_malloc_aligned((size_t)(units * mxi_acc_size(&x->r)));
  if (!x->totals) return -1;
  int result = mxi_parallel_for(units, scan_total_chunk, x);
  if (result == 0) {
    for (int64_t i = 0; i < x->lines.size; i++)
      carry_totals(x, x->totals + i * x->blocks * mxi_acc_size(&x->r));
    result = mxi_parallel_for(units, scan_block_chunk, x);
  }
  mxi_free(x->totals);
  return result;
}

static int scan_lines(struct scan *x) {
  x->blocks = mxi_ceil_div(x->length, BLOCK);
  if (x->blocks > 1) return scan_long_lines(x);
  x->batch = mxi_max(1, CHUNK / x->length);
  return mxi_parallel_for(mxi_ceil_div(x->lines.size, x->batch), scan_lines_chunk, x);
}

static void scan_columns_chunk(void *ctx, int64_t i) {
  const struct scan *x = ctx;
  typedef uint64_t columns[COLUMNS];
  MXI_LOCAL(columns, running, 2);
  int64_t first = i % x->tiles * COLUMNS, n = mxi_min(COLUMNS, x->width - first);
  int64_t from_size = (int64_t)mx_dtype_size(x->r.from), to_size = (int64_t)mx_dtype_size(x->r.to);
  struct mxi_region_iter it;
  mxi_region_iter_init(&it, &x->lines, i / x->tiles);
  const char *in = x->in + (it.offset[0] + first * x->in_column) * from_size;
  char *out = x->out + (it.offset[1] + first * x->out_column) * to_size;
  MXI_DISPATCH(mxi_scan_identity)(&x->r, running[0], n);
  for (int64_t k = 0; k < x->length; k++, in += x->in_step * from_size, out += x->out_step * to_size) {
    uint64_t *before = running[k % 2], *after = running[(k + 1) % 2];
    const void *row = MXI_DISPATCH(mxi_reduce_load)(&x->r, in, x->in_column, n, after);
    if (row != after) memcpy(after, row, (size_t)(n * mxi_acc_size(&x->r)));
    MXI_DISPATCH(mxi_scan_combine)(&x->r, after, before, 1, n);
    MXI_DISPATCH(mxi_reduce_store)(&x->r, x->exclusive ? before : after, n, out, x->out_column);
  }
}

int mxi_cpu_SCAN(struct mxi_call *c) {
  const struct mxi_p_SCAN *p = MXI_CALL_PARAMS(SCAN, c);
  mx_array in = c->in[0], out = c->out[0];
  if (!out->size) return 0;
  bool is_logaddexp = p->op == MXI_SCAN_LOGADDEXP;
  struct scan x = {.exclusive = !p->inclusive,
                   .stream = out->size * (int64_t)mxi_itemsize(out) >= MXI_STREAM_BYTES};
  x.r = mxi_reduce_kind_of(is_logaddexp ? MXI_REDUCE_SUM : (enum mxi_reduce_op)p->op, (mx_dtype)in->dtype,
                           (mx_dtype)out->dtype);
  x.r.op = (int)p->op;
  struct mxi_region axis;
  mxi_split_axes(in, out, (mx_ints){&p->axis, 1}, &x.lines, &axis);
  mxi_region_merge(&x.lines);
  x.length = mxi_shape(in)[p->axis];
  x.in_step = mxi_strides(in)[p->axis];
  x.out_step = mxi_strides(out)[p->axis];
  x.in = in->data;
  x.out = out->data;
  if (p->reverse) {
    x.in += (x.length - 1) * x.in_step * (int64_t)mxi_itemsize(in);
    x.out += (x.length - 1) * x.out_step * (int64_t)mxi_itemsize(out);
    x.in_step = -x.in_step;
    x.out_step = -x.out_step;
  }
  int last = x.lines.ndim - 1;
  bool inner = last >= 0 && x.lines.strides[1][last] == 1 && x.lines.shape[last] >= FEW_COLUMNS;
  if (!inner || (x.length > BLOCK && x.lines.size < 4 * COLUMNS)) return scan_lines(&x);
  x.width = x.lines.shape[last];
  x.in_column = x.lines.strides[0][last];
  x.out_column = 1;
  x.tiles = mxi_ceil_div(x.width, COLUMNS);
  mxi_region_drop(&x.lines, last);
  return mxi_parallel_for(x.lines.size * x.tiles, scan_columns_chunk, &x);
}
