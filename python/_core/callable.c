/* The type of transformed functions, and calls from the library back into Python. */
#include "transforms.h"
#include <stddef.h>
#include <structmember.h>
#include <string.h>

PyTypeObject *py_callable_type, *py_custom_type;

/* ---- Calling Python from a callback ---- */
int py_callback_failed(void) {
  return mx_error_set(MX_CALLBACK_ERROR, "[callback] a Python function raised");
}

int py_wrap_all(int n, const mx_array *in, leaves *l) {
  l->v = PyMem_Calloc((size_t)(n ? n : 1), sizeof *l->v);
  if (!l->v) return PyErr_NoMemory(), -1;
  l->capacity = n;
  for (; l->n < n; l->n++)
    if (!(l->v[l->n] = py_wrap(in[l->n]))) return -1;
  return 0;
}

int py_too_many(int n, int max_out) {
  PyErr_Format(PyExc_ValueError, "expected a function of at most %d output arrays, got %d", max_out, n);
  return -1;
}

int py_lend_all(const leaves *l, int max_out, mx_array *out) {
  if (l->n > max_out) return py_too_many(l->n, max_out);
  mx_scope s = mx_scope_open(); /* mx_pass moves from here to the callback's scope */
  for (int i = 0; i < l->n; i++) out[i] = mx_pass(py_handle(l->v[i]));
  mx_scope_close(&s);
  return l->n;
}

PyObject *py_rebuild(PyObject *shape, int n, const mx_array *arrays) {
  leaves l = {0};
  int next = 0;
  PyObject *r = py_wrap_all(n, arrays, &l) == 0 ? py_tree_build(shape, l.v, n, &next) : NULL;
  py_leaves_free(&l);
  return r;
}

PyObject *py_hollow(PyObject *tree, int n) {
  PyObject *placeholder = py_wrap(mx_int(0)), **same = PyMem_Malloc(sizeof *same * (size_t)(n + 1)),
           *r = NULL;
  int next = 0;
  for (int i = 0; same && i < n; i++) same[i] = placeholder;
  if (placeholder && same)
    r = py_tree_build(tree, same, n, &next);
  else if (!PyErr_Occurred())
    PyErr_NoMemory();
  Py_XDECREF(placeholder);
  PyMem_Free(same);
  return r;
}

/* ---- Callable objects ---- one type for all of them ---- */
callable_object *py_new_callable(PyTypeObject *type, PyObject *function, invoke call) {
  callable_object *o = (callable_object *)PyType_GenericAlloc(type, 0);
  if (!o) return NULL;
  o->function = Py_NewRef(function);
  o->call = call;
  return o;
}

static int callable_traverse(PyObject *self, visitproc visit, void *arg) {
  callable_object *o = (callable_object *)self;
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(o->function);
  Py_VISIT(o->dict);
  Py_VISIT(o->argnums);
  Py_VISIT(o->argnames);
  Py_VISIT(o->inputs);
  Py_VISIT(o->outputs);
  Py_VISIT(o->in_axes);
  Py_VISIT(o->out_axes);
  Py_VISIT(o->vjp);
  Py_VISIT(o->jvp);
  Py_VISIT(o->vmap);
  for (trace_record *r = o->records; r; r = r->next) Py_VISIT(r->result);
  return 0;
}
static int callable_clear(PyObject *self) {
  callable_object *o = (callable_object *)self;
  Py_CLEAR(o->function);
  Py_CLEAR(o->dict);
  Py_CLEAR(o->argnums);
  Py_CLEAR(o->argnames);
  Py_CLEAR(o->inputs);
  Py_CLEAR(o->outputs);
  Py_CLEAR(o->in_axes);
  Py_CLEAR(o->out_axes);
  Py_CLEAR(o->vjp);
  Py_CLEAR(o->jvp);
  Py_CLEAR(o->vmap);
  mx_compiled compiled = o->compiled; /* what its traces let go of may call the function, which is gone */
  o->compiled = NULL;
  mx_compiled_free(compiled);
  return 0;
}
static void callable_dealloc(PyObject *self) {
  callable_object *o = (callable_object *)self;
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (o->weak) PyObject_ClearWeakRefs(self);
  callable_clear(self);
  py_trace_lock_free(&o->lock);
  PyObject_GC_Del(self);
  Py_DECREF(type);
}
static PyObject *callable_call(PyObject *self, PyObject *args, PyObject *kwargs) {
  callable_object *o = (callable_object *)self;
  if (!o->function) {
    PyErr_SetString(PyExc_RuntimeError, "the function is gone");
    return NULL;
  }
  mx_scope s = mx_scope_open();
  Py_INCREF(self);
  PyObject *r = o->call(o, args, kwargs);
  Py_DECREF(self);
  mx_scope_close(&s);
  return r;
}
/* As a method of a class it binds, as a function does. */
static PyObject *callable_bind(PyObject *self, PyObject *instance, PyObject *owner) {
  (void)owner;
  if (!instance || instance == Py_None) return Py_NewRef(self);
  static PyObject *method_type;
  if (!method_type) {
    PyObject *types = PyImport_ImportModule("types");
    method_type = types ? PyObject_GetAttrString(types, "MethodType") : NULL;
    Py_XDECREF(types);
    if (!method_type) return NULL;
  }
  return PyObject_CallFunctionObjArgs(method_type, self, instance, NULL);
}
/* What the type has too, under the same name. */
static bool is_of_the_function(const callable_object *o, PyObject *name) {
  bool described = PyUnicode_CompareWithASCIIString(name, "__doc__") == 0 ||
                   PyUnicode_CompareWithASCIIString(name, "__module__") == 0;
  return described && o->function && !(o->dict && PyDict_GetItemWithError(o->dict, name));
}
static PyObject *callable_getattr(PyObject *self, PyObject *name) {
  callable_object *o = (callable_object *)self;
  if (is_of_the_function(o, name)) return PyObject_GetAttr(o->function, name);
  PyObject *r = PyObject_GenericGetAttr(self, name);
  if (r || !PyErr_ExceptionMatches(PyExc_AttributeError) || !o->function) return r;
  /* the names by which functions are described are those of the function inside */
  static const char *const passed[] = {"__name__", "__qualname__", "__wrapped__", "__annotations__"};
  for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
    if (PyUnicode_CompareWithASCIIString(name, passed[i]) == 0) {
      PyErr_Clear();
      return i == 2 ? Py_NewRef(o->function) : PyObject_GetAttr(o->function, name);
    }
  return NULL;
}

/* Functions are copied as themselves and pickled by name, as Python's are. */
PyObject *py_callable_itself(PyObject *o, PyObject *unused) {
  (void)unused;
  return Py_NewRef(o);
}
PyObject *py_callable_reduce(PyObject *o, PyObject *unused) {
  (void)unused;
  return PyObject_GetAttrString(o, "__qualname__");
}
static PyMethodDef callable_methods[] = {PY_COPIED_AS_ITSELF, {NULL, NULL, 0, NULL}};

int py_need_callable(const frame *f, PyObject *o) {
  if (PyCallable_Check(o)) return 0;
  return py_wrong_type(f->f->name, "a function for argument 'fun'", o);
}

static PyMemberDef callable_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(callable_object, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(callable_object, weak), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};
#define CALLABLE_SLOTS                                                                                     \
  {Py_tp_dealloc, callable_dealloc}, {Py_tp_traverse, callable_traverse}, {Py_tp_clear, callable_clear},   \
      {Py_tp_call, callable_call}, {Py_tp_descr_get, callable_bind}, {Py_tp_getattro, callable_getattr}, { \
    Py_tp_members, callable_members                                                                        \
  }
static PyType_Slot callable_slots[] = {
    CALLABLE_SLOTS, {Py_tp_methods, callable_methods}, {Py_tp_doc, "A transformed function."}, {0, NULL}};
static PyType_Slot custom_slots[] = {CALLABLE_SLOTS,
                                     {Py_tp_new, py_custom_new},
                                     {Py_tp_methods, py_custom_methods},
                                     {Py_tp_doc, "custom_function(f)\n--\n\nA function with derivatives of "
                                                 "its own: decorate rules with .vjp, .jvp, .vmap."},
                                     {0, NULL}};
static PyType_Spec callable_spec = {
    "mlx.core._gc_func", sizeof(callable_object), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, callable_slots};
static PyType_Spec custom_spec = {"mlx.core.custom_function", sizeof(callable_object), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, custom_slots};

int py_transforms_init(PyObject *module) {
  py_callable_type = (PyTypeObject *)PyType_FromSpec(&callable_spec);
  py_custom_type = (PyTypeObject *)PyType_FromSpec(&custom_spec);
  if (!py_callable_type || !py_custom_type) return -1;
  if (py_add_type(module, "_gc_func", py_callable_type) < 0) return -1;
  return py_add_type(module, "custom_function", py_custom_type);
}
