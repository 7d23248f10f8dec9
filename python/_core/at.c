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
static PyObject *at_divide(PyObject *self, PyObject *value) {
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
static PyObject *at_add(PyObject *o, PyObject *v) { return at_update(o, v, same, MX_UPDATE_ADD); }
static PyObject *at_subtract(PyObject *o, PyObject *v) { return at_update(o, v, mx_negative, MX_UPDATE_ADD); }
static PyObject *at_multiply(PyObject *o, PyObject *v) { return at_update(o, v, same, MX_UPDATE_MULTIPLY); }
static PyObject *at_maximum(PyObject *o, PyObject *v) { return at_update(o, v, same, MX_UPDATE_MAXIMUM); }
static PyObject *at_minimum(PyObject *o, PyObject *v) { return at_update(o, v, same, MX_UPDATE_MINIMUM); }
static PyMethodDef at_methods[] = {
    {"add", at_add, METH_O, "add($self, value, /)\n--\n\nA copy with value added at the index."},
    {"subtract", at_subtract, METH_O,
     "subtract($self, value, /)\n--\n\nA copy with value subtracted at the index."},
    {"multiply", at_multiply, METH_O,
     "multiply($self, value, /)\n--\n\nA copy multiplied by value at the index."},
    {"divide", at_divide, METH_O, "divide($self, value, /)\n--\n\nA copy divided by value at the index."},
    {"maximum", at_maximum, METH_O,
     "maximum($self, value, /)\n--\n\nA copy with the larger of both at the index."},
    {"minimum", at_minimum, METH_O,
     "minimum($self, value, /)\n--\n\nA copy with the smaller of both at the index."},
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
