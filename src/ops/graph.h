/* A traced function: placeholders, and the arrays that were made of them. And the same in a line, each value
   with a number, for those who write it down. */
#ifndef MXI_OPS_GRAPH_H
#define MXI_OPS_GRAPH_H
#include "base/map.h"
#include "base/vec.h"
#include "core/node.h"

struct mxi_graph {
  int32_t level;    /* of its placeholders; 0: a graph of arrays not evaluated yet */
  mx_stream stream; /* where apply puts its nodes; NULL: each where it was traced */
  bool ones_matter; /* it holds for inputs whose axes of size 1 are the same alone */
  int ninputs, noutputs;
  mx_array *inputs, *outputs; /* owned; one allocation */
};
/* A placeholder of the innermost open trace; the caller owns it. NULL with the error set. */
mx_array mxi_placeholder(mx_dtype t, mx_ints shape);
/* Takes references of n inputs and nout outputs. */
int mxi_graph_init(struct mxi_graph *g, int32_t level, int n, const mx_array *inputs, int nout,
                   const mx_array *outputs);
void mxi_graph_free(struct mxi_graph *g);

/* The graph in a line. Values are numbered: the inputs, the constants, and the outputs of one node after the
   other, each of which comes after what it needs. Custom functions are what they computed. */
struct mxi_line {
  const struct mxi_graph *graph;
  mxi_vec(mx_array) constants; /* borrowed from the graph */
  mxi_vec(mx_array) nodes;     /* an output of each */
  struct mxi_map seen;         /* array, or node with several outputs -> the number of its first value */
};
int mxi_line_init(struct mxi_line *l, const struct mxi_graph *g);
void mxi_line_free(struct mxi_line *l);
/* The number of an array of the graph. */
int32_t mxi_line_value(const struct mxi_line *l, mx_array a);
/* What an output of the node that made `a` is. */
static inline struct mxi_output mxi_line_output(mx_array a, int i) {
  const mx_node *n = a->node;
  if (n->noutputs == 1) return (struct mxi_output){(mx_dtype)a->dtype, mxi_shape_of(a)};
  return (struct mxi_output){n->outputs[i].dtype, n->outputs[i].shape};
}
#endif
