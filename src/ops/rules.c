#include "ops/rules.h"
#include "ops/common.h"

static int zero_vjp(const mx_node *n, const mx_array *outputs, const mx_array *cotangents, const bool *want,
                    mx_array *grads) {
  mxi_no_grads(n, grads);
  return 0;
}

/* ---- Batching rules that the lists of rules.h define ---- */
static int vmap_elementwise(const mx_node *n, struct mxi_batch *b) {
  mx_array in[3] = {NULL};
  for (int i = 0; i < n->ninputs; i++) in[i] = mxi_batch_aligned(b, i, b->outputs[0].shape.n);
  return mxi_batch_apply(n, b, NULL, in);
}
static int vmap_leading(const mx_node *n, struct mxi_batch *b) {
  return mxi_batch_apply(n, b, n->params ? n->params->fields : NULL, NULL);
}
#define ROW(ID)                                                            \
  static int vmap_along_axis_##ID(const mx_node *n, struct mxi_batch *b) { \
    struct mxi_p_##ID p = *MXI_PARAMS(ID, n);                              \
    p.axis++;                                                              \
    return mxi_batch_apply(n, b, &p, NULL);                                \
  }
MXI_VMAP_AXIS_LIST(ROW)
#undef ROW
#define ROW(ID)                                                            \
  static int vmap_along_axes_##ID(const mx_node *n, struct mxi_batch *b) { \
    struct mxi_p_##ID p = *MXI_PARAMS(ID, n);                              \
    int64_t axes[MXI_BATCH_NDIM];                                          \
    p.axes = mxi_batch_shifted(p.axes, axes);                              \
    return mxi_batch_apply(n, b, &p, NULL);                                \
  }
MXI_VMAP_AXES_LIST(ROW)
#undef ROW

enum {
#define MX_ELEMENTWISE(...) +1
#define ROW(ID)             +1
  BATCHED_PRIMITIVES = 1 /* CUSTOM */ MXI_VMAP_LEADING_LIST(ROW) MXI_VMAP_AXIS_LIST(ROW)
      MXI_VMAP_AXES_LIST(ROW) MXI_VMAP_LIST(ROW) MXI_VMAP_NEVER_LIST(ROW)
#include "core/elementwise.def"
#undef ROW
#undef MX_ELEMENTWISE
};
_Static_assert((int)BATCHED_PRIMITIVES == (int)MXI_PRIM_COUNT,
               "every primitive stands in one of the lists of batching rules in rules.h");

/* CALL and CUSTOM have no row: src/transforms knows how to enter them. */
const struct mxi_rules mxi_rules[MXI_PRIM_COUNT] = {
#define MX_ELEMENTWISE(ID, name, arity, rule) \
  [MXI_##ID] = {mxi_vjp_elementwise, mxi_jvp_elementwise, vmap_elementwise},
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
#define ROW(ID) [MXI_##ID].vmap = vmap_leading,
                MXI_VMAP_LEADING_LIST(ROW)
#undef ROW
#define ROW(ID) [MXI_##ID].vmap = vmap_along_axis_##ID,
                    MXI_VMAP_AXIS_LIST(ROW)
#undef ROW
#define ROW(ID) [MXI_##ID].vmap = vmap_along_axes_##ID,
                        MXI_VMAP_AXES_LIST(ROW)
#undef ROW
#define ROW(ID) [MXI_##ID].vmap = mxi_vmap_##ID,
                            MXI_VMAP_LIST(ROW)
#undef ROW
};
