/* Making nodes again: views, and parts and assemblies of arrays. A size that the record has because an axis
   was taken whole follows that axis; one that it fixes stays, and where the two can't be told apart an axis
   of another size is an error. */
#include "ops/common.h"
#include "ops/rules.h"
#include <math.h>

static mx_ints recorded(const struct mxi_build *b) { return b->outputs[0].shape; }

/* ---- Views ---- */
MXI_BUILD(IDENTITY) { return mxi_build_takes(b, 1, 1) ? mxi_build_done(b, mxi_itself(b->in[0])) : -1; }
MXI_BUILD(STOP_GRADIENT) {
  return mxi_build_takes(b, 1, 1) ? mxi_build_done(b, mx_stop_gradient(b->in[0])) : -1;
}
MXI_BUILD(DEPENDS) {
  int others = b->ninputs > 1 ? b->ninputs - 1 : 1;
  return mxi_build_takes(b, 1 + others, 1) ? mx_depends(1, b->in, others, b->in + 1, b->out) : -1;
}
MXI_BUILD(RESHAPE) {
  return mxi_build_takes(b, 1, 1) ? mxi_build_done(b, mx_reshape(b->in[0], recorded(b))) : -1;
}
MXI_BUILD(BROADCAST) {
  return mxi_build_takes(b, 1, 1) ? mxi_build_done(b, mx_broadcast_to(b->in[0], recorded(b))) : -1;
}
MXI_BUILD(TRANSPOSE) {
  mx_ints axes = MXI_BUILD_PARAMS(TRANSPOSE, b)->axes;
  return mxi_build_takes(b, 1, 1) ? mxi_build_done(b, mx_transpose(b->in[0], axes)) : -1;
}
MXI_BUILD(AS_STRIDED) {
  const struct mxi_p_AS_STRIDED *p = MXI_BUILD_PARAMS(AS_STRIDED, b);
  if (!mxi_build_takes(b, 1, 1)) return -1;
  mx_ints had = mxi_build_shape(b, 0);
  for (int i = 0; i < had.n && i < b->in[0]->ndim; i++)
    if (had.v[i] != b->in[0]->dims[i]) return mxi_build_fixed(b, i);
  return mxi_build_done(b, mx_as_strided(b->in[0], recorded(b), p->strides, p->offset));
}
MXI_BUILD(VIEW) {
  return mxi_build_takes(b, 1, 1) ? mxi_build_done(b, mx_view(b->in[0], b->outputs[0].dtype)) : -1;
}
MXI_BUILD(CONTIGUOUS) {
  bool allow_col_major = MXI_BUILD_PARAMS(CONTIGUOUS, b)->allow_col_major != 0;
  return mxi_build_takes(b, 1, 1) ? mxi_build_done(b, mx_contiguous(b->in[0], allow_col_major)) : -1;
}

/* ---- Slices ---- */
struct range {
  int64_t start[MX_MAX_NDIM], stop[MX_MAX_NDIM], step[MX_MAX_NDIM];
};

/* What mx_slice takes for `count` elements from start on; false when they lie beyond 64 bits. */
static bool stop_of(int64_t start, int64_t step, int64_t count, int64_t *stop) {
  if (count <= 0 || step == 0) return *stop = start, true;
  if (!mxi_mul(count - 1, step, stop) || !mxi_add(*stop, start, stop)) return false;
  if (step > 0) return mxi_add(*stop, 1, stop);
  *stop = *stop > 0 ? *stop - 1 : INT64_MIN / 2; // before the first element
  return true;
}

/* Of axis i, which had `had` elements of which `count` were taken. */
static int range_along(const struct mxi_build *b, int i, int64_t had, int64_t count, struct range *r) {
  int64_t now = b->in[0]->dims[i], start = r->start[i], step = r->step[i];
  if (now != had) {
    bool whole = count == had && had > 1, first = count == 1 && start == 0 && had > 1;
    if (whole && start == had - 1 && step == -1)
      r->start[i] = start = now ? now - 1 : 0;
    else if (!first && !(whole && start == 0 && step == 1))
      return mxi_build_fixed(b, i);
    count = first ? 1 : now;
  }
  return stop_of(start, step, count, &r->stop[i]) ? 0 : mxi_build_refuse(b, "elements within the array");
}

/* taken: the shape of the part, in the record. */
static int ranges(const struct mxi_build *b, mx_ints start, mx_ints step, mx_ints taken, struct range *r) {
  int ndim = b->in[0]->ndim;
  mx_ints had = mxi_build_shape(b, 0);
  if (!mxi_build_list(b, start, ndim) || !mxi_build_list(b, step, ndim) || !mxi_build_list(b, taken, ndim) ||
      !mxi_build_list(b, had, ndim))
    return -1;
  mxi_copy_ints(r->start, start);
  mxi_copy_ints(r->step, step);
  for (int i = 0; i < ndim; i++) MXI_TRY(range_along(b, i, had.v[i], taken.v[i], r));
  return 0;
}

MXI_BUILD(SLICE) {
  const struct mxi_p_SLICE *p = MXI_BUILD_PARAMS(SLICE, b);
  struct range r;
  if (!mxi_build_takes(b, 1, 1) || ranges(b, p->start, p->step, recorded(b), &r) < 0) return -1;
  int n = b->in[0]->ndim;
  return mxi_build_done(
      b, mx_slice(b->in[0], (mx_ints){r.start, n}, (mx_ints){r.stop, n}, (mx_ints){r.step, n}));
}
MXI_BUILD(SLICE_UPDATE) {
  const struct mxi_p_SLICE_UPDATE *p = MXI_BUILD_PARAMS(SLICE_UPDATE, b);
  struct range r;
  int mode, n;
  if (!mxi_build_takes(b, 2, 1) || !mxi_build_int(b, p->mode, &mode) ||
      ranges(b, p->start, p->step, mxi_build_shape(b, 1), &r) < 0)
    return -1;
  n = b->in[0]->ndim;
  return mxi_build_done(b, mx_slice_update(b->in[0], b->in[1], (mx_ints){r.start, n}, (mx_ints){r.stop, n},
                                           (mx_ints){r.step, n}, (mx_update_mode)mode));
}

/* Sizes of slices, where those of whole axes follow the input's. */
static int slice_sizes(const struct mxi_build *b, mx_ints sizes, int64_t *out) {
  mx_ints had = mxi_build_shape(b, 0), now = mxi_shape_of(b->in[0]);
  if (!mxi_build_list(b, sizes, now.n) || !mxi_build_list(b, had, now.n)) return -1;
  for (int i = 0; i < now.n; i++) out[i] = sizes.v[i] == had.v[i] ? now.v[i] : sizes.v[i];
  return 0;
}

/* A slice has the size that it had along axes where its place is data. */
static void keep_sizes(const struct mxi_build *b, mx_ints axes, mx_ints sizes, int64_t *out) {
  for (int i = 0; i < axes.n; i++)
    if (axes.v[i] >= 0 && axes.v[i] < b->in[0]->ndim) out[axes.v[i]] = sizes.v[axes.v[i]];
}

MXI_BUILD(DYNAMIC_SLICE) {
  mx_ints axes = MXI_BUILD_PARAMS(DYNAMIC_SLICE, b)->axes;
  int64_t sizes[MX_MAX_NDIM];
  if (!mxi_build_takes(b, 2, 1) || slice_sizes(b, recorded(b), sizes) < 0) return -1;
  keep_sizes(b, axes, recorded(b), sizes);
  return mxi_build_done(b, mx_dynamic_slice(b->in[0], b->in[1], axes, (mx_ints){sizes, b->in[0]->ndim}));
}
MXI_BUILD(DYNAMIC_SLICE_UPDATE) {
  mx_ints axes = MXI_BUILD_PARAMS(DYNAMIC_SLICE_UPDATE, b)->axes;
  if (!mxi_build_takes(b, 3, 1)) return -1;
  return mxi_build_done(b, mx_dynamic_slice_update(b->in[0], b->in[1], b->in[2], axes));
}

/* ---- Assembly ---- */
MXI_BUILD(ARANGE) {
  const struct mxi_p_ARANGE *p = MXI_BUILD_PARAMS(ARANGE, b);
  if (!mxi_build_takes(b, 0, 1)) return -1;
  mx_ints shape = recorded(b);
  mx_dtype t = b->outputs[0].dtype;
  if (shape.n != 1 || shape.v[0] >= (int64_t)1 << 53 || t == MX_BOOL || !isfinite(p->start) ||
      !isfinite(p->step))
    return mxi_build_refuse(b, "a vector of numbers and finite steps");
  return mxi_build_done(b, mxi_arange(p->start, p->step, shape.v[0], t));
}
MXI_BUILD(CONCATENATE) {
  int axis;
  if (b->noutputs != 1 || !mxi_build_int(b, MXI_BUILD_PARAMS(CONCATENATE, b)->axis, &axis))
    return mxi_build_refuse(b, "one output");
  return mxi_build_done(b, mx_concatenate(b->ninputs, b->in, axis));
}
MXI_BUILD(PAD) {
  mx_ints low = MXI_BUILD_PARAMS(PAD, b)->low;
  int64_t high[MX_MAX_NDIM];
  if (!mxi_build_takes(b, 2, 1)) return -1;
  int n = b->in[0]->ndim;
  mx_ints had = mxi_build_shape(b, 0), padded = recorded(b);
  if (!mxi_build_list(b, low, n) || !mxi_build_list(b, padded, n) || !mxi_build_list(b, had, n)) return -1;
  for (int i = 0; i < n; i++)
    if (low.v[i] < 0 || low.v[i] > padded.v[i] - had.v[i])
      return mxi_build_refuse(b, "elements around the input");
    else
      high[i] = padded.v[i] - had.v[i] - low.v[i];
  return mxi_build_done(b, mx_pad(b->in[0], low, (mx_ints){high, n}, MX_PAD_CONSTANT, b->in[1]));
}

/* ---- Indexing ---- */
MXI_BUILD(GATHER) {
  const struct mxi_p_GATHER *p = MXI_BUILD_PARAMS(GATHER, b);
  int64_t sizes[MX_MAX_NDIM];
  int n = b->ninputs - 1;
  if (n < 0 || n > MX_MAX_NDIM) return mxi_build_refuse(b, "an array and at most 32 indices");
  if (!mxi_build_takes(b, 1 + n, 1) || slice_sizes(b, p->slice_sizes, sizes) < 0) return -1;
  keep_sizes(b, p->axes, p->slice_sizes, sizes);
  return mxi_build_done(b, mx_gather(b->in[0], n, b->in + 1, p->axes, (mx_ints){sizes, b->in[0]->ndim}));
}
MXI_BUILD(SCATTER) {
  const struct mxi_p_SCATTER *p = MXI_BUILD_PARAMS(SCATTER, b);
  int mode, n = b->ninputs - 2;
  if (n < 0 || n > MX_MAX_NDIM) return mxi_build_refuse(b, "an array, updates and at most 32 indices");
  if (!mxi_build_takes(b, 2 + n, 1) || !mxi_build_int(b, p->mode, &mode)) return -1;
  return mxi_build_done(b, mx_scatter(b->in[0], n, b->in + 2, b->in[1], p->axes, (mx_update_mode)mode));
}
MXI_BUILD(GATHER_AXIS) {
  int axis;
  if (!mxi_build_takes(b, 2, 1) || !mxi_build_int(b, MXI_BUILD_PARAMS(GATHER_AXIS, b)->axis, &axis))
    return -1;
  return mxi_build_done(b, mx_take_along_axis(b->in[0], b->in[1], axis));
}
MXI_BUILD(SCATTER_AXIS) {
  const struct mxi_p_SCATTER_AXIS *p = MXI_BUILD_PARAMS(SCATTER_AXIS, b);
  int axis, mode;
  if (!mxi_build_takes(b, 3, 1) || !mxi_build_int(b, p->axis, &axis) || !mxi_build_int(b, p->mode, &mode))
    return -1;
  return mxi_build_done(b, mx_put_along_axis(b->in[0], b->in[2], b->in[1], axis, (mx_update_mode)mode));
}
