#include "engine/iteration.h"
#include <string.h>

static void axis_order(mx_array like, int ndim, int *order) {
  for (int i = 0; i < ndim; i++) order[i] = i;
  if (!like) return;
  const int64_t *strides = mxi_strides(like);
  for (int i = 1; i < ndim; i++)
    for (int k = i; k > 0 && strides[order[k - 1]] < strides[order[k]]; k--) {
      int t = order[k];
      order[k] = order[k - 1];
      order[k - 1] = t;
    }
}

int64_t mxi_iteration_stride(mx_array a, int axis, int ndim) {
  int own = axis - (ndim - a->ndim); // operands of fewer dims align at the end
  return own < 0 || a->dims[own] == 1 ? 0 : mxi_strides(a)[own];
}

static mx_array operand(const struct mxi_call *c, int k) {
  return k < c->ninputs ? c->in[k] : c->out[k - c->ninputs];
}

static void merge_axes(struct mxi_iteration *r, const struct mxi_call *c, mx_array like, int noperands) {
  int order[MXI_MAX_NDIM], ndim = c->shape.n;
  axis_order(like, ndim, order);
  r->ndim = 0;
  for (int i = 0; i < ndim; i++) {
    int axis = order[i];
    int64_t length = c->shape.v[axis], step[2 * MXI_MAX_OPERANDS];
    if (length == 1) continue;
    bool merges = r->ndim > 0;
    for (int k = 0; k < noperands; k++) {
      step[k] = mxi_iteration_stride(operand(c, k), axis, ndim) * (int64_t)mxi_itemsize(operand(c, k));
      merges = merges && r->strides[k][r->ndim - 1] == step[k] * length;
    }
    if (!merges) r->shape[r->ndim++] = 1;
    r->shape[r->ndim - 1] *= length;
    for (int k = 0; k < noperands; k++) r->strides[k][r->ndim - 1] = step[k];
  }
  if (r->ndim == 0) { // one element
    r->shape[r->ndim++] = 1;
    for (int k = 0; k < noperands; k++) r->strides[k][0] = 0;
  }
}

/* When everything is row-major or one element, the region is a line. */
static bool is_line(const struct mxi_call *c, int64_t size) {
  for (int i = 0; i < c->ninputs; i++) {
    mx_array in = c->in[i];
    if (in->size != 1 && (in->size != size || in->ndim != c->shape.n || !mxi_row_contiguous(in)))
      return false;
  }
  return true;
}

void mxi_iteration_of(struct mxi_iteration *r, const struct mxi_call *c, int noutputs) {
  r->size = 1;
  for (int i = 0; i < c->shape.n; i++) r->size *= c->shape.v[i];
  bool one_layout = true, row = noutputs == 0 || mxi_row_contiguous(c->out[0]);
  for (int o = 1; o < noutputs; o++)
    one_layout &=
        !memcmp(mxi_strides(c->out[o]), mxi_strides(c->out[0]), (size_t)c->shape.n * sizeof(int64_t));
  if (!(one_layout && row && is_line(c, r->size))) {
    merge_axes(r, c, one_layout && !row ? c->out[0] : NULL, c->ninputs + noutputs);
    return;
  }
  r->ndim = 1;
  r->shape[0] = r->size;
  for (int i = 0; i < c->ninputs; i++)
    r->strides[i][0] = c->in[i]->size == 1 ? 0 : (int64_t)mxi_itemsize(c->in[i]);
  for (int o = 0; o < noutputs; o++) r->strides[c->ninputs + o][0] = (int64_t)mxi_itemsize(c->out[o]);
}
