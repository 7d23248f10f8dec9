/* Common subexpressions: the traced graph is applied anew, and a node that equals an earlier one (the same
   primitive, parameters, stream, inputs and outputs) becomes that one. Random numbers are functions of their
   key, so those of one key may be one. */
#include "base/alloc.h"
#include "base/hash.h"
#include "ops/common.h"
#include "transforms/merge.h"
#include "transforms/rewrite.h"

/* A node of the new graph. */
struct merged_node {
  mx_array first;  /* its output 0 */
  size_t outputs;  /* the place of all its outputs in merger.outputs */
  int32_t earlier; /* the entry before it of the same hash; -1: none */
};
struct merger {
  struct mxi_rewrite rewrite; /* first */
  struct mxi_map latest;      /* hash -> entry */
  mxi_vec(struct merged_node) entries;
  mxi_vec(mx_array) outputs;
};

/* ---- Hashes ---- */
static uint64_t mix_shape(uint64_t h, mx_dtype t, mx_ints shape) {
  h = mxi_mix(mxi_mix(h, (uint64_t)t), (uint64_t)shape.n);
  for (int i = 0; i < shape.n; i++) h = mxi_mix(h, (uint64_t)shape.v[i]);
  return h;
}
/* Constants by what they are, other arrays by their identity. */
static uint64_t mix_input(uint64_t h, mx_array a) {
  if (!mxi_is_constant(a)) return mxi_mix(h, (uint64_t)(uintptr_t)a);
  return mix_shape(mxi_mix(h, a->inline_value.bits), mxi_dtype(a), mxi_shape_of(a));
}
/* As a key of the map, which is no null pointer. */
static const void *hash_node(const mx_node *n, const struct mxi_batch *b) {
  uint64_t h = mxi_mix(mxi_params_hash(n->prim, n->params), (uint64_t)(uintptr_t)n->stream);
  for (int i = 0; i < n->ninputs; i++) h = mix_input(h, b->in[i]);
  for (int i = 0; i < n->noutputs; i++) h = mix_shape(h, b->outputs[i].dtype, b->outputs[i].shape);
  return (const void *)(uintptr_t)(h | 1);
}

/* ---- Equality ---- */
static bool same_output(mx_array a, const struct mxi_output *expected) {
  return mxi_dtype(a) == expected->dtype && mxi_ints_equal(mxi_shape_of(a), expected->shape);
}
static bool same_node(const struct merger *m, const mx_node *n, const struct mxi_batch *b,
                      const struct merged_node *e) {
  const mx_node *other = e->first->node;
  if (n->prim != other->prim || n->stream != other->stream || n->ninputs != other->ninputs ||
      n->noutputs != other->noutputs || !mxi_params_equal(n->prim, n->params, other->params))
    return false;
  for (int i = 0; i < n->ninputs; i++)
    if (b->in[i] != other->inputs[i] && !mxi_same_constant(b->in[i], other->inputs[i])) return false;
  for (int i = 0; i < n->noutputs; i++)
    if (!same_output(m->outputs.v[e->outputs + (size_t)i], &b->outputs[i])) return false;
  return true;
}

/* ---- The new graph ---- */
static int add_entry(struct merger *m, const void *hash, int n, const mx_array *outputs) {
  struct merged_node e = {outputs[0], m->outputs.n, mxi_map_get(&m->latest, hash)};
  for (int i = 0; i < n; i++) {
    if (!mx_ok(outputs[i])) return -1;
    MXI_TRY(mxi_push(&m->outputs, outputs[i]));
  }
  MXI_TRY(mxi_push(&m->entries, e));
  return mxi_map_put(&m->latest, hash, (int32_t)m->entries.n - 1);
}

static int merge_node(struct mxi_rewrite *r, const mx_node *n, struct mxi_batch *b) {
  struct merger *m = (struct merger *)r;
  const void *hash = hash_node(n, b);
  int32_t at = mxi_map_get(&m->latest, hash);
  while (at >= 0 && !same_node(m, n, b, &m->entries.v[at])) at = m->entries.v[at].earlier;
  if (at >= 0) {
    memcpy(b->out, m->outputs.v + m->entries.v[at].outputs, (size_t)n->noutputs * sizeof *b->out);
    return 0;
  }
  MXI_TRY(mxi_apply_multi(n->prim->id, n->params ? n->params->fields : NULL, n->ninputs, b->in, n->noutputs,
                          b->outputs, b->out));
  return add_entry(m, hash, n->noutputs, b->out);
}

int mxi_merge_equal(int32_t level, int n, mx_array *outputs) {
  struct merger m = {.rewrite = {.level = level, .apply = merge_node}};
  int result = 0;
  for (int i = 0; i < n && result == 0; i++) {
    struct mxi_value v;
    result = mxi_rewrite_array(&m.rewrite, outputs[i], &v);
    if (result == 0) outputs[i] = v.array;
  }
  mxi_rewrite_free(&m.rewrite);
  mxi_map_free(&m.latest);
  mxi_vec_free(&m.entries);
  mxi_vec_free(&m.outputs);
  return result;
}
