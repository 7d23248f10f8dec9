/* Making arrays: zeros, ranges, matrices, windows. */
#include "core.h"
#include <math.h>

#define SHAPED "shape: ints, dtype: dtype? = float32" STREAM

FUNCTION(zeros, SHAPED, "Zeros. shape: an int or a sequence of ints.") {
  return py_wrap(mx_zeros(f->v[0].ints, f->v[1].t));
}
FUNCTION(ones, SHAPED, "Ones. shape: an int or a sequence of ints.") {
  return py_wrap(mx_ones(f->v[0].ints, f->v[1].t));
}
FUNCTION(empty, SHAPED, "An array whose values don't matter (zeros).") {
  return py_wrap(mx_zeros(f->v[0].ints, f->v[1].t));
}

FUNCTION(full, "shape: ints, vals: operand, dtype: dtype? = None" STREAM,
         "An array filled with vals, a scalar or an array that broadcasts to the shape. A scalar takes dtype "
         "where its kind fits in it, as in MLX: an int is no bool and gives integers, a float no integer; "
         "True and False are bools, and astype casts anything.") {
  if (!py_is_operand(f->v[1].o)) {
    PyErr_SetString(PyExc_ValueError, "full(): expected an array or a scalar for argument 'vals'");
    return NULL;
  }
  bool weak = py_given(f, 2);
  mx_array v = weak ? py_weak_array(f->v[1].o, f->v[2].t) : py_to_array(f->v[1].o, -1);
  if (!v) return NULL;
  /* An integer or bool is cast to the dtype asked for; a float isn't cut to an integer. */
  mx_dtype t = weak && !py_is_array(f->v[1].o) && mx_dtype_of(v) == MX_BOOL ? f->v[2].t : mx_dtype_of(v);
  return py_wrap(mx_full(f->v[0].ints, v, t));
}

static PyObject *like(frame *f, mx_array (*make)(mx_array)) {
  mx_array r = make(f->v[0].a);
  return py_wrap(py_given(f, 1) ? mx_astype(r, f->v[1].t) : r);
}
#define LIKE "a: array, /, dtype: dtype? = None" STREAM
FUNCTION(zeros_like, LIKE, "Zeros of a's shape and, unless given, dtype.") { return like(f, mx_zeros_like); }
FUNCTION(ones_like, LIKE, "Ones of a's shape and, unless given, dtype.") { return like(f, mx_ones_like); }
FUNCTION(empty_like, LIKE, "An array of a's shape whose values don't matter (zeros).") {
  return like(f, mx_zeros_like);
}
FUNCTION(full_like, "a: array, vals: operand, dtype: dtype? = None" STREAM,
         "vals in a's shape and, unless given, dtype.") {
  mx_array a = f->v[0].a, v = py_to_array(f->v[1].o, -1);
  return v ? py_wrap(mx_full(mx_shape_ints(a), v, py_given(f, 2) ? f->v[2].t : mx_dtype_of(a))) : NULL;
}

/* ---- Ranges ---- */
#define NO_NUMBERS "arange(): expected ints or floats for start, stop and step"
static int number(PyObject *o, double *x, bool *floating, bool *wide) {
  if (PyBool_Check(o) || !(PyLong_Check(o) || PyFloat_Check(o) || PyIndex_Check(o))) {
    PyErr_SetString(PyExc_TypeError, NO_NUMBERS);
    return -1;
  }
  *floating |= PyFloat_Check(o) != 0;
  *x = PyFloat_AsDouble(o);
  *wide |= *x > INT32_MAX || *x < INT32_MIN;
  if (*x != -1 || !PyErr_Occurred()) return 0;
  if (!PyErr_ExceptionMatches(PyExc_TypeError)) return -1;
  PyErr_SetString(PyExc_TypeError, NO_NUMBERS); /* an array with dimensions has __index__ too */
  return -1;
}

FUNCTION(arange,
         "start: object? = None, stop: object? = None, step: object? = None, dtype: dtype? = None" STREAM,
         "arange(stop), arange(start, stop, step=1): start, start + step, ... before stop. dtype: int32 "
         "(int64 where "
         "needed) for ints, float32 when one is a float.") {
  double start = 0, stop = 0, step = 1;
  bool floating = false, wide = false;
  bool alone = py_given(f, 0) != py_given(f, 1); /* one bound is the stop */
  if (!py_given(f, 0) && !py_given(f, 1)) {
    PyErr_SetString(PyExc_TypeError, "arange(): expected at least a stop");
    return NULL;
  }
  if (number(f->v[alone && py_given(f, 0) ? 0 : 1].o, &stop, &floating, &wide) < 0) return NULL;
  if (!alone && number(f->v[0].o, &start, &floating, &wide) < 0) return NULL;
  if (py_given(f, 2) && number(f->v[2].o, &step, &floating, &wide) < 0) return NULL;
  mx_dtype t = py_given(f, 3) ? f->v[3].t : floating ? MX_FLOAT32 : wide ? MX_INT64 : MX_INT32;
  return py_wrap(mx_arange(start, stop, step, t));
}

FUNCTION(linspace,
         "start: float, stop: float, num: int = 50, endpoint: bool = True, dtype: dtype? = float32, stream: "
         "stream = None",
         "num evenly spaced values from start to stop, with stop itself when endpoint.") {
  return py_wrap(mx_linspace(f->v[0].d, f->v[1].d, f->v[2].i, f->v[3].b, f->v[4].t));
}

/* ---- Matrices ---- */
FUNCTION(eye, "n: int, m: int? = None, k: int = 0, dtype: dtype? = float32" STREAM,
         "An n x m matrix (m = n unless given) with ones on the k-th diagonal.") {
  return py_wrap(mx_eye(f->v[0].i, py_given(f, 1) ? f->v[1].i : f->v[0].i, f->v[2].i, f->v[3].t));
}
FUNCTION(identity, "n: int, dtype: dtype? = float32" STREAM, "The n x n identity matrix.") {
  return py_wrap(mx_eye(f->v[0].i, f->v[0].i, 0, f->v[1].t));
}
FUNCTION(tri, "n: int, m: int? = None, k: int = 0, dtype: dtype? = None" STREAM,
         "An n x m matrix with ones at and below the k-th diagonal; float32 unless given.") {
  return py_wrap(mx_tri(f->v[0].i, py_given(f, 1) ? f->v[1].i : f->v[0].i, f->v[2].i,
                        py_given(f, 3) ? f->v[3].t : MX_FLOAT32));
}
FUNCTION(tril, "x: array, k: int = 0" STREAM, "x with zeros above the k-th diagonal of its last two axes.") {
  return py_wrap(mx_tril(f->v[0].a, f->v[1].i));
}
FUNCTION(triu, "x: array, k: int = 0" STREAM, "x with zeros below the k-th diagonal of its last two axes.") {
  return py_wrap(mx_triu(f->v[0].a, f->v[1].i));
}
FUNCTION_AND_METHOD(diag, "a: array, /, k: int = 0" STREAM,
                    "A vector: the matrix with it on the k-th diagonal. A matrix: its k-th diagonal.") {
  return py_wrap(mx_diag(f->v[0].a, f->v[1].i));
}
FUNCTION_AND_METHOD(diagonal,
                    "a: array, offset: int = 0, axis1: axis = 0, axis2: axis = 1, stream: stream = None",
                    "The diagonal over two axes; it becomes the last axis.") {
  return py_wrap(mx_diagonal(f->v[0].a, f->v[1].i, (int)f->v[2].i, (int)f->v[3].i));
}
FUNCTION(trace, "a: array, /, offset: int = 0, axis1: axis = 0, axis2: axis = 1, dtype: dtype? = None" STREAM,
         "The sum of a diagonal.") {
  mx_array d = mx_diagonal(f->v[0].a, f->v[1].i, (int)f->v[2].i, (int)f->v[3].i);
  if (py_given(f, 4)) d = mx_astype(d, f->v[4].t);
  return py_wrap(mx_sum(d, MX_AXES(-1), false));
}

/* ---- Windows ---- w[n] = c0 - c1 cos(2 pi n / (M - 1)) + c2 cos(4 pi n / (M - 1)) ---- */
static PyObject *cosine_window(int64_t m, double c0, double c1, double c2) {
  if (m < 1) return py_wrap(mx_zeros(MX_SHAPE(0), MX_FLOAT32));
  if (m == 1) return py_wrap(mx_ones(MX_SHAPE(1), MX_FLOAT32));
  mx_array n = mx_arange(0, (double)m, 1, MX_FLOAT32);
  mx_array angle = mx_multiply(n, mx_float(2 * M_PI / (double)(m - 1)));
  mx_array even = mx_float(c0); /* the terms that cancel at the ends come last: 0.42 + 0.08 - 0.5 is 0 */
  if (c2 != 0) even = mx_add(even, mx_multiply(mx_float(c2), mx_cos(mx_multiply(angle, mx_float(2)))));
  mx_array w = mx_subtract(even, mx_multiply(mx_float(c1), mx_cos(angle)));
  return py_wrap(w);
}
FUNCTION(hanning, "M: int" STREAM, "The Hann window of M points, float32.") {
  return cosine_window(f->v[0].i, 0.5, 0.5, 0);
}
FUNCTION(hamming, "M: int" STREAM, "The Hamming window of M points, float32.") {
  return cosine_window(f->v[0].i, 0.54, 0.46, 0);
}
FUNCTION(blackman, "M: int" STREAM, "The Blackman window of M points, float32.") {
  return cosine_window(f->v[0].i, 0.42, 0.5, 0.08);
}
FUNCTION(bartlett, "M: int" STREAM, "The triangular window of M points, float32.") {
  int64_t m = f->v[0].i;
  if (m < 1) return py_wrap(mx_zeros(MX_SHAPE(0), MX_FLOAT32));
  if (m == 1) return py_wrap(mx_ones(MX_SHAPE(1), MX_FLOAT32));
  mx_array n = mx_arange(0, (double)m, 1, MX_FLOAT32), half = mx_float((double)(m - 1) / 2);
  return py_wrap(mx_subtract(mx_float(1), mx_divide(mx_abs(mx_subtract(n, half)), half)));
}
