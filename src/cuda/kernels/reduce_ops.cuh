/* What reductions and scans combine by, on accumulators: halves are combined as floats, small integers of
   sums and products as uint32_t. combine(earlier, later). NaN, once met, stays; the first of equals stays.
   Complex numbers are ordered by real, then imaginary part; NaN in either part makes the whole a NaN. */
#ifndef MXI_CUDA_KERNELS_REDUCE_OPS_CUH
#define MXI_CUDA_KERNELS_REDUCE_OPS_CUH
#include "cuda/kernels/complex.cuh"
#include "cuda/kernels/half.cuh"

/* ---- Dtypes ---- */
template <class T> struct mxi_widened { typedef T type; };
template <> struct mxi_widened<mxi_bf16> { typedef float type; };
template <> struct mxi_widened<mxi_f16> { typedef float type; };
/* Of sums and products. */
template <class T> struct mxi_summed { typedef typename mxi_widened<T>::type type; };
template <> struct mxi_summed<uint8_t> { typedef uint32_t type; };
template <> struct mxi_summed<uint16_t> { typedef uint32_t type; };

template <class T> struct mxi_convert {
  template <class FROM> static __device__ __forceinline__ T of(FROM x) { return static_cast<T>(x); }
};
template <> struct mxi_convert<float> {
  template <class FROM> static __device__ __forceinline__ float of(FROM x) { return mxi_to_float(x); }
};
template <> struct mxi_convert<mxi_bf16> {
  static __device__ __forceinline__ mxi_bf16 of(float x) { return mxi_to_bf16(x); }
};
template <> struct mxi_convert<mxi_f16> {
  static __device__ __forceinline__ mxi_f16 of(float x) { return mxi_to_f16(x); }
};
template <> struct mxi_convert<mxi_c64> {
  static __device__ __forceinline__ mxi_c64 of(mxi_c64 x) { return x; }
};

/* The least and the largest value of a dtype. */
template <class T> struct mxi_range {
  enum { is_signed = T(-1) < T(0) };
  static __device__ __forceinline__ T least() {
    return is_signed ? static_cast<T>(T(1) << (8 * sizeof(T) - 1)) : T(0);
  }
  static __device__ __forceinline__ T largest() { return static_cast<T>(~least()); }
};
template <> struct mxi_range<float> {
  static __device__ __forceinline__ float largest() { return mxi_infinity(0.0f); }
  static __device__ __forceinline__ float least() { return -mxi_infinity(0.0f); }
};
template <> struct mxi_range<double> {
  static __device__ __forceinline__ double largest() { return mxi_infinity(0.0); }
  static __device__ __forceinline__ double least() { return -mxi_infinity(0.0); }
};
template <> struct mxi_range<mxi_c64> {
  static __device__ __forceinline__ mxi_c64 largest() {
    return mxi_complex(mxi_infinity(0.0f), mxi_infinity(0.0f));
  }
  static __device__ __forceinline__ mxi_c64 least() {
    return mxi_complex(-mxi_infinity(0.0f), -mxi_infinity(0.0f));
  }
};

/* ---- Order ---- */
template <class T> MXI_DEVICE bool mxi_unordered(T) { return false; }
MXI_DEVICE bool mxi_unordered(float x) { return x != x; }
MXI_DEVICE bool mxi_unordered(double x) { return x != x; }
MXI_DEVICE bool mxi_unordered(mxi_c64 x) { return mxi_is_nan(x); }
template <class T> MXI_DEVICE bool mxi_below(T a, T b) { return a < b; }
MXI_DEVICE bool mxi_below(mxi_c64 a, mxi_c64 b) { return mxi_before(a, b); }
/* Does x take the place of the best so far? */
template <class T> MXI_DEVICE bool mxi_less(T x, T best) {
  return !mxi_unordered(best) && (mxi_unordered(x) || mxi_below(x, best));
}
template <class T> MXI_DEVICE bool mxi_greater(T x, T best) {
  return !mxi_unordered(best) && (mxi_unordered(x) || mxi_below(best, x));
}

/* ---- Operations ---- */
template <class T> MXI_DEVICE T mxi_one(T) { return 1; }
MXI_DEVICE mxi_c64 mxi_one(mxi_c64) { return mxi_complex(1, 0); }
struct mxi_sum {
  template <class T> using acc = typename mxi_summed<T>::type;
  template <class T> static __device__ __forceinline__ T identity() { return T(); }
  template <class T> static __device__ __forceinline__ T combine(T a, T b) { return a + b; }
};
struct mxi_product {
  template <class T> using acc = typename mxi_summed<T>::type;
  template <class T> static __device__ __forceinline__ T identity() { return mxi_one(T()); }
  template <class T> static __device__ __forceinline__ T combine(T a, T b) { return a * b; }
  static __device__ __forceinline__ mxi_c64 combine(mxi_c64 a, mxi_c64 b) {
    return mxi_complex(a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re);
  }
};
struct mxi_least {
  template <class T> using acc = typename mxi_widened<T>::type;
  template <class T> static __device__ __forceinline__ T identity() { return mxi_range<T>::largest(); }
  template <class T> static __device__ __forceinline__ bool before(T a, T b) { return mxi_less(a, b); }
  template <class T> static __device__ __forceinline__ T combine(T a, T b) { return before(b, a) ? b : a; }
};
struct mxi_greatest {
  template <class T> using acc = typename mxi_widened<T>::type;
  template <class T> static __device__ __forceinline__ T identity() { return mxi_range<T>::least(); }
  template <class T> static __device__ __forceinline__ bool before(T a, T b) { return mxi_greater(a, b); }
  template <class T> static __device__ __forceinline__ T combine(T a, T b) { return before(b, a) ? b : a; }
};
#endif
