/* custom_function: derivatives of your own. checkpoint: intermediate values computed again instead of kept.
 */
#include "transforms.h"
#include <stdatomic.h>

/* ---- custom_function, checkpoint ---- */
typedef struct rule {         /* what the rules need; lives as long as the graph node */
  PyObject *vjp, *jvp, *vmap; /* each may be NULL; checkpoint: vjp is the function itself */
  PyObject *args, *outputs;   /* shapes of the trees, without arrays of the graph */
  int nin, nout;
  struct rule *next; /* in the list of those let go */
} rule;

static void drop_rule(rule *r) {
  Py_XDECREF(r->vjp);
  Py_XDECREF(r->jvp);
  Py_XDECREF(r->vmap);
  Py_XDECREF(r->args);
  Py_XDECREF(r->outputs);
  PyMem_Free(r);
}
/* The graph may let a rule go on any thread, with or without the interpreter's lock: it waits in a list until
   a thread that holds the lock comes by. */
static _Atomic(rule *) dropped;
static int drop_rules(void *unused) {
  (void)unused;
  for (rule *r = atomic_exchange(&dropped, NULL), *next; r; r = next) {
    next = r->next;
    drop_rule(r);
  }
  return 0;
}
static void release_rule(void *context) {
  rule *r = context;
  r->next = atomic_load(&dropped);
  while (!atomic_compare_exchange_weak(&dropped, &r->next, r)) {}
  Py_AddPendingCall(drop_rules,
                    NULL); /* when that queue is full, the next call of a function with rules does it */
}

static PyObject *
unwrap_single(PyObject *args) { /* the primals of a function of one argument are that argument */
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
  if (n != r->nin + 2 * r->nout || py_wrap_all(n, in, &l) < 0) goto done;
  primals = unwrap_single(py_tree_build(r->args, l.v, l.n, &next));
  outputs = primals ? py_tree_build(r->outputs, l.v, l.n, &next) : NULL;
  cotangents = outputs ? py_tree_build(r->outputs, l.v, l.n, &next) : NULL;
  if (!cotangents) goto done;
  result = PyObject_CallFunctionObjArgs(r->vjp, primals, cotangents, outputs, NULL);
  if (!result || py_tree_leaves(result, &grads, false) < 0) goto done;
  if (grads.n != r->nin)
    PyErr_Format(PyExc_ValueError, "[custom_function] expected the vjp to return %d gradients, got %d",
                 r->nin, grads.n);
  else
    count = py_lend_all(&grads, max_out, out);
done:
  if (count < 0 && !PyErr_Occurred())
    PyErr_SetString(PyExc_RuntimeError, "[custom_function] bad number of arrays");
  Py_XDECREF(primals);
  Py_XDECREF(cotangents);
  Py_XDECREF(outputs);
  Py_XDECREF(result);
  py_leaves_free(&l);
  py_leaves_free(&grads);
  return count < 0 ? py_callback_failed() : count;
}

static int custom_pushforward(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  rule *r = context;
  leaves l = {0}, tangents = {0};
  int count = -1, next = 0;
  PyObject *primals = NULL, *directions = NULL, *result = NULL;
  if (py_wrap_all(n, in, &l) < 0) goto done;
  primals = unwrap_single(py_tree_build(r->args, l.v, l.n, &next));
  directions = primals ? unwrap_single(py_tree_build(r->args, l.v, l.n, &next)) : NULL;
  result = directions ? PyObject_CallFunctionObjArgs(r->jvp, primals, directions, NULL) : NULL;
  if (result && py_tree_leaves(result, &tangents, false) == 0) count = py_lend_all(&tangents, max_out, out);
done:
  Py_XDECREF(primals);
  Py_XDECREF(directions);
  Py_XDECREF(result);
  py_leaves_free(&l);
  py_leaves_free(&tangents);
  return count < 0 ? py_callback_failed() : count;
}

/* The tree of the inputs with their axes in place of arrays. */
static PyObject *tree_of_axes(const rule *r, int n, const int *axes) {
  leaves l = {0};
  int next = 0;
  PyObject *tree = NULL;
  l.v = PyMem_Calloc((size_t)n + 1, sizeof *l.v);
  for (; l.v && l.n < n; l.n++)
    if (!(l.v[l.n] = axes[l.n] == MX_UNMAPPED ? Py_NewRef(Py_None) : PyLong_FromLong(axes[l.n]))) break;
  if (l.v && l.n == n)
    tree = unwrap_single(py_tree_build(r->args, l.v, n, &next));
  else if (!PyErr_Occurred())
    PyErr_NoMemory();
  py_leaves_free(&l);
  return tree;
}

static int custom_batch(void *context, int n, const mx_array *in, const int *in_axes, int max_out,
                        mx_array *out, int *out_axes) {
  rule *r = context;
  leaves l = {0}, results = {0};
  int count = -1, next = 0;
  PyObject *inputs = NULL, *axes = NULL, *result = NULL;
  if (py_wrap_all(n, in, &l) < 0) goto done;
  inputs = unwrap_single(py_tree_build(r->args, l.v, l.n, &next));
  axes = inputs ? tree_of_axes(r, n, in_axes) : NULL;
  result = axes ? PyObject_CallFunctionObjArgs(r->vmap, inputs, axes, NULL) : NULL;
  if (!result) goto done;
  if (!PyTuple_Check(result) || PyTuple_Size(result) != 2) {
    PyErr_SetString(PyExc_ValueError, "[custom_function] expected the vmap to return (outputs, axes)");
    goto done;
  }
  PyObject *outputs = PyTuple_GetItem(result, 0);
  if (py_tree_leaves(outputs, &results, false) < 0) goto done;
  if (results.n != r->nout)
    PyErr_Format(PyExc_ValueError, "[custom_function] expected %d outputs from the vmap, got %d", r->nout,
                 results.n);
  else if (py_expand_axes("the axes", outputs, PyTuple_GetItem(result, 1), results.n, out_axes) == 0)
    count = py_lend_all(&results, max_out, out);
done:
  Py_XDECREF(inputs);
  Py_XDECREF(axes);
  Py_XDECREF(result);
  py_leaves_free(&l);
  py_leaves_free(&results);
  return count < 0 ? py_callback_failed() : count;
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
  PyObject *args = py_wrap_all(n, in, &l) == 0 ? py_tree_build(p->r->args, l.v, l.n, &next) : NULL;
  if (args && (p->result = PyObject_Call(p->r->vjp, args, NULL)) &&
      py_tree_leaves(p->result, &results, false) == 0)
    count = py_lend_all(&results, max_out, out);
  Py_XDECREF(args);
  py_leaves_free(&l);
  py_leaves_free(&results);
  return count < 0 ? py_callback_failed() : count;
}
static int checkpoint_pullback(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  rule *r = context;
  replay p = {r, NULL};
  if (n != r->nin + 2 * r->nout || r->nin > max_out)
    return mx_error_set(MX_RUNTIME_ERROR, "[checkpoint] bad number of arrays");
  int status = mx_vjp(replay_callback, &p, r->nin, in, r->nout, in + r->nin + r->nout, r->nout, NULL, out);
  Py_XDECREF(p.result);
  return status < 0 ? -1 : r->nin;
}

/* Calls the function, and puts the rules on its results. `rules` says which; its objects are borrowed. */
static PyObject *with_rules(PyObject *function, PyObject *args, rule rules, mx_function pullback) {
  leaves in = {0}, detached = {0}, results = {0};
  mx_array *primals = NULL, *outs = NULL, *values = NULL;
  rule *r = NULL;
  PyObject *inner = NULL, *result = NULL, *final = NULL;
  int next = 0;
  drop_rules(NULL);
  if (py_tree_leaves(args, &in, false) < 0 || !(primals = py_leaves_handles(&in))) goto done;
  /* With a vjp the outputs come from values cut off from the tape: only the rule connects them to the inputs.
   */
  outs = PyMem_Malloc(sizeof *outs * (size_t)(in.n + 1));
  if (!outs) goto memory;
  for (int i = 0; i < in.n; i++) outs[i] = rules.vjp ? mx_stop_gradient(primals[i]) : primals[i];
  if (py_wrap_all(in.n, outs, &detached) < 0 || !(inner = py_tree_build(args, detached.v, detached.n, &next)))
    goto done;
  result = PyObject_Call(function, inner, NULL);
  if (!result || py_tree_leaves(result, &results, false) < 0) goto done;
  PyMem_Free(outs);
  outs = py_leaves_handles(&results);
  values = PyMem_Malloc(sizeof *values * (size_t)(results.n + 1));
  r = PyMem_Calloc(1, sizeof *r);
  if (!outs || !values || !r) goto memory;
  *r = (rule){.vjp = Py_XNewRef(rules.vjp),
              .jvp = Py_XNewRef(rules.jvp),
              .vmap = Py_XNewRef(rules.vmap),
              .args = py_hollow(args, in.n),
              .outputs = py_hollow(result, results.n),
              .nin = in.n,
              .nout = results.n};
  if (!r->args || !r->outputs) goto done;
  mx_custom_rules all = {.vjp = r->vjp ? pullback : NULL,
                         .jvp = r->jvp ? custom_pushforward : NULL,
                         .vmap = r->vmap ? custom_batch : NULL,
                         .context = r,
                         .release = release_rule};
  if (mx_custom(in.n, primals, results.n, outs, all, values) < 0) {
    py_raise();
    goto done;
  }
  r = NULL; /* the graph's now */
  final = py_rebuild(result, results.n, values);
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

/* The function with keyword arguments bound to it. */
static PyObject *bind(PyObject *function, PyObject *kwargs) {
  PyObject *functools = PyImport_ImportModule("functools"),
           *partial = functools ? PyObject_GetAttrString(functools, "partial") : NULL;
  PyObject *only = partial ? PyTuple_Pack(1, function) : NULL,
           *bound = only ? PyObject_Call(partial, only, kwargs) : NULL;
  Py_XDECREF(functools);
  Py_XDECREF(partial);
  Py_XDECREF(only);
  return bound;
}

/* Keyword arguments are constants, which the vjp is called with too. The other rules have no place for them.
 */
static PyObject *with_constants(const callable_object *o, PyObject *args, PyObject *kwargs) {
  leaves arrays = {0};
  PyObject *function = NULL, *vjp = NULL, *r = NULL;
  if (py_tree_leaves(kwargs, &arrays, false) < 0) goto done;
  if (arrays.n || o->jvp || o->vmap)
    PyErr_SetString(PyExc_ValueError, arrays.n
                                          ? "[custom_function] expected arrays as positional arguments, "
                                            "got one by keyword"
                                          : "[custom_function] expected positional arguments alone beside "
                                            "a jvp or vmap, got keyword arguments");
  else if ((function = bind(o->function, kwargs)) && (vjp = bind(o->vjp, kwargs)))
    r = with_rules(function, args, (rule){.vjp = vjp}, custom_pullback);
done:
  py_leaves_free(&arrays);
  Py_XDECREF(function);
  Py_XDECREF(vjp);
  return r;
}

static PyObject *custom_invoke(callable_object *o, PyObject *args, PyObject *kwargs) {
  if (!o->vjp && !o->jvp && !o->vmap) return PyObject_Call(o->function, args, kwargs);
  if (kwargs && PyDict_Size(kwargs)) return with_constants(o, args, kwargs);
  return with_rules(o->function, args, (rule){.vjp = o->vjp, .jvp = o->jvp, .vmap = o->vmap},
                    custom_pullback);
}
/* Keyword arguments are constants of the recomputed function, bound to it. */
static PyObject *checkpoint_invoke(callable_object *o, PyObject *args, PyObject *kwargs) {
  if (!kwargs || PyDict_Size(kwargs) == 0)
    return with_rules(o->function, args, (rule){.vjp = o->function}, checkpoint_pullback);
  PyObject *bound = bind(o->function, kwargs);
  PyObject *r = bound ? with_rules(bound, args, (rule){.vjp = bound}, checkpoint_pullback) : NULL;
  Py_XDECREF(bound);
  return r;
}

FUNCTION(
    checkpoint, "fun: object -> Callable[..., Any]",
    "A function equal to fun that keeps no intermediate values for the gradient: they are computed again.") {
  if (py_need_callable(f, f->v[0].o) < 0) return NULL;
  return (PyObject *)py_new_callable(py_callable_type, f->v[0].o, checkpoint_invoke);
}

PyObject *py_custom_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
  PyObject *function = PyTuple_Size(args) == 1 ? PyTuple_GetItem(args, 0)
                       : kwargs                ? PyDict_GetItemString(kwargs, "f")
                                               : NULL;
  if (!function || !PyCallable_Check(function)) {
    PyErr_SetString(PyExc_TypeError, "custom_function(): expected a function");
    return NULL;
  }
  return (PyObject *)py_new_callable(type, function, custom_invoke);
}
/* Returns the function itself, so that a rule may be defined under its name. */
static PyObject *set_rule(PyObject *self, PyObject **slot, PyObject *function) {
  if (!PyCallable_Check(function)) {
    PyErr_SetString(PyExc_TypeError, "expected a function");
    return NULL;
  }
  py_set(slot, Py_NewRef(function));
  return Py_NewRef(self);
}
static PyObject *custom_vjp(PyObject *o, PyObject *function) {
  return set_rule(o, &((callable_object *)o)->vjp, function);
}
static PyObject *custom_jvp(PyObject *o, PyObject *function) {
  return set_rule(o, &((callable_object *)o)->jvp, function);
}
static PyObject *custom_vmap(PyObject *o, PyObject *function) {
  return set_rule(o, &((callable_object *)o)->vmap, function);
}

PyMethodDef py_custom_methods[] = {
    {"vjp", custom_vjp, METH_O,
     "vjp($self, f, /)\n--\n\nSets the reverse rule f(primals, cotangents, outputs) -> gradients of the "
     "primals. The call's keyword arguments, which are constants, are passed to it too."},
    {"jvp", custom_jvp, METH_O,
     "jvp($self, f, /)\n--\n\nSets the forward rule f(primals, tangents) -> tangents of the outputs."},
    {"vmap", custom_vmap, METH_O,
     "vmap($self, f, /)\n--\n\nSets the batching rule f(inputs, axes) -> (outputs, their axes). "
     "An axis is 0, or None for an input that is not mapped."},
    PY_COPIED_AS_ITSELF,
    {NULL, NULL, 0, NULL}};
