/* How shapes that follow others are made again and differentiated. */
#include "ops/common.h"
#include "ops/rules.h"

MXI_BUILD(RESHAPE_AS) {
  mx_ints dims = MXI_BUILD_PARAMS(RESHAPE_AS, b)->dims;
  bool like = b->ninputs == 2;
  if (!mxi_build_takes(b, 1 + like, 1)) return -1;
  if (dims.n > MX_MAX_NDIM) return mxi_build_refuse(b, "at most 32 dimensions");
  return mxi_build_done(b, mxi_reshape_as(b->in[0], like ? b->in[1] : NULL, dims.v, dims.n));
}

MXI_VJP(RESHAPE_AS) { return mxi_only_grad(n, mxi_reshape_like(cotangents[0], n->inputs[0]), grads); }

MXI_JVP(RESHAPE_AS) {
  out[0] = tangents[0] ? mxi_reshape_like(tangents[0], outputs[0]) : NULL;
  return out[0] == MX_BAD ? -1 : 0;
}

MXI_BUILD(BROADCAST_AS) {
  return mxi_build_takes(b, 2, 1) ? mxi_build_done(b, mxi_broadcast_like(b->in[0], b->in[1])) : -1;
}

MXI_VJP(BROADCAST_AS) { return mxi_only_grad(n, mxi_unbroadcast(cotangents[0], n->inputs[0]), grads); }

MXI_JVP(BROADCAST_AS) {
  out[0] = tangents[0] ? mxi_broadcast_like(tangents[0], n->inputs[1]) : NULL;
  return out[0] == MX_BAD ? -1 : 0;
}

MXI_BUILD(COUNT) {
  const struct mxi_p_COUNT *p = MXI_BUILD_PARAMS(COUNT, b);
  int64_t sorted[MX_MAX_NDIM];
  if (!mxi_build_takes(b, 1, 1)) return -1;
  int n = mxi_axes("count", p->axes, b->in[0]->ndim, sorted);
  return n < 0 ? -1 : mxi_build_done(b, mxi_inverse_count(b->in[0], (mx_ints){sorted, n}, p->ddof));
}

MXI_JVP(COUNT) {
  out[0] = NULL;
  return 0;
}
