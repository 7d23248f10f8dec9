/* Cumulative sums, products, extrema and logsumexps along one axis. */
#include "core/reduce.h"
#include "ops/common.h"
#include "ops/rules.h"
#include <math.h>

static mx_array scan(const char *name, int64_t op, mx_array a, mx_dtype t, int axis, bool reverse,
                     bool inclusive) {
  axis = mxi_axis(name, axis, a->ndim);
  if (axis < 0) return MX_BAD;
  a = mx_astype(a, t);
  struct mxi_p_SCAN p = {.op = op, .axis = axis, .reverse = reverse, .inclusive = inclusive};
  return mxi_apply(MXI_SCAN, &p, 1, &a, t, mxi_shape_of(a));
}

#define DEFINE(name, OP, dtype)                                                                      \
  mx_array mx_##name(mx_array a, int axis, bool reverse, bool inclusive) {                           \
    return mxi_usable1(#name, a) ? MXI_COMPOSED(scan(#name, OP, a, dtype, axis, reverse, inclusive)) \
                                 : MX_BAD;                                                           \
  }
DEFINE(cumsum, MXI_SCAN_SUM, mxi_dtype(a) == MX_BOOL ? MX_INT32 : mxi_dtype(a))
DEFINE(cumprod, MXI_SCAN_PROD, mxi_dtype(a))
DEFINE(cummax, MXI_SCAN_MAX, mxi_dtype(a))
DEFINE(cummin, MXI_SCAN_MIN, mxi_dtype(a))
DEFINE(logcumsumexp, MXI_SCAN_LOGADDEXP, mxi_at_least_float(mxi_dtype(a)))
#undef DEFINE

/* ---- Derivatives ---- x along `axis`, y = scan(x), g the cotangent of y, all written for a forward,
   inclusive scan; "later" is the direction of the scan. ---- */
struct direction {
  int axis;
  bool reverse;
};
/* The sum of v over each place and all later ones. */
static mx_array sum_of_later(mx_array v, struct direction d) {
  return mx_cumsum(v, d.axis, !d.reverse, true);
}
/* An exclusive scan is an inclusive one moved one place later, with a zero derivative at the place that gets
   free: so tangents move one place later, and cotangents one place back. */
static mx_array moved(mx_array v, struct direction d, bool later) {
  int64_t low[MX_MAX_NDIM], high[MX_MAX_NDIM], start[MX_MAX_NDIM], stop[MX_MAX_NDIM], step[MX_MAX_NDIM];
  int n = v->ndim;
  bool up = later != d.reverse; // towards higher indices
  mxi_fill_ints(low, n, 0);
  mxi_fill_ints(high, n, 0);
  low[d.axis] = up;
  high[d.axis] = !up;
  mx_array padded = mx_pad(v, (mx_ints){low, n}, (mx_ints){high, n}, MX_PAD_CONSTANT, NULL);
  mxi_fill_ints(start, n, 0);
  mxi_fill_ints(step, n, 1);
  mxi_copy_ints(stop, mxi_shape_of(v));
  start[d.axis] = !up;
  stop[d.axis] += !up;
  return mx_slice(padded, (mx_ints){start, n}, (mx_ints){stop, n}, (mx_ints){step, n});
}

/* What both derivatives of a product need to know of the zeros of each row. */
struct zeros {
  mx_array is_zero, first; /* of each place: is x zero; is it the first such */
  mx_array none_yet;       /* no zero here or earlier */
  mx_array safe, without;  /* x with its zeros replaced by 1; with its first zero replaced by 1 */
};
static struct zeros find_zeros(mx_array x, struct direction d) {
  mx_array is_zero = mx_equal(x, mx_like(x, 0)), one = mx_like(x, 1);
  mx_array count = mx_cumsum(mx_astype(is_zero, MX_INT32), d.axis, d.reverse, true);
  mx_array first = mx_logical_and(is_zero, mx_equal(count, mx_int(1)));
  return (struct zeros){is_zero, first, mx_equal(count, mx_int(0)), mx_where(is_zero, one, x),
                        mx_where(first, one, x)};
}
static mx_array product_so_far(mx_array x, struct direction d) {
  return mx_cumprod(x, d.axis, d.reverse, true);
}

/* dL/dx_j = sum_{i >= j} g_i y_i / x_j where x_j is not 0. At the first zero of a row it is the same sum with
   that zero replaced by 1; every later product is 0 whatever a second zero is, so there the gradient is 0. */
static mx_array product_gradient(mx_array x, mx_array g, struct direction d) {
  struct zeros z = find_zeros(x, d);
  mx_array elsewhere = sum_of_later(mx_multiply(g, mx_conjugate(product_so_far(x, d))), d);
  mx_array at_first = sum_of_later(mx_multiply(g, mx_conjugate(product_so_far(z.without, d))), d);
  elsewhere = mx_where(z.is_zero, mx_like(x, 0), mx_divide(elsewhere, mx_conjugate(z.safe)));
  return mx_where(z.first, at_first, elsewhere);
}
/* dy_i = y_i sum_{j <= i} t_j / x_j before the first zero; from there on only that zero's tangent counts. */
static mx_array cumprod_tangent(mx_array x, mx_array t, struct direction d) {
  struct zeros z = find_zeros(x, d);
  mx_array before =
      mx_multiply(product_so_far(x, d), mx_cumsum(mx_divide(t, z.safe), d.axis, d.reverse, true));
  mx_array of_first = mx_cumsum(mx_where(z.first, t, mx_like(t, 0)), d.axis, d.reverse, true);
  return mx_where(z.none_yet, before, mx_multiply(of_first, product_so_far(z.without, d)));
}

/* Each y is the latest x that equals it: the place of that x. */
static mx_array latest_extremum(mx_array x, int64_t op, struct direction d) {
  int64_t shape[MX_MAX_NDIM], n = x->dims[d.axis];
  mxi_fill_ints(shape, x->ndim, 1);
  shape[d.axis] = n;
  mx_array y =
      op == MXI_SCAN_MAX ? mx_cummax(x, d.axis, d.reverse, true) : mx_cummin(x, d.axis, d.reverse, true);
  mx_array place = mx_reshape(mx_arange(0, (double)n, 1, MX_INT64), (mx_ints){shape, x->ndim});
  mx_array unset = mx_scalar_int(d.reverse ? n - 1 : 0, MX_INT64),
           reached = mx_where(mx_equal(x, y), place, unset);
  return d.reverse ? mx_cummin(reached, d.axis, true, true) : mx_cummax(reached, d.axis, false, true);
}

/* log of v where v > 0, else -inf, with derivative 0. */
static mx_array log_of_positive(mx_array v) {
  mx_array positive = mx_greater(v, mx_like(v, 0));
  return mx_where(positive, mx_log(mx_where(positive, v, mx_like(v, 1))), mx_like(v, -INFINITY));
}
/* exp(shift + logcumsumexp(log v - minus)), for v of either sign. A minus of -inf (nothing but exp(-inf) was
   summed there) weighs nothing, nor does a shift of +inf. */
static mx_array signed_logcumsumexp(mx_array v, mx_array minus, mx_array shift, int axis, bool reverse) {
  mx_array parts[2];
  minus = mx_where(mx_isneginf(mx_real(minus)), mx_like(minus, INFINITY), minus);
  shift = mx_where(mx_isposinf(mx_real(shift)), mx_like(shift, 0), shift);
  if (mx_ok(v) && mxi_dtype(v) == MX_COMPLEX64) /* whose logarithm has no sign to part */
    return mx_exp(mx_add(shift, mx_logcumsumexp(mx_subtract(mx_log(v), minus), axis, reverse, true)));
  for (int i = 0; i < 2; i++) {
    mx_array log_v = log_of_positive(i ? mx_negative(v) : v);
    parts[i] = mx_exp(mx_add(shift, mx_logcumsumexp(mx_subtract(log_v, minus), axis, reverse, true)));
  }
  return mx_subtract(parts[0], parts[1]);
}

/* Where y = logcumsumexp(x) is large, exp(x - y) multiplies y's rounding: halves are computed in float32. */
static mx_array halves_widened(mx_array a) {
  return mxi_is_half(mxi_dtype(a)) ? mx_astype(a, MX_FLOAT32) : a;
}
/* sum_{i >= j} g_i exp(x_j - y_i), conjugated */
static mx_array logcumsumexp_gradient(mx_array x, mx_array g, struct direction d) {
  mx_dtype t = mxi_dtype(x);
  x = halves_widened(x);
  mx_array y = mx_conjugate(mx_logcumsumexp(x, d.axis, d.reverse, true));
  return mx_astype(signed_logcumsumexp(halves_widened(g), y, mx_conjugate(x), d.axis, !d.reverse), t);
}
/* sum_{j <= i} t_j exp(x_j - y_i) */
static mx_array logcumsumexp_tangent(mx_array x, mx_array t, struct direction d) {
  mx_dtype type = mxi_dtype(x);
  x = halves_widened(x);
  mx_array y = mx_logcumsumexp(x, d.axis, d.reverse, true);
  return mx_astype(signed_logcumsumexp(halves_widened(t), mx_negative(x), mx_negative(y), d.axis, d.reverse),
                   type);
}

static mx_array scan_gradient(const mx_node *n, mx_array g) {
  const struct mxi_p_SCAN *p = MXI_PARAMS(SCAN, n);
  struct direction d = {(int)p->axis, p->reverse};
  mx_array x = n->inputs[0];
  if (p->op == MXI_SCAN_SUM) return mx_cumsum(g, d.axis, !p->reverse, p->inclusive);
  if (!p->inclusive) g = moved(g, d, false);
  if (p->op == MXI_SCAN_PROD) return product_gradient(x, g, d);
  if (p->op == MXI_SCAN_LOGADDEXP) return logcumsumexp_gradient(x, g, d);
  return mx_put_along_axis(mxi_zeros_like(x), latest_extremum(x, p->op, d), g, d.axis, MX_UPDATE_ADD);
}
MXI_VJP(SCAN) { return mxi_only_grad(n, MXI_COMPOSED(scan_gradient(n, cotangents[0])), grads); }

static mx_array scan_tangent(const mx_node *n, mx_array t) {
  const struct mxi_p_SCAN *p = MXI_PARAMS(SCAN, n);
  struct direction d = {(int)p->axis, p->reverse};
  mx_array x = n->inputs[0], out;
  if (p->op == MXI_SCAN_SUM) return mx_cumsum(t, d.axis, d.reverse, p->inclusive);
  if (p->op == MXI_SCAN_PROD)
    out = cumprod_tangent(x, t, d);
  else if (p->op == MXI_SCAN_LOGADDEXP)
    out = logcumsumexp_tangent(x, t, d);
  else
    out = mx_take_along_axis(t, latest_extremum(x, p->op, d), d.axis);
  return p->inclusive || !mx_ok(out) ? out : moved(out, d, true);
}
/* Not left to the transpose of the vjp: the logarithms above are not linear in their operand. */
MXI_JVP(SCAN) {
  out[0] = tangents[0] ? MXI_COMPOSED(scan_tangent(n, tangents[0])) : NULL;
  return out[0] == MX_BAD ? -1 : 0;
}
