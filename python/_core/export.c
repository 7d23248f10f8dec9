/* export_function, exporter, import_function. */
#include "export.h"
#include "io.h"
#include <string.h>

/* ---- The arrays of a call ---- */
static int refuse_inputs(const char *op) {
  PyErr_Format(PyExc_ValueError,
               "[%s] expected arrays and named arrays, or a tuple of arrays and a dict of named ones, got "
               "other inputs",
               op);
  return -1;
}

static int add_array(export_call *e, const char *op, PyObject *o) {
  return py_is_array(o) ? py_tree_leaves(o, &e->arrays, false) : refuse_inputs(op);
}
static int add_positional(export_call *e, const char *op, PyObject *sequence) {
  bool tuple = PyTuple_Check(sequence);
  Py_ssize_t n = tuple ? PyTuple_Size(sequence) : PyList_Size(sequence);
  for (Py_ssize_t i = 0; i < n; i++)
    if (add_array(e, op, tuple ? PyTuple_GetItem(sequence, i) : PyList_GetItem(sequence, i)) < 0) return -1;
  return 0;
}
static int add_named(export_call *e, const char *op, PyObject *dict) {
  PyObject *key, *value;
  for (Py_ssize_t at = 0; PyDict_Next(dict, &at, &key, &value);) {
    if (!PyUnicode_Check(key)) return refuse_inputs(op);
    if (add_array(e, op, value) < 0 || PyList_Append(e->names, key) < 0) return -1;
  }
  return 0;
}

static int add_arguments(export_call *e, const char *op, PyObject *args, PyObject *kwargs) {
  Py_ssize_t n = PyTuple_Size(args);
  PyObject *first = n ? PyTuple_GetItem(args, 0) : NULL, *last = n ? PyTuple_GetItem(args, n - 1) : NULL;
  bool sequence = first && (PyTuple_Check(first) || PyList_Check(first)), dict = last && PyDict_Check(last);
  if (!sequence && !dict) {
    if (add_positional(e, op, args) < 0) return -1;
    return kwargs ? add_named(e, op, kwargs) : 0;
  }
  if (n != sequence + dict || (kwargs && PyDict_Size(kwargs))) return refuse_inputs(op);
  if (sequence && add_positional(e, op, first) < 0) return -1;
  return dict ? add_named(e, op, last) : 0;
}

int export_call_read(export_call *e, const char *op, PyObject *args, PyObject *kwargs) {
  if (!(e->names = PyList_New(0)) || add_arguments(e, op, args, kwargs) < 0) return -1;
  int nnames = (int)PyList_Size(e->names);
  e->texts = PyMem_Malloc(sizeof *e->texts * (size_t)(nnames + 1));
  if (!e->texts) return PyErr_NoMemory(), -1;
  for (int i = 0; i < nnames; i++)
    if (!(e->texts[i] = PyUnicode_AsUTF8AndSize(PyList_GetItem(e->names, i), NULL))) return -1;
  if (!(e->handles = py_leaves_handles(&e->arrays))) return -1;
  e->c = (mx_call){e->arrays.n, e->handles, nnames, e->texts};
  return 0;
}

void export_call_free(export_call *e) {
  py_leaves_free(&e->arrays);
  Py_XDECREF(e->names);
  PyMem_Free(e->handles);
  PyMem_Free(e->texts);
}

/* ---- The function on tracers ---- */
static PyObject *call_function(const export_call *e, const leaves *tracers) {
  int positional = e->c.n - e->c.nnames;
  PyObject *args = PyTuple_New(positional), *kwargs = PyDict_New(), *r = NULL;
  for (int i = 0; args && i < positional; i++) PyTuple_SetItem(args, i, Py_NewRef(tracers->v[i]));
  for (int i = 0; kwargs && i < e->c.nnames; i++)
    if (PyDict_SetItem(kwargs, PyList_GetItem(e->names, i), tracers->v[positional + i]) < 0) Py_CLEAR(kwargs);
  if (args && kwargs) r = PyObject_Call(e->function, args, kwargs);
  Py_XDECREF(args);
  Py_XDECREF(kwargs);
  return r;
}

static int refuse_result(PyObject *result) {
  return py_refuse(PyExc_ValueError, "export_function", "an array, or a tuple or list of arrays, as result",
                   result);
}
static int read_result(PyObject *result, leaves *l) {
  if (py_is_array(result)) return py_tree_leaves(result, l, false);
  if (!PyTuple_Check(result) && !PyList_Check(result)) return refuse_result(result);
  bool tuple = PyTuple_Check(result);
  Py_ssize_t n = tuple ? PyTuple_Size(result) : PyList_Size(result);
  for (Py_ssize_t i = 0; i < n; i++) {
    PyObject *o = tuple ? PyTuple_GetItem(result, i) : PyList_GetItem(result, i);
    if (!py_is_array(o)) return refuse_result(o);
    if (py_tree_leaves(o, l, false) < 0) return -1;
  }
  return 0;
}

int export_callback(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  export_call *e = context;
  leaves tracers = {0}, results = {0};
  int count = -1;
  PyObject *r = py_wrap_all(n, in, &tracers) == 0 ? call_function(e, &tracers) : NULL;
  if (r && read_result(r, &results) == 0) count = py_lend_all(&results, max_out, out);
  Py_XDECREF(r);
  py_leaves_free(&tracers);
  py_leaves_free(&results);
  return count < 0 ? py_callback_failed() : count;
}

/* ---- Exporters ---- */
typedef struct exporter_object {
  PyObject_HEAD PyObject *function;
  mx_exporter exporter;
} exporter_object;
static PyTypeObject *exporter_type;
MXI_SECTION(exporter);
#define EXPORTER_METHOD(name, signature, doc) FUNCTION_IN(exporter, name, signature, doc)

static mx_exporter open_exporter(const char *function, PyObject *path, bool shapeless, const char *metadata) {
  io_file file;
  mx_exporter e = NULL;
  if (io_open_writer(&file, function, path, NULL) == 0) {
    if (!file.path)
      py_wrong_type(function, "a path for argument 'file'", path);
    else if (!(e = mx_exporter_new(file.path, shapeless, metadata)))
      py_raise();
  }
  io_close(&file);
  return e;
}

static int add_trace(mx_exporter e, PyObject *function, PyObject *args, PyObject *kwargs) {
  export_call call = {.function = function};
  mx_scope s = mx_scope_open();
  int r = export_call_read(&call, "export_function", args, kwargs);
  if (r == 0 && mx_exporter_add(e, export_callback, &call, call.c) < 0) py_raise(), r = -1;
  mx_scope_close(&s);
  export_call_free(&call);
  return r;
}

static int close_exporter(mx_exporter e) {
  mx_scope s = mx_scope_open();
  PyThreadState *state = py_unlock();
  int r = mx_exporter_close(e);
  py_lock(state);
  if (r < 0) py_raise();
  mx_scope_close(&s);
  return r;
}

EXPORTER_METHOD(close, "self: object -> None", "Writes the file; nothing can be exported to it any more.") {
  if (close_exporter(((exporter_object *)f->v[0].o)->exporter) < 0) return NULL;
  Py_RETURN_NONE;
}
EXPORTER_METHOD(__enter__, "self: object -> FunctionExporter", "The exporter itself.") {
  return Py_NewRef(f->v[0].o);
}
EXPORTER_METHOD(
    __exit__,
    "self: object, exc_type: object? = None, exc_value: object? = None, traceback: object? = None "
    "-> None",
    "Closes it; after an exception nothing is written.") {
  if (py_given(f, 1)) Py_RETURN_NONE;
  if (close_exporter(((exporter_object *)f->v[0].o)->exporter) < 0) return NULL;
  Py_RETURN_NONE;
}
static PyObject *exporter_call(PyObject *self, PyObject *args, PyObject *kwargs) {
  exporter_object *o = (exporter_object *)self;
  if (!o->function) return PyErr_Format(PyExc_RuntimeError, "the function is gone");
  if (add_trace(o->exporter, o->function, args, kwargs) < 0) return NULL;
  Py_RETURN_NONE;
}
static int exporter_traverse(PyObject *self, visitproc visit, void *arg) {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(((exporter_object *)self)->function);
  return 0;
}
static int exporter_clear(PyObject *self) {
  Py_CLEAR(((exporter_object *)self)->function);
  return 0;
}
static void exporter_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  exporter_clear(self);
  mx_exporter_free(((exporter_object *)self)->exporter);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}

FUNCTION(export_function,
         "file_or_callback: object, fun: object, *args, shapeless: bool = False, metadata: str? = None, "
         "**kwargs -> None",
         "Writes fun to a file, as traced for the arrays given: positional and named ones, or a tuple and a "
         "dict of them. fun takes arrays and gives an array, or a tuple or list of arrays; arrays it uses "
         "besides become constants of the file. import_function reads it, also where fun's source isn't. "
         "shapeless: the trace serves arrays of other sizes too. metadata: a text to keep beside it. With a "
         "callback instead of a path nothing is written: it gets the parts of the graph as dicts.") {
  PyObject *target = f->v[0].o;
  if (py_need_callable(f, f->v[1].o) < 0) return NULL;
  PyObject *args = PyTuple_New(f->nrest), *r = NULL;
  for (Py_ssize_t i = 0; args && i < f->nrest; i++) PyTuple_SetItem(args, i, Py_NewRef(f->rest[i]));
  if (!args) return NULL;
  const char *metadata = py_given(f, 3) ? f->v[3].s : NULL;
  if (!PyCallable_Check(target)) {
    mx_exporter e = open_exporter("export_function", target, f->v[2].b, metadata);
    if (e && add_trace(e, f->v[1].o, args, f->keywords) == 0 && close_exporter(e) == 0)
      r = Py_NewRef(Py_None);
    mx_exporter_free(e);
  } else if (metadata) {
    PyErr_SetString(PyExc_ValueError, "[export_function] expected metadata with a file only, got a callback");
  } else {
    export_call call = {.function = f->v[1].o};
    if (export_call_read(&call, "export_function", args, f->keywords) == 0)
      r = export_to_callback(target, &call, f->v[2].b);
    export_call_free(&call);
  }
  Py_DECREF(args);
  return r;
}

FUNCTION(
    exporter,
    "file: object, fun: object, *, shapeless: bool = False, metadata: str? = None -> FunctionExporter",
    "Exports several traces of fun to one file: call the exporter with each set of arrays, and close it, "
    "or use it in a with statement. A call of the imported function picks the trace that serves it.") {
  if (py_need_callable(f, f->v[1].o) < 0) return NULL;
  mx_exporter e = open_exporter("exporter", f->v[0].o, f->v[2].b, py_given(f, 3) ? f->v[3].s : NULL);
  if (!e) return NULL;
  exporter_object *o = (exporter_object *)PyType_GenericAlloc(exporter_type, 0);
  if (!o) {
    mx_exporter_free(e);
    return NULL;
  }
  o->function = Py_NewRef(f->v[1].o);
  o->exporter = e;
  return (PyObject *)o;
}

/* ---- Imported functions ---- */
typedef struct imported_object {
  PyObject_HEAD mx_imported function;
} imported_object;
static PyTypeObject *imported_type;

static PyObject *call_imported(mx_imported function, const export_call *e) {
  int n = mx_imported_outputs(function, e->c);
  if (n < 0) return py_raise();
  mx_array *out = PyMem_Malloc(sizeof *out * (size_t)(n + 1));
  if (!out) return PyErr_NoMemory();
  PyObject *r = mx_imported_call(function, e->c, n, out) < 0 ? py_raise() : py_wrap_tuple(n, out);
  PyMem_Free(out);
  return r;
}
static PyObject *imported_call(PyObject *self, PyObject *args, PyObject *kwargs) {
  export_call e = {0};
  mx_scope s = mx_scope_open();
  PyObject *r = export_call_read(&e, "import_function", args, kwargs) == 0
                    ? call_imported(((imported_object *)self)->function, &e)
                    : NULL;
  mx_scope_close(&s);
  export_call_free(&e);
  return r;
}
static void imported_dealloc(PyObject *self) {
  PyTypeObject *type = Py_TYPE(self);
  mx_imported_free(((imported_object *)self)->function);
  PyObject_Free(self);
  Py_DECREF(type);
}

static PyObject *new_imported(mx_imported function) {
  imported_object *o = (imported_object *)PyType_GenericAlloc(imported_type, 0);
  if (!o) {
    mx_imported_free(function);
    return NULL;
  }
  o->function = function;
  return (PyObject *)o;
}

FUNCTION(import_function, "file: object, return_metadata: bool = False -> Callable[..., Any]",
         "The function of a file that export_function or exporter wrote. It takes the arrays that one of its "
         "traces was made of, positional and named ones, or a tuple and a dict of them, and gives a tuple of "
         "arrays; ValueError for others. return_metadata: the pair of the function and its text.") {
  io_file file;
  if (io_open_reader(&file, "import_function", f->v[0].o) < 0) {
    io_close(&file);
    return NULL;
  }
  io_begin(&file);
  mx_imported function = file.path ? mx_import_function(file.path) : mx_read_function(io_reader(&file));
  io_end(&file);
  io_close(&file);
  if (!function) return py_raise();
  PyObject *o = new_imported(function);
  if (!o || !f->v[1].b) return o;
  return Py_BuildValue("(Ns)", o, mx_imported_metadata(function));
}

/* ---- Types ---- */
int py_export_init(PyObject *module) {
  PyMethodDef *methods = py_method_table("FunctionExporter", __start_mx_exporter, __stop_mx_exporter, NULL);
  if (!methods) return -1;
  PyType_Slot exporter_slots[] = {
      {Py_tp_dealloc, exporter_dealloc},
      {Py_tp_traverse, exporter_traverse},
      {Py_tp_clear, exporter_clear},
      {Py_tp_call, exporter_call},
      {Py_tp_methods, methods},
      {Py_tp_doc, "Exports traces of one function to a file: what exporter gives."},
      {0, NULL}};
  PyType_Spec exporter_spec = {"mlx.core.FunctionExporter", sizeof(exporter_object), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                               exporter_slots};
  PyType_Slot imported_slots[] = {{Py_tp_dealloc, imported_dealloc},
                                  {Py_tp_call, imported_call},
                                  {Py_tp_doc, "A function from a file: what import_function gives."},
                                  {0, NULL}};
  PyType_Spec imported_spec = {"mlx.core._imported_function", sizeof(imported_object), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, imported_slots};
  exporter_type = (PyTypeObject *)PyType_FromSpec(&exporter_spec);
  imported_type = (PyTypeObject *)PyType_FromSpec(&imported_spec);
  if (!exporter_type || !imported_type) return -1;
  return py_add_type(module, "FunctionExporter", exporter_type);
}
