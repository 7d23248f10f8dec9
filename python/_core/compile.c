/* compile: the key of a call, the trace, and what the trace returned; and eval.

   Arrays of the arguments and of the captured inputs become the inputs of the compiled graph; everything else
   is part of the key. While the function is traced, the captured state holds tracers. */
#include "transforms.h"
#include <string.h>

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
  PyObject *placeholder = py_wrap(mx_int(0)), *tree = NULL,
           **same = PyMem_Malloc(sizeof *same * (size_t)(nresult + 1));
  int next = 0;
  for (int i = 0; same && i < nresult; i++) same[i] = placeholder;
  if (placeholder && same) tree = py_tree_build(result, same, nresult, &next);
  Py_XDECREF(placeholder);
  PyMem_Free(same);
  if (!tree) return PyErr_Occurred() ? -1 : (PyErr_NoMemory(), -1);
  py_set(&t->result, tree);
  t->nresult = nresult;
  t->nstate = nstate;
  return 0;
}

/* Calls the function with tracers for the arguments' arrays. */
static PyObject *call_traced(callable_object *o, const compile_call *c, PyObject *const *tracers) {
  int next = 0;
  PyObject *args = py_tree_build(c->args, tracers, c->nargs, &next);
  PyObject *kwargs = args && c->kwargs ? py_tree_build(c->kwargs, tracers, c->nargs, &next) : NULL;
  PyObject *r = args && (kwargs || !c->kwargs) ? PyObject_Call(o->function, args, kwargs) : NULL;
  Py_XDECREF(args);
  Py_XDECREF(kwargs);
  return r;
}

/* Puts the captured arrays back where the function left the tracers that stood for them. After a failure also
   where it put others, unless it has changed the structure. */
static int restore_inputs(callable_object *o, PyObject *const *tracers, const leaves *captured, int n,
                          bool failed) {
  leaves now = {0};
  bool all = failed && py_tree_leaves(o->inputs, &now, false) == 0 && now.n == captured->n;
  py_leaves_free(&now);
  if (all) return py_tree_fill(o->inputs, captured->v, captured->n);
  return py_tree_replace(o->inputs, tracers, captured->v, captured->n < n ? captured->n : n);
}

static int compile_callback(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  callable_object *o = context;
  compile_call *c = o->current;
  leaves tracers = {0}, captured = {0}, results = {0};
  int count = -1;
  if (!c) {
    PyErr_SetString(PyExc_RuntimeError, "[compile] traced outside a call");
    return py_callback_failed();
  }
  if (py_wrap_all(n, in, &tracers) < 0) goto done;
  PyObject *const *state = tracers.v + c->nargs;
  if (o->inputs &&
      (py_tree_leaves(o->inputs, &captured, false) < 0 || py_tree_fill(o->inputs, state, c->nstate) < 0))
    goto done;
  o->current = NULL; /* a call inside is a call of its own */
  py_set(&c->result, call_traced(o, c, tracers.v));
  o->current = c;
  if (c->result && py_tree_leaves(c->result, &results, false) == 0) {
    int nresult = results.n;
    if ((!o->outputs || py_tree_leaves(o->outputs, &results, false) == 0) &&
        keep_trace(o, c->key, c->result, nresult, results.n - nresult) == 0)
      count = py_lend_all(&results, max_out, out);
  }
  if (o->inputs) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (restore_inputs(o, state, &captured, c->nstate, count < 0) < 0) count = -1;
    if (type) PyErr_Restore(type, value, traceback);
  }
done:
  py_leaves_free(&tracers);
  py_leaves_free(&captured);
  py_leaves_free(&results);
  return count < 0 ? py_callback_failed() : count;
}

static PyObject *compiled_result(callable_object *o, const trace_record *t, int n, const mx_array *outs) {
  if (n != t->nresult + t->nstate) {
    PyErr_Format(PyExc_RuntimeError, "[compile] expected %d outputs, got %d", t->nresult + t->nstate, n);
    return NULL;
  }
  if (t->nstate) {
    leaves state = {0};
    int r = py_wrap_all(t->nstate, outs + t->nresult, &state) == 0
                ? py_tree_fill(o->outputs, state.v, state.n)
                : -1;
    py_leaves_free(&state);
    if (r < 0) return NULL;
  }
  if (t->nresult == 1 && py_is_array(t->result)) return py_wrap(outs[0]);
  PyObject *shape = Py_NewRef(t->result), *r = py_rebuild(shape, t->nresult, outs);
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
  if (py_tree_hash(args, &c.key, o->shapeless) < 0 ||
      (kwargs && py_tree_hash(kwargs, &c.key, o->shapeless) < 0))
    return NULL;
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
  if (n < 0 || !t)
    py_raise();
  else
    r = compiled_result(o, t, n, outs);
done:
  if (outs != few) PyMem_Free(outs);
  PyMem_Free(handles);
  py_leaves_free(&in);
  Py_XDECREF(c.result);
  return r;
}

static void nothing_to_release(void *context) { (void)context; }

FUNCTION(compile,
         "fun: object, inputs: object? = None, outputs: object? = None, shapeless: bool = False -> "
         "Callable[..., Any]",
         "A compiled fun: traced at its first call for each set of shapes, dtypes and constants, then run "
         "from its plan. "
         "inputs and outputs: lists or dicts of arrays that fun reads, or changes, besides its arguments and "
         "result. "
         "shapeless: the caller expects one trace to serve all shapes; this build traces anew for each\n"
         "shape, with the same results. fun must not evaluate arrays.") {
  if (py_need_callable(f, f->v[0].o) < 0) return NULL;
  callable_object *o = py_new_callable(py_callable_type, f->v[0].o, compile_invoke);
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
FUNCTION(disable_compile, "-> None", "Compiled functions call the plain function from now on.") {
  (void)f;
  mx_set_compile_enabled(compile_enabled = false);
  Py_RETURN_NONE;
}
FUNCTION(enable_compile, "-> None", "Compiled functions are compiled again.") {
  (void)f;
  mx_set_compile_enabled(compile_enabled = true);
  Py_RETURN_NONE;
}

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
FUNCTION(eval, "*args -> None",
         "Computes the arrays of all trees given, and waits. Other leaves are ignored.") {
  return evaluate(f, py_eval);
}
FUNCTION(
    async_eval, "*args -> None",
    "Starts to compute the arrays of all trees given, without waiting. An error surfaces at the next eval.") {
  return evaluate(f, py_async_eval);
}
