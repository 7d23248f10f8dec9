/* Packing: dst[unit][width] from src[r * r_stride + k * k_stride]. Where r is contiguous a unit is a copy;
   where k is contiguous, blocks of MXI_VL x MXI_VL are transposed in registers; else element by element.
   Halves are widened on the way. A width is at most one vector (slivers of A) or a whole number of vectors
   (panels of B). */
#include "cpu/kernels/gemm_kernels.h"
#include "cpu/kernels/gemm_pack.h"
#include "cpu/kernels/transpose.h"
#include "cpu/simd.h"
#include <stdbool.h>

/* What a 32-bit lane of the packed form is made of. */
enum lane_kind { F32, F16, BF16, BF16_PAIR };

/* MXI_VL lanes from contiguous elements (pairs for BF16_PAIR). */
MXI_INLINE vf32 load_lanes(enum lane_kind kind, const void *p) {
  if (kind == F16) return mxi_f32_from_f16(mxi_load_u16h(p));
  if (kind == BF16) return mxi_f32_from_bf16(mxi_load_u16h(p));
  return mxi_load_f32(p);
}
/* The first n lanes, the others zero; by masks where the set has them, for slivers of A are rarely whole
 * vectors. */
MXI_INLINE vf32 load_f32_n(const void *p, int64_t n) {
#if defined(__AVX512F__)
  return (vf32)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#elif defined(__AVX2__)
  static const int32_t mask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
  return (vf32)_mm256_maskload_ps(p, _mm256_loadu_si256((const __m256i *)(mask + 8 - n)));
#else
  return mxi_loadn_f32(p, n);
#endif
}
MXI_INLINE vu16h load_u16_n(const void *p, int64_t n) {
#if defined(__AVX512F__)
  return (vu16h)_mm256_maskz_loadu_epi16((__mmask16)((1u << n) - 1), p);
#else
  return mxi_loadn_u16h(p, n);
#endif
}
/* The first n lanes, the others zero. */
MXI_INLINE vf32 load_lanes_n(enum lane_kind kind, const void *p, int64_t n) {
  if (kind == F16) return mxi_f32_from_f16(load_u16_n(p, n));
  if (kind == BF16) return mxi_f32_from_bf16(load_u16_n(p, n));
  return load_f32_n(p, n);
}
/* One lane from the element at p (and for pairs its successor along k, if there is one). */
MXI_INLINE float load_lane(enum lane_kind kind, const char *p, int64_t k_bytes, bool has_second) {
  if (kind == F32) return *(const float *)p;
  uint16_t first = *(const uint16_t *)p, second = 0;
  if (kind == F16) return mxi_f32_from_f16((vu16h){first})[0];
  if (kind == BF16_PAIR && has_second) second = *(const uint16_t *)(p + k_bytes);
  uint32_t bits = kind == BF16 ? (uint32_t)first << 16 : first | (uint32_t)second << 16;
  float lane;
  memcpy(&lane, &bits, sizeof lane);
  return lane;
}
/* Lanes of a unit whose r is contiguous: n of them. For pairs q is the next row of k, NULL at the end. */
MXI_INLINE vf32 load_unit(enum lane_kind kind, const void *p, const void *q, int64_t n) {
  if (kind != BF16_PAIR) return n == MXI_VL ? load_lanes(kind, p) : load_lanes_n(kind, p, n);
  vu16h zero = {0}, first = n == MXI_VL ? mxi_load_u16h(p) : load_u16_n(p, n);
  vu16h second = !q ? zero : n == MXI_VL ? mxi_load_u16h(q) : load_u16_n(q, n);
  return (vf32)(mxi_u32_from_u16(first) | mxi_u32_from_u16(second) << 16);
}

struct pack_source {
  const char *p;
  int64_t r_bytes, k_bytes; /* strides; k_bytes of one element */
  int64_t valid, width, units, kc;
};

/* Units [from, units) element by element, for columns of any stride and for ends. */
MXI_INLINE void pack_elements(enum lane_kind kind, float *dst, struct pack_source s, int64_t from) {
  int64_t step = kind == BF16_PAIR ? 2 : 1;
  for (int64_t u = from; u < s.units; u++)
    for (int64_t r = 0; r < s.width; r++)
      dst[u * s.width + r] = r < s.valid ? load_lane(kind, s.p + r * s.r_bytes + u * step * s.k_bytes,
                                                     s.k_bytes, u * step + 1 < s.kc)
                                         : 0;
}

/* r is contiguous. A sliver narrower than a vector is stored a whole vector at a time: the excess falls on
   the next unit, stored later, except in the sliver's last units. */
MXI_INLINE void pack_contiguous_r(enum lane_kind kind, float *dst, struct pack_source s) {
  int64_t item = kind == F32 ? 4 : 2, step = kind == BF16_PAIR ? 2 : 1;
  int64_t roomy = s.width < MXI_VL ? s.units - MXI_VL / s.width : s.units;
  for (int64_t u = 0; u < s.units; u++) {
    const char *p = s.p + u * step * s.k_bytes, *q = u * step + 1 < s.kc ? p + s.k_bytes : NULL;
    for (int64_t r = 0; r < s.width; r += MXI_VL) {
      int64_t n = s.valid - r < MXI_VL ? s.valid - r : MXI_VL;
      vf32 lanes = n > 0 ? load_unit(kind, p + r * item, q ? q + r * item : NULL, n) : (vf32){0};
      if (u < roomy)
        mxi_store_f32(dst + u * s.width + r, lanes);
      else
        mxi_storen_f32(dst + u * s.width + r, lanes, s.width);
    }
  }
}

/* k is contiguous. A sliver narrower than a vector is stored a whole vector at a time: the excess falls on
   units that are stored later, except in the sliver's last block. */
MXI_INLINE void pack_contiguous_k(enum lane_kind kind, float *dst, struct pack_source s) {
  int64_t item = kind == F32 || kind == BF16_PAIR ? 4 : 2, whole = s.kc / (kind == BF16_PAIR ? 2 : 1);
  int64_t u = 0;
  for (; u + MXI_VL <= whole; u += MXI_VL)
    for (int64_t r = 0; r < s.width; r += MXI_VL) {
      vf32 v[MXI_VL];
      MXI_UNROLL
      for (int i = 0; i < MXI_VL; i++)
        v[i] = r + i < s.valid ? load_lanes(kind, s.p + (r + i) * s.r_bytes + u * item) : (vf32){0};
      transpose_square(v);
      float *d = dst + u * s.width + r;
      if (s.width >= MXI_VL || u + 2 * MXI_VL <= whole) MXI_UNROLL
      for (int i = 0; i < MXI_VL; i++) mxi_store_f32(d + i * s.width, v[i]);
      else for (int i = 0; i < MXI_VL; i++) mxi_storen_f32(d + i * s.width, v[i], s.width);
    }
  pack_elements(kind, dst, s, u);
}

MXI_INLINE void pack_lanes(enum lane_kind kind, void *dst, const void *src, int64_t r_stride,
                           int64_t k_stride, int64_t valid, int64_t width, int64_t kc) {
  int64_t item = kind == F32 ? 4 : 2, units = kind == BF16_PAIR ? (kc + 1) / 2 : kc;
  struct pack_source s = {src, r_stride * item, k_stride * item, valid, width, units, kc};
  if (k_stride == 1 && valid > 1)
    pack_contiguous_k(kind, dst, s);
  else if (r_stride == 1)
    pack_contiguous_r(kind, dst, s);
  else
    pack_elements(kind, dst, s, 0);
}

#define PACKER(name, kind) \
  MXI_PACKER(name) { pack_lanes(kind, dst, src, r_stride, k_stride, valid, width, kc); }
PACKER(mxi_pack_f32, F32)
PACKER(mxi_pack_f16, F16)
PACKER(mxi_pack_bf16, BF16)
PACKER(mxi_pack_bf16_pairs, BF16_PAIR)

#if MXI_VL == 16
MXI_PACKER(mxi_pack_bf16_tiles) {
  int64_t pairs = (kc + 1) / 2, padded = (kc + 31) / 32 * 16;
  mxi_pack_bf16_pairs(dst, src, r_stride, k_stride, valid, width, kc);
  memset((float *)dst + pairs * width, 0, (size_t)((padded - pairs) * width) * sizeof(float));
}

/* Unit u of rows [0, n), n <= MXI_VL, whose neighbours along r are contiguous. */
MXI_INLINE void pack_tile_across(float *dst, const uint16_t *src, int64_t k_stride, int64_t n, int64_t kc) {
  vf32 v[MXI_VL];
  MXI_UNROLL
  for (int i = 0; i < MXI_VL; i++) {
    const uint16_t *p = src + 2 * i * k_stride, *q = 2 * i + 1 < kc ? p + k_stride : NULL;
    v[i] = 2 * i < kc ? load_unit(BF16_PAIR, p, q, n) : (vf32){0};
  }
  transpose_square(v);
  for (int64_t i = 0; i < n; i++) mxi_store_f32(dst + i * MXI_VL, v[i]);
}

MXI_PACKER(mxi_pack_bf16_rows) {
  enum { UNIT = 2 * MXI_VL };
  const uint16_t *s = src;
  float *d = dst;
  for (int64_t k = 0; k < kc; k += UNIT, d += width * MXI_VL) {
    int64_t n = kc - k < UNIT ? kc - k : UNIT;
    for (int64_t r = 0; r < width; r += r_stride == 1 && k_stride != 1 ? MXI_VL : 1) {
      const uint16_t *from = s + r * r_stride + k * k_stride;
      if (k_stride == 1) {
        _mm512_storeu_si512(d + r * MXI_VL,
                            _mm512_maskz_loadu_epi16((__mmask32)(UINT32_MAX >> (UNIT - n)), from));
      } else if (r_stride == 1)
        pack_tile_across(d + r * MXI_VL, from, k_stride, width - r < MXI_VL ? width - r : MXI_VL, n);
      else {
        uint16_t *to = (uint16_t *)(d + r * MXI_VL);
        for (int64_t i = 0; i < UNIT; i++) to[i] = i < n ? from[i * k_stride] : 0;
      }
    }
  }
}
#endif

MXI_PACKER(mxi_pack_f64) {
  double *d = dst;
  const double *s = src;
  enum { BLOCK = 8 }; /* a cache line of each row at a time */
  for (int64_t k0 = 0; k0 < kc; k0 += BLOCK) {
    int64_t k1 = k0 + BLOCK < kc ? k0 + BLOCK : kc;
    if (r_stride == 1) {
      for (int64_t k = k0; k < k1; k++)
        for (int64_t r = 0; r < valid; r++) d[k * width + r] = s[r + k * k_stride];
    } else
      for (int64_t r = 0; r < valid; r++)
        for (int64_t k = k0; k < k1; k++) d[k * width + r] = s[r * r_stride + k * k_stride];
    for (int64_t k = k0; k < k1; k++)
      for (int64_t r = valid; r < width; r++) d[k * width + r] = 0;
  }
}
