/* Calling a user's function on tracers of its inputs. */
#ifndef MXI_TRANSFORMS_TRACE_H
#define MXI_TRANSFORMS_TRACE_H
#include "core/array.h"
#include "core/thread.h"
#include "core/tracer.h"
#include "ops/graph.h"
#include "mlx/transforms.h"

/* Tracers of n inputs, owned by the scope. */
int mxi_tracers(int n, const mx_array *in, mx_array *tracers);
/* Calls f in a scope of its own and checks what comes back. Returns the number of outputs (owned by the
 * scope), or -1. */
int mxi_call_function(const char *transform, mx_function f, void *context, int n, const mx_array *in,
                      int max_out, mx_array *out);
/* Takes a reference of each (NULL entries stay), closes the scope, and owns them in the enclosing one. */
int mxi_move_out(mx_scope *scope, int n, mx_array *arrays);
#endif
