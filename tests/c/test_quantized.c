/* Quantised kernels against plain scalar references: the bit stream, the conversions, and both products, in
   every format of core/quant.def. */
#include "base/alloc.h"
#include "base/checked.h"
#include "cpu/pool.h"
#include "cpu/quantized.h"
#include "mlx/types.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const enum mxi_quant_format all_formats[] = {
#define MX_QUANT_FORMAT(ID, ...) MXI_QUANT_##ID,
#include "core/quant.def"
};
static const struct mxi_quant_mode_info *mode_of(enum mxi_quant_format f) {
  return &mxi_quant_modes[mxi_quant_formats[f].mode];
}
/* For each group size of a format. */
#define EACH_GROUP_SIZE(size, f) \
  (int size = 1; size <= mode_of(f)->group_sizes; size *= 2) if (mode_of(f)->group_sizes & size)
static const mx_dtype all_dtypes[] = {MX_FLOAT32, MX_FLOAT16, MX_BFLOAT16};
#define EACH(x, list) (size_t x##_i = 0; x##_i < sizeof(list) / sizeof *(list); x##_i++)

/* ---- Scalars ---- */

static uint64_t seed;
static double uniform(void) { /* in [-1, 1) */
  seed = seed * 6364136223846793005u + 1442695040888963407u;
  return (double)(int32_t)(seed >> 32) / 2147483648.0;
}

static size_t bytes_of(mx_dtype t) { return t == MX_FLOAT32 ? 4 : 2; }

/* The nearest value of a half type, ties to even, by its exponent's step; normal range and below. */
static double round_half_type(double x, int digits, int least_exponent) {
  if (x == 0) return x;
  int e = ilogb(x);
  if (e < least_exponent) e = least_exponent;
  double step = ldexp(1, e - digits);
  return nearbyint(x / step) * step;
}
static double rounded(double x, mx_dtype t) {
  return t == MX_FLOAT32   ? (double)(float)x
         : t == MX_FLOAT16 ? round_half_type(x, 10, -14)
                           : round_half_type(x, 7, -126);
}

static void put(void *p, mx_dtype t, int64_t i, double x) {
  x = rounded(x, t);
  float f = (float)x;
  uint32_t u;
  memcpy(&u, &f, 4);
  if (t == MX_FLOAT32)
    ((float *)p)[i] = f;
  else if (t == MX_BFLOAT16)
    ((uint16_t *)p)[i] = (uint16_t)(u >> 16);
  else if (x == 0)
    ((uint16_t *)p)[i] = (uint16_t)(u >> 16);
  else {
    int e = ilogb(x) < -14 ? -15 : ilogb(x); /* subnormals count in steps of 2^-24 */
    double magnitude = fabs(x);
    unsigned mantissa = (unsigned)(e < -14 ? magnitude * 0x1p24 : (ldexp(magnitude, -e) - 1) * 1024);
    ((uint16_t *)p)[i] = (uint16_t)((u >> 16 & 0x8000) | (unsigned)(e + 15) << 10 | mantissa);
  }
}

static double get(const void *p, mx_dtype t, int64_t i) {
  if (t == MX_FLOAT32) return (double)((const float *)p)[i];
  uint16_t h = ((const uint16_t *)p)[i];
  if (t == MX_BFLOAT16) {
    uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, 4);
    return (double)f;
  }
  int e = h >> 10 & 31, m = h & 1023;
  double x = e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);
  return h & 0x8000 ? -x : x;
}

/* ---- A quantised matrix with exact copies of its parts ---- */

struct matrix {
  struct mxi_quantized q;
  void *packed, *scales, *biases;
};

static struct matrix matrix_new(mx_dtype t, enum mxi_quant_format format, int group_size, int64_t rows,
                                int64_t cols) {
  const bool affine = mode_of(format)->biases;
  size_t groups = (size_t)(rows * (cols / group_size)), bytes = affine ? bytes_of(t) : 1;
  struct matrix a = {.packed = calloc((size_t)(rows * cols * mxi_quant_bits(format) / 32), 4),
                     .scales = calloc(groups, bytes),
                     .biases = affine ? calloc(groups, bytes) : NULL};
  a.q = (struct mxi_quantized){a.packed, a.scales,   a.biases, affine ? t : MX_UINT8,
                               format,   group_size, rows,     cols};
  return a;
}
static void matrix_free(struct matrix *a) {
  free(a->packed);
  free(a->scales);
  free(a->biases);
}

static unsigned integer(const struct mxi_quantized *q, int64_t row, int64_t col) {
  const uint8_t *bytes = (const uint8_t *)q->packed;
  const int bits = mxi_quant_bits(q->format);
  unsigned v = 0;
  int64_t first = (row * q->cols + col) * bits;
  for (int b = 0; b < bits; b++) v |= (unsigned)(bytes[(first + b) / 8] >> ((first + b) % 8) & 1) << b;
  return v;
}

static double e4m3(unsigned c) {
  int e = c >> 3 & 15, m = c & 7;
  double size = (c & 127) == 127 ? NAN : e ? ldexp(8 + m, e - 10) : ldexp(m, -9);
  return c & 128 ? -size : size;
}
static double value(enum mxi_quant_values values, unsigned c) {
  static const double e2m1[] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};
  switch (values) {
  case MXI_VALUES_INTEGER: return c;
  case MXI_VALUES_E2M1: return c & 8 ? -e2m1[c & 7] : e2m1[c];
  case MXI_VALUES_E4M3: return e4m3(c);
  }
  return NAN;
}
static double scale(const struct mxi_quantized *q, int64_t group) {
  switch (mxi_quant_scales(q->format)) {
  case MXI_SCALES_FLOAT: return get(q->scales, q->dtype, group);
  case MXI_SCALES_E8M0: return ldexp(1, ((const uint8_t *)q->scales)[group] - 127);
  case MXI_SCALES_E4M3: return e4m3(((const uint8_t *)q->scales)[group]);
  }
  return NAN;
}

static double weight(const struct mxi_quantized *q, int64_t row, int64_t col) {
  int64_t g = (row * q->cols + col) / q->group_size;
  return value(mxi_quant_values(q->format), integer(q, row, col)) * scale(q, g) +
         (q->biases ? get(q->biases, q->dtype, g) : 0);
}

/* A scale's byte for weights of about 1; now and then the least scales there are. */
static uint8_t random_scale(const struct mxi_quantized *q, int64_t group) {
  const bool e2m1 = mxi_quant_values(q->format) == MXI_VALUES_E2M1;
  if (mxi_quant_scales(q->format) == MXI_SCALES_E4M3)
    return (uint8_t)(group % 5 ? 16 + (uniform() + 1) * 12 : (uniform() + 1) * 8);
  return (uint8_t)(group % 5 ? (e2m1 ? 122 : 116) + (uniform() + 1) * 1.5 : (uniform() + 1) * 2);
}

/* Random integers but for NaN, scales and biases; weights lie about in [-1, 1]. */
static struct matrix random_matrix(mx_dtype t, enum mxi_quant_format format, int group_size, int64_t rows,
                                   int64_t cols) {
  struct matrix a = matrix_new(t, format, group_size, rows, cols);
  const int bits = mxi_quant_bits(format);
  for (int64_t i = 0; i < rows * cols * bits / 8; i++) {
    uint8_t c = (uint8_t)(uniform() * 128 + 128);
    ((uint8_t *)a.packed)[i] = mxi_quant_values(format) == MXI_VALUES_E4M3 && (c & 127) == 127 ? c - 1 : c;
  }
  for (int64_t g = 0; g < rows * (cols / group_size); g++) {
    if (!a.biases) {
      ((uint8_t *)a.scales)[g] = random_scale(&a.q, g);
      continue;
    }
    double step = (uniform() + 1.5) / (1 << bits);
    put(a.scales, t, g, g % 3 ? step : -step);
    put(a.biases, t, g, g % 3 ? -1 : 1);
  }
  return a;
}

static void *random_vector(mx_dtype t, int64_t n) {
  void *x = calloc((size_t)(n ? n : 1), bytes_of(t));
  for (int64_t i = 0; i < n; i++) put(x, t, i, uniform());
  return x;
}

/* ---- Conversions ---- */

/* The scalar form of the rule in kernels/quantized_pack.c, in float. */
static void check_quantized_group(const struct matrix *a, const void *w, int64_t row, int64_t col) {
  mx_dtype t = a->q.dtype;
  int n = a->q.group_size, most = (1 << mxi_quant_bits(a->q.format)) - 1;
  float min = INFINITY, max = -INFINITY;
  for (int i = 0; i < n; i++) {
    float v = (float)get(w, t, row * a->q.cols + col + i);
    min = fminf(min, v);
    max = fmaxf(max, v);
  }
  float step = fmaxf((max - min) / (float)most, 1e-7f);
  float edge = fabsf(min) > fabsf(max) ? min : max, scale = fabsf(min) > fabsf(max) ? step : -step, bias = 0;
  float steps = rintf(edge / scale);
  if (steps != 0) {
    scale = edge / steps;
    bias = edge;
  }
  int64_t g = (row * a->q.cols + col) / n;
  assert_true(get(a->scales, t, g) == rounded((double)scale, t));
  assert_true(get(a->biases, t, g) == rounded((double)bias, t));
  for (int i = 0; i < n; i++) {
    float v = rintf(((float)get(w, t, row * a->q.cols + col + i) - bias) / scale);
    unsigned want = (unsigned)fminf(fmaxf(v, 0), (float)most);
    assert_int_equal(integer(&a->q, row, col + i), want);
  }
}

static void quantize_follows_the_rule_and_dequantize_rounds_each_step(void **state) {
  (void)state;
  enum { ROWS = 5, COLS = 384 };
  for EACH(t, all_dtypes) for EACH(f, all_formats) for EACH_GROUP_SIZE(group_size, all_formats[f_i]) {
      mx_dtype t = all_dtypes[t_i];
      if (!mode_of(all_formats[f_i])->biases) continue;
      struct matrix a = matrix_new(t, all_formats[f_i], group_size, ROWS, COLS);
      void *w = random_vector(t, ROWS * COLS), *back = calloc(ROWS * COLS, bytes_of(t));
      for (int i = 0; i < COLS; i++) { /* row 0: zeros, row 1: a constant, row 2: far from zero */
        put(w, t, i, 0);
        put(w, t, COLS + i, 0.7);
        put(w, t, 2 * COLS + i, 5 + uniform());
      }
      assert_int_equal(mxi_quantize(&a.q, w), 0);
      assert_int_equal(mxi_dequantize(back, &a.q), 0);
      for (int64_t row = 0; row < ROWS; row++)
        for (int64_t col = 0; col < COLS; col++) {
          if (col % a.q.group_size == 0) check_quantized_group(&a, w, row, col);
          int64_t group = (row * COLS + col) / a.q.group_size;
          double product = rounded(integer(&a.q, row, col) * get(a.scales, t, group), t);
          double want = rounded(product + get(a.biases, t, group), t);
          assert_true(get(back, t, row * COLS + col) == want);
        }
      free(w);
      free(back);
      matrix_free(&a);
    }
}

static void quantize_passes_over_nan(void **state) {
  (void)state;
  struct matrix a = matrix_new(MX_FLOAT32, MXI_QUANT_AFFINE_4, 32, 1, 32);
  float w[32];
  for (int i = 0; i < 32; i++) w[i] = i == 3 ? NAN : (float)i - 8;
  assert_int_equal(mxi_quantize(&a.q, w), 0);
  assert_true(get(a.biases, MX_FLOAT32, 0) == 23);
  assert_int_equal(integer(&a.q, 0, 3), 0);
  assert_int_equal(integer(&a.q, 0, 0), 15);
  matrix_free(&a);
}

/* ---- Products ---- */

struct product {
  const struct mxi_quantized *w;
  const void *x;
  mx_dtype t;
  int64_t m;
  bool transpose;
  void *y[2];
};

/* The product inside a loop of the pool: inner loops then run on one thread. */
static void run_product(void *ctx, int64_t i) {
  struct product *p = ctx;
  if (mxi_quantized_matmul(p->y[i], p->x, p->t, p->m, p->w, p->transpose) < 0) memset(p->y[i], 0xff, 1);
}

/* Sums may err by a few roundings of f32 at the sum of the magnitudes that the kernels meet, then by one of
 * t. */
static void check_product(const struct product *p) {
  int64_t n = p->transpose ? p->w->rows : p->w->cols, k = p->transpose ? p->w->cols : p->w->rows;
  double grid = p->t == MX_FLOAT32 ? 0 : p->t == MX_FLOAT16 ? 0x1p-11 : 0x1p-8;
  for (int64_t j = 0; j < n; j++)
    for (int64_t i = 0; i < p->m; i++) {
      double sum = 0, magnitude = 0;
      for (int64_t l = 0; l < k; l++) {
        double x = get(p->x, p->t, i * k + l), w = p->transpose ? weight(p->w, j, l) : weight(p->w, l, j);
        sum += x * w;
        magnitude += fabs(x) * 3;
      }
      double error = fabs(get(p->y[0], p->t, i * n + j) - sum),
             bound = magnitude * 0x1p-21 + fabs(sum) * grid + 1e-7;
      if (error > bound)
        fail_msg(
            "format %d group %d dtype %d m %ld n %ld k %ld transpose %d: y[%ld][%ld] errs by %g, bound %g",
            (int)p->w->format, p->w->group_size, p->t, (long)p->m, (long)n, (long)k, p->transpose, (long)i,
            (long)j, error, bound);
    }
}

static void try_product(mx_dtype t, mx_dtype wt, enum mxi_quant_format format, int group_size, int64_t m,
                        int64_t rows, int64_t cols, bool transpose) {
  struct matrix a = random_matrix(wt, format, group_size, rows, cols);
  int64_t n = transpose ? rows : cols, k = transpose ? cols : rows;
  size_t bytes = (size_t)(m * n) * bytes_of(t);
  struct product p = {&a.q, random_vector(t, m * k), t, m, transpose, {malloc(bytes), malloc(bytes)}};
  void *free_run = malloc(bytes), *row = malloc(bytes);
  assert_int_equal(mxi_parallel_for(2, run_product, &p), 0);
  assert_int_equal(mxi_quantized_matmul(free_run, p.x, t, m, &a.q, transpose), 0);
  assert_memory_equal(p.y[0], free_run, bytes);
  assert_memory_equal(p.y[1], free_run, bytes);
  check_product(&p);
  if (transpose && m <= 8) { /* each row alone gives the same bits */
    for (int64_t i = 0; i < m; i++) {
      const char *x = (const char *)p.x + (size_t)(i * k) * bytes_of(t);
      assert_int_equal(mxi_quantized_matmul(row, x, t, 1, &a.q, transpose), 0);
      assert_memory_equal(row, (char *)free_run + (size_t)(i * n) * bytes_of(t), (size_t)n * bytes_of(t));
    }
  }
  free((void *)p.x);
  free(p.y[0]);
  free(p.y[1]);
  free(free_run);
  free(row);
  matrix_free(&a);
}

static void products_match_the_reference(void **state) {
  const bool transpose = *(const bool *)*state;
  static const int64_t x_rows[] = {1, 2, 3, 5, 33}, short_sides[] = {1, 7, 37};
  for EACH(t, all_dtypes) for EACH(f, all_formats) for EACH(m, x_rows)
      for EACH_GROUP_SIZE(group_size, all_formats[f_i]) {
      int64_t m = x_rows[m_i], rows = short_sides[(m_i + f_i + (size_t)group_size / 16) % 3],
              cols = mxi_max(group_size, 32) * (1 + (int64_t)((m_i * 2 + f_i + t_i) % 5));
      mx_dtype scales = all_dtypes[(t_i + (m_i == 2)) % 3]; /* mixed dtypes now and then */
      try_product(all_dtypes[t_i], scales, all_formats[f_i], group_size, m, rows, cols, transpose);
    }
}

/* Of formats that have one group size, the sizes here are that one. */
static void long_rows_and_many_rows_match_the_reference(void **state) {
  (void)state;
  static const struct {
    mx_dtype x, scales;
    int group_size;
    int64_t m, rows, cols;
    bool transpose;
  } products[] = {
      {MX_FLOAT32, MX_FLOAT16, 32, 1, 5, 4096 + 96, true},
      {MX_FLOAT32, MX_FLOAT32, 16, 1, 5, 4096 + 96, true},
      {MX_BFLOAT16, MX_BFLOAT16, 64, 6, 6, 2048 + 64, true},
      {MX_FLOAT32, MX_FLOAT32, 128, 1, 700, 640, true},
      {MX_FLOAT32, MX_BFLOAT16, 64, 70, 203, 704, true},
      {MX_FLOAT32, MX_FLOAT32, 16, 70, 203, 704, true},
      {MX_FLOAT32, MX_BFLOAT16, 64, 70, 203, 704, false},
      {MX_FLOAT16, MX_FLOAT16, 32, 1, 300, 608, false},
  };
  for EACH(f, all_formats) for EACH(p, products) {
      int sizes = mode_of(all_formats[f_i])->group_sizes, size = products[p_i].group_size;
      try_product(products[p_i].x, products[p_i].scales, all_formats[f_i], sizes & size ? size : sizes,
                  products[p_i].m, products[p_i].rows, products[p_i].cols, products[p_i].transpose);
    }
}

/* y = sum of q x with q 0 for the large element and 1 for all others, each 2^24 smaller: x is not rounded to
 * its group's largest. */
static void small_elements_count_beside_a_large_one(void **state) {
  (void)state;
  enum { COLS = 128 };
  for
    EACH(f, all_formats) {
      int bits = mxi_quant_bits(all_formats[f_i]);
      if (!mode_of(all_formats[f_i])->biases || 32 % bits) continue; /* their integers fill words */
      struct matrix a = matrix_new(MX_FLOAT32, all_formats[f_i], COLS, 1, COLS);
      float x[COLS], y = 0;
      uint32_t *packed = (uint32_t *)(uintptr_t)a.q.packed, ones = UINT32_MAX / ((1u << bits) - 1);
      for (int i = 0; i < COLS * bits / 32; i++) packed[i] = i ? ones : ones - 1;
      put(a.scales, MX_FLOAT32, 0, 1);
      put(a.biases, MX_FLOAT32, 0, 0);
      for (int i = 0; i < COLS; i++) x[i] = i ? 0x1p-4f : 0x1p20f;
      assert_int_equal(mxi_quantized_matmul(&y, x, MX_FLOAT32, 1, &a.q, true), 0);
      assert_true(y == (COLS - 1) * 0x1p-4f);
      matrix_free(&a);
    }
}

static void empty_products_are_empty_or_zero(void **state) {
  (void)state;
  struct mxi_quantized w = {NULL, NULL, NULL, MX_FLOAT32, MXI_QUANT_AFFINE_4, 32, 3, 0};
  float y[6] = {1, 1, 1, 1, 1, 1};
  assert_int_equal(mxi_quantized_matmul(y, NULL, MX_FLOAT32, 2, &w, true), 0);
  for (int i = 0; i < 6; i++) assert_true(y[i] == 0);
  assert_int_equal(mxi_quantized_matmul(y, NULL, MX_FLOAT32, 0, &w, true), 0);
}

static void without_memory_a_product_fails(void **state) {
  (void)state;
  struct matrix a = random_matrix(MX_FLOAT32, MXI_QUANT_AFFINE_4, 32, 4, 1 << 18);
  float *x = random_vector(MX_FLOAT32, 8 << 18), y[32];
  mxi_alloc_fail_after(0);
  assert_int_equal(mxi_quantized_matmul(y, x, MX_FLOAT32, 8, &a.q, true), -1);
  mxi_alloc_fail_after(-1);
  assert_int_equal(mx_error_code(), MX_OUT_OF_MEMORY);
  assert_int_equal(mxi_quantized_matmul(y, x, MX_FLOAT32, 8, &a.q, true), 0);
  free(x);
  matrix_free(&a);
}

int main(void) {
  static const bool yes = true, no = false;
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(quantize_follows_the_rule_and_dequantize_rounds_each_step),
      cmocka_unit_test(quantize_passes_over_nan),
      {"products with W^T match the reference", products_match_the_reference, NULL, NULL, (void *)&yes},
      {"products with W match the reference", products_match_the_reference, NULL, NULL, (void *)&no},
      cmocka_unit_test(long_rows_and_many_rows_match_the_reference),
      cmocka_unit_test(small_elements_count_beside_a_large_one),
      cmocka_unit_test(empty_products_are_empty_or_zero),
      cmocka_unit_test(without_memory_a_product_fails),
  };
  return cmocka_run_group_tests_name("quantized", tests, NULL, NULL);
}
