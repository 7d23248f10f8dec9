/* compile: a function traced over placeholders, once for each kind of call, into a kept plan. A call makes
   one lazy CALL node. Under a derivative the traced graph is replayed, so compiled functions differentiate as
   plain ones; inside another trace the function is called plainly, and becomes part of that. */
#include "base/alloc.h"
#include "base/env.h"
#include "base/error.h"
#include "base/map.h"
#include "base/vec.h"
#include "core/stream.h"
#include "engine/call.h"
#include "ops/common.h"
#include "transforms/autodiff.h"
#include "transforms/merge.h"
#include "transforms/trace.h"
#include "transforms/walk.h"
#include <string.h>

/* One trace: what it is for, and the plan. */
struct trace_entry {
  uint64_t key;
  mx_stream stream;
  struct mxi_kept *kept;
  struct trace_entry *next;
};

struct mxi_compiled {
  mx_function f;
  void *context;
  void (*release)(void *context);
  _Atomic(struct trace_entry *) entries; // grows in front
};

static atomic_bool disabled;
void mx_set_compile_enabled(bool enabled) { atomic_store(&disabled, !enabled); }

mx_compiled mx_compile(mx_function f, void *context, bool shapeless, void (*release)(void *context)) {
  if (!mxi_given("compile", "a function", f)) return NULL;
  (void)shapeless; // a trace is cheap enough to make one for each shape
  mx_compiled c = mxi_malloc(sizeof *c);
  if (!c) return NULL;
  *c = (struct mxi_compiled){.f = f, .context = context, .release = release};
  return c;
}

void mx_compiled_free(mx_compiled c) {
  if (!c) return;
  for (struct trace_entry *e = c->entries, *next; e; e = next) {
    next = e->next;
    mxi_kept_unref(e->kept);
    mxi_free(e);
  }
  if (c->release) c->release(c->context);
  mxi_free(c);
}

static bool fits(const struct trace_entry *e, uint64_t key, mx_stream stream, int n, const mx_array *in) {
  if (e->key != key || e->stream != stream || e->kept->ninputs != n) return false;
  for (int i = 0; i < n; i++) {
    mx_array p = e->kept->inputs[i];
    if (p->dtype != in[i]->dtype || p->ndim != in[i]->ndim ||
        memcmp(p->dims, in[i]->dims, (size_t)p->ndim * sizeof(int64_t)))
      return false;
  }
  return true;
}

static struct mxi_kept *find(mx_compiled c, uint64_t key, mx_stream stream, int n, const mx_array *in) {
  const struct trace_entry *e = atomic_load(&c->entries);
  while (e && !fits(e, key, stream, n, in)) e = e->next;
  if (!e) return NULL;
  atomic_fetch_add(&e->kept->object.refs, 1);
  return e->kept;
}

/* ---- Constants: what a trace computes without its inputs is evaluated once. ---- */
struct constants {
  int32_t level; /* of the trace: what lies below it is a constant */
  struct mxi_map seen;
  mxi_vec(mx_array) found; /* constants without a value, where they meet the rest or are outputs */
};

static int add_constant(struct constants *c, mx_array a) {
  return a->level < c->level && mxi_state(a) != MXI_READY ? mxi_push(&c->found, a) : 0;
}
static bool enters(void *constants, mx_array a) {
  const struct constants *c = constants;
  return a->level >= c->level && a->node && mxi_map_get(&c->seen, a) < 0;
}
static int leave(void *constants, mx_array a) {
  struct constants *c = constants;
  for (int i = 0; i < a->node->ninputs; i++) MXI_TRY(add_constant(c, a->node->inputs[i]));
  return mxi_map_put(&c->seen, a, 0);
}

static int evaluate_constants(int32_t level, int nout, const mx_array *outputs) {
  struct constants c = {.level = level};
  int result = 0;
  for (int i = 0; i < nout && result == 0; i++) {
    result = mxi_walk(outputs[i], enters, leave, &c);
    if (result == 0) result = add_constant(&c, outputs[i]);
  }
  if (result == 0) result = mx_eval_all((int)c.found.n, c.found.v);
  mxi_map_free(&c.seen);
  mxi_vec_free(&c.found);
  return result;
}

/* Traces f for inputs like `in`. */
static struct mxi_kept *trace(mx_compiled c, int n, const mx_array *in, int max_out) {
  mx_array *arrays = mxi_calloc((size_t)n + (size_t)max_out + 1, sizeof *arrays),
           *outputs = arrays ? arrays + n : NULL;
  if (!arrays) return NULL;
  mx_scope scope = mx_scope_open();
  int result = 0, nout = 0;
  mxi_thread.trace_level++;
  for (int i = 0; i < n && result == 0; i++) {
    arrays[i] = mxi_placeholder((mx_dtype)in[i]->dtype, mxi_shape_of(in[i]));
    if (!arrays[i]) result = -1;
  }
  if (result == 0)
    result = nout = mxi_call_function("compile", c->f, c->context, n, arrays, max_out, outputs);
  mxi_thread.trace_level--;
  if (result >= 0) result = evaluate_constants(mxi_thread.trace_level + 1, nout, outputs);
  if (result >= 0) result = mxi_merge_equal(mxi_thread.trace_level + 1, nout, outputs);
  struct mxi_kept *kept = NULL;
  if (result >= 0) {
    for (int i = 0; i < nout; i++) mxi_ref(outputs[i]);
    kept = mxi_kept_new(n, arrays, nout, outputs);
  } else
    for (int i = 0; i < n; i++) mxi_unref(arrays[i]);
  mx_scope_close(&scope);
  mxi_free(arrays);
  return kept;
}

static struct mxi_kept *find_or_trace(mx_compiled c, uint64_t key, mx_stream stream, int n,
                                      const mx_array *in, int max_out) {
  struct mxi_kept *kept = find(c, key, stream, n, in);
  if (kept || !(kept = trace(c, n, in, max_out))) return kept;
  struct trace_entry *e = mxi_malloc(sizeof *e);
  if (!e) {
    mxi_kept_unref(kept);
    return NULL;
  }
  *e = (struct trace_entry){key, stream, kept, NULL};
  atomic_fetch_add(&kept->object.refs, 1);
  e->next = atomic_load(&c->entries);
  while (!atomic_compare_exchange_weak(&c->entries, &e->next, e)) {}
  return kept;
}

int mx_compiled_call(mx_compiled c, uint64_t key, int n, const mx_array *in, int max_out, mx_array *out) {
  if (!mxi_given("compile", "a compiled function", c) || !mxi_usable("compile", n, in) ||
      !mxi_has_places("compile", max_out, out))
    return -1;
  /* Inside a trace over placeholders the function becomes part of it, with all that it captures. */
  if (atomic_load(&disabled) || mxi_env()->no_compile || mxi_thread.trace_level > 0)
    return mxi_call_function("compile", c->f, c->context, n, in, max_out, out);
  mx_stream stream = mxi_ambient_stream();
  if (!stream)
    return mxi_fail(MX_DEVICE_ERROR,
                    "[compile] expected an available device, got a stream of one that is absent");
  struct mxi_kept *kept = find_or_trace(c, key, stream, n, in, max_out);
  if (!kept) return -1;
  int nout = kept->noutputs, result = 0;
  if (nout > max_out)
    result = mxi_fail(MX_INVALID_ARGUMENT, "[compile] expected at most %d outputs, got %d", max_out, nout);
  struct mxi_output few[16], *info = nout <= 16 ? few : mxi_malloc((size_t)nout * sizeof *info);
  if (!info) result = -1;
  for (int i = 0; i < nout && result == 0; i++)
    info[i] = (struct mxi_output){mx_dtype_of(kept->outputs[i]), mx_shape_ints(kept->outputs[i])};
  struct mxi_p_CALL p = {.plan = &kept->object};
  if (result == 0 && nout) result = mxi_apply_multi(MXI_CALL, &p, n, in, nout, info, out);
  if (info != few) mxi_free(info);
  mxi_kept_unref(kept);
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
