/* vjp, jvp and value_and_grad over C functions. */
#include "base/alloc.h"
#include "base/error.h"
#include "mlx/ops.h"
#include "ops/common.h"
#include "transforms/autodiff.h"
#include "transforms/trace.h"
#include <string.h>

/* What both directions share: tracers of the inputs, the function's outputs, and room for results. */
struct trace {
  mx_scope scope;
  bool open; /* the session is */
  int n, nout;
  mx_array *tracers, *outputs, *results; /* n, max_out, max(n, max_out) */
};

/* Is there a function, are there its inputs, and places for what comes of it? values may be absent. */
static bool can_begin(const char *name, mx_function f, int n, const mx_array *in, int max_out, int nresults,
                      const mx_array *results) {
  if (max_out < 0)
    mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected room for 0 results or more, got %d", name, max_out);
  return max_out >= 0 && mxi_given(name, "a function", f) && mxi_usable(name, n, in) &&
         mxi_has_places(name, nresults, results);
}

static int trace_begin(struct trace *t, const char *name, mx_function f, void *context, int n,
                       const mx_array *in, int max_out) {
  size_t room = (size_t)(n > max_out ? n : max_out);
  t->n = n;
  t->tracers = NULL;
  t->open = mxi_session_open() == 0;
  t->scope = mx_scope_open();
  if (!t->open) return -1;
  t->tracers = mxi_calloc((size_t)n + (size_t)max_out + room + 1, sizeof(mx_array));
  if (!t->tracers) return -1;
  t->outputs = t->tracers + n;
  t->results = t->outputs + max_out;
  if (mxi_tracers(n, in, t->tracers) < 0) return -1;
  t->nout = mxi_call_function(name, f, context, n, t->tracers, max_out, t->outputs);
  return t->nout < 0 ? -1 : 0;
}

/* Ends the trace: the outputs and the first nresults results move to the caller's scope and lists. */
static int trace_end(struct trace *t, int result, int nresults, mx_array *values, mx_array *results) {
  if (result < 0) {
    if (t->open) mxi_session_close();
    mx_scope_close(&t->scope);
    mxi_free(t->tracers);
    return -1;
  }
  memmove(t->outputs + t->nout, t->results, (size_t)nresults * sizeof(mx_array));
  mxi_session_close();
  result = mxi_move_out(&t->scope, t->nout + nresults, t->outputs);
  if (values) memcpy(values, t->outputs, (size_t)t->nout * sizeof(mx_array));
  if (nresults) memcpy(results, t->outputs + t->nout, (size_t)nresults * sizeof(mx_array));
  mxi_free(t->tracers);
  return result < 0 ? -1 : t->nout;
}

static int zero_where_null(int n, mx_array *results, const mx_array *like) {
  for (int i = 0; i < n; i++) {
    if (!results[i]) results[i] = mx_zeros_like(like[i]);
    if (!mx_ok(results[i])) return -1;
  }
  return 0;
}

/* A comparison has no tangent of its own dtype: its zeros are floats. */
static int zero_tangents_where_null(int n, mx_array *tangents, const mx_array *outputs) {
  for (int i = 0; i < n; i++)
    if (!tangents[i] && mxi_dtype(outputs[i]) == MX_BOOL)
      tangents[i] = mx_zeros(mxi_shape_of(outputs[i]), MX_FLOAT32);
  return zero_where_null(n, tangents, outputs);
}

int mx_vjp(mx_function f, void *context, int n, const mx_array *in, int ncotangents,
           const mx_array *cotangents, int max_out, mx_array *values, mx_array *grads) {
  struct trace t = {0};
  if (!can_begin("vjp", f, n, in, max_out, n, grads) || !mxi_usable("vjp", ncotangents, cotangents))
    return -1;
  int result = trace_begin(&t, "vjp", f, context, n, in, max_out);
  if (result == 0 && ncotangents != t.nout)
    result = mxi_fail(MX_INVALID_ARGUMENT, "[vjp] expected one cotangent for each of %d outputs, got %d",
                      t.nout, ncotangents);
  for (int i = 0; i < ncotangents && result == 0; i++)
    if (!mxi_same_shape(cotangents[i], t.outputs[i]))
      result = mxi_fail(MX_INVALID_ARGUMENT, "[vjp] expected cotangent %d of its output's shape %s, got %s",
                        i, MXI_SHAPE_TEXT(t.outputs[i]), MXI_SHAPE_TEXT(cotangents[i]));
  if (result == 0) result = mxi_pull_back(t.nout, t.outputs, cotangents, n, t.tracers, 0, NULL, t.results);
  if (result == 0) result = zero_where_null(n, t.results, t.tracers);
  return trace_end(&t, result, n, values, grads);
}

int mx_jvp(mx_function f, void *context, int n, const mx_array *in, const mx_array *tangents, int max_out,
           mx_array *values, mx_array *tangents_out) {
  struct trace t = {0};
  if (!can_begin("jvp", f, n, in, max_out, max_out, tangents_out) || !mxi_usable("jvp", n, tangents))
    return -1;
  int result = 0;
  for (int i = 0; i < n && result == 0; i++)
    if (!mxi_same_shape(tangents[i], in[i]))
      result = mxi_fail(MX_INVALID_ARGUMENT, "[jvp] expected tangent %d of its input's shape %s, got %s", i,
                        MXI_SHAPE_TEXT(in[i]), MXI_SHAPE_TEXT(tangents[i]));
  if (result < 0) return -1;
  result = trace_begin(&t, "jvp", f, context, n, in, max_out);
  if (result == 0) result = mxi_push_forward(t.nout, t.outputs, n, t.tracers, tangents, t.results);
  if (result == 0) result = zero_tangents_where_null(t.nout, t.results, t.outputs);
  return trace_end(&t, result, t.nout, values, tangents_out);
}

int mx_value_and_grad(mx_function f, void *context, int n, const mx_array *in, mx_ints argnums, int max_out,
                      mx_array *values, mx_array *grads) {
  struct trace t = {0};
  int result = 0;
  if (!can_begin("value_and_grad", f, n, in, max_out, argnums.n, grads) ||
      mxi_check_list("value_and_grad", argnums) < 0)
    return -1;
  if (argnums.n < 0 || argnums.n > n)
    return mxi_fail(MX_INVALID_ARGUMENT, "[value_and_grad] expected 0 to %d argument numbers, got %d", n,
                    argnums.n);
  mx_array *targets = mxi_malloc(((size_t)argnums.n + 1) * sizeof *targets);
  if (!targets) return -1;
  for (int i = 0; i < argnums.n && result == 0; i++)
    if (argnums.v[i] < 0 || argnums.v[i] >= n)
      result = mxi_fail(MX_INVALID_ARGUMENT, "[value_and_grad] expected argument numbers below %d, got %lld",
                        n, (long long)argnums.v[i]);
  if (result < 0) {
    mxi_free(targets);
    return -1;
  }
  result = trace_begin(&t, "value_and_grad", f, context, n, in, max_out);
  if (result == 0 && (t.nout < 1 || t.outputs[0]->size != 1 || t.outputs[0]->ndim != 0))
    result = mxi_fail(MX_INVALID_ARGUMENT,
                      "[value_and_grad] expected a scalar as first output, got an array of %d dimensions",
                      t.nout < 1 ? 0 : t.outputs[0]->ndim);
  if (result == 0) {
    for (int i = 0; i < argnums.n; i++) targets[i] = t.tracers[argnums.v[i]];
    mx_array one = mx_ones_like(t.outputs[0]);
    result = mx_ok(one) ? mxi_pull_back(1, t.outputs, &one, argnums.n, targets, 0, NULL, t.results) : -1;
  }
  if (result == 0) result = zero_where_null(argnums.n, t.results, targets);
  mxi_free(targets);
  return trace_end(&t, result, argnums.n, values, grads);
}
