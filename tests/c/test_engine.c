/* Scopes, errors, evaluation, donation, transforms, threads, and every allocation failing in turn. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/alloc.h"
#include "core/array.h"
#include "core/node.h"
#include "mlx/mlx.h"

static mx_array vec(int n, const float *v) { return mx_array_from(v, MX_SHAPE(n), MX_FLOAT32); }
#define VEC(...) vec(sizeof((float[]){__VA_ARGS__}) / 4, (float[]){__VA_ARGS__})

static void assert_values(mx_array a, int n, const float *want) {
  const float *p = mx_data(mx_contiguous(mx_astype(a, MX_FLOAT32), false));
  if (!p) fail_msg("%s", mx_error());
  assert_int_equal(mx_size(a), n);
  for (int i = 0; i < n; i++)
    if (fabsf(p[i] - want[i]) > 1e-5f * (1 + fabsf(want[i])))
      fail_msg("element %d: %g, expected %g", i, p[i], want[i]);
}
#define ASSERT_VALUES(a, ...) assert_values(a, sizeof((float[]){__VA_ARGS__}) / 4, (float[]){__VA_ARGS__})

static double item(mx_array a) {
  double v = NAN;
  if (mx_item(a, &v) < 0) fail_msg("%s", mx_error());
  return v;
}

/* ---- Scopes and errors ---- */
static void a_result_needs_a_scope(void **state) {
  mx_error_clear();
  assert_ptr_equal(mx_float(1), MX_BAD);
  assert_non_null(strstr(mx_error(), "scope"));
}

static void kept_arrays_outlive_their_scope(void **state) {
  mx_array y = NULL;
  MX_SCOPE { y = mx_keep(mx_add(VEC(1, 2), mx_float(1))); }
  MX_SCOPE { ASSERT_VALUES(y, 2, 3); }
  mx_release(y);
}

static void passed_arrays_move_to_the_enclosing_scope(void **state) {
  MX_SCOPE {
    mx_array y = NULL;
    MX_SCOPE { y = mx_pass(mx_multiply(VEC(1, 2), mx_float(3))); }
    ASSERT_VALUES(y, 3, 6);
  }
}

static int returns_from_a_scope(void) {
  MX_SCOPE { return (int)mx_size(VEC(1, 2, 3)); }
  return 0;
}

static void return_closes_a_scope(void **state) {
  size_t before = mx_active_memory();
  assert_int_equal(returns_from_a_scope(), 3);
  assert_int_equal(mx_active_memory(), before);
  assert_ptr_equal(mx_float(1), MX_BAD); // none is open any more
}

static void errors_pass_through_expressions_and_keep_their_text(void **state) {
  MX_SCOPE {
    mx_array bad = mx_add(VEC(1, 2), VEC(1, 2, 3));
    assert_ptr_equal(bad, MX_BAD);
    assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
    assert_non_null(strstr(mx_error(), "[add]"));
    char text[256];
    snprintf(text, sizeof text, "%s", mx_error());
    assert_false(mx_ok(mx_exp(mx_sum(bad, MX_ALL_AXES, false))));
    assert_string_equal(mx_error(), text);
    assert_int_equal(mx_eval(bad), -1);
  }
}

static void an_absent_device_fails_the_ops_on_it(void **state) {
  MX_SCOPE {
    if (mx_is_available(MX_GPU)) skip();
    MX_ON (mx_gpu) { assert_ptr_equal(mx_add(mx_float(1), mx_float(2)), MX_BAD); }
    assert_int_equal(mx_error_code(), MX_DEVICE_ERROR);
    assert_true(mx_ok(mx_add(mx_float(1), mx_float(2)))); // outside, the default stream is back
  }
}

static void shapes_near_2_to_63_are_errors(void **state) {
  MX_SCOPE {
    assert_false(mx_ok(mx_zeros(MX_SHAPE(INT64_MAX, 2), MX_FLOAT32)));
    assert_false(mx_ok(mx_zeros(MX_SHAPE(INT64_MAX), MX_FLOAT32)));
    assert_false(mx_ok(mx_zeros(MX_SHAPE(-1), MX_FLOAT32)));
    assert_false(mx_ok(mx_reshape(mx_zeros(MX_SHAPE(0), MX_UINT8), MX_SHAPE(0, 1LL << 62, 8))));
    mx_array huge = mx_zeros(MX_SHAPE(1LL << 40), MX_FLOAT32);
    assert_true(mx_ok(huge)); // one element, seen 2^40 times
    assert_int_equal(mx_eval(mx_add(huge, mx_arange(0, 1LL << 40, 1, MX_FLOAT32))), -1);
    assert_int_equal(mx_error_code(), MX_OUT_OF_MEMORY);
    ASSERT_VALUES(mx_add(VEC(1), VEC(2)), 3); // and the next op works
  }
}

/* ---- Evaluation ---- */
static void a_chain_of_a_million_nodes_needs_no_stack(void **state) {
  MX_SCOPE {
    mx_array one = mx_float(1), y = mx_keep(VEC(0, 1));
    for (int i = 0; i < 1000000; i++)
      MX_SCOPE {
        mx_array z = mx_keep(mx_add(y, one));
        mx_release(y);
        y = z;
      }
    ASSERT_VALUES(y, 1000000, 1000001);
    mx_release(y);
    y = mx_keep(VEC(0, 1));
    for (int i = 0; i < 1000000; i++) // dropped without an evaluation
      MX_SCOPE {
        mx_array z = mx_keep(mx_transpose(mx_add(y, one), MX_ALL_AXES));
        mx_release(y);
        y = z;
      }
    mx_release(y);
  }
}

static void shared_intermediates_are_right_inside_and_outside_a_fused_step(void **state) {
  MX_SCOPE {
    mx_array x = VEC(1, 2, 3), a = mx_keep(mx_add(x, x)), b = mx_multiply(a, a), c = mx_subtract(b, a);
    ASSERT_VALUES(c, 2, 12, 30);
    ASSERT_VALUES(a, 2, 4, 6); // held from outside: an output of the same step
    mx_release(a);
  }
}

static void wide_expressions_exceed_no_limit_of_a_program(void **state) {
  MX_SCOPE {
    mx_array sum = VEC(0, 0);
    float want = 0;
    for (int i = 0; i < 200; i++) { // 200 distinct inputs, 600 instructions
      sum = mx_add(sum, mx_multiply(mx_negative(vec(2, (float[]){(float)i, (float)i})), mx_float(2)));
      want -= 2 * (float)i;
    }
    ASSERT_VALUES(sum, want, want);
    mx_array live[40], total = mx_float(0);
    for (int i = 0; i < 40; i++) live[i] = mx_add(VEC(1, 2), mx_float(i)); // 40 values alive at once
    for (int i = 0; i < 40; i++) total = mx_add(total, mx_multiply(live[i], live[39 - i]));
    float a = 0, b = 0;
    for (int i = 0; i < 40; i++) a += (1.f + i) * (40.f - i), b += (2.f + i) * (41.f - i);
    ASSERT_VALUES(total, a, b);
  }
}

static void a_dying_input_gives_its_memory_to_the_result(void **state) {
  MX_SCOPE {
    mx_array x = mx_keep(mx_add(mx_arange(0, 1 << 20, 1, MX_FLOAT32), mx_float(0)));
    assert_int_equal(mx_eval(x), 0);
    mx_scope_drain();
    mx_reset_peak_memory();
    size_t before = mx_active_memory();
    mx_array y = mx_keep(mx_exp(x));
    mx_release(x);
    mx_scope_drain();
    assert_int_equal(mx_eval(y), 0);
    assert_true(mx_peak_memory() - before < 1 << 20);
    mx_release(y);
  }
}

static void a_view_protects_its_memory(void **state) {
  MX_SCOPE {
    mx_array x = mx_keep(mx_add(VEC(1, 2, 3, 4), mx_float(0)));
    assert_int_equal(mx_eval(x), 0);
    mx_array v = mx_keep(mx_slice(x, MX_SHAPE(1), MX_SHAPE(3), MX_SHAPE(1)));
    assert_int_equal(mx_eval(v), 0);
    mx_array y = mx_keep(mx_multiply(x, mx_float(10)));
    mx_release(x);
    mx_scope_drain();
    ASSERT_VALUES(y, 10, 20, 30, 40);
    ASSERT_VALUES(v, 2, 3);
    mx_release(v);
    mx_release(y);
  }
}

static void layouts_and_broadcasts_meet_in_one_step(void **state) {
  MX_SCOPE {
    mx_array a = mx_reshape(mx_arange(0, 6, 1, MX_FLOAT32), MX_SHAPE(2, 3));
    mx_array t = mx_transpose(mx_reshape(mx_arange(0, 6, 1, MX_FLOAT32), MX_SHAPE(3, 2)), MX_ALL_AXES);
    ASSERT_VALUES(mx_add(mx_multiply(a, mx_float(10)), t), 0, 12, 24, 31, 43, 55);
    ASSERT_VALUES(mx_add(t, VEC(100, 200, 300)), 100, 202, 304, 101, 203, 305);
    ASSERT_VALUES(mx_exp(mx_zeros(MX_SHAPE(2, 2), MX_FLOAT32)), 1, 1, 1, 1);
    ASSERT_VALUES(mx_flip(mx_square(a), MX_AXES(1)), 4, 1, 0, 25, 16, 9);
  }
}

static void an_index_out_of_range_fails_at_eval_and_the_graph_stays_whole(void **state) {
  MX_SCOPE {
    mx_array y = mx_take(VEC(1, 2, 3), mx_int(7), 0);
    assert_true(mx_ok(y));
    for (int again = 0; again < 2; again++) {
      assert_int_equal(mx_eval(mx_add(y, mx_float(1))), -1);
      assert_int_equal(mx_error_code(), MX_INDEX_ERROR);
    }
  }
}

/* ---- Transforms ---- */
static int x_sin_x(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  out[0] = mx_multiply(mx_sin(in[0]), in[0]);
  return 1;
}
static int grad_x_sin_x(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  mx_array value;
  return mx_value_and_grad(x_sin_x, NULL, n, in, MX_AXES(0), 1, &value, out) < 0 ? -1 : 1;
}
static int looks_at_values(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  mx_array y = mx_square(in[0]);
  *(double *)context = item(y);
  out[0] = mx_multiply(y, in[0]);
  return 1;
}

static void derivatives_nest(void **state) {
  MX_SCOPE {
    mx_array x = mx_float(0.5), value, g;
    assert_int_equal(mx_value_and_grad(x_sin_x, NULL, 1, &x, MX_AXES(0), 1, &value, &g), 1);
    assert_true(fabs(item(g) - (sin(.5) + .5 * cos(.5))) < 1e-6);
    assert_int_equal(mx_value_and_grad(grad_x_sin_x, NULL, 1, &x, MX_AXES(0), 1, &value, &g), 1);
    assert_true(fabs(item(g) - (2 * cos(.5) - .5 * sin(.5))) < 1e-6);
    mx_array one = mx_float(1);
    assert_int_equal(mx_jvp(grad_x_sin_x, NULL, 1, &x, &one, 1, &value, &g), 1);
    assert_true(fabs(item(g) - (2 * cos(.5) - .5 * sin(.5))) < 1e-6);
  }
}

static void a_differentiated_function_may_evaluate(void **state) {
  MX_SCOPE {
    mx_array x = mx_float(3), value, g;
    double seen = 0;
    assert_int_equal(mx_value_and_grad(looks_at_values, &seen, 1, &x, MX_AXES(0), 1, &value, &g), 1);
    assert_true(seen == 9 && item(g) == 27 && item(value) == 27);
  }
}

static int calls_compiled(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  return mx_compiled_call(context, 0, n, in, max_out, out);
}

static void a_compiled_function_equals_the_plain_one_and_differentiates(void **state) {
  MX_SCOPE {
    mx_compiled f = mx_compile(x_sin_x, NULL, false, NULL);
    for (int n = 1; n < 5; n++) {
      mx_array x = mx_add(mx_arange(0, n, 1, MX_FLOAT32), mx_float(.5)), y, plain;
      assert_int_equal(mx_compiled_call(f, 0, 1, &x, 1, &y), 1);
      x_sin_x(NULL, 1, &x, 1, &plain);
      assert_true(item(mx_array_equal(y, plain, false)) == 1);
    }
    mx_array s = mx_float(.5), value, gradient;
    assert_int_equal(mx_value_and_grad(calls_compiled, f, 1, &s, MX_AXES(0), 1, &value, &gradient), 1);
    assert_true(fabs(item(gradient) - (sin(.5) + .5 * cos(.5))) < 1e-6);
    mx_array one = mx_float(1);
    assert_int_equal(mx_jvp(calls_compiled, f, 1, &s, &one, 1, &value, &gradient), 1);
    assert_true(fabs(item(gradient) - (sin(.5) + .5 * cos(.5))) < 1e-6);
    mx_compiled_free(f);
    f = mx_compile(grad_x_sin_x, NULL, false, NULL);
    mx_array x = mx_float(0.5), g;
    assert_int_equal(mx_compiled_call(f, 0, 1, &x, 1, &g), 1);
    assert_true(fabs(item(g) - (sin(.5) + .5 * cos(.5))) < 1e-6);
    mx_compiled_free(f);
  }
}

static int evaluates_inside(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  out[0] = mx_exp(in[0]);
  return mx_eval(out[0]) < 0 ? -1 : 1;
}

static void evaluating_inside_a_compiled_function_is_an_error(void **state) {
  MX_SCOPE {
    mx_compiled f = mx_compile(evaluates_inside, NULL, false, NULL);
    mx_array x = mx_float(1), y;
    assert_int_equal(mx_compiled_call(f, 0, 1, &x, 1, &y), -1);
    assert_non_null(strstr(mx_error(), "placeholder"));
    mx_compiled_free(f);
  }
}

static void a_gradient_is_asked_for_at_most_once_an_input(void **state) {
  MX_SCOPE {
    mx_array x = mx_float(1), value, gradients[40];
    int64_t same[40] = {0};
    assert_int_equal(mx_value_and_grad(x_sin_x, NULL, 1, &x, (mx_ints){same, 40}, 1, &value, gradients), -1);
    assert_non_null(strstr(mx_error(), "got 40"));
    assert_int_equal(mx_value_and_grad(x_sin_x, NULL, 1, &x, MX_ALL_AXES, 1, &value, gradients), -1);
    assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
  }
}

/* ---- Threads ---- */
static void *evaluate_shared(void *shared) {
  mx_array x = shared;
  double total = 0;
  for (int i = 0; i < 200; i++)
    MX_SCOPE { total += item(mx_sum(mx_add(x, mx_float(i)), MX_ALL_AXES, false)); }
  return (void *)(intptr_t)(total == 200 * 6 + 3 * 199 * 100);
}

static void one_lazy_array_serves_many_threads(void **state) {
  mx_array x = NULL;
  MX_SCOPE { x = mx_keep(mx_add(VEC(0, 1, 2), mx_float(1))); }
  pthread_t threads[8];
  for (int i = 0; i < 8; i++) assert_int_equal(pthread_create(&threads[i], NULL, evaluate_shared, x), 0);
  for (int i = 0; i < 8; i++) {
    void *fine;
    pthread_join(threads[i], &fine);
    assert_non_null(fine);
  }
  mx_release(x);
}

/* ---- Forks ---- */
/* Takes every lock of the library, many times over. */
static int evaluate_all_sorts(int n) {
  int status = 0;
  MX_SCOPE {
    mx_array x = mx_arange(0, 8 + n % 8, 1, MX_FLOAT32), parts[2];
    if (mx_divmod(x, mx_float(3), &parts[0], &parts[1]) < 0) status = -1;
    mx_array sum = mx_add(parts[0], mx_real(mx_fft_fft(parts[1], 0, 0, MX_FFT_BACKWARD)));
    if (status == 0) status = mx_eval(sum);
    mx_reset_peak_memory();
  }
  return status;
}
static void *build_until(void *stop) {
  while (!atomic_load((atomic_bool *)stop))
    MX_SCOPE {
      mx_array parts[2];
      mx_divmod(mx_int(7), mx_int(2), &parts[0], &parts[1]);
    }
  return stop;
}
static void *evaluate_until(void *stop) {
  for (int n = 0; !atomic_load((atomic_bool *)stop); n++)
    if (evaluate_all_sorts(n) < 0) return NULL;
  return stop;
}

/* AddressSanitizer's own allocator holds no locks through a fork: now and then its child waits for ever. */
#ifdef __SANITIZE_ADDRESS__
enum { FORKS = 40 };
#else
enum { FORKS = 400 };
#endif
static void a_child_forked_at_any_moment_evaluates(void **state) {
  atomic_bool stop = false;
  pthread_t threads[4];
  int status = 0;
  for (int i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, i % 2 ? build_until : evaluate_until, &stop), 0);
  for (int i = 0; i < FORKS && status == 0; i++) {
    pid_t child = fork();
    if (child == 0) {
      alarm(20);
      _exit(evaluate_all_sorts(i) < 0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
  }
  atomic_store(&stop, true);
  for (int i = 0; i < 4; i++) {
    void *fine;
    pthread_join(threads[i], &fine);
    assert_non_null(fine);
  }
  assert_int_equal(status, 0);
}

static void async_eval_runs_on_the_stream_and_reads_wait_for_it(void **state) {
  MX_SCOPE {
    mx_stream other = mx_stream_new(MX_CPU);
    mx_array y = NULL;
    MX_ON (other) {
      y = mx_sum(mx_exp(mx_multiply(mx_arange(0, 1 << 20, 1, MX_FLOAT32), mx_float(0))), MX_ALL_AXES, false);
    }
    assert_int_equal(mx_async_eval(1, &y), 0);
    assert_true(item(mx_add(y, mx_float(1))) == (1 << 20) + 1);
    assert_int_equal(mx_synchronize(other), 0);
  }
}

static void a_wait_tells_of_posted_work_that_failed(void **state) {
  MX_SCOPE {
    mx_stream other = mx_stream_new(MX_CPU);
    mx_array y = NULL;
    MX_ON (other) { y = mx_linalg_inv(mx_ones(MX_SHAPE(3, 3), MX_FLOAT32)); }
    assert_int_equal(mx_async_eval(1, &y), 0);
    assert_int_equal(mx_synchronize(other), -1);
    assert_non_null(strstr(mx_error(), "[inv]"));
    mx_error_clear();
    assert_int_equal(mx_synchronize(other), 0);
    assert_int_equal(mx_eval(y), -1);
    assert_int_equal(mx_synchronize(other), 0);
  }
}

static void async_eval_does_not_wait_for_what_is_under_way(void **state) {
  MX_SCOPE {
    mx_array y = mx_ones(MX_SHAPE(300, 300), MX_FLOAT32);
    for (int i = 0; i < 100; i++) y = mx_multiply(mx_matmul(y, y), mx_float(1. / 300));
    assert_int_equal(mx_async_eval(1, &y), 0);
    assert_int_equal(mx_async_eval(1, &y), 0);
    assert_false(mx_is_ready(y));
    assert_true(item(mx_max(y, MX_ALL_AXES, false)) > 0);
  }
}

/* ---- Memory ---- */
static int a_bit_of_everything(void) {
  int result = -1;
  MX_SCOPE {
    mx_array x = mx_reshape(mx_arange(0, 12, 1, MX_FLOAT32), MX_SHAPE(3, 4)), v, g, parts[2];
    mx_array y = mx_sum(mx_exp(mx_multiply(mx_transpose(x, MX_ALL_AXES), mx_float(.1))), MX_AXES(1), true);
    y = mx_add(y, mx_take(x, mx_array_from((int[]){1, 0, 1, 2}, MX_SHAPE(4, 1), MX_INT32), 0));
    mx_array s = mx_float(.5),
             product = mx_matmul(x, mx_softmax(mx_transpose(x, MX_ALL_AXES), MX_AXES(1), false));
    if (mx_split(product, 1, 0, parts) < 0) break;
    if (mx_value_and_grad(x_sin_x, NULL, 1, &s, MX_AXES(0), 1, &v, &g) < 0) break;
    mx_array all[] = {y, parts[0], g};
    if (mx_eval_all(3, all) == 0) result = 0;
  }
  return result;
}

static int row_times_two(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  mx_array parts[3];
  if (mx_quantize(mx_broadcast_to(in[0], MX_SHAPE(2, 32)), (mx_quant){32, 4}, parts, parts + 1, parts + 2) <
      0)
    return -1;
  mx_array w = mx_dequantize(parts[0], parts[1], parts[2], (mx_quant){32, 4});
  out[0] = mx_add(mx_multiply(in[0], mx_like(in[0], 2)),
                  mx_slice(w, MX_SHAPE(0, 0), MX_SHAPE(1, 1), MX_SHAPE(1, 1)));
  return 1;
}
static int twice_cotangent(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  out[0] = mx_multiply(in[2], mx_like(in[2], 2));
  return 1;
}
static int with_rules(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  mx_array y = mx_exp(in[0]);
  mx_custom_rules rules = {.vjp = twice_cotangent};
  if (mx_custom(1, in, 1, &y, rules, out) < 0) return -1;
  out[0] = mx_sum(out[0], MX_ALL_AXES, false);
  return 1;
}
static int split_in_many(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  mx_array parts[20];
  if (mx_split(in[0], 20, 0, parts) < 0) return -1;
  out[0] = mx_sum(mx_concatenate(20, parts, 0), MX_ALL_AXES, false);
  return 1;
}

static int a_bit_of_transforms(void) {
  int result = -1;
  mx_compiled f = mx_compile(x_sin_x, NULL, false, NULL);
  MX_SCOPE {
    if (!f) break;
    mx_array s = mx_float(.5), x = mx_reshape(mx_arange(0, 20, 1, MX_FLOAT32), MX_SHAPE(20, 1)), all[8], v;
    if (mx_compiled_call(f, 0, 1, &s, 1, all) < 0) break;
    if (mx_value_and_grad(calls_compiled, f, 1, &s, MX_AXES(0), 1, &v, all + 1) < 0) break;
    if (mx_jvp(calls_compiled, f, 1, &s, &s, 1, &v, all + 2) < 0) break;
    if (mx_vmap(row_times_two, NULL, 1, &x, NULL, 1, all + 3, NULL) < 0) break;
    if (mx_value_and_grad(with_rules, NULL, 1, &x, MX_AXES(0), 1, &v, all + 4) < 0) break;
    if (mx_value_and_grad(split_in_many, NULL, 1, &x, MX_AXES(0), 1, &v, all + 5) < 0) break;
    if (mx_jvp(split_in_many, NULL, 1, &x, &x, 1, &v, all + 6) < 0) break;
    if (mx_jvp(with_rules, NULL, 1, &x, &x, 1, &v, all + 7) < 0) break;
    if (mx_eval_all(8, all) == 0) result = 0;
  }
  mx_compiled_free(f);
  return result;
}

static void check_every_failed_allocation(int (*program)(void)) {
  mx_clear_cache();
  assert_int_equal(program(), 0);
  size_t before = mx_active_memory();
  int failures = 0;
  for (long n = 0; n < 5000; n++) {
    mx_clear_cache(); // so that buffers are allocations too
    mx_error_clear();
    mxi_alloc_fail_after(n);
    int result = program();
    mxi_alloc_fail_after(-1);
    if (result == 0) break;
    assert_int_equal(mx_error_code(), MX_OUT_OF_MEMORY);
    assert_int_equal(mx_active_memory(), before);
    failures++;
  }
  assert_true(failures > 20 && failures < 5000);
  assert_int_equal(program(), 0);
}

static void every_failed_allocation_is_an_error_and_leaks_nothing(void **state) {
  check_every_failed_allocation(a_bit_of_everything);
  check_every_failed_allocation(a_bit_of_transforms);
}

static void the_memory_limit_holds_for_cached_memory_too(void **state) {
  MX_SCOPE { assert_int_equal(mx_eval(mx_arange(0, 1 << 21, 1, MX_FLOAT32)), 0); }
  assert_true(mx_cache_memory() >= 1 << 23);
  size_t before = mx_set_memory_limit(mx_active_memory() + (1 << 20));
  MX_SCOPE {
    assert_int_equal(mx_eval(mx_arange(0, 1 << 21, 1, MX_FLOAT32)), -1);
    assert_int_equal(mx_error_code(), MX_OUT_OF_MEMORY);
  }
  mx_set_memory_limit(before);
}

/* A scope starts with room for 16 results, so in a new thread an op that makes the 17th needs memory for its
   place, too. */
struct attempt {
  int before;     /* results in the scope */
  long remaining; /* allocations that succeed */
};
static bool in_new_thread(void *(*attempt)(void *), int before, long remaining) {
  struct attempt a = {before, remaining};
  pthread_t t;
  void *fine;
  assert_int_equal(pthread_create(&t, NULL, attempt, &a), 0);
  pthread_join(t, &fine);
  return fine != NULL;
}

static atomic_int released;
static void count_release(void *owner) { atomic_fetch_add((atomic_int *)owner, 1); }

static void foreign_memory_is_released_once_and_never_written(void **state) {
  float data[4] = {1, 2, 3, 4};
  MX_SCOPE {
    mx_array x =
        mx_array_foreign(data, MX_SHAPE(2, 2), MX_NO_SHAPE, MX_FLOAT32, false, count_release, &released);
    mx_array y = mx_keep(mx_exp(x));
    mx_scope_drain();
    assert_int_equal(mx_eval(y), 0);
    mx_release(y);
    mx_drain_foreign();
  }
  assert_int_equal(atomic_load(&released), 1);
  assert_true(data[0] == 1 && data[3] == 4);
}

static void *foreign_is_released_if_made(void *attempt) {
  const struct attempt *at = attempt;
  float data[4] = {1, 2, 3, 4};
  bool made = false;
  atomic_store(&released, 0);
  MX_SCOPE {
    for (int i = 0; i < at->before; i++) mx_float(0);
    mxi_alloc_fail_after(at->remaining);
    made =
        mx_ok(mx_array_foreign(data, MX_SHAPE(4), MX_NO_SHAPE, MX_FLOAT32, false, count_release, &released));
    mxi_alloc_fail_after(-1);
  }
  mx_drain_foreign();
  return (void *)(intptr_t)(atomic_load(&released) == made);
}
static void foreign_memory_stays_the_callers_when_no_array_can_be_made(void **state) {
  for (long n = 0; n < 6; n++) assert_true(in_new_thread(foreign_is_released_if_made, 16, n));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_result_needs_a_scope),
      cmocka_unit_test(kept_arrays_outlive_their_scope),
      cmocka_unit_test(passed_arrays_move_to_the_enclosing_scope),
      cmocka_unit_test(return_closes_a_scope),
      cmocka_unit_test(errors_pass_through_expressions_and_keep_their_text),
      cmocka_unit_test(an_absent_device_fails_the_ops_on_it),
      cmocka_unit_test(shapes_near_2_to_63_are_errors),
      cmocka_unit_test(a_chain_of_a_million_nodes_needs_no_stack),
      cmocka_unit_test(shared_intermediates_are_right_inside_and_outside_a_fused_step),
      cmocka_unit_test(wide_expressions_exceed_no_limit_of_a_program),
      cmocka_unit_test(a_dying_input_gives_its_memory_to_the_result),
      cmocka_unit_test(a_view_protects_its_memory),
      cmocka_unit_test(layouts_and_broadcasts_meet_in_one_step),
      cmocka_unit_test(an_index_out_of_range_fails_at_eval_and_the_graph_stays_whole),
      cmocka_unit_test(derivatives_nest),
      cmocka_unit_test(a_differentiated_function_may_evaluate),
      cmocka_unit_test(a_compiled_function_equals_the_plain_one_and_differentiates),
      cmocka_unit_test(evaluating_inside_a_compiled_function_is_an_error),
      cmocka_unit_test(a_gradient_is_asked_for_at_most_once_an_input),
      cmocka_unit_test(one_lazy_array_serves_many_threads),
      cmocka_unit_test(a_child_forked_at_any_moment_evaluates),
      cmocka_unit_test(async_eval_runs_on_the_stream_and_reads_wait_for_it),
      cmocka_unit_test(a_wait_tells_of_posted_work_that_failed),
      cmocka_unit_test(async_eval_does_not_wait_for_what_is_under_way),
      cmocka_unit_test(every_failed_allocation_is_an_error_and_leaks_nothing),
      cmocka_unit_test(the_memory_limit_holds_for_cached_memory_too),
      cmocka_unit_test(foreign_memory_is_released_once_and_never_written),
      cmocka_unit_test(foreign_memory_stays_the_callers_when_no_array_can_be_made),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
