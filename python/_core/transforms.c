/* Functions of Python functions: grad, value_and_grad, vjp, jvp, compile, custom_function, checkpoint; and eval.

   The library calls back with tracers. A callback wraps them, puts them where the arguments' arrays were, calls the
   Python function, and hands its arrays back; the Python result is kept until the library's call has returned. A
   Python exception stays set while the library unwinds with MX_CALLBACK_ERROR, and py_raise lets it through. */
#include "core.h"
#include <string.h>

enum { MAX_OUTPUTS = 1 << 16 };

/* ---- Calling Python from a callback ---- */
static int callback_failed(void) { return mx_error_set(MX_CALLBACK_ERROR, "[callback] a Python function raised"); }

static int wrap_all(int n, const mx_array *in, leaves *l) {
  l->v = PyMem_Calloc((size_t)(n ? n : 1), sizeof *l->v);
  if (!l->v) return PyErr_NoMemory(), -1;
  l->capacity = n;
  for (; l->n < n; l->n++)
    if (!(l->v[l->n] = py_wrap(in[l->n]))) return -1;
  return 0;
}

/* Hands the arrays of Python objects to the scope of the callback, so that they outlive the objects. */
static int lend_all(const leaves *l, int max_out, mx_array *out) {
  if (l->n > max_out) {
    PyErr_Format(PyExc_ValueError, "expected a function of at most %d output arrays, got %d", max_out, l->n);
    return -1;
  }
  mx_scope s = mx_scope_open(); /* mx_pass moves from here to the callback's scope */
  for (int i = 0; i < l->n; i++) out[i] = mx_pass(py_handle(l->v[i]));
  mx_scope_close(&s);
  return l->n;
}

/* ---- Callable objects ---- one type for all of them ---- */
typedef struct callable_object callable_object;
typedef PyObject *(*invoke)(callable_object *, PyObject *args, PyObject *kwargs);
typedef struct trace_record { /* what a compiled function returned for one key */
  uint64_t key;
  PyObject *result; /* its tree, with placeholders for arrays */
  int nresult, nstate;
} trace_record;
struct callable_object {
  PyObject_HEAD
  invoke call;
  PyObject *function, *dict, *weak;
  PyObject *argnums, *argnames; /* value_and_grad: tuples or NULL */
  bool value;                   /* return the value too */
  PyObject *inputs, *outputs;   /* compile: captured state */
  bool shapeless;
  mx_compiled compiled;
  struct compile_call *current;
  trace_record *traces;
  int ntraces, trace_capacity;
  PyObject *vjp, *jvp, *vmap; /* custom_function */
};
static PyTypeObject *callable_type, *custom_type;

static callable_object *new_callable(PyTypeObject *type, PyObject *function, invoke call) {
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
  Py_VISIT(o->vjp);
  Py_VISIT(o->jvp);
  Py_VISIT(o->vmap);
  for (int i = 0; i < o->ntraces; i++) Py_VISIT(o->traces[i].result);
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
  Py_CLEAR(o->vjp);
  Py_CLEAR(o->jvp);
  Py_CLEAR(o->vmap);
  while (o->ntraces) Py_CLEAR(o->traces[--o->ntraces].result);
  return 0;
}
static void callable_dealloc(PyObject *self) {
  callable_object *o = (callable_object *)self;
  PyTypeObject *type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  if (o->weak) PyObject_ClearWeakRefs(self);
  callable_clear(self);
  PyMem_Free(o->traces);
  mx_compiled_free(o->compiled);
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
static PyObject *callable_getattr(PyObject *self, PyObject *name) {
  PyObject *r = PyObject_GenericGetAttr(self, name);
  callable_object *o = (callable_object *)self;
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

static int need_callable(const frame *f, PyObject *o) {
  if (PyCallable_Check(o)) return 0;
  PyErr_Format(PyExc_TypeError, "%s(): expected a function for argument 'fun'", f->f->name);
  return -1;
}

/* ---- value_and_grad ---- */
typedef struct gradient_call {
  callable_object *o;
  PyObject *args, *kwargs; /* the caller's */
  PyObject *chosen;        /* the list of trees to differentiate by */
  PyObject *result;        /* what the function returned, with tracers */
} gradient_call;

static int chosen_index(PyObject *argnums, Py_ssize_t i) { return (int)PyLong_AsLong(PyTuple_GetItem(argnums, i)); }

/* The arguments with the chosen trees' arrays replaced by tracers. */
static int call_with_tracers(gradient_call *c, PyObject *const *tracers) {
  int next = 0;
  PyObject *trees = py_tree_build(c->chosen, tracers, &next);
  if (!trees) return -1;
  Py_ssize_t n = PyTuple_Size(c->args), at = 0;
  PyObject *args = PyTuple_New(n), *kwargs = c->kwargs ? PyDict_Copy(c->kwargs) : PyDict_New();
  for (Py_ssize_t i = 0; args && i < n; i++) PyTuple_SetItem(args, i, Py_NewRef(PyTuple_GetItem(c->args, i)));
  Py_ssize_t nnums = c->o->argnums ? PyTuple_Size(c->o->argnums) : 0;
  for (Py_ssize_t i = 0; args && i < nnums; i++)
    PyTuple_SetItem(args, chosen_index(c->o->argnums, i), Py_NewRef(PyList_GetItem(trees, at++)));
  Py_ssize_t nnames = c->o->argnames ? PyTuple_Size(c->o->argnames) : 0;
  for (Py_ssize_t i = 0; kwargs && i < nnames; i++)
    if (PyDict_SetItem(kwargs, PyTuple_GetItem(c->o->argnames, i), PyList_GetItem(trees, at++)) < 0) Py_CLEAR(kwargs);
  if (args && kwargs) c->result = PyObject_Call(c->o->function, args, kwargs);
  Py_XDECREF(args);
  Py_XDECREF(kwargs);
  Py_DECREF(trees);
  return c->result ? 0 : -1;
}

static int check_scalar(const gradient_call *c) {
  PyObject *r = c->result, *first = r;
  if (c->o->value && (PyTuple_Check(r) || PyList_Check(r)))
    first = PyTuple_Check(r) ? (PyTuple_Size(r) ? PyTuple_GetItem(r, 0) : Py_None) : (PyList_Size(r) ? PyList_GetItem(r, 0) : Py_None);
  if (py_is_array(first)) return 0;
  PyObject *name = PyType_GetName(Py_TYPE(first));
  PyErr_Format(PyExc_ValueError, "[%s] The function to differentiate should return a scalar array%s, but %U was returned.",
               c->o->value ? "value_and_grad" : "grad", c->o->value ? " or a tuple that starts with one" : "",
               name ? name : Py_None);
  Py_XDECREF(name);
  return -1;
}

static int gradient_callback(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  gradient_call *c = context;
  leaves tracers = {0}, results = {0};
  int count = -1;
  if (wrap_all(n, in, &tracers) == 0 && call_with_tracers(c, tracers.v) == 0 && check_scalar(c) == 0 &&
      py_tree_leaves(c->result, &results, false) == 0)
    count = lend_all(&results, max_out, out);
  py_leaves_free(&tracers);
  py_leaves_free(&results);
  return count < 0 ? callback_failed() : count;
}

/* The trees that argnums and argnames choose, checked against the call. */
static PyObject *choose(callable_object *o, PyObject *args, PyObject *kwargs) {
  PyObject *list = PyList_New(0);
  Py_ssize_t n = PyTuple_Size(args);
  for (Py_ssize_t i = 0; list && o->argnums && i < PyTuple_Size(o->argnums); i++) {
    int at = chosen_index(o->argnums, i);
    if (at >= n) {
      PyErr_Format(PyExc_ValueError,
                   "[grad] Can't compute the gradient of argument index %d because the function is called with only %zd "
                   "positional arguments.",
                   at, n);
      Py_CLEAR(list);
    } else if (PyList_Append(list, PyTuple_GetItem(args, at)) < 0) {
      Py_CLEAR(list);
    }
  }
  for (Py_ssize_t i = 0; list && o->argnames && i < PyTuple_Size(o->argnames); i++) {
    PyObject *name = PyTuple_GetItem(o->argnames, i), *v = kwargs ? PyDict_GetItemWithError(kwargs, name) : NULL;
    if (!v) {
      PyErr_Format(PyExc_ValueError,
                   "[grad] Can't compute the gradient of keyword argument '%U' because the function is called without it", name);
      Py_CLEAR(list);
    } else if (PyList_Append(list, v) < 0) {
      Py_CLEAR(list);
    }
  }
  return list;
}

/* One argnum: its tree. Several: a tuple. With argnames: (that or None, {name: tree}). */
static PyObject *shape_gradients(callable_object *o, PyObject *trees) {
  Py_ssize_t nnums = o->argnums ? PyTuple_Size(o->argnums) : 0, nnames = o->argnames ? PyTuple_Size(o->argnames) : 0;
  PyObject *positional;
  if (nnums == 0) positional = Py_NewRef(Py_None);
  else if (nnums == 1) positional = Py_NewRef(PyList_GetItem(trees, 0));
  else {
    PyObject *part = PyList_GetSlice(trees, 0, nnums);
    positional = part ? PyList_AsTuple(part) : NULL;
    Py_XDECREF(part);
  }
  if (!positional || !nnames) return positional;
  PyObject *named = PyDict_New();
  for (Py_ssize_t i = 0; named && i < nnames; i++)
    if (PyDict_SetItem(named, PyTuple_GetItem(o->argnames, i), PyList_GetItem(trees, nnums + i)) < 0) Py_CLEAR(named);
  PyObject *r = named ? PyTuple_Pack(2, positional, named) : NULL;
  Py_DECREF(positional);
  Py_XDECREF(named);
  return r;
}

/* A tree of `shape` with new array objects around the given arrays. */
static PyObject *rebuild(PyObject *shape, int n, const mx_array *arrays) {
  leaves l = {0};
  int next = 0;
  PyObject *r = wrap_all(n, arrays, &l) == 0 ? py_tree_build(shape, l.v, &next) : NULL;
  py_leaves_free(&l);
  return r;
}

static PyObject *gradient_invoke(callable_object *o, PyObject *args, PyObject *kwargs) {
  gradient_call c = {o, args, kwargs, choose(o, args, kwargs), NULL};
  leaves in = {0};
  PyObject *r = NULL, *values = NULL, *trees = NULL, *gradients = NULL;
  mx_array *handles = NULL, *grads = NULL, *outs = NULL;
  int64_t *argnums = NULL;
  if (!c.chosen || py_tree_leaves(c.chosen, &in, true) < 0) goto done;
  handles = py_leaves_handles(&in);
  grads = PyMem_Malloc(sizeof *grads * (size_t)(in.n + 1));
  argnums = PyMem_Malloc(sizeof *argnums * (size_t)(in.n + 1));
  outs = PyMem_Malloc(sizeof *outs * MAX_OUTPUTS);
  if (!handles || !grads || !argnums || !outs) {
    PyErr_NoMemory();
    goto done;
  }
  for (int i = 0; i < in.n; i++) argnums[i] = i;
  int n = mx_value_and_grad(gradient_callback, &c, in.n, handles, (mx_ints){argnums, in.n}, MAX_OUTPUTS, outs, grads);
  if (n < 0) {
    py_raise();
    goto done;
  }
  trees = rebuild(c.chosen, in.n, grads);
  gradients = trees ? shape_gradients(o, trees) : NULL;
  if (!gradients) goto done;
  if (o->value) {
    values = rebuild(c.result, n, outs);
    r = values ? PyTuple_Pack(2, values, gradients) : NULL;
  } else {
    r = Py_NewRef(gradients);
  }
done:
  py_leaves_free(&in);
  PyMem_Free(handles);
  PyMem_Free(grads);
  PyMem_Free(argnums);
  PyMem_Free(outs);
  Py_XDECREF(c.chosen);
  Py_XDECREF(c.result);
  Py_XDECREF(values);
  Py_XDECREF(trees);
  Py_XDECREF(gradients);
  return r;
}

/* argnums as a tuple of distinct, nonnegative ints. */
static PyObject *read_argnums(PyObject *o) {
  int64_t *v;
  int n = py_int_list(o, &v);
  if (n < 0) return NULL;
  PyObject *t = PyTuple_New(n);
  for (int i = 0; t && i < n; i++) {
    bool again = false;
    for (int j = 0; j < i; j++) again |= v[j] == v[i];
    if (v[i] < 0 || again || v[i] > INT32_MAX) {
      PyErr_Format(PyExc_ValueError,
                   again ? "[grad] Duplicate argument index %lld is not allowed."
                         : "[grad] Can't compute the gradient of negative argument index %lld",
                   (long long)v[i]);
      Py_CLEAR(t);
    } else {
      PyTuple_SetItem(t, i, PyLong_FromLongLong(v[i]));
    }
  }
  PyMem_Free(v);
  return t;
}

static PyObject *read_argnames(PyObject *o) {
  PyObject *t = PyUnicode_Check(o) ? PyTuple_Pack(1, o) : PySequence_Tuple(o);
  for (Py_ssize_t i = 0; t && i < PyTuple_Size(t); i++) {
    bool again = false;
    for (Py_ssize_t j = 0; j < i; j++) again |= PyUnicode_Compare(PyTuple_GetItem(t, i), PyTuple_GetItem(t, j)) == 0;
    if (!PyUnicode_Check(PyTuple_GetItem(t, i)) || again) {
      PyErr_SetString(again ? PyExc_ValueError : PyExc_TypeError,
                      again ? "[grad] Duplicate argument names are not allowed." : "argnames should be strings");
      Py_CLEAR(t);
    }
  }
  return t;
}

static PyObject *make_gradient(frame *f, bool value) {
  if (need_callable(f, f->v[0].o) < 0) return NULL;
  callable_object *o = new_callable(callable_type, f->v[0].o, gradient_invoke);
  if (!o) return NULL;
  o->value = value;
  bool named = py_given(f, 2);
  if (named && !(o->argnames = read_argnames(f->v[2].o))) goto fail;
  named = named && PyTuple_Size(o->argnames) > 0;
  if (py_given(f, 1)) o->argnums = read_argnums(f->v[1].o);
  else if (!named) o->argnums = Py_BuildValue("(i)", 0);
  if (!o->argnums && (py_given(f, 1) || !named)) goto fail;
  return (PyObject *)o;
fail:
  Py_DECREF(o);
  return NULL;
}

#define GRADIENT_SIGNATURE "fun: object, argnums: object? = None, argnames: object = []"
FUNCTION(value_and_grad, GRADIENT_SIGNATURE,
         "A function that returns fun's value and its gradient. fun returns a scalar array, or a tuple that starts with one. "
         "argnums: the positions (int or sequence; 0 when neither is given) and argnames: the keywords to differentiate by; "
         "each may be a tree of arrays. The gradient has the trees' form: a tuple for several positions, and (positional, "
         "{name: gradient}) with argnames.") {
  return make_gradient(f, true);
}
FUNCTION(grad, GRADIENT_SIGNATURE,
         "A function that returns the gradient of fun, which returns a scalar array. See value_and_grad.") {
  return make_gradient(f, false);
}

/* ---- vjp, jvp ---- */
typedef struct product_call {
  PyObject *function, *result;
} product_call;

static int product_callback(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  product_call *c = context;
  PyObject *args = py_wrap_tuple(n, in);
  int count = -1;
  leaves results = {0};
  if (args && (c->result = PyObject_Call(c->function, args, NULL))) {
    bool list = PyList_Check(c->result) || PyTuple_Check(c->result);
    if (!py_is_array(c->result) && !list)
      PyErr_SetString(PyExc_ValueError, "expected a function that returns an array or a sequence of arrays");
    else if (py_tree_leaves(c->result, &results, true) == 0)
      count = lend_all(&results, max_out, out);
  }
  Py_XDECREF(args);
  py_leaves_free(&results);
  return count < 0 ? callback_failed() : count;
}

static PyObject *product(frame *f, bool forward) {
  if (need_callable(f, f->v[0].o) < 0) return NULL;
  mx_array *primals = NULL, *others = NULL, *values = NULL, *products = NULL;
  product_call c = {f->v[0].o, NULL};
  PyObject *r = NULL, *first = NULL, *second = NULL;
  int n = py_array_list(f->f->name, f->v[1].o, &primals), m = n < 0 ? -1 : py_array_list(f->f->name, f->v[2].o, &others);
  if (m < 0) goto done;
  if (forward && m != n) {
    PyErr_Format(PyExc_ValueError, "[jvp] expected as many tangents as primals, got %d and %d", m, n);
    goto done;
  }
  values = PyMem_Malloc(sizeof *values * MAX_OUTPUTS);
  products = PyMem_Malloc(sizeof *products * MAX_OUTPUTS);
  if (!values || !products) {
    PyErr_NoMemory();
    goto done;
  }
  int count = forward ? mx_jvp(product_callback, &c, n, primals, others, MAX_OUTPUTS, values, products)
                      : mx_vjp(product_callback, &c, n, primals, m, others, MAX_OUTPUTS, values, products);
  if (count < 0) {
    py_raise();
    goto done;
  }
  first = py_wrap_list(count, values);
  second = py_wrap_list(forward ? count : n, products);
  r = first && second ? PyTuple_Pack(2, first, second) : NULL;
done:
  PyMem_Free(primals);
  PyMem_Free(others);
  PyMem_Free(values);
  PyMem_Free(products);
  Py_XDECREF(c.result);
  Py_XDECREF(first);
  Py_XDECREF(second);
  return r;
}

FUNCTION(vjp, "fun: object, primals: object, cotangents: object",
         "fun's outputs at the primals, and the cotangents pulled back to the primals. Lists of arrays.") {
  return product(f, false);
}
FUNCTION(jvp, "fun: object, primals: object, tangents: object",
         "fun's outputs at the primals, and the tangents pushed forward to the outputs. Lists of arrays.") {
  return product(f, true);
}

/* ---- compile ---- */
typedef struct compile_call {
  PyObject *args, *kwargs; /* kwargs may be NULL */
  uint64_t key;
  int nargs, nstate;
  PyObject *result;
  struct compile_call *outer;
} compile_call;

static bool compile_enabled = true;

static trace_record *find_trace(callable_object *o, uint64_t key) {
  for (int i = o->ntraces - 1; i >= 0; i--)
    if (o->traces[i].key == key) return &o->traces[i];
  return NULL;
}

static int keep_trace(callable_object *o, uint64_t key, PyObject *result, int nresult, int nstate) {
  trace_record *t = find_trace(o, key);
  if (!t) {
    if (o->ntraces == o->trace_capacity) {
      int capacity = o->trace_capacity ? 2 * o->trace_capacity : 4;
      trace_record *v = PyMem_Realloc(o->traces, sizeof *v * (size_t)capacity);
      if (!v) return PyErr_NoMemory(), -1;
      o->traces = v;
      o->trace_capacity = capacity;
    }
    t = &o->traces[o->ntraces++];
    *t = (trace_record){.key = key};
  }
  /* The record must not hold tracers: a tree of one placeholder array instead. */
  PyObject *placeholder = py_wrap(mx_int(0)), *tree = NULL, **same = PyMem_Malloc(sizeof *same * (size_t)(nresult + 1));
  int next = 0;
  for (int i = 0; same && i < nresult; i++) same[i] = placeholder;
  if (placeholder && same) tree = py_tree_build(result, same, &next);
  Py_XDECREF(placeholder);
  PyMem_Free(same);
  if (!tree) return PyErr_Occurred() ? -1 : (PyErr_NoMemory(), -1);
  Py_XSETREF(t->result, tree);
  t->nresult = nresult;
  t->nstate = nstate;
  return 0;
}

/* Calls the function with tracers for the arguments' arrays. */
static PyObject *call_traced(callable_object *o, const compile_call *c, PyObject *const *tracers) {
  int next = 0;
  PyObject *args = py_tree_build(c->args, tracers, &next);
  PyObject *kwargs = args && c->kwargs ? py_tree_build(c->kwargs, tracers, &next) : NULL;
  PyObject *r = args && (kwargs || !c->kwargs) ? PyObject_Call(o->function, args, kwargs) : NULL;
  Py_XDECREF(args);
  Py_XDECREF(kwargs);
  return r;
}

static int compile_callback(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  callable_object *o = context;
  compile_call *c = o->current;
  leaves tracers = {0}, captured = {0}, results = {0};
  int count = -1;
  if (!c) {
    PyErr_SetString(PyExc_RuntimeError, "[compile] traced outside a call");
    return callback_failed();
  }
  if (wrap_all(n, in, &tracers) < 0) goto done;
  PyObject *const *state = tracers.v + c->nargs;
  if (o->inputs && (py_tree_leaves(o->inputs, &captured, false) < 0 || py_tree_fill(o->inputs, state, c->nstate) < 0)) goto done;
  o->current = NULL; /* a call inside is a call of its own */
  Py_XSETREF(c->result, call_traced(o, c, tracers.v));
  o->current = c;
  if (c->result && py_tree_leaves(c->result, &results, false) == 0) {
    int nresult = results.n;
    if ((!o->outputs || py_tree_leaves(o->outputs, &results, false) == 0) &&
        keep_trace(o, c->key, c->result, nresult, results.n - nresult) == 0)
      count = lend_all(&results, max_out, out);
  }
  if (o->inputs) { /* what the function left alone goes back, also after a failure */
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    int m = captured.n < c->nstate ? captured.n : c->nstate;
    if (py_tree_replace(o->inputs, state, captured.v, m) < 0) count = -1;
    if (type) PyErr_Restore(type, value, traceback);
  }
done:
  py_leaves_free(&tracers);
  py_leaves_free(&captured);
  py_leaves_free(&results);
  return count < 0 ? callback_failed() : count;
}

static PyObject *compiled_result(callable_object *o, const trace_record *t, int n, const mx_array *outs) {
  if (n != t->nresult + t->nstate) {
    PyErr_Format(PyExc_RuntimeError, "[compile] expected %d outputs, got %d", t->nresult + t->nstate, n);
    return NULL;
  }
  if (t->nstate) {
    leaves state = {0};
    int r = wrap_all(t->nstate, outs + t->nresult, &state) == 0 ? py_tree_fill(o->outputs, state.v, state.n) : -1;
    py_leaves_free(&state);
    if (r < 0) return NULL;
  }
  if (t->nresult == 1 && py_is_array(t->result)) return py_wrap(outs[0]);
  PyObject *shape = Py_NewRef(t->result), *r = rebuild(shape, t->nresult, outs);
  Py_DECREF(shape);
  return r;
}

static PyObject *compile_invoke(callable_object *o, PyObject *args, PyObject *kwargs) {
  if (!compile_enabled) return PyObject_Call(o->function, args, kwargs);
  if (kwargs && PyDict_Size(kwargs) == 0) kwargs = NULL;
  compile_call c = {.args = args, .kwargs = kwargs, .outer = o->current, .key = UINT64_C(0x243F6A8885A308D3)};
  leaves in = {0};
  mx_array *handles = NULL, *outs = NULL, few[16];
  PyObject *r = NULL;
  if (py_tree_hash(args, &c.key, o->shapeless) < 0 || (kwargs && py_tree_hash(kwargs, &c.key, o->shapeless) < 0)) return NULL;
  if (py_tree_leaves(args, &in, false) < 0 || (kwargs && py_tree_leaves(kwargs, &in, false) < 0)) goto done;
  c.nargs = in.n;
  if (o->inputs && py_tree_leaves(o->inputs, &in, false) < 0) goto done;
  c.nstate = in.n - c.nargs;
  for (int i = c.nargs; i < in.n; i++) /* the state's structure may change; its constants don't count */
    if (py_tree_hash(in.v[i], &c.key, o->shapeless) < 0) goto done;
  if (!(handles = py_leaves_handles(&in))) goto done;
  trace_record *known = find_trace(o, c.key);
  int room = known ? known->nresult + known->nstate : MAX_OUTPUTS;
  outs = room <= 16 ? few : PyMem_Malloc(sizeof *outs * (size_t)room);
  if (!outs) {
    PyErr_NoMemory();
    goto done;
  }
  o->current = &c;
  int n = mx_compiled_call(o->compiled, c.key, in.n, handles, room, outs);
  o->current = c.outer;
  trace_record *t = find_trace(o, c.key);
  if (n < 0 || !t) py_raise();
  else r = compiled_result(o, t, n, outs);
done:
  if (outs != few) PyMem_Free(outs);
  PyMem_Free(handles);
  py_leaves_free(&in);
  Py_XDECREF(c.result);
  return r;
}

static void nothing_to_release(void *context) { (void)context; }

FUNCTION(compile, "fun: object, inputs: object? = None, outputs: object? = None, shapeless: bool = False",
         "A compiled fun: traced at its first call for each set of shapes, dtypes and constants, then run from its plan. "
         "inputs and outputs: lists or dicts of arrays that fun reads, or changes, besides its arguments and result. "
         "shapeless: one trace for all shapes. fun must not evaluate arrays.") {
  if (need_callable(f, f->v[0].o) < 0) return NULL;
  callable_object *o = new_callable(callable_type, f->v[0].o, compile_invoke);
  if (!o) return NULL;
  if (py_given(f, 1)) o->inputs = Py_NewRef(f->v[1].o);
  if (py_given(f, 2)) o->outputs = Py_NewRef(f->v[2].o);
  o->shapeless = f->v[3].b;
  o->compiled = mx_compile(compile_callback, o, o->shapeless, nothing_to_release);
  if (!o->compiled) {
    Py_DECREF(o);
    return py_raise();
  }
  return (PyObject *)o;
}
FUNCTION(disable_compile, "", "Compiled functions call the plain function from now on.") {
  (void)f;
  mx_set_compile_enabled(compile_enabled = false);
  Py_RETURN_NONE;
}
FUNCTION(enable_compile, "", "Compiled functions are compiled again.") {
  (void)f;
  mx_set_compile_enabled(compile_enabled = true);
  Py_RETURN_NONE;
}

/* ---- custom_function, checkpoint ---- */
typedef struct rule { /* what pulling back needs; lives as long as the graph node */
  PyObject *function; /* checkpoint: the function itself; custom: its vjp */
  PyObject *args, *outputs; /* shapes of the trees, without arrays of the graph */
  int nin, nout;
} rule;

static int drop_rule(void *context) {
  rule *r = context;
  Py_XDECREF(r->function);
  Py_XDECREF(r->args);
  Py_XDECREF(r->outputs);
  PyMem_Free(r);
  return 0;
}
/* May come from any thread and with or without the lock. */
static void release_rule(void *context) {
  PyGILState_STATE state = PyGILState_Ensure();
  drop_rule(context);
  PyGILState_Release(state);
}

/* A tree with one placeholder for every array. */
static PyObject *hollow(PyObject *tree, int n) {
  PyObject *placeholder = py_wrap(mx_int(0)), **same = PyMem_Malloc(sizeof *same * (size_t)(n + 1)), *r = NULL;
  int next = 0;
  for (int i = 0; same && i < n; i++) same[i] = placeholder;
  if (placeholder && same) r = py_tree_build(tree, same, &next);
  else if (!PyErr_Occurred()) PyErr_NoMemory();
  Py_XDECREF(placeholder);
  PyMem_Free(same);
  return r;
}

static PyObject *unwrap_single(PyObject *args) { /* the primals of a function of one argument are that argument */
  if (!args || PyTuple_Size(args) != 1) return args;
  PyObject *only = Py_NewRef(PyTuple_GetItem(args, 0));
  Py_DECREF(args);
  return only;
}

static int custom_pullback(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  rule *r = context;
  leaves l = {0}, grads = {0};
  int count = -1, next = 0;
  PyObject *primals = NULL, *cotangents = NULL, *outputs = NULL, *result = NULL;
  if (n != r->nin + 2 * r->nout || wrap_all(n, in, &l) < 0) goto done;
  primals = unwrap_single(py_tree_build(r->args, l.v, &next));
  outputs = primals ? py_tree_build(r->outputs, l.v, &next) : NULL;
  cotangents = outputs ? py_tree_build(r->outputs, l.v, &next) : NULL;
  if (!cotangents) goto done;
  result = PyObject_CallFunctionObjArgs(r->function, primals, cotangents, outputs, NULL);
  if (!result || py_tree_leaves(result, &grads, false) < 0) goto done;
  if (grads.n != r->nin)
    PyErr_Format(PyExc_ValueError, "[custom_function] expected the vjp to return %d gradients, got %d", r->nin, grads.n);
  else count = lend_all(&grads, max_out, out);
done:
  if (count < 0 && !PyErr_Occurred()) PyErr_SetString(PyExc_RuntimeError, "[custom_function] bad number of arrays");
  Py_XDECREF(primals);
  Py_XDECREF(cotangents);
  Py_XDECREF(outputs);
  Py_XDECREF(result);
  py_leaves_free(&l);
  py_leaves_free(&grads);
  return count < 0 ? callback_failed() : count;
}

/* The checkpointed function again, for its derivative. */
typedef struct replay {
  rule *r;
  PyObject *result;
} replay;
static int replay_callback(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  replay *p = context;
  leaves l = {0}, results = {0};
  int count = -1, next = 0;
  PyObject *args = wrap_all(n, in, &l) == 0 ? py_tree_build(p->r->args, l.v, &next) : NULL;
  if (args && (p->result = PyObject_Call(p->r->function, args, NULL)) && py_tree_leaves(p->result, &results, false) == 0)
    count = lend_all(&results, max_out, out);
  Py_XDECREF(args);
  py_leaves_free(&l);
  py_leaves_free(&results);
  return count < 0 ? callback_failed() : count;
}
static int checkpoint_pullback(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  rule *r = context;
  replay p = {r, NULL};
  if (n != r->nin + 2 * r->nout || r->nin > max_out) return mx_error_set(MX_RUNTIME_ERROR, "[checkpoint] bad number of arrays");
  int status = mx_vjp(replay_callback, &p, r->nin, in, r->nout, in + r->nin + r->nout, r->nout, NULL, out);
  Py_XDECREF(p.result);
  return status < 0 ? -1 : r->nin;
}

static PyObject *with_rule(PyObject *function, PyObject *rule_function, PyObject *args, mx_function pullback) {
  leaves in = {0}, detached = {0}, results = {0};
  mx_array *primals = NULL, *outs = NULL, *values = NULL;
  rule *r = NULL;
  PyObject *inner = NULL, *result = NULL, *final = NULL;
  int next = 0;
  if (py_tree_leaves(args, &in, false) < 0 || !(primals = py_leaves_handles(&in))) goto done;
  /* The outputs come from values cut off from the tape: only the rule connects them to the inputs. */
  outs = PyMem_Malloc(sizeof *outs * (size_t)(in.n + 1));
  if (!outs) goto memory;
  for (int i = 0; i < in.n; i++) outs[i] = mx_stop_gradient(primals[i]);
  if (wrap_all(in.n, outs, &detached) < 0 || !(inner = py_tree_build(args, detached.v, &next))) goto done;
  result = PyObject_Call(function, inner, NULL);
  if (!result || py_tree_leaves(result, &results, false) < 0) goto done;
  PyMem_Free(outs);
  outs = py_leaves_handles(&results);
  values = PyMem_Malloc(sizeof *values * (size_t)(results.n + 1));
  r = PyMem_Calloc(1, sizeof *r);
  if (!outs || !values || !r) goto memory;
  *r = (rule){Py_NewRef(rule_function), hollow(args, in.n), hollow(result, results.n), in.n, results.n};
  if (!r->args || !r->outputs) goto done;
  if (mx_custom_vjp(in.n, primals, results.n, outs, pullback, r, release_rule, values) < 0) {
    py_raise();
    goto done;
  }
  r = NULL; /* the graph's now */
  final = rebuild(result, results.n, values);
  goto done;
memory:
  PyErr_NoMemory();
done:
  if (r) drop_rule(r);
  PyMem_Free(primals);
  PyMem_Free(outs);
  PyMem_Free(values);
  Py_XDECREF(inner);
  Py_XDECREF(result);
  py_leaves_free(&in);
  py_leaves_free(&detached);
  py_leaves_free(&results);
  return final;
}

static PyObject *custom_invoke(callable_object *o, PyObject *args, PyObject *kwargs) {
  if (!o->vjp) return PyObject_Call(o->function, args, kwargs);
  if (kwargs && PyDict_Size(kwargs)) {
    PyErr_SetString(PyExc_ValueError, "[custom_function] keyword arguments are not supported beside a vjp");
    return NULL;
  }
  return with_rule(o->function, o->vjp, args, custom_pullback);
}
/* Keyword arguments are constants of the recomputed function, bound to it. */
static PyObject *checkpoint_invoke(callable_object *o, PyObject *args, PyObject *kwargs) {
  if (!kwargs || PyDict_Size(kwargs) == 0) return with_rule(o->function, o->function, args, checkpoint_pullback);
  PyObject *functools = PyImport_ImportModule("functools"), *partial = functools ? PyObject_GetAttrString(functools, "partial") : NULL;
  PyObject *only = partial ? PyTuple_Pack(1, o->function) : NULL, *bound = only ? PyObject_Call(partial, only, kwargs) : NULL;
  PyObject *r = bound ? with_rule(bound, bound, args, checkpoint_pullback) : NULL;
  Py_XDECREF(functools);
  Py_XDECREF(partial);
  Py_XDECREF(only);
  Py_XDECREF(bound);
  return r;
}

FUNCTION(checkpoint, "fun: object",
         "A function equal to fun that keeps no intermediate values for the gradient: they are computed again.") {
  if (need_callable(f, f->v[0].o) < 0) return NULL;
  return (PyObject *)new_callable(callable_type, f->v[0].o, checkpoint_invoke);
}

static PyObject *custom_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  PyObject *function = PyTuple_Size(args) == 1 ? PyTuple_GetItem(args, 0) : kwargs ? PyDict_GetItemString(kwargs, "f") : NULL;
  if (!function || !PyCallable_Check(function)) {
    PyErr_SetString(PyExc_TypeError, "custom_function(): expected a function");
    return NULL;
  }
  return (PyObject *)new_callable(type, function, custom_invoke);
}
static PyObject *set_rule(PyObject **slot, PyObject *function) {
  if (!PyCallable_Check(function)) {
    PyErr_SetString(PyExc_TypeError, "expected a function");
    return NULL;
  }
  Py_XSETREF(*slot, Py_NewRef(function));
  return Py_NewRef(function);
}
static PyObject *custom_vjp(PyObject *o, PyObject *function) { return set_rule(&((callable_object *)o)->vjp, function); }
static PyObject *custom_jvp(PyObject *o, PyObject *function) { return set_rule(&((callable_object *)o)->jvp, function); }
static PyObject *custom_vmap(PyObject *o, PyObject *function) { return set_rule(&((callable_object *)o)->vmap, function); }

static PyMethodDef custom_methods[] = {
    {"vjp", custom_vjp, METH_O,
     "vjp($self, f, /)\n--\n\nSets the reverse rule f(primals, cotangents, outputs) -> gradients of the primals."},
    {"jvp", custom_jvp, METH_O, "jvp($self, f, /)\n--\n\nSets the forward rule f(primals, tangents)."},
    {"vmap", custom_vmap, METH_O, "vmap($self, f, /)\n--\n\nSets the batching rule f(inputs, axes)."},
    {NULL, NULL, 0, NULL}};

#include <stddef.h>
#include <structmember.h>
static PyMemberDef callable_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(callable_object, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(callable_object, weak), READONLY, NULL},
    {NULL, 0, 0, 0, NULL}};
#define CALLABLE_SLOTS                                                                                       \
  {Py_tp_dealloc, callable_dealloc}, {Py_tp_traverse, callable_traverse}, {Py_tp_clear, callable_clear},     \
      {Py_tp_call, callable_call}, {Py_tp_descr_get, callable_bind}, {Py_tp_getattro, callable_getattr},     \
      {Py_tp_members, callable_members}
static PyType_Slot callable_slots[] = {CALLABLE_SLOTS, {Py_tp_doc, "A transformed function."}, {0, NULL}};
static PyType_Slot custom_slots[] = {
    CALLABLE_SLOTS,
    {Py_tp_new, custom_new},
    {Py_tp_methods, custom_methods},
    {Py_tp_doc, "custom_function(f)\n--\n\nA function with derivatives of its own: decorate rules with .vjp, .jvp, .vmap."},
    {0, NULL}};
static PyType_Spec callable_spec = {"mlx.core._gc_func", sizeof(callable_object), 0,
                                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                    callable_slots};
static PyType_Spec custom_spec = {"mlx.core.custom_function", sizeof(callable_object), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, custom_slots};

/* ---- eval ---- */
static PyObject *evaluate(frame *f, int (*how)(int, const mx_array *)) {
  leaves l = {0};
  int status = 0;
  for (Py_ssize_t i = 0; status == 0 && i < f->nrest; i++) status = py_tree_leaves(f->rest[i], &l, false);
  mx_array *handles = status == 0 ? py_leaves_handles(&l) : NULL;
  if (handles) status = l.n ? how(l.n, handles) : 0;
  PyMem_Free(handles);
  py_leaves_free(&l);
  if (status < 0 || !handles) return NULL;
  Py_RETURN_NONE;
}
FUNCTION(eval, "*args", "Computes the arrays of all trees given, and waits. Other leaves are ignored.") {
  return evaluate(f, py_eval);
}
FUNCTION(async_eval, "*args", "Starts to compute the arrays of all trees given, without waiting. An error surfaces at the next eval.") {
  return evaluate(f, py_async_eval);
}

int py_transforms_init(PyObject *module) {
  callable_type = (PyTypeObject *)PyType_FromSpec(&callable_spec);
  custom_type = (PyTypeObject *)PyType_FromSpec(&custom_spec);
  if (!callable_type || !custom_type) return -1;
  if (py_add_object(module, "_gc_func", Py_NewRef(callable_type)) < 0) return -1;
  return py_add_object(module, "custom_function", Py_NewRef(custom_type));
}
