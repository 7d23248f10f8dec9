/* Weights as the tensor cores' left operand, straight from their packed form.

   A lane has a piece of 32 neighbours of a row of W: 16 pairs of halves, in an order of the format's own that
   x is brought into. They are exactly what the weights' integers stand for, plus offset(), over factor(). */
#ifndef MXI_CUDA_KERNELS_QUANTIZED_TENSOR_CUH
#define MXI_CUDA_KERNELS_QUANTIZED_TENSOR_CUH
#include "cuda/kernels/ptx.cuh"
#include "cuda/kernels/quantized.cuh"

template <class T> struct mxi_is_bf16 {
  enum { value = false };
};
template <> struct mxi_is_bf16<mxi_bf16> {
  enum { value = true };
};

template <class T>
MXI_DEVICE void mxi_mma_halves(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  if constexpr (mxi_is_bf16<T>::value)
    mxi_mma_m16n8k16_bfloat16(c, a, b);
  else
    mxi_mma_m16n8k16_float16(c, a, b);
}

/* a b + c of pairs of halves, each rounded once. */
template <class T> MXI_DEVICE uint32_t mxi_fma_pair(uint32_t a, uint32_t b, uint32_t c) {
#ifdef MXI_EMULATED
  const mxi_pair x = mxi_unpack<T>(a), y = mxi_unpack<T>(b), z = mxi_unpack<T>(c);
  return mxi_pack<T>(mxi_fma(x.first, y.first, z.first), mxi_fma(x.second, y.second, z.second));
#else
  uint32_t d;
  if constexpr (mxi_is_bf16<T>::value)
    asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  else
    asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(d) : "r"(a), "r"(b), "r"(c));
  return d;
#endif
}

MXI_DEVICE uint32_t mxi_shifted(uint32_t word, int left) { return left >= 0 ? word << left : word >> -left; }

/* word & mask | bits: one instruction, which a compiler makes two of when both are constants. */
MXI_DEVICE uint32_t mxi_masked(uint32_t word, uint32_t mask, uint32_t bits) {
#ifdef MXI_EMULATED
  return (word & mask) | bits;
#else
  uint32_t d;
  asm("lop3.b32 %0, %1, %2, %3, 0xea;" : "=r"(d) : "r"(word), "r"(mask), "r"(bits));
  return d;
#endif
}
/* Two codes of E4M3 as halves. */
template <class T> MXI_DEVICE uint32_t mxi_e4m3_pair(uint32_t codes) {
#if !defined(MXI_EMULATED) && __CUDA_ARCH__ >= 890
  uint32_t pair;
  asm("cvt.rn.f16x2.e4m3x2 %0, %1;" : "=r"(pair) : "h"(static_cast<uint16_t>(codes)));
  if constexpr (!mxi_is_bf16<T>::value) return pair;
  const mxi_pair values = mxi_unpack<mxi_f16>(pair);
  return mxi_pack<T>(values.first, values.second);
#else
  return mxi_pack<T>(mxi_e4m3_value(codes & 255), mxi_e4m3_value(codes >> 8 & 255));
#endif
}
/* Byte i of a word as a float: it becomes the lowest of 2^23's. */
MXI_DEVICE float mxi_byte_value(uint32_t word, int i) {
  return mxi_float_of_bits(__byte_perm(word, 0x4b000000u, 0x7440 | i)) - 0x1p23f;
}

/* A nibble becomes a half with one mask, by the exponent that makes 1 of the bit where the nibble begins: bit
   0 of bfloat16 with 128's, bit 4 of float16 with 64's. The less the offset, the less rounding takes from the
   sum. */
template <class T> struct mxi_nibbles {
  enum { OFFSET = mxi_is_bf16<T>::value ? 128 : 64 };
  /* Nibbles j and j + 4 of a word, each OFFSET too high. */
  MXI_DEVICE uint32_t pair(uint32_t word, int j) {
    if constexpr (mxi_is_bf16<T>::value)
      return mxi_masked(mxi_shifted(word, -4 * j), 0x000f000fu, 0x43004300u);
    else
      return mxi_masked(mxi_shifted(word, 4 - 4 * j), 0x00f000f0u, 0x54005400u);
  }
};

/* How the pieces of a format become pairs. */
template <class F, class T> struct mxi_pairs {
  enum { NIBBLES = F::BITS == 4, INTEGERS = F::VALUES_ARE == mxi_quant::VALUES_INTEGER };
  static __device__ constexpr float offset() { return NIBBLES && INTEGERS ? mxi_nibbles<T>::OFFSET : 0; }
  /* float16 has E2M1's bits at its own exponent, too small by this. */
  static __device__ constexpr float factor() {
    return NIBBLES && !INTEGERS && !mxi_is_bf16<T>::value ? 0x1p14f : 1.0f;
  }

  /* Pair i of the piece. */
  MXI_DEVICE uint32_t at(const uint32_t (&words)[F::BITS], int i) {
    if constexpr (NIBBLES && INTEGERS) return mxi_nibbles<T>::pair(words[i / 4], i % 4);
    if constexpr (NIBBLES && !INTEGERS) return e2m1_pair(words[i / 4], i % 4);
    const uint32_t word = words[i / 2];
    const int first = i % 2 * 2;
    if constexpr (!INTEGERS) return mxi_e4m3_pair<T>(word >> (8 * first));
    return mxi_pack<T>(mxi_byte_value(word, first), mxi_byte_value(word, first + 1));
  }
  MXI_DEVICE uint32_t e2m1_pair(uint32_t word, int j) {
    const uint32_t sign = mxi_shifted(word, 12 - 4 * j) & 0x80008000u;
    if constexpr (!mxi_is_bf16<T>::value) return mxi_masked(mxi_shifted(word, 9 - 4 * j), 0x0e000e00u, sign);
    return mxi_fma_pair<T>(mxi_masked(mxi_shifted(word, 6 - 4 * j), 0x01c001c0u, sign), 0x7e807e80u,
                           0x80008000u);
  }
  /* Eight neighbours of x, two a word, in the pairs' order. */
  MXI_DEVICE uint4 arranged(uint4 x) {
    if constexpr (!NIBBLES) return x;
    return make_uint4(__byte_perm(x.x, x.z, 0x5410), __byte_perm(x.x, x.z, 0x7632),
                      __byte_perm(x.y, x.w, 0x5410), __byte_perm(x.y, x.w, 0x7632));
  }
};
#endif
