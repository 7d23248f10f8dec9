/* mlx.core.metal and mlx.core.cuda, and what MLX has for Metal and this build lacks. */
#include "core.h"

static PyObject *refuse_backend(const char *function, const char *backend) {
  PyErr_Format(PyExc_RuntimeError, "[%s] expected a %s backend, which this build lacks", function, backend);
  return NULL;
}

/* ---- Kernels ---- a Metal kernel can be described, as programs do when they start, but not run ---- */
static PyObject *run_metal(PyObject *self, PyObject *args, PyObject *kwargs) {
  (void)self, (void)args, (void)kwargs;
  return refuse_backend("metal_kernel", "Metal");
}
static PyMethodDef metal_kernel_call = {"metal_kernel", (PyCFunction)(void (*)(void))run_metal,
                                        METH_VARARGS | METH_KEYWORDS,
                                        "RuntimeError: there is no Metal here."};
FUNCTION_IN(
    fast, metal_kernel,
    "name: str, input_names: object, output_names: object, source: str, header: str = '', "
    "ensure_row_contiguous: bool = True, atomic_outputs: bool = False, compile_options: object? = None",
    "A kernel in Metal's language. This build has no Metal: calling the kernel raises RuntimeError.") {
  (void)f;
  return PyCFunction_NewEx(&metal_kernel_call, NULL, NULL);
}

/* ---- Modules ---- */
static PyObject *never(PyObject *self, PyObject *unused) {
  (void)self, (void)unused;
  Py_RETURN_FALSE;
}
static PyObject *has_gpu(PyObject *self, PyObject *unused) {
  (void)self, (void)unused;
  return PyBool_FromLong(mx_is_available(MX_GPU));
}
static PyObject *no_device(PyObject *self, PyObject *unused) {
  (void)self, (void)unused;
  return PyDict_New();
}
static PyObject *start_capture(PyObject *self, PyObject *path) {
  (void)self, (void)path;
  return refuse_backend("start_capture", "Metal");
}
static PyObject *stop_capture(PyObject *self, PyObject *unused) {
  (void)self, (void)unused;
  return refuse_backend("stop_capture", "Metal");
}
static PyMethodDef metal_functions[] = {
    {"is_available", never, METH_NOARGS, "is_available()\n--\n\nFalse: this build has no Metal."},
    {"device_info", no_device, METH_NOARGS, "device_info()\n--\n\nAn empty dict: there is no such device."},
    {"start_capture", start_capture, METH_O,
     "start_capture(path)\n--\n\nRuntimeError: there is no Metal here."},
    {"stop_capture", stop_capture, METH_NOARGS,
     "stop_capture()\n--\n\nRuntimeError: there is no Metal here."},
    {NULL, NULL, 0, NULL}};
static PyMethodDef cuda_functions[] = {
    {"is_available", has_gpu, METH_NOARGS, "is_available()\n--\n\nIs there a GPU that this build can use?"},
    {NULL, NULL, 0, NULL}};
static struct PyModuleDef metal_module = {.m_base = PyModuleDef_HEAD_INIT,
                                          .m_name = "mlx.core.metal",
                                          .m_doc = "Apple's GPUs, which this build doesn't know.",
                                          .m_size = -1,
                                          .m_methods = metal_functions};
static struct PyModuleDef cuda_module = {.m_base = PyModuleDef_HEAD_INIT,
                                         .m_name = "mlx.core.cuda",
                                         .m_doc = "NVIDIA's GPUs.",
                                         .m_size = -1,
                                         .m_methods = cuda_functions};
/* Older names of functions of mlx.core. */
static const char *const memory_functions[] = {"get_active_memory", "get_peak_memory",  "reset_peak_memory",
                                               "get_cache_memory",  "set_memory_limit", "set_cache_limit",
                                               "set_wired_limit",   "clear_cache"};

static int add_module(PyObject *module, const char *full_name, PyObject *m) {
  if (!m || PyDict_SetItemString(PyImport_GetModuleDict(), full_name, m) < 0) return -1;
  return py_add_object(module, full_name + sizeof "mlx.core", m);
}

int py_backends_init(PyObject *module) {
  PyObject *metal = PyModule_Create(&metal_module);
  for (size_t i = 0; metal && i < sizeof memory_functions / sizeof *memory_functions; i++)
    if (py_add_object(metal, memory_functions[i], PyObject_GetAttrString(module, memory_functions[i])) < 0)
      return -1;
  if (add_module(module, "mlx.core.metal", metal) < 0) return -1;
  return add_module(module, "mlx.core.cuda", PyModule_Create(&cuda_module));
}
