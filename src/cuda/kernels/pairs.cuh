/* Values of two neighbouring elements, as programs compute with them: halves stay together in a word.

   Sums and products of pairs of halves are the hardware's own. They have the bits of the float operation
   rounded to the half: float has 24 digits, no less than 2 * 11 + 2, so that rounding twice is rounding once
   (S. Figueroa, "When is double rounding innocuous?", 1995); and below the normal halves sums are exact in
   float, and products near half of the least bfloat16 too. */
#ifndef MXI_CUDA_KERNELS_PAIRS_CUH
#define MXI_CUDA_KERNELS_PAIRS_CUH
#include "cuda/kernels/half.cuh"

template <class T> struct mxi_two {
  T a, b;
  MXI_DEVICE mxi_two of(T first, T second) { return {first, second}; }
  __device__ __forceinline__ T first() const { return a; }
  __device__ __forceinline__ T second() const { return b; }
  __device__ __forceinline__ T first_stored() const { return a; }
  __device__ __forceinline__ T second_stored() const { return b; }
};
/* Of halves: computed with as floats, and rounded when they are made of floats. */
template <class T> struct mxi_two_halves {
  uint32_t word; /* the first in its low half */
  MXI_DEVICE mxi_two<T> of(float first, float second) { return {{mxi_pack<T>(first, second)}}; }
  MXI_DEVICE mxi_two<T> of(T first, T second) {
    return {{(uint32_t)first.bits | (uint32_t)second.bits << 16}};
  }
  __device__ __forceinline__ T first_stored() const { return {(uint16_t)word}; }
  __device__ __forceinline__ T second_stored() const { return {(uint16_t)(word >> 16)}; }
  __device__ __forceinline__ float first() const { return mxi_to_float(first_stored()); }
  __device__ __forceinline__ float second() const { return mxi_to_float(second_stored()); }
};
template <> struct mxi_two<mxi_bf16> : mxi_two_halves<mxi_bf16> {
  /* the second is its word without the low half */
  __device__ __forceinline__ float second() const { return mxi_float_of_bits(word & 0xffff0000u); }
};
template <> struct mxi_two<mxi_f16> : mxi_two_halves<mxi_f16> {};

template <class T> MXI_DEVICE mxi_two<T> mxi_twice(T x) { return mxi_two<T>::of(x, x); }

/* ---- Ops of whole pairs of halves ---- */
#ifdef MXI_EMULATED
template <class T> MXI_DEVICE mxi_two<T> mxi_pair_add(mxi_two<T> x, mxi_two<T> y) {
  return mxi_two<T>::of(x.first() + y.first(), x.second() + y.second());
}
template <class T> MXI_DEVICE mxi_two<T> mxi_pair_subtract(mxi_two<T> x, mxi_two<T> y) {
  return mxi_two<T>::of(x.first() - y.first(), x.second() - y.second());
}
template <class T> MXI_DEVICE mxi_two<T> mxi_pair_multiply(mxi_two<T> x, mxi_two<T> y) {
  return mxi_two<T>::of(x.first() * y.first(), x.second() * y.second());
}
#else
MXI_DEVICE mxi_two<mxi_f16> mxi_pair_add(mxi_two<mxi_f16> x, mxi_two<mxi_f16> y) {
  mxi_two<mxi_f16> z;
  asm("add.rn.f16x2 %0, %1, %2;" : "=r"(z.word) : "r"(x.word), "r"(y.word));
  return z;
}
MXI_DEVICE mxi_two<mxi_f16> mxi_pair_subtract(mxi_two<mxi_f16> x, mxi_two<mxi_f16> y) {
  mxi_two<mxi_f16> z;
  asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(z.word) : "r"(x.word), "r"(y.word));
  return z;
}
MXI_DEVICE mxi_two<mxi_f16> mxi_pair_multiply(mxi_two<mxi_f16> x, mxi_two<mxi_f16> y) {
  mxi_two<mxi_f16> z;
  asm("mul.rn.f16x2 %0, %1, %2;" : "=r"(z.word) : "r"(x.word), "r"(y.word));
  return z;
}
/* x y + z, rounded once: what all devices of bfloat16 have. */
MXI_DEVICE mxi_two<mxi_bf16> mxi_pair_fma(mxi_two<mxi_bf16> x, uint32_t y, uint32_t z) {
  mxi_two<mxi_bf16> result;
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(result.word) : "r"(x.word), "r"(y), "r"(z));
  return result;
}
enum : uint32_t {
  MXI_PAIR_ONE = 0x3f803f80u,
  MXI_PAIR_MINUS_ONE = 0xbf80bf80u,
  MXI_PAIR_MINUS_ZERO = 0x80008000u
};
MXI_DEVICE mxi_two<mxi_bf16> mxi_pair_add(mxi_two<mxi_bf16> x, mxi_two<mxi_bf16> y) {
  return mxi_pair_fma(x, MXI_PAIR_ONE, y.word);
}
MXI_DEVICE mxi_two<mxi_bf16> mxi_pair_subtract(mxi_two<mxi_bf16> x, mxi_two<mxi_bf16> y) {
  return mxi_pair_fma(y, MXI_PAIR_MINUS_ONE, x.word);
}
MXI_DEVICE mxi_two<mxi_bf16> mxi_pair_multiply(mxi_two<mxi_bf16> x, mxi_two<mxi_bf16> y) {
  return mxi_pair_fma(x, y.word, MXI_PAIR_MINUS_ZERO);
}
#endif
template <class T> MXI_DEVICE mxi_two<T> mxi_pair_square(mxi_two<T> x) { return mxi_pair_multiply(x, x); }
template <class T> MXI_DEVICE mxi_two<T> mxi_pair_negative(mxi_two<T> x) { return {{x.word ^ 0x80008000u}}; }
template <class T> MXI_DEVICE mxi_two<T> mxi_pair_abs(mxi_two<T> x) { return {{x.word & 0x7fff7fffu}}; }
template <class T> MXI_DEVICE mxi_two<T> mxi_pair_where(mxi_two<bool> which, mxi_two<T> yes, mxi_two<T> no) {
  uint32_t first = which.a ? yes.word : no.word, second = which.b ? yes.word : no.word;
  return {{(first & 0xffffu) | (second & 0xffff0000u)}};
}
#endif
