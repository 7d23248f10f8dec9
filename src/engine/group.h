/* A group: elementwise nodes of one shape that become one program. */
#ifndef MXI_ENGINE_GROUP_H
#define MXI_ENGINE_GROUP_H
#include "engine/plan.h"

struct mxi_group {
  int32_t id;
  int32_t root;        /* the node that the group ends in */
  bool ends_in_reduce; /* the root's value goes on into a reduction, and everything in the group vanishes */
  struct mxi_limits limits;
  int ninputs, noutputs, nmembers;
  int32_t inputs[MXI_MAX_OPERANDS];      /* slots: distinct, from outside */
  int32_t members[MXI_MAX_INSTRUCTIONS]; /* slots, in an order that respects dependencies */
};

static inline bool mxi_is_elementwise(const struct mxi_array *a) {
  return a->node && (a->node->prim->flags & MXI_P_ELEMENTWISE);
}
/* Fills the group with the nodes that may run with its root (id, root, ends_in_reduce and limits are set), as
   many as its limits allow, the root at least; says which values vanish. No member: not even the root fits.
 */
void mxi_group_gather(struct mxi_plan *p, struct mxi_group *g);
/* Which input of the group serves the slot, or -1: equal scalar constants are one. */
int mxi_group_input(const struct mxi_plan *p, const struct mxi_group *g, int32_t slot);
#endif
