/* Sorting against qsort, stability, and what NaN and equal elements do. */
#include "call.h"
#include <math.h>
#include <stdlib.h>

#define ONLY(a) ((mx_array[]){a})

static int by_value(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return (x > y) - (x < y);
}

static void rows_of_every_length_are_sorted(void **state) {
  static const int64_t lengths[] = {1, 2, 7, 31, 64, 96, 97, 1000, 70000};
  for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
    int64_t n = lengths[k], rows = n < 1000 ? 5 : 2;
    mx_array a = mxi_array_alloc(MX_FLOAT32, MX_SHAPE(rows, n));
    float *expected = malloc((size_t)a->size * sizeof(float));
    for (int64_t i = 0; i < a->size; i++) expected[i] = mxi_data(float, a)[i] = test_uniform();
    for (int64_t r = 0; r < rows; r++) qsort(expected + r * n, (size_t)n, sizeof(float), by_value);
    mx_array out = CALL(SORT, MX_FLOAT32, MX_SHAPE(rows, n), 0, ONLY(a), .axis = 1);
    mx_array index = CALL(ARGSORT, MX_UINT32, MX_SHAPE(rows, n), 0, ONLY(a), .axis = 1);
    assert_memory_equal(out->data, expected, (size_t)a->size * sizeof(float));
    for (int64_t i = 0; i < a->size; i++)
      assert_true(mxi_data(float, a)[i / n * n + mxi_data(uint32_t, index)[i]] == expected[i]);
    free(expected);
    mxi_unref(out);
    mxi_unref(index);
    mxi_unref(a);
  }
}

static void equal_elements_keep_their_order(void **state) {
  enum { N = 3000 };
  mx_array a = mxi_array_alloc(MX_INT8, MX_SHAPE(N, 3));
  for (int i = 0; i < 3 * N; i++) mxi_data(int8_t, a)[i] = (int8_t)(test_random() % 5 - 2);
  mx_array index = CALL(ARGSORT, MX_UINT32, MX_SHAPE(N, 3), 0, ONLY(a), .axis = 0);
  for (int c = 0; c < 3; c++)
    for (int i = 1; i < N; i++) {
      uint32_t p = mxi_data(uint32_t, index)[(i - 1) * 3 + c], q = mxi_data(uint32_t, index)[i * 3 + c];
      int8_t x = mxi_data(int8_t, a)[p * 3 + (uint32_t)c], y = mxi_data(int8_t, a)[q * 3 + (uint32_t)c];
      assert_true(x < y || (x == y && p < q));
    }
  mxi_unref(index);
  mxi_unref(a);
}

static void nan_comes_last_and_zeros_are_equal(void **state) {
  float x[] = {NAN, 1, 0.0f, -0.0f, -INFINITY, -NAN, INFINITY};
  mx_array a = array_of(MX_FLOAT32, MX_SHAPE(7), x);
  mx_array out = CALL(SORT, MX_FLOAT32, MX_SHAPE(7), 0, ONLY(a), .axis = 0);
  mx_array index = CALL(ARGSORT, MX_UINT32, MX_SHAPE(7), 0, ONLY(a), .axis = 0);
  float *y = out->data;
  assert_true(y[0] == -INFINITY && y[1] == 0 && y[2] == 0 && y[3] == 1 && y[4] == INFINITY && isnan(y[5]) &&
              isnan(y[6]));
  uint32_t expected[] = {4, 2, 3, 1, 6, 0, 5};
  assert_memory_equal(index->data, expected, sizeof expected);
  mxi_unref(out);
  mxi_unref(index);
  mxi_unref(a);
}

/* What each row is like: random, rising, falling, of few values, with NaN. */
enum { RANDOM, RISING, FALLING, FEW, NANS, PATTERNS };
static float pattern_value(int pattern, int64_t i, int64_t n) {
  switch (pattern) {
  case RISING: return (float)i;
  case FALLING: return (float)(n - i);
  case FEW: return (float)(test_random() % 3);
  case NANS: return test_random() % 4 ? test_uniform() : NAN;
  default: return test_uniform();
  }
}
static int nan_last(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return isnan(x) || isnan(y) ? isnan(x) - isnan(y) : by_value(a, b);
}
/* Bits, so that NaN equals NaN. */
static void assert_same(const float *a, const float *b, int64_t n) {
  for (int64_t i = 0; i < n; i++) assert_true(a[i] == b[i] || (isnan(a[i]) && isnan(b[i])));
}

/* y is x split at k; expected is x sorted. */
static void assert_parted(float *y, const float *expected, int64_t n, int64_t k) {
  assert_same(y + k, expected + k, 1);
  qsort(y, (size_t)k, sizeof *y, nan_last);
  qsort(y + k, (size_t)(n - k), sizeof *y, nan_last);
  assert_same(y, expected, n);
}

static void partitions_split_rows_of_every_length_and_pattern(void **state) {
  static const int64_t lengths[] = {1, 3, 16, 63, 64, 129, 255, 257, 300, 1027, 70003};
  for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++)
    for (int pattern = 0; pattern < PATTERNS; pattern++) {
      int64_t n = lengths[l], places[] = {0, n / 3, n / 2, n - 1};
      mx_array a = mxi_array_alloc(MX_FLOAT32, MX_SHAPE(n));
      float *expected = malloc((size_t)n * sizeof(float)), *y = malloc((size_t)n * sizeof(float));
      for (int64_t i = 0; i < n; i++) expected[i] = mxi_data(float, a)[i] = pattern_value(pattern, i, n);
      qsort(expected, (size_t)n, sizeof(float), nan_last);
      for (int p = 0; p < 4; p++) {
        int64_t k = places[p];
        mx_array out = CALL(PARTITION, MX_FLOAT32, MX_SHAPE(n), 0, ONLY(a), .axis = 0, .kth = k);
        mx_array index = CALL(ARGPARTITION, MX_UINT32, MX_SHAPE(n), 0, ONLY(a), .axis = 0, .kth = k);
        for (int64_t i = 0; i < n; i++) y[i] = mxi_data(float, a)[mxi_data(uint32_t, index)[i]];
        assert_parted(out->data, expected, n, k);
        assert_parted(y, expected, n, k);
        mxi_unref(out);
        mxi_unref(index);
      }
      free(expected);
      free(y);
      mxi_unref(a);
    }
}

/* Grows a row by layers of equal elements, each the smallest so far, at the places where pivots are looked
   for: every partition then takes one layer off and no more. */
static int64_t add_layer(float *x, int64_t n, int64_t lanes, float value) {
  float *before = malloc((size_t)n * sizeof *x);
  memcpy(before, x, (size_t)n * sizeof *x);
  int64_t grown = n + 9 * lanes, step = (grown - lanes) / 8, taken = 0;
  for (int64_t i = 0; i < grown; i++)
    x[i] = i / step < 9 && i % step < lanes && i < 8 * step + lanes ? value : before[taken++];
  assert_int_equal(taken, n);
  free(before);
  return grown;
}

static void rows_that_partition_badly_are_sorted_all_the_same(void **state) {
  enum { LAYERS = 60, FIRST = 300, MOST = FIRST + LAYERS * 9 * 16 };
  static float x[MOST], expected[MOST];
  static double wide[MOST];
  for (int64_t lanes = 2; lanes <= 16; lanes *= 2) {
    int64_t n = FIRST;
    for (int64_t i = 0; i < n; i++) x[i] = 100 + test_uniform();
    for (int layer = 0; layer < LAYERS; layer++) n = add_layer(x, n, lanes, (float)-layer);
    for (int64_t i = 0; i < n; i++) wide[i] = expected[i] = x[i];
    qsort(expected, (size_t)n, sizeof *x, by_value);
    mx_array a = array_of(MX_FLOAT32, MX_SHAPE(n), x), b = array_of(MX_FLOAT64, MX_SHAPE(n), wide);
    mx_array sorted = CALL(SORT, MX_FLOAT32, MX_SHAPE(n), 0, ONLY(a), .axis = 0);
    mx_array sorted_wide = CALL(SORT, MX_FLOAT64, MX_SHAPE(n), 0, ONLY(b), .axis = 0);
    mx_array parted = CALL(PARTITION, MX_FLOAT32, MX_SHAPE(n), 0, ONLY(a), .axis = 0, .kth = n - 2);
    assert_same(sorted->data, expected, n);
    for (int64_t i = 0; i < n; i++) assert_true(mxi_data(double, sorted_wide)[i] == (double)expected[i]);
    assert_parted(parted->data, expected, n, n - 2);
    mxi_unref(sorted);
    mxi_unref(sorted_wide);
    mxi_unref(parted);
    mxi_unref(a);
    mxi_unref(b);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_of_every_length_are_sorted),
      cmocka_unit_test(equal_elements_keep_their_order),
      cmocka_unit_test(nan_comes_last_and_zeros_are_equal),
      cmocka_unit_test(partitions_split_rows_of_every_length_and_pattern),
      cmocka_unit_test(rows_that_partition_badly_are_sorted_all_the_same),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
