/* Tile functions on float32 registers: arithmetic, comparisons, tests; and their fused forms for the half
   types, which round each result to the type's grid while it is in a vector. The elementary functions are in
   tiles_f32_math.c. */
#include "cpu/kernels/tiles_loops.h"
#include "cpu/kernels/vmath.h"

/* name_f32, name_f16 and name_bf16 */
#define ROUNDED(KIND, name)             \
  KIND(name##_f32, UNROUNDED, name)     \
  KIND(name##_f16, mxi_round_f16, name) \
  KIND(name##_bf16, mxi_round_bf16, name)
/* name_f32 alone: on a half type's values the result is on its grid already */
#define EXACT(KIND, name) KIND(name##_f32, UNROUNDED, name)

#if defined(__AVX512F__)
#define ROUND_TO(x, mode) ((vf32)_mm512_roundscale_ps((__m512)(x), (mode) | _MM_FROUND_NO_EXC))
#elif defined(__AVX2__)
#define ROUND_TO(x, mode) ((vf32)_mm256_round_ps((__m256)(x), (mode) | _MM_FROUND_NO_EXC))
#else
#define ROUND_TO(x, mode) ((vf32)_mm_round_ps((__m128)(x), (mode) | _MM_FROUND_NO_EXC))
#endif
MXI_INLINE vf32 floor_of(vf32 x) { return ROUND_TO(x, _MM_FROUND_TO_NEG_INF); }
MXI_INLINE vf32 ceil_of(vf32 x) { return ROUND_TO(x, _MM_FROUND_TO_POS_INF); }
MXI_INLINE vf32 rint_of(vf32 x) { return ROUND_TO(x, _MM_FROUND_TO_NEAREST_INT); }
MXI_INLINE vf32 trunc_of(vf32 x) { return ROUND_TO(x, _MM_FROUND_TO_ZERO); }

MXI_INLINE vf32 negative(vf32 x) { return -x; }
MXI_INLINE vf32 sign_of(vf32 x) {
  vf32 s = mxi_blend_f32(x > F(0), F(1), mxi_blend_f32(x < F(0), F(-1), F(0)));
  return mxi_blend_f32(x == x, s, x);
}
MXI_INLINE vf32 square(vf32 x) { return x * x; }
MXI_INLINE vf32 root(vf32 x) { return mxi_v_sqrt(x); }
MXI_INLINE vf32 reciprocal_root(vf32 x) { return mxi_v_rsqrt(x); }
MXI_INLINE vf32 reciprocal(vf32 x) { return F(1) / x; }
MXI_INLINE vf32 identity(vf32 x) { return x; }
MXI_INLINE vf32 imaginary(vf32 x) { return F(0); }

MXI_INLINE vf32 add(vf32 x, vf32 y) { return x + y; }
MXI_INLINE vf32 subtract(vf32 x, vf32 y) { return x - y; }
MXI_INLINE vf32 multiply(vf32 x, vf32 y) { return x * y; }
MXI_INLINE vf32 divide(vf32 x, vf32 y) { return x / y; }
MXI_INLINE vf32 floor_divide(vf32 x, vf32 y) { return floor_of(x / y); }
MXI_INLINE vf32 maximum(vf32 x, vf32 y) { return mxi_blend_f32((x > y) | (x != x), x, y); }
MXI_INLINE vf32 minimum(vf32 x, vf32 y) { return mxi_blend_f32((x < y) | (x != x), x, y); }

ROUNDED(F32_UNARY, identity)
ROUNDED(F32_UNARY, square)
ROUNDED(F32_UNARY, root)
ROUNDED(F32_UNARY, reciprocal_root)
ROUNDED(F32_UNARY, reciprocal)
ROUNDED(F32_BINARY, add)
ROUNDED(F32_BINARY, subtract)
ROUNDED(F32_BINARY, multiply)
ROUNDED(F32_BINARY, divide)
ROUNDED(F32_BINARY, floor_divide)
EXACT(F32_UNARY, mxi_abs_f32)
EXACT(F32_UNARY, negative)
EXACT(F32_UNARY, sign_of)
EXACT(F32_UNARY, imaginary)
EXACT(F32_UNARY, floor_of)
EXACT(F32_UNARY, ceil_of)
EXACT(F32_UNARY, rint_of)
EXACT(F32_UNARY, trunc_of)
EXACT(F32_BINARY, maximum)
EXACT(F32_BINARY, minimum)

/* The remainder with the divisor's sign. While |x / y| < 2^22, q = trunc(x / y), rounded, is at most one too
   far from zero, and x - q y is exact: a multiple of y's last digit that is smaller than y. It then has the
   other sign, as it has where x and y differ in sign, and y is added. */
MXI_INLINE vf32 remainder_of(vf32 x, vf32 y, vf32 q) {
  vf32 r = mxi_fma_f32(-q, y, x);
  r = mxi_blend_f32((r != F(0)) & (((vi32)r ^ (vi32)y) < 0), r + y, r);
  return mxi_blend_f32(r == F(0), mxi_copysign_f32(F(0), x), r);
}
static float remainder_by_fmod(float x, float y) {
  float r = fmodf(x, y);
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
static void remainder_f32(MXI_TILE_ARGS) {
  const float *x = a, *y = b;
  float *to = dst;
  for (int i = 0; i < n; i += MXI_VL) {
    vf32 u = mxi_load_upto_f32(x + i, n - i), v = mxi_load_upto_f32(y + i, n - i), q = trunc_of(u / v);
    vi32 plain = (mxi_abs_f32(q) < F(0x1p22f)) & (mxi_abs_f32(v) < F(__builtin_inff()));
    if (i + MXI_VL <= n && !mxi_any(~plain))
      mxi_store_f32(to + i, remainder_of(u, v, q));
    else
      for (int k = i; k < n && k < i + MXI_VL; k++) to[k] = remainder_by_fmod(x[k], y[k]);
  }
}

#define TEST(name, expr)            \
  static void name(MXI_TILE_ARGS) { \
    const float *x = a, *y = b;     \
    uint8_t *to = dst;              \
    (void)y;                        \
    MXI_EACH to[i] = (expr);        \
  }
TEST(is_nan, x[i] != x[i])
TEST(is_inf, __builtin_fabsf(x[i]) == __builtin_inff())
TEST(is_finite, __builtin_fabsf(x[i]) < __builtin_inff())
TEST(is_posinf, x[i] == __builtin_inff())
TEST(is_neginf, x[i] == -__builtin_inff())
TEST(is_zero, x[i] == 0)
TEST(equal, x[i] == y[i])
TEST(not_equal, x[i] != y[i])
TEST(less, x[i] < y[i])
TEST(less_equal, x[i] <= y[i])
TEST(both, (x[i] != 0) & (y[i] != 0))
TEST(either, (x[i] != 0) | (y[i] != 0))
TEST(one_of, (x[i] != 0) ^ (y[i] != 0))
static void greater(MXI_TILE_ARGS) { less(dst, b, a, c, n); }
static void greater_equal(MXI_TILE_ARGS) { less_equal(dst, b, a, c, n); }

EACH_SELECT(select_f32, uint32_t)

/* The rows whose result needs no rounding, the same in all three tables. */
/* clang-format off */
#define EXACT_ROWS                                                                                           \
  [MXI_TILE_ABS] = mxi_abs_f32_f32, [MXI_TILE_NEGATIVE] = negative_f32, [MXI_TILE_SIGN] = sign_of_f32,       \
  [MXI_TILE_FLOOR] = floor_of_f32, [MXI_TILE_CEIL] = ceil_of_f32, [MXI_TILE_RINT] = rint_of_f32,             \
  [MXI_TILE_TRUNC] = trunc_of_f32, [MXI_TILE_LOGICAL_NOT] = is_zero, [MXI_TILE_ISNAN] = is_nan,              \
  [MXI_TILE_ISINF] = is_inf, [MXI_TILE_ISFINITE] = is_finite, [MXI_TILE_ISPOSINF] = is_posinf,               \
  [MXI_TILE_ISNEGINF] = is_neginf, [MXI_TILE_REAL] = identity_f32, [MXI_TILE_IMAG] = imaginary_f32,          \
  [MXI_TILE_CONJUGATE] = identity_f32, [MXI_TILE_MAXIMUM] = maximum_f32, [MXI_TILE_MINIMUM] = minimum_f32,   \
  [MXI_TILE_EQUAL] = equal, [MXI_TILE_NOT_EQUAL] = not_equal, [MXI_TILE_LESS] = less,                        \
  [MXI_TILE_LESS_EQUAL] = less_equal, [MXI_TILE_GREATER] = greater,                                          \
  [MXI_TILE_GREATER_EQUAL] = greater_equal, [MXI_TILE_LOGICAL_AND] = both, [MXI_TILE_LOGICAL_OR] = either,   \
  [MXI_TILE_LOGICAL_XOR] = one_of, [MXI_TILE_SELECT] = select_f32
#define ROUNDED_ROWS(t)                                                                                      \
  [MXI_TILE_SQUARE] = square_##t, [MXI_TILE_SQRT] = root_##t, [MXI_TILE_RSQRT] = reciprocal_root_##t,        \
  [MXI_TILE_RECIPROCAL] = reciprocal_##t, [MXI_TILE_ADD] = add_##t, [MXI_TILE_SUBTRACT] = subtract_##t,      \
  [MXI_TILE_MULTIPLY] = multiply_##t, [MXI_TILE_DIVIDE] = divide_##t,                                        \
  [MXI_TILE_FLOOR_DIVIDE] = floor_divide_##t
/* clang-format on */
mxi_tile_table MXI_ISA_NAME(mxi_tiles_f32) = {EXACT_ROWS,
                                              ROUNDED_ROWS(f32), [MXI_TILE_REMAINDER] = remainder_f32};
mxi_tile_table MXI_ISA_NAME(mxi_tiles_f16) = {EXACT_ROWS, ROUNDED_ROWS(f16)};
mxi_tile_table MXI_ISA_NAME(mxi_tiles_bf16) = {EXACT_ROWS, ROUNDED_ROWS(bf16)};

void MXI_ISA_NAME(mxi_tile_round_f16)(MXI_TILE_ARGS) { identity_f16(dst, a, b, c, n); }
void MXI_ISA_NAME(mxi_tile_round_bf16)(MXI_TILE_ARGS) { identity_bf16(dst, a, b, c, n); }
