/* vmap from C: axes, errors, rules of custom functions, the table of batching rules, and every step with the
   n-th allocation failing. Each op's rule is tested from Python. */
#include "failing.h"
#include "mlx/fast.h"
#include "ops/rules.h"
#include <string.h>

static mx_array ramp(mx_ints shape) {
  int64_t size = 1;
  for (int i = 0; i < shape.n; i++) size *= shape.v[i];
  return mx_reshape(mx_arange(0, (double)size, 1, MX_FLOAT32), shape);
}
static void assert_values(mx_array a, int n, const float *want) {
  const float *got = mx_data(mx_contiguous(a, false));
  assert_non_null(got);
  assert_int_equal(mx_size(a), n);
  assert_memory_equal(got, want, (size_t)n * sizeof *want);
}
#define ASSERT_VALUES(a, ...) \
  assert_values(a, sizeof((float[]){__VA_ARGS__}) / sizeof(float), (float[]){__VA_ARGS__})

/* a . b, and a + b */
static int dot_and_sum(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  ++*(int *)context;
  out[0] = mx_sum(mx_multiply(in[0], in[1]), MX_ALL_AXES, false);
  out[1] = mx_add(in[0], in[1]);
  return 2;
}

static void a_function_is_called_once_and_its_results_placed(void **state) {
  mx_array in[] = {ramp(MX_SHAPE(2, 3)), mx_array_from((float[]){1, 10}, MX_SHAPE(2), MX_FLOAT32)}, out[2];
  int calls = 0;
  assert_int_equal(mx_vmap(dot_and_sum, &calls, 2, in, (int[]){-1, MX_UNMAPPED}, 2, out, (int[]){0, -1}), 2);
  assert_int_equal(calls, 1);
  ASSERT_VALUES(out[0], 30, 41, 52);
  assert_int_equal(mx_dim(out[1], 0), 2);
  ASSERT_VALUES(out[1], 1, 2, 3, 13, 14, 15);
  assert_int_equal(mx_vmap(dot_and_sum, &calls, 2, (mx_array[]){in[0], in[0]}, NULL, 2, out, NULL), 2);
  ASSERT_VALUES(out[0], 5, 50);
}

static void bad_calls_are_refused(void **state) {
  mx_array a = ramp(MX_SHAPE(2, 3)), out[2];
  int calls = 0;
  assert_int_equal(mx_vmap(dot_and_sum, &calls, 2, (mx_array[]){a, NULL}, NULL, 2, out, NULL), -1);
  assert_int_equal(mx_error_code(), MX_TYPE_ERROR);
  assert_int_equal(mx_vmap(dot_and_sum, &calls, 2, (mx_array[]){a, MX_BAD}, NULL, 2, out, NULL), -1);
  mx_array both[] = {a, a};
  assert_int_equal(mx_vmap(dot_and_sum, &calls, 2, both, (int[]){0, 2}, 2, out, NULL), -1);
  assert_int_equal(mx_error_code(), MX_AXIS_ERROR);
  assert_int_equal(mx_vmap(dot_and_sum, &calls, 2, both, (int[]){0, 1}, 2, out, NULL), -1);
  assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
  assert_int_equal(mx_vmap(dot_and_sum, &calls, 2, both, (int[]){MX_UNMAPPED, MX_UNMAPPED}, 2, out, NULL),
                   -1);
  assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
  assert_int_equal(mx_vmap(dot_and_sum, &calls, 0, NULL, NULL, 2, out, NULL), -1);
  assert_int_equal(calls, 0);
  assert_int_equal(mx_vmap(dot_and_sum, &calls, 2, both, NULL, 2, out, (int[]){1, 0}), -1);
  assert_int_equal(mx_error_code(), MX_AXIS_ERROR);
  assert_int_equal(mx_vmap(dot_and_sum, &calls, 2, both, NULL, 2, out, (int[]){MX_UNMAPPED, 0}), -1);
  assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
}

static int evaluating(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  out[0] = mx_square(in[0]);
  return mx_eval(out[0]) < 0 ? -1 : 1;
}
static void elements_cannot_be_evaluated(void **state) {
  mx_array a = ramp(MX_SHAPE(4)), out[1];
  assert_int_equal(mx_vmap(evaluating, NULL, 1, &a, NULL, 1, out, NULL), -1);
  assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
  assert_non_null(strstr(mx_error(), "placeholder"));
  assert_int_equal(mx_eval(mx_square(a)), 0); /* what it was called with is as before */
}

static void every_primitive_has_a_batching_rule(void **state) {
  /* no inputs; replayed; in transforms; made by the engine; the user's; above it */
  for (int id = 0; id < MXI_PRIM_COUNT; id++)
    if (!(mxi_prims[id].flags & MXI_P_FOLLOWS) && id != MXI_ARANGE && id != MXI_CALL && id != MXI_CUSTOM &&
        id != MXI_COPY && id != MXI_CUSTOM_KERNEL)
      if (!mxi_rules[id].vmap) fail_msg("%s has no batching rule", mxi_prims[id].name);
}

/* ---- Custom rules ---- */
static int tenfold_vjp(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  out[0] = mx_multiply(mx_multiply(in[3], in[1]), mx_float(10)); /* in: x, w, y, cotangent */
  out[1] = mx_multiply(mx_multiply(in[3], in[0]), mx_float(10));
  return 2;
}
static int product_vmap(void *context, int n, const mx_array *in, const int *in_axes, int max_out,
                        mx_array *out, int *out_axes) {
  assert_int_equal(in_axes[0], 0);
  assert_int_equal(in_axes[1], MX_UNMAPPED);
  ++*(int *)context;
  out[0] = mx_multiply(in[0], in[1]);
  out_axes[0] = 0;
  return 1;
}
static void forget(void *context) { ++((int *)context)[1]; }

static int custom_product(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  mx_array y = mx_multiply(mx_stop_gradient(in[0]), mx_stop_gradient(in[1]));
  mx_custom_rules rules = {.vjp = tenfold_vjp, .vmap = product_vmap, .context = context, .release = forget};
  return mx_custom(2, in, 1, &y, rules, out) < 0 ? -1 : 1;
}
static int sum_of_custom(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  mx_array y;
  if (mx_vmap(custom_product, context, 2, in, (int[]){0, MX_UNMAPPED}, 1, &y, NULL) < 0) return -1;
  out[0] = mx_sum(y, MX_ALL_AXES, false);
  return 1;
}
static void custom_rules_hold_under_vmap_and_are_let_go(void **state) {
  int counts[2] = {0, 0}; /* calls of the vmap, releases */
  MX_SCOPE {
    mx_array in[] = {ramp(MX_SHAPE(3)), mx_float(2)}, value, grads[2];
    assert_int_equal(mx_value_and_grad(sum_of_custom, counts, 2, in, MX_SHAPE(0, 1), 1, &value, grads), 1);
    ASSERT_VALUES(value, 6);
    ASSERT_VALUES(grads[0], 20, 20, 20);
    ASSERT_VALUES(grads[1], 30);
    assert_int_equal(counts[0], 1);
  }
  mx_drain_foreign();
  assert_int_equal(counts[1], 1);
}

/* ---- Allocation failures ---- */
/* Many rules in one function: x (4, 6), i an index, w (6, 6). */
static int many_rules(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  mx_array x = in[0], i = in[1], w = in[2];
  mx_array y = mx_matmul(x, w), at = mx_reshape(i, MX_SHAPE(1));
  y = mx_add(mx_concatenate(2, (mx_array[]){y, x}, 0), mx_take(y, at, 0));
  y = mx_slice_update(y, mx_dynamic_slice(y, at, MX_AXES(0), MX_SHAPE(2, 6)), MX_SHAPE(1, 0), MX_SHAPE(3, 6),
                      MX_SHAPE(1, 1), MX_UPDATE_ADD);
  y = mx_scatter(y, 1, &at, mx_reshape(mx_sum(y, MX_AXES(0), true), MX_SHAPE(1, 1, 6)), MX_AXES(0),
                 MX_UPDATE_SET);
  y = mx_softmax(
      mx_sort(mx_pad(y, MX_SHAPE(1, 0), MX_SHAPE(0, 1), MX_PAD_CONSTANT, mx_mean(y, MX_ALL_AXES, false)), 0),
      MX_AXES(-1), false);
  mx_array heads =
      mx_reshape(mx_slice(y, MX_SHAPE(0, 0), MX_SHAPE(8, 6), MX_SHAPE(1, 1)), MX_SHAPE(1, 2, 4, 6));
  heads = mx_fast_rms_norm(heads, mx_sum(w, MX_AXES(0), false), 1e-3);
  heads = mx_fast_rope(heads, (mx_rope_opts){.dims = 4, .base = 100, .scale = 1}, i, NULL);
  heads = mx_fast_scaled_dot_product_attention(heads, heads, heads, 0.5, true, NULL, NULL);
  out[0] = mx_conv(mx_reshape(heads, MX_SHAPE(2, 4, 6)), mx_reshape(w, MX_SHAPE(6, 1, 6)), (mx_conv_opts){0});
  mx_custom_rules rules = {.vjp = tenfold_vjp};
  return mx_custom(3, in, 1, out, rules, out) < 0 ? -1 : 1;
}
static int checksum_of_many(void *context, double *sum) {
  mx_array in[] = {ramp(MX_SHAPE(4, 3, 6)), mx_array_from((int[]){1, 0, 2}, MX_SHAPE(3), MX_INT32),
                   mx_multiply(ramp(MX_SHAPE(3, 6, 6)), mx_float(0.01))},
           out;
  if (mx_vmap(many_rules, context, 3, in, (int[]){1, 0, 0}, 1, &out, (int[]){-1}) < 0) return -1;
  assert_int_equal(mx_dim(out, -1), 3);
  return mx_item(mx_sum(mx_multiply(out, ramp(mx_shape_ints(out))), MX_ALL_AXES, false), sum);
}

static void every_failing_allocation_is_an_error(void **state) { try_every_failure(checksum_of_many, NULL); }

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_function_is_called_once_and_its_results_placed, open_scope,
                                      close_scope),
      cmocka_unit_test_setup_teardown(bad_calls_are_refused, open_scope, close_scope),
      cmocka_unit_test_setup_teardown(elements_cannot_be_evaluated, open_scope, close_scope),
      cmocka_unit_test(every_primitive_has_a_batching_rule),
      cmocka_unit_test_setup_teardown(custom_rules_hold_under_vmap_and_are_let_go, open_scope, close_scope),
      cmocka_unit_test_setup_teardown(every_failing_allocation_is_an_error, open_scope, close_scope),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
