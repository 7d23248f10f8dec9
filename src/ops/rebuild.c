/* Nodes made again from records of them, by the builders of their ops. So nothing of a record reaches a
   kernel that the builders would not let through, whoever wrote it. */
#include "ops/common.h"
#include "ops/rules.h"

/* ---- Checks of what came out ---- */
static bool same_sizes(const struct mxi_build *b) {
  for (int i = 0; b->shapes && i < b->ninputs; i++)
    if (!mxi_ints_equal(b->shapes[i], mxi_shape_of(b->in[i]))) return false;
  return true;
}

static int check_outputs(const struct mxi_build *b) {
  bool same = same_sizes(b);
  for (int i = 0; i < b->noutputs; i++) {
    mx_array a = b->out[i];
    const struct mxi_output *o = &b->outputs[i];
    if (!mx_ok(a)) return -1;
    if (mxi_dtype(a) != o->dtype || a->ndim != o->shape.n ||
        (same && !mxi_ints_equal(mxi_shape_of(a), o->shape)))
      return mxi_fail(
          MX_INVALID_ARGUMENT,
          "[%s] expected output %d of %s and shape %s, as the record of the node says, got %s and "
          "shape %s",
          b->prim->name, i, mx_dtype_name(o->dtype), mxi_shape_text(o->shape).s, mx_dtype_name(mxi_dtype(a)),
          MXI_SHAPE_TEXT(a));
  }
  return 0;
}

int mxi_build(const struct mxi_build *b) {
  mxi_build_fn build = mxi_rules[b->prim->id].build;
  if (!build) return mxi_build_refuse(b, "primitives of traced graphs");
  if (!mxi_usable(b->prim->name, b->ninputs, b->in)) return -1;
  for (int i = 0; i < b->noutputs; i++) b->out[i] = MX_BAD;
  MXI_TRY(build(b));
  return check_outputs(b);
}
