/* What the array API standard asks of an array object beside what MLX has: its namespace, device, to_device.
   The namespace is the package mlx.array_api, in Python, imported when it is first asked for. */
#include "core.h"
#include <string.h>

static const char *const versions[] = {"2021.12", "2022.12", "2023.12", "2024.12"};

METHOD(
    __array_namespace__, "self: array, api_version: str? = None -> Any",
    "The module mlx.array_api, whose functions are the array API standard's. ValueError for versions of the "
    "standard other than 2021.12 to 2024.12.") {
  bool known = !py_given(f, 1);
  for (size_t i = 0; !known && i < sizeof versions / sizeof *versions; i++)
    known = !strcmp(f->v[1].s, versions[i]);
  static PyObject *namespace; /* kept for as long as the process runs, as the types are */
  if (known && !namespace) namespace = PyImport_ImportModule("mlx.array_api");
  if (known) return Py_XNewRef(namespace);
  PyErr_Format(PyExc_ValueError,
               "[__array_namespace__] expected an API version from 2021.12 to 2024.12, got '%s'", f->v[1].s);
  return NULL;
}

/* Memory is shared by all devices: an array is where the next op on it runs. */
PyObject *py_array_device(PyObject *self, void *unused) {
  (void)self, (void)unused;
  return PyObject_CallMethod(py_module, "default_device", NULL);
}

METHOD(to_device, "self: array, device: object, /, *, stream: object? = None",
       "The array: memory is shared by all devices, and each op takes the device to run on.") {
  mx_device d;
  if (py_need_device(f->v[1].o, &d, "to_device") < 0) return NULL;
  return py_wrap(f->v[0].a);
}
