/* Compiled functions: how many traces they keep, who may use them, and what they let go of. */
#include "scope.h"
#include "failing.h"
#include "core/array.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static atomic_int traced; /* calls of the functions below */

/* 2 x + 1, where the 1 is the mean of a constant of as many elements as the context says, a power of two. */
static int plus_constant(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  const int64_t *size = context;
  atomic_fetch_add(&traced, 1);
  if (!max_out) return mx_error_set(MX_INVALID_ARGUMENT, "[test] expected room for a result, got none");
  mx_array constant = mx_add(mx_zeros(MX_SHAPE(*size), MX_FLOAT32), mx_float(1));
  mx_array one = mx_add(mx_multiply(mx_sum(in[0], MX_ALL_AXES, false), mx_float(0)), mx_float(1));
  mx_array sum = mx_sum(mx_multiply(constant, one), MX_ALL_AXES, false);
  out[0] = mx_add(mx_multiply(in[0], mx_float(2)), mx_multiply(sum, mx_float(1. / (double)*size)));
  return 1;
}
static mx_compiled compile_plus(int64_t *size) {
  mx_compiled f = mx_compile(plus_constant, size, false, NULL);
  assert_non_null(f);
  return f;
}

/* 2 x + 1 for x = n ones. */
static void call(mx_compiled f, uint64_t key, int64_t n) {
  MX_SCOPE {
    mx_array x = mx_ones(MX_SHAPE(n), MX_FLOAT32), y;
    double sum;
    if (mx_compiled_call(f, key, 1, &x, 1, &y) != 1) fail_msg("%s", mx_error());
    assert_int_equal(mx_item(mx_sum(y, MX_ALL_AXES, false), &sum), 0);
    assert_true(sum == 3 * (double)n);
  }
}

static void the_traces_used_last_are_kept(void **state) {
  int64_t size = 1;
  mx_compiled f = compile_plus(&size);
  traced = 0;
  for (int64_t n = 1; n <= MX_TRACES_KEPT; n++) call(f, 0, n);
  for (int64_t n = 1; n <= MX_TRACES_KEPT; n++) call(f, 0, n);
  assert_int_equal(traced, MX_TRACES_KEPT);
  call(f, 0, 1);
  call(f, 0, MX_TRACES_KEPT + 1); /* drops that of 2 */
  call(f, 0, 1);
  call(f, 0, MX_TRACES_KEPT);
  assert_int_equal(traced, MX_TRACES_KEPT + 1);
  call(f, 0, 2);
  assert_int_equal(traced, MX_TRACES_KEPT + 2);
  mx_compiled_free(f);
}

static void push_out_all_traces(mx_compiled f) {
  for (uint64_t key = 0; key < MX_TRACES_KEPT; key++) call(f, 1000 + key, 1);
}

static void constants_go_with_their_trace(void **state) {
  int64_t size = 1;
  mx_compiled f = compile_plus(&size);
  push_out_all_traces(f);
  size_t before = mx_active_memory();
  size = 1 << 20;
  call(f, 0, 1);
  assert_true(mx_active_memory() >= before + (4 << 20));
  size = 1;
  push_out_all_traces(f);
  assert_true(mx_active_memory() < before + (1 << 20));
  mx_compiled_free(f);
}

static void all_memory_comes_back_with_the_function(void **state) {
  int64_t size = 1 << 20;
  size_t before = mx_active_memory();
  mx_compiled f = compile_plus(&size);
  for (int64_t n = 1; n < 5; n++) call(f, 0, n);
  assert_true(mx_active_memory() >= before + (16 << 20));
  mx_compiled_free(f);
  assert_int_equal(mx_active_memory(), before);
}

static int released;
static void count_release(void *data) { released += *(int *)data; }

static void a_trace_in_use_outlives_what_drops_it(void **state) {
  int64_t size = 1;
  int one = 1;
  mx_compiled f = compile_plus(&size);
  mx_array x = mx_float(3), y, z;
  double value;
  released = 0;
  mx_trace_note note = {&one, count_release};
  assert_null(mx_compiled_find(f, 0, 1, &x));
  mx_trace t = mx_compiled_trace(f, 0, 1, &x, 1, &note);
  assert_non_null(t);
  mx_trace same = mx_compiled_find(f, 0, 1, &x);
  assert_ptr_equal(same, t);
  mx_trace_release(same);
  assert_int_equal(mx_trace_outputs(t), 1);
  assert_ptr_equal(mx_trace_data(t), &one);
  assert_int_equal(mx_trace_call(t, 1, &x, &y), 0); /* evaluated when the trace is gone */
  push_out_all_traces(f);
  assert_null(mx_compiled_find(f, 0, 1, &x));
  assert_int_equal(mx_trace_call(t, 1, &x, &z), 0);
  mx_compiled_free(f);
  assert_int_equal(released, 0);
  mx_trace_release(t);
  assert_int_equal(released, 1);
  assert_int_equal(mx_item(mx_add(y, z), &value), 0);
  assert_true(value == 14);
}

static void a_note_that_no_trace_keeps_is_released(void **state) {
  int64_t size = 1;
  int one = 1;
  mx_compiled f = compile_plus(&size);
  mx_array good = mx_float(3), bad = MX_BAD;
  mx_trace_note note = {&one, count_release};
  released = 0;
  assert_null(mx_compiled_trace(f, 0, 1, &bad, 1, &note));
  assert_int_equal(released, 1);
  assert_null(mx_compiled_trace(f, 0, 1, &good, 0, &note)); /* one result too many */
  assert_int_equal(released, 2);
  mx_trace t = mx_compiled_trace(f, 0, 1, &good, 1, NULL);
  assert_non_null(t);
  assert_null(mx_trace_data(t));
  assert_ptr_equal(mx_compiled_trace(f, 0, 1, &good, 1, &note), t); /* it was there */
  assert_int_equal(released, 3);
  mx_trace_release(t);
  mx_trace_release(t);
  mx_compiled_free(f);
}

static void a_trace_refuses_other_inputs(void **state) {
  int64_t size = 1;
  mx_compiled f = compile_plus(&size);
  mx_array x = mx_float(3), other = mx_zeros(MX_SHAPE(2), MX_FLOAT32), y;
  mx_trace t = mx_compiled_trace(f, 0, 1, &x, 1, NULL);
  assert_non_null(t);
  assert_int_equal(mx_trace_call(t, 1, &other, &y), -1);
  assert_non_null(strstr(mx_error(), "[compile] expected"));
  assert_int_equal(mx_trace_call(t, 0, NULL, &y), -1);
  other = NULL;
  assert_int_equal(mx_trace_call(t, 1, &other, &y), -1);
  mx_trace_release(t);
  mx_compiled_free(f);
}

/* Every thread goes through more shapes than are kept, from a place of its own. */
static mx_compiled shared;
static void *call_many(void *start) {
  for (int64_t i = 0; i < 3 * MX_TRACES_KEPT; i++)
    call(shared, 0, 1 + (i + *(const int64_t *)start) % (MX_TRACES_KEPT + 100));
  return NULL;
}
static void threads_drop_traces_that_others_use(void **state) {
  enum { THREADS = 4 };
  pthread_t threads[THREADS];
  int64_t size = 1, starts[THREADS];
  shared = compile_plus(&size);
  for (int i = 0; i < THREADS; i++) {
    starts[i] = i * 50;
    assert_int_equal(pthread_create(&threads[i], NULL, call_many, &starts[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  mx_compiled_free(shared);
}

static int two_traces(void *context, double *value) {
  int64_t size = 4;
  mx_compiled f = mx_compile(plus_constant, &size, false, NULL);
  int result = f ? 0 : -1;
  mx_array y[2];
  for (int i = 0; i < 2 && result == 0; i++) {
    mx_array x = mx_ones(MX_SHAPE(1 + i), MX_FLOAT32);
    result = mx_compiled_call(f, 0, 1, &x, 1, &y[i]) == 1 ? 0 : -1;
  }
  if (result == 0)
    result = mx_item(mx_add(mx_sum(y[0], MX_ALL_AXES, false), mx_sum(y[1], MX_ALL_AXES, false)), value);
  mx_compiled_free(f);
  return result;
}
static void a_failed_allocation_is_an_error(void **state) {
  assert_true(try_every_failure(two_traces, NULL) == 9);
}

/* ---- One trace for all sizes ---- */
static int follows(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  atomic_fetch_add(&traced, 1);
  if (!max_out) return mx_error_set(MX_INVALID_ARGUMENT, "[test] expected room for a result, got none");
  mx_array flat = mx_reshape(mx_multiply(in[0], in[0]), MX_SHAPE(-1));
  out[0] = mx_mean(mx_add(flat, mx_ones_like(flat)), MX_ALL_AXES, false);
  return 1;
}
static int gradient_of_follows(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  mx_array value;
  if (mx_value_and_grad(follows, NULL, 1, in, MX_AXES(0), 1, &value, out) < 0) return -1;
  return max_out > 0;
}
static int cuts(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  out[0] = mx_slice(in[0], MX_SHAPE(1, 0), MX_SHAPE(2, 3), MX_SHAPE(1, 1));
  return 1;
}
static int call_square(mx_compiled f, int64_t rows, double *value) {
  int status = -1;
  MX_SCOPE {
    mx_array x = mx_full(MX_SHAPE(rows, 3), mx_float(2), MX_FLOAT32), y;
    if (mx_ok(x) && mx_compiled_call(f, 0, 1, &x, 1, &y) == 1)
      status = mx_item(mx_sum(y, MX_ALL_AXES, false), value);
  }
  return status;
}

static void a_shapeless_function_is_traced_once_for_all_sizes(void **state) {
  double value;
  mx_compiled f = mx_compile(follows, NULL, true, NULL),
              g = mx_compile(gradient_of_follows, NULL, true, NULL), c = mx_compile(cuts, NULL, true, NULL);
  traced = 0;
  for (int64_t rows = 2; rows < 9; rows++) {
    assert_int_equal(call_square(f, rows, &value), 0);
    assert_true(value > 4.9999 && value < 5.0001);
    assert_int_equal(call_square(g, rows, &value), 0);
    assert_true(value > 3.9999 && value < 4.0001); /* 2 x / (3 rows), summed */
  }
  assert_int_equal(traced, 2);
  assert_int_equal(call_square(g, 1, &value), 0); /* gradients need to know which axes are 1 */
  assert_int_equal(traced, 3);
  assert_int_equal(call_square(c, 2, &value), 0);
  assert_int_equal(call_square(c, 5, &value), -1);
  assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
  mx_compiled_free(f);
  mx_compiled_free(g);
  mx_compiled_free(c);
}

static int two_sizes(void *context, double *value) {
  double other;
  mx_compiled f = mx_compile(gradient_of_follows, NULL, true, NULL);
  int status = f ? call_square(f, 2, &other) : -1;
  if (status == 0) status = call_square(f, 4, value);
  mx_compiled_free(f);
  return status;
}
static void any_allocation_of_a_shapeless_function_may_fail(void **state) {
  try_every_failure(two_sizes, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scope, close_scope)
/* ---- Training ---- */
enum { WIDTH = 96, BATCH = 32, WEIGHTS = 3 };
/* The mean square of relu(relu(x w0) w1) w2. */
static int loss(void *x, int n, const mx_array *w, int max_out, mx_array *out) {
  mx_array y = x;
  for (int i = 0; i < WEIGHTS; i++) {
    y = mx_matmul(y, w[i]);
    if (i < WEIGHTS - 1) y = mx_maximum(y, mx_float(0));
  }
  out[0] = mx_mean(mx_square(y), MX_ALL_AXES, false);
  return 1;
}
/* Inputs: weights, their momenta, x. Outputs: new weights and momenta, the loss. */
static int momentum_step(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  mx_array gradients[WEIGHTS];
  if (mx_value_and_grad(loss, in[2 * WEIGHTS], WEIGHTS, in, MX_AXES(0, 1, 2), 1, &out[2 * WEIGHTS],
                        gradients) < 0)
    return -1;
  for (int i = 0; i < WEIGHTS; i++) {
    mx_array momentum = mx_add(mx_multiply(in[WEIGHTS + i], mx_float(0.9)), gradients[i]);
    out[WEIGHTS + i] = momentum;
    out[i] = mx_subtract(in[i], mx_multiply(momentum, mx_float(0.01)));
  }
  return 2 * WEIGHTS + 1;
}

static void a_training_step_allocates_nothing_after_the_second(void **state) {
  mx_compiled step = mx_compile(momentum_step, NULL, false, NULL);
  mx_array values[2 * WEIGHTS + 1];
  for (int i = 0; i < 2 * WEIGHTS; i++)
    values[i] = mx_keep(i < WEIGHTS ? mx_full(MX_SHAPE(WIDTH, WIDTH), mx_float(0.01 * (i + 1)), MX_FLOAT32)
                                    : mx_zeros(MX_SHAPE(WIDTH, WIDTH), MX_FLOAT32));
  mx_array x = mx_keep(mx_ones(MX_SHAPE(BATCH, WIDTH), MX_FLOAT32));
  size_t from_system = 0, active = 0, cached = 0;
  for (int k = 0; k < 8; k++) {
    MX_SCOPE {
      mx_array out[2 * WEIGHTS + 1];
      values[2 * WEIGHTS] = x;
      assert_int_equal(mx_compiled_call(step, 0, 2 * WEIGHTS + 1, values, 2 * WEIGHTS + 1, out),
                       2 * WEIGHTS + 1);
      for (int i = 0; i < 2 * WEIGHTS; i++) {
        mx_release(values[i]);
        values[i] = mx_keep(out[i]);
      }
      assert_int_equal(mx_eval_all(2 * WEIGHTS + 1, out), 0);
    }
    if (k >= 2) {
      assert_int_equal(mxi_buffers_from_system(), from_system);
      assert_int_equal(mx_active_memory(), active);
      assert_int_equal(mx_cache_memory(), cached);
    }
    from_system = mxi_buffers_from_system(), active = mx_active_memory(), cached = mx_cache_memory();
  }
  for (int i = 0; i < 2 * WEIGHTS; i++) mx_release(values[i]);
  mx_release(x);
  mx_compiled_free(step);
}

/* Each of these needs its whole input before it writes; none fuses with the next. */
enum { DEEP = 12, ROWS = 256, BYTES = ROWS * ROWS * 4 };
static int deep(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  out[0] = in[0];
  for (int i = 0; i < DEEP; i++) out[0] = mx_matmul(out[0], in[0]);
  return 1;
}

static size_t peak_of_call(mx_compiled f, mx_array x) {
  mx_array y;
  size_t before = mx_active_memory();
  mx_reset_peak_memory();
  MX_SCOPE {
    assert_int_equal(mx_compiled_call(f, 0, 1, &x, 1, &y), 1);
    assert_int_equal(mx_eval(y), 0);
  }
  return mx_peak_memory() - before;
}

static void intermediates_share_an_arena_that_ends_with_the_call(void **state) {
  mx_compiled f = mx_compile(deep, NULL, false, NULL);
  mx_array x = mx_ones(MX_SHAPE(ROWS, ROWS), MX_FLOAT32);
  assert_int_equal(mx_eval(x), 0);
  size_t before = mx_active_memory();
  for (int k = 0; k < 3; k++) {
    assert_int_equal(peak_of_call(f, x), 3 * BYTES); // two intermediates by turns, and the result
    assert_int_equal(mx_active_memory(), before);
  }
  mx_compiled_free(f);
}

/* An input that lies otherwise than the trace's: the region that an output was to inherit doesn't serve it.
 */
static int scaled_sums(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  mx_array y = mx_cumsum(mx_multiply(in[0], in[1]), 0, false, true);
  mx_array z = mx_add(mx_exp(in[0]), y);
  out[0] = mx_cumsum(mx_subtract(z, in[1]), 1, false, true);
  out[1] = mx_transpose(y, MX_ALL_AXES);
  return 2;
}

static void arguments_may_lie_otherwise_than_the_first_ones(void **state) {
  mx_compiled f = mx_compile(scaled_sums, NULL, false, NULL);
  for (int k = 0; k < 8; k++) {
    MX_SCOPE {
      mx_array a = mx_random_normal(MX_SHAPE(37, 37), MX_FLOAT32, NULL, NULL, NULL),
               b = mx_add(a, mx_float(1));
      mx_array in[2] = {k & 1 ? mx_transpose(a, MX_ALL_AXES) : a, k & 2 ? mx_transpose(b, MX_ALL_AXES) : b},
               out[2], expected[2];
      assert_int_equal(scaled_sums(NULL, 2, in, 2, expected), 2);
      assert_int_equal(mx_compiled_call(f, 0, 2, in, 2, out), 2);
      for (int i = 0; i < 2; i++) {
        double same = 0;
        assert_int_equal(mx_item(mx_array_equal(out[i], expected[i], false), &same), 0);
        assert_true(same);
      }
    }
  }
  mx_compiled_free(f);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_training_step_allocates_nothing_after_the_second, open_scope,
                                      close_scope),
      TEST(intermediates_share_an_arena_that_ends_with_the_call),
      TEST(arguments_may_lie_otherwise_than_the_first_ones),
      TEST(the_traces_used_last_are_kept),
      TEST(constants_go_with_their_trace),
      TEST(all_memory_comes_back_with_the_function),
      TEST(a_trace_in_use_outlives_what_drops_it),
      TEST(a_note_that_no_trace_keeps_is_released),
      TEST(a_trace_refuses_other_inputs),
      TEST(threads_drop_traces_that_others_use),
      TEST(a_failed_allocation_is_an_error),
      TEST(a_shapeless_function_is_traced_once_for_all_sizes),
      TEST(any_allocation_of_a_shapeless_function_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
