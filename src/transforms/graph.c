#include "transforms/graph.h"
#include "base/alloc.h"
#include "ops/common.h"
#include "core/walk.h"
#include "ops/rules.h"
#include "transforms/merge.h"
#include "transforms/rewrite.h"
#include "transforms/trace.h"

/* ---- Constants: what a trace computes without its inputs is evaluated once. ---- */
struct constants {
  int32_t level; /* of the trace: what lies below it is a constant */
  struct mxi_map seen;
  mxi_vec(mx_array) found; /* constants without a value, where they meet the rest or are outputs */
};

static int add_constant(struct constants *c, mx_array a) {
  return a->level < c->level && mxi_state(a) != MXI_READY ? mxi_push(&c->found, a) : 0;
}
static bool enters(void *constants, mx_array a) {
  const struct constants *c = constants;
  return a->level >= c->level && a->node && mxi_map_get(&c->seen, a) < 0;
}
static int leave(void *constants, mx_array a) {
  struct constants *c = constants;
  for (int i = 0; i < a->node->ninputs; i++) MXI_TRY(add_constant(c, a->node->inputs[i]));
  return mxi_map_put(&c->seen, a, 0);
}

static int evaluate_constants(int32_t level, int nout, const mx_array *outputs) {
  struct constants c = {.level = level};
  int result = 0;
  for (int i = 0; i < nout && result == 0; i++) {
    result = mxi_walk(outputs[i], enters, leave, &c);
    if (result == 0) result = add_constant(&c, outputs[i]);
  }
  if (result == 0) result = mx_eval_all((int)c.found.n, c.found.v);
  mxi_map_free(&c.seen);
  mxi_vec_free(&c.found);
  return result;
}

/* ---- Tracing ---- */
static int trace(const char *transform, mx_function f, void *context, int n, const mx_array *in, int max_out,
                 bool shapeless, mx_array *inputs, mx_array *outputs) {
  int nout = 0;
  mxi_thread.trace_level++;
  mxi_thread.shapeless_level = shapeless ? mxi_thread.trace_level : 0;
  mxi_thread.ones_matter = false;
  for (int i = 0; i < n && nout == 0; i++) {
    inputs[i] = mxi_own(mxi_placeholder((mx_dtype)in[i]->dtype, mxi_shape_of(in[i])));
    if (!mx_ok(inputs[i])) nout = -1;
  }
  if (nout == 0) nout = mxi_call_function(transform, f, context, n, inputs, max_out, outputs);
  mxi_thread.shapeless_level = 0;
  mxi_thread.trace_level--;
  return nout;
}

int mxi_graph_trace(struct mxi_graph *g, const char *transform, mx_function f, void *context, int n,
                    const mx_array *in, int max_out, bool shapeless) {
  int32_t level = mxi_thread.trace_level + 1;
  *g = (struct mxi_graph){0};
  mx_array *inputs = mxi_calloc((size_t)n + (size_t)max_out + 1, sizeof *inputs);
  if (!inputs) return -1;
  mx_array *outputs = inputs + n;
  mx_scope scope = mx_scope_open();
  int nout = trace(transform, f, context, n, in, max_out, shapeless, inputs, outputs), result = nout;
  if (result >= 0) result = evaluate_constants(level, nout, outputs);
  if (result >= 0) result = mxi_merge_equal(level, nout, outputs);
  if (result >= 0) result = mxi_graph_init(g, level, n, inputs, nout, outputs);
  g->ones_matter = mxi_thread.ones_matter;
  if (result < 0) mxi_graph_free(g);
  mx_scope_close(&scope);
  mxi_free(inputs);
  return result;
}

/* ---- Applying ---- */
struct apply {
  struct mxi_rewrite rewrite; /* first */
  const struct mxi_graph *graph;
  bool other_ones; /* it doesn't hold for these inputs */
};

/* Gradients were summed over the axes that were of size 1, and broadcast. */
static bool same_ones(mx_ints a, mx_ints b) {
  bool same = a.n == b.n;
  for (int i = 0; i < a.n && same; i++) same = (a.v[i] == 1) == (b.v[i] == 1);
  return same;
}
static int check_ones(struct apply *a, mx_ints traced, mx_array now) {
  a->other_ones = a->graph->ones_matter && !same_ones(traced, mxi_shape_of(now));
  if (!a->other_ones) return 0;
  return mxi_fail(
      MX_INVALID_ARGUMENT,
      "[compile] expected axes of size 1 where the trace with its gradients had them, in shape %s, "
      "got shape %s",
      mxi_shape_text(traced).s, MXI_SHAPE_TEXT(now));
}

static bool same_shapes(const mx_node *n, const struct mxi_batch *b) {
  for (int i = 0; i < n->ninputs; i++)
    if (!mxi_same_shape(n->inputs[i], b->in[i])) return false;
  return true;
}

static int apply_recorded(const mx_node *n, struct mxi_batch *b) {
  return mxi_apply_multi(n->prim->id, n->params ? n->params->fields : NULL, n->ninputs, b->in, n->noutputs,
                         b->outputs, b->out);
}

/* Of inputs of other shapes, by the op's builder. */
static int build(const mx_node *n, struct mxi_batch *b) {
  mx_ints few[16], *shapes = n->ninputs <= 16 ? few : mxi_malloc((size_t)n->ninputs * sizeof *shapes);
  if (!shapes) return -1;
  for (int i = 0; i < n->ninputs; i++) shapes[i] = mxi_shape_of(n->inputs[i]);
  struct mxi_build made = {.prim = n->prim,
                           .params = n->params ? n->params->fields : NULL,
                           .ninputs = n->ninputs,
                           .noutputs = n->noutputs,
                           .in = b->in,
                           .shapes = shapes,
                           .outputs = b->outputs,
                           .out = b->out};
  int result = mxi_build(&made);
  if (shapes != few) mxi_free(shapes);
  return result;
}

/* The rules of a custom function serve all sizes: its outputs are its first inputs, whatever their shapes. */
static int pass_through(const mx_node *n, struct mxi_batch *b) {
  for (int i = 0; i < n->noutputs; i++) b->outputs[i].shape = mxi_shape_of(b->in[i]);
  return apply_recorded(n, b);
}

static int apply_node(struct mxi_rewrite *r, const mx_node *n, struct mxi_batch *b) {
  struct apply *a = (struct apply *)r;
  const struct mxi_graph *g = a->graph;
  mx_ints few[4], *traced = n->noutputs <= 4 ? few : NULL; // what is built keeps its outputs' numbers small
  int result = 0;
  for (int i = 0; i < n->noutputs && traced; i++) traced[i] = b->outputs[i].shape;
  MX_ON (g->stream ? g->stream : n->stream) {
    if (same_shapes(n, b) && !(n->prim->flags & MXI_P_FOLLOWS))
      result = apply_recorded(n, b);
    else
      result = n->prim->id == MXI_CUSTOM ? pass_through(n, b) : build(n, b);
  }
  for (int i = 0; i < n->noutputs && traced && result == 0 && mx_ok(b->out[i]); i++)
    result = check_ones(a, traced[i], b->out[i]);
  return result;
}

int mxi_graph_apply(const struct mxi_graph *g, const mx_array *in, mx_array *out, bool *other_ones) {
  struct apply a = {.rewrite = {.level = g->level, .apply = apply_node}, .graph = g};
  int result = 0;
  for (int i = 0; i < g->ninputs && result == 0; i++)
    result = check_ones(&a, mxi_shape_of(g->inputs[i]), in[i]);
  for (int i = 0; i < g->ninputs && result == 0; i++)
    result = mxi_rewrite_placeholder(&a.rewrite, g->inputs[i], (struct mxi_value){in[i], false});
  for (int i = 0; i < g->noutputs && result == 0; i++) {
    struct mxi_value v;
    result = mxi_rewrite_array(&a.rewrite, g->outputs[i], &v);
    if (result == 0) out[i] = v.array;
  }
  mxi_rewrite_free(&a.rewrite);
  if (other_ones) *other_ones = a.other_ones;
  return result;
}
