/* The gated delta rule from C: one step by hand, failed inputs, and the n-th allocation failing. Values and
   derivatives are tested from Python. */
#include "failing.h"

/* A state of 1 forgets to 0.5; the error at k = 2 is 3 - 0.5 2 = 2, corrected by half: 0.5 + 1 2 = 2.5; q = 4
   reads 10. */
static void one_step_forgets_corrects_and_reads(void **state) {
  mx_array q = mx_full(MX_SHAPE(1, 1, 1, 1), mx_float(4), MX_FLOAT32),
           k = mx_full(MX_SHAPE(1, 1, 1, 1), mx_float(2), MX_FLOAT32),
           v = mx_full(MX_SHAPE(1, 1, 1, 1), mx_float(3), MX_FLOAT32),
           half = mx_full(MX_SHAPE(1, 1, 1), mx_float(0.5), MX_FLOAT32),
           before = mx_ones(MX_SHAPE(1, 1, 1, 1), MX_FLOAT32), out[2];
  double y, after;
  assert_int_equal(mx_fast_gated_delta_update(q, k, v, half, half, before, NULL, out), 0);
  assert_int_equal(mx_item(out[0], &y), 0);
  assert_int_equal(mx_item(out[1], &after), 0);
  assert_true(y == 10 && after == 2.5);
}

static int update(int64_t t, mx_array mask, mx_array *out) {
  mx_array x = mx_ones(MX_SHAPE(2, t, 2, 3), MX_FLOAT16), gates = mx_ones(MX_SHAPE(2, t, 2), MX_FLOAT32);
  return mx_fast_gated_delta_update(x, x, x, gates, gates, NULL, mask, out);
}

static void failed_inputs_give_failed_outputs(void **state) {
  mx_array x = mx_ones(MX_SHAPE(1, 2, 1, 1), MX_FLOAT32), g = mx_ones(MX_SHAPE(1, 2, 1), MX_FLOAT32), out[2];
  assert_int_equal(mx_fast_gated_delta_update(MX_BAD, x, x, g, g, NULL, NULL, out), -1);
  assert_ptr_equal(out[0], MX_BAD);
  assert_ptr_equal(out[1], MX_BAD);
  assert_int_equal(mx_fast_gated_delta_update(x, x, x, g, g, MX_BAD, NULL, out), -1);
  assert_int_equal(mx_fast_gated_delta_update(x, x, x, NULL, g, NULL, NULL, out), -1);
  assert_int_equal(mx_error_code(), MX_TYPE_ERROR);
  assert_int_equal(update(4, g, out), -1);
  assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
}

static int sum_of_state(void *masked, double *sum) {
  mx_array out[2];
  if (update(3, *(bool *)masked ? mx_ones(MX_SHAPE(2, 3), MX_BOOL) : NULL, out) < 0) return -1;
  return mx_item(mx_sum(out[1], MX_ALL_AXES, false), sum);
}
static void every_failing_allocation_is_an_error(void **state) {
  bool masked = false;
  double want;
  assert_int_equal(sum_of_state(&masked, &want), 0);
  masked = true; /* by ones, which change nothing */
  assert_true(try_every_failure(sum_of_state, &masked) == want);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(one_step_forgets_corrects_and_reads, open_scope, close_scope),
      cmocka_unit_test_setup_teardown(failed_inputs_give_failed_outputs, open_scope, close_scope),
      cmocka_unit_test_setup_teardown(every_failing_allocation_is_an_error, open_scope, close_scope),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
