#include "ops/common.h"
#include <stdio.h>

bool mxi_usable(const char *op, int n, const mx_array *arrays) {
  if (n < 0 || (n > 0 && !arrays)) {
    mxi_fail(n < 0 ? MX_INVALID_ARGUMENT : MX_TYPE_ERROR,
             n < 0 ? "[%s] expected a number of arrays >= 0, got %d"
                   : "[%s] expected a list of %d arrays, got NULL",
             op, n);
    return false;
  }
  for (int i = 0; i < n; i++)
    if (arrays[i] == MX_BAD) return false;
  for (int i = 0; i < n; i++)
    if (!arrays[i]) {
      mxi_fail(MX_TYPE_ERROR, "[%s] expected an array, got NULL", op);
      return false;
    }
  return true;
}

bool mxi_given(const char *op, const char *what, const void *argument) {
  if (argument) return true;
  mxi_fail(MX_TYPE_ERROR, "[%s] expected %s, got NULL", op, what);
  return false;
}

int mxi_check_list(const char *op, mx_ints list) {
  if (list.n <= 0 || list.v) return 0;
  return mxi_fail(MX_TYPE_ERROR, "[%s] expected a list of %d integers, got NULL", op, list.n);
}

struct mxi_text mxi_shape_text(mx_ints shape) {
  struct mxi_text text;
  size_t at = 0, room = sizeof text.s - 8;
  if (!shape.v) shape.n = 0;
  at += (size_t)snprintf(text.s, room, "(");
  for (int i = 0; i < shape.n && at < room; i++)
    at += (size_t)snprintf(text.s + at, room - at, i ? ",%lld" : "%lld", (long long)shape.v[i]);
  if (at >= room) at = room - 1;
  snprintf(text.s + at, sizeof text.s - at, at == room - 1 ? "...)" : ")");
  return text;
}

int mxi_axis(const char *op, int64_t axis, int ndim) {
  int64_t positive = axis < 0 ? axis + ndim : axis;
  if (positive >= 0 && positive < ndim) return (int)positive;
  return mxi_fail(MX_AXIS_ERROR, "[%s] expected an axis of an array with %d dimensions, got %lld", op, ndim,
                  (long long)axis);
}

int mxi_axes(const char *op, mx_ints axes, int ndim, int64_t *out) {
  uint32_t seen = 0;
  MXI_TRY(mxi_check_list(op, axes));
  for (int i = 0; i < axes.n; i++) {
    int axis = mxi_axis(op, axes.v[i], ndim);
    if (axis < 0) return -1;
    if (seen >> axis & 1)
      return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected distinct axes, got axis %d twice", op, axis);
    seen |= 1u << axis;
  }
  int n = 0;
  for (int axis = 0; axis < ndim; axis++)
    if (axes.n < 0 || (seen >> axis & 1)) out[n++] = axis;
  return n;
}

int mxi_check_shape(const char *op, mx_ints shape, int64_t *size) {
  MXI_TRY(mxi_check_list(op, shape));
  if (shape.n < 0 || shape.n > MX_MAX_NDIM)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected at most %d dimensions, got %d", op, MX_MAX_NDIM,
                    shape.n);
  int64_t product = 1;
  bool empty = false, overflow = false;
  for (int i = 0; i < shape.n; i++) {
    if (shape.v[i] < 0)
      return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected non-negative dimensions, got shape %s", op,
                      mxi_shape_text(shape).s);
    if (shape.v[i] == 0)
      empty = true;
    else if (!overflow)
      overflow = !mxi_mul(product, shape.v[i], &product);
  }
  if (overflow)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected fewer than 2^63 elements, got shape %s", op,
                    mxi_shape_text(shape).s);
  if (size) *size = empty ? 0 : product;
  return 0;
}

int mxi_check_indices(const char *op, mx_array indices) {
  if (mxi_is_integer(mxi_dtype(indices))) return 0;
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected integer indices, got %s", op,
                  mx_dtype_name(mxi_dtype(indices)));
}

bool mxi_update_mode_ok(const char *op, mx_update_mode mode) {
  if ((unsigned)mode <= MX_UPDATE_MINIMUM) return true;
  mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected an update mode, got %d", op, (int)mode);
  return false;
}

int mxi_broadcast_shape(const char *op, mx_ints a, mx_ints b, int64_t *out) {
  MXI_TRY(mxi_check_list(op, b));
  int n = a.n > b.n ? a.n : b.n;
  if (n > MX_MAX_NDIM)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected at most %d dimensions, got %d", op, MX_MAX_NDIM, n);
  for (int i = n - 1; i >= 0; i--) {
    int ia = i - (n - a.n), ib = i - (n - b.n);
    int64_t da = ia < 0 ? 1 : a.v[ia], db = ib < 0 ? 1 : b.v[ib];
    if (da != db && da != 1 && db != 1)
      return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected broadcastable shapes, got %s and %s", op,
                      mxi_shape_text(a).s, mxi_shape_text(b).s);
    out[i] = da == 1 ? db : da;
  }
  return n;
}

int mx_broadcast_shapes(int n, const mx_ints *shapes, int64_t *out) {
  mx_ints common = MX_NO_SHAPE;
  if (n > 0 &&
      (!mxi_given("broadcast_shapes", "a list of shapes", shapes) || !mxi_has_place("broadcast_shapes", out)))
    return -1;
  for (int i = 0; i < n; i++) {
    MXI_TRY(mxi_check_list("broadcast_shapes", shapes[i]));
    for (int k = 0; k < shapes[i].n; k++)
      if (shapes[i].v[k] < 0)
        return mxi_fail(MX_INVALID_ARGUMENT,
                        "[broadcast_shapes] expected non-negative dimensions, got shape %s",
                        mxi_shape_text(shapes[i]).s);
    common.n = mxi_broadcast_shape("broadcast_shapes", common, shapes[i], out);
    if (common.n < 0) return -1;
    common.v = out;
  }
  return common.n;
}

mx_array mxi_constant(double value, mx_dtype t, mx_ints shape) {
  uint64_t element = 0;
  mxi_scalar_store(&element, t, value, 0);
  return mxi_own(mxi_array_fill(t, shape, &element));
}

mx_array mxi_axes_last(mx_array a, int n, const int64_t *axes, int64_t *order) {
  uint32_t last = 0;
  for (int i = 0; i < n; i++) last |= 1u << axes[i];
  int at = 0;
  for (int i = 0; i < a->ndim; i++)
    if (!(last >> i & 1)) order[at++] = i;
  for (int i = 0; i < n; i++) order[at++] = axes[i];
  return mx_transpose(a, (mx_ints){order, a->ndim});
}
