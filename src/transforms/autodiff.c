#include "transforms/autodiff.h"
#include "base/error.h"
#include "base/map.h"
#include "base/vec.h"
#include "core/tracer.h"
#include "core/task.h"
#include "mlx/ops.h"
#include "core/walk.h"
#include <string.h>

/* The rules of a primitive: its row in ops, or for those that need transforms themselves, ours. */
static struct mxi_rules derivatives_of(const mx_node *n) {
  switch (n->prim->id) {
  case MXI_CALL: return (struct mxi_rules){.vjp = mxi_vjp_call, .jvp = mxi_jvp_call};
  case MXI_CUSTOM:
    return (struct mxi_rules){
        .vjp = mxi_vjp_custom, .jvp = mxi_custom_has_jvp(n) ? mxi_jvp_custom : NULL, .vmap = mxi_vmap_custom};
  default: return mxi_rules[n->prim->id];
  }
}

/* ---- The tape: every tracer of the session between the roots and the targets, inputs before outputs. What
   is none depends on no target, and may lose its node to an eval in another thread at any time. ---- */
struct tape_entry {
  mx_array array;   /* alive through its consumers and the roots */
  bool active;      /* depends on a target */
  bool leaf;        /* a target or a stop */
  mx_array tangent; /* cotangent (pulling) or tangent (pushing); owned by the scope; NULL = zero */
};
struct tape {
  uint64_t session;
  mxi_vec(struct tape_entry) entries; /* in post-order */
  struct mxi_map index;               /* array -> entry */
};

static void tape_free(struct tape *t) {
  mxi_vec_free(&t->entries);
  mxi_map_free(&t->index);
}

static int tape_add(struct tape *t, mx_array a, bool active, bool leaf) {
  struct tape_entry e = {a, active, leaf, NULL};
  return mxi_push(&t->entries, e) < 0 ? -1 : mxi_map_put(&t->index, a, (int32_t)t->entries.n - 1);
}

/* NULL for what is not on the tape. */
static struct tape_entry *find_entry(struct tape *t, mx_array a) {
  int32_t i = mxi_map_get(&t->index, a);
  return i < 0 ? NULL : &t->entries.v[i];
}
static bool is_active(struct tape *t, mx_array a) {
  const struct tape_entry *e = find_entry(t, a);
  return e && e->active;
}
static mx_array tangent_of(struct tape *t, mx_array a) {
  const struct tape_entry *e = find_entry(t, a);
  return e ? e->tangent : NULL;
}

static bool enters_tape(void *tape, mx_array a) {
  const struct tape *t = tape;
  return mxi_in_session(a, t->session) && a->node && a->node->prim->id != MXI_STOP_GRADIENT &&
         !find_entry(tape, a);
}
static int leave_tape(void *tape, mx_array a) {
  bool active = false;
  for (int i = 0; i < a->node->ninputs && !active; i++) active = is_active(tape, a->node->inputs[i]);
  return tape_add(tape, a, active, false);
}

static int tape_build(struct tape *t, int nroots, const mx_array *roots, int ntargets,
                      const mx_array *targets, int nstops, const mx_array *stops) {
  t->session = mxi_session();
  for (int i = 0; i < ntargets; i++)
    if (!find_entry(t, targets[i])) MXI_TRY(tape_add(t, targets[i], true, true));
  for (int i = 0; i < nstops; i++)
    if (!find_entry(t, stops[i])) MXI_TRY(tape_add(t, stops[i], false, true));
  for (int r = 0; r < nroots; r++) MXI_TRY(mxi_walk(roots[r], enters_tape, leave_tape, t));
  return 0;
}

/* e: an entry, or NULL for an array that no cotangent needs to reach. */
static int add_cotangent(struct tape_entry *e, mx_array c) {
  if (!c || !e) return 0;
  e->tangent = e->tangent ? mx_add(e->tangent, c) : c;
  return mx_ok(e->tangent) ? 0 : -1;
}

/* Buffers for one node's operands, on the stack for most. */
enum { FEW = 16 };
struct rule_lists {
  mx_array few[4 * FEW], *outputs, *cotangents, *grads;
  bool few_want[FEW], *want;
  void *many;
};
static int lists_init(struct rule_lists *o, const mx_node *n) {
  o->many = NULL;
  size_t nin = (size_t)n->ninputs, nout = (size_t)n->noutputs;
  mx_array *base = o->few;
  o->want = o->few_want;
  if (nin > FEW || nout > FEW) {
    if (!(o->many = mxi_calloc(nin + 2 * nout, sizeof(mx_array) + sizeof(bool)))) return -1;
    base = o->many;
    o->want = (bool *)(base + nin + 2 * nout);
  }
  o->outputs = base;
  o->cotangents = base + nout;
  o->grads = base + 2 * nout;
  return 0;
}

/* The node's outputs as arrays: `a` itself, and of its siblings those on the tape. Others stay NULL. */
static void outputs_of(struct tape *t, mx_array a, mx_array *outputs, mx_array *tangents) {
  mx_node *n = a->node;
  for (int i = 0; i < n->noutputs; i++) {
    mx_array out = n->noutputs == 1 || i == a->output_index ? a : mxi_output_peek(n, i);
    struct tape_entry *e = out ? find_entry(t, out) : NULL;
    outputs[i] = e ? out : NULL;
    tangents[i] = e ? e->tangent : NULL;
  }
}

static int pull_node(struct tape *t, mx_array a) {
  const mx_node *n = a->node;
  struct rule_lists o;
  MXI_TRY(lists_init(&o, n));
  outputs_of(t, a, o.outputs, o.cotangents);
  int result = 0;
  for (int i = 0; i < n->ninputs; i++) {
    o.want[i] = is_active(t, n->inputs[i]);
    o.grads[i] = NULL;
  }
  const mxi_vjp_fn vjp = derivatives_of(n).vjp;
  MX_ON (n->stream) {
    result = vjp ? vjp(n, o.outputs, o.cotangents, o.want, o.grads)
                 : mxi_fail(MX_NOT_SUPPORTED, "[vjp] expected a differentiable op, got %s", n->prim->name);
    for (int i = 0; i < n->ninputs && result == 0; i++) {
      if (o.grads[i] == MX_BAD)
        result = -1;
      else if (o.want[i])
        result = add_cotangent(find_entry(t, n->inputs[i]), o.grads[i]);
    }
  }
  mxi_free(o.many);
  return result;
}

/* A node with several outputs runs once, at the output that the tape holds first: the consumers of every
   output come later on the tape, and the node's inputs earlier. */
static bool is_first_output(struct tape *t, mx_array a) {
  mx_node *n = a->node;
  int32_t mine = mxi_map_get(&t->index, a);
  for (int i = 0; i < n->noutputs && n->noutputs > 1; i++) {
    mx_array sibling = mxi_output_peek(n, i);
    int32_t other = sibling ? mxi_map_get(&t->index, sibling) : -1;
    if (other >= 0 && other < mine) return false;
  }
  return true;
}

static bool any_cotangent(struct tape *t, mx_array a) {
  mx_node *n = a->node;
  if (n->noutputs == 1) return tangent_of(t, a);
  for (int i = 0; i < n->noutputs; i++) {
    mx_array out = mxi_output_peek(n, i);
    if (out && tangent_of(t, out)) return true;
  }
  return false;
}

int mxi_pull_back(int nroots, const mx_array *roots, const mx_array *cotangents, int ntargets,
                  const mx_array *targets, int nstops, const mx_array *stops, mx_array *grads) {
  struct tape t = {0};
  int result = tape_build(&t, nroots, roots, ntargets, targets, nstops, stops);
  for (int r = 0; r < nroots && result == 0; r++)
    result = add_cotangent(find_entry(&t, roots[r]), cotangents[r]);
  for (size_t i = t.entries.n; i-- && result == 0;) {
    struct tape_entry *e = &t.entries.v[i];
    if (e->leaf || !e->active || !is_first_output(&t, e->array) || !any_cotangent(&t, e->array)) continue;
    result = pull_node(&t, e->array);
  }
  for (int i = 0; i < ntargets; i++) grads[i] = result == 0 ? tangent_of(&t, targets[i]) : NULL;
  tape_free(&t);
  return result;
}

/* ---- Pushing forward ---- */

/* Of a node linear in input 0 (or in all inputs): the node itself, applied to tangents. */
static int push_linear(const mx_node *n, const mx_array *outputs, const mx_array *tangents, mx_array *out) {
  mx_array few[FEW], *in = n->ninputs <= FEW ? few : mxi_malloc((size_t)n->ninputs * sizeof *in);
  if (!in) return -1;
  bool all = n->prim->flags & MXI_P_LINEAR_ALL, any = false;
  int result = 0;
  for (int i = 0; i < n->ninputs; i++) {
    bool linear = all || i == 0;
    any |= linear && tangents[i];
    in[i] = !linear ? n->inputs[i] : tangents[i] ? tangents[i] : mx_zeros_like(n->inputs[i]);
    if (!mx_ok(in[i])) result = -1;
  }
  if (!any)
    out[0] = NULL;
  else if (result == 0)
    result = mxi_apply_like(n, outputs, in, out);
  if (in != few) mxi_free(in);
  return result;
}

/* By transposing the vjp rule: the map u -> vjp(u) . tangents is linear in u, and its own gradient is the
 * jvp. */
static int push_by_vjp(const mx_node *n, const mx_array *outputs, const mx_array *tangents, mx_array *out) {
  const mxi_vjp_fn vjp = derivatives_of(n).vjp;
  if (!vjp) return mxi_fail(MX_NOT_SUPPORTED, "[jvp] expected a differentiable op, got %s", n->prim->name);
  size_t nin = (size_t)n->ninputs, nout = (size_t)n->noutputs;
  mx_array *u = mxi_calloc(2 * nin + 2 * nout, sizeof *u + sizeof(bool));
  if (!u) return -1;
  mx_array *stops = u + nout, *grads = stops + nin + nout;
  bool *want = (bool *)(u + 2 * nin + 2 * nout);
  int result = 0;
  for (size_t j = 0; j < nout && result == 0; j++) {
    mx_array zeros = mx_zeros_like(outputs[j]);
    u[j] = mx_ok(zeros)
               ? mxi_apply(MXI_IDENTITY, NULL, 1, &zeros, (mx_dtype)zeros->dtype, mxi_shape_of(zeros))
               : MX_BAD;
    if (!mx_ok(u[j]))
      result = -1;
    else
      u[j]->session = mxi_session();
    stops[nin + j] = outputs[j];
  }
  for (size_t i = 0; i < nin; i++) {
    want[i] = tangents[i];
    stops[i] = n->inputs[i];
  }
  if (result == 0) result = vjp(n, outputs, u, want, grads);
  mx_array dot = NULL;
  for (size_t i = 0; i < nin && result == 0; i++) {
    if (!tangents[i] || !grads[i]) continue;
    mx_array term = mx_sum(mx_multiply(grads[i], tangents[i]), MX_ALL_AXES, false);
    dot = dot ? mx_add(dot, term) : term;
    if (!mx_ok(dot)) result = -1;
  }
  for (size_t j = 0; j < nout; j++) out[j] = NULL;
  if (result == 0 && dot) {
    mx_array one = mx_ones_like(dot);
    result = mx_ok(one) ? mxi_pull_back(1, &dot, &one, (int)nout, u, (int)(nin + nout), stops, out) : -1;
  }
  mxi_free(u);
  return result;
}

/* A tangent has the dtype of its output, whatever a rule makes of integers: a node that is linear is applied
   to it as it was to that. */
static mx_array as_output(mx_array tangent, mx_array output) {
  return mx_ok(tangent) && tangent->dtype != output->dtype ? mx_astype(tangent, (mx_dtype)output->dtype)
                                                           : tangent;
}

static int push_node(struct tape *t, mx_array a) {
  const mx_node *n = a->node;
  struct rule_lists o; // cotangents: of outputs; grads: tangents of inputs
  MXI_TRY(lists_init(&o, n));
  outputs_of(t, a, o.outputs, o.cotangents);
  bool any = false;
  for (int i = 0; i < n->ninputs; i++) any |= (o.grads[i] = tangent_of(t, n->inputs[i])) != NULL;
  int result = 0;
  MX_ON (n->stream) {
    for (int i = 0; i < n->noutputs && any && result == 0; i++) {
      if (o.outputs[i]) continue; // a sibling nobody reads: the rules need its shape alone
      o.outputs[i] = mx_zeros(n->outputs[i].shape, n->outputs[i].dtype);
      if (!mx_ok(o.outputs[i])) result = -1;
    }
    for (int i = 0; i < n->noutputs; i++) o.cotangents[i] = NULL;
    const mxi_jvp_fn jvp = derivatives_of(n).jvp;
    if (!any || result < 0) {
    } else if (jvp)
      result = jvp(n, o.outputs, o.grads, o.cotangents);
    else if (n->prim->flags & (MXI_P_LINEAR | MXI_P_LINEAR_ALL))
      result = push_linear(n, o.outputs, o.grads, o.cotangents);
    else
      result = push_by_vjp(n, o.outputs, o.grads, o.cotangents);
    for (int i = 0; i < n->noutputs && result == 0; i++)
      o.cotangents[i] = as_output(o.cotangents[i], o.outputs[i]);
  }
  for (int i = 0; i < n->noutputs && result == 0; i++) {
    struct tape_entry *e = o.outputs[i] ? find_entry(t, o.outputs[i]) : NULL;
    if (o.cotangents[i] == MX_BAD)
      result = -1;
    else if (e)
      e->tangent = o.cotangents[i];
  }
  mxi_free(o.many);
  return result;
}

int mxi_push_forward(int nroots, const mx_array *roots, int nsources, const mx_array *sources,
                     const mx_array *tangents, mx_array *out) {
  struct tape t = {0};
  int result = tape_build(&t, nroots, roots, nsources, sources, 0, NULL);
  for (int i = 0; i < nsources && result == 0; i++)
    result = add_cotangent(find_entry(&t, sources[i]), as_output(tangents[i], sources[i]));
  for (size_t i = 0; i < t.entries.n && result == 0; i++) {
    struct tape_entry *e = &t.entries.v[i];
    if (!e->leaf && e->active && is_first_output(&t, e->array)) result = push_node(&t, e->array);
  }
  for (int r = 0; r < nroots; r++) out[r] = result == 0 ? tangent_of(&t, roots[r]) : NULL;
  tape_free(&t);
  return result;
}
