#include "cuda/fused_region.h"
#include "cuda/call.h"
#include <string.h>

int64_t mxi_fused_stride(mx_array a, int axis, int ndim) {
  int own = axis - (ndim - a->ndim); // operands of fewer dims align at the end
  return own < 0 || mxi_shape(a)[own] == 1 ? 0 : mxi_strides(a)[own];
}

/* Everything in one row, but for operands of one element. */
static bool is_row(const struct mxi_call *c) {
  int64_t size = c->out[0]->size;
  for (int o = 0; o < c->noutputs; o++)
    if (!mxi_row_contiguous(c->out[o])) return false;
  for (int i = 0; i < c->ninputs; i++)
    if (c->in[i]->size != 1 && (c->in[i]->size != size || !mxi_row_contiguous(c->in[i]))) return false;
  return true;
}

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

/* The axes by falling strides of the first output, as elements may come in any order. */
static void sort_axes(mx_array like, int *axes) {
  for (int i = 0; i < like->ndim; i++) axes[i] = i;
  for (int i = 1; i < like->ndim; i++)
    for (int k = i; k > 0 && mxi_strides(like)[axes[k - 1]] < mxi_strides(like)[axes[k]]; k--) {
      int t = axes[k];
      axes[k] = axes[k - 1];
      axes[k - 1] = t;
    }
}

/* Adds an axis to the region, or makes the region's last dim longer where every operand allows. */
static bool add_axis(const struct mxi_call *c, int axis, struct mxi_fused_region *r) {
  int noperands = c->ninputs + c->noutputs, last = r->ndim - 1;
  int64_t length = c->shape.v[axis], strides[MXI_CODEGEN_OPERANDS];
  bool merges = last >= 0;
  for (int k = 0; k < noperands; k++) {
    strides[k] = mxi_fused_stride(k < c->ninputs ? c->in[k] : c->out[k - c->ninputs], axis, c->shape.n);
    merges = merges && r->strides[k][last] == strides[k] * length;
  }
  if (!merges && (last = r->ndim++) == MXI_CODEGEN_DIMS) return false;
  r->shape[last] = merges ? r->shape[last] * length : length;
  for (int k = 0; k < noperands; k++) r->strides[k][last] = strides[k];
  return true;
}

bool mxi_fused_region_of(const struct mxi_call *c, struct mxi_fused_region *r) {
  put_operands(c, r);
  r->ndim = 0;
  if (is_row(c)) {
    r->ndim = 1;
    r->shape[0] = c->out[0]->size;
    for (int i = 0; i < c->ninputs; i++) r->strides[i][0] = c->in[i]->size != 1;
    for (int o = 0; o < c->noutputs; o++) r->strides[c->ninputs + o][0] = 1;
    return true;
  }
  int axes[MXI_MAX_NDIM];
  sort_axes(c->out[0], axes);
  for (int i = 0; i < c->shape.n; i++)
    if (c->shape.v[axes[i]] != 1 && !add_axis(c, axes[i], r)) return false;
  return r->ndim > 0;
}
