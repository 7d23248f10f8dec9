/* Views: other shapes, orders and parts of the same elements. Each is linear, so its vjp is its transpose: a
   view back, or a sum where elements were repeated. An op whose result equals its input makes no node. */
#include "ops/common.h"
#include "ops/rules.h"

static mx_array view_node(int prim, const void *params, mx_array a, mx_ints shape) {
  return mxi_apply(prim, params, 1, &a, mxi_dtype(a), shape);
}
/* One repeated element in another shape: no node. */
static mx_array constant_of_shape(mx_array a, mx_ints shape) {
  return mxi_own(mxi_array_fill(mxi_dtype(a), shape, &a->inline_value));
}

/* ---- Reshape ---- the same elements in row-major order ---- */
mx_array mxi_reshape_to(mx_array a, mx_ints shape) {
  if (mxi_ints_equal(mxi_shape_of(a), shape)) return mxi_itself(a);
  if (mxi_is_constant(a)) return constant_of_shape(a, shape);
  return view_node(MXI_RESHAPE, NULL, a, shape);
}

static mx_array cannot_reshape(const char *op, mx_array a, mx_ints shape) {
  return mxi_bad(MX_INVALID_ARGUMENT,
                 "[%s] expected a shape of %lld elements for an array of shape %s, got %s", op,
                 (long long)a->size, MXI_SHAPE_TEXT(a), mxi_shape_text(shape).s);
}

/* Copies shape, with its -1 (at most one) inferred from `size` elements; -1 when it doesn't fit. */
static int infer_shape(mx_ints shape, int64_t size, int64_t *out) {
  if (shape.n < 0 || shape.n > MX_MAX_NDIM || (shape.n && !shape.v)) return -1;
  int inferred = -1;
  int64_t known = 1;
  for (int i = 0; i < shape.n; i++) {
    out[i] = shape.v[i];
    if (shape.v[i] == -1) {
      if (inferred >= 0) return -1;
      inferred = i;
    } else if (shape.v[i] < 0 || !mxi_mul(known, shape.v[i], &known))
      return -1;
  }
  if (inferred < 0) return known == size ? 0 : -1;
  if (known == 0 || size % known) return -1;
  out[inferred] = size / known;
  return 0;
}

mx_array mx_reshape(mx_array a, mx_ints shape) {
  if (!mxi_usable1("reshape", a)) return MX_BAD;
  int64_t dims[MX_MAX_NDIM];
  if (infer_shape(shape, a->size, dims) < 0) return cannot_reshape("reshape", a, shape);
  if (mxi_follows(a))
    for (int i = 0; i < shape.n; i++)
      if (shape.v[i] == -1) return mxi_reshape_as(a, NULL, shape.v, shape.n);
  return mxi_reshape_to(a, (mx_ints){dims, shape.n});
}

/* The output's gradient in the input's shape: of every view that keeps the row-major order. */
MXI_VJP(RESHAPE) { return mxi_only_grad(n, mxi_reshape_like(cotangents[0], n->inputs[0]), grads); }

mx_array mx_flatten(mx_array a, int start_axis, int end_axis) {
  if (!mxi_usable1("flatten", a)) return MX_BAD;
  if (a->ndim == 0) return mxi_reshape_to(a, MX_SHAPE(1));
  /* Axes beyond the ends mean the ends. */
  int start = (int)mxi_max(0, start_axis < 0 ? start_axis + a->ndim : start_axis);
  int end = (int)mxi_min(a->ndim - 1, end_axis < 0 ? end_axis + a->ndim : end_axis);
  if (start > end)
    return mxi_bad(MX_INVALID_ARGUMENT, "[flatten] expected start_axis <= end_axis, got %d and %d",
                   start_axis, end_axis);
  int64_t dims[MX_MAX_NDIM];
  int ndim = 0;
  for (int i = 0; i < a->ndim; i += i == start ? end - start + 1 : 1)
    dims[ndim++] = MXI_AXES_OF(i, i == start ? end - start + 1 : 1);
  return mxi_reshape_as(a, NULL, dims, ndim);
}

mx_array mx_unflatten(mx_array a, int axis, mx_ints shape) {
  if (!mxi_usable1("unflatten", a)) return MX_BAD;
  axis = mxi_axis("unflatten", axis, a->ndim);
  if (axis < 0) return MX_BAD;
  int64_t part[MX_MAX_NDIM], dims[MX_MAX_NDIM];
  int ndim = shape.n > MX_MAX_NDIM ? shape.n : a->ndim - 1 + shape.n;
  if (shape.n <= 0 || shape.n > MX_MAX_NDIM || ndim > MX_MAX_NDIM ||
      infer_shape(shape, a->dims[axis], part) < 0)
    return mxi_bad(MX_INVALID_ARGUMENT, "[unflatten] expected a shape of %lld elements for axis %d, got %s",
                   (long long)a->dims[axis], axis, mxi_shape_text(shape).s);
  for (int i = 0; i < ndim; i++)
    dims[i] = i < axis             ? MXI_AXES_OF(i, 1)
              : i < axis + shape.n ? (mxi_follows(a) ? shape : (mx_ints){part, shape.n}).v[i - axis]
                                   : MXI_AXES_OF(i - shape.n + 1, 1);
  return mxi_reshape_as(a, NULL, dims, ndim);
}

mx_array mx_squeeze(mx_array a, mx_ints axes) {
  if (!mxi_usable1("squeeze", a)) return MX_BAD;
  int64_t drop[MX_MAX_NDIM], dims[MX_MAX_NDIM];
  int n = mxi_axes("squeeze", axes, a->ndim, drop), ndim = 0, at = 0;
  if (n < 0) return MX_BAD;
  for (int i = 0; i < a->ndim; i++) {
    bool named = at < n && drop[at] == i;
    at += named;
    if (named && a->dims[i] == 1) continue;
    if (named && axes.n >= 0)
      return mxi_bad(MX_INVALID_ARGUMENT, "[squeeze] expected axis %d of size 1, got shape %s", i,
                     MXI_SHAPE_TEXT(a));
    dims[ndim++] = MXI_AXES_OF(i, 1);
  }
  return mxi_reshape_as(a, NULL, dims, ndim);
}

mx_array mx_expand_dims(mx_array a, mx_ints axes) {
  if (!mxi_usable1("expand_dims", a)) return MX_BAD;
  if (axes.n < 0 || axes.n > MX_MAX_NDIM - a->ndim)
    return mxi_bad(MX_INVALID_ARGUMENT, "[expand_dims] expected at most %d new dimensions, got %d",
                   MX_MAX_NDIM - a->ndim, axes.n);
  int64_t added[MX_MAX_NDIM], dims[MX_MAX_NDIM];
  int ndim = a->ndim + axes.n, n = mxi_axes("expand_dims", axes, ndim, added), at = 0;
  if (n < 0) return MX_BAD;
  for (int i = 0; i < ndim; i++) {
    bool is_new = at < n && added[at] == i;
    dims[i] = is_new ? 1 : MXI_AXES_OF(i - at, 1);
    at += is_new;
  }
  return mxi_reshape_as(a, NULL, dims, ndim);
}

/* ---- Transpose ---- */
/* Output axis i is input axis order[i]. */
static mx_array permuted(mx_array a, const int64_t *order) {
  int64_t dims[MX_MAX_NDIM];
  bool same = true;
  for (int i = 0; i < a->ndim; i++) {
    dims[i] = a->dims[order[i]];
    same = same && order[i] == i;
  }
  if (same) return mxi_itself(a);
  if (mxi_is_constant(a)) return constant_of_shape(a, (mx_ints){dims, a->ndim});
  struct mxi_p_TRANSPOSE p = {.axes = {order, a->ndim}};
  return view_node(MXI_TRANSPOSE, &p, a, (mx_ints){dims, a->ndim});
}

mx_array mx_transpose(mx_array a, mx_ints axes) {
  if (!mxi_usable1("transpose", a)) return MX_BAD;
  int64_t order[MX_MAX_NDIM];
  if (axes.n >= 0 && axes.n != a->ndim)
    return mxi_bad(MX_INVALID_ARGUMENT, "[transpose] expected %d axes for shape %s, got %d", a->ndim,
                   MXI_SHAPE_TEXT(a), axes.n);
  if (axes.n >= 0 && mxi_axes("transpose", axes, a->ndim, order) < 0) return MX_BAD;
  for (int i = 0; i < a->ndim; i++) {
    int64_t axis = axes.n < 0 ? a->ndim - 1 - i : axes.v[i];
    order[i] = axis < 0 ? axis + a->ndim : axis;
  }
  return permuted(a, order);
}

MXI_VJP(TRANSPOSE) {
  mx_ints axes = MXI_PARAMS(TRANSPOSE, n)->axes;
  int64_t inverse[MX_MAX_NDIM];
  for (int i = 0; i < axes.n; i++) inverse[axes.v[i]] = i;
  return mxi_only_grad(n, permuted(cotangents[0], inverse), grads);
}
MXI_VMAP(TRANSPOSE) {
  int64_t axes[MXI_BATCH_NDIM], order[MXI_BATCH_NDIM];
  mx_ints shifted = mxi_batch_shifted(MXI_PARAMS(TRANSPOSE, n)->axes, axes);
  return mxi_batch_done(b, mx_transpose(b->in[0], mxi_batch_prefixed(0, shifted, order)));
}

mx_array mx_swapaxes(mx_array a, int axis1, int axis2) {
  if (!mxi_usable1("swapaxes", a)) return MX_BAD;
  int i = mxi_axis("swapaxes", axis1, a->ndim), j = i < 0 ? -1 : mxi_axis("swapaxes", axis2, a->ndim);
  if (j < 0) return MX_BAD;
  int64_t order[MX_MAX_NDIM];
  for (int k = 0; k < a->ndim; k++) order[k] = k == i ? j : k == j ? i : k;
  return permuted(a, order);
}

mx_array mx_moveaxis(mx_array a, int source, int destination) {
  if (!mxi_usable1("moveaxis", a)) return MX_BAD;
  int from = mxi_axis("moveaxis", source, a->ndim),
      to = from < 0 ? -1 : mxi_axis("moveaxis", destination, a->ndim);
  if (to < 0) return MX_BAD;
  int64_t order[MX_MAX_NDIM];
  for (int i = 0, next = 0; i < a->ndim; i++) {
    if (next == from) next++;
    order[i] = i == to ? from : next++;
  }
  return permuted(a, order);
}

/* ---- Broadcast ---- */
mx_array mx_broadcast_to(mx_array a, mx_ints shape) {
  if (!mxi_usable1("broadcast_to", a) || mxi_check_list("broadcast_to", shape) < 0) return MX_BAD;
  if (mxi_ints_equal(mxi_shape_of(a), shape)) return mxi_itself(a);
  int64_t common[MX_MAX_NDIM];
  if (mxi_check_shape("broadcast_to", shape, NULL) < 0) return MX_BAD;
  if (shape.n < a->ndim || mxi_broadcast_shape("broadcast_to", mxi_shape_of(a), shape, common) < 0 ||
      !mxi_ints_equal((mx_ints){common, shape.n}, shape))
    return mxi_bad(MX_INVALID_ARGUMENT, "[broadcast_to] expected a shape that %s broadcasts to, got %s",
                   MXI_SHAPE_TEXT(a), mxi_shape_text(shape).s);
  if (mxi_is_constant(a)) return constant_of_shape(a, shape);
  return view_node(MXI_BROADCAST, NULL, a, shape);
}

MXI_VJP(BROADCAST) { return mxi_only_grad(n, mxi_unbroadcast(cotangents[0], n->inputs[0]), grads); }
MXI_VMAP(BROADCAST) {
  int64_t shape[MXI_BATCH_NDIM];
  mx_ints wide = mxi_batch_shape(b, b->outputs[0].shape, shape);
  return mxi_batch_done(b, MXI_COMPOSED(mx_broadcast_to(mxi_batch_aligned(b, 0, wide.n - 1), wide)));
}

int mx_broadcast_arrays(int n, const mx_array *arrays, mx_array *out) {
  return mxi_broadcast_all("broadcast_arrays", n, arrays, out);
}

/* ---- Memory layout ---- */
mx_array mx_contiguous(mx_array a, bool allow_col_major) {
  if (!mxi_usable1("contiguous", a)) return MX_BAD;
  struct mxi_p_CONTIGUOUS p = {.allow_col_major = allow_col_major};
  return view_node(MXI_CONTIGUOUS, &p, a, mxi_shape_of(a));
}
MXI_VJP(CONTIGUOUS) { return mxi_only_grad(n, cotangents[0], grads); }
MXI_VJP(IDENTITY) { return mxi_only_grad(n, cotangents[0], grads); }

/* Do all elements that shape and strides reach lie in [0, size)? */
static bool strided_in_bounds(mx_ints shape, mx_ints strides, int64_t offset, int64_t size) {
  int64_t low = offset, high = offset;
  for (int i = 0; i < shape.n; i++) {
    int64_t reach;
    if (shape.v[i] == 0) return true;
    if (!mxi_mul(shape.v[i] - 1, strides.v[i], &reach)) return false;
    int64_t *end = reach < 0 ? &low : &high;
    if (!mxi_add(*end, reach, end)) return false;
  }
  return low >= 0 && high < size;
}

mx_array mx_as_strided(mx_array a, mx_ints shape, mx_ints strides, int64_t offset) {
  if (!mxi_usable1("as_strided", a)) return MX_BAD;
  if (mxi_check_shape("as_strided", shape, NULL) < 0 || mxi_check_list("as_strided", strides) < 0)
    return MX_BAD;
  if (strides.n != shape.n)
    return mxi_bad(MX_INVALID_ARGUMENT, "[as_strided] expected %d strides for shape %s, got %d", shape.n,
                   mxi_shape_text(shape).s, strides.n);
  if (!strided_in_bounds(shape, strides, offset, a->size))
    return mxi_bad(
        MX_INVALID_ARGUMENT,
        "[as_strided] expected elements within the %lld of shape %s, got shape %s, strides %s, offset %lld",
        (long long)a->size, MXI_SHAPE_TEXT(a), mxi_shape_text(shape).s, mxi_shape_text(strides).s,
        (long long)offset);
  bool empty = false;
  for (int i = 0; i < shape.n; i++) empty |= shape.v[i] == 0;
  struct mxi_p_AS_STRIDED p = {.strides = strides, .offset = empty ? 0 : offset}; // no element lies anywhere
  return view_node(MXI_AS_STRIDED, &p, a, shape);
}

/* Each output element's gradient is added to the input element it was read from: flat index offset + sum i_k
 * stride_k. */
static mx_array as_strided_gradient(const mx_node *n, mx_array g) {
  const struct mxi_p_AS_STRIDED *p = MXI_PARAMS(AS_STRIDED, n);
  mx_array a = n->inputs[0], place = mx_scalar_int(p->offset, MX_INT64);
  for (int i = 0; i < g->ndim; i++) {
    int64_t shape[MX_MAX_NDIM];
    mxi_fill_ints(shape, g->ndim - i, 1);
    shape[0] = g->dims[i];
    mx_array index = mx_reshape(mx_arange(0, (double)g->dims[i], 1, MX_INT64), (mx_ints){shape, g->ndim - i});
    place = mx_add(place, mx_multiply(index, mx_scalar_int(p->strides.v[i], MX_INT64)));
  }
  mx_array flat = mx_zeros(MX_SHAPE(a->size), mxi_dtype(a));
  mx_array updates = mx_reshape(g, MX_SHAPE(g->size, 1));
  place = mx_reshape(mx_broadcast_to(place, mxi_shape_of(g)), MX_SHAPE(g->size));
  return mx_reshape(mx_scatter(flat, 1, &place, updates, MX_AXES(0), MX_UPDATE_ADD), mxi_shape_of(a));
}
MXI_VJP(AS_STRIDED) { return mxi_only_grad(n, MXI_COMPOSED(as_strided_gradient(n, cotangents[0])), grads); }
/* One element's row-major input follows the other's. */
MXI_VMAP(AS_STRIDED) {
  const struct mxi_p_AS_STRIDED *p = MXI_PARAMS(AS_STRIDED, n);
  int64_t shape[MXI_BATCH_NDIM], strides[MXI_BATCH_NDIM];
  mx_ints wide = mxi_batch_shape(b, b->outputs[0].shape, shape);
  mx_ints steps = mxi_batch_prefixed(n->inputs[0]->size, p->strides, strides);
  return mxi_batch_done(b, mx_as_strided(b->in[0], wide, steps, p->offset));
}

/* Any byte but 0 is true. */
static mx_array view_as_bool(mx_array a) {
  return mx_not_equal(mx_view(a, MX_UINT8), mx_scalar_int(0, MX_UINT8));
}

mx_array mx_view(mx_array a, mx_dtype t) {
  if (!mxi_usable1("view", a)) return MX_BAD;
  if ((unsigned)t >= MX_DTYPE_COUNT)
    return mxi_bad(MX_INVALID_ARGUMENT, "[view] expected a dtype, got %d", (int)t);
  if (t == mxi_dtype(a)) return mxi_itself(a);
  if (t == MX_BOOL) return MXI_COMPOSED(view_as_bool(a));
  int64_t from = (int64_t)mxi_itemsize(a), to = (int64_t)mx_dtype_size(t), dims[MX_MAX_NDIM], bytes = from;
  mxi_copy_ints(dims, mxi_shape_of(a));
  if (from != to) {
    if (a->ndim == 0 || !mxi_mul(dims[a->ndim - 1], from, &bytes) || bytes % to)
      return mxi_bad(MX_INVALID_ARGUMENT,
                     "[view] expected a last axis of a multiple of %lld bytes, got %s of shape %s",
                     (long long)to, mx_dtype_name(mxi_dtype(a)), MXI_SHAPE_TEXT(a));
    dims[a->ndim - 1] = bytes / to;
  }
  return mxi_apply(MXI_VIEW, NULL, 1, &a, t, (mx_ints){dims, a->ndim});
}

/* ---- Diagonals ---- */
/* The diagonal of the last two axes (.., R, C), from row r and column c on, `length` elements: in the
   flattened (R * C) its elements are C + 1 apart. */
static mx_array last_axes_diagonal(mx_array a, int64_t r, int64_t c, int64_t length) {
  int64_t columns = mx_dim(a, -1), start[MX_MAX_NDIM], stop[MX_MAX_NDIM], step[MX_MAX_NDIM];
  mx_array flat = mx_flatten(a, -2, -1);
  if (!mx_ok(flat)) return MX_BAD;
  mxi_copy_ints(stop, mxi_shape_of(flat));
  mxi_fill_ints(start, flat->ndim, 0);
  mxi_fill_ints(step, flat->ndim, 1);
  int last = flat->ndim - 1;
  start[last] = length ? r * columns + c : 0;
  step[last] = columns + 1;
  stop[last] = length ? start[last] + (length - 1) * step[last] + 1 : 0;
  return mx_slice(flat, (mx_ints){start, last + 1}, (mx_ints){stop, last + 1}, (mx_ints){step, last + 1});
}

mx_array mx_diagonal(mx_array a, int64_t offset, int axis1, int axis2) {
  if (!mxi_usable1("diagonal", a)) return MX_BAD;
  if (a->ndim < 2)
    return mxi_bad(MX_INVALID_ARGUMENT, "[diagonal] expected at least 2 dimensions, got shape %s",
                   MXI_SHAPE_TEXT(a));
  int i = mxi_axis("diagonal", axis1, a->ndim), j = i < 0 ? -1 : mxi_axis("diagonal", axis2, a->ndim);
  if (j < 0) return MX_BAD;
  if (i == j) return mxi_bad(MX_INVALID_ARGUMENT, "[diagonal] expected two axes, got axis %d twice", i);
  int64_t rows = a->dims[i], columns = a->dims[j], order[MX_MAX_NDIM];
  int64_t r = offset < 0 ? (offset < -rows ? rows : -offset) : 0,
          c = offset > 0 ? mxi_min(offset, columns) : 0;
  int64_t length = mxi_max(0, mxi_min(rows - r, columns - c));
  return MXI_COMPOSED(last_axes_diagonal(mxi_axes_last(a, 2, (int64_t[]){i, j}, order), r, c, length));
}

/* A square matrix with a (n) on diagonal k: a padded to rows of n + |k| + 1, read as rows of n + |k|. */
static mx_array diagonal_matrix(mx_array a, int64_t k) {
  int64_t n = a->size, side = n + (k < 0 ? -k : k), row = k < 0 ? -k : 0, column = k > 0 ? k : 0;
  if (n == 0) return mx_zeros(MX_SHAPE(side, side), mxi_dtype(a));
  mx_array spread =
      mx_pad(mx_reshape(a, MX_SHAPE(n, 1)), MX_SHAPE(0, 0), MX_SHAPE(0, side), MX_PAD_CONSTANT, NULL);
  int64_t before = row * side + column, whole = side * side, have = n * (side + 1);
  mx_array flat = mx_reshape(spread, MX_SHAPE(have));
  int64_t keep = mxi_min(have, whole - before);
  flat = mx_slice(flat, MX_SHAPE(0), MX_SHAPE(keep), MX_SHAPE(1));
  return mx_reshape(mx_pad(flat, MX_SHAPE(before), MX_SHAPE(whole - before - keep), MX_PAD_CONSTANT, NULL),
                    MX_SHAPE(side, side));
}

mx_array mx_diag(mx_array a, int64_t k) {
  if (!mxi_usable1("diag", a)) return MX_BAD;
  if (a->ndim == 2) return mx_diagonal(a, k, 0, 1);
  if (a->ndim != 1)
    return mxi_bad(MX_INVALID_ARGUMENT, "[diag] expected 1 or 2 dimensions, got shape %s", MXI_SHAPE_TEXT(a));
  int64_t side, whole;
  if (k == INT64_MIN || !mxi_add(a->size, k < 0 ? -k : k, &side) || !mxi_mul(side + 1, side + 1, &whole))
    return mxi_bad(MX_INVALID_ARGUMENT, "[diag] expected a matrix below 2^63 elements, got diagonal %lld",
                   (long long)k);
  return MXI_COMPOSED(diagonal_matrix(a, k));
}
