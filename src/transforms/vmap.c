/* vmap: a function of one element, applied to all elements along an axis at once. The function is traced on
   placeholders that lack that axis; then the traced graph is applied anew, node by node, by batching rules
   (ops/rules.h) to inputs that have it, in front. Rules are ordinary op calls, so vmap nests and mixes with
   every other transform. What does not depend on the placeholders is used as it is, once for the whole
   batch. */
#include "base/alloc.h"
#include "base/error.h"
#include "core/node.h"
#include "ops/common.h"
#include "transforms/autodiff.h"
#include "transforms/rewrite.h"
#include "transforms/trace.h"
#include <string.h>

/* ---- One node ---- */
static mxi_vmap_fn rule_of(const mx_node *n) {
  return n->prim->id == MXI_CUSTOM ? mxi_vmap_custom : mxi_rules[n->prim->id].vmap;
}

/* An empty batch: no rule need know about it. */
static int empty_outputs(const mx_node *n, struct mxi_batch *b) {
  int64_t shape[MXI_BATCH_NDIM];
  for (int i = 0; i < n->noutputs; i++) {
    b->out[i] = mx_zeros(mxi_batch_shape(b, b->outputs[i].shape, shape), b->outputs[i].dtype);
    if (!mx_ok(b->out[i])) return -1;
  }
  return 0;
}

static int apply_rule(const mx_node *n, struct mxi_batch *b) {
  for (int i = 0; i < n->noutputs; i++)
    if (b->outputs[i].shape.n == MXI_MAX_NDIM)
      return mxi_fail(MX_INVALID_ARGUMENT,
                      "[vmap] expected at most %d dimensions beside the mapped axis, got %d from %s",
                      MXI_MAX_NDIM - 1, MXI_MAX_NDIM, n->prim->name);
  if (b->size == 0) return empty_outputs(n, b);
  mxi_vmap_fn rule = rule_of(n);
  if (rule) return rule(n, b);
  return mxi_fail(MX_NOT_SUPPORTED, "[vmap] expected an op with a batching rule, got %s", n->prim->name);
}

static int batch_node(struct mxi_rewrite *r, const mx_node *n, struct mxi_batch *b) {
  bool any = false;
  for (int i = 0; i < n->ninputs; i++) any |= b->batched[i];
  if (!any) /* the node on what its inputs have become */
    return mxi_apply_multi(n->prim->id, n->params ? n->params->fields : NULL, n->ninputs, b->in, n->noutputs,
                           b->outputs, b->out);
  for (int i = 0; i < n->noutputs; i++) b->out_batched[i] = true;
  return apply_rule(n, b);
}

/* ---- Axes ---- */
/* The axis that is mapped, from the front; MX_UNMAPPED stays. -1 with the error set. */
static int mapped_axis(const char *what, int i, int axis, int ndim) {
  if (axis == MX_UNMAPPED || (axis >= 0 && axis < ndim)) return axis;
  if (axis < 0 && axis >= -ndim) return axis + ndim;
  mxi_fail(MX_AXIS_ERROR, "[vmap] expected an axis of %s %d in [%d, %d), got %d", what, i, -ndim, ndim, axis);
  return -1;
}

/* Normalises the inputs' axes, and finds the size they share. */
static int check_mapped_inputs(int n, const mx_array *in, const int *in_axes, int *axes, int64_t *size) {
  int first = -1;
  for (int i = 0; i < n; i++) {
    axes[i] = mapped_axis("input", i, in_axes ? in_axes[i] : 0, in[i]->ndim);
    if (axes[i] == -1) return -1;
    if (axes[i] == MX_UNMAPPED) continue;
    int64_t have = in[i]->dims[axes[i]];
    if (first >= 0 && have != *size)
      return mxi_fail(
          MX_INVALID_ARGUMENT,
          "[vmap] expected mapped axes of one size, got %lld (axis %d of input %d) and %lld (axis "
          "%d of input %d)",
          (long long)*size, axes[first], first, (long long)have, axes[i], i);
    if (first < 0) first = i;
    *size = have;
  }
  if (first >= 0) return 0;
  return mxi_fail(MX_INVALID_ARGUMENT, "[vmap] expected at least one mapped input, got none among %d", n);
}

/* The placeholder of one element of `a`, and as its value a with the axis moved to the front. */
static mx_array placeholder(struct mxi_rewrite *r, mx_array a, int axis) {
  int64_t shape[MXI_MAX_NDIM];
  for (int i = 0; i < a->ndim - 1; i++) shape[i] = a->dims[i + (i >= axis)];
  mx_array p = mxi_own(mxi_placeholder((mx_dtype)a->dtype, (mx_ints){shape, a->ndim - 1}));
  mx_array front = mx_moveaxis(a, axis, 0);
  if (!mx_ok(p) || !mx_ok(front)) return MX_BAD;
  return mxi_rewrite_placeholder(r, p, (struct mxi_value){front, true}) < 0 ? MX_BAD : p;
}

/* An output with its batch axis where it is wanted. */
static mx_array placed(const struct mxi_rewrite *r, int i, struct mxi_value v, int ndim, int axis) {
  if (axis == MX_UNMAPPED) {
    if (!v.batched) return mxi_own(mxi_ref(v.array));
    mxi_fail(MX_INVALID_ARGUMENT,
             "[vmap] expected output %d, which has no mapped axis, not to depend on mapped inputs, got one "
             "that does",
             i);
    return MX_BAD;
  }
  axis = mapped_axis("output", i, axis, ndim + 1);
  if (axis < 0) return MX_BAD;
  if (!v.batched) {
    int64_t shape[MXI_BATCH_NDIM];
    struct mxi_batch b = {.size = r->size};
    v.array = mx_broadcast_to(v.array, mxi_batch_shape(&b, mxi_shape_of(v.array), shape));
  }
  return mx_moveaxis(v.array, 0, axis);
}

/* The function's outputs on placeholders; their number, or -1. */
static int trace(struct mxi_rewrite *r, mx_function f, void *context, int n, const mx_array *in,
                 const int *axes, mx_array *traced, int max_out, mx_array *out) {
  int nout = 0;
  mxi_thread.trace_level = r->level;
  for (int i = 0; i < n && nout == 0; i++) {
    traced[i] = axes[i] == MX_UNMAPPED ? in[i] : placeholder(r, in[i], axes[i]);
    if (!mx_ok(traced[i])) nout = -1;
  }
  if (nout == 0) nout = mxi_call_function("vmap", f, context, n, traced, max_out, out);
  mxi_thread.trace_level = r->level - 1;
  return nout;
}

static int trace_and_replay(struct mxi_rewrite *r, mx_function f, void *context, int n, const mx_array *in,
                            const int *axes, mx_array *traced, int max_out, mx_array *out,
                            const int *out_axes) {
  int nout = trace(r, f, context, n, in, axes, traced, max_out, out);
  for (int i = 0; i < nout; i++) {
    struct mxi_value v;
    MXI_TRY(mxi_rewrite_array(r, out[i], &v));
    out[i] = placed(r, i, v, out[i]->ndim, out_axes ? out_axes[i] : 0);
    if (!mx_ok(out[i])) return -1;
  }
  return nout;
}

int mx_vmap(mx_function f, void *context, int n, const mx_array *in, const int *in_axes, int max_out,
            mx_array *out, const int *out_axes) {
  struct mxi_rewrite r = {.level = mxi_thread.trace_level + 1, .apply = batch_node};
  if (!mxi_given("vmap", "a function", f) || !mxi_usable("vmap", n, in) ||
      !mxi_has_places("vmap", max_out, out))
    return -1;
  mx_array *traced = mxi_malloc(((size_t)n + 1) * (sizeof *traced + sizeof(int)));
  if (!traced) return -1;
  int *axes = (int *)(traced + n + 1), nout = -1;
  if (check_mapped_inputs(n, in, in_axes, axes, &r.size) == 0) {
    mx_scope scope = mx_scope_open();
    nout = trace_and_replay(&r, f, context, n, in, axes, traced, max_out, out, out_axes);
    if (nout < 0)
      mx_scope_close(&scope);
    else if (mxi_move_out(&scope, nout, out) < 0)
      nout = -1;
  }
  mxi_rewrite_free(&r);
  mxi_free(traced);
  return nout;
}
