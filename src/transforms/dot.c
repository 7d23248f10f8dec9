/* Graphs as text for Graphviz: values are letters, or the names that the caller gives; nodes are boxes. */
#include "base/vec.h"
#include "ops/common.h"
#include "transforms/export.h"
#include <stdio.h>
#include <string.h>

static const char op[] = "export_to_dot";
struct dot {
  mx_graph graph;
  mxi_vec(char) text;
  mxi_vec(const char *) names; /* by value; NULL: a letter */
  int noutputs;
};

static int add(struct dot *d, const char *s) {
  for (; *s; s++) MXI_TRY(mxi_push(&d->text, *s));
  return 0;
}

/* A, B ... Z, AA ... for value i; names in quotes, where quotes and backslashes get one. */
static int add_value(struct dot *d, int i) {
  const char *name = d->names.v[i];
  char letters[16];
  int at = (int)sizeof letters - 1;
  letters[at] = 0;
  for (int k = i + 1; k > 0; k = (k - 1) / 26) letters[--at] = (char)('A' + (k - 1) % 26);
  MXI_TRY(add(d, "\""));
  for (const char *s = name ? name : letters + at; *s; s++) {
    if (*s == '"' || *s == '\\') MXI_TRY(add(d, "\\"));
    MXI_TRY(mxi_push(&d->text, *s));
  }
  return add(d, "\"");
}

static bool is_output(const struct dot *d, int value) {
  for (int i = 0; i < d->noutputs; i++)
    if (mx_graph_value(d->graph, MX_GRAPH_OUTPUTS, i) == value) return true;
  return false;
}

static int add_node(struct dot *d, int i) {
  mx_graph_node n = mx_graph_node_at(d->graph, i);
  char box[200];
  snprintf(box, sizeof box, "{ %d [label=\"%s\", shape=rectangle]; }\n", i, n.name);
  MXI_TRY(add(d, box));
  snprintf(box, sizeof box, " -> %d\n", i);
  for (int k = 0; k < n.ninputs; k++) {
    MXI_TRY(add_value(d, mx_graph_node_input(d->graph, i, k)));
    MXI_TRY(add(d, box));
  }
  snprintf(box, sizeof box, "%d -> ", i);
  for (int k = 0; k < n.noutputs; k++) {
    MXI_TRY(add(d, is_output(d, n.first_output + k) ? "{ rank=sink; " : "{ "));
    MXI_TRY(add_value(d, n.first_output + k));
    MXI_TRY(add(d, "; }\n"));
    MXI_TRY(add(d, box));
    MXI_TRY(add_value(d, n.first_output + k));
    MXI_TRY(add(d, "\n"));
  }
  return 0;
}

static int add_graph(struct dot *d) {
  MXI_TRY(add(d, "digraph {\n"));
  for (int i = 0; i < mx_graph_count(d->graph, MX_GRAPH_CONSTANTS); i++) {
    MXI_TRY(add(d, "{ rank=source; "));
    MXI_TRY(add_value(d, i));
    MXI_TRY(add(d, "; }\n"));
  }
  for (int i = 0; i < mx_graph_count(d->graph, MX_GRAPH_NODES); i++) MXI_TRY(add_node(d, i));
  return add(d, "}\n");
}

/* Every value's name. The named arrays are looked for among those that the graph begins with, and are the
   last of its outputs. */
static int find_names(struct dot *d, int nnames, const char *const *names) {
  int values = mx_graph_count(d->graph, MX_GRAPH_CONSTANTS);
  for (int i = 0; i < mx_graph_count(d->graph, MX_GRAPH_NODES); i++)
    values += mx_graph_node_at(d->graph, i).noutputs;
  for (int i = 0; i < values; i++) MXI_TRY(mxi_push(&d->names, (const char *)NULL));
  for (int i = 0; i < nnames; i++)
    d->names.v[mx_graph_value(d->graph, MX_GRAPH_OUTPUTS, d->noutputs + i)] = names[i];
  return 0;
}

static int write_dot(mx_writer writer, struct dot *d, int nnames, const char *const *names) {
  MXI_TRY(find_names(d, nnames, names));
  MXI_TRY(add_graph(d));
  return writer.write(writer.context, d->text.v, d->text.n);
}

int mx_export_to_dot(mx_writer writer, int n, const mx_array *arrays, int nnames, const char *const *names,
                     const mx_array *named) {
  if (!mxi_given(op, "a stream's write", (const void *)(uintptr_t)writer.write) ||
      !mxi_usable(op, n, arrays) || !mxi_usable(op, nnames, named) ||
      (nnames && !mxi_given(op, "a list of names", names)))
    return -1;
  for (int i = 0; i < nnames; i++)
    if (!mxi_given(op, "a name", names[i])) return -1;
  mx_array *all = mxi_malloc(((size_t)n + (size_t)nnames + 1) * sizeof *all);
  if (!all) return -1;
  if (n) memcpy(all, arrays, (size_t)n * sizeof *all);
  if (nnames) memcpy(all + n, named, (size_t)nnames * sizeof *all);
  struct dot d = {.graph = mx_graph_behind(n + nnames, all), .noutputs = n};
  int status = d.graph ? write_dot(writer, &d, nnames, names) : -1;
  mx_graph_free(d.graph);
  mxi_vec_free(&d.text);
  mxi_vec_free(&d.names);
  mxi_free(all);
  return status;
}
