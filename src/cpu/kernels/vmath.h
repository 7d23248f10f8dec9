/* Elementary functions of float vectors, each within 2 ulp over all floats, with C99 Annex F's answers for
   zeros, infinities and NaN. An element's result depends on that element alone, never on its neighbours in
   the vector.

   The hot ones (exp, log, tanh, sigmoid, erf, sin, cos) work in float; the others through vmath64.h.
   Polynomials are Chebyshev interpolants, computed with 40 digits, of the function left after its leading
   terms are taken out, and the error in each comment is the absolute one of that interpolant; coefficients
   were then rounded to float. */
#ifndef MXI_CPU_KERNELS_VMATH_H
#define MXI_CPU_KERNELS_VMATH_H
#include "cpu/kernels/vmath64.h"
#include <math.h>

#define F(x) mxi_set_f32(x)

/* a * b + c in one rounding where that is fast, in two on x86-64-v2: for sums that stand both. */
MXI_INLINE vf32 mxi_mad_f32(vf32 a, vf32 b, vf32 c) {
#if defined(__FMA__)
  return mxi_fma_f32(a, b, c);
#else
  return a * b + c;
#endif
}
/* c[0] + c[1] x + ... + c[n-1] x^(n-1) */
MXI_INLINE vf32 poly_f32(vf32 x, const float *c, int n) {
  vf32 p = F(c[n - 1]);
#pragma GCC unroll 16
  for (int i = n - 2; i >= 0; i--) p = mxi_mad_f32(p, x, F(c[i]));
  return p;
}
#define POLY_F32(x, ...) \
  poly_f32(x, (const float[]){__VA_ARGS__}, (int)(sizeof((const float[]){__VA_ARGS__}) / sizeof(float)))

MXI_INLINE vf32 mxi_abs_f32(vf32 x) { return (vf32)((vi32)x & mxi_set_i32(INT32_MAX)); }
MXI_INLINE vf32 mxi_copysign_f32(vf32 magnitude, vf32 sign) {
  return (vf32)(((vi32)magnitude & mxi_set_i32(INT32_MAX)) | ((vi32)sign & mxi_set_i32(INT32_MIN)));
}
/* NaN stays NaN. */
MXI_INLINE vf32 mxi_clamp_f32(vf32 x, float low, float high) {
  x = mxi_blend_f32(x < F(low), F(low), x);
  return mxi_blend_f32(x > F(high), F(high), x);
}
MXI_INLINE int mxi_any(vi32 mask) {
#if defined(__AVX512F__)
  return _mm512_movepi32_mask((__m512i)mask) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_ps((__m256)mask) != 0;
#else
  return _mm_movemask_ps((__m128)mask) != 0;
#endif
}
MXI_INLINE vf32 mxi_v_sqrt(vf32 x) {
#if defined(__AVX512F__)
  return (vf32)_mm512_sqrt_ps((__m512)x);
#elif defined(__AVX2__)
  return (vf32)_mm256_sqrt_ps((__m256)x);
#else
  return (vf32)_mm_sqrt_ps((__m128)x);
#endif
}
MXI_INLINE vf32 mxi_v_rsqrt(vf32 x) { return F(1) / mxi_v_sqrt(x); }

/* ---- Floats as two halves of doubles ---- */
MXI_INLINE vf64 mxi_f64_low(vf32 x) {
#if defined(__AVX512F__)
  return (vf64)_mm512_cvtps_pd(_mm512_castps512_ps256((__m512)x));
#elif defined(__AVX2__)
  return (vf64)_mm256_cvtps_pd(_mm256_castps256_ps128((__m256)x));
#else
  return (vf64)_mm_cvtps_pd((__m128)x);
#endif
}
MXI_INLINE vf64 mxi_f64_high(vf32 x) {
#if defined(__AVX512F__)
  return (vf64)_mm512_cvtps_pd(_mm512_extractf32x8_ps((__m512)x, 1));
#elif defined(__AVX2__)
  return (vf64)_mm256_cvtps_pd(_mm256_extractf128_ps((__m256)x, 1));
#else
  return (vf64)_mm_cvtps_pd(_mm_movehl_ps((__m128)x, (__m128)x));
#endif
}
MXI_INLINE vf32 mxi_f32_from_f64(vf64 low, vf64 high) {
#if defined(__AVX512F__)
  return (vf32)_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps((__m512d)low)),
                                  _mm512_cvtpd_ps((__m512d)high), 1);
#elif defined(__AVX2__)
  return (vf32)_mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps((__m256d)low)),
                                    _mm256_cvtpd_ps((__m256d)high), 1);
#else
  return (vf32)_mm_movelh_ps(_mm_cvtpd_ps((__m128d)low), _mm_cvtpd_ps((__m128d)high));
#endif
}
/* The low words of 64-bit lanes. */
MXI_INLINE vi32 mxi_i32_from_i64(vi64 low, vi64 high) {
#if defined(__AVX512F__)
  return (vi32)_mm512_inserti64x4(_mm512_castsi256_si512(_mm512_cvtepi64_epi32((__m512i)low)),
                                  _mm512_cvtepi64_epi32((__m512i)high), 1);
#elif defined(__AVX2__)
  __m256i even = _mm256_castps_si256(_mm256_shuffle_ps((__m256)low, (__m256)high, 0x88));
  return (vi32)_mm256_permute4x64_epi64(even, 0xd8);
#else
  return (vi32)_mm_shuffle_ps((__m128)low, (__m128)high, 0x88);
#endif
}
#define MXI_UNARY_BY_F64(name)                                                        \
  MXI_INLINE vf32 mxi_v_##name(vf32 x) {                                              \
    return mxi_f32_from_f64(name##_f64(mxi_f64_low(x)), name##_f64(mxi_f64_high(x))); \
  }
#define MXI_BINARY_BY_F64(name)                                            \
  MXI_INLINE vf32 mxi_v_##name(vf32 a, vf32 b) {                           \
    return mxi_f32_from_f64(name##_f64(mxi_f64_low(a), mxi_f64_low(b)),    \
                            name##_f64(mxi_f64_high(a), mxi_f64_high(b))); \
  }
MXI_UNARY_BY_F64(expm1)
MXI_UNARY_BY_F64(log1p)
MXI_UNARY_BY_F64(log2)
MXI_UNARY_BY_F64(log10)
MXI_UNARY_BY_F64(sinh)
MXI_UNARY_BY_F64(cosh)
MXI_UNARY_BY_F64(arcsin)
MXI_UNARY_BY_F64(arccos)
MXI_UNARY_BY_F64(arctan)
MXI_UNARY_BY_F64(arcsinh)
MXI_UNARY_BY_F64(arccosh)
MXI_UNARY_BY_F64(arctanh)
MXI_UNARY_BY_F64(erfinv)
MXI_BINARY_BY_F64(power)
MXI_BINARY_BY_F64(arctan2)
MXI_BINARY_BY_F64(logaddexp)

/* ---- exp ---- */
/* p * 2^n for |n| < 252, where a result below the normal floats is rounded once. */
MXI_INLINE vf32 mxi_scale_f32(vf32 p, vf32 n) {
#if defined(__AVX512F__)
  return (vf32)_mm512_scalef_ps((__m512)p, (__m512)n);
#else
  vi32 k = __builtin_convertvector(n, vi32), half = k >> 1;
  vf32 first = (vf32)((half + 127) << 23), second = (vf32)((k - half + 127) << 23);
  return p * first * second;
#endif
}
/* x = n ln2 + r, |r| <= ln2/2. n times the first, 15-bit part of ln2 is exact. */
MXI_INLINE vf32 mxi_v_exp(vf32 x) {
  vf32 c = mxi_clamp_f32(x, -104.0f, 89.0f);
  vf32 n = mxi_mad_f32(c, F(0x1.715476p+0f), F(0x1.8p23f)) - F(0x1.8p23f);
  vf32 r = mxi_mad_f32(n, F(-0x1.62e4p-1f), c);
  r = mxi_mad_f32(n, F(-0x1.7f7d1cp-20f), r);
  /* (e^r - 1 - r) / r^2, error 1.4e-9 (times r^2 <= 0.12) */
  vf32 q = POLY_F32(r, 0x1.000000p-1f, 0x1.555556p-3f, 0x1.5554e8p-5f, 0x1.1110e0p-7f, 0x1.6d43b0p-10f,
                    0x1.a1256cp-13f);
  return mxi_scale_f32(mxi_mad_f32(r * r, q, r) + F(1), n);
}
/* 1 / (1 + e^-|x|), or e^-|x| times that for x < 0: no cancellation, no overflow. */
MXI_INLINE vf32 mxi_v_sigmoid(vf32 x) {
  vf32 e = mxi_v_exp(-mxi_abs_f32(x)), sum = F(1) + e, lost = e - (sum - F(1));
  vi32 negative = x < F(0);
  vf32 y = mxi_blend_f32(negative, e, F(1)) / sum;
  return y - y * lost * mxi_blend_f32(negative, F(1) - y, y); /* lost / sum, as 1 / sum is sigmoid |x| */
}
/* Small |x|: x + x^3 p(x^2); else 1 - 2 / (e^2|x| + 1). */
MXI_INLINE vf32 mxi_v_tanh(vf32 x) {
  vf32 a = mxi_abs_f32(x), z = x * x;
  vf32 far = F(1) - F(2) / (mxi_v_exp(a + a) + F(1));
  /* (tanh(x) / x - 1) / x^2 for |x| <= 0.55, error 1.3e-8 */
  vf32 p = POLY_F32(z, -0x1.555554p-2f, 0x1.110feap-3f, -0x1.b9a044p-5f, 0x1.5d220ep-6f, -0x1.b13538p-8f);
  vf32 near = mxi_mad_f32(x * z, p, x);
  return mxi_blend_f32(a < F(0.55f), near, mxi_copysign_f32(far, x));
}
/* Small |x|: x + x p(x^2); else 1 - e^q(|x|) with q = ln erfc, which falls so fast that its own error does
 * not matter. */
MXI_INLINE vf32 mxi_v_erf(vf32 x) {
  vf32 a = mxi_clamp_f32(mxi_abs_f32(x), 0.0f, 3.95f), z = x * x;
  /* erf(x) / x - 1 for |x| <= 1, error 1.2e-9 */
  vf32 p = POLY_F32(z, 0x1.06eba8p-3f, -0x1.81273ep-2f, 0x1.ce2d10p-4f, -0x1.b7fabap-6f, 0x1.541270p-8f,
                    -0x1.a45088p-11f, 0x1.4a5690p-14f);
  /* ln erfc(x) for 1 <= x <= 3.95, error 1.4e-8 */
  vf32 q = POLY_F32(a, 0x1.595b1ep-12f, -0x1.215982p+0f, -0x1.4375bap-1f, -0x1.c329b0p-4f, 0x1.b188f8p-6f,
                    -0x1.38e1a2p-8f, 0x1.3a9a16p-11f, -0x1.85bbeep-15f, 0x1.bd26ecp-20f);
  return mxi_blend_f32(a < F(1), mxi_mad_f32(x, p, x), mxi_copysign_f32(F(1) - mxi_v_exp(q), x));
}

/* ---- log ---- */
/* x = 2^k (1 + f) with 1 + f in [sqrt 1/2, sqrt 2): ln x = k ln2 + f - f^2/2 + f^3 q(f). */
MXI_INLINE vf32 mxi_v_log(vf32 x) {
  vi32 tiny = x < F(0x1p-126f);
  vf32 u = mxi_blend_f32(tiny, x * F(0x1p23f), x);
  vi32 e = (vi32)((vu32)u - 0x3f3504f3) >> 23;
  vf32 f = (vf32)((vu32)u - ((vu32)e << 23)) - F(1), z = f * f;
  vf32 k = __builtin_convertvector(e - (tiny & 23), vf32);
  /* (ln(1 + f) - f + f^2/2) / f^3, error 3e-8 (times f^3 <= 0.07) */
  vf32 q = POLY_F32(f, 0x1.555554p-2f, -0x1.fffffcp-3f, 0x1.999d5ap-3f, -0x1.555b4ap-3f, 0x1.23d21ap-3f,
                    -0x1.fcf4c6p-4f, 0x1.dea282p-4f, -0x1.d635bcp-4f, 0x1.1d8ea6p-4f);
  vf32 low = mxi_mad_f32(k, F(0x1.7f7d1cp-20f), mxi_mad_f32(z, F(-0.5f), f * z * q));
  vf32 y = mxi_mad_f32(k, F(0x1.62e4p-1f), f + low);
  y = mxi_blend_f32(x < F(__builtin_inff()), y, x); /* inf, NaN */
  y = mxi_blend_f32(x == F(0), F(-__builtin_inff()), y);
  return mxi_blend_f32(x < F(0), F(__builtin_nanf("")), y);
}

/* ---- sin, cos, tan ---- */
/* Finite lanes beyond the reduction's range, one by one. */
static __attribute__((noinline, unused)) vf32 huge_lanes(vf32 x, vf32 y, double (*f)(double)) {
  for (int i = 0; i < MXI_VL; i++)
    if (fabsf(x[i]) > (float)MXI_TRIG_LIMIT) y[i] = (float)f((double)x[i]);
  return y;
}
MXI_INLINE vf32 any_huge(vf32 x, vf32 y, double (*f)(double)) {
  vi32 huge = mxi_abs_f32(x) > F((float)MXI_TRIG_LIMIT);
  return __builtin_expect(mxi_any(huge), 0) ? huge_lanes(x, y, f) : y;
}
/* The sine of a quarter turn times `quadrant` plus the reduced x; cos x is one quadrant ahead. */
MXI_INLINE vf32 sin_ahead(vf32 x, uint32_t ahead) {
  vi64 low, high;
  vf64 r_low = trig_reduce_f64(mxi_f64_low(x), &low), r_high = trig_reduce_f64(mxi_f64_high(x), &high);
  vf32 r = mxi_f32_from_f64(r_low, r_high), z = r * r;
  vu32 quadrant = (vu32)mxi_i32_from_i64(low, high) + ahead;
  /* (sin(r) - r) / r^3 error 2e-8, (cos(r) - 1 + r^2/2) / r^4 error 2e-9 */
  vf32 s = mxi_mad_f32(r * z, POLY_F32(z, -0x1.555552p-3f, 0x1.110bf6p-7f, -0x1.9aae86p-13f), r);
  vf32 c = POLY_F32(z, 0x1.555554p-5f, -0x1.6c12aap-10f, 0x1.9bc2d4p-16f);
  c = mxi_mad_f32(z * z, c, mxi_mad_f32(z, F(-0.5f), F(1)));
  vf32 y = mxi_blend_f32(-(vi32)(quadrant & 1), c, s);
  return (vf32)((vu32)y ^ ((quadrant & 2) << 30));
}
MXI_INLINE vf32 mxi_v_sin(vf32 x) {
  vf32 y = mxi_blend_f32(x == F(0), x, sin_ahead(x, 0)); /* the sign of zero */
  return any_huge(x, y, sin);
}
MXI_INLINE vf32 mxi_v_cos(vf32 x) { return any_huge(x, sin_ahead(x, 1), cos); }
MXI_INLINE vf32 mxi_v_tan(vf32 x) {
  vf32 y = mxi_f32_from_f64(tan_f64(mxi_f64_low(x)), tan_f64(mxi_f64_high(x)));
  return any_huge(x, y, tan);
}
#undef POLY_F32
#endif
