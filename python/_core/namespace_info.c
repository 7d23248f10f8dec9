/* mlx.core.__array_namespace_info__(): what the array API standard asks about a namespace. */
#include "core.h"

MXI_SECTION(info);
#define INFO(name, signature, doc) FUNCTION_IN(info, name, signature, doc)

static PyTypeObject *info_type;

/* The dtypes that the standard names. */
static const struct {
  const char *name;
  mx_dtype t;
} standard[] = {
    {"bool", MX_BOOL},     {"int8", MX_INT8},       {"int16", MX_INT16},     {"int32", MX_INT32},
    {"int64", MX_INT64},   {"uint8", MX_UINT8},     {"uint16", MX_UINT16},   {"uint32", MX_UINT32},
    {"uint64", MX_UINT64}, {"float32", MX_FLOAT32}, {"float64", MX_FLOAT64}, {"complex64", MX_COMPLEX64},
};

static int add_dtype(PyObject *dict, const char *name, mx_dtype t) {
  PyObject *o = py_dtype(t);
  int status = o ? PyDict_SetItemString(dict, name, o) : -1;
  Py_XDECREF(o);
  return status;
}

INFO(capabilities, "self: object", "What indexing and shapes may depend on; the most dimensions.") {
  (void)f;
  return Py_BuildValue("{sOsOsi}", "boolean indexing", Py_True, "data-dependent shapes", Py_True,
                       "max dimensions", MX_MAX_NDIM);
}
INFO(default_device, "self: object", "The default device.") {
  (void)f;
  return PyObject_CallMethod(py_module, "default_device", NULL);
}
INFO(devices, "self: object", "The devices that can compute, a tuple.") {
  (void)f;
  return Py_BuildValue(
      "(N)", PyObject_CallMethod(py_module, "Device", "N", PyObject_GetAttrString(py_module, "cpu")));
}
INFO(default_dtypes, "self: object, *, device: object? = None", "The dtype of new arrays of each kind.") {
  mx_device d;
  if (py_given(f, 1) && py_need_device(f->v[1].o, &d, "default_dtypes") < 0) return NULL;
  PyObject *dict = PyDict_New();
  if (dict && (add_dtype(dict, "real floating", MX_FLOAT32) < 0 ||
               add_dtype(dict, "complex floating", MX_COMPLEX64) < 0 ||
               add_dtype(dict, "integral", MX_INT32) < 0 || add_dtype(dict, "indexing", MX_INT32) < 0))
    Py_CLEAR(dict);
  return dict;
}
INFO(dtypes, "self: object, *, device: object? = None, kind: object? = None",
     "The standard's dtypes by name. kind: only those of a kind that isdtype takes, or of one in a tuple.") {
  mx_device d;
  if (py_given(f, 1) && py_need_device(f->v[1].o, &d, "dtypes") < 0) return NULL;
  PyObject *dict = PyDict_New();
  for (size_t i = 0; dict && i < sizeof standard / sizeof *standard; i++) {
    int wanted = py_given(f, 2) ? py_dtype_is(standard[i].t, f->v[2].o) : 1;
    if (wanted < 0 || (wanted && add_dtype(dict, standard[i].name, standard[i].t) < 0)) Py_CLEAR(dict);
  }
  return dict;
}

FUNCTION(__array_namespace_info__, "",
         "What the array API standard asks about this module: capabilities(), default_device(), devices(), "
         "default_dtypes(), dtypes().") {
  (void)f;
  return PyType_GenericAlloc(info_type, 0);
}

int py_namespace_info_init(void) {
  PyType_Slot slots[] = {
      {Py_tp_methods, py_method_table("mlx.core.ArrayNamespaceInfo", __start_mx_info, __stop_mx_info, NULL)},
      {Py_tp_doc, "Made by __array_namespace_info__()."},
      {0, NULL}};
  PyType_Spec spec = {"mlx.core.ArrayNamespaceInfo", sizeof(PyObject), 0,
                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  info_type = slots[0].pfunc ? (PyTypeObject *)PyType_FromSpec(&spec) : NULL;
  return info_type ? 0 : -1;
}
