/* Builders of ops: the shape, dtype and error of each family, without evaluating anything. */
#include "scope.h"
#include <string.h>

static mx_array of(mx_dtype t, mx_ints shape) { return mx_zeros(shape, t); }
static mx_array f32(mx_ints shape) { return of(MX_FLOAT32, shape); }

#define assert_shape(a, ...)                                                                      \
  do {                                                                                            \
    mx_array made = (a);                                                                          \
    mx_ints want = __VA_ARGS__;                                                                   \
    if (!mx_ok(made)) fail_msg("%s", mx_error());                                                 \
    assert_int_equal(mx_ndim(made), want.n);                                                      \
    for (int axis = 0; axis < want.n; axis++) assert_int_equal(mx_dim(made, axis), want.v[axis]); \
  } while (0)
#define assert_dtype(a, t) assert_string_equal(mx_dtype_name(mx_dtype_of(a)), mx_dtype_name(t))
/* a failed with this code, and its text names the op and holds `part`. */
#define assert_error(a, code, op, part)                                                  \
  do {                                                                                   \
    mx_error_clear();                                                                    \
    assert_ptr_equal((a), MX_BAD);                                                       \
    assert_int_equal(mx_error_code(), code);                                             \
    assert_memory_equal(mx_error(), "[" op "] expected ", strlen("[" op "] expected ")); \
    if (!strstr(mx_error(), part)) fail_msg("no %s in: %s", part, mx_error());           \
  } while (0)

/* ---- Elementwise ---- */
static void unary_dtypes_follow_the_rule_of_the_op(void **state) {
  mx_array i = of(MX_INT32, MX_SHAPE(2)), h = of(MX_BFLOAT16, MX_SHAPE(2)), c = of(MX_COMPLEX64, MX_SHAPE(2));
  assert_dtype(mx_exp(i), MX_FLOAT32);
  assert_dtype(mx_exp(h), MX_BFLOAT16);
  assert_dtype(mx_exp(c), MX_COMPLEX64);
  assert_dtype(mx_abs(c), MX_FLOAT32);
  assert_dtype(mx_square(i), MX_INT32);
  assert_dtype(mx_isnan(i), MX_BOOL);
  assert_dtype(mx_logical_not(h), MX_BOOL);
  assert_dtype(mx_imag(c), MX_FLOAT32);
  assert_error(mx_erf(c), MX_INVALID_ARGUMENT, "erf", "complex64");
  assert_error(mx_floor(c), MX_INVALID_ARGUMENT, "floor", "complex64");
  assert_error(mx_negative(mx_bool(true)), MX_INVALID_ARGUMENT, "negative", "bool");
  assert_error(mx_bitwise_invert(h), MX_INVALID_ARGUMENT, "bitwise_invert", "bfloat16");
}

static void binary_inputs_promote_and_broadcast(void **state) {
  mx_array a = of(MX_FLOAT16, MX_SHAPE(2, 1)), b = of(MX_BFLOAT16, MX_SHAPE(3));
  assert_dtype(mx_add(a, b), MX_FLOAT32);
  assert_shape(mx_add(a, b), MX_SHAPE(2, 3));
  assert_dtype(mx_add(of(MX_UINT8, MX_SHAPE(2)), of(MX_INT8, MX_SHAPE(2))), MX_INT16);
  assert_dtype(mx_divide(mx_int(1), mx_int(2)), MX_FLOAT32);
  assert_dtype(mx_less(a, b), MX_BOOL);
  assert_dtype(mx_left_shift(mx_bool(true), mx_bool(true)), MX_UINT8);
  assert_shape(mx_where(of(MX_BOOL, MX_SHAPE(4, 1, 1)), a, b), MX_SHAPE(4, 2, 3));
  assert_error(mx_add(f32(MX_SHAPE(2, 3)), f32(MX_SHAPE(4))), MX_INVALID_ARGUMENT, "add", "(2,3) and (4)");
  assert_error(mx_bitwise_and(a, b), MX_INVALID_ARGUMENT, "bitwise_and", "float32");
}

static void a_scalar_is_recast_at_once(void **state) {
  assert_true(mx_is_ready(mx_astype(mx_int(3), MX_FLOAT32)));
  assert_true(mx_is_ready(mx_reshape(mx_int(3), MX_SHAPE(1, 1))));
  double value = 0;
  assert_int_equal(mx_item(mx_astype(mx_scalar_int(-1, MX_INT64), MX_UINT8), &value), 0);
  assert_true(value == 255);
}

static void bad_goes_through_and_leaves_the_error(void **state) {
  mx_error_set(MX_IO_ERROR, "first");
  mx_array a = f32(MX_SHAPE(2));
  assert_ptr_equal(mx_add(MX_BAD, a), MX_BAD);
  assert_ptr_equal(mx_sum(mx_exp(MX_BAD), MX_ALL_AXES, false), MX_BAD);
  assert_ptr_equal(mx_concatenate(2, (mx_array[]){a, MX_BAD}, 0), MX_BAD);
  assert_ptr_equal(mx_matmul(a, mx_fast_rms_norm(a, MX_BAD, 1e-5)), MX_BAD);
  assert_string_equal(mx_error(), "first");
  assert_error(mx_add(a, NULL), MX_TYPE_ERROR, "add", "NULL");
}

/* The inner op's message, under the name of what was called. */
static void a_composition_names_itself_in_errors(void **state) {
  mx_array x = f32(MX_SHAPE(2, 3)), v = f32(MX_SHAPE(2)), one = mx_float(1), key = mx_random_key(0);
  assert_error(mx_allclose(x, v, 0, 0, false), MX_INVALID_ARGUMENT, "allclose", "(2,3) and (2)");
  assert_error(mx_repeat(x, INT64_C(1) << 62, 0), MX_INVALID_ARGUMENT, "repeat", "2^63");
  assert_error(mx_tile(x, MX_SHAPE(INT64_C(1) << 61, 2)), MX_INVALID_ARGUMENT, "tile", "2^63");
  assert_error(mx_linspace(0, 1, INT64_C(1) << 62, true, MX_FLOAT32), MX_INVALID_ARGUMENT, "linspace",
               "finite");
  assert_error(mx_put_along_axis(x, of(MX_INT32, MX_SHAPE(1, 3)), v, 0, MX_UPDATE_SET), MX_INVALID_ARGUMENT,
               "put_along_axis", "(2)");
  assert_error(mx_linalg_tri_inv(of(MX_INT32, MX_SHAPE(2, 3)), true), MX_INVALID_ARGUMENT, "tri_inv",
               "(2,3)");
  assert_error(mx_random_uniform(one, v, MX_SHAPE(3), MX_FLOAT32, key), MX_INVALID_ARGUMENT, "uniform",
               "(2)");
  assert_error(mx_random_uniform(one, one, MX_SHAPE(3), MX_FLOAT32, x), MX_INVALID_ARGUMENT, "uniform",
               "key");
  assert_error(mx_random_normal(MX_SHAPE(3), MX_FLOAT32, v, NULL, key), MX_INVALID_ARGUMENT, "normal", "(2)");
  assert_error(mx_random_truncated_normal(one, one, MX_SHAPE(-3), MX_FLOAT32, key), MX_INVALID_ARGUMENT,
               "truncated_normal", "(-3)");
  assert_error(mx_random_gumbel(MX_SHAPE(-3), MX_FLOAT32, key), MX_INVALID_ARGUMENT, "gumbel", "(-3)");
  assert_error(mx_random_laplace(MX_SHAPE(3), MX_FLOAT32, v, NULL, key), MX_INVALID_ARGUMENT, "laplace",
               "(2)");
  assert_error(mx_random_randint(one, v, MX_SHAPE(3), MX_INT32, key), MX_INVALID_ARGUMENT, "randint", "(2)");
  assert_error(mx_random_bernoulli(one, MX_SHAPE(3), x), MX_INVALID_ARGUMENT, "bernoulli", "key");
  assert_error(mx_random_permutation(x, 0, x), MX_INVALID_ARGUMENT, "permutation", "key");
}

static void a_name_is_given_to_errors_of_arguments_alone(void **state) {
  mx_error_set(MX_INVALID_ARGUMENT, "[inner] expected %d", 1);
  mx_error_name("outer");
  assert_string_equal(mx_error(), "[outer] expected 1");
  mx_error_set(MX_INVALID_ARGUMENT, "[outer_variant] expected 1");
  mx_error_name("outer");
  assert_string_equal(mx_error(), "[outer_variant] expected 1");
  mx_error_set(MX_OUT_OF_MEMORY, "[malloc] expected 1");
  mx_error_name("outer");
  assert_string_equal(mx_error(), "[malloc] expected 1");
  mx_error_clear();
  mx_error_name("outer");
  assert_string_equal(mx_error(), "");
  assert_int_equal(mx_eval(mx_take(f32(MX_SHAPE(2)), of(MX_INT32, MX_SHAPE(1)), 0)), 0);
  assert_int_equal(
      mx_eval(mx_take(f32(MX_SHAPE(2)), mx_array_from((int32_t[]){9}, MX_SHAPE(1), MX_INT32), 0)), -1);
  mx_error_name("outer");
  assert_memory_equal(mx_error(), "[gather]", 8);
}

/* ---- Dtypes ---- */
static void every_dtype_has_its_facts(void **state) {
  for (int t = 0; t < MX_DTYPE_COUNT; t++) {
    mx_dtype own = (mx_dtype)t;
    assert_int_equal(mx_promote_types(own, own), own);
    mx_error_clear();
    bool inexact = mx_issubcategory(mx_dtype_category_of(own), MX_INEXACT);
    assert_true(inexact ? mx_dtype_max(own) >= 65504 : mx_dtype_max(own) == 0);
    assert_int_equal(mx_error_code(), inexact ? MX_OK : MX_INVALID_ARGUMENT);
  }
}

/* ---- Shape ---- */
static void views_that_change_nothing_are_the_input(void **state) {
  mx_array a = mx_exp(f32(MX_SHAPE(2, 3)));
  assert_ptr_equal(mx_reshape(a, MX_SHAPE(2, -1)), a);
  assert_ptr_equal(mx_transpose(a, MX_AXES(0, 1)), a);
  assert_ptr_equal(mx_broadcast_to(a, MX_SHAPE(2, 3)), a);
  assert_ptr_equal(mx_astype(a, MX_FLOAT32), a);
  assert_ptr_equal(mx_slice(a, MX_SHAPE(0, 0), MX_SHAPE(9, 9), MX_SHAPE(1, 1)), a);
}

static void shapes_of_views(void **state) {
  mx_array a = mx_exp(f32(MX_SHAPE(2, 3, 4)));
  assert_shape(mx_reshape(a, MX_SHAPE(-1, 6)), MX_SHAPE(4, 6));
  assert_shape(mx_flatten(a, 0, 1), MX_SHAPE(6, 4));
  assert_shape(mx_unflatten(a, -1, MX_SHAPE(2, -1)), MX_SHAPE(2, 3, 2, 2));
  assert_shape(mx_transpose(a, MX_ALL_AXES), MX_SHAPE(4, 3, 2));
  assert_shape(mx_moveaxis(a, 0, -1), MX_SHAPE(3, 4, 2));
  assert_shape(mx_expand_dims(a, MX_AXES(0, -1)), MX_SHAPE(1, 2, 3, 4, 1));
  assert_shape(mx_squeeze(mx_expand_dims(a, MX_AXES(0, 2)), MX_ALL_AXES), MX_SHAPE(2, 3, 4));
  assert_shape(mx_diagonal(a, 1, 1, 2), MX_SHAPE(2, 3));
  assert_shape(mx_view(a, MX_UINT8), MX_SHAPE(2, 3, 16));
  assert_shape(mx_reshape(f32(MX_SHAPE(0, 3)), MX_SHAPE(-1, 3)), MX_SHAPE(0, 3));
}

static void views_refuse_what_does_not_fit(void **state) {
  mx_array a = f32(MX_SHAPE(2, 3));
  assert_error(mx_reshape(a, MX_SHAPE(4)), MX_INVALID_ARGUMENT, "reshape", "(2,3)");
  assert_error(mx_reshape(a, MX_SHAPE(-1, -1)), MX_INVALID_ARGUMENT, "reshape", "(-1,-1)");
  assert_error(mx_reshape(f32(MX_SHAPE(0, 3)), MX_SHAPE(-1, 0)), MX_INVALID_ARGUMENT, "reshape", "(0,3)");
  assert_error(mx_reshape(a, MX_SHAPE(INT64_MAX, INT64_MAX)), MX_INVALID_ARGUMENT, "reshape", "(2,3)");
  assert_error(mx_squeeze(a, MX_AXES(0)), MX_INVALID_ARGUMENT, "squeeze", "(2,3)");
  assert_error(mx_transpose(a, MX_AXES(0, 0)), MX_INVALID_ARGUMENT, "transpose", "twice");
  assert_error(mx_transpose(a, MX_AXES(0)), MX_INVALID_ARGUMENT, "transpose", "(2,3)");
  assert_error(mx_swapaxes(a, 0, 2), MX_AXIS_ERROR, "swapaxes", "2");
  assert_error(mx_broadcast_to(a, MX_SHAPE(3, 3)), MX_INVALID_ARGUMENT, "broadcast_to", "(3,3)");
  assert_error(mx_broadcast_to(a, MX_SHAPE(3)), MX_INVALID_ARGUMENT, "broadcast_to", "(2,3)");
  assert_error(mx_as_strided(a, MX_SHAPE(3), MX_SHAPE(INT64_MAX), 0), MX_INVALID_ARGUMENT, "as_strided",
               "(2,3)");
  assert_error(mx_as_strided(a, MX_SHAPE(3), MX_SHAPE(-1), 1), MX_INVALID_ARGUMENT, "as_strided", "(2,3)");
  assert_error(mx_view(f32(MX_SHAPE(3)), MX_INT64), MX_INVALID_ARGUMENT, "view", "float32");
}

/* ---- Slices and indices ---- */
static int64_t sliced(int64_t n, int64_t start, int64_t stop, int64_t step) {
  return mx_size(mx_slice(f32(MX_SHAPE(n)), MX_SHAPE(start), MX_SHAPE(stop), MX_SHAPE(step)));
}
static void slices_clip_as_numpy_does(void **state) {
  assert_int_equal(sliced(5, 1, 99, 2), 2);
  assert_int_equal(sliced(5, -2, INT64_MAX, 1), 2);
  assert_int_equal(sliced(5, 3, 1, 1), 0);
  assert_int_equal(sliced(5, 4, INT64_MIN, -1), 5);
  assert_int_equal(sliced(5, -1, 0, -3), 2);
  assert_int_equal(sliced(5, INT64_MAX, INT64_MIN, INT64_MIN), 1);
  assert_int_equal(sliced(0, 0, 5, 1), 0);
  assert_error(mx_slice(f32(MX_SHAPE(5)), MX_SHAPE(0), MX_SHAPE(5), MX_SHAPE(0)), MX_INVALID_ARGUMENT,
               "slice", "0");
  assert_error(mx_slice(f32(MX_SHAPE(5)), MX_SHAPE(0, 0), MX_SHAPE(5), MX_SHAPE(1)), MX_INVALID_ARGUMENT,
               "slice", "(5)");
}

static void indexing_shapes_and_errors(void **state) {
  mx_array a = f32(MX_SHAPE(3, 4, 5)), i = of(MX_INT32, MX_SHAPE(2, 6));
  assert_shape(mx_take(a, i, 1), MX_SHAPE(3, 2, 6, 5));
  assert_shape(mx_take_flat(a, i), MX_SHAPE(2, 6));
  assert_shape(mx_take(f32(MX_SHAPE(0, 4)), of(MX_INT32, MX_SHAPE(0)), 0), MX_SHAPE(0, 4));
  assert_shape(mx_take_along_axis(a, of(MX_INT32, MX_SHAPE(3, 2, 1)), 1), MX_SHAPE(3, 2, 5));
  assert_shape(mx_gather(a, 2, (mx_array[]){i, of(MX_INT64, MX_SHAPE(6))}, MX_AXES(0, 2), MX_SHAPE(1, 4, 1)),
               MX_SHAPE(2, 6, 1, 4, 1));
  assert_shape(mx_scatter(a, 1, &i, f32(MX_SHAPE(2, 6, 1, 4, 5)), MX_AXES(0), MX_UPDATE_ADD),
               MX_SHAPE(3, 4, 5));
  assert_shape(mx_slice_update(a, f32(MX_SHAPE(1, 1, 4, 1)), MX_SHAPE(0, 0, 0), MX_SHAPE(3, 4, 2),
                               MX_SHAPE(1, 1, 1), MX_UPDATE_SET),
               MX_SHAPE(3, 4, 5));
  assert_error(mx_take(a, i, 3), MX_AXIS_ERROR, "take", "3");
  assert_error(mx_take(a, f32(MX_SHAPE(2)), 0), MX_INVALID_ARGUMENT, "take", "float32");
  assert_error(mx_take(f32(MX_SHAPE(0)), i, 0), MX_INVALID_ARGUMENT, "take", "(0)");
  assert_error(mx_take_along_axis(a, i, 0), MX_INVALID_ARGUMENT, "take_along_axis", "(2,6)");
  assert_error(mx_gather(a, 1, &i, MX_AXES(0), MX_SHAPE(1, 5, 5)), MX_INVALID_ARGUMENT, "gather", "(1,5,5)");
  assert_error(mx_scatter(a, 1, &i, f32(MX_SHAPE(2, 6, 4, 5)), MX_AXES(0), MX_UPDATE_ADD),
               MX_INVALID_ARGUMENT, "scatter", "(2,6,4,5)");
  assert_error(mx_dynamic_slice(a, mx_int(1), MX_AXES(0), MX_SHAPE(4, 4, 5)), MX_INVALID_ARGUMENT,
               "dynamic_slice", "(4,4,5)");
}

/* ---- Assembly and creation ---- */
static void assembled_shapes(void **state) {
  mx_array a = f32(MX_SHAPE(2, 3)), i = of(MX_INT32, MX_SHAPE(2, 1)), out[3];
  assert_shape(mx_concatenate(2, (mx_array[]){a, i}, -1), MX_SHAPE(2, 4));
  assert_dtype(mx_concatenate(2, (mx_array[]){a, i}, -1), MX_FLOAT32);
  assert_shape(mx_stack(3, (mx_array[]){a, a, a}, 1), MX_SHAPE(2, 3, 3));
  assert_shape(mx_repeat(a, 2, 1), MX_SHAPE(2, 6));
  assert_shape(mx_tile(a, MX_SHAPE(2, 1, 3)), MX_SHAPE(2, 2, 9));
  assert_shape(mx_pad(a, MX_SHAPE(1, 0), MX_SHAPE(0, 4), MX_PAD_REFLECT, NULL), MX_SHAPE(3, 7));
  assert_int_equal(mx_split_at(a, MX_SHAPE(2, 1), 1, out), 0);
  assert_shape(out[0], MX_SHAPE(2, 2));
  assert_shape(out[1], MX_SHAPE(2, 0));
  assert_shape(out[2], MX_SHAPE(2, 2));
  assert_int_equal(mx_split(a, 2, 1, out), -1);
  assert_ptr_equal(out[0], MX_BAD);
  assert_error(mx_concatenate(2, (mx_array[]){a, f32(MX_SHAPE(3, 4))}, 0), MX_INVALID_ARGUMENT, "concatenate",
               "(3,4)");
  assert_error(mx_concatenate(0, NULL, 0), MX_INVALID_ARGUMENT, "concatenate", "0");
  assert_error(mx_stack(2, (mx_array[]){a, i}, 0), MX_INVALID_ARGUMENT, "stack", "(2,1)");
  assert_error(mx_tile(a, MX_SHAPE(-1)), MX_INVALID_ARGUMENT, "tile", "(-1)");
  assert_error(mx_repeat(a, -1, 0), MX_INVALID_ARGUMENT, "repeat", "-1");
  assert_error(mx_pad(a, MX_SHAPE(-1, 0), MX_SHAPE(0, 0), MX_PAD_CONSTANT, NULL), MX_INVALID_ARGUMENT, "pad",
               "-1");
  assert_error(mx_roll(a, MX_SHAPE(1), MX_AXES(2)), MX_AXIS_ERROR, "roll", "2");
}

static void created_shapes(void **state) {
  assert_shape(mx_arange(5, 0, -2, MX_INT32), MX_SHAPE(3));
  assert_shape(mx_arange(5, 0, 1, MX_INT32), MX_SHAPE(0));
  assert_shape(mx_eye(3, 2, -9, MX_FLOAT32), MX_SHAPE(3, 2));
  assert_shape(mx_linspace(0, 1, 0, true, MX_FLOAT32), MX_SHAPE(0));
  assert_error(mx_arange(0, 1, 0, MX_INT32), MX_INVALID_ARGUMENT, "arange", "0");
  assert_error(mx_arange(0, 1.0 / 0.0, 1, MX_FLOAT32), MX_INVALID_ARGUMENT, "arange", "inf");
  assert_error(mx_zeros(MX_SHAPE(-1), MX_FLOAT32), MX_INVALID_ARGUMENT, "zeros", "(-1)");
  assert_error(mx_zeros(MX_SHAPE(INT64_MAX, 2), MX_FLOAT32), MX_INVALID_ARGUMENT, "zeros", "2^63");
  assert_error(mx_eye(-1, 2, 0, MX_FLOAT32), MX_INVALID_ARGUMENT, "eye", "-1");
  assert_error(mx_full(MX_SHAPE(2, 3), f32(MX_SHAPE(2)), MX_FLOAT32), MX_INVALID_ARGUMENT, "full", "(2,3)");
}

/* ---- Reductions, order ---- */
static void reductions_widen_and_drop_axes(void **state) {
  mx_array a = of(MX_INT8, MX_SHAPE(2, 3, 4));
  assert_dtype(mx_sum(a, MX_ALL_AXES, false), MX_INT32);
  assert_dtype(mx_prod(of(MX_UINT16, MX_SHAPE(2)), MX_ALL_AXES, false), MX_UINT32);
  assert_dtype(mx_max(a, MX_ALL_AXES, false), MX_INT8);
  assert_dtype(mx_mean(a, MX_ALL_AXES, false), MX_FLOAT32);
  assert_dtype(mx_mean(of(MX_FLOAT16, MX_SHAPE(2)), MX_ALL_AXES, false), MX_FLOAT16);
  assert_dtype(mx_var(of(MX_COMPLEX64, MX_SHAPE(2)), MX_ALL_AXES, false, 0), MX_FLOAT32);
  assert_dtype(mx_any(a, MX_ALL_AXES, false), MX_BOOL);
  assert_shape(mx_sum(a, MX_AXES(-1, 0), false), MX_SHAPE(3));
  assert_shape(mx_sum(a, MX_AXES(-1, 0), true), MX_SHAPE(1, 3, 1));
  assert_shape(mx_logsumexp(a, MX_AXES(1), true), MX_SHAPE(2, 1, 4));
  assert_shape(mx_softmax(a, MX_AXES(0, 1), false), MX_SHAPE(2, 3, 4));
  assert_shape(mx_argmax(a, 1, false), MX_SHAPE(2, 4));
  assert_dtype(mx_argmax(a, 1, false), MX_UINT32);
  assert_shape(mx_max(f32(MX_SHAPE(0, 3)), MX_AXES(1), false), MX_SHAPE(0));
  assert_error(mx_max(f32(MX_SHAPE(0, 3)), MX_ALL_AXES, false), MX_INVALID_ARGUMENT, "max", "(0,3)");
  assert_error(mx_sum(a, MX_AXES(0, -3), false), MX_INVALID_ARGUMENT, "sum", "twice");
  assert_error(mx_sum(a, MX_AXES(3), false), MX_AXIS_ERROR, "sum", "3");
  assert_error(mx_argmin(f32(MX_SHAPE(0)), 0, false), MX_INVALID_ARGUMENT, "argmin", "(0)");
}

static void scans_and_sorts(void **state) {
  mx_array a = f32(MX_SHAPE(3, 5));
  assert_dtype(mx_cumsum(of(MX_BOOL, MX_SHAPE(2)), 0, false, true), MX_INT32);
  assert_dtype(mx_logcumsumexp(of(MX_INT8, MX_SHAPE(2)), 0, false, true), MX_FLOAT32);
  assert_shape(mx_topk(a, 2, -1), MX_SHAPE(3, 2));
  assert_shape(mx_topk(a, 0, -1), MX_SHAPE(3, 0));
  assert_dtype(mx_argpartition(a, -1, 1), MX_UINT32);
  assert_error(mx_topk(a, 6, -1), MX_INVALID_ARGUMENT, "topk", "6");
  assert_error(mx_partition(a, 5, 1), MX_INVALID_ARGUMENT, "partition", "5");
  assert_error(mx_sort(mx_float(1), -1), MX_AXIS_ERROR, "sort", "0 dimensions");
}

/* ---- Products ---- */
static void matrix_products(void **state) {
  assert_shape(mx_matmul(f32(MX_SHAPE(3)), f32(MX_SHAPE(3))), MX_NO_SHAPE);
  assert_shape(mx_matmul(f32(MX_SHAPE(3)), f32(MX_SHAPE(5, 3, 2))), MX_SHAPE(5, 2));
  assert_shape(mx_matmul(f32(MX_SHAPE(5, 2, 3)), f32(MX_SHAPE(3))), MX_SHAPE(5, 2));
  assert_shape(mx_matmul(f32(MX_SHAPE(4, 1, 2, 3)), f32(MX_SHAPE(5, 3, 7))), MX_SHAPE(4, 5, 2, 7));
  assert_shape(mx_matmul(f32(MX_SHAPE(6, 2, 0)), f32(MX_SHAPE(0, 4))), MX_SHAPE(6, 2, 4));
  assert_shape(mx_addmm(f32(MX_SHAPE(4)), f32(MX_SHAPE(6, 2, 3)), f32(MX_SHAPE(3, 4)), 1, 1),
               MX_SHAPE(6, 2, 4));
  assert_shape(mx_outer(f32(MX_SHAPE(2, 2)), f32(MX_SHAPE(3))), MX_SHAPE(4, 3));
  assert_shape(mx_inner(f32(MX_SHAPE(2, 3)), f32(MX_SHAPE(4, 3))), MX_SHAPE(2, 4));
  assert_shape(mx_tensordot(f32(MX_SHAPE(2, 3, 4)), f32(MX_SHAPE(4, 3, 5)), MX_AXES(1, 2), MX_AXES(1, 0)),
               MX_SHAPE(2, 5));
  assert_dtype(mx_matmul(of(MX_FLOAT16, MX_SHAPE(2, 2)), f32(MX_SHAPE(2, 2))), MX_FLOAT32);
  mx_array i = of(MX_INT32, MX_SHAPE(2, 2));
  assert_error(mx_matmul(i, i), MX_INVALID_ARGUMENT, "matmul", "int32 and int32");
  assert_error(mx_matmul(f32(MX_SHAPE(2, 3)), f32(MX_SHAPE(4, 3))), MX_INVALID_ARGUMENT, "matmul",
               "(2,3) and (4,3)");
  assert_error(mx_matmul(mx_float(1), i), MX_INVALID_ARGUMENT, "matmul", "()");
  assert_error(mx_addmm(f32(MX_SHAPE(5, 2, 2)), f32(MX_SHAPE(2, 3)), f32(MX_SHAPE(3, 2)), 1, 1),
               MX_INVALID_ARGUMENT, "addmm", "(5,2,2)");
}

static void quantised_matrices(void **state) {
  mx_array w = of(MX_BFLOAT16, MX_SHAPE(8, 128)), packed, scales, biases;
  mx_quant three = {.group_size = 32, .bits = 3};
  assert_int_equal(mx_quantize(w, three, &packed, &scales, &biases), 0);
  assert_shape(packed, MX_SHAPE(8, 12));
  assert_shape(scales, MX_SHAPE(8, 4));
  assert_dtype(packed, MX_UINT32);
  assert_dtype(biases, MX_BFLOAT16);
  assert_shape(mx_dequantize(packed, scales, biases, three), MX_SHAPE(8, 128));
  assert_shape(mx_quantized_matmul(f32(MX_SHAPE(5, 2, 128)), packed, scales, biases, true, three),
               MX_SHAPE(5, 2, 8));
  assert_shape(mx_quantized_matmul(f32(MX_SHAPE(8)), packed, scales, biases, false, three), MX_SHAPE(128));
  assert_dtype(mx_quantized_matmul(f32(MX_SHAPE(128)), packed, scales, biases, true, three), MX_FLOAT32);
  assert_error(mx_quantized_matmul(f32(MX_SHAPE(2, 64)), packed, scales, biases, true, three),
               MX_INVALID_ARGUMENT, "quantized_matmul", "(2,64)");
  assert_error(mx_dequantize(packed, scales, biases, (mx_quant){64, 3}), MX_INVALID_ARGUMENT, "dequantize",
               "(8,12)");
  assert_error(mx_dequantize(scales, scales, biases, three), MX_INVALID_ARGUMENT, "dequantize", "bfloat16");
  assert_int_equal(mx_quantize(w, (mx_quant){48, 4}, &packed, &scales, &biases), -1);
  assert_int_equal(mx_quantize(w, (mx_quant){64, 7}, &packed, &scales, &biases), -1);
  assert_ptr_equal(packed, MX_BAD);
}

/* ---- Layers, random ---- */
static void layers(void **state) {
  mx_array x = of(MX_FLOAT16, MX_SHAPE(2, 4, 3, 8)), k = of(MX_FLOAT16, MX_SHAPE(2, 2, 5, 8));
  mx_rope_opts rope = {.dims = 8, .base = 10000, .scale = 1};
  assert_dtype(mx_fast_rms_norm(x, f32(MX_SHAPE(8)), 1e-5), MX_FLOAT32);
  assert_shape(mx_fast_layer_norm(x, NULL, NULL, 1e-5), MX_SHAPE(2, 4, 3, 8));
  assert_shape(mx_fast_rope(x, rope, mx_int(3), NULL), MX_SHAPE(2, 4, 3, 8));
  assert_shape(
      mx_fast_scaled_dot_product_attention(x, k, of(MX_FLOAT16, MX_SHAPE(2, 2, 5, 6)), 1, true, NULL, NULL),
      MX_SHAPE(2, 4, 3, 6));
  assert_error(mx_fast_rms_norm(x, f32(MX_SHAPE(4)), 1e-5), MX_INVALID_ARGUMENT, "rms_norm", "(4)");
  assert_error(mx_fast_layer_norm(mx_float(1), NULL, NULL, 1e-5), MX_INVALID_ARGUMENT, "layer_norm", "()");
  assert_error(mx_fast_rope(x, rope, mx_float(3), NULL), MX_INVALID_ARGUMENT, "rope", "float32");
  rope.dims = 3;
  assert_error(mx_fast_rope(x, rope, mx_int(3), NULL), MX_INVALID_ARGUMENT, "rope", "3");
  assert_error(mx_fast_scaled_dot_product_attention(x, of(MX_FLOAT16, MX_SHAPE(2, 3, 5, 8)),
                                                    of(MX_FLOAT16, MX_SHAPE(2, 3, 5, 8)), 1, false, NULL,
                                                    NULL),
               MX_INVALID_ARGUMENT, "scaled_dot_product_attention", "(2,3,5,8)");
  assert_error(mx_fast_scaled_dot_product_attention(x, k, k, 1, false, f32(MX_SHAPE(3, 5)), NULL),
               MX_INVALID_ARGUMENT, "scaled_dot_product_attention", "float32");
}

static void random_shapes(void **state) {
  mx_array key = mx_random_key(7), logits = f32(MX_SHAPE(4, 9));
  assert_shape(key, MX_SHAPE(2));
  assert_shape(mx_random_split(key, 3), MX_SHAPE(3, 2));
  assert_shape(mx_random_uniform(NULL, NULL, MX_SHAPE(2, 3), MX_BFLOAT16, NULL), MX_SHAPE(2, 3));
  assert_dtype(mx_random_normal(MX_SHAPE(2), MX_COMPLEX64, NULL, NULL, key), MX_COMPLEX64);
  assert_shape(mx_random_categorical(logits, -1, (mx_ints){NULL, -1}, key), MX_SHAPE(4));
  assert_shape(mx_random_categorical(logits, 0, MX_SHAPE(3, 9), key), MX_SHAPE(3, 9));
  assert_shape(mx_random_categorical_n(logits, 1, 6, key), MX_SHAPE(4, 6));
  assert_dtype(mx_random_bernoulli(mx_float(0.5), MX_SHAPE(3), NULL), MX_BOOL);
  assert_error(mx_random_uniform(NULL, NULL, MX_SHAPE(2), MX_INT32, key), MX_INVALID_ARGUMENT, "uniform",
               "int32");
  assert_error(mx_random_randint(mx_int(0), mx_int(5), MX_SHAPE(2), MX_FLOAT32, key), MX_INVALID_ARGUMENT,
               "randint", "float32");
  assert_error(mx_random_bits(MX_SHAPE(2), 4, logits), MX_INVALID_ARGUMENT, "random", "float32");
  assert_error(mx_random_categorical(logits, 2, (mx_ints){NULL, -1}, key), MX_AXIS_ERROR, "categorical", "2");
}

#define test(name) cmocka_unit_test_setup_teardown(name, open_scope, close_scope)
int main(void) {
  const struct CMUnitTest tests[] = {
      test(unary_dtypes_follow_the_rule_of_the_op),
      test(binary_inputs_promote_and_broadcast),
      test(a_scalar_is_recast_at_once),
      test(bad_goes_through_and_leaves_the_error),
      test(a_composition_names_itself_in_errors),
      test(a_name_is_given_to_errors_of_arguments_alone),
      test(every_dtype_has_its_facts),
      test(views_that_change_nothing_are_the_input),
      test(shapes_of_views),
      test(views_refuse_what_does_not_fit),
      test(slices_clip_as_numpy_does),
      test(indexing_shapes_and_errors),
      test(assembled_shapes),
      test(created_shapes),
      test(reductions_widen_and_drop_axes),
      test(scans_and_sorts),
      test(matrix_products),
      test(quantised_matrices),
      test(layers),
      test(random_shapes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
