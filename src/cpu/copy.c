/* Strided copies and updates. The region is sorted so that the destination is written in order, and cut into
   panels of two dims: the destination's innermost, and the one along which the source is contiguous (a
   transpose) or else the next. Panels go to the pool. */
#include "cpu/copy.h"
#include "cpu/cpu.h"
#include "cpu/kernels/copy.h"
#include "core/region.h"
#include "cpu/stream_bytes.h"

enum {
  PANEL_COLUMNS = 8192, /* of a panel whose rows are copied one after the other */
  PANEL_ELEMENTS = 32768,
  TRANSPOSE_ROWS =
      128, /* of a transposing panel: long enough for whole cache lines and pages on both sides */
  TRANSPOSE_COLUMNS = 256,
  SERIAL_ELEMENTS = 32768, /* work below this runs on the caller */
};

enum { COPY = -1 }; /* a mode beside those of mxi_update_mode */

struct strided_copy {
  int mode;
  mx_dtype to, from;
  char *dst;
  const char *src;
  int64_t to_bytes, from_bytes;
  int stream;
  struct mxi_region outer; /* the region without the panel's two dims */
  int64_t rows, columns, tile_rows, tile_columns;
  struct mxi_panel panel; /* strides; rows and columns are set for each tile */
  int64_t tiles_down, tiles_across;
};

/* Takes dim i out of the outer region: its length, with the strides. */
static int64_t take_dim(struct mxi_region *r, int i, int64_t *dst_stride, int64_t *src_stride) {
  int64_t n = r->shape[i];
  *dst_stride = r->strides[0][i];
  *src_stride = r->strides[1][i];
  mxi_region_drop(r, i);
  return n;
}

/* The outer dim that makes the panel: where the source is contiguous if it isn't along the columns, else the
 * last. */
static int row_dim(const struct mxi_region *r, int64_t src_column) {
  if (src_column != 1)
    for (int i = 0; i < r->ndim; i++)
      if (r->strides[1][i] == 1) return i;
  return r->ndim - 1;
}

static void plan_panels(struct strided_copy *j) {
  struct mxi_panel *p = &j->panel;
  j->rows = j->columns = 1;
  if (j->outer.ndim) j->columns = take_dim(&j->outer, j->outer.ndim - 1, &p->dst_column, &p->src_column);
  if (j->outer.ndim)
    j->rows = take_dim(&j->outer, row_dim(&j->outer, p->src_column), &p->dst_row, &p->src_row);
  if (p->src_row == 1 && p->src_column != 1 && j->rows > 1) {
    j->tile_rows = TRANSPOSE_ROWS;
    j->tile_columns = TRANSPOSE_COLUMNS;
  } else {
    j->tile_columns = mxi_min(j->columns, PANEL_COLUMNS);
    j->tile_rows = mxi_max(1, PANEL_ELEMENTS / j->tile_columns);
  }
  j->tiles_across = mxi_ceil_div(j->columns, j->tile_columns);
  j->tiles_down = mxi_ceil_div(j->rows, j->tile_rows);
}

static void run_panel(const struct strided_copy *j, const struct mxi_panel *p, char *dst, const char *src) {
  if (j->mode != COPY)
    for (int64_t i = 0; i < p->rows; i++) MXI_DISPATCH(mxi_update_run)
  (j->to, j->mode, p->columns, dst + i * p->dst_row * j->to_bytes, p->dst_column,
   src + i * p->src_row * j->to_bytes, p->src_column);
  else if (j->to == j->from) MXI_DISPATCH(mxi_copy_panel)((int)j->to_bytes, p, dst, src, j->stream);
  else MXI_DISPATCH(mxi_cast_panel)(j->to, j->from, p, dst, src);
}

static void run_tile(void *ctx, int64_t i) {
  const struct strided_copy *j = ctx;
  int64_t column = i % j->tiles_across * j->tile_columns;
  int64_t row = i / j->tiles_across % j->tiles_down * j->tile_rows;
  struct mxi_region_iter it;
  mxi_region_iter_init(&it, &j->outer, i / j->tiles_across / j->tiles_down);
  struct mxi_panel p = j->panel;
  p.rows = mxi_min(j->tile_rows, j->rows - row);
  p.columns = mxi_min(j->tile_columns, j->columns - column);
  run_panel(j, &p, j->dst + (it.offset[0] + row * p.dst_row + column * p.dst_column) * j->to_bytes,
            j->src + (it.offset[1] + row * p.src_row + column * p.src_column) * j->from_bytes);
}

/* Small panels in great number: several to a chunk of the pool. */
struct copy_batches {
  struct strided_copy *job;
  int64_t tiles, batch;
};
static void run_batch(void *ctx, int64_t i) {
  const struct copy_batches *b = ctx;
  int64_t end = mxi_min(b->tiles, (i + 1) * b->batch);
  for (int64_t k = i * b->batch; k < end; k++) run_tile(b->job, k);
}

static int run_copy(int mode, int ndim, const int64_t *shape, struct mxi_strided dst,
                    struct mxi_strided src) {
  struct strided_copy j = {
      .mode = mode, .to = dst.dtype, .from = src.dtype, .dst = dst.data, .src = src.data};
  j.to_bytes = (int64_t)mx_dtype_size(dst.dtype);
  j.from_bytes = (int64_t)mx_dtype_size(src.dtype);
  const int64_t *strides[2] = {dst.strides, src.strides};
  mxi_region_init(&j.outer, ndim, shape, 2, strides);
  int64_t size = j.outer.size;
  if (!size) return 0;
  mxi_region_sort(&j.outer);
  j.stream = mode == COPY && size * j.to_bytes >= MXI_STREAM_BYTES;
  plan_panels(&j);
  struct copy_batches b = {.job = &j, .tiles = j.outer.size * j.tiles_down * j.tiles_across};
  int64_t panel = mxi_min(j.rows, j.tile_rows) * mxi_min(j.columns, j.tile_columns);
  b.batch = size <= SERIAL_ELEMENTS ? b.tiles : mxi_max(1, PANEL_ELEMENTS / panel);
  return mxi_parallel_for(mxi_ceil_div(b.tiles, b.batch), run_batch, &b);
}

int mxi_copy_strided(int ndim, const int64_t *shape, struct mxi_strided dst, struct mxi_strided src) {
  return run_copy(COPY, ndim, shape, dst, src);
}

int mxi_update_strided(int mode, int ndim, const int64_t *shape, struct mxi_strided dst,
                       struct mxi_strided src) {
  return run_copy(mode == MXI_UPDATE_SET ? COPY : mode, ndim, shape, dst, src);
}

int mxi_copy_into(mx_array dst, mx_array src) {
  return mxi_copy_strided(dst->ndim, mxi_shape(dst), mxi_strided_of(dst), mxi_strided_of(src));
}

mx_array mxi_row_major(mx_array a) {
  if (mxi_row_contiguous(a)) return mxi_ref(a);
  mx_array b = mxi_array_alloc((mx_dtype)a->dtype, mxi_shape_of(a));
  if (b && mxi_copy_into(b, a) < 0) {
    mxi_unref(b);
    return NULL;
  }
  return b;
}

int mxi_start_from_input(struct mxi_call *c) {
  return c->out[0]->data == c->in[0]->data ? 0 : mxi_copy_into(c->out[0], c->in[0]);
}
