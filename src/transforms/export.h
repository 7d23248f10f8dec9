/* What exporting and listing share. */
#ifndef MXI_TRANSFORMS_EXPORT_H
#define MXI_TRANSFORMS_EXPORT_H
#include "mlx/export.h"
#include "ops/graph.h"

/* Are the arrays usable and the names there and distinct? 0 or -1. */
int mxi_check_call(const char *op, mx_call c);
/* The graph of f for the inputs. */
int mxi_trace_call(struct mxi_graph *g, mx_function f, void *context, mx_call c, bool shapeless);
#endif
