/* Cumulative sums, products, extrema and logsumexps along one axis. */
#include "core/reduce.h"
#include "ops/common.h"
#include "ops/rules.h"
#include <math.h>

static mx_array scan(const char *name, int64_t op, mx_array a, mx_dtype t, int axis, bool reverse, bool inclusive) {
  axis = mxi_axis(name, axis, a->ndim);
  if (axis < 0) return MX_BAD;
  a = mx_astype(a, t);
  struct mxi_p_SCAN p = {.op = op, .axis = axis, .reverse = reverse, .inclusive = inclusive};
  return mxi_apply(MXI_SCAN, &p, 1, &a, t, mxi_shape_of(a));
}

#define DEFINE(name, OP, dtype)                                                                              \
  mx_array mx_##name(mx_array a, int axis, bool reverse, bool inclusive) {                                   \
    return mxi_usable1(#name, a) ? MXI_COMPOSED(scan(#name, OP, a, dtype, axis, reverse, inclusive)) : MX_BAD; \
  }
DEFINE(cumsum, MXI_SCAN_SUM, mxi_dtype(a) == MX_BOOL ? MX_INT32 : mxi_dtype(a))
DEFINE(cumprod, MXI_SCAN_PROD, mxi_dtype(a))
DEFINE(cummax, MXI_SCAN_MAX, mxi_dtype(a))
DEFINE(cummin, MXI_SCAN_MIN, mxi_dtype(a))
DEFINE(logcumsumexp, MXI_SCAN_LOGADDEXP, mxi_at_least_float(mxi_dtype(a)))
#undef DEFINE

/* ---- Derivatives ---- x along `axis`, y = scan(x), g the cotangent of y, all written for a forward, inclusive scan;
   "later" is the direction of the scan. ---- */
struct direction {
  int axis;
  bool reverse;
};
/* The sum of v over each place and all later ones. */
static mx_array sum_of_later(mx_array v, struct direction d) { return mx_cumsum(v, d.axis, !d.reverse, true); }
/* An exclusive scan is an inclusive one moved one place later: so its cotangent moves one place back. */
static mx_array one_place_back(mx_array g, struct direction d) {
  int64_t low[MX_MAX_NDIM], high[MX_MAX_NDIM], start[MX_MAX_NDIM], stop[MX_MAX_NDIM], step[MX_MAX_NDIM];
  int n = g->ndim;
  mxi_fill_ints(low, n, 0);
  mxi_fill_ints(high, n, 0);
  low[d.axis] = d.reverse;
  high[d.axis] = !d.reverse;
  mx_array padded = mx_pad(g, (mx_ints){low, n}, (mx_ints){high, n}, MX_PAD_CONSTANT, NULL);
  mxi_fill_ints(start, n, 0);
  mxi_fill_ints(step, n, 1);
  mxi_copy_ints(stop, mxi_shape_of(g));
  start[d.axis] = !d.reverse;
  stop[d.axis] += !d.reverse;
  return mx_slice(padded, (mx_ints){start, n}, (mx_ints){stop, n}, (mx_ints){step, n});
}

/* dL/dx_j = sum_{i >= j} g_i y_i / x_j where x_j is not 0. At the first zero of a row it is the same sum with that zero
   replaced by 1; every later product is 0 whatever a second zero is, so there the gradient is 0. */
static mx_array product_gradient(mx_array x, mx_array g, struct direction d) {
  mx_array zero = mx_like(x, 0), one = mx_like(x, 1), is_zero = mx_equal(x, zero);
  mx_array zeros_so_far = mx_cumsum(mx_astype(is_zero, MX_INT32), d.axis, d.reverse, true);
  mx_array first = mx_logical_and(is_zero, mx_equal(zeros_so_far, mx_int(1)));
  mx_array y = mx_cumprod(x, d.axis, d.reverse, true);
  mx_array y_without = mx_cumprod(mx_where(first, one, x), d.axis, d.reverse, true);
  mx_array elsewhere = mx_divide(sum_of_later(mx_multiply(g, mx_conjugate(y)), d), mx_conjugate(mx_where(is_zero, one, x)));
  mx_array at_first = sum_of_later(mx_multiply(g, mx_conjugate(y_without)), d);
  return mx_where(first, at_first, mx_where(is_zero, zero, elsewhere));
}

/* Each y is the latest x that equals it: its cotangent goes there. */
static mx_array extremum_gradient(mx_array x, mx_array g, int64_t op, struct direction d) {
  int64_t shape[MX_MAX_NDIM], n = x->dims[d.axis];
  mxi_fill_ints(shape, x->ndim, 1);
  shape[d.axis] = n;
  mx_array y = op == MXI_SCAN_MAX ? mx_cummax(x, d.axis, d.reverse, true) : mx_cummin(x, d.axis, d.reverse, true);
  mx_array place = mx_reshape(mx_arange(0, (double)n, 1, MX_INT64), (mx_ints){shape, x->ndim});
  mx_array unset = mx_scalar_int(d.reverse ? n - 1 : 0, MX_INT64), reached = mx_where(mx_equal(x, y), place, unset);
  mx_array latest = d.reverse ? mx_cummin(reached, d.axis, true, true) : mx_cummax(reached, d.axis, false, true);
  return mx_put_along_axis(mxi_zeros_like(x), latest, g, d.axis, MX_UPDATE_ADD);
}

/* log of v where v > 0, else -inf, with derivative 0. */
static mx_array log_of_positive(mx_array v) {
  mx_array positive = mx_greater(v, mx_like(v, 0));
  return mx_where(positive, mx_log(mx_where(positive, v, mx_like(v, 1))), mx_like(v, -INFINITY));
}
/* sum_{i >= j} g_i exp(x_j - y_i), in logarithms, for the positive part of g. */
static mx_array exponential_part(mx_array x, mx_array y, mx_array g, struct direction d) {
  return mx_exp(mx_add(x, mx_logcumsumexp(mx_subtract(log_of_positive(g), y), d.axis, !d.reverse, true)));
}
static mx_array logaddexp_gradient(mx_array x, mx_array g, struct direction d) {
  mx_array y = mx_logcumsumexp(x, d.axis, d.reverse, true);
  return mx_subtract(exponential_part(x, y, g, d), exponential_part(x, y, mx_negative(g), d));
}

static mx_array scan_gradient(const mx_node *n, mx_array g) {
  const struct mxi_p_SCAN *p = MXI_PARAMS(SCAN, n);
  struct direction d = {(int)p->axis, p->reverse};
  mx_array x = n->inputs[0];
  if (p->op == MXI_SCAN_SUM) return mx_cumsum(g, d.axis, !p->reverse, p->inclusive);
  if (!p->inclusive) g = one_place_back(g, d);
  if (p->op == MXI_SCAN_PROD) return product_gradient(x, g, d);
  if (p->op == MXI_SCAN_LOGADDEXP) return logaddexp_gradient(x, g, d);
  return extremum_gradient(x, g, p->op, d);
}
MXI_VJP(SCAN) { return mxi_only_grad(n, MXI_COMPOSED(scan_gradient(n, cotangents[0])), grads); }
