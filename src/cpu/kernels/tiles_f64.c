/* Tile functions on float64 registers. The common elementary functions are those of vdouble.h; the others are
   libm's, element by element. */
#include "cpu/kernels/tiles_loops.h"
#include "cpu/kernels/vdouble.h"
#include <math.h>

static double sign_of(double x) { return x != x ? x : (double)((x > 0) - (x < 0)); }
/* erf(y) = x by Newton's method with Halley's correction on erf, or on erfc in the tails where erf is flat,
   from Giles's leading behaviour; the error cubes at each of the steps. */
static double erfinv(double x) {
  double p = fabs(x);
  if (!(p < 1)) return p == 1 ? x * INFINITY : NAN;
  if (p < 1e-150) return x * 0.88622692545275801365;
  double q = 1 - p, w = fmax(-log(q * (1 + p)), 0);
  double shift = 2 / (M_PI * 0.147) + -w / 2; /* Winitzki's approximation, good to 2e-3 */
  double y = sqrt(sqrt(shift * shift + w / 0.147) - shift);
  for (int step = 0; step < 4; step++) {
    double excess = p > 0.5 ? q - erfc(y) : erf(y) - p;
    double newton = excess / (1.1283791670955125739 * exp(-y * y));
    y -= newton / (1 + y * newton);
  }
  return copysign(y, x);
}
static double python_remainder(double x, double y) {
  double r = fmod(x, y);
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
static double log_add_exp(double x, double y) {
  if (x != x || y != y) return x + y;
  double high = x > y ? x : y, low = x > y ? y : x;
  return fabs(high) == INFINITY ? high : high + log1p(exp(low - high));
}

/* ID, result's C type, expression of x and y */
#define OPS(OP)                             \
  OP(ABS, double, fabs(x))                  \
  OP(NEGATIVE, double, -x)                  \
  OP(SIGN, double, sign_of(x))              \
  OP(SQUARE, double, x *x)                  \
  OP(SQRT, double, sqrt(x))                 \
  OP(RSQRT, double, 1 / sqrt(x))            \
  OP(RECIPROCAL, double, 1 / x)             \
  OP(LOG10, double, log10(x))               \
  OP(TAN, double, tan(x))                   \
  OP(ARCSIN, double, asin(x))               \
  OP(ARCCOS, double, acos(x))               \
  OP(ARCTAN, double, atan(x))               \
  OP(SINH, double, sinh(x))                 \
  OP(COSH, double, cosh(x))                 \
  OP(ARCSINH, double, asinh(x))             \
  OP(ARCCOSH, double, acosh(x))             \
  OP(ARCTANH, double, atanh(x))             \
  OP(ERF, double, erf(x))                   \
  OP(ERFINV, double, erfinv(x))             \
  OP(FLOOR, double, floor(x))               \
  OP(CEIL, double, ceil(x))                 \
  OP(RINT, double, rint(x))                 \
  OP(TRUNC, double, trunc(x))               \
  OP(LOGICAL_NOT, uint8_t, x == 0)          \
  OP(ISNAN, uint8_t, x != x)                \
  OP(ISINF, uint8_t, fabs(x) == INFINITY)   \
  OP(ISFINITE, uint8_t, fabs(x) < INFINITY) \
  OP(ISPOSINF, uint8_t, x == INFINITY)      \
  OP(ISNEGINF, uint8_t, x == -INFINITY)     \
  OP(REAL, double, x)                       \
  OP(IMAG, double, 0)                       \
  OP(CONJUGATE, double, x)
#define BINARY_OPS(OP)                              \
  OP(ADD, double, x + y)                            \
  OP(SUBTRACT, double, x - y)                       \
  OP(MULTIPLY, double, x *y)                        \
  OP(DIVIDE, double, x / y)                         \
  OP(FLOOR_DIVIDE, double, floor(x / y))            \
  OP(REMAINDER, double, python_remainder(x, y))     \
  OP(POWER, double, pow(x, y))                      \
  OP(MAXIMUM, double, ((x > y) | (x != x)) ? x : y) \
  OP(MINIMUM, double, ((x < y) | (x != x)) ? x : y) \
  OP(LOGADDEXP, double, log_add_exp(x, y))          \
  OP(ARCTAN2, double, atan2(x, y))                  \
  OP(EQUAL, uint8_t, x == y)                        \
  OP(NOT_EQUAL, uint8_t, x != y)                    \
  OP(LESS, uint8_t, x < y)                          \
  OP(LESS_EQUAL, uint8_t, x <= y)                   \
  OP(GREATER, uint8_t, x > y)                       \
  OP(GREATER_EQUAL, uint8_t, x >= y)                \
  OP(LOGICAL_AND, uint8_t, (x != 0) & (y != 0))     \
  OP(LOGICAL_OR, uint8_t, (x != 0) | (y != 0))      \
  OP(LOGICAL_XOR, uint8_t, (x != 0) ^ (y != 0))

#define VECTOR_OPS(OP) \
  OP(EXP, exp)         \
  OP(EXPM1, expm1)     \
  OP(LOG, log)         \
  OP(LOG2, log2)       \
  OP(LOG1P, log1p)     \
  OP(SIN, sin)         \
  OP(COS, cos)         \
  OP(TANH, tanh)       \
  OP(SIGMOID, sigmoid)

#define DEFINE_VECTOR(ID, name)                                                                    \
  static void tile_##ID(MXI_TILE_ARGS) {                                                           \
    const double *x = a;                                                                           \
    double *to = dst;                                                                              \
    int i = 0;                                                                                     \
    for (; i + MXI_VD <= n; i += MXI_VD) mxi_store_f64(to + i, mxi_d_##name(mxi_load_f64(x + i))); \
    if (i < n) mxi_storen_f64(to + i, mxi_d_##name(mxi_loadn_f64(x + i, n - i)), n - i);           \
  }
#define DEFINE_UNARY(ID, R, expr)  EACH_UNARY(tile_##ID, double, R, expr)
#define DEFINE_BINARY(ID, R, expr) EACH_BINARY(tile_##ID, double, R, expr)
VECTOR_OPS(DEFINE_VECTOR)
OPS(DEFINE_UNARY)
BINARY_OPS(DEFINE_BINARY)
EACH_SELECT(tile_SELECT, uint64_t)

#define ROW(ID, R, expr)     [MXI_TILE_##ID] = tile_##ID,
#define VECTOR_ROW(ID, name) [MXI_TILE_##ID] = tile_##ID,
mxi_tile_table MXI_ISA_NAME(mxi_tiles_f64) = {VECTOR_OPS(VECTOR_ROW) OPS(ROW)
                                                  BINARY_OPS(ROW)[MXI_TILE_SELECT] = tile_SELECT};
