#include "graphs/op.h"
#include <string.h>

static const struct graph_op *const families[] = {creation_ops, elementwise_ops, view_ops,   assembly_ops,
                                                  indexing_ops, reduction_ops,   product_ops};
static const struct graph_op *rows[MOST_KINDS];
static int nrows;

int graph_op_count(void) {
  if (nrows) return nrows;
  for (size_t f = 0; f < sizeof families / sizeof *families; f++)
    for (const struct graph_op *op = families[f]; op->name && nrows < MOST_KINDS; op++) rows[nrows++] = op;
  return nrows;
}

const struct graph_op *graph_op(int kind) { return graph_op_count(), rows[kind]; }

int graph_op_find(const char *name) {
  for (int i = 0; i < graph_op_count(); i++)
    if (!strcmp(rows[i]->name, name)) return i;
  return -1;
}
