/* Derivatives of elementwise ops. Each op y = f(x0, x1) states its partial derivatives; from them follow
     vjp: the gradient of input i is g * conj(dy/dxi), summed over the axes along which the input was
   broadcast; jvp: the tangent of y is the sum of ti * dy/dxi. The conjugate makes a complex gradient the
   direction of steepest ascent. */
#include "ops/common.h"
#include "ops/rules.h"
#include <math.h>

/* The partials 1 and -1, which need no multiplication. */
static struct mxi_array one_, minus_one_;
#define ONE           (&one_)
#define MINUS_ONE     (&minus_one_)
#define PARTIAL(name) static mx_array partial_##name(int i, const mx_array *in, mx_array out)

static mx_array constant(mx_array like, double value) { return mx_like(like, value); }
/* 1 - a^2 as (1 - a)(1 + a), which keeps its digits where |a| is near 1, and 1 + a^2 */
static mx_array one_minus_square(mx_array a) {
  mx_array one = constant(a, 1);
  return mx_multiply(mx_subtract(one, a), mx_add(one, a));
}
static mx_array one_plus_square(mx_array a) { return mx_add(constant(a, 1), mx_square(a)); }
/* The derivative of sigmoid at real x, b / (1 + b)^2 with b = exp(-|x|), which cancels nowhere. |x| by
   branches: at 0 too it has derivatives of every order. */
static mx_array sigmoid_slope(mx_array x) {
  mx_array minus = mx_negative(x), b = mx_exp(mx_where(mx_greater(x, constant(x, 0)), minus, x));
  return mx_divide(b, mx_square(mx_add(b, constant(x, 1))));
}
static bool is_complex(mx_array a) { return mxi_dtype(a) == MX_COMPLEX64; }

/* ---- One input ---- */
/* |z|: real part of conj(z) / |z| dz. */
PARTIAL(abs) { return mx_conjugate(mx_sign(in[0])); }
PARTIAL(negative) { return MINUS_ONE; }
PARTIAL(square) { return mx_multiply(constant(in[0], 2), in[0]); }
PARTIAL(sqrt) { return mx_divide(constant(out, 0.5), out); }
PARTIAL(rsqrt) { return mx_multiply(constant(out, -0.5), mx_divide(out, in[0])); }
PARTIAL(reciprocal) { return mx_negative(mx_square(out)); }
PARTIAL(exp) { return out; }
/* Of the input, not of an output near -1, which has lost what the result consists of; so too tanh and
 * sigmoid. */
PARTIAL(expm1) { return mx_exp(in[0]); }
PARTIAL(log) { return mx_reciprocal(in[0]); }
PARTIAL(log2) { return mx_divide(constant(out, M_LOG2E), in[0]); }
PARTIAL(log10) { return mx_divide(constant(out, M_LOG10E), in[0]); }
PARTIAL(log1p) { return mx_reciprocal(mx_add(in[0], constant(out, 1))); }
PARTIAL(sin) { return mx_cos(in[0]); }
PARTIAL(cos) { return mx_negative(mx_sin(in[0])); }
PARTIAL(tan) { return one_plus_square(out); }
PARTIAL(arcsin) { return mx_rsqrt(one_minus_square(in[0])); }
PARTIAL(arccos) { return mx_negative(mx_rsqrt(one_minus_square(in[0]))); }
/* Where a square leaves float32 the derivative is less than it has; in float16 it isn't. */
PARTIAL(arctan) {
  mx_array x = mxi_dtype(in[0]) == MX_FLOAT16 ? mx_astype(in[0], MX_FLOAT32) : in[0];
  return mx_astype(mx_reciprocal(one_plus_square(x)), mxi_dtype(in[0]));
}
PARTIAL(sinh) { return mx_cosh(in[0]); }
PARTIAL(cosh) { return mx_sinh(in[0]); }
PARTIAL(tanh) {
  if (is_complex(out)) return one_minus_square(out);
  return mx_multiply(constant(out, 4), sigmoid_slope(mx_add(in[0], in[0])));
}
/* 1 / sqrt(1 + x^2). The square may leave the dtype: with r = 1 / max(|x|, 1), r / sqrt(min(|x|, 1)^2 + r^2).
 */
PARTIAL(arcsinh) {
  if (is_complex(in[0])) return mx_rsqrt(one_plus_square(in[0]));
  mx_array size = mx_abs(in[0]), one = constant(size, 1), r = mx_reciprocal(mx_maximum(size, one));
  return mx_multiply(r, mx_rsqrt(mx_add(mx_square(mx_minimum(size, one)), mx_square(r))));
}
/* Two roots, so that the branch is right for complex numbers too. */
PARTIAL(arccosh) {
  mx_array unit = constant(in[0], 1);
  return mx_multiply(mx_rsqrt(mx_subtract(in[0], unit)), mx_rsqrt(mx_add(in[0], unit)));
}
PARTIAL(arctanh) { return mx_reciprocal(one_minus_square(in[0])); }
/* 2 / sqrt(pi) exp(-x^2) */
PARTIAL(erf) { return mx_multiply(constant(out, M_2_SQRTPI), mx_exp(mx_negative(mx_square(in[0])))); }
PARTIAL(erfinv) { return mx_multiply(constant(out, 1 / M_2_SQRTPI), mx_exp(mx_square(out))); }
PARTIAL(sigmoid) {
  if (is_complex(out)) return mx_multiply(out, mx_sigmoid(mx_negative(in[0])));
  return sigmoid_slope(in[0]);
}
PARTIAL(real) { return ONE; }
/* The imaginary part is the real part of -i z. */
PARTIAL(imag) { return mx_scalar_complex(0, -1); }

/* ---- Two inputs ---- */
PARTIAL(add) { return ONE; }
PARTIAL(subtract) { return i == 0 ? ONE : MINUS_ONE; }
PARTIAL(multiply) { return in[1 - i]; }
PARTIAL(divide) { return i == 0 ? mx_reciprocal(in[1]) : mx_negative(mx_divide(out, in[1])); }
/* x - floor(x / y) y */
PARTIAL(remainder) { return i == 0 ? ONE : mx_negative(mx_floor_divide(in[0], in[1])); }
/* y x^(y-1) and log(x) x^y, the latter 0 where x^y is: lim of log(x) x^y. At 0^0 it is -inf. */
PARTIAL(power) {
  mx_array x = in[0], y = in[1];
  if (i == 0) return mx_multiply(y, mx_power(x, mx_subtract(y, constant(y, 1))));
  return mx_where(mx_equal(out, constant(out, 0)), constant(out, 0),
                  mx_multiply(out, mx_astype(mx_log(x), mxi_dtype(out))));
}
/* As bools. Ties belong to the second. */
PARTIAL(maximum) { return i == 0 ? mx_greater(in[0], in[1]) : mx_less_equal(in[0], in[1]); }
PARTIAL(minimum) { return i == 0 ? mx_less(in[0], in[1]) : mx_greater_equal(in[0], in[1]); }
/* exp(x_i - out), which is a sigmoid: the rounding of a large `out` would be multiplied. */
PARTIAL(logaddexp) {
  return is_complex(out) ? mx_exp(mx_subtract(in[i], out)) : mx_sigmoid(mx_subtract(in[i], in[1 - i]));
}
/* x / (x^2 + y^2) and -y / (x^2 + y^2), of x and y over the larger: no square leaves the dtype. */
PARTIAL(arctan2) {
  mx_array larger = mx_maximum(mx_abs(in[0]), mx_abs(in[1]));
  mx_array y = mx_divide(in[0], larger), x = mx_divide(in[1], larger);
  mx_array part = mx_divide(i == 0 ? x : mx_negative(y), mx_add(mx_square(x), mx_square(y)));
  return mx_where(mx_isinf(larger), constant(out, 0), mx_divide(part, larger));
}

/* ---- A derivative of zero: tests, comparisons, bits, steps ---- */
#define ZERO(name) \
  PARTIAL(name) { return NULL; }
ZERO(floor)
ZERO(ceil)
ZERO(rint)
ZERO(trunc)
ZERO(logical_not)
ZERO(bitwise_invert)
ZERO(isnan)
ZERO(isinf)
ZERO(isfinite)
ZERO(isposinf)
ZERO(isneginf)
ZERO(floor_divide)
ZERO(equal)
ZERO(not_equal)
ZERO(less)
ZERO(less_equal)
ZERO(greater)
ZERO(greater_equal)
ZERO(logical_and)
ZERO(logical_or)
ZERO(logical_xor)
ZERO(bitwise_and)
ZERO(bitwise_or)
ZERO(bitwise_xor)
ZERO(left_shift)
ZERO(right_shift)
/* Not of that form: see gradient and tangent_of. */
ZERO(astype)
ZERO(sign)
ZERO(conjugate)
ZERO(where)

typedef mx_array (*partial_fn)(int i, const mx_array *in, mx_array out);
/* Every elementwise primitive says what its partial derivative is; the build fails where one doesn't. */
static const partial_fn partials[] = {
#define MX_ELEMENTWISE(ID, name, arity, rule) [MXI_##ID] = partial_##name,
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
};

/* partial * v, where v is a cotangent or a tangent. Of a partial in bools, v where it holds: what wasn't
   taken gets 0, whatever v. */
static mx_array scale(mx_array partial, mx_array v) {
  if (partial == ONE) return v;
  if (partial == MINUS_ONE) return mx_negative(v);
  if (mx_ok(partial) && mxi_dtype(partial) == MX_BOOL) return mx_where(partial, v, constant(v, 0));
  return mx_multiply(v, partial);
}
static mx_array conjugated(mx_array partial) {
  return mx_ok(partial) && is_complex(partial) ? mx_conjugate(partial) : partial;
}

/* ---- The ops that are not of that form ---- */
/* The sign s = z / |z| of a complex number turns as z moves across s, and stays as it moves along: both the
   gradient and the tangent are (v - s Re(conj(s) v)) / |z|; 0 at z = 0. */
static mx_array sign_derivative(mx_array z, mx_array s, mx_array v) {
  if (!is_complex(z)) return NULL;
  mx_array size = mx_abs(z), none = mx_equal(size, constant(size, 0));
  mx_array along = mx_real(mx_multiply(mx_conjugate(s), v)), across = mx_subtract(v, mx_multiply(s, along));
  return mx_where(none, constant(v, 0), mx_divide(across, mx_where(none, constant(size, 1), size)));
}
/* where(c, x, y): each branch gets the cotangent where it was chosen. */
static mx_array select_gradient(int i, const mx_array *in, mx_array g) {
  mx_array zero = mx_like(g, 0);
  return i == 0 ? NULL : i == 1 ? mx_where(in[0], g, zero) : mx_where(in[0], zero, g);
}

/* A cast of floats to integers is a step, as floor is. */
static bool is_step(const mx_node *n, mx_array out) {
  return mxi_is_inexact(mxi_dtype(n->inputs[0])) && !mxi_is_inexact(mxi_dtype(out));
}

static mx_array gradient(const mx_node *n, int i, mx_array out, mx_array g) {
  switch (n->prim->id) {
  case MXI_ASTYPE: return is_step(n, out) ? NULL : g;
  case MXI_CONJUGATE: return mx_conjugate(g);
  case MXI_SIGN: return sign_derivative(n->inputs[0], out, g);
  case MXI_SELECT: return select_gradient(i, n->inputs, g);
  default: {
    mx_array partial = partials[n->prim->id](i, n->inputs, out);
    return partial ? scale(conjugated(partial), g) : NULL;
  }
  }
}

static mx_array unbroadcast_gradient(const mx_node *n, int i, mx_array out, mx_array g) {
  mx_array gi = gradient(n, i, out, g);
  return gi ? mxi_unbroadcast(gi, n->inputs[i]) : NULL;
}

int mxi_vjp_elementwise(const mx_node *n, const mx_array *outputs, const mx_array *cotangents,
                        const bool *want, mx_array *grads) {
  mxi_no_grads(n, grads);
  for (int i = 0; i < n->ninputs; i++)
    if (want[i]) grads[i] = MXI_COMPOSED(unbroadcast_gradient(n, i, outputs[0], cotangents[0]));
  return mxi_grads_done(n, grads);
}

static mx_array select_tangent(const mx_node *n, mx_array out, const mx_array *t) {
  if (!t[1] && !t[2]) return NULL;
  mx_array zero = mx_like(t[1] ? t[1] : t[2], 0);
  return mxi_broadcast_like(mx_where(n->inputs[0], t[1] ? t[1] : zero, t[2] ? t[2] : zero), out);
}

static mx_array tangent_of(const mx_node *n, mx_array out, const mx_array *t) {
  if (n->prim->id == MXI_ASTYPE) return t[0] && !is_step(n, out) ? mx_astype(t[0], mxi_dtype(out)) : NULL;
  if (n->prim->id == MXI_CONJUGATE) return t[0] ? mx_conjugate(t[0]) : NULL;
  if (n->prim->id == MXI_SIGN) return t[0] ? sign_derivative(n->inputs[0], out, t[0]) : NULL;
  if (n->prim->id == MXI_SELECT) return select_tangent(n, out, t);
  mx_array sum = NULL;
  for (int i = 0; i < n->ninputs; i++) {
    mx_array partial = t[i] ? partials[n->prim->id](i, n->inputs, out) : NULL;
    if (partial) sum = mxi_add_tangents(sum, scale(partial, t[i]));
  }
  if (!sum) return NULL;
  if (is_complex(n->inputs[0]) && !is_complex(out)) sum = mx_real(sum);
  return mxi_broadcast_like(sum, out);
}

int mxi_jvp_elementwise(const mx_node *n, const mx_array *outputs, const mx_array *tangents, mx_array *out) {
  out[0] = MXI_COMPOSED(tangent_of(n, outputs[0], tangents));
  return out[0] == MX_BAD ? -1 : 0;
}
