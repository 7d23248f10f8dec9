/* The type mlx.core.array: a handle, its operators, conversions and properties. Methods that are also
   functions stand with the functions (ops_*.c). The type needs no garbage collection: a handle holds no
   Python object. */
#include "core.h"
#include <stddef.h>
#include <string.h>

#ifndef Py_T_PYSSIZET
#include <structmember.h>
#define Py_T_PYSSIZET T_PYSSIZET
#define Py_READONLY   READONLY
#endif

PyTypeObject *py_array_type;
static PyTypeObject *iterator_type;

/* ---- Making and wrapping ---- */
PyObject *py_wrap(mx_array a) {
  if (!mx_ok(a)) return py_raise();
  array_object *o = PyObject_New(array_object, py_array_type);
  if (!o) return NULL;
  o->h = mx_keep(a);
  o->weak = NULL;
  return (PyObject *)o;
}

mx_array py_lend(mx_array a) {
  mx_scope s = mx_scope_open(); /* mx_pass moves from here to the scope around */
  mx_pass(a);
  mx_scope_close(&s);
  return a;
}

PyObject *py_wrap_tuple(int n, const mx_array *arrays) {
  PyObject *t = PyTuple_New(n);
  for (int i = 0; t && i < n; i++) {
    PyObject *a = py_wrap(arrays[i]);
    if (!a)
      Py_CLEAR(t);
    else
      PyTuple_SetItem(t, i, a);
  }
  return t;
}

PyObject *py_wrap_list(int n, const mx_array *arrays) {
  PyObject *l = PyList_New(n);
  for (int i = 0; l && i < n; i++) {
    PyObject *a = py_wrap(arrays[i]);
    if (!a)
      Py_CLEAR(l);
    else
      PyList_SetItem(l, i, a);
  }
  return l;
}

int py_assign(PyObject *o, mx_array a) {
  if (!mx_ok(a)) return py_raise(), -1;
  mx_array old = py_handle(o);
  ((array_object *)o)->h = mx_keep(a);
  mx_release(old);
  return 0;
}

static PyObject *array_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  (void)args, (void)kwargs;
  array_object *o = (array_object *)PyType_GenericAlloc(type, 0);
  if (!o) return NULL;
  mx_scope s = mx_scope_open();
  o->h = mx_keep(mx_int(0)); /* until __init__ gives the value */
  mx_scope_close(&s);
  if (!mx_ok(o->h)) {
    o->h = NULL;
    Py_DECREF(o);
    return py_raise();
  }
  return (PyObject *)o;
}

static int array_init(PyObject *self, PyObject *args, PyObject *kwargs) {
  PyObject *value = NULL, *dtype = Py_None;
  Py_ssize_t n = PyTuple_Size(args);
  if (n > 0) value = PyTuple_GetItem(args, 0);
  if (n > 1) dtype = PyTuple_GetItem(args, 1);
  Py_ssize_t named = 0;
  if (kwargs) {
    PyObject *v = PyDict_GetItemString(kwargs, "val"), *d = PyDict_GetItemString(kwargs, "dtype");
    if (v && n < 1) value = v, named++;
    if (d && n < 2) dtype = d, named++;
  }
  if (!value || n > 2 || (kwargs && named != PyDict_Size(kwargs)) ||
      (dtype != Py_None && !py_is_dtype(dtype))) {
    PyErr_SetString(PyExc_TypeError,
                    "array(): expected a value and an optional Dtype: array(val, dtype=None)");
    return -1;
  }
  mx_scope s = mx_scope_open();
  mx_array a = py_to_array(value, dtype == Py_None ? -1 : (int)py_dtype_value(dtype));
  int r = a ? py_assign(self, a) : -1;
  mx_scope_close(&s);
  return r;
}

static void array_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  if (((array_object *)self)->weak) PyObject_ClearWeakRefs(self);
  mx_release(py_handle(self));
  if (type == py_array_type)
    PyObject_Free(self);
  else
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

/* ---- Python numbers ---- */
static PyObject *item(PyObject *self) {
  mx_scope s = mx_scope_open();
  PyObject *r = py_item(py_handle(self));
  mx_scope_close(&s);
  return r;
}
static int array_bool(PyObject *self) {
  PyObject *v = item(self);
  int r = v ? PyObject_IsTrue(v) : -1;
  Py_XDECREF(v);
  return r;
}
static PyObject *array_int(PyObject *self) {
  PyObject *v = item(self), *r = v ? PyNumber_Long(v) : NULL;
  Py_XDECREF(v);
  return r;
}
static PyObject *array_float(PyObject *self) {
  PyObject *v = item(self), *r = v ? PyNumber_Float(v) : NULL;
  Py_XDECREF(v);
  return r;
}
static PyObject *array_index(PyObject *self) {
  mx_array a = py_handle(self);
  mx_dtype t = mx_dtype_of(a);
  if (mx_ndim(a) != 0 || t < MX_UINT8 || t > MX_INT64) {
    PyErr_SetString(PyExc_TypeError, "expected an integer array of 0 dimensions as an index");
    return NULL;
  }
  return item(self);
}
static PyObject *array_complex(PyObject *self, PyObject *unused) {
  (void)unused;
  PyObject *v = item(self);
  PyObject *r = v ? PyObject_CallFunctionObjArgs((PyObject *)&PyComplex_Type, v, NULL) : NULL;
  Py_XDECREF(v);
  return r;
}
static PyObject *array_item(PyObject *self, PyObject *unused) {
  (void)unused;
  return item(self);
}
static PyObject *array_tolist(PyObject *self, PyObject *unused) {
  (void)unused;
  mx_scope s = mx_scope_open();
  PyObject *r = py_to_list(py_handle(self));
  mx_scope_close(&s);
  return r;
}
static PyObject *integer_by(PyObject *self, const char *module, const char *function) {
  PyObject *m = PyImport_ImportModule(module), *v = m ? item(self) : NULL;
  PyObject *r = v ? PyObject_CallMethod(m, function, "O", v) : NULL;
  Py_XDECREF(v);
  Py_XDECREF(m);
  return r;
}
/* round(x) is an int, as are math.floor(x), math.ceil(x) and math.trunc(x): of the only element. */
static PyObject *array_round(PyObject *self, PyObject *const *args, Py_ssize_t n) {
  if (n > 1) {
    PyErr_Format(PyExc_TypeError, "__round__(): expected at most 1 argument, got %zd", n);
    return NULL;
  }
  if (n == 1 && args[0] != Py_None) return PyObject_CallMethod(self, "round", "O", args[0]);
  return integer_by(self, "builtins", "round");
}
static PyObject *array_floor(PyObject *self, PyObject *unused) {
  (void)unused;
  return integer_by(self, "math", "floor");
}
static PyObject *array_ceil(PyObject *self, PyObject *unused) {
  (void)unused;
  return integer_by(self, "math", "ceil");
}
static PyObject *array_trunc(PyObject *self, PyObject *unused) {
  (void)unused;
  return integer_by(self, "math", "trunc");
}
static PyObject *array_format(PyObject *self, PyObject *spec) {
  bool scalar = mx_ndim(py_handle(self)) == 0;
  if (!scalar && PyUnicode_GetLength(spec) > 0) {
    PyErr_SetString(PyExc_TypeError, "__format__(): expected no format for an array with axes");
    return NULL;
  }
  PyObject *v = scalar ? item(self) : PyObject_Str(self);
  PyObject *r = v ? PyObject_Format(v, spec) : NULL;
  Py_XDECREF(v);
  return r;
}

/* ---- Sequence ---- */
static Py_ssize_t array_length(PyObject *self) {
  if (mx_ndim(py_handle(self))) return (Py_ssize_t)mx_dim(py_handle(self), 0);
  PyErr_SetString(PyExc_TypeError, "len() of an array of 0 dimensions");
  return -1;
}

static int array_contains(PyObject *self, PyObject *value) {
  PyObject *equal = py_array_compare(self, value, Py_EQ);
  if (!equal || !py_is_array(equal)) {
    int r = equal ? equal == Py_True : -1;
    Py_XDECREF(equal);
    return r;
  }
  mx_scope s = mx_scope_open();
  mx_array any = mx_any(py_handle(equal), MX_ALL_AXES, false);
  double found = 0;
  int r = mx_ok(any) && py_eval(1, &any) == 0 && mx_item(any, &found) == 0 ? found != 0 : -1;
  if (r < 0 && !PyErr_Occurred()) py_raise();
  mx_scope_close(&s);
  Py_DECREF(equal);
  return r;
}

static int array_assign_subscript(PyObject *self, PyObject *key, PyObject *value) {
  if (value) return py_array_setitem(self, key, value);
  PyErr_SetString(PyExc_TypeError, "array elements can't be deleted");
  return -1;
}

typedef struct iterator_object {
  PyObject_HEAD PyObject *array;
  int64_t next;
} iterator_object;

static PyObject *array_iter(PyObject *self) {
  if (mx_ndim(py_handle(self)) == 0) {
    PyErr_SetString(PyExc_TypeError, "iteration over an array of 0 dimensions");
    return NULL;
  }
  iterator_object *it = PyObject_New(iterator_object, iterator_type);
  if (!it) return NULL;
  it->array = Py_NewRef(self);
  it->next = 0;
  return (PyObject *)it;
}
/* The type is no sequence to Python (it has keys of many kinds), so reversed() asks for a method. */
static PyObject *array_reversed(PyObject *self, PyObject *unused) {
  (void)unused;
  if (mx_ndim(py_handle(self)) == 0) return array_iter(self); /* the error */
  PyObject *step = PyLong_FromLong(-1), *key = step ? PySlice_New(NULL, NULL, step) : NULL;
  PyObject *turned = key ? py_array_getitem(self, key) : NULL, *r = turned ? array_iter(turned) : NULL;
  Py_XDECREF(step);
  Py_XDECREF(key);
  Py_XDECREF(turned);
  return r;
}
static PyObject *iterator_next(PyObject *o) {
  iterator_object *it = (iterator_object *)o;
  if (it->next >= mx_dim(py_handle(it->array), 0)) return NULL;
  PyObject *i = PyLong_FromLongLong(it->next++), *r = i ? py_array_getitem(it->array, i) : NULL;
  Py_XDECREF(i);
  return r;
}
static void iterator_dealloc(PyObject *o) {
  PyTypeObject *type = Py_TYPE(o);
  Py_DECREF(((iterator_object *)o)->array);
  PyObject_Free(o);
  Py_DECREF(type);
}
static PyType_Slot iterator_slots[] = {{Py_tp_dealloc, iterator_dealloc},
                                       {Py_tp_iter, PyObject_SelfIter},
                                       {Py_tp_iternext, iterator_next},
                                       {Py_tp_doc, "Iterates over the first axis of an array."},
                                       {0, NULL}};
static PyType_Spec iterator_spec = {"mlx.core.ArrayIterator", sizeof(iterator_object), 0,
                                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, iterator_slots};

/* ---- Properties ---- */
static PyObject *get_shape(PyObject *self, void *unused) {
  (void)unused;
  return py_shape_tuple(mx_shape_ints(py_handle(self)));
}
static PyObject *get_ndim(PyObject *self, void *unused) {
  (void)unused;
  return PyLong_FromLong(mx_ndim(py_handle(self)));
}
static PyObject *get_size(PyObject *self, void *unused) {
  (void)unused;
  return PyLong_FromLongLong(mx_size(py_handle(self)));
}
static PyObject *get_itemsize(PyObject *self, void *unused) {
  (void)unused;
  return PyLong_FromSize_t(mx_dtype_size(mx_dtype_of(py_handle(self))));
}
static PyObject *get_nbytes(PyObject *self, void *unused) {
  (void)unused;
  return PyLong_FromSize_t(mx_nbytes(py_handle(self)));
}
static PyObject *get_dtype(PyObject *self, void *unused) {
  (void)unused;
  return py_dtype(mx_dtype_of(py_handle(self)));
}
static mx_array reverse_axes(mx_array a) { return mx_transpose(a, MX_ALL_AXES); }
static mx_array swap_last_axes(mx_array a) {
  if (mx_ndim(a) >= 2) return mx_swapaxes(a, -1, -2);
  mx_error_set(MX_INVALID_ARGUMENT, "[matrix_transpose] expected at least 2 dimensions, got %d", mx_ndim(a));
  return MX_BAD;
}
static PyObject *get_T(PyObject *self, void *unused) {
  (void)unused;
  return py_unary(reverse_axes, self);
}
static PyObject *get_mT(PyObject *self, void *unused) {
  (void)unused;
  return py_unary(swap_last_axes, self);
}
static PyObject *get_real(PyObject *self, void *unused) {
  (void)unused;
  return py_unary(mx_real, self);
}
static PyObject *get_imag(PyObject *self, void *unused) {
  (void)unused;
  return py_unary(mx_imag, self);
}
static PyGetSetDef properties[] = {
    {"shape", get_shape, NULL, "The length of each axis, a tuple.", NULL},
    {"ndim", get_ndim, NULL, "The number of axes.", NULL},
    {"size", get_size, NULL, "The number of elements.", NULL},
    {"itemsize", get_itemsize, NULL, "Bytes of one element.", NULL},
    {"nbytes", get_nbytes, NULL, "Bytes of all elements.", NULL},
    {"dtype", get_dtype, NULL, "The type of the elements.", NULL},
    {"T", get_T, NULL, "The array with its axes reversed.", NULL},
    {"mT", get_mT, NULL, "The array with its last two axes swapped.", NULL},
    {"real", get_real, NULL, "The real part.", NULL},
    {"imag", get_imag, NULL, "The imaginary part.", NULL},
    {"device", py_array_device, NULL, "The default device: memory is shared by all.", NULL},
    {"at", py_array_at, NULL,
     "x.at[index].add(values): a copy of x with values applied at the index, "
     "once for every time an element is named. "
     "Also subtract, multiply, divide, maximum, minimum.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL}};

/* ---- Copies, pickles ---- */
static PyObject *array_copy(PyObject *self, PyObject *unused) {
  (void)unused;
  return py_wrap(py_handle(self));
}

static PyObject *array_bytes(PyObject *self, PyObject *unused) {
  (void)unused;
  mx_scope s = mx_scope_open();
  mx_array a = mx_contiguous(py_handle(self), false);
  PyObject *r = NULL;
  if (!mx_ok(a))
    py_raise();
  else if (py_eval(1, &a) == 0) {
    const void *data = mx_data(a);
    r = data || !mx_nbytes(a) ? PyBytes_FromStringAndSize(data, (Py_ssize_t)mx_nbytes(a)) : py_raise();
  }
  mx_scope_close(&s);
  return r;
}

/* (bytes, shape, dtype) */
static PyObject *array_getstate(PyObject *self, PyObject *unused) {
  PyObject *bytes = array_bytes(self, unused), *shape = get_shape(self, NULL), *dtype = get_dtype(self, NULL);
  PyObject *r = bytes && shape && dtype ? PyTuple_Pack(3, bytes, shape, dtype) : NULL;
  Py_XDECREF(bytes);
  Py_XDECREF(shape);
  Py_XDECREF(dtype);
  return r;
}

static PyObject *array_setstate(PyObject *self, PyObject *state) {
  PyObject *bytes = NULL, *dtype = NULL;
  int64_t *shape = NULL, count = 1;
  int n = -1;
  char *data = NULL;
  Py_ssize_t size = 0;
  if (PyTuple_Check(state) && PyTuple_Size(state) == 3) {
    bytes = PyTuple_GetItem(state, 0);
    dtype = PyTuple_GetItem(state, 2);
    n = py_int_list(PyTuple_GetItem(state, 1), &shape);
  }
  bool good =
      n >= 0 && n <= MX_MAX_NDIM && py_is_dtype(dtype) && PyBytes_AsStringAndSize(bytes, &data, &size) == 0;
  for (int i = 0; good && i < n; i++)
    good = shape[i] >= 0 && !__builtin_mul_overflow(count, shape[i], &count);
  good = good && !__builtin_mul_overflow(count, (int64_t)mx_dtype_size(py_dtype_value(dtype)), &count) &&
         count == size;
  int r = -1;
  if (good) {
    mx_scope s = mx_scope_open();
    r = py_assign(self, mx_array_from(data, (mx_ints){shape, n}, py_dtype_value(dtype)));
    mx_scope_close(&s);
  } else {
    PyErr_SetString(PyExc_ValueError, "__setstate__(): expected (bytes, shape, dtype) that fit each other");
  }
  PyMem_Free(shape);
  if (r < 0) return NULL;
  Py_RETURN_NONE;
}

static Py_hash_t array_hash(PyObject *self) { return (Py_hash_t)((uintptr_t)self >> 4); }

static PyObject *array_div(PyObject *x, PyObject *y) { return PyNumber_TrueDivide(x, y); }
static PyObject *array_rdiv(PyObject *x, PyObject *y) { return PyNumber_TrueDivide(y, x); }

PyObject *py_array_numpy(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names);
PyObject *py_array_dlpack_device(PyObject *self, PyObject *unused);

#define FAST(f) (PyCFunction)(void (*)(void))(f), METH_FASTCALL | METH_KEYWORDS
static const PyMethodDef special_methods[] = {
    {"item", array_item, METH_NOARGS,
     "item($self, /)\n--\n\nThe only element, as a Python number. Evaluates."},
    {"tolist", array_tolist, METH_NOARGS,
     "tolist($self, /)\n--\n\nNested lists of Python numbers (a number when there are no axes). Evaluates."},
    {"__complex__", array_complex, METH_NOARGS, NULL},
    {"__bytes__", array_bytes, METH_NOARGS, "The elements in row-major order."},
    {"__format__", array_format, METH_O, NULL},
    {"__round__", (PyCFunction)(void (*)(void))array_round, METH_FASTCALL, NULL},
    {"__floor__", array_floor, METH_NOARGS, NULL},
    {"__ceil__", array_ceil, METH_NOARGS, NULL},
    {"__trunc__", array_trunc, METH_NOARGS, NULL},
    {"__reversed__", array_reversed, METH_NOARGS, NULL},
    {"__copy__", array_copy, METH_NOARGS, NULL},
    {"__deepcopy__", array_copy, METH_O, NULL},
    {"__getstate__", array_getstate, METH_NOARGS, NULL},
    {"__setstate__", array_setstate, METH_O, NULL},
    {"__div__", array_div, METH_O, NULL},
    {"__rdiv__", array_rdiv, METH_O, NULL},
    {"__array__", FAST(py_array_numpy),
     "__array__($self, /, dtype=None, copy=None)\n--\n\nA numpy.ndarray; without a copy where it can. "
     "Evaluates."},
    {"__dlpack_device__", py_array_dlpack_device, METH_NOARGS, "(1, 0): the CPU."},
    {NULL, NULL, 0, NULL}};

static PyMemberDef members[] = {
    {"__weaklistoffset__", Py_T_PYSSIZET, offsetof(array_object, weak), Py_READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};

int py_array_init(PyObject *module) {
  PyMethodDef *methods =
      py_method_table("mlx.core.array", __start_mx_methods, __stop_mx_methods, special_methods);
  if (!methods) return -1;
  PyType_Slot slots[] = {
      {Py_tp_new, array_new},
      {Py_tp_init, array_init},
      {Py_tp_dealloc, array_dealloc},
      {Py_tp_repr, py_repr},
      {Py_tp_hash, array_hash},
      {Py_tp_richcompare, py_array_compare},
      {Py_tp_iter, array_iter},
      {Py_tp_methods, methods},
      {Py_tp_getset, properties},
      {Py_tp_members, members},
      {Py_mp_length, array_length},
      {Py_mp_subscript, py_array_getitem},
      {Py_mp_ass_subscript, array_assign_subscript},
      {Py_sq_contains, array_contains},
      {Py_nb_bool, array_bool},
      {Py_nb_int, array_int},
      {Py_nb_float, array_float},
      {Py_nb_index, array_index},
      {Py_bf_getbuffer, py_array_getbuffer},
      {Py_bf_releasebuffer, py_array_releasebuffer},
      {Py_tp_doc, "array(val, dtype=None)\n--\n\n"
                  "A lazy n-dimensional array. val: a scalar, (nested) lists, an array, or any object "
                  "with a buffer or DLPack; its elements are copied. dtype: what to convert to; by "
                  "default int32 (int64 where needed), float32, bool or complex64 for Python numbers "
                  "and the object's own dtype otherwise (float64 becomes float32)."},
      {0, NULL}};
  PyType_Slot all[96];
  size_t n = 0;
  for (const PyType_Slot *s = py_operator_slots; s->slot; s++) all[n++] = *s;
  for (const PyType_Slot *s = slots; s->slot; s++) all[n++] = *s;
  all[n] = (PyType_Slot){0, NULL};
  PyType_Spec spec = {"mlx.core.array", sizeof(array_object), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
                      all};
  py_array_type = (PyTypeObject *)PyType_FromSpec(&spec);
  iterator_type = (PyTypeObject *)PyType_FromSpec(&iterator_spec);
  if (!py_array_type || !iterator_type) return -1;
  if (py_add_type(module, "ArrayIterator", iterator_type) < 0) return -1;
  return py_add_type(module, "array", py_array_type);
}
