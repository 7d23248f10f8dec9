/* ArrayLike: an object that stands for the array it can be turned into. */
#include "core.h"

typedef struct like_object {
  PyObject_HEAD PyObject *value;
} like_object;

static PyObject *like_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  if (PyTuple_Size(args) != 1 || (kwargs && PyDict_Size(kwargs) > 0)) {
    PyErr_SetString(PyExc_TypeError, "ArrayLike(): expected one positional argument");
    return NULL;
  }
  like_object *o = (like_object *)PyType_GenericAlloc(type, 0);
  if (o) o->value = Py_NewRef(PyTuple_GetItem(args, 0));
  return (PyObject *)o;
}
static int like_traverse(PyObject *o, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(o));
  Py_VISIT(((like_object *)o)->value);
  return 0;
}
static int like_clear(PyObject *o) {
  Py_CLEAR(((like_object *)o)->value);
  return 0;
}
static void like_dealloc(PyObject *o) {
  PyTypeObject *type = Py_TYPE(o);
  PyObject_GC_UnTrack(o);
  like_clear(o);
  PyObject_GC_Del(o);
  Py_DECREF(type);
}
static PyObject *like_array(PyObject *o, PyObject *unused) {
  (void)unused;
  mx_scope s = mx_scope_open();
  mx_array a = py_to_array(((like_object *)o)->value, -1);
  PyObject *r = a ? py_wrap(a) : NULL;
  mx_scope_close(&s);
  return r;
}
static PyMethodDef like_methods[] = {
    {"__mlx_array__", like_array, METH_NOARGS, "__mlx_array__($self, /)\n--\n\nThe array."},
    {NULL, NULL, 0, NULL}};
static PyType_Slot like_slots[] = {
    {Py_tp_new, like_new},
    {Py_tp_traverse, like_traverse},
    {Py_tp_clear, like_clear},
    {Py_tp_dealloc, like_dealloc},
    {Py_tp_methods, like_methods},
    {Py_tp_doc, "ArrayLike(arg, /)\n--\n\nAny object that an array can be made of, used as one."},
    {0, NULL}};
static PyType_Spec like_spec = {"mlx.core.ArrayLike", sizeof(like_object), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, like_slots};

int py_array_like_init(PyObject *module) {
  return py_add_type(module, "ArrayLike", (PyTypeObject *)PyType_FromSpec(&like_spec));
}
