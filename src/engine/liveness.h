#ifndef MXI_ENGINE_LIVENESS_H
#define MXI_ENGINE_LIVENESS_H
#include "engine/plan.h"
/* Marks each slot's last reader: there a frame drops the array, or lets the step write over it. */
void mxi_plan_mark_last_uses(struct mxi_plan *p);
#endif
