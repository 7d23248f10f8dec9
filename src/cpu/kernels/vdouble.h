/* Elementary functions of double vectors, each within 2 ulp over all doubles, with C99 Annex F's answers for
   zeros, infinities and NaN. An element's result depends on that element alone.

   Polynomials are Chebyshev interpolants, computed with 60 digits, of the function left after its leading
   terms are taken out; the error in each comment is the absolute one of that interpolant. Reductions multiply
   whole numbers by constants with trailing zeros, so that the products are exact without fused instructions.
 */
#ifndef MXI_CPU_KERNELS_VDOUBLE_H
#define MXI_CPU_KERNELS_VDOUBLE_H
#include "cpu/kernels/multiply_add.h"
#include "cpu/kernels/vmath64.h"
#include <math.h>

MXI_INLINE vf64 series_f64(vf64 x, const double *c, int n) {
  vf64 p = D(c[n - 1]);
#pragma GCC unroll 16
  for (int i = n - 2; i >= 0; i--) p = multiply_add_f64(p, x, D(c[i]));
  return p;
}
#define SERIES(x, ...) \
  series_f64(x, (const double[]){__VA_ARGS__}, (int)(sizeof((const double[]){__VA_ARGS__}) / sizeof(double)))

/* ---- Exponentials ---- */
/* p * 2^k for |k| < 2000, rounded once where the result is subnormal. */
MXI_INLINE vf64 scale_f64(vf64 p, vi64 k) {
  vi64 half = k >> 1;
  return p * (vf64)((half + 1023) << 52) * (vf64)((k - half + 1023) << 52);
}
/* x = k ln2 + r + low, |r| <= ln2/2; gives (e^r - 1 - r) / r^2. Adding 1.5 * 2^52 leaves k in the low bits of
   the sum. */
MXI_INLINE vf64 exp_parts(vf64 x, vi64 *k, vf64 *r, vf64 *low) {
  vf64 t = multiply_add_f64(x, D(0x1.71547652b82fep+0), D(0x1.8p52)), n = t - D(0x1.8p52);
  vf64 high = x - n * D(0x1.62e42feep-1), rest = n * D(0x1.a39ef35793c76p-33);
  *k = (vi64)t - (vi64)D(0x1.8p52);
  *r = high - rest;
  *low = (high - *r) - rest;
  /* error 1.4e-18 */
  return SERIES(*r, 0x1.0000000000000p-1, 0x1.5555555555557p-3, 0x1.5555555555556p-5, 0x1.11111111100dcp-7,
                0x1.6c16c16c162d4p-10, 0x1.a01a01abe7fe1p-13, 0x1.a01a01a6d889cp-16, 0x1.71de0231960ebp-19,
                0x1.27e4db646b17ep-22, 0x1.af4de97ca4194p-26, 0x1.1f730349868cep-29);
}
MXI_INLINE vf64 mxi_d_exp(vf64 x) {
  vi64 k;
  vf64 r, low, q = exp_parts(clamp_f64(x, -746, 710), &k, &r, &low);
  return scale_f64(D(1) + multiply_add_f64(r * r, q, r), k);
}
/* Half of e^x - 1, as 2^1024 is no double, and what its last addition lost; the largest terms first, as they
   may cancel. */
MXI_INLINE vf64 half_expm1(vf64 x, vf64 *lost) {
  vi64 k;
  vf64 r, low, q = exp_parts(x, &k, &r, &low), half = (vf64)((k + 1022) << 52);
  vf64 head = multiply_add_f64(half, r, half - D(0.5)), tail = half * multiply_add_f64(r * r, q, low),
       y = head + tail;
  *lost = tail - (y - head);
  return y;
}
MXI_INLINE vf64 mxi_d_expm1(vf64 x) {
  vf64 lost, y = half_expm1(clamp_f64(x, -60, 710), &lost);
  return mxi_blend_f64(abs_f64(x) < D(0x1p-60), x, y + y);
}
/* With h = (e^2|x| - 1) / 2: h / (h + 1), which cancels nowhere. Then what h and the sum lost in rounding is
   made good: as 1 / (h + 1) is 1 - tanh|x|, the derivatives are its square and -tanh|x| times it. */
MXI_INLINE vf64 mxi_d_tanh(vf64 x) {
  vf64 a = abs_f64(x), lost, h = half_expm1(clamp_f64(a + a, 0, 60), &lost), sum = h + D(1), y = h / sum;
  vf64 sum_lost = mxi_blend_f64(h < D(1), h - (sum - D(1)), D(1) - (sum - h)), rest = D(1) - y;
  y = y + rest * (lost * rest - sum_lost * y);
  return copysign_f64(mxi_blend_f64(a < D(0x1p-60), a, y), x);
}
/* Made good likewise: 1 / (1 + e^-|x|) is the sigmoid of |x|. */
MXI_INLINE vf64 mxi_d_sigmoid(vf64 x) {
  vf64 e = mxi_d_exp(-abs_f64(x)), sum = D(1) + e, lost = e - (sum - D(1));
  vi64 negative = x < D(0);
  vf64 y = mxi_blend_f64(negative, e, D(1)) / sum;
  return y - y * lost * mxi_blend_f64(negative, D(1) - y, y);
}

/* ---- Logarithms ---- */
/* u > 0 is 2^k (1 + f) with 1 + f in [sqrt 1/2, sqrt 2). */
MXI_INLINE vf64 fraction_f64(vf64 u, vf64 *k) {
  vi64 tiny = u < D(0x1p-1022);
  u = mxi_blend_f64(tiny, u * D(0x1p54), u);
  vu64 exponent = ((vu64)u + ((vu64)D(1) - (vu64)D(0x1.6a09e667f3bcdp-1))) >> 52; /* k + 1023 */
  *k = (vf64)(exponent | (vu64)D(0x1p52)) - D(0x1p52 + 1023) - mxi_blend_f64(tiny, D(54), D(0));
  return (vf64)((vu64)u - ((exponent - 1023) << 52)) - D(1);
}
/* ln(1 + f) + tail. With s = f / (2 + f), ln(1 + f) = 2 atanh s = 2 s + s R, R small; as s f = f^2/2 - s
   f^2/2, 2 s is f - f^2/2 + s f^2/2, whose leading terms are exact or nearly so. `head` is added last. */
MXI_INLINE vf64 log_sum(vf64 f, vf64 head, vf64 tail) {
  vf64 s = f / (D(2) + f), z = s * s, square = D(0.5) * f * f;
  /* (2 atanh(s) / s - 2) / s^2, error 2.1e-18 */
  vf64 r =
      z * SERIES(z, 0x1.5555555555555p-1, 0x1.9999999999a38p-2, 0x1.2492492476c87p-2, 0x1.c71c720160b47p-3,
                 0x1.745cf901605f7p-3, 0x1.3b1c360763b8ap-3, 0x1.0fbe83c2cbcf3p-3, 0x1.0c04595972ab8p-3);
  return head - ((square - (s * (square + r) + tail)) - f);
}
/* The answers for u = 0, u < 0, infinity and NaN. */
MXI_INLINE vf64 log_answers(vf64 u, vf64 y) {
  y = mxi_blend_f64(u < D(__builtin_inf()), y, u);
  y = mxi_blend_f64(u == D(0), D(-__builtin_inf()), y);
  return mxi_blend_f64(u < D(0), D(__builtin_nan("")), y);
}
MXI_INLINE vf64 mxi_d_log(vf64 x) {
  vf64 k, f = fraction_f64(x, &k);
  return log_answers(x, log_sum(f, k * D(0x1.62e42feep-1), k * D(0x1.a39ef35793c76p-33)));
}
MXI_INLINE vf64 mxi_d_log2(vf64 x) {
  vf64 k, f = fraction_f64(x, &k);
  return log_answers(x, multiply_add_f64(log_sum(f, D(0), D(0)), D(0x1.71547652b82fep+0), k));
}
/* What 1 + x lost in rounding goes to the tail; where nothing need be scaled, f is x itself. */
MXI_INLINE vf64 mxi_d_log1p(vf64 x) {
  vf64 u = D(1) + x, k, f = fraction_f64(u, &k);
  vf64 lost = mxi_blend_f64(x > D(1), D(1) - (u - x), x - (u - D(1))) / u;
  vi64 near = k == D(0);
  f = mxi_blend_f64(near, x, f);
  vf64 y = log_sum(f, k * D(0x1.62e42feep-1), k * D(0x1.a39ef35793c76p-33) + mxi_blend_f64(near, D(0), lost));
  return mxi_blend_f64(x == D(0), x, log_answers(u, y));
}

/* ---- Sine and cosine ---- */
/* x = k pi/2 + r + low, |r| <= pi/4, for |x| <= MXI_TRIG_LIMIT: k times the two parts of pi/2 of 33 bits is
   exact, and the error of the second subtraction is kept. */
MXI_INLINE vf64 turn_f64(vf64 x, vi64 *quadrant, vf64 *low) {
  vf64 t = x * D(0x1.45f306dc9c883p-1) + D(0x1.8p52), k = t - D(0x1.8p52);
  *quadrant = (vi64)t;
  vf64 a = x - k * D(0x1.921fb544p+0), b = k * D(0x1.0b4611a6p-34), r = a - b, back = r - a;
  vf64 rest = ((a - (r - back)) - (b + back)) - k * D(0x1.3198a2e037073p-69), sum = r + rest;
  *low = (r - sum) + rest;
  return sum;
}
MXI_INLINE vf64 sine_of(vf64 r, vf64 low, vf64 z) {
  /* (sin(r) - r) / r^3, error 1.2e-20 */
  vf64 s =
      SERIES(z, -0x1.5555555555555p-3, 0x1.1111111111110p-7, -0x1.a01a01a01992fp-13, 0x1.71de3a545f836p-19,
             -0x1.ae645410e937bp-26, 0x1.61217d9252c03p-33, -0x1.ab16f5caa198ap-41);
  return r + (r * z * s + low * (D(1) - D(0.5) * z));
}
MXI_INLINE vf64 cosine_of(vf64 r, vf64 low, vf64 z) {
  /* (cos(r) - 1 + r^2/2) / r^4, error 6.5e-22 */
  vf64 c =
      SERIES(z, 0x1.5555555555555p-5, -0x1.6c16c16c16c16p-10, 0x1.a01a01a019d06p-16, -0x1.27e4fb77125c5p-22,
             0x1.1eed8deac3dfep-29, -0x1.9394b8bd50ae1p-37, 0x1.ab779550c8d9bp-45);
  vf64 half = D(0.5) * z, w = D(1) - half;
  return w + (((D(1) - w) - half) + (z * z * c - r * low));
}
/* sin(x + turns pi/2) of |x| <= MXI_TRIG_LIMIT */
MXI_INLINE vf64 turned_sine(vf64 x, int64_t turns) {
  vi64 quadrant;
  vf64 low, r = turn_f64(x, &quadrant, &low), z = r * r;
  quadrant += turns;
  vi64 odd = -(quadrant & bits_i64(1));
  vf64 y = mxi_blend_f64(odd, cosine_of(r, low, z), sine_of(r, low, z));
  return (vf64)((vi64)y ^ ((quadrant & bits_i64(2)) << 62));
}
/* Larger arguments, infinities and NaN go one by one. */
MXI_INLINE vf64 far_lanes(vf64 x, vf64 y, double (*f)(double)) {
  vi64 far = ~(abs_f64(x) <= D(MXI_TRIG_LIMIT));
  if (!mxi_any((vi32)far)) return y;
  for (int i = 0; i < MXI_VD; i++)
    if (far[i]) y[i] = f(x[i]);
  return y;
}
MXI_INLINE vf64 mxi_d_sin(vf64 x) {
  return far_lanes(x, mxi_blend_f64(x == D(0), x, turned_sine(x, 0)), sin);
}
MXI_INLINE vf64 mxi_d_cos(vf64 x) { return far_lanes(x, turned_sine(x, 1), cos); }
#undef SERIES
#endif
