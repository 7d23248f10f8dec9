/* The row kernels, rotary embedding and attention against plain double references, on the dispatched
 * instruction set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "cpu/isa.h"
#include "cpu/kernels/attention.h"
#include "cpu/kernels/rope.h"
#include "cpu/kernels/rows.h"

#define LENGTH(a) (sizeof(a) / sizeof *(a))

static uint64_t random_state = 1;
/* Uniform in [-1, 1). */
static double uniform(void) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (double)(int64_t)(random_state >> 11) / 0x1p52 - 1;
}

/* ---- Elements of any float dtype, as doubles; halves are rounded by plain arithmetic. ---- */
static double get(const void *x, int64_t i, mx_dtype t) {
  if (t == MX_FLOAT64) return ((const double *)x)[i];
  if (t == MX_FLOAT32) return (double)((const float *)x)[i];
  uint16_t h = ((const uint16_t *)x)[i];
  if (t == MX_BFLOAT16) {
    uint32_t u = (uint32_t)h << 16;
    float f;
    memcpy(&f, &u, 4);
    return (double)f;
  }
  int exponent = h >> 10 & 31, mantissa = h & 1023;
  double magnitude = exponent == 31  ? mantissa ? NAN : INFINITY
                     : exponent == 0 ? ldexp(mantissa, -24)
                                     : ldexp(1024 + mantissa, exponent - 25);
  return h & 0x8000 ? -magnitude : magnitude;
}
static void put(void *x, int64_t i, mx_dtype t, double value) {
  if (t == MX_FLOAT64)
    ((double *)x)[i] = value;
  else if (t == MX_FLOAT32)
    ((float *)x)[i] = (float)value;
  else if (t == MX_BFLOAT16) {
    float f = (float)value;
    uint32_t u;
    memcpy(&u, &f, 4);
    ((uint16_t *)x)[i] = (uint16_t)(u >> 16);
  } else {
    int exponent;
    double fraction =
        frexp(fabs(value), &exponent); /* tests use normal float16 values, infinities and zero */
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    uint16_t bits = isinf(value)     ? 0x7c00
                    : exponent < -13 ? 0
                                     : (uint16_t)((exponent + 14) << 10 | ((int)(fraction * 2048) & 1023));
    ((uint16_t *)x)[i] = sign | bits;
  }
}
static int64_t size_of(mx_dtype t) { return t == MX_FLOAT64 ? 8 : t == MX_FLOAT32 ? 4 : 2; }
static double epsilon(mx_dtype t) {
  return t == MX_FLOAT64 ? 0x1p-52 : t == MX_FLOAT32 ? 0x1p-23 : t == MX_FLOAT16 ? 0x1p-10 : 0x1p-7;
}
static const mx_dtype float_types[] = {MX_FLOAT16, MX_BFLOAT16, MX_FLOAT32, MX_FLOAT64};

static void *array_of(int64_t n, mx_dtype t, double scale) {
  void *x = malloc((size_t)(n * 8 + 64));
  assert_non_null(x);
  for (int64_t i = 0; i < n; i++) put(x, i, t, uniform() * scale);
  return x;
}
static void assert_near(double got, double expected, double tolerance) {
  if (isnan(expected) ? isnan(got) : isinf(expected) ? got == expected : fabs(got - expected) <= tolerance)
    return;
  fail_msg("expected %.9g, got %.9g, tolerance %.3g", expected, got, tolerance);
}

/* ---- softmax and logsumexp ---- */
static double log_sum(const void *x, int64_t n, mx_dtype t) {
  double max = -INFINITY, sum = 0;
  for (int64_t i = 0; i < n; i++) max = fmax(max, get(x, i, t));
  if (isinf(max)) return max;
  for (int64_t i = 0; i < n; i++) sum += exp(get(x, i, t) - max);
  return max + log(sum);
}

static void check_softmax(int64_t n, int64_t rows, mx_dtype t, double scale, bool in_place) {
  void *x = array_of(n * rows, t, scale), *out = in_place ? x : array_of(n * rows, t, 1),
       *copy = malloc((size_t)(n * rows * 8));
  float *row = malloc((size_t)n * sizeof *row);
  memcpy(copy, x, (size_t)(n * rows * size_of(t)));
  struct mxi_softmax job = {.dtype = t, .x = x, .out = out, .n = n};
  MXI_DISPATCH(mxi_softmax_rows)(&job, 0, rows, row);
  for (int64_t r = 0; r < rows; r++) {
    double sum = log_sum((char *)copy + r * n * size_of(t), n, t);
    for (int64_t i = r * n; i < (r + 1) * n; i++) {
      double expected = exp(get(copy, i, t) - sum);
      double floor = t == MX_FLOAT16 ? 0x1p-24 : t == MX_FLOAT64 ? 0 : 0x1p-126;
      /* x - max is rounded before the exponential sees it. */
      double rounding = (2 * scale + 8) * fmin(epsilon(t), 0x1p-23);
      assert_near(get(out, i, t), expected, (4 * epsilon(t) + rounding) * expected + floor);
    }
  }
  free(x);
  free(copy);
  free(row);
  if (!in_place) free(out);
}

static void softmax_is_near_the_double_result(void **state) {
  for (size_t t = 0; t < LENGTH(float_types); t++)
    for (int64_t n = 1; n < 300; n = n < 70 ? n + 1 : n * 2) {
      check_softmax(n, 3, float_types[t], 10, false);
      check_softmax(n, 2, float_types[t], 1, false);
      check_softmax(n, 2, float_types[t], 60, true);
    }
  check_softmax(4096, 2, MX_FLOAT32, 100, true);
  check_softmax(4096, 2, MX_FLOAT32, 100, false);
}

static void softmax_of_infinities_and_nan(void **state) {
  for (int64_t n = 2; n < 40; n++) {
    float x[40], out[40], row[40];
    struct mxi_softmax job = {.dtype = MX_FLOAT32, .x = x, .out = out, .n = n};
    for (int i = 0; i < n; i++) x[i] = -INFINITY;
    MXI_DISPATCH(mxi_softmax_rows)(&job, 0, 1, row);
    for (int i = 0; i < n; i++) assert_true(isnan(out[i]));
    x[n - 1] = 3;
    MXI_DISPATCH(mxi_softmax_rows)(&job, 0, 1, row);
    for (int i = 0; i < n; i++) assert_true(out[i] == (i == n - 1 ? 1 : 0));
    x[0] = NAN;
    MXI_DISPATCH(mxi_softmax_rows)(&job, 0, 1, row);
    for (int i = 0; i < n; i++) assert_true(isnan(out[i]));
  }
}

static void logsumexp_is_near_the_double_result(void **state) {
  for (size_t k = 0; k < LENGTH(float_types); k++)
    for (int64_t n = 1; n < 300; n = n < 70 ? n + 1 : n * 2) {
      mx_dtype t = float_types[k];
      void *x = array_of(n * 3, t, 10);
      double out[3];
      struct mxi_softmax job = {.dtype = t, .x = x, .out = out, .n = n};
      MXI_DISPATCH(mxi_logsumexp_rows)(&job, 0, 3);
      for (int r = 0; r < 3; r++) {
        double expected = log_sum((char *)x + r * n * size_of(t), n, t);
        assert_near(get(out, r, t), expected, epsilon(t) * (fabs(expected) + 1));
      }
      free(x);
    }
}

static void logsumexp_of_infinities_and_nan(void **state) {
  for (int64_t n = 2; n < 40; n++)
    for (int type = 0; type < 2; type++) {
      double x[40], out;
      mx_dtype t = type ? MX_FLOAT64 : MX_FLOAT32;
      struct mxi_softmax job = {.dtype = t, .x = x, .out = &out, .n = n};
      for (int i = 0; i < n; i++) put(x, i, t, -INFINITY);
      MXI_DISPATCH(mxi_logsumexp_rows)(&job, 0, 1);
      assert_true(get(&out, 0, t) == -INFINITY);
      put(x, n - 1, t, 7);
      MXI_DISPATCH(mxi_logsumexp_rows)(&job, 0, 1);
      assert_true(get(&out, 0, t) == 7);
      put(x, n - 1, t, INFINITY);
      MXI_DISPATCH(mxi_logsumexp_rows)(&job, 0, 1);
      assert_true(get(&out, 0, t) == INFINITY);
      put(x, 0, t, NAN);
      MXI_DISPATCH(mxi_logsumexp_rows)(&job, 0, 1);
      assert_true(isnan(get(&out, 0, t)));
    }
}

static void a_block_gives_its_maximum_and_sum(void **state) {
  for (int64_t n = 1; n < 200; n += 3) {
    float *x = array_of(n, MX_FLOAT32, 5), out[200];
    struct mxi_softmax_partial p = MXI_DISPATCH(mxi_softmax_block)(MX_FLOAT32, x, n);
    double expected = log_sum(x, n, MX_FLOAT32);
    assert_near((double)p.max + log((double)p.sum), expected, 1e-6 * (fabs(expected) + 1));
    MXI_DISPATCH(mxi_softmax_scale)(MX_FLOAT32, x, out, n, p.max, 1 / p.sum);
    for (int i = 0; i < n; i++)
      assert_near((double)out[i], exp((double)x[i] - expected), 1e-6 * exp((double)x[i] - expected));
    free(x);
  }
}

/* ---- Norms ---- */
static void check_norm(int64_t n, mx_dtype x_type, mx_dtype out_type, bool centered, bool weighted,
                       bool biased, bool stream) {
  enum { ROWS = 3 };
  int64_t step = n + 5;
  mx_dtype parameter = out_type == MX_FLOAT64 ? MX_FLOAT64 : MX_FLOAT32;
  void *x = array_of(ROWS * step, x_type, 2), *weight = array_of(n, parameter, 1),
       *bias = array_of(n, parameter, 1);
  void *out = aligned_alloc(64, (size_t)(ROWS * n * 8 + 63) / 64 * 64);
  struct mxi_norm job = {.x_type = x_type,
                         .out_type = out_type,
                         .x = x,
                         .out = out,
                         .n = n,
                         .x_row = step,
                         .weight = weighted ? weight : NULL,
                         .bias = biased ? bias : NULL,
                         .eps = 1e-5,
                         .stream = stream};
  if (centered)
    MXI_DISPATCH(mxi_layer_norm_rows)(&job, 0, ROWS);
  else
    MXI_DISPATCH(mxi_rms_norm_rows)(&job, 0, ROWS);
  for (int64_t r = 0; r < ROWS; r++) {
    double mean = 0, square = 0;
    for (int64_t i = 0; centered && i < n; i++) mean += get(x, r * step + i, x_type) / (double)n;
    for (int64_t i = 0; i < n; i++) square += pow(get(x, r * step + i, x_type) - mean, 2) / (double)n;
    for (int64_t i = 0; i < n; i++) {
      double expected = (get(x, r * step + i, x_type) - mean) / sqrt(square + 1e-5);
      expected =
          expected * (weighted ? get(weight, i, parameter) : 1) + (biased ? get(bias, i, parameter) : 0);
      /* One element of a centred row is zero over sqrt(eps): rounding in the mean is magnified. */
      double tolerance = n < 4 ? 1e-3 : 1e-5;
      assert_near(get(out, r * n + i, out_type), expected,
                  2 * epsilon(out_type) * fabs(expected) + (out_type == MX_FLOAT64 ? 1e-12 : tolerance));
    }
  }
  free(x);
  free(weight);
  free(bias);
  free(out);
}

static void norms_are_near_the_double_result(void **state) {
  static const mx_dtype pairs[][2] = {{MX_FLOAT16, MX_FLOAT16},  {MX_BFLOAT16, MX_BFLOAT16},
                                      {MX_FLOAT32, MX_FLOAT32},  {MX_FLOAT64, MX_FLOAT64},
                                      {MX_BFLOAT16, MX_FLOAT32}, {MX_FLOAT16, MX_FLOAT32}};
  for (size_t k = 0; k < LENGTH(pairs); k++)
    for (int64_t n = 1; n < 600; n = n < 70 ? n + 1 : n * 2)
      for (int options = 0; options < 16; options++)
        check_norm(n, pairs[k][0], pairs[k][1], options & 1, options & 2, options & 4, options & 8);
}

/* ---- Rotary embedding ---- */
static void check_rope(int64_t width, int64_t pairs, mx_dtype t, bool traditional, double position,
                       bool in_place) {
  double frequencies[80];
  for (int64_t i = 0; i < pairs; i++) frequencies[i] = pow(10000, -(double)i / (double)pairs);
  float *table = malloc((size_t)(mxi_rope_table_width(pairs, traditional) + 1) * sizeof *table);
  void *x = array_of(width, t, 2), *out = in_place ? x : array_of(width, t, 1),
       *copy = malloc((size_t)width * 8);
  memcpy(copy, x, (size_t)(width * size_of(t)));
  MXI_DISPATCH(mxi_rope_table)(position, frequencies, pairs, traditional, table);
  MXI_DISPATCH(mxi_rope_row)(t, x, out, width, pairs, traditional, table);
  for (int64_t i = 0; i < pairs; i++) {
    int64_t first = traditional ? 2 * i : i, second = traditional ? 2 * i + 1 : i + pairs;
    double a = get(copy, first, t), b = get(copy, second, t), angle = position * frequencies[i];
    assert_near(get(out, first, t), a * cos(angle) - b * sin(angle), 4 * epsilon(t));
    assert_near(get(out, second, t), b * cos(angle) + a * sin(angle), 4 * epsilon(t));
  }
  for (int64_t i = 2 * pairs; i < width; i++) assert_true(get(out, i, t) == get(copy, i, t));
  free(table);
  free(x);
  free(copy);
  if (!in_place) free(out);
}

static void rope_turns_pairs(void **state) {
  static const double positions[] = {0, 1, -7, 1000, 99999, 1e9, 1e12};
  for (size_t k = 0; k < 3; k++)
    for (int64_t width = 2; width <= 160; width += width < 70 ? 1 : 10)
      for (size_t p = 0; p < LENGTH(positions); p++)
        for (int options = 0; options < 4; options++) {
          check_rope(width, width / 2, float_types[k], options & 1, positions[p], options & 2);
          check_rope(width, width / 4, float_types[k], options & 1, positions[p], options & 2);
        }
}

/* ---- Attention ---- */
static int64_t at3(const int64_t *strides, int64_t b, int64_t h, int64_t t) {
  return b * strides[0] + h * strides[1] + t * strides[2];
}

/* q, k, v hold doubles here, whatever a->dtype. */
static void reference_row(const struct mxi_attention *a, int64_t b, int64_t head, int64_t i, double *out) {
  const double *q = a->q, *k = a->k, *v = a->v;
  int64_t h = head / (a->heads / a->kv_heads);
  double *p = malloc((size_t)(a->keys + 1) * sizeof *p);
  double max = a->sinks ? (double)a->sinks[head] : -INFINITY, sum = 0;
  for (int64_t j = 0; j < a->keys; j++) {
    p[j] = 0;
    for (int64_t d = 0; d < a->width; d++)
      p[j] += q[at3(a->q_strides, b, head, i) + d] * k[at3(a->k_strides, b, h, j) + d];
    p[j] *= a->scale_f64;
    int64_t m =
        b * a->mask_strides[0] + head * a->mask_strides[1] + i * a->mask_strides[2] + j * a->mask_strides[3];
    if (a->mask && a->mask_type == MX_BOOL)
      p[j] = ((const uint8_t *)a->mask)[m] ? p[j] : (double)-FLT_MAX;
    else if (a->mask)
      p[j] += get(a->mask, m, a->mask_type);
    if (a->causal && j > i + a->keys - a->queries) p[j] = (double)-FLT_MAX;
    max = fmax(max, p[j]);
  }
  for (int64_t j = 0; j < a->keys; j++) sum += p[j] = exp(p[j] - (max == -INFINITY ? 0 : max));
  if (a->sinks) sum += exp((double)a->sinks[head] - max);
  for (int64_t d = 0; d < a->value_width; d++) {
    out[d] = 0;
    for (int64_t j = 0; j < a->keys; j++) out[d] += p[j] * v[at3(a->v_strides, b, h, j) + d];
    if (a->keys) out[d] /= sum;
  }
  free(p);
}

static double *as_doubles(const void *x, int64_t n, mx_dtype t) {
  double *y = malloc((size_t)n * sizeof *y);
  for (int64_t i = 0; i < n; i++) y[i] = get(x, i, t);
  return y;
}

static void run_attention(const struct mxi_attention *a) {
  int64_t group = a->heads / a->kv_heads, blocks = (a->keys + MXI_DECODE_KEYS - 1) / MXI_DECODE_KEYS;
  int64_t partial = group * a->queries * (2 + a->value_width);
  float *scratch =
      malloc((size_t)(mxi_attention_decode_scratch(a) + mxi_attention_prefill_scratch(a)) * sizeof *scratch);
  float *partials = malloc((size_t)(blocks * partial + 1) * sizeof *partials);
  double *p = malloc((size_t)(a->keys + 1) * sizeof *p);
  for (int64_t b = 0; b < a->batch; b++)
    if (a->dtype == MX_FLOAT64) {
      for (int64_t i = 0; i < a->heads * a->queries; i++)
        MXI_DISPATCH(mxi_attention_f64)(a, b, i / a->queries, i % a->queries, p);
    } else if (a->queries <= MXI_DECODE_QUERIES) {
      for (int64_t h = 0; h < a->kv_heads; h++) {
        for (int64_t i = 0; i < blocks; i++)
          MXI_DISPATCH(mxi_attention_decode)(a, b, h, i, partials + i * partial, scratch);
        MXI_DISPATCH(mxi_attention_combine)(a, b, h, blocks, partials);
      }
    } else {
      for (int64_t i = 0; i < a->heads; i++)
        for (int64_t first = 0; first < a->queries; first += MXI_PREFILL_QUERIES) {
          int64_t rest = a->queries - first;
          MXI_DISPATCH(mxi_attention_prefill)
          (a, b, i, first, rest < MXI_PREFILL_QUERIES ? rest : MXI_PREFILL_QUERIES, scratch);
        }
    }
  free(scratch);
  free(partials);
  free(p);
}

struct attention_case {
  mx_dtype dtype;
  int64_t heads, kv_heads, queries, keys, width, value_width;
  bool causal, sinks, transposed;
  int mask; /* 0 none, 1 bool, 2 additive of the dtype, 3 bool that hides all, 4 additive float32 with rows of
               -inf */
};

/* Strides of (batch, heads, positions) rows of `width`, in that order or with positions before heads, in a
   cache with room for 3 positions more. */
static void lay_out(int64_t strides[3], int64_t heads, int64_t positions, int64_t width, bool transposed) {
  strides[0] = heads * (positions + 3) * width;
  strides[1] = transposed ? width : (positions + 3) * width;
  strides[2] = transposed ? heads * width : width;
}

static void check_attention(const struct attention_case *c) {
  enum { BATCH = 2 };
  struct mxi_attention a = {.dtype = c->dtype,
                            .batch = BATCH,
                            .heads = c->heads,
                            .kv_heads = c->kv_heads,
                            .queries = c->queries,
                            .keys = c->keys,
                            .width = c->width,
                            .value_width = c->value_width,
                            .causal = c->causal};
  a.scale_f64 = 1 / sqrt((double)c->width);
  a.scale = (float)a.scale_f64;
  lay_out(a.q_strides, c->heads, c->queries, c->width, c->transposed);
  lay_out(a.k_strides, c->kv_heads, c->keys, c->width, c->transposed);
  lay_out(a.v_strides, c->kv_heads, c->keys, c->value_width, c->transposed);
  lay_out(a.out_strides, c->heads, c->queries, c->value_width, c->transposed);
  void *q = array_of(BATCH * a.q_strides[0], c->dtype, 3), *k = array_of(BATCH * a.k_strides[0], c->dtype, 3);
  void *v = array_of(BATCH * a.v_strides[0], c->dtype, 1),
       *out = array_of(BATCH * a.out_strides[0], c->dtype, 1);
  a.q = q, a.k = k, a.v = v, a.out = out;
  /* The mask is shared by the batch: (1, heads, queries, keys). */
  int64_t mask_size = c->heads * c->queries * c->keys;
  a.mask_type = c->mask == 1 || c->mask == 3 ? MX_BOOL : c->mask == 4 ? MX_FLOAT32 : c->dtype;
  void *mask = array_of(mask_size, a.mask_type == MX_BOOL ? MX_FLOAT32 : a.mask_type, 2);
  for (int64_t i = 0; i < mask_size; i++) {
    if (c->mask == 1) ((uint8_t *)mask)[i] = uniform() > -0.5;
    if (c->mask == 3) ((uint8_t *)mask)[i] = 0;
    if (c->mask == 4 && (i / c->keys % 2 || i % 3 || i % c->keys < c->keys / 2))
      ((float *)mask)[i] = -INFINITY;
  }
  if (c->mask) a.mask = mask;
  a.mask_strides[1] = c->queries * c->keys, a.mask_strides[2] = c->keys, a.mask_strides[3] = 1;
  float *sinks = array_of(c->heads, MX_FLOAT32, 3);
  if (c->sinks) a.sinks = sinks;
  run_attention(&a);
  struct mxi_attention reference = a;
  double *q64 = as_doubles(q, BATCH * a.q_strides[0], c->dtype),
         *k64 = as_doubles(k, BATCH * a.k_strides[0], c->dtype);
  double *v64 = as_doubles(v, BATCH * a.v_strides[0], c->dtype);
  reference.q = q64, reference.k = k64, reference.v = v64;
  double *expected = malloc((size_t)(c->value_width + 1) * sizeof *expected);
  for (int64_t i = 0; i < BATCH * c->heads * c->queries; i++) {
    int64_t b = i / (c->heads * c->queries), head = i / c->queries % c->heads, query = i % c->queries;
    reference_row(&reference, b, head, query, expected);
    for (int64_t d = 0; d < c->value_width; d++)
      assert_near(get(out, at3(a.out_strides, b, head, query) + d, c->dtype), expected[d],
                  c->dtype == MX_FLOAT64 ? 1e-13 : 1e-5 + epsilon(c->dtype));
  }
  free(q64);
  free(k64);
  free(v64);
  free(expected);
  free(q);
  free(k);
  free(v);
  free(out);
  free(mask);
  free(sinks);
}

static void attention_is_near_the_double_result(void **state) {
  static const int64_t lengths[][2] = {{1, 1},    {1, 7},     {1, 100}, {1, 600},  {1, 1100}, {3, 40},
                                       {8, 530},  {5, 3},     {9, 9},   {13, 200}, {60, 60},  {100, 37},
                                       {50, 129}, {250, 260}, {1, 0},   {9, 0}};
  static const int64_t widths[][2] = {{64, 64}, {8, 5}, {80, 96}, {33, 70}, {1, 1}};
  for (size_t l = 0; l < LENGTH(lengths); l++)
    for (size_t w = 0; w < LENGTH(widths); w++)
      for (size_t t = 0; t < LENGTH(float_types); t++)
        for (int options = 0; options < 4; options++) {
          if (lengths[l][0] * lengths[l][1] > 4000 && ((int)w != options || t != (l + w) % 4)) continue;
          int mask = (int)(l + w + t + (size_t)options) % 5;
          struct attention_case c = {.dtype = float_types[t],
                                     .heads = options & 1 ? 6 : 2,
                                     .kv_heads = 2,
                                     .queries = lengths[l][0],
                                     .keys = lengths[l][1],
                                     .width = widths[w][0],
                                     .value_width = widths[w][1],
                                     .causal = options & 2,
                                     .sinks = (l + t) % 3 == 1,
                                     .transposed = options & 1,
                                     .mask = mask};
          check_attention(&c);
        }
}

static void every_mask_with_and_without_causality_and_sinks(void **state) {
  for (int mask = 0; mask < 5; mask++)
    for (int options = 0; options < 16; options++) {
      struct attention_case c = {.dtype = options & 8 ? MX_FLOAT16 : MX_FLOAT32,
                                 .heads = 3,
                                 .kv_heads = 1,
                                 .queries = options & 4 ? 2 : 30,
                                 .keys = 700,
                                 .width = 16,
                                 .value_width = 16,
                                 .causal = options & 1,
                                 .sinks = options & 2,
                                 .mask = mask};
      check_attention(&c);
      c.keys = 20; /* with 30 queries, causality hides every key from some */
      check_attention(&c);
    }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(softmax_is_near_the_double_result),
      cmocka_unit_test(softmax_of_infinities_and_nan),
      cmocka_unit_test(logsumexp_is_near_the_double_result),
      cmocka_unit_test(logsumexp_of_infinities_and_nan),
      cmocka_unit_test(a_block_gives_its_maximum_and_sum),
      cmocka_unit_test(norms_are_near_the_double_result),
      cmocka_unit_test(rope_turns_pairs),
      cmocka_unit_test(attention_is_near_the_double_result),
      cmocka_unit_test(every_mask_with_and_without_causality_and_sinks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
