/* argmin and argmax. Runs along the axis are searched tile by tile, long ones block by block on the pool;
   where another axis is the contiguous one, rows of candidates are kept instead. */
#include "cpu/cpu.h"
#include "cpu/locals.h"
#include "cpu/reduce_plan.h"
#include <string.h>

enum { TILE = MXI_REDUCE_TILE, BLOCK = MXI_REDUCE_BLOCK, CHUNK = 32768 };

struct extreme_search {
  struct mxi_reduce_kind r;
  struct mxi_region kept; /* operand 0: input, 1: output */
  int64_t length, step;   /* of the axis: elements, stride */
  int64_t blocks, batch;
  int64_t width, tiles, out_step; /* of the contiguous kept axis, where columns are searched */
  const char *in;
  uint32_t *out;
  struct mxi_extreme *found; /* (kept, blocks), where blocks > 1 */
};

static struct mxi_extreme search_block(const struct extreme_search *x, const struct mxi_region_iter *it,
                                       int64_t b) {
  MXI_LOCAL(double, scratch, TILE);
  struct mxi_extreme e = {.index = -1};
  int64_t end = mxi_min(x->length, (b + 1) * BLOCK), size = (int64_t)mx_dtype_size(x->r.from);
  for (int64_t at = b * BLOCK; at < end; at += TILE) {
    int64_t n = mxi_min(TILE, end - at);
    const char *in = x->in + (it->offset[0] + at * x->step) * size;
    const void *tile = MXI_DISPATCH(mxi_reduce_load)(&x->r, in, x->step, n, scratch);
    MXI_DISPATCH(mxi_extreme_tile)(&x->r, &e, tile, n, at);
  }
  return e;
}

static void search_runs_chunk(void *ctx, int64_t i) {
  const struct extreme_search *x = ctx;
  int64_t first = i * x->batch, end = mxi_min(x->kept.size, first + x->batch);
  struct mxi_region_iter it;
  mxi_region_iter_init(&it, &x->kept, first);
  for (int64_t k = first; k < end; k++) {
    x->out[it.offset[1]] = (uint32_t)search_block(x, &it, 0).index;
    mxi_region_iter_advance(&it, &x->kept, 1);
  }
}

static void search_block_chunk(void *ctx, int64_t i) {
  const struct extreme_search *x = ctx;
  struct mxi_region_iter it;
  mxi_region_iter_init(&it, &x->kept, i / x->blocks);
  x->found[i] = search_block(x, &it, i % x->blocks);
}

static int search_long_runs(struct extreme_search *x) {
  x->found = mxi_malloc((size_t)(x->kept.size * x->blocks) * sizeof *x->found);
  if (!x->found) return -1;
  int result = mxi_parallel_for(x->kept.size * x->blocks, search_block_chunk, x);
  for (int64_t i = 0; i < x->kept.size && result == 0; i++) {
    struct mxi_extreme e = x->found[i * x->blocks];
    for (int64_t b = 1; b < x->blocks; b++)
      MXI_DISPATCH(mxi_extreme_combine)(&x->r, &e, &x->found[i * x->blocks + b]);
    struct mxi_region_iter it;
    mxi_region_iter_init(&it, &x->kept, i);
    x->out[it.offset[1]] = (uint32_t)e.index;
  }
  mxi_free(x->found);
  return result;
}

static void search_columns_chunk(void *ctx, int64_t i) {
  const struct extreme_search *x = ctx;
  int64_t first = i % x->tiles * TILE, n = mxi_min(TILE, x->width - first),
          size = (int64_t)mx_dtype_size(x->r.from);
  MXI_LOCAL(double, values, TILE);
  MXI_LOCAL(double, scratch, TILE);
  MXI_LOCAL(uint32_t, indices, TILE);
  memset(indices, 0, TILE * sizeof *indices);
  struct mxi_region_iter it;
  mxi_region_iter_init(&it, &x->kept, i / x->tiles);
  for (int64_t k = 0; k < x->length; k++) {
    const char *in = x->in + (it.offset[0] + first + k * x->step) * size;
    const void *tile = MXI_DISPATCH(mxi_reduce_load)(&x->r, in, 1, n, scratch);
    if (k == 0)
      memcpy(values, tile, (size_t)n * mx_dtype_size(x->r.acc));
    else
      MXI_DISPATCH(mxi_extreme_columns)(&x->r, values, indices, tile, n, (uint32_t)k);
  }
  for (int64_t j = 0; j < n; j++) x->out[it.offset[1] + (first + j) * x->out_step] = indices[j];
}

int mxi_cpu_ARG_REDUCE(struct mxi_call *c) {
  const struct mxi_p_ARG_REDUCE *p = MXI_CALL_PARAMS(ARG_REDUCE, c);
  mx_array in = c->in[0], out = c->out[0];
  if (!out->size) return 0;
  enum mxi_reduce_op op = p->op == MXI_ARG_MAX ? MXI_REDUCE_MAX : MXI_REDUCE_MIN;
  struct extreme_search x = {.r = mxi_reduce_kind_of(op, (mx_dtype)in->dtype, (mx_dtype)in->dtype)};
  struct mxi_region reduced;
  mxi_split_axes(in, out, (mx_ints){&p->axis, 1}, &x.kept, &reduced);
  mxi_region_merge(&x.kept);
  x.length = reduced.size;
  x.step = reduced.ndim ? reduced.strides[0][0] : 0;
  x.in = in->data;
  x.out = out->data;
  int wide = mxi_contiguous_axis(&x.kept);
  if (wide >= 0 && x.step != 1) {
    x.width = x.kept.shape[wide];
    x.out_step = x.kept.strides[1][wide];
    x.tiles = mxi_ceil_div(x.width, TILE);
    mxi_region_drop(&x.kept, wide);
    return mxi_parallel_for(x.kept.size * x.tiles, search_columns_chunk, &x);
  }
  x.blocks = mxi_ceil_div(x.length, BLOCK);
  if (x.blocks > 1) return search_long_runs(&x);
  x.batch = mxi_max(1, CHUNK / x.length);
  return mxi_parallel_for(mxi_ceil_div(x.kept.size, x.batch), search_runs_chunk, &x);
}
