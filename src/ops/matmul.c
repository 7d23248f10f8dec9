/* Products of matrices. A MATMUL node has operands of one ndim >= 2 whose batch dims are equal or 1; vectors,
   missing batch dims and batches that share one right-hand matrix are brought to that form by reshapes. */
#include "ops/common.h"
#include "ops/rules.h"

/* Operands and result of one product. */
struct product {
  mx_array a, b; /* (..., M, K), (..., K, N), of one ndim and dtype */
  int ndim, result_ndim;
  int64_t shape[MX_MAX_NDIM];  /* of the node: batch, M, N */
  int64_t result[MX_MAX_NDIM]; /* of the op: without the axes that vectors were given */
  bool folded;                 /* a's batch was merged into its rows */
  bool row, column;            /* a, b was a vector */
  mx_array unfolded;           /* a before that */
};

static int check_factors(const char *op, mx_array a, mx_array b) {
  if (a->ndim == 0 || b->ndim == 0)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected at least 1 dimension, got shapes %s and %s", op,
                    MXI_SHAPE_TEXT(a), MXI_SHAPE_TEXT(b));
  if (mx_dim(a, -1) != mx_dim(b, b->ndim == 1 ? 0 : -2))
    return mxi_fail(
        MX_INVALID_ARGUMENT,
        "[%s] expected the last axis of the first to match the second last of the second, got %s and %s", op,
        MXI_SHAPE_TEXT(a), MXI_SHAPE_TEXT(b));
  return 0;
}

/* a with axes of size 1 in front, up to ndim. */
static mx_array with_ndim(mx_array a, int ndim) {
  int64_t shape[MX_MAX_NDIM];
  if (!mx_ok(a)) return MX_BAD;
  if (a->ndim == ndim) return a;
  for (int i = 0; i < ndim; i++) shape[i] = i < ndim - a->ndim ? 1 : MXI_AXES_OF(i - (ndim - a->ndim), 1);
  return mxi_reshape_as(a, NULL, shape, ndim);
}

static mx_array as_matrix(mx_array vector, int64_t rows, int64_t columns) {
  return mxi_reshape_as(vector, NULL, (int64_t[]){rows, columns}, 2);
}

static int plan_product(const char *op, mx_array a, mx_array b, mx_dtype t, bool may_fold,
                        struct product *p) {
  MXI_TRY(check_factors(op, a, b));
  bool row = a->ndim == 1, column = b->ndim == 1;
  a = mx_astype(row ? as_matrix(a, 1, MXI_AXES_OF(0, 1)) : a, t);
  b = mx_astype(column ? as_matrix(b, MXI_AXES_OF(0, 1), 1) : b, t);
  if (a == MX_BAD || b == MX_BAD) return -1;
  int64_t batch[MX_MAX_NDIM], m = mx_dim(a, -2), k = mx_dim(a, -1), n = mx_dim(b, -1);
  int nbatch =
      mxi_broadcast_shape(op, (mx_ints){a->dims, a->ndim - 2}, (mx_ints){b->dims, b->ndim - 2}, batch);
  if (nbatch < 0) return -1;
  mxi_copy_ints(p->result, (mx_ints){batch, nbatch});
  p->result_ndim = nbatch;
  if (!row) p->result[p->result_ndim++] = m;
  if (!column) p->result[p->result_ndim++] = n;
  p->row = row;
  p->column = column;
  p->folded = may_fold && b->ndim == 2 && a->ndim > 2;
  if (p->folded) {
    m = k ? a->size / k : 0;
    for (int i = 0; k == 0 && i < a->ndim - 1; i++) m = i ? m * a->dims[i] : a->dims[i];
    p->unfolded = a;
    a = mx_flatten(a, 0, -2);
    nbatch = 0;
  }
  p->ndim = nbatch + 2;
  p->a = with_ndim(a, p->ndim);
  p->b = with_ndim(b, p->ndim);
  mxi_copy_ints(p->shape, (mx_ints){batch, nbatch});
  p->shape[nbatch] = m;
  p->shape[nbatch + 1] = n;
  return mx_ok(p->a) && mx_ok(p->b) ? 0 : -1;
}
static mx_ints node_shape(const struct product *p) { return (mx_ints){p->shape, p->ndim}; }
static mx_ints result_shape(const struct product *p) { return (mx_ints){p->result, p->result_ndim}; }

/* The node's result as the op's: with a's batch, and without the axes that vectors were given. */
static mx_array unfolded(const struct product *p, mx_array y) {
  int64_t dims[MX_MAX_NDIM], drop[2];
  int n = 0;
  if (!mx_ok(y)) return MX_BAD;
  if (!mxi_follows(y)) return mx_reshape(y, result_shape(p));
  if (p->folded) {
    for (; n < p->unfolded->ndim - 1; n++) dims[n] = MXI_AXES_OF(n, 1);
    dims[n] = -1;
    y = mxi_reshape_as(y, p->unfolded, dims, n + 1);
    n = 0;
  }
  if (p->row) drop[n++] = -2;
  if (p->column) drop[n++] = -1;
  return n ? mx_squeeze(y, (mx_ints){drop, n}) : y;
}

static mx_array matrix_product(mx_array a, mx_array b, mx_dtype t) {
  struct product p;
  if (plan_product("matmul", a, b, t, true, &p) < 0) return MX_BAD;
  if (mx_dim(p.a, -1) == 0) return mx_zeros(result_shape(&p), t);
  return unfolded(&p, mxi_apply(MXI_MATMUL, NULL, 2, (mx_array[]){p.a, p.b}, t, node_shape(&p)));
}

mx_array mx_matmul(mx_array a, mx_array b) {
  if (!mxi_usable2("matmul", a, b)) return MX_BAD;
  mx_dtype t = mx_promote_types(mxi_dtype(a), mxi_dtype(b));
  if (!mxi_is_inexact(t))
    return mxi_bad(MX_INVALID_ARGUMENT, "[matmul] expected floating point or complex dtypes, got %s and %s",
                   mx_dtype_name(mxi_dtype(a)), mx_dtype_name(mxi_dtype(b)));
  return MXI_COMPOSED(matrix_product(a, b, t));
}

/* ---- alpha a b + beta c ---- */
static mx_array sum_and_product(mx_array c, mx_array a, mx_array b, double alpha, double beta, mx_dtype t) {
  struct product p;
  /* A batch folds into rows when c is one row, the same for all. */
  if (plan_product("addmm", a, b, t, c->ndim <= 1 && b->ndim == 2, &p) < 0) return MX_BAD;
  int64_t common[MX_MAX_NDIM];
  int ndim = mxi_broadcast_shape("addmm", mxi_shape_of(c), result_shape(&p), common);
  if (ndim < 0) return MX_BAD;
  if (!mxi_ints_equal((mx_ints){common, ndim}, result_shape(&p)))
    return mxi_bad(MX_INVALID_ARGUMENT, "[addmm] expected c to broadcast to shape %s, got %s",
                   mxi_shape_text(result_shape(&p)).s, MXI_SHAPE_TEXT(c));
  c = mx_astype(c, t);
  if (mx_dim(p.a, -1) == 0) return mx_multiply(mx_scalar(beta, t), mx_broadcast_to(c, result_shape(&p)));
  if (a->ndim == 1 || b->ndim == 1) { /* the result has fewer axes than the node: c takes the node's */
    c = mx_reshape(mx_broadcast_to(c, result_shape(&p)), node_shape(&p));
  }
  struct mxi_p_ADDMM params = {.alpha = alpha, .beta = beta};
  return unfolded(&p, mxi_apply(MXI_ADDMM, &params, 3, (mx_array[]){p.a, p.b, c}, t, node_shape(&p)));
}

mx_array mx_addmm(mx_array c, mx_array a, mx_array b, double alpha, double beta) {
  if (!mxi_usable("addmm", 3, (mx_array[]){c, a, b})) return MX_BAD;
  mx_dtype t = mx_promote_types(mxi_dtype(c), mx_promote_types(mxi_dtype(a), mxi_dtype(b)));
  if (!mxi_is_inexact(t))
    return mxi_bad(MX_INVALID_ARGUMENT,
                   "[addmm] expected floating point or complex dtypes, got %s, %s and %s",
                   mx_dtype_name(mxi_dtype(c)), mx_dtype_name(mxi_dtype(a)), mx_dtype_name(mxi_dtype(b)));
  return MXI_COMPOSED(sum_and_product(c, a, b, alpha, beta, t));
}

/* ---- Other products ---- */
mx_array mx_outer(mx_array a, mx_array b) {
  if (!mxi_usable2("outer", a, b)) return MX_BAD;
  return MXI_COMPOSED(mx_multiply(mx_reshape(a, MX_SHAPE(a->size, 1)), mx_reshape(b, MX_SHAPE(1, b->size))));
}

mx_array mx_inner(mx_array a, mx_array b) {
  if (!mxi_usable2("inner", a, b)) return MX_BAD;
  if (a->ndim == 0 || b->ndim == 0) return mx_multiply(a, b);
  if (mx_dim(a, -1) != mx_dim(b, -1))
    return mxi_bad(MX_INVALID_ARGUMENT, "[inner] expected the same last dimension, got shapes %s and %s",
                   MXI_SHAPE_TEXT(a), MXI_SHAPE_TEXT(b));
  return mx_tensordot(a, b, MX_AXES(-1), MX_AXES(-1));
}

/* axes in [0, ndim) in the order given, and the other axes after or before them in `order`. Product of the
 * named dims. */
static int split_axes(mx_array a, mx_ints axes, bool named_first, int64_t *order, int64_t *named_size) {
  int64_t sorted[MX_MAX_NDIM];
  if (axes.n < 0) return mxi_fail(MX_INVALID_ARGUMENT, "[tensordot] expected a list of axes, got none");
  MXI_TRY(mxi_axes("tensordot", axes, a->ndim, sorted));
  int named = named_first ? 0 : a->ndim - axes.n, free = named_first ? axes.n : 0;
  *named_size = 1;
  for (int i = 0, at = 0; i < a->ndim; i++) {
    if (at < axes.n && sorted[at] == i)
      at++;
    else
      order[free++] = i;
  }
  for (int i = 0; i < axes.n; i++) {
    order[named + i] = axes.v[i] < 0 ? axes.v[i] + a->ndim : axes.v[i];
    *named_size *= a->dims[order[named + i]];
  }
  return 0;
}

/* a's free axes as rows, the contracted ones as columns, times the like of b. */
static mx_array contraction(mx_array a, mx_array b, int n, const int64_t *order_a, const int64_t *order_b,
                            int64_t k) {
  int64_t shape[2 * MX_MAX_NDIM], rows = 1, columns = 1;
  int ndim = 0, na = a->ndim - n;
  for (int i = 0; i < na; i++) rows *= shape[ndim++] = a->dims[order_a[i]];
  for (int i = n; i < b->ndim; i++) columns *= shape[ndim++] = b->dims[order_b[i]];
  mx_array left = mx_reshape(mx_transpose(a, (mx_ints){order_a, a->ndim}), MX_SHAPE(rows, k));
  mx_array right = mx_reshape(mx_transpose(b, (mx_ints){order_b, b->ndim}), MX_SHAPE(k, columns));
  return mx_reshape(mx_matmul(left, right), (mx_ints){shape, ndim});
}

mx_array mx_tensordot(mx_array a, mx_array b, mx_ints axes_a, mx_ints axes_b) {
  if (!mxi_usable2("tensordot", a, b)) return MX_BAD;
  if (axes_a.n != axes_b.n)
    return mxi_bad(MX_INVALID_ARGUMENT,
                   "[tensordot] expected as many axes of one as of the other, got %d and %d", axes_a.n,
                   axes_b.n);
  int64_t order_a[MX_MAX_NDIM], order_b[MX_MAX_NDIM], k, k_b;
  if (split_axes(a, axes_a, false, order_a, &k) < 0 || split_axes(b, axes_b, true, order_b, &k_b) < 0)
    return MX_BAD;
  for (int i = 0; i < axes_a.n; i++)
    if (a->dims[order_a[a->ndim - axes_a.n + i]] != b->dims[order_b[i]])
      return mxi_bad(MX_INVALID_ARGUMENT,
                     "[tensordot] expected equal sizes on the contracted axes, got shapes %s and %s",
                     MXI_SHAPE_TEXT(a), MXI_SHAPE_TEXT(b));
  return MXI_COMPOSED(contraction(a, b, axes_a.n, order_a, order_b, k));
}

/* ---- Derivatives ---- d(a b) = da b + a db, so the gradients are g b* and a* g (* = conjugate transpose)
 * ---- */
static mx_array adjoint(mx_array a) { return mx_conjugate(mx_swapaxes(a, -1, -2)); }

static void factor_gradients(const mx_node *n, mx_array g, const bool *want, mx_array *grads) {
  mx_array a = n->inputs[0], b = n->inputs[1];
  if (want[0]) grads[0] = MXI_COMPOSED(mxi_unbroadcast(mx_matmul(g, adjoint(b)), a));
  if (want[1]) grads[1] = MXI_COMPOSED(mxi_unbroadcast(mx_matmul(adjoint(a), g), b));
}
static mx_array times_factor(mx_array g, double factor) {
  return factor == 1 || !g ? g : mx_multiply(g, mx_like(g, factor));
}

MXI_VJP(MATMUL) {
  mxi_no_grads(n, grads);
  factor_gradients(n, cotangents[0], want, grads);
  return mxi_grads_done(n, grads);
}
MXI_VJP(ADDMM) {
  const struct mxi_p_ADDMM *p = MXI_PARAMS(ADDMM, n);
  mx_array g = cotangents[0];
  mxi_no_grads(n, grads);
  if (want[0] || want[1]) factor_gradients(n, times_factor(g, p->alpha), want, grads);
  if (want[2]) grads[2] = mxi_unbroadcast(times_factor(g, p->beta), n->inputs[2]);
  return mxi_grads_done(n, grads);
}

static mx_array matmul_tangent(const mx_node *n, const mx_array *t) {
  mx_array from_a = t[0] ? mx_matmul(t[0], n->inputs[1]) : NULL;
  return mxi_add_tangents(from_a, t[1] ? mx_matmul(n->inputs[0], t[1]) : NULL);
}
MXI_JVP(MATMUL) {
  out[0] = MXI_COMPOSED(matmul_tangent(n, tangents));
  return out[0] == MX_BAD ? -1 : 0;
}
static mx_array addmm_tangent(const mx_node *n, mx_array out, const mx_array *t) {
  const struct mxi_p_ADDMM *p = MXI_PARAMS(ADDMM, n);
  mx_array from_c = t[2] ? mxi_broadcast_like(times_factor(t[2], p->beta), out) : NULL;
  return mxi_add_tangents(times_factor(matmul_tangent(n, t), p->alpha), from_c);
}
MXI_JVP(ADDMM) {
  out[0] = MXI_COMPOSED(addmm_tangent(n, outputs[0], tangents));
  return out[0] == MX_BAD ? -1 : 0;
}

/* ---- Batching ---- */
/* A matrix times a column of each element: all columns, as rows of one matrix, times its transpose. */
static mx_array columns_product(mx_array a, mx_array columns) {
  return mx_swapaxes(mx_matmul(mx_swapaxes(columns, -1, -2), mx_swapaxes(a, -1, -2)), -1, -2);
}
MXI_VMAP(MATMUL) {
  mx_array left = b->in[0], right = b->in[1];
  bool columns = !b->batched[0] && left->ndim == 2 && mx_dim(right, -1) == 1;
  return mxi_batch_done(b, columns ? MXI_COMPOSED(columns_product(left, right)) : mx_matmul(left, right));
}

static mx_array addmm_batched(const mx_node *n, const struct mxi_batch *b) {
  const struct mxi_p_ADDMM *p = MXI_PARAMS(ADDMM, n);
  mx_array c = mxi_batch_aligned(b, 2, b->outputs[0].shape.n);
  if (b->batched[0] || b->batched[1]) return mx_addmm(c, b->in[0], b->in[1], p->alpha, p->beta);
  return mx_add(times_factor(mx_matmul(b->in[0], b->in[1]), p->alpha),
                times_factor(c, p->beta)); /* one product for all */
}
MXI_VMAP(ADDMM) {
  int64_t shape[MXI_BATCH_NDIM];
  mx_array sum = MXI_COMPOSED(addmm_batched(n, b));
  return mxi_batch_done(b, mx_broadcast_to(sum, mxi_batch_shape(b, b->outputs[0].shape, shape)));
}
