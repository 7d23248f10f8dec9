/* a * b + c of vectors: rounded once where the instruction set has it, else twice, as emulation would cost
   ten times as much. For sums that stand both. */
#ifndef MXI_CPU_KERNELS_MULTIPLY_ADD_H
#define MXI_CPU_KERNELS_MULTIPLY_ADD_H
#include "cpu/simd.h"

MXI_INLINE vf32 multiply_add_f32(vf32 a, vf32 b, vf32 c) {
#if defined(__FMA__)
  return mxi_fma_f32(a, b, c);
#else
  return a * b + c;
#endif
}
MXI_INLINE vf64 multiply_add_f64(vf64 a, vf64 b, vf64 c) {
#if defined(__AVX512F__)
  return (vf64)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__FMA__)
  return (vf64)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#else
  return a * b + c;
#endif
}

#if defined(__AVX512F__)
/* sum + the products of a's and b's pairs of bfloat16, where the machine has AVX512_BF16. It rounds each of
   the two sums and takes subnormals as zero. */
#define MXI_BF16_DOT __attribute__((target("avx512bf16")))
MXI_INLINE MXI_BF16_DOT vf32 mxi_bf16_dot(vf32 a, vf32 b, vf32 sum) {
  return (vf32)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}
#endif
#endif
