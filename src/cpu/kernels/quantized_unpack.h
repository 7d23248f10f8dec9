/* From packed integers, scales and biases to float vectors; shared by the quantised kernels. */
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

MXI_INLINE vf32 widen(vu16h h, mx_dtype t) {
  return t == MX_FLOAT16 ? mxi_f32_from_f16(h) : mxi_f32_from_bf16(h);
}

/* MXI_VL floats from p of dtype t. */
MXI_INLINE vf32 load_floats(const void *p, mx_dtype t) {
  return t == MX_FLOAT32 ? mxi_load_f32(p) : widen(mxi_load_u16h(p), t);
}

/* The first n of MXI_VL floats, the others zero; n may exceed MXI_VL. */
MXI_INLINE vf32 load_floats_n(const void *p, mx_dtype t, int64_t n) {
#if MXI_VL == 16
  __mmask16 mask = (__mmask16)_bzhi_u32(0xffff, n < 16 ? (unsigned)n : 16);
  if (t == MX_FLOAT32) return (vf32)_mm512_maskz_loadu_ps(mask, p);
  return widen((vu16h)_mm256_maskz_loadu_epi16(mask, p), t);
#else
  if (n >= MXI_VL) return load_floats(p, t);
  if (t == MX_FLOAT32) return mxi_loadn_f32(p, n);
  vu16h h = {0};
  for (int64_t i = 0; i < n; i++) h[i] = ((const uint16_t *)p)[i];
  return widen(h, t);
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
#define RUN_BYTES(i, bits) (0x80800000u | (i * bits / 8 + 1) << 8 | (i * bits / 8))
#define RUN_SHIFT(i, bits) (i * bits % 8)
#define RUN(f, bits)                                                                                         \
  {                                                                                                          \
    f(0, bits), f(1, bits), f(2, bits), f(3, bits), f(4, bits), f(5, bits), f(6, bits), f(7, bits),          \
        f(8, bits), f(9, bits), f(10, bits), f(11, bits), f(12, bits), f(13, bits), f(14, bits), f(15, bits) \
  }
#define RUNS(f) \
  { [2] = RUN(f, 2), [3] = RUN(f, 3), [4] = RUN(f, 4), [5] = RUN(f, 5), [6] = RUN(f, 6) }
static const uint32_t run_bytes[7][16] __attribute__((aligned(64), unused)) = RUNS(RUN_BYTES);
static const uint32_t run_shifts[7][16] __attribute__((aligned(64), unused)) = RUNS(RUN_SHIFT);

/* The `bits` bytes that hold eight integers, in two loads at most. */
MXI_INLINE uint64_t load_eight(const uint8_t *p, int bits) {
  const int first = bits == 8 ? 8 : bits >= 4 ? 4 : 2, rest = bits - first;
  uint64_t low = 0, high = 0;
  memcpy(&low, p, (size_t)first);
  if (rest == 1) return low | (uint64_t)p[first] << (8 * first);
  if (rest) memcpy(&high, p + first, 2);
  return rest ? low | high << (8 * first) : low;
}

/* Integers e .. e + MXI_VL of a row's bit stream as floats; e is a multiple of 8 (of MXI_VL where that is
   less). Reads no byte that holds none of them. */
MXI_INLINE vf32 unpack_run(const uint8_t *row, int64_t e, int bits) {
#if MXI_VL == 16
  __m128i bytes = _mm_maskz_loadu_epi8((__mmask16)((1u << (2 * bits)) - 1), row + (e >> 3) * bits);
  if (bits == 8) return (vf32)_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes));
  __m512i v = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(bytes), _mm512_load_si512(run_bytes[bits]));
  v = _mm512_srlv_epi32(v, _mm512_load_si512(run_shifts[bits]));
  return (vf32)_mm512_cvtepi32_ps(_mm512_and_si512(v, _mm512_set1_epi32((1 << bits) - 1)));
#else
  uint64_t eight = load_eight(row + (e >> 3) * bits, bits);
#if MXI_VL == 8
  if (bits == 8) return (vf32)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128((int64_t)eight)));
  __m256i v = _mm256_shuffle_epi8(_mm256_set1_epi64x((int64_t)eight), *(const __m256i *)run_bytes[bits]);
  v = _mm256_srlv_epi32(v, *(const __m256i *)run_shifts[bits]);
  return (vf32)_mm256_cvtepi32_ps(_mm256_and_si256(v, _mm256_set1_epi32((1 << bits) - 1)));
#else
  eight >>= (e & 4) * bits;
  vi32 v;
  for (int i = 0; i < MXI_VL; i++) v[i] = (int)(eight >> (i * bits)) & ((1 << bits) - 1);
  return __builtin_convertvector(v, vf32);
#endif
#endif
}

/* Calls body(bits) with bits a constant. */
#define WITH_BITS(bits, body) \
  switch (bits) {             \
  case 2: body(2); break;     \
  case 3: body(3); break;     \
  case 4: body(4); break;     \
  case 5: body(5); break;     \
  case 6: body(6); break;     \
  default: body(8); break;    \
  }
#endif
