/* What the kernels of y = x W^T share: the tile of a few rows of W by a few rows of x, and its vectors.

   E2M1 goes through them as integers u = 2 v + 12 that are not negative: v s = u (s / 2) - 6 s. So its groups
   have biases. (With scales of 2^125 and more, sums of weights below the largest may overflow.) */
#ifndef MXI_KERNELS_QUANTIZED_TILE_H
#define MXI_KERNELS_QUANTIZED_TILE_H
#include "quantized_unpack.h"

enum {
  MAX_X_ROWS = 4,
  PREFETCH_BYTES =
      8000 /* the least distance, in whole tiles: rows are too short for the hardware to see ahead */
};

/* Whether a vector's lanes are words, and x meets their places; else lanes are neighbours in x's own order.
 */
MXI_INLINE bool lanes_are_words(enum mxi_quant_format f) {
  switch (mxi_quant_values(f)) {
  case MXI_VALUES_INTEGER: return 32 % mxi_quant_bits(f) == 0;
  case MXI_VALUES_E2M1: return true;
  case MXI_VALUES_E4M3: return false;
  }
  __builtin_unreachable();
}
/* Whether groups have biases here. */
MXI_INLINE bool adds_group_sums(enum mxi_quant_format f) {
  return mxi_quant_scales(f) == MXI_SCALES_FLOAT || mxi_quant_values(f) == MXI_VALUES_E2M1;
}

typedef void (*matvec_fn)(const struct mxi_matvec *product, int64_t begin, int64_t end, int64_t m);

#if MXI_VL == 16
#define EVEN_LANES 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD_LANES  1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#elif MXI_VL == 8
#define EVEN_LANES 0, 2, 4, 6, 8, 10, 12, 14
#define ODD_LANES  1, 3, 5, 7, 9, 11, 13, 15
#else
#define EVEN_LANES 0, 2, 4, 6
#define ODD_LANES  1, 3, 5, 7
#endif

/* The sums of four vectors' lanes. */
MXI_INLINE __m128 sum_lanes(vf32 a, vf32 b, vf32 c, vf32 d) {
  return _mm_hadd_ps(_mm_hadd_ps(mxi_fold_to_four_f32(a), mxi_fold_to_four_f32(b)),
                     _mm_hadd_ps(mxi_fold_to_four_f32(c), mxi_fold_to_four_f32(d)));
}

/* What a tile reads: rows of W, rows of x. */
struct matvec_tile {
  const uint8_t *w[4];
  const void *scales[4], *biases[4];
  const float *x[MAX_X_ROWS], *sums[MAX_X_ROWS];
  int64_t ahead, groups_ahead; /* bytes from a weight, and groups from a scale, to the one to prefetch */
};

/* MXI_VL words, zeros from n on. */
MXI_INLINE vu32 load_words(const uint8_t *p, int64_t n) {
  if (n >= MXI_VL) return mxi_load_u32((const uint32_t *)(const void *)p);
#if MXI_VL == 16
  return (vu32)_mm512_maskz_loadu_epi32((__mmask16)((1u << n) - 1), p);
#elif MXI_VL == 8
  return (vu32)_mm256_maskload_epi32((const int *)(const void *)p,
                                     (__m256i)(mxi_lanes_i32() < (vi32){0} + (int)n));
#else
  return mxi_loadn_u32((const uint32_t *)(const void *)p, n);
#endif
}

/* Lane i gets scale[group[i]]. */
MXI_INLINE vf32 spread(vf32 scale, vi32 group) {
#if MXI_VL == 16
  return (vf32)_mm512_permutexvar_ps((__m512i)group, (__m512)scale);
#elif MXI_VL == 8
  return (vf32)_mm256_permutevar8x32_ps((__m256)scale, (__m256i)group);
#else
  return (vf32){scale[group[0] & 3], scale[group[1] & 3], scale[group[2] & 3], scale[group[3] & 3]};
#endif
}

/* Bytes from a weight to the one to prefetch: whole tiles. */
MXI_INLINE int64_t bytes_ahead(const struct mxi_matvec *product, enum mxi_quant_format format, int rows) {
  int64_t tile_bytes = rows * (product->w.cols * mxi_quant_bits(format) / 8);
  return (PREFETCH_BYTES / tile_bytes + 1) * tile_bytes;
}

/* Rows [n, n + rows) of W, of which `valid` exist, and where rows [m, m + x_rows) of x lie. */
MXI_INLINE struct matvec_tile matvec_tile(const struct mxi_matvec *product, int64_t n, int64_t valid,
                                          int64_t m, enum mxi_quant_format format, int64_t ahead, int rows,
                                          int x_rows) {
  const struct mxi_quantized *w = &product->w;
  const int log_group = __builtin_ctz((unsigned)w->group_size), bits = mxi_quant_bits(format);
  const int64_t row_bytes = w->cols * bits / 8, groups = w->cols >> log_group;
  struct matvec_tile t = {.ahead = ahead, .groups_ahead = ahead * 8 / bits >> log_group};
  MXI_UNROLL for (int r = 0; r < rows; r++) {
    int64_t row = n + (r < valid ? r : valid - 1);
    t.w[r] = (const uint8_t *)w->packed + row * row_bytes;
    t.scales[r] = scale_at(w->scales, w->dtype, row * groups, format);
    if (w->biases) t.biases[r] = element_at(w->biases, w->dtype, row * groups);
  }
  MXI_UNROLL for (int i = 0; i < x_rows; i++) {
    t.x[i] = product->permuted + (m + i) * product->permuted_stride;
    t.sums[i] = product->sums + (m + i) * product->sums_stride;
  }
  return t;
}

MXI_INLINE void load_float_scales(const struct matvec_tile *t, mx_dtype dtype, int64_t g, int64_t n,
                                  vf32 scale[4], vf32 bias[4], int rows) {
  MXI_UNROLL for (int r = 0; r < rows; r++) {
    __builtin_prefetch(element_at(t->scales[r], dtype, g + t->groups_ahead));
    __builtin_prefetch(element_at(t->biases[r], dtype, g + t->groups_ahead));
  }
#define LOAD_ROWS(dtype)                                                      \
  MXI_UNROLL for (int r = 0; r < rows; r++)                                   \
      scale[r] = load_floats_n(element_at(t->scales[r], dtype, g), dtype, n), \
      bias[r] = load_floats_n(element_at(t->biases[r], dtype, g), dtype, n)
  if (dtype == MX_FLOAT32)
    LOAD_ROWS(MX_FLOAT32);
  else if (dtype == MX_FLOAT16)
    LOAD_ROWS(MX_FLOAT16);
  else
    LOAD_ROWS(MX_BFLOAT16);
#undef LOAD_ROWS
}

/* Scales and biases of groups [g, g + n) of the rows, zeros from n on. */
MXI_INLINE void load_scales(const struct matvec_tile *t, mx_dtype dtype, int64_t g, int64_t n, vf32 scale[4],
                            vf32 bias[4], enum mxi_quant_format format, int rows) {
  if (mxi_quant_scales(format) == MXI_SCALES_FLOAT) {
    load_float_scales(t, dtype, g, n, scale, bias, rows);
    return;
  }
  MXI_UNROLL for (int r = 0; r < rows; r++) {
    const uint8_t *p = (const uint8_t *)t->scales[r] + g;
    __builtin_prefetch(p + t->groups_ahead);
    scale[r] = load_scales_n(p, dtype, n, format);
    bias[r] = splat(0);
    if (mxi_quant_values(format) != MXI_VALUES_E2M1) continue;
    scale[r] *= splat(0.5f);
    bias[r] = scale[r] * splat(-E2M1_OFFSET);
  }
}

/* Writes the tile of y: each element is the sum of a total's lanes. */
MXI_INLINE void store_matvec_tile(const struct mxi_matvec *product, vf32 total[4][MAX_X_ROWS], int64_t n,
                                  int64_t valid, int64_t m, int rows, int x_rows) {
  MXI_UNROLL for (int i = 0; i < x_rows; i++) {
    void *y = (char *)product->y + ((m + i) * product->w.rows + n) * (product->dtype == MX_FLOAT32 ? 4 : 2);
    __m128 sums = sum_lanes(total[0][i], total[1][i], total[2 % rows][i], total[3 % rows][i]);
    vf32 v = {0};
    memcpy(&v, &sums, sizeof sums);
    if (valid == 4)
      store_floats_n(y, v, product->dtype, 4);
    else
      store_floats_n(y, v, product->dtype, valid);
  }
}

/* Blocks of rows that stay in L1 or L2 while the rows of x pass by. */
static inline void each_matvec_block(const struct mxi_matvec *product, int64_t begin, int64_t end,
                                     const matvec_fn instances[MAX_X_ROWS]) {
  int64_t step = product->m <= MAX_X_ROWS ? end - begin : 16;
  for (int64_t n = begin; n < end; n += step)
    for (int64_t m = 0; m < product->m; m += MAX_X_ROWS)
      instances[(product->m - m < MAX_X_ROWS ? product->m - m : MAX_X_ROWS) - 1](
          product, n, n + step < end ? n + step : end, m);
}
#endif
