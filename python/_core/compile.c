/* compile: the key of a call, the trace, and what the trace returned; and eval.

   Arrays of the arguments and of the captured inputs become the inputs of the compiled graph; everything else
   is part of the key. While the function is traced, the captured state holds tracers: nobody else may read it
   then. Functions may share their state, so one lock serves all that capture some, for the whole of a call; a
   function without state has a lock of its own, for its traces alone. A trace carries the record of what the
   function returned. */
#include "transforms.h"
#include <limits.h>

/* ---- compile ---- */
typedef struct compile_call {
  PyObject *args, *kwargs; /* kwargs may be NULL */
  uint64_t key;
  leaves in; /* arrays of the arguments, then of the captured inputs */
  int nargs;
  leaves outputs;      /* captured outputs before the function runs */
  leaves tracers;      /* what stands for `in` while it runs */
  PyObject *result;    /* what it returned, with tracers; NULL: it hasn't run, or failed */
  int nresult, nstate; /* arrays of the result, and of the captured outputs behind it */
  mx_trace_note note;
} compile_call;

static bool compile_enabled = true;
static trace_lock state_lock;

static bool is_stateful(const callable_object *o) { return o->inputs || o->outputs; }

/* ---- Records ---- */
static void release_record(void *data) {
  trace_record *r = data;
  *r->link = r->next;
  if (r->next) r->next->link = r->link;
  Py_XDECREF(r->result);
  PyMem_Free(r);
}

static int note_record(callable_object *o, compile_call *c) {
  trace_record *r = PyMem_Malloc(sizeof *r);
  if (!r) return PyErr_NoMemory(), -1;
  *r = (trace_record){py_hollow(c->result, c->nresult), c->nresult, c->nstate, o->records, &o->records};
  if (r->next) r->next->link = &r->next;
  o->records = r;
  c->note = (mx_trace_note){r, release_record};
  return r->result ? 0 : -1;
}

/* ---- The function on tracers ---- */
/* Calls it with c->tracers in place of the arrays. Its results, and behind them the captured outputs. */
static int run_function(callable_object *o, compile_call *c, int max_out, leaves *results) {
  PyObject *const *tracers = c->tracers.v;
  int next = 0, n = c->in.n;
  if (o->outputs && py_tree_leaves(o->outputs, &c->outputs, false) < 0) return -1;
  if (o->inputs && py_tree_fill(o->inputs, tracers + c->nargs, n - c->nargs) < 0) return -1;
  PyObject *args = py_tree_build(c->args, tracers, c->nargs, &next);
  PyObject *kwargs = args && c->kwargs ? py_tree_build(c->kwargs, tracers, c->nargs, &next) : NULL;
  if (args && (kwargs || !c->kwargs)) c->result = PyObject_Call(o->function, args, kwargs);
  Py_XDECREF(args);
  Py_XDECREF(kwargs);
  if (!c->result || py_tree_leaves(c->result, results, false) < 0) return -1;
  c->nresult = results->n;
  if (o->outputs && py_tree_leaves(o->outputs, results, false) < 0) return -1;
  c->nstate = results->n - c->nresult;
  return results->n <= max_out ? 0 : py_too_many(results->n, max_out);
}

/* Puts the captured arrays back where the function left the tracers that stood for them. */
static int restore_inputs(const callable_object *o, const compile_call *c) {
  int n = c->tracers.n - c->nargs;
  return o->inputs && n > 0 ? py_tree_replace(o->inputs, c->tracers.v + c->nargs, c->in.v + c->nargs, n) : 0;
}

/* After a failure: all captured arrays as they were, unless the function has changed the structure. */
static int restore_tree(PyObject *tree, PyObject *const *before, int n) {
  leaves now = {0};
  int r = tree ? py_tree_leaves(tree, &now, false) : 0;
  if (r == 0 && tree && now.n == n) r = py_tree_fill(tree, before, n);
  py_leaves_free(&now);
  return r;
}
static void restore_all(const callable_object *o, const compile_call *c) {
  PyObject *type, *value, *traceback;
  if (!c->tracers.v) return;
  PyErr_Fetch(&type, &value, &traceback);
  if (restore_inputs(o, c) < 0 || restore_tree(o->inputs, c->in.v + c->nargs, c->in.n - c->nargs) < 0 ||
      restore_tree(o->outputs, c->outputs.v, c->outputs.n) < 0)
    PyErr_Clear();
  PyErr_Restore(type, value, traceback);
}

static int compile_callback(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  callable_object *o = context;
  compile_call *c = o->current;
  leaves results = {0};
  int count = -1;
  if (!c)
    PyErr_SetString(PyExc_RuntimeError, "[compile] traced outside a call");
  else if (py_wrap_all(n, in, &c->tracers) == 0 && run_function(o, c, max_out, &results) == 0 &&
           note_record(o, c) == 0)
    count = py_lend_all(&results, max_out, out);
  py_leaves_free(&results);
  return count < 0 ? py_callback_failed() : count;
}

/* ---- Calls ---- */
/* The result: a tree with new objects around the first arrays; the others go into the captured outputs. */
static PyObject *deliver(const callable_object *o, PyObject *tree, int nresult, int nstate,
                         const mx_array *arrays) {
  if (nstate) {
    leaves state = {0};
    int r =
        py_wrap_all(nstate, arrays + nresult, &state) == 0 ? py_tree_fill(o->outputs, state.v, state.n) : -1;
    py_leaves_free(&state);
    if (r < 0) return NULL;
  }
  return nresult == 1 && py_is_array(tree) ? py_wrap(arrays[0]) : py_rebuild(tree, nresult, arrays);
}

/* Inside another trace, as a part of it. */
static PyObject *call_plainly(callable_object *o, compile_call *c, const mx_array *handles) {
  leaves results = {0};
  mx_array *arrays = NULL;
  PyObject *r = NULL;
  if (py_wrap_all(c->in.n, handles, &c->tracers) == 0 && run_function(o, c, INT_MAX, &results) == 0 &&
      restore_inputs(o, c) == 0 && (arrays = py_leaves_handles(&results)))
    r = deliver(o, c->result, c->nresult, c->nstate, arrays);
  py_leaves_free(&results);
  PyMem_Free(arrays);
  return r;
}

/* A new trace, or the one that another thread has made while this one waited. */
static mx_trace make_trace(callable_object *o, compile_call *c, const mx_array *handles) {
  trace_lock *lock = is_stateful(o) ? &state_lock : &o->lock;
  if (py_trace_lock(lock) < 0) return NULL;
  o->current = c;
  mx_trace t = mx_compiled_trace(o->compiled, c->key, c->in.n, handles, MAX_OUTPUTS, &c->note);
  o->current = NULL;
  if (!t) py_raise();
  py_trace_unlock(lock);
  if (!t || restore_inputs(o, c) == 0) return t;
  mx_trace_release(t);
  return NULL;
}

static PyObject *call_trace(callable_object *o, compile_call *c, const mx_array *handles) {
  mx_trace t = mx_compiled_find(o->compiled, c->key, c->in.n, handles);
  if (!t && !(t = make_trace(o, c, handles))) return NULL;
  int n = mx_trace_outputs(t);
  mx_array few[16], *outs = n <= 16 ? few : PyMem_Malloc(sizeof *outs * (size_t)n);
  const trace_record *record = mx_trace_data(t);
  PyObject *r = NULL;
  if (!outs)
    PyErr_NoMemory();
  else if (mx_trace_call(t, c->in.n, handles, outs) < 0)
    py_raise();
  else
    r = deliver(o, record->result, record->nresult, record->nstate, outs);
  if (outs != few) PyMem_Free(outs);
  mx_trace_release(t);
  return r;
}

static int read_call(const callable_object *o, compile_call *c) {
  if (py_tree_hash(c->args, &c->key) < 0 || py_tree_leaves(c->args, &c->in, false) < 0) return -1;
  if (c->kwargs && (py_tree_hash(c->kwargs, &c->key) < 0 || py_tree_leaves(c->kwargs, &c->in, false) < 0))
    return -1;
  c->nargs = c->in.n;
  return o->inputs ? py_tree_leaves(o->inputs, &c->in, false) : 0;
}

static PyObject *call_compiled(callable_object *o, PyObject *args, PyObject *kwargs) {
  compile_call c = {.args = args, .kwargs = kwargs, .key = UINT64_C(0x243F6A8885A308D3)};
  mx_array *handles = read_call(o, &c) == 0 ? py_leaves_handles(&c.in) : NULL;
  PyObject *r = NULL;
  if (handles) r = mx_compile_is_plain() ? call_plainly(o, &c, handles) : call_trace(o, &c, handles);
  if (!r) restore_all(o, &c);
  PyMem_Free(handles);
  py_leaves_free(&c.in);
  py_leaves_free(&c.outputs);
  py_leaves_free(&c.tracers);
  Py_XDECREF(c.result);
  return r;
}

static PyObject *compile_invoke(callable_object *o, PyObject *args, PyObject *kwargs) {
  if (!compile_enabled) return PyObject_Call(o->function, args, kwargs);
  if (kwargs && PyDict_Size(kwargs) == 0) kwargs = NULL;
  bool stateful = is_stateful(o);
  if (stateful && py_trace_lock(&state_lock) < 0) return NULL;
  PyObject *r = call_compiled(o, args, kwargs);
  if (stateful) py_trace_unlock(&state_lock);
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
         "shapeless: one trace serves all sizes of a rank and dtype, so fun isn't called for others: sizes "
         "that it read stay, and what can't follow is a ValueError that names the op. "
         "fun must not evaluate arrays.") {
  if (py_need_callable(f, f->v[0].o) < 0) return NULL;
  callable_object *o = py_new_callable(py_callable_type, f->v[0].o, compile_invoke);
  if (!o) return NULL;
  if (py_given(f, 1)) o->inputs = Py_NewRef(f->v[1].o);
  if (py_given(f, 2)) o->outputs = Py_NewRef(f->v[2].o);
  o->compiled = mx_compile(compile_callback, o, f->v[3].b, nothing_to_release);
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
