/* Elementwise ops: one row of elementwise.def each, with the shape rule "inputs broadcast" and one dtype
   rule. Inputs of other shapes enter the node as they are: the engine broadcasts. */
#include "ops/common.h"
#include <math.h>

enum rule { SAME, FLOAT, REAL, COMPARE, LOGIC, BITS, TEST, PART, CAST, SELECT };

/* ---- Casts ---- */
static mx_array recast(mx_array a, mx_dtype t) {
  uint64_t element = 0;
  mxi_scalar_cast(&element, t, a->data, mxi_dtype(a));
  return mxi_own(mxi_array_fill(t, mxi_shape_of(a), &element));
}

mx_array mx_astype(mx_array a, mx_dtype t) {
  if (!mxi_usable1("astype", a)) return MX_BAD;
  if (mxi_dtype(a) == t) return mxi_itself(a);
  if ((unsigned)t >= MX_DTYPE_COUNT)
    return mxi_bad(MX_INVALID_ARGUMENT, "[astype] expected a dtype, got %d", (int)t);
  if (mxi_is_constant(a)) return recast(a, t);
  return mxi_apply(MXI_ASTYPE, NULL, 1, &a, t, mxi_shape_of(a));
}

/* ---- Dtype rules ---- */
/* The dtype that the inputs take, of common dtype t. */
static inline mx_dtype operand_dtype(enum rule rule, int prim, mx_dtype t) {
  if (rule == FLOAT || rule == REAL) return mxi_at_least_float(t);
  if (rule == LOGIC) return MX_BOOL;
  if ((prim == MXI_LEFT_SHIFT || prim == MXI_RIGHT_SHIFT) && t == MX_BOOL) return MX_UINT8;
  return t;
}
/* The dtype of the result, from that of the operands. */
static inline mx_dtype result_dtype(enum rule rule, mx_dtype t) {
  if (rule == COMPARE || rule == LOGIC || rule == TEST) return MX_BOOL;
  if (rule == PART && t == MX_COMPLEX64) return MX_FLOAT32;
  return t;
}
/* Does the op exist for operands of dtype t? */
static inline bool has_kernel(enum rule rule, int prim, mx_dtype t) {
  if (rule == BITS) return !mxi_is_inexact(t);
  if (prim == MXI_NEGATIVE) return t != MX_BOOL;
  bool real_only = rule == REAL || prim == MXI_FLOOR || prim == MXI_CEIL || prim == MXI_TRUNC ||
                   prim == MXI_SIGMOID || prim == MXI_REMAINDER || prim == MXI_FLOOR_DIVIDE;
  return t != MX_COMPLEX64 || !real_only;
}
static inline bool is_rounding(int prim) {
  return prim == MXI_FLOOR || prim == MXI_CEIL || prim == MXI_TRUNC || prim == MXI_RINT;
}
/* Does the op return its input, for this dtype? */
static inline bool is_trivial(int prim, mx_dtype t) {
  if (is_rounding(prim)) return !mxi_is_inexact(t);
  switch (prim) {
  case MXI_CONJUGATE:
  case MXI_REAL: return t != MX_COMPLEX64;
  case MXI_ABS: return t == MX_BOOL || mxi_is_unsigned(t);
  default: return false;
  }
}

static mx_array no_kernel(int prim, mx_dtype t) {
  const char *op = mxi_prims[prim].name;
  if (prim == MXI_NEGATIVE)
    return mxi_bad(MX_INVALID_ARGUMENT, "[negative] expected a number, got bool: use logical_not");
  if (prim == MXI_FLOOR_DIVIDE)
    return mxi_bad(MX_TYPE_ERROR, "[floor_divide] expected real dtypes, got complex64");
  if (t == MX_COMPLEX64) return mxi_bad(MX_INVALID_ARGUMENT, "[%s] expected a real dtype, got complex64", op);
  return mxi_bad(MX_INVALID_ARGUMENT, "[%s] expected integers or bool, got %s", op, mx_dtype_name(t));
}

/* ---- One input ---- */
static inline mx_array unary(int prim, enum rule rule, const char *name, mx_array a) {
  if (!mxi_usable1(name, a)) return MX_BAD;
  mx_dtype t = operand_dtype(rule, prim, mxi_dtype(a));
  if (!has_kernel(rule, prim, t)) return no_kernel(prim, t);
  if (is_trivial(prim, t)) return is_rounding(prim) ? mx_stop_gradient(a) : mxi_itself(a);
  if (prim == MXI_IMAG && t != MX_COMPLEX64) return mxi_zeros_like(a);
  if (t != mxi_dtype(a)) a = mx_astype(a, t);
  return mxi_apply(prim, NULL, 1, &a, result_dtype(rule, t), mxi_shape_of(a));
}

/* ---- Two inputs ---- */
static __attribute__((noinline)) mx_array promoted_binary(int prim, enum rule rule, mx_array a, mx_array b) {
  mx_dtype t = operand_dtype(rule, prim, mx_promote_types(mxi_dtype(a), mxi_dtype(b)));
  if (!has_kernel(rule, prim, t)) return no_kernel(prim, t);
  int64_t shape[MX_MAX_NDIM];
  int ndim = mxi_broadcast_shape(mxi_prims[prim].name, mxi_shape_of(a), mxi_shape_of(b), shape);
  if (ndim < 0) return MX_BAD;
  mx_array in[] = {mx_astype(a, t), mx_astype(b, t)};
  return mxi_apply(prim, NULL, 2, in, result_dtype(rule, t), (mx_ints){shape, ndim});
}

static inline mx_array binary(int prim, enum rule rule, const char *name, mx_array a, mx_array b) {
  if (!mxi_usable2(name, a, b)) return MX_BAD;
  mx_dtype t = mxi_dtype(a);
  if (t == mxi_dtype(b) && mxi_same_shape(a, b) && operand_dtype(rule, prim, t) == t &&
      has_kernel(rule, prim, t))
    return mxi_apply(prim, NULL, 2, (mx_array[]){a, b}, result_dtype(rule, t), mxi_shape_of(a));
  return promoted_binary(prim, rule, a, b);
}

/* rint has no public name: mx_round is what users call. */
mx_array mx_rint(mx_array a);

#define DEFINE_1(ID, name, rule) \
  mx_array mx_##name(mx_array a) { return unary(MXI_##ID, rule, #name, a); }
#define DEFINE_2(ID, name, rule) \
  mx_array mx_##name(mx_array a, mx_array b) { return binary(MXI_##ID, rule, #name, a, b); }
#define BUILD_SAME(ID, name, arity)           DEFINE_##arity(ID, name, SAME)
#define BUILD_FLOAT(ID, name, arity)          DEFINE_##arity(ID, name, FLOAT)
#define BUILD_REAL(ID, name, arity)           DEFINE_##arity(ID, name, REAL)
#define BUILD_COMPARE(ID, name, arity)        DEFINE_##arity(ID, name, COMPARE)
#define BUILD_LOGIC(ID, name, arity)          DEFINE_##arity(ID, name, LOGIC)
#define BUILD_BITS(ID, name, arity)           DEFINE_##arity(ID, name, BITS)
#define BUILD_TEST(ID, name, arity)           DEFINE_##arity(ID, name, TEST)
#define BUILD_PART(ID, name, arity)           DEFINE_##arity(ID, name, PART)
#define BUILD_CAST(ID, name, arity)           /* mx_astype, above */
#define BUILD_SELECT(ID, name, arity)         /* mx_where, below */
#define MX_ELEMENTWISE(ID, name, arity, rule) BUILD_##rule(ID, name, arity)
#include "core/elementwise.def"
#undef MX_ELEMENTWISE

/* ---- Three inputs ---- */
mx_array mx_where(mx_array condition, mx_array x, mx_array y) {
  mx_array in[] = {condition, x, y};
  if (!mxi_usable("where", 3, in)) return MX_BAD;
  mx_dtype t = mx_promote_types(mxi_dtype(x), mxi_dtype(y));
  int64_t branches[MX_MAX_NDIM], shape[MX_MAX_NDIM];
  int ndim = mxi_broadcast_shape("where", mxi_shape_of(x), mxi_shape_of(y), branches);
  if (ndim < 0) return MX_BAD;
  ndim = mxi_broadcast_shape("where", mxi_shape_of(condition), (mx_ints){branches, ndim}, shape);
  if (ndim < 0) return MX_BAD;
  in[0] = mx_astype(condition, MX_BOOL);
  in[1] = mx_astype(x, t);
  in[2] = mx_astype(y, t);
  return mxi_apply(MXI_SELECT, NULL, 3, in, t, (mx_ints){shape, ndim});
}

/* ---- Composed ---- */
mx_array mx_stop_gradient(mx_array a) {
  if (!mxi_usable1("stop_gradient", a)) return MX_BAD;
  return mxi_apply(MXI_STOP_GRADIENT, NULL, 1, &a, mxi_dtype(a), mxi_shape_of(a));
}

/* a * factor, in at least float32. */
static mx_array scaled(const char *op, mx_array a, double factor) {
  if (!mxi_usable1(op, a)) return MX_BAD;
  return MXI_COMPOSED(mx_multiply(a, mx_scalar(factor, mxi_at_least_float(mxi_dtype(a)))));
}
mx_array mx_degrees(mx_array a) { return scaled("degrees", a, 180 / M_PI); }
mx_array mx_radians(mx_array a) { return scaled("radians", a, M_PI / 180); }

/* To multiples of 1 / factor, and of factor. */
static mx_array rounded_to(mx_array a, double factor) {
  return mx_divide(mx_rint(mx_multiply(a, mx_like(a, factor))), mx_like(a, factor));
}
static mx_array rounded_to_multiple(mx_array a, double factor) {
  return mx_multiply(mx_rint(mx_divide(a, mx_like(a, factor))), mx_like(a, factor));
}
mx_array mx_round(mx_array a, int decimals) {
  if (!mxi_usable1("round", a)) return MX_BAD;
  mx_dtype t = mxi_dtype(a), wide = mxi_is_half(t) ? MX_FLOAT32 : mxi_at_least_float(t);
  if (decimals == 0 || (!mxi_is_inexact(t) && decimals > 0)) return mx_rint(a);
  double factor = pow(10, decimals > 0 ? decimals : -(double)decimals);
  return MXI_COMPOSED(mx_astype(decimals > 0 ? rounded_to(mx_astype(a, wide), factor)
                                             : rounded_to_multiple(mx_astype(a, wide), factor),
                                t));
}

mx_array mx_nan_to_num(mx_array a, double nan, const double *posinf, const double *neginf) {
  if (!mxi_usable1("nan_to_num", a)) return MX_BAD;
  mx_dtype t = mxi_dtype(a);
  if (!mxi_is_inexact(t)) return mxi_itself(a);
  if (t == MX_COMPLEX64)
    return mxi_bad(MX_INVALID_ARGUMENT, "[nan_to_num] expected a real dtype, got complex64");
  double high = posinf ? *posinf : mx_dtype_max(t), low = neginf ? *neginf : -mx_dtype_max(t);
  return MXI_COMPOSED(
      mx_where(mx_isnan(a), mx_scalar(nan, t),
               mx_where(mx_isposinf(a), mx_scalar(high, t), mx_where(mx_isneginf(a), mx_scalar(low, t), a))));
}

/* A composed op names itself when shapes don't fit, not the op inside. */
static bool broadcastable(const char *op, mx_array a, mx_array b) {
  int64_t common[MX_MAX_NDIM];
  return mxi_usable2(op, a, b) && mxi_broadcast_shape(op, mxi_shape_of(a), mxi_shape_of(b), common) >= 0;
}

mx_array mx_clip(mx_array a, mx_array low, mx_array high) {
  if (!mxi_usable1("clip", a)) return MX_BAD;
  if (!low && !high) return mxi_bad(MX_INVALID_ARGUMENT, "[clip] expected a bound, got neither");
  if ((low && !broadcastable("clip", a, low)) || (high && !broadcastable("clip", a, high))) return MX_BAD;
  if (!low) return mx_minimum(a, high);
  if (!high) return mx_maximum(a, low);
  return MXI_COMPOSED(mx_minimum(mx_maximum(a, low), high));
}

int mx_divmod(mx_array a, mx_array b, mx_array *quotient, mx_array *remainder) {
  if (!mxi_has_place("divmod", quotient) || !mxi_has_place("divmod", remainder)) return -1;
  *quotient = *remainder = MX_BAD;
  if (!broadcastable("divmod", a, b)) return -1;
  if (mxi_dtype(a) == MX_COMPLEX64 || mxi_dtype(b) == MX_COMPLEX64)
    return mxi_fail(MX_INVALID_ARGUMENT, "[divmod] expected real dtypes, got %s and %s",
                    mx_dtype_name(mxi_dtype(a)), mx_dtype_name(mxi_dtype(b)));
  *quotient = mx_floor_divide(a, b);
  *remainder = mx_remainder(a, b);
  return mx_ok(*quotient) && mx_ok(*remainder) ? 0 : -1;
}

/* |a - b| <= atol + rtol |b|; infinities are close to themselves alone. a and b are inexact. */
static mx_array close_values(mx_array a, mx_array b, double rtol, double atol, bool equal_nan) {
  mx_dtype t = mxi_dtype(b) == MX_COMPLEX64 ? MX_FLOAT32 : mxi_dtype(b);
  mx_array distance = mx_abs(mx_subtract(a, b));
  mx_array near =
      mx_less_equal(distance, mx_add(mx_scalar(atol, t), mx_multiply(mx_scalar(rtol, t), mx_abs(b))));
  mx_array close = mx_where(mx_logical_or(mx_isinf(a), mx_isinf(b)), mx_equal(a, b), near);
  return equal_nan ? mx_logical_or(close, mx_logical_and(mx_isnan(a), mx_isnan(b))) : close;
}

mx_array mx_isclose(mx_array a, mx_array b, double rtol, double atol, bool equal_nan) {
  if (!broadcastable("isclose", a, b)) return MX_BAD;
  mx_dtype t = mxi_at_least_float(mx_promote_types(mxi_dtype(a), mxi_dtype(b)));
  return MXI_COMPOSED(close_values(mx_astype(a, t), mx_astype(b, t), rtol, atol, equal_nan));
}

mx_array mx_allclose(mx_array a, mx_array b, double rtol, double atol, bool equal_nan) {
  if (!broadcastable("allclose", a, b)) return MX_BAD;
  return MXI_COMPOSED(mx_all(mx_isclose(a, b, rtol, atol, equal_nan), MX_ALL_AXES, false));
}

mx_array mx_array_equal(mx_array a, mx_array b, bool equal_nan) {
  if (!mxi_usable2("array_equal", a, b)) return MX_BAD;
  if (!mxi_same_shape(a, b)) return mx_bool(false);
  if (!equal_nan) return MXI_COMPOSED(mx_all(mx_equal(a, b), MX_ALL_AXES, false));
  return MXI_COMPOSED(
      mx_all(mx_logical_or(mx_equal(a, b), mx_logical_and(mx_isnan(a), mx_isnan(b))), MX_ALL_AXES, false));
}
