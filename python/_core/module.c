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

static PyObject *enum_members(int n, const char *const *names) {
  PyObject *list = PyList_New(0);
  for (int i = 0; list && i < n; i++) {
    PyObject *pair = Py_BuildValue("(si)", names[i], i);
    if (!pair || PyList_Append(list, pair) < 0) Py_CLEAR(list);
    Py_XDECREF(pair);
  }
  return list;
}
int py_add_enum(PyObject *module, const char *name, int n, const char *const *names, PyObject **members) {
  PyObject *enums = PyImport_ImportModule("enum"),
           *base = enums ? PyObject_GetAttrString(enums, "Enum") : NULL,
           *text = base ? PyObject_GetAttrString(base, "__str__") : NULL, *list = enum_members(n, names),
           *args = list ? Py_BuildValue("(sO)", name, list) : NULL,
           *place = Py_BuildValue("{ss}", "module", "mlx.core");
  PyObject *type = text && args && place ? PyObject_Call(base, args, place) : NULL;
  if (type && PyObject_SetAttrString(type, "__repr__", text) < 0) Py_CLEAR(type);
  for (int i = 0; type && i < n; i++) {
    members[i] = PyObject_GetAttrString(type, names[i]);
    if (!members[i] || PyModule_AddObjectRef(module, names[i], members[i]) < 0) Py_CLEAR(type);
  }
  Py_XDECREF(enums);
  Py_XDECREF(base);
  Py_XDECREF(text);
  Py_XDECREF(list);
  Py_XDECREF(args);
  Py_XDECREF(place);
  return py_add_object(module, name, type);
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
      py_export_init(m) < 0 || py_add_functions(m, __start_mx_core, __stop_mx_core) < 0 ||
      py_random_init(m) < 0 || py_fast_init(m) < 0 || py_fft_init(m) < 0 || py_linalg_init(m) < 0 ||
      py_backends_init(m) < 0 || py_cuda_kernel_init() < 0 || py_distributed_init(m) < 0 ||
      py_namespace_info_init() < 0 || add_constants(m) < 0) {
    Py_DECREF(m);
    return NULL;
  }
  return m;
}
