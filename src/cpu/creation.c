/* Arrays made from nothing or put together: arange, concatenate, pad, slices that are written, contiguous. */
#include "cpu/copy.h"
#include "cpu/cpu.h"
#include "cpu/kernels/copy.h"
#include <string.h>

enum { CHUNK = 32768 };

/* ---- arange ---- */
static void arange_chunk(void *ctx, int64_t i) {
  struct mxi_call *c = ctx;
  const struct mxi_p_ARANGE *p = MXI_CALL_PARAMS(ARANGE, c);
  mx_array out = c->out[0];
  int64_t first = i * CHUNK, n = mxi_min(CHUNK, out->size - first);
  MXI_DISPATCH(mxi_arange)
  ((mx_dtype)out->dtype, mxi_data(char, out) + first * (int64_t)mxi_itemsize(out), first, n, p->start,
   p->step);
}

int mxi_cpu_ARANGE(struct mxi_call *c) {
  return mxi_parallel_for(mxi_ceil_div(c->out[0]->size, CHUNK), arange_chunk, c);
}

/* ---- Part of an array: the same strides times step, from an offset ---- */
static struct mxi_strided strided_part(mx_array a, const int64_t *start, const int64_t *step,
                                       int64_t *strides) {
  int64_t offset = 0;
  for (int i = 0; i < a->ndim; i++) {
    offset += start[i] * mxi_strides(a)[i];
    strides[i] = mxi_strides(a)[i] * (step ? step[i] : 1);
  }
  return (struct mxi_strided){mxi_data(char, a) + offset * (int64_t)mxi_itemsize(a), (mx_dtype)a->dtype,
                              strides};
}

int mxi_cpu_CONCATENATE(struct mxi_call *c) {
  mx_array out = c->out[0];
  int64_t axis = MXI_CALL_PARAMS(CONCATENATE, c)->axis;
  int64_t start[MXI_MAX_NDIM] = {0}, strides[MXI_MAX_NDIM];
  for (int i = 0; i < c->ninputs; i++) {
    mx_array in = c->in[i];
    if (!in->size) continue;
    MXI_TRY(mxi_copy_strided(in->ndim, mxi_shape(in), strided_part(out, start, NULL, strides),
                             mxi_strided_of(in)));
    start[axis] += mxi_shape(in)[axis];
  }
  return 0;
}

/* Fills the part of out that starts at `start` with the one element of value. */
static int fill_part(mx_array out, const int64_t *start, const int64_t *shape, mx_array value) {
  int64_t strides[MXI_MAX_NDIM], none[MXI_MAX_NDIM] = {0};
  struct mxi_strided element = {value->data, (mx_dtype)value->dtype, none};
  return mxi_copy_strided(out->ndim, shape, strided_part(out, start, NULL, strides), element);
}

/* The border is two slabs an axis: axes before it lie within the interior, axes after it run their whole
 * length. */
int mxi_cpu_PAD(struct mxi_call *c) {
  mx_array in = c->in[0], value = c->in[1], out = c->out[0];
  const int64_t *low = MXI_CALL_PARAMS(PAD, c)->low.v;
  int64_t start[MXI_MAX_NDIM] = {0}, shape[MXI_MAX_NDIM], strides[MXI_MAX_NDIM];
  if (!out->size) return 0;
  memcpy(shape, mxi_shape(out), (size_t)out->ndim * sizeof *shape);
  for (int i = 0; i < out->ndim; i++) {
    int64_t length = mxi_shape(in)[i], whole = shape[i];
    start[i] = 0, shape[i] = low[i];
    MXI_TRY(fill_part(out, start, shape, value));
    start[i] = low[i] + length, shape[i] = whole - low[i] - length;
    MXI_TRY(fill_part(out, start, shape, value));
    start[i] = low[i], shape[i] = length;
  }
  return mxi_copy_strided(out->ndim, shape, strided_part(out, start, NULL, strides), mxi_strided_of(in));
}

int mxi_cpu_SLICE_UPDATE(struct mxi_call *c) {
  const struct mxi_p_SLICE_UPDATE *p = MXI_CALL_PARAMS(SLICE_UPDATE, c);
  mx_array out = c->out[0], update = c->in[1];
  int64_t strides[MXI_MAX_NDIM];
  MXI_TRY(mxi_start_from_input(c));
  if (!update->size) return 0;
  struct mxi_strided target = strided_part(out, p->start.v, p->step.v, strides);
  return mxi_update_strided((int)p->mode, out->ndim, mxi_shape(update), target, mxi_strided_of(update));
}

/* ---- Slices whose start is data ---- */
/* The start of a slice of this shape in a: the vector's elements for `axes`, 0 elsewhere, clamped so that it
 * fits. */
static void clamped_start(mx_array a, const int64_t *shape, mx_array vector, mx_ints axes, int64_t *start) {
  memset(start, 0, MXI_MAX_NDIM * sizeof *start);
  for (int i = 0; i < axes.n; i++) {
    int64_t stride = vector->ndim ? mxi_strides(vector)[vector->ndim - 1] : 0;
    const char *element = mxi_data(char, vector) + i * stride * (int64_t)mxi_itemsize(vector);
    int64_t at = mxi_scalar_load_int(element, (mx_dtype)vector->dtype), axis = axes.v[i];
    if (vector->dtype == MX_UINT64 && at < 0) at = INT64_MAX;
    start[axis] = mxi_max(0, mxi_min(at, mxi_shape(a)[axis] - shape[axis]));
  }
}

int mxi_cpu_DYNAMIC_SLICE(struct mxi_call *c) {
  mx_array a = c->in[0], out = c->out[0];
  int64_t start[MXI_MAX_NDIM], strides[MXI_MAX_NDIM];
  clamped_start(a, mxi_shape(out), c->in[1], MXI_CALL_PARAMS(DYNAMIC_SLICE, c)->axes, start);
  return mxi_copy_strided(out->ndim, mxi_shape(out), mxi_strided_of(out),
                          strided_part(a, start, NULL, strides));
}

int mxi_cpu_DYNAMIC_SLICE_UPDATE(struct mxi_call *c) {
  mx_array out = c->out[0], update = c->in[1];
  int64_t start[MXI_MAX_NDIM], strides[MXI_MAX_NDIM];
  clamped_start(c->in[0], mxi_shape(update), c->in[2], MXI_CALL_PARAMS(DYNAMIC_SLICE_UPDATE, c)->axes, start);
  MXI_TRY(mxi_start_from_input(c));
  return mxi_copy_strided(out->ndim, mxi_shape(update), strided_part(out, start, NULL, strides),
                          mxi_strided_of(update));
}

/* ---- copy ---- */
int mxi_cpu_COPY(struct mxi_call *c) { return mxi_copy_into(c->out[0], c->in[0]); }
