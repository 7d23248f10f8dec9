/* y = x W^T for few rows of x: W is streamed once, its integers widened to float32 in registers.

   y[n] = sum_k (q[n,k] s[n,g(k)] + b[n,g(k)]) x[k] = sum_g s[n,g] (sum_{k in g} q[n,k] x[k]) + sum_g b[n,g]
   X[g] with X[g] the sum of x over group g, made once a call.

   2, 4 and 8 bits divide a word. One vector holds MXI_VL neighbouring words of a row; its field i (mask,
   convert) holds the weights at place i of each word, so x is permuted once a call to meet them: a block of
   MXI_VL words meets permuted[place][lane]. Masking leaves the field where it lies, times 2^(bits * place),
   and x carries the inverse power, which is exact; the word's upper half is shifted down first, so the powers
   stay within 2^14. E2M1 is looked up in bytes first, even places in one vector and odd ones in another. 3, 5
   and 6 bits, and E4M3, are unpacked MXI_VL neighbours at a time and meet x in its own order.

   A tile is a few rows of W by a few rows of x. Each of its sums has one accumulator a block, then one
   multiply_add by the scale: the order never depends on the tile's shape, nor on threads.

   Where the machine has integer dot products, quantized_fixed_point.c takes what fits into bytes. */
#include "quantized_tile.h"

/* Weights of a row that a block covers: MXI_VL words, or 32. */
MXI_INLINE int64_t block_weights(enum mxi_quant_format f) {
  return lanes_are_words(f) ? MXI_VL * (32 / mxi_quant_bits(f)) : 32;
}
/* By which power of two place i of a word is too large, where it is masked. */
MXI_INLINE int place_shift(int i, enum mxi_quant_format f) {
  return mxi_quant_values(f) == MXI_VALUES_E2M1 ? 8 * (i / 2) % 16 : mxi_quant_bits(f) * i % 16;
}
/* Rows of W in a tile: as many as registers hold beside their x rows. */
MXI_INLINE int tile_rows(int x_rows) { return MXI_VL == 16 || x_rows <= 2 ? 4 : 2; }

void MXI_ISA_NAME(mxi_matvec_layout)(struct mxi_matvec *product) {
  int64_t block = block_weights(product->w.format), groups = product->w.cols / product->w.group_size;
  product->fixed_point = MXI_ISA_NAME(mxi_fixed_point_layout)(product);
  if (product->fixed_point) return;
  product->permuted_stride = (product->w.cols + block - 1) / block * block;
  product->sums_stride = (groups + MXI_VL - 1) / MXI_VL * MXI_VL;
}

/* Splits a block into its places: out[i][lane] = x[lane * places + i], in place. Each round parts even from
   odd elements within ever smaller runs of vectors, which leaves place i at i with its bits reversed. */
MXI_INLINE void permute_block(float *block, enum mxi_quant_format format) {
  const int places = 32 / mxi_quant_bits(format), rounds = __builtin_ctz((unsigned)places);
  vf32 v[16], next[16];
  MXI_UNROLL for (int i = 0; i < places; i++) v[i] = mxi_load_f32(block + i * MXI_VL);
  MXI_UNROLL for (int run = places; run > 1; run /= 2) {
    MXI_UNROLL for (int i = 0; i < places / 2; i++) {
      const int first = i / (run / 2) * run, j = i % (run / 2);
      next[first + j] = __builtin_shufflevector(v[first + 2 * j], v[first + 2 * j + 1], EVEN_LANES);
      next[first + run / 2 + j] = __builtin_shufflevector(v[first + 2 * j], v[first + 2 * j + 1], ODD_LANES);
    }
    MXI_UNROLL for (int i = 0; i < places; i++) v[i] = next[i];
  }
  MXI_UNROLL for (int i = 0; i < places; i++) {
    int place = 0;
    MXI_UNROLL for (int b = 0; b < rounds; b++) place |= (i >> b & 1) << (rounds - 1 - b);
    mxi_store_f32(block + place * MXI_VL, v[i] * splat(1.0f / (float)(1 << place_shift(place, format))));
  }
}

/* sums[g] of the widened row x, four groups a round; zeros past the last group, and x is zero there too. */
static void sum_groups(const struct mxi_matvec *product, const float *x, float *sums) {
  const int group_size = product->w.group_size;
  const int64_t groups = product->w.cols / group_size;
  for (int64_t g = 0; g < product->sums_stride; g += 4) {
    vf32 sum[4];
    MXI_UNROLL for (int i = 0; i < 4; i++) {
      sum[i] = splat(0);
      if (g + i >= groups) continue;
      for (int k = 0; k < group_size; k += MXI_VL) sum[i] += mxi_load_f32(x + (g + i) * group_size + k);
    }
    _mm_storeu_ps(sums + g, sum_lanes(sum[0], sum[1], sum[2], sum[3]));
  }
}

MXI_INLINE void permute_row(float *x, int64_t n, enum mxi_quant_format format) {
  if (!lanes_are_words(format)) return;
  for (int64_t k = 0; k < n; k += block_weights(format)) permute_block(x + k, format);
}
#define MX_QUANT_FORMAT(ID, ...) \
  static void permute_row_##ID(float *x, int64_t n) { permute_row(x, n, MXI_QUANT_##ID); }
#include "core/quant.def"
static void (*const permute_row_of[MXI_QUANT_FORMATS])(float *x, int64_t n) = {
#define MX_QUANT_FORMAT(ID, ...) permute_row_##ID,
#include "core/quant.def"
};

void MXI_ISA_NAME(mxi_matvec_prepare)(const struct mxi_matvec *product, int64_t row) {
  if (product->fixed_point) {
    MXI_ISA_NAME(mxi_fixed_point_prepare)(product, row);
    return;
  }
  const int64_t cols = product->w.cols;
  float *x = product->permuted + row * product->permuted_stride;
  const void *src = element_at(product->x, product->dtype, row * cols);
  for (int64_t k = 0; k < cols; k += MXI_VL)
    mxi_store_f32(x + k, load_floats(element_at(src, product->dtype, k), product->dtype));
  for (int64_t k = cols; k < product->permuted_stride; k += MXI_VL) mxi_store_f32(x + k, splat(0));
  sum_groups(product, x, product->sums + row * product->sums_stride);
  permute_row_of[product->w.format](x, product->permuted_stride);
}

/* The bytes or fields of a vector of words, from which the places of either parity are masked. */
struct word_pair {
  vu32 even, odd;
};
MXI_INLINE struct word_pair split_words(vu32 word, enum mxi_quant_format format) {
  if (mxi_quant_values(format) == MXI_VALUES_INTEGER) return (struct word_pair){word, word};
  return (struct word_pair){e2m1_bytes(word & 0x0f0f0f0f), e2m1_bytes(word >> 4 & 0x0f0f0f0f)};
}
/* Place i of each word, times 2^place_shift. */
MXI_INLINE vf32 place_of(const struct word_pair *pair, int i, enum mxi_quant_format format) {
  const int bits = mxi_quant_bits(format);
  const uint32_t mask = mxi_quant_values(format) == MXI_VALUES_E2M1 ? 255 : (1u << bits) - 1;
  vu32 half = i % 2 ? pair->odd : pair->even;
  if (i >= 16 / bits) half >>= 16;
  return __builtin_convertvector((vi32)(half & ((vu32){0} + (mask << place_shift(i, format)))), vf32);
}

/* Adds weights [k, k + n) of the rows; scale[r] holds the scales of their groups, at most MXI_VL of them. */
MXI_INLINE void add_words(const struct matvec_tile *t, vf32 total[4][MAX_X_ROWS], const vf32 *scale,
                          int64_t k, int64_t n, int log_group, enum mxi_quant_format format, int rows,
                          int x_rows) {
  const int places = 32 / mxi_quant_bits(format), block = MXI_VL * places;
  const int log_words = log_group - __builtin_ctz((unsigned)places); /* words a group */
  for (int64_t j = 0; j < n; j += block) {
    struct word_pair word[4];
    vf32 sum[4][MAX_X_ROWS];
    MXI_UNROLL for (int r = 0; r < rows; r++) {
      const uint8_t *p = t->w[r] + (k + j) / places * 4;
      word[r] = split_words(load_words(p, (n - j) / places), format);
      __builtin_prefetch(p + t->ahead);
    }
    MXI_UNROLL for (int i = 0; i < places; i++) {
      vf32 q[4];
      MXI_UNROLL for (int r = 0; r < rows; r++) q[r] = place_of(&word[r], i, format);
      MXI_UNROLL for (int m = 0; m < x_rows; m++) {
        vf32 x = mxi_load_f32(t->x[m] + k + j + i * MXI_VL);
        MXI_UNROLL for (int r = 0; r < rows; r++) sum[r][m] =
            i ? multiply_add_f32(q[r], x, sum[r][m]) : q[r] * x;
      }
    }
    const vi32 group = (mxi_lanes_i32() + (int)(j / places)) >> log_words;
    MXI_UNROLL for (int r = 0; r < rows; r++) {
      vf32 s = spread(scale[r], group);
      MXI_UNROLL for (int m = 0; m < x_rows; m++) total[r][m] = multiply_add_f32(sum[r][m], s, total[r][m]);
    }
  }
}

/* 2 MXI_VL neighbours, or where that is more than a group, the first MXI_VL of them; of E4M3 / E4M3_FACTOR.
 */
MXI_INLINE struct vf32_pair unpack_pair(const uint8_t *row, int64_t k, int span,
                                        enum mxi_quant_format format) {
  if (mxi_quant_values(format) == MXI_VALUES_E4M3) return unpack_e4m3_pair(row + k);
  return (struct vf32_pair){unpack_values(row, k, format),
                            span > MXI_VL ? unpack_values(row, k + MXI_VL, format) : splat(0)};
}

/* The same in x's own order: `span` weights of one group a sum. */
MXI_INLINE void add_stream(const struct matvec_tile *t, vf32 total[4][MAX_X_ROWS], const vf32 *scale,
                           int64_t k, int64_t n, int log_group, int span, enum mxi_quant_format format,
                           int rows, int x_rows) {
  for (int64_t j = 0; j < n; j += span) {
    vf32 sum[4][MAX_X_ROWS];
    MXI_UNROLL for (int r = 0; r < rows; r++)
        __builtin_prefetch(t->w[r] + (k + j) / 8 * mxi_quant_bits(format) + t->ahead);
    MXI_UNROLL for (int i = 0; i < span; i += 2 * MXI_VL) {
      struct vf32_pair q[4];
      MXI_UNROLL for (int r = 0; r < rows; r++) q[r] = unpack_pair(t->w[r], k + j + i, span, format);
      MXI_UNROLL for (int m = 0; m < x_rows; m++) {
        vf32 x = mxi_load_f32(t->x[m] + k + j + i);
        MXI_UNROLL for (int r = 0; r < rows; r++) sum[r][m] =
            i ? multiply_add_f32(q[r].low, x, sum[r][m]) : q[r].low * x;
        if (span <= MXI_VL) continue;
        x = mxi_load_f32(t->x[m] + k + j + i + MXI_VL);
        MXI_UNROLL for (int r = 0; r < rows; r++) sum[r][m] = multiply_add_f32(q[r].high, x, sum[r][m]);
      }
    }
    const vi32 group = mxi_set_i32((int)(j >> log_group));
    MXI_UNROLL for (int r = 0; r < rows; r++) {
      vf32 s = spread(scale[r], group);
      MXI_UNROLL for (int m = 0; m < x_rows; m++) total[r][m] = multiply_add_f32(sum[r][m], s, total[r][m]);
    }
  }
}

/* Rows [n, n + rows) of W, of which `valid` exist, against rows [m, m + x_rows) of x. */
MXI_INLINE void multiply_tile(const struct mxi_matvec *product, int64_t n, int64_t valid, int64_t m,
                              enum mxi_quant_format format, int64_t ahead, int rows, int x_rows) {
  const int log_group = __builtin_ctz((unsigned)product->w.group_size);
  const int64_t groups = product->w.cols >> log_group;
  const struct matvec_tile t = matvec_tile(product, n, valid, m, format, ahead, rows, x_rows);
  vf32 total[4][MAX_X_ROWS];
  MXI_UNROLL for (int r = 0; r < rows; r++) MXI_UNROLL for (int i = 0; i < x_rows; i++) total[r][i] =
      splat(0);
  for (int64_t g = 0; g < groups; g += MXI_VL) {
    vf32 scale[4], bias[4];
    load_scales(&t, product->w.dtype, g, groups - g, scale, bias, format, rows);
    if (adds_group_sums(format))
      MXI_UNROLL for (int r = 0; r < rows; r++) MXI_UNROLL for (int i = 0; i < x_rows; i++) total[r][i] =
          multiply_add_f32(bias[r], mxi_load_f32(t.sums[i] + g), total[r][i]);
    int64_t count = groups - g < MXI_VL ? groups - g : MXI_VL, k = g << log_group,
            weights = count << log_group;
    if (lanes_are_words(format))
      add_words(&t, total, scale, k, weights, log_group, format, rows, x_rows);
    else if (log_group == 4)
      add_stream(&t, total, scale, k, weights, log_group, 16, format, rows, x_rows);
    else
      add_stream(&t, total, scale, k, weights, log_group, 32, format, rows, x_rows);
  }
  if (mxi_quant_values(format) == MXI_VALUES_E4M3)
    MXI_UNROLL for (int r = 0; r < rows; r++) MXI_UNROLL for (int i = 0; i < x_rows; i++) total[r][i] *=
        splat(E4M3_FACTOR);
  store_matvec_tile(product, total, n, valid, m, rows, x_rows);
}

MXI_INLINE void multiply_rows(const struct mxi_matvec *product, int64_t begin, int64_t end, int64_t m,
                              enum mxi_quant_format format, int x_rows) {
  const int rows = tile_rows(x_rows);
  const int64_t ahead = bytes_ahead(product, format, rows);
  for (int64_t n = begin; n < end; n += rows)
    multiply_tile(product, n, end - n < rows ? end - n : rows, m, format, ahead, rows, x_rows);
}

/* One function for each format and number of rows of x. */
#define INSTANCE(ID, x_rows)                                                                         \
  static void multiply_##ID##_##x_rows(const struct mxi_matvec *product, int64_t begin, int64_t end, \
                                       int64_t m) {                                                  \
    multiply_rows(product, begin, end, m, MXI_QUANT_##ID, x_rows);                                   \
  }
#define MX_QUANT_FORMAT(ID, ...) INSTANCE(ID, 1) INSTANCE(ID, 2) INSTANCE(ID, 3) INSTANCE(ID, 4)
#include "core/quant.def"
static const matvec_fn instances[MXI_QUANT_FORMATS][MAX_X_ROWS] = {
#define MX_QUANT_FORMAT(ID, ...) {multiply_##ID##_1, multiply_##ID##_2, multiply_##ID##_3, multiply_##ID##_4},
#include "core/quant.def"
};

void MXI_ISA_NAME(mxi_matvec_rows)(const struct mxi_matvec *product, int64_t begin, int64_t end) {
  if (product->fixed_point)
    MXI_ISA_NAME(mxi_fixed_point_rows)(product, begin, end);
  else
    each_matvec_block(product, begin, end, instances[product->w.format]);
}
