/* Parts of arrays by index arrays: take, gather, scatter, and the forms along one axis. Indices are data, so
   their range is checked at eval. */
#include "core/reduce.h"
#include "ops/common.h"
#include "ops/rules.h"

enum { MAX_INDICES = MX_MAX_NDIM };

/* ---- Gather and scatter ---- */
/* Indices of one dtype and one shape I in out; axes in [0, ndim) and distinct. */
static int index_operands(const char *op, mx_array a, int n, const mx_array *indices, mx_ints axes,
                          mx_array *out, int64_t *order) {
  if (!mxi_usable(op, n, indices)) return -1;
  if (n != axes.n || n > a->ndim)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected one axis of shape %s for each of %d indices, got %d",
                    op, MXI_SHAPE_TEXT(a), n, axes.n);
  int64_t sorted[MX_MAX_NDIM];
  MXI_TRY(mxi_axes(op, axes, a->ndim, sorted));
  bool same = true;
  for (int i = 0; i < n; i++) {
    MXI_TRY(mxi_check_indices(op, indices[i]));
    order[i] = axes.v[i] < 0 ? axes.v[i] + a->ndim : axes.v[i];
    same = same && mxi_dtype(indices[i]) == mxi_dtype(indices[0]);
  }
  mx_array cast[MAX_INDICES];
  for (int i = 0; i < n; i++) cast[i] = same ? indices[i] : mx_astype(indices[i], MX_INT64);
  return mxi_broadcast_all(op, n, cast, out);
}

/* The shape I + slice in out; its ndim, or -1. */
static int indexed_shape(const char *op, mx_ints index_shape, mx_ints slice, int64_t *out) {
  int ndim = index_shape.n + slice.n;
  if (ndim > MX_MAX_NDIM)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected at most %d dimensions, got %d", op, MX_MAX_NDIM,
                    ndim);
  mxi_copy_ints(out, index_shape);
  mxi_copy_ints(out + index_shape.n, slice);
  return ndim;
}
static mx_ints index_shape_of(int n, const mx_array *indices) {
  return n ? mxi_shape_of(indices[0]) : MX_NO_SHAPE;
}

mx_array mx_gather(mx_array a, int n, const mx_array *indices, mx_ints axes, mx_ints slice_sizes) {
  if (!mxi_usable1("gather", a)) return MX_BAD;
  mx_array in[1 + MAX_INDICES] = {a};
  int64_t order[MX_MAX_NDIM], shape[MX_MAX_NDIM];
  if (index_operands("gather", a, n, indices, axes, in + 1, order) < 0) return MX_BAD;
  bool fits = slice_sizes.n == a->ndim && (slice_sizes.v || !a->ndim);
  for (int i = 0; fits && i < a->ndim; i++) fits = slice_sizes.v[i] >= 0 && slice_sizes.v[i] <= a->dims[i];
  int ndim = fits ? indexed_shape("gather", index_shape_of(n, in + 1), slice_sizes, shape) : -1;
  if (!fits)
    mxi_fail(MX_INVALID_ARGUMENT, "[gather] expected slice sizes within shape %s, got %s", MXI_SHAPE_TEXT(a),
             mxi_shape_text(slice_sizes).s);
  if (ndim < 0) return MX_BAD;
  struct mxi_p_GATHER p = {.axes = {order, n}, .slice_sizes = slice_sizes};
  return mxi_apply(MXI_GATHER, &p, 1 + n, in, mxi_dtype(a), (mx_ints){shape, ndim});
}

mx_array mx_scatter(mx_array a, int n, const mx_array *indices, mx_array updates, mx_ints axes,
                    mx_update_mode mode) {
  if (!mxi_usable2("scatter", a, updates) || !mxi_update_mode_ok("scatter", mode)) return MX_BAD;
  mx_array in[2 + MAX_INDICES] = {a};
  int64_t order[MX_MAX_NDIM], shape[MX_MAX_NDIM];
  if (index_operands("scatter", a, n, indices, axes, in + 2, order) < 0) return MX_BAD;
  mx_ints index_shape = index_shape_of(n, in + 2);
  bool fits = updates->ndim == index_shape.n + a->ndim;
  for (int i = 0; fits && i < a->ndim; i++) fits = updates->dims[index_shape.n + i] <= a->dims[i];
  if (!fits)
    return mxi_bad(MX_INVALID_ARGUMENT,
                   "[scatter] expected updates of shape %s and a slice within %s, got %s",
                   mxi_shape_text(index_shape).s, MXI_SHAPE_TEXT(a), MXI_SHAPE_TEXT(updates));
  int ndim = indexed_shape("scatter", index_shape, (mx_ints){updates->dims + index_shape.n, a->ndim}, shape);
  in[1] = mx_broadcast_to(mx_astype(updates, mxi_dtype(a)), (mx_ints){shape, ndim});
  struct mxi_p_SCATTER p = {.axes = {order, n}, .mode = (int64_t)mode};
  return mxi_apply(MXI_SCATTER, &p, 2 + n, in, mxi_dtype(a), mxi_shape_of(a));
}

MXI_VJP(GATHER) {
  mx_array zeros = mxi_zeros_like(n->inputs[0]);
  mx_ints axes = MXI_PARAMS(GATHER, n)->axes;
  return mxi_only_grad(n, mx_scatter(zeros, axes.n, n->inputs + 1, cotangents[0], axes, MX_UPDATE_ADD),
                       grads);
}

static int no_update_rule(const char *op, int64_t mode) {
  static const char *const names[] = {"set", "add", "multiply", "maximum", "minimum"};
  return mxi_fail(MX_NOT_SUPPORTED,
                  "[%s] expected an update mode with a derivative (set, add, maximum, minimum), got %s", op,
                  names[mode]);
}

/* Where set updates meet in one element the last one stays, so it alone has a gradient. Their places are
   numbered along an axis of `count`: these are the numbers, over `ndim` axes. */
static mx_array places(int64_t count, int axis, int ndim) {
  int64_t shape[MX_MAX_NDIM];
  mxi_fill_ints(shape, ndim, 1);
  shape[axis] = count;
  mx_dtype t = count <= INT32_MAX ? MX_INT32 : MX_INT64;
  return mx_reshape(mx_arange(0, (double)count, 1, t), (mx_ints){shape, ndim});
}
static mx_array of_last_set(const mx_node *n, mx_array gu) {
  mx_ints axes = MXI_PARAMS(SCATTER, n)->axes;
  mx_array a = n->inputs[0], updates = n->inputs[1];
  int index_ndim = updates->ndim - a->ndim;
  mx_ints index_shape = {updates->dims, index_ndim}, slice = {updates->dims + index_ndim, a->ndim};
  int64_t count = 1, shape[MX_MAX_NDIM];
  for (int i = 0; i < index_ndim; i++) count *= index_shape.v[i];
  if (count <= 1) return gu;
  mxi_fill_ints(shape, updates->ndim, 1);
  mxi_copy_ints(shape, index_shape);
  mx_array own = mx_reshape(places(count, 0, 1), (mx_ints){shape, updates->ndim});
  if (!mx_ok(own)) return MX_BAD;
  mx_array set = mx_scatter(mxi_constant(0, mxi_dtype(own), mxi_shape_of(a)), axes.n, n->inputs + 2,
                            mx_broadcast_to(own, mxi_shape_of(updates)), axes, MX_UPDATE_SET);
  mx_array last = mx_equal(mx_gather(set, axes.n, n->inputs + 2, axes, slice), own);
  return mx_where(last, gu, mx_like(gu, 0));
}

/* Gradients of out = scatter(a, updates): set and add are linear; under maximum and minimum the cotangent
   goes to those that equal the result. `pick` gathers what the updates see. */
MXI_VJP(SCATTER) {
  const struct mxi_p_SCATTER *p = MXI_PARAMS(SCATTER, n);
  mx_array a = n->inputs[0], updates = n->inputs[1], g = cotangents[0];
  mx_array const *indices = n->inputs + 2;
  int count = p->axes.n, index_ndim = updates->ndim - a->ndim;
  mx_ints slice = {updates->dims + index_ndim, a->ndim};
  mxi_no_grads(n, grads);
  if (p->mode == MXI_UPDATE_MULTIPLY) return no_update_rule("scatter", p->mode);
  bool chosen = p->mode != MXI_UPDATE_SET && p->mode != MXI_UPDATE_ADD;
  if (want[0]) {
    grads[0] = g;
    if (p->mode == MXI_UPDATE_SET)
      grads[0] = mx_scatter(g, count, indices, mxi_zeros_like(updates), p->axes, MX_UPDATE_SET);
    if (chosen) grads[0] = mx_where(mx_equal(a, outputs[0]), g, mx_like(g, 0));
  }
  if (want[1]) {
    grads[1] = mx_gather(g, count, indices, p->axes, slice);
    if (p->mode == MXI_UPDATE_SET) grads[1] = MXI_COMPOSED(of_last_set(n, grads[1]));
    if (chosen)
      grads[1] = mx_where(mx_equal(updates, mx_gather(outputs[0], count, indices, p->axes, slice)), grads[1],
                          mx_like(g, 0));
  }
  return mxi_grads_done(n, grads);
}

/* ---- Batching ---- Indices that are the same for the whole batch pick slices that span it; their axes come
   first in the result. Indices of each element's own get one more, the place in the batch. ---- */
static bool any_batched(const struct mxi_batch *b, int from, int n) {
  bool any = false;
  for (int i = 0; i < n; i++) any |= b->batched[from + i];
  return any;
}
/* The batch's place as the first index, then the node's n, of a batch axis each (they broadcast). */
static void with_place(const struct mxi_batch *b, int from, int n, int index_ndim, mx_array *indices) {
  int64_t shape[MXI_BATCH_NDIM];
  mxi_fill_ints(shape, index_ndim + 1, 1);
  shape[0] = b->size;
  mx_array place = mx_arange(0, (double)b->size, 1, MX_INT64);
  indices[0] = mx_reshape(place, (mx_ints){shape, index_ndim + 1});
  for (int i = 0; i < n; i++) indices[i + 1] = mxi_batch_aligned(b, from + i, index_ndim);
}

static mx_array gather_batched(const mx_node *n, const struct mxi_batch *b) {
  const struct mxi_p_GATHER *p = MXI_PARAMS(GATHER, n);
  int count = p->axes.n, index_ndim = b->outputs[0].shape.n - p->slice_sizes.n;
  int64_t axes[MXI_BATCH_NDIM], order[MXI_BATCH_NDIM], sizes[MXI_BATCH_NDIM], shape[MXI_BATCH_NDIM];
  mx_ints wide = mxi_batch_shape(b, b->outputs[0].shape, shape);
  mx_array indices[MXI_BATCH_NDIM];
  if (!b->batched[0]) { /* at least one index is batched: all broadcast to its shape */
    for (int i = 0; i < count; i++) indices[i] = mxi_batch_aligned(b, 1 + i, index_ndim);
    return mx_gather(b->in[0], count, indices, p->axes, p->slice_sizes);
  }
  mx_ints shifted = mxi_batch_shifted(p->axes, axes);
  if (!any_batched(b, 1, count)) {
    mx_array slices =
        mx_gather(b->in[0], count, b->in + 1, shifted, mxi_batch_prefixed(b->size, p->slice_sizes, sizes));
    return mx_moveaxis(slices, index_ndim, 0);
  }
  with_place(b, 1, count, index_ndim, indices);
  mx_array slices = mx_gather(b->in[0], count + 1, indices, mxi_batch_prefixed(0, shifted, order),
                              mxi_batch_prefixed(1, p->slice_sizes, sizes));
  return mx_reshape(slices, wide);
}
MXI_VMAP(GATHER) { return mxi_batch_done(b, MXI_COMPOSED(gather_batched(n, b))); }

static mx_array scatter_batched(const mx_node *n, const struct mxi_batch *b) {
  const struct mxi_p_SCATTER *p = MXI_PARAMS(SCATTER, n);
  int count = p->axes.n, ndim = n->inputs[0]->ndim, index_ndim = n->inputs[1]->ndim - ndim;
  int64_t axes[MXI_BATCH_NDIM], order[MXI_BATCH_NDIM], shape[MXI_BATCH_NDIM + 1];
  mx_array a = mxi_batch_repeated(b, 0), updates = mxi_batch_repeated(b, 1), indices[MXI_BATCH_NDIM];
  mx_ints shifted = mxi_batch_shifted(p->axes, axes);
  if (!mx_ok(a) || !mx_ok(updates)) return MX_BAD;
  if (!any_batched(b, 2, count))
    return mx_scatter(a, count, b->in + 2, mx_moveaxis(updates, 0, index_ndim), shifted,
                      (mx_update_mode)p->mode);
  with_place(b, 2, count, index_ndim, indices);
  mxi_copy_ints(shape, (mx_ints){updates->dims, index_ndim + 1});
  shape[index_ndim + 1] = 1;
  mxi_copy_ints(shape + index_ndim + 2, (mx_ints){updates->dims + index_ndim + 1, ndim});
  updates = mx_reshape(updates, (mx_ints){shape, updates->ndim + 1});
  return mx_scatter(a, count + 1, indices, updates, mxi_batch_prefixed(0, shifted, order),
                    (mx_update_mode)p->mode);
}
MXI_VMAP(SCATTER) { return mxi_batch_done(b, MXI_COMPOSED(scatter_batched(n, b))); }

/* ---- Take ---- */
/* Gathers whole slices along axis; the axes of the indices come first, and move to where axis was. */
static mx_array taken(mx_array a, mx_array indices, int axis) {
  int64_t sizes[MX_MAX_NDIM], order[MX_MAX_NDIM];
  mxi_copy_ints(sizes, mxi_shape_of(a));
  sizes[axis] = 1;
  mx_array slices = mx_gather(a, 1, &indices, MX_AXES(axis), (mx_ints){sizes, a->ndim});
  if (!mx_ok(slices)) return MX_BAD;
  int before = indices->ndim, ndim = before + a->ndim - 1;
  for (int i = 0; i < ndim; i++) order[i] = i < axis ? before + i : i < axis + before ? i - axis : i;
  return mx_transpose(mx_squeeze(slices, MX_AXES(before + axis)), (mx_ints){order, ndim});
}

mx_array mx_take(mx_array a, mx_array indices, int axis) {
  if (!mxi_usable2("take", a, indices) || mxi_check_indices("take", indices) < 0) return MX_BAD;
  axis = mxi_axis("take", axis, a->ndim);
  if (axis < 0) return MX_BAD;
  if (a->dims[axis] == 0 && indices->size != 0)
    return mxi_bad(MX_INVALID_ARGUMENT, "[take] expected a non-empty axis to take from, got shape %s",
                   MXI_SHAPE_TEXT(a));
  if (indices->size == 0 && a->dims[axis] == 0) { /* no slice of size 1 exists, and none is needed */
    int64_t shape[MX_MAX_NDIM], at = 0;
    if (indices->ndim + a->ndim - 1 > MX_MAX_NDIM)
      return mxi_bad(MX_INVALID_ARGUMENT, "[take] expected at most %d dimensions, got more", MX_MAX_NDIM);
    for (int i = 0; i < a->ndim; i++) {
      if (i != axis) shape[at++] = a->dims[i];
      for (int k = 0; i == axis && k < indices->ndim; k++) shape[at++] = indices->dims[k];
    }
    return mx_zeros((mx_ints){shape, (int)at}, mxi_dtype(a));
  }
  return MXI_COMPOSED(taken(a, indices, axis));
}

mx_array mx_take_flat(mx_array a, mx_array indices) {
  if (!mxi_usable2("take", a, indices)) return MX_BAD;
  return MXI_COMPOSED(mx_take(mx_reshape(a, MX_SHAPE(a->size)), indices, 0));
}

/* ---- Along one axis ---- indices have a's shape but for that axis ---- */
static mx_array gather_axis(mx_array a, mx_array indices, int axis) {
  struct mxi_p_GATHER_AXIS p = {.axis = axis};
  return mxi_apply(MXI_GATHER_AXIS, &p, 2, (mx_array[]){a, indices}, mxi_dtype(a), mxi_shape_of(indices));
}
static mx_array scatter_axis(mx_array a, mx_array indices, mx_array updates, int axis, int64_t mode) {
  struct mxi_p_SCATTER_AXIS p = {.axis = axis, .mode = mode};
  return mxi_apply(MXI_SCATTER_AXIS, &p, 3, (mx_array[]){a, updates, indices}, mxi_dtype(a), mxi_shape_of(a));
}

static int check_along(const char *op, mx_array a, mx_array *indices, int axis) {
  axis = mxi_axis(op, axis, a->ndim);
  if (axis < 0) return -1;
  if (mxi_dtype(*indices) == MX_BOOL) *indices = mx_astype(*indices, MX_UINT32);
  MXI_TRY(mxi_check_indices(op, *indices));
  if ((*indices)->ndim != a->ndim)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected indices of %d dimensions, as shape %s, got shape %s",
                    op, a->ndim, MXI_SHAPE_TEXT(a), MXI_SHAPE_TEXT(*indices));
  return axis;
}

/* The common shape of a and indices but for axis, in which *a and *indices keep their sizes. */
static int match_but_axis(const char *op, mx_array *a, mx_array *indices, int axis) {
  int64_t from[MX_MAX_NDIM], index[MX_MAX_NDIM], common[MX_MAX_NDIM];
  int ndim = (*a)->ndim;
  mxi_copy_ints(from, mxi_shape_of(*a));
  mxi_copy_ints(index, mxi_shape_of(*indices));
  from[axis] = index[axis] = 1;
  MXI_TRY(mxi_broadcast_shape(op, (mx_ints){from, ndim}, (mx_ints){index, ndim}, common));
  int64_t a_size = (*a)->dims[axis], index_size = (*indices)->dims[axis];
  common[axis] = a_size;
  *a = mx_broadcast_to(*a, (mx_ints){common, ndim});
  common[axis] = index_size;
  *indices = mx_broadcast_to(*indices, (mx_ints){common, ndim});
  return *a == MX_BAD || *indices == MX_BAD ? -1 : 0;
}

mx_array mx_take_along_axis(mx_array a, mx_array indices, int axis) {
  if (!mxi_usable2("take_along_axis", a, indices)) return MX_BAD;
  axis = check_along("take_along_axis", a, &indices, axis);
  if (axis < 0 || match_but_axis("take_along_axis", &a, &indices, axis) < 0) return MX_BAD;
  return gather_axis(a, indices, axis);
}

mx_array mx_put_along_axis(mx_array a, mx_array indices, mx_array values, int axis, mx_update_mode mode) {
  const char *op = "put_along_axis";
  if (!mxi_usable(op, 3, (mx_array[]){a, indices, values}) || !mxi_update_mode_ok(op, mode)) return MX_BAD;
  axis = check_along(op, a, &indices, axis);
  mx_array matched = a;
  if (axis < 0 || match_but_axis(op, &matched, &indices, axis) < 0) return MX_BAD;
  if (matched->size != a->size)
    return mxi_bad(MX_INVALID_ARGUMENT, "[%s] expected indices that broadcast to shape %s, got shape %s", op,
                   MXI_SHAPE_TEXT(a), MXI_SHAPE_TEXT(indices));
  values = MXI_NAMED(op, mx_broadcast_to(mx_astype(values, mxi_dtype(a)), mxi_shape_of(indices)));
  if (values == MX_BAD) return MX_BAD;
  return indices->size ? scatter_axis(a, indices, values, axis, (int64_t)mode) : mxi_itself(a);
}

MXI_VJP(GATHER_AXIS) {
  int axis = (int)MXI_PARAMS(GATHER_AXIS, n)->axis;
  mx_array zeros = mxi_zeros_like(n->inputs[0]);
  return mxi_only_grad(n, mx_put_along_axis(zeros, n->inputs[1], cotangents[0], axis, MX_UPDATE_ADD), grads);
}

static mx_array of_last_put(const mx_node *n, mx_array gu) {
  int axis = (int)MXI_PARAMS(SCATTER_AXIS, n)->axis;
  mx_array a = n->inputs[0], updates = n->inputs[1], indices = n->inputs[2];
  if (indices->dims[axis] <= 1) return gu;
  mx_array own = mx_broadcast_to(places(indices->dims[axis], axis, a->ndim), mxi_shape_of(updates));
  if (!mx_ok(own)) return MX_BAD;
  mx_array none = mxi_constant(0, mxi_dtype(own), mxi_shape_of(a)),
           set = scatter_axis(none, indices, own, axis, MXI_UPDATE_SET);
  return mx_where(mx_equal(gather_axis(set, indices, axis), own), gu, mx_like(gu, 0));
}

MXI_VJP(SCATTER_AXIS) {
  const struct mxi_p_SCATTER_AXIS *p = MXI_PARAMS(SCATTER_AXIS, n);
  mx_array a = n->inputs[0], updates = n->inputs[1], indices = n->inputs[2], g = cotangents[0];
  int axis = (int)p->axis;
  mxi_no_grads(n, grads);
  if (p->mode == MXI_UPDATE_MULTIPLY) return no_update_rule("put_along_axis", p->mode);
  bool chosen = p->mode != MXI_UPDATE_SET && p->mode != MXI_UPDATE_ADD;
  if (want[0]) {
    grads[0] = g;
    if (p->mode == MXI_UPDATE_SET)
      grads[0] = scatter_axis(g, indices, mxi_zeros_like(updates), axis, MXI_UPDATE_SET);
    if (chosen) grads[0] = mx_where(mx_equal(a, outputs[0]), g, mx_like(g, 0));
  }
  if (want[1]) {
    grads[1] = gather_axis(g, indices, axis);
    if (p->mode == MXI_UPDATE_SET) grads[1] = MXI_COMPOSED(of_last_put(n, grads[1]));
    if (chosen)
      grads[1] = mx_where(mx_equal(updates, gather_axis(outputs[0], indices, axis)), grads[1], mx_like(g, 0));
  }
  return mxi_grads_done(n, grads);
}
