/* Nodes made again from records of them, by the builders of their ops. So nothing of a record reaches a
   kernel that the builders would not let through, whoever wrote it. */
#include "core/thread.h"
#include "ops/common.h"
#include "ops/rules.h"

int mxi_build_refuse(const struct mxi_build *b, const char *what) {
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected %s in the record of a node, got others", b->prim->name,
                  what);
}

bool mxi_build_takes(const struct mxi_build *b, int ninputs, int noutputs) {
  if (b->ninputs == ninputs && b->noutputs == noutputs) return true;
  mxi_fail(MX_INVALID_ARGUMENT,
           "[%s] expected %d inputs and %d outputs in the record of a node, got %d and %d", b->prim->name,
           ninputs, noutputs, b->ninputs, b->noutputs);
  return false;
}

int mxi_build_done(const struct mxi_build *b, mx_array out) {
  b->out[0] = out;
  return mx_ok(out) ? 0 : -1;
}

bool mxi_build_int(const struct mxi_build *b, int64_t value, int *out) {
  *out = (int)value;
  if (value == *out) return true;
  mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected integers below 2^31 in the record of a node, got %lld",
           b->prim->name, (long long)value);
  return false;
}

bool mxi_build_list(const struct mxi_build *b, mx_ints list, int n) {
  return list.n == n || mxi_build_refuse(b, "lists of one integer an axis") == 0;
}

int mxi_build_fixed(const struct mxi_build *b, int axis) {
  mx_ints had = mxi_build_shape(b, 0);
  return mxi_fail(
      MX_INVALID_ARGUMENT,
      "[%s] expected axis %d to have the size of the trace, as this op was traced for shape %s and "
      "can't follow another, got shape %s",
      b->prim->name, axis, mxi_shape_text(had).s, MXI_SHAPE_TEXT(b->in[0]));
}

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
