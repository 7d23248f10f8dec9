/* Taking and putting elements by index. */
#include "core.h"

#define A f->v[0].a

static mx_array scalar_or_indices(PyObject *o) {
  if (py_is_array(o)) return py_handle(o);
  int64_t i;
  if (py_int64(o, &i) < 0) return NULL;
  return py_checked(mx_scalar_int(i, i == (int32_t)i ? MX_INT32 : MX_INT64));
}

FUNCTION(take, "a: array, /, indices: object, axis: axis? = None" STREAM,
         "The elements at indices (an int or an integer array) along an axis, or of the flattened array. An "
         "index that is out "
         "of range raises IndexError: at once for an int, at eval for an array.") {
  int64_t i, n = py_given(f, 2) ? mx_dim(A, (int)f->v[2].i) : mx_size(A);
  mx_array indices = scalar_or_indices(f->v[1].o);
  if (!indices) { return py_wrong_argument(f, 1, "an int or an array"); }
  if (!py_is_array(f->v[1].o) && py_int64(f->v[1].o, &i) == 0 && (i < -n || i >= n) &&
      (!py_given(f, 2) || (f->v[2].i < mx_ndim(A) && f->v[2].i >= -mx_ndim(A)))) {
    PyErr_Format(PyExc_IndexError, "[take] index %lld is out of range for size %lld", (long long)i,
                 (long long)n);
    return NULL;
  }
  return py_wrap(py_given(f, 2) ? mx_take(A, indices, (int)f->v[2].i) : mx_take_flat(A, indices));
}
FUNCTION(take_along_axis, "a: array, /, indices: array, axis: axis? = -1" STREAM,
         "For each position, the element whose place along the axis is the index there; None: of flattened "
         "arrays.") {
  bool flat = py_none(f, 2);
  mx_array a = flat ? mx_flatten(A, 0, -1) : A, i = flat ? mx_flatten(f->v[1].a, 0, -1) : f->v[1].a;
  return py_wrap(mx_take_along_axis(a, i, flat ? 0 : (int)f->v[2].i));
}
FUNCTION(put_along_axis, "a: array, /, indices: array, values: operand, axis: axis? = None" STREAM,
         "A copy of a with values put at the places that take_along_axis would take.") {
  mx_array v = py_weak_array(f->v[2].o, mx_dtype_of(A));
  if (!v) return NULL;
  v = mx_astype(v, mx_dtype_of(A));
  if (py_given(f, 3)) return py_wrap(mx_put_along_axis(A, f->v[1].a, v, (int)f->v[3].i, MX_UPDATE_SET));
  mx_array i = mx_flatten(f->v[1].a, 0, -1);
  if (mx_size(v) != mx_size(i)) v = mx_broadcast_to(v, mx_shape_ints(f->v[1].a));
  v = mx_flatten(v, 0, -1);
  mx_array r = mx_put_along_axis(mx_flatten(A, 0, -1), i, v, 0, MX_UPDATE_SET);
  return py_wrap(mx_reshape(r, mx_shape_ints(A)));
}
FUNCTION(slice, "a: array, start_indices: array, axes: axes, slice_size: ints" STREAM,
         "The part of slice_size (one int for each axis of a) that starts at start_indices along axes; "
         "starts are data.") {
  return py_wrap(mx_dynamic_slice(A, f->v[1].a, f->v[2].ints, f->v[3].ints));
}
FUNCTION(slice_update, "a: array, update: array, start_indices: array, axes: axes" STREAM,
         "A copy of a with update written at start_indices along axes; starts are data.") {
  return py_wrap(mx_dynamic_slice_update(A, mx_astype(f->v[1].a, mx_dtype_of(A)), f->v[2].a, f->v[3].ints));
}
