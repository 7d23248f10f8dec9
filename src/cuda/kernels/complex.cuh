/* complex64: two floats, with C's arithmetic (Annex G): a product or quotient of infinities is one.
   Elementary functions of complex numbers are in complex_math.cuh. */
#ifndef MXI_CUDA_KERNELS_COMPLEX_CUH
#define MXI_CUDA_KERNELS_COMPLEX_CUH
#include "cuda/kernels/bits.cuh"

struct alignas(8) mxi_c64 {
  float re, im;
};
MXI_DEVICE mxi_c64 mxi_complex(float re, float im) { return {re, im}; }
MXI_DEVICE mxi_c64 operator+(mxi_c64 a, mxi_c64 b) { return {a.re + b.re, a.im + b.im}; }
MXI_DEVICE mxi_c64 operator-(mxi_c64 a, mxi_c64 b) { return {a.re - b.re, a.im - b.im}; }
MXI_DEVICE mxi_c64 operator-(mxi_c64 a) { return {-a.re, -a.im}; }
MXI_DEVICE bool mxi_is_nan(mxi_c64 a) { return a.re != a.re || a.im != a.im; }
MXI_DEVICE bool mxi_is_inf(mxi_c64 a) {
  return mxi_abs(a.re) == mxi_infinity(0.0f) || mxi_abs(a.im) == mxi_infinity(0.0f);
}
MXI_DEVICE bool mxi_is_finite(mxi_c64 a) {
  return mxi_abs(a.re) < mxi_infinity(0.0f) && mxi_abs(a.im) < mxi_infinity(0.0f);
}
MXI_DEVICE bool operator==(mxi_c64 a, mxi_c64 b) { return a.re == b.re && a.im == b.im; }
/* Order is lexicographic, as NumPy's. */
MXI_DEVICE bool mxi_before(mxi_c64 a, mxi_c64 b) { return a.re < b.re || (a.re == b.re && a.im < b.im); }
MXI_DEVICE bool mxi_not_after(mxi_c64 a, mxi_c64 b) { return a.re < b.re || (a.re == b.re && a.im <= b.im); }
MXI_DEVICE bool mxi_nonzero(mxi_c64 a) { return a.re != 0 || a.im != 0; }

/* The factor as it counts for infinite products: 1 or 0 with its sign. */
MXI_DEVICE float mxi_boxed(float x) {
  return mxi_copysign(mxi_abs(x) == mxi_infinity(0.0f) ? 1.0f : 0.0f, x);
}
MXI_DEVICE float mxi_zero_if_nan(float x) { return x != x ? mxi_copysign(0.0f, x) : x; }

/* The product where both parts came out NaN. */
MXI_DEVICE_CALLED mxi_c64 mxi_infinite_product(float a, float b, float c, float d, mxi_c64 product) {
  const float infinity = mxi_infinity(0.0f);
  bool recover = false;
  if (mxi_abs(a) == infinity || mxi_abs(b) == infinity) {
    a = mxi_boxed(a), b = mxi_boxed(b), c = mxi_zero_if_nan(c), d = mxi_zero_if_nan(d);
    recover = true;
  }
  if (mxi_abs(c) == infinity || mxi_abs(d) == infinity) {
    c = mxi_boxed(c), d = mxi_boxed(d), a = mxi_zero_if_nan(a), b = mxi_zero_if_nan(b);
    recover = true;
  }
  if (!recover && (mxi_abs(a * c) == infinity || mxi_abs(b * d) == infinity || mxi_abs(a * d) == infinity ||
                   mxi_abs(b * c) == infinity)) {
    a = mxi_zero_if_nan(a), b = mxi_zero_if_nan(b), c = mxi_zero_if_nan(c), d = mxi_zero_if_nan(d);
    recover = true;
  }
  return recover ? mxi_complex(infinity * (a * c - b * d), infinity * (a * d + b * c)) : product;
}
MXI_DEVICE mxi_c64 operator*(mxi_c64 x, mxi_c64 y) {
  mxi_c64 z = {x.re * y.re - x.im * y.im, x.re * y.im + x.im * y.re};
  return z.re != z.re && z.im != z.im ? mxi_infinite_product(x.re, x.im, y.re, y.im, z) : z;
}
/* In double, which neither overflows nor loses what counts. */
MXI_DEVICE_CALLED mxi_c64 mxi_quotient(mxi_c64 x, mxi_c64 y) {
  const float infinity = mxi_infinity(0.0f);
  double a = x.re, b = x.im, c = y.re, d = y.im, size = c * c + d * d;
  mxi_c64 q = {(float)((a * c + b * d) / size), (float)((b * c - a * d) / size)};
  if (!(q.re != q.re && q.im != q.im)) return q;
  if (size == 0 && (x.re == x.re || x.im == x.im)) {
    float signed_infinity = mxi_copysign(infinity, y.re);
    return {signed_infinity * x.re, signed_infinity * x.im};
  }
  if (mxi_is_inf(x) && mxi_is_finite(y)) {
    float u = mxi_boxed(x.re), v = mxi_boxed(x.im);
    return {infinity * (u * y.re + v * y.im), infinity * (v * y.re - u * y.im)};
  }
  if (mxi_is_inf(y) && mxi_is_finite(x)) {
    float u = mxi_boxed(y.re), v = mxi_boxed(y.im);
    return {0.0f * (x.re * u + x.im * v), 0.0f * (x.im * u - x.re * v)};
  }
  return q;
}
MXI_DEVICE mxi_c64 operator/(mxi_c64 x, mxi_c64 y) { return mxi_quotient(x, y); }
#endif
