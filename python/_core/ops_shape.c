/* Shapes: reshaping, moving and joining axes, padding, repeating. */
#include "core.h"
#include <string.h>

#define A f->v[0].a

FUNCTION(reshape, "a: array, /, shape: ints" STREAM,
         "The same elements, row-major, in another shape; one dim may be -1.") {
  return py_wrap(mx_reshape(A, f->v[1].ints));
}
/* Methods that take the ints one by one or as one sequence. 1: read into v; 0: none; -1: an exception. */
static int rest_ints(frame *f, mx_ints *out, int64_t **owned) {
  *owned = NULL;
  *out = MX_NO_SHAPE;
  if (f->nrest == 0) return 0;
  int n;
  if (f->nrest == 1 && !PyLong_Check(f->rest[0])) {
    n = py_int_list(f->rest[0], owned);
  } else {
    *owned = PyMem_Malloc(sizeof(int64_t) * (size_t)f->nrest);
    if (!*owned) return PyErr_NoMemory(), -1;
    for (n = 0; n < f->nrest; n++)
      if (py_int64(f->rest[n], *owned + n) < 0) break;
    if (n < f->nrest) n = -1;
  }
  if (n < 0) {
    py_wrong_rest(f, f->rest[0], "ints or one sequence of ints");
    PyMem_Free(*owned);
    *owned = NULL;
    return -1;
  }
  *out = (mx_ints){*owned, n};
  return 1;
}
static PyObject *method_reshape_body(frame *f) {
  int64_t *owned;
  mx_ints shape;
  if (rest_ints(f, &shape, &owned) < 0) return NULL;
  PyObject *r = py_wrap(mx_reshape(A, shape));
  PyMem_Free(owned);
  return r;
}
static PyObject *method_transpose_body(frame *f) {
  int64_t *owned;
  mx_ints axes;
  int given = f->nrest == 1 && f->rest[0] == Py_None ? 0 : rest_ints(f, &axes, &owned);
  if (given < 0) return NULL;
  PyObject *r = py_wrap(mx_transpose(A, given ? axes : MX_ALL_AXES));
  if (given) PyMem_Free(owned);
  return r;
}
METHOD_ROW(reshape, "self: array, *shape, stream: stream = None",
           "The same elements in another shape, given as ints or one sequence; one dim may be -1.");
METHOD_ROW(transpose, "self: array, *axes, stream: stream = None",
           "The axes in another order, given as ints or one sequence; reversed without arguments.");

FUNCTION_AND_METHOD(flatten, "a: array, /, start_axis: axis = 0, end_axis: axis = -1" STREAM,
                    "Axes start_axis to end_axis joined into one.") {
  return py_wrap(mx_flatten(A, (int)f->v[1].i, (int)f->v[2].i));
}
FUNCTION(unflatten, "a: array, /, axis: axis, shape: ints" STREAM,
         "One axis split into several; one of them may be -1.") {
  return py_wrap(mx_unflatten(A, (int)f->v[1].i, f->v[2].ints));
}
FUNCTION_AND_METHOD(squeeze, "a: array, /, axis: axes? = None" STREAM,
                    "Without the given axes, which should have size 1; None: without all such axes.") {
  return py_wrap(mx_squeeze(A, f->v[1].ints));
}
FUNCTION(expand_dims, "a: array, /, axis: axes" STREAM,
         "With new axes of size 1 at these places of the result.") {
  return py_wrap(mx_expand_dims(A, f->v[1].ints));
}
FUNCTION(flip, "a: array, /, axis: axes? = None" STREAM,
         "The elements in reverse order along the axes (all: None).") {
  return py_wrap(mx_flip(A, f->v[1].ints));
}
FUNCTION_AND_METHOD(moveaxis, "a: array, /, source: axis, destination: axis" STREAM,
                    "One axis moved to another place.") {
  return py_wrap(mx_moveaxis(A, (int)f->v[1].i, (int)f->v[2].i));
}
FUNCTION_AND_METHOD(swapaxes, "a: array, /, axis1: axis, axis2: axis" STREAM, "Two axes exchanged.") {
  return py_wrap(mx_swapaxes(A, (int)f->v[1].i, (int)f->v[2].i));
}
FUNCTION(transpose, "a: array, /, axes: axes? = None" STREAM,
         "The axes in another order; reversed when None.") {
  return py_wrap(mx_transpose(A, f->v[1].ints));
}
FUNCTION(permute_dims, "a: array, /, axes: axes? = None" STREAM, "See transpose.") {
  return py_wrap(mx_transpose(A, f->v[1].ints));
}
FUNCTION(matrix_transpose, "a: array, /" STREAM, "The last two axes exchanged.") {
  if (mx_ndim(A) < 2) {
    PyErr_Format(PyExc_ValueError, "[matrix_transpose] expected at least 2 dimensions, got %d", mx_ndim(A));
    return NULL;
  }
  return py_wrap(mx_swapaxes(A, -1, -2));
}

/* ---- Broadcasting ---- */
FUNCTION(broadcast_to, "a: value, /, shape: ints" STREAM,
         "A view in a larger shape: axes of size 1 repeat.") {
  return py_wrap(mx_broadcast_to(A, f->v[1].ints));
}
int py_rest_arrays(frame *f, mx_array **out) {
  *out = PyMem_Malloc(sizeof **out * (size_t)(2 * f->nrest + 1));
  if (!*out) return PyErr_NoMemory(), -1;
  for (Py_ssize_t i = 0; i < f->nrest; i++) {
    if (py_is_array(f->rest[i])) {
      (*out)[i] = py_handle(f->rest[i]);
      continue;
    }
    PyMem_Free(*out);
    return py_wrong_type(f->f->name, "arrays", f->rest[i]);
  }
  return (int)f->nrest;
}
FUNCTION(broadcast_arrays, "*arrays, stream: stream = None -> list[array]",
         "A list of the arrays as views in their common shape.") {
  mx_array *in;
  int n = py_rest_arrays(f, &in);
  if (n < 0) return NULL;
  PyObject *r = n && mx_broadcast_arrays(n, in, in + n) < 0 ? py_raise() : py_wrap_list(n, in + n);
  PyMem_Free(in);
  return r;
}
FUNCTION(broadcast_shapes, "*shapes -> tuple[int, ...]",
         "The common shape of several shapes. ValueError when there is none.") {
  int64_t total[MX_MAX_NDIM] = {0}, next[MX_MAX_NDIM];
  int n = 0;
  if (f->nrest == 0) {
    PyErr_SetString(PyExc_ValueError, "[broadcast_shapes] expected at least one shape, got none");
    return NULL;
  }
  for (Py_ssize_t i = 0; i < f->nrest; i++) {
    int64_t *v;
    int m = py_int_list(f->rest[i], &v);
    if (m < 0) return py_wrong_rest(f, f->rest[i], "shapes, sequences of ints");
    mx_ints pair[2] = {{total, n}, {v, m}};
    n = mx_broadcast_shapes(2, pair, next);
    PyMem_Free(v);
    if (n < 0) return py_raise();
    memcpy(total, next, sizeof *total * (size_t)n);
  }
  return py_shape_tuple((mx_ints){total, n});
}
FUNCTION(meshgrid,
         "*arrays, sparse: bool? = False, indexing: str? = 'xy', stream: stream = None -> tuple[array, ...]",
         "Coordinate arrays of a grid over vectors. indexing 'xy': the first vector runs along the second "
         "axis; 'ij': along "
         "the first. sparse: the other axes have size 1.") {
  bool ij = !strcmp(f->v[1].s, "ij");
  if (!ij && strcmp(f->v[1].s, "xy")) {
    PyErr_SetString(PyExc_ValueError, "[meshgrid] expected indexing 'xy' or 'ij'");
    return NULL;
  }
  mx_array *in;
  int n = py_rest_arrays(f, &in);
  if (n < 0) return NULL;
  PyObject *r = mx_meshgrid(n, in, f->v[0].b, ij, in + n) < 0 ? py_raise() : py_wrap_tuple(n, in + n);
  PyMem_Free(in);
  return r;
}

/* atleast_1d ...: where new axes go, by the array's ndim. */
static mx_array at_least(mx_array a, int ndim) {
  static const int64_t none[1], axes_2d[3][2] = {{0, 1}, {0}}, axes_3d[3][3] = {{0, 1, 2}, {0, 2}, {2}};
  (void)none;
  int have = mx_ndim(a);
  if (have >= ndim) return a;
  return mx_expand_dims(a, (mx_ints){ndim == 3   ? axes_3d[have]
                                     : ndim == 2 ? axes_2d[have]
                                                 : axes_2d[0],
                                     ndim - have});
}
static PyObject *at_least_all(frame *f, int ndim) {
  mx_array *in;
  int n = py_rest_arrays(f, &in);
  if (n < 0) return NULL;
  for (int i = 0; i < n; i++) in[i] = at_least(in[i], ndim);
  PyObject *r = n == 1 ? py_wrap(in[0]) : py_wrap_list(n, in);
  PyMem_Free(in);
  return r;
}
FUNCTION(atleast_1d, "*arys, stream: stream = None -> array | list[array]",
         "Arrays with at least one axis; one array, or a list of several.") {
  return at_least_all(f, 1);
}
FUNCTION(atleast_2d, "*arys, stream: stream = None -> array | list[array]",
         "Arrays with at least two axes; one array, or a list of several.") {
  return at_least_all(f, 2);
}
FUNCTION(atleast_3d, "*arys, stream: stream = None -> array | list[array]",
         "Arrays with at least three axes; one array, or a list of several.") {
  return at_least_all(f, 3);
}

/* ---- Joining and splitting ---- */
static PyObject *join(frame *f, bool stack) {
  mx_array *in;
  int n = py_array_list(f->f->name, f->v[0].o, &in);
  if (n < 0) return NULL;
  bool flat = py_none(f, 1);
  if (flat && !stack)
    for (int i = 0; i < n; i++) in[i] = mx_flatten(in[i], 0, -1);
  int axis = flat ? 0 : (int)f->v[1].i;
  mx_array r = stack ? mx_stack(n, in, axis) : mx_concatenate(n, in, axis);
  PyMem_Free(in);
  return py_wrap(r);
}
#define JOIN_SIGNATURE "arrays: object, axis: axis? = 0" STREAM
FUNCTION(concatenate, JOIN_SIGNATURE, "A list of arrays joined along an axis; None: flattened and joined.") {
  return join(f, false);
}
FUNCTION(concat, JOIN_SIGNATURE, "See concatenate.") { return join(f, false); }
FUNCTION(stack, JOIN_SIGNATURE, "A list of arrays of one shape joined along a new axis.") {
  return join(f, true);
}

FUNCTION_AND_METHOD(
    split, "a: array, /, indices_or_sections: object, axis: axis = 0" STREAM " -> list[array]",
    "A list of parts along an axis: an int gives that many equal ones, a sequence where to cut.") {
  int64_t *at = NULL;
  int parts, axis = (int)f->v[2].i;
  bool equal = py_is_integer(f->v[1].o);
  int n = py_int_list(f->v[1].o, &at);
  if (n < 0) return py_wrong_argument(f, 1, "an int or a sequence of ints");
  parts = equal ? (at[0] > 0 && at[0] < INT32_MAX ? (int)at[0] : 0) : n + 1;
  PyObject *r = NULL;
  mx_array *out = parts ? PyMem_Malloc(sizeof *out * (size_t)parts) : NULL;
  if (!parts)
    PyErr_SetString(PyExc_ValueError, "[split] expected a positive number of parts");
  else if (!out)
    PyErr_NoMemory();
  else {
    int status = equal ? mx_split(A, parts, axis, out) : mx_split_at(A, (mx_ints){at, n}, axis, out);
    r = status < 0 ? py_raise() : py_wrap_list(parts, out);
  }
  PyMem_Free(out);
  PyMem_Free(at);
  return r;
}
FUNCTION(unstack, "x: array, /, *, axis: axis = 0, stream: stream = None -> tuple[array, ...]",
         "A tuple of the slices along an axis, without it.") {
  int64_t n = mx_dim(f->v[0].a, (int)f->v[1].i);
  mx_array *out = PyMem_Malloc(sizeof *out * (size_t)(n + 1));
  if (!out) return PyErr_NoMemory();
  PyObject *r = mx_unstack(f->v[0].a, (int)f->v[1].i, out) < 0 ? py_raise() : py_wrap_tuple((int)n, out);
  PyMem_Free(out);
  return r;
}

/* ---- Repeating, rolling, padding ---- */
FUNCTION(repeat, "array: array, repeats: int, axis: axis? = None" STREAM,
         "Every element repeated along an axis; None: of the flattened array.") {
  mx_array a = py_given(f, 2) ? A : mx_flatten(A, 0, -1);
  return py_wrap(mx_repeat(a, f->v[1].i, py_given(f, 2) ? (int)f->v[2].i : 0));
}
FUNCTION(tile, "a: array, reps: ints, /" STREAM, "The whole array repeated along its axes.") {
  return py_wrap(mx_tile(A, f->v[1].ints));
}
FUNCTION(roll, "a: array, shift: ints, axis: axes? = None" STREAM,
         "Elements moved by shift along axes, around the end; axis None: over the flattened array.") {
  mx_ints shift = f->v[1].ints, axes = f->v[2].ints;
  if (!py_given(f, 2)) {
    int64_t total = 0, size = mx_size(A) > 0 ? mx_size(A) : 1;
    for (int i = 0; i < shift.n; i++) total = (total + shift.v[i] % size) % size;
    mx_array flat = mx_roll(mx_flatten(A, 0, -1), MX_SHAPE(total), MX_AXES(0));
    return py_wrap(mx_reshape(flat, mx_shape_ints(A)));
  }
  int64_t each[FRAME_INTS];
  if (axes.n == 1 && shift.n > 1) { /* several shifts of one axis add up */
    each[0] = 0;
    for (int i = 0; i < shift.n; i++)
      if (__builtin_add_overflow(each[0], shift.v[i], &each[0])) {
        PyErr_SetString(PyExc_ValueError, "[roll] expected shifts whose sum fits in 64 bits");
        return NULL;
      }
    shift = (mx_ints){each, 1};
  }
  if (shift.n == 1 && axes.n <= FRAME_INTS) { /* one shift serves all axes */
    for (int i = 0; i < axes.n; i++) each[i] = shift.v[0];
    shift = (mx_ints){each, axes.n};
  }
  if (shift.n != axes.n) {
    PyErr_Format(PyExc_ValueError, "[roll] expected one shift or one for each axis, got %d for %d", shift.n,
                 axes.n);
    return NULL;
  }
  return py_wrap(mx_roll(A, shift, axes));
}

/* Elements before and after each axis: an int, (both,), (before, after), or one pair (or [pair]) for each
 * axis. */
static int read_pad_width(PyObject *o, int ndim, int64_t *low, int64_t *high) {
  int64_t *flat = NULL;
  bool nested = PySequence_Check(o) && !py_is_array(o) && PySequence_Size(o) > 0;
  if (nested) {
    PyObject *first = PySequence_GetItem(o, 0);
    nested = first && PySequence_Check(first);
    Py_XDECREF(first);
  }
  if (!nested) {
    int n = py_int_list(o, &flat);
    if (n < 0) return -1;
    for (int i = 0; i < ndim && n; i++) low[i] = flat[0], high[i] = flat[n > 1];
    PyMem_Free(flat);
    if (n == 1 || n == 2 || (n == 0 && ndim == 0)) return 0;
    PyErr_SetString(PyExc_ValueError, "[pad] expected an int, (low, high) or one pair for each axis");
    return -1;
  }
  Py_ssize_t n = PySequence_Size(o);
  if (n != 1 && n != ndim) {
    PyErr_Format(PyExc_ValueError, "[pad] expected one pair or %d pairs, got %zd", ndim, n);
    return -1;
  }
  for (int i = 0; i < ndim; i++) {
    PyObject *pair = PySequence_GetItem(o, n == 1 ? 0 : i);
    int m = pair ? py_int_list(pair, &flat) : -1;
    Py_XDECREF(pair);
    if (m < 0) return -1;
    if (m) low[i] = flat[0], high[i] = flat[m > 1];
    PyMem_Free(flat);
    if (m < 1 || m > 2) {
      PyErr_SetString(PyExc_ValueError, "[pad] expected pairs (low, high)");
      return -1;
    }
  }
  return 0;
}
FUNCTION(pad, "a: array, pad_width: object, mode: str = 'constant', constant_values: operand = 0" STREAM,
         "More elements before and after each axis: an int, (low, high), or a pair for each axis. mode: "
         "'constant', 'edge', "
         "'reflect' or 'symmetric'.") {
  static const char *const modes[] = {"constant", "edge", "reflect", "symmetric"};
  int64_t low[MX_MAX_NDIM], high[MX_MAX_NDIM];
  int mode = 0, ndim = mx_ndim(A);
  while (mode < 4 && strcmp(modes[mode], f->v[2].s)) mode++;
  if (mode == 4) {
    PyErr_Format(PyExc_ValueError, "[pad] expected mode constant, edge, reflect or symmetric, got '%s'",
                 f->v[2].s);
    return NULL;
  }
  if (read_pad_width(f->v[1].o, ndim, low, high) < 0)
    return py_wrong_argument(f, 1, "an int, (low, high) or one pair for each axis");
  mx_array value = py_given(f, 3) ? py_weak_array(f->v[3].o, mx_dtype_of(A)) : NULL;
  if (py_given(f, 3) && !value) return NULL;
  return py_wrap(mx_pad(A, (mx_ints){low, ndim}, (mx_ints){high, ndim}, (mx_pad_mode)mode, value));
}

/* ---- Memory layout ---- */
FUNCTION(contiguous, "a: array, /, allow_col_major: bool = False" STREAM,
         "a in row-major layout; a copy only when it isn't.") {
  return py_wrap(mx_contiguous(A, f->v[1].b));
}
FUNCTION(as_strided, "a: array, /, shape: ints? = None, strides: ints? = None, offset: int = 0" STREAM,
         "A view of a's row-major elements with any shape, strides (in elements) and offset. Element ranges "
         "are checked.") {
  int64_t row_major[MX_MAX_NDIM], stride = 1;
  mx_ints shape = py_given(f, 1) ? f->v[1].ints : mx_shape_ints(A), strides = f->v[2].ints;
  if (shape.n > MX_MAX_NDIM) {
    PyErr_Format(PyExc_ValueError, "[as_strided] expected at most %d dimensions, got %d", MX_MAX_NDIM,
                 shape.n);
    return NULL;
  }
  if (!py_given(f, 2)) {
    for (int i = shape.n - 1; i >= 0; i--) {
      row_major[i] = stride;
      if (__builtin_mul_overflow(stride, shape.v[i], &stride))
        stride = 0; /* the shape itself is refused below */
    }
    strides = (mx_ints){row_major, shape.n};
  }
  return py_wrap(mx_as_strided(A, shape, strides, f->v[3].i));
}
FUNCTION(depends, "inputs: object, dependencies: object -> array | list[array]",
         "The inputs, evaluated only after the dependencies. Arrays or sequences of arrays.") {
  PyObject *single_in = py_is_array(f->v[0].o) ? PyTuple_Pack(1, f->v[0].o) : Py_NewRef(f->v[0].o);
  PyObject *single_dep = py_is_array(f->v[1].o) ? PyTuple_Pack(1, f->v[1].o) : Py_NewRef(f->v[1].o);
  mx_array *in = NULL, *dependencies = NULL, *out = NULL;
  PyObject *r = NULL;
  int n = single_in ? py_array_list("depends", single_in, &in) : -1;
  int m = n >= 0 && single_dep ? py_array_list("depends", single_dep, &dependencies) : -1;
  if (m >= 0) {
    out = PyMem_Malloc(sizeof *out * (size_t)(n + 1));
    if (!out)
      PyErr_NoMemory();
    else if (mx_depends(n, in, m, dependencies, out) < 0)
      py_raise();
    else
      r = py_is_array(f->v[0].o) ? py_wrap(out[0]) : py_wrap_list(n, out);
  }
  PyMem_Free(in);
  PyMem_Free(dependencies);
  PyMem_Free(out);
  Py_XDECREF(single_in);
  Py_XDECREF(single_dep);
  return r;
}
