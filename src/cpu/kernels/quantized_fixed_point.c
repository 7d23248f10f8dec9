/* y = x W^T by dot products of int8 (AVX512_VNNI), for 2, 4 and 8 bits, and for E2M1 as integers
   (quantized_tile.h).

   x is held in fixed point: in each group of W's columns, x[k] = v[k] 2^(e - 31) with 2^e the power of two
   just above the group's largest |x| and v an integer of 32 bits. What is above 2^-8 of the largest is exact;
   what is lost below that, 2^-32 of the power, is 256 times finer than float32 at the largest. v is split
   into four int8 slices, v = sum of slice[i] 256^i (the Ozaki scheme). A vector of words of W meets them byte
   by byte: field f of its bytes (shift, mask) against the slices of every fields-th x. The sum over a word is
   made in integers and, but for 8 bits, rounded once; it meets the scale, times 2^(e - 31), in one float
   multiply_add, and the biases meet float sums of x as in quantized_matvec.c. So the result is at least as
   accurate as a float32 sum. Infinities and NaN make the group's power NaN; below about 2^-87 the scaled
   power is subnormal, and the result loses bits with it. */
#include "quantized_tile.h"

#if MXI_VL == 16
enum { ROWS = 4, SLICES = 4 };
#define VNNI __attribute__((target("avx512vnni")))

MXI_INLINE int fields_of(enum mxi_quant_format f) { return 8 / mxi_quant_bits(f); }
/* Weights that one vector of words holds; their slices take four vectors a field: [field][slice]. */
MXI_INLINE int64_t fixed_block_weights(enum mxi_quant_format f) { return MXI_VL * (32 / mxi_quant_bits(f)); }

bool MXI_ISA_NAME(mxi_fixed_point_layout)(struct mxi_matvec *product) {
  int64_t block = fixed_block_weights(product->w.format), groups = product->w.cols / product->w.group_size;
  if (!lanes_are_words(product->w.format) || !mxi_cpu_has(MXI_VNNI)) return false;
  product->permuted_stride = (product->w.cols + block - 1) / block * block;
  product->sums_stride = 2 * ((groups + MXI_VL - 1) / MXI_VL * MXI_VL);
  return true;
}

MXI_INLINE __m512i magnitude(__m512 x) { return _mm512_and_si512((__m512i)x, _mm512_set1_epi32(INT32_MAX)); }

/* Replaces the floats of a group by v; sum and largest |x| as lanes still to be combined. */
MXI_INLINE void read_group(const void *src, mx_dtype t, int group_size, float *x, vf32 *sum, __m512i *most) {
  *sum = splat(0);
  *most = _mm512_setzero_si512();
  for (int k = 0; k < group_size; k += MXI_VL) {
    vf32 v = load_floats(element_at(src, t, k), t);
    mxi_store_f32(x + k, v);
    *sum += v;
    *most = _mm512_max_epi32(*most, magnitude((__m512)v));
  }
}

MXI_INLINE __m128i fold_most(__m512i v) {
  __m256i eight = _mm256_max_epi32(_mm512_castsi512_si256(v), _mm512_extracti32x8_epi32(v, 1));
  return _mm_max_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
}

/* The largest lane of each of four vectors. */
MXI_INLINE __m128i most_lanes(const __m512i v[4]) {
  __m128i a = fold_most(v[0]), b = fold_most(v[1]), c = fold_most(v[2]), d = fold_most(v[3]);
  __m128i ab = _mm_max_epi32(_mm_unpacklo_epi32(a, b), _mm_unpackhi_epi32(a, b)),
          cd = _mm_max_epi32(_mm_unpacklo_epi32(c, d), _mm_unpackhi_epi32(c, d));
  return _mm_max_epi32(_mm_unpacklo_epi64(ab, cd), _mm_unpackhi_epi64(ab, cd));
}

/* e - 31 of four groups. The largest |x| is taken 1/64 larger, which keeps the top slice within 127. */
MXI_INLINE __m128 exponents(__m128i most) {
  __m128 larger = _mm_mul_ps(_mm_castsi128_ps(most), _mm_set1_ps(1 + 1.0f / 64));
  __m128i biased = _mm_srli_epi32(_mm_castps_si128(larger), 23);
  return _mm_cvtepi32_ps(_mm_sub_epi32(biased, _mm_set1_epi32(126 + 31)));
}

/* Lanes `parity` and every second one after it, of a then b. */
MXI_INLINE __m512i every_second(__m512i a, __m512i b, int parity) {
  __m512i from = _mm512_add_epi32(_mm512_slli_epi32((__m512i)mxi_lanes_i32(), 1), _mm512_set1_epi32(parity));
  return _mm512_permutex2var_epi32(a, from, b);
}

/* Stores the slices of 16 neighbours of one field, lowest slice first, a vector's length apart. */
MXI_INLINE void store_slices(int8_t *out, __m512i v) {
  MXI_UNROLL for (int d = 0; d < SLICES; d++) {
    _mm_storeu_si128((__m128i *)(void *)(out + 64 * d), _mm512_cvtepi32_epi8(v));
    v = _mm512_srai_epi32(_mm512_add_epi32(v, _mm512_set1_epi32(128)), 8);
  }
}

/* Turns a block of integers v into their slices, in place: all are read before any is written. */
MXI_INLINE void split_block(float *block, enum mxi_quant_format format) {
  const int fields = fields_of(format);
  int8_t *out = (int8_t *)block;
  __m512i v[4][4], half[4];
  MXI_UNROLL for (int i = 0; i < 4; i++) MXI_UNROLL for (int f = 0; f < fields; f++) v[i][f] =
      _mm512_loadu_si512(block + (i * fields + f) * MXI_VL);
  MXI_UNROLL for (int i = 0; i < 4; i++) {
    for (int parted = 1; parted < fields; parted *= 2) { /* parts even from odd, then those again */
      MXI_UNROLL for (int f = 0; f < fields; f++) half[f] =
          every_second(v[i][f * 2 % fields], v[i][f * 2 % fields + 1], f * 2 / fields);
      MXI_UNROLL for (int f = 0; f < fields; f++) v[i][f] = half[f];
    }
    MXI_UNROLL for (int f = 0; f < fields; f++) store_slices(out + f * SLICES * 64 + 16 * i, v[i][f]);
  }
}

MXI_INLINE void split_row(float *x, int64_t n, enum mxi_quant_format format) {
  if (!lanes_are_words(format)) return;
  for (int64_t k = 0; k < n; k += fixed_block_weights(format)) split_block(x + k, format);
}
#define MX_QUANT_FORMAT(ID, ...) \
  static void split_row_##ID(float *x, int64_t n) { split_row(x, n, MXI_QUANT_##ID); }
#include "core/quant.def"
static void (*const split_row_of[MXI_QUANT_FORMATS])(float *x, int64_t n) = {
#define MX_QUANT_FORMAT(ID, ...) split_row_##ID,
#include "core/quant.def"
};

void MXI_ISA_NAME(mxi_fixed_point_prepare)(const struct mxi_matvec *product, int64_t row) {
  const int group_size = product->w.group_size;
  const int64_t cols = product->w.cols, groups = cols / group_size, padded = product->sums_stride / 2;
  float *x = product->permuted + row * product->permuted_stride,
        *sums = product->sums + row * product->sums_stride, *powers = sums + padded;
  const void *src = element_at(product->x, product->dtype, row * cols);
  for (int64_t g = 0; g < padded; g += 4) {
    vf32 sum[4] = {0};
    __m512i most[4] = {0};
    int n = g + 4 <= groups ? 4 : g < groups ? (int)(groups - g) : 0;
    for (int i = 0; i < n; i++)
      read_group(element_at(src, product->dtype, (g + i) * group_size), product->dtype, group_size,
                 x + (g + i) * group_size, &sum[i], &most[i]);
    __m128i largest = most_lanes(most);
    __m128 e = exponents(largest), power = _mm_scalef_ps(_mm_set1_ps(1), e);
    __mmask8 finite = _mm_cmplt_epi32_mask(largest, _mm_set1_epi32(0x7f800000));
    _mm_storeu_ps(sums + g, sum_lanes(sum[0], sum[1], sum[2], sum[3]));
    _mm_storeu_ps(powers + g, _mm_mask_mov_ps(_mm_set1_ps(__builtin_nanf("")), finite, power));
    for (int i = 0; i < n; i++) {
      __m512 up = _mm512_set1_ps(-e[i]);
      for (float *p = x + (g + i) * group_size, *end = p + group_size; p < end; p += MXI_VL)
        _mm512_storeu_si512(p, _mm512_cvtps_epi32(_mm512_scalef_ps((__m512)mxi_load_f32(p), up)));
    }
  }
  for (int64_t k = cols; k < product->permuted_stride; k += MXI_VL) mxi_store_f32(x + k, splat(0));
  split_row_of[product->w.format](x, product->permuted_stride);
}

/* Adds the sums of bytes of q times slices d of x, a lane a word, over all fields; the rows in turn, since
   each waits for its own last sum. */
MXI_INLINE VNNI void dot(__m512i sum[ROWS], __m512i q[ROWS][4], const float *slices, int d, int fields) {
  MXI_UNROLL for (int f = 0; f < fields; f++) {
    const __m512i v = _mm512_loadu_si512(slices + (f * SLICES + d) * MXI_VL);
    MXI_UNROLL for (int r = 0; r < ROWS; r++) sum[r] = _mm512_dpbusd_epi32(sum[r], q[r][f], v);
  }
}

/* out[r] = sum of q[k] v[k] over each word. A slice's sum has at most 15 bits (8 bits: 17), so two of them
   fit in an integer, which then is a float without rounding (8 bits: with rounding to 24). */
MXI_INLINE VNNI void dot_words(vf32 out[ROWS], __m512i q[ROWS][4], const float *slices, int fields) {
  __m512i high[ROWS], low[ROWS];
  MXI_UNROLL for (int r = 0; r < ROWS; r++) high[r] = low[r] = _mm512_setzero_si512();
  dot(high, q, slices, 3, fields);
  dot(low, q, slices, 1, fields);
  MXI_UNROLL for (int r = 0; r < ROWS; r++) high[r] = _mm512_slli_epi32(high[r], 8);
  MXI_UNROLL for (int r = 0; r < ROWS; r++) low[r] = _mm512_slli_epi32(low[r], 8);
  dot(high, q, slices, 2, fields);
  dot(low, q, slices, 0, fields);
  MXI_UNROLL for (int r = 0; r < ROWS; r++) out[r] =
      multiply_add_f32((vf32)_mm512_cvtepi32_ps(high[r]), splat(65536), (vf32)_mm512_cvtepi32_ps(low[r]));
}

/* Field f of each byte of the words, as the integer that it stands for. */
MXI_INLINE __m512i field_of(__m512i word, int f, enum mxi_quant_format format) {
  const int bits = mxi_quant_bits(format);
  if (bits == 8) return word;
  __m512i q = _mm512_and_si512(_mm512_srli_epi32(word, (unsigned)(bits * f)),
                               _mm512_set1_epi8((char)((1 << bits) - 1)));
  return mxi_quant_values(format) == MXI_VALUES_E2M1 ? (__m512i)e2m1_bytes((vu32)q) : q;
}

/* Adds weights [k, k + n) of the rows; scale[r][m] holds the scales of their groups times the powers of x,
   at most MXI_VL of them. */
MXI_INLINE VNNI void fixed_add_words(const struct matvec_tile *t, vf32 total[4][MAX_X_ROWS],
                                     vf32 scale[4][MAX_X_ROWS], int64_t k, int64_t n, int log_group,
                                     enum mxi_quant_format format, int x_rows) {
  const int places = 32 / mxi_quant_bits(format), block = MXI_VL * places, fields = fields_of(format);
  const int log_words = log_group - __builtin_ctz((unsigned)places); /* words a group */
  for (int64_t j = 0; j < n; j += block) {
    __m512i q[ROWS][4];
    MXI_UNROLL for (int r = 0; r < ROWS; r++) {
      const uint8_t *p = t->w[r] + (k + j) / places * 4;
      __m512i word = (__m512i)load_words(p, (n - j) / places);
      __builtin_prefetch(p + t->ahead);
      MXI_UNROLL for (int f = 0; f < fields; f++) q[r][f] = field_of(word, f, format);
    }
    const vi32 group = (mxi_lanes_i32() + (int)(j / places)) >> log_words;
    MXI_UNROLL for (int m = 0; m < x_rows; m++) {
      vf32 sum[ROWS];
      dot_words(sum, q, t->x[m] + k + j, fields);
      MXI_UNROLL for (int r = 0; r < ROWS; r++) total[r][m] =
          multiply_add_f32(sum[r], spread(scale[r][m], group), total[r][m]);
    }
  }
}

MXI_INLINE VNNI void fixed_multiply_tile(const struct mxi_matvec *product, int64_t n, int64_t valid,
                                         int64_t m, enum mxi_quant_format format, int64_t ahead, int x_rows) {
  const int log_group = __builtin_ctz((unsigned)product->w.group_size);
  const int64_t groups = product->w.cols >> log_group, padded = product->sums_stride / 2;
  const struct matvec_tile t = matvec_tile(product, n, valid, m, format, ahead, ROWS, x_rows);
  vf32 total[4][MAX_X_ROWS];
  MXI_UNROLL for (int r = 0; r < ROWS; r++) MXI_UNROLL for (int i = 0; i < x_rows; i++) total[r][i] =
      splat(0);
  for (int64_t g = 0; g < groups; g += MXI_VL) {
    vf32 s[4], bias[4], scale[4][MAX_X_ROWS];
    load_scales(&t, product->w.dtype, g, groups - g, s, bias, format, ROWS);
    MXI_UNROLL for (int r = 0; r < ROWS; r++) {
      MXI_UNROLL for (int i = 0; i < x_rows; i++) {
        scale[r][i] = s[r] * mxi_load_f32(t.sums[i] + padded + g);
        total[r][i] = multiply_add_f32(bias[r], mxi_load_f32(t.sums[i] + g), total[r][i]);
      }
    }
    int64_t count = groups - g < MXI_VL ? groups - g : MXI_VL;
    fixed_add_words(&t, total, scale, g << log_group, count << log_group, log_group, format, x_rows);
  }
  store_matvec_tile(product, total, n, valid, m, ROWS, x_rows);
}

/* One function for each format and number of rows of x; the layout says for which they are called. */
MXI_INLINE VNNI void fixed_multiply_rows(const struct mxi_matvec *product, int64_t begin, int64_t end,
                                         int64_t m, enum mxi_quant_format format, int x_rows) {
  if (!lanes_are_words(format)) return;
  const int64_t ahead = bytes_ahead(product, format, ROWS);
  for (int64_t n = begin; n < end; n += ROWS)
    fixed_multiply_tile(product, n, end - n < ROWS ? end - n : ROWS, m, format, ahead, x_rows);
}
#define INSTANCE(ID, x_rows)                                                                       \
  static VNNI void fixed_multiply_##ID##_##x_rows(const struct mxi_matvec *product, int64_t begin, \
                                                  int64_t end, int64_t m) {                        \
    fixed_multiply_rows(product, begin, end, m, MXI_QUANT_##ID, x_rows);                           \
  }
#define MX_QUANT_FORMAT(ID, ...) INSTANCE(ID, 1) INSTANCE(ID, 2) INSTANCE(ID, 3) INSTANCE(ID, 4)
#include "core/quant.def"
static const matvec_fn fixed_instances[MXI_QUANT_FORMATS][MAX_X_ROWS] = {
#define MX_QUANT_FORMAT(ID, ...) \
  {fixed_multiply_##ID##_1, fixed_multiply_##ID##_2, fixed_multiply_##ID##_3, fixed_multiply_##ID##_4},
#include "core/quant.def"
};

void MXI_ISA_NAME(mxi_fixed_point_rows)(const struct mxi_matvec *product, int64_t begin, int64_t end) {
  each_matvec_block(product, begin, end, fixed_instances[product->w.format]);
}
#else
bool MXI_ISA_NAME(mxi_fixed_point_layout)(struct mxi_matvec *product) { return false; }
void MXI_ISA_NAME(mxi_fixed_point_prepare)(const struct mxi_matvec *product, int64_t i) {}
void MXI_ISA_NAME(mxi_fixed_point_rows)(const struct mxi_matvec *product, int64_t begin, int64_t end) {}
#endif
