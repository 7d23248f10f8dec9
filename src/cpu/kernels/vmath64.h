/* Double vectors under the float functions of vmath.h that are not worth a float algorithm of their own: a
   result right to 1e-10 in double rounds to a float within 0.51 ulp, with plain multiplications and additions
   (so that x86-64-v2 needs no emulated fma) and no care for subnormal or overflowing floats, which the final
   conversion gives.

   Every function takes what a float (or a sum or square of floats) can be, not all doubles. Polynomials are
   Chebyshev interpolants, computed with 40 digits, of the function left after its leading term is taken out;
   the error in each comment is the absolute one of that interpolant. NaN propagates through the arithmetic
   unless a comment says how. */
#ifndef MXI_CPU_KERNELS_VMATH64_H
#define MXI_CPU_KERNELS_VMATH64_H
#include "cpu/simd.h"

#define D(x) mxi_set_f64(x)

/* c[0] + c[1] x + ... + c[n-1] x^(n-1) */
MXI_INLINE vf64 poly_f64(vf64 x, const double *c, int n) {
  vf64 p = D(c[n - 1]);
#pragma GCC unroll 16
  for (int i = n - 2; i >= 0; i--) p = p * x + D(c[i]);
  return p;
}
#define POLY_F64(x, ...) \
  poly_f64(x, (const double[]){__VA_ARGS__}, (int)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double)))

MXI_INLINE vi64 bits_i64(int64_t x) { return x + (vi64){0}; }
MXI_INLINE vf64 abs_f64(vf64 x) { return (vf64)((vi64)x & bits_i64(INT64_MAX)); }
MXI_INLINE vf64 copysign_f64(vf64 magnitude, vf64 sign) {
  return (vf64)(((vi64)magnitude & bits_i64(INT64_MAX)) | ((vi64)sign & bits_i64(INT64_MIN)));
}
/* NaN stays NaN, as the instructions give their second operand then. */
MXI_INLINE vf64 clamp_f64(vf64 x, double low, double high) {
#if defined(__AVX512F__)
  return (vf64)_mm512_min_pd((__m512d)D(high), _mm512_max_pd((__m512d)D(low), (__m512d)x));
#elif defined(__AVX2__)
  return (vf64)_mm256_min_pd((__m256d)D(high), _mm256_max_pd((__m256d)D(low), (__m256d)x));
#else
  return (vf64)_mm_min_pd((__m128d)D(high), _mm_max_pd((__m128d)D(low), (__m128d)x));
#endif
}
MXI_INLINE vf64 sqrt_f64(vf64 x) {
#if defined(__AVX512F__)
  return (vf64)_mm512_sqrt_pd((__m512d)x);
#elif defined(__AVX2__)
  return (vf64)_mm256_sqrt_pd((__m256d)x);
#else
  return (vf64)_mm_sqrt_pd((__m128d)x);
#endif
}
MXI_INLINE vf64 rint_f64(vf64 x) {
#if defined(__AVX512F__)
  return (vf64)_mm512_roundscale_pd((__m512d)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__AVX2__)
  return (vf64)_mm256_round_pd((__m256d)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  return (vf64)_mm_round_pd((__m128d)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#endif
}

/* ---- Exponentials ---- */
/* x = k ln2 + r with |r| <= ln2/2: gives e^r - 1 and scale = 2^k. x is clamped to where 2^k is a normal
   double, which is far beyond float's range. Adding 1.5 * 2^52 leaves k in the low bits of the sum. */
MXI_INLINE vf64 expm1_reduced_f64(vf64 x, vf64 *scale) {
  x = clamp_f64(x, -700, 700);
  vf64 t = x * D(0x1.71547652b82fep+0) + D(0x1.8p52), k = t - D(0x1.8p52);
  vf64 r = x - k * D(0x1.62e42fefa2p-1) - k * D(0x1.9ef35793c7673p-41);
  *scale = (vf64)(((vu64)t << 52) + (vu64)D(1));
  /* (e^r - 1) / r, error 8e-14 */
  return r * POLY_F64(r, 0x1p+0, 0x1.fffffffff70abp-2, 0x1.5555555553b48p-3, 0x1.555555745858dp-5,
                      0x1.1111111c5719ap-7, 0x1.6c164d7dbdce2p-10, 0x1.a019ad55d1aa7p-13,
                      0x1.a15af3e6562d7p-16, 0x1.72c79824255e0p-19);
}
MXI_INLINE vf64 exp_f64(vf64 x) {
  vf64 scale, p = expm1_reduced_f64(x, &scale);
  return scale + scale * p;
}
MXI_INLINE vf64 expm1_f64(vf64 x) {
  vf64 scale, p = expm1_reduced_f64(x, &scale);
  return copysign_f64(scale * p + (scale - D(1)), x); // of -0.0 too
}
/* With e = e^|x| - 1: 2 sinh|x| = e + e / (e + 1). */
MXI_INLINE vf64 sinh_f64(vf64 x) {
  vf64 e = expm1_f64(abs_f64(x));
  return copysign_f64((e + e / (e + D(1))) * D(0.5), x);
}
MXI_INLINE vf64 cosh_f64(vf64 x) {
  vf64 e = exp_f64(abs_f64(x));
  return (e + D(1) / e) * D(0.5);
}

/* ---- Logarithms ---- */
/* ln u for u >= 0, where v is u - 1 with all its digits wherever u is near one. u = 2^k m, m in [sqrt 1/2,
   sqrt 2); with s = f / (2 + f), f = m - 1: ln m = 2 atanh s. */
MXI_INLINE vf64 log_sum_f64(vf64 u, vf64 v) {
  vu64 exponent = ((vu64)u + ((vu64)D(1) - (vu64)D(0x1.6a09e667f3bcdp-1))) >> 52; /* k + 1023 */
  vf64 k = (vf64)(exponent | (vu64)D(0x1p52)) - D(0x1p52 + 1023);
  vf64 m = (vf64)((vu64)u - ((exponent - 1023) << 52));
  vf64 f = mxi_blend_f64(k == D(0), v, m - D(1));
  vf64 s = f / (D(2) + f), z = s * s;
  /* (2 atanh(s) / s - 2) / s^2, error 7e-12 (times s^2 <= 0.03) */
  vf64 p = POLY_F64(z, 0x1.5555555564fdap-1, 0x1.999998ca249fbp-2, 0x1.249324907dae3p-2, 0x1.c67a84e8a4ba0p-3,
                    0x1.8c92867b49a01p-3);
  vf64 y = k * D(0x1.62e42fefa39efp-1) + (s * D(2) + s * (z * p));
  y = mxi_blend_f64(u < D(__builtin_inf()), y, u); /* inf, NaN */
  y = mxi_blend_f64(u == D(0), D(-__builtin_inf()), y);
  return mxi_blend_f64(u < D(0), D(__builtin_nan("")), y);
}
MXI_INLINE vf64 log_f64(vf64 x) { return log_sum_f64(x, x - D(1)); }
MXI_INLINE vf64 log1p_f64(vf64 x) {
  vf64 y = log_sum_f64(x + D(1), x);
  return mxi_blend_f64(x == D(0), x, y); /* the sign of zero */
}
MXI_INLINE vf64 log2_f64(vf64 x) { return log_f64(x) * D(0x1.71547652b82fep+0); }
MXI_INLINE vf64 log10_f64(vf64 x) { return log_f64(x) * D(0x1.bcb7b1526e50ep-2); }

/* asinh|x| = log1p(|x| + x^2 / (1 + sqrt(x^2 + 1))), which cancels nowhere. */
MXI_INLINE vf64 arcsinh_f64(vf64 x) {
  vf64 a = abs_f64(x), z = a * a;
  vf64 y = log1p_f64(a + z / (D(1) + sqrt_f64(z + D(1))));
  return copysign_f64(mxi_blend_f64(a < D(__builtin_inf()), y, a), x);
}
MXI_INLINE vf64 arccosh_f64(vf64 x) {
  vf64 t = x - D(1);
  vf64 y = log1p_f64(t + sqrt_f64(t * (x + D(1))));
  return mxi_blend_f64(t < D(0), D(__builtin_nan("")), y);
}
MXI_INLINE vf64 arctanh_f64(vf64 x) {
  vf64 a = abs_f64(x);
  return copysign_f64(D(0.5) * log1p_f64(D(2) * a / (D(1) - a)), x);
}
/* ln(e^a + e^b) = max + log1p(e^-|a - b|); equal infinities have no difference, and the maximum is the
 * answer. */
MXI_INLINE vf64 logaddexp_f64(vf64 a, vf64 b) {
  vf64 high = mxi_blend_f64(a > b, a, b), low = mxi_blend_f64(a > b, b, a);
  vf64 y = high + log1p_f64(exp_f64(low - high));
  y = mxi_blend_f64(abs_f64(high) == D(__builtin_inf()), high, y);
  return mxi_blend_f64((a == a) & (b == b), y, a + b);
}

/* x^y as C99's Annex F has it. For x < 0 the sign is that of an odd integer y. */
MXI_INLINE vf64 power_f64(vf64 x, vf64 y) {
  const vf64 infinity = D(__builtin_inf()), one = D(1);
  vf64 a = abs_f64(x), half = y * D(0.5);
  vf64 p = exp_f64(log_f64(a) * y);
  vi64 whole = rint_f64(y) == y, odd = whole & (rint_f64(half) != half);
  p = mxi_blend_f64(odd & (vi64)((vi64)x < bits_i64(0)), -p, p);
  p = mxi_blend_f64((x < D(0)) & (a < infinity) & ~whole, D(__builtin_nan("")), p);
  vi64 unit = (x == one) | (y == D(0)) | ((a == one) & (abs_f64(y) == infinity));
  return mxi_blend_f64(unit, one, p);
}

/* ---- Inverse trigonometric functions ---- */
/* q in [0, 1] */
MXI_INLINE vf64 arctan_unit_f64(vf64 q) {
  vf64 z = q * q;
  /* (atan(q) / q - 1) / q^2, error 6e-11 */
  vf64 p =
      POLY_F64(z, -0x1.555555543c557p-2, 0x1.9999971f594e7p-3, -0x1.2491d128f2977p-3, 0x1.c70a6be6d4163p-4,
               -0x1.73a719b0b93d9p-4, 0x1.36bfd2210f14ap-4, -0x1.ffb2b9595f5b2p-5, 0x1.837061ab40426p-5,
               -0x1.ea18af61c3e87p-6, 0x1.cd243cc325c05p-7, -0x1.14abab0185470p-8, 0x1.36ecfc48d188bp-11);
  return q + q * (z * p);
}
MXI_INLINE vf64 arctan2_f64(vf64 y, vf64 x) {
  vf64 ax = abs_f64(x), ay = abs_f64(y);
  vi64 steep = ay > ax;
  vf64 low = mxi_blend_f64(steep, ax, ay), high = mxi_blend_f64(steep, ay, ax), q = low / high;
  q = mxi_blend_f64(low == high, D(1), q); /* both infinite */
  q = mxi_blend_f64(high == D(0), D(0), q);
  vf64 r = arctan_unit_f64(q);
  r = mxi_blend_f64(steep, D(0x1.921fb54442d18p+0) - r, r);
  r = mxi_blend_f64((vi64)x < bits_i64(0), D(0x1.921fb54442d18p+1) - r, r);
  return mxi_blend_f64((x == x) & (y == y), copysign_f64(r, y), x + y);
}
MXI_INLINE vf64 arctan_f64(vf64 x) { return arctan2_f64(x, D(1)); }

/* asin a = a + a^3 p(a^2) for a <= 1/2, and asin a = pi/2 - 2 asin sqrt((1 - a) / 2) above: gives the inner
 * asin. */
MXI_INLINE vf64 arcsin_reduced_f64(vf64 a, vi64 above) {
  vf64 z = mxi_blend_f64(above, (D(1) - a) * D(0.5), a * a), s = mxi_blend_f64(above, sqrt_f64(z), a);
  /* (asin(s) / s - 1) / s^2, error 9e-13 */
  vf64 p = POLY_F64(z, 0x1.555555555ba9ep-3, 0x1.333333133277ep-4, 0x1.6db6f5e9d0b98p-5, 0x1.f1beb9c867b18p-6,
                    0x1.6f347e4a44c5dp-6, 0x1.14eefea06d8d9p-6, 0x1.144d1f0d0554dp-6, 0x1.17d722d86d4bep-10,
                    0x1.d06eddee004bep-6);
  return s + s * (z * p);
}
MXI_INLINE vf64 arcsin_f64(vf64 x) {
  vf64 a = abs_f64(x);
  vi64 above = a > D(0.5);
  vf64 r = arcsin_reduced_f64(a, above);
  return copysign_f64(mxi_blend_f64(above, D(0x1.921fb54442d18p+0) - r - r, r), x);
}
MXI_INLINE vf64 arccos_f64(vf64 x) {
  vf64 a = abs_f64(x);
  vi64 above = a > D(0.5);
  vf64 r = arcsin_reduced_f64(a, above);
  vf64 far = mxi_blend_f64(x < D(0), D(0x1.921fb54442d18p+1) - r - r, r + r);
  return mxi_blend_f64(above, far, D(0x1.921fb54442d18p+0) - copysign_f64(r, x));
}

/* ---- Trigonometric functions ---- */
/* Beyond this the reduction below loses digits, and lanes go one by one through libm's double functions. */
#define MXI_TRIG_LIMIT 0x1p20
/* x = k pi/2 + r, |r| <= pi/4 (Cody and Waite): the first part of pi/2 has 33 bits, so its product with k <
   2^20 is exact. The low two bits of *quadrant are those of k. */
MXI_INLINE vf64 trig_reduce_f64(vf64 x, vi64 *quadrant) {
  vf64 t = x * D(0x1.45f306dc9c883p-1) + D(0x1.8p52), k = t - D(0x1.8p52);
  *quadrant = (vi64)t;
  return x - k * D(0x1.921fb544p+0) - k * D(0x1.0b4611a626331p-34);
}
MXI_INLINE vf64 tan_f64(vf64 x) {
  vi64 quadrant;
  vf64 r = trig_reduce_f64(x, &quadrant), z = r * r;
  /* (sin(r) - r) / r^3 error 3e-14, (cos(r) - 1 + r^2/2) / r^4 error 2e-15 */
  vf64 s = POLY_F64(z, -0x1.5555555555103p-3, 0x1.1111110fb9980p-7, -0x1.a019fd5c10f60p-13,
                    0x1.71d97aaa9764ep-19, -0x1.aa12a8d88773bp-26);
  vf64 c = POLY_F64(z, 0x1.5555555555419p-5, -0x1.6c16c16b524d9p-10, 0x1.a019ff2f86a48p-16,
                    -0x1.27e2443e025dep-22, 0x1.1c755bacadd8cp-29);
  s = r + r * (z * s);
  c = D(1) - z * D(0.5) + z * (z * c);
  vi64 odd = -(quadrant & bits_i64(1));
  vf64 y = mxi_blend_f64(odd, -c, s) / mxi_blend_f64(odd, s, c);
  return mxi_blend_f64(x == D(0), x, y);
}

#undef POLY_F64
#endif
