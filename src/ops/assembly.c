/* Arrays put together from others, or taken apart: concatenate, stack, split, repeat, tile, roll, pad,
 * meshgrid. */
#include "base/alloc.h"
#include "ops/common.h"
#include "ops/rules.h"

/* Room for n handles: the caller's small array when it serves, else memory to free with free_handles. */
enum { FEW = 16 };
static mx_array *handles(int n, mx_array *few) {
  return n <= FEW ? few : mxi_malloc((size_t)n * sizeof *few);
}
static void free_handles(mx_array *handles, mx_array *few) {
  if (handles != few) mxi_free(handles);
}

/* ---- Concatenate ---- */
/* The shape of the whole; every part agrees with the first but along axis. */
static int concatenated_shape(int n, const mx_array *arrays, int axis, int64_t *shape) {
  mxi_copy_ints(shape, mxi_shape_of(arrays[0]));
  for (int i = 1; i < n; i++) {
    int64_t expected[MX_MAX_NDIM];
    mxi_copy_ints(expected, mxi_shape_of(arrays[0]));
    if (arrays[i]->ndim == arrays[0]->ndim) expected[axis] = arrays[i]->dims[axis];
    if (!mxi_ints_equal((mx_ints){expected, arrays[0]->ndim}, mxi_shape_of(arrays[i])))
      return mxi_fail(MX_INVALID_ARGUMENT,
                      "[concatenate] expected shapes that differ along axis %d only, got %s and %s", axis,
                      MXI_SHAPE_TEXT(arrays[0]), MXI_SHAPE_TEXT(arrays[i]));
    if (!mxi_add(shape[axis], arrays[i]->dims[axis], &shape[axis]))
      return mxi_fail(MX_INVALID_ARGUMENT, "[concatenate] expected an axis below 2^63 elements, got more");
  }
  return 0;
}

static mx_array concatenated(int n, const mx_array *arrays, int axis) {
  int64_t shape[MX_MAX_NDIM];
  if (concatenated_shape(n, arrays, axis, shape) < 0) return MX_BAD;
  mx_dtype t = mxi_dtype(arrays[0]);
  for (int i = 1; i < n; i++) t = mx_promote_types(t, mxi_dtype(arrays[i]));
  if (n == 1) return mxi_itself(arrays[0]);
  mx_array few[FEW] = {0}, *in = handles(n, few);
  if (!in) return MX_BAD;
  for (int i = 0; i < n; i++) in[i] = mx_astype(arrays[i], t);
  struct mxi_p_CONCATENATE p = {.axis = axis};
  mx_array out = mxi_apply(MXI_CONCATENATE, &p, n, in, t, (mx_ints){shape, arrays[0]->ndim});
  free_handles(in, few);
  return out;
}

mx_array mx_concatenate(int n, const mx_array *arrays, int axis) {
  if (n < 1) return mxi_bad(MX_INVALID_ARGUMENT, "[concatenate] expected at least one array, got %d", n);
  if (!mxi_usable("concatenate", n, arrays)) return MX_BAD;
  axis = mxi_axis("concatenate", axis, arrays[0]->ndim);
  return axis < 0 ? MX_BAD : concatenated(n, arrays, axis);
}

/* Elements [from, to) of one axis. */
static mx_array along(mx_array a, int axis, int64_t from, int64_t to) {
  int64_t start[MX_MAX_NDIM], stop[MX_MAX_NDIM], step[MX_MAX_NDIM];
  mxi_fill_ints(start, a->ndim, 0);
  mxi_fill_ints(step, a->ndim, 1);
  mxi_copy_ints(stop, mxi_shape_of(a));
  start[axis] = from;
  stop[axis] = to;
  return mx_slice(a, (mx_ints){start, a->ndim}, (mx_ints){stop, a->ndim}, (mx_ints){step, a->ndim});
}

MXI_VJP(CONCATENATE) {
  int axis = (int)MXI_PARAMS(CONCATENATE, n)->axis;
  int64_t at = 0;
  for (int i = 0; i < n->ninputs; i++) {
    int64_t size = n->inputs[i]->dims[axis];
    grads[i] = want[i] ? along(cotangents[0], axis, at, at + size) : NULL;
    at += size;
  }
  return mxi_grads_done(n, grads);
}

static mx_array stacked(int n, const mx_array *arrays, int axis, mx_array *expanded) {
  for (int i = 0; i < n; i++) {
    if (!mxi_same_shape(arrays[i], arrays[0]))
      return mxi_bad(MX_INVALID_ARGUMENT, "[stack] expected arrays of one shape, got %s and %s",
                     MXI_SHAPE_TEXT(arrays[0]), MXI_SHAPE_TEXT(arrays[i]));
    expanded[i] = mx_expand_dims(arrays[i], MX_AXES(axis));
  }
  return mx_concatenate(n, expanded, axis);
}

mx_array mx_stack(int n, const mx_array *arrays, int axis) {
  if (n < 1) return mxi_bad(MX_INVALID_ARGUMENT, "[stack] expected at least one array, got %d", n);
  if (!mxi_usable("stack", n, arrays)) return MX_BAD;
  axis = mxi_axis("stack", axis, arrays[0]->ndim + 1);
  mx_array few[FEW] = {0}, *expanded = axis < 0 ? NULL : handles(n, few);
  if (!expanded) return MX_BAD;
  mx_array out = MXI_COMPOSED(stacked(n, arrays, axis, expanded));
  free_handles(expanded, few);
  return out;
}

/* ---- Split ---- */
static int fail_all(int n, mx_array *out) {
  for (int i = 0; i < n; i++) out[i] = MX_BAD;
  return -1;
}
static int all_ok(int n, const mx_array *out) {
  for (int i = 0; i < n; i++)
    if (!mx_ok(out[i])) return -1;
  return 0;
}

int mx_split_at(mx_array a, mx_ints indices, int axis, mx_array *out) {
  if (!mxi_has_place("split", out) || mxi_check_list("split", indices) < 0) return -1;
  int parts = indices.n < 0 ? 0 : indices.n + 1;
  if (!mxi_usable1("split", a) || (axis = mxi_axis("split", axis, a->ndim)) < 0) return fail_all(parts, out);
  for (int i = 0; i < parts; i++)
    out[i] = along(a, axis, i ? indices.v[i - 1] : 0, i < indices.n ? indices.v[i] : a->dims[axis]);
  return all_ok(parts, out);
}

int mx_split(mx_array a, int parts, int axis, mx_array *out) {
  if (!mxi_has_place("split", out)) return -1;
  if (parts < 1) return mxi_fail(MX_INVALID_ARGUMENT, "[split] expected at least one part, got %d", parts);
  if (!mxi_usable1("split", a) || (axis = mxi_axis("split", axis, a->ndim)) < 0) return fail_all(parts, out);
  if (a->dims[axis] % parts) {
    mxi_fail(MX_INVALID_ARGUMENT, "[split] expected axis %d to divide into %d equal parts, got shape %s",
             axis, parts, MXI_SHAPE_TEXT(a));
    return fail_all(parts, out);
  }
  int64_t each = a->dims[axis] / parts;
  for (int i = 0; i < parts; i++) out[i] = along(a, axis, i * each, (i + 1) * each);
  return all_ok(parts, out);
}

int mx_unstack(mx_array a, int axis, mx_array *out) {
  if (!mxi_has_place("unstack", out) || !mxi_usable1("unstack", a) ||
      (axis = mxi_axis("unstack", axis, a->ndim)) < 0)
    return -1;
  int n = (int)mxi_min(a->dims[axis], INT32_MAX);
  for (int i = 0; i < n; i++) out[i] = MXI_COMPOSED(mx_squeeze(along(a, axis, i, i + 1), MX_AXES(axis)));
  return all_ok(n, out);
}

/* ---- Repeat, tile, roll ---- */
static mx_array repeated(mx_array a, int64_t repeats, int axis) {
  int64_t shape[MX_MAX_NDIM];
  mx_array wide = mx_expand_dims(a, MX_AXES(axis + 1));
  if (!mx_ok(wide)) return MX_BAD;
  mxi_copy_ints(shape, mxi_shape_of(wide));
  shape[axis + 1] = repeats;
  return mx_flatten(mx_broadcast_to(wide, (mx_ints){shape, wide->ndim}), axis, axis + 1);
}

mx_array mx_repeat(mx_array a, int64_t repeats, int axis) {
  if (!mxi_usable1("repeat", a)) return MX_BAD;
  axis = mxi_axis("repeat", axis, a->ndim);
  if (axis < 0) return MX_BAD;
  if (repeats < 0)
    return mxi_bad(MX_INVALID_ARGUMENT, "[repeat] expected repeats >= 0, got %lld", (long long)repeats);
  return repeats == 1 ? mxi_itself(a) : MXI_NAMED("repeat", repeated(a, repeats, axis));
}

/* The axes of a, of shape `size`, one after the other: for results of so many dimensions that an array with
   one more for each axis that repeats can't be. */
static mx_array tiled_in_turn(mx_array a, int ndim, int64_t *size, const int64_t *times) {
  int64_t before = 1, rest = a->size;
  for (int i = 0; i < ndim; i++) {
    if (times[i] != 1)
      a = mx_broadcast_to(mx_reshape(a, MX_SHAPE(before, 1, rest)), MX_SHAPE(before, times[i], rest));
    rest = size[i] ? rest / size[i] : 0;
    size[i] *= times[i];
    before *= size[i];
  }
  return mx_reshape(a, (mx_ints){size, ndim});
}

/* a with a new axis of size 1 before each axis that repeats, broadcast along those, and merged again. */
static mx_array tiled(mx_array a, mx_ints reps, int ndim) {
  int64_t with_ones[2 * MX_MAX_NDIM], wide[2 * MX_MAX_NDIM], size[MX_MAX_NDIM], times[MX_MAX_NDIM],
      shape[MX_MAX_NDIM];
  int n = 0;
  for (int i = 0; i < ndim; i++) {
    int ia = i - (ndim - a->ndim), ir = i - (ndim - reps.n);
    size[i] = ia < 0 ? 1 : a->dims[ia];
    times[i] = ir < 0 ? 1 : reps.v[ir];
    if (!mxi_mul(size[i], times[i], &shape[i]))
      return mxi_bad(MX_INVALID_ARGUMENT, "[tile] expected an axis below 2^63 elements, got more");
    if (times[i] != 1) with_ones[n] = 1, wide[n++] = times[i];
    with_ones[n] = wide[n] = size[i];
    n++;
  }
  if (mxi_check_shape("tile", (mx_ints){shape, ndim}, NULL) < 0) return MX_BAD;
  if (n > MX_MAX_NDIM) return tiled_in_turn(a, ndim, size, times);
  return mx_reshape(mx_broadcast_to(mx_reshape(a, (mx_ints){with_ones, n}), (mx_ints){wide, n}),
                    (mx_ints){shape, ndim});
}

mx_array mx_tile(mx_array a, mx_ints reps) {
  if (!mxi_usable1("tile", a) || mxi_check_shape("tile", reps, NULL) < 0) return MX_BAD;
  return MXI_NAMED("tile", tiled(a, reps, a->ndim > reps.n ? a->ndim : reps.n));
}

static mx_array rolled(mx_array a, int64_t shift, int axis) {
  int64_t n = mx_ok(a) ? a->dims[axis] : 0;
  if (n == 0) return a;
  int64_t by = shift % n;
  if (by < 0) by += n;
  if (by == 0) return a;
  return mx_concatenate(2, (mx_array[]){along(a, axis, n - by, n), along(a, axis, 0, n - by)}, axis);
}

static mx_array rolled_along(mx_array a, mx_ints shifts, mx_ints axes) {
  for (int i = 0; i < axes.n && mx_ok(a); i++) {
    int axis = mxi_axis("roll", axes.v[i], a->ndim);
    if (axis < 0) return MX_BAD;
    a = rolled(a, shifts.v[shifts.n == 1 ? 0 : i], axis);
  }
  return a;
}
static mx_array rolled_flat(mx_array a, mx_ints shifts) {
  mx_array flat = mx_reshape(a, MX_SHAPE(a->size));
  for (int i = 0; i < shifts.n; i++) flat = rolled(flat, shifts.v[i], 0);
  return mx_reshape(flat, mxi_shape_of(a));
}

/* Axis i takes shift i, or the only one; MX_ALL_AXES rolls the flattened array by the sum of the shifts. */
mx_array mx_roll(mx_array a, mx_ints shifts, mx_ints axes) {
  if (!mxi_usable1("roll", a) || mxi_check_list("roll", shifts) < 0 || mxi_check_list("roll", axes) < 0)
    return MX_BAD;
  if (shifts.n < 1 || (shifts.n > 1 && shifts.n < axes.n))
    return mxi_bad(MX_INVALID_ARGUMENT, "[roll] expected one shift or one for each of %d axes, got %d",
                   axes.n, shifts.n);
  return axes.n < 0 ? MXI_COMPOSED(rolled_flat(a, shifts)) : MXI_COMPOSED(rolled_along(a, shifts, axes));
}

/* ---- Pad ---- */
static mx_array constant_pad(mx_array a, mx_ints low, mx_ints high, mx_array value) {
  int64_t shape[MX_MAX_NDIM];
  for (int i = 0; i < a->ndim; i++)
    if (!mxi_add(a->dims[i], low.v[i], &shape[i]) || !mxi_add(shape[i], high.v[i], &shape[i]))
      return mxi_bad(MX_INVALID_ARGUMENT, "[pad] expected axes below 2^63 elements, got more");
  if (mxi_ints_equal((mx_ints){shape, a->ndim}, mxi_shape_of(a))) return mxi_itself(a);
  mx_array in[] = {a, value ? mx_reshape(mx_astype(value, mxi_dtype(a)), MX_NO_SHAPE) : mx_like(a, 0)};
  struct mxi_p_PAD p = {.low = {low.v, a->ndim}};
  return mxi_apply(MXI_PAD, &p, 2, in, mxi_dtype(a), (mx_ints){shape, a->ndim});
}

/* The part of the padded array that was the input. */
static mx_array inside(const mx_node *n, mx_array g) {
  mx_ints low = MXI_PARAMS(PAD, n)->low;
  int64_t stop[MX_MAX_NDIM], step[MX_MAX_NDIM];
  for (int i = 0; i < low.n; i++) stop[i] = low.v[i] + n->inputs[0]->dims[i];
  return mx_slice(g, low, (mx_ints){stop, low.n}, mxi_fill_ints(step, low.n, 1));
}
/* The sum of what was padded. Not a difference of sums: an infinity inside would spoil it. */
static mx_array outside_sum(const mx_node *n, mx_array g) {
  mx_ints low = MXI_PARAMS(PAD, n)->low, shape = mxi_shape_of(n->inputs[0]);
  int64_t stop[MX_MAX_NDIM], step[MX_MAX_NDIM];
  for (int i = 0; i < low.n; i++) stop[i] = low.v[i] + shape.v[i];
  mx_array outside = mx_slice_update(g, mx_like(g, 0), low, (mx_ints){stop, low.n},
                                     mxi_fill_ints(step, low.n, 1), MX_UPDATE_SET);
  return mx_sum(outside, MX_ALL_AXES, false);
}
MXI_VJP(PAD) {
  mx_array g = cotangents[0], within = inside(n, g);
  grads[0] = want[0] ? within : NULL;
  grads[1] = NULL;
  if (want[1]) grads[1] = MXI_COMPOSED(outside_sum(n, g));
  return mxi_grads_done(n, grads);
}

/* With a value for each element of the batch: chosen outside of what is padded with zeros. */
static mx_array padded_with_values(const mx_node *n, const struct mxi_batch *b, mx_array padded) {
  mx_ints low = MXI_PARAMS(PAD, n)->low, shape = b->outputs[0].shape;
  int64_t high[MX_MAX_NDIM];
  mx_array ones = mx_ones(mxi_shape_of(n->inputs[0]), MX_BOOL);
  for (int i = 0; i < low.n; i++) high[i] = shape.v[i] - low.v[i] - n->inputs[0]->dims[i];
  mx_array within = mx_pad(ones, low, (mx_ints){high, low.n}, MX_PAD_CONSTANT, NULL);
  return mx_where(within, padded, mxi_batch_aligned(b, 1, shape.n));
}
MXI_VMAP(PAD) {
  int64_t low[MXI_BATCH_NDIM], shape[MXI_BATCH_NDIM];
  struct mxi_p_PAD p = {.low = mxi_batch_prefixed(0, MXI_PARAMS(PAD, n)->low, low)};
  mx_array in[] = {b->in[0], b->batched[1] ? mx_like(n->inputs[0], 0) : b->in[1]};
  if (!b->batched[1]) return mxi_batch_apply(n, b, &p, in);
  mx_ints wide = b->outputs[0].shape;
  if (b->batched[0])
    wide = mxi_batch_shape(b, wide, shape);
  else
    p.low = MXI_PARAMS(PAD, n)->low;
  mx_array padded = mxi_apply(MXI_PAD, &p, 2, in, b->outputs[0].dtype, wide);
  return mxi_batch_done(b, MXI_COMPOSED(padded_with_values(n, b, padded)));
}

/* The element that place i of the padded axis shows, of n > 0; i counts from the first element of the input.
   edge:      a a | a b c | c c      reflect:   c b | a b c | b a      symmetric: b a | a b c | c b */
static int64_t mirrored(int64_t i, int64_t n, mx_pad_mode mode) {
  if (mode == MX_PAD_EDGE) return mxi_max(0, mxi_min(i, n - 1));
  if (n == 1) return 0;
  int64_t period = mode == MX_PAD_REFLECT ? 2 * (n - 1) : 2 * n, phase = (i % period + period) % period;
  return phase < n ? phase : (mode == MX_PAD_REFLECT ? period - phase : period - 1 - phase);
}

static mx_array padded_axis(mx_array a, int axis, int64_t low, int64_t high, mx_pad_mode mode) {
  int64_t n = a->dims[axis], length = 0;
  if (low == 0 && high == 0) return a;
  if (n == 0)
    return mxi_bad(MX_INVALID_ARGUMENT, "[pad] expected a non-empty axis to repeat, got shape %s",
                   MXI_SHAPE_TEXT(a));
  if (!mxi_add(low, n, &length) || !mxi_add(length, high, &length))
    return mxi_bad(MX_INVALID_ARGUMENT, "[pad] expected axes below 2^63 elements, got more");
  mx_array indices = mxi_own(mxi_array_alloc(MX_INT64, MX_SHAPE(length)));
  if (!mx_ok(indices)) return MX_BAD;
  for (int64_t i = 0; i < length; i++) mxi_data(int64_t, indices)[i] = mirrored(i - low, n, mode);
  return mx_take(a, indices, axis);
}

static mx_array mirrored_pad(mx_array a, mx_ints low, mx_ints high, mx_pad_mode mode) {
  for (int i = 0, ndim = a->ndim; i < ndim && mx_ok(a); i++) a = padded_axis(a, i, low.v[i], high.v[i], mode);
  return a;
}

mx_array mx_pad(mx_array a, mx_ints low, mx_ints high, mx_pad_mode mode, mx_array value) {
  if (!mxi_usable1("pad", a) || value == MX_BAD) return MX_BAD;
  if (mxi_check_list("pad", low) < 0 || mxi_check_list("pad", high) < 0) return MX_BAD;
  if ((unsigned)mode > MX_PAD_SYMMETRIC)
    return mxi_bad(MX_INVALID_ARGUMENT, "[pad] expected a mode of padding, got %d", (int)mode);
  if (low.n != a->ndim || high.n != a->ndim)
    return mxi_bad(MX_INVALID_ARGUMENT,
                   "[pad] expected %d sizes before and after for shape %s, got %d and %d", a->ndim,
                   MXI_SHAPE_TEXT(a), low.n, high.n);
  for (int i = 0; i < a->ndim; i++)
    if (low.v[i] < 0 || high.v[i] < 0)
      return mxi_bad(MX_INVALID_ARGUMENT, "[pad] expected sizes >= 0, got (%lld,%lld) for axis %d",
                     (long long)low.v[i], (long long)high.v[i], i);
  if (mode != MX_PAD_CONSTANT) return MXI_COMPOSED(mirrored_pad(a, low, high, mode));
  if (value && value->size != 1)
    return mxi_bad(MX_INVALID_ARGUMENT, "[pad] expected one value to pad with, got shape %s",
                   MXI_SHAPE_TEXT(value));
  return constant_pad(a, low, high, value);
}

/* ---- Meshgrid ---- */
static mx_array grid_axis(mx_array a, int axis, int n) {
  int64_t shape[MX_MAX_NDIM];
  mxi_fill_ints(shape, n, 1);
  shape[axis] = a->size;
  return mx_reshape(a, (mx_ints){shape, n});
}

int mx_meshgrid(int n, const mx_array *arrays, bool sparse, bool ij, mx_array *out) {
  if (!mxi_has_place("meshgrid", out)) return -1;
  fail_all(n, out);
  if (!mxi_usable("meshgrid", n, arrays)) return -1;
  if (n > MX_MAX_NDIM)
    return mxi_fail(MX_INVALID_ARGUMENT, "[meshgrid] expected at most %d arrays, got %d", MX_MAX_NDIM, n);
  mx_array axes[MX_MAX_NDIM];
  for (int i = 0; i < n; i++) axes[i] = grid_axis(arrays[i], !ij && n > 1 && i < 2 ? 1 - i : i, n);
  if (!sparse) return mxi_broadcast_all("meshgrid", n, axes, out);
  if (n > 0) memcpy(out, axes, (size_t)n * sizeof *out);
  return all_ok(n, out);
}

/* ---- Depends ---- */
static mx_array after(mx_array a, int n, const mx_array *dependencies) {
  mx_array few[FEW] = {0}, *in = handles(n + 1, few);
  if (!in) return MX_BAD;
  in[0] = a;
  memcpy(in + 1, dependencies, (size_t)n * sizeof *in);
  mx_array out = mxi_apply(MXI_DEPENDS, NULL, n + 1, in, mxi_dtype(a), mxi_shape_of(a));
  free_handles(in, few);
  return out;
}

int mx_depends(int n, const mx_array *inputs, int ndependencies, const mx_array *dependencies,
               mx_array *out) {
  if (!mxi_has_place("depends", out)) return -1;
  fail_all(n, out);
  if (!mxi_usable("depends", n, inputs) || !mxi_usable("depends", ndependencies, dependencies)) return -1;
  for (int i = 0; i < n; i++)
    out[i] = ndependencies > 0 ? after(inputs[i], ndependencies, dependencies) : mxi_itself(inputs[i]);
  return all_ok(n, out);
}
MXI_VJP(DEPENDS) { return mxi_only_grad(n, cotangents[0], grads); }
MXI_JVP(DEPENDS) {
  out[0] = tangents[0];
  return 0;
}
/* What waits, not what is waited for, says whether the output has a batch axis. */
MXI_VMAP(DEPENDS) {
  b->out_batched[0] = b->batched[0];
  return mxi_batch_done(b, after(b->in[0], n->ninputs - 1, b->in + 1));
}
