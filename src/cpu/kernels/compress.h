/* Lanes that pass a test, moved together: the step that partitions and selections repeat. */
#ifndef MXI_CPU_KERNELS_COMPRESS_H
#define MXI_CPU_KERNELS_COMPRESS_H
#include "cpu/simd.h"

MXI_INLINE vu32 mxi_set_u32(uint32_t x) { return x + (vu32){0}; }
MXI_INLINE vu64 mxi_set_u64(uint64_t x) { return x + (vu64){0}; }
#if defined(__AVX512F__)
MXI_INLINE vu32 mxi_min_u32(vu32 a, vu32 b) { return (vu32)_mm512_min_epu32((__m512i)a, (__m512i)b); }
MXI_INLINE vu32 mxi_max_u32(vu32 a, vu32 b) { return (vu32)_mm512_max_epu32((__m512i)a, (__m512i)b); }
MXI_INLINE vu64 mxi_min_u64(vu64 a, vu64 b) { return (vu64)_mm512_min_epu64((__m512i)a, (__m512i)b); }
MXI_INLINE vu64 mxi_max_u64(vu64 a, vu64 b) { return (vu64)_mm512_max_epu64((__m512i)a, (__m512i)b); }
#else
#if defined(__AVX2__)
MXI_INLINE vu32 mxi_min_u32(vu32 a, vu32 b) { return (vu32)_mm256_min_epu32((__m256i)a, (__m256i)b); }
MXI_INLINE vu32 mxi_max_u32(vu32 a, vu32 b) { return (vu32)_mm256_max_epu32((__m256i)a, (__m256i)b); }
#else
MXI_INLINE vu32 mxi_min_u32(vu32 a, vu32 b) { return (vu32)_mm_min_epu32((__m128i)a, (__m128i)b); }
MXI_INLINE vu32 mxi_max_u32(vu32 a, vu32 b) { return (vu32)_mm_max_epu32((__m128i)a, (__m128i)b); }
#endif
MXI_INLINE vu64 mxi_min_u64(vu64 a, vu64 b) { return (vu64)mxi_blend_i64((vi64)(a < b), (vi64)a, (vi64)b); }
MXI_INLINE vu64 mxi_max_u64(vu64 a, vu64 b) { return (vu64)mxi_blend_i64((vi64)(a < b), (vi64)b, (vi64)a); }
#endif

/* Bit i: is lane i of a below that of b? */
MXI_INLINE unsigned mxi_below_u32(vu32 a, vu32 b) {
#if defined(__AVX512F__)
  return _mm512_cmplt_epu32_mask((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (unsigned)_mm256_movemask_ps((__m256)(a < b));
#else
  return (unsigned)_mm_movemask_ps((__m128)(a < b));
#endif
}
MXI_INLINE unsigned mxi_below_u64(vu64 a, vu64 b) {
#if defined(__AVX512F__)
  return _mm512_cmplt_epu64_mask((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (unsigned)_mm256_movemask_pd((__m256d)(a < b));
#else
  return (unsigned)_mm_movemask_pd((__m128d)(a < b));
#endif
}

/* The lanes that bits leave out. */
MXI_INLINE unsigned mxi_others_u32(unsigned bits) {
#if defined(__AVX512F__)
  return _knot_mask16((__mmask16)bits);
#else
  return ~bits & ((1u << MXI_VL) - 1);
#endif
}
MXI_INLINE unsigned mxi_others_u64(unsigned bits) {
#if defined(__AVX512F__)
  return _knot_mask8((__mmask8)bits);
#else
  return ~bits & ((1u << MXI_VD) - 1);
#endif
}

/* The lanes whose bits are set, moved to the front in their order; what follows them is anything. */
MXI_INLINE vu32 mxi_compress_u32(unsigned bits, vu32 v) {
#if defined(__AVX512F__)
  return (vu32)_mm512_maskz_compress_epi32((__mmask16)bits, (__m512i)v);
#elif defined(__AVX2__)
  uint64_t bytes = _pdep_u64(bits, 0x0101010101010101) * 0xff; /* a byte a lane, then the lanes' numbers */
  __m128i lanes = _mm_cvtsi64_si128((long long)_pext_u64(0x0706050403020100, bytes));
  return (vu32)_mm256_permutevar8x32_epi32((__m256i)v, _mm256_cvtepu8_epi32(lanes));
#else
#define LANE(i) (4 * (i)), (4 * (i) + 1), (4 * (i) + 2), (4 * (i) + 3)
#define ROW(a, b, c, d) \
  { LANE(a), LANE(b), LANE(c), LANE(d) }
  static const uint8_t order[16][16] __attribute__((aligned(16))) = {
      ROW(0, 1, 2, 3), ROW(0, 1, 2, 3), ROW(1, 0, 2, 3), ROW(0, 1, 2, 3), ROW(2, 0, 1, 3), ROW(0, 2, 1, 3),
      ROW(1, 2, 0, 3), ROW(0, 1, 2, 3), ROW(3, 0, 1, 2), ROW(0, 3, 1, 2), ROW(1, 3, 0, 2), ROW(0, 1, 3, 2),
      ROW(2, 3, 0, 1), ROW(0, 2, 3, 1), ROW(1, 2, 3, 0), ROW(0, 1, 2, 3)};
#undef ROW
#undef LANE
  return (vu32)_mm_shuffle_epi8((__m128i)v, _mm_load_si128((const __m128i *)order[bits]));
#endif
}
MXI_INLINE vu64 mxi_compress_u64(unsigned bits, vu64 v) {
#if defined(__AVX512F__)
  return (vu64)_mm512_maskz_compress_epi64((__mmask8)bits, (__m512i)v);
#elif defined(__AVX2__)
  unsigned halves = _pdep_u32(bits, 0x55) * 3; /* each lane is two of 32 bits */
  return (vu64)mxi_compress_u32(halves, (vu32)v);
#else
  return bits == 2 ? __builtin_shufflevector(v, v, 1, 0) : v;
#endif
}

/* The lane numbers 0, 1, ... */
MXI_INLINE vu32 mxi_lanes_u32(void) { return (vu32)mxi_lanes_i32(); }
MXI_INLINE vu64 mxi_lanes_u64(void) {
  vu64 v;
  for (int i = 0; i < MXI_VD; i++) v[i] = (uint64_t)i;
  return v;
}

/* The first n lanes, without a branch where the machine can. */
MXI_INLINE vu32 mxi_load_first_u32(const uint32_t *p, int64_t n) {
#if defined(__AVX512F__)
  return (vu32)_mm512_maskz_loadu_epi32((__mmask16)((1u << n) - 1), p);
#elif defined(__AVX2__)
  return (vu32)_mm256_maskload_epi32((const int *)p, (__m256i)(mxi_lanes_u32() < (uint32_t)n));
#else
  return mxi_loadn_u32(p, n);
#endif
}
MXI_INLINE void mxi_store_first_u32(uint32_t *p, vu32 v, int64_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_epi32(p, (__mmask16)((1u << n) - 1), (__m512i)v);
#elif defined(__AVX2__)
  _mm256_maskstore_epi32((int *)p, (__m256i)(mxi_lanes_u32() < (uint32_t)n), (__m256i)v);
#else
  mxi_storen_u32(p, v, n);
#endif
}
MXI_INLINE vu64 mxi_load_first_u64(const uint64_t *p, int64_t n) {
#if defined(__AVX512F__)
  return (vu64)_mm512_maskz_loadu_epi64((__mmask8)((1u << n) - 1), p);
#elif defined(__AVX2__)
  return (vu64)_mm256_maskload_epi64((const long long *)p, (__m256i)(mxi_lanes_u64() < (uint64_t)n));
#else
  return mxi_loadn_u64(p, n);
#endif
}
MXI_INLINE void mxi_store_first_u64(uint64_t *p, vu64 v, int64_t n) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_epi64(p, (__mmask8)((1u << n) - 1), (__m512i)v);
#elif defined(__AVX2__)
  _mm256_maskstore_epi64((long long *)p, (__m256i)(mxi_lanes_u64() < (uint64_t)n), (__m256i)v);
#else
  mxi_storen_u64(p, v, n);
#endif
}
#endif
