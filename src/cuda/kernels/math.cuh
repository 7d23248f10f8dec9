/* Elementary functions of float and double, with C99 Annex F's answers for zeros, infinities and NaN. They
   are those of the CPU (cpu/kernels/vmath.h, vmath64.h, vdouble.h), operation for operation, so that results
   have its bits, those of instruction sets with fma; where the CPU asks libm (most functions of double, and
   sine and cosine beyond 2^20) they are our own, within 3 ulp.

   Comments there say where the formulas come from. Polynomials are Chebyshev interpolants, computed with 60
   digits, of the function left after its leading terms are taken out; the errors named are the absolute ones
   of the interpolants. */
#ifndef MXI_CUDA_KERNELS_MATH_CUH
#define MXI_CUDA_KERNELS_MATH_CUH
#include "cuda/kernels/bits.cuh"

/* ---- Doubles under the functions of float: right to 1e-10, for what floats and their sums and squares can
 * be ---- */
MXI_DEVICE double mxi_expm1_reduced_f64(double x, double *scale) {
  x = mxi_clamp(x, -700.0, 700.0);
  double t = x * 0x1.71547652b82fep+0 + 0x1.8p52, k = t - 0x1.8p52;
  double r = x - k * 0x1.62e42fefa2p-1 - k * 0x1.9ef35793c7673p-41;
  *scale = mxi_double_of_bits((mxi_bits(t) << 52) + mxi_bits(1.0));
  /* (e^r - 1) / r, error 8e-14 */
  return r * mxi_series_rounded(r, 0x1p+0, 0x1.fffffffff70abp-2, 0x1.5555555553b48p-3, 0x1.555555745858dp-5,
                                0x1.1111111c5719ap-7, 0x1.6c164d7dbdce2p-10, 0x1.a019ad55d1aa7p-13,
                                0x1.a15af3e6562d7p-16, 0x1.72c79824255e0p-19);
}
MXI_DEVICE double mxi_exp_f64(double x) {
  double scale, p = mxi_expm1_reduced_f64(x, &scale);
  return scale + scale * p;
}
MXI_DEVICE double mxi_expm1_f64(double x) {
  double scale, p = mxi_expm1_reduced_f64(x, &scale);
  return mxi_copysign(scale * p + (scale - 1), x);
}
MXI_DEVICE double mxi_sinh_f64(double x) {
  double e = mxi_expm1_f64(mxi_abs(x));
  return mxi_copysign((e + e / (e + 1)) * 0.5, x);
}
MXI_DEVICE double mxi_cosh_f64(double x) {
  double e = mxi_exp_f64(mxi_abs(x));
  return (e + 1 / e) * 0.5;
}

/* The answers of a logarithm of u for u = 0, u < 0, infinity and NaN. */
MXI_DEVICE double mxi_log_answers(double u, double y) {
  if (!(u < mxi_infinity(u))) y = u;
  if (u == 0) y = -mxi_infinity(u);
  return u < 0 ? mxi_nan(u) : y;
}
/* ln u, where v is u - 1 with all its digits wherever u is near one. */
MXI_DEVICE double mxi_log_sum_f64(double u, double v) {
  uint64_t exponent = (mxi_bits(u) + (mxi_bits(1.0) - mxi_bits(0x1.6a09e667f3bcdp-1))) >> 52;
  double k = mxi_double_of_bits(exponent | mxi_bits(0x1p52)) - (0x1p52 + 1023);
  double m = mxi_double_of_bits(mxi_bits(u) - ((exponent - 1023) << 52));
  double f = k == 0 ? v : m - 1;
  double s = f / (2 + f), z = s * s;
  /* (2 atanh(s) / s - 2) / s^2, error 7e-12 (times s^2 <= 0.03) */
  double p = mxi_series_rounded(z, 0x1.5555555564fdap-1, 0x1.999998ca249fbp-2, 0x1.249324907dae3p-2,
                                0x1.c67a84e8a4ba0p-3, 0x1.8c92867b49a01p-3);
  return mxi_log_answers(u, k * 0x1.62e42fefa39efp-1 + (s * 2 + s * (z * p)));
}
MXI_DEVICE double mxi_log_f64(double x) { return mxi_log_sum_f64(x, x - 1); }
MXI_DEVICE double mxi_log1p_f64(double x) { return x == 0 ? x : mxi_log_sum_f64(x + 1, x); }

MXI_DEVICE double mxi_arcsinh_f64(double x) {
  double a = mxi_abs(x), z = a * a;
  double y = mxi_log1p_f64(a + z / (1 + mxi_sqrt(z + 1)));
  return mxi_copysign(a < mxi_infinity(a) ? y : a, x);
}
MXI_DEVICE double mxi_arccosh_f64(double x) {
  double t = x - 1, y = mxi_log1p_f64(t + mxi_sqrt(t * (x + 1)));
  return t < 0 ? mxi_nan(x) : y;
}
MXI_DEVICE double mxi_arctanh_f64(double x) {
  double a = mxi_abs(x);
  return mxi_copysign(0.5 * mxi_log1p_f64(2 * a / (1 - a)), x);
}
MXI_DEVICE double mxi_logaddexp_f64(double a, double b) {
  double high = a > b ? a : b, low = a > b ? b : a;
  double y = high + mxi_log1p_f64(mxi_exp_f64(low - high));
  if (mxi_abs(high) == mxi_infinity(high)) y = high;
  return a == a && b == b ? y : a + b;
}
/* The answers of x^y that p = |x|^y doesn't give. */
template <class T> MXI_DEVICE T mxi_power_answers(T x, T y, T p) {
  T a = mxi_abs(x), half = y * (T)0.5;
  bool whole = mxi_rint(y) == y, odd = whole && mxi_rint(half) != half;
  if (odd && mxi_negative_bit(x)) p = -p;
  if (x < 0 && a < mxi_infinity(a) && !whole) p = mxi_nan(x);
  return x == 1 || y == 0 || (a == 1 && mxi_abs(y) == mxi_infinity(y)) ? (T)1 : p;
}
MXI_DEVICE double mxi_power_f64(double x, double y) {
  return mxi_power_answers(x, y, mxi_exp_f64(mxi_log_f64(mxi_abs(x)) * y));
}

MXI_DEVICE double mxi_arctan_unit_f64(double q) {
  double z = q * q;
  /* (atan(q) / q - 1) / q^2, error 6e-11 */
  double p = mxi_series_rounded(z, -0x1.555555543c557p-2, 0x1.9999971f594e7p-3, -0x1.2491d128f2977p-3,
                                0x1.c70a6be6d4163p-4, -0x1.73a719b0b93d9p-4, 0x1.36bfd2210f14ap-4,
                                -0x1.ffb2b9595f5b2p-5, 0x1.837061ab40426p-5, -0x1.ea18af61c3e87p-6,
                                0x1.cd243cc325c05p-7, -0x1.14abab0185470p-8, 0x1.36ecfc48d188bp-11);
  return q + q * (z * p);
}
/* The angle of (x, y) from that of its first octant. */
MXI_DEVICE double mxi_angle(double y, double x, double r) {
  if (mxi_abs(y) > mxi_abs(x)) r = 0x1.921fb54442d18p+0 - r;
  if (mxi_negative_bit(x)) r = 0x1.921fb54442d18p+1 - r;
  return x == x && y == y ? mxi_copysign(r, y) : x + y;
}
MXI_DEVICE double mxi_arctan2_f64(double y, double x) {
  double ax = mxi_abs(x), ay = mxi_abs(y);
  double low = ay > ax ? ax : ay, high = ay > ax ? ay : ax, q = low / high;
  if (low == high) q = 1; /* both infinite */
  if (high == 0) q = 0;
  return mxi_angle(y, x, mxi_arctan_unit_f64(q));
}
MXI_DEVICE double mxi_arctan_f64(double x) { return mxi_arctan2_f64(x, 1.0); }
MXI_DEVICE double mxi_arcsin_reduced_f64(double a) {
  bool above = a > 0.5;
  double z = above ? (1 - a) * 0.5 : a * a, s = above ? mxi_sqrt(z) : a;
  /* (asin(s) / s - 1) / s^2, error 9e-13 */
  double p = mxi_series_rounded(z, 0x1.555555555ba9ep-3, 0x1.333333133277ep-4, 0x1.6db6f5e9d0b98p-5,
                                0x1.f1beb9c867b18p-6, 0x1.6f347e4a44c5dp-6, 0x1.14eefea06d8d9p-6,
                                0x1.144d1f0d0554dp-6, 0x1.17d722d86d4bep-10, 0x1.d06eddee004bep-6);
  return s + s * (z * p);
}
MXI_DEVICE double mxi_arcsin_f64(double x) {
  double a = mxi_abs(x), r = mxi_arcsin_reduced_f64(a);
  return mxi_copysign(a > 0.5 ? 0x1.921fb54442d18p+0 - r - r : r, x);
}
MXI_DEVICE double mxi_arccos_f64(double x) {
  double a = mxi_abs(x), r = mxi_arcsin_reduced_f64(a);
  if (a > 0.5) return x < 0 ? 0x1.921fb54442d18p+1 - r - r : r + r;
  return 0x1.921fb54442d18p+0 - mxi_copysign(r, x);
}

/* x = k pi/2 + r for |x| <= 2^20; the low two bits of *quadrant are those of k. */
enum { MXI_TRIG_LIMIT = 1 << 20 };
MXI_DEVICE double mxi_trig_reduce_f64(double x, uint32_t *quadrant) {
  double t = x * 0x1.45f306dc9c883p-1 + 0x1.8p52, k = t - 0x1.8p52;
  *quadrant = (uint32_t)mxi_bits(t);
  return x - k * 0x1.921fb544p+0 - k * 0x1.0b4611a626331p-34;
}
MXI_DEVICE double mxi_tan_f64(double x) {
  uint32_t quadrant;
  double r = mxi_trig_reduce_f64(x, &quadrant), z = r * r;
  /* (sin(r) - r) / r^3 error 3e-14, (cos(r) - 1 + r^2/2) / r^4 error 2e-15 */
  double s = mxi_series_rounded(z, -0x1.5555555555103p-3, 0x1.1111110fb9980p-7, -0x1.a019fd5c10f60p-13,
                                0x1.71d97aaa9764ep-19, -0x1.aa12a8d88773bp-26);
  double c = mxi_series_rounded(z, 0x1.5555555555419p-5, -0x1.6c16c16b524d9p-10, 0x1.a019ff2f86a48p-16,
                                -0x1.27e2443e025dep-22, 0x1.1c755bacadd8cp-29);
  s = r + r * (z * s);
  c = 1 - z * 0.5 + z * (z * c);
  double y = quadrant & 1 ? -c / s : s / c;
  return x == 0 ? x : y;
}

/* ---- Doubles: exponentials ---- */
/* p * 2^k for |k| < 2000, rounded once where the result is subnormal. */
MXI_DEVICE double mxi_scale(double p, int k) {
  int half = k >> 1;
  return p * mxi_double_of_bits((uint64_t)(half + 1023) << 52) *
         mxi_double_of_bits((uint64_t)(k - half + 1023) << 52);
}
/* x = k ln2 + r + low, |r| <= ln2/2; gives (e^r - 1 - r) / r^2. */
MXI_DEVICE double mxi_exp_parts(double x, int *k, double *r, double *low) {
  double t = mxi_fma(x, 0x1.71547652b82fep+0, 0x1.8p52), n = t - 0x1.8p52;
  double high = x - n * 0x1.62e42feep-1, rest = n * 0x1.a39ef35793c76p-33;
  *k = (int)(uint32_t)mxi_bits(t);
  *r = high - rest;
  *low = (high - *r) - rest;
  /* error 1.4e-18 */
  return mxi_series(*r, 0x1.0000000000000p-1, 0x1.5555555555557p-3, 0x1.5555555555556p-5,
                    0x1.11111111100dcp-7, 0x1.6c16c16c162d4p-10, 0x1.a01a01abe7fe1p-13, 0x1.a01a01a6d889cp-16,
                    0x1.71de0231960ebp-19, 0x1.27e4db646b17ep-22, 0x1.af4de97ca4194p-26,
                    0x1.1f730349868cep-29);
}
MXI_DEVICE double mxi_exp(double x) {
  int k;
  double r, low, q = mxi_exp_parts(mxi_clamp(x, -746.0, 710.0), &k, &r, &low);
  return mxi_scale(1 + mxi_fma(r * r, q, r), k);
}
/* e^(x + rest) for a small rest. */
MXI_DEVICE double mxi_exp_sum(double x, double rest) {
  int k;
  double r, low, q = mxi_exp_parts(mxi_clamp(x, -746.0, 710.0), &k, &r, &low);
  low += rest;
  return mxi_scale(1 + (mxi_fma(r * r, q, low + low * mxi_fma(r * r, q, r)) + r), k);
}
/* Half of e^x - 1, as 2^1024 is no double, and what its last addition lost. */
MXI_DEVICE double mxi_half_expm1(double x, double *lost) {
  int k;
  double r, low, q = mxi_exp_parts(x, &k, &r, &low), half = mxi_double_of_bits((uint64_t)(k + 1022) << 52);
  double head = mxi_fma(half, r, half - 0.5), tail = half * mxi_fma(r * r, q, low), y = head + tail;
  *lost = tail - (y - head);
  return y;
}
MXI_DEVICE double mxi_expm1(double x) {
  double lost, y = mxi_half_expm1(mxi_clamp(x, -60.0, 710.0), &lost);
  return mxi_abs(x) < 0x1p-60 ? x : y + y;
}
MXI_DEVICE double mxi_tanh(double x) {
  double a = mxi_abs(x), lost, h = mxi_half_expm1(mxi_clamp(a + a, 0.0, 60.0), &lost), sum = h + 1,
         y = h / sum;
  double sum_lost = h < 1 ? h - (sum - 1) : 1 - (sum - h), rest = 1 - y;
  y = y + rest * (lost * rest - sum_lost * y);
  return mxi_copysign(a < 0x1p-60 ? a : y, x);
}
MXI_DEVICE double mxi_sigmoid(double x) {
  double e = mxi_exp(-mxi_abs(x)), sum = 1 + e, lost = e - (sum - 1);
  double y = (x < 0 ? e : 1.0) / sum;
  return y - y * lost * (x < 0 ? 1 - y : y);
}
/* e^a / 2 for a >= 60, where e^a itself may be too large. */
MXI_DEVICE double mxi_half_exp(double a) {
  return mxi_exp_sum(a - 0x1.62e42fefa3800p-1, -0x1.ef35793c76730p-45);
}
/* With h = (e^|x| - 1) / 2 and what it lost: sinh|x| = h + h / (2 h + 1). */
MXI_DEVICE double mxi_sinh(double x) {
  double a = mxi_abs(x), lost, h = mxi_half_expm1(mxi_clamp(a, 0.0, 64.0), &lost);
  double y = a > 60 ? mxi_half_exp(a) : h + (h / (h + h + 1) + lost);
  return mxi_copysign(a < 0x1p-28 ? a : y, x);
}
/* cosh|x| = h + 1/2 + 1/2 / (2 h + 1) */
MXI_DEVICE double mxi_cosh(double x) {
  double a = mxi_abs(x), lost, h = mxi_half_expm1(mxi_clamp(a, 0.0, 64.0), &lost);
  return a > 60 ? mxi_half_exp(a) : h + (0.5 + (0.5 / (h + h + 1) + lost));
}

/* ---- Doubles: logarithms ---- */
/* u > 0 is 2^k (1 + f) with 1 + f in [sqrt 1/2, sqrt 2). */
MXI_DEVICE double mxi_fraction(double u, double *k) {
  bool tiny = u < 0x1p-1022;
  u = tiny ? u * 0x1p54 : u;
  uint64_t exponent = (mxi_bits(u) + (mxi_bits(1.0) - mxi_bits(0x1.6a09e667f3bcdp-1))) >> 52;
  *k = mxi_double_of_bits(exponent | mxi_bits(0x1p52)) - (0x1p52 + 1023) - (tiny ? 54 : 0);
  return mxi_double_of_bits(mxi_bits(u) - ((exponent - 1023) << 52)) - 1;
}
/* head + ln(1 + f) + tail */
MXI_DEVICE double mxi_log_sum(double f, double head, double tail) {
  double s = f / (2 + f), z = s * s, square = 0.5 * f * f;
  /* (2 atanh(s) / s - 2) / s^2, error 2.1e-18 */
  double r = z * mxi_series(z, 0x1.5555555555555p-1, 0x1.9999999999a38p-2, 0x1.2492492476c87p-2,
                            0x1.c71c720160b47p-3, 0x1.745cf901605f7p-3, 0x1.3b1c360763b8ap-3,
                            0x1.0fbe83c2cbcf3p-3, 0x1.0c04595972ab8p-3);
  return head - ((square - (s * (square + r) + tail)) - f);
}
MXI_DEVICE double mxi_log(double x) {
  double k, f = mxi_fraction(x, &k);
  return mxi_log_answers(x, mxi_log_sum(f, k * 0x1.62e42feep-1, k * 0x1.a39ef35793c76p-33));
}
MXI_DEVICE double mxi_log2(double x) {
  double k, f = mxi_fraction(x, &k);
  return mxi_log_answers(x, mxi_fma(mxi_log_sum(f, 0.0, 0.0), 0x1.71547652b82fep+0, k));
}
/* k log10 2, whose first part is exact, and ln(1 + f) / ln 10 */
MXI_DEVICE double mxi_log10(double x) {
  double k, f = mxi_fraction(x, &k), y = mxi_log_sum(f, 0.0, 0.0);
  double low = mxi_fma(y, 0x1.95355baaafad3p-57, k * 0x1.3fde623e2566bp-43);
  return mxi_log_answers(x, mxi_fma(k, 0x1.34413509f7000p-2, mxi_fma(y, 0x1.bcb7b1526e50ep-2, low)));
}
MXI_DEVICE double mxi_log1p(double x) {
  double u = 1 + x, k, f = mxi_fraction(u, &k);
  double lost = (x > 1 ? 1 - (u - x) : x - (u - 1)) / u;
  bool near = k == 0;
  double y = mxi_log_sum(near ? x : f, k * 0x1.62e42feep-1, k * 0x1.a39ef35793c76p-33 + (near ? 0 : lost));
  return x == 0 ? x : mxi_log_answers(u, y);
}
MXI_DEVICE double mxi_logaddexp(double a, double b) {
  if (a != a || b != b) return a + b;
  double high = a > b ? a : b, low = a > b ? b : a;
  return mxi_abs(high) == mxi_infinity(high) ? high : high + mxi_log1p(mxi_exp(low - high));
}
/* Beyond 2^28 the square of x is all that counts under the root. */
MXI_DEVICE double mxi_arcsinh(double x) {
  double a = mxi_abs(x), z = a * a;
  double y = a > 0x1p28 ? mxi_log(a) + 0x1.62e42fefa39efp-1 : mxi_log1p(a + z / (1 + mxi_sqrt(z + 1)));
  return mxi_copysign(y, x);
}
MXI_DEVICE double mxi_arccosh(double x) {
  double t = x - 1;
  if (t < 0) return mxi_nan(x);
  return x > 0x1p28 ? mxi_log(x) + 0x1.62e42fefa39efp-1 : mxi_log1p(t + mxi_sqrt(t * t + (t + t)));
}
MXI_DEVICE double mxi_arctanh(double x) {
  double a = mxi_abs(x), t = a + a;
  /* 2a / (1 - a) = 2a + 2a a / (1 - a), whose rounding costs less for small a */
  double y = 0.5 * mxi_log1p(a < 0.5 ? t + t * a / (1 - a) : t / (1 - a));
  return mxi_copysign(a < 0x1p-28 ? a : y, x);
}

/* |x|^y by a logarithm of twice the digits: with s = f / (2 + f) and what that lost, ln(1 + f) = 2 s + 2/3
   s^3 + ..., whose first two terms are kept in two parts each. */
MXI_DEVICE_CALLED double mxi_power(double x, double y) {
  double a = mxi_abs(x), k, f = mxi_fraction(a, &k), sum = 2 + f;
  double s = f / sum, s_low = (mxi_fma(-s, sum, f) - s * (f - (sum - 2))) / sum;
  double z = s * s, z_low = mxi_fma(s, s, -z) + 2 * s * s_low;
  /* (2 atanh(s) / s - 2 - 2/3 s^2) / s^4, error 3e-16 (times s^4 <= 9e-4) */
  double r =
      mxi_series(z, 0x1.999999999999fp-2, 0x1.249249248e468p-2, 0x1.c71c71d814a8ap-3, 0x1.745d09d3f8fdfp-3,
                 0x1.3b18c1056557bp-3, 0x1.1017a19d7aa3cp-3, 0x1.0885808c8172dp-3);
  /* c = 2/3 s^2 + r s^4 */
  double c = z * 0x1.5555555555555p-1;
  double c_low = mxi_fma(z, 0x1.5555555555555p-1, -c) +
                 (z * 0x1.5555555555555p-55 + z_low * 0x1.5555555555555p-1) + z * z * r;
  /* ln(1 + f) = 2 s + s c */
  double t = s * c, t_low = mxi_fma(s, c, -t) + (s * c_low + s_low * c);
  double twice = s + s, head = twice + t, tail = (t - (head - twice)) + (t_low + 2 * s_low);
  /* + k ln2 */
  double whole = k * 0x1.62e42fefa3800p-1, log = whole + head;
  double log_low = (whole - log) + head;
  if (whole == 0) log_low = 0;
  log_low += tail + k * 0x1.ef35793c76730p-45;
  double high = log + log_low;
  log_low = log_low - (high - log);
  if (!(a > 0 && a < mxi_infinity(a))) high = mxi_log_answers(a, high), log_low = 0;
  /* times y */
  double product = high * y, rest = mxi_fma(high, y, -product) + log_low * y;
  double p = mxi_abs(product) < 1000 ? mxi_exp_sum(product, rest) : mxi_exp(product);
  return mxi_power_answers(x, y, p);
}

/* ---- Doubles: sine and cosine ---- */
/* 2/pi, its bits from the first behind the binary point on, behind a word of zeros. */
static __device__ const uint64_t mxi_two_over_pi[21] = {0,
                                                        0xa2f9836e4e441529ull,
                                                        0xfc2757d1f534ddc0ull,
                                                        0xdb6295993c439041ull,
                                                        0xfe5163abdebbc561ull,
                                                        0xb7246e3a424dd2e0ull,
                                                        0x06492eea09d1921cull,
                                                        0xfe1deb1cb129a73eull,
                                                        0xe88235f52ebb4484ull,
                                                        0xe99c7026b45f7e41ull,
                                                        0x3991d639835339f4ull,
                                                        0x9c845f8bbdf9283bull,
                                                        0x1ff897ffde05980full,
                                                        0xef2f118b5a0a6d1full,
                                                        0x6d367ecf27cb09b7ull,
                                                        0x4f463f669e5fea2dull,
                                                        0x7527bac7ebe5f17bull,
                                                        0x3d0739f78a5292eaull,
                                                        0x6bfb5fb11f8d5d08ull,
                                                        0x56033046fc7b6babull,
                                                        0xf0cfbc209af4361dull};
/* x = k pi/2 + r + low for finite |x| > 2^20 (Payne and Hanek): of the bits of 2/pi only those count whose
   product with x is below 4 and not too small to matter. */
MXI_DEVICE_CALLED double mxi_far_turn(double x, uint32_t *quadrant, double *low) {
  uint64_t m = (mxi_bits(x) & 0xfffffffffffffull) | 1ull << 52;
  int e = (int)(mxi_bits(x) >> 52 & 0x7ff) - 1075; /* |x| = m 2^e */
  int first = e - 2 + 64, word = first >> 6, shift = first & 63;
  uint64_t part[3]; /* the first is the highest */
  for (int i = 0; i < 3; i++) {
    uint64_t high = mxi_two_over_pi[word + i], next = mxi_two_over_pi[word + i + 1];
    part[i] = shift ? high << shift | next >> (64 - shift) : high;
  }
  /* the low 192 bits of the product; in units of 2^-190 */
  uint64_t p2 = m * part[2], p1 = m * part[1], carry = mxi_multiply_high(m, part[2]);
  p1 += carry;
  uint64_t p0 = m * part[0] + mxi_multiply_high(m, part[1]) + (p1 < carry);
  *quadrant = (uint32_t)(p0 >> 62);
  p0 = p0 << 2 | p1 >> 62, p1 = p1 << 2 | p2 >> 62, p2 <<= 2; /* the fraction */
  bool above = p0 >> 63;
  if (above) { /* the next quadrant is nearer */
    *quadrant += 1;
    p0 = ~p0, p1 = ~p1, p2 = ~p2;
  }
  int zeros = mxi_leading_zeros(p0);
  if (zeros == 64) zeros = 63; /* no double comes as near to a multiple of pi/2 */
  if (zeros) p0 = p0 << zeros | p1 >> (64 - zeros), p1 = p1 << zeros | p2 >> (64 - zeros);
  double scale = mxi_double_of_bits((uint64_t)(1023 - 64 - zeros) << 52);
  double head = (double)(p0 >> 11) * 2048 * scale;
  double tail = (double)((p0 & 2047) << 42 | p1 >> 22) * 0x1p-42 * scale;
  double r = head * 0x1.921fb54442d18p+0;
  *low =
      mxi_fma(head, 0x1.921fb54442d18p+0, -r) + (head * 0x1.1a62633145c07p-54 + tail * 0x1.921fb54442d18p+0);
  double sum = r + *low;
  *low = *low - (sum - r);
  if (above != mxi_negative_bit(x)) sum = -sum, *low = -*low;
  if (mxi_negative_bit(x)) *quadrant = 0u - *quadrant;
  return sum;
}
MXI_DEVICE double mxi_turn(double x, uint32_t *quadrant, double *low) {
  if (mxi_abs(x) > MXI_TRIG_LIMIT) {
    if (mxi_abs(x) < mxi_infinity(x)) return mxi_far_turn(x, quadrant, low);
    x = mxi_nan(x);
  }
  double t = x * 0x1.45f306dc9c883p-1 + 0x1.8p52, k = t - 0x1.8p52;
  *quadrant = (uint32_t)mxi_bits(t);
  double a = x - k * 0x1.921fb544p+0, b = k * 0x1.0b4611a6p-34, r = a - b, back = r - a;
  double rest = ((a - (r - back)) - (b + back)) - k * 0x1.3198a2e037073p-69, sum = r + rest;
  *low = (r - sum) + rest;
  return sum;
}
MXI_DEVICE double mxi_sine_of(double r, double low, double z) {
  /* (sin(r) - r) / r^3, error 1.2e-20 */
  double s = mxi_series(z, -0x1.5555555555555p-3, 0x1.1111111111110p-7, -0x1.a01a01a01992fp-13,
                        0x1.71de3a545f836p-19, -0x1.ae645410e937bp-26, 0x1.61217d9252c03p-33,
                        -0x1.ab16f5caa198ap-41);
  return r + (r * z * s + low * (1 - 0.5 * z));
}
MXI_DEVICE double mxi_cosine_of(double r, double low, double z) {
  /* (cos(r) - 1 + r^2/2) / r^4, error 6.5e-22 */
  double c = mxi_series(z, 0x1.5555555555555p-5, -0x1.6c16c16c16c16p-10, 0x1.a01a01a019d06p-16,
                        -0x1.27e4fb77125c5p-22, 0x1.1eed8deac3dfep-29, -0x1.9394b8bd50ae1p-37,
                        0x1.ab779550c8d9bp-45);
  double half = 0.5 * z, w = 1 - half;
  return w + (((1 - w) - half) + (z * z * c - r * low));
}
MXI_DEVICE double mxi_sine_ahead(double x, uint32_t turns) {
  uint32_t quadrant;
  double low, r = mxi_turn(x, &quadrant, &low), z = r * r;
  quadrant += turns;
  double y = quadrant & 1 ? mxi_cosine_of(r, low, z) : mxi_sine_of(r, low, z);
  return quadrant & 2 ? -y : y;
}
MXI_DEVICE double mxi_sin(double x) { return x == 0 ? x : mxi_sine_ahead(x, 0); }
MXI_DEVICE double mxi_cos(double x) { return mxi_sine_ahead(x, 1); }
MXI_DEVICE double mxi_tan(double x) {
  uint32_t quadrant;
  double low, r = mxi_turn(x, &quadrant, &low), z = r * r;
  double s = mxi_sine_of(r, low, z), c = mxi_cosine_of(r, low, z);
  return x == 0 ? x : quadrant & 1 ? -c / s : s / c;
}

/* ---- Doubles: inverse trigonometric functions ---- */
/* The angle of low / high in [0, pi/4], both finite: from the nearest of 0, atan 1/2 and pi/4. */
MXI_DEVICE double mxi_octant_angle(double low, double high) {
  if (high > 0x1p1000) low *= 0x1p-60, high *= 0x1p-60;
  if (high < 0x1p-900) low *= 0x1p120, high *= 0x1p120;
  double c = low < 0.25 * high ? 0 : low < 0.75 * high ? 0.5 : 1;
  double head = c == 0 ? 0 : c == 1 ? 0x1.921fb54442d18p-1 : 0x1.dac670561bb4fp-2;
  double rest = c == 0 ? 0 : c == 1 ? 0x1.1a62633145c07p-55 : 0x1.a2b7f222f65e2p-56;
  double q = mxi_fma(-c, high, low) / mxi_fma(c, low, high), z = q * q;
  /* (atan(q) / q - 1) / q^2, error 5.7e-20 */
  double p =
      mxi_series(z, -0x1.5555555555555p-2, 0x1.9999999999993p-3, -0x1.2492492491702p-3, 0x1.c71c71c5c04d7p-4,
                 -0x1.745d16b7c4e49p-4, 0x1.3b138fde2862cp-4, -0x1.110c47c1d3fbcp-4, 0x1.e10709d34a6e0p-5,
                 -0x1.a336b1824639ep-5, 0x1.2719cff1241c9p-5);
  return head + (q + (q * (z * p) + rest));
}
MXI_DEVICE_CALLED double mxi_arctan2(double y, double x) {
  double ax = mxi_abs(x), ay = mxi_abs(y), infinity = mxi_infinity(x);
  double low = ay > ax ? ax : ay, high = ay > ax ? ay : ax;
  if (high == infinity) low = low == infinity ? 1 : 0, high = 1;
  double r = high == 0 ? 0 : mxi_octant_angle(low, high);
  if (ay > ax) r = 0x1.921fb54442d18p+0 - (r - 0x1.1a62633145c07p-54);
  if (mxi_negative_bit(x)) r = 0x1.921fb54442d18p+1 - (r - 0x1.1a62633145c07p-53);
  return x == x && y == y ? mxi_copysign(r, y) : x + y;
}
MXI_DEVICE double mxi_arctan(double x) { return mxi_arctan2(x, 1.0); }
/* asin s for s^2 = z <= 1/4, less s */
MXI_DEVICE double mxi_arcsin_rest(double s, double z) {
  /* (asin(s) / s - 1) / s^2, error 6.4e-20 */
  return s * (z * mxi_series(z, 0x1.5555555555555p-3, 0x1.333333333332dp-4, 0x1.6db6db6db7c7fp-5,
                             0x1.f1c71c70ee54ap-6, 0x1.6e8ba31c9dc09p-6, 0x1.1c4ebd7735bf2p-6,
                             0x1.c99afe79266f3p-7, 0x1.7a70c2a695fe0p-7, 0x1.40e38d543d8d2p-7,
                             0x1.0a9849ba5937fp-7, 0x1.2031dbbbbad45p-7, 0x1.8f5a75293b096p-12,
                             0x1.7184808eff5eep-6, -0x1.898d77b6dddb2p-6, 0x1.f74bdb0d4b5bep-6));
}
/* 2 asin sqrt((1 - a) / 2) for a > 1/2: the root in two parts. */
MXI_DEVICE double mxi_arccos_near_one(double a) {
  double z = (1 - a) * 0.5, s = mxi_sqrt(z), s_low = s == 0 ? 0 : mxi_fma(-s, s, z) / (s + s);
  return 2 * (s + (s_low + mxi_arcsin_rest(s, z)));
}
MXI_DEVICE double mxi_arcsin(double x) {
  double a = mxi_abs(x);
  if (a > 0.5)
    return mxi_copysign(0x1.921fb54442d18p+0 - (mxi_arccos_near_one(a) - 0x1.1a62633145c07p-54), x);
  return x + mxi_arcsin_rest(x, x * x);
}
MXI_DEVICE double mxi_arccos(double x) {
  double a = mxi_abs(x);
  if (a > 0.5) {
    double r = mxi_arccos_near_one(a);
    return x < 0 ? 0x1.921fb54442d18p+1 - (r - 0x1.1a62633145c07p-53) : r;
  }
  return 0x1.921fb54442d18p+0 - (x - (0x1.1a62633145c07p-54 - mxi_arcsin_rest(x, x * x)));
}

/* ---- Doubles: the error function ---- */
/* erfc y for 0.4 <= y <= 6.4: e^-y^2 g / (1 + 2y), where g varies little. */
MXI_DEVICE double mxi_erfc_far(double y) {
  double square = y * y, lost = mxi_fma(y, y, -square);
  double u = 1 / (1 + y) - 0x1.b2e74a219b2e7p-2;
  /* erfc(y) e^y^2 (1 + 2y), error 1.2e-17 */
  double g =
      mxi_series(u, 0x1.4995ab3d13d5cp+0, 0x1.2833853c843dep-6, -0x1.11afaa9d2a3fep+0, -0x1.a40f2eebea67fp-5,
                 0x1.0c0eecc62423dp+0, -0x1.a3c756087465bp-1, -0x1.e071e9a65282bp-2, 0x1.bf598b352be01p+0,
                 -0x1.bd536d775fd9bp+0, -0x1.57cc0dcff4cbbp-3, 0x1.a00e9ec8ee040p+1, -0x1.5766753c78b12p+2,
                 0x1.e36b645759a58p+1, 0x1.8f650bc5a8c4bp+1, -0x1.b5747df2fa951p+3, 0x1.583ba4c31b814p+4,
                 -0x1.0b1b384ce02e3p+4, -0x1.16c186f5481f7p+3, 0x1.bf8a0f75dc049p+5, -0x1.eae2b8c6813b2p+6,
                 0x1.343db9cce558ep+7, 0x1.741b02ae682e6p+5, -0x1.d2acbf28af9d5p+8, 0x1.c7751bca90a43p+8);
  return mxi_exp_sum(-square, -lost) * g / (1 + (y + y));
}
/* erf x for |x| <= 0.9 */
MXI_DEVICE double mxi_erf_near(double x) {
  double z = x * x;
  /* erf(x) / x - 1, error 9.1e-21 */
  return x + x * mxi_series(z, 0x1.06eba8214db69p-3, -0x1.812746b0379e7p-2, 0x1.ce2f21a042bcfp-4,
                            -0x1.b82ce3128833dp-6, 0x1.565bcd0e4dc6ap-8, -0x1.c02db3f8bcd97p-11,
                            0x1.f9a325b45db29p-14, -0x1.f4d237523b49ap-17, 0x1.b9e3ea24a86c3p-20,
                            -0x1.5f4cb9da70effp-23, 0x1.f9e53ae66db54p-27, -0x1.404cfeed5c513p-30,
                            0x1.1da77cbf6aea3p-34);
}
MXI_DEVICE_CALLED double mxi_erf(double x) {
  double a = mxi_abs(x);
  if (!(a > 0.9)) return mxi_erf_near(x);
  return mxi_copysign(a > 6 ? 1.0 : 1 - mxi_erfc_far(a), x);
}
/* erf(y) = x by Newton's method with Halley's correction, as on the CPU (cpu/kernels/tiles_f64.c). */
MXI_DEVICE_CALLED double mxi_erfinv(double x) {
  double p = mxi_abs(x);
  if (!(p < 1)) return p == 1 ? x * mxi_infinity(x) : mxi_nan(x);
  if (p < 1e-150) return x * 0.88622692545275801365;
  double q = 1 - p, w = -mxi_log(q * (1 + p));
  if (w < 0) w = 0;
  double shift = 2 / (0x1.921fb54442d18p+1 * 0.147) - w / 2;
  double y = mxi_sqrt(mxi_sqrt(shift * shift + w / 0.147) - shift);
  for (int step = 0; step < 4; step++) {
    double excess = p > 0.5 ? q - mxi_erfc_far(y) : mxi_erf_near(y) - p;
    double newton = excess / (1.1283791670955125739 * mxi_exp(-y * y));
    y -= newton / (1 + y * newton);
  }
  return mxi_copysign(y, x);
}

/* ---- Floats ---- */
/* p * 2^k for |k| < 252, rounded once where the result is subnormal. */
MXI_DEVICE float mxi_scale(float p, int k) {
  int half = k >> 1;
  return p * mxi_float_of_bits((uint32_t)(half + 127) << 23) *
         mxi_float_of_bits((uint32_t)(k - half + 127) << 23);
}
/* Added to a float below 2^22, leaves its nearest integer in the low bits of the sum. */
#define MXI_TO_INTEGER 0x1.8p23f
MXI_DEVICE int mxi_low_integer(float sum) { return (int)(mxi_bits(sum) - mxi_bits(MXI_TO_INTEGER)); }
/* (e^r - 1 - r) / r^2 for |r| <= ln2/2, error 1.4e-9 */
MXI_DEVICE float mxi_exp_rest(float r) {
  return mxi_series(r, 0x1.000000p-1f, 0x1.555556p-3f, 0x1.5554e8p-5f, 0x1.1110e0p-7f, 0x1.6d43b0p-10f,
                    0x1.a1256cp-13f);
}
MXI_DEVICE float mxi_exp(float x) {
  float c = mxi_clamp(x, -104.0f, 89.0f), t = mxi_fma(c, 0x1.715476p+0f, MXI_TO_INTEGER),
        n = t - MXI_TO_INTEGER;
  float r = mxi_fma(n, -0x1.62e4p-1f, c);
  r = mxi_fma(n, -0x1.7f7d1cp-20f, r);
  return mxi_scale(mxi_fma(r * r, mxi_exp_rest(r), r) + 1, mxi_low_integer(t));
}
MXI_DEVICE float mxi_expm1(float x) {
  float c = mxi_clamp(x, -25.0f, 89.0f), t = mxi_fma(c, 0x1.715476p+0f, MXI_TO_INTEGER),
        n = t - MXI_TO_INTEGER;
  int k = mxi_low_integer(t);
  float near = mxi_fma(n, -0x1.62e4p-1f, c), r = mxi_fma(n, -0x1.7f7d1cp-20f, near);
  float lost = mxi_fma(n, -0x1.7f7d1cp-20f, near - r);
  float h = 1 - mxi_scale(1.0f, -k), sum = h + r;
  lost += r - (sum - h);
  return mxi_copysign(mxi_scale(sum + mxi_fma(r * r, mxi_exp_rest(r), lost), k), x);
}
MXI_DEVICE float mxi_sigmoid(float x) {
  float e = mxi_exp(-mxi_abs(x)), sum = 1 + e, lost = e - (sum - 1);
  float y = (x < 0 ? e : 1.0f) / sum;
  return y - y * lost * (x < 0 ? 1 - y : y);
}
/* For |x| <= 0.55. */
MXI_DEVICE float mxi_tanh_near(float x) {
  float z = x * x;
  /* (tanh(x) / x - 1) / x^2, error 1.3e-8 */
  float p = mxi_series(z, -0x1.555554p-2f, 0x1.110feap-3f, -0x1.b9a044p-5f, 0x1.5d220ep-6f, -0x1.b13538p-8f);
  return mxi_fma(x * z, p, x);
}
MXI_DEVICE float mxi_tanh(float x) {
  float a = mxi_abs(x), far = 1 - 2 / (mxi_exp(a + a) + 1);
  return mxi_copysign(a < 0.55f ? mxi_tanh_near(x) : far, x);
}
MXI_DEVICE float mxi_erf(float x) {
  float a = mxi_abs(x), z = x * x;
  a = 3.95f < a ? 3.95f : a;
  /* erf(x) / x - 1 for |x| <= 0.9, error 1.2e-8 */
  float p = mxi_series(z, 0x1.06eba6p-3f, -0x1.8126fcp-2f, 0x1.ce1e62p-4f, -0x1.b6c67ap-6f, 0x1.48a116p-8f,
                       -0x1.3ff4e0p-11f);
  /* log2 erfc(x) for 0.9 <= x <= 3.95, error 2.3e-8 */
  float q = mxi_series(a, 0x1.e8e842p-12f, -0x1.a16f96p+0f, -0x1.d2ac80p-1f, -0x1.45638ap-3f, 0x1.38a360p-5f,
                       -0x1.c339f2p-8f, 0x1.c5b9fcp-11f, -0x1.191af8p-14f, 0x1.4138d0p-19f);
  float t = q + MXI_TO_INTEGER, r = q - (t - MXI_TO_INTEGER);
  /* 2^r for |r| <= 1/2, error 8e-8 (times erfc <= 0.21) */
  float e = mxi_series(r, 0x1.000002p+0f, 0x1.62e430p-1f, 0x1.ebf906p-3f, 0x1.c6af6cp-5f, 0x1.3d1070p-7f,
                       0x1.5f0890p-10f);
  float far = 1 - mxi_float_of_bits(mxi_bits(e) + (mxi_bits(t) << 23));
  return a >= 0.9f ? mxi_copysign(far, x) : mxi_fma(x, p, x);
}
/* ln u for normal u > 0, and for u / 2^shift */
MXI_DEVICE float mxi_log_normal(float u, int shift) {
  int e = (int)(mxi_bits(u) - 0x3f3504f3u) >> 23;
  float f = mxi_float_of_bits(mxi_bits(u) - ((uint32_t)e << 23)) - 1, z = f * f, k = (float)(e - shift);
  /* (ln(1 + f) - f + f^2/2) / f^3, error 3e-8 (times f^3 <= 0.07) */
  float q = mxi_series(f, 0x1.555554p-2f, -0x1.fffffcp-3f, 0x1.999d5ap-3f, -0x1.555b4ap-3f, 0x1.23d21ap-3f,
                       -0x1.fcf4c6p-4f, 0x1.dea282p-4f, -0x1.d635bcp-4f, 0x1.1d8ea6p-4f);
  float low = mxi_fma(k, 0x1.7f7d1cp-20f, mxi_fma(z, -0.5f, f * z * q));
  return mxi_fma(k, 0x1.62e4p-1f, f + low);
}
MXI_DEVICE float mxi_log(float x) {
  bool tiny = x < 0x1p-126f;
  float y = mxi_log_normal(tiny ? x * 0x1p23f : x, tiny ? 23 : 0);
  if (!(x < mxi_infinity(x))) y = x;
  if (x == 0) y = -mxi_infinity(x);
  return x < 0 ? mxi_nan(x) : y;
}
MXI_DEVICE float mxi_erfinv(float x) {
  float t = mxi_fma(-x, x, 1.0f), w = -mxi_log_normal(t, 0);
  /* erfinv(x) / x - 1/2, error 6e-9 */
  float p =
      mxi_series(w, 0x1.c5bf88p-1f - 0.5f, 0x1.db2a1p-3f, 0x1.7a6d22p-7f, -0x1.31f6p-9f, -0x1.0b58e2p-13f,
                 0x1.75d666p-15f, 0x1.0b5146p-18f, -0x1.09475ep-19f, 0x1.daa9fp-23f, -0x1.2e0f64p-27f);
  if (t < 0x1.b993fep-8f) { /* e^-5 */
    if (!(mxi_abs(x) < 1)) return mxi_abs(x) == 1 ? x * mxi_infinity(x) : mxi_nan(x);
    /* the same by sqrt(w) in [2.2, 4.1], error 1.2e-8 */
    p = mxi_series(mxi_sqrt(w) - 3.2f, 0x1.844e34p+1f - 0.5f, 0x1.01338ap+0f, 0x1.879308p-8f, -0x1.19aa94p-8f,
                   0x1.807a24p-9f, -0x1.02ef28p-9f, 0x1.2ac45ap-10f, -0x1.984902p-12f, -0x1.b1a402p-14f,
                   0x1.ec2ddep-14f);
  }
  return mxi_fma(x, p, x * 0.5f);
}
MXI_DEVICE float mxi_sine_ahead(float x, uint32_t turns) {
  uint32_t quadrant;
  float r = (float)mxi_trig_reduce_f64((double)x, &quadrant), z = r * r;
  quadrant += turns;
  /* (sin(r) - r) / r^3 error 2e-8, (cos(r) - 1 + r^2/2) / r^4 error 2e-9 */
  float s = mxi_fma(r * z, mxi_series(z, -0x1.555552p-3f, 0x1.110bf6p-7f, -0x1.9aae86p-13f), r);
  float c = mxi_series(z, 0x1.555554p-5f, -0x1.6c12aap-10f, 0x1.9bc2d4p-16f);
  c = mxi_fma(z * z, c, mxi_fma(z, -0.5f, 1.0f));
  return mxi_float_of_bits(mxi_bits(quadrant & 1 ? c : s) ^ (quadrant & 2) << 30);
}
MXI_DEVICE_CALLED float mxi_far_sine(float x, uint32_t turns) {
  return (float)mxi_sine_ahead((double)x, turns);
}
MXI_DEVICE_CALLED float mxi_far_tangent(float x) { return (float)mxi_tan((double)x); }
MXI_DEVICE float mxi_sin(float x) {
  if (mxi_abs(x) > MXI_TRIG_LIMIT) return mxi_far_sine(x, 0);
  return x == 0 ? x : mxi_sine_ahead(x, 0);
}
MXI_DEVICE float mxi_cos(float x) {
  return mxi_abs(x) > MXI_TRIG_LIMIT ? mxi_far_sine(x, 1) : mxi_sine_ahead(x, 1);
}
MXI_DEVICE float mxi_tan(float x) {
  return mxi_abs(x) > MXI_TRIG_LIMIT ? mxi_far_tangent(x) : (float)mxi_tan_f64(x);
}
MXI_DEVICE float mxi_log2(float x) { return (float)(mxi_log_f64(x) * 0x1.71547652b82fep+0); }
MXI_DEVICE float mxi_log10(float x) { return (float)(mxi_log_f64(x) * 0x1.bcb7b1526e50ep-2); }
MXI_DEVICE float mxi_log1p(float x) { return (float)mxi_log1p_f64(x); }
MXI_DEVICE float mxi_sinh(float x) { return (float)mxi_sinh_f64(x); }
MXI_DEVICE float mxi_cosh(float x) { return (float)mxi_cosh_f64(x); }
MXI_DEVICE float mxi_arcsin(float x) { return (float)mxi_arcsin_f64(x); }
MXI_DEVICE float mxi_arccos(float x) { return (float)mxi_arccos_f64(x); }
MXI_DEVICE float mxi_arctan(float x) { return (float)mxi_arctan_f64(x); }
MXI_DEVICE float mxi_arcsinh(float x) { return (float)mxi_arcsinh_f64(x); }
MXI_DEVICE float mxi_arccosh(float x) { return (float)mxi_arccosh_f64(x); }
MXI_DEVICE float mxi_arctanh(float x) { return (float)mxi_arctanh_f64(x); }
MXI_DEVICE float mxi_power(float x, float y) { return (float)mxi_power_f64(x, y); }
MXI_DEVICE float mxi_arctan2(float y, float x) { return (float)mxi_arctan2_f64(y, x); }
MXI_DEVICE float mxi_logaddexp(float a, float b) { return (float)mxi_logaddexp_f64(a, b); }

/* ---- Quotients ---- */
MXI_DEVICE float mxi_rsqrt(float x) { return 1 / mxi_sqrt(x); }
MXI_DEVICE double mxi_rsqrt(double x) { return 1 / mxi_sqrt(x); }
/* What is left of x after whole y's are taken off, exactly, with the sign of x: digits of the quotient, as
   many at once as a word has room for. */
MXI_DEVICE_CALLED double mxi_remainder_by_digits(double x, double y) {
  double a = mxi_abs(x), b = mxi_abs(y);
  if (!(a < mxi_infinity(a)) || b == 0 || b != b) return mxi_nan(x);
  if (a < b) return x;
  int ea = (int)(mxi_bits(a) >> 52), eb = (int)(mxi_bits(b) >> 52);
  uint64_t ma = mxi_bits(a) & 0xfffffffffffffull, mb = mxi_bits(b) & 0xfffffffffffffull;
  if (ea) ma |= 1ull << 52;
  if (eb) mb |= 1ull << 52;
  if (!ea) ea = 1;
  if (!eb) eb = 1;
  uint64_t r = ma % mb;
  for (int left = ea - eb; left > 0 && r; left -= 11) r = (r << (left < 11 ? left : 11)) % mb;
  return mxi_copysign(mxi_scale(mxi_double_of_bits(r), eb - 1), x); /* r units of 2^-1074 */
}
/* The remainder with the divisor's sign. While |x / y| < `exact`, q = trunc(x / y), rounded, is at most one
   too far from zero, and x - q y is exact (cpu/kernels/tiles_f32.c). */
template <class T> MXI_DEVICE T mxi_remainder_within(T x, T y, T exact) {
  T q = mxi_trunc(x / y), r;
  if (mxi_abs(q) < exact && mxi_abs(y) < mxi_infinity(y)) {
    r = mxi_fma(-q, y, x);
    if (r == 0) return mxi_copysign(r, x);
  } else {
    r = (T)mxi_remainder_by_digits((double)x, (double)y);
    if (r == 0) return r;
  }
  return mxi_negative_bit(r) != mxi_negative_bit(y) ? r + y : r;
}
MXI_DEVICE float mxi_remainder(float x, float y) { return mxi_remainder_within(x, y, 0x1p22f); }
MXI_DEVICE double mxi_remainder(double x, double y) { return mxi_remainder_within(x, y, 0x1p51); }
#endif
