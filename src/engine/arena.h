/* Where the intermediates of a kept plan lie: one block, which a run borrows whole, at offsets that are fixed
   when the plan is made. So a run takes memory once, however many steps it has, and a device sees the same
   pointers whenever it gets the same block.

   In the arena is what a step of the plan computes and only steps of the plan read, all on the plan's first
   stream: no result of the plan, nothing that a result may be a view of, no single element that lies inline.
 */
#ifndef MXI_ENGINE_ARENA_H
#define MXI_ENGINE_ARENA_H
#include "engine/plan.h"

/* Gives every such operand its region and the plan its arena's size; the steps are made. */
int mxi_plan_lay_out(struct mxi_plan *p);
#endif
