/* Tile functions on complex64 registers. Elementary functions are libm's; order is lexicographic, as in
 * NumPy. */
#include "cpu/kernels/reduce_complex.h"
#include "cpu/kernels/tiles_loops.h"
#include <complex.h>
#include <math.h>

typedef float _Complex c64;
typedef double _Complex c128;

MXI_INLINE c64 complex_of(float re, float im) {
  union {
    float part[2];
    c64 z;
  } u = {{re, im}};
  return u.z;
}
#define RE(z) crealf(z)
#define IM(z) cimagf(z)
MXI_INLINE int has_nan(c64 x) { return RE(x) != RE(x) || IM(x) != IM(x); }
MXI_INLINE int has_inf(c64 x) { return fabsf(RE(x)) == INFINITY || fabsf(IM(x)) == INFINITY; }
MXI_INLINE int is_finite(c64 x) { return fabsf(RE(x)) < INFINITY && fabsf(IM(x)) < INFINITY; }
MXI_INLINE int same(c64 x, c64 y) { return RE(x) == RE(y) && IM(x) == IM(y); }
MXI_INLINE int before(c64 x, c64 y) { return RE(x) < RE(y) || (RE(x) == RE(y) && IM(x) < IM(y)); }
MXI_INLINE int not_after(c64 x, c64 y) { return RE(x) < RE(y) || (RE(x) == RE(y) && IM(x) <= IM(y)); }
MXI_INLINE int nonzero(c64 x) { return RE(x) != 0 || IM(x) != 0; }

static c64 scaled(c64 x, float factor) { return complex_of(RE(x) * factor, IM(x) * factor); }
static c64 sign_of(c64 x) {
  float length = cabsf(x);
  return length == 0 ? 0 : complex_of(RE(x) / length, IM(x) / length);
}
static c64 log1p_of(c64 x) {
  if (!is_finite(x) || fabsf(RE(x)) + fabsf(IM(x)) > 4) return (c64)clog(1 + (c128)x);
  return complex_of((float)log_abs_1p(RE(x), IM(x)), (float)atan2(IM(x), 1 + (double)RE(x)));
}
static c64 sigmoid(c64 x) {
  if (RE(x) >= 0) return 1 / (1 + cexpf(-x));
  c64 e = cexpf(x);
  return e / (1 + e);
}
static c64 log_add_exp(c64 x, c64 y) {
  if (has_nan(x) || has_nan(y)) return complex_of(NAN, NAN);
  c64 high = before(y, x) ? x : y, low = before(y, x) ? y : x;
  return RE(high) == INFINITY || RE(low) == -INFINITY ? high : high + log1p_of(cexpf(low - high));
}
static c64 greatest(c64 x, c64 y) { return has_nan(x) || before(y, x) ? x : y; }
static c64 least(c64 x, c64 y) { return has_nan(x) || (before(x, y) && !has_nan(y)) ? x : y; }

/* ID, result's C type, expression of x and y */
#define OPS(OP)                                            \
  OP(ABS, float, cabsf(x))                                 \
  OP(NEGATIVE, c64, complex_of(-RE(x), -IM(x)))            \
  OP(SIGN, c64, sign_of(x))                                \
  OP(SQUARE, c64, x *x)                                    \
  OP(SQRT, c64, csqrtf(x))                                 \
  OP(RSQRT, c64, 1.0f / csqrtf(x))                         \
  OP(RECIPROCAL, c64, 1.0f / x)                            \
  OP(EXP, c64, cexpf(x))                                   \
  OP(LOG, c64, clogf(x))                                   \
  OP(LOG2, c64, scaled(clogf(x), 0x1.715476p+0f))          \
  OP(LOG10, c64, scaled(clogf(x), 0x1.bcb7b2p-2f))         \
  OP(LOG1P, c64, log1p_of(x))                              \
  OP(SIN, c64, csinf(x))                                   \
  OP(COS, c64, ccosf(x))                                   \
  OP(TAN, c64, ctanf(x))                                   \
  OP(ARCSIN, c64, casinf(x))                               \
  OP(ARCCOS, c64, cacosf(x))                               \
  OP(ARCTAN, c64, catanf(x))                               \
  OP(SINH, c64, csinhf(x))                                 \
  OP(COSH, c64, ccoshf(x))                                 \
  OP(TANH, c64, ctanhf(x))                                 \
  OP(ARCSINH, c64, casinhf(x))                             \
  OP(ARCCOSH, c64, cacoshf(x))                             \
  OP(ARCTANH, c64, catanhf(x))                             \
  OP(SIGMOID, c64, sigmoid(x))                             \
  OP(FLOOR, c64, complex_of(floorf(RE(x)), floorf(IM(x)))) \
  OP(CEIL, c64, complex_of(ceilf(RE(x)), ceilf(IM(x))))    \
  OP(RINT, c64, complex_of(rintf(RE(x)), rintf(IM(x))))    \
  OP(TRUNC, c64, complex_of(truncf(RE(x)), truncf(IM(x)))) \
  OP(LOGICAL_NOT, uint8_t, !nonzero(x))                    \
  OP(ISNAN, uint8_t, has_nan(x))                           \
  OP(ISINF, uint8_t, has_inf(x))                           \
  OP(ISFINITE, uint8_t, is_finite(x))                      \
  OP(ISPOSINF, uint8_t, RE(x) == INFINITY && IM(x) == 0)   \
  OP(ISNEGINF, uint8_t, RE(x) == -INFINITY && IM(x) == 0)  \
  OP(REAL, float, RE(x))                                   \
  OP(IMAG, float, IM(x))                                   \
  OP(CONJUGATE, c64, complex_of(RE(x), -IM(x)))
#define BINARY_OPS(OP)                               \
  OP(ADD, c64, x + y)                                \
  OP(SUBTRACT, c64, x - y)                           \
  OP(MULTIPLY, c64, x *y)                            \
  OP(DIVIDE, c64, x / y)                             \
  OP(POWER, c64, (c64)cpow(x, y))                    \
  OP(MAXIMUM, c64, greatest(x, y))                   \
  OP(MINIMUM, c64, least(x, y))                      \
  OP(LOGADDEXP, c64, log_add_exp(x, y))              \
  OP(EQUAL, uint8_t, same(x, y))                     \
  OP(NOT_EQUAL, uint8_t, !same(x, y))                \
  OP(LESS, uint8_t, before(x, y))                    \
  OP(LESS_EQUAL, uint8_t, not_after(x, y))           \
  OP(GREATER, uint8_t, before(y, x))                 \
  OP(GREATER_EQUAL, uint8_t, not_after(y, x))        \
  OP(LOGICAL_AND, uint8_t, nonzero(x) && nonzero(y)) \
  OP(LOGICAL_OR, uint8_t, nonzero(x) || nonzero(y))  \
  OP(LOGICAL_XOR, uint8_t, nonzero(x) != nonzero(y))

#define DEFINE_UNARY(ID, R, expr)  EACH_UNARY(tile_##ID, c64, R, expr)
#define DEFINE_BINARY(ID, R, expr) EACH_BINARY(tile_##ID, c64, R, expr)
OPS(DEFINE_UNARY)
BINARY_OPS(DEFINE_BINARY)
EACH_SELECT(tile_SELECT, uint64_t)

#define ROW(ID, R, expr) [MXI_TILE_##ID] = tile_##ID,
mxi_tile_table MXI_ISA_NAME(mxi_tiles_complex) = {OPS(ROW) BINARY_OPS(ROW)[MXI_TILE_SELECT] = tile_SELECT};
