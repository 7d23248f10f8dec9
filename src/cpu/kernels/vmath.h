/* Elementary functions of float vectors, each within 2 ulp over all floats, with C99 Annex F's answers for
   zeros, infinities and NaN. An element's result depends on that element alone, never on its neighbours in
   the vector.

   The hot ones (exp, log, tanh, sigmoid, erf, erfinv, sin, cos) work in float; the others through vmath64.h.
   Polynomials are Chebyshev interpolants, computed with 40 digits, of the function left after its leading
   terms are taken out, and the error in each comment is the absolute one of that interpolant; coefficients
   were then rounded to float. */
#ifndef MXI_CPU_KERNELS_VMATH_H
#define MXI_CPU_KERNELS_VMATH_H
#include "cpu/kernels/multiply_add.h"
#include "cpu/kernels/vmath64.h"
#include <math.h>

#define F(x) mxi_set_f32(x)

/* c[0] + c[1] x + ... + c[n-1] x^(n-1) */
MXI_INLINE vf32 poly_f32(vf32 x, const float *c, int n) {
  vf32 p = F(c[n - 1]);
#pragma GCC unroll 16
  for (int i = n - 2; i >= 0; i--) p = multiply_add_f32(p, x, F(c[i]));
  return p;
}
#define POLY_F32(x, ...) \
  poly_f32(x, (const float[]){__VA_ARGS__}, (int)(sizeof((const float[]){__VA_ARGS__}) / sizeof(float)))

MXI_INLINE vf32 mxi_abs_f32(vf32 x) { return (vf32)((vi32)x & mxi_set_i32(INT32_MAX)); }
MXI_INLINE vf32 mxi_copysign_f32(vf32 magnitude, vf32 sign) {
  return (vf32)(((vi32)magnitude & mxi_set_i32(INT32_MAX)) | ((vi32)sign & mxi_set_i32(INT32_MIN)));
}
/* The lesser or greater of a bound and x; NaN where x is, as the instructions give their second operand then.
 */
MXI_INLINE vf32 mxi_least_f32(float bound, vf32 x) {
#if defined(__AVX512F__)
  return (vf32)_mm512_min_ps((__m512)F(bound), (__m512)x);
#elif defined(__AVX2__)
  return (vf32)_mm256_min_ps((__m256)F(bound), (__m256)x);
#else
  return (vf32)_mm_min_ps((__m128)F(bound), (__m128)x);
#endif
}
MXI_INLINE vf32 mxi_greatest_f32(float bound, vf32 x) {
#if defined(__AVX512F__)
  return (vf32)_mm512_max_ps((__m512)F(bound), (__m512)x);
#elif defined(__AVX2__)
  return (vf32)_mm256_max_ps((__m256)F(bound), (__m256)x);
#else
  return (vf32)_mm_max_ps((__m128)F(bound), (__m128)x);
#endif
}
MXI_INLINE vf32 mxi_clamp_f32(vf32 x, float low, float high) {
  return mxi_least_f32(high, mxi_greatest_f32(low, x));
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
  vf32 n = multiply_add_f32(c, F(0x1.715476p+0f), F(0x1.8p23f)) - F(0x1.8p23f);
  vf32 r = multiply_add_f32(n, F(-0x1.62e4p-1f), c);
  r = multiply_add_f32(n, F(-0x1.7f7d1cp-20f), r);
  /* (e^r - 1 - r) / r^2, error 1.4e-9 (times r^2 <= 0.12) */
  vf32 q = POLY_F32(r, 0x1.000000p-1f, 0x1.555556p-3f, 0x1.5554e8p-5f, 0x1.1110e0p-7f, 0x1.6d43b0p-10f,
                    0x1.a1256cp-13f);
  return mxi_scale_f32(multiply_add_f32(r * r, q, r) + F(1), n);
}
/* e^x - 1 = 2^n (e^r - 1 + h), h = 1 - 2^-n: h + r is rounded, and what it and r have lost is added to the
 * rest. */
MXI_INLINE vf32 mxi_v_expm1(vf32 x) {
  vf32 c = mxi_clamp_f32(x, -25.0f, 89.0f);
  vf32 n = multiply_add_f32(c, F(0x1.715476p+0f), F(0x1.8p23f)) - F(0x1.8p23f);
  vf32 near = multiply_add_f32(n, F(-0x1.62e4p-1f), c);
  vf32 r = multiply_add_f32(n, F(-0x1.7f7d1cp-20f), near);
  vf32 lost = multiply_add_f32(n, F(-0x1.7f7d1cp-20f), near - r);
  vf32 q = POLY_F32(r, 0x1.000000p-1f, 0x1.555556p-3f, 0x1.5554e8p-5f, 0x1.1110e0p-7f, 0x1.6d43b0p-10f,
                    0x1.a1256cp-13f);
  vf32 h = F(1) - mxi_scale_f32(F(1), -n), sum = h + r;
  lost += r - (sum - h);
  return mxi_copysign_f32(mxi_scale_f32(sum + multiply_add_f32(r * r, q, lost), n), x); // of -0.0 too
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
  vf32 near = multiply_add_f32(x * z, p, x);
  return mxi_copysign_f32(mxi_blend_f32(a < F(0.55f), near, far), x); // of -0.0 too
}
/* ---- erf ---- */
#if defined(__AVX512F__)
/* Around each k/8, k < 32, erf is a polynomial of degree 5 in |x| - k/8, error 1e-10; around zero it is |x|
   plus an odd one, so that small results keep their digits. A register pair holds 32 coefficients and one
   permutation looks them up. */
static const float erf_table[6][32] = {
    {0,
     0x1.1f5e1ap-3f,
     0x1.1af54ep-2f,
     0x1.9dd0d2p-2f,
     0x1.0a7ef6p-1f,
     0x1.3f196ep-1f,
     0x1.6c1c98p-1f,
     0x1.91724ap-1f,
     0x1.af767ap-1f,
     0x1.c6dad2p-1f,
     0x1.d8865ep-1f,
     0x1.e5768cp-1f,
     0x1.eea556p-1f,
     0x1.f4f694p-1f,
     0x1.f92d08p-1f,
     0x1.fbe61ep-1f,
     0x1.fd9ae2p-1f,
     0x1.fea422p-1f,
     0x1.ff4048p-1f,
     0x1.ff9960p-1f,
     0x1.ffcaa8p-1f,
     0x1.ffe514p-1f,
     0x1.fff2d0p-1f,
     0x1.fff9bap-1f,
     0x1.fffd1ap-1f,
     0x1.fffeb4p-1f,
     0x1.ffff70p-1f,
     0x1.ffffc4p-1f,
     0x1.ffffe8p-1f,
     0x1.fffff6p-1f,
     0x1.fffffcp-1f,
     0x1.fffffep-1f},
    {0x1.06eba8p-3f,  0x1.1c62fap+0f,  0x1.0f5d16p+0f,  0x1.f5f0cep-1f,  0x1.c1efcap-1f,  0x1.86e96ap-1f,
     0x1.492e42p-1f,  0x1.0cab62p-1f,  0x1.a911f0p-2f,  0x1.45e99cp-2f,  0x1.e46530p-3f,  0x1.5ce596p-3f,
     0x1.e72372p-4f,  0x1.499d48p-4f,  0x1.b05530p-5f,  0x1.12ceb4p-5f,  0x1.529b9ep-6f,  0x1.94624ep-7f,
     0x1.d4143ap-8f,  0x1.06918cp-8f,  0x1.1d8318p-9f,  0x1.2ce898p-10f, 0x1.3360ccp-11f, 0x1.305390p-12f,
     0x1.2408eap-13f, 0x1.0f9e1cp-14f, 0x1.e9b5eap-16f, 0x1.abe09ep-17f, 0x1.6a5972p-18f, 0x1.296a72p-19f,
     0x1.d93720p-21f, 0x1.6ce1acp-22f},
    {0,
     -0x1.1c62e0p-3f,
     -0x1.0f5cfep-2f,
     -0x1.78747ep-2f,
     -0x1.c1efaep-2f,
     -0x1.e8a3acp-2f,
     -0x1.edc554p-2f,
     -0x1.d62be6p-2f,
     -0x1.a911f4p-2f,
     -0x1.6ea6d8p-2f,
     -0x1.2ebf4ap-2f,
     -0x1.dfbbc8p-3f,
     -0x1.6d5aacp-3f,
     -0x1.0bcfdap-3f,
     -0x1.7a4a9ep-4f,
     -0x1.01a1d2p-4f,
     -0x1.529ba0p-5f,
     -0x1.ada862p-6f,
     -0x1.074b46p-6f,
     -0x1.37cc9cp-7f,
     -0x1.64e376p-8f,
     -0x1.8af0a2p-9f,
     -0x1.a6a426p-10f,
     -0x1.b576cep-11f,
     -0x1.b60baap-12f,
     -0x1.a864f4p-13f,
     -0x1.8de15ep-14f,
     -0x1.6902d2p-15f,
     -0x1.3d0b64p-16f,
     -0x1.0d858ap-17f,
     -0x1.bb9df8p-19f,
     -0x1.617546p-20f},
    {-0x1.812738p-2f, -0x1.6f5520p-2f, -0x1.3c973cp-2f, -0x1.e106bep-3f, -0x1.2bf538p-3f, -0x1.c81090p-5f,
     0x1.b6e7b0p-6f,  0x1.7c9d4ap-4f,  0x1.1b613ap-3f,  0x1.4cb3c4p-3f,  0x1.571cfep-3f,  0x1.4374dap-3f,
     0x1.1c2a08p-3f,  0x1.d6632cp-4f,  0x1.7148d2p-4f,  0x1.143d28p-4f,  0x1.8b0af4p-5f,  0x1.0ea47ep-5f,
     0x1.63ef68p-6f,  0x1.c1ec0ep-7f,  0x1.119d96p-7f,  0x1.407fa4p-8f,  0x1.69cf16p-9f,  0x1.89e12ep-10f,
     0x1.9db6d8p-11f, 0x1.a372e0p-12f, 0x1.9aa3c2p-13f, 0x1.84513ep-14f, 0x1.62cbd8p-15f, 0x1.3949f6p-16f,
     0x1.0b6948p-17f, 0x1.b95d44p-19f},
    {0,
     0x1.18e186p-4f,
     0x1.039228p-3f,
     0x1.548fe6p-3f,
     0x1.7658e6p-3f,
     0x1.68e4dcp-3f,
     0x1.3448dap-3f,
     0x1.cc2096p-4f,
     0x1.1b7d80p-4f,
     0x1.cbcdb2p-6f,
     -0x1.8b7e1ep-8f,
     -0x1.f198a8p-6f,
     -0x1.6c6d3cp-5f,
     -0x1.969aeap-5f,
     -0x1.899f78p-5f,
     -0x1.59fee0p-5f,
     -0x1.1a269ep-5f,
     -0x1.b011f2p-6f,
     -0x1.38f0c8p-6f,
     -0x1.aef250p-7f,
     -0x1.1b1338p-7f,
     -0x1.63b1a2p-8f,
     -0x1.ac5212p-9f,
     -0x1.ef0b50p-10f,
     -0x1.12eaccp-10f,
     -0x1.25b868p-11f,
     -0x1.2e1c6ep-12f,
     -0x1.2b5ce0p-13f,
     -0x1.1df184p-14f,
     -0x1.07688cp-15f,
     -0x1.d43bd6p-17f,
     -0x1.91ae72p-18f},
    {0x1.cd8a34p-4f,  0x1.aa2714p-4f,  0x1.478290p-4f,  0x1.7445a6p-5f,  0x1.e20120p-8f,  -0x1.bfceb8p-6f,
     -0x1.b347c8p-5f, -0x1.12decap-4f, -0x1.1b043cp-4f, -0x1.f5e70ep-5f, -0x1.825534p-5f, -0x1.f5957ap-6f,
     -0x1.e80c36p-7f, -0x1.1c92d8p-9f, 0x1.afcf22p-8f,  0x1.76a8f4p-7f,  0x1.ac412ap-7f,  0x1.9917c4p-7f,
     0x1.5d1a10p-7f,  0x1.11e0e0p-7f,  0x1.911d4ap-8f,  0x1.14af28p-8f,  0x1.69b48ap-9f,  0x1.c1eef8p-10f,
     0x1.0b14f0p-10f, 0x1.2f501ep-11f, 0x1.4a15dap-12f, 0x1.58b736p-13f, 0x1.59da3ap-14f, 0x1.4dacfep-15f,
     0x1.35d0fep-16f, 0x1.15068ap-17f},
};
MXI_INLINE vf32 mxi_v_erf(vf32 x) {
  const vf32 to_eighths = F(0x1.8p20f); /* added, leaves k in the low bits of the sum */
  vf32 a = mxi_abs_f32(x), bounded = mxi_least_f32(3.92f, a), t = bounded + to_eighths;
  vf32 d = bounded - (t - to_eighths), p = F(0);
#pragma GCC unroll 6
  for (int i = 5; i >= 0; i--) {
    __m512 low = _mm512_loadu_ps(erf_table[i]), high = _mm512_loadu_ps(erf_table[i] + 16);
    vf32 c = (vf32)_mm512_permutex2var_ps(low, (__m512i)t, high);
    if (i == 0) c = mxi_blend_f32(t == to_eighths, d, c);
    p = i == 5 ? c : multiply_add_f32(p, d, c);
  }
  return mxi_copysign_f32(mxi_blend_f32(a > F(3.92f), F(1), p), x);
}
#else
/* Small |x|: x + x p(x^2); else 1 - 2^q(|x|) with q = log2 erfc, which falls so fast that its own error, and
   that of the short polynomial for 2^r, do not matter. */
MXI_INLINE vf32 mxi_v_erf(vf32 x) {
  vf32 a = mxi_least_f32(3.95f, mxi_abs_f32(x)), z = x * x;
  /* erf(x) / x - 1 for |x| <= 0.9, error 1.2e-8 */
  vf32 p = POLY_F32(z, 0x1.06eba6p-3f, -0x1.8126fcp-2f, 0x1.ce1e62p-4f, -0x1.b6c67ap-6f, 0x1.48a116p-8f,
                    -0x1.3ff4e0p-11f);
  /* log2 erfc(x) for 0.9 <= x <= 3.95, error 2.3e-8; it lies in [-25.7, -2.2] */
  vf32 q = POLY_F32(a, 0x1.e8e842p-12f, -0x1.a16f96p+0f, -0x1.d2ac80p-1f, -0x1.45638ap-3f, 0x1.38a360p-5f,
                    -0x1.c339f2p-8f, 0x1.c5b9fcp-11f, -0x1.191af8p-14f, 0x1.4138d0p-19f);
  vf32 t = q + F(0x1.8p23f), r = q - (t - F(0x1.8p23f));
  /* 2^r for |r| <= 1/2, error 8e-8 (times erfc <= 0.21) */
  vf32 e = POLY_F32(r, 0x1.000002p+0f, 0x1.62e430p-1f, 0x1.ebf906p-3f, 0x1.c6af6cp-5f, 0x1.3d1070p-7f,
                    0x1.5f0890p-10f);
  vf32 far = F(1) - (vf32)((vu32)e + ((vu32)t << 23)); /* the low bits of t are round(q) */
  far = (vf32)((vi32)far | ((vi32)x & mxi_set_i32(INT32_MIN)));
  return mxi_blend_f32(a >= F(0.9f), far, multiply_add_f32(x, p, x)); /* NaN is on the near side */
}
#endif

/* ---- log ---- */
/* ln u for normal u > 0, and for u / 2^shift. u = 2^k (1 + f) with 1 + f in [sqrt 1/2, sqrt 2): ln u = k ln2
   + f - f^2/2 + f^3 q(f). */
MXI_INLINE vf32 log_normal_f32(vf32 u, vi32 shift) {
  vi32 e = (vi32)((vu32)u - 0x3f3504f3) >> 23;
  vf32 f = (vf32)((vu32)u - ((vu32)e << 23)) - F(1), z = f * f;
  vf32 k = __builtin_convertvector(e - shift, vf32);
  /* (ln(1 + f) - f + f^2/2) / f^3, error 3e-8 (times f^3 <= 0.07) */
  vf32 q = POLY_F32(f, 0x1.555554p-2f, -0x1.fffffcp-3f, 0x1.999d5ap-3f, -0x1.555b4ap-3f, 0x1.23d21ap-3f,
                    -0x1.fcf4c6p-4f, 0x1.dea282p-4f, -0x1.d635bcp-4f, 0x1.1d8ea6p-4f);
  vf32 low = multiply_add_f32(k, F(0x1.7f7d1cp-20f), multiply_add_f32(z, F(-0.5f), f * z * q));
  return multiply_add_f32(k, F(0x1.62e4p-1f), f + low);
}
MXI_INLINE vf32 mxi_v_log(vf32 x) {
  vi32 tiny = x < F(0x1p-126f);
  vf32 y = log_normal_f32(mxi_blend_f32(tiny, x * F(0x1p23f), x), tiny & 23);
  y = mxi_blend_f32(x < F(__builtin_inff()), y, x); /* inf, NaN */
  y = mxi_blend_f32(x == F(0), F(-__builtin_inff()), y);
  return mxi_blend_f32(x < F(0), F(__builtin_nanf("")), y);
}

/* ---- The inverse error function ---- */
/* With w = -ln(1 - x^2), erfinv(x) / x is smooth in w near the centre and in sqrt(w) in the tails (M. Giles,
   "Approximating the erfinv function", GPU Computing Gems 2, 2010, gives the substitution). Half of x is kept
   apart from the polynomial, whose rounding counts less then. Within 1.8 ulp; 2.5 where there is no fma. */
MXI_INLINE vf32 mxi_v_erfinv(vf32 x) {
  vf32 a = mxi_abs_f32(x), t = multiply_add_f32(-x, x, F(1));
#if !defined(__FMA__)
  t = mxi_blend_f32(a < F(0.5f), t, (F(1) - a) * (F(1) + a)); // x^2 near one has lost what it differs by
#endif
  vf32 w = -log_normal_f32(t, mxi_set_i32(0));
  /* erfinv(x) / x - 1/2, error 6e-9 */
  vf32 p = POLY_F32(w, 0x1.c5bf88p-1f - 0.5f, 0x1.db2a1p-3f, 0x1.7a6d22p-7f, -0x1.31f6p-9f, -0x1.0b58e2p-13f,
                    0x1.75d666p-15f, 0x1.0b5146p-18f, -0x1.09475ep-19f, 0x1.daa9fp-23f, -0x1.2e0f64p-27f);
  vi32 tail = t < F(0x1.b993fep-8f); // e^-5
  if (mxi_any(tail)) {               /* one number in 300 of a uniform distribution, so a branch pays */
    /* the same by sqrt(w) in [2.2, 4.1], error 1.2e-8 */
    vf32 q = POLY_F32(mxi_v_sqrt(w) - F(3.2f), 0x1.844e34p+1f - 0.5f, 0x1.01338ap+0f, 0x1.879308p-8f,
                      -0x1.19aa94p-8f, 0x1.807a24p-9f, -0x1.02ef28p-9f, 0x1.2ac45ap-10f, -0x1.984902p-12f,
                      -0x1.b1a402p-14f, 0x1.ec2ddep-14f);
    p = mxi_blend_f32(tail, q, p);
  }
  vf32 y = multiply_add_f32(x, p, x * F(0.5f));
  y = mxi_blend_f32(a < F(1), y, F(__builtin_nanf("")));
  return mxi_blend_f32(a == F(1), mxi_copysign_f32(F(__builtin_inff()), x), y);
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
  vf32 s = multiply_add_f32(r * z, POLY_F32(z, -0x1.555552p-3f, 0x1.110bf6p-7f, -0x1.9aae86p-13f), r);
  vf32 c = POLY_F32(z, 0x1.555554p-5f, -0x1.6c12aap-10f, 0x1.9bc2d4p-16f);
  c = multiply_add_f32(z * z, c, multiply_add_f32(z, F(-0.5f), F(1)));
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
