/* What the files of the tile engine share: the type of a tile function, the tables that hold them, and the
   loops that move tiles in and out of memory. tiles.c says how a program runs; tiles_<family>.c are the
   tables. */
#ifndef MXI_CPU_KERNELS_TILES_H
#define MXI_CPU_KERNELS_TILES_H
#include "cpu/program.h"
#include "cpu/simd.h"

/* The elementwise primitives' ids (MXI_ADD and so on, of core/node.h, whose list starts with the same rows).
 */
enum mxi_tile_op {
#define MX_ELEMENTWISE(ID, name, arity, rule) MXI_TILE_##ID,
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
  MXI_TILE_OPS
};

/* dst[i] = op(a[i], b[i], c[i]) for i < n, on register forms. dst may be a, b or c itself where the element
   sizes are equal; otherwise they don't overlap. Nothing past element n is read or written. */
#define MXI_TILE_ARGS void *dst, const void *a, const void *b, const void *c, int n

/* Tables by op; NULL where the op does not exist for the form. Halves: the fused functions round as they go;
   for what is absent there, the float32 function runs and then the rounding. mxi_tiles_f32_math holds the
   elementary functions, absent from mxi_tiles_f32. Casts: [from][to], of register forms; of those to halves
   the rounding is still to come. */
typedef const mxi_tile_fn mxi_tile_table[MXI_TILE_OPS];
#define MXI_DECLARE_TABLE(name) extern mxi_tile_table MXI_ISA_NAME(name)
MXI_DECLARE_TABLE(mxi_tiles_f32);
MXI_DECLARE_TABLE(mxi_tiles_f32_math);
MXI_DECLARE_TABLE(mxi_tiles_f16);
MXI_DECLARE_TABLE(mxi_tiles_bf16);
MXI_DECLARE_TABLE(mxi_tiles_f64);
MXI_DECLARE_TABLE(mxi_tiles_complex);
extern const mxi_tile_fn MXI_ISA_NAME(mxi_tiles_integer)[MX_INT64 + 1][MXI_TILE_OPS];
extern const mxi_tile_fn MXI_ISA_NAME(mxi_tiles_cast)[MX_DTYPE_COUNT][MX_DTYPE_COUNT];

/* Rounds float32 to a half type's grid. */
void MXI_ISA_NAME(mxi_tile_round_f16)(MXI_TILE_ARGS);
void MXI_ISA_NAME(mxi_tile_round_bf16)(MXI_TILE_ARGS);

/* The runs of one tile: n elements from element `start` of the region, row by row. */
struct mxi_tile_region {
  int ndim;
  const int64_t *shape;
};
/* Gathers elements of `size` bytes (1, 2, 4 or 8) into dst. Returns where they lie instead, without a copy,
   when in_place is set and they are one contiguous run. */
const void *MXI_ISA_NAME(mxi_tile_gather)(void *dst, const struct mxi_tile_region *region,
                                          const struct mxi_operand *from, int64_t start, int n, int size,
                                          int in_place);
void MXI_ISA_NAME(mxi_tile_scatter)(const struct mxi_operand *to, const struct mxi_tile_region *region,
                                    const void *src, int64_t start, int n, int size);
void MXI_ISA_NAME(mxi_tile_splat)(void *dst, const void *element, int n, int size);
void MXI_ISA_NAME(mxi_tile_widen)(float *dst, const uint16_t *src, int n, int type);
void MXI_ISA_NAME(mxi_tile_narrow)(uint16_t *dst, const float *src, int n, int type);
/* A copy that leaves the destination out of the caches. */
void MXI_ISA_NAME(mxi_tile_stream)(void *dst, const void *src, size_t bytes);

/* Loops in which dst is an operand itself or apart from all of them. */
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wpass-failed" /* some of the loops call libm and stay scalar */
#define MXI_EACH                                 \
  _Pragma("clang loop vectorize(assume_safety)") \
  for (int i = 0; i < n; i++)
#else
#define MXI_EACH       \
  _Pragma("GCC ivdep") \
  for (int i = 0; i < n; i++)
#endif

/* The first m < MXI_VL floats of a vector; the other lanes read as zero and are not written. */
MXI_INLINE vf32 mxi_load_part_f32(const float *p, int m) {
#if defined(__AVX512F__)
  if (m == 8) return (vf32)_mm512_zextps256_ps512(_mm256_loadu_ps(p)); /* masked stores are slow to forward */
  return (vf32)_mm512_maskz_loadu_ps((__mmask16)((1u << m) - 1), p);
#elif defined(__AVX2__)
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  return (vf32)_mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(m), lane));
#else
  vf32 v = {p[0]};
  if (m > 1) v[1] = p[1];
  if (m > 2) v[2] = p[2];
  return v;
#endif
}
MXI_INLINE void mxi_store_part_f32(float *p, vf32 v, int m) {
#if defined(__AVX512F__)
  if (m == 8)
    _mm256_storeu_ps(p, _mm512_castps512_ps256((__m512)v));
  else
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << m) - 1), (__m512)v);
#elif defined(__AVX2__)
  const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  _mm256_maskstore_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(m), lane), (__m256)v);
#else
  p[0] = v[0];
  if (m > 1) p[1] = v[1];
  if (m > 2) p[2] = v[2];
#endif
}
MXI_INLINE vf32 mxi_load_upto_f32(const float *p, int m) {
  return m >= MXI_VL ? mxi_load_f32(p) : mxi_load_part_f32(p, m);
}
MXI_INLINE void mxi_store_upto_f32(float *p, vf32 v, int m) {
  if (m >= MXI_VL)
    mxi_store_f32(p, v);
  else
    mxi_store_part_f32(p, v, m);
}
MXI_INLINE vf32 mxi_round_f16(vf32 x) { return mxi_f32_from_f16(mxi_f16_from_f32(x)); }
MXI_INLINE vf32 mxi_round_bf16(vf32 x) { return mxi_f32_from_bf16(mxi_bf16_from_f32(x)); }
#endif
