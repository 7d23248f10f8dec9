/* Softmax and logsumexp. Their kernels work on rows: the reduced axes are moved last and merged into one. */
#include "ops/common.h"
#include "ops/rules.h"

/* The reduced axes as rows, and the way back. */
struct rows {
  mx_array a; /* (..., row) */
  int count;  /* reduced axes */
  int64_t axes[MX_MAX_NDIM], order[MX_MAX_NDIM], moved[MX_MAX_NDIM];
};
static int as_rows(mx_array a, int count, const int64_t *axes, struct rows *r) {
  r->count = count;
  mxi_copy_ints(r->axes, (mx_ints){axes, count});
  mx_array last = mxi_axes_last(a, count, axes, r->order);
  if (!mx_ok(last)) return -1;
  mxi_copy_ints(r->moved, mxi_shape_of(last));
  r->a = count == 1 ? last : mx_flatten(last, a->ndim - count, -1);
  return mx_ok(r->a) ? 0 : -1;
}
/* An array of the rows' shape, as the input lay. */
static mx_array from_rows(mx_array rows, const struct rows *r, int ndim) {
  int64_t back[MX_MAX_NDIM];
  for (int i = 0; i < ndim; i++) back[r->order[i]] = i;
  return mx_transpose(mx_reshape(rows, (mx_ints){r->moved, ndim}), (mx_ints){back, ndim});
}

/* Complex numbers have no kernel: exp(z - m) with m the largest real part, which cancels. */
static mx_array shifted_exp(mx_array a, mx_ints axes, mx_array *shift) {
  *shift = mx_stop_gradient(mx_max(mx_real(a), axes, true));
  return mx_exp(mx_subtract(a, *shift));
}
static mx_array complex_softmax(mx_array a, mx_ints axes) {
  mx_array shift, e = shifted_exp(a, axes, &shift);
  return mx_divide(e, mx_sum(e, axes, true));
}
static mx_array complex_logsumexp(mx_array a, mx_ints axes, bool keepdims) {
  mx_array shift, e = shifted_exp(a, axes, &shift), sum = mx_add(mx_log(mx_sum(e, axes, true)), shift);
  return keepdims ? sum : mx_squeeze(sum, axes);
}

static mx_array softmax_along(mx_array a, int count, const int64_t *axes, bool precise) {
  struct rows r;
  if (as_rows(a, count, axes, &r) < 0) return MX_BAD;
  struct mxi_p_SOFTMAX p = {.precise = precise};
  return from_rows(mxi_apply(MXI_SOFTMAX, &p, 1, &r.a, mxi_dtype(a), mxi_shape_of(r.a)), &r, a->ndim);
}

mx_array mx_softmax(mx_array a, mx_ints axes, bool precise) {
  int64_t sorted[MX_MAX_NDIM];
  int n = mxi_usable1("softmax", a) ? mxi_axes("softmax", axes, a->ndim, sorted) : -1;
  if (n < 0) return MX_BAD;
  mx_dtype t = mxi_at_least_float(mxi_dtype(a));
  if (n == 0) return mxi_constant(1, t, mxi_shape_of(a)); // each element is a row of its own
  if (a->size == 0) return mx_astype(a, t);
  if (t == MX_COMPLEX64) return MXI_COMPOSED(complex_softmax(a, (mx_ints){sorted, n}));
  return MXI_COMPOSED(softmax_along(mx_astype(a, t), n, sorted, precise));
}

/* y (g - sum(y g)), with y = softmax(x): the Jacobian is symmetric. */
static mx_array softmax_derivative(mx_array y, mx_array g) {
  mx_array yg = mx_multiply(y, g);
  return mx_subtract(yg, mx_multiply(y, mx_sum(yg, MX_AXES(-1), true)));
}
MXI_VJP(SOFTMAX) {
  mx_array y = outputs[0];
  return mxi_only_grad(n, MXI_COMPOSED(softmax_derivative(y, cotangents[0])), grads);
}
MXI_JVP(SOFTMAX) {
  out[0] = tangents[0] ? MXI_COMPOSED(softmax_derivative(outputs[0], tangents[0])) : NULL;
  return out[0] == MX_BAD ? -1 : 0;
}

static mx_array logsumexp_along(mx_array a, int count, const int64_t *axes, bool keepdims) {
  struct rows r;
  int64_t shape[MX_MAX_NDIM];
  if (as_rows(a, count, axes, &r) < 0) return MX_BAD;
  mxi_copy_ints(shape, mxi_shape_of(r.a));
  shape[r.a->ndim - 1] = 1;
  mx_array out = mxi_apply(MXI_LOGSUMEXP, NULL, 1, &r.a, mxi_dtype(a), (mx_ints){shape, r.a->ndim});
  if (!keepdims) return mx_squeeze(out, MX_AXES(-1));
  if (count == 1) return mx_moveaxis(out, -1, (int)axes[0]);
  mxi_copy_ints(shape, mxi_shape_of(a));
  for (int i = 0; i < count; i++) shape[axes[i]] = 1;
  return mx_reshape(out, (mx_ints){shape, a->ndim});
}

mx_array mx_logsumexp(mx_array a, mx_ints axes, bool keepdims) {
  int64_t sorted[MX_MAX_NDIM];
  int n = mxi_usable1("logsumexp", a) ? mxi_axes("logsumexp", axes, a->ndim, sorted) : -1;
  if (n < 0) return MX_BAD;
  for (int i = 0; i < n; i++)
    if (a->dims[sorted[i]] == 0)
      return mxi_bad(MX_INVALID_ARGUMENT, "[logsumexp] expected a non-empty axis, got axis %lld of shape %s",
                     (long long)sorted[i], MXI_SHAPE_TEXT(a));
  mx_dtype t = mxi_at_least_float(mxi_dtype(a));
  if (n == 0) return mx_astype(a, t);
  if (t == MX_COMPLEX64) return MXI_COMPOSED(complex_logsumexp(a, (mx_ints){sorted, n}, keepdims));
  return MXI_COMPOSED(logsumexp_along(mx_astype(a, t), n, sorted, keepdims));
}

/* The derivative of logsumexp is softmax. */
static mx_array weights(const mx_node *n) { return mx_softmax(n->inputs[0], MX_AXES(-1), true); }
MXI_VJP(LOGSUMEXP) { return mxi_only_grad(n, MXI_COMPOSED(mx_multiply(cotangents[0], weights(n))), grads); }
MXI_JVP(LOGSUMEXP) {
  out[0] = tangents[0] ? MXI_COMPOSED(mx_sum(mx_multiply(tangents[0], weights(n)), MX_AXES(-1), true)) : NULL;
  return out[0] == MX_BAD ? -1 : 0;
}
