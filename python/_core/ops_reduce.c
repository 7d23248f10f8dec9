/* Reductions, scans, sorting. axis None: over all axes; for arg-reductions, scans and sorts: over the
 * flattened array. */
#include "core.h"
#include <string.h>

#define A    f->v[0].a
#define AXES f->v[1].ints

#define REDUCE_SIGNATURE "a: array, /, axis: axes? = None, keepdims: bool = False" STREAM
#define REDUCE(name, doc)                                                                          \
  FUNCTION_AND_METHOD(name, REDUCE_SIGNATURE,                                                      \
                      doc " axis: None, an int or a sequence; keepdims: axes stay with size 1.") { \
    return py_wrap(mx_##name(A, AXES, f->v[2].b));                                                 \
  }
REDUCE(sum, "The sum. bool and small integers add up in int32 or uint32.")
REDUCE(prod, "The product.")
REDUCE(min, "The smallest element; nan if there is one.")
REDUCE(max, "The largest element; nan if there is one.")
REDUCE(all, "Are all nonzero? bool.")
REDUCE(any, "Is any nonzero? bool.")
REDUCE(mean, "The mean. Integers become float32.")
REDUCE(logsumexp, "log(sum(exp(a))) without overflow.")

FUNCTION(minmax, REDUCE_SIGNATURE " -> tuple[array, array]", "(min, max) over axes.") {
  mx_array both[2] = {mx_min(A, AXES, f->v[2].b), mx_max(A, AXES, f->v[2].b)};
  return py_wrap_tuple(2, both);
}
FUNCTION(count_nonzero, "a: array, /, axis: axes? = None, keepdims: bool = False" STREAM,
         "The number of nonzero elements, int32.") {
  mx_array zero = mx_scalar_int(0, MX_INT32);
  return py_wrap(mx_sum(mx_astype(mx_not_equal(A, zero), MX_INT32), AXES, f->v[2].b));
}

#define SPREAD_SIGNATURE "a: array, /, axis: axes? = None, keepdims: bool = False, ddof: int = 0" STREAM
#define SPREAD_METHOD_SIGNATURE                                                                          \
  "a: array, /, axis: axes? = None, keepdims: bool = False, ddof: int = 0, *, correction: int? = None, " \
  "stream: stream = None"
FUNCTION(var, SPREAD_SIGNATURE, "The variance; the sum of squares is divided by N - ddof.") {
  return py_wrap(mx_var(A, AXES, f->v[2].b, (double)f->v[3].i));
}
FUNCTION(std, SPREAD_SIGNATURE, "The standard deviation: the square root of var.") {
  return py_wrap(mx_std(A, AXES, f->v[2].b, (double)f->v[3].i));
}
static PyObject *method_var_body(frame *f) {
  return py_wrap(mx_var(A, AXES, f->v[2].b, (double)f->v[py_given(f, 4) ? 4 : 3].i));
}
static PyObject *method_std_body(frame *f) {
  return py_wrap(mx_std(A, AXES, f->v[2].b, (double)f->v[py_given(f, 4) ? 4 : 3].i));
}
METHOD_ROW(var, SPREAD_METHOD_SIGNATURE,
           "The variance; the sum of squares is divided by N - ddof (or correction).");
METHOD_ROW(std, SPREAD_METHOD_SIGNATURE, "The standard deviation: the square root of var.");

/* The median along the last axis, of `count` elements: a partition puts the upper of the two in the middle in
   its place, and the lower one is the last of those before it. */
static mx_array middle(mx_array a, int64_t count) {
  int64_t start[MX_MAX_NDIM] = {0}, stop[MX_MAX_NDIM], step[MX_MAX_NDIM], half = count / 2;
  int last = mx_ndim(a) - 1;
  mx_array parted = mx_partition(a, half, -1), high = mx_take(parted, mx_int(half), -1);
  if (count % 2) return high;
  for (int i = 0; i <= last; i++) stop[i] = mx_dim(a, i), step[i] = 1;
  stop[last] = half;
  mx_ints from = {start, last + 1}, to = {stop, last + 1};
  mx_array lower = mx_partition(mx_slice(parted, from, to, (mx_ints){step, last + 1}), half - 1, -1);
  mx_dtype t = mx_dtype_of(a), wide = t < MX_FLOAT32 ? MX_FLOAT32 : t; /* no half may hold the sum */
  mx_array sum = mx_add(mx_astype(mx_take(lower, mx_int(half - 1), -1), wide), mx_astype(high, wide));
  return mx_astype(mx_multiply(sum, mx_like(sum, 0.5)), t);
}

FUNCTION(median, REDUCE_SIGNATURE,
         "The middle element of the sorted ones, or the mean of the two in the middle; NaN if there is "
         "one; float32 for integers.") {
  mx_array a = A;
  int ndim = mx_ndim(a);
  bool reduced[MX_MAX_NDIM] = {false};
  int64_t order[MX_MAX_NDIM], kept[MX_MAX_NDIM], shape[MX_MAX_NDIM];
  int n = 0;
  for (int i = 0; i < (AXES.n < 0 ? ndim : AXES.n); i++) {
    int64_t axis = AXES.n < 0 ? i : AXES.v[i] + (AXES.v[i] < 0 ? ndim : 0);
    if (axis < 0 || axis >= ndim) {
      mx_error_set(MX_AXIS_ERROR, "[median] expected an axis of an array with %d dimensions, got %lld", ndim,
                   (long long)AXES.v[i]);
      return py_raise();
    }
    reduced[axis] = true;
  }
  for (int i = 0; i < ndim; i++)
    if (!reduced[i]) shape[n] = mx_dim(a, i), order[n++] = i;
  int nkept = n;
  for (int i = 0; i < ndim; i++) {
    if (reduced[i]) order[n++] = i;
    kept[i] = reduced[i] ? 1 : mx_dim(a, i);
  }
  int64_t count = 1;
  for (int i = nkept; i < ndim; i++) count *= mx_dim(a, (int)order[i]); /* at most a's size */
  if (count == 0) {
    PyErr_SetString(PyExc_ValueError, "[median] expected at least one element");
    return NULL;
  }
  if (mx_dtype_of(a) < MX_FLOAT16) a = mx_astype(a, MX_FLOAT32);
  shape[nkept] = count;
  a = mx_reshape(mx_transpose(a, (mx_ints){order, ndim}), (mx_ints){shape, nkept + 1});
  mx_array r = middle(a, count),
           last = mx_max(a, (mx_ints){(int64_t[]){-1}, 1}, false); /* a NaN, if there is one */
  r = mx_where(mx_isnan(last), last, r);
  return py_wrap(mx_reshape(r, f->v[2].b ? (mx_ints){kept, ndim} : (mx_ints){shape, nkept}));
}

/* ---- Positions ---- */
static PyObject *position(frame *f, mx_array (*op)(mx_array, int, bool)) {
  if (py_given(f, 1)) return py_wrap(op(A, (int)f->v[1].i, f->v[2].b));
  mx_array r = op(mx_flatten(A, 0, -1), 0, false);
  int64_t ones[MX_MAX_NDIM];
  for (int i = 0; i < MX_MAX_NDIM; i++) ones[i] = 1;
  return py_wrap(f->v[2].b ? mx_reshape(r, (mx_ints){ones, mx_ndim(A)}) : r);
}
#define POSITION_SIGNATURE "a: array, /, axis: axis? = None, keepdims: bool = False" STREAM
FUNCTION_AND_METHOD(argmin, POSITION_SIGNATURE,
                    "Where the smallest element is, uint32: along an axis, or in the flattened array.") {
  return position(f, mx_argmin);
}
FUNCTION_AND_METHOD(argmax, POSITION_SIGNATURE,
                    "Where the largest element is, uint32: along an axis, or in the flattened array.") {
  return position(f, mx_argmax);
}

/* ---- Scans ---- */
static PyObject *scan(frame *f, mx_array (*op)(mx_array, int, bool, bool), mx_array a) {
  if (!py_given(f, 1)) a = mx_flatten(a, 0, -1);
  return py_wrap(op(a, py_given(f, 1) ? (int)f->v[1].i : 0, f->v[2].b, f->v[3].b));
}
#define SCAN_SIGNATURE \
  "a: array, /, axis: axis? = None, *, reverse: bool = False, inclusive: bool = True, stream: stream = None"
#define SCAN(name, doc)                                                                             \
  FUNCTION_AND_METHOD(name, SCAN_SIGNATURE,                                                         \
                      doc " reverse: from the end; inclusive=False: without the element itself.") { \
    return scan(f, mx_##name, A);                                                                   \
  }
SCAN(cummax, "The running maximum along an axis.")
SCAN(cummin, "The running minimum along an axis.")
SCAN(logcumsumexp, "The running logsumexp along an axis.")
#define TYPED_SCAN_SIGNATURE                                                                            \
  "a: array, /, axis: axis? = None, *, reverse: bool = False, inclusive: bool = True, dtype: dtype? = " \
  "None, "                                                                                              \
  "stream: stream = None"
#define TYPED_SCAN(name, doc)                                                                       \
  FUNCTION_AND_METHOD(name, TYPED_SCAN_SIGNATURE,                                                   \
                      doc " reverse: from the end; inclusive=False: without the element itself.") { \
    return scan(f, mx_##name, py_given(f, 4) ? mx_astype(A, f->v[4].t) : A);                        \
  }
TYPED_SCAN(cumsum, "The running sum along an axis.")
TYPED_SCAN(cumprod, "The running product along an axis.")
ALIAS(cumulative_sum, cumsum);
ALIAS(cumulative_prod, cumprod);

FUNCTION(diff, "a: array, /, n: int = 1, axis: axis = -1" STREAM,
         "Differences of neighbours along an axis, n times.") {
  mx_array a = A;
  int ndim = mx_ndim(a), axis = (int)f->v[2].i + (f->v[2].i < 0 ? ndim : 0);
  if (f->v[1].i < 0 || axis < 0 || axis >= ndim) {
    if (f->v[1].i < 0)
      mx_error_set(MX_INVALID_ARGUMENT, "[diff] expected n of 0 or more, got %lld", (long long)f->v[1].i);
    else
      mx_error_set(MX_AXIS_ERROR, "[diff] expected an axis of an array with %d dimensions, got %lld", ndim,
                   (long long)f->v[2].i);
    return py_raise();
  }
  for (int64_t i = 0; i < f->v[1].i && mx_ok(a) && mx_dim(a, axis) > 0; i++) {
    int64_t n = mx_dim(a, axis), zero[MX_MAX_NDIM] = {0}, first[MX_MAX_NDIM] = {0}, stop[MX_MAX_NDIM],
            before[MX_MAX_NDIM], step[MX_MAX_NDIM];
    for (int d = 0; d < ndim; d++) stop[d] = before[d] = mx_dim(a, d), step[d] = 1;
    first[axis] = 1;
    before[axis] = n - 1;
    mx_ints steps = {step, ndim};
    mx_array later = mx_slice(a, (mx_ints){first, ndim}, (mx_ints){stop, ndim}, steps);
    mx_array earlier = mx_slice(a, (mx_ints){zero, ndim}, (mx_ints){before, ndim}, steps);
    a = mx_dtype_of(a) == MX_BOOL ? mx_not_equal(later, earlier) : mx_subtract(later, earlier);
  }
  return py_wrap(a);
}

/* ---- Sorting ---- */
static mx_array along(frame *f, int i, int *axis) {
  *axis = py_none(f, i) ? 0 : (int)f->v[i].i;
  return py_none(f, i) ? mx_flatten(A, 0, -1) : A;
}
FUNCTION(sort, "a: array, /, axis: axis? = -1" STREAM,
         "Sorted, smallest first, nan last; None: the flattened array.") {
  int axis;
  mx_array a = along(f, 1, &axis);
  return py_wrap(mx_sort(a, axis));
}
FUNCTION(argsort, "a: array, /, axis: axis? = -1" STREAM,
         "The indices that sort, uint32; equal elements keep their order.") {
  int axis;
  mx_array a = along(f, 1, &axis);
  return py_wrap(mx_argsort(a, axis));
}
FUNCTION(partition, "a: array, /, kth: int, axis: axis? = -1" STREAM,
         "Reordered so that the kth element stands where sorting puts it, smaller ones before it.") {
  int axis;
  mx_array a = along(f, 2, &axis);
  return py_wrap(mx_partition(a, f->v[1].i, axis));
}
FUNCTION(argpartition, "a: array, /, kth: int, axis: axis? = -1" STREAM,
         "The indices of partition, uint32.") {
  int axis;
  mx_array a = along(f, 2, &axis);
  return py_wrap(mx_argpartition(a, f->v[1].i, axis));
}
FUNCTION(topk, "a: array, /, k: int, axis: axis? = -1" STREAM,
         "The k largest elements along an axis, in no particular order.") {
  int axis;
  mx_array a = along(f, 2, &axis);
  return py_wrap(mx_topk(a, f->v[1].i, axis));
}
FUNCTION(softmax, "a: array, /, axis: axes? = None, *, precise: bool = False, stream: stream = None",
         "exp(a) / sum(exp(a)) over axes, without overflow. precise: halves are computed in float32.") {
  return py_wrap(mx_softmax(A, AXES, f->v[2].b));
}
