/* What an update does with the element it meets: a mxi_update_mode, as the CPU's kernels/copy_update.c.
   Integers wrap; halves are computed in float and rounded each time; max and min take NaN from either side.
 */
#ifndef MXI_CUDA_KERNELS_COMBINE_CUH
#define MXI_CUDA_KERNELS_COMBINE_CUH
#include "core/reduce.h"
#include "cuda/kernels/elements.cuh"

/* Integers, float and double. Of equal elements the second. */
template <class T> MXI_DEVICE T mxi_larger(T a, T b) { return a > b || a != a ? a : b; }
template <class T> MXI_DEVICE T mxi_smaller(T a, T b) { return a < b || a != a ? a : b; }
template <class T> struct mxi_arithmetic {
  MXI_DEVICE T sum(T a, T b) { return static_cast<T>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b)); }
  MXI_DEVICE T product(T a, T b) {
    return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  }
};
template <> struct mxi_arithmetic<float> {
  MXI_DEVICE float sum(float a, float b) { return a + b; }
  MXI_DEVICE float product(float a, float b) { return a * b; }
};
template <> struct mxi_arithmetic<double> {
  MXI_DEVICE double sum(double a, double b) { return a + b; }
  MXI_DEVICE double product(double a, double b) { return a * b; }
};

template <class T> MXI_DEVICE T mxi_combine(int mode, T a, T b) {
  switch (mode) {
  case MXI_UPDATE_ADD: return mxi_arithmetic<T>::sum(a, b);
  case MXI_UPDATE_MULTIPLY: return mxi_arithmetic<T>::product(a, b);
  case MXI_UPDATE_MAXIMUM: return mxi_larger(a, b);
  case MXI_UPDATE_MINIMUM: return mxi_smaller(a, b);
  default: return b;
  }
}
template <class T> MXI_DEVICE T mxi_combine_half(int mode, T a, T b) {
  return mode == MXI_UPDATE_SET ? b : mxi_of_float<T>(mxi_combine(mode, mxi_to_float(a), mxi_to_float(b)));
}
MXI_DEVICE mxi_f16 mxi_combine(int mode, mxi_f16 a, mxi_f16 b) { return mxi_combine_half(mode, a, b); }
MXI_DEVICE mxi_bf16 mxi_combine(int mode, mxi_bf16 a, mxi_bf16 b) { return mxi_combine_half(mode, a, b); }

MXI_DEVICE bool mxi_combine(int mode, bool a, bool b) {
  switch (mode) {
  case MXI_UPDATE_ADD:
  case MXI_UPDATE_MAXIMUM: return a | b;
  case MXI_UPDATE_MULTIPLY:
  case MXI_UPDATE_MINIMUM: return a & b;
  default: return b;
  }
}

/* Ordered by real, then imaginary part; NaN, once met, stays; of equals the first. */
MXI_DEVICE mxi_c64 mxi_combine(int mode, mxi_c64 a, mxi_c64 b) {
  switch (mode) {
  case MXI_UPDATE_ADD: return a + b;
  case MXI_UPDATE_MULTIPLY: return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
  case MXI_UPDATE_MAXIMUM: return !mxi_is_nan(a) && (mxi_is_nan(b) || mxi_before(a, b)) ? b : a;
  case MXI_UPDATE_MINIMUM: return !mxi_is_nan(a) && (mxi_is_nan(b) || mxi_before(b, a)) ? b : a;
  default: return b;
  }
}

template <class T, int V>
MXI_DEVICE void mxi_combine_into(int mode, mxi_pack_of<T, V> &a, const mxi_pack_of<T, V> &b) {
#pragma unroll
  for (int i = 0; i < V; i++) a.of[i] = mxi_combine(mode, a.of[i], b.of[i]);
}
#endif
