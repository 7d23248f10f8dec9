/* A function as the graph of one trace, and that graph applied to other inputs. */
#ifndef MXI_TRANSFORMS_GRAPH_H
#define MXI_TRANSFORMS_GRAPH_H
#include "mlx/transforms.h"
#include "ops/graph.h"

/* The graph of f for inputs like `in`, with constants evaluated and equal nodes merged. 0, or -1 with *g
   empty; `transform` is what errors name. shapeless: the graph says how shapes follow its inputs'. */
int mxi_graph_trace(struct mxi_graph *g, const char *transform, mx_function f, void *context, int n,
                    const mx_array *in, int max_out, bool shapeless);
/* Applies it node by node to inputs of its dtypes and ranks: out[g->noutputs] are owned by the scope. What
   meets other shapes than in the trace is made by its op's builder. other_ones (may be NULL): did it fail
   because of axes whose size is 1 here, or was in the trace? */
int mxi_graph_apply(const struct mxi_graph *g, const mx_array *in, mx_array *out, bool *other_ones);
#endif
