/* The polyphase decomposition of a convolution of stride 1 over a dilated input, which is what a transposed
   convolution and the gradient of a strided one are: most taps fall on the zeros between the elements.
   Outputs `dilation` apart meet elements with the same taps, so each such phase is a convolution without
   input dilation, with those taps alone. Its result is made apart, and then interleaved with those of the
   others. */
#ifndef MXI_CPU_CONV_POLYPHASE_H
#define MXI_CPU_CONV_POLYPHASE_H
#include "cpu/conv.h"

struct mxi_polyphase {
  const struct mxi_conv *c;
  int64_t count;                                      /* of phases */
  struct mxi_conv phase;                              /* the one entered */
  int64_t offset[MXI_CONV_AXES], step[MXI_CONV_AXES]; /* its outputs in the whole output */
  int64_t tap[MXI_CONV_AXES], tap_step[MXI_CONV_AXES];
  int64_t pixel; /* bytes of an output pixel */
  char *w, *y;   /* with room for the largest phase */
};

bool mxi_conv_is_polyphase(const struct mxi_conv *c);
/* 0, or -1 with the error set. */
int mxi_polyphase_begin(struct mxi_polyphase *p, const struct mxi_conv *c);
/* Makes phase i the current one. Is it to be convolved? Else its result is there: it has no taps or no
 * pixels. */
bool mxi_polyphase_enter(struct mxi_polyphase *p, int64_t i);
/* Puts the current phase's result where it belongs in the whole output. */
int mxi_polyphase_interleave(struct mxi_polyphase *p);
void mxi_polyphase_end(struct mxi_polyphase *p);
#endif
