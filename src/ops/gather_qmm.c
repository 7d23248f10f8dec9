/* Products with quantised matrices chosen by flat indices: the choice of gather_mm.c, the matrices of
   quantized.c. */
#include "ops/common.h"
#include "ops/products.h"
#include "ops/quantized.h"
#include "ops/rules.h"

enum { X, PACKED, SCALES, BIASES, MOST_PARTS };

/* ---- The product ---- */
static mx_array product_of_chosen(mx_array x, const struct mxi_packed_matrix *w, bool transpose,
                                  struct mxi_choice of) {
  if (!of.lhs && !of.rhs) return mxi_quantized_product(x, w, transpose);
  struct mxi_product_inputs o;
  mx_array in[MOST_PARTS + 2];
  int64_t shape[MX_MAX_NDIM], columns = transpose ? mx_dim(w->packed, -2) : w->columns;
  mxi_product_inputs(x, w, &o);
  if (o.in[X] == MX_BAD) return MX_BAD;
  int ndim = mxi_chosen_shape("gather_qmm", o.in[X], w->packed, of, mx_dim(o.in[X], -2), columns, shape);
  if (ndim < 0) return MX_BAD;
  for (int i = 0; i < o.n; i++) in[i] = o.in[i];
  if (of.lhs) in[o.n++] = of.lhs;
  if (of.rhs) in[o.n++] = of.rhs;
  struct mxi_p_GATHER_QMM p = {.format = w->format,
                               .group_size = w->group_size,
                               .transpose = transpose,
                               .lhs = of.lhs != NULL,
                               .rhs = of.rhs != NULL};
  mx_array y =
      mx_astype(mxi_apply(MXI_GATHER_QMM, &p, o.n, in, o.computed, (mx_ints){shape, ndim}), o.result);
  return x->ndim == 1 ? mx_squeeze(y, MX_AXES(-2)) : y;
}

static bool are_matrices(mx_array x, mx_array packed, mx_array scales, mx_array biases) {
  if (x->ndim < 1 || packed->ndim < 2)
    mxi_fail(MX_INVALID_ARGUMENT, "[gather_qmm] expected matrices, got shapes %s and %s", MXI_SHAPE_TEXT(x),
             MXI_SHAPE_TEXT(packed));
  else if (biases && (scales->ndim != packed->ndim || biases->ndim != packed->ndim))
    mxi_fail(MX_INVALID_ARGUMENT,
             "[gather_qmm] expected scales and biases with the batch of %s, got %s and %s",
             MXI_SHAPE_TEXT(packed), MXI_SHAPE_TEXT(scales), MXI_SHAPE_TEXT(biases));
  else if (scales->ndim != packed->ndim)
    mxi_fail(MX_INVALID_ARGUMENT, "[gather_qmm] expected scales with the batch of %s, got %s",
             MXI_SHAPE_TEXT(packed), MXI_SHAPE_TEXT(scales));
  else
    return true;
  return false;
}

static mx_array affine_product(mx_array x, mx_array packed, mx_array scales, mx_array biases, bool transpose,
                               mx_quant q, struct mxi_choice of) {
  struct mxi_packed_matrix w;
  if (mxi_affine_matrix(x, packed, scales, biases, transpose, q, &w) < 0) return MX_BAD;
  return product_of_chosen(x, &w, transpose, of);
}
mx_array mx_gather_qmm(mx_array x, mx_array packed, mx_array scales, mx_array biases, mx_array x_indices,
                       mx_array indices, bool transpose, mx_quant q) {
  const char *op = "gather_qmm";
  struct mxi_choice of = {x_indices, indices};
  if (!mxi_usable(op, 4, (mx_array[]){x, packed, scales, biases}) || x_indices == MX_BAD || indices == MX_BAD)
    return MX_BAD;
  if (!are_matrices(x, packed, scales, biases) || !mxi_choice_ok(op, of)) return MX_BAD;
  return MXI_NAMED(op, affine_product(x, packed, scales, biases, transpose, q, of));
}

static mx_array float_product(mx_array x, mx_array packed, mx_array scales, bool transpose,
                              mx_float_format format, struct mxi_choice of) {
  struct mxi_packed_matrix w;
  if (mxi_float_matrix(x, packed, scales, transpose, format, &w) < 0) return MX_BAD;
  return product_of_chosen(x, &w, transpose, of);
}
mx_array mx_gather_qmm_float(mx_array x, mx_array packed, mx_array scales, mx_array x_indices,
                             mx_array indices, bool transpose, mx_float_format format) {
  const char *op = "gather_qmm";
  struct mxi_choice of = {x_indices, indices};
  if (!mxi_usable(op, 3, (mx_array[]){x, packed, scales}) || x_indices == MX_BAD || indices == MX_BAD)
    return MX_BAD;
  if (!are_matrices(x, packed, scales, NULL) || !mxi_choice_ok(op, of)) return MX_BAD;
  return MXI_NAMED(op, float_product(x, packed, scales, transpose, format, of));
}

/* ---- Derivatives ---- */
static int parts_of(const struct mxi_p_GATHER_QMM *p) {
  return mxi_quant_modes[mxi_quant_formats[p->format].mode].biases ? MOST_PARTS : BIASES;
}
static struct mxi_choice choice_of(const mx_node *n) {
  const struct mxi_p_GATHER_QMM *p = MXI_PARAMS(GATHER_QMM, n);
  return mxi_choice_of(n->inputs, parts_of(p), p->lhs, p->rhs);
}

/* The product of a node's parameters on other inputs and choices. */
static mx_array product_like(const struct mxi_p_GATHER_QMM *p, const mx_array *in, bool transpose,
                             struct mxi_choice of) {
  enum mxi_quant_mode mode = mxi_quant_formats[p->format].mode;
  if (parts_of(p) == MOST_PARTS)
    return mx_gather_qmm(in[X], in[PACKED], in[SCALES], in[BIASES], of.lhs, of.rhs, transpose,
                         mxi_affine_options_of(p->format, p->group_size));
  return mx_gather_qmm_float(in[X], in[PACKED], in[SCALES], of.lhs, of.rhs, transpose,
                             (mx_float_format)(mode - 1));
}

static mx_array x_gradient(const mx_node *n, mx_array g) {
  const struct mxi_p_GATHER_QMM *p = MXI_PARAMS(GATHER_QMM, n);
  struct mxi_choice of = choice_of(n);
  mx_array in[MOST_PARTS] = {g};
  for (int i = PACKED; i < parts_of(p); i++) in[i] = n->inputs[i];
  mx_array each = product_like(p, in, !p->transpose, (struct mxi_choice){NULL, of.rhs});
  return mx_astype(mxi_collected(each, n->inputs[X], of.lhs), mxi_dtype(n->inputs[X]));
}

/* The gradients of each chosen matrix, of y = x W^T g^T x and of y = x W x^T g, before what meets in one is
   summed. */
static void affine_gradients(const mx_node *n, mx_array g, const bool *want, mx_array *grads) {
  const struct mxi_p_GATHER_QMM *p = MXI_PARAMS(GATHER_QMM, n);
  struct mxi_choice of = choice_of(n);
  mx_array x = n->inputs[X], scales = mxi_chosen(n->inputs[SCALES], of.rhs),
           packed = mxi_chosen(n->inputs[PACKED], of.rhs), biases = mxi_chosen(n->inputs[BIASES], of.rhs);
  mx_quant q = mxi_affine_options_of(p->format, p->group_size);
  mx_array dw = p->transpose ? mx_gather_mm(mx_swapaxes(g, -1, -2), x, NULL, of.lhs)
                             : mx_gather_mm(mx_swapaxes(x, -1, -2), g, of.lhs, NULL);
  if (want[SCALES])
    grads[SCALES] = mxi_collected(mxi_scale_gradient(dw, packed, scales, q), n->inputs[SCALES], of.rhs);
  if (want[BIASES])
    grads[BIASES] = mxi_collected(mxi_bias_gradient(dw, biases, q), n->inputs[BIASES], of.rhs);
}

MXI_VJP(GATHER_QMM) {
  mxi_no_grads(n, grads);
  if (want[X]) grads[X] = MXI_COMPOSED(x_gradient(n, cotangents[0]));
  if (parts_of(MXI_PARAMS(GATHER_QMM, n)) == MOST_PARTS && (want[SCALES] || want[BIASES]))
    affine_gradients(n, cotangents[0], want, grads);
  return mxi_grads_done(n, grads);
}

/* Linear in x, and in scales and biases together. */
static mx_array product_tangent(const mx_node *n, mx_array out, const mx_array *t) {
  const struct mxi_p_GATHER_QMM *p = MXI_PARAMS(GATHER_QMM, n);
  struct mxi_choice of = choice_of(n);
  mx_array of_x = NULL, of_w = NULL;
  if (t[X]) {
    mx_array in[MOST_PARTS] = {t[X]};
    for (int i = PACKED; i < parts_of(p); i++) in[i] = n->inputs[i];
    of_x = product_like(p, in, p->transpose, of);
  }
  if (parts_of(p) == MOST_PARTS && (t[SCALES] || t[BIASES])) {
    const mx_array *own = n->inputs;
    mx_array in[] = {own[X], own[PACKED], t[SCALES] ? t[SCALES] : mxi_zeros_like(own[SCALES]),
                     t[BIASES] ? t[BIASES] : mxi_zeros_like(own[BIASES])};
    of_w = product_like(p, in, p->transpose, of);
  }
  mx_array sum = mxi_add_tangents(of_x, of_w);
  return sum ? mx_astype(sum, mxi_dtype(out)) : NULL;
}
MXI_JVP(GATHER_QMM) {
  out[0] = MXI_COMPOSED(product_tangent(n, outputs[0], tangents));
  return out[0] == MX_BAD ? -1 : 0;
}

/* ---- Batching ---- */
/* The parts of the matrix, if one of them is batched, all are. */
static mx_array product_batched(const mx_node *n, const struct mxi_batch *b) {
  const struct mxi_p_GATHER_QMM *p = MXI_PARAMS(GATHER_QMM, n);
  int ndim = b->outputs[0].shape.n, parts = parts_of(p), at = parts;
  bool matrix = false;
  for (int i = PACKED; i < parts; i++) matrix = matrix || b->batched[i];
  mx_array in[MOST_PARTS] = {p->lhs ? b->in[X] : mxi_batch_aligned(b, X, ndim)};
  for (int i = PACKED; i < parts; i++) {
    in[i] = matrix ? mxi_batch_repeated(b, i) : b->in[i];
    if (matrix && !p->rhs && mx_ok(in[i])) in[i] = mxi_batch_align(in[i], ndim);
    if (in[i] == MX_BAD) return MX_BAD;
  }
  struct mxi_choice of = {NULL, NULL};
  if (p->lhs) of.lhs = mxi_batched_indices(b, b->in[X], b->batched[X], at++, ndim - 2);
  if (p->rhs) of.rhs = mxi_batched_indices(b, in[PACKED], matrix, at, ndim - 2);
  return product_like(p, in, p->transpose, of);
}
MXI_VMAP(GATHER_QMM) { return mxi_batch_done(b, MXI_COMPOSED(product_batched(n, b))); }
