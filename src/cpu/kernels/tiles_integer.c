/* Tile functions on bool and integer registers. Sums, products and shifts wrap; nothing traps: a division or
   remainder by zero gives 0, as does a negative exponent. Functions that don't depend on the sign are shared
   per width. */
#include "cpu/kernels/tiles_loops.h"

/* ---- What every form does alike ---- */
static void none(MXI_TILE_ARGS) { memset(dst, 0, (size_t)n); }
static void all(MXI_TILE_ARGS) { memset(dst, 1, (size_t)n); }

/* ---- By width: T unsigned, W the unsigned type its arithmetic is done in (as wide as int at least) ---- */
#define WIDTH(s, T, W)                                                            \
  static void zeros_##s(MXI_TILE_ARGS) { memset(dst, 0, (size_t)n * sizeof(T)); } \
  EACH_UNARY(identity_##s, T, T, x)                                               \
  EACH_UNARY(negative_##s, T, T, 0 - (W)x)                                        \
  EACH_UNARY(square_##s, T, T, (W)x *(W)x)                                        \
  EACH_UNARY(invert_##s, T, T, ~x)                                                \
  EACH_UNARY(not_##s, T, uint8_t, x == 0)                                         \
  EACH_BINARY(add_##s, T, T, (W)x + (W)y)                                         \
  EACH_BINARY(subtract_##s, T, T, (W)x - (W)y)                                    \
  EACH_BINARY(multiply_##s, T, T, (W)x *(W)y)                                     \
  EACH_BINARY(and_##s, T, T, x &y)                                                \
  EACH_BINARY(or_##s, T, T, x | y)                                                \
  EACH_BINARY(xor_##s, T, T, x ^ y)                                               \
  EACH_BINARY(left_shift_##s, T, T, (W)x << (y & (sizeof(W) * 8 - 1)))            \
  EACH_BINARY(equal_##s, T, uint8_t, x == y)                                      \
  EACH_BINARY(not_equal_##s, T, uint8_t, x != y)                                  \
  EACH_BINARY(both_##s, T, uint8_t, (x != 0) & (y != 0))                          \
  EACH_BINARY(either_##s, T, uint8_t, (x != 0) | (y != 0))                        \
  EACH_BINARY(one_of_##s, T, uint8_t, (x != 0) ^ (y != 0))                        \
  EACH_SELECT(select_##s, T)
WIDTH(8, uint8_t, uint32_t)
WIDTH(16, uint16_t, uint32_t)
WIDTH(32, uint32_t, uint32_t)
WIDTH(64, uint64_t, uint64_t)

/* ---- By type: P the type that right shifts are done in ---- */
#define COMMON(s, T, P)                                                 \
  EACH_BINARY(maximum_##s, T, T, x > y ? x : y)                         \
  EACH_BINARY(minimum_##s, T, T, x < y ? x : y)                         \
  EACH_BINARY(right_shift_##s, T, T, (P)x >> (y & (sizeof(P) * 8 - 1))) \
  EACH_BINARY(less_##s, T, uint8_t, x < y)                              \
  EACH_BINARY(less_equal_##s, T, uint8_t, x <= y)                       \
  EACH_BINARY(floor_divide_##s, T, T, quotient_##s(x, y))               \
  EACH_BINARY(remainder_##s, T, T, modulus_##s(x, y))                   \
  EACH_BINARY(power_##s, T, T, power_of_##s(x, y))                      \
  static void greater_##s(MXI_TILE_ARGS) { less_##s(dst, b, a, c, n); } \
  static void greater_equal_##s(MXI_TILE_ARGS) { less_equal_##s(dst, b, a, c, n); }

/* x^y by squaring; W unsigned. */
#define RAISE(T, W, x, y)                                   \
  W result = 1, factor = (W)(x);                            \
  for (W left = (W)(y); left; left >>= 1, factor *= factor) \
    if (left & 1) result *= factor;                         \
  return (T)result

#define UNSIGNED(s, T, W)                                       \
  MXI_INLINE T quotient_##s(T x, T y) { return y ? x / y : 0; } \
  MXI_INLINE T modulus_##s(T x, T y) { return y ? x % y : 0; }  \
  MXI_INLINE T power_of_##s(T x, T y) { RAISE(T, W, x, y); }    \
  EACH_UNARY(sign_##s, T, T, x != 0)                            \
  COMMON(s, T, W)
UNSIGNED(u8, uint8_t, uint32_t)
UNSIGNED(u16, uint16_t, uint32_t)
UNSIGNED(u32, uint32_t, uint32_t)
UNSIGNED(u64, uint64_t, uint64_t)

/* Division towards minus infinity, remainders with the divisor's sign. The divisor -1 is apart, as the least
   integer divided by it traps. */
#define SIGNED(s, T, W, P)                                  \
  MXI_INLINE T quotient_##s(T x, T y) {                     \
    if (y == 0) return 0;                                   \
    if (y == -1) return (T)(0 - (W)x);                      \
    return (T)(x / y - (x % y != 0 && (x < 0) != (y < 0))); \
  }                                                         \
  MXI_INLINE T modulus_##s(T x, T y) {                      \
    if (y == 0 || y == -1) return 0;                        \
    T r = (T)(x % y);                                       \
    return r != 0 && (r < 0) != (y < 0) ? (T)(r + y) : r;   \
  }                                                         \
  MXI_INLINE T power_of_##s(T x, T y) {                     \
    if (y < 0) return 0;                                    \
    RAISE(T, W, x, y);                                      \
  }                                                         \
  EACH_UNARY(abs_##s, T, T, x < 0 ? 0 - (W)x : (W)x)        \
  EACH_UNARY(sign_##s, T, T, (x > 0) - (x < 0))             \
  COMMON(s, T, P)
SIGNED(i8, int8_t, uint32_t, int32_t)
SIGNED(i16, int16_t, uint32_t, int32_t)
SIGNED(i32, int32_t, uint32_t, int32_t)
SIGNED(i64, int64_t, uint64_t, int64_t)

/* ---- bool, held as 0 or 1: what the integer op gives on 0 and 1, as a truth value ---- */
EACH_UNARY(not_bool, uint8_t, uint8_t, x ^ 1)
EACH_BINARY(less_bool, uint8_t, uint8_t, (x ^ 1) & y)
EACH_BINARY(less_equal_bool, uint8_t, uint8_t, (x ^ 1) | y)
EACH_BINARY(greater_bool, uint8_t, uint8_t, x &(y ^ 1))
EACH_BINARY(greater_equal_bool, uint8_t, uint8_t, x | (y ^ 1))
EACH_BINARY(equal_bool, uint8_t, uint8_t, x ^ y ^ 1)

/* clang-format off */
#define ANY_ROWS(w)                                                                                          \
  [MXI_TILE_FLOOR] = identity_##w, [MXI_TILE_CEIL] = identity_##w, [MXI_TILE_RINT] = identity_##w,           \
  [MXI_TILE_TRUNC] = identity_##w, [MXI_TILE_REAL] = identity_##w, [MXI_TILE_IMAG] = zeros_##w,              \
  [MXI_TILE_CONJUGATE] = identity_##w, [MXI_TILE_ISNAN] = none, [MXI_TILE_ISINF] = none,                     \
  [MXI_TILE_ISFINITE] = all, [MXI_TILE_ISPOSINF] = none, [MXI_TILE_ISNEGINF] = none,                         \
  [MXI_TILE_LOGICAL_NOT] = not_##w, [MXI_TILE_LOGICAL_AND] = both_##w, [MXI_TILE_LOGICAL_OR] = either_##w,   \
  [MXI_TILE_LOGICAL_XOR] = one_of_##w, [MXI_TILE_BITWISE_AND] = and_##w, [MXI_TILE_BITWISE_OR] = or_##w,     \
  [MXI_TILE_BITWISE_XOR] = xor_##w, [MXI_TILE_SELECT] = select_##w
#define INTEGER_ROWS(s, w)                                                                                   \
  ANY_ROWS(w), [MXI_TILE_NEGATIVE] = negative_##w, [MXI_TILE_SIGN] = sign_##s,                               \
  [MXI_TILE_SQUARE] = square_##w, [MXI_TILE_BITWISE_INVERT] = invert_##w, [MXI_TILE_ADD] = add_##w,          \
  [MXI_TILE_SUBTRACT] = subtract_##w, [MXI_TILE_MULTIPLY] = multiply_##w,                                    \
  [MXI_TILE_FLOOR_DIVIDE] = floor_divide_##s, [MXI_TILE_REMAINDER] = remainder_##s,                          \
  [MXI_TILE_POWER] = power_##s, [MXI_TILE_MAXIMUM] = maximum_##s, [MXI_TILE_MINIMUM] = minimum_##s,          \
  [MXI_TILE_EQUAL] = equal_##w, [MXI_TILE_NOT_EQUAL] = not_equal_##w, [MXI_TILE_LESS] = less_##s,            \
  [MXI_TILE_LESS_EQUAL] = less_equal_##s, [MXI_TILE_GREATER] = greater_##s,                                  \
  [MXI_TILE_GREATER_EQUAL] = greater_equal_##s, [MXI_TILE_LEFT_SHIFT] = left_shift_##w,                      \
  [MXI_TILE_RIGHT_SHIFT] = right_shift_##s
const mxi_tile_fn MXI_ISA_NAME(mxi_tiles_integer)[MX_INT64 + 1][MXI_TILE_OPS] = {
  [MX_BOOL] = {ANY_ROWS(8), [MXI_TILE_ABS] = identity_8, [MXI_TILE_NEGATIVE] = identity_8,
    [MXI_TILE_SIGN] = identity_8, [MXI_TILE_SQUARE] = identity_8, [MXI_TILE_BITWISE_INVERT] = not_bool,
    [MXI_TILE_ADD] = or_8, [MXI_TILE_SUBTRACT] = xor_8, [MXI_TILE_MULTIPLY] = and_8,
    [MXI_TILE_FLOOR_DIVIDE] = and_8, [MXI_TILE_REMAINDER] = zeros_8, [MXI_TILE_POWER] = greater_equal_bool,
    [MXI_TILE_MAXIMUM] = or_8, [MXI_TILE_MINIMUM] = and_8, [MXI_TILE_EQUAL] = equal_bool,
    [MXI_TILE_NOT_EQUAL] = xor_8, [MXI_TILE_LESS] = less_bool, [MXI_TILE_LESS_EQUAL] = less_equal_bool,
    [MXI_TILE_GREATER] = greater_bool, [MXI_TILE_GREATER_EQUAL] = greater_equal_bool,
    [MXI_TILE_LEFT_SHIFT] = identity_8, [MXI_TILE_RIGHT_SHIFT] = greater_bool},
  [MX_UINT8] = {INTEGER_ROWS(u8, 8), [MXI_TILE_ABS] = identity_8},
  [MX_UINT16] = {INTEGER_ROWS(u16, 16), [MXI_TILE_ABS] = identity_16},
  [MX_UINT32] = {INTEGER_ROWS(u32, 32), [MXI_TILE_ABS] = identity_32},
  [MX_UINT64] = {INTEGER_ROWS(u64, 64), [MXI_TILE_ABS] = identity_64},
  [MX_INT8] = {INTEGER_ROWS(i8, 8), [MXI_TILE_ABS] = abs_i8},
  [MX_INT16] = {INTEGER_ROWS(i16, 16), [MXI_TILE_ABS] = abs_i16},
  [MX_INT32] = {INTEGER_ROWS(i32, 32), [MXI_TILE_ABS] = abs_i32},
  [MX_INT64] = {INTEGER_ROWS(i64, 64), [MXI_TILE_ABS] = abs_i64},
};
