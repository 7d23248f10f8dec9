/* The module mlx.core: puts its parts together. */
#include "core.h"
#include <math.h>

PyObject *py_module;

int py_add_object(PyObject *module, const char *name, PyObject *o) {
  int r = o ? PyModule_AddObjectRef(module, name, o) : -1;
  Py_XDECREF(o);
  return r;
}

int py_add_type(PyObject *module, const char *name, PyTypeObject *type) {
  return type ? PyModule_AddObjectRef(module, name, (PyObject *)type) : -1;
}

PyObject *py_make_enum(PyObject *base, PyObject *args) {
  PyObject *names = Py_BuildValue("{ss}", "module", "mlx.core"),
           *text = PyObject_GetAttrString(base, "__str__");
  PyObject *type = names && text ? PyObject_Call(base, args, names) : NULL;
  if (type && PyObject_SetAttrString(type, "__repr__", text) < 0) Py_CLEAR(type);
  Py_XDECREF(names);
  Py_XDECREF(text);
  return type;
}

static int add_constants(PyObject *module) {
  static const struct {
    const char *name;
    double value;
  } constants[] = {
      {"e", M_E}, {"pi", M_PI}, {"euler_gamma", 0.57721566490153286061}, {"inf", INFINITY}, {"nan", NAN}};
  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
    if (py_add_object(module, constants[i].name, PyFloat_FromDouble(constants[i].value)) < 0) return -1;
  if (py_add_object(module, "newaxis", Py_NewRef(Py_None)) < 0) return -1;
  return py_add_object(module, "__version__", PyUnicode_FromString("0.32.4"));
}

static struct PyModuleDef core_module = {.m_base = PyModuleDef_HEAD_INIT,
                                         .m_name = "mlx.core",
                                         .m_doc = "Lazy arrays, their operations and transformations.",
                                         .m_size = -1};

PyMODINIT_FUNC PyInit_core(void);
PyMODINIT_FUNC PyInit_core(void) {
  PyObject *m = PyModule_Create(&core_module);
  if (!m) return NULL;
  py_module = m;
  if (py_errors_init(m) < 0 || py_dtypes_init(m) < 0 || py_streams_init(m) < 0 || py_array_init(m) < 0 ||
      py_at_init(m) < 0 || py_print_init(m) < 0 || py_array_like_init(m) < 0 || py_transforms_init(m) < 0 ||
      py_add_functions(m, __start_mx_core, __stop_mx_core) < 0 || py_random_init(m) < 0 ||
      py_fast_init(m) < 0 || py_fft_init(m) < 0 || py_linalg_init(m) < 0 || py_backends_init(m) < 0 ||
      py_namespace_info_init() < 0 || add_constants(m) < 0) {
    Py_DECREF(m);
    return NULL;
  }
  return m;
}
