/* From packed integers, scales and biases to float vectors; shared by the quantised kernels. Functions take
   the format as a constant, so that what depends on it falls away. */
#ifndef MXI_KERNELS_QUANTIZED_UNPACK_H
#define MXI_KERNELS_QUANTIZED_UNPACK_H
#include "cpu/quantized.h"
#include "cpu/kernels/multiply_add.h"
#include "cpu/simd.h"

MXI_INLINE vf32 splat(float x) { return mxi_set_f32(x); }

/* Element i of a float array of dtype t. */
MXI_INLINE const void *element_at(const void *p, mx_dtype t, int64_t i) {
  return (const char *)p + i * (t == MX_FLOAT32 ? 4 : 2);
}

MXI_INLINE vf32 widen_halves(vu16h h, mx_dtype t) {
  return t == MX_FLOAT16 ? mxi_f32_from_f16(h) : mxi_f32_from_bf16(h);
}

/* MXI_VL floats from p of dtype t. */
MXI_INLINE vf32 load_floats(const void *p, mx_dtype t) {
  return t == MX_FLOAT32 ? mxi_load_f32(p) : widen_halves(mxi_load_u16h(p), t);
}

/* The first n of MXI_VL floats, the others zero; n may exceed MXI_VL. */
MXI_INLINE vf32 load_floats_n(const void *p, mx_dtype t, int64_t n) {
#if MXI_VL == 16
  __mmask16 mask = (__mmask16)_bzhi_u32(0xffff, n < 16 ? (unsigned)n : 16);
  if (t == MX_FLOAT32) return (vf32)_mm512_maskz_loadu_ps(mask, p);
  return widen_halves((vu16h)_mm256_maskz_loadu_epi16(mask, p), t);
#else
  if (n >= MXI_VL) return load_floats(p, t);
  if (t == MX_FLOAT32) return mxi_loadn_f32(p, n);
  vu16h h = {0};
  for (int64_t i = 0; i < n; i++) h[i] = ((const uint16_t *)p)[i];
  return widen_halves(h, t);
#endif
}

/* Rounds to t's grid, keeping float lanes. */
MXI_INLINE vf32 round_to(vf32 x, mx_dtype t) {
  if (t == MX_FLOAT32) return x;
  return t == MX_FLOAT16 ? mxi_f32_from_f16(mxi_f16_from_f32(x)) : mxi_f32_from_bf16(mxi_bf16_from_f32(x));
}

/* Stores the first n lanes, n <= MXI_VL, rounded to t. */
MXI_INLINE void store_floats_n(void *p, vf32 x, mx_dtype t, int64_t n) {
  if (t == MX_FLOAT32) {
    if (n == MXI_VL)
      mxi_store_f32(p, x);
    else
      mxi_storen_f32(p, x, n);
    return;
  }
  vu16h h = t == MX_FLOAT16 ? mxi_f16_from_f32(x) : mxi_bf16_from_f32(x);
  if (n == MXI_VL)
    mxi_store_u16h(p, h);
  else
    mxi_storen_u16h(p, h, n);
}

/* Scalar of dtype t as float. */
MXI_INLINE float load_float(const void *p, mx_dtype t) { return load_floats_n(p, t, 1)[0]; }

/* ---- What integers of the float formats stand for ---- */

/* E4M3 by its bits: its exponent is shorter than float16's, so float16 makes of them the value times 2^-8,
   subnormals included; 127 is NaN. E4M3_FACTOR is what is missing. */
#define E4M3_FACTOR 256
MXI_INLINE vf32 e4m3_values(vu16h c) {
  vu16h h = (c & 0x7f) << 7 | (c & 0x80) << 8;
  h |= (vu16h)((c & 0x7f) == 0x7f) & 0x4000;
  return mxi_f32_from_f16(h) * splat(E4M3_FACTOR);
}

/* E2M1 as integers that are not negative, in bytes: 2 v + E2M1_OFFSET. */
enum { E2M1_OFFSET = 12 };
#define E2M1_BYTES 12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0
/* The integer for each byte, whose upper half is zero. */
MXI_INLINE vu32 e2m1_bytes(vu32 nibbles) {
  const __m128i table = _mm_setr_epi8(E2M1_BYTES);
#if MXI_VL == 16
  return (vu32)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), (__m512i)nibbles);
#elif MXI_VL == 8
  return (vu32)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), (__m256i)nibbles);
#else
  return (vu32)_mm_shuffle_epi8(table, (__m128i)nibbles);
#endif
}

/* What each integer stands for. */
MXI_INLINE vf32 values_of(vu32 c, enum mxi_quant_format format) {
  switch (mxi_quant_values(format)) {
  case MXI_VALUES_INTEGER: break;
  case MXI_VALUES_E4M3: return e4m3_values(__builtin_convertvector(c, vu16h));
  case MXI_VALUES_E2M1:
    return __builtin_convertvector((vi32)(e2m1_bytes(c) & 0xff) - E2M1_OFFSET, vf32) * splat(0.5f);
  }
  return __builtin_convertvector((vi32)c, vf32);
}

/* ---- Scales and biases ---- */

/* Where scale i is, of those that start at p. */
MXI_INLINE const void *scale_at(const void *p, mx_dtype t, int64_t i, enum mxi_quant_format format) {
  return mxi_quant_scales(format) == MXI_SCALES_FLOAT ? element_at(p, t, i) : (const char *)p + i;
}

/* The first n of MXI_VL bytes, zeros from n on; n may exceed MXI_VL. */
MXI_INLINE vu32 load_bytes_n(const uint8_t *p, int64_t n) {
#if MXI_VL == 16
  __mmask16 mask = (__mmask16)_bzhi_u32(0xffff, n < 16 ? (unsigned)n : 16);
  return (vu32)_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, p));
#else
  uint64_t bytes = 0;
  if (n >= MXI_VL)
    memcpy(&bytes, p, MXI_VL);
  else
    for (int64_t i = 0; i < n; i++) bytes |= (uint64_t)p[i] << (8 * i);
#if MXI_VL == 8
  return (vu32)_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)bytes));
#else
  return (vu32)_mm_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)bytes));
#endif
#endif
}

/* Scales from bytes. 2^-127, for 0, is subnormal: made of its bits. */
MXI_INLINE vf32 scales_of_bytes(vu32 bytes, enum mxi_quant_format format) {
  switch (mxi_quant_scales(format)) {
  case MXI_SCALES_FLOAT: break;
  case MXI_SCALES_E8M0: return (vf32)(bytes << 23 | ((vu32)(bytes == 0) & 0x400000));
  case MXI_SCALES_E4M3: return e4m3_values(__builtin_convertvector(bytes, vu16h));
  }
  __builtin_unreachable();
}

/* E4M3 of the first n bytes, in lanes of 16 bits from the start; zeros from n on, which the byte 0 stands
 * for. */
MXI_INLINE vf32 load_e4m3_n(const uint8_t *p, int64_t n) {
#if MXI_VL == 16
  __mmask16 mask = (__mmask16)_bzhi_u32(0xffff, n < 16 ? (unsigned)n : 16);
  return e4m3_values((vu16h)_mm256_cvtepu8_epi16(_mm_maskz_loadu_epi8(mask, p)));
#else
  return e4m3_values(__builtin_convertvector(load_bytes_n(p, n), vu16h));
#endif
}

/* The scales at p, zeros from n on: a word past the row's end must not meet another row's scale. */
MXI_INLINE vf32 load_scales_n(const void *p, mx_dtype t, int64_t n, enum mxi_quant_format format) {
  if (mxi_quant_scales(format) == MXI_SCALES_FLOAT) return load_floats_n(p, t, n);
  if (mxi_quant_scales(format) == MXI_SCALES_E4M3) return load_e4m3_n(p, n);
  const vi32 beyond = mxi_lanes_i32() >= mxi_set_i32(n < MXI_VL ? (int)n : MXI_VL);
  return mxi_blend_f32(beyond, splat(0), scales_of_bytes(load_bytes_n(p, n), format));
}

MXI_INLINE float scale_of(const struct mxi_quantized *w, int64_t group, enum mxi_quant_format format) {
  return load_scales_n(scale_at(w->scales, w->dtype, group, format), w->dtype, 1, format)[0];
}
MXI_INLINE float bias_of(const struct mxi_quantized *w, int64_t group, enum mxi_quant_format format) {
  return mxi_quant_scales(format) == MXI_SCALES_FLOAT
             ? load_float(element_at(w->biases, w->dtype, group), w->dtype)
             : 0;
}

/* ---- Integers ---- */

/* Integer e of a row's bit stream. */
MXI_INLINE unsigned integer_at(const uint8_t *row, int64_t e, int bits) {
  int64_t bit = e * bits;
  const uint8_t *p = row + (bit >> 3);
  unsigned shift = (unsigned)bit & 7, two = p[0];
  if (shift + (unsigned)bits > 8) two |= (unsigned)p[1] << 8;
  return (two >> shift) & ((1u << bits) - 1);
}

/* Where integer i of a run lies: its first byte in the two low bytes of a shuffle's lane (the high ones give
   zero), and its bit within that byte. */
#define RUN_BYTES(i, bits) (0x80800000u | ((i) * (bits) / 8 + 1) << 8 | ((i) * (bits) / 8))
#define RUN_SHIFT(i, bits) ((i) * (bits) % 8)
#define RUN(f, bits)                                                                                         \
  {                                                                                                          \
    f(0, bits), f(1, bits), f(2, bits), f(3, bits), f(4, bits), f(5, bits), f(6, bits), f(7, bits),          \
        f(8, bits), f(9, bits), f(10, bits), f(11, bits), f(12, bits), f(13, bits), f(14, bits), f(15, bits) \
  }
static const uint32_t run_bytes[MXI_QUANT_FORMATS][16] __attribute__((aligned(64), unused)) = {
#define MX_QUANT_FORMAT(ID, MODE, bits, ...) [MXI_QUANT_##ID] = RUN(RUN_BYTES, bits),
#include "core/quant.def"
};
static const uint32_t run_shifts[MXI_QUANT_FORMATS][16] __attribute__((aligned(64), unused)) = {
#define MX_QUANT_FORMAT(ID, MODE, bits, ...) [MXI_QUANT_##ID] = RUN(RUN_SHIFT, bits),
#include "core/quant.def"
};

/* The `bits` bytes that hold eight integers, in as few loads as can be. */
MXI_INLINE uint64_t load_eight(const uint8_t *p, int bits) {
  const int first = bits == 8 ? 8 : bits >= 4 ? 4 : 2, rest = bits - first;
  uint64_t low = 0, high = 0;
  memcpy(&low, p, (size_t)first);
  if (rest & 2) memcpy(&high, p + first, 2);
  if (rest & 1) high |= (uint64_t)p[bits - 1] << (8 * (rest - 1));
  return rest ? low | high << (8 * first) : low;
}

/* Integers e .. e + MXI_VL of a row's bit stream; e is a multiple of 8 (of MXI_VL where that is less). Reads
   no byte that holds none of them. */
MXI_INLINE vu32 unpack_integers(const uint8_t *row, int64_t e, enum mxi_quant_format format) {
  const int bits = mxi_quant_bits(format);
  const uint8_t *p = row + (e >> 3) * bits;
#if MXI_VL == 16
  __m128i bytes = _mm_maskz_loadu_epi8((__mmask16)((1u << (2 * bits)) - 1), p);
  if (bits == 8) return (vu32)_mm512_cvtepu8_epi32(bytes);
  __m512i v = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(bytes), _mm512_load_si512(run_bytes[format]));
  v = _mm512_srlv_epi32(v, _mm512_load_si512(run_shifts[format]));
  return (vu32)_mm512_and_si512(v, _mm512_set1_epi32((1 << bits) - 1));
#else
  uint64_t eight = load_eight(p, bits);
#if MXI_VL == 8
  if (bits == 8) return (vu32)_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)eight));
  __m256i v = _mm256_shuffle_epi8(_mm256_set1_epi64x((int64_t)eight), *(const __m256i *)run_bytes[format]);
  v = _mm256_srlv_epi32(v, *(const __m256i *)run_shifts[format]);
  return (vu32)_mm256_and_si256(v, _mm256_set1_epi32((1 << bits) - 1));
#else
  eight >>= (e & 4) * bits;
  vu32 v;
  for (int i = 0; i < MXI_VL; i++) v[i] = (uint32_t)(eight >> (i * bits)) & ((1u << bits) - 1);
  return v;
#endif
#endif
}

/* 2 MXI_VL values of E4M3 from p, each times 1 / E4M3_FACTOR. Bytes are handled as 16 bits a lane. */
struct vf32_pair {
  vf32 low, high;
};
MXI_INLINE struct vf32_pair unpack_e4m3_pair(const uint8_t *p) {
  vu16 c;
#if MXI_VL == 16
  c = (vu16)_mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)p));
#elif MXI_VL == 8
  c = (vu16)_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p));
#else
  c = (vu16)_mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i *)(const void *)p));
#endif
  c = c << 7 & 0xbfff; /* the sign has been copied into all bits above it */
  c |= (vu16)((vi16)((c & 0x3f80) + 0x4080) >> 15) & 0x4000; /* 127 alone reaches the sign's bit */
  vu16h half[2];
  memcpy(half, &c, sizeof c);
  return (struct vf32_pair){mxi_f32_from_f16(half[0]), mxi_f32_from_f16(half[1])};
}

/* The values of the same integers. */
MXI_INLINE vf32 unpack_values(const uint8_t *row, int64_t e, enum mxi_quant_format format) {
#if MXI_VL == 16
  if (mxi_quant_values(format) == MXI_VALUES_E4M3)
    return e4m3_values(
        (vu16h)_mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)(row + e))));
#endif
  return values_of(unpack_integers(row, e, format), format);
}
#endif
