/* Shapes that follow others. In a trace that serves all sizes (compile and export, shapeless) they are nodes,
   which say how: a plan for some sizes has the reshape, broadcast or constant that they come to. Elsewhere
   they come to that at once. */
#include "ops/common.h"
#include "ops/rules.h"

static bool any_follows(mx_array a, mx_array like) { return mxi_follows(a) || (like && mxi_follows(like)); }

/* ---- Reshape ---- */
/* The size that a dim says, of axes of `of`; -1: what is left. False for axes that it lacks. */
static bool size_of(mx_array of, int64_t dim, int64_t *size) {
  *size = dim;
  if (dim >= -1) return true;
  int64_t code = -2 - dim, first = code / 64, count = code % 64;
  *size = 1;
  if (first + count > of->ndim) return false;
  for (int64_t i = first; i < first + count; i++)
    if (!mxi_mul(*size, of->dims[i], size)) return false;
  return true;
}

/* The shape that dims say, where -1 is inferred. */
static int shape_as(mx_array a, mx_array like, const int64_t *dims, int ndim, int64_t *shape) {
  int inferred = -1, read = 0;
  int64_t known = 1;
  bool fits = true;
  for (int i = 0; i < ndim && fits; i++, read++) {
    fits = size_of(like ? like : a, dims[i], &shape[i]);
    if (fits && shape[i] == -1) {
      fits = inferred < 0;
      inferred = i;
    } else
      fits = fits && mxi_mul(known, shape[i], &known);
  }
  if (fits && inferred >= 0) {
    fits = known != 0 && a->size % known == 0;
    shape[inferred] = fits ? a->size / known : 0;
  } else
    fits = fits && known == a->size;
  if (fits) return 0;
  return mxi_fail(MX_INVALID_ARGUMENT,
                  "[reshape] expected a shape that an array of shape %s has room for, got %s",
                  MXI_SHAPE_TEXT(a), mxi_shape_text((mx_ints){shape, read}).s);
}

/* Is it a, whatever its sizes are? */
static bool is_itself(mx_array a, const int64_t *dims, int ndim) {
  bool same = a->ndim == ndim;
  for (int i = 0; i < ndim && same; i++) same = dims[i] == MXI_AXES_OF(i, 1);
  return same;
}

mx_array mxi_reshape_as(mx_array a, mx_array like, const int64_t *dims, int ndim) {
  int64_t shape[MX_MAX_NDIM];
  if (!mx_ok(a) || like == MX_BAD || shape_as(a, like, dims, ndim, shape) < 0) return MX_BAD;
  if (!any_follows(a, like)) return mx_reshape(a, (mx_ints){shape, ndim});
  if (!like && is_itself(a, dims, ndim)) return mxi_itself(a);
  struct mxi_p_RESHAPE_AS p = {.dims = {dims, ndim}};
  return mxi_apply(MXI_RESHAPE_AS, &p, like ? 2 : 1, (mx_array[]){a, like}, mxi_dtype(a),
                   (mx_ints){shape, ndim});
}

mx_array mxi_reshape_like(mx_array a, mx_array like) {
  int64_t dims[MX_MAX_NDIM];
  if (!mx_ok(a) || !mx_ok(like)) return MX_BAD;
  if (!any_follows(a, like)) return mx_reshape(a, mxi_shape_of(like));
  for (int i = 0; i < like->ndim; i++) dims[i] = MXI_AXES_OF(i, 1);
  return mxi_reshape_as(a, like, dims, like->ndim);
}

/* ---- Broadcast ---- */
mx_array mxi_broadcast_like(mx_array a, mx_array like) {
  if (!mx_ok(a) || !mx_ok(like)) return MX_BAD;
  mx_array wide = mx_broadcast_to(a, mxi_shape_of(like));
  if (wide == MX_BAD || !any_follows(a, like)) return wide;
  return mxi_apply(MXI_BROADCAST_AS, NULL, 2, (mx_array[]){a, like}, mxi_dtype(a), mxi_shape_of(like));
}

int mxi_broadcast_all(const char *op, int n, const mx_array *arrays, mx_array *out) {
  if (!mxi_has_place(op, out)) return -1;
  for (int i = 0; i < n; i++) out[i] = MX_BAD;
  if (!mxi_usable(op, n, arrays)) return -1;
  int64_t shape[MX_MAX_NDIM];
  mx_ints common = {shape, 0};
  mx_array like = NULL; /* of the common shape, in a trace for all sizes */
  for (int i = 0; i < n; i++)
    MXI_TRY(common.n = mxi_broadcast_shape(op, common, mxi_shape_of(arrays[i]), shape));
  int result = 0;
  for (int i = 0; i < n && mxi_thread.shapeless_level; i++)
    like = like ? mx_equal(like, arrays[i]) : arrays[i];
  for (int i = 0; i < n; i++) {
    out[i] = like ? mxi_broadcast_like(arrays[i], like) : mx_broadcast_to(arrays[i], common);
    if (out[i] == MX_BAD) result = -1;
  }
  return result;
}

mx_array mxi_filled_like(double value, mx_dtype t, mx_array like) {
  if (!mxi_follows(like)) return mxi_constant(value, t, mxi_shape_of(like));
  return mxi_broadcast_like(mxi_constant(value, t, MX_NO_SHAPE), like);
}

/* ---- Numbers of elements ---- */
mx_array mxi_inverse_count(mx_array a, mx_ints axes, double ddof) {
  double count = 1;
  if (!mx_ok(a)) return MX_BAD;
  for (int i = 0; i < axes.n; i++) count *= (double)a->dims[axes.v[i]];
  if (!mxi_follows(a)) return mx_like(a, 1 / (count > ddof ? count - ddof : 0));
  struct mxi_p_COUNT p = {.axes = axes, .ddof = ddof};
  return mxi_apply(MXI_COUNT, &p, 1, &a, mxi_dtype(a), MX_NO_SHAPE);
}
