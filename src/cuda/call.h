/* The operands of a placed step, as launchers want them. */
#ifndef MXI_CUDA_CALL_H
#define MXI_CUDA_CALL_H
#include "cuda/cuda.h"
#include "cuda/memory.h"

/* The first element of an array that is on the device. */
static inline void *mxi_cuda_address(mx_array a) { return (char *)a->buffer->side->address + a->offset; }
static inline void *mxi_cuda_out(const struct mxi_call *c, int i) { return mxi_cuda_address(c->out[i]); }

/* An input in device memory, while it is held. One element that travels by value is put there (its
   strides are zeros); other layouts
   are copied where row-major is asked for. */
struct mxi_cuda_input {
  const void *address; /* of the first element */
  mx_dtype dtype;
  mx_ints shape;
  const int64_t *strides; /* in elements */
  struct mxi_cuda_scratch scratch;
  int64_t own_strides[MXI_MAX_NDIM];
};
int mxi_cuda_hold(const struct mxi_call *c, int i, struct mxi_cuda_input *in);
int mxi_cuda_hold_row_major(const struct mxi_call *c, int i, struct mxi_cuda_input *in);
/* Once all that reads it is submitted, and on failure too. */
static inline void mxi_cuda_let_go(struct mxi_cuda_input *in) { mxi_cuda_scratch_free(&in->scratch); }
#endif
