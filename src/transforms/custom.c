/* Functions with derivatives of their own: a CUSTOM node passes its outputs through and knows the user's
 * rule. */
#include "base/alloc.h"
#include "base/error.h"
#include "mlx/ops.h"
#include "mlx/transforms.h"
#include "transforms/autodiff.h"
#include "transforms/trace.h"
#include <string.h>

struct rules {
  mxi_object object; // first
  mx_function vjp;
  void *context;
  void (*release)(void *context);
};

static void release_rules(mxi_object *o) {
  struct rules *r = (struct rules *)o;
  /* The context may belong to another runtime: its destructor is queued like that of a foreign buffer. */
  if (r->release) mxi_buffer_unref(mxi_buffer_foreign(NULL, 0, 0, r->release, r->context));
  mxi_free(r);
}

int mx_custom_vjp(int n, const mx_array *in, int nout, const mx_array *outputs, mx_function vjp,
                  void *context, void (*release)(void *context), mx_array *out) {
  struct rules *r = mxi_malloc(sizeof *r);
  mx_array *inputs = r ? mxi_malloc((size_t)(n + nout) * (sizeof *inputs + sizeof(struct mxi_output))) : NULL;
  if (!inputs) {
    mxi_free(r);
    return -1;
  }
  *r = (struct rules){{1, release_rules}, vjp, context, release};
  struct mxi_output *info = (struct mxi_output *)(inputs + n + nout);
  for (int i = 0; i < nout; i++) {
    inputs[i] = outputs[i];
    info[i] = (struct mxi_output){mx_dtype_of(outputs[i]), mx_shape_ints(outputs[i])};
  }
  for (int i = 0; i < n; i++) inputs[nout + i] = in[i];
  struct mxi_p_CUSTOM p = {.rules = &r->object};
  int result = mxi_apply_multi(MXI_CUSTOM, &p, n + nout, inputs, nout, info, out);
  mxi_free(inputs);
  if (atomic_fetch_sub(&r->object.refs, 1) == 1) release_rules(&r->object);
  return result;
}

int mxi_vjp_custom(const mx_node *n, const mx_array *outputs, const mx_array *cotangents, const bool *want,
                   mx_array *grads) {
  const struct rules *r = (const struct rules *)MXI_PARAMS(CUSTOM, n)->rules;
  int nout = n->noutputs, nin = n->ninputs - nout;
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
  if (result == 0) {
    int got = mxi_call_function("custom_function", r->vjp, r->context, (int)total, args, nin, made);
    if (got < 0)
      result = -1;
    else if (got != nin)
      result = mxi_fail(MX_INVALID_ARGUMENT, "[custom_function] expected %d cotangents from the vjp, got %d",
                        nin, got);
  }
  for (int i = 0; i < nin && result == 0; i++)
    if (want[nout + i]) grads[nout + i] = made[i];
  mxi_free(args);
  return result;
}
