/* What derivative rules share. */
#include "ops/rules.h"
#include "mlx/ops.h"

int mxi_grads_done(const mx_node *n, const mx_array *grads) {
  for (int i = 0; i < n->ninputs; i++)
    if (grads[i] == MX_BAD) return -1;
  return 0;
}

int mxi_only_grad(const mx_node *n, mx_array gradient, mx_array *grads) {
  mxi_no_grads(n, grads);
  grads[0] = gradient;
  return mxi_grads_done(n, grads);
}

mx_array mxi_add_tangents(mx_array a, mx_array b) { return !a ? b : !b ? a : mx_add(a, b); }
