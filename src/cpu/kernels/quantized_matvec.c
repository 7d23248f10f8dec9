/* y = x W^T for few rows of x: W is streamed once, its integers widened to float32 in registers.

   y[n] = sum_k (q[n,k] s[n,g(k)] + b[n,g(k)]) x[k] = sum_g s[n,g] (sum_{k in g} q[n,k] x[k]) + sum_g b[n,g]
   X[g] with X[g] the sum of x over group g, made once a call.

   2, 4 and 8 bits divide a word. One vector holds MXI_VL neighbouring words of a row; its field i (mask,
   convert) holds the weights at place i of each word, so x is permuted once a call to meet them: a block of
   MXI_VL words meets permuted[place][lane]. Masking leaves the field where it lies, times 2^(bits * place),
   and x carries the inverse power, which is exact; the word's upper half is shifted down first, so the powers
   stay within 2^14. 3, 5 and 6 bits are unpacked MXI_VL neighbours at a time and meet x in its own order.

   A tile is a few rows of W by a few rows of x. Each of its sums has one accumulator a block, then one
   multiply_add by the scale: the order never depends on the tile's shape, nor on threads.

   Where the machine has integer dot products, quantized_digits.c takes 2, 4 and 8 bits. */
#include "quantized_tile.h"

MXI_INLINE bool bits_divide_word(int bits) { return 32 % bits == 0; }
/* Weights of a row that a block covers: MXI_VL words, or 32. */
MXI_INLINE int64_t block_weights(int bits) { return bits_divide_word(bits) ? MXI_VL * (32 / bits) : 32; }
/* Rows of W in a tile: as many as registers hold beside their x rows. */
MXI_INLINE int tile_rows(int x_rows) { return MXI_VL == 16 || x_rows <= 2 ? 4 : 2; }

void MXI_ISA_NAME(mxi_matvec_layout)(struct mxi_matvec *job) {
  int64_t block = block_weights(job->w.bits), groups = job->w.cols / job->w.group_size;
  job->digits = MXI_ISA_NAME(mxi_digits_layout)(job);
  if (job->digits) return;
  job->permuted_stride = (job->w.cols + block - 1) / block * block;
  job->sums_stride = (groups + MXI_VL - 1) / MXI_VL * MXI_VL;
}

/* Splits a block into its places: out[i][lane] = x[lane * places + i], in place. Each round parts even from
   odd elements within ever smaller runs of vectors, which leaves place i at i with its bits reversed. */
MXI_INLINE void permute_block(float *block, int bits) {
  const int places = 32 / bits, rounds = __builtin_ctz((unsigned)places);
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
    mxi_store_f32(block + place * MXI_VL, v[i] * splat(1.0f / (float)(1 << (bits * place % 16))));
  }
}

/* sums[g] of the widened row x, four groups a round; zeros past the last group, and x is zero there too. */
static void sum_groups(const struct mxi_matvec *job, const float *x, float *sums) {
  const int group_size = job->w.group_size;
  const int64_t groups = job->w.cols / group_size;
  for (int64_t g = 0; g < job->sums_stride; g += 4) {
    vf32 sum[4];
    MXI_UNROLL for (int i = 0; i < 4; i++) {
      sum[i] = splat(0);
      if (g + i >= groups) continue;
      for (int k = 0; k < group_size; k += MXI_VL) sum[i] += mxi_load_f32(x + (g + i) * group_size + k);
    }
    _mm_storeu_ps(sums + g, sum_lanes(sum[0], sum[1], sum[2], sum[3]));
  }
}

void MXI_ISA_NAME(mxi_matvec_prepare)(const struct mxi_matvec *job, int64_t row) {
  if (job->digits) {
    MXI_ISA_NAME(mxi_digits_prepare)(job, row);
    return;
  }
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

/* Adds weights [k, k + n) of the rows; scale[r] holds the scales of their groups, at most MXI_VL of them. */
MXI_INLINE void add_words(const struct tile *t, vf32 total[4][MAX_X_ROWS], const vf32 *scale, int64_t k,
                          int64_t n, int log_group, int bits, int rows, int x_rows) {
  const int places = 32 / bits, block = MXI_VL * places;
  const int log_words = log_group - __builtin_ctz((unsigned)places); /* words a group */
  for (int64_t j = 0; j < n; j += block) {
    vu32 word[4];
    vf32 sum[4][MAX_X_ROWS];
    MXI_UNROLL for (int r = 0; r < rows; r++) {
      const uint8_t *p = t->w[r] + (k + j) / places * 4;
      word[r] = load_words(p, (n - j) / places);
      __builtin_prefetch(p + t->ahead);
    }
    MXI_UNROLL for (int i = 0; i < places; i++) {
      const vu32 mask = (vu32){0} + (((1u << bits) - 1) << (bits * i % 16));
      vf32 q[4];
      MXI_UNROLL for (int r = 0; r < rows; r++) {
        if (i == places / 2) word[r] >>= 16;
        q[r] = __builtin_convertvector((vi32)(word[r] & mask), vf32);
      }
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

/* The same where weights cross words: `span` weights of one group a sum. */
MXI_INLINE void add_stream(const struct tile *t, vf32 total[4][MAX_X_ROWS], const vf32 *scale, int64_t k,
                           int64_t n, int log_group, int span, int bits, int rows, int x_rows) {
  for (int64_t j = 0; j < n; j += span) {
    vf32 sum[4][MAX_X_ROWS];
    MXI_UNROLL for (int r = 0; r < rows; r++) __builtin_prefetch(t->w[r] + (k + j) / 8 * bits + t->ahead);
    MXI_UNROLL for (int i = 0; i < span; i += MXI_VL) {
      vf32 q[4];
      MXI_UNROLL for (int r = 0; r < rows; r++) q[r] = unpack_run(t->w[r], k + j + i, bits);
      MXI_UNROLL for (int m = 0; m < x_rows; m++) {
        vf32 x = mxi_load_f32(t->x[m] + k + j + i);
        MXI_UNROLL for (int r = 0; r < rows; r++) sum[r][m] =
            i ? multiply_add_f32(q[r], x, sum[r][m]) : q[r] * x;
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
MXI_INLINE void multiply_tile(const struct mxi_matvec *job, int64_t n, int64_t valid, int64_t m, int bits,
                              int64_t ahead, int rows, int x_rows) {
  const int log_group = __builtin_ctz((unsigned)job->w.group_size);
  const int64_t groups = job->w.cols >> log_group;
  const struct tile t = make_tile(job, n, valid, m, bits, ahead, rows, x_rows);
  vf32 total[4][MAX_X_ROWS];
  MXI_UNROLL for (int r = 0; r < rows; r++) MXI_UNROLL for (int i = 0; i < x_rows; i++) total[r][i] =
      splat(0);
  for (int64_t g = 0; g < groups; g += MXI_VL) {
    vf32 scale[4], bias[4];
    load_scales(&t, job->w.dtype, g, groups - g, scale, bias, rows);
    MXI_UNROLL for (int r = 0; r < rows; r++) MXI_UNROLL for (int i = 0; i < x_rows; i++) total[r][i] =
        multiply_add_f32(bias[r], mxi_load_f32(t.sums[i] + g), total[r][i]);
    int64_t count = groups - g < MXI_VL ? groups - g : MXI_VL, k = g << log_group,
            weights = count << log_group;
    if (bits_divide_word(bits))
      add_words(&t, total, scale, k, weights, log_group, bits, rows, x_rows);
    else if (log_group == 4)
      add_stream(&t, total, scale, k, weights, log_group, 16, bits, rows, x_rows);
    else
      add_stream(&t, total, scale, k, weights, log_group, 32, bits, rows, x_rows);
  }
  store_tile(job, total, n, valid, m, rows, x_rows);
}

MXI_INLINE void multiply_rows(const struct mxi_matvec *job, int64_t begin, int64_t end, int64_t m, int bits,
                              int x_rows) {
  const int rows = tile_rows(x_rows);
  const int64_t ahead = bytes_ahead(job, bits, rows);
  for (int64_t n = begin; n < end; n += rows)
    multiply_tile(job, n, end - n < rows ? end - n : rows, m, bits, ahead, rows, x_rows);
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

static const rows_fn instances[9][MAX_X_ROWS] = {
    [2] = NAMES(2), [3] = NAMES(3), [4] = NAMES(4), [5] = NAMES(5), [6] = NAMES(6), [8] = NAMES(8)};

void MXI_ISA_NAME(mxi_matvec_rows)(const struct mxi_matvec *job, int64_t begin, int64_t end) {
  if (job->digits)
    MXI_ISA_NAME(mxi_digits_rows)(job, begin, end);
  else
    each_block(job, begin, end, instances[job->w.bits]);
}
