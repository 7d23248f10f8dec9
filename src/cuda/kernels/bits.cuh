/* What the device headers are written with: numbers as bits, and the operations that IEEE 754 defines to the
   last bit. Results are the same on the device and in the emulation. */
#ifndef MXI_CUDA_KERNELS_BITS_CUH
#define MXI_CUDA_KERNELS_BITS_CUH
#include "cuda/kernels/kernel.cuh"

/* A function that is called, not inlined: for what is long and rare. */
#define MXI_DEVICE_CALLED static __device__ __noinline__

MXI_DEVICE uint32_t mxi_bits(float x) { return __float_as_uint(x); }
MXI_DEVICE uint64_t mxi_bits(double x) { return (uint64_t)__double_as_longlong(x); }
MXI_DEVICE float mxi_float_of_bits(uint32_t u) { return __uint_as_float(u); }
MXI_DEVICE double mxi_double_of_bits(uint64_t u) { return __longlong_as_double((long long)u); }
MXI_DEVICE float mxi_fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
MXI_DEVICE double mxi_fma(double a, double b, double c) { return __fma_rn(a, b, c); }
MXI_DEVICE float mxi_sqrt(float x) { return __fsqrt_rn(x); }
MXI_DEVICE double mxi_sqrt(double x) { return __dsqrt_rn(x); }
MXI_DEVICE float mxi_floor(float x) { return floorf(x); }
MXI_DEVICE double mxi_floor(double x) { return floor(x); }
MXI_DEVICE float mxi_ceil(float x) { return ceilf(x); }
MXI_DEVICE double mxi_ceil(double x) { return ceil(x); }
MXI_DEVICE float mxi_rint(float x) { return rintf(x); }
MXI_DEVICE double mxi_rint(double x) { return rint(x); }
MXI_DEVICE float mxi_trunc(float x) { return truncf(x); }
MXI_DEVICE double mxi_trunc(double x) { return trunc(x); }
MXI_DEVICE int mxi_leading_zeros(uint64_t x) { return __clzll((long long)x); }
/* The upper half of the product. */
MXI_DEVICE uint64_t mxi_multiply_high(uint64_t a, uint64_t b) { return __umul64hi(a, b); }

MXI_DEVICE float mxi_infinity(float) { return mxi_float_of_bits(0x7f800000u); }
MXI_DEVICE double mxi_infinity(double) { return mxi_double_of_bits(0x7ff0000000000000ull); }
MXI_DEVICE float mxi_nan(float) { return mxi_float_of_bits(0x7fc00000u); }
MXI_DEVICE double mxi_nan(double) { return mxi_double_of_bits(0x7ff8000000000000ull); }
MXI_DEVICE float mxi_abs(float x) { return mxi_float_of_bits(mxi_bits(x) & 0x7fffffffu); }
MXI_DEVICE double mxi_abs(double x) { return mxi_double_of_bits(mxi_bits(x) & 0x7fffffffffffffffull); }
MXI_DEVICE bool mxi_negative_bit(float x) { return mxi_bits(x) >> 31; }
MXI_DEVICE bool mxi_negative_bit(double x) { return mxi_bits(x) >> 63; }
MXI_DEVICE float mxi_copysign(float magnitude, float sign) {
  return mxi_float_of_bits((mxi_bits(magnitude) & 0x7fffffffu) | (mxi_bits(sign) & 0x80000000u));
}
MXI_DEVICE double mxi_copysign(double magnitude, double sign) {
  return mxi_double_of_bits((mxi_bits(magnitude) & 0x7fffffffffffffffull) |
                            (mxi_bits(sign) & 0x8000000000000000ull));
}
/* NaN stays NaN. */
template <class T> MXI_DEVICE T mxi_clamp(T x, T low, T high) {
  x = low > x ? low : x;
  return high < x ? high : x;
}
/* c[0] + c[1] x + ... + c[n-1] x^(n-1), each step rounded once. */
template <class T, class... C> MXI_DEVICE T mxi_series(T x, T first, C... rest) {
  if constexpr (sizeof...(rest) == 0)
    return first;
  else
    return mxi_fma(mxi_series(x, rest...), x, first);
}
/* The same, each product and each sum rounded. */
template <class T, class... C> MXI_DEVICE T mxi_series_rounded(T x, T first, C... rest) {
  if constexpr (sizeof...(rest) == 0)
    return first;
  else
    return mxi_series_rounded(x, rest...) * x + first;
}
#endif
