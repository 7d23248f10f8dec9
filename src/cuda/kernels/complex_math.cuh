/* Elementary functions of complex64, through doubles, where nothing overflows and cancellation leaves digits
   enough: each part within 4 ulp of the larger one, with C99 Annex G's answers for zeros, infinities and NaN.
   They are long, so they are called, not inlined. */
#ifndef MXI_CUDA_KERNELS_COMPLEX_MATH_CUH
#define MXI_CUDA_KERNELS_COMPLEX_MATH_CUH
#include "cuda/kernels/complex.cuh"
#include "cuda/kernels/math.cuh"

struct mxi_c128 {
  double re, im;
};
#define MXI_PI 0x1.921fb54442d18p+1
MXI_DEVICE bool mxi_finite(double x) { return mxi_abs(x) < mxi_infinity(x); }
MXI_DEVICE bool mxi_infinite(double x) { return mxi_abs(x) == mxi_infinity(x); }
MXI_DEVICE mxi_c128 mxi_wide(mxi_c64 z) { return {z.re, z.im}; }
MXI_DEVICE mxi_c64 mxi_narrow(mxi_c128 z) { return {(float)z.re, (float)z.im}; }
/* i z and -i z */
MXI_DEVICE mxi_c128 mxi_times_i(mxi_c128 z) { return {-z.im, z.re}; }
MXI_DEVICE mxi_c128 mxi_over_i(mxi_c128 z) { return {z.im, -z.re}; }

MXI_DEVICE double mxi_modulus(mxi_c128 z) {
  if (mxi_infinite(z.re) || mxi_infinite(z.im)) return mxi_infinity(z.re);
  return mxi_sqrt(z.re * z.re + z.im * z.im);
}
MXI_DEVICE mxi_c128 mxi_sqrt(mxi_c128 z) {
  if (mxi_infinite(z.im)) return {mxi_infinity(z.re), z.im};
  if (mxi_infinite(z.re)) {
    double zero = z.im != z.im ? z.im : mxi_copysign(0.0, z.im);
    return z.re > 0 ? mxi_c128{z.re, zero} : mxi_c128{mxi_abs(zero), mxi_copysign(z.re, z.im)};
  }
  if (z.re == 0 && z.im == 0) return {0, z.im};
  double t = mxi_sqrt((mxi_abs(z.re) + mxi_modulus(z)) * 0.5), u = mxi_abs(z.im) / (t + t);
  return z.re >= 0 ? mxi_c128{t, mxi_copysign(u, z.im)}
                   : mxi_c128{z.re != z.re ? z.re : u, mxi_copysign(t, z.im)};
}
MXI_DEVICE_CALLED mxi_c128 mxi_exp(mxi_c128 z) {
  double e = mxi_exp(z.re);
  if (z.im == 0) return {e, z.im};
  if (!mxi_finite(z.im) && mxi_infinite(z.re))
    return z.re > 0 ? mxi_c128{z.re, z.im - z.im} : mxi_c128{0, mxi_copysign(0.0, z.im)};
  return {e * mxi_cos(z.im), e * mxi_sin(z.im)};
}
/* ln|z|; near one from |z|^2 - 1, of whose terms the squares are exact. */
MXI_DEVICE_CALLED mxi_c128 mxi_log(mxi_c128 z) {
  double a = mxi_abs(z.re), b = mxi_abs(z.im), high = a > b ? a : b, low = a > b ? b : a,
         size = a * a + b * b;
  double length = size > 0.5 && size < 2 ? mxi_log1p((high * high - 1) + low * low) : mxi_log(size);
  if (mxi_infinite(z.re) || mxi_infinite(z.im)) length = mxi_infinity(a);
  return {0.5 * length, mxi_arctan2(z.im, z.re)};
}
MXI_DEVICE_CALLED mxi_c128 mxi_log1p(mxi_c128 z) {
  if (!mxi_finite(z.re) || !mxi_finite(z.im) || mxi_abs(z.re) + mxi_abs(z.im) > 4)
    return mxi_log({1 + z.re, z.im});
  double excess = z.re * (2 + z.re) + z.im * z.im; /* over 1, of |1 + z|^2 */
  double length = excess < -0.5 ? mxi_log((1 + z.re) * (1 + z.re) + z.im * z.im) : mxi_log1p(excess);
  return {0.5 * length, mxi_arctan2(z.im, 1 + z.re)};
}
MXI_DEVICE_CALLED mxi_c128 mxi_sinh(mxi_c128 z) {
  double s = mxi_sinh(z.re);
  if (z.im == 0) return {s, z.im};
  if (!mxi_finite(z.im)) {
    double none = z.im - z.im;
    return {z.re == 0 || mxi_infinite(z.re) ? z.re : none, none};
  }
  return {s * mxi_cos(z.im), mxi_cosh(z.re) * mxi_sin(z.im)};
}
MXI_DEVICE_CALLED mxi_c128 mxi_cosh(mxi_c128 z) {
  double c = mxi_cosh(z.re);
  if (z.im == 0) return {c, z.im * mxi_copysign(1.0, z.re)};
  if (!mxi_finite(z.im)) {
    double none = z.im - z.im;
    return {mxi_infinite(z.re) ? mxi_abs(z.re) : none, z.re == 0 ? 0 : none};
  }
  double s = z.re == 0 ? z.re : mxi_sinh(z.re);
  return {c * mxi_cos(z.im), s * mxi_sin(z.im)};
}
MXI_DEVICE_CALLED mxi_c128 mxi_tanh(mxi_c128 z) {
  if (z.im == 0) return {mxi_tanh(z.re), z.im};
  if (mxi_infinite(z.re) || (mxi_abs(z.re) > 200 && mxi_finite(z.im))) {
    double turn = mxi_finite(z.im) ? mxi_sin(z.im) * mxi_cos(z.im) : z.im;
    return {mxi_copysign(1.0, z.re), mxi_copysign(0.0, turn)};
  }
  if (!mxi_finite(z.im)) return {z.re == 0 ? z.re : z.im - z.im, z.im - z.im};
  double sine = mxi_sin(z.im), cosine = mxi_cos(z.im), s = mxi_sinh(z.re), c = mxi_cosh(z.re);
  double size = s * s + cosine * cosine;
  return {s * c / size, sine * cosine / size};
}
/* W. Kahan's formulas ("Branch cuts for complex elementary functions", 1987). With p = sqrt(1 - z), q =
   sqrt(1 + z): asin z = atan(re z / re(p q)) + i asinh(im(conj(p) q)). */
MXI_DEVICE_CALLED mxi_c128 mxi_arcsin(mxi_c128 z) {
  if (mxi_infinite(z.im)) /* as asinh has it, turned */
    return {z.re != z.re ? z.re : mxi_copysign(mxi_infinite(z.re) ? MXI_PI / 4 : 0.0, z.re), z.im};
  if (mxi_infinite(z.re))
    return {z.im != z.im ? z.im : mxi_copysign(MXI_PI / 2, z.re), mxi_copysign(mxi_infinity(z.re), z.im)};
  if (z.im != z.im) return {z.re == 0 ? z.re : z.im, z.im};
  if (z.re != z.re) return {z.re, z.re};
  mxi_c128 p = mxi_sqrt(mxi_c128{1 - z.re, -z.im}), q = mxi_sqrt(mxi_c128{1 + z.re, z.im});
  double turn = mxi_arctan2(mxi_abs(z.re), p.re * q.re - p.im * q.im), y = p.re * q.im - p.im * q.re;
  return {mxi_copysign(turn, z.re), mxi_copysign(mxi_arcsinh(mxi_abs(y)), z.im)};
}
MXI_DEVICE mxi_c128 mxi_arcsinh(mxi_c128 z) { return mxi_over_i(mxi_arcsin(mxi_times_i(z))); }
/* acos z = 2 atan(re p / re q) + i asinh(im(conj(q) p)) */
MXI_DEVICE_CALLED mxi_c128 mxi_arccos(mxi_c128 z) {
  if (!mxi_finite(z.re) || !mxi_finite(z.im)) {
    mxi_c128 s = mxi_arcsin(z);
    return {MXI_PI / 2 - s.re, -s.im};
  }
  mxi_c128 p = mxi_sqrt(mxi_c128{1 - z.re, -z.im}), q = mxi_sqrt(mxi_c128{1 + z.re, z.im});
  return {2 * mxi_arctan2(p.re, q.re), mxi_copysign(mxi_arcsinh(mxi_abs(q.re * p.im - q.im * p.re)), -z.im)};
}
/* acosh z = i acos z or -i acos z, whichever has a real part that is not negative. */
MXI_DEVICE mxi_c128 mxi_arccosh(mxi_c128 z) {
  mxi_c128 c = mxi_arccos(z);
  return {mxi_abs(c.im), z.im != z.im ? c.re : mxi_copysign(c.re, z.im)};
}
MXI_DEVICE_CALLED mxi_c128 mxi_arctanh(mxi_c128 z) {
  double x = mxi_abs(z.re), y = mxi_abs(z.im);
  if (mxi_infinite(y) || (mxi_infinite(x) && y == y))
    return {mxi_copysign(0.0, z.re), mxi_copysign(MXI_PI / 2, z.im)};
  if (x != x || y != y) return {x == 0 || mxi_infinite(x) ? mxi_copysign(0.0, z.re) : mxi_nan(x), mxi_nan(x)};
  double length = 0.25 * mxi_log1p(4 * x / ((1 - x) * (1 - x) + y * y));
  double turn = 0.5 * mxi_arctan2(y + y, (1 - x) * (1 + x) - y * y);
  return {mxi_copysign(length, z.re), mxi_copysign(turn, z.im)};
}

#define MXI_COMPLEX(name) \
  MXI_DEVICE_CALLED mxi_c64 mxi_##name(mxi_c64 z) { return mxi_narrow(mxi_##name(mxi_wide(z))); }
MXI_COMPLEX(sqrt)
MXI_COMPLEX(exp)
MXI_COMPLEX(log)
MXI_COMPLEX(log1p)
MXI_COMPLEX(sinh)
MXI_COMPLEX(cosh)
MXI_COMPLEX(tanh)
MXI_COMPLEX(arcsin)
MXI_COMPLEX(arcsinh)
MXI_COMPLEX(arccos)
MXI_COMPLEX(arccosh)
MXI_COMPLEX(arctanh)
#undef MXI_COMPLEX
MXI_DEVICE mxi_c64 mxi_sin(mxi_c64 z) { return mxi_narrow(mxi_over_i(mxi_sinh(mxi_times_i(mxi_wide(z))))); }
MXI_DEVICE mxi_c64 mxi_cos(mxi_c64 z) { return mxi_narrow(mxi_cosh(mxi_times_i(mxi_wide(z)))); }
MXI_DEVICE mxi_c64 mxi_tan(mxi_c64 z) { return mxi_narrow(mxi_over_i(mxi_tanh(mxi_times_i(mxi_wide(z))))); }
MXI_DEVICE mxi_c64 mxi_arctan(mxi_c64 z) {
  return mxi_narrow(mxi_over_i(mxi_arctanh(mxi_times_i(mxi_wide(z)))));
}
MXI_DEVICE float mxi_abs(mxi_c64 z) { return (float)mxi_modulus(mxi_wide(z)); }
MXI_DEVICE mxi_c64 mxi_rsqrt(mxi_c64 z) { return mxi_complex(1, 0) / mxi_sqrt(z); }
MXI_DEVICE mxi_c64 mxi_scaled(mxi_c64 z, float factor) { return {z.re * factor, z.im * factor}; }
MXI_DEVICE mxi_c64 mxi_log2(mxi_c64 z) { return mxi_scaled(mxi_log(z), 0x1.715476p+0f); }
MXI_DEVICE mxi_c64 mxi_log10(mxi_c64 z) { return mxi_scaled(mxi_log(z), 0x1.bcb7b2p-2f); }
MXI_DEVICE mxi_c64 mxi_sign(mxi_c64 z) {
  float length = mxi_abs(z);
  return length == 0 ? mxi_complex(0, 0) : mxi_complex(z.re / length, z.im / length);
}
MXI_DEVICE mxi_c64 mxi_sigmoid(mxi_c64 z) {
  mxi_c64 e = mxi_exp(z.re >= 0 ? -z : z);
  return (z.re >= 0 ? mxi_complex(1, 0) : e) / mxi_complex(1 + e.re, e.im);
}
MXI_DEVICE mxi_c64 mxi_power(mxi_c64 x, mxi_c64 y) {
  mxi_c128 l = mxi_log(mxi_wide(x)), e = mxi_wide(y);
  return mxi_narrow(mxi_exp(mxi_c128{e.re * l.re - e.im * l.im, e.re * l.im + e.im * l.re}));
}
MXI_DEVICE mxi_c64 mxi_logaddexp(mxi_c64 x, mxi_c64 y) {
  if (mxi_is_nan(x) || mxi_is_nan(y)) return {mxi_nan(0.0f), mxi_nan(0.0f)};
  mxi_c64 high = mxi_before(y, x) ? x : y, low = mxi_before(y, x) ? y : x;
  if (high.re == mxi_infinity(0.0f) || low.re == -mxi_infinity(0.0f)) return high;
  return high + mxi_log1p(mxi_exp(low - high));
}
#endif
