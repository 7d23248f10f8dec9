/* Running a kept plan with a frame of arrays. */
#ifndef MXI_ENGINE_RUN_H
#define MXI_ENGINE_RUN_H
#include "engine/plan.h"

enum {
  MXI_FRAME_OWNED = 1,     /* dropped after its last use */
  MXI_FRAME_DONATABLE = 2, /* its memory may be written over at its last use */
  MXI_FRAME_TAKEN = 4      /* and has been */
};
struct mxi_frame {
  mx_array *arrays; /* one a slot; NULL where a step will make it */
  uint8_t *flags;
  mx_buffer *arena; /* borrowed while the plan runs; NULL: it needs none */
};
int mxi_plan_run_frame(const struct mxi_plan *p, struct mxi_frame *frame);
#endif
