/* Functions with rules of their own: a CUSTOM node passes its outputs through and knows the user's rules. Its
   inputs are the outputs as they were computed, then the function's inputs. */
#include "base/alloc.h"
#include "base/error.h"
#include "ops/common.h"
#include "mlx/transforms.h"
#include "transforms/autodiff.h"
#include "transforms/trace.h"
#include <string.h>

struct rules {
  mxi_object object; // first
  mx_custom_rules user;
  /* The context may belong to another runtime: its destructor is queued like that of a foreign buffer, which
     is here from the start, so that letting go needs no memory. */
  mx_buffer *context;
};
static const struct rules *user_rules_of(const mx_node *n) {
  return (const struct rules *)MXI_PARAMS(CUSTOM, n)->rules;
}
static void unref_object(mxi_object *o) {
  if (atomic_fetch_sub(&o->refs, 1) == 1) o->release(o);
}

static void release_rules(mxi_object *o) {
  struct rules *r = (struct rules *)o;
  mxi_buffer_unref(r->context);
  mxi_free(r);
}

static int apply_custom(int n, const mx_array *in, int nout, const mx_array *outputs, struct rules *r,
                        mx_array *out) {
  mx_array *inputs = mxi_malloc((size_t)(n + nout) * (sizeof *inputs + sizeof(struct mxi_output)) + 1);
  if (!inputs) return -1;
  struct mxi_output *info = (struct mxi_output *)(inputs + n + nout);
  for (int i = 0; i < nout; i++) {
    inputs[i] = outputs[i];
    info[i] = (struct mxi_output){mx_dtype_of(outputs[i]), mx_shape_ints(outputs[i])};
  }
  for (int i = 0; i < n; i++) inputs[nout + i] = in[i];
  struct mxi_p_CUSTOM p = {.rules = &r->object};
  int result = mxi_apply_multi(MXI_CUSTOM, &p, n + nout, inputs, nout, info, out);
  mxi_free(inputs);
  return result;
}

int mx_custom(int n, const mx_array *in, int nout, const mx_array *outputs, mx_custom_rules rules,
              mx_array *out) {
  if (!mxi_usable("custom_function", n, in) || !mxi_usable("custom_function", nout, outputs) ||
      !mxi_has_places("custom_function", nout, out))
    return -1;
  struct rules *r = mxi_malloc(sizeof *r);
  mx_buffer *owner = r ? mxi_buffer_foreign(NULL, 0, 0, rules.release, rules.context) : NULL;
  if (!owner) {
    mxi_free(r);
    return -1;
  }
  *r = (struct rules){{1, release_rules}, rules, owner};
  int result = apply_custom(n, in, nout, outputs, r, out);
  if (result < 0) owner->release = NULL; // the context stays the caller's
  unref_object(&r->object);
  return result;
}

/* ---- Derivatives ---- */
static int check_count(const char *what, int expected, int got) {
  if (got < 0) return -1;
  if (got == expected) return 0;
  return mxi_fail(MX_INVALID_ARGUMENT, "[custom_function] expected %d %s, got %d", expected, what, got);
}

int mxi_vjp_custom(const mx_node *n, const mx_array *outputs, const mx_array *cotangents, const bool *want,
                   mx_array *grads) {
  const mx_custom_rules *r = &user_rules_of(n)->user;
  int nout = n->noutputs, nin = n->ninputs - nout;
  mxi_no_grads(n, grads);
  if (!r->vjp) { // through the outputs, to what they were computed from
    memcpy(grads, cotangents, (size_t)nout * sizeof *grads);
    return 0;
  }
  size_t total = (size_t)(nin + 2 * nout);
  mx_array *args = mxi_malloc((total + (size_t)nin) * sizeof *args);
  if (!args) return -1;
  mx_array *made = args + total;
  memcpy(args, n->inputs + nout, (size_t)nin * sizeof *args);
  int result = 0;
  for (int i = 0; i < nout && result == 0; i++) {
    args[nin + i] = n->inputs[i]; // the value itself
    args[nin + nout + i] = cotangents[i] ? cotangents[i] : mx_zeros_like(n->inputs[i]);
    if (!mx_ok(args[nin + nout + i])) result = -1;
  }
  if (result == 0)
    result =
        check_count("cotangents from the vjp", nin,
                    mxi_call_function("custom_function", r->vjp, r->context, (int)total, args, nin, made));
  for (int i = 0; i < nin && result == 0; i++)
    if (want[nout + i]) grads[nout + i] = made[i];
  mxi_free(args);
  return result;
}

bool mxi_custom_has_jvp(const mx_node *n) {
  const mx_custom_rules *r = &user_rules_of(n)->user;
  return r->jvp || !r->vjp;
}

int mxi_jvp_custom(const mx_node *n, const mx_array *outputs, const mx_array *tangents, mx_array *out) {
  const mx_custom_rules *r = &user_rules_of(n)->user;
  int nout = n->noutputs, nin = n->ninputs - nout;
  if (!r->jvp) {
    memcpy(out, tangents, (size_t)nout * sizeof *out);
    return 0;
  }
  mx_array *args = mxi_malloc((size_t)(2 * nin) * sizeof *args + 1);
  if (!args) return -1;
  int result = 0;
  for (int i = 0; i < nin; i++) {
    args[i] = n->inputs[nout + i];
    args[nin + i] = tangents[nout + i] ? tangents[nout + i] : mx_zeros_like(args[i]);
    if (!mx_ok(args[nin + i])) result = -1;
  }
  if (result == 0)
    result = check_count("tangents from the jvp", nout,
                         mxi_call_function("custom_function", r->jvp, r->context, 2 * nin, args, nout, out));
  mxi_free(args);
  return result;
}

/* ---- Batching ---- */
/* The rules of a batch: those of one element, under vmap. Every output has the batch axis. */
struct batched_rules {
  struct rules *one; // owned
  int nin;
  bool batched[]; // inputs
};
static void release_batched(void *context) {
  struct batched_rules *r = context;
  unref_object(&r->one->object);
  mxi_free(r);
}

/* f over arrays that go with the inputs, `repeats` of each in turn, and then others that have the batch axis.
 */
static int over_batch(const struct batched_rules *r, mx_function f, int n, const mx_array *in, int repeats,
                      int max_out, mx_array *out) {
  int *axes = mxi_calloc((size_t)n + 1, sizeof *axes);
  if (!axes) return -1;
  for (int i = 0; i < r->nin * repeats; i++) axes[i] = r->batched[i % r->nin] ? 0 : MX_UNMAPPED;
  int got = mx_vmap(f, r->one->user.context, n, in, axes, max_out, out, NULL);
  mxi_free(axes);
  return got;
}
/* An input that is the same for all elements gets the sum of their gradients. */
static int batched_vjp(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  const struct batched_rules *r = context;
  int got = over_batch(r, r->one->user.vjp, n, in, 1, max_out, out);
  for (int i = 0; i < got && i < r->nin; i++)
    if (!r->batched[i]) out[i] = mx_sum(out[i], MX_AXES(0), false);
  return got;
}
static int batched_jvp(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  const struct batched_rules *r = context;
  return over_batch(r, r->one->user.jvp, n, in, 2, max_out, out);
}

/* The user's outputs, with their batch axis in front. */
static int call_vmap(const mx_node *n, const struct mxi_batch *b, const mx_array *in, mx_array *made,
                     bool *batched) {
  const mx_custom_rules *r = &user_rules_of(n)->user;
  int nout = n->noutputs, nin = n->ninputs - nout;
  int *axes = mxi_malloc((size_t)n->ninputs * sizeof *axes);
  if (!axes) return -1;
  for (int i = 0; i < nin; i++) axes[nout + i] = b->batched[nout + i] ? 0 : MX_UNMAPPED;
  for (int j = 0; j < nout; j++) axes[j] = 0;
  mx_scope scope = mx_scope_open(); // what the rule drains: its inputs lie in ours
  int got = r->vmap(r->context, nin, in, axes + nout, nout, made, axes);
  if (got < 0 && mx_error_code() == MX_OK)
    mxi_fail(MX_CALLBACK_ERROR,
             "[custom_function] expected the vmap to succeed, got a failure without an error");
  int result = check_count("outputs from the vmap", nout, got);
  if (result == 0)
    result = mxi_move_out(&scope, nout, made);
  else
    mx_scope_close(&scope);
  for (int j = 0; j < nout && result == 0; j++) {
    int64_t shape[MXI_BATCH_NDIM];
    if (!mx_ok(made[j])) {
      result = -1;
      break;
    }
    mx_ints one = b->outputs[j].shape, expected = one;
    batched[j] = axes[j] != MX_UNMAPPED;
    if (batched[j]) {
      made[j] = mx_moveaxis(made[j], axes[j], 0);
      expected = mxi_batch_shape(b, one, shape);
    }
    if (made[j] == MX_BAD)
      result = -1;
    else if (made[j]->ndim != expected.n ||
             memcmp(made[j]->dims, expected.v, (size_t)expected.n * sizeof(int64_t)) ||
             made[j]->dtype != b->outputs[j].dtype)
      result = mxi_fail(MX_INVALID_ARGUMENT,
                        "[custom_function] expected output %d of the vmap with the shape and dtype of the "
                        "function's output and the mapped axis, got another",
                        j);
  }
  mxi_free(axes);
  return result;
}

/* The outputs under rules of the whole batch. */
static int with_batched_rules(const mx_node *n, const struct mxi_batch *b, mx_array *made,
                              const bool *batched) {
  struct rules *one = (struct rules *)MXI_PARAMS(CUSTOM, n)->rules;
  int nout = n->noutputs, nin = n->ninputs - nout;
  struct batched_rules *r = mxi_malloc(sizeof *r + (size_t)nin * sizeof *r->batched);
  if (!r) return -1;
  *r = (struct batched_rules){.one = one, .nin = nin};
  memcpy(r->batched, b->batched + nout, (size_t)nin * sizeof *r->batched);
  atomic_fetch_add(&one->object.refs, 1);
  int result = 0;
  struct mxi_batch outputs = {.size = b->size, .in = made, .batched = batched};
  for (int j = 0; j < nout; j++) {
    b->out[j] = mxi_batch_repeated(&outputs, j);
    if (!mx_ok(b->out[j])) result = -1;
  }
  mx_custom_rules rules = {.vjp = one->user.vjp ? batched_vjp : NULL,
                           .jvp = one->user.jvp ? batched_jvp : NULL,
                           .context = r,
                           .release = release_batched};
  if (result == 0) {
    memcpy(made, b->out, (size_t)nout * sizeof *made);
    result = mx_custom(nin, b->in + nout, nout, made, rules, b->out);
  }
  if (result < 0) release_batched(r);
  return result;
}

int mxi_vmap_custom(const mx_node *n, struct mxi_batch *b) {
  const mx_custom_rules *r = &user_rules_of(n)->user;
  size_t nin = (size_t)n->ninputs, nout = (size_t)n->noutputs;
  mx_array *made = mxi_malloc((nin + nout) * sizeof *made + nout * sizeof(bool));
  if (!made) return -1;
  mx_array *in = made + nout;
  bool *batched = (bool *)(in + nin);
  int result = 0;
  memcpy(made, b->in, nout * sizeof *made);
  memcpy(batched, b->batched, nout * sizeof *batched);
  for (size_t i = 0; r->vmap && i < nin - nout; i++) // only the vjp, if any, connects outputs to inputs
    in[i] = r->vjp ? mx_stop_gradient(b->in[nout + i]) : b->in[nout + i];
  if (r->vmap) result = call_vmap(n, b, in, made, batched);
  if (result == 0 && (r->vjp || r->jvp))
    result = with_batched_rules(n, b, made, batched);
  else if (result == 0) {
    memcpy(b->out, made, nout * sizeof *made);
    memcpy(b->out_batched, batched, nout * sizeof *batched);
  }
  mxi_free(made);
  return result;
}
