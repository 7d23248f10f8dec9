/* Scaled dot-product attention. Three ways: decode (few queries: keys are streamed once, cut into blocks
   whose partial results are combined in order), prefill (blocks of queries against all keys), and a plain one
   for float64. q, k and v are read through their strides as long as their last axes are contiguous. */
#include "cpu/cpu.h"
#include "cpu/kernels/attention.h"

enum { CHUNK_WORK = 1 << 17 /* multiply-adds a chunk of small items aims at: about 5 us */ };

struct attention {
  struct mxi_attention a;
  int64_t items, chunk; /* pieces of work in all, and in a chunk */
  int64_t blocks;       /* decode: blocks of keys; prefill: blocks of queries */
  int64_t block_rows;   /* prefill: query rows in a block */
  int64_t partial;      /* decode: floats of one partial result */
  float *partials;      /* decode: (batch, kv_heads, blocks) of them */
  _Atomic int out_of_memory;
};

/* Runs fn on all chunks of `items`, each of `work` multiply-adds. */
static int run_items(struct attention *s, int64_t items, int64_t work, void (*fn)(void *, int64_t)) {
  s->items = items;
  s->chunk = mxi_max(1, CHUNK_WORK / mxi_max(1, work));
  MXI_TRY(mxi_parallel_for(mxi_ceil_div(items, s->chunk), fn, s));
  return s->out_of_memory ? mxi_fail(MX_OUT_OF_MEMORY, "[scaled_dot_product_attention] no memory for a block")
                          : 0;
}

static int64_t end_of(const struct attention *s, int64_t chunk) {
  return mxi_min(s->items, (chunk + 1) * s->chunk);
}

/* ---- Decode ---- */
static void decode_chunk(void *ctx, int64_t chunk) {
  struct attention *s = ctx;
  float *scratch = mxi_scratch((size_t)mxi_attention_decode_scratch(&s->a) * sizeof(float));
  if (!scratch) {
    s->out_of_memory = 1;
    return;
  }
  for (int64_t i = chunk * s->chunk; i < end_of(s, chunk); i++) {
    int64_t head = i / s->blocks;
    MXI_DISPATCH(mxi_attention_decode)
    (&s->a, head / s->a.kv_heads, head % s->a.kv_heads, i % s->blocks, s->partials + i * s->partial, scratch);
  }
}

static void combine_blocks_chunk(void *ctx, int64_t chunk) {
  struct attention *s = ctx;
  for (int64_t i = chunk * s->chunk; i < end_of(s, chunk); i++) MXI_DISPATCH(mxi_attention_combine)
  (&s->a, i / s->a.kv_heads, i % s->a.kv_heads, s->blocks, s->partials + i * s->blocks * s->partial);
}

static int run_decode(struct attention *s) {
  const struct mxi_attention *a = &s->a;
  int64_t rows = a->heads / a->kv_heads * a->queries, heads = a->batch * a->kv_heads, floats;
  s->blocks = mxi_ceil_div(a->keys, MXI_DECODE_KEYS);
  s->partial = rows * (2 + a->value_width);
  if (!mxi_mul(heads * s->blocks, s->partial, &floats) || floats > INT64_MAX / 8)
    return mxi_fail_memory(SIZE_MAX);
  s->partials = mxi_malloc_aligned((size_t)(floats + 1) * sizeof(float));
  if (!s->partials) return -1;
  int64_t keys = mxi_min(a->keys, MXI_DECODE_KEYS);
  int status = run_items(s, heads * s->blocks, rows * keys * (a->width + a->value_width), decode_chunk);
  if (status == 0) status = run_items(s, heads, s->partial * s->blocks * 4, combine_blocks_chunk);
  mxi_free(s->partials);
  return status;
}

/* ---- Prefill ---- */
/* The last blocks come first: under causality they are the longest. */
static void prefill_chunk(void *ctx, int64_t chunk) {
  struct attention *s = ctx;
  const struct mxi_attention *a = &s->a;
  float *scratch = mxi_scratch((size_t)mxi_attention_prefill_scratch(a) * sizeof(float));
  if (!scratch) {
    s->out_of_memory = 1;
    return;
  }
  for (int64_t i = chunk * s->chunk; i < end_of(s, chunk); i++) {
    int64_t heads = a->batch * a->heads, head = i % heads,
            first = (s->blocks - 1 - i / heads) * s->block_rows;
    MXI_DISPATCH(mxi_attention_prefill)
    (a, head / a->heads, head % a->heads, first, mxi_min(s->block_rows, a->queries - first), scratch);
  }
}

static int run_prefill(struct attention *s) {
  const struct mxi_attention *a = &s->a;
  int64_t even = mxi_ceil_div(a->queries, mxi_ceil_div(a->queries, MXI_PREFILL_QUERIES));
  s->block_rows = mxi_round_up(even, MXI_PREFILL_SLAB);
  s->blocks = mxi_ceil_div(a->queries, s->block_rows);
  int64_t work =
      mxi_min(a->queries, s->block_rows) * mxi_min(a->keys, CHUNK_WORK) * (a->width + a->value_width);
  return run_items(s, a->batch * a->heads * s->blocks, work, prefill_chunk);
}

/* ---- float64 ---- */
static void f64_chunk(void *ctx, int64_t chunk) {
  struct attention *s = ctx;
  const struct mxi_attention *a = &s->a;
  double *scratch = mxi_scratch((size_t)(a->keys + 1) * sizeof(double));
  if (!scratch) {
    s->out_of_memory = 1;
    return;
  }
  for (int64_t i = chunk * s->chunk; i < end_of(s, chunk); i++) {
    int64_t head = i / a->queries;
    MXI_DISPATCH(mxi_attention_f64)(a, head / a->heads, head % a->heads, i % a->queries, scratch);
  }
}

/* ---- The arrays ---- */
/* a, or a row-major copy if its last axis is not contiguous; owned by the caller. */
static mx_array contiguous_rows(mx_array a) {
  return mxi_strides(a)[3] == 1 || mxi_shape(a)[3] == 1 ? mxi_ref(a) : mxi_row_major(a);
}

static void take_strides(int64_t *to, mx_array from, int n) {
  for (int i = 0; i < n; i++) to[i] = mxi_strides(from)[i];
}

static struct attention attention_of(const struct mxi_p_SDPA *p, mx_array q, mx_array k, mx_array v,
                                     mx_array out) {
  struct attention s = {.a = {.dtype = (mx_dtype)q->dtype,
                              .batch = mxi_shape(q)[0],
                              .heads = mxi_shape(q)[1],
                              .kv_heads = mxi_shape(k)[1],
                              .queries = mxi_shape(q)[2],
                              .keys = mxi_shape(k)[2],
                              .width = mxi_shape(q)[3],
                              .value_width = mxi_shape(v)[3],
                              .q = q->data,
                              .k = k->data,
                              .v = v->data,
                              .out = out->data,
                              .scale = (float)p->scale,
                              .scale_f64 = p->scale,
                              .causal = p->causal}};
  take_strides(s.a.q_strides, q, 3);
  take_strides(s.a.k_strides, k, 3);
  take_strides(s.a.v_strides, v, 3);
  take_strides(s.a.out_strides, out, 3);
  return s;
}

static int attend(struct mxi_call *c, mx_array q, mx_array k, mx_array v, const float *sinks) {
  const struct mxi_p_SDPA *p = MXI_CALL_PARAMS(SDPA, c);
  struct attention s = attention_of(p, q, k, v, c->out[0]);
  s.a.sinks = sinks;
  if (p->has_mask) {
    s.a.mask = c->in[3]->data;
    s.a.mask_type = (mx_dtype)c->in[3]->dtype;
    take_strides(s.a.mask_strides, c->in[3], 4);
  }
  if (s.a.dtype == MX_FLOAT64)
    return run_items(&s, s.a.batch * s.a.heads * s.a.queries, s.a.keys * (s.a.width + s.a.value_width),
                     f64_chunk);
  return s.a.queries <= MXI_DECODE_QUERIES ? run_decode(&s) : run_prefill(&s);
}

int mxi_cpu_SDPA(struct mxi_call *c) {
  const struct mxi_p_SDPA *p = MXI_CALL_PARAMS(SDPA, c);
  mx_array q = contiguous_rows(c->in[0]), k = contiguous_rows(c->in[1]), v = contiguous_rows(c->in[2]),
           sinks = NULL;
  int status = q && k && v ? 0 : -1;
  if (status == 0 && p->has_sinks) {
    mx_array given = c->in[3 + (p->has_mask ? 1 : 0)];
    sinks = mxi_array_alloc(MX_FLOAT32, mxi_shape_of(given));
    status = sinks ? mxi_copy_into(sinks, given) : -1;
  }
  if (status == 0 && c->out[0]->size > 0) status = attend(c, q, k, v, sinks ? sinks->data : NULL);
  mxi_unref(q);
  mxi_unref(k);
  mxi_unref(v);
  mxi_unref(sinks);
  return status;
}
