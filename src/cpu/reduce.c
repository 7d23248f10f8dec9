/* Reductions over any axes of any layout.

   The kept axes and the reduced axes make two regions. The reduced region is sorted by the input's strides,
   so that memory is read in order; its elements, in that order, form the run that each output reduces. A run
   is cut into blocks of MXI_REDUCE_BLOCK elements, whose values are combined pairwise: the result depends on
   shape, axes and layout alone. When the kept axes hold the contiguous one, whole rows of outputs meet rows
   of input instead (columns). */
#include "cpu/reduce.h"
#include "cpu/copy.h"
#include "cpu/cpu.h"
#include "cpu/kernels/copy.h"
#include "cpu/kernels/reduce.h"
#include "cpu/locals.h"
#include "cpu/reduce_plan.h"
#include "core/region.h"
#include <string.h>

enum {
  TILE = MXI_REDUCE_TILE,
  BLOCK = MXI_REDUCE_BLOCK,
  CHUNK = 32768, /* elements of a chunk of the pool, about */
  LONG_CHUNK =
      16 * BLOCK, /* of one over contiguous runs: memory is read at its full speed in long stretches */
  CHUNKS_A_THREAD = 8,
  COLUMN_ROWS = 256, /* rows of a block in a column reduction */
  NARROW = 8         /* columns fewer than this are reduced one by one */
};

struct mxi_reduce_kind mxi_reduce_kind_of(enum mxi_reduce_op op, mx_dtype from, mx_dtype to) {
  struct mxi_reduce_kind r = {.op = op, .acc = from, .from = from, .to = to};
  if (op == MXI_REDUCE_AND || op == MXI_REDUCE_OR) {
    r.op = op == MXI_REDUCE_AND ? MXI_REDUCE_MIN : MXI_REDUCE_MAX;
    r.acc = MX_BOOL;
  } else if (op == MXI_REDUCE_SUM || op == MXI_REDUCE_PROD) {
    r.acc = to;
    if (to < MX_FLOAT16 && to != MX_BOOL)
      r.acc = mx_dtype_size(to) == 8 ? MX_UINT64 : MX_UINT32;
    else if (to == MX_BOOL)
      r.acc = MX_UINT32;
  }
  if (mxi_is_half(r.acc)) r.acc = MX_FLOAT32;
  return r;
}

/* ---- Runs: each output reduces a run of elements ---- */
struct reduced_runs {
  struct mxi_reduce_kind r;
  int64_t count, length; /* runs, elements of a run */
  int64_t blocks;        /* of a run */
  char *values;          /* (count, blocks) accumulators, where blocks > 1 */
  char *out;
  int64_t batch;                   /* runs, or blocks of longer runs, in a chunk of the pool */
  struct mxi_region kept, reduced; /* operand 0: the input */
  const char *in;
  const struct mxi_tile_job *job; /* or the input is a program */
};

/* Elements [begin, begin + n) of a run that starts at `in`, as accumulators; n <= TILE. */
static const void *tile_of_memory(const struct reduced_runs *x, const char *in, int64_t begin, int64_t n,
                                  void *scratch) {
  struct mxi_region_iter it;
  mxi_region_iter_init(&it, &x->reduced, begin);
  int last = x->reduced.ndim - 1;
  int64_t step = last < 0 ? 0 : x->reduced.strides[0][last], from_size = (int64_t)mx_dtype_size(x->r.from);
  if (mxi_region_iter_run(&it, &x->reduced) >= n)
    return MXI_DISPATCH(mxi_reduce_load)(&x->r, in + it.offset[0] * from_size, step, n, scratch);
  for (int64_t done = 0; done < n;) {
    int64_t run = mxi_min(n - done, mxi_region_iter_run(&it, &x->reduced));
    char *to = (char *)scratch + done * mxi_acc_size(&x->r);
    const void *got = MXI_DISPATCH(mxi_reduce_load)(&x->r, in + it.offset[0] * from_size, step, run, to);
    if (got != to) memcpy(to, got, (size_t)(run * mxi_acc_size(&x->r)));
    done += run;
    mxi_region_iter_advance(&it, &x->reduced, run);
  }
  return scratch;
}

static const void *tile_of_program(const struct reduced_runs *x, int64_t begin, int64_t n, void *registers,
                                   void *scratch) {
  const void *tile = MXI_DISPATCH(mxi_tiles_get)(x->job, begin, n, registers);
  return MXI_DISPATCH(mxi_reduce_load)(&x->r, tile, 1, n, scratch);
}

/* The value of block b of run i. */
static void reduce_block(const struct reduced_runs *x, int64_t i, int64_t b, void *value) {
  MXI_LOCAL(double, scratch, TILE);
  MXI_LOCAL(char, registers, MXI_TILE_GET_SCRATCH);
  mxi_reduce_state s;
  const char *in = NULL;
  if (!x->job) {
    struct mxi_region_iter it;
    mxi_region_iter_init(&it, &x->kept, i);
    in = x->in + it.offset[0] * (int64_t)mx_dtype_size(x->r.from);
  }
  MXI_DISPATCH(mxi_reduce_begin)(&x->r, &s);
  for (int64_t at = b * BLOCK, end = mxi_min(x->length, at + BLOCK); at < end; at += TILE) {
    int64_t n = mxi_min(TILE, end - at);
    const void *tile = x->job ? tile_of_program(x, i * x->length + at, n, registers, scratch)
                              : tile_of_memory(x, in, at, n, scratch);
    MXI_DISPATCH(mxi_reduce_tile)(&x->r, &s, tile, n);
  }
  MXI_DISPATCH(mxi_reduce_finish)(&x->r, &s, value);
}

static void store_values(const struct reduced_runs *x, const void *values, int64_t first, int64_t n) {
  MXI_DISPATCH(mxi_reduce_store)(&x->r, values, n, x->out + first * (int64_t)mx_dtype_size(x->r.to), 1);
}

/* Runs [first, first + n), each contiguous and at most a block long. */
static void contiguous_runs(const struct reduced_runs *x, int64_t first, int64_t n, char *values) {
  struct mxi_region_iter it;
  mxi_region_iter_init(&it, &x->kept, first);
  int last = x->kept.ndim - 1;
  for (int64_t done = 0; done < n;) {
    int64_t run = mxi_min(n - done, mxi_region_iter_run(&it, &x->kept));
    const char *in = x->in + (it.offset[0] + x->reduced.offset[0]) * (int64_t)mx_dtype_size(x->r.from);
    MXI_DISPATCH(mxi_reduce_rows)
    (&x->r, in, last < 0 ? 0 : x->kept.strides[0][last], x->length, run, values + done * mxi_acc_size(&x->r));
    done += run;
    mxi_region_iter_advance(&it, &x->kept, run);
  }
}

/* Runs too short for lanes: whole ones side by side in a tile. */
static void short_runs(const struct reduced_runs *x, int64_t first, int64_t n, char *values) {
  MXI_LOCAL(double, scratch, TILE);
  MXI_LOCAL(char, registers, MXI_TILE_GET_SCRATCH);
  struct mxi_reduce_kind r = x->r;
  r.from = r.acc;
  int64_t side_by_side = TILE / x->length;
  for (int64_t i = 0; i < n; i += side_by_side) {
    int64_t count = mxi_min(side_by_side, n - i);
    const void *tile = scratch;
    if (x->job)
      tile = tile_of_program(x, (first + i) * x->length, count * x->length, registers, scratch);
    else
      for (int64_t k = 0; k < count; k++) {
        struct mxi_region_iter it;
        mxi_region_iter_init(&it, &x->kept, first + i + k);
        char *to = (char *)scratch + k * x->length * mxi_acc_size(&r);
        const void *got =
            tile_of_memory(x, x->in + it.offset[0] * (int64_t)mx_dtype_size(x->r.from), 0, x->length, to);
        if (got != to) memcpy(to, got, (size_t)(x->length * mxi_acc_size(&r)));
      }
    MXI_DISPATCH(mxi_reduce_rows)(&r, tile, x->length, x->length, count, values + i * mxi_acc_size(&r));
  }
}

static bool contiguous(const struct reduced_runs *x) {
  return !x->job && x->reduced.ndim == 1 && x->reduced.strides[0][0] == 1;
}

static void reduce_runs_chunk(void *ctx, int64_t chunk) {
  const struct reduced_runs *x = ctx;
  MXI_LOCAL(double, values, TILE);
  int64_t end = mxi_min(x->count, (chunk + 1) * x->batch);
  for (int64_t first = chunk * x->batch; first < end; first += TILE) {
    int64_t n = mxi_min(TILE, end - first);
    if (contiguous(x))
      contiguous_runs(x, first, n, (char *)values);
    else if (x->length < MXI_REDUCE_SHORT)
      short_runs(x, first, n, (char *)values);
    else
      for (int64_t i = 0; i < n; i++) reduce_block(x, first + i, 0, (char *)values + i * mxi_acc_size(&x->r));
    store_values(x, values, first, n);
  }
}

/* The values of blocks [b, b + n) of run i, which is contiguous. */
static void contiguous_blocks(const struct reduced_runs *x, int64_t i, int64_t b, int64_t n, char *values) {
  struct mxi_region_iter it;
  mxi_region_iter_init(&it, &x->kept, i);
  const char *in =
      x->in + (it.offset[0] + x->reduced.offset[0] + b * BLOCK) * (int64_t)mx_dtype_size(x->r.from);
  int64_t elements = mxi_min(x->length - b * BLOCK, n * BLOCK), whole = elements / BLOCK;
  MXI_DISPATCH(mxi_reduce_rows)(&x->r, in, BLOCK, BLOCK, whole, values);
  if (whole < n) MXI_DISPATCH(mxi_reduce_rows)
  (&x->r, in + whole * BLOCK * (int64_t)mx_dtype_size(x->r.from), 0, elements % BLOCK, 1,
   values + whole * mxi_acc_size(&x->r));
}

static void reduce_blocks_chunk(void *ctx, int64_t chunk) {
  const struct reduced_runs *x = ctx;
  int64_t end = mxi_min(x->count * x->blocks, (chunk + 1) * x->batch);
  for (int64_t first = chunk * x->batch; first < end;) {
    int64_t i = first / x->blocks, b = first % x->blocks, n = mxi_min(end - first, x->blocks - b);
    char *values = x->values + first * mxi_acc_size(&x->r);
    if (contiguous(x))
      contiguous_blocks(x, i, b, n, values);
    else
      for (int64_t k = 0; k < n; k++) reduce_block(x, i, b + k, values + k * mxi_acc_size(&x->r));
    first += n;
  }
}

/* Elements of a chunk over runs. */
static int64_t chunk_elements(const struct reduced_runs *x) {
  int64_t share = x->count * x->length / (mxi_pool_size() * CHUNKS_A_THREAD);
  return contiguous(x) ? mxi_max(CHUNK, mxi_min(share, LONG_CHUNK)) : CHUNK;
}

static int reduce_long_runs(struct reduced_runs *x) {
  int64_t bytes, units = x->count * x->blocks;
  if (!mxi_mul(units, mxi_acc_size(&x->r), &bytes)) return mxi_fail_memory(SIZE_MAX);
  x->values = mxi_malloc_aligned((size_t)bytes);
  if (!x->values) return -1;
  x->batch = chunk_elements(x) / BLOCK;
  int result = mxi_parallel_for(mxi_ceil_div(units, x->batch), reduce_blocks_chunk, x);
  for (int64_t i = 0; i < x->count && result == 0; i++) {
    char *values = x->values + i * x->blocks * mxi_acc_size(&x->r);
    MXI_DISPATCH(mxi_reduce_pairs)(&x->r, values, x->blocks);
    store_values(x, values, i, 1);
  }
  mxi_free(x->values);
  return result;
}

static int reduce_runs(struct reduced_runs *x) {
  x->blocks = mxi_ceil_div(x->length, BLOCK);
  if (x->blocks > 1) return reduce_long_runs(x);
  x->batch = mxi_max(1, chunk_elements(x) / x->length);
  return mxi_parallel_for(mxi_ceil_div(x->count, x->batch), reduce_runs_chunk, x);
}

int mxi_cpu_reduce_program(const struct mxi_tile_job *job, enum mxi_reduce_op op, int64_t length,
                           mx_array out) {
  mx_dtype computed = (mx_dtype)job->program->output_type[0];
  struct reduced_runs x = {.job = job, .length = length, .count = job->size / length};
  x.r = mxi_reduce_kind_of(op, computed, (mx_dtype)out->dtype);
  if (mxi_is_half(computed)) x.r.from = MX_FLOAT32; /* register form */
  x.out = out->data;
  return x.count ? reduce_runs(&x) : 0;
}

/* ---- Columns: rows of input meet rows of outputs ---- */
struct reduced_columns {
  struct mxi_reduce_kind r;
  struct mxi_region outer,
      rows;             /* kept axes but one, reduced axes; operand 0: input, operand 1 of outer: output */
  int64_t width, tiles; /* of the kept contiguous axis, and TILEs in it */
  int64_t out_step;     /* its stride in the output */
  int64_t blocks;       /* of COLUMN_ROWS rows */
  const char *in;
  char *out;
  char *values;         /* (outer, blocks, width) accumulators, where blocks > 1 */
  int64_t units, batch; /* units are (outer, block, tile) or (outer, tile); batch of them a chunk */
};

/* Block b of columns [first, first + n): a value each. */
static void reduce_column_block(const struct reduced_columns *x, const char *in, int64_t b, int64_t n,
                                void *values) {
  int64_t begin = b * COLUMN_ROWS, end = mxi_min(x->rows.size, begin + COLUMN_ROWS);
  int last = x->rows.ndim - 1;
  struct mxi_region_iter it;
  mxi_region_iter_init(&it, &x->rows, begin);
  MXI_DISPATCH(mxi_reduce_identity)(&x->r, values, n);
  for (int64_t at = begin; at < end;) {
    int64_t run = mxi_min(end - at, mxi_region_iter_run(&it, &x->rows));
    MXI_DISPATCH(mxi_reduce_columns)
    (&x->r, in + it.offset[0] * (int64_t)mx_dtype_size(x->r.from), last < 0 ? 0 : x->rows.strides[0][last],
     run, n, values);
    at += run;
    mxi_region_iter_advance(&it, &x->rows, run);
  }
}

static void store_reduced_columns(const struct reduced_columns *x, const struct mxi_region_iter *it,
                                  int64_t first, int64_t n, const void *values) {
  int64_t to = it->offset[1] + first * x->out_step;
  MXI_DISPATCH(mxi_reduce_store)
  (&x->r, values, n, x->out + to * (int64_t)mx_dtype_size(x->r.to), x->out_step);
}

static char *block_values(const struct reduced_columns *x, int64_t outer, int64_t block, int64_t first) {
  return x->values + ((outer * x->blocks + block) * x->width + first) * mxi_acc_size(&x->r);
}

static void column_unit(const struct reduced_columns *x, int64_t unit) {
  int64_t first = unit % x->tiles * TILE, block = unit / x->tiles % x->blocks,
          outer = unit / x->tiles / x->blocks;
  int64_t n = mxi_min(TILE, x->width - first);
  struct mxi_region_iter it;
  mxi_region_iter_init(&it, &x->outer, outer);
  const char *in = x->in + (it.offset[0] + first) * (int64_t)mx_dtype_size(x->r.from);
  if (x->blocks > 1) {
    reduce_column_block(x, in, block, n, block_values(x, outer, block, first));
    return;
  }
  MXI_LOCAL(double, values, TILE);
  reduce_column_block(x, in, 0, n, values);
  store_reduced_columns(x, &it, first, n, values);
}

static void reduce_columns_chunk(void *ctx, int64_t i) {
  const struct reduced_columns *x = ctx;
  int64_t end = mxi_min(x->units, (i + 1) * x->batch);
  for (int64_t unit = i * x->batch; unit < end; unit++) column_unit(x, unit);
}

static void combine_columns_chunk(void *ctx, int64_t i) {
  const struct reduced_columns *x = ctx;
  int64_t first = i % x->tiles * TILE, outer = i / x->tiles, n = mxi_min(TILE, x->width - first);
  for (int64_t w = 1; w < x->blocks; w *= 2)
    for (int64_t b = 0; b + w < x->blocks; b += 2 * w) MXI_DISPATCH(mxi_reduce_combine)
  (&x->r, block_values(x, outer, b, first), block_values(x, outer, b + w, first), n);
  struct mxi_region_iter it;
  mxi_region_iter_init(&it, &x->outer, outer);
  store_reduced_columns(x, &it, first, n, block_values(x, outer, 0, first));
}

static int reduce_columns(struct reduced_columns *x) {
  x->tiles = mxi_ceil_div(x->width, TILE);
  x->blocks = mxi_ceil_div(x->rows.size, COLUMN_ROWS);
  x->units = x->outer.size * x->blocks * x->tiles;
  x->batch = mxi_max(1, CHUNK / (mxi_min(x->rows.size, COLUMN_ROWS) * mxi_min(x->width, TILE)));
  if (x->blocks > 1) {
    x->values = mxi_malloc_aligned((size_t)(x->outer.size * x->blocks * x->width * mxi_acc_size(&x->r)));
    if (!x->values) return -1;
  }
  int result = mxi_parallel_for(mxi_ceil_div(x->units, x->batch), reduce_columns_chunk, x);
  if (x->blocks > 1 && result == 0)
    result = mxi_parallel_for(x->outer.size * x->tiles, combine_columns_chunk, x);
  mxi_free(x->values);
  return result;
}

/* ---- The primitive ---- */
/* Splits the input's axes into kept (input, output) and reduced (input). */
void mxi_split_axes(mx_array in, mx_array out, mx_ints axes, struct mxi_region *kept,
                    struct mxi_region *reduced) {
  int64_t shape[2][MXI_MAX_NDIM], strides[2][MXI_MAX_NDIM], out_strides[MXI_MAX_NDIM];
  int n[2] = {0, 0};
  for (int i = 0, k = 0; i < in->ndim; i++) {
    bool is_reduced = k < axes.n && axes.v[k] == i;
    k += is_reduced;
    shape[is_reduced][n[is_reduced]] = mxi_shape(in)[i];
    strides[is_reduced][n[is_reduced]] = mxi_strides(in)[i];
    if (!is_reduced) out_strides[n[0]] = mxi_strides(out)[i];
    n[is_reduced]++;
  }
  const int64_t *kept_strides[2] = {strides[0], out_strides}, *reduced_strides[1] = {strides[1]};
  mxi_region_init(kept, n[0], shape[0], 2, kept_strides);
  mxi_region_init(reduced, n[1], shape[1], 1, reduced_strides);
}

/* The kept axis along which the input is contiguous, if it is wide enough to be worth it; else -1. */
int mxi_contiguous_axis(const struct mxi_region *kept) {
  for (int i = 0; i < kept->ndim; i++)
    if (kept->strides[0][i] == 1 && kept->shape[i] >= NARROW) return i;
  return -1;
}

static int fill_identity(const struct mxi_reduce_kind *r, mx_array out) {
  uint64_t element = 0, none[1];
  int64_t strides[MXI_MAX_NDIM] = {0};
  MXI_DISPATCH(mxi_reduce_identity)(r, none, 1);
  MXI_DISPATCH(mxi_reduce_store)(r, none, 1, &element, 1);
  return mxi_copy_strided(out->ndim, mxi_shape(out), mxi_strided_of(out),
                          (struct mxi_strided){&element, (mx_dtype)out->dtype, strides});
}

int mxi_cpu_REDUCE(struct mxi_call *c) {
  const struct mxi_p_REDUCE *p = MXI_CALL_PARAMS(REDUCE, c);
  mx_array in = c->in[0], out = c->out[0];
  if (!out->size) return 0;
  struct mxi_reduce_kind r =
      mxi_reduce_kind_of((enum mxi_reduce_op)p->op, (mx_dtype)in->dtype, (mx_dtype)out->dtype);
  if (!in->size) return fill_identity(&r, out);
  struct mxi_region kept, reduced;
  mxi_split_axes(in, out, p->axes, &kept, &reduced);
  if (reduced.size == 1) return mxi_copy_into(out, in);
  mxi_region_sort(&reduced);
  mxi_region_merge(&kept);
  int wide = mxi_contiguous_axis(&kept);
  if (wide >= 0 && reduced.strides[0][reduced.ndim - 1] != 1) {
    struct reduced_columns x = {
        .r = r, .rows = reduced, .width = kept.shape[wide], .out_step = kept.strides[1][wide]};
    x.outer = kept;
    mxi_region_drop(&x.outer, wide);
    x.in = in->data;
    x.out = out->data;
    return reduce_columns(&x);
  }
  struct reduced_runs x = {
      .r = r, .count = kept.size, .length = reduced.size, .kept = kept, .reduced = reduced};
  x.in = in->data;
  x.out = out->data;
  return reduce_runs(&x);
}
