/* Placing a step: before a backend sees it, every output has its strides and its memory. */
#ifndef MXI_ENGINE_PLACE_H
#define MXI_ENGINE_PLACE_H
#include "engine/plan.h"

/* The arrays of one step, while it runs. */
struct mxi_operands {
  mx_array *in, *out;
  uint64_t donatable; /* bit i: nobody needs in[i]'s memory after the step */
  uint64_t taken;     /* bit i: the step writes over in[i], which lies outside of the arena */
  mx_buffer *arena;   /* of a run of a kept plan; NULL: none */
  const struct mxi_operand_slot *slots_out; /* then: the outputs' regions */
};
/* Places and launches a step, or does it itself where it is the engine's own. When it fails, outputs may hold
   data that is to be reset, and `taken` tells which inputs are lost. */
int mxi_step_run(const struct mxi_step *s, struct mxi_operands *o);

/* The view that a MXI_P_VIEW primitive makes (views.c). Copies the input first where the memory does not
   allow one. */
int mxi_view_run(const struct mxi_step *s, mx_array *in, mx_array *out);
/* Launches a row-major copy of `a`, which the caller owns. */
mx_array mxi_copy_launch(mx_stream stream, mx_array a);
#endif
