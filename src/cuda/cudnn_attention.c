/* Attention by cuDNN, as a graph that it knows as one kernel:

     s = scale * q k'       where a row sees a column; else the lowest
     p = exp(s - max s) / sum exp(s - max s)
     out = p v

   A plan takes longer to make than many products: it is kept for each kind of attention, as is a refusal. The
   scale is no part of the kind. */
#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/lru.h"
#include "cuda/attention.h"
#include "cuda/cudnn.h"
#include <math.h>
#include <float.h>
#include <string.h>

/* ---- Kinds of attention ---- */
struct attention_kind {
  int64_t batch, queries, keys;
  int64_t q_strides[3], k_strides[3], v_strides[3], out_strides[3];
  int32_t heads, kv_heads, width, value_width, causal, data_type;
};
_Static_assert(sizeof(struct attention_kind) == 15 * 8 + 6 * 4, "no holes");

static struct attention_kind attention_kind_of(const struct mxi_cuda_attention *a, int64_t batch,
                                               mx_dtype t) {
  struct attention_kind kind = {.batch = batch,
                                .queries = a->queries,
                                .keys = a->keys,
                                .heads = a->heads,
                                .kv_heads = a->kv_heads,
                                .width = a->width,
                                .value_width = a->value_width,
                                .causal = a->causal,
                                .data_type = t == MX_FLOAT16 ? CUDNN_DATA_HALF : CUDNN_DATA_BFLOAT16};
  memcpy(kind.q_strides, a->q_strides, sizeof kind.q_strides);
  memcpy(kind.k_strides, a->k_strides, sizeof kind.k_strides);
  memcpy(kind.v_strides, a->v_strides, sizeof kind.v_strides);
  memcpy(kind.out_strides, a->out_strides, sizeof kind.out_strides);
  return kind;
}

/* Forward strides, and elements that 32-bit indices reach. */
static bool is_plain(const void *address, const int64_t strides[3], int64_t batch, int64_t heads,
                     int64_t rows) {
  int64_t dims[] = {batch, heads, rows}, last = 0;
  for (int i = 0; i < 3; i++) {
    if (dims[i] > 1 && strides[i] <= 0) return false;
    last += (dims[i] - 1) * strides[i];
  }
  return mxi_attention_in_vectors(address, strides) && last < INT32_MAX / 2;
}

/* A plan is compiled, which takes about a second: lengths that come again are worth one, and those of prompts
   in between are not. */
static bool is_worth_a_plan(const struct mxi_cuda_attention *a) {
  enum { FEWEST_QUERIES = 1024, RECURRING = 128, MOST_POSITIONS = 1 << 24 };
  return a->queries >= FEWEST_QUERIES && a->queries % RECURRING == 0 && a->keys % RECURRING == 0 && a->keys &&
         a->queries <= MOST_POSITIONS && a->keys <= MOST_POSITIONS;
}

/* What cuDNN's attention is known to take. A row that sees nothing sees all alike: not there. */
static bool cudnn_suits(const struct mxi_cuda_attention *a, int64_t batch, mx_dtype t) {
  enum { MOST_WIDTH = 256 };
  if (!mxi_is_half(t) || a->mask || a->sinks || !is_worth_a_plan(a)) return false;
  if (a->causal && a->queries > a->keys) return false;
  if (a->width % 8 || a->value_width % 8 || a->width > MOST_WIDTH || a->value_width > MOST_WIDTH)
    return false;
  return is_plain(a->q, a->q_strides, batch, a->heads, a->queries) &&
         is_plain(a->k, a->k_strides, batch, a->kv_heads, a->keys) &&
         is_plain(a->v, a->v_strides, batch, a->kv_heads, a->keys) &&
         is_plain(a->out, a->out_strides, batch, a->heads, a->queries);
}

/* In those between, half-precision attention is wrong. */
static bool cudnn_version_suits(const struct mxi_cuda_attention *a) {
  enum { FIRST = 90000, WRONG_FROM = 91000, RIGHT_AGAIN = 91002, SHIFTED_DIAGONAL = 90600 };
  int v = mxi_cudnn_version();
  if (v < FIRST || (v >= WRONG_FROM && v < RIGHT_AGAIN)) return false;
  return !a->causal || a->queries == a->keys || v >= SHIFTED_DIAGONAL;
}

/* ---- The graph ---- */
/* What is hidden becomes this; older versions want a finite number. */
static float hidden_logit(void) {
  enum { TAKES_INFINITY = 91000 };
  return mxi_cudnn_version() >= TAKES_INFINITY ? -INFINITY : -FLT_MAX;
}

/* In the order in which the graph names them. */
enum { Q, K, V, OUT, SCALE, HIDDEN, KEYS, QUERIES, OPERANDS };
static int64_t operands_of(const struct attention_kind *kind) {
  return !kind->causal ? HIDDEN : kind->keys == kind->queries ? KEYS : OPERANDS;
}

static struct mxi_cudnn_shape rows_of(int64_t batch, int64_t heads, int64_t rows, int64_t width,
                                      const int64_t strides[3]) {
  return (struct mxi_cudnn_shape){4, {batch, heads, rows, width}, {strides[0], strides[1], strides[2], 1}};
}
static struct mxi_cudnn_shape columns_of(int64_t batch, int64_t heads, int64_t rows, int64_t width,
                                         const int64_t strides[3]) {
  return (struct mxi_cudnn_shape){4, {batch, heads, width, rows}, {strides[0], strides[1], 1, strides[2]}};
}

/* The logits where query + keys - queries >= key. */
static struct mxi_cudnn_tensor add_causality(struct mxi_cudnn_graph *g, const struct attention_kind *kind,
                                             const int64_t *dims, struct mxi_cudnn_tensor logits) {
  struct mxi_cudnn_tensor hidden = mxi_cudnn_scalar(g, CUDNN_DATA_FLOAT),
                          row = mxi_cudnn_intermediate(g, CUDNN_DATA_INT32, dims),
                          column = mxi_cudnn_intermediate(g, CUDNN_DATA_INT32, dims),
                          sees = mxi_cudnn_intermediate(g, CUDNN_DATA_BOOLEAN, dims),
                          masked = mxi_cudnn_intermediate(g, CUDNN_DATA_FLOAT, dims);
  mxi_cudnn_index(g, 2, logits, row);
  mxi_cudnn_index(g, 3, logits, column);
  if (kind->keys != kind->queries) {
    struct mxi_cudnn_tensor keys = mxi_cudnn_scalar(g, CUDNN_DATA_INT32),
                            queries = mxi_cudnn_scalar(g, CUDNN_DATA_INT32),
                            far = mxi_cudnn_intermediate(g, CUDNN_DATA_INT32, dims),
                            last = mxi_cudnn_intermediate(g, CUDNN_DATA_INT32, dims);
    mxi_cudnn_pointwise(g, CUDNN_POINTWISE_ADD, CUDNN_DATA_INT32, row, keys, far);
    mxi_cudnn_pointwise(g, CUDNN_POINTWISE_SUB, CUDNN_DATA_INT32, far, queries, last);
    row = last;
  }
  mxi_cudnn_pointwise(g, CUDNN_POINTWISE_CMP_GE, CUDNN_DATA_BOOLEAN, row, column, sees);
  mxi_cudnn_select(g, sees, logits, hidden, masked);
  return masked;
}

/* The logarithm of the sum, which derivatives would want, belongs to the form that cuDNN knows. */
static struct mxi_cudnn_tensor add_softmax(struct mxi_cudnn_graph *g, int data_type, const int64_t *dims,
                                           struct mxi_cudnn_tensor logits) {
  int64_t of_rows[] = {dims[0], dims[1], dims[2], 1};
  struct mxi_cudnn_tensor top = mxi_cudnn_intermediate(g, CUDNN_DATA_FLOAT, of_rows),
                          shifted = mxi_cudnn_intermediate(g, CUDNN_DATA_FLOAT, dims),
                          powers = mxi_cudnn_intermediate(g, CUDNN_DATA_FLOAT, dims),
                          sum = mxi_cudnn_intermediate(g, CUDNN_DATA_FLOAT, of_rows),
                          log = mxi_cudnn_intermediate(g, CUDNN_DATA_FLOAT, of_rows),
                          logsumexp = mxi_cudnn_intermediate(g, CUDNN_DATA_FLOAT, of_rows),
                          p = mxi_cudnn_intermediate(g, data_type, dims), none = {0};
  mxi_cudnn_reduce(g, CUDNN_REDUCE_TENSOR_MAX, logits, top);
  mxi_cudnn_pointwise(g, CUDNN_POINTWISE_SUB, CUDNN_DATA_FLOAT, logits, top, shifted);
  mxi_cudnn_pointwise(g, CUDNN_POINTWISE_EXP, CUDNN_DATA_FLOAT, shifted, none, powers);
  mxi_cudnn_reduce(g, CUDNN_REDUCE_TENSOR_ADD, powers, sum);
  mxi_cudnn_pointwise(g, CUDNN_POINTWISE_LOG, CUDNN_DATA_FLOAT, sum, none, log);
  mxi_cudnn_pointwise(g, CUDNN_POINTWISE_ADD, CUDNN_DATA_FLOAT, top, log, logsumexp);
  mxi_cudnn_pointwise(g, CUDNN_POINTWISE_DIV, CUDNN_DATA_FLOAT, powers, sum, p);
  return p;
}

static void describe_attention(struct mxi_cudnn_graph *g, const struct attention_kind *kind) {
  struct mxi_cudnn_shape q_shape =
                             rows_of(kind->batch, kind->heads, kind->queries, kind->width, kind->q_strides),
                         k_shape = columns_of(kind->batch, kind->kv_heads, kind->keys, kind->width,
                                              kind->k_strides),
                         v_shape = rows_of(kind->batch, kind->kv_heads, kind->keys, kind->value_width,
                                           kind->v_strides),
                         out_shape = rows_of(kind->batch, kind->heads, kind->queries, kind->value_width,
                                             kind->out_strides);
  int64_t dims[] = {kind->batch, kind->heads, kind->queries, kind->keys};
  struct mxi_cudnn_tensor q = mxi_cudnn_in_memory(g, kind->data_type, &q_shape),
                          k = mxi_cudnn_in_memory(g, kind->data_type, &k_shape),
                          v = mxi_cudnn_in_memory(g, kind->data_type, &v_shape),
                          out = mxi_cudnn_in_memory(g, kind->data_type, &out_shape),
                          scale = mxi_cudnn_scalar(g, CUDNN_DATA_FLOAT),
                          product = mxi_cudnn_intermediate(g, CUDNN_DATA_FLOAT, dims),
                          logits = mxi_cudnn_intermediate(g, CUDNN_DATA_FLOAT, dims);
  mxi_cudnn_multiply(g, q, k, product);
  mxi_cudnn_pointwise(g, CUDNN_POINTWISE_MUL, CUDNN_DATA_FLOAT, product, scale, logits);
  if (kind->causal) logits = add_causality(g, kind, dims, logits);
  mxi_cudnn_multiply(g, add_softmax(g, kind->data_type, dims, logits), v, out);
}

/* ---- Plans, with MXI_LOCK_CUDA_GRAPHS held ---- */
struct attention_plan {
  struct mxi_lru_entry entry;
  struct attention_kind kind;
  struct mxi_cudnn_graph graph; /* refused: cuDNN has no kernel for this kind */
};
static struct mxi_lru attention_plans;

static uint64_t hash_attention(const struct attention_kind *kind) {
  return mxi_mix_bytes(0, kind, sizeof *kind);
}
static bool same_attention(const struct mxi_lru_entry *e, const void *key) {
  return memcmp(&((const struct attention_plan *)e)->kind, key, sizeof(struct attention_kind)) == 0;
}

static void drop_attention_plan(struct attention_plan *p) {
  mxi_cudnn_drop(&p->graph);
  mxi_free(p);
}

/* NULL where memory is short. */
static struct attention_plan *attention_plan_of(const struct attention_kind *kind) {
  enum { MOST_PLANS = 256 };
  const struct mxi_cudnn_wish wish = {.configurations = 4, .workspace_bytes = INT64_MAX};
  struct mxi_error no_memory;
  uint64_t hash = hash_attention(kind);
  struct attention_plan *p =
      (struct attention_plan *)mxi_lru_find(&attention_plans, hash, same_attention, kind);
  if (p) return p;
  if (!(p = mxi_calloc(1, sizeof *p)) || mxi_lru_put(&attention_plans, &p->entry, hash) < 0) {
    mxi_error_take(&no_memory);
    mxi_free(p);
    return NULL;
  }
  p->kind = *kind;
  describe_attention(&p->graph, kind);
  if (!mxi_cudnn_plan(&p->graph, &wish)) mxi_cudnn_drop(&p->graph);
  if (attention_plans.n > MOST_PLANS)
    drop_attention_plan((struct attention_plan *)mxi_lru_take_oldest(&attention_plans));
  return p;
}

static bool execute_attention(mx_stream s, const struct mxi_cuda_attention *a, struct attention_plan *p) {
  float scale = (float)a->scale, hidden = hidden_logit();
  int32_t keys = (int32_t)a->keys, queries = (int32_t)a->queries;
  void *addresses[OPERANDS] = {
      [Q] = (void *)a->q, [K] = (void *)a->k, [V] = (void *)a->v, [OUT] = a->out,
      [SCALE] = &scale,   [HIDDEN] = &hidden, [KEYS] = &keys,     [QUERIES] = &queries};
  struct mxi_error unimportant;
  if (mxi_cudnn_execute("scaled_dot_product_attention", s, &p->graph, operands_of(&p->kind), addresses) == 0)
    return true;
  mxi_error_take(&unimportant);
  mxi_cudnn_drop(&p->graph);
  return false;
}

bool mxi_cuda_cudnn_attention(mx_stream s, const struct mxi_cuda_attention *a, int64_t batch, mx_dtype t) {
  if (!cudnn_suits(a, batch, t)) return false;
  struct attention_kind kind = attention_kind_of(a, batch, t);
  mxi_lock(MXI_LOCK_CUDA_GRAPHS);
  struct attention_plan *p = mxi_cudnn_begin() && cudnn_version_suits(a) ? attention_plan_of(&kind) : NULL;
  bool done = p && !p->graph.refused && execute_attention(s, a, p);
  mxi_unlock(MXI_LOCK_CUDA_GRAPHS);
  return done;
}
