/* Elementwise functions: one row each. */
#include "core.h"

/* ---- One input ---- */
#define A      f->v[0].a
#define ARRAY1 "a: value, /" STREAM
static mx_array mx_itself(mx_array a) { return a; }
#define UNARY(name, c_name, doc) \
  FUNCTION(name, ARRAY1, doc) { return py_wrap(mx_##c_name(A)); }
#define UNARY_METHOD(name, c_name, doc) \
  FUNCTION_AND_METHOD(name, ARRAY1, doc) { return py_wrap(mx_##c_name(A)); }
/* These take their input and the stream by either way, as MLX's signatures say. */
#define UNARY_OPEN(name, c_name, doc) \
  FUNCTION(name, "a: value, stream: stream = None", doc) { return py_wrap(mx_##c_name(A)); }
#define TO_FLOAT " Integers become float32."
#define TO_BOOL  " The result is bool."

UNARY_METHOD(abs, abs, "The absolute value. complex64 gives float32.")
UNARY_METHOD(square, square, "The square.")
UNARY_METHOD(sqrt, sqrt, "The square root; nan below 0." TO_FLOAT)
UNARY_METHOD(rsqrt, rsqrt, "1 over the square root." TO_FLOAT)
UNARY_METHOD(reciprocal, reciprocal, "1 / a." TO_FLOAT)
UNARY_METHOD(exp, exp, "e to the power a." TO_FLOAT)
UNARY_METHOD(log, log, "The natural logarithm." TO_FLOAT)
UNARY_METHOD(log2, log2, "The logarithm to base 2." TO_FLOAT)
UNARY_METHOD(log10, log10, "The logarithm to base 10." TO_FLOAT)
UNARY_METHOD(log1p, log1p, "log(1 + a), accurate near 0." TO_FLOAT)
UNARY_METHOD(sin, sin, "The sine of radians." TO_FLOAT)
UNARY_METHOD(cos, cos, "The cosine of radians." TO_FLOAT)
UNARY(tan, tan, "The tangent of radians." TO_FLOAT)
UNARY(arcsin, arcsin, "The inverse sine, in radians." TO_FLOAT)
ALIAS(asin, arcsin);
UNARY(arccos, arccos, "The inverse cosine, in radians." TO_FLOAT)
ALIAS(acos, arccos);
UNARY(arctan, arctan, "The inverse tangent, in radians." TO_FLOAT)
ALIAS(atan, arctan);
UNARY(sinh, sinh, "The hyperbolic sine." TO_FLOAT)
UNARY(cosh, cosh, "The hyperbolic cosine." TO_FLOAT)
UNARY(tanh, tanh, "The hyperbolic tangent." TO_FLOAT)
UNARY(arcsinh, arcsinh, "The inverse hyperbolic sine." TO_FLOAT)
ALIAS(asinh, arcsinh);
UNARY(arccosh, arccosh, "The inverse hyperbolic cosine." TO_FLOAT)
ALIAS(acosh, arccosh);
UNARY(arctanh, arctanh, "The inverse hyperbolic tangent." TO_FLOAT)
ALIAS(atanh, arctanh);
UNARY(expm1, expm1, "exp(a) - 1, accurate near 0." TO_FLOAT)
UNARY(erf, erf, "The error function." TO_FLOAT)
UNARY(erfinv, erfinv, "The inverse of erf; inf at 1, nan beyond." TO_FLOAT)
UNARY(sigmoid, sigmoid, "1 / (1 + exp(-a))." TO_FLOAT)
UNARY(degrees, degrees, "Radians to degrees." TO_FLOAT)
UNARY(radians, radians, "Degrees to radians." TO_FLOAT)
UNARY(sign, sign, "-1, 0 or 1; z / |z| for complex64.")
UNARY(negative, negative, "-a. ValueError for bool.")
UNARY(positive, itself, "a itself.")
UNARY(floor, floor, "The largest integer not above a. The dtype stays.")
UNARY(ceil, ceil, "The smallest integer not below a. The dtype stays.")
UNARY(trunc, trunc, "a without its fraction. The dtype stays.")
UNARY(logical_not, logical_not, "Is a zero?" TO_BOOL)
UNARY(stop_gradient, stop_gradient, "a, with a derivative of zero.")
UNARY(real, real, "The real part.")
UNARY(imag, imag, "The imaginary part.")
UNARY_OPEN(isnan, isnan, "Is it nan?" TO_BOOL)
UNARY_OPEN(isinf, isinf, "Is it inf or -inf?" TO_BOOL)
UNARY_OPEN(isfinite, isfinite, "Is it neither nan nor infinite?" TO_BOOL)
UNARY_OPEN(isposinf, isposinf, "Is it inf?" TO_BOOL)
UNARY_OPEN(isneginf, isneginf, "Is it -inf?" TO_BOOL)
UNARY_OPEN(bitwise_invert, bitwise_invert, "Every bit flipped; logical not for bool. ValueError for floats.")
FUNCTION_AND_METHOD(conj, "a: value" STREAM, "The complex conjugate.") { return py_wrap(mx_conjugate(A)); }
ALIAS(conjugate, conj);

FUNCTION_AND_METHOD(round, "a: value, /, decimals: int32 = 0, stream: stream = None",
                    "Rounded to decimals (negative: to tens, hundreds ...), halves to even.") {
  return py_wrap(mx_round(A, (int)f->v[1].i));
}
FUNCTION_AND_METHOD(
    astype, "a: value, dtype: dtype, stream: stream = None",
    "Converted to dtype. Integers wrap. Floats are truncated to a signed integer of 64 bits for 64-bit "
    "dtypes and of 32 bits for the others, whose low bits are the result; NaN and what does not fit "
    "are that integer's least value: -1 is 255 as uint8, 3e9 is -2**31 as int32. uint32 and uint64 "
    "have their whole range.") {
  return py_wrap(mx_astype(A, f->v[1].t));
}
FUNCTION_AND_METHOD(view, "a: value, dtype: dtype, stream: stream = None",
                    "The same bytes as another dtype; the last axis scales by the ratio of sizes.") {
  return py_wrap(mx_view(A, f->v[1].t));
}
FUNCTION(nan_to_num, "a: value, nan: float = 0, posinf: float? = None, neginf: float? = None" STREAM,
         "nan, inf and -inf replaced: by 0 and the largest and smallest finite numbers unless given.") {
  return py_wrap(
      mx_nan_to_num(A, f->v[1].d, py_given(f, 2) ? &f->v[2].d : NULL, py_given(f, 3) ? &f->v[3].d : NULL));
}

/* ---- Two inputs ---- a scalar takes the other's dtype where it fits ---- */
/* Arguments i and i + 1. -1 with the exception set. */
static int operands(const frame *f, int i, mx_array *a, mx_array *b) {
  PyObject *x = f->v[i].o, *y = f->v[i + 1].o;
  if (py_is_operand(x) && py_is_operand(y)) return py_operands(x, y, a, b);
  PyErr_Format(PyExc_ValueError, "%s(): expected arrays or scalars", f->f->name);
  return -1;
}
static PyObject *binary(frame *f, mx_array (*op)(mx_array, mx_array)) {
  mx_array a, b;
  return operands(f, 0, &a, &b) < 0 ? NULL : py_wrap(op(a, b));
}

#define BINARY(name, doc)                                                                     \
  FUNCTION(name, "a: operand, b: operand, stream: stream = None", doc " Shapes broadcast.") { \
    return binary(f, mx_##name);                                                              \
  }
BINARY(add, "a + b.")
BINARY(subtract, "a - b.")
BINARY(multiply, "a * b.")
BINARY(divide, "a / b; integers give float32.")
BINARY(floor_divide, "a / b rounded down.")
BINARY(remainder, "The remainder of a / b, with the sign of b.")
BINARY(power, "a to the power b.")
ALIAS(pow, power);
BINARY(maximum, "The larger of both; nan if either is.")
BINARY(minimum, "The smaller of both; nan if either is.")
BINARY(logaddexp, "log(exp(a) + exp(b)) without overflow.")
BINARY(arctan2, "The angle of the point (b, a), in radians.")
ALIAS(atan2, arctan2);
BINARY(equal, "a == b, bool.")
BINARY(not_equal, "a != b, bool.")
BINARY(less, "a < b, bool.")
BINARY(less_equal, "a <= b, bool.")
BINARY(greater, "a > b, bool.")
BINARY(greater_equal, "a >= b, bool.")
BINARY(logical_and, "Are both nonzero? bool.")
BINARY(logical_or, "Is either nonzero? bool.")
BINARY(logical_xor, "Is exactly one nonzero? bool.")
BINARY(bitwise_and, "Bitwise and of integers or bools.")
BINARY(bitwise_or, "Bitwise or of integers or bools.")
BINARY(bitwise_xor, "Bitwise exclusive or of integers or bools.")
BINARY(left_shift, "a shifted left by b bits.")
ALIAS(bitwise_left_shift, left_shift);
BINARY(right_shift, "a shifted right by b bits.")
ALIAS(bitwise_right_shift, right_shift);

FUNCTION(divmod, "a: operand, b: operand, stream: stream = None", "[floor_divide(a, b), remainder(a, b)].") {
  mx_array a, b, out[2];
  if (operands(f, 0, &a, &b) < 0) return NULL;
  return mx_divmod(a, b, &out[0], &out[1]) < 0 ? py_raise() : py_wrap_list(2, out);
}

/* ---- More inputs ---- */
FUNCTION(where, "condition: value, x: operand, y: operand, /" STREAM,
         "x where the condition is nonzero, else y. Shapes broadcast.") {
  mx_array x, y;
  return operands(f, 1, &x, &y) < 0 ? NULL : py_wrap(mx_where(A, x, y));
}
FUNCTION(clip, "a: array, /, a_min: operand? = None, a_max: operand? = None" STREAM,
         "a, no smaller than a_min and no larger than a_max; one of them may be None.") {
  mx_array low = NULL, high = NULL;
  if (!py_given(f, 1) && !py_given(f, 2)) {
    PyErr_SetString(PyExc_ValueError, "[clip] expected a bound, got None for both");
    return NULL;
  }
  if (py_given(f, 1) && !(low = py_weak_array(f->v[1].o, mx_dtype_of(A)))) return NULL;
  if (py_given(f, 2) && !(high = py_weak_array(f->v[2].o, mx_dtype_of(A)))) return NULL;
  return py_wrap(mx_clip(A, low, high));
}

#define CLOSE_SIGNATURE                                                                                 \
  "a: value, b: value, /, rtol: float = 1e-5, atol: float = 1e-8, *, equal_nan: bool = False, stream: " \
  "stream = None"
FUNCTION(isclose, CLOSE_SIGNATURE,
         "|a - b| <= atol + rtol |b|, elementwise; equal_nan: nan is close to nan.") {
  return py_wrap(mx_isclose(A, f->v[1].a, f->v[2].d, f->v[3].d, f->v[4].b));
}
FUNCTION(allclose, CLOSE_SIGNATURE, "Are all elements close? See isclose. A bool scalar array.") {
  return py_wrap(mx_allclose(A, f->v[1].a, f->v[2].d, f->v[3].d, f->v[4].b));
}
FUNCTION(array_equal, "a: value, b: value, equal_nan: bool = False, stream: stream = None",
         "Do the shapes and all elements agree? A bool scalar array.") {
  return py_wrap(mx_array_equal(A, f->v[1].a, f->v[2].b));
}
