/* A walk through a graph, inputs before what is made of them, without recursion: a graph may be a million
   nodes deep.

   A walk must enter arrays of its own trace alone. What lies around the trace may be evaluated by another
   thread meanwhile, which takes nodes away, with all that only they kept alive. */
#ifndef MXI_CORE_WALK_H
#define MXI_CORE_WALK_H
#include "core/array.h"

/* enters: is `a` (with a node) part of the trace, and not yet done? It is asked for the root, and for an
   input once for each consumer. leave: the inputs of `a` are done, now comes its own turn; -1 ends the walk.
 */
int mxi_walk(mx_array root, bool (*enters)(void *context, mx_array a),
             int (*leave)(void *context, mx_array a), void *context);
#endif
