#include "ops/graph.h"
#include "core/thread.h"
#include "core/walk.h"
#include "base/error.h"

mx_array mxi_placeholder(mx_dtype t, mx_ints shape) {
  mx_array p = mxi_array_new(t, shape);
  if (!p) return NULL;
  atomic_store(&p->state, MXI_PLACEHOLDER);
  p->level = mxi_thread.trace_level;
  return p;
}

int mxi_graph_init(struct mxi_graph *g, int32_t level, int n, const mx_array *inputs, int nout,
                   const mx_array *outputs) {
  *g = (struct mxi_graph){.level = level};
  g->inputs = mxi_malloc(((size_t)n + (size_t)nout + 1) * sizeof *g->inputs);
  if (!g->inputs) return -1;
  g->outputs = g->inputs + n;
  for (; g->ninputs < n; g->ninputs++) g->inputs[g->ninputs] = mxi_ref(inputs[g->ninputs]);
  for (; g->noutputs < nout; g->noutputs++) g->outputs[g->noutputs] = mxi_ref(outputs[g->noutputs]);
  return 0;
}

void mxi_graph_free(struct mxi_graph *g) {
  for (int i = 0; i < g->ninputs; i++) mxi_unref(g->inputs[i]);
  for (int i = 0; i < g->noutputs; i++) mxi_unref(g->outputs[i]);
  mxi_free(g->inputs);
  *g = (struct mxi_graph){0};
}

/* ---- In a line ---- */
static const void *key_of(mx_array a) { return a->node && a->node->noutputs > 1 ? (const void *)a->node : a; }
/* At level 0, of what is not evaluated, whoever made it: the caller keeps evals away. */
static bool in_trace(const struct mxi_line *l, mx_array a) {
  if (l->graph->level == 0) return mxi_state(a) == MXI_LAZY && a->node;
  return a->level >= l->graph->level && a->node;
}

/* What a custom function passes through. */
static mx_array passed(const struct mxi_line *l, mx_array a) {
  while (in_trace(l, a) && a->node->prim->id == MXI_CUSTOM) a = a->node->inputs[a->output_index];
  return a;
}

static bool enters(void *line, mx_array a) {
  struct mxi_line *l = line;
  return in_trace(l, a) && mxi_map_get(&l->seen, key_of(a)) < 0;
}
static int add_constant(struct mxi_line *l, mx_array a) {
  if (in_trace(l, a) || mxi_map_get(&l->seen, a) >= 0) return 0;
  MXI_TRY(mxi_push(&l->constants, a));
  return mxi_map_put(&l->seen, a, 0);
}
static int leave(void *line, mx_array a) {
  struct mxi_line *l = line;
  const mx_node *n = a->node;
  MXI_TRY(mxi_map_put(&l->seen, key_of(a), 0));
  if (n->prim->id == MXI_CUSTOM) return 0;
  for (int i = 0; i < n->ninputs; i++) MXI_TRY(add_constant(l, passed(l, n->inputs[i])));
  return mxi_push(&l->nodes, a);
}

/* Numbers for the values, once it is known how many there are of each kind. */
static int number(struct mxi_line *l) {
  int32_t next = l->graph->ninputs;
  size_t total = (size_t)next + l->constants.n;
  for (size_t i = 0; i < l->constants.n; i++) MXI_TRY(mxi_map_put(&l->seen, l->constants.v[i], next++));
  for (size_t i = 0; i < l->nodes.n; i++) {
    total += (size_t)l->nodes.v[i]->node->noutputs;
    if (total > INT32_MAX)
      return mxi_fail(MX_INVALID_ARGUMENT, "[export_function] expected fewer than 2^31 values, got more");
    MXI_TRY(mxi_map_put(&l->seen, key_of(l->nodes.v[i]), next));
    next += l->nodes.v[i]->node->noutputs;
  }
  return 0;
}

int mxi_line_init(struct mxi_line *l, const struct mxi_graph *g) {
  *l = (struct mxi_line){.graph = g};
  for (int i = 0; i < g->ninputs; i++) MXI_TRY(mxi_map_put(&l->seen, g->inputs[i], i));
  for (int i = 0; i < g->noutputs; i++) {
    MXI_TRY(mxi_walk(g->outputs[i], enters, leave, l));
    MXI_TRY(add_constant(l, passed(l, g->outputs[i])));
  }
  return number(l);
}

void mxi_line_free(struct mxi_line *l) {
  mxi_vec_free(&l->constants);
  mxi_vec_free(&l->nodes);
  mxi_map_free(&l->seen);
}

int32_t mxi_line_value(const struct mxi_line *l, mx_array a) {
  a = passed(l, a);
  if (!in_trace(l, a)) return mxi_map_get(&l->seen, a);
  return mxi_map_get(&l->seen, key_of(a)) + (a->node->noutputs > 1 ? a->output_index : 0);
}
