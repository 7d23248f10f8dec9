/* Reads the keys of x[key]: ints, slices, None, ..., index arrays, lists, boolean masks, and tuples of them.
 */
#include "index_key.h"
#include <string.h>

static int fail(PyObject *type, const char *text) {
  PyErr_SetString(type, text);
  return -1;
}

static bool is_int(PyObject *o) {
  if (PyBool_Check(o)) return false;
  return PyLong_Check(o) ||
         (PyIndex_Check(o) && !py_is_array(o) && !PyObject_HasAttrString(o, "__array__")) ||
         (PyIndex_Check(o) && !py_is_array(o) && !PySequence_Check(o));
}

static int add_item(key_items *k, item i) {
  if (k->n == MAX_ITEMS) return fail(PyExc_ValueError, "[index] expected at most 64 indices");
  k->v[k->n++] = i;
  return 0;
}

static int add_int(key_items *k, PyObject *o, int axis) {
  int64_t i, n = mx_dim(k->a, axis);
  if (py_int64(o, &i) < 0)
    return PyErr_ExceptionMatches(PyExc_OverflowError)
               ? fail(PyExc_IndexError, "[index] expected an index of 64 bits, got a larger one")
               : -1;
  if (i < -n || i >= n) {
    PyErr_Format(PyExc_IndexError, "[index] index %lld is out of range for axis %d with size %lld",
                 (long long)i, axis, (long long)n);
    return -1;
  }
  if (i < 0) i += n;
  return add_item(k, (item){ITEM_INT, axis, i, i + 1, 1, 1, NULL});
}

/* A bound or step of a slice: None, an int, or an integer array of 0 dimensions, which is evaluated. A new
 * reference, or NULL with the exception. */
static PyObject *slice_part(PyObject *slice, const char *name, bool *evaluated) {
  PyObject *v = PyObject_GetAttrString(slice, name), *r = NULL;
  if (!v || v == Py_None) return v;
  mx_array a = py_is_array(v) ? py_handle(v) : NULL;
  if (!a && PyIndex_Check(v)) return v;
  if (a && mx_ndim(a) == 0 && mx_dtype_of(a) >= MX_UINT8 && mx_dtype_of(a) <= MX_INT64)
    r = PyNumber_Index(v), *evaluated = true;
  else
    fail(PyExc_ValueError, "[index] expected ints or None in a slice");
  Py_DECREF(v);
  return r;
}

static int unpack_slice(PyObject *o, Py_ssize_t *start, Py_ssize_t *stop, Py_ssize_t *step) {
  static const char *const names[] = {"start", "stop", "step"};
  PyObject *parts[3] = {NULL}, *numbers = NULL;
  bool evaluated = false;
  for (int i = 0; i < 3 && (i == 0 || parts[i - 1]); i++) parts[i] = slice_part(o, names[i], &evaluated);
  if (parts[2]) numbers = evaluated ? PySlice_New(parts[0], parts[1], parts[2]) : Py_NewRef(o);
  for (int i = 0; i < 3; i++) Py_XDECREF(parts[i]);
  int status = numbers ? PySlice_Unpack(numbers, start, stop, step) : -1;
  if (numbers && status < 0 && PyErr_ExceptionMatches(PyExc_ValueError)) {
    PyErr_Clear();
    fail(PyExc_ValueError, "[index] expected a slice whose step is not zero");
  }
  Py_XDECREF(numbers);
  return status;
}

static int add_slice(key_items *k, PyObject *o, int axis) {
  Py_ssize_t start, stop, step;
  if (unpack_slice(o, &start, &stop, &step) < 0) return -1;
  Py_ssize_t n = PySlice_AdjustIndices((Py_ssize_t)mx_dim(k->a, axis), &start, &stop, step);
  /* After adjusting, a stop of -1 with a negative step means "through element 0": the library counts
     negatives from the end, so say it as a number below every element. */
  if (n == 0) start = stop = 0, step = 1;
  if (step < 0 && stop < 0) stop = -(Py_ssize_t)mx_dim(k->a, axis) - 1;
  return add_item(k, (item){ITEM_SLICE, axis, start, stop, step, n, NULL});
}

static int add_full(key_items *k, int axis) {
  int64_t n = mx_dim(k->a, axis);
  return add_item(k, (item){ITEM_SLICE, axis, 0, n, 1, n, NULL});
}

static int add_array(key_items *k, mx_array indices, int axis) {
  mx_dtype t = mx_dtype_of(indices);
  if (t > MX_INT64)
    return fail(PyExc_ValueError, "[index] expected indices of an integer dtype, got another");
  k->narrays++;
  return add_item(k, (item){ITEM_ARRAY, axis, 0, 0, 1, 1, indices});
}

int py_mask_places(mx_array a, mx_array mask, int axis, mx_array *places) {
  for (int i = 0; i < mx_ndim(mask); i++)
    if (axis + i >= mx_ndim(a) || mx_dim(mask, i) != mx_dim(a, axis + i)) {
      PyErr_Format(
          PyExc_IndexError,
          "[index] expected a boolean mask of the sizes of the axes from %d on, got size %lld for its "
          "axis %d",
          axis, (long long)mx_dim(mask, i), i);
      return -1;
    }
  if (py_eval(1, &mask) < 0) return -1;
  *places = py_checked(mx_argwhere(mask));
  return *places ? 0 : -1;
}
static int add_mask(key_items *k, mx_array mask, int axis) {
  mx_array places, columns[MX_MAX_NDIM];
  if (mx_ndim(mask) == 0)
    return fail(PyExc_ValueError, "[index] expected a boolean mask of 1 dimension or more, got 0");
  if (py_mask_places(k->a, mask, axis, &places) < 0) return -1;
  if (mx_unstack(places, 1, columns) < 0) return py_raise(), -1;
  for (int i = 0; i < mx_ndim(mask); i++)
    if (add_array(k, columns[i], axis + i) < 0) return -1;
  return 0;
}
static bool is_mask(mx_array a) { return a && mx_dtype_of(a) == MX_BOOL; }

/* An index array from an array, a list of ints, or a buffer of integers; NULL without an exception for
 * another object. */
static mx_array index_array(PyObject *o) {
  if (py_is_array(o)) return py_lend(py_handle(o));
  if (PyList_Check(o) || (PyObject_CheckBuffer(o) && !PyBytes_Check(o))) return py_to_array(o, -1);
  return NULL;
}

static PyObject *key_item(PyObject *key, Py_ssize_t i) {
  return PyTuple_Check(key) ? PyTuple_GetItem(key, i) : key;
}

/* The index arrays among the items of a key, and how many axes all items name. */
typedef struct key_arrays {
  mx_array v[MAX_ITEMS]; /* NULL for other items */
  int used;
  bool ellipsis;
} key_arrays;

static int read_index_arrays(PyObject *key, Py_ssize_t n, key_arrays *r) {
  *r = (key_arrays){.used = 0};
  if (n > MAX_ITEMS) return fail(PyExc_ValueError, "[index] expected at most 64 indices");
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *o = key_item(key, i);
    if (o == Py_Ellipsis) {
      if (r->ellipsis) return fail(PyExc_ValueError, "[index] expected at most one ellipsis");
      r->ellipsis = true;
      continue;
    }
    if (o == Py_None) continue;
    if (!PySlice_Check(o) && !is_int(o) && !(r->v[i] = index_array(o)) && PyErr_Occurred()) return -1;
    r->used += is_mask(r->v[i]) ? mx_ndim(r->v[i]) : 1;
  }
  return 0;
}

/* One item that names axes from `axis` on; their number, or -1. */
static int add_named(key_items *k, PyObject *o, mx_array indices, int axis) {
  if (PySlice_Check(o)) return add_slice(k, o, axis) < 0 ? -1 : 1;
  if (is_int(o)) return add_int(k, o, axis) < 0 ? -1 : 1;
  if (is_mask(indices)) return add_mask(k, indices, axis) < 0 ? -1 : mx_ndim(indices);
  if (indices) return add_array(k, indices, axis) < 0 ? -1 : 1;
  return py_refuse(PyExc_ValueError, "index", "ints, slices, ..., None or arrays", o);
}

int py_read_key(key_items *k, mx_array a, PyObject *key, bool places) {
  memset(k, 0, sizeof *k);
  k->a = py_lend(a); /* reading an item may run Python code, which may put another array in the object */
  Py_ssize_t n = PyTuple_Check(key) ? PyTuple_Size(key) : 1;
  int ndim = mx_ndim(a), axis = 0;
  key_arrays arrays;
  if (read_index_arrays(key, n, &arrays) < 0) return -1;
  if (n == 1 && is_mask(arrays.v[0]) && (!places || mx_ndim(arrays.v[0]) == 0)) {
    k->mask = arrays.v[0];
    return 0;
  }
  if (arrays.used > ndim) {
    if (ndim == 0) return fail(PyExc_ValueError, "[index] expected no indices for an array of 0 dimensions");
    PyErr_Format(PyExc_ValueError, "[index] expected at most %d indices, got more", ndim);
    return -1;
  }
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *o = key_item(key, i);
    if (o == Py_None) {
      if (add_item(k, (item){ITEM_NEW_AXIS, -1, 0, 1, 1, 1, NULL}) < 0) return -1;
    } else if (o == Py_Ellipsis) {
      for (int fill = ndim - arrays.used; fill > 0; fill--)
        if (add_full(k, axis++) < 0) return -1;
    } else {
      int named = add_named(k, o, arrays.v[i], axis);
      if (named < 0) return -1;
      axis += named;
    }
  }
  while (axis < ndim)
    if (add_full(k, axis++) < 0) return -1;
  return 0;
}
