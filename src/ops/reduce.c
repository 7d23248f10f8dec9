/* Reductions. A REDUCE node keeps its axes with size 1; dropping them is a reshape. Small integers are
   widened before sums and products; means and variances of half types are computed in float32. */
#include "core/reduce.h"
#include "ops/common.h"
#include "ops/rules.h"

/* The shape of a with `axes` shrunk to 1 in out. */
static mx_ints kept_shape(mx_array a, int n, const int64_t *axes, int64_t *out) {
  mxi_copy_ints(out, mxi_shape_of(a));
  for (int i = 0; i < n; i++) out[axes[i]] = 1;
  return (mx_ints){out, a->ndim};
}
/* a, whose `axes` have size 1, without them. */
static mx_array without_axes(mx_array a, int n, const int64_t *axes, bool keepdims) {
  return keepdims ? a : mx_squeeze(a, (mx_ints){axes, n});
}

static mx_array reduce_node(int64_t op, mx_array a, int n, const int64_t *axes) {
  int64_t shape[MX_MAX_NDIM];
  struct mxi_p_REDUCE p = {.op = op, .axes = {axes, n}};
  return mxi_apply(MXI_REDUCE, &p, 1, &a, mxi_dtype(a), kept_shape(a, n, axes, shape));
}

static mx_array reduced(const char *name, int64_t op, mx_array a, mx_dtype t, mx_ints axes, bool keepdims) {
  int64_t sorted[MX_MAX_NDIM];
  int n = mxi_axes(name, axes, a->ndim, sorted);
  if (n < 0) return MX_BAD;
  if (n == 0 && axes.n >= 0 && a->ndim > 0) return t == MX_BOOL ? mx_astype(a, t) : mxi_itself(a);
  for (int i = 0; i < n && (op == MXI_REDUCE_MIN || op == MXI_REDUCE_MAX); i++)
    if (a->dims[sorted[i]] == 0)
      return mxi_bad(MX_INVALID_ARGUMENT,
                     "[%s] expected a non-empty axis to reduce, got axis %lld of shape %s", name,
                     (long long)sorted[i], MXI_SHAPE_TEXT(a));
  a = mx_astype(a, t);
  if (n == 0 || a == MX_BAD) return a;
  return without_axes(reduce_node(op, a, n, sorted), n, sorted, keepdims);
}

/* Sums and products of small integers are 32 bits wide. */
static mx_dtype accumulated(mx_dtype t) {
  if (t == MX_BOOL || t == MX_INT8 || t == MX_INT16) return MX_INT32;
  return t == MX_UINT8 || t == MX_UINT16 ? MX_UINT32 : t;
}

#define DEFINE(name, OP, dtype)                                                                         \
  mx_array mx_##name(mx_array a, mx_ints axes, bool keepdims) {                                         \
    return mxi_usable1(#name, a) ? MXI_COMPOSED(reduced(#name, OP, a, dtype, axes, keepdims)) : MX_BAD; \
  }
DEFINE(sum, MXI_REDUCE_SUM, accumulated(mxi_dtype(a)))
DEFINE(prod, MXI_REDUCE_PROD, accumulated(mxi_dtype(a)))
DEFINE(min, MXI_REDUCE_MIN, mxi_dtype(a))
DEFINE(max, MXI_REDUCE_MAX, mxi_dtype(a))
DEFINE(all, MXI_REDUCE_AND, MX_BOOL)
DEFINE(any, MXI_REDUCE_OR, MX_BOOL)
#undef DEFINE

/* ---- Moments ---- */
static mx_dtype summed_dtype(mx_dtype t) { return mxi_is_half(t) ? MX_FLOAT32 : mxi_at_least_float(t); }
/* sum(a) / (count - ddof), a of a wide dtype, along sorted axes. */
static mx_array average(mx_array a, mx_ints axes, bool keepdims, double ddof) {
  return mx_multiply(mx_sum(a, axes, keepdims), mxi_inverse_count(a, axes, ddof));
}

mx_array mx_mean(mx_array a, mx_ints axes, bool keepdims) {
  int64_t sorted[MX_MAX_NDIM];
  int n = mxi_usable1("mean", a) ? mxi_axes("mean", axes, a->ndim, sorted) : -1;
  if (n < 0) return MX_BAD;
  mx_dtype t = mxi_dtype(a);
  return MXI_COMPOSED(mx_astype(average(mx_astype(a, summed_dtype(t)), (mx_ints){sorted, n}, keepdims, 0),
                                mxi_at_least_float(t)));
}

/* mean(|a - mean(a)|^2), with count - ddof in place of count; at least float32, real. */
static mx_array variance(mx_array a, mx_ints axes, bool keepdims, double ddof) {
  a = mx_astype(a, summed_dtype(mxi_dtype(a)));
  mx_array distance = mx_subtract(a, average(a, axes, true, 0));
  if (mx_ok(distance) && mxi_dtype(distance) == MX_COMPLEX64) distance = mx_abs(distance);
  return average(mx_square(distance), axes, keepdims, ddof);
}
static mx_dtype moment_dtype(mx_array a) {
  return mxi_dtype(a) == MX_COMPLEX64 ? MX_FLOAT32 : mxi_at_least_float(mxi_dtype(a));
}

mx_array mx_var(mx_array a, mx_ints axes, bool keepdims, double ddof) {
  int64_t sorted[MX_MAX_NDIM];
  int n = mxi_usable1("var", a) ? mxi_axes("var", axes, a->ndim, sorted) : -1;
  if (n < 0) return MX_BAD;
  return MXI_COMPOSED(mx_astype(variance(a, (mx_ints){sorted, n}, keepdims, ddof), moment_dtype(a)));
}
mx_array mx_std(mx_array a, mx_ints axes, bool keepdims, double ddof) {
  int64_t sorted[MX_MAX_NDIM];
  int n = mxi_usable1("std", a) ? mxi_axes("std", axes, a->ndim, sorted) : -1;
  if (n < 0) return MX_BAD;
  return MXI_COMPOSED(mx_astype(mx_sqrt(variance(a, (mx_ints){sorted, n}, keepdims, ddof)), moment_dtype(a)));
}

/* ---- Arg reductions ---- */
static mx_array arg_reduced(const char *name, int64_t op, mx_array a, int axis, bool keepdims) {
  axis = mxi_axis(name, axis, a->ndim);
  if (axis < 0) return MX_BAD;
  if (a->dims[axis] == 0)
    return mxi_bad(MX_INVALID_ARGUMENT, "[%s] expected a non-empty axis, got axis %d of shape %s", name, axis,
                   MXI_SHAPE_TEXT(a));
  int64_t shape[MX_MAX_NDIM], axes[] = {axis};
  struct mxi_p_ARG_REDUCE p = {.op = op, .axis = axis};
  mx_array kept = mxi_apply(MXI_ARG_REDUCE, &p, 1, &a, MX_UINT32, kept_shape(a, 1, axes, shape));
  return without_axes(kept, 1, axes, keepdims);
}
mx_array mx_argmin(mx_array a, int axis, bool keepdims) {
  return mxi_usable1("argmin", a) ? MXI_COMPOSED(arg_reduced("argmin", MXI_ARG_MIN, a, axis, keepdims))
                                  : MX_BAD;
}
mx_array mx_argmax(mx_array a, int axis, bool keepdims) {
  return mxi_usable1("argmax", a) ? MXI_COMPOSED(arg_reduced("argmax", MXI_ARG_MAX, a, axis, keepdims))
                                  : MX_BAD;
}

/* ---- Derivatives ---- */
/* The cotangent shared equally by the elements that reach the extremum. */
static mx_array extremum_gradient(mx_array x, mx_array out, mx_ints axes, mx_array g) {
  mx_array reached = mx_astype(mx_equal(x, out), mxi_dtype(g));
  return mx_multiply(reached, mx_divide(g, mx_sum(reached, axes, true)));
}
/* The mean of their tangents: the sum is divided, since thirds of integers may add up to less than one. */
static mx_array extremum_tangent(mx_array x, mx_array out, mx_ints axes, mx_array t) {
  mx_array reached = mx_equal(x, out);
  mx_array sum = mx_sum(mx_where(reached, t, mx_like(t, 0)), axes, true);
  return mx_divide(sum, mx_sum(mx_astype(reached, mxi_dtype(t)), axes, true));
}

/* Product of all other elements: of those before times of those after, so that zeros do no harm. The reduced
   axes are moved last and merged, as one axis to scan. */
static mx_array product_of_others(mx_array x, mx_ints axes) {
  int64_t order[MX_MAX_NDIM], back[MX_MAX_NDIM];
  mx_array rows = mxi_axes_last(x, axes.n, axes.v, order);
  if (!mx_ok(rows)) return MX_BAD;
  mx_array flat = mx_flatten(rows, x->ndim - axes.n, -1);
  mx_array others = mx_multiply(mx_cumprod(flat, -1, false, false), mx_cumprod(flat, -1, true, false));
  for (int i = 0; i < x->ndim; i++) back[order[i]] = i;
  return mx_transpose(mx_reshape(others, mxi_shape_of(rows)), (mx_ints){back, x->ndim});
}

static mx_array reduce_gradient(const mx_node *n, mx_array out, mx_array g) {
  const struct mxi_p_REDUCE *p = MXI_PARAMS(REDUCE, n);
  mx_array x = n->inputs[0];
  switch (p->op) {
  case MXI_REDUCE_SUM: return mxi_broadcast_like(g, x);
  case MXI_REDUCE_PROD: return mx_multiply(g, mx_conjugate(product_of_others(x, p->axes)));
  case MXI_REDUCE_MIN:
  case MXI_REDUCE_MAX: return extremum_gradient(x, out, p->axes, g);
  default: return NULL;
  }
}
MXI_VJP(REDUCE) {
  return mxi_only_grad(n, MXI_COMPOSED(reduce_gradient(n, outputs[0], cotangents[0])), grads);
}

static mx_array reduce_tangent(const mx_node *n, mx_array out, mx_array t) {
  const struct mxi_p_REDUCE *p = MXI_PARAMS(REDUCE, n);
  mx_array x = n->inputs[0];
  switch (p->op) {
  case MXI_REDUCE_SUM: return mx_sum(t, p->axes, true);
  case MXI_REDUCE_PROD: return mx_sum(mx_multiply(product_of_others(x, p->axes), t), p->axes, true);
  case MXI_REDUCE_MIN:
  case MXI_REDUCE_MAX: return extremum_tangent(x, out, p->axes, t);
  default: return NULL;
  }
}
MXI_JVP(REDUCE) {
  out[0] = tangents[0] ? MXI_COMPOSED(reduce_tangent(n, outputs[0], tangents[0])) : NULL;
  return out[0] == MX_BAD ? -1 : 0;
}
