/* Sorting and selecting along one axis. */
#include "ops/common.h"
#include "ops/rules.h"

static mx_array sort_node(int prim, const char *name, mx_array a, mx_dtype t, int axis) {
  axis = mxi_axis(name, axis, a->ndim);
  if (axis < 0) return MX_BAD;
  struct mxi_p_SORT p = {.axis = axis};
  return mxi_apply(prim, &p, 1, &a, t, mxi_shape_of(a));
}
mx_array mx_sort(mx_array a, int axis) {
  return mxi_usable1("sort", a) ? sort_node(MXI_SORT, "sort", a, mxi_dtype(a), axis) : MX_BAD;
}
mx_array mx_argsort(mx_array a, int axis) {
  return mxi_usable1("argsort", a) ? sort_node(MXI_ARGSORT, "argsort", a, MX_UINT32, axis) : MX_BAD;
}

static mx_array partition_node(int prim, const char *name, mx_array a, mx_dtype t, int64_t kth, int axis) {
  axis = mxi_axis(name, axis, a->ndim);
  if (axis < 0) return MX_BAD;
  int64_t n = a->dims[axis], place = kth < 0 ? kth + n : kth;
  if (place < 0 || place >= n)
    return mxi_bad(MX_INVALID_ARGUMENT, "[%s] expected kth within axis %d of shape %s, got %lld", name, axis,
                   MXI_SHAPE_TEXT(a), (long long)kth);
  struct mxi_p_PARTITION p = {.axis = axis, .kth = place};
  return mxi_apply(prim, &p, 1, &a, t, mxi_shape_of(a));
}
mx_array mx_partition(mx_array a, int64_t kth, int axis) {
  return mxi_usable1("partition", a) ? partition_node(MXI_PARTITION, "partition", a, mxi_dtype(a), kth, axis)
                                     : MX_BAD;
}
mx_array mx_argpartition(mx_array a, int64_t kth, int axis) {
  return mxi_usable1("argpartition", a)
             ? partition_node(MXI_ARGPARTITION, "argpartition", a, MX_UINT32, kth, axis)
             : MX_BAD;
}

_Static_assert(sizeof(struct mxi_p_SORT) == sizeof(struct mxi_p_ARGSORT),
               "SORT and ARGSORT share their parameters");
_Static_assert(sizeof(struct mxi_p_PARTITION) == sizeof(struct mxi_p_ARGPARTITION),
               "PARTITION and ARGPARTITION share theirs");

/* The last k of a partition whose (n - k)th element is in its place. */
static mx_array largest(mx_array a, int64_t k, int axis) {
  int64_t start[MX_MAX_NDIM], step[MX_MAX_NDIM], n = a->dims[axis];
  mxi_fill_ints(start, a->ndim, 0);
  mxi_fill_ints(step, a->ndim, 1);
  start[axis] = n - k;
  mx_array parted = k > 0 && k < n ? mx_partition(a, n - k, axis) : a;
  return mx_slice(parted, (mx_ints){start, a->ndim}, mxi_shape_of(a), (mx_ints){step, a->ndim});
}

mx_array mx_topk(mx_array a, int64_t k, int axis) {
  if (!mxi_usable1("topk", a)) return MX_BAD;
  axis = mxi_axis("topk", axis, a->ndim);
  if (axis < 0) return MX_BAD;
  if (k < 0 || k > a->dims[axis])
    return mxi_bad(MX_INVALID_ARGUMENT, "[topk] expected k within axis %d of shape %s, got %lld", axis,
                   MXI_SHAPE_TEXT(a), (long long)k);
  return MXI_COMPOSED(largest(a, k, axis));
}

/* out = x[order]: the cotangent goes back to where each element came from. */
static mx_array reordered_gradient(mx_array x, mx_array order, mx_array g, int axis) {
  return mx_put_along_axis(mxi_zeros_like(x), order, g, axis, MX_UPDATE_ADD);
}
MXI_VJP(SORT) {
  int axis = (int)MXI_PARAMS(SORT, n)->axis;
  mx_array x = n->inputs[0];
  return mxi_only_grad(n, MXI_COMPOSED(reordered_gradient(x, mx_argsort(x, axis), cotangents[0], axis)),
                       grads);
}
MXI_VJP(PARTITION) {
  const struct mxi_p_PARTITION *p = MXI_PARAMS(PARTITION, n);
  mx_array x = n->inputs[0], order = mx_argpartition(x, p->kth, (int)p->axis);
  return mxi_only_grad(n, MXI_COMPOSED(reordered_gradient(x, order, cotangents[0], (int)p->axis)), grads);
}
