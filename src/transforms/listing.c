/* A graph to be looked at: a copy of what it says, so that whoever evaluates the arrays meanwhile changes
   nothing of it. */
#include "base/alloc.h"
#include "base/lock.h"
#include "ops/common.h"
#include "transforms/export.h"
#include "transforms/graph.h"
#include <string.h>

struct node {
  const mx_prim *prim;
  mx_params *params; /* owned */
  int ninputs, noutputs;
  int32_t first_output;
  size_t inputs; /* the place of their numbers */
};
struct mxi_listing {
  int ninputs, nconstants;
  mxi_vec(mx_array) values; /* owned; those of nodes are new, without a node */
  mxi_vec(struct node) nodes;
  mxi_vec(int32_t) numbers; /* of nodes' inputs */
  mxi_vec(int32_t) outputs;
};
static const char op[] = "graph";

/* ---- Copying ---- */
static int add_value(mx_graph g, mx_array a) { /* takes over the reference */
  if (a && mxi_push(&g->values, a) == 0) return 0;
  mxi_unref(a);
  return -1;
}
static int add_node(mx_graph g, const struct mxi_line *l, mx_array a) {
  const mx_node *n = a->node;
  struct node node = {n->prim,     mxi_params_ref(n->params), n->ninputs,
                      n->noutputs, (int32_t)g->values.n,      g->numbers.n};
  if (mxi_push(&g->nodes, node) < 0) {
    mxi_params_unref(n->prim, node.params);
    return -1;
  }
  for (int i = 0; i < n->ninputs; i++) MXI_TRY(mxi_push(&g->numbers, mxi_line_value(l, n->inputs[i])));
  for (int i = 0; i < n->noutputs; i++) {
    struct mxi_output o = mxi_line_output(a, i);
    MXI_TRY(add_value(g, mxi_array_new(o.dtype, o.shape)));
  }
  return 0;
}

static int copy(mx_graph g, const struct mxi_graph *from) {
  struct mxi_line l;
  int status = mxi_line_init(&l, from);
  g->ninputs = from->ninputs;
  g->nconstants = (int)l.constants.n;
  for (int i = 0; i < from->ninputs && status == 0; i++) status = add_value(g, mxi_ref(from->inputs[i]));
  for (size_t i = 0; i < l.constants.n && status == 0; i++) status = add_value(g, mxi_ref(l.constants.v[i]));
  for (size_t i = 0; i < l.nodes.n && status == 0; i++) status = add_node(g, &l, l.nodes.v[i]);
  for (int i = 0; i < from->noutputs && status == 0; i++)
    status = mxi_push(&g->outputs, mxi_line_value(&l, from->outputs[i]));
  mxi_line_free(&l);
  return status;
}

void mx_graph_free(mx_graph g) {
  if (!g) return;
  for (size_t i = 0; i < g->values.n; i++) mxi_unref(g->values.v[i]);
  for (size_t i = 0; i < g->nodes.n; i++) mxi_params_unref(g->nodes.v[i].prim, g->nodes.v[i].params);
  mxi_vec_free(&g->values);
  mxi_vec_free(&g->nodes);
  mxi_vec_free(&g->numbers);
  mxi_vec_free(&g->outputs);
  mxi_free(g);
}

static mx_graph finish(mx_graph g, int status) {
  if (status == 0) return g;
  mx_graph_free(g);
  return NULL;
}

mx_graph mx_graph_trace(mx_function f, void *context, mx_call c, bool shapeless) {
  struct mxi_graph traced;
  if (!mxi_given("export_function", "a function", f) || mxi_check_call("export_function", c) < 0 ||
      mxi_trace_call(&traced, f, context, c, shapeless) < 0)
    return NULL;
  mx_graph g = mxi_calloc(1, sizeof *g);
  int status = g ? copy(g, &traced) : -1;
  mxi_graph_free(&traced);
  return finish(g, status);
}

mx_graph mx_graph_behind(int n, const mx_array *arrays) {
  struct mxi_graph behind;
  if (!mxi_usable(op, n, arrays) || mxi_graph_init(&behind, 0, 0, NULL, n, arrays) < 0) return NULL;
  mx_graph g = mxi_calloc(1, sizeof *g);
  mxi_lock(MXI_LOCK_PLANNING); /* no eval claims what is looked at, and takes its nodes */
  int status = g ? copy(g, &behind) : -1;
  mxi_unlock(MXI_LOCK_PLANNING);
  mxi_graph_free(&behind);
  return finish(g, status);
}

/* ---- Looking ---- */
static bool given(mx_graph g) { return mxi_given(op, "a graph", g); }
static bool within(const char *what, int i, size_t n) {
  if (i >= 0 && (size_t)i < n) return true;
  mxi_fail(MX_INDEX_ERROR, "[%s] expected one of %zu %s, got %d", op, n, what, i);
  return false;
}

int mx_graph_count(mx_graph g, mx_graph_part part) {
  if (!given(g)) return -1;
  switch (part) {
  case MX_GRAPH_INPUTS: return g->ninputs;
  case MX_GRAPH_CONSTANTS: return g->nconstants;
  case MX_GRAPH_NODES: return (int)g->nodes.n;
  case MX_GRAPH_OUTPUTS: return (int)g->outputs.n;
  default: return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a part, got %d", op, (int)part);
  }
}

int mx_graph_value(mx_graph g, mx_graph_part part, int i) {
  int n = mx_graph_count(g, part);
  if (n < 0 || !within("values", i, part == MX_GRAPH_NODES ? 0 : (size_t)n)) return -1;
  if (part == MX_GRAPH_OUTPUTS) return g->outputs.v[i];
  return part == MX_GRAPH_INPUTS ? i : g->ninputs + i;
}

static const struct node *node_at(mx_graph g, int i) {
  return given(g) && within("nodes", i, g->nodes.n) ? &g->nodes.v[i] : NULL;
}
mx_graph_node mx_graph_node_at(mx_graph g, int i) {
  const struct node *n = node_at(g, i);
  if (!n) return (mx_graph_node){0};
  return (mx_graph_node){n->prim->name, n->ninputs, n->first_output, n->noutputs, n->prim->nfields};
}
int mx_graph_node_input(mx_graph g, int i, int k) {
  const struct node *n = node_at(g, i);
  return n && within("inputs", k, (size_t)n->ninputs) ? g->numbers.v[n->inputs + (size_t)k] : -1;
}

mx_param mx_graph_node_param(mx_graph g, int i, int k) {
  const struct node *n = node_at(g, i);
  if (!n || !within("parameters", k, n->prim->nfields)) return (mx_param){0};
  const struct mxi_field *f = &n->prim->fields[k];
  const void *at = n->params->fields + f->offset;
  mx_param p = {.name = f->name, .kind = MX_PARAM_OTHER};
  if (f->kind == MXI_F_INT)
    p.kind = MX_PARAM_INT, p.integer = *(const int64_t *)at;
  else if (f->kind == MXI_F_DOUBLE)
    p.kind = MX_PARAM_DOUBLE, p.number = *(const double *)at;
  else if (f->kind == MXI_F_INTS)
    p.kind = MX_PARAM_INTS, p.integers = *(const mx_ints *)at;
  return p;
}

mx_value_info mx_graph_value_info(mx_graph g, int value) {
  if (!given(g) || !within("values", value, g->values.n)) return (mx_value_info){0};
  mx_array a = g->values.v[value];
  bool leaf = value < g->ninputs + g->nconstants;
  return (mx_value_info){mxi_dtype(a), mxi_shape_of(a), leaf ? a : NULL};
}
