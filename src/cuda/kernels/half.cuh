/* float16 and bfloat16: storage types, and their conversions. Arithmetic is done in float, and each result
   rounded to the type's grid, to nearest even; so are pairs, by one instruction. A NaN stays one, whatever
   its bits. */
#ifndef MXI_CUDA_KERNELS_HALF_CUH
#define MXI_CUDA_KERNELS_HALF_CUH
#include "cuda/kernels/bits.cuh"

struct mxi_bf16 {
  uint16_t bits;
};
struct mxi_f16 {
  uint16_t bits;
};

/* ---- One element ---- */
MXI_DEVICE float mxi_to_float(float x) { return x; }
MXI_DEVICE float mxi_to_float(mxi_bf16 h) { return mxi_float_of_bits((uint32_t)h.bits << 16); }

#ifdef MXI_EMULATED
MXI_DEVICE mxi_bf16 mxi_to_bf16(float x) {
  uint32_t u = mxi_bits(x);
  return {(uint16_t)(x != x ? u >> 16 | 0x40 : (u + 0x7fff + (u >> 16 & 1)) >> 16)};
}
MXI_DEVICE float mxi_to_float(mxi_f16 h) {
  uint32_t sign = (uint32_t)(h.bits & 0x8000) << 16, magnitude = (uint32_t)(h.bits & 0x7fff) << 13;
  if (magnitude >= 0x0f800000) return mxi_float_of_bits(sign | magnitude | 0x7f800000u);
  /* the product restores the exponent's bias, and normalises subnormals */
  return mxi_float_of_bits(sign | mxi_bits(mxi_float_of_bits(magnitude) * 0x1p112f));
}
MXI_DEVICE mxi_f16 mxi_to_f16(float x) {
  uint32_t u = mxi_bits(x), sign = u >> 16 & 0x8000, magnitude = u & 0x7fffffffu, h;
  if (magnitude > 0x7f800000)
    h = 0x7e00 | (magnitude >> 13 & 0x3ff);
  else if (magnitude >= 0x47800000)
    h = 0x7c00;
  else if (magnitude < 0x38800000)
    h = mxi_bits(mxi_float_of_bits(magnitude) + 0.5f) - 0x3f000000u; /* the sum aligns and rounds */
  else
    h = (magnitude + 0xc8000fffu + (magnitude >> 13 & 1)) >> 13;
  return {(uint16_t)(sign | h)};
}
#else
MXI_DEVICE mxi_bf16 mxi_to_bf16(float x) {
  mxi_bf16 h;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(h.bits) : "f"(x));
  return h;
}
MXI_DEVICE float mxi_to_float(mxi_f16 h) {
  float x;
  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h.bits));
  return x;
}
MXI_DEVICE mxi_f16 mxi_to_f16(float x) {
  mxi_f16 h;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(h.bits) : "f"(x));
  return h;
}
#endif

/* What the types have of their own. */
template <class T> struct mxi_storage;
template <> struct mxi_storage<float> {
  MXI_DEVICE float of(float x) { return x; }
};
template <> struct mxi_storage<mxi_bf16> {
  MXI_DEVICE mxi_bf16 of(float x) { return mxi_to_bf16(x); }
#ifdef MXI_EMULATED
  MXI_DEVICE uint32_t pack(float first, float second) {
    return (uint32_t)of(first).bits | (uint32_t)of(second).bits << 16;
  }
#else
  MXI_DEVICE uint32_t pack(float first, float second) {
    uint32_t word;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(second), "f"(first));
    return word;
  }
#endif
};
template <> struct mxi_storage<mxi_f16> {
  MXI_DEVICE mxi_f16 of(float x) { return mxi_to_f16(x); }
#ifdef MXI_EMULATED
  MXI_DEVICE uint32_t pack(float first, float second) {
    return (uint32_t)of(first).bits | (uint32_t)of(second).bits << 16;
  }
#else
  MXI_DEVICE uint32_t pack(float first, float second) {
    uint32_t word;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(word) : "f"(second), "f"(first));
    return word;
  }
#endif
};
/* x as T (float, mxi_bf16 or mxi_f16), and x rounded to the grid of T. */
template <class T> MXI_DEVICE T mxi_of_float(float x) { return mxi_storage<T>::of(x); }
template <class T> MXI_DEVICE float mxi_round_to(float x) { return mxi_to_float(mxi_of_float<T>(x)); }

/* ---- Pairs: two elements in a word, the first in its low half ---- */
struct mxi_pair {
  float first, second;
};
template <class T> MXI_DEVICE uint32_t mxi_pack(float first, float second) {
  return mxi_storage<T>::pack(first, second);
}
template <class T> MXI_DEVICE mxi_pair mxi_unpack(uint32_t word) {
  return {mxi_to_float(T{(uint16_t)word}), mxi_to_float(T{(uint16_t)(word >> 16)})};
}
template <class T> MXI_DEVICE mxi_pair mxi_round_pair(float first, float second) {
  return mxi_unpack<T>(mxi_pack<T>(first, second));
}
#endif
