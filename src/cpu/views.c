/* Primitives whose result is another look at their input's memory. */
#include "cpu/cpu.h"
#include "engine/call.h"
#include <string.h>

int mxi_cpu_IDENTITY(struct mxi_call *c) {
  mxi_set_view(c->out[0], c->in[0], 0, mxi_strides(c->in[0]));
  return 0;
}
int mxi_cpu_STOP_GRADIENT(struct mxi_call *c) { return mxi_cpu_IDENTITY(c); }
int mxi_cpu_DEPENDS(struct mxi_call *c) {
  for (int i = 0; i < c->noutputs; i++) mxi_set_view(c->out[i], c->in[i], 0, mxi_strides(c->in[i]));
  return 0;
}
int mxi_cpu_CUSTOM(struct mxi_call *c) { return mxi_cpu_DEPENDS(c); }

int mxi_cpu_TRANSPOSE(struct mxi_call *c) {
  mx_ints axes = MXI_CALL_PARAMS(TRANSPOSE, c)->axes;
  int64_t strides[MXI_MAX_NDIM];
  for (int i = 0; i < axes.n; i++) strides[i] = mxi_strides(c->in[0])[axes.v[i]];
  mxi_set_view(c->out[0], c->in[0], 0, strides);
  return 0;
}

int mxi_cpu_BROADCAST(struct mxi_call *c) {
  mx_array in = c->in[0], out = c->out[0];
  int64_t strides[MXI_MAX_NDIM];
  for (int i = 0; i < out->ndim; i++) {
    int own = i - (out->ndim - in->ndim);
    strides[i] = own < 0 || (in->dims[own] == 1 && out->dims[i] != 1) ? 0 : mxi_strides(in)[own];
  }
  mxi_set_view(out, in, 0, strides);
  return 0;
}

int mxi_cpu_SLICE(struct mxi_call *c) {
  const struct mxi_p_SLICE *p = MXI_CALL_PARAMS(SLICE, c);
  mx_array in = c->in[0];
  int64_t strides[MXI_MAX_NDIM], offset = 0;
  for (int i = 0; i < in->ndim; i++) {
    offset += p->start.v[i] * mxi_strides(in)[i];
    strides[i] = mxi_strides(in)[i] * p->step.v[i];
  }
  mxi_set_view(c->out[0], in, c->out[0]->size ? offset : 0, strides);
  return 0;
}

/* Strides that show `in` in the shape of `out`, if the memory allows: each run of input dims that is
   contiguous in itself is cut anew. False when a copy is needed. */
static bool reshape_strides(mx_array in, mx_array out, int64_t *strides) {
  int64_t dims[MXI_MAX_NDIM], steps[MXI_MAX_NDIM];
  int n = 0; // input dims of size > 1, neighbours merged where contiguous
  for (int i = 0; i < in->ndim; i++) {
    if (in->dims[i] == 1) continue;
    if (n && steps[n - 1] == mxi_strides(in)[i] * in->dims[i]) {
      dims[n - 1] *= in->dims[i];
      steps[n - 1] = mxi_strides(in)[i];
    } else {
      dims[n] = in->dims[i];
      steps[n++] = mxi_strides(in)[i];
    }
  }
  int k = n - 1;
  int64_t left = n ? dims[k] : 1, step = n ? steps[k] : 1;
  for (int i = out->ndim - 1; i >= 0; i--) {
    if (left == 1 && k > 0) {
      k--;
      left = dims[k];
      step = steps[k];
    }
    strides[i] = step;
    if (out->dims[i] == 1) continue;
    if (left % out->dims[i]) return false;
    left /= out->dims[i];
    step *= out->dims[i];
  }
  return true;
}

int mxi_cpu_RESHAPE(struct mxi_call *c) {
  mx_array in = c->in[0], out = c->out[0];
  int64_t strides[MXI_MAX_NDIM];
  if (out->size == 0) return mxi_alloc(out);
  if (mxi_row_contiguous(in)) {
    mxi_set_view(out, in, 0, NULL);
    return 0;
  }
  if (reshape_strides(in, out, strides)) {
    mxi_set_view(out, in, 0, strides);
    return 0;
  }
  mx_array copy = mxi_row_major(in);
  if (!copy) return -1;
  mxi_set_view(out, copy, 0, NULL);
  mxi_unref(copy);
  return 0;
}

int mxi_cpu_AS_STRIDED(struct mxi_call *c) {
  const struct mxi_p_AS_STRIDED *p = MXI_CALL_PARAMS(AS_STRIDED, c);
  mx_array copy = mxi_row_major(c->in[0]);
  if (!copy) return -1;
  mxi_set_view(c->out[0], copy, p->offset, p->strides.v);
  mxi_unref(copy);
  return 0;
}

/* The same bytes as another dtype. Equal sizes keep any strides; else the last axis must be contiguous. */
int mxi_cpu_VIEW(struct mxi_call *c) {
  mx_array in = c->in[0], out = c->out[0];
  size_t from = mxi_itemsize(in), to = mxi_itemsize(out);
  if (from == to) {
    mxi_set_view(out, in, 0, mxi_strides(in));
    return 0;
  }
  mx_array copy = mxi_row_major(in);
  if (!copy) return -1;
  if (copy->buffer)
    mxi_set_view(out, copy, 0, NULL);
  else if (mxi_alloc(out) == 0)
    memcpy(out->data, copy->data, (size_t)copy->size * from); // one inline element
  int result = out->data ? 0 : -1;
  mxi_unref(copy);
  return result;
}

int mxi_cpu_CALL(struct mxi_call *c) { return mxi_kept_run(c); }
