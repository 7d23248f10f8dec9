/* Convolutions from C: options left out, errors, and every path with the n-th allocation failing. Values and
   derivatives are tested from Python. */
#include "failing.h"
#include <string.h>

/* Elements 0, 1, 2 ... modulo 7. */
static mx_array ramp(mx_ints shape) {
  int64_t size = 1;
  for (int i = 0; i < shape.n; i++) size *= shape.v[i];
  mx_array flat = mx_arange(0, (double)size, 1, MX_FLOAT32);
  return mx_reshape(mx_remainder(flat, mx_float(7)), shape);
}

static void options_left_out_are_the_plain_convolution(void **state) {
  mx_array x = mx_array_from((float[]){1, 2, 3, 4}, MX_SHAPE(1, 4, 1), MX_FLOAT32);
  mx_array w = mx_array_from((float[]){1, 10}, MX_SHAPE(1, 2, 1), MX_FLOAT32);
  mx_array y = mx_conv(x, w, (mx_conv_opts){0});
  const float *values = mx_data(y);
  assert_non_null(values);
  assert_int_equal(mx_dim(y, 1), 3);
  assert_memory_equal(values, ((float[]){21, 32, 43}), 3 * sizeof *values);
  y = mx_conv(x, w, (mx_conv_opts){.stride = {2}, .padding_low = {1}, .flip = true});
  values = mx_data(y);
  assert_int_equal(mx_dim(y, 1), 2);
  assert_memory_equal(values, ((float[]){1, 23}), 2 * sizeof *values);
}

static void failed_inputs_and_unused_axes_are_refused(void **state) {
  mx_array x = ramp(MX_SHAPE(1, 4, 1)), w = ramp(MX_SHAPE(1, 2, 1));
  assert_ptr_equal(mx_conv(MX_BAD, w, (mx_conv_opts){0}), MX_BAD);
  assert_ptr_equal(mx_conv(x, NULL, (mx_conv_opts){0}), MX_BAD);
  assert_int_equal(mx_error_code(), MX_TYPE_ERROR);
  assert_ptr_equal(mx_conv(x, w, (mx_conv_opts){.stride = {1, 2}}), MX_BAD);
  assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
  assert_ptr_equal(mx_conv(x, w, (mx_conv_opts){.groups = INT64_MIN}), MX_BAD);
  assert_ptr_equal(mx_conv(x, w, (mx_conv_opts){.padding_low = {INT64_MIN}, .padding_high = {INT64_MIN}}),
                   MX_BAD);
  assert_ptr_equal(mx_conv_transpose(x, w, (mx_conv_transpose_opts){.padding = {INT64_MIN}}), MX_BAD);
  assert_ptr_equal(mx_conv_transpose(x, w, (mx_conv_transpose_opts){.dilation = {INT64_MAX}}), MX_BAD);
  assert_ptr_equal(mx_convolve(x, w, MX_CONVOLVE_FULL), MX_BAD);
}

/* ---- Allocation failures ---- */
struct path {
  int64_t x[4], w[4];
  mx_conv_opts opts;
};
static const struct path paths[] = {
    {{2, 9, 9, 16}, {20, 3, 3, 16}, {.padding_low = {1, 1}}},            /* direct */
    {{2, 9, 9, 3}, {2, 3, 3, 3}, {.flip = true}},                        /* unfolded */
    {{1, 9, 9, 36}, {36, 3, 3, 2}, {.groups = 18}},                      /* groups apart */
    {{2, 9, 9, 5}, {5, 3, 3, 1}, {.groups = 5}},                         /* depthwise */
    {{2, 5, 5, 3}, {16, 3, 3, 3}, {.input_dilation = {2, 3}}},           /* polyphase */
    {{2, 5, 5, 3}, {4, 3, 3, 3}, {.input_dilation = {2}, .stride = {2}}} /* neither */
};

struct work {
  mx_array x, w;
  mx_conv_opts opts;
};
static int all_of(void *work, double *value) {
  const struct work *k = work;
  mx_array y = mx_conv(k->x, k->w, k->opts);
  return mx_item(mx_add(mx_sum(y, MX_ALL_AXES, false), mx_max(y, MX_ALL_AXES, false)), value);
}

static void every_failing_allocation_is_an_error(void **state) {
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    struct work k = {ramp((mx_ints){paths[i].x, 4}), ramp((mx_ints){paths[i].w, 4}), paths[i].opts};
    assert_int_equal(mx_eval_all(2, (mx_array[]){k.x, k.w}), 0);
    try_every_failure(all_of, &k);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(options_left_out_are_the_plain_convolution, open_scope, close_scope),
      cmocka_unit_test_setup_teardown(failed_inputs_and_unused_axes_are_refused, open_scope, close_scope),
      cmocka_unit_test_setup_teardown(every_failing_allocation_is_an_error, open_scope, close_scope),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
