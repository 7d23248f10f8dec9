/* Arrays from numbers alone. A constant is one element with stride 0: no memory, no node. */
#include "ops/common.h"
#include <math.h>

static int check_dtype(const char *op, mx_dtype t) {
  if ((unsigned)t < MX_DTYPE_COUNT) return 0;
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a dtype, got %d", op, (int)t);
}

static mx_array filled(const char *op, mx_ints shape, double value, mx_dtype t) {
  if (check_dtype(op, t) < 0 || mxi_check_shape(op, shape, NULL) < 0) return MX_BAD;
  return mxi_constant(value, t, shape);
}
mx_array mx_zeros(mx_ints shape, mx_dtype t) { return filled("zeros", shape, 0, t); }
mx_array mx_ones(mx_ints shape, mx_dtype t) { return filled("ones", shape, 1, t); }

mx_array mx_full(mx_ints shape, mx_array value, mx_dtype t) {
  if (!mxi_usable1("full", value) || check_dtype("full", t) < 0 || mxi_check_shape("full", shape, NULL) < 0)
    return MX_BAD;
  int64_t common[MX_MAX_NDIM];
  int ndim = mxi_broadcast_shape("full", mxi_shape_of(value), shape, common);
  if (ndim < 0) return MX_BAD;
  if (!mxi_ints_equal((mx_ints){common, ndim}, shape))
    return mxi_bad(MX_INVALID_ARGUMENT, "[full] expected a value that broadcasts to %s, got shape %s",
                   mxi_shape_text(shape).s, MXI_SHAPE_TEXT(value));
  return MXI_COMPOSED(mx_broadcast_to(mx_astype(value, t), shape));
}

mx_array mx_zeros_like(mx_array a) { return mxi_usable1("zeros_like", a) ? mxi_zeros_like(a) : MX_BAD; }
mx_array mx_ones_like(mx_array a) {
  return mxi_usable1("ones_like", a) ? mxi_filled_like(1, mxi_dtype(a), a) : MX_BAD;
}

/* x as an element of dtype t holds it. Integers wrap as they are counted: uint64's upper half is below 0. */
static double as_held(double x, mx_dtype t) {
  uint64_t element = 0;
  mxi_scalar_store(&element, t, x, 0);
  return mxi_is_integer(t) ? (double)mxi_scalar_load_int(&element, t) : mxi_scalar_load(&element, t, NULL);
}

mx_array mxi_arange(double start, double step, int64_t n, mx_dtype t) {
  struct mxi_p_ARANGE p = {.start = as_held(start, t), .step = as_held(step, t)};
  return mxi_apply(MXI_ARANGE, &p, 0, NULL, t, MX_SHAPE(n));
}

/* ceil((stop - start) / step) elements; start and step are rounded to dtype t first. */
mx_array mx_arange(double start, double stop, double step, mx_dtype t) {
  if (check_dtype("arange", t) < 0) return MX_BAD;
  if (t == MX_BOOL) return mxi_bad(MX_INVALID_ARGUMENT, "[arange] expected a dtype of numbers, got bool");
  if (step == 0) return mxi_bad(MX_INVALID_ARGUMENT, "[arange] expected a step other than 0, got 0");
  double length = ceil((stop - start) / step);
  if (!(fabs(length) < 0x1p53) || isnan(start) || isinf(start) || isnan(step))
    return mxi_bad(MX_INVALID_ARGUMENT, "[arange] expected a finite length, got start %g, stop %g, step %g",
                   start, stop, step);
  int64_t n = length > 0 ? (int64_t)length : 0;
  return mxi_arange(start, step, n, t);
}

/* start (1 - i / (n - 1)) + stop i / (n - 1), in float32, or float64 for a float64 result. */
static mx_array linear_steps(double start, double stop, int64_t num, int64_t intervals, mx_dtype t) {
  mx_dtype wide = t == MX_FLOAT64 ? MX_FLOAT64 : MX_FLOAT32;
  mx_array part = mx_divide(mx_arange(0, (double)num, 1, wide), mx_scalar((double)intervals, wide));
  mx_array rest = mx_subtract(mx_scalar(1, wide), part);
  mx_array sum = mx_add(mx_multiply(mx_scalar(start, wide), rest), mx_multiply(mx_scalar(stop, wide), part));
  return mx_astype(sum, t);
}

mx_array mx_linspace(double start, double stop, int64_t num, bool endpoint, mx_dtype t) {
  if (check_dtype("linspace", t) < 0) return MX_BAD;
  if (num < 0)
    return mxi_bad(MX_INVALID_ARGUMENT, "[linspace] expected a number of samples >= 0, got %lld",
                   (long long)num);
  if (num <= 1) return filled("linspace", MX_SHAPE(num), start, t);
  return MXI_NAMED("linspace", linear_steps(start, stop, num, endpoint ? num - 1 : num, t));
}

/* The coordinates 0 .. n-1 as a column (n, 1), or as a row (m). */
static mx_array rows(int64_t n) { return mx_reshape(mx_arange(0, (double)n, 1, MX_INT64), MX_SHAPE(n, 1)); }
static mx_array columns(int64_t m) { return mx_arange(0, (double)m, 1, MX_INT64); }
/* row + k for every row; k of any size moves it no further than just outside the matrix. */
static mx_array diagonal_columns(int64_t n, int64_t m, int64_t k) {
  return mx_add(rows(n), mx_scalar_int(mxi_max(-n, mxi_min(k, m)), MX_INT64));
}

static int check_matrix(const char *op, int64_t n, int64_t m, mx_dtype t) {
  MXI_TRY(check_dtype(op, t));
  return mxi_check_shape(op, MX_SHAPE(n, m), NULL);
}

mx_array mx_eye(int64_t n, int64_t m, int64_t k, mx_dtype t) {
  if (check_matrix("eye", n, m, t) < 0) return MX_BAD;
  if (n == 0 || m == 0) return mx_zeros(MX_SHAPE(n, m), t);
  return MXI_NAMED("eye", mx_astype(mx_equal(columns(m), diagonal_columns(n, m, k)), t));
}

mx_array mx_tri(int64_t n, int64_t m, int64_t k, mx_dtype t) {
  if (check_matrix("tri", n, m, t) < 0) return MX_BAD;
  if (n == 0 || m == 0) return mx_zeros(MX_SHAPE(n, m), t);
  return MXI_NAMED("tri", mx_astype(mx_less_equal(columns(m), diagonal_columns(n, m, k)), t));
}

static int check_at_least_matrix(const char *op, mx_array a) {
  if (!mxi_usable1(op, a)) return -1;
  if (a->ndim >= 2) return 0;
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected at least 2 dimensions, got shape %s", op,
                  MXI_SHAPE_TEXT(a));
}

mx_array mx_tril(mx_array a, int64_t k) {
  if (check_at_least_matrix("tril", a) < 0) return MX_BAD;
  return MXI_COMPOSED(mx_where(mx_tri(mx_dim(a, -2), mx_dim(a, -1), k, MX_BOOL), a, mx_like(a, 0)));
}

mx_array mx_triu(mx_array a, int64_t k) {
  if (check_at_least_matrix("triu", a) < 0) return MX_BAD;
  int64_t below = k == INT64_MIN ? k : k - 1;
  return MXI_COMPOSED(mx_where(mx_tri(mx_dim(a, -2), mx_dim(a, -1), below, MX_BOOL), mx_like(a, 0), a));
}
