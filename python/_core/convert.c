/* Python objects to arrays and back: scalars, nested lists, anything with a buffer. */
#include "core.h"
#include <limits.h>
#include <math.h>
#include <string.h>

/* ---- Scalars ---- */
typedef enum scalar_class { NOT_SCALAR, SCALAR_BOOL, SCALAR_INT, SCALAR_FLOAT, SCALAR_COMPLEX } scalar_class;

static scalar_class classify(PyObject *o) {
  PyTypeObject *t = Py_TYPE(o);
  if (t == &PyFloat_Type) return SCALAR_FLOAT;
  if (t == &PyLong_Type) return SCALAR_INT;
  if (t == &PyBool_Type) return SCALAR_BOOL;
  if (PyLong_Check(o)) return SCALAR_INT;
  if (PyFloat_Check(o)) return SCALAR_FLOAT;
  if (PyComplex_Check(o)) return SCALAR_COMPLEX;
  return NOT_SCALAR;
}

static bool is_floating(mx_dtype t) { return t >= MX_FLOAT16 && t <= MX_FLOAT64; }
static bool is_integer(mx_dtype t) { return t >= MX_UINT8 && t <= MX_INT64; }

/* Scalars seen lately, ready to be shared: arrays never change. Direct-mapped; protected by the interpreter's
 * lock. */
enum { CACHE_BITS = 8 };
static struct {
  mx_array a;
  uint64_t bits;
  mx_dtype t;
  bool integer; /* bits are those of an int64_t, else of a double */
} cache[1 << CACHE_BITS];

static mx_array cached(uint64_t bits, mx_dtype t, bool integer) {
  size_t i =
      (bits * UINT64_C(0x9E3779B97F4A7C15) + (uint64_t)t * UINT64_C(0xC2B2AE3D27D4EB4F)) >> (64 - CACHE_BITS);
  if (cache[i].a && cache[i].bits == bits && cache[i].t == t && cache[i].integer == integer)
    return cache[i].a;
  double number;
  memcpy(&number, &bits, sizeof number);
  mx_array a = py_checked(integer ? mx_scalar_int((int64_t)bits, t) : mx_scalar(number, t));
  if (!a) return NULL;
  /* An operand of the call under way may be the one that goes: it lives on for more calls than one has
   * operands. */
  static mx_array replaced[32];
  static unsigned next;
  mx_release(replaced[next % 32]);
  replaced[next++ % 32] = cache[i].a;
  cache[i].a = mx_keep(a);
  cache[i].bits = bits;
  cache[i].t = t;
  cache[i].integer = integer;
  return a;
}

static mx_array from_double(double x, mx_dtype t) {
  uint64_t bits;
  memcpy(&bits, &x, sizeof bits);
  return cached(bits, t, false);
}

static bool fits(int64_t v, mx_dtype t) {
  if (t == MX_UINT64) return v >= 0;
  if (t == MX_INT64) return true;
  int bits = (int)mx_dtype_size(t) * 8;
  if (t >= MX_INT8) return v >= -(INT64_C(1) << (bits - 1)) && v < INT64_C(1) << (bits - 1);
  return v >= 0 && v < INT64_C(1) << bits;
}

static mx_array overflow(PyObject *o, mx_dtype t) {
  PyErr_Format(PyExc_ValueError, "[array] expected an integer that %s holds, got %S", mx_dtype_name(t), o);
  return NULL;
}

/* An int as dtype t. `wrap`: out-of-range values wrap, as in a cast; else they raise. */
static mx_array from_int(PyObject *o, mx_dtype t, bool wrap) {
  int over;
  int64_t v = PyLong_AsLongLongAndOverflow(o, &over);
  if (v == -1 && PyErr_Occurred()) return NULL;
  if (over && !is_integer(t) && t != MX_BOOL) {
    double x = PyLong_AsDouble(o);
    return x == -1 && PyErr_Occurred() ? NULL : from_double(x, t);
  }
  if (over) {
    uint64_t u = over > 0 && t == MX_UINT64 ? PyLong_AsUnsignedLongLong(o) : 0;
    if (over < 0 || t != MX_UINT64 || (u == UINT64_MAX && PyErr_Occurred())) {
      PyErr_Clear();
      return overflow(o, t);
    }
    return py_checked(mx_array_from(&u, MX_NO_SHAPE, MX_UINT64));
  }
  if (!wrap && is_integer(t) && !fits(v, t)) return overflow(o, t);
  return t == MX_BOOL ? py_checked(mx_bool(v != 0)) : cached((uint64_t)v, t, true);
}

static mx_array from_complex(PyObject *o) {
  double re = PyComplex_RealAsDouble(o), im = PyComplex_ImagAsDouble(o);
  return re == -1 && PyErr_Occurred() ? NULL : py_checked(mx_scalar_complex(re, im));
}

static mx_dtype int_dtype(PyObject *o) {
  int over;
  int64_t v = PyLong_AsLongLongAndOverflow(o, &over);
  if (!over && v >= INT32_MIN && v <= INT32_MAX) return MX_INT32;
  return over > 0 ? MX_UINT64 : MX_INT64;
}

static mx_array scalar_array(PyObject *o, scalar_class c, int dtype) {
  switch (c) {
  case SCALAR_BOOL:
    if (dtype < 0) return py_checked(mx_bool(o == Py_True));
    return cached((uint64_t)(o == Py_True), (mx_dtype)dtype, true);
  case SCALAR_INT: return from_int(o, dtype < 0 ? int_dtype(o) : (mx_dtype)dtype, dtype >= 0);
  case SCALAR_FLOAT: {
    double x = PyFloat_AsDouble(o);
    if (x == -1 && PyErr_Occurred()) return NULL;
    if (dtype == MX_COMPLEX64) return py_checked(mx_scalar_complex(x, 0));
    return from_double(x, dtype < 0 ? MX_FLOAT32 : (mx_dtype)dtype);
  }
  default: break;
  }
  mx_array z = from_complex(o);
  return z && dtype >= 0 ? py_checked(mx_astype(z, (mx_dtype)dtype)) : z;
}

/* The dtype that a Python scalar takes beside an array of dtype `like`: the array's own unless the scalar's
   kind is higher. */
static mx_dtype weak_dtype(scalar_class c, mx_dtype like) {
  switch (c) {
  case SCALAR_BOOL: return MX_BOOL;
  case SCALAR_INT: return like == MX_BOOL ? MX_INT32 : like;
  case SCALAR_FLOAT: return is_floating(like) || like == MX_COMPLEX64 ? like : MX_FLOAT32;
  default: return MX_COMPLEX64;
  }
}

/* ---- Other objects ---- */
static PyObject *mlx_array_name;

static PyObject *call_mlx_array(PyObject *o) {
  if (!mlx_array_name) mlx_array_name = PyUnicode_InternFromString("__mlx_array__");
  PyObject *method = mlx_array_name ? PyObject_GetAttr(o, mlx_array_name) : NULL;
  if (!method) {
    if (PyErr_ExceptionMatches(PyExc_AttributeError)) PyErr_Clear();
    return NULL;
  }
  PyObject *r = PyObject_CallNoArgs(method);
  Py_DECREF(method);
  if (r && !py_is_array(r)) {
    PyErr_SetString(PyExc_TypeError, "__mlx_array__() should return an array");
    Py_CLEAR(r);
  }
  return r;
}

static mx_array from_method(PyObject *o) {
  PyObject *r = call_mlx_array(o);
  if (!r) return NULL;
  mx_array a = py_lend(py_handle(r));
  Py_DECREF(r);
  return a;
}

static bool is_container(PyObject *o) {
  return PyList_Check(o) || PyTuple_Check(o) || PyDict_Check(o) || PyUnicode_Check(o) || o == Py_None;
}

bool py_is_operand(PyObject *o) {
  if (Py_TYPE(o) == py_array_type || classify(o) != NOT_SCALAR || py_is_array(o)) return true;
  if (is_container(o) || PyType_Check(o)) return false;
  if (PyObject_CheckBuffer(o)) return true;
  return PyObject_HasAttrString(o, "__mlx_array__") || PyObject_HasAttrString(o, "__dlpack__");
}

static mx_array cast(mx_array a, int dtype) {
  return !a || dtype < 0 || mx_dtype_of(a) == (mx_dtype)dtype ? a : py_checked(mx_astype(a, (mx_dtype)dtype));
}

/* ---- Lists ---- */
typedef struct list_scan {
  int64_t shape[MX_MAX_NDIM];
  int ndim;
  scalar_class highest;
  bool wide, arrays; /* an int beyond int32; an array among the elements */
} list_scan;

static PyObject *list_item(PyObject *o, Py_ssize_t i) {
  return PyList_Check(o) ? PyList_GetItem(o, i) : PyTuple_GetItem(o, i);
}
static Py_ssize_t list_size(PyObject *o) { return PyList_Check(o) ? PyList_Size(o) : PyTuple_Size(o); }
static bool is_list(PyObject *o) { return PyList_Check(o) || PyTuple_Check(o); }

static int bad_type(PyObject *o) {
  return py_refuse(PyExc_ValueError, "array", "numbers, arrays or nested lists of them", o);
}

static int scan_shape(PyObject *o, list_scan *s) {
  for (; is_list(o); o = list_item(o, 0)) {
    if (s->ndim == MX_MAX_NDIM) {
      PyErr_SetString(PyExc_ValueError, "[array] expected lists nested at most 32 deep");
      return -1;
    }
    s->shape[s->ndim++] = list_size(o);
    if (list_size(o) == 0) return 0;
  }
  return 0;
}

static int ragged(void) {
  PyErr_SetString(PyExc_ValueError, "[array] expected lists of one length at each depth, got a ragged one");
  return -1;
}

/* Asking an element what it is, or for its value, may run Python code, which may change the lists: each
   element is held, and a place that is gone is NULL. */
static int scan_types(PyObject *o, int depth, list_scan *s) {
  if (!o) return ragged();
  if (depth == s->ndim) {
    scalar_class c = classify(o);
    if (c == NOT_SCALAR) {
      if (is_list(o) && s->arrays) return 0; /* stacking tells whether shapes agree */
      if (is_list(o)) {
        PyErr_SetString(PyExc_ValueError, "[array] expected lists of one depth, got a list beside a number");
        return -1;
      }
      s->arrays |= py_is_operand(o);
      return py_is_operand(o) ? 0 : bad_type(o);
    }
    if (c > s->highest) s->highest = c;
    if (c == SCALAR_INT && !s->wide) s->wide = int_dtype(o) != MX_INT32;
    return 0;
  }
  if (!is_list(o)) {
    if (py_is_operand(o) && classify(o) == NOT_SCALAR) {
      s->arrays = true;
      return 0;
    }
    return classify(o) == NOT_SCALAR ? bad_type(o) : ragged();
  }
  Py_ssize_t n = list_size(o);
  if (n != s->shape[depth] && !s->arrays) return ragged();
  int r = 0;
  for (Py_ssize_t i = 0; r == 0 && i < n; i++) {
    PyObject *e = Py_XNewRef(list_item(o, i));
    r = scan_types(e, depth + 1, s);
    Py_XDECREF(e);
  }
  return r;
}

static int store(PyObject *o, mx_dtype t, void *out) {
  if (t == MX_COMPLEX64) {
    double re = PyComplex_Check(o) ? PyComplex_RealAsDouble(o) : PyFloat_AsDouble(o),
           im = PyComplex_ImagAsDouble(o);
    if (re == -1 && PyErr_Occurred()) return -1;
    ((float *)out)[0] = (float)re;
    ((float *)out)[1] = PyComplex_Check(o) ? (float)im : 0;
    return 0;
  }
  if (t == MX_FLOAT32 || t == MX_FLOAT64) {
    double x = PyFloat_AsDouble(o);
    if (x == -1 && PyErr_Occurred()) return -1;
    if (t == MX_FLOAT32)
      *(float *)out = (float)x;
    else
      *(double *)out = x;
    return 0;
  }
  if (t == MX_BOOL) {
    *(uint8_t *)out = (uint8_t)PyObject_IsTrue(o);
    return 0;
  }
  int over;
  int64_t v = PyLong_AsLongLongAndOverflow(o, &over);
  if (over) {
    v = over > 0 && t == MX_UINT64 ? (int64_t)PyLong_AsUnsignedLongLong(o) : 0;
    if (over < 0 || t != MX_UINT64 || PyErr_Occurred()) {
      PyErr_Clear();
      overflow(o, t);
      return -1;
    }
  }
  if (v == -1 && PyErr_Occurred()) return -1;
  memcpy(out, &v, mx_dtype_size(t)); /* little-endian: the low bytes */
  return 0;
}

static int fill_elements(PyObject *o, int depth, const list_scan *s, mx_dtype t, size_t size, char **out) {
  if (!o || (depth == s->ndim && is_list(o))) return ragged();
  if (depth == s->ndim) {
    if (store(o, t, *out) < 0) return -1;
    *out += size;
    return 0;
  }
  /* The list may have changed since the scan: check again. */
  if (!is_list(o) || list_size(o) != s->shape[depth]) return ragged();
  int r = 0;
  for (Py_ssize_t i = 0; r == 0 && i < s->shape[depth]; i++) {
    PyObject *e = Py_XNewRef(list_item(o, i));
    r = fill_elements(e, depth + 1, s, t, size, out);
    Py_XDECREF(e);
  }
  return r;
}

static mx_array stack_list(PyObject *o, int dtype) {
  Py_ssize_t n = list_size(o);
  mx_array *parts = PyMem_Malloc(sizeof *parts * (size_t)(n ? n : 1));
  if (!parts) return (mx_array)PyErr_NoMemory();
  mx_array result = NULL;
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *e = list_item(o, i); /* NULL when conversions have shortened the list */
    Py_XINCREF(e);
    parts[i] = e ? py_to_array(e, dtype) : NULL;
    if (parts[i]) py_lend(parts[i]);
    Py_XDECREF(e);
    if (!parts[i]) goto done;
    const mx_ints a = mx_shape_ints(parts[0]), b = mx_shape_ints(parts[i]);
    if (a.n != b.n || (a.n && memcmp(a.v, b.v, sizeof *a.v * (size_t)a.n))) {
      PyErr_SetString(PyExc_ValueError,
                      "[array] expected lists of one length at each depth, got a ragged one");
      goto done;
    }
  }
  result = py_checked(mx_stack((int)n, parts, 0));
done:
  PyMem_Free(parts);
  return result;
}

static mx_array from_list(PyObject *o, int dtype) {
  list_scan s = {.highest = NOT_SCALAR};
  if (scan_shape(o, &s) < 0 || scan_types(o, 0, &s) < 0) return NULL;
  if (s.arrays) return stack_list(o, dtype);
  mx_dtype own = s.highest == SCALAR_BOOL      ? MX_BOOL
                 : s.highest == SCALAR_INT     ? (s.wide ? MX_INT64 : MX_INT32)
                 : s.highest == SCALAR_COMPLEX ? MX_COMPLEX64
                                               : MX_FLOAT32;
  mx_dtype t = own; /* what is stored; then cast, a float as the double it is, as a scalar is */
  if (dtype == MX_FLOAT64 && own != MX_COMPLEX64) t = MX_FLOAT64;
  if (dtype >= 0 && dtype != MX_FLOAT32 && own == MX_FLOAT32) t = MX_FLOAT64;
  if (dtype >= 0 && is_integer((mx_dtype)dtype) && (own == MX_BOOL || is_integer(own))) t = (mx_dtype)dtype;
  size_t count = 1, size = mx_dtype_size(t);
  for (int i = 0; i < s.ndim; i++)
    count *= (size_t)s.shape[i]; /* no overflow: each element is a list slot in memory */
  char *data = PyMem_Malloc(count ? count * size : 1), *out = data;
  if (!data) return (mx_array)PyErr_NoMemory();
  mx_array a = NULL;
  if (count == 0 || fill_elements(o, 0, &s, t, size, &out) == 0)
    a = py_checked(mx_array_from(data, (mx_ints){s.shape, s.ndim}, t));
  PyMem_Free(data);
  return cast(a, dtype);
}

/* ---- Any ---- */
mx_array py_to_array(PyObject *o, int dtype) {
  if (py_is_array(o)) return cast(py_handle(o), dtype);
  scalar_class c = classify(o);
  if (c != NOT_SCALAR && !PyObject_CheckBuffer(o)) return scalar_array(o, c, dtype);
  if (c != NOT_SCALAR) { /* a NumPy scalar that is also a Python float */
    return scalar_array(o, c, dtype);
  }
  if (is_list(o)) {
    if (Py_EnterRecursiveCall(" while making an array")) return NULL;
    mx_array a = from_list(o, dtype);
    Py_LeaveRecursiveCall();
    return a;
  }
  if (!is_container(o)) {
    mx_array a = from_method(o);
    if (a || PyErr_Occurred()) return cast(a, dtype);
    if (PyObject_CheckBuffer(o)) return py_from_buffer(o, dtype);
    if (PyObject_HasAttrString(o, "__dlpack__")) return cast(py_copy_dlpack(o), dtype);
  }
  if (o == Py_None)
    PyErr_SetString(PyExc_TypeError, "[array] expected a scalar, list, buffer or array, got None");
  else
    bad_type(o);
  return NULL;
}

mx_array py_weak_array(PyObject *o, mx_dtype like) {
  if (py_is_array(o)) return py_handle(o);
  scalar_class c = classify(o);
  if (c == SCALAR_INT) {
    mx_dtype t = weak_dtype(c, like);
    if (t == MX_COMPLEX64) return scalar_array(o, c, t);
    if (like == MX_BOOL) t = int_dtype(o);
    return from_int(o, t, false);
  }
  if (c != NOT_SCALAR) return scalar_array(o, c, c == SCALAR_BOOL ? -1 : (int)weak_dtype(c, like));
  mx_array a = py_to_array(o, -1);
  /* A foreign array is weak too: its float64 or int64 shouldn't widen ours. */
  if (a && is_floating(like) && mx_dtype_of(a) != MX_COMPLEX64) return cast(a, (int)like);
  if (a && is_integer(like) && is_integer(mx_dtype_of(a))) return cast(a, (int)like);
  return a;
}

/* The array of an operand whose partner is converted too: that may run Python code, which may put another
   array in the object. */
static mx_array beside(PyObject *array, PyObject *partner) {
  mx_array a = py_handle(array);
  return py_is_array(partner) || classify(partner) != NOT_SCALAR ? a : py_lend(a);
}

int py_operands(PyObject *x, PyObject *y, mx_array *a, mx_array *b) {
  if (py_is_array(x)) {
    *a = beside(x, y);
    *b = py_weak_array(y, mx_dtype_of(*a));
  } else if (py_is_array(y)) {
    *b = beside(y, x);
    *a = py_weak_array(x, mx_dtype_of(*b));
  } else {
    *a = py_to_array(x, -1);
    *b = *a ? py_to_array(y, -1) : NULL;
  }
  return *a && *b ? 0 : -1;
}

int py_array_list(const char *function, PyObject *o, mx_array **out) {
  *out = NULL;
  Py_ssize_t n = py_is_array(o) && mx_ndim(py_handle(o)) > 0 ? mx_dim(py_handle(o), 0)
                 : is_list(o)                                ? list_size(o)
                                                             : -1;
  if (n < 0 || n > INT32_MAX / 2) {
    PyErr_Format(PyExc_TypeError, "%s(): expected a list of arrays", function);
    return -1;
  }
  *out = PyMem_Malloc(sizeof **out * (size_t)(n ? n : 1));
  if (!*out) return PyErr_NoMemory(), -1;
  if (!is_list(o)) {
    if (mx_unstack(py_handle(o), 0, *out) >= 0) return (int)n;
    py_raise();
  } else {
    Py_ssize_t i = 0;
    while (i < n && py_is_array(list_item(o, i))) (*out)[i] = py_lend(py_handle(list_item(o, i))), i++;
    if (i == n) return (int)n;
    PyErr_Format(PyExc_TypeError, "%s(): expected a list of arrays, element %zd isn't one", function, i);
  }
  PyMem_Free(*out);
  *out = NULL;
  return -1;
}

/* ---- Back to Python ---- */
static PyObject *element(const void *data, int64_t i, mx_dtype t) {
  switch (t) {
  case MX_BOOL: return PyBool_FromLong(((const uint8_t *)data)[i]);
  case MX_UINT8: return PyLong_FromLong(((const uint8_t *)data)[i]);
  case MX_UINT16: return PyLong_FromLong(((const uint16_t *)data)[i]);
  case MX_UINT32: return PyLong_FromUnsignedLong(((const uint32_t *)data)[i]);
  case MX_UINT64: return PyLong_FromUnsignedLongLong(((const uint64_t *)data)[i]);
  case MX_INT8: return PyLong_FromLong(((const int8_t *)data)[i]);
  case MX_INT16: return PyLong_FromLong(((const int16_t *)data)[i]);
  case MX_INT32: return PyLong_FromLong(((const int32_t *)data)[i]);
  case MX_INT64: return PyLong_FromLongLong(((const int64_t *)data)[i]);
  case MX_FLOAT32: return PyFloat_FromDouble(((const float *)data)[i]);
  case MX_FLOAT64: return PyFloat_FromDouble(((const double *)data)[i]);
  case MX_COMPLEX64:
    return PyComplex_FromDoubles(((const float *)data)[2 * i], ((const float *)data)[2 * i + 1]);
  default: PyErr_SetString(PyExc_SystemError, "unexpected dtype"); return NULL;
  }
}

/* Row-major elements that Python has numbers for (halves as float32). The array lives in the scope. */
static const void *readable(mx_array *a) {
  mx_dtype t = mx_dtype_of(*a);
  if (t == MX_FLOAT16 || t == MX_BFLOAT16) *a = mx_astype(*a, MX_FLOAT32);
  if (!mx_ok(*a)) return py_raise(), NULL;
  if (py_eval(1, a) < 0) return NULL;
  const void *data = mx_data(*a);
  if (!data && mx_size(*a) > 0) {
    *a = mx_contiguous(*a, false);
    if (!mx_ok(*a)) return py_raise(), NULL;
    if (py_eval(1, a) < 0) return NULL;
    data = mx_data(*a);
    if (!data) return py_raise(), NULL;
  }
  return data ? data : "";
}

static PyObject *nested(const void *data, const int64_t *shape, int ndim, mx_dtype t, int64_t *at) {
  enum { INTERRUPTIBLE = 1 << 16 }; // elements, of some ms together
  if (ndim == 0) {
    if (*at % INTERRUPTIBLE == INTERRUPTIBLE - 1 && PyErr_CheckSignals() < 0) return NULL;
    return element(data, (*at)++, t);
  }
  PyObject *l = PyList_New(shape[0]);
  for (int64_t i = 0; l && i < shape[0]; i++) {
    PyObject *e = nested(data, shape + 1, ndim - 1, t, at);
    if (!e)
      Py_CLEAR(l);
    else
      PyList_SetItem(l, i, e);
  }
  return l;
}

PyObject *py_to_list(mx_array a) {
  py_lend(a); // a signal handler may put another into its object
  const void *data = readable(&a);
  int64_t at = 0;
  return data ? nested(data, mx_shape(a), mx_ndim(a), mx_dtype_of(a), &at) : NULL;
}

PyObject *py_item(mx_array a) {
  if (mx_size(a) != 1) {
    PyErr_Format(PyExc_ValueError, "[item] expected an array of one element, got %lld",
                 (long long)mx_size(a));
    return NULL;
  }
  const void *data = readable(&a);
  return data ? element(data, 0, mx_dtype_of(a)) : NULL;
}
