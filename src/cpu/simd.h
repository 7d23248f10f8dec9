/* Vectors of the instruction set this file is compiled for, on GNU vector extensions: + - * / < & | >> work
   on them as on scalars. One source serves all sets: write loops in steps of MXI_VL floats, with tails on
   padded tiles or by mxi_loadn / mxi_storen. Only kernel files (compiled per instruction set) include this.
 */
#ifndef MXI_CPU_SIMD_H
#define MXI_CPU_SIMD_H
#include "cpu/isa.h"
#include <stdint.h>
#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#else
#include <nmmintrin.h> /* up to SSE4.2: a fraction of a second less to read, in every kernel file */
#endif

#if defined(__AVX512F__)
#define MXI_VBYTES 64
#elif defined(__AVX2__)
#define MXI_VBYTES 32
#else
#define MXI_VBYTES 16
#endif
#define MXI_VL     (MXI_VBYTES / 4) /* floats in a vector */
#define MXI_VD     (MXI_VBYTES / 8) /* doubles in a vector */
#define MXI_INLINE static inline __attribute__((always_inline, unused))
/* Before a loop over registers, of constant length up to 16: only when unrolled do they stay registers. */
#if defined(__clang__)
#define MXI_UNROLL _Pragma("clang loop unroll(full)")
#else
#define MXI_UNROLL _Pragma("GCC unroll 16")
#endif

typedef float vf32 __attribute__((vector_size(MXI_VBYTES)));
typedef double vf64 __attribute__((vector_size(MXI_VBYTES)));
typedef int32_t vi32 __attribute__((vector_size(MXI_VBYTES)));
typedef uint32_t vu32 __attribute__((vector_size(MXI_VBYTES)));
typedef int64_t vi64 __attribute__((vector_size(MXI_VBYTES)));
typedef uint64_t vu64 __attribute__((vector_size(MXI_VBYTES)));
typedef int16_t vi16 __attribute__((vector_size(MXI_VBYTES)));
typedef uint16_t vu16 __attribute__((vector_size(MXI_VBYTES)));
typedef int8_t vi8 __attribute__((vector_size(MXI_VBYTES)));
typedef uint8_t vu8 __attribute__((vector_size(MXI_VBYTES)));
typedef uint16_t vu16h
    __attribute__((vector_size(MXI_VBYTES / 2))); /* as many 16-bit lanes as vf32 has floats */

/* Loads and stores of any alignment. */
#define MXI_LOADSTORE(V, T, name)                                          \
  MXI_INLINE V mxi_load_##name(const T *p) {                               \
    V v;                                                                   \
    memcpy(&v, p, sizeof v);                                               \
    return v;                                                              \
  }                                                                        \
  MXI_INLINE void mxi_store_##name(T *p, V v) { memcpy(p, &v, sizeof v); } \
  /* The first n lanes; the others read as zero, and are not written. */   \
  MXI_INLINE V mxi_loadn_##name(const T *p, int64_t n) {                   \
    V v = {0};                                                             \
    memcpy(&v, p, (size_t)n * sizeof(T));                                  \
    return v;                                                              \
  }                                                                        \
  MXI_INLINE void mxi_storen_##name(T *p, V v, int64_t n) { memcpy(p, &v, (size_t)n * sizeof(T)); }
MXI_LOADSTORE(vf32, float, f32)
MXI_LOADSTORE(vf64, double, f64)
MXI_LOADSTORE(vi32, int32_t, i32)
MXI_LOADSTORE(vu32, uint32_t, u32)
MXI_LOADSTORE(vi64, int64_t, i64)
MXI_LOADSTORE(vu64, uint64_t, u64)
MXI_LOADSTORE(vu16h, uint16_t, u16h)

MXI_INLINE vf32 mxi_set_f32(float x) { return x - (vf32){0}; }
MXI_INLINE vf64 mxi_set_f64(double x) { return x - (vf64){0}; }
MXI_INLINE vi32 mxi_set_i32(int32_t x) { return x + (vi32){0}; }
/* The lane numbers 0, 1, ... */
MXI_INLINE vi32 mxi_lanes_i32(void) {
  vi32 v;
  for (int i = 0; i < MXI_VL; i++) v[i] = i;
  return v;
}

/* a * b + c, rounded once. Without FMA hardware (v2) a product in double, exact, then one sum: the double sum
   may round twice in rare halfway cases, so results of v2 can differ from v3 and v4 in the last bit. */
MXI_INLINE vf32 mxi_fma_f32(vf32 a, vf32 b, vf32 c) {
#if defined(__AVX512F__)
  return (vf32)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  return (vf32)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  vf32 r;
  for (int i = 0; i < MXI_VL; i++) r[i] = (float)((double)a[i] * (double)b[i] + (double)c[i]);
  return r;
#endif
}

/* mask (all ones or all zeros a lane, as a comparison gives) ? a : b. C has no ?: on vectors. */
MXI_INLINE vi32 mxi_blend_i32(vi32 mask, vi32 a, vi32 b) {
#if defined(__AVX512F__)
  return (vi32)_mm512_ternarylogic_epi32((__m512i)mask, (__m512i)a, (__m512i)b, 0xca);
#elif defined(__AVX2__)
  return (vi32)_mm256_blendv_epi8((__m256i)b, (__m256i)a, (__m256i)mask);
#else
  return (mask & a) | (~mask & b);
#endif
}
MXI_INLINE vf32 mxi_blend_f32(vi32 mask, vf32 a, vf32 b) {
  return (vf32)mxi_blend_i32(mask, (vi32)a, (vi32)b);
}
MXI_INLINE vi64 mxi_blend_i64(vi64 mask, vi64 a, vi64 b) {
  return (vi64)mxi_blend_i32((vi32)mask, (vi32)a, (vi32)b);
}
MXI_INLINE vf64 mxi_blend_f64(vi64 mask, vf64 a, vf64 b) {
  return (vf64)mxi_blend_i32((vi32)mask, (vi32)a, (vi32)b);
}
/* Is any lane of the mask set? */
MXI_INLINE int mxi_any(vi32 mask) {
#if defined(__AVX512F__)
  return _mm512_movepi32_mask((__m512i)mask) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_ps((__m256)mask) != 0;
#else
  return _mm_movemask_ps((__m128)mask) != 0;
#endif
}
/* The instruction's minimum and maximum: b where either is NaN. */
MXI_INLINE vf32 mxi_min_f32(vf32 a, vf32 b) { return mxi_blend_f32(a < b, a, b); }
MXI_INLINE vf32 mxi_max_f32(vf32 a, vf32 b) { return mxi_blend_f32(a > b, a, b); }

/* Half types. bfloat16 and float16 are held as uint16_t; both convert exactly to float, and back to nearest
 * even. */
/* 16-bit lanes to 32-bit ones: by the instruction, as compilers split a conversion of whole vectors. */
MXI_INLINE vu32 mxi_u32_from_u16(vu16h h) {
#if defined(__AVX512F__)
  return (vu32)_mm512_cvtepu16_epi32((__m256i)h);
#elif defined(__AVX2__)
  return (vu32)_mm256_cvtepu16_epi32((__m128i)h);
#else
  return __builtin_convertvector(h, vu32);
#endif
}
/* The low halves of 32-bit lanes. */
MXI_INLINE vu16h mxi_u16_from_u32(vu32 w) {
#if defined(__AVX512F__)
  return (vu16h)_mm512_cvtepi32_epi16((__m512i)w);
#else
  return __builtin_convertvector(w, vu16h);
#endif
}
MXI_INLINE vf32 mxi_f32_from_bf16(vu16h h) { return (vf32)(mxi_u32_from_u16(h) << 16); }
MXI_INLINE vu16h mxi_bf16_from_f32(vf32 x) {
  vu32 u = (vu32)x;
  vu32 rounded = (u + 0x7fff + ((u >> 16) & 1)) >> 16;
  vu32 nan = (u >> 16) | 0x40;
  return mxi_u16_from_u32((vu32)mxi_blend_i32(x != x, (vi32)nan, (vi32)rounded));
}
MXI_INLINE vf32 mxi_f32_from_f16(vu16h h) {
#if defined(__AVX512F__)
  return (vf32)_mm512_cvtph_ps((__m256i)h);
#elif defined(__F16C__)
  return (vf32)_mm256_cvtph_ps((__m128i)h);
#else
  /* Exponent and mantissa moved into place; a multiplication by 2^112 restores the bias and normalises
   * subnormals. */
  vu32 w = __builtin_convertvector(h, vu32), sign = (w & 0x8000) << 16, mag = (w & 0x7fff) << 13;
  vf32 x = (vf32)mag * mxi_set_f32(0x1p112f);
  vi32 special = (vi32)mag >= 0x0f800000;
  return (vf32)((vu32)mxi_blend_i32(special, (vi32)(mag | 0x7f800000u), (vi32)x) | sign);
#endif
}
MXI_INLINE vu16h mxi_f16_from_f32(vf32 x) {
#if defined(__AVX512F__)
  return (vu16h)_mm512_cvtps_ph((__m512)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(__F16C__)
  return (vu16h)_mm256_cvtps_ph((__m256)x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  vu32 u = (vu32)x, sign = (u >> 16) & 0x8000, mag = u & 0x7fffffffu;
  vu32 normal = (mag + 0xc8000fffu + ((mag >> 13) & 1)) >> 13; /* rebias by -112, round to nearest even */
  vf32 shifted = (vf32)mag + mxi_set_f32(0.5f);                /* subnormal: the adder aligns and rounds */
  vu32 subnormal = (vu32)shifted - 0x3f000000u;
  vi32 quiet_nan = (vi32)(((mag >> 13) & 0x3ff) | 0x7e00);
  vi32 h = mxi_blend_i32((vi32)mag < 0x38800000, (vi32)subnormal, (vi32)normal);
  h = mxi_blend_i32((vi32)mag >= 0x47800000, mxi_set_i32(0x7c00), h);
  h = mxi_blend_i32((vi32)mag > 0x7f800000, quiet_nan, h);
  return __builtin_convertvector((vu32)h | sign, vu16h);
#endif
}

/* Writes 64 bytes past the caches, to a place aligned to 64. A fence follows the last of them. */
MXI_INLINE void mxi_stream_line(void *dst, const void *line) {
#if defined(__AVX512F__)
  _mm512_stream_si512(dst, _mm512_loadu_si512(line));
#elif defined(__AVX2__)
  for (int i = 0; i < 2; i++)
    _mm256_stream_si256((__m256i *)dst + i, _mm256_loadu_si256((const __m256i *)line + i));
#else
  for (int i = 0; i < 4; i++)
    _mm_stream_si128((__m128i *)dst + i, _mm_loadu_si128((const __m128i *)line + i));
#endif
}
MXI_INLINE void mxi_stream_fence(void) { _mm_sfence(); }

/* Lanes i, i + 4, i + 8, ... added up, in a fixed tree order: halves, quarters, ... */
MXI_INLINE __m128 mxi_fold_to_four_f32(vf32 v) {
#if MXI_VL == 16
  __m256 eight = _mm256_add_ps(_mm512_castps512_ps256((__m512)v), _mm512_extractf32x8_ps((__m512)v, 1));
  return _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
#elif MXI_VL == 8
  return _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
#else
  return (__m128)v;
#endif
}
/* The sum of all lanes, in the same order to its end. */
MXI_INLINE float mxi_hsum_f32(vf32 v) {
  __m128 four = mxi_fold_to_four_f32(v), two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
#endif
