/* y = x W^T for few rows of x: W is streamed once, its integers widened to float32 in registers.

   y[n] = sum_k (q[n,k] s[n,g(k)] + b[n,g(k)]) x[k] = sum_g s[n,g] (sum_{k in g} q[n,k] x[k]) + sum_g b[n,g]
   X[g] with X[g] the sum of x over group g, made once a call.

   2, 4 and 8 bits divide a word. One vector holds MXI_VL neighbouring words of a row; its field i (mask,
   convert) holds the weights at place i of each word, so x is permuted once a call to meet them: a block of
   MXI_VL words meets permuted[place][lane]. Masking leaves the field where it lies, times 2^(bits * place),
   and x carries the inverse power, which is exact; the word's upper half is shifted down first, so the powers
   stay within 2^14. 3, 5 and 6 bits are unpacked MXI_VL neighbours at a time and meet x in its own order.

   A tile is a few rows of W by a few rows of x. Each of its sums has one accumulator a block, then one
   multiply_add by the scale: the order never depends on the tile's shape, nor on threads. */
#include "quantized_unpack.h"

enum {
  MAX_X_ROWS = 4,
  PREFETCH_BYTES =
      8000 /* the least distance, in whole tiles: rows are too short for the hardware to see ahead */
};

MXI_INLINE bool bits_divide_word(int bits) { return 32 % bits == 0; }
/* Weights of a row that a block covers: MXI_VL words, or the smallest group. */
MXI_INLINE int64_t block_weights(int bits) { return bits_divide_word(bits) ? MXI_VL * (32 / bits) : 32; }
/* Rows of W in a tile: as many as registers hold beside their x rows. */
MXI_INLINE int tile_rows(int x_rows) { return MXI_VL == 16 || x_rows <= 2 ? 4 : 2; }

void MXI_ISA_NAME(mxi_matvec_layout)(struct mxi_matvec *job) {
  int64_t block = block_weights(job->w.bits), groups = job->w.cols / job->w.group_size;
  job->permuted_stride = (job->w.cols + block - 1) / block * block;
  job->sums_stride = (groups + MXI_VL - 1) / MXI_VL * MXI_VL;
}

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

/* Splits a block into its places: out[i][lane] = x[lane * places + i], in place. Each round parts even from
   odd elements within ever smaller runs of vectors, which leaves place i at i with its bits reversed. */
MXI_INLINE void permute_block(float *block, int bits) {
  const int places = 32 / bits, rounds = __builtin_ctz((unsigned)places);
  vf32 v[16], next[16];
  UNROLL for (int i = 0; i < places; i++) v[i] = mxi_load_f32(block + i * MXI_VL);
  UNROLL for (int run = places; run > 1; run /= 2) {
    UNROLL for (int i = 0; i < places / 2; i++) {
      const int first = i / (run / 2) * run, j = i % (run / 2);
      next[first + j] = __builtin_shufflevector(v[first + 2 * j], v[first + 2 * j + 1], EVEN_LANES);
      next[first + run / 2 + j] = __builtin_shufflevector(v[first + 2 * j], v[first + 2 * j + 1], ODD_LANES);
    }
    UNROLL for (int i = 0; i < places; i++) v[i] = next[i];
  }
  UNROLL for (int i = 0; i < places; i++) {
    int place = 0;
    UNROLL for (int b = 0; b < rounds; b++) place |= (i >> b & 1) << (rounds - 1 - b);
    mxi_store_f32(block + place * MXI_VL, v[i] * splat(1.0f / (float)(1 << (bits * place % 16))));
  }
}

MXI_INLINE __m128 fold_to_four(vf32 v) {
#if MXI_VL == 16
  __m256 eight = _mm256_add_ps(_mm512_castps512_ps256((__m512)v), _mm512_extractf32x8_ps((__m512)v, 1));
  return _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
#elif MXI_VL == 8
  return _mm_add_ps(_mm256_castps256_ps128((__m256)v), _mm256_extractf128_ps((__m256)v, 1));
#else
  return (__m128)v;
#endif
}

/* The sums of four vectors' lanes. */
MXI_INLINE __m128 sum_lanes(vf32 a, vf32 b, vf32 c, vf32 d) {
  return _mm_hadd_ps(_mm_hadd_ps(fold_to_four(a), fold_to_four(b)),
                     _mm_hadd_ps(fold_to_four(c), fold_to_four(d)));
}

/* sums[g] of the widened row x, four groups a round; zeros past the last group, and x is zero there too. */
static void sum_groups(const struct mxi_matvec *job, const float *x, float *sums) {
  const int group_size = job->w.group_size;
  const int64_t groups = job->w.cols / group_size;
  for (int64_t g = 0; g < job->sums_stride; g += 4) {
    vf32 sum[4];
    UNROLL for (int i = 0; i < 4; i++) {
      sum[i] = splat(0);
      if (g + i >= groups) continue;
      for (int k = 0; k < group_size; k += MXI_VL) sum[i] += mxi_load_f32(x + (g + i) * group_size + k);
    }
    _mm_storeu_ps(sums + g, sum_lanes(sum[0], sum[1], sum[2], sum[3]));
  }
}

void MXI_ISA_NAME(mxi_matvec_prepare)(const struct mxi_matvec *job, int64_t row) {
  const int bits = job->w.bits;
  const int64_t cols = job->w.cols;
  float *x = job->permuted + row * job->permuted_stride;
  const void *src = element_at(job->x, job->dtype, row * cols);
  for (int64_t k = 0; k < cols; k += MXI_VL)
    mxi_store_f32(x + k, load_floats(element_at(src, job->dtype, k), job->dtype));
  for (int64_t k = cols; k < job->permuted_stride; k += MXI_VL) mxi_store_f32(x + k, splat(0));
  sum_groups(job, x, job->sums + row * job->sums_stride);
  for (int64_t k = 0; bits_divide_word(bits) && k < job->permuted_stride; k += block_weights(bits)) {
    if (bits == 2)
      permute_block(x + k, 2);
    else if (bits == 4)
      permute_block(x + k, 4);
    else
      permute_block(x + k, 8);
  }
}

/* What a tile reads: rows of W, rows of x. */
struct tile {
  const uint8_t *w[4];
  const void *scales[4], *biases[4];
  const float *x[MAX_X_ROWS], *sums[MAX_X_ROWS];
  int64_t ahead; /* bytes from a weight to the one to prefetch */
};

/* MXI_VL words, zeros from n on. */
MXI_INLINE vu32 load_words(const uint8_t *p, int64_t n) {
  if (n >= MXI_VL) return mxi_load_u32((const uint32_t *)(const void *)p);
#if MXI_VL == 16
  return (vu32)_mm512_maskz_loadu_epi32((__mmask16)((1u << n) - 1), p);
#elif MXI_VL == 8
  return (vu32)_mm256_maskload_epi32((const int *)(const void *)p,
                                     (__m256i)(lane_numbers() < (vi32){0} + (int)n));
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

/* Adds weights [k, k + n) of the rows; scale[r] holds the scales of their groups, at most MXI_VL of them. */
MXI_INLINE void add_words(const struct tile *t, vf32 total[4][MAX_X_ROWS], const vf32 *scale, int64_t k,
                          int64_t n, int log_group, int bits, int rows, int x_rows) {
  const int places = 32 / bits, block = MXI_VL * places;
  const int log_words = log_group - __builtin_ctz((unsigned)places); /* words a group */
  for (int64_t j = 0; j < n; j += block) {
    vu32 word[4];
    vf32 sum[4][MAX_X_ROWS];
    UNROLL for (int r = 0; r < rows; r++) {
      const uint8_t *p = t->w[r] + (k + j) / places * 4;
      word[r] = load_words(p, (n - j) / places);
      __builtin_prefetch(p + t->ahead);
    }
    UNROLL for (int i = 0; i < places; i++) {
      const vu32 mask = (vu32){0} + (((1u << bits) - 1) << (bits * i % 16));
      vf32 q[4];
      UNROLL for (int r = 0; r < rows; r++) {
        if (i == places / 2) word[r] >>= 16;
        q[r] = __builtin_convertvector((vi32)(word[r] & mask), vf32);
      }
      UNROLL for (int m = 0; m < x_rows; m++) {
        vf32 x = mxi_load_f32(t->x[m] + k + j + i * MXI_VL);
        UNROLL for (int r = 0; r < rows; r++) sum[r][m] = i ? multiply_add(q[r], x, sum[r][m]) : q[r] * x;
      }
    }
    const vi32 group = (lane_numbers() + (int)(j / places)) >> log_words;
    UNROLL for (int r = 0; r < rows; r++) {
      vf32 s = spread(scale[r], group);
      UNROLL for (int m = 0; m < x_rows; m++) total[r][m] = multiply_add(sum[r][m], s, total[r][m]);
    }
  }
}

MXI_INLINE void add_stream(const struct tile *t, vf32 total[4][MAX_X_ROWS], const vf32 *scale, int64_t k,
                           int64_t n, int log_group, int bits, int rows, int x_rows) {
  for (int64_t j = 0; j < n; j += 32) {
    vf32 sum[4][MAX_X_ROWS];
    UNROLL for (int r = 0; r < rows; r++) __builtin_prefetch(t->w[r] + (k + j) / 8 * bits + t->ahead);
    UNROLL for (int i = 0; i < 32; i += MXI_VL) {
      vf32 q[4];
      UNROLL for (int r = 0; r < rows; r++) q[r] = unpack_run(t->w[r], k + j + i, bits);
      UNROLL for (int m = 0; m < x_rows; m++) {
        vf32 x = mxi_load_f32(t->x[m] + k + j + i);
        UNROLL for (int r = 0; r < rows; r++) sum[r][m] = i ? multiply_add(q[r], x, sum[r][m]) : q[r] * x;
      }
    }
    const vi32 group = mxi_set_i32((int)(j >> log_group));
    UNROLL for (int r = 0; r < rows; r++) {
      vf32 s = spread(scale[r], group);
      UNROLL for (int m = 0; m < x_rows; m++) total[r][m] = multiply_add(sum[r][m], s, total[r][m]);
    }
  }
}

/* Rows [n, n + rows) of W, of which `valid` exist, against rows [m, m + x_rows) of x. */
MXI_INLINE void multiply_tile(const struct mxi_matvec *job, int64_t n, int64_t valid, int64_t m, int bits,
                              int rows, int x_rows) {
  const struct mxi_quantized *w = &job->w;
  const int64_t row_bytes = w->cols * bits / 8, groups = w->cols / w->group_size;
  const int log_group = __builtin_ctz((unsigned)w->group_size);
  struct tile t = {.ahead = (PREFETCH_BYTES / (rows * row_bytes) + 1) * rows * row_bytes};
  UNROLL for (int r = 0; r < rows; r++) {
    int64_t row = n + (r < valid ? r : valid - 1);
    t.w[r] = (const uint8_t *)w->packed + row * row_bytes;
    t.scales[r] = element_at(w->scales, w->dtype, row * groups);
    t.biases[r] = element_at(w->biases, w->dtype, row * groups);
  }
  UNROLL for (int i = 0; i < x_rows; i++) {
    t.x[i] = job->permuted + (m + i) * job->permuted_stride;
    t.sums[i] = job->sums + (m + i) * job->sums_stride;
  }
  vf32 total[4][MAX_X_ROWS];
  UNROLL for (int r = 0; r < rows; r++) UNROLL for (int i = 0; i < x_rows; i++) total[r][i] = splat(0);
  for (int64_t g = 0; g < groups; g += MXI_VL) {
    vf32 scale[4]; /* zero past the last group: a word past the row's end must not meet another row's scale */
    UNROLL for (int r = 0; r < rows; r++) {
      scale[r] = load_floats_n(element_at(t.scales[r], w->dtype, g), w->dtype, groups - g);
      vf32 bias = load_floats_n(element_at(t.biases[r], w->dtype, g), w->dtype, groups - g);
      UNROLL for (int i = 0; i < x_rows; i++) total[r][i] =
          multiply_add(bias, mxi_load_f32(t.sums[i] + g), total[r][i]);
    }
    int64_t count = groups - g < MXI_VL ? groups - g : MXI_VL, k = g << log_group,
            weights = count << log_group;
    if (bits_divide_word(bits))
      add_words(&t, total, scale, k, weights, log_group, bits, rows, x_rows);
    else
      add_stream(&t, total, scale, k, weights, log_group, bits, rows, x_rows);
  }
  UNROLL for (int i = 0; i < x_rows; i++) {
    void *y = (char *)element_at(job->y, job->dtype, (m + i) * w->rows + n);
    __m128 sums = sum_lanes(total[0][i], total[1][i], total[2 % rows][i], total[3 % rows][i]);
    vf32 v = {0};
    memcpy(&v, &sums, sizeof sums);
    store_floats_n(y, v, job->dtype, valid);
  }
}

MXI_INLINE void multiply_rows(const struct mxi_matvec *job, int64_t begin, int64_t end, int64_t m, int bits,
                              int x_rows) {
  const int rows = tile_rows(x_rows);
  for (int64_t n = begin; n < end; n += rows)
    multiply_tile(job, n, end - n < rows ? end - n : rows, m, bits, rows, x_rows);
}

/* One function for each number of bits and of rows of x. */
#define INSTANCE(bits, x_rows)                                                                     \
  static void multiply_##bits##_##x_rows(const struct mxi_matvec *job, int64_t begin, int64_t end, \
                                         int64_t m) {                                              \
    multiply_rows(job, begin, end, m, bits, x_rows);                                               \
  }
#define INSTANCES(bits) INSTANCE(bits, 1) INSTANCE(bits, 2) INSTANCE(bits, 3) INSTANCE(bits, 4)
#define NAMES(bits) \
  { multiply_##bits##_1, multiply_##bits##_2, multiply_##bits##_3, multiply_##bits##_4 }
INSTANCES(2)
INSTANCES(3)
INSTANCES(4)
INSTANCES(5)
INSTANCES(6)
INSTANCES(8)

typedef void (*rows_fn)(const struct mxi_matvec *job, int64_t begin, int64_t end, int64_t m);
static const rows_fn instances[9][MAX_X_ROWS] = {
    [2] = NAMES(2), [3] = NAMES(3), [4] = NAMES(4), [5] = NAMES(5), [6] = NAMES(6), [8] = NAMES(8)};

void MXI_ISA_NAME(mxi_matvec_rows)(const struct mxi_matvec *job, int64_t begin, int64_t end) {
  /* Blocks of rows that stay in L1 or L2 while the rows of x pass by. */
  int64_t step = job->m <= MAX_X_ROWS ? end - begin : 16;
  for (int64_t n = begin; n < end; n += step)
    for (int64_t m = 0; m < job->m; m += MAX_X_ROWS) {
      int64_t x_rows = job->m - m < MAX_X_ROWS ? job->m - m : MAX_X_ROWS;
      instances[job->w.bits][x_rows - 1](job, n, n + step < end ? n + step : end, m);
    }
}
