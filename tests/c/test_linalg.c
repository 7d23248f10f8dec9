/* Linear algebra from C: results, errors, the blocked LU against a plain product, and every path with the
   n-th allocation failing. Values of each function and derivatives are tested from Python. */
#include "failing.h"
#include <math.h>
#include <string.h>

/* Waves, with a diagonal that keeps matrices regular, and their symmetric part positive definite. */
static mx_array waves(mx_ints shape, mx_dtype t) {
  int64_t size = 1;
  for (int i = 0; i < shape.n; i++) size *= shape.v[i];
  mx_array flat = mx_sin(mx_multiply(mx_arange(0, (double)size, 1, t), mx_scalar(1.7, t)));
  mx_array eye = mx_eye(shape.v[shape.n - 2], shape.v[shape.n - 1], 0, t);
  double diagonal = 2 + (double)shape.v[shape.n - 1];
  return mx_add(mx_reshape(flat, shape), mx_multiply(eye, mx_scalar(diagonal, t)));
}
static double largest(mx_array a) {
  double value = NAN;
  mx_item(mx_max(mx_abs(a), MX_ALL_AXES, false), &value);
  return value;
}

static void systems_of_every_size_are_solved(void **state) {
  const int64_t sizes[] = {1, 2, 7, 31, 32, 33, 64, 65, 96, 129, 200, 257};
  for (int d = 0; d < 2; d++)
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
      MX_SCOPE {
        mx_dtype t = d ? MX_FLOAT64 : MX_FLOAT32;
        int64_t n = sizes[i];
        mx_array a = waves(MX_SHAPE(n, n), t), b = waves(MX_SHAPE(n, 70), t);
        mx_array off = mx_subtract(mx_matmul(a, mx_linalg_solve(a, b)), b);
        double tolerance = (d ? 1e-14 : 5e-6) * (double)(10 + n);
        assert_true(largest(off) < tolerance);
        off = mx_subtract(mx_matmul(mx_linalg_inv(a), a), mx_eye(n, n, 0, t));
        assert_true(largest(off) < tolerance);
      }
}

static void failed_inputs_and_wrong_shapes_are_refused(void **state) {
  mx_array a = waves(MX_SHAPE(3, 4), MX_FLOAT32), x, y, z;
  assert_ptr_equal(mx_linalg_inv(MX_BAD), MX_BAD);
  assert_int_equal(mx_error_code(), MX_OK);
  assert_ptr_equal(mx_linalg_inv(NULL), MX_BAD);
  assert_int_equal(mx_error_code(), MX_TYPE_ERROR);
  assert_ptr_equal(mx_linalg_inv(a), MX_BAD);
  assert_string_equal(mx_error(), "[inv] expected square matrices, got shape (3,4)");
  assert_int_equal(mx_linalg_eigh(a, false, &x, &y), -1);
  assert_ptr_equal(x, MX_BAD);
  assert_ptr_equal(y, MX_BAD);
  assert_int_equal(mx_linalg_svd(mx_int(1), &x, &y, &z), -1);
  assert_ptr_equal(z, MX_BAD);
  assert_ptr_equal(mx_linalg_solve(a, a), MX_BAD);
  assert_ptr_equal(mx_linalg_norm_matrix(a, "max", MX_ALL_AXES, false), MX_BAD);
  assert_ptr_equal(mx_linalg_norm_ord(a, 3, MX_ALL_AXES, false), MX_BAD);
  assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
}

static void results_too_large_to_hold_are_refused(void **state) {
  mx_array u, s, vt, tall = mx_zeros(MX_SHAPE(INT64_C(1) << 40, 0), MX_FLOAT32);
  assert_int_equal(mx_linalg_svd(tall, &u, &s, &vt), -1);
  assert_int_equal(mx_error_code(), MX_INVALID_ARGUMENT);
  assert_int_equal(mx_linalg_qr(tall, &u, &s), 0);
  assert_int_equal(mx_eval(u), -1);
}

static void singular_matrices_fail_at_eval_and_can_be_tried_again(void **state) {
  mx_array a = mx_linalg_inv(mx_zeros(MX_SHAPE(40, 40), MX_FLOAT64));
  for (int i = 0; i < 2; i++) {
    assert_int_equal(mx_eval(a), -1);
    assert_int_equal(mx_error_code(), MX_RUNTIME_ERROR);
  }
}

/* ---- Allocation failures ---- */
static mx_array total(int n, const mx_array *results) {
  mx_array sum = mx_float(0);
  for (int i = 0; i < n; i++) sum = mx_add(sum, mx_sum(mx_abs(results[i]), MX_ALL_AXES, false));
  return sum;
}
static mx_array of_inv(mx_array a) { return mx_linalg_inv(a); }
static mx_array of_solve(mx_array a) { return mx_linalg_solve(a, a); }
static mx_array of_triangle(mx_array a) { return mx_linalg_tri_inv(a, true); }
static mx_array of_cholesky(mx_array a) {
  return mx_linalg_cholesky_inv(mx_linalg_cholesky(a, false), false);
}
static mx_array of_pinv(mx_array a) { return mx_linalg_pinv(a); }
static mx_array of_det(mx_array a) { return mx_linalg_det(a); }
static mx_array of_norm(mx_array a) { return mx_linalg_norm_matrix(a, "nuc", MX_AXES(-2, -1), false); }
static mx_array of_qr(mx_array a) {
  mx_array r[2];
  return mx_linalg_qr(a, &r[0], &r[1]) < 0 ? MX_BAD : total(2, r);
}
static mx_array of_svd(mx_array a) {
  mx_array r[3];
  return mx_linalg_svd(a, &r[0], &r[1], &r[2]) < 0 ? MX_BAD : total(3, r);
}
static mx_array of_eigh(mx_array a) {
  mx_array r[2];
  return mx_linalg_eigh(a, true, &r[0], &r[1]) < 0 ? MX_BAD : total(2, r);
}
static mx_array of_eig(mx_array a) {
  mx_array r[2];
  return mx_linalg_eig(a, &r[0], &r[1]) < 0 ? MX_BAD : total(2, r);
}
static mx_array of_lu(mx_array a) {
  mx_array r[3];
  return mx_linalg_lu(a, &r[0], &r[1], &r[2]) < 0 ? MX_BAD : total(3, r);
}
static mx_array of_slogdet(mx_array a) {
  mx_array r[2];
  return mx_linalg_slogdet(a, &r[0], &r[1]) < 0 ? MX_BAD : total(2, r);
}

static mx_array (*const paths[])(mx_array) = {of_inv, of_solve,   of_triangle, of_cholesky, of_pinv,
                                              of_det, of_norm,    of_qr,       of_svd,      of_eigh,
                                              of_lu,  of_slogdet, of_eig};
enum { PATHS = sizeof paths / sizeof *paths, DIFFERENTIABLE = PATHS - 1 };

struct work {
  size_t path;
  mx_array a;
};
static mx_array value_of(const struct work *w, mx_array a) {
  return mx_sum(paths[w->path](a), MX_ALL_AXES, false);
}
static int sum_of_path(void *work, double *sum) {
  const struct work *w = work;
  return mx_item(value_of(w, w->a), sum);
}
static int traced(void *work, int n, const mx_array *in, int max_out, mx_array *out) {
  out[0] = value_of(work, in[0]);
  return 1;
}
static int sum_of_gradient(void *work, double *sum) {
  const struct work *w = work;
  mx_array value, gradient;
  if (mx_value_and_grad(traced, work, 1, &w->a, MX_AXES(0), 1, &value, &gradient) < 0) return -1;
  return mx_item(total(1, &gradient), sum);
}

static void every_failing_allocation_is_an_error(void **state) {
  const int64_t shapes[][3] = {{1, 70, 70}, {300, 5, 5}, {1, 300, 300}};
  mx_eval(mx_linalg_svdvals(waves(MX_SHAPE(2, 2), MX_FLOAT32))); // LAPACK is open
  for (size_t i = 0; i < 3 * PATHS; i++)
    MX_SCOPE {
      struct work w = {i / 3, waves((mx_ints){shapes[i % 3], 3}, MX_FLOAT32)};
      assert_int_equal(mx_eval(w.a), 0);
      try_every_failure(sum_of_path, &w);
    }
}
static void every_failing_allocation_in_a_gradient_is_an_error(void **state) {
  struct work w = {.a = waves(MX_SHAPE(1, 4, 4), MX_FLOAT32)};
  assert_int_equal(mx_eval(w.a), 0);
  for (; w.path < DIFFERENTIABLE; w.path++) try_every_failure(sum_of_gradient, &w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(systems_of_every_size_are_solved, open_scope, close_scope),
      cmocka_unit_test_setup_teardown(failed_inputs_and_wrong_shapes_are_refused, open_scope, close_scope),
      cmocka_unit_test_setup_teardown(results_too_large_to_hold_are_refused, open_scope, close_scope),
      cmocka_unit_test_setup_teardown(singular_matrices_fail_at_eval_and_can_be_tried_again, open_scope,
                                      close_scope),
      cmocka_unit_test_setup_teardown(every_failing_allocation_is_an_error, open_scope, close_scope),
      cmocka_unit_test_setup_teardown(every_failing_allocation_in_a_gradient_is_an_error, open_scope,
                                      close_scope),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
