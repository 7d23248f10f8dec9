/* Products of matrices and vectors. */
#include "core.h"
#include <string.h>

#define A f->v[0].a
#define B f->v[1].a

#define PAIR "a: array, b: array, /" STREAM
FUNCTION(matmul, PAIR,
         "The matrix product of the last two axes; leading axes broadcast. A vector joins in as in NumPy.") {
  return py_wrap(mx_matmul(A, B));
}
FUNCTION(inner, PAIR, "The sum of products over the last axis of both.") { return py_wrap(mx_inner(A, B)); }
FUNCTION(outer, PAIR, "All products of elements of two vectors, (N, M).") { return py_wrap(mx_outer(A, B)); }
FUNCTION(vecdot, "a: array, b: array, /, *, axis: axis = -1, stream: stream = None",
         "The sum of products along an axis, with a conjugated.") {
  mx_array a = mx_dtype_of(A) == MX_COMPLEX64 ? mx_conjugate(A) : A;
  return py_wrap(mx_sum(mx_multiply(a, B), MX_AXES(f->v[2].i), false));
}
FUNCTION(addmm, "c: array, a: array, b: array, /, alpha: float = 1.0, beta: float = 1.0" STREAM,
         "alpha a b + beta c.") {
  return py_wrap(mx_addmm(A, B, f->v[2].a, f->v[3].d, f->v[4].d));
}
FUNCTION(tensordot, "a: array, b: array, /, axes: object = 2" STREAM,
         "The sum of products over the last `axes` axes of a and the first of b, or over the axes that two "
         "lists name.") {
  if (py_given(f, 2) && !PyLong_Check(f->v[2].o)) {
    int64_t *x = NULL, *y = NULL;
    PyObject *o = f->v[2].o;
    if (!PySequence_Check(o) || py_is_array(o) || PyUnicode_Check(o) || PySequence_Size(o) != 2) {
      PyErr_SetString(PyExc_ValueError, "[tensordot] expected an int or a pair of sequences of ints as axes");
      return NULL;
    }
    PyObject *first = PySequence_GetItem(o, 0), *second = first ? PySequence_GetItem(o, 1) : NULL;
    int n = second ? py_int_list(first, &x) : -1, m = n < 0 ? -1 : py_int_list(second, &y);
    PyObject *r = m < 0 ? py_wrong_argument(f, 2, "an int or a pair of sequences of ints")
                        : py_wrap(mx_tensordot(A, B, (mx_ints){x, n}, (mx_ints){y, m}));
    Py_XDECREF(first);
    Py_XDECREF(second);
    PyMem_Free(x);
    PyMem_Free(y);
    return r;
  }
  int64_t count = 2, last[MX_MAX_NDIM], front[MX_MAX_NDIM];
  if (py_given(f, 2) && py_int64(f->v[2].o, &count) < 0) return py_wrong_argument(f, 2, "an int");
  if (count < 0 || count > mx_ndim(A) || count > mx_ndim(B)) {
    PyErr_Format(PyExc_ValueError, "[tensordot] expected between 0 and %d axes, got %lld",
                 mx_ndim(A) < mx_ndim(B) ? mx_ndim(A) : mx_ndim(B), (long long)count);
    return NULL;
  }
  for (int i = 0; i < count; i++) last[i] = mx_ndim(A) - count + i, front[i] = i;
  return py_wrap(mx_tensordot(A, B, (mx_ints){last, (int)count}, (mx_ints){front, (int)count}));
}
FUNCTION(kron, "a: array, b: array" STREAM, "The Kronecker product: every element of a times all of b.") {
  int na = mx_ndim(A), nb = mx_ndim(B), n = na > nb ? na : nb;
  int64_t x[MX_MAX_NDIM], y[MX_MAX_NDIM], both[MX_MAX_NDIM];
  if (2 * n > MX_MAX_NDIM) {
    PyErr_Format(PyExc_ValueError, "[kron] expected at most %d dimensions, got %d", MX_MAX_NDIM / 2, n);
    return NULL;
  }
  for (int i = 0; i < n; i++) { /* a as (n0, 1, n1, 1 ...), b as (1, m0, 1, m1 ...) */
    int64_t da = i < n - na ? 1 : mx_dim(A, i - (n - na)), db = i < n - nb ? 1 : mx_dim(B, i - (n - nb));
    x[2 * i] = da, x[2 * i + 1] = 1;
    y[2 * i] = 1, y[2 * i + 1] = db;
    if (__builtin_mul_overflow(da, db, &both[i])) both[i] = INT64_MAX; /* refused by reshape */
  }
  mx_array p = mx_multiply(mx_reshape(A, (mx_ints){x, 2 * n}), mx_reshape(B, (mx_ints){y, 2 * n}));
  return py_wrap(mx_reshape(p, (mx_ints){both, n}));
}
