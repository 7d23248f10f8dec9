/* x.at[key].add(v): updates of a copy that count every index. */
#include "core.h"

typedef struct at_object {
  PyObject_HEAD PyObject *array, *key;
} at_object;
static PyTypeObject *at_type;

static PyObject *make_at(PyObject *array, PyObject *key) {
  at_object *o = PyObject_New(at_object, at_type);
  if (!o) return NULL;
  o->array = Py_NewRef(array);
  o->key = Py_XNewRef(key);
  return (PyObject *)o;
}
PyObject *py_array_at(PyObject *self, void *unused) {
  (void)unused;
  return make_at(self, NULL);
}
static void at_dealloc(PyObject *o) {
  PyTypeObject *type = Py_TYPE(o);
  Py_XDECREF(((at_object *)o)->array);
  Py_XDECREF(((at_object *)o)->key);
  PyObject_Free(o);
  Py_DECREF(type);
}
static PyObject *at_getitem(PyObject *o, PyObject *key) { return make_at(((at_object *)o)->array, key); }

static mx_array same(mx_array v) { return v; }

static PyObject *at_update(PyObject *self, PyObject *value, mx_array (*change)(mx_array),
                           mx_update_mode mode) {
  at_object *o = (at_object *)self;
  if (!o->key) {
    PyErr_SetString(PyExc_ValueError, "[at] expected indices first, as in x.at[0].add(1)");
    return NULL;
  }
  mx_scope s = mx_scope_open();
  mx_array a = py_lend(py_handle(o->array)), v = py_update_value(value, mx_dtype_of(a)), r = NULL;
  if (v) {
    v = change == same ? v : change(mx_astype(v, mx_dtype_of(a)));
    r = py_update(a, o->key, v, mode);
  }
  PyObject *result = r ? py_wrap(r) : NULL;
  mx_scope_close(&s);
  return result;
}

/* Integers divide too: by dividing the elements that are named, once. */
static PyObject *quotient_at(PyObject *self, PyObject *value) {
  at_object *o = (at_object *)self;
  if (!o->key || mx_dtype_of(py_handle(o->array)) >= MX_FLOAT16)
    return at_update(self, value, mx_reciprocal, MX_UPDATE_MULTIPLY);
  PyObject *part = py_array_getitem(o->array, o->key);
  PyObject *quotient = part ? PyNumber_TrueDivide(part, value) : NULL;
  PyObject *r = quotient ? at_update(self, quotient, same, MX_UPDATE_SET) : NULL;
  Py_XDECREF(part);
  Py_XDECREF(quotient);
  return r;
}

/* The one argument of a method, by position or as `value`; NULL with TypeError. */
static PyObject *only_value(const char *method, PyObject *const *args, Py_ssize_t n, PyObject *names) {
  Py_ssize_t named = names ? PyTuple_Size(names) : 0;
  if (n + named == 1 && (n == 1 || PyUnicode_CompareWithASCIIString(PyTuple_GetItem(names, 0), "value") == 0))
    return args[0];
  PyErr_Format(PyExc_TypeError, "%s(): expected one argument, 'value'", method);
  return NULL;
}
#define AT_METHOD(name, update)                                                                      \
  static PyObject *at_##name(PyObject *self, PyObject *const *args, Py_ssize_t n, PyObject *names) { \
    PyObject *value = only_value(#name, args, n, names), *r = value ? update : NULL;                 \
    if (!r) py_name_error("at." #name);                                                              \
    return r;                                                                                        \
  }
AT_METHOD(add, at_update(self, value, same, MX_UPDATE_ADD))
AT_METHOD(subtract, at_update(self, value, mx_negative, MX_UPDATE_ADD))
AT_METHOD(multiply, at_update(self, value, same, MX_UPDATE_MULTIPLY))
AT_METHOD(divide, quotient_at(self, value))
AT_METHOD(maximum, at_update(self, value, same, MX_UPDATE_MAXIMUM))
AT_METHOD(minimum, at_update(self, value, same, MX_UPDATE_MINIMUM))

#define AT_ROW(name, doc)                                                         \
  {                                                                               \
#name, (PyCFunction)(void (*)(void))at_##name, METH_FASTCALL | METH_KEYWORDS, \
        #name "($self, /, value)\n--\n\n" doc                                     \
  }
static PyMethodDef at_methods[] = {AT_ROW(add, "A copy with value added at the index."),
                                   AT_ROW(subtract, "A copy with value subtracted at the index."),
                                   AT_ROW(multiply, "A copy multiplied by value at the index."),
                                   AT_ROW(divide, "A copy divided by value at the index."),
                                   AT_ROW(maximum, "A copy with the larger of both at the index."),
                                   AT_ROW(minimum, "A copy with the smaller of both at the index."),
                                   {NULL, NULL, 0, NULL}};
static PyType_Slot at_slots[] = {{Py_tp_dealloc, at_dealloc},
                                 {Py_mp_subscript, at_getitem},
                                 {Py_tp_methods, at_methods},
                                 {Py_tp_doc, "Updates of a copy: x.at[index].add(values)."},
                                 {0, NULL}};
static PyType_Spec at_spec = {"mlx.core.ArrayAt", sizeof(at_object), 0,
                              Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, at_slots};

int py_at_init(PyObject *module) {
  at_type = (PyTypeObject *)PyType_FromSpec(&at_spec);
  if (!at_type) return -1;
  return py_add_type(module, "ArrayAt", at_type);
}
