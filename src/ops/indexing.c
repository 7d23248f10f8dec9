/* Parts of arrays by position: slices, gathers, and their updates. A gather's transpose is a scatter that
   adds, a slice's is padding. */
#include "core/reduce.h"
#include "ops/common.h"
#include "ops/rules.h"

_Static_assert((int)MX_UPDATE_MINIMUM == (int)MXI_UPDATE_MINIMUM,
               "public and core update modes are numbered alike");

/* ---- Slices ---- */
/* NumPy's rules for one axis of size n: start and step as walked, the number of elements. */
struct range {
  int64_t start, step, count;
};
static struct range clipped(int64_t n, int64_t start, int64_t stop, int64_t step) {
  if (start < 0) start += n;
  if (stop < 0) stop += n;
  int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
  start = mxi_max(low, mxi_min(start, high));
  stop = mxi_max(low, mxi_min(stop, high));
  if (step == INT64_MIN) step = -INT64_MAX;
  int64_t distance = step > 0 ? stop - start : start - stop, stride = step > 0 ? step : -step;
  int64_t count = distance > 0 ? 1 + (distance - 1) / stride : 0;
  return (struct range){count ? start : 0, count > 1 ? step : 1, count};
}

struct box {
  int ndim;
  int64_t start[MX_MAX_NDIM], step[MX_MAX_NDIM], shape[MX_MAX_NDIM];
  bool whole, plain; /* every element in order; every step 1 */
};
static int make_box(const char *op, mx_array a, mx_ints start, mx_ints stop, mx_ints step, struct box *b) {
  if (start.n != a->ndim || stop.n != a->ndim || step.n != a->ndim)
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[%s] expected %d starts, stops and steps for shape %s, got %d, %d and %d", op, a->ndim,
                    MXI_SHAPE_TEXT(a), start.n, stop.n, step.n);
  MXI_TRY(mxi_check_list(op, start));
  MXI_TRY(mxi_check_list(op, stop));
  MXI_TRY(mxi_check_list(op, step));
  b->ndim = a->ndim;
  b->whole = b->plain = true;
  for (int i = 0; i < a->ndim; i++) {
    if (step.v[i] == 0)
      return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected steps other than 0, got 0 for axis %d", op, i);
    struct range r = clipped(a->dims[i], start.v[i], stop.v[i], step.v[i]);
    b->start[i] = r.start;
    b->step[i] = r.step;
    b->shape[i] = r.count;
    b->plain = b->plain && r.step == 1;
    b->whole = b->whole && r.step == 1 && r.count == a->dims[i];
  }
  return 0;
}

static mx_array slice_box(mx_array a, const struct box *b) {
  mx_ints shape = {b->shape, b->ndim};
  if (b->whole) return mxi_itself(a);
  if (mxi_is_constant(a)) return mxi_own(mxi_array_fill(mxi_dtype(a), shape, &a->inline_value));
  struct mxi_p_SLICE p = {.start = {b->start, b->ndim}, .step = {b->step, b->ndim}};
  return mxi_apply(MXI_SLICE, &p, 1, &a, mxi_dtype(a), shape);
}

mx_array mx_slice(mx_array a, mx_ints start, mx_ints stop, mx_ints step) {
  struct box b;
  if (!mxi_usable1("slice", a) || make_box("slice", a, start, stop, step, &b) < 0) return MX_BAD;
  return slice_box(a, &b);
}

mx_array mx_flip(mx_array a, mx_ints axes) {
  if (!mxi_usable1("flip", a)) return MX_BAD;
  int64_t start[MX_MAX_NDIM], stop[MX_MAX_NDIM], step[MX_MAX_NDIM], flipped[MX_MAX_NDIM];
  int n = mxi_axes("flip", axes, a->ndim, flipped);
  if (n < 0) return MX_BAD;
  mxi_fill_ints(start, a->ndim, 0);
  mxi_fill_ints(step, a->ndim, 1);
  mxi_copy_ints(stop, mxi_shape_of(a));
  for (int i = 0; i < n; i++) {
    start[flipped[i]] = a->dims[flipped[i]] - 1;
    stop[flipped[i]] = INT64_MIN / 2;
    step[flipped[i]] = -1;
  }
  return mx_slice(a, (mx_ints){start, a->ndim}, (mx_ints){stop, a->ndim}, (mx_ints){step, a->ndim});
}

/* update with the dtype of a and exactly this shape; axes of size 1 in front of it are free. */
static mx_array fitted(mx_array update, mx_array a, mx_ints shape) {
  int extra = update->ndim - shape.n;
  for (int i = 0; i < extra; i++)
    if (update->dims[i] != 1) extra = 0;
  if (extra > 0) update = mx_reshape(update, (mx_ints){update->dims + extra, shape.n});
  return mx_broadcast_to(mx_astype(update, mxi_dtype(a)), shape);
}

static mx_array update_box(mx_array a, mx_array update, const struct box *b, int64_t mode) {
  mx_array in[] = {a, fitted(update, a, (mx_ints){b->shape, b->ndim})};
  if (in[1] == MX_BAD) return MX_BAD;
  if (in[1]->size == 0) return mxi_itself(a);
  if (b->whole && mode == MXI_UPDATE_SET) return in[1];
  struct mxi_p_SLICE_UPDATE p = {.start = {b->start, b->ndim}, .step = {b->step, b->ndim}, .mode = mode};
  return mxi_apply(MXI_SLICE_UPDATE, &p, 2, in, mxi_dtype(a), mxi_shape_of(a));
}

mx_array mx_slice_update(mx_array a, mx_array update, mx_ints start, mx_ints stop, mx_ints step,
                         mx_update_mode mode) {
  struct box b;
  if (!mxi_usable2("slice_update", a, update) || !mxi_update_mode_ok("slice_update", mode)) return MX_BAD;
  if (make_box("slice_update", a, start, stop, step, &b) < 0) return MX_BAD;
  return update_box(a, update, &b, (int64_t)mode);
}

static struct box box_of(mx_ints start, mx_ints step, mx_ints shape) {
  struct box b = {.ndim = start.n, .plain = true};
  mxi_copy_ints(b.start, start);
  mxi_copy_ints(b.step, step);
  mxi_copy_ints(b.shape, shape);
  for (int i = 0; i < b.ndim; i++) b.plain = b.plain && b.step[i] == 1;
  return b;
}

static mx_array slice_gradient(const mx_node *n, mx_array g) {
  mx_array a = n->inputs[0];
  struct box b = box_of(MXI_PARAMS(SLICE, n)->start, MXI_PARAMS(SLICE, n)->step, mxi_shape_of(g));
  if (g->size == 0 || !b.plain) return update_box(mxi_zeros_like(a), g, &b, MXI_UPDATE_SET);
  int64_t high[MX_MAX_NDIM];
  for (int i = 0; i < b.ndim; i++) high[i] = a->dims[i] - b.start[i] - b.shape[i];
  return mx_pad(g, (mx_ints){b.start, b.ndim}, (mx_ints){high, b.ndim}, MX_PAD_CONSTANT, NULL);
}
MXI_VJP(SLICE) { return mxi_only_grad(n, slice_gradient(n, cotangents[0]), grads); }
MXI_VMAP(SLICE) {
  int64_t start[MXI_BATCH_NDIM], step[MXI_BATCH_NDIM];
  struct mxi_p_SLICE p = {.start = mxi_batch_prefixed(0, MXI_PARAMS(SLICE, n)->start, start),
                          .step = mxi_batch_prefixed(1, MXI_PARAMS(SLICE, n)->step, step)};
  return mxi_batch_apply(n, b, &p, NULL);
}

/* ---- The derivative of an update ---- the part `old` of a became mode(old, new) ----
   ga replaces the cotangent g of that part in a's gradient (NULL: it stays as it is); gu is the update's
   gradient. */
static void update_gradients(int64_t mode, mx_array g, mx_array old, mx_array new, mx_array *ga,
                             mx_array *gu) {
  mx_array zero = mx_like(g, 0);
  *ga = NULL;
  *gu = g;
  if (mode == MXI_UPDATE_SET)
    *ga = zero;
  else if (mode == MXI_UPDATE_MULTIPLY)
    *ga = mx_multiply(g, mx_conjugate(new)), *gu = mx_multiply(g, mx_conjugate(old));
  else if (mode != MXI_UPDATE_ADD) {
    mx_array kept = mode == MXI_UPDATE_MAXIMUM ? mx_greater(old, new) : mx_less(old, new);
    *ga = mx_where(kept, g, zero);
    *gu = mx_where(kept, zero, g);
  }
}

MXI_VJP(SLICE_UPDATE) {
  const struct mxi_p_SLICE_UPDATE *p = MXI_PARAMS(SLICE_UPDATE, n);
  mx_array update = n->inputs[1], g = cotangents[0], ga, gu;
  struct box b = box_of(p->start, p->step, mxi_shape_of(update));
  update_gradients(p->mode, slice_box(g, &b), slice_box(n->inputs[0], &b), update, &ga, &gu);
  mxi_no_grads(n, grads);
  if (want[0]) grads[0] = ga ? (ga == MX_BAD ? ga : update_box(g, ga, &b, MXI_UPDATE_SET)) : g;
  if (want[1]) grads[1] = gu;
  return mxi_grads_done(n, grads);
}

MXI_VMAP(SLICE_UPDATE) {
  struct mxi_p_SLICE_UPDATE p = *MXI_PARAMS(SLICE_UPDATE, n);
  int64_t start[MXI_BATCH_NDIM], step[MXI_BATCH_NDIM];
  p.start = mxi_batch_prefixed(0, p.start, start);
  p.step = mxi_batch_prefixed(1, p.step, step);
  return mxi_batch_apply(n, b, &p, NULL);
}

/* ---- Slices whose start is data ---- */

/* axes in [0, ndim), distinct, in the order given. */
static int axes_in_order(const char *op, mx_ints axes, int ndim, int64_t *out) {
  int64_t sorted[MX_MAX_NDIM];
  if (axes.n < 0) return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a list of axes, got none", op);
  MXI_TRY(mxi_axes(op, axes, ndim, sorted));
  for (int i = 0; i < axes.n; i++) out[i] = axes.v[i] < 0 ? axes.v[i] + ndim : axes.v[i];
  return 0;
}

static int check_start(const char *op, mx_array start, mx_ints axes) {
  MXI_TRY(mxi_check_indices(op, start));
  if (start->ndim <= 1 && start->size == axes.n) return 0;
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a start for each of %d axes, got shape %s", op, axes.n,
                  MXI_SHAPE_TEXT(start));
}

static mx_array dynamic_slice(mx_array a, mx_array start, mx_ints axes, mx_ints size) {
  struct mxi_p_DYNAMIC_SLICE p = {.axes = axes};
  return mxi_apply(MXI_DYNAMIC_SLICE, &p, 2, (mx_array[]){a, mx_reshape(start, MX_SHAPE(axes.n))},
                   mxi_dtype(a), size);
}

mx_array mx_dynamic_slice(mx_array a, mx_array start, mx_ints axes, mx_ints slice_size) {
  if (!mxi_usable2("dynamic_slice", a, start)) return MX_BAD;
  int64_t order[MX_MAX_NDIM];
  if (axes_in_order("dynamic_slice", axes, a->ndim, order) < 0 ||
      check_start("dynamic_slice", start, axes) < 0)
    return MX_BAD;
  bool fits = slice_size.n == a->ndim && (slice_size.v || !a->ndim);
  for (int i = 0; fits && i < a->ndim; i++) fits = slice_size.v[i] >= 0 && slice_size.v[i] <= a->dims[i];
  if (!fits)
    return mxi_bad(MX_INVALID_ARGUMENT, "[dynamic_slice] expected a slice within shape %s, got %s",
                   MXI_SHAPE_TEXT(a), mxi_shape_text(slice_size).s);
  return dynamic_slice(a, start, (mx_ints){order, axes.n}, slice_size);
}

static mx_array dynamic_update(mx_array a, mx_array update, mx_array start, mx_ints axes) {
  struct mxi_p_DYNAMIC_SLICE_UPDATE p = {.axes = axes};
  mx_array in[] = {a, update, mx_reshape(start, MX_SHAPE(axes.n))};
  return mxi_apply(MXI_DYNAMIC_SLICE_UPDATE, &p, 3, in, mxi_dtype(a), mxi_shape_of(a));
}

mx_array mx_dynamic_slice_update(mx_array a, mx_array update, mx_array start, mx_ints axes) {
  if (!mxi_usable("dynamic_slice_update", 3, (mx_array[]){a, update, start})) return MX_BAD;
  const char *op = "dynamic_slice_update";
  int64_t order[MX_MAX_NDIM], dims[MX_MAX_NDIM];
  if (axes_in_order(op, axes, a->ndim, order) < 0 || check_start(op, start, axes) < 0) return MX_BAD;
  /* Axes that the update lacks in front have size 1. */
  mxi_fill_ints(dims, a->ndim, 1);
  bool fits = update->ndim <= a->ndim;
  for (int i = 0; fits && i < update->ndim; i++) {
    int at = i + a->ndim - update->ndim;
    dims[at] = update->dims[i];
    fits = dims[at] <= a->dims[at];
  }
  if (!fits)
    return mxi_bad(MX_INVALID_ARGUMENT, "[%s] expected an update within shape %s, got %s", op,
                   MXI_SHAPE_TEXT(a), MXI_SHAPE_TEXT(update));
  update = mx_reshape(mx_astype(update, mxi_dtype(a)), (mx_ints){dims, a->ndim});
  return dynamic_update(a, update, start, (mx_ints){order, axes.n});
}

MXI_VJP(DYNAMIC_SLICE) {
  mx_array zeros = mxi_zeros_like(n->inputs[0]);
  return mxi_only_grad(
      n, dynamic_update(zeros, cotangents[0], n->inputs[1], MXI_PARAMS(DYNAMIC_SLICE, n)->axes), grads);
}
MXI_VJP(DYNAMIC_SLICE_UPDATE) {
  mx_ints axes = MXI_PARAMS(DYNAMIC_SLICE_UPDATE, n)->axes;
  mx_array update = n->inputs[1], start = n->inputs[2], g = cotangents[0];
  mxi_no_grads(n, grads);
  if (want[0]) grads[0] = dynamic_update(g, mxi_zeros_like(update), start, axes);
  if (want[1]) grads[1] = dynamic_slice(g, start, axes, mxi_shape_of(update));
  return mxi_grads_done(n, grads);
}

/* Where the starts differ in the batch, the slices are gathered: the place of each element's slice along axes
   0 (the batch, unless a has none), axes[0] + 1 ..., clamped as the plain slice does. Fills indices and
   order; their number. */
static int slice_places(mx_array a, bool batched, mx_array starts, mx_ints axes, const int64_t *slice,
                        int64_t size, mx_array *indices, int64_t *order) {
  int count = 0;
  if (batched) order[count] = 0, indices[count++] = mx_arange(0, (double)size, 1, MX_INT64);
  if (mxi_dtype(starts) == MX_UINT64) starts = mx_minimum(starts, mx_scalar_int(INT64_MAX, MX_UINT64));
  starts = mx_astype(starts, MX_INT64);
  for (int i = 0; i < axes.n; i++) {
    int64_t axis = axes.v[i], last = a->dims[axis + batched] - slice[axis];
    mx_array column = mx_slice(starts, MX_SHAPE(0, i), MX_SHAPE(size, i + 1), MX_SHAPE(1, 1));
    column = mx_clip(column, mx_scalar_int(0, MX_INT64), mx_scalar_int(last, MX_INT64));
    order[count] = axis + batched;
    indices[count++] = mx_reshape(column, MX_SHAPE(size));
  }
  return count;
}

static mx_array gathered_slices(const mx_node *n, const struct mxi_batch *b) {
  mx_ints axes = MXI_PARAMS(DYNAMIC_SLICE, n)->axes, slice = b->outputs[0].shape;
  mx_array indices[MXI_BATCH_NDIM];
  int64_t order[MXI_BATCH_NDIM], sizes[MXI_BATCH_NDIM], shape[MXI_BATCH_NDIM];
  bool batched = b->batched[0];
  int count = slice_places(b->in[0], batched, b->in[1], axes, slice.v, b->size, indices, order);
  mx_array slices = mx_gather(b->in[0], count, indices, (mx_ints){order, count},
                              batched ? mxi_batch_prefixed(1, slice, sizes) : slice);
  return mx_reshape(slices, mxi_batch_shape(b, slice, shape));
}
MXI_VMAP(DYNAMIC_SLICE) {
  int64_t axes[MXI_BATCH_NDIM];
  if (b->batched[1]) return mxi_batch_done(b, MXI_COMPOSED(gathered_slices(n, b)));
  struct mxi_p_DYNAMIC_SLICE p = {.axes = mxi_batch_shifted(MXI_PARAMS(DYNAMIC_SLICE, n)->axes, axes)};
  return mxi_batch_apply(n, b, &p, b->in);
}

static mx_array scattered_slices(const mx_node *n, const struct mxi_batch *b) {
  mx_ints axes = MXI_PARAMS(DYNAMIC_SLICE_UPDATE, n)->axes, slice = mxi_shape_of(n->inputs[1]);
  mx_array indices[MXI_BATCH_NDIM], a = mxi_batch_repeated(b, 0);
  int64_t order[MXI_BATCH_NDIM], sizes[MXI_BATCH_NDIM], shape[MXI_BATCH_NDIM + 1];
  if (a == MX_BAD) return MX_BAD;
  int count = slice_places(a, true, b->in[2], axes, slice.v, b->size, indices, order);
  mx_ints wide = mxi_batch_prefixed(1, slice, sizes);
  mx_array updates = mx_reshape(mxi_batch_repeated(b, 1), mxi_batch_prefixed(b->size, wide, shape));
  return mx_scatter(a, count, indices, updates, (mx_ints){order, count}, MX_UPDATE_SET);
}
MXI_VMAP(DYNAMIC_SLICE_UPDATE) {
  int64_t axes[MXI_BATCH_NDIM];
  if (b->batched[2]) return mxi_batch_done(b, MXI_COMPOSED(scattered_slices(n, b)));
  struct mxi_p_DYNAMIC_SLICE_UPDATE p = {
      .axes = mxi_batch_shifted(MXI_PARAMS(DYNAMIC_SLICE_UPDATE, n)->axes, axes)};
  mx_array in[] = {mxi_batch_repeated(b, 0), mxi_batch_repeated(b, 1), b->in[2]};
  return mxi_batch_apply(n, b, &p, in);
}
