/* Scaled dot-product attention: long ones by cuDNN, rows of float16 and bfloat16 by the matrix units,
   anything else by plain arithmetic. */
#include "cuda/attention.h"
#include "cuda/call.h"
#include "cuda/copy.h"
#include "cuda/stream.h"

enum { ROWS = MXI_ATTENTION_ROWS, ROUND = MXI_ATTENTION_WARPS * MXI_ATTENTION_KEYS };
/* Keys are split until there are about so many blocks: two for each multiprocessor of a large device, and the
   same number on all, for the splits decide in which order a row is summed. */
enum { BLOCKS = 264 };

static struct mxi_cuda_kernel any[MX_DTYPE_COUNT] = {MXI_CUDA_FLOATS(attention, attention_any)};
static struct mxi_cuda_kernel rows_64[MX_DTYPE_COUNT] = {
    MXI_CUDA_OF(attention, attention_rows_64, FLOAT16, float16),
    MXI_CUDA_OF(attention, attention_rows_64, BFLOAT16, bfloat16)};
static struct mxi_cuda_kernel rows_128[MX_DTYPE_COUNT] = {
    MXI_CUDA_OF(attention, attention_rows_128, FLOAT16, float16),
    MXI_CUDA_OF(attention, attention_rows_128, BFLOAT16, bfloat16)};

/* ---- Operands ---- */
/* Held while the launches are made. */
struct attention_operands {
  struct mxi_cuda_input q, k, v, mask, sinks;
};

static int hold_rows(const struct mxi_call *c, int i, struct mxi_cuda_input *in) {
  mx_array a = c->in[i];
  bool contiguous = mxi_strides(a)[3] == 1 || mxi_shape(a)[3] == 1;
  return contiguous ? mxi_cuda_hold(c, i, in) : mxi_cuda_hold_row_major(c, i, in);
}

static int hold_sinks(const struct mxi_call *c, int i, struct mxi_cuda_input *sinks) {
  struct mxi_cuda_input given;
  MXI_TRY(mxi_cuda_hold(c, i, &given));
  int64_t strides[MXI_MAX_NDIM] = {1};
  int result = mxi_cuda_scratch_take(c->stream, (size_t)c->in[i]->size * sizeof(float), &sinks->scratch);
  sinks->address = sinks->scratch.address;
  if (result == 0)
    result = mxi_cuda_copy_strided(
        c->stream, given.shape, (struct mxi_cuda_strided){sinks->scratch.address, MX_FLOAT32, strides},
        (struct mxi_cuda_strided){(void *)given.address, given.dtype, given.strides});
  mxi_cuda_let_go(&given);
  return result;
}

static int hold_operands(const struct mxi_call *c, const struct mxi_p_SDPA *p, struct attention_operands *o) {
  MXI_TRY(hold_rows(c, 0, &o->q));
  MXI_TRY(hold_rows(c, 1, &o->k));
  MXI_TRY(hold_rows(c, 2, &o->v));
  if (p->has_mask) MXI_TRY(mxi_cuda_hold(c, 3, &o->mask));
  return p->has_sinks ? hold_sinks(c, 3 + (p->has_mask ? 1 : 0), &o->sinks) : 0;
}

static void let_go_of_operands(struct attention_operands *o) {
  mxi_cuda_let_go(&o->q);
  mxi_cuda_let_go(&o->k);
  mxi_cuda_let_go(&o->v);
  mxi_cuda_let_go(&o->mask);
  mxi_cuda_let_go(&o->sinks);
}

static enum mxi_attention_mask mask_type(mx_dtype t) {
  switch (t) {
  case MX_BOOL: return MXI_ATTENTION_BOOL;
  case MX_FLOAT16: return MXI_ATTENTION_FLOAT16;
  case MX_BFLOAT16: return MXI_ATTENTION_BFLOAT16;
  case MX_FLOAT64: return MXI_ATTENTION_FLOAT64;
  default: return MXI_ATTENTION_FLOAT32;
  }
}

static struct mxi_cuda_attention attention_of(const struct mxi_call *c, const struct mxi_p_SDPA *p,
                                              const struct attention_operands *o) {
  struct mxi_cuda_attention a = {.q = o->q.address,
                                 .k = o->k.address,
                                 .v = o->v.address,
                                 .out = mxi_cuda_out(c, 0),
                                 .sinks = o->sinks.address,
                                 .queries = o->q.shape.v[2],
                                 .keys = o->k.shape.v[2],
                                 .heads = (int32_t)o->q.shape.v[1],
                                 .kv_heads = (int32_t)o->k.shape.v[1],
                                 .width = (int32_t)o->q.shape.v[3],
                                 .value_width = (int32_t)o->v.shape.v[3],
                                 .causal = p->causal != 0,
                                 .scale = p->scale};
  for (int i = 0; i < 3; i++) {
    a.q_strides[i] = o->q.strides[i];
    a.k_strides[i] = o->k.strides[i];
    a.v_strides[i] = o->v.strides[i];
    a.out_strides[i] = mxi_strides(c->out[0])[i];
  }
  if (p->has_mask) {
    a.mask = o->mask.address;
    a.mask_type = mask_type(o->mask.dtype);
    for (int i = 0; i < 4; i++) a.mask_strides[i] = o->mask.strides[i];
  }
  return a;
}

/* ---- By matrix units ---- */
/* With room for what the splits of keys leave of so many rows. */
static int launch_split(mx_stream s, struct mxi_cuda_kernel *k, struct mxi_cuda_grid grid,
                        struct mxi_cuda_attention *a, int64_t rows) {
  struct mxi_cuda_scratch partials = {0};
  int result = 0;
  if (a->splits > 1) {
    int64_t all = rows * a->splits;
    MXI_TRY(mxi_cuda_scratch_take(s, (size_t)(all * (2 + a->width)) * sizeof(float), &partials));
    a->values = partials.address;
    a->sums = a->values + all * a->width;
    if (!(a->finished = mxi_cuda_counters(s))) result = -1;
  }
  if (result == 0) result = mxi_cuda_launch(s, k, grid, a, sizeof *a);
  mxi_cuda_scratch_free(&partials);
  return result;
}

/* ---- By matrix units, tiles in shared memory ---- */
#define TILES(prefix, width)                                               \
  {                                                                        \
    MXI_CUDA_OF(attention_tiles, prefix##_##width, FLOAT16, float16),      \
        MXI_CUDA_OF(attention_tiles, prefix##_##width, BFLOAT16, bfloat16) \
  }
static struct tile_kernels {
  int width;
  struct mxi_cuda_kernel plain[MX_DTYPE_COUNT], general[MX_DTYPE_COUNT];
} tile_kernels[] = {
    {64, TILES(attention_tiles, 64), TILES(attention_general_tiles, 64)},
    {80, TILES(attention_tiles, 80), TILES(attention_general_tiles, 80)},
    {96, TILES(attention_tiles, 96), TILES(attention_general_tiles, 96)},
    {128, TILES(attention_tiles, 128), TILES(attention_general_tiles, 128)},
    {256, TILES(attention_tiles, 256), TILES(attention_general_tiles, 256)},
};

static struct tile_kernels *tiles_of(const struct mxi_cuda_attention *a) {
  bool in_range = a->keys > 0 && a->keys < INT32_MAX / 2 && a->queries < INT32_MAX / 2;
  if (!in_range || !(a->scale > 0)) return NULL;
  for (size_t i = 0; i < sizeof tile_kernels / sizeof *tile_kernels; i++)
    if (tile_kernels[i].width == a->width) return &tile_kernels[i];
  return NULL;
}

/* Between as many blocks as a large device has room for, two tiles of keys each at least. */
static void split_tiles(struct mxi_cuda_attention *a, int64_t items) {
  enum { ENOUGH = 96, FEWEST_KEYS = 2 * MXI_ATTENTION_TILE_KEYS };
  int64_t splits = items < ENOUGH ? BLOCKS / items : 1, most = a->keys / FEWEST_KEYS;
  if (splits > MXI_ATTENTION_MOST_SPLITS) splits = MXI_ATTENTION_MOST_SPLITS;
  if (splits > most) splits = most;
  if (splits < 1) splits = 1;
  int64_t tiles = mxi_cuda_blocks(a->keys, MXI_ATTENTION_TILE_KEYS);
  a->split_keys = mxi_cuda_blocks(tiles, splits) * MXI_ATTENTION_TILE_KEYS;
  a->splits = (int32_t)mxi_cuda_blocks(a->keys, a->split_keys);
}

static int run_tiles(const struct mxi_call *c, struct tile_kernels *k, struct mxi_cuda_attention *a,
                     mx_dtype t) {
  int64_t rows = a->heads / a->kv_heads * a->queries, tile_rows = mxi_attention_tile_rows(a->width);
  int64_t row_tiles = mxi_cuda_blocks(rows, tile_rows);
  int64_t items = mxi_shape(c->out[0])[0] * a->kv_heads * row_tiles;
  if (row_tiles > INT32_MAX)
    return mxi_fail(MX_NOT_SUPPORTED,
                    "[scaled_dot_product_attention] expected fewer than 2^37 queries, got %lld",
                    (long long)rows);
  a->row_tiles = (int32_t)row_tiles;
  split_tiles(a, items);
  bool general = a->mask || a->splits > 1 || (a->causal && a->queries > a->keys);
  struct mxi_cuda_grid grid = {.x = items * a->splits,
                               .threads = MXI_ATTENTION_TILE_THREADS,
                               .shared = (size_t)mxi_attention_tile_bytes(a->width, a->mask != NULL),
                               .overlaps = true};
  return launch_split(c->stream, general ? &k->general[t] : &k->plain[t], grid, a, items * tile_rows);
}

/* ---- By matrix units, few rows ---- */
static struct mxi_cuda_kernel *rows_kernel(const struct mxi_cuda_attention *a, mx_dtype t) {
  return a->width == 64 ? &rows_64[t] : a->width == 128 ? &rows_128[t] : NULL;
}

static int64_t splits_of(const struct mxi_cuda_attention *a, int64_t items) {
  int64_t wanted = BLOCKS / items, most = mxi_cuda_blocks(a->keys, ROUND);
  if (wanted > MXI_ATTENTION_MOST_SPLITS) wanted = MXI_ATTENTION_MOST_SPLITS;
  return wanted < 1 ? 1 : wanted < most ? wanted : most < 1 ? 1 : most;
}

static int run_rows(const struct mxi_call *c, struct mxi_cuda_kernel *k, struct mxi_cuda_attention *a) {
  int64_t batch = mxi_shape(c->out[0])[0], rows = a->heads / a->kv_heads * a->queries;
  int64_t row_tiles = mxi_cuda_blocks(rows, ROWS), items = batch * a->kv_heads * row_tiles;
  if (row_tiles > INT32_MAX)
    return mxi_fail(MX_NOT_SUPPORTED,
                    "[scaled_dot_product_attention] expected fewer than 2^35 queries, got %lld",
                    (long long)rows);
  int64_t splits = splits_of(a, items);
  a->row_tiles = (int32_t)row_tiles;
  a->split_keys = mxi_cuda_blocks(mxi_cuda_blocks(a->keys, splits), ROUND) * ROUND;
  a->splits = (int32_t)mxi_cuda_blocks(a->keys ? a->keys : 1, a->split_keys ? a->split_keys : ROUND);
  if (!a->split_keys) a->split_keys = ROUND;
  struct mxi_cuda_grid grid = {.x = items * a->splits,
                               .threads = MXI_ATTENTION_THREADS,
                               .shared = (size_t)mxi_attention_rows_bytes(a->width),
                               .overlaps = true};
  return launch_split(c->stream, k, grid, a, items * ROWS);
}

/* ---- Anything ---- */
static int run_any(const struct mxi_call *c, const struct mxi_cuda_attention *a, mx_dtype t) {
  size_t element = t == MX_FLOAT64 ? sizeof(double) : sizeof(float);
  struct mxi_cuda_grid grid = {.x = mxi_shape(c->out[0])[0] * a->heads * a->queries,
                               .threads = MXI_ATTENTION_THREADS,
                               .shared = ((size_t)a->width + (size_t)a->value_width + MXI_ATTENTION_THREADS) *
                                         element};
  return mxi_cuda_launch(c->stream, &any[t], grid, a, sizeof *a);
}

static bool matrix_units_serve(const struct mxi_cuda_attention *a, mx_dtype t) {
  return mxi_is_half(t) && a->width == a->value_width && mxi_attention_in_vectors(a->q, a->q_strides) &&
         mxi_attention_in_vectors(a->k, a->k_strides) && mxi_attention_in_vectors(a->v, a->v_strides) &&
         mxi_attention_in_vectors(a->out, a->out_strides);
}

static int run_own(const struct mxi_call *c, struct mxi_cuda_attention *a, mx_dtype t) {
  enum { FEW = 48 };
  if (matrix_units_serve(a, t)) {
    struct tile_kernels *tiles = tiles_of(a);
    struct mxi_cuda_kernel *rows = rows_kernel(a, t);
    bool few = a->heads / a->kv_heads * a->queries < FEW;
    if (tiles && !(rows && few)) return run_tiles(c, tiles, a, t);
    if (rows) return run_rows(c, rows, a);
  }
  return run_any(c, a, t);
}

/* A block has its query and its values in shared memory. */
bool mxi_cuda_can_SDPA(const struct mxi_call *c) {
  return mxi_shape(c->in[0])[3] + mxi_shape(c->in[2])[3] <= 4096;
}

int mxi_cuda_SDPA(struct mxi_call *c) {
  const struct mxi_p_SDPA *p = MXI_CALL_PARAMS(SDPA, c);
  if (!c->out[0]->size) return 0;
  struct attention_operands o = {0};
  int result = hold_operands(c, p, &o);
  if (result == 0) {
    struct mxi_cuda_attention a = attention_of(c, p, &o);
    mx_dtype t = (mx_dtype)c->in[0]->dtype;
    if (!mxi_cuda_cudnn_attention(c->stream, &a, mxi_shape(c->out[0])[0], t)) result = run_own(c, &a, t);
  }
  let_go_of_operands(&o);
  return result;
}
