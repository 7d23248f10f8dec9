#include "cuda/fused_region.h"
#include "cuda/call.h"
#include "engine/iteration.h"
#include <string.h>

static void put_operands(const struct mxi_call *c, struct mxi_fused_region *r) {
  for (int i = 0; i < c->ninputs; i++) {
    mx_array a = c->in[i];
    r->by_value[i] = !a->buffer;
    r->at[i] = 0;
    if (a->buffer)
      r->at[i] = (uint64_t)(uintptr_t)mxi_cuda_address(a);
    else
      memcpy(&r->at[i], &a->inline_value, mxi_itemsize(a));
  }
  for (int o = 0; o < c->noutputs; o++) r->at[c->ninputs + o] = (uint64_t)(uintptr_t)mxi_cuda_out(c, o);
}

bool mxi_fused_region_of(const struct mxi_call *c, struct mxi_fused_region *r) {
  struct mxi_iteration it;
  mxi_iteration_of(&it, c, c->noutputs);
  if (it.ndim > MXI_CODEGEN_DIMS) return false;
  put_operands(c, r);
  r->ndim = it.ndim;
  memcpy(r->shape, it.shape, (size_t)it.ndim * sizeof *r->shape);
  for (int k = 0; k < c->ninputs + c->noutputs; k++) {
    int64_t bytes = (int64_t)mxi_itemsize(k < c->ninputs ? c->in[k] : c->out[k - c->ninputs]);
    for (int d = 0; d < it.ndim; d++) r->strides[k][d] = it.strides[k][d] / bytes;
  }
  return true;
}
