/* Products of matrices chosen by flat indices into the batches of both operands. No matrix is copied: a
   GATHER_MM node has the indices as inputs. Its derivatives sum what comes back to the same matrix. */
#include "ops/common.h"
#include "ops/products.h"
#include "ops/rules.h"

bool mxi_real_floats(const char *op, mx_array a, mx_array b) {
  mx_dtype t = mx_promote_types(mxi_dtype(a), mxi_dtype(b));
  if (mxi_is_float(t)) return true;
  mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected real floating point dtypes, got %s and %s", op,
           mx_dtype_name(mxi_dtype(a)), mx_dtype_name(mxi_dtype(b)));
  return false;
}
bool mxi_inner_dims_match(const char *op, mx_array a, mx_array b) {
  if (a->ndim && b->ndim && mx_dim(a, -1) == mx_dim(b, b->ndim == 1 ? 0 : -2)) return true;
  mxi_fail(MX_INVALID_ARGUMENT,
           "[%s] expected the last axis of the first to match the second last of the second, got shapes %s "
           "and %s",
           op, MXI_SHAPE_TEXT(a), MXI_SHAPE_TEXT(b));
  return false;
}

/* ---- Choices ---- */
static mx_ints batch_of(mx_array a) { return (mx_ints){a->dims, a->ndim - 2}; }
static mx_ints places_of(mx_array a, mx_array indices) {
  return indices ? mxi_shape_of(indices) : batch_of(a);
}
static int64_t matrices_of(mx_array a) {
  int64_t n = 1;
  for (int i = 0; i < a->ndim - 2; i++) n *= a->dims[i];
  return n;
}

bool mxi_choice_ok(const char *op, struct mxi_choice of) {
  return (!of.lhs || mxi_check_indices(op, of.lhs) == 0) && (!of.rhs || mxi_check_indices(op, of.rhs) == 0);
}

int mxi_chosen_shape(const char *op, mx_array a, mx_array b, struct mxi_choice of, int64_t rows,
                     int64_t columns, int64_t *out) {
  int n = mxi_broadcast_shape(op, places_of(a, of.lhs), places_of(b, of.rhs), out);
  if (n < 0) return -1;
  if (n + 2 > MX_MAX_NDIM)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected at most %d dimensions, got %d", op, MX_MAX_NDIM,
                    n + 2);
  out[n] = rows;
  out[n + 1] = columns;
  return n + 2;
}

/* ---- The product ---- */
static mx_array product_of_chosen(mx_array a, mx_array b, struct mxi_choice of) {
  if (!of.lhs && !of.rhs) return mx_matmul(a, b);
  mx_dtype t = mx_promote_types(mxi_dtype(a), mxi_dtype(b));
  mx_array in[4] = {mx_astype(a, t), mx_astype(b, t)};
  int64_t shape[MX_MAX_NDIM];
  int n = 2, ndim = mxi_chosen_shape("gather_mm", a, b, of, mx_dim(a, -2), mx_dim(b, -1), shape);
  if (ndim < 0) return MX_BAD;
  if (of.lhs) in[n++] = of.lhs;
  if (of.rhs) in[n++] = of.rhs;
  struct mxi_p_GATHER_MM p = {.lhs = of.lhs != NULL, .rhs = of.rhs != NULL};
  return mxi_apply(MXI_GATHER_MM, &p, n, in, t, (mx_ints){shape, ndim});
}

static mx_array gathered_product(mx_array a, mx_array b, struct mxi_choice of) {
  bool row = a->ndim == 1, column = b->ndim == 1;
  if (row) a = mx_reshape(a, MX_SHAPE(1, a->size));
  if (column) b = mx_reshape(b, MX_SHAPE(b->size, 1));
  mx_array y = mx_ok(a) && mx_ok(b) ? product_of_chosen(a, b, of) : MX_BAD;
  if (row && mx_ok(y)) y = mx_squeeze(y, MX_AXES(-2));
  return column && mx_ok(y) ? mx_squeeze(y, MX_AXES(-1)) : y;
}

mx_array mx_gather_mm(mx_array a, mx_array b, mx_array a_indices, mx_array b_indices) {
  const char *op = "gather_mm";
  if (!mxi_usable2(op, a, b) || a_indices == MX_BAD || b_indices == MX_BAD) return MX_BAD;
  struct mxi_choice of = {a_indices, b_indices};
  if (!mxi_inner_dims_match(op, a, b) || !mxi_real_floats(op, a, b) || !mxi_choice_ok(op, of)) return MX_BAD;
  return MXI_NAMED(op, gathered_product(a, b, of));
}

/* ---- Derivatives ---- */
mx_array mxi_chosen(mx_array a, mx_array indices) {
  if (!indices) return mxi_itself(a);
  return mx_take(a->ndim == 2 ? mx_expand_dims(a, MX_AXES(0)) : mx_flatten(a, 0, -3), indices, 0);
}

/* like's batch followed by g's matrix. */
static mx_ints gradient_shape(mx_array g, mx_array like, int64_t *out) {
  mxi_copy_ints(out, batch_of(like));
  mxi_copy_ints(out + like->ndim - 2, (mx_ints){g->dims + g->ndim - 2, 2});
  return (mx_ints){out, like->ndim};
}
mx_array mxi_collected(mx_array g, mx_array like, mx_array indices) {
  int64_t shape[MX_MAX_NDIM];
  if (!mx_ok(g)) return MX_BAD;
  mx_ints whole = gradient_shape(g, like, shape);
  if (!indices) return mxi_unbroadcast(g, mxi_constant(0, mxi_dtype(g), whole));
  mx_ints places = {g->dims, g->ndim - 2};
  mx_array zeros = mxi_constant(0, mxi_dtype(g), MX_SHAPE(matrices_of(like), mx_dim(g, -2), mx_dim(g, -1)));
  mx_array at = mx_broadcast_to(indices, places);
  mx_array sums = mx_scatter(zeros, 1, &at, mx_expand_dims(g, MX_AXES(places.n)), MX_AXES(0), MX_UPDATE_ADD);
  return mx_reshape(sums, whole);
}

static mx_array transpose_of(mx_array a) { return mx_swapaxes(a, -1, -2); }

MXI_VJP(GATHER_MM) {
  const struct mxi_p_GATHER_MM *p = MXI_PARAMS(GATHER_MM, n);
  struct mxi_choice of = mxi_choice_of(n->inputs, 2, p->lhs, p->rhs);
  mx_array a = n->inputs[0], b = n->inputs[1], g = cotangents[0];
  mxi_no_grads(n, grads);
  if (want[0])
    grads[0] = MXI_COMPOSED(mxi_collected(mx_gather_mm(g, transpose_of(b), NULL, of.rhs), a, of.lhs));
  if (want[1])
    grads[1] = MXI_COMPOSED(mxi_collected(mx_gather_mm(transpose_of(a), g, of.lhs, NULL), b, of.rhs));
  return mxi_grads_done(n, grads);
}

static mx_array product_tangent(const mx_node *n, const mx_array *t) {
  const struct mxi_p_GATHER_MM *p = MXI_PARAMS(GATHER_MM, n);
  struct mxi_choice of = mxi_choice_of(n->inputs, 2, p->lhs, p->rhs);
  mx_array from_a = t[0] ? mx_gather_mm(t[0], n->inputs[1], of.lhs, of.rhs) : NULL;
  return mxi_add_tangents(from_a, t[1] ? mx_gather_mm(n->inputs[0], t[1], of.lhs, of.rhs) : NULL);
}
MXI_JVP(GATHER_MM) {
  out[0] = MXI_COMPOSED(product_tangent(n, tangents));
  return out[0] == MX_BAD ? -1 : 0;
}

/* ---- Batching ---- */
/* Counted from the front and in 64 bits; those that are out of bounds become `beyond`. */
static mx_array counted_indices(mx_array indices, int64_t matrices, int64_t beyond) {
  if (mxi_dtype(indices) == MX_UINT64) indices = mx_minimum(indices, mx_like(indices, (double)matrices));
  mx_array i = mx_astype(indices, MX_INT64), zero = mx_like(i, 0), all = mx_like(i, (double)matrices);
  i = mx_where(mx_less(i, zero), mx_add(i, all), i);
  mx_array good = mx_logical_and(mx_greater_equal(i, zero), mx_less(i, all));
  return mx_where(good, i, mx_like(i, (double)beyond));
}

mx_array mxi_batched_indices(const struct mxi_batch *b, mx_array operand, bool batched, int indices,
                             int ndim) {
  mx_array own = mxi_batch_aligned(b, indices, ndim);
  if (!batched || !mx_ok(own)) return own;
  int64_t matrices = matrices_of(operand) / b->size, shape[MXI_BATCH_NDIM];
  mxi_fill_ints(shape, ndim + 1, 1);
  shape[0] = b->size;
  mx_array place = mx_multiply(mx_arange(0, (double)b->size, 1, MX_INT64), mx_int(matrices));
  return mx_add(counted_indices(own, matrices, matrices * b->size),
                mx_reshape(place, (mx_ints){shape, ndim + 1}));
}

static mx_array product_batched(const mx_node *n, const struct mxi_batch *b) {
  const struct mxi_p_GATHER_MM *p = MXI_PARAMS(GATHER_MM, n);
  int ndim = b->outputs[0].shape.n, at = 2;
  mx_array of[2] = {NULL, NULL}, in[2];
  bool given[2] = {p->lhs != 0, p->rhs != 0};
  for (int i = 0; i < 2; i++) {
    in[i] = given[i] ? b->in[i] : mxi_batch_aligned(b, i, ndim);
    if (given[i]) of[i] = mxi_batched_indices(b, b->in[i], b->batched[i], at++, ndim - 2);
    if (in[i] == MX_BAD || of[i] == MX_BAD) return MX_BAD;
  }
  return mx_gather_mm(in[0], in[1], of[0], of[1]);
}
MXI_VMAP(GATHER_MM) { return mxi_batch_done(b, MXI_COMPOSED(product_batched(n, b))); }
