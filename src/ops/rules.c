#include "ops/rules.h"
#include "ops/common.h"

static int zero_vjp(const mx_node *n, const mx_array *outputs, const mx_array *cotangents, const bool *want,
                    mx_array *grads) {
  mxi_no_grads(n, grads);
  return 0;
}

/* ---- Batching rules that words in prims.def stand for ---- */
static int vmap_elementwise(const mx_node *n, struct mxi_batch *b) {
  mx_array in[3] = {NULL};
  for (int i = 0; i < n->ninputs; i++) in[i] = mxi_batch_aligned(b, i, b->outputs[0].shape.n);
  return mxi_batch_apply(n, b, NULL, in);
}
static int vmap_leading(const mx_node *n, struct mxi_batch *b) {
  return mxi_batch_apply(n, b, n->params ? n->params->fields : NULL, NULL);
}
#define DEFINE_AXIS(ID)                                                    \
  static int vmap_along_axis_##ID(const mx_node *n, struct mxi_batch *b) { \
    struct mxi_p_##ID p = *MXI_PARAMS(ID, n);                              \
    p.axis++;                                                              \
    return mxi_batch_apply(n, b, &p, NULL);                                \
  }
#define DEFINE_AXES(ID)                                                    \
  static int vmap_along_axes_##ID(const mx_node *n, struct mxi_batch *b) { \
    struct mxi_p_##ID p = *MXI_PARAMS(ID, n);                              \
    int64_t axes[MXI_BATCH_NDIM];                                          \
    p.axes = mxi_batch_shifted(p.axes, axes);                              \
    return mxi_batch_apply(n, b, &p, NULL);                                \
  }
#define DEFINE_OWN(ID)
#define DEFINE_LEADING(ID)
#define DEFINE_NEVER(ID)
#define DEFINE_ENTERED(ID)
#define DEFINE_ELEMENTWISE(ID)
#define MX_PRIM(ID, text, flags, vjp, jvp, vmap, build, ...) DEFINE_##vmap(ID)
#include "core/prims.def"
#undef MX_PRIM

/* ---- The functions of each row ---- */
#define VJP_OWN(ID)           mxi_vjp_##ID
#define VJP_ZERO(ID)          zero_vjp
#define VJP_NONE(ID)          NULL
#define VJP_ENTERED(ID)       NULL
#define VJP_ELEMENTWISE(ID)   mxi_vjp_elementwise
#define JVP_OWN(ID)           mxi_jvp_##ID
#define JVP_DERIVED(ID)       NULL
#define JVP_ENTERED(ID)       NULL
#define JVP_ELEMENTWISE(ID)   mxi_jvp_elementwise
#define VMAP_OWN(ID)          mxi_vmap_##ID
#define VMAP_LEADING(ID)      vmap_leading
#define VMAP_AXIS(ID)         vmap_along_axis_##ID
#define VMAP_AXES(ID)         vmap_along_axes_##ID
#define VMAP_NEVER(ID)        NULL
#define VMAP_ENTERED(ID)      NULL
#define VMAP_ELEMENTWISE(ID)  vmap_elementwise
#define BUILD_OWN(ID)         mxi_build_##ID
#define BUILD_NEVER(ID)       NULL
#define BUILD_ENTERED(ID)     NULL
#define BUILD_ELEMENTWISE(ID) mxi_build_elementwise
const struct mxi_rules mxi_rules[MXI_PRIM_COUNT] = {
#define MX_PRIM(ID, text, flags, vjp, jvp, vmap, build, ...) \
  [MXI_##ID] = {VJP_##vjp(ID), JVP_##jvp(ID), VMAP_##vmap(ID), BUILD_##build(ID)},
#include "core/prims.def"
#undef MX_PRIM
};
