/* Reductions and scans against plain loops in double. */
#include "call.h"
#include "core/reduce.h"
#include <math.h>

#define ONLY(a) ((mx_array[]){a})

static mx_array random_matrix(int64_t rows, int64_t columns) {
  mx_array a = mxi_array_alloc(MX_FLOAT32, MX_SHAPE(rows, columns));
  assert_non_null(a);
  for (int64_t i = 0; i < a->size; i++) mxi_data(float, a)[i] = test_uniform();
  return a;
}
static double at(mx_array a, int64_t i, int64_t j) {
  return (double)mxi_data(float, a)[i * mxi_strides(a)[0] + j * mxi_strides(a)[1]];
}

static const int64_t sizes[] = {1, 3, 9, 63, 64, 100, 1025, 17000};

static void check_sum(mx_array a) {
  for (int64_t axis = 0; axis < 2; axis++) {
    int64_t kept = mxi_shape(a)[1 - axis], length = mxi_shape(a)[axis];
    int64_t shape[2] = {kept, kept};
    shape[axis] = 1;
    mx_array out = CALL(REDUCE, MX_FLOAT32, ((mx_ints){shape, 2}), 0, ONLY(a), .op = MXI_REDUCE_SUM,
                        .axes = MX_AXES(axis));
    assert_non_null(out);
    for (int64_t i = 0; i < kept; i++) {
      double sum = 0, magnitude = 0;
      for (int64_t k = 0; k < length; k++) {
        double x = axis ? at(a, i, k) : at(a, k, i);
        sum += x;
        magnitude += fabs(x);
      }
      assert_true(fabs((double)mxi_data(float, out)[i] - sum) <= 2e-6 * magnitude);
    }
    mxi_unref(out);
  }
}

static void sums_match_in_every_layout(void **state) {
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (int64_t rows = 1; rows < 40; rows += 11) {
      mx_array a = random_matrix(rows, sizes[i]), t = transposed(a);
      check_sum(a);
      check_sum(t);
      mxi_unref(t);
      mxi_unref(a);
    }
}

static void extremes_find_nan_and_the_first_of_equals(void **state) {
  float x[3000];
  for (int i = 0; i < 3000; i++) x[i] = (float)(i % 7);
  for (int nan = 0; nan < 2; nan++) {
    if (nan) x[2100] = x[2500] = NAN;
    mx_array a = array_of(MX_FLOAT32, MX_SHAPE(3000), x);
    mx_array max =
        CALL(REDUCE, MX_FLOAT32, MX_SHAPE(1), 0, ONLY(a), .op = MXI_REDUCE_MAX, .axes = MX_AXES(0));
    mx_array arg = CALL(ARG_REDUCE, MX_UINT32, MX_SHAPE(1), 0, ONLY(a), .op = MXI_ARG_MAX, .axis = 0);
    assert_true(nan ? isnan(mxi_data(float, max)[0]) : mxi_data(float, max)[0] == 6);
    assert_int_equal(mxi_data(uint32_t, arg)[0], nan ? 2100 : 6);
    mxi_unref(max);
    mxi_unref(arg);
    mxi_unref(a);
  }
}

static void empty_reductions_give_the_identity(void **state) {
  mx_array a = mxi_array_alloc(MX_INT32, MX_SHAPE(0, 2));
  mx_array sum = CALL(REDUCE, MX_INT32, MX_SHAPE(1, 2), 0, ONLY(a), .op = MXI_REDUCE_SUM, .axes = MX_AXES(0));
  mx_array prod =
      CALL(REDUCE, MX_INT32, MX_SHAPE(1, 2), 0, ONLY(a), .op = MXI_REDUCE_PROD, .axes = MX_AXES(0));
  mx_array all = CALL(REDUCE, MX_BOOL, MX_SHAPE(1, 2), 0, ONLY(a), .op = MXI_REDUCE_AND, .axes = MX_AXES(0));
  mx_array any = CALL(REDUCE, MX_BOOL, MX_SHAPE(1, 2), 0, ONLY(a), .op = MXI_REDUCE_OR, .axes = MX_AXES(0));
  assert_int_equal(mxi_data(int32_t, sum)[1], 0);
  assert_int_equal(mxi_data(int32_t, prod)[1], 1);
  assert_int_equal(mxi_data(uint8_t, all)[1], 1);
  assert_int_equal(mxi_data(uint8_t, any)[1], 0);
  mx_array made[] = {a, sum, prod, all, any};
  for (int i = 0; i < 5; i++) mxi_unref(made[i]);
}

/* An exclusive reverse sum of integers is exact: compare with a loop, on lines, columns and long lines. */
static void scans_match(void **state) {
  static const int64_t shapes[][2] = {{1, 1}, {5, 7}, {300, 40}, {3, 40000}, {40000, 20}};
  for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
    int64_t n[2] = {shapes[k][0], shapes[k][1]};
    mx_array a = mxi_array_alloc(MX_INT32, (mx_ints){n, 2});
    for (int64_t i = 0; i < a->size; i++) mxi_data(int32_t, a)[i] = (int32_t)(test_random() % 100) - 50;
    for (int axis = 0; axis < 2; axis++) {
      mx_array out =
          CALL(SCAN, MX_INT32, ((mx_ints){n, 2}), 0, ONLY(a), .op = MXI_SCAN_SUM, .axis = axis, .reverse = 1);
      assert_non_null(out);
      int64_t step = axis ? 1 : n[1], lines = axis ? n[0] : n[1], line_step = axis ? n[1] : 1;
      for (int64_t l = 0; l < lines; l++) {
        int32_t sum = 0;
        for (int64_t i = n[axis] - 1; i >= 0; i--) {
          assert_int_equal(mxi_data(int32_t, out)[l * line_step + i * step], sum);
          sum += mxi_data(int32_t, a)[l * line_step + i * step];
        }
      }
      mxi_unref(out);
    }
    mxi_unref(a);
  }
}

/* With non-negative addends a running sum never falls, across blocks too. */
static void long_running_sums_are_monotonic(void **state) {
  enum { N = 100000 };
  mx_array a = mxi_array_alloc(MX_FLOAT32, MX_SHAPE(N));
  for (int i = 0; i < N; i++) mxi_data(float, a)[i] = fabsf(test_uniform());
  mx_array out = CALL(SCAN, MX_FLOAT32, MX_SHAPE(N), 0, ONLY(a), .op = MXI_SCAN_SUM, .inclusive = 1);
  double sum = 0;
  for (int i = 0; i < N; i++) {
    sum += (double)mxi_data(float, a)[i];
    assert_true(fabs((double)mxi_data(float, out)[i] - sum) <= 1e-5 * sum);
    if (i) assert_true(mxi_data(float, out)[i] >= mxi_data(float, out)[i - 1]);
  }
  mxi_unref(out);
  mxi_unref(a);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sums_match_in_every_layout),
      cmocka_unit_test(extremes_find_nan_and_the_first_of_equals),
      cmocka_unit_test(empty_reductions_give_the_identity),
      cmocka_unit_test(scans_match),
      cmocka_unit_test(long_running_sums_are_monotonic),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
