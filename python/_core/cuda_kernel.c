/* mlx.core.fast: kernels of the user's, in CUDA's language or compiled. */
#include "core.h"
#include <string.h>

/* ---- Lists ---- each of n items, from PyMem_Malloc; NULL with the exception set */
static PyObject *sequence_of(const frame *f, int i, const char *expected) {
  PyObject *s = PyUnicode_Check(f->v[i].o) || PyBytes_Check(f->v[i].o) ? NULL : PySequence_List(f->v[i].o);
  if (!s) py_wrong_argument(f, i, expected);
  return s;
}

static PyObject *wrong_item(const frame *f, const char *expected, PyObject *got) {
  py_refuse(PyExc_TypeError, f->f->name, expected, got);
  return NULL;
}

/* Arrays and scalars, in the scope. */
static mx_array *read_inputs(const frame *f, int i, int *n) {
  PyObject *list = sequence_of(f, i, "a list of arrays");
  mx_array *arrays = NULL;
  if (list && (arrays = PyMem_Malloc(sizeof *arrays * (size_t)(PyList_Size(list) + 1)))) {
    *n = (int)PyList_Size(list);
    for (int k = 0; arrays && k < *n; k++) {
      PyObject *o = PyList_GetItem(list, k);
      arrays[k] = py_is_array(o)     ? py_lend(py_handle(o))
                  : py_is_operand(o) ? py_to_array(o, -1)
                                     : (mx_array)wrong_item(f, "inputs that are arrays or scalars", o);
      if (!arrays[k]) {
        PyMem_Free(arrays);
        arrays = NULL;
      }
    }
  } else if (list) {
    PyErr_NoMemory();
  }
  Py_XDECREF(list);
  return arrays;
}

/* What a launch needs, with the memory of its lists. */
struct launch_lists {
  mx_kernel_launch launch;
  mx_ints *shapes;
  mx_dtype *dtypes;
  int nshapes;
};
static void free_lists(struct launch_lists *l) {
  for (int i = 0; i < l->nshapes; i++) PyMem_Free((void *)(size_t)l->shapes[i].v);
  PyMem_Free(l->shapes);
  PyMem_Free(l->dtypes);
}

static int read_shapes(const frame *f, int i, struct launch_lists *l) {
  PyObject *list = sequence_of(f, i, "a list of shapes");
  int n = list ? (int)PyList_Size(list) : -1;
  l->shapes = list ? PyMem_Malloc(sizeof *l->shapes * (size_t)(n + 1)) : NULL;
  if (list && !l->shapes) PyErr_NoMemory(), n = -1;
  for (; n > l->nshapes; l->nshapes++) {
    int64_t *dims;
    int ndim = py_int_list(PyList_GetItem(list, l->nshapes), &dims);
    if (ndim < 0) {
      py_wrong_argument(f, i, "a list of shapes");
      break;
    }
    l->shapes[l->nshapes] = (mx_ints){dims, ndim};
  }
  Py_XDECREF(list);
  return n >= 0 && l->nshapes == n ? 0 : -1;
}

static int read_dtypes(const frame *f, int i, struct launch_lists *l) {
  PyObject *list = sequence_of(f, i, "a list of Dtypes");
  int n = list ? (int)PyList_Size(list) : -1, k = 0;
  l->dtypes = list ? PyMem_Malloc(sizeof *l->dtypes * (size_t)(n + 1)) : NULL;
  if (list && !l->dtypes) PyErr_NoMemory(), n = -1;
  for (; k < n && py_is_dtype(PyList_GetItem(list, k)); k++)
    l->dtypes[k] = py_dtype_value(PyList_GetItem(list, k));
  if (k < n) wrong_item(f, "output dtypes that are Dtypes", PyList_GetItem(list, k));
  Py_XDECREF(list);
  if (n < 0 || k < n) return -1;
  if (n == l->nshapes) return l->launch.noutputs = n, 0;
  PyErr_Format(PyExc_ValueError, "[%s] expected as many output dtypes as output shapes, got %d and %d",
               f->f->name, n, l->nshapes);
  return -1;
}

static int read_axes(const frame *f, int i, const char *name, int64_t *out) {
  if (f->v[i].ints.n == 3) return memcpy(out, f->v[i].ints.v, 3 * sizeof *out), 0;
  PyErr_Format(PyExc_ValueError, "[%s] expected a %s of 3 ints, got %d", f->f->name, name, f->v[i].ints.n);
  return -1;
}

/* From these arguments: two neighbours are the outputs' shapes and dtypes, two the grid and the threadgroup.
   0 or -1; free_lists in any case. */
static int read_launch(const frame *f, int outputs, int grid, int init_value, struct launch_lists *l) {
  memset(l, 0, sizeof *l);
  if (read_shapes(f, outputs, l) < 0 || read_dtypes(f, outputs + 1, l) < 0 ||
      read_axes(f, grid, "grid", l->launch.grid) < 0 ||
      read_axes(f, grid + 1, "threadgroup", l->launch.threadgroup) < 0)
    return -1;
  l->launch.output_shapes = l->shapes;
  l->launch.output_dtypes = l->dtypes;
  l->launch.initialized = py_given(f, init_value);
  l->launch.init_value = f->v[init_value].d;
  return 0;
}

static PyObject *run(int result, int n, const mx_array *out) {
  return result < 0 ? py_raise() : py_wrap_list(n, out);
}

/* ---- From source ---- */
/* What cuda_kernel was called with; its texts belong to `kept`. */
struct described {
  mx_cuda_kernel_opts opts;
  int noutput_names;
  PyObject *kept;
};
static const char described_name[] = "mlx.core.fast.cuda_kernel";
static void free_described(PyObject *capsule) {
  struct described *d = PyCapsule_GetPointer(capsule, described_name);
  PyMem_Free((void *)(size_t)d->opts.input_names);
  PyMem_Free((void *)(size_t)d->opts.output_names);
  Py_XDECREF(d->kept);
  PyMem_Free(d);
}

/* The names, whose list is kept; their number, or -1. */
static int read_names(const frame *f, int i, PyObject *kept, const char *const **out) {
  PyObject *list = sequence_of(f, i, "a list of names");
  int n = list ? (int)PyList_Size(list) : -1;
  const char **names = list ? PyMem_Malloc(sizeof *names * (size_t)(n + 1)) : NULL;
  *out = names;
  if (list && !names) PyErr_NoMemory(), n = -1;
  for (int k = 0; k < n; k++) {
    PyObject *o = PyList_GetItem(list, k);
    if (!PyUnicode_Check(o))
      wrong_item(f, "names that are strs", o), n = -1;
    else if (!(names[k] = PyUnicode_AsUTF8AndSize(o, NULL)))
      n = -1;
  }
  if (list && PyList_Append(kept, list) < 0) n = -1;
  Py_XDECREF(list);
  return n;
}

/* The template arguments: (name, dtype, int or bool) each. Their number, or -1. */
static int read_constants(const frame *f, int i, PyObject **kept, mx_kernel_constant **out) {
  PyObject *list = *kept =
      py_given(f, i) ? sequence_of(f, i, "a list of (name, dtype, int or bool)") : PyList_New(0);
  int n = list ? (int)PyList_Size(list) : -1;
  *out = list ? PyMem_Calloc((size_t)(n + 1), sizeof **out) : NULL;
  if (list && !*out) return PyErr_NoMemory(), -1;
  for (int k = 0; k < n; k++) {
    PyObject *pair = PyList_GetItem(list, k);
    mx_kernel_constant *c = &(*out)[k];
    PyObject *name = PyTuple_Check(pair) && PyTuple_Size(pair) == 2 ? PyTuple_GetItem(pair, 0) : NULL;
    if (!name || !PyUnicode_Check(name))
      return wrong_item(f, "template arguments that are tuples of a name and a value", pair), -1;
    PyObject *value = PyTuple_GetItem(pair, 1);
    if (!(c->name = PyUnicode_AsUTF8AndSize(name, NULL))) return -1;
    c->kind = py_is_dtype(value) ? MX_KERNEL_TYPE : PyBool_Check(value) ? MX_KERNEL_BOOL : MX_KERNEL_INT;
    if (c->kind == MX_KERNEL_TYPE)
      c->dtype = py_dtype_value(value);
    else if (!PyLong_Check(value))
      return wrong_item(f, "a Dtype, an int or a bool for a template argument", value), -1;
    else if (py_int64(value, &c->value) < 0)
      return py_wrong_argument(f, i, "ints of 64 bits"), -1;
  }
  return n;
}

static int print_text(const mx_cuda_kernel_opts *opts, const mx_array *inputs) {
  char *text = mx_fast_cuda_kernel_text(*opts, inputs);
  PyObject *out = PySys_GetObject("stdout"), *written = NULL;
  if (text && out) written = PyObject_CallMethod(out, "write", "s", text);
  if (!text) py_raise();
  mx_free(text);
  Py_XDECREF(written);
  return text && (written || !out || out == Py_None) ? 0 : -1;
}

static PyObject *run_source(const struct described *d, const frame *f, const mx_array *inputs, int n,
                            const struct launch_lists *l, const mx_kernel_constant *constants,
                            int nconstants) {
  mx_cuda_kernel_opts opts = d->opts;
  if (n != opts.ninputs || l->launch.noutputs != d->noutput_names)
    return PyErr_Format(PyExc_ValueError,
                        "[%s] expected %d inputs and %d outputs, as there are names, got %d and %d",
                        f->f->name, opts.ninputs, d->noutput_names, n, l->launch.noutputs);
  int64_t shared = opts.launch.shared_memory;
  bool any_strides = opts.launch.any_strides;
  opts.launch = l->launch;
  opts.launch.shared_memory = shared;
  opts.launch.any_strides = any_strides;
  opts.constants = constants;
  opts.nconstants = nconstants;
  if (f->v[8].b && print_text(&opts, inputs) < 0) return NULL;
  mx_array *out = PyMem_Malloc(sizeof *out * (size_t)(l->launch.noutputs + 1));
  if (!out) return PyErr_NoMemory();
  PyObject *result = run(mx_fast_cuda_kernel(opts, inputs, out), l->launch.noutputs, out);
  PyMem_Free(out);
  return result;
}

FUNCTION_IN(
    kernels, kernel,
    "self: object, *, inputs: object, output_shapes: object, output_dtypes: object, grid: ints, threadgroup: "
    "ints, "
    "template: object? = None, init_value: float? = None, verbose: bool = False, stream: stream = None",
    "Runs the kernel on inputs: a list of arrays. grid: threads along three axes; threadgroup: those of a "
    "block. "
    "template: (name, dtype, int or bool) each, for the source. init_value fills the outputs first. verbose "
    "prints the text that is compiled.") {
  const struct described *d = PyCapsule_GetPointer(f->v[0].o, described_name);
  struct launch_lists l;
  PyObject *kept = NULL, *result = NULL;
  mx_kernel_constant *constants = NULL;
  int n = 0;
  mx_array *inputs = d ? read_inputs(f, 1, &n) : NULL;
  if (!inputs) return NULL;
  int nconstants = read_constants(f, 6, &kept, &constants);
  if (read_launch(f, 2, 4, 7, &l) == 0 && nconstants >= 0)
    result = run_source(d, f, inputs, n, &l, constants, nconstants);
  free_lists(&l);
  PyMem_Free(constants);
  Py_XDECREF(kept);
  PyMem_Free(inputs);
  return result;
}

static PyMethodDef *kernel_call;
int py_cuda_kernel_init(void) {
  function_kernel.name = "cuda_kernel"; /* what errors name */
  kernel_call = py_method_table("mlx.core.fast.kernel", __start_mx_kernels, __stop_mx_kernels, NULL);
  return kernel_call ? 0 : -1;
}

static int describe(const frame *f, struct described *d) {
  PyObject *texts[] = {PyUnicode_FromString(f->v[0].s), PyUnicode_FromString(f->v[3].s),
                       PyUnicode_FromString(f->v[4].s)};
  int result = (d->kept = PyList_New(0)) ? 0 : -1;
  for (int i = 0; i < 3; i++) {
    if (!texts[i] || result < 0 || PyList_Append(d->kept, texts[i]) < 0) result = -1;
    Py_XDECREF(texts[i]);
  }
  if (result < 0) return -1;
  const char **text[] = {&d->opts.name, &d->opts.source, &d->opts.header};
  for (int i = 0; i < 3; i++) *text[i] = PyUnicode_AsUTF8AndSize(PyList_GetItem(d->kept, i), NULL);
  d->opts.ninputs = read_names(f, 1, d->kept, &d->opts.input_names);
  if (d->opts.ninputs < 0) return -1;
  d->noutput_names = read_names(f, 2, d->kept, &d->opts.output_names);
  d->opts.launch.any_strides = !f->v[5].b;
  d->opts.launch.shared_memory = f->v[6].i;
  return d->noutput_names < 0 ? -1 : 0;
}

FUNCTION_IN(
    fast, cuda_kernel,
    "name: str, input_names: object, output_names: object, source: str, header: str = '', "
    "ensure_row_contiguous: bool = True, shared_memory: int = 0 -> Any",
    "A kernel in CUDA C++: a function to be called with inputs. source is the body of a function of the "
    "inputs and "
    "outputs by their names, and of NAME_shape, NAME_strides and NAME_ndim of inputs where it speaks of "
    "them; header "
    "stands before it. It is compiled when it first runs; RuntimeError then has the compiler's words.") {
  struct described *d = PyMem_Calloc(1, sizeof *d);
  PyObject *capsule = d ? PyCapsule_New(d, described_name, free_described) : PyErr_NoMemory(), *result = NULL;
  if (!capsule)
    PyMem_Free(d);
  else if (describe(f, d) == 0)
    result = PyCFunction_NewEx(kernel_call, capsule, NULL);
  Py_XDECREF(capsule);
  return result;
}

/* ---- Compiled ---- */
static mx_kernel_scalar *read_scalars(const frame *f, int i, int *n) {
  PyObject *list = sequence_of(f, i, "a list of bools, ints and floats");
  mx_kernel_scalar *scalars = list ? PyMem_Calloc((size_t)(PyList_Size(list) + 1), sizeof *scalars) : NULL;
  bool good = scalars;
  *n = list ? (int)PyList_Size(list) : 0;
  if (list && !scalars) PyErr_NoMemory();
  for (int k = 0; k < *n && good; k++) {
    PyObject *o = PyList_GetItem(list, k);
    mx_kernel_scalar *s = &scalars[k];
    s->dtype = PyBool_Check(o) ? MX_BOOL : PyLong_Check(o) ? MX_INT32 : MX_FLOAT32;
    if (PyLong_Check(o))
      good = py_int64(o, &s->integer) == 0 || py_wrong_argument(f, i, "ints of 64 bits");
    else if (PyFloat_Check(o))
      s->number = PyFloat_AsDouble(o);
    else
      good = wrong_item(f, "scalars that are bools, ints or floats", o) != NULL;
  }
  Py_XDECREF(list);
  if (good) return scalars;
  PyMem_Free(scalars);
  return NULL;
}

static PyObject *run_compiled(mx_cuda_code_opts *opts, const frame *f, const Py_buffer *code,
                              const mx_array *inputs) {
  mx_array *out = PyMem_Malloc(sizeof *out * (size_t)(opts->launch.noutputs + 1));
  if (!out) return PyErr_NoMemory();
  opts->name = f->v[0].s;
  opts->code = code->buf;
  opts->bytes = (size_t)code->len;
  opts->launch.shared_memory = f->v[8].i;
  opts->launch.any_strides = !f->v[10].b;
  PyObject *result = run(mx_fast_precompiled_cuda_kernel(*opts, inputs, out), opts->launch.noutputs, out);
  PyMem_Free(out);
  return result;
}

/* The bytes of an object with a buffer, or of a str. */
static int read_code(const frame *f, int i, Py_buffer *code, PyObject **kept) {
  PyObject *o = f->v[i].o;
  *kept = PyUnicode_Check(o) ? PyUnicode_AsUTF8String(o) : Py_NewRef(o);
  if (*kept && PyObject_GetBuffer(*kept, code, PyBUF_SIMPLE) == 0) return 0;
  py_wrong_argument(f, i, "bytes or a str");
  Py_XDECREF(*kept);
  return -1;
}

FUNCTION_IN(
    fast, precompiled_cuda_kernel,
    "*, name: str, compiled_source: object, inputs: object, output_shapes: object, output_dtypes: object, "
    "scalars: object, grid: ints, threadgroup: ints, shared_memory: int = 0, init_value: float? = None, "
    "ensure_row_contiguous: bool = False, stream: stream = None -> Any",
    "Runs a compiled CUDA kernel by its name in compiled_source, a cubin or PTX. Its parameters are the "
    "addresses of inputs and "
    "outputs, then the scalars: bools, ints of 32 bits, float32. grid: threads along three axes; "
    "threadgroup: those of a "
    "block. A list of arrays.") {
  struct launch_lists l;
  Py_buffer code;
  PyObject *kept, *result = NULL;
  mx_cuda_code_opts opts = {0};
  if (read_code(f, 1, &code, &kept) < 0) return NULL;
  mx_array *inputs = read_inputs(f, 2, &opts.ninputs);
  mx_kernel_scalar *scalars = inputs ? read_scalars(f, 5, &opts.nscalars) : NULL;
  if (scalars && read_launch(f, 3, 6, 9, &l) == 0) {
    opts.scalars = scalars;
    opts.launch = l.launch;
    result = run_compiled(&opts, f, &code, inputs);
  }
  if (scalars) free_lists(&l);
  PyMem_Free(scalars);
  PyMem_Free(inputs);
  PyBuffer_Release(&code);
  Py_DECREF(kept);
  return result;
}
