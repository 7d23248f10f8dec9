/* Quantised weights to and from floats: the packers of the matrix product, y = x W, and the two conversions.

   How quantize chooses: in a group, e is the end of [min, max] farther from zero, and the step s = (max -
   min) / (2^bits - 1), at least 1e-7, points from e to the other end. s is then stretched so that zero falls
   on the grid: e is a whole number of steps. The bias is e, or 0 where e rounds to no step at all. */
#include "quantized_unpack.h"
#include "cpu/locals.h"

/* ---- Packers ---- */

/* One element; for spans that start inside a vector. */
static float weight_at(const struct mxi_quantized *w, int64_t row, int64_t col) {
  const int bits = mxi_quant_bits(w->format);
  const uint8_t *packed = (const uint8_t *)w->packed + row * (w->cols * bits / 8);
  int64_t group = row * (w->cols / w->group_size) + col / w->group_size;
  vu32 c = (vu32){0} + integer_at(packed, col, bits);
  return values_of(c, w->format)[0] * scale_of(w, group, w->format) + bias_of(w, group, w->format);
}

/* One float of each of MXI_VL rows that lie `stride` elements apart; zeros from row n on. */
static vf32 load_column(const void *p, mx_dtype t, int64_t stride, int64_t n) {
  if (t == MX_FLOAT32) {
    vf32 v = {0};
    for (int64_t r = 0; r < n; r++) v[r] = ((const float *)p)[r * stride];
    return v;
  }
  vu16h h = {0};
  for (int64_t r = 0; r < n; r++) h[r] = ((const uint16_t *)p)[r * stride];
  return widen_halves(h, t);
}

/* The same of scales in bytes. */
static vf32 load_byte_column(const uint8_t *p, int64_t stride, int64_t n, enum mxi_quant_format format) {
  vu32 bytes = {0};
  for (int64_t r = 0; r < n; r++) bytes[r] = p[r * stride];
  return scales_of_bytes(bytes, format);
}

/* The scales and biases of 32 columns of MXI_VL rows: of the first 16 and of the others. */
struct column_scales {
  vf32 scale[2], bias[2];
};

/* Those at `group` of the first row; the rows lie `groups` apart. */
MXI_INLINE struct column_scales load_column_scales(const struct mxi_quantized *w, int64_t group,
                                                   int64_t groups, int64_t n, enum mxi_quant_format format) {
  struct column_scales a = {0};
  for (int half = 0; half < 2; half++) {
    int64_t at = group + (w->group_size == 16 ? half : 0);
    if (mxi_quant_scales(format) != MXI_SCALES_FLOAT) {
      a.scale[half] = load_byte_column((const uint8_t *)w->scales + at, groups, n, format);
      continue;
    }
    a.scale[half] = load_column(element_at(w->scales, w->dtype, at), w->dtype, groups, n);
    a.bias[half] = load_column(element_at(w->biases, w->dtype, at), w->dtype, groups, n);
  }
  return a;
}

/* 32 columns of MXI_VL rows, transposed: dst[32][ld]. A vector holds the same word of every row, so the
   shifts that unpack it also transpose it. words is [bits][MXI_VL]. */
MXI_INLINE void unpack_columns(float *dst, int64_t ld, const uint32_t *words, const struct column_scales *a,
                               enum mxi_quant_format format) {
  const int bits = mxi_quant_bits(format);
  const vu32 mask = (vu32){0} + ((1u << bits) - 1);
  vu32 word[8];
  MXI_UNROLL for (int i = 0; i < bits; i++) word[i] = mxi_load_u32(words + i * MXI_VL);
  _Pragma("GCC unroll 32")
  for (int e = 0; e < 32; e++) {
    const int at = e * bits / 32, shift = e * bits % 32;
    vu32 v = word[at] >> shift;
    if (shift + bits > 32) v |= word[at + 1] << (32 - shift);
    mxi_store_f32(dst + e * ld,
                  multiply_add_f32(values_of(v & mask, format), a->scale[e / 16], a->bias[e / 16]));
  }
}

/* A panel's columns of one vector: rows n .. n + valid of W, columns [k0, k0 + kc), into dst[kc][ld], the
   first `width` lanes, zeros from `valid` on. W is unpacked 32 columns at a time; those cut by an edge go by
   way of `edge`. */
MXI_INLINE void pack_rows(const struct mxi_quantized *w, float *dst, int64_t ld, int64_t width, int64_t k0,
                          int64_t kc, int64_t n, int64_t valid, enum mxi_quant_format format) {
  const int bits = mxi_quant_bits(format);
  const int64_t row_words = w->cols / 32 * bits, groups = w->cols / w->group_size, end = k0 + kc;
  const uint32_t *packed = w->packed + n * row_words;
  uint32_t words[8 * MXI_VL] = {0};
  float edge[32 * MXI_VL];
  struct column_scales scales = {0};
  for (int64_t first = k0 / 32 * 32, k = first; k < end; k += 32) {
    if (k == first || k % w->group_size == 0)
      scales = load_column_scales(w, n * groups + k / w->group_size, groups, valid, format);
    for (int64_t r = 0; r < valid; r++)
      MXI_UNROLL for (int i = 0; i < bits; i++) words[i * MXI_VL + r] =
          packed[r * row_words + k / 32 * bits + i];
    if (k >= k0 && k + 32 <= end && width == MXI_VL) {
      unpack_columns(dst + (k - k0) * ld, ld, words, &scales, format);
      continue;
    }
    unpack_columns(edge, MXI_VL, words, &scales, format);
    for (int64_t e = k < k0 ? k0 - k : 0; e < 32 && k + e < end; e++)
      memcpy(dst + (k + e - k0) * ld, edge + e * MXI_VL, (size_t)width * sizeof(float));
  }
}

#define MX_QUANT_FORMAT(ID, ...)                                                                   \
  static void pack_rows_##ID(const struct mxi_quantized *w, float *dst, int64_t ld, int64_t width, \
                             int64_t k0, int64_t kc, int64_t n, int64_t valid) {                   \
    pack_rows(w, dst, ld, width, k0, kc, n, valid, MXI_QUANT_##ID);                                \
  }
#include "core/quant.def"
static void (*const pack_rows_of[MXI_QUANT_FORMATS])(const struct mxi_quantized *w, float *dst, int64_t ld,
                                                     int64_t width, int64_t k0, int64_t kc, int64_t n,
                                                     int64_t valid) = {
#define MX_QUANT_FORMAT(ID, ...) pack_rows_##ID,
#include "core/quant.def"
};

void MXI_ISA_NAME(mxi_pack_quantized_transposed)(const void *ctx, float *dst, int64_t k0, int64_t kc,
                                                 int64_t n0, int64_t nc, int64_t nr) {
  const struct mxi_quantized *w = ctx;
  for (int64_t j = 0; j < nr; j += MXI_VL) {
    int64_t width = nr - j < MXI_VL ? nr - j : MXI_VL, valid = nc - j < width ? nc - j : width;
    pack_rows_of[w->format](w, dst + j, nr, width, k0, kc, n0 + j, valid < 0 ? 0 : valid);
  }
}

/* Columns [begin, begin + n), multiples of MXI_VL, of a row. */
MXI_INLINE void unpack_span(const struct mxi_quantized *w, float *dst, int64_t row, int64_t begin, int64_t n,
                            enum mxi_quant_format format) {
  const uint8_t *packed = (const uint8_t *)w->packed + row * (w->cols * mxi_quant_bits(format) / 8);
  const int64_t groups = row * (w->cols / w->group_size);
  const int log_group = __builtin_ctz((unsigned)w->group_size);
  vf32 scale = splat(0), bias = splat(0);
  int64_t group = -1;
  for (int64_t k = begin; k < begin + n; k += MXI_VL) {
    if (k >> log_group != group) {
      group = k >> log_group;
      scale = splat(scale_of(w, groups + group, format));
      bias = splat(bias_of(w, groups + group, format));
    }
    mxi_store_f32(dst + (k - begin), multiply_add_f32(unpack_values(packed, k, format), scale, bias));
  }
}
#define MX_QUANT_FORMAT(ID, ...)                                                                      \
  static void unpack_span_##ID(const struct mxi_quantized *w, float *dst, int64_t row, int64_t begin, \
                               int64_t n) {                                                           \
    unpack_span(w, dst, row, begin, n, MXI_QUANT_##ID);                                               \
  }
#include "core/quant.def"
static void (*const unpack_span_of[MXI_QUANT_FORMATS])(const struct mxi_quantized *w, float *dst, int64_t row,
                                                       int64_t begin, int64_t n) = {
#define MX_QUANT_FORMAT(ID, ...) unpack_span_##ID,
#include "core/quant.def"
};

void MXI_ISA_NAME(mxi_pack_quantized)(const void *ctx, float *dst, int64_t k0, int64_t kc, int64_t n0,
                                      int64_t nc, int64_t nr) {
  const struct mxi_quantized *w = ctx;
  bool whole = n0 % MXI_VL == 0 && nc % MXI_VL == 0;
  for (int64_t k = 0; k < kc; k++, dst += nr) {
    if (whole) {
      unpack_span_of[w->format](w, dst, k0 + k, n0, nc);
    } else {
      for (int64_t j = 0; j < nc; j++) dst[j] = weight_at(w, k0 + k, n0 + j);
    }
    for (int64_t j = nc; j < nr; j++) dst[j] = 0;
  }
}

/* ---- y = x W for few rows of x: columns summed over the rows of W, four at a time ---- */

/* Adds rows [k, k + rows) of W's columns [begin, begin + n) times x's columns to sum[m][MXI_VECMAT_COLUMNS].
 */
MXI_INLINE void vecmat_add_rows(const struct mxi_matvec *product, float (*sum)[MXI_VECMAT_COLUMNS], int64_t k,
                                int rows, int64_t begin, int64_t n, enum mxi_quant_format format) {
  const struct mxi_quantized *w = &product->w;
  const int bits = mxi_quant_bits(format);
  const int64_t row_bytes = w->cols / 8 * bits, groups = w->cols / w->group_size;
  const uint8_t *packed[4];
  float x[MXI_VECMAT_ROWS][4];
  for (int r = 0; r < rows; r++) {
    packed[r] = (const uint8_t *)w->packed + (k + r) * row_bytes;
    for (int64_t m = 0; m < product->m; m++)
      x[m][r] = load_float(element_at(product->x, product->dtype, m * w->rows + k + r), product->dtype);
  }
  for (int64_t c = begin; c < begin + n; c += w->group_size) {
    vf32 scale[4], bias[4];
    MXI_UNROLL for (int r = 0; r < rows; r++) {
      int64_t group = (k + r) * groups + c / w->group_size;
      scale[r] = splat(scale_of(w, group, format));
      bias[r] = splat(bias_of(w, group, format));
      __builtin_prefetch(packed[r] + c / 8 * bits + 8 * row_bytes);
    }
    for (int64_t j = c; j < c + w->group_size; j += MXI_VL) {
      vf32 weight[4];
      MXI_UNROLL for (int r = 0; r < rows; r++) weight[r] =
          multiply_add_f32(unpack_values(packed[r], j, format), scale[r], bias[r]);
      for (int64_t m = 0; m < product->m; m++) {
        vf32 v = mxi_load_f32(sum[m] + (j - begin));
        MXI_UNROLL for (int r = 0; r < rows; r++) v = multiply_add_f32(splat(x[m][r]), weight[r], v);
        mxi_store_f32(sum[m] + (j - begin), v);
      }
    }
  }
}

MXI_INLINE void vecmat_sum_rows(const struct mxi_matvec *product, float (*sum)[MXI_VECMAT_COLUMNS],
                                int64_t begin, int64_t n, enum mxi_quant_format format) {
  int64_t k = 0;
  for (; k + 4 <= product->w.rows; k += 4) vecmat_add_rows(product, sum, k, 4, begin, n, format);
  for (; k < product->w.rows; k++) vecmat_add_rows(product, sum, k, 1, begin, n, format);
}

typedef float vecmat_sums[MXI_VECMAT_COLUMNS];
#define MX_QUANT_FORMAT(ID, ...)                                                                      \
  static void vecmat_sum_rows_##ID(const struct mxi_matvec *product, vecmat_sums *sum, int64_t begin, \
                                   int64_t n) {                                                       \
    vecmat_sum_rows(product, sum, begin, n, MXI_QUANT_##ID);                                          \
  }
#include "core/quant.def"
static void (*const vecmat_sum_rows_of[MXI_QUANT_FORMATS])(const struct mxi_matvec *product, vecmat_sums *sum,
                                                           int64_t begin, int64_t n) = {
#define MX_QUANT_FORMAT(ID, ...) vecmat_sum_rows_##ID,
#include "core/quant.def"
};

void MXI_ISA_NAME(mxi_vecmat_columns)(const struct mxi_matvec *product, int64_t begin, int64_t end) {
  MXI_LOCAL(vecmat_sums, sum, MXI_VECMAT_ROWS);
  memset(sum, 0, (size_t)product->m * sizeof *sum);
  vecmat_sum_rows_of[product->w.format](product, sum, begin, end - begin);
  for (int64_t m = 0; m < product->m; m++)
    for (int64_t j = begin; j < end; j += MXI_VL)
      store_floats_n((char *)element_at(product->y, product->dtype, m * product->w.cols + j),
                     mxi_load_f32(sum[m] + (j - begin)), product->dtype, MXI_VL);
}

/* ---- quantize ---- */

struct affine_grid {
  float scale, bias;
};

static struct affine_grid choose_grid(const float *w, int n, int bits) {
  vf32 low = splat(__builtin_inff()), high = splat(-__builtin_inff());
  for (int i = 0; i < n; i += MXI_VL) {
    vf32 v = mxi_load_f32(w + i);
    low = mxi_blend_f32(v < low, v, low); /* NaN is passed over */
    high = mxi_blend_f32(v > high, v, high);
  }
  float min = low[0], max = high[0];
  for (int i = 1; i < MXI_VL; i++) {
    if (low[i] < min) min = low[i];
    if (high[i] > max) max = high[i];
  }
  float step = (max - min) / (float)((1 << bits) - 1);
  if (!(step >= 1e-7f)) step = step != step ? step : 1e-7f;
  bool from_min = __builtin_fabsf(min) > __builtin_fabsf(max);
  float edge = from_min ? min : max, scale = from_min ? step : -step;
  float steps = __builtin_rintf(edge / scale);
  return steps == 0 ? (struct affine_grid){scale, 0} : (struct affine_grid){edge / steps, edge};
}

/* n integers, a multiple of 8, appended to the bit stream at dst. */
static void pack_integers(uint8_t *dst, const uint32_t *q, int n, int bits) {
  for (int i = 0; i < n; i += 8, dst += bits) {
    uint64_t stream = 0;
    for (int j = 0; j < 8; j++) stream |= (uint64_t)q[i + j] << (j * bits);
    memcpy(dst, &stream, (size_t)bits);
  }
}

void MXI_ISA_NAME(mxi_quantize_groups)(const struct mxi_quantized *q, const void *w, int64_t begin,
                                       int64_t end) {
  const int n = q->group_size, bits = mxi_quant_bits(q->format);
  const vf32 most = splat((float)((1 << bits) - 1));
  for (int64_t g = begin; g < end; g++) {
    float x[128];
    uint32_t integers[128];
    for (int i = 0; i < n; i += MXI_VL)
      mxi_store_f32(x + i, load_floats(element_at(w, q->dtype, g * n + i), q->dtype));
    struct affine_grid grid = choose_grid(x, n, bits);
    for (int i = 0; i < n; i += MXI_VL) {
      vf32 v = (mxi_load_f32(x + i) - splat(grid.bias)) / splat(grid.scale);
      v = mxi_blend_f32(v > 0, v, splat(0)); /* NaN becomes 0 */
      v = mxi_blend_f32(v < most, v, most);
      v += splat(0x1.8p23f); /* the adder rounds to the nearest even integer, into the low bits */
      mxi_store_u32(integers + i, (vu32)v & 0xff);
    }
    pack_integers((uint8_t *)q->packed + g * (n * bits / 8), integers, n, bits);
    store_floats_n((char *)element_at(q->scales, q->dtype, g), splat(grid.scale), q->dtype, 1);
    store_floats_n((char *)element_at(q->biases, q->dtype, g), splat(grid.bias), q->dtype, 1);
  }
}

/* ---- dequantize ---- */

MXI_INLINE void dequantize(const struct mxi_quantized *q, void *out, int64_t begin, int64_t end,
                           enum mxi_quant_format format) {
  const int n = q->group_size, bits = mxi_quant_bits(format);
  const mx_dtype t = q->dtype;
  for (int64_t g = begin; g < end; g++) {
    const uint8_t *packed = (const uint8_t *)q->packed + g * (n * bits / 8);
    vf32 scale = splat(scale_of(q, g, format)), bias = splat(bias_of(q, g, format));
    for (int i = 0; i < n; i += MXI_VL) {
      vf32 scaled = round_to(unpack_values(packed, i, format) * scale, t);
      store_floats_n((char *)element_at(out, t, g * n + i), scaled + bias, t, MXI_VL);
    }
  }
}

#define MX_QUANT_FORMAT(ID, ...)                                                                      \
  static void dequantize_##ID(const struct mxi_quantized *q, void *out, int64_t begin, int64_t end) { \
    dequantize(q, out, begin, end, MXI_QUANT_##ID);                                                   \
  }
#include "core/quant.def"
static void (*const dequantize_of[MXI_QUANT_FORMATS])(const struct mxi_quantized *q, void *out, int64_t begin,
                                                      int64_t end) = {
#define MX_QUANT_FORMAT(ID, ...) dequantize_##ID,
#include "core/quant.def"
};

void MXI_ISA_NAME(mxi_dequantize_groups)(const struct mxi_quantized *q, void *out, int64_t begin,
                                         int64_t end) {
  dequantize_of[q->format](q, out, begin, end);
}
