/* The region that a placed program runs over: axes by falling stride of the outputs' layout, those of size 1
   dropped, neighbours merged where every operand allows. */
#ifndef MXI_ENGINE_ITERATION_H
#define MXI_ENGINE_ITERATION_H
#include "engine/backend.h"

struct mxi_iteration {
  int64_t size;
  int ndim; /* 1 at least */
  int64_t shape[MXI_MAX_NDIM];
  int64_t strides[2 * MXI_MAX_OPERANDS][MXI_MAX_NDIM]; /* in bytes; inputs, then outputs */
};
/* Of an operand along an axis of a region of ndim axes, in elements; 0 where it is repeated. */
int64_t mxi_iteration_stride(mx_array a, int axis, int ndim);
/* Of a call's inputs and its first `noutputs` outputs; 0: the values go into a reduction, in row-major order.
 */
void mxi_iteration_of(struct mxi_iteration *r, const struct mxi_call *c, int noutputs);
#endif
