/* Distinct elements, and the places of elements. */
#include "core.h"
#include <string.h>

#define A f->v[0].a

FUNCTION(
    unique,
    "a: array, /, size: int? = None, return_index: bool = False, return_inverse: bool = False, "
    "return_counts: bool = False, fill_value: operand? = None, *, stream: stream = None -> array | "
    "tuple[array, ...]",
    "The sorted distinct elements of a, flattened: size of them, cut off or filled up with fill_value "
    "(None: the first of them). With size None there are as many as there are, and a is evaluated: the "
    "call waits. On request also, in a tuple: the place of the first occurrence of each (uint32), where "
    "each element of a went (uint32, a's shape), how often each occurs (int32; 0 for filling). Every NaN "
    "is distinct.") {
  mx_array fill = NULL, found[4], out[4];
  if (py_given(f, 5) && !(fill = py_weak_array(f->v[5].o, mx_dtype_of(A)))) return NULL;
  int64_t size = f->v[1].i;
  if (!py_given(f, 1)) {
    mx_array a = py_lend(A); // without the lock another thread may swap it
    PyThreadState *state = py_unlock();
    size = mx_count_unique(a);
    py_lock(state);
    if (size < 0) return py_raise();
  }
  bool wanted[] = {true, f->v[2].b, f->v[3].b, f->v[4].b};
  if (mx_unique(A, size, fill, &found[0], wanted[1] ? &found[1] : NULL, wanted[2] ? &found[2] : NULL,
                wanted[3] ? &found[3] : NULL) < 0)
    return py_raise();
  int n = 0;
  for (int i = 0; i < 4; i++)
    if (wanted[i]) out[n++] = found[i];
  return n == 1 ? py_wrap(out[0]) : py_wrap_tuple(n, out);
}

static mx_array argwhere(mx_array a) {
  py_lend(a); // without the lock another thread may swap it
  PyThreadState *state = py_unlock();
  mx_array places = mx_argwhere(a);
  py_lock(state);
  return places;
}

FUNCTION(argwhere, "a: array, /" STREAM,
         "The places of the elements other than 0, (count, ndim) int64, in row-major order. Evaluates a: the "
         "call waits.") {
  return py_wrap(argwhere(A));
}
FUNCTION(
    nonzero, "a: array, /" STREAM " -> tuple[array, ...]",
    "The places of the elements other than 0: a tuple of one int64 array for each axis. Evaluates a: the "
    "call waits.") {
  int n = mx_ndim(A);
  mx_array columns[MX_MAX_NDIM];
  if (n == 0) {
    PyErr_SetString(PyExc_ValueError, "[nonzero] expected at least 1 dimension, got 0");
    return NULL;
  }
  mx_array places = argwhere(A);
  return mx_unstack(places, 1, columns) < 0 ? py_raise() : py_wrap_tuple(n, columns);
}

FUNCTION(searchsorted, "sorted_sequence: array, values: value, /, side: str = 'left'" STREAM,
         "For each value, where to insert it into a sorted vector, uint32. side 'left': before equal "
         "elements; 'right': after. NaN comes last.") {
  bool right = !strcmp(f->v[2].s, "right");
  if (!right && strcmp(f->v[2].s, "left")) {
    PyErr_Format(PyExc_ValueError, "[searchsorted] expected side 'left' or 'right', got '%s'", f->v[2].s);
    return NULL;
  }
  return py_wrap(mx_searchsorted(A, f->v[1].a, right));
}
