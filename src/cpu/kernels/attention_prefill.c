/* Prefill: a block of query rows of one head against blocks of keys. Queries are packed once, keys and values
   once a block; logits and values are small matrix products in registers: ROWS rows by two vectors of
   columns. */
#include "cpu/kernels/attention_parts.h"

enum {
  KEYS = MXI_PREFILL_KEYS,
  QUERIES = MXI_PREFILL_QUERIES,
  SLAB = MXI_PREFILL_SLAB,
#if MXI_VL == 16
  ROWS = 12,
#elif MXI_VL == 8
  ROWS = 6,
#else
  ROWS = 4,
#endif
  COLUMNS = 2 * MXI_VL
};

/* How one call cuts its scratch. Widths are padded to whole column tiles. */
struct prefill_buffers {
  int64_t width, value_width; /* of q and k; of v, padded to COLUMNS */
  float *q;                   /* (QUERIES / ROWS, width, ROWS) */
  float *k;                   /* (KEYS / COLUMNS, width, COLUMNS) */
  float *v;                   /* (value_width / COLUMNS, KEYS, COLUMNS) */
  float *logits;              /* (SLAB, KEYS) */
  float *values;              /* (QUERIES, value_width): unnormalised */
  float *max, *sum, *factor;  /* (QUERIES) */
};

static struct prefill_buffers cut_scratch(const struct mxi_attention *a, float *scratch) {
  struct prefill_buffers w = {.width = a->width,
                              .value_width = (a->value_width + COLUMNS - 1) / COLUMNS * COLUMNS};
  w.logits = scratch;
  w.k = w.logits + SLAB * KEYS;
  w.v = w.k + KEYS * padded(w.width);
  w.values = w.v + KEYS * w.value_width;
  w.q = w.values + QUERIES * w.value_width;
  w.max = w.q + QUERIES * padded(w.width);
  w.sum = w.max + QUERIES;
  w.factor = w.sum + QUERIES;
  return w;
}

/* Up to MXI_VL rows x, of which the first n exist, times a factor: their columns [d, d + MXI_VL), up to
   `width`, go to rows of dst, `stride` apart. Each is written as a whole vector, with zeros for the rows that
   don't exist. */
MXI_INLINE void pack_square(const char *x, int64_t row_bytes, int64_t n, int64_t d, int64_t width, int type,
                            float factor, float *dst, int64_t stride) {
  vf32 square[MXI_VL];
  int64_t lanes = width - d < MXI_VL ? width - d : MXI_VL;
  if (lanes == MXI_VL) {
    MXI_UNROLL
    for (int j = 0; j < MXI_VL; j++)
      square[j] = j < n ? load_as_f32(x + j * row_bytes, d, type) * mxi_set_f32(factor) : (vf32){0};
  } else {
    MXI_UNROLL
    for (int j = 0; j < MXI_VL; j++)
      square[j] = j < n ? loadn_as_f32(x + j * row_bytes, d, lanes, type) * mxi_set_f32(factor) : (vf32){0};
  }
  transpose_square(square);
  MXI_UNROLL
  for (int i = 0; i < MXI_VL; i++)
    if (i < lanes) mxi_store_f32(dst + i * stride, square[i]);
}

/* n keys into panels of COLUMNS keys: (panel, feature, key). */
MXI_INLINE void pack_keys(const char *k, int64_t row_bytes, int64_t n, int64_t width, int type, float *dst) {
  for (int64_t j = 0; j < n; j += COLUMNS)
    for (int64_t half = 0; half < COLUMNS; half += MXI_VL)
      for (int64_t d = 0; d < width; d += MXI_VL)
        pack_square(k + (j + half) * row_bytes, row_bytes, n - j - half, d, width, type, 1,
                    dst + (j * width + d * COLUMNS) + half, COLUMNS);
}

/* n rows of v into panels of COLUMNS columns: (panel, key, column). */
MXI_INLINE void pack_values(const char *v, int64_t row_bytes, int64_t n, int64_t width, int type,
                            float *dst) {
  int64_t c = 0;
  for (; c + COLUMNS <= width; c += COLUMNS, dst += KEYS * COLUMNS)
    for (int64_t j = 0; j < n; j++) {
      mxi_store_f32(dst + j * COLUMNS, load_as_f32(v + j * row_bytes, c, type));
      mxi_store_f32(dst + j * COLUMNS + MXI_VL, load_as_f32(v + j * row_bytes, c + MXI_VL, type));
    }
  int64_t low = width - c < MXI_VL ? width - c : MXI_VL, high = width - c - low;
  for (int64_t j = 0; j < n && low; j++) {
    mxi_store_f32(dst + j * COLUMNS, loadn_as_f32(v + j * row_bytes, c, low, type));
    mxi_store_f32(dst + j * COLUMNS + MXI_VL,
                  high ? loadn_as_f32(v + j * row_bytes, c + MXI_VL, high, type) : (vf32){0});
  }
}

/* n query rows, scaled, into panels of ROWS rows: (panel, feature, row). A vector is longer than a row of the
   panel; what it writes beyond is overwritten by the next, and after the last panel there is room for it. */
MXI_INLINE void pack_queries(const struct mxi_attention *a, const char *q, int64_t n, int type, float *dst) {
  int64_t row_bytes = a->q_strides[2] * (type == MX_FLOAT32 ? 4 : 2), width = a->width;
  for (int64_t i = 0; i < n; i += ROWS)
    for (int64_t d = 0; d < width; d += MXI_VL)
      pack_square(q + i * row_bytes, row_bytes, n - i < ROWS ? n - i : ROWS, d, width, type, a->scale,
                  dst + i * width + d * ROWS, ROWS);
}

/* Logits (ROWS, COLUMNS), row stride KEYS, of one panel of queries and one of keys. */
static void logits_tile(const float *q, const float *k, int64_t width, float *logits) {
  vf32 sum[ROWS][2];
  MXI_UNROLL
  for (int r = 0; r < ROWS; r++) sum[r][0] = sum[r][1] = (vf32){0};
  for (int64_t d = 0; d < width; d++, q += ROWS, k += COLUMNS) {
    vf32 x = mxi_load_f32(k), y = mxi_load_f32(k + MXI_VL);
    MXI_UNROLL
    for (int r = 0; r < ROWS; r++) {
      vf32 w = mxi_set_f32(q[r]);
      sum[r][0] = multiply_add_f32(w, x, sum[r][0]);
      sum[r][1] = multiply_add_f32(w, y, sum[r][1]);
    }
  }
  MXI_UNROLL
  for (int r = 0; r < ROWS; r++) {
    mxi_store_f32(logits + r * KEYS, sum[r][0]);
    mxi_store_f32(logits + r * KEYS + MXI_VL, sum[r][1]);
  }
}

/* values (ROWS, COLUMNS), row stride `stride`: each row times its factor, plus p (ROWS, n) times a panel of
 * v. */
static void prefill_values_tile(const float *p, const float *v, int64_t n, const float *factor, float *values,
                                int64_t stride) {
  vf32 sum[ROWS][2];
  MXI_UNROLL
  for (int r = 0; r < ROWS; r++) {
    sum[r][0] = mxi_load_f32(values + r * stride) * mxi_set_f32(factor[r]);
    sum[r][1] = mxi_load_f32(values + r * stride + MXI_VL) * mxi_set_f32(factor[r]);
  }
  for (int64_t j = 0; j < n; j++, v += COLUMNS) {
    vf32 x = mxi_load_f32(v), y = mxi_load_f32(v + MXI_VL);
    MXI_UNROLL
    for (int r = 0; r < ROWS; r++) {
      vf32 w = mxi_set_f32(p[r * KEYS + j]);
      sum[r][0] = multiply_add_f32(w, x, sum[r][0]);
      sum[r][1] = multiply_add_f32(w, y, sum[r][1]);
    }
  }
  MXI_UNROLL
  for (int r = 0; r < ROWS; r++) {
    mxi_store_f32(values + r * stride, sum[r][0]);
    mxi_store_f32(values + r * stride + MXI_VL, sum[r][1]);
  }
}

/* Rows [at, at + rows) of the call's block against keys [first, first + n), which are packed. */
static void slab(const struct mxi_attention *a, const struct prefill_buffers *w, int64_t b, int64_t head,
                 int64_t query, int64_t at, int64_t rows, int64_t first, int64_t n) {
  int64_t whole = (n + COLUMNS - 1) / COLUMNS * COLUMNS;
  for (int64_t j = 0; j < n; j += COLUMNS)
    for (int64_t r = 0; r < rows; r += ROWS)
      logits_tile(w->q + (at + r) * w->width, w->k + j * w->width, w->width, w->logits + r * KEYS + j);
  for (int64_t r = 0; r < rows; r++) {
    float *row = w->logits + r * KEYS;
    finish_logits(a, b, head, query + at + r, first, n, whole, row);
    w->factor[at + r] = softmax_step(row, whole, &w->max[at + r], &w->sum[at + r]);
  }
  for (int64_t c = 0; c < w->value_width; c += COLUMNS)
    for (int64_t r = 0; r < rows; r += ROWS)
      prefill_values_tile(w->logits + r * KEYS, w->v + c * KEYS, n, w->factor + at + r,
                          w->values + (at + r) * w->value_width + c, w->value_width);
}

/* Keys that no row of [query, query + rows) sees add nothing, unless one of the rows sees none at all, which
   a mask may bring about: such a row averages all keys. */
static int64_t needed_keys(const struct mxi_attention *a, int64_t query, int64_t rows) {
  return a->mask || visible_keys(a, query) < 1 ? a->keys : visible_keys(a, query + rows - 1);
}

MXI_INLINE void write_rows(const struct mxi_attention *a, const struct prefill_buffers *w, int64_t b,
                           int64_t head, int64_t query, int64_t rows, int type) {
  for (int64_t i = 0; i < rows; i++) {
    char *out = (char *)attention_row(a->out, a->out_strides, b, head, query + i, type == MX_FLOAT32 ? 4 : 2);
    const float *values = w->values + i * w->value_width;
    vf32 factor = mxi_set_f32(normaliser(a, head, w->max[i], w->sum[i]));
    int64_t c = 0;
    for (; c + MXI_VL <= a->value_width; c += MXI_VL)
      store_from_f32(out, c, mxi_load_f32(values + c) * factor, type);
    if (c < a->value_width)
      storen_from_f32(out, c, mxi_load_f32(values + c) * factor, a->value_width - c, type);
  }
}

MXI_INLINE void prefill(const struct mxi_attention *a, int64_t b, int64_t head, int64_t query, int64_t rows,
                        float *scratch, int type) {
  struct prefill_buffers w = cut_scratch(a, scratch);
  int64_t item = type == MX_FLOAT32 ? 4 : 2, h = head / (a->heads / a->kv_heads);
  int64_t used = (rows + ROWS - 1) / ROWS * ROWS, keys = needed_keys(a, query, rows);
  pack_queries(a, attention_row(a->q, a->q_strides, b, head, query, item), rows, type, w.q);
  memset(w.values, 0, (size_t)(used * w.value_width) * sizeof(float));
  for (int64_t i = 0; i < used; i++) w.max[i] = -INFINITY, w.sum[i] = w.factor[i] = 0;
  for (int64_t first = 0; first < keys; first += KEYS) {
    int64_t n = keys - first < KEYS ? keys - first : KEYS;
    pack_keys(attention_row(a->k, a->k_strides, b, h, first, item), a->k_strides[2] * item, n, w.width, type,
              w.k);
    pack_values(attention_row(a->v, a->v_strides, b, h, first, item), a->v_strides[2] * item, n,
                a->value_width, type, w.v);
    for (int64_t at = 0; at < rows; at += SLAB) {
      int64_t in_slab = rows - at < SLAB ? rows - at : SLAB,
              needed = needed_keys(a, query + at, in_slab) - first;
      if (needed > 0) slab(a, &w, b, head, query, at, in_slab, first, needed < n ? needed : n);
    }
  }
  write_rows(a, &w, b, head, query, rows, type);
}

void MXI_ISA_NAME(mxi_attention_prefill)(const struct mxi_attention *a, int64_t b, int64_t head,
                                         int64_t first, int64_t rows, float *scratch) {
  FOR_FLOAT_TYPE(a->dtype, type, prefill(a, b, head, first, rows, scratch, type));
}
