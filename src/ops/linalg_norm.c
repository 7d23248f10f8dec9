/* Norms of vectors and matrices (Higham, "Accuracy and Stability of Numerical Algorithms", chapter 6), and
   the cross product: compositions of other ops. Those of halves are computed in float32 and rounded once:
   a square of 300 is none of float16. */
#include "ops/linalg.h"
#include <math.h>

/* ---- Vectors ---- */
static mx_array magnitude(mx_array a) { return mx_abs(a); }
/* The root of the sum of squares; of complex elements, of both parts. */
static mx_array euclidean(mx_array a, mx_ints axes, bool keepdims) {
  if (mxi_dtype(a) == MX_COMPLEX64)
    a = mx_add(mx_square(mx_real(a)), mx_square(mx_imag(a)));
  else
    a = mx_square(a);
  return mx_sqrt(mx_sum(a, axes, keepdims));
}
static mx_array vector_norm(mx_array a, double ord, mx_ints axes, bool keepdims) {
  if (ord == INFINITY) return mx_max(magnitude(a), axes, keepdims);
  if (ord == -INFINITY) return mx_min(magnitude(a), axes, keepdims);
  if (ord == 2) return euclidean(a, axes, keepdims);
  if (ord == 1) return mx_sum(magnitude(a), axes, keepdims);
  mx_array size = magnitude(a);
  if (!mx_ok(size)) return MX_BAD;
  if (ord == 0)
    return mx_sum(mx_astype(mx_not_equal(size, mx_like(size, 0)), mxi_dtype(size)), axes, keepdims);
  return mx_power(mx_sum(mx_power(size, mx_like(size, ord)), axes, keepdims), mx_like(size, 1 / ord));
}

/* ---- Matrices ---- */
/* Singular values (..., K) of the matrices in two axes. */
static mx_array singular_values(mx_array a, const int64_t *axes) {
  return mx_linalg_svdvals(
      mx_moveaxis(mx_moveaxis(a, (int)axes[0], -1), (int)(axes[1] - (axes[1] > axes[0])), -1));
}
/* A value a matrix, its two axes put back with size 1 where they are kept. */
static mx_array keep(mx_array a, const int64_t *axes, bool keepdims) {
  return keepdims ? mx_expand_dims(a, MX_AXES(axes[0], axes[1])) : a;
}
/* The largest or least of the sums along one of two axes. */
static mx_array extreme_sum(mx_array a, int64_t summed, int64_t other, bool largest, bool keepdims) {
  mx_array sums = mx_sum(magnitude(a), MX_AXES(summed), true);
  sums = largest ? mx_max(sums, MX_AXES(other), true) : mx_min(sums, MX_AXES(other), true);
  return keepdims ? sums : mx_squeeze(sums, MX_AXES(summed, other));
}
static mx_array matrix_norm(mx_array a, double ord, const int64_t *axes, bool keepdims) {
  if (ord == 1 || ord == -1) return extreme_sum(a, axes[0], axes[1], ord > 0, keepdims);
  if (ord == INFINITY || ord == -INFINITY) return extreme_sum(a, axes[1], axes[0], ord > 0, keepdims);
  if (ord == 2) return keep(mx_max(singular_values(a, axes), MX_AXES(-1), false), axes, keepdims);
  if (ord == -2) return keep(mx_min(singular_values(a, axes), MX_AXES(-1), false), axes, keepdims);
  return mxi_bad(MX_INVALID_ARGUMENT, "[norm] expected ord 1, -1, 2, -2, inf or -inf for matrices, got %g",
                 ord);
}

/* ---- Arguments ---- */
/* The axes in the order given: their number, or -1. */
static int norm_axes(mx_array a, mx_ints axes, int64_t *out) {
  int64_t sorted[MX_MAX_NDIM];
  int n = mxi_axes("norm", axes, a->ndim, sorted);
  for (int i = 0; i < n; i++) out[i] = axes.n < 0 ? sorted[i] : mxi_axis("norm", axes.v[i], a->ndim);
  return n;
}
static mx_array widened(mx_array a) {
  mx_dtype t = mxi_at_least_float(mxi_dtype(a));
  return mx_astype(a, mxi_is_half(t) ? MX_FLOAT32 : t);
}
/* The norm of a, in the dtype of a's absolute values. */
static mx_array narrowed(mx_array norm, mx_array a) {
  return mxi_is_half(mxi_dtype(a)) ? mx_astype(norm, mxi_dtype(a)) : norm;
}

mx_array mx_linalg_norm(mx_array a, mx_ints axes, bool keepdims) {
  int64_t checked[MX_MAX_NDIM];
  if (!mxi_usable1("norm", a) || norm_axes(a, axes, checked) < 0) return MX_BAD;
  return MXI_COMPOSED(narrowed(euclidean(widened(a), axes, keepdims), a));
}
mx_array mx_linalg_norm_ord(mx_array a, double ord, mx_ints axes, bool keepdims) {
  int64_t v[MX_MAX_NDIM];
  if (!mxi_usable1("norm", a)) return MX_BAD;
  int n = norm_axes(a, axes, v);
  if (n < 0) return MX_BAD;
  if (n == 1) return MXI_COMPOSED(narrowed(vector_norm(widened(a), ord, (mx_ints){v, 1}, keepdims), a));
  if (n == 2) return MXI_COMPOSED(narrowed(matrix_norm(widened(a), ord, v, keepdims), a));
  return mxi_bad(MX_INVALID_ARGUMENT, "[norm] expected one axis, or two, along with ord, got %d for shape %s",
                 n, MXI_SHAPE_TEXT(a));
}
mx_array mx_linalg_norm_matrix(mx_array a, const char *ord, mx_ints axes, bool keepdims) {
  int64_t v[MX_MAX_NDIM];
  if (!mxi_usable1("norm", a) || !mxi_given("norm", "an ord", ord)) return MX_BAD;
  bool frobenius = !strcmp(ord, "fro") || !strcmp(ord, "f");
  if (!frobenius && strcmp(ord, "nuc"))
    return mxi_bad(MX_INVALID_ARGUMENT, "[norm] expected ord 'fro', 'f' or 'nuc', got '%s'", ord);
  int n = norm_axes(a, axes, v);
  if (n < 0) return MX_BAD;
  if (n != 2)
    return mxi_bad(MX_INVALID_ARGUMENT, "[norm] expected two axes for ord '%s', got %d for shape %s", ord, n,
                   MXI_SHAPE_TEXT(a));
  if (frobenius) return MXI_COMPOSED(narrowed(euclidean(widened(a), (mx_ints){v, 2}, keepdims), a));
  return MXI_COMPOSED(
      narrowed(keep(mx_sum(singular_values(widened(a), v), MX_AXES(-1), false), v, keepdims), a));
}

/* ---- The cross product ---- */
/* Three components along the last axis; the third of two is NULL, for 0. */
static void components(mx_array a, mx_array *out) {
  mx_array parts[3] = {NULL, NULL, NULL};
  mx_unstack(a, -1, parts);
  for (int i = 0; i < 3; i++) out[i] = parts[i];
}
/* a b - c d, where absent factors are 0. */
static mx_array minor(mx_array a, mx_array b, mx_array c, mx_array d, mx_array zero) {
  mx_array first = a && b ? mx_multiply(a, b) : NULL, second = c && d ? mx_multiply(c, d) : NULL;
  if (!second) return first ? mx_add(first, zero) : zero;
  return mx_subtract(first ? first : zero, second);
}
static mx_array cross(mx_array a, mx_array b, int axis_a, int axis_b, int axis) {
  mx_array x[3], y[3];
  mx_dtype t = mx_promote_types(mxi_dtype(a), mxi_dtype(b)), wide = mxi_is_half(t) ? MX_FLOAT32 : t;
  components(mx_moveaxis(mx_astype(a, wide), axis_a, -1), x);
  components(mx_moveaxis(mx_astype(b, wide), axis_b, -1), y);
  if (!mx_ok(x[0]) || !mx_ok(y[0])) return MX_BAD;
  int64_t shape[MX_MAX_NDIM];
  mx_ints common = {shape, mxi_broadcast_shape("cross", mxi_shape_of(x[0]), mxi_shape_of(y[0]), shape)};
  if (common.n < 0) return MX_BAD;
  mx_array zero = mx_zeros(common, wide);
  mx_array parts[3] = {minor(x[1], y[2], x[2], y[1], zero), minor(x[2], y[0], x[0], y[2], zero),
                       minor(x[0], y[1], x[1], y[0], zero)};
  return mx_astype(mx_stack(3, parts, axis), t);
}
mx_array mx_linalg_cross(mx_array a, mx_array b, int axis) {
  if (!mxi_usable2("cross", a, b)) return MX_BAD;
  /* Shapes align at their ends: a non-negative axis counts in the longer of them. */
  int ndim = a->ndim > b->ndim ? a->ndim : b->ndim, at = mxi_axis("cross", axis, ndim);
  if (at < 0) return MX_BAD;
  int axis_a = at - (ndim - a->ndim), axis_b = at - (ndim - b->ndim);
  bool fits = axis_a >= 0 && axis_b >= 0 && (a->dims[axis_a] == 2 || a->dims[axis_a] == 3) &&
              (b->dims[axis_b] == 2 || b->dims[axis_b] == 3);
  if (!fits)
    return mxi_bad(MX_INVALID_ARGUMENT, "[cross] expected size 2 or 3 along axis %d, got shapes %s and %s",
                   axis, MXI_SHAPE_TEXT(a), MXI_SHAPE_TEXT(b));
  return MXI_COMPOSED(cross(a, b, axis_a, axis_b, at));
}
