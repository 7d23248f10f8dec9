/* Vector pieces that the row kernels and attention share: e^x for x <= 0, maxima, typed loads and stores of
 * floats. */
#ifndef MXI_CPU_KERNELS_ROWS_EXP_H
#define MXI_CPU_KERNELS_ROWS_EXP_H
#include "mlx/dtype.h"
#include "cpu/kernels/multiply_add.h"
#include "cpu/simd.h"
#include <math.h>

/* One instruction; b where either is NaN. */
MXI_INLINE vf32 max_f32(vf32 a, vf32 b) {
#if defined(__AVX512F__)
  return (vf32)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX__)
  return (vf32)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE__)
  return (vf32)_mm_max_ps((__m128)a, (__m128)b);
#else
  return mxi_max_f32(a, b);
#endif
}

/* v with its lanes moved down by n, a power of two: what lies above is not meant to be used. */
#if MXI_VL == 16
#define LANES_DOWN(v, n)                                                                                  \
  __builtin_shufflevector(v, v, n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7, n + 8, n + 9, n + 10, \
                          n + 11, n + 12, n + 13, n + 14, n + 15)
#elif MXI_VL == 8
#define LANES_DOWN(v, n) __builtin_shufflevector(v, v, n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7)
#else
#define LANES_DOWN(v, n) __builtin_shufflevector(v, v, n, n + 1, n + 2, n + 3)
#endif
/* The largest lane, of values without NaN. */
MXI_INLINE float max_lanes(vf32 v) {
#if MXI_VL == 16
  v = max_f32(v, LANES_DOWN(v, 8));
#endif
#if MXI_VL >= 8
  v = max_f32(v, LANES_DOWN(v, 4));
#endif
  v = max_f32(v, LANES_DOWN(v, 2));
  v = max_f32(v, LANES_DOWN(v, 1));
  return v[0];
}

/* p * 2^n for integral n >= -160, rounded once also where the result is subnormal. */
MXI_INLINE vf32 scale_by_power(vf32 p, vf32 n, vi32 n_int) {
#if defined(__AVX512F__)
  return (vf32)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
  vi32 half = n_int >> 1;
  vf32 first = (vf32)((half + 127) << 23), second = (vf32)((n_int - half + 127) << 23);
  return p * first * second;
#endif
}

/* e^x for x <= 0, within 1 ulp with FMA and 2 without; 0 for -inf, NaN for NaN. Below -104 the result is 0,
   and is made so without an underflow where the hardware would take its slow path. x = n ln 2 + r with |r| <=
   ln 2 / 2, and e^r = 1 + r + r^2 q(r): q is the minimax polynomial of degree 4 for the relative error of e^r
   (3e-9), found by Lawson's iteration. ln 2 is split so that n times its head is exact. */
MXI_INLINE vf32 exp_negative(vf32 x) {
  const float shift = 0x1.8p23f; /* adding it rounds to an integer, held in the low bits */
#if defined(__AVX512F__)
  x = max_f32(mxi_set_f32(-104.0f), x);
#else
  vi32 alive = ~(x < mxi_set_f32(-104.0f));
  x = (vf32)((vi32)x & alive);
#endif
  vf32 shifted = multiply_add_f32(x, mxi_set_f32(0x1.715476p0f), mxi_set_f32(shift));
  vi32 n_int = (vi32)shifted - (vi32)mxi_set_f32(shift);
  vf32 n = shifted - mxi_set_f32(shift);
  vf32 r = multiply_add_f32(n, mxi_set_f32(-0x1.62e4p-1f), x);
  r = multiply_add_f32(n, mxi_set_f32(-0x1.7f7d1cp-20f), r);
  vf32 q = mxi_set_f32(0x1.6a2428p-10f);
  q = multiply_add_f32(q, r, mxi_set_f32(0x1.1239e2p-7f));
  q = multiply_add_f32(q, r, mxi_set_f32(0x1.5558f2p-5f));
  q = multiply_add_f32(q, r, mxi_set_f32(0x1.555492p-3f));
  q = multiply_add_f32(q, r, mxi_set_f32(0x1.fffffcp-2f));
  vf32 p = multiply_add_f32(r * r, q, r) + mxi_set_f32(1.0f);
#if !defined(__AVX512F__)
  p = (vf32)((vi32)p & alive);
#endif
  return scale_by_power(p, n, n_int);
}

MXI_INLINE vf32 fill_from(vf32 v, int64_t n, float fill) {
  return mxi_blend_f32(mxi_lanes_i32() < mxi_set_i32((int32_t)n), v, mxi_set_f32(fill));
}

/* Elements i .. i + MXI_VL of a row of float16, bfloat16 or float32 as floats. With a constant type the
   branch is gone. The n form touches n elements and reads the others as zero. */
MXI_INLINE vf32 load_as_f32(const void *row, int64_t i, int type) {
  if (type == MX_FLOAT32) return mxi_load_f32((const float *)row + i);
  vu16h h = mxi_load_u16h((const uint16_t *)row + i);
  return type == MX_BFLOAT16 ? mxi_f32_from_bf16(h) : mxi_f32_from_f16(h);
}
MXI_INLINE vf32 loadn_as_f32(const void *row, int64_t i, int64_t n, int type) {
  if (type == MX_FLOAT32) return mxi_loadn_f32((const float *)row + i, n);
  vu16h h = mxi_loadn_u16h((const uint16_t *)row + i, n);
  return type == MX_BFLOAT16 ? mxi_f32_from_bf16(h) : mxi_f32_from_f16(h);
}
MXI_INLINE void store_from_f32(void *row, int64_t i, vf32 v, int type) {
  if (type == MX_FLOAT32)
    mxi_store_f32((float *)row + i, v);
  else
    mxi_store_u16h((uint16_t *)row + i, type == MX_BFLOAT16 ? mxi_bf16_from_f32(v) : mxi_f16_from_f32(v));
}
MXI_INLINE void storen_from_f32(void *row, int64_t i, vf32 v, int64_t n, int type) {
  if (type == MX_FLOAT32)
    mxi_storen_f32((float *)row + i, v, n);
  else
    mxi_storen_u16h((uint16_t *)row + i, type == MX_BFLOAT16 ? mxi_bf16_from_f32(v) : mxi_f16_from_f32(v), n);
}

/* Runs `call` with `type` a constant, so that its inlined body holds no branch on the dtype. */
#define FOR_FLOAT_TYPE(value, type, call) \
  do {                                    \
    if ((value) == MX_FLOAT32) {          \
      enum { type = MX_FLOAT32 };         \
      call;                               \
    } else if ((value) == MX_BFLOAT16) {  \
      enum { type = MX_BFLOAT16 };        \
      call;                               \
    } else {                              \
      enum { type = MX_FLOAT16 };         \
      call;                               \
    }                                     \
  } while (0)
#endif
