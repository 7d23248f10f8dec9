/* repr of arrays, and the options of printing. */
#include "core.h"
#include <string.h>

int py_print_precision = -1;

PyObject *py_repr(PyObject *self) {
  mx_scope s = mx_scope_open();
  mx_array a = py_handle(self);
  PyObject *r = NULL;
  if (py_eval(1, &a) == 0) {
    char *text = mx_to_string(a, py_print_precision);
    r = text ? PyUnicode_FromString(text) : py_raise();
    mx_free(text);
  }
  mx_scope_close(&s);
  return r;
}

typedef struct options_object {
  PyObject_HEAD int precision, before; /* before: what the context restores */
} options_object;
static PyTypeObject *options_type, *context_type;

static int read_precision(PyObject *o, int *precision) {
  int64_t p;
  if (!PyIndex_Check(o) || (py_int64(o, &p) < 0 && PyErr_ExceptionMatches(PyExc_TypeError))) {
    PyErr_Clear();
    return py_refuse(PyExc_TypeError, "printoptions", "an int as the precision", o);
  }
  if (PyErr_Occurred() || p < -1 || p > 64) {
    PyErr_Clear();
    PyErr_Format(PyExc_ValueError,
                 "[printoptions] expected a precision of -1 (the default) to 64 decimals, got %R", o);
    return -1;
  }
  *precision = (int)p;
  return 0;
}
static options_object *new_options(PyTypeObject *type, int precision) {
  options_object *o = (options_object *)PyType_GenericAlloc(type, 0);
  if (o) o->precision = precision;
  return o;
}
static PyObject *options_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  if (!py_arguments_fit("PrintOptions", args, kwargs, 1, "precision")) return NULL;
  PyObject *p = PyTuple_Size(args) > 0 ? PyTuple_GetItem(args, 0)
                : kwargs               ? PyDict_GetItemString(kwargs, "precision")
                                       : NULL;
  int precision = -1;
  if (p && Py_TYPE(p) == options_type)
    precision = ((options_object *)p)->precision;
  else if (p && read_precision(p, &precision) < 0)
    return NULL;
  return (PyObject *)new_options(type, precision);
}
static PyObject *get_precision(PyObject *o, void *unused) {
  (void)unused;
  return PyLong_FromLong(((options_object *)o)->precision);
}
static int set_precision(PyObject *o, PyObject *value, void *unused) {
  (void)unused;
  if (value) return read_precision(value, &((options_object *)o)->precision);
  PyErr_SetString(PyExc_AttributeError, "precision can't be deleted");
  return -1;
}
static PyObject *options_enter(PyObject *self, PyObject *unused) {
  (void)unused;
  ((options_object *)self)->before = py_print_precision;
  py_print_precision = ((options_object *)self)->precision;
  return Py_NewRef(self);
}
static PyObject *options_exit(PyObject *self, PyObject *args) {
  (void)args;
  py_print_precision = ((options_object *)self)->before;
  Py_RETURN_NONE;
}
static PyGetSetDef options_properties[] = {{"precision", get_precision, set_precision,
                                            "Decimals of printed floats; -1: six significant digits.", NULL},
                                           {NULL, NULL, NULL, NULL, NULL}};
static PyMethodDef context_methods[] = {{"__enter__", options_enter, METH_NOARGS, NULL},
                                        {"__exit__", options_exit, METH_VARARGS, NULL},
                                        {NULL, NULL, 0, NULL}};
static PyType_Slot options_slots[] = {
    {Py_tp_new, options_new},
    {Py_tp_getset, options_properties},
    {Py_tp_doc, "PrintOptions(precision=-1)\n--\n\nHow arrays are printed."},
    {0, NULL}};
static PyType_Slot context_slots[] = {{Py_tp_new, options_new}, {Py_tp_methods, context_methods}, {0, NULL}};
static PyType_Spec options_spec = {"mlx.core.PrintOptions", sizeof(options_object), 0, Py_TPFLAGS_DEFAULT,
                                   options_slots};
static PyType_Spec context_spec = {"mlx.core._PrintOptionsContext", sizeof(options_object), 0,
                                   Py_TPFLAGS_DEFAULT, context_slots};

FUNCTION(set_printoptions, "precision: object = -1 -> None",
         "Sets the decimals of printed floats; -1: six significant digits.") {
  int precision = -1;
  if (py_given(f, 0) && read_precision(f->v[0].o, &precision) < 0) return NULL;
  py_print_precision = precision;
  Py_RETURN_NONE;
}
FUNCTION(get_printoptions, "-> PrintOptions", "The current options of printing.") {
  (void)f;
  return (PyObject *)new_options(options_type, py_print_precision);
}
FUNCTION(printoptions, "precision: object = -1 -> _PrintOptionsContext",
         "A context in which floats are printed with that many decimals.") {
  int precision = -1;
  if (py_given(f, 0) && read_precision(f->v[0].o, &precision) < 0) return NULL;
  return (PyObject *)new_options(context_type, precision);
}

/* Up to Python 3.11 reprlib knows types by their names alone, and takes ours for the standard library's
   `array`; so pytest, for one, could not show arrays where a test fails. */
static int mend_reprlib(void) {
  if (Py_Version >= 0x030C0000) return 0;
  static const char *const source = "import reprlib\n"
                                    "theirs = reprlib.Repr.repr_array\n"
                                    "def repr_array(self, x, level):\n"
                                    "    if hasattr(x, 'typecode'):\n"
                                    "        return theirs(self, x, level)\n"
                                    "    return self.repr_instance(x, level)\n"
                                    "reprlib.Repr.repr_array = repr_array\n";
  PyObject *names = PyDict_New(), *code = names ? Py_CompileString(source, "mlx.core", Py_file_input) : NULL,
           *done = code ? PyEval_EvalCode(code, names, names) : NULL;
  Py_XDECREF(done);
  Py_XDECREF(code);
  Py_XDECREF(names);
  return done ? 0 : -1;
}

int py_print_init(PyObject *module) {
  options_type = (PyTypeObject *)PyType_FromSpec(&options_spec);
  context_type = (PyTypeObject *)PyType_FromSpec(&context_spec);
  if (!options_type || !context_type || mend_reprlib() < 0) return -1;
  if (py_add_type(module, "PrintOptions", options_type) < 0) return -1;
  return py_add_type(module, "_PrintOptionsContext", context_type);
}
