/* What the functions that make a node again share: checks of its record, and their errors. */
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
