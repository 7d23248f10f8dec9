/* Decode: a few query rows against blocks of keys. Logits of a vector of keys at a time: one running product
   a key, whose lanes are summed all together; then the softmax of the block's rows; then the values, four
   rows and four vectors of columns at a time, in registers. */
#include "cpu/kernels/attention_parts.h"

enum { ROWS = 4, COLUMNS = 4 /* vectors */ };

/* Keeps the compiler from reading v from memory again at each use, where there are registers for it. */
#if defined(__AVX512F__)
#define IN_REGISTER(v) __asm__("" : "+v"(v))
#else
#define IN_REGISTER(v) ((void)0)
#endif

/* The dot products of one query row (vectors of floats) with MXI_VL keys, `stride` floats apart. Four vectors
   of the query stay in registers while the keys pass. */
MXI_INLINE vf32 dot_keys(const float *q, const float *k, int64_t stride, int64_t vectors) {
  vf32 sum[MXI_VL];
  MXI_UNROLL
  for (int j = 0; j < MXI_VL; j++) sum[j] = (vf32){0};
  int64_t d = 0;
  for (; d + 4 <= vectors; d += 4) {
    vf32 q0 = mxi_load_f32(q + d * MXI_VL), q1 = mxi_load_f32(q + (d + 1) * MXI_VL);
    vf32 q2 = mxi_load_f32(q + (d + 2) * MXI_VL), q3 = mxi_load_f32(q + (d + 3) * MXI_VL);
    const float *key = k + d * MXI_VL;
    MXI_UNROLL
    for (int j = 0; j < MXI_VL; j++, key += stride) {
      sum[j] = multiply_add_f32(mxi_load_f32(key), q0, sum[j]);
      sum[j] = multiply_add_f32(mxi_load_f32(key + MXI_VL), q1, sum[j]);
      sum[j] = multiply_add_f32(mxi_load_f32(key + 2 * MXI_VL), q2, sum[j]);
      sum[j] = multiply_add_f32(mxi_load_f32(key + 3 * MXI_VL), q3, sum[j]);
    }
  }
  for (; d < vectors; d++) {
    vf32 q0 = mxi_load_f32(q + d * MXI_VL);
    const float *key = k + d * MXI_VL;
    MXI_UNROLL
    for (int j = 0; j < MXI_VL; j++, key += stride) sum[j] = multiply_add_f32(mxi_load_f32(key), q0, sum[j]);
  }
  return sum_each(sum);
}

/* Logits (rows, MXI_DECODE_KEYS) of n keys from k on. Keys are read in place where they are whole vectors of
   floats, and else widened into `tile` (MXI_VL, padded(width)); the last key stands in for those beyond n. */
MXI_INLINE void decode_logits(const struct mxi_attention *a, const char *k, int64_t n, int64_t rows,
                              const float *q, float *logits, float *tile, int type) {
  int64_t item = type == MX_FLOAT32 ? 4 : 2, width = padded(a->width);
  int64_t vectors = (a->width + MXI_VL - 1) / MXI_VL;
  for (int64_t first = 0; first < n; first += MXI_VL) {
    const char *keys = k + first * a->k_strides[2] * item;
    bool in_place = type == MX_FLOAT32 && a->width % MXI_VL == 0 && first + MXI_VL <= n;
    for (int64_t j = 0; j < MXI_VL && !in_place; j++)
      widen_row(keys + (first + j < n ? j : n - 1 - first) * a->k_strides[2] * item, a->width, type, 1,
                tile + j * width);
    const float *key = in_place ? (const float *)(const void *)keys : tile;
    int64_t stride = in_place ? a->k_strides[2] : width;
    for (int64_t r = 0; r < rows; r++)
      mxi_store_f32(logits + r * MXI_DECODE_KEYS + first, dot_keys(q + r * width, key, stride, vectors));
  }
}

/* out (rows, stride) = p (rows, MXI_DECODE_KEYS) times n rows of v: `columns` vectors, of which the last has
   `last` lanes. */
MXI_INLINE void decode_values_tile(const float *p, const char *v, int64_t v_bytes, int64_t n, int rows,
                                   int columns, int64_t last, int type, float *out, int64_t stride) {
  vf32 sum[ROWS][COLUMNS];
  MXI_UNROLL
  for (int r = 0; r < rows; r++) MXI_UNROLL
  for (int c = 0; c < columns; c++) sum[r][c] = (vf32){0};
  for (int64_t j = 0; j < n; j++, v += v_bytes) {
    vf32 x[COLUMNS];
    MXI_UNROLL
    for (int c = 0; c < columns; c++)
      x[c] = last < MXI_VL ? loadn_as_f32(v, c * MXI_VL, last, type) : load_as_f32(v, c * MXI_VL, type);
    MXI_UNROLL
    for (int c = 0; c < columns; c++) IN_REGISTER(x[c]);
    MXI_UNROLL
    for (int r = 0; r < rows; r++) {
      vf32 weight = mxi_set_f32(p[r * MXI_DECODE_KEYS + j]);
      MXI_UNROLL
      for (int c = 0; c < columns; c++) sum[r][c] = multiply_add_f32(weight, x[c], sum[r][c]);
    }
  }
  MXI_UNROLL
  for (int r = 0; r < rows; r++) MXI_UNROLL
  for (int c = 0; c < columns; c++)
    if (last < MXI_VL)
      mxi_storen_f32(out + r * stride + c * MXI_VL, sum[r][c], last);
    else
      mxi_store_f32(out + r * stride + c * MXI_VL, sum[r][c]);
}

MXI_INLINE void decode_values_columns(const float *p, const char *v, int64_t v_bytes, int64_t n, int rows,
                                      int64_t width, int type, float *out, int64_t stride) {
  int64_t item = type == MX_FLOAT32 ? 4 : 2, c = 0;
  for (; c + COLUMNS * MXI_VL <= width; c += COLUMNS * MXI_VL)
    decode_values_tile(p, v + c * item, v_bytes, n, rows, COLUMNS, MXI_VL, type, out + c, stride);
  for (; c + MXI_VL <= width; c += MXI_VL)
    decode_values_tile(p, v + c * item, v_bytes, n, rows, 1, MXI_VL, type, out + c, stride);
  if (c < width) decode_values_tile(p, v + c * item, v_bytes, n, rows, 1, width - c, type, out + c, stride);
}

MXI_INLINE void decode_values(const struct mxi_attention *a, const char *v, int64_t n, int64_t rows,
                              const float *p, float *out, int64_t stride, int type) {
  int64_t v_bytes = a->v_strides[2] * (type == MX_FLOAT32 ? 4 : 2), width = a->value_width, r = 0;
  for (; r + ROWS <= rows; r += ROWS)
    decode_values_columns(p + r * MXI_DECODE_KEYS, v, v_bytes, n, ROWS, width, type, out + r * stride,
                          stride);
  p += r * MXI_DECODE_KEYS;
  out += r * stride;
  if (rows - r == 3)
    decode_values_columns(p, v, v_bytes, n, 3, width, type, out, stride);
  else if (rows - r == 2)
    decode_values_columns(p, v, v_bytes, n, 2, width, type, out, stride);
  else if (rows - r == 1)
    decode_values_columns(p, v, v_bytes, n, 1, width, type, out, stride);
}

MXI_INLINE void decode(const struct mxi_attention *a, int64_t b, int64_t h, int64_t block, float *partial,
                       float *scratch, int type) {
  int64_t group = a->heads / a->kv_heads, rows = group * a->queries, item = type == MX_FLOAT32 ? 4 : 2;
  int64_t first = block * MXI_DECODE_KEYS, stride = 2 + a->value_width;
  int64_t n = a->keys - first < MXI_DECODE_KEYS ? a->keys - first : MXI_DECODE_KEYS;
  int64_t whole = (n + MXI_VL - 1) / MXI_VL * MXI_VL;
  float *logits = scratch, *q = logits + rows * MXI_DECODE_KEYS, *tile = q + rows * padded(a->width);
  for (int64_t r = 0; r < rows; r++)
    widen_row(attention_row(a->q, a->q_strides, b, h * group + r / a->queries, r % a->queries, item),
              a->width, type, a->scale, q + r * padded(a->width));
  decode_logits(a, attention_row(a->k, a->k_strides, b, h, first, item), n, rows, q, logits, tile, type);
  for (int64_t r = 0; r < rows; r++) {
    float *row = logits + r * MXI_DECODE_KEYS;
    finish_logits(a, b, h * group + r / a->queries, r % a->queries, first, n, whole, row);
    partial[r * stride] = -INFINITY;
    partial[r * stride + 1] = 0;
    softmax_step(row, whole, &partial[r * stride], &partial[r * stride + 1]);
  }
  decode_values(a, attention_row(a->v, a->v_strides, b, h, first, item), n, rows, logits, partial + 2, stride,
                type);
}

void MXI_ISA_NAME(mxi_attention_decode)(const struct mxi_attention *a, int64_t b, int64_t h, int64_t block,
                                        float *partial, float *scratch) {
  FOR_FLOAT_TYPE(a->dtype, type, decode(a, b, h, block, partial, scratch, type));
}

/* One row of out: the blocks' values, each brought to the greatest maximum, over the sum of sums. */
MXI_INLINE void combine_row(const struct mxi_attention *a, int64_t head, int64_t blocks,
                            const float *partials, int64_t block_stride, char *out, int type) {
  float max = -INFINITY, sum = 0;
  for (int64_t i = 0; i < blocks; i++)
    max = partials[i * block_stride] > max ? partials[i * block_stride] : max;
  for (int64_t i = 0; i < blocks; i++) {
    const float *p = partials + i * block_stride;
    sum += p[1] * rescale(p[0], max);
  }
  float factor = normaliser(a, head, max, sum);
  for (int64_t c = 0; c < a->value_width; c += MXI_VL) {
    int64_t n = a->value_width - c < MXI_VL ? a->value_width - c : MXI_VL;
    vf32 total = {0};
    for (int64_t i = 0; i < blocks; i++) {
      const float *p = partials + i * block_stride;
      vf32 weight = mxi_set_f32(blocks == 1 ? 1 : rescale(p[0], max));
      total += weight * (n == MXI_VL ? mxi_load_f32(p + 2 + c) : mxi_loadn_f32(p + 2 + c, n));
    }
    total *= mxi_set_f32(factor);
    if (n == MXI_VL)
      store_from_f32(out, c, total, type);
    else
      storen_from_f32(out, c, total, n, type);
  }
}

void MXI_ISA_NAME(mxi_attention_combine)(const struct mxi_attention *a, int64_t b, int64_t h, int64_t blocks,
                                         const float *partials) {
  int64_t group = a->heads / a->kv_heads, rows = group * a->queries, stride = 2 + a->value_width;
  for (int64_t r = 0; r < rows; r++) {
    int64_t head = h * group + r / a->queries;
    char *out = (char *)attention_row(a->out, a->out_strides, b, head, r % a->queries, attention_item(a));
    FOR_FLOAT_TYPE(a->dtype, type,
                   combine_row(a, head, blocks, partials + r * stride, rows * stride, out, type));
  }
}
