/* compile: a function traced over placeholders, once for each kind of call, into a kept plan. A call makes
   one lazy CALL node. Under a derivative the traced graph is replayed, so compiled functions differentiate as
   plain ones; inside another trace the function is called plainly, and becomes part of that.

   A function keeps the traces used last. Who found a trace has a reference, and so has a CALL node on its
   plan: what another thread drops meanwhile stays whole. */
#include "base/alloc.h"
#include "base/env.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/lru.h"
#include "base/map.h"
#include "base/vec.h"
#include "core/stream.h"
#include "engine/call.h"
#include "ops/common.h"
#include "transforms/autodiff.h"
#include "transforms/graph.h"
#include "transforms/trace.h"
#include <string.h>

struct base;
struct mxi_trace {
  struct mxi_lru_entry entry; /* first */
  atomic_int refs;
  uint64_t key;
  mx_stream stream;
  struct mxi_kept *kept;
  struct base *base; /* whose note is its own; NULL: none */
  mx_trace_note note;
};

/* Of a shapeless function: the trace of all inputs of some ranks and dtypes, from which that of each set of
   shapes is made without calling the function. */
struct base {
  struct mxi_lru_entry entry; /* first */
  atomic_int refs;
  uint64_t key;
  mx_stream stream;
  struct mxi_graph graph;
  mx_trace_note note;
};

struct mxi_compiled {
  mx_function f;
  void *context;
  void (*release)(void *context);
  bool shapeless;
  struct mxi_lru traces, bases; /* under MXI_LOCK_TRACES */
};

static atomic_bool disabled;
void mx_set_compile_enabled(bool enabled) { atomic_store(&disabled, !enabled); }
bool mx_compile_is_plain(void) {
  return atomic_load(&disabled) || mxi_env()->no_compile || mxi_thread.trace_level > 0;
}

mx_compiled mx_compile(mx_function f, void *context, bool shapeless, void (*release)(void *context)) {
  if (!mxi_given("compile", "a function", f)) return NULL;
  mx_compiled c = mxi_malloc(sizeof *c);
  if (!c) return NULL;
  *c = (struct mxi_compiled){.f = f, .context = context, .release = release, .shapeless = shapeless};
  return c;
}

static void release_note(const mx_trace_note *note) {
  if (note && note->data && note->release) note->release(note->data);
}

static void base_release(struct base *b) {
  if (!b || atomic_fetch_sub(&b->refs, 1) != 1) return;
  mxi_graph_free(&b->graph);
  release_note(&b->note);
  mxi_free(b);
}

/* Outside of locks: what the note's owner does is unknown. */
void mx_trace_release(mx_trace t) {
  if (!t || atomic_fetch_sub(&t->refs, 1) != 1) return;
  mxi_kept_unref(t->kept);
  base_release(t->base);
  release_note(&t->note);
  mxi_free(t);
}

static mx_trace take_oldest(mx_compiled c) { return (mx_trace)mxi_lru_take_oldest(&c->traces); }

void mx_compiled_free(mx_compiled c) {
  if (!c) return;
  for (mx_trace t; (t = take_oldest(c));) mx_trace_release(t);
  for (struct mxi_lru_entry *b; (b = mxi_lru_take_oldest(&c->bases));) base_release((struct base *)b);
  mxi_lru_free(&c->traces);
  mxi_lru_free(&c->bases);
  if (c->release) c->release(c->context);
  mxi_free(c);
}

/* ---- Which trace serves a call ---- */
struct compiled_call {
  uint64_t key;
  mx_stream stream;
  int n;
  const mx_array *in;
};

static uint64_t hash_call(const struct compiled_call *call) {
  uint64_t h = mxi_mix(call->key, (uint64_t)(uintptr_t)call->stream);
  for (int i = 0; i < call->n; i++) {
    mx_array a = call->in[i];
    h = mxi_mix(h, (uint64_t)a->dtype << 8 | a->ndim);
    for (int d = 0; d < a->ndim; d++) h = mxi_mix(h, (uint64_t)a->dims[d]);
  }
  return h;
}

static bool takes_inputs(const struct mxi_kept *k, int n, const mx_array *in) {
  if (k->ninputs != n) return false;
  for (int i = 0; i < n; i++)
    if (k->inputs[i]->dtype != in[i]->dtype || !mxi_same_shape(k->inputs[i], in[i])) return false;
  return true;
}

static bool serves(const struct mxi_lru_entry *e, const void *wanted) {
  const struct mxi_trace *t = (const struct mxi_trace *)e;
  const struct compiled_call *call = wanted;
  return t->key == call->key && t->stream == call->stream && takes_inputs(t->kept, call->n, call->in);
}

/* The trace with a reference for the caller. */
static mx_trace find_trace(mx_compiled c, uint64_t hash, const struct compiled_call *call) {
  mx_trace t = (mx_trace)mxi_lru_find(&c->traces, hash, serves, call);
  if (t) atomic_fetch_add(&t->refs, 1);
  return t;
}

/* Keeps a new trace, unless another thread has made the same meanwhile. Takes over the caller's reference,
   and returns the kept trace with one; NULL with the error set. */
static mx_trace keep(mx_compiled c, mx_trace made, const struct compiled_call *call) {
  uint64_t hash = hash_call(call);
  mx_trace unused = made, dropped = NULL;
  mxi_lock(MXI_LOCK_TRACES);
  mx_trace kept = find_trace(c, hash, call);
  if (!kept && mxi_lru_put(&c->traces, &made->entry, hash) == 0) {
    atomic_fetch_add(&made->refs, 1);
    kept = made;
    unused = NULL;
    if (c->traces.n > MX_TRACES_KEPT) dropped = take_oldest(c);
  }
  mxi_unlock(MXI_LOCK_TRACES);
  mx_trace_release(unused);
  mx_trace_release(dropped);
  return kept;
}

static int check_compiled_inputs(int n, const mx_array *in) { return mxi_usable("compile", n, in) ? 0 : -1; }

/* Takes over the graph. */
static struct mxi_kept *plan_graph(struct mxi_graph *g) {
  struct mxi_kept *kept = mxi_kept_new(g->ninputs, g->inputs, g->noutputs, g->outputs);
  mxi_free(g->inputs); // the references went to kept
  return kept;
}

/* The graph of f for inputs like `in`, planned. */
static struct mxi_kept *trace_graph(mx_compiled c, int n, const mx_array *in, int max_out) {
  struct mxi_graph g;
  if (mxi_graph_trace(&g, "compile", c->f, c->context, n, in, max_out, false) < 0) return NULL;
  return plan_graph(&g);
}

static mx_trace make_trace(mx_compiled c, const struct compiled_call *call, int max_out,
                           const mx_trace_note *note) {
  mx_trace t = mxi_malloc(sizeof *t);
  struct mxi_kept *kept = t ? trace_graph(c, call->n, call->in, max_out) : NULL;
  if (!kept) {
    release_note(note);
    mxi_free(t);
    return NULL;
  }
  *t = (struct mxi_trace){.refs = 1, .key = call->key, .stream = call->stream, .kept = kept};
  if (note) t->note = *note;
  return t;
}

/* ---- All shapes ---- */
static uint64_t hash_kinds(const struct compiled_call *call) {
  uint64_t h = mxi_mix(call->key, (uint64_t)(uintptr_t)call->stream);
  for (int i = 0; i < call->n; i++) h = mxi_mix(h, (uint64_t)call->in[i]->dtype << 8 | call->in[i]->ndim);
  return h;
}
static bool serves_kinds(const struct mxi_lru_entry *e, const void *wanted) {
  const struct base *b = (const struct base *)e;
  const struct compiled_call *call = wanted;
  bool same = b->key == call->key && b->stream == call->stream && b->graph.ninputs == call->n;
  for (int i = 0; i < call->n && same; i++)
    same = b->graph.inputs[i]->dtype == call->in[i]->dtype && b->graph.inputs[i]->ndim == call->in[i]->ndim;
  return same;
}

/* With a reference for the caller. */
static struct base *find_base(mx_compiled c, const struct compiled_call *call) {
  mxi_lock(MXI_LOCK_TRACES);
  struct base *b = (struct base *)mxi_lru_find(&c->bases, hash_kinds(call), serves_kinds, call);
  if (b) atomic_fetch_add(&b->refs, 1);
  mxi_unlock(MXI_LOCK_TRACES);
  return b;
}

/* Keeps it too. */
static int keep_base(mx_compiled c, struct base *b, const struct compiled_call *call) {
  struct base *dropped = NULL;
  mxi_lock(MXI_LOCK_TRACES);
  int status = mxi_lru_put(&c->bases, &b->entry, hash_kinds(call));
  if (status == 0) {
    atomic_fetch_add(&b->refs, 1);
    if (c->bases.n > MX_TRACES_KEPT) dropped = (struct base *)mxi_lru_take_oldest(&c->bases);
  }
  mxi_unlock(MXI_LOCK_TRACES);
  base_release(dropped);
  return status;
}

static struct base *make_base(mx_compiled c, const struct compiled_call *call, int max_out,
                              const mx_trace_note *note) {
  struct base *b = mxi_calloc(1, sizeof *b);
  if (!b) return NULL;
  atomic_init(&b->refs, 1);
  b->key = call->key;
  b->stream = call->stream;
  int status = mxi_graph_trace(&b->graph, "compile", c->f, c->context, call->n, call->in, max_out, true);
  if (note) b->note = *note; // which f has filled
  if (status == 0) status = keep_base(c, b, call);
  if (status == 0) return b;
  base_release(b);
  return NULL;
}

/* The base's graph for placeholders of the call's shapes. */
static struct mxi_kept *follow_base(const struct base *b, const struct compiled_call *call,
                                    bool *other_ones) {
  struct mxi_graph g = {0};
  size_t nin = (size_t)call->n, nout = (size_t)b->graph.noutputs;
  mx_array *arrays = mxi_malloc((nin + nout + 1) * sizeof *arrays);
  int status = arrays ? 0 : -1;
  mx_scope scope = mx_scope_open();
  mxi_thread.trace_level++;
  for (size_t i = 0; i < nin && status == 0; i++) {
    arrays[i] = mxi_own(mxi_placeholder(mxi_dtype(call->in[i]), mxi_shape_of(call->in[i])));
    if (!mx_ok(arrays[i])) status = -1;
  }
  if (status == 0) status = mxi_graph_apply(&b->graph, arrays, arrays + nin, other_ones);
  mxi_thread.trace_level--;
  if (status == 0)
    status = mxi_graph_init(&g, b->graph.level, call->n, arrays, b->graph.noutputs, arrays + nin);
  mx_scope_close(&scope);
  mxi_free(arrays);
  if (status < 0) mxi_graph_free(&g);
  return status == 0 ? plan_graph(&g) : NULL;
}

static mx_trace trace_of_base(struct base *b, const struct compiled_call *call, bool *other_ones) {
  struct mxi_kept *kept = follow_base(b, call, other_ones);
  mx_trace t = kept ? mxi_malloc(sizeof *t) : NULL;
  if (t) {
    *t = (struct mxi_trace){.refs = 1, .key = call->key, .stream = call->stream, .kept = kept, .base = b};
    return t;
  }
  mxi_kept_unref(kept);
  base_release(b);
  return NULL;
}

static mx_trace make_shapeless(mx_compiled c, const struct compiled_call *call, int max_out,
                               const mx_trace_note *note) {
  bool other_ones = false;
  struct base *b = find_base(c, call);
  if (!b) return (b = make_base(c, call, max_out, note)) ? trace_of_base(b, call, &other_ones) : NULL;
  mx_trace t = trace_of_base(b, call, &other_ones);
  if (!t && other_ones) {
    mx_error_clear();
    return make_trace(c, call, max_out, note); // of these shapes alone
  }
  release_note(note);
  return t;
}

/* ---- Calls ---- */
static mx_trace kept_trace(mx_compiled c, const struct compiled_call *call) {
  uint64_t hash = hash_call(call);
  mxi_lock(MXI_LOCK_TRACES);
  mx_trace t = find_trace(c, hash, call);
  mxi_unlock(MXI_LOCK_TRACES);
  return t;
}

mx_trace mx_compiled_find(mx_compiled c, uint64_t key, int n, const mx_array *in) {
  if (!mxi_given("compile", "a compiled function", c) || check_compiled_inputs(n, in) < 0) return NULL;
  struct compiled_call call = {key, mxi_ambient_stream(), n, in};
  return kept_trace(c, &call);
}

/* Of good arguments: the trace that serves the call, made if there is none. */
static mx_trace trace_of(mx_compiled c, const struct compiled_call *call, int max_out,
                         const mx_trace_note *note) {
  mx_trace t = kept_trace(c, call);
  if (t) {
    release_note(note);
    return t;
  }
  t = (c->shapeless ? make_shapeless : make_trace)(c, call, max_out, note);
  return t ? keep(c, t, call) : NULL;
}

static bool can_trace(const struct compiled_call *call) {
  if (mxi_thread.trace_level > 0)
    mxi_fail(MX_RUNTIME_ERROR, "[compile] expected a call outside of traces, got one inside");
  else if (!call->stream)
    mxi_fail(MX_DEVICE_ERROR, "[compile] expected an available device, got a stream of one that is absent");
  else
    return true;
  return false;
}

mx_trace mx_compiled_trace(mx_compiled c, uint64_t key, int n, const mx_array *in, int max_out,
                           const mx_trace_note *note) {
  struct compiled_call call = {key, mxi_ambient_stream(), n, in};
  if (mxi_given("compile", "a compiled function", c) && check_compiled_inputs(n, in) == 0) {
    if (max_out < 0)
      mxi_fail(MX_INVALID_ARGUMENT, "[compile] expected room for 0 results or more, got %d", max_out);
    else if (can_trace(&call))
      return trace_of(c, &call, max_out, note);
  }
  release_note(note);
  return NULL;
}

static bool given_trace(mx_trace t) { return mxi_given("compile", "a trace", t); }
int mx_trace_outputs(mx_trace t) { return given_trace(t) ? t->kept->noutputs : -1; }
void *mx_trace_data(mx_trace t) {
  if (!given_trace(t)) return NULL;
  return t->base ? t->base->note.data : t->note.data;
}

/* On inputs that it takes. */
static int call_kept(struct mxi_kept *kept, const mx_array *in, mx_array *out) {
  int n = kept->ninputs, nout = kept->noutputs;
  if (nout <= 0) return 0;
  struct mxi_output few[16], *info = nout <= 16 ? few : mxi_malloc((size_t)nout * sizeof *info);
  if (!info) return -1;
  for (int i = 0; i < nout; i++)
    info[i] = (struct mxi_output){mx_dtype_of(kept->outputs[i]), mx_shape_ints(kept->outputs[i])};
  struct mxi_p_CALL p = {.plan = &kept->object};
  int result = mxi_apply_multi(MXI_CALL, &p, n, in, nout, info, out);
  if (info != few) mxi_free(info);
  return result;
}

int mx_trace_call(mx_trace t, int n, const mx_array *in, mx_array *out) {
  if (!given_trace(t) || check_compiled_inputs(n, in) < 0) return -1;
  if (!takes_inputs(t->kept, n, in))
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[compile] expected inputs of the shapes and dtypes of the trace, got others");
  if (t->kept->noutputs && !mxi_has_place("compile", out)) return -1;
  return call_kept(t->kept, in, out);
}

int mx_compiled_call(mx_compiled c, uint64_t key, int n, const mx_array *in, int max_out, mx_array *out) {
  if (!mxi_given("compile", "a compiled function", c) || !mxi_usable("compile", n, in) ||
      !mxi_has_places("compile", max_out, out))
    return -1;
  /* Inside a trace over placeholders the function becomes part of it, with all that it captures. */
  if (mx_compile_is_plain()) return mxi_call_function("compile", c->f, c->context, n, in, max_out, out);
  struct compiled_call call = {key, mxi_ambient_stream(), n, in};
  mx_trace t = can_trace(&call) ? trace_of(c, &call, max_out, NULL) : NULL;
  if (!t) return -1;
  int nout = t->kept->noutputs, result;
  if (nout > max_out)
    result = mxi_fail(MX_INVALID_ARGUMENT, "[compile] expected at most %d outputs, got %d", max_out, nout);
  else
    result = call_kept(t->kept, in, out);
  mx_trace_release(t);
  return result < 0 ? -1 : nout;
}

/* ---- Derivatives: of the replayed graph ---- */
int mxi_vjp_call(const mx_node *n, const mx_array *outputs, const mx_array *cotangents, const bool *want,
                 mx_array *grads) {
  const struct mxi_kept *k = (const struct mxi_kept *)MXI_PARAMS(CALL, n)->plan;
  mx_array *tracers = mxi_calloc((size_t)(2 * n->ninputs + n->noutputs), sizeof *tracers);
  if (!tracers) return -1;
  mx_array *replayed = tracers + n->ninputs, *made = replayed + n->noutputs;
  int result = mxi_tracers(n->ninputs, n->inputs, tracers);
  if (result == 0) result = mxi_kept_replay(k, tracers, replayed);
  if (result == 0)
    result = mxi_pull_back(n->noutputs, replayed, cotangents, n->ninputs, tracers, 0, NULL, made);
  for (int i = 0; i < n->ninputs && result == 0; i++) grads[i] = want[i] ? made[i] : NULL;
  mxi_free(tracers);
  return result;
}

int mxi_jvp_call(const mx_node *n, const mx_array *outputs, const mx_array *tangents, mx_array *out) {
  const struct mxi_kept *k = (const struct mxi_kept *)MXI_PARAMS(CALL, n)->plan;
  mx_array *tracers = mxi_calloc((size_t)(n->ninputs + n->noutputs), sizeof *tracers);
  if (!tracers) return -1;
  mx_array *replayed = tracers + n->ninputs;
  int result = mxi_tracers(n->ninputs, n->inputs, tracers);
  if (result == 0) result = mxi_kept_replay(k, tracers, replayed);
  if (result == 0) result = mxi_push_forward(n->noutputs, replayed, n->ninputs, tracers, tangents, out);
  mxi_free(tracers);
  return result;
}
