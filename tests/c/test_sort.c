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

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(rows_of_every_length_are_sorted),
      cmocka_unit_test(equal_elements_keep_their_order),
      cmocka_unit_test(nan_comes_last_and_zeros_are_equal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
