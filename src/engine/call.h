/* A kept plan as a parameter of CALL nodes: a traced graph from placeholders to outputs, and its plan.
   Immutable, so any number of threads may run it at once. */
#ifndef MXI_ENGINE_CALL_H
#define MXI_ENGINE_CALL_H
#include "engine/place.h"

struct mxi_kept {
  mxi_object object; /* first */
  struct mxi_plan *plan;
  int ninputs, noutputs, nused;
  mx_array *inputs;  /* placeholders; owned */
  mx_array *outputs; /* traced results; owned, and with them the graph */
  int32_t *slots;    /* in the plan: of the inputs, then of the outputs */
  int32_t *used;     /* the slots that are ever in memory */
};
/* Takes over the references of inputs and outputs (also on failure); copies the lists. NULL with the error
 * set. */
struct mxi_kept *mxi_kept_new(int ninputs, const mx_array *inputs, int noutputs, const mx_array *outputs);
static inline void mxi_kept_unref(struct mxi_kept *k) {
  if (k && atomic_fetch_sub(&k->object.refs, 1) == 1) k->object.release(&k->object);
}
/* Runs a CALL step. `taken` tells which inputs it has written over, also when it succeeds. */
int mxi_kept_run(const struct mxi_step *s, struct mxi_operands *o);
/* Applies the traced graph anew, node by node, to other inputs: out[] are owned by the scope. */
int mxi_kept_replay(const struct mxi_kept *k, const mx_array *inputs, mx_array *out);
#endif
