/* What derivative rules share. */
#include "core/thread.h"
#include "ops/common.h"
#include "ops/rules.h"

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

static mx_array sum_to(mx_array g, mx_array like) {
  int64_t axes[MX_MAX_NDIM];
  int n = 0, extra = g->ndim - like->ndim;
  for (int i = 0; i < g->ndim; i++)
    if (i < extra || (g->dims[i] != 1 && like->dims[i - extra] == 1)) axes[n++] = i;
  return mxi_reshape_like(mx_sum(g, (mx_ints){axes, n}, true), like);
}

mx_array mxi_unbroadcast(mx_array g, mx_array like) {
  if (!mx_ok(g)) return g;
  mxi_thread.ones_matter |= mxi_follows(g) || mxi_follows(like);
  if (mxi_same_shape(g, like)) return mx_astype(g, mxi_dtype(like));
  return MXI_COMPOSED(mx_astype(sum_to(g, like), mxi_dtype(like)));
}
