/* Common subexpressions of compiled functions: what becomes one node, what stays apart, and the same results.
 */
#include "scope.h"
#include "base/alloc.h"
#include "core/node.h"
#include "engine/call.h"
#include "mlx/random.h"
#include <string.h>

enum { MOST = 8 };
static mx_array input(void) { return mx_reshape(mx_arange(0, 64, 1, MX_FLOAT32), MX_SHAPE(1, 64)); }

/* The nodes that a call of the compiled function runs. Its results equal the plain ones, bit for bit. */
static size_t compiled_nodes(mx_function f, int nout) {
  mx_array x = input(), got[MOST] = {NULL}, want[MOST] = {NULL};
  mx_compiled c = mx_compile(f, NULL, false, NULL);
  assert_int_equal(mx_compiled_call(c, 0, 1, &x, MOST, got), nout);
  const struct mxi_kept *k = (const struct mxi_kept *)MXI_PARAMS(CALL, got[0]->node)->plan;
  size_t nodes = k->plan->order.n;
  assert_int_equal(f(NULL, 1, &x, MOST, want), nout);
  for (int i = 0; i < nout; i++) {
    const void *a = mx_data(mx_contiguous(got[i], false)), *b = mx_data(mx_contiguous(want[i], false));
    assert_int_equal(mx_nbytes(got[i]), mx_nbytes(want[i]));
    assert_memory_equal(a, b, mx_nbytes(got[i]));
  }
  mx_compiled_free(c);
  return nodes;
}

static mx_array one_more(mx_array x) { return mx_add(x, mx_scalar(1, MX_FLOAT32)); }

static int twice(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  out[0] = mx_multiply(mx_sin(one_more(in[0])), mx_sin(one_more(in[0])));
  return 1;
}
static int two_outputs(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  out[0] = mx_sin(in[0]);
  out[1] = mx_sin(in[0]);
  out[2] = mx_sum(out[1], MX_AXES(1), false);
  return 3;
}
static int quantized_twice(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  mx_array a[3], b[3];
  if (mx_quantize(in[0], (mx_quant){0}, &a[0], &a[1], &a[2]) < 0) return -1;
  if (mx_quantize(in[0], (mx_quant){0}, &b[0], &b[1], &b[2]) < 0) return -1;
  out[0] = mx_add(a[1], b[2]);
  return 1;
}
static void equal_nodes_become_one(void **state) {
  assert_int_equal(compiled_nodes(twice, 1), 3);
  assert_int_equal(compiled_nodes(two_outputs, 3), 3); /* sin, sum, reshape */
  assert_int_equal(compiled_nodes(quantized_twice, 1), 2);
}

static int with_other_constants(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  out[0] = mx_multiply(mx_add(in[0], mx_float(1)), mx_add(in[0], mx_float(2)));
  return 1;
}
static int with_zeros_of_either_sign(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  out[0] = mx_add(mx_divide(in[0], mx_float(0)), mx_divide(in[0], mx_float(-0.0)));
  return 1;
}
static int with_other_parameters(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  out[0] = mx_add(mx_cumsum(in[0], 1, false, true), mx_cumsum(in[0], 1, true, true));
  return 1;
}
static int of_other_dtypes(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  out[0] = mx_astype(in[0], MX_FLOAT16);
  out[1] = mx_astype(in[0], MX_BFLOAT16);
  return 2;
}
static int of_other_shapes(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  out[0] = mx_reshape(in[0], MX_SHAPE(8, 8));
  out[1] = mx_reshape(in[0], MX_SHAPE(4, 16));
  return 2;
}
static int in_other_order(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  mx_array s = mx_sin(in[0]);
  out[0] = mx_subtract(s, in[0]);
  out[1] = mx_subtract(in[0], s);
  return 2;
}
static mx_stream other_stream;
static int on_other_streams(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  out[0] = mx_sin(in[0]);
  MX_ON (other_stream) out[1] = mx_sin(in[0]);
  return 2;
}
static void nodes_that_differ_stay_apart(void **state) {
  other_stream = mx_stream_new(MX_CPU);
  assert_int_equal(compiled_nodes(with_other_constants, 1), 3);
  assert_int_equal(compiled_nodes(with_zeros_of_either_sign, 1), 3);
  assert_int_equal(compiled_nodes(with_other_parameters, 1), 3);
  assert_int_equal(compiled_nodes(of_other_dtypes, 2), 2);
  assert_int_equal(compiled_nodes(of_other_shapes, 2), 2);
  assert_int_equal(compiled_nodes(in_other_order, 2), 3);
  assert_int_equal(compiled_nodes(on_other_streams, 2), 2);
}

/* Bits of a key made from the input: of one key twice, then of the two halves of its split. */
static int random_numbers(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  mx_array key = mx_astype(mx_slice(in[0], MX_SHAPE(0, 3), MX_SHAPE(1, 5), MX_SHAPE(1, 1)), MX_UINT32);
  key = mx_reshape(key, MX_SHAPE(2));
  mx_array halves = mx_random_split(key, 2);
  for (int i = 0; i < 2; i++) {
    mx_array half = mx_slice(halves, MX_SHAPE(i, 0), MX_SHAPE(i + 1, 2), MX_SHAPE(1, 1));
    out[i] = mx_random_bits(MX_SHAPE(9), 4, key);
    out[2 + i] = mx_random_bits(MX_SHAPE(9), 4, mx_reshape(half, MX_SHAPE(2)));
  }
  return 4;
}
static void random_numbers_of_one_key_are_one_and_of_others_stay_apart(void **state) {
  mx_array x = input(), out[4];
  assert_int_equal(compiled_nodes(random_numbers, 4), 3 + 1 + 1 + 2 * 3); /* key, bits, split, of each half */
  mx_compiled c = mx_compile(random_numbers, NULL, false, NULL);
  assert_int_equal(mx_compiled_call(c, 0, 1, &x, 4, out), 4);
  assert_memory_equal(mx_data(out[0]), mx_data(out[1]), mx_nbytes(out[0]));
  assert_memory_not_equal(mx_data(out[2]), mx_data(out[3]), mx_nbytes(out[2]));
  mx_compiled_free(c);
}

static int long_chains(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  mx_array a = in[0], b = in[0];
  for (int i = 0; i < 100000; i++) a = mx_negative(a), b = mx_negative(b);
  out[0] = mx_add(a, b);
  return 1;
}
static void long_chains_merge_without_a_stack(void **state) {
  assert_int_equal(compiled_nodes(long_chains, 1), 100001);
}

static int doubled_by_call(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  return mx_compiled_call(context, 0, n, in, max_out, out);
}
static void a_merged_graph_has_the_derivative_of_the_plain_one(void **state) {
  mx_compiled c = mx_compile(twice, NULL, false, NULL);
  mx_array x = input(), y, one = mx_ones_like(x), got, want;
  assert_int_equal(mx_vjp(doubled_by_call, c, 1, &x, 1, &one, 1, &y, &got), 1);
  assert_int_equal(mx_vjp(twice, NULL, 1, &x, 1, &one, 1, &y, &want), 1);
  double close = 0;
  assert_int_equal(mx_item(mx_astype(mx_allclose(got, want, 1e-5, 1e-5, false), MX_FLOAT32), &close), 0);
  assert_true(close == 1);
  mx_compiled_free(c);
}

static void every_failing_allocation_is_an_error(void **state) {
  mx_array x = input(), y;
  assert_int_equal(mx_eval(x), 0);
  bool done = false;
  for (long n = 0; !done; n++) {
    assert_true(n < 2000);
    MX_SCOPE {
      mxi_alloc_fail_after(n);
      mx_compiled c = mx_compile(random_numbers, NULL, false, NULL);
      mx_array out[4];
      done = c && mx_compiled_call(c, 0, 1, &x, 4, out) == 4;
      y = done ? out[0] : NULL;
      mxi_alloc_fail_after(-1);
      if (!done) assert_int_equal(mx_error_code(), MX_OUT_OF_MEMORY);
      if (done) assert_int_equal(mx_eval(y), 0);
      mx_compiled_free(c);
    }
  }
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, open_scope, close_scope)
int main(void) {
  const struct CMUnitTest tests[] = {
      TEST(equal_nodes_become_one),
      TEST(nodes_that_differ_stay_apart),
      TEST(random_numbers_of_one_key_are_one_and_of_others_stay_apart),
      TEST(long_chains_merge_without_a_stack),
      TEST(a_merged_graph_has_the_derivative_of_the_plain_one),
      TEST(every_failing_allocation_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
