#include "ops/rules.h"
#include "ops/common.h"

static int zero_vjp(const mx_node *n, const mx_array *outputs, const mx_array *cotangents, const bool *want,
                    mx_array *grads) {
  mxi_no_grads(n, grads);
  return 0;
}

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

/* CALL and CUSTOM have no row: src/transforms knows how to enter them. */
const struct mxi_rules mxi_rules[MXI_PRIM_COUNT] = {
#define MX_ELEMENTWISE(ID, name, arity, rule) [MXI_##ID] = {mxi_vjp_elementwise, mxi_jvp_elementwise},
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
#define ROW(ID) [MXI_##ID].vjp = mxi_vjp_##ID,
    MXI_VJP_LIST(ROW)
#undef ROW
#define ROW(ID) [MXI_##ID].vjp = zero_vjp,
        MXI_ZERO_VJP_LIST(ROW)
#undef ROW
#define ROW(ID) [MXI_##ID].jvp = mxi_jvp_##ID,
            MXI_JVP_LIST(ROW)
#undef ROW
};
