/* Affine quantisation: groups of `group_size` neighbours along the last axis share a scale s and a bias b; an
   element is an integer q of `bits` bits and stands for q s + b. Packed: 32 integers in `bits` 32-bit words.
   The product serves the float modes of microscaling.c too, which have no biases.
   Kernels know float32, float16 and bfloat16; float64 goes through float32. */
#include "ops/quantized.h"
#include "ops/common.h"
#include "ops/rules.h"
#include <stdio.h>

/* "2, 3 or 4": the numbers from 1 to 128 that `chosen` accepts. */
static const char *choices(char text[96], bool (*chosen)(int)) {
  int last = 128, n = 0;
  while (!chosen(last)) last--;
  for (int i = 1, first = 1; i <= last; i++) {
    if (!chosen(i)) continue;
    n += snprintf(text + n, (size_t)(96 - n), "%s%d", first ? "" : i == last ? " or " : ", ", i);
    first = 0;
  }
  return text;
}
static bool is_group_size(int n) { return mxi_quant_has_group_size(MXI_MODE_AFFINE, n); }
static bool is_bits(int n) { return mxi_quant_format_of(MXI_MODE_AFFINE, n) >= 0; }

/* Fills in the defaults. The format, or -1. */
static int affine_options(const char *op, mx_quant *q) {
  char text[96];
  if (q->group_size == 0) q->group_size = mxi_quant_modes[MXI_MODE_AFFINE].group_size;
  if (q->bits == 0) q->bits = mxi_quant_modes[MXI_MODE_AFFINE].bits;
  if (!is_group_size(q->group_size))
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a group size of %s, got %d", op,
                    choices(text, is_group_size), q->group_size);
  if (!is_bits(q->bits))
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected %s bits, got %d", op, choices(text, is_bits),
                    q->bits);
  return mxi_quant_format_of(MXI_MODE_AFFINE, q->bits);
}
/* The format of options that were checked. */
static int64_t affine_format(mx_quant q) { return mxi_quant_format_of(MXI_MODE_AFFINE, q.bits); }
mx_quant mxi_affine_options_of(int64_t format, int64_t group_size) {
  return (mx_quant){(int)group_size, mxi_quant_bits((enum mxi_quant_format)format)};
}

/* The dtype that kernels compute in for results of dtype t. */
static mx_dtype kernel_dtype(mx_dtype t) { return t == MX_FLOAT64 ? MX_FLOAT32 : t; }

static int quantized_rows(mx_array w, mx_quant q, mx_array *out) {
  int64_t packed[MX_MAX_NDIM], groups[MX_MAX_NDIM];
  int last = w->ndim - 1;
  mxi_copy_ints(packed, mxi_shape_of(w));
  mxi_copy_ints(groups, mxi_shape_of(w));
  packed[last] = w->dims[last] / 32 * q.bits;
  groups[last] = w->dims[last] / q.group_size;
  mx_dtype t = mxi_dtype(w), inner = kernel_dtype(t);
  mx_array in = mx_astype(w, inner);
  struct mxi_output outputs[] = {
      {MX_UINT32, {packed, w->ndim}}, {inner, {groups, w->ndim}}, {inner, {groups, w->ndim}}};
  struct mxi_p_QUANTIZE p = {.format = affine_format(q), .group_size = q.group_size};
  MXI_TRY(mxi_apply_multi(MXI_QUANTIZE, &p, 1, &in, 3, outputs, out));
  out[1] = mx_astype(out[1], t);
  out[2] = mx_astype(out[2], t);
  return mx_ok(out[1]) && mx_ok(out[2]) ? 0 : -1;
}

int mx_quantize(mx_array w, mx_quant q, mx_array *packed, mx_array *scales, mx_array *biases) {
  if (!mxi_has_place("quantize", packed) || !mxi_has_place("quantize", scales) ||
      !mxi_has_place("quantize", biases))
    return -1;
  *packed = *scales = *biases = MX_BAD;
  if (!mxi_usable1("quantize", w) || affine_options("quantize", &q) < 0) return -1;
  if (!mxi_is_float(mxi_dtype(w)))
    return mxi_fail(MX_INVALID_ARGUMENT, "[quantize] expected a real floating point dtype, got %s",
                    mx_dtype_name(mxi_dtype(w)));
  int unit = q.group_size < 32 ? 32 : q.group_size;
  if (w->ndim < 2 || mx_dim(w, -1) % unit)
    return mxi_fail(
        MX_INVALID_ARGUMENT,
        "[quantize] expected at least 2 dimensions and a last one divisible by %d for groups of %d, "
        "got shape %s",
        unit, q.group_size, MXI_SHAPE_TEXT(w));
  mx_array out[3];
  MXI_TRY(quantized_rows(w, q, out));
  *packed = out[0];
  *scales = out[1];
  *biases = out[2];
  return 0;
}

/* packed (..., N, K bits / 32) with scales and biases (..., N, K / group_size); K, or -1. */
static int64_t check_affine(const char *op, mx_array packed, mx_array scales, mx_array biases, mx_quant *q) {
  MXI_TRY(affine_options(op, q));
  if (mxi_dtype(packed) != MX_UINT32)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected the packed matrix as uint32, got %s", op,
                    mx_dtype_name(mxi_dtype(packed)));
  if (!mxi_is_float(mxi_dtype(scales)) || !mxi_is_float(mxi_dtype(biases)))
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[%s] expected scales and biases of a real floating point dtype, got %s and %s", op,
                    mx_dtype_name(mxi_dtype(scales)), mx_dtype_name(mxi_dtype(biases)));
  bool match = packed->ndim >= 2 && scales->ndim == packed->ndim && mxi_same_shape(scales, biases);
  for (int i = 0; match && i < packed->ndim - 1; i++) match = packed->dims[i] == scales->dims[i];
  int64_t bits = 0, columns = 0;
  match =
      match && mxi_mul(mx_dim(packed, -1), 32, &bits) && mxi_mul(mx_dim(scales, -1), q->group_size, &columns);
  if (!match || bits / q->bits != columns || bits % q->bits || columns % 32)
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[%s] expected packed (..., N, K * %d / 32), scales and biases (..., N, K / %d), K a "
                    "multiple of 32, got shapes %s, %s and %s",
                    op, q->bits, q->group_size, MXI_SHAPE_TEXT(packed), MXI_SHAPE_TEXT(scales),
                    MXI_SHAPE_TEXT(biases));
  return columns;
}

static mx_array dequantized(mx_array packed, mx_array scales, mx_array biases, mx_quant q, int64_t columns) {
  mx_dtype t = mx_promote_types(mxi_dtype(scales), mxi_dtype(biases)), inner = kernel_dtype(t);
  int64_t shape[MX_MAX_NDIM];
  mxi_copy_ints(shape, mxi_shape_of(packed));
  shape[packed->ndim - 1] = columns;
  mx_array in[] = {packed, mx_astype(scales, inner), mx_astype(biases, inner)};
  struct mxi_p_DEQUANTIZE p = {.format = affine_format(q), .group_size = q.group_size};
  return mx_astype(mxi_apply(MXI_DEQUANTIZE, &p, 3, in, inner, (mx_ints){shape, packed->ndim}), t);
}

mx_array mx_dequantize(mx_array packed, mx_array scales, mx_array biases, mx_quant q) {
  if (!mxi_usable("dequantize", 3, (mx_array[]){packed, scales, biases})) return MX_BAD;
  int64_t columns = check_affine("dequantize", packed, scales, biases, &q);
  return columns < 0 ? MX_BAD : MXI_COMPOSED(dequantized(packed, scales, biases, q, columns));
}

/* ---- Product ---- */
/* The batch dims of a followed by its last two, broadcast to `batch`. */
static mx_array in_batch(mx_array a, mx_ints batch) {
  int64_t shape[MX_MAX_NDIM];
  mxi_copy_ints(shape, batch);
  mxi_copy_ints(shape + batch.n, (mx_ints){a->dims + a->ndim - 2, 2});
  return mx_broadcast_to(a, (mx_ints){shape, batch.n + 2});
}

void mxi_product_inputs(mx_array x, const struct mxi_packed_matrix *w, struct mxi_product_inputs *p) {
  mx_dtype factor = w->biases ? mx_promote_types(mxi_dtype(w->scales), mxi_dtype(w->biases)) : mxi_dtype(x);
  p->n = w->biases ? 4 : 3;
  p->result = mx_promote_types(mxi_dtype(x), factor);
  p->computed = kernel_dtype(p->result);
  p->in[0] = mx_astype(x->ndim == 1 ? mx_reshape(x, MX_SHAPE(1, x->size)) : x, p->computed);
  p->in[1] = w->packed, p->in[2] = w->scales, p->in[3] = w->biases;
  for (int i = 2; w->biases && i < 4; i++) p->in[i] = mx_astype(p->in[i], kernel_dtype(factor));
}

mx_array mxi_quantized_product(mx_array x, const struct mxi_packed_matrix *w, bool transpose) {
  struct mxi_product_inputs o;
  mxi_product_inputs(x, w, &o);
  if (o.in[0] == MX_BAD) return MX_BAD;
  bool vector = x->ndim == 1;
  int64_t shape[MX_MAX_NDIM];
  int nbatch = mxi_broadcast_shape("quantized_matmul", (mx_ints){o.in[0]->dims, o.in[0]->ndim - 2},
                                   (mx_ints){w->packed->dims, w->packed->ndim - 2}, shape);
  if (nbatch < 0) return MX_BAD;
  for (int i = 0; w->packed->ndim > 2 && i < o.n; i++) o.in[i] = in_batch(o.in[i], (mx_ints){shape, nbatch});
  shape[nbatch] = vector ? 1 : mx_dim(x, -2);
  shape[nbatch + 1] = transpose ? mx_dim(w->packed, -2) : w->columns;
  struct mxi_p_QUANTIZED_MATMUL p = {
      .format = w->format, .group_size = w->group_size, .transpose = transpose};
  mx_array y = mx_astype(
      mxi_apply(MXI_QUANTIZED_MATMUL, &p, o.n, o.in, o.computed, (mx_ints){shape, nbatch + 2}), o.result);
  return vector ? mx_squeeze(y, MX_AXES(-2)) : y;
}

bool mxi_check_contracted(mx_array x, mx_array packed, int64_t columns, bool transpose) {
  int64_t contracted = transpose ? columns : mx_dim(packed, -2);
  if (x->ndim > 0 && mx_dim(x, -1) == contracted) return true;
  mxi_fail(MX_INVALID_ARGUMENT,
           "[quantized_matmul] expected a last dimension of %lld for the matrix (%lld,%lld)%s, got shape %s",
           (long long)contracted, (long long)mx_dim(packed, -2), (long long)columns,
           transpose ? " transposed" : "", MXI_SHAPE_TEXT(x));
  return false;
}

int mxi_affine_matrix(mx_array x, mx_array packed, mx_array scales, mx_array biases, bool transpose,
                      mx_quant q, struct mxi_packed_matrix *w) {
  int64_t columns = check_affine("quantized_matmul", packed, scales, biases, &q);
  if (columns < 0) return -1;
  if (mxi_dtype(x) == MX_COMPLEX64)
    return mxi_fail(MX_INVALID_ARGUMENT, "[quantized_matmul] expected a real dtype, got complex64");
  if (!mxi_check_contracted(x, packed, columns, transpose)) return -1;
  *w = (struct mxi_packed_matrix){packed, scales, biases, affine_format(q), q.group_size, columns};
  return 0;
}

mx_array mx_quantized_matmul(mx_array x, mx_array packed, mx_array scales, mx_array biases, bool transpose,
                             mx_quant q) {
  struct mxi_packed_matrix w;
  if (!mxi_usable("quantized_matmul", 4, (mx_array[]){x, packed, scales, biases})) return MX_BAD;
  if (mxi_affine_matrix(x, packed, scales, biases, transpose, q, &w) < 0) return MX_BAD;
  return MXI_COMPOSED(mxi_quantized_product(x, &w, transpose));
}

/* ---- Derivatives ---- W = q s + b: dW/ds sums g q, and dW/db sums g, over each group ---- */
static mx_array group_sums(mx_array g, int group_size, mx_array like) {
  return mxi_unbroadcast(mx_sum(mx_unflatten(g, -1, MX_SHAPE(-1, group_size)), MX_AXES(-1), false), like);
}
/* The integers q, as floats. */
static mx_array integers(mx_array packed, mx_array scales, mx_quant q) {
  return mx_dequantize(packed, mx_ones_like(scales), mxi_zeros_like(scales), q);
}
mx_array mxi_scale_gradient(mx_array g, mx_array packed, mx_array scales, mx_quant q) {
  return group_sums(mx_multiply(g, integers(packed, scales, q)), q.group_size, scales);
}

mx_array mxi_bias_gradient(mx_array g, mx_array biases, mx_quant q) {
  return group_sums(g, q.group_size, biases);
}

MXI_VJP(DEQUANTIZE) {
  mx_quant q =
      mxi_affine_options_of(MXI_PARAMS(DEQUANTIZE, n)->format, MXI_PARAMS(DEQUANTIZE, n)->group_size);
  mx_array g = cotangents[0];
  mxi_no_grads(n, grads);
  if (want[1]) grads[1] = MXI_COMPOSED(mxi_scale_gradient(g, n->inputs[0], n->inputs[1], q));
  if (want[2]) grads[2] = MXI_COMPOSED(mxi_bias_gradient(g, n->inputs[2], q));
  return mxi_grads_done(n, grads);
}

/* The gradient of the matrix itself: of y = x W^T it is g^T x, of y = x W it is x^T g. Batches that share a
   2-D matrix are its rows. */
static mx_array matrix_gradient(mx_array x, mx_array g, mx_array packed, bool transpose) {
  if (packed->ndim == 2) {
    x = mx_flatten(x, 0, -2);
    g = mx_flatten(g, 0, -2);
  }
  return transpose ? mx_matmul(mx_swapaxes(g, -1, -2), x) : mx_matmul(mx_swapaxes(x, -1, -2), g);
}

/* The product of a node's parameters on other inputs, without biases where they are NULL. */
static mx_array product_like(const struct mxi_p_QUANTIZED_MATMUL *p, const mx_array in[4], bool transpose) {
  enum mxi_quant_mode mode = mxi_quant_formats[p->format].mode;
  if (mxi_quant_modes[mode].biases)
    return mx_quantized_matmul(in[0], in[1], in[2], in[3], transpose,
                               mxi_affine_options_of(p->format, p->group_size));
  return mx_quantized_matmul_float(in[0], in[1], in[2], transpose, (mx_float_format)(mode - 1));
}

/* Of scales and biases; scales in bytes have none. */
static void affine_gradients(const mx_node *n, mx_array g, bool transpose, mx_quant q, const bool *want,
                             mx_array *grads) {
  mx_array dw = matrix_gradient(n->inputs[0], g, n->inputs[1], transpose);
  if (want[2]) grads[2] = mxi_scale_gradient(dw, n->inputs[1], n->inputs[2], q);
  if (want[3]) grads[3] = mxi_bias_gradient(dw, n->inputs[3], q);
}

MXI_VJP(QUANTIZED_MATMUL) {
  const struct mxi_p_QUANTIZED_MATMUL *p = MXI_PARAMS(QUANTIZED_MATMUL, n);
  mx_array in[4] = {cotangents[0]};
  for (int i = 1; i < n->ninputs; i++) in[i] = n->inputs[i];
  mxi_no_grads(n, grads);
  if (want[0])
    grads[0] = MXI_COMPOSED(mx_astype(product_like(p, in, !p->transpose), mxi_dtype(n->inputs[0])));
  if (n->ninputs == 4 && (want[2] || want[3]))
    affine_gradients(n, cotangents[0], p->transpose, mxi_affine_options_of(p->format, p->group_size), want,
                     grads);
  return mxi_grads_done(n, grads);
}

/* Linear in x, and in scales and biases together. */
static mx_array product_tangent(const mx_node *n, mx_array out, const mx_array *t) {
  const struct mxi_p_QUANTIZED_MATMUL *p = MXI_PARAMS(QUANTIZED_MATMUL, n);
  mx_array in[4] = {0}, of_x = NULL, of_w = NULL;
  for (int i = 0; i < n->ninputs; i++) in[i] = n->inputs[i];
  if (n->ninputs == 4 && (t[2] || t[3]))
    of_w = product_like(
        p,
        (mx_array[]){in[0], in[1], t[2] ? t[2] : mxi_zeros_like(in[2]), t[3] ? t[3] : mxi_zeros_like(in[3])},
        p->transpose);
  in[0] = t[0];
  if (t[0]) of_x = product_like(p, in, p->transpose);
  mx_array sum = mxi_add_tangents(of_x, of_w);
  return sum ? mx_astype(sum, mxi_dtype(out)) : NULL;
}
MXI_JVP(QUANTIZED_MATMUL) {
  out[0] = MXI_COMPOSED(product_tangent(n, outputs[0], tangents));
  return out[0] == MX_BAD ? -1 : 0;
}

/* ---- Batching ---- */
/* The matrix, if any part of it is batched, takes the batch of x: axes of size 1 where it has none. */
static mx_array product_batched(const mx_node *n, const struct mxi_batch *b) {
  const struct mxi_p_QUANTIZED_MATMUL *p = MXI_PARAMS(QUANTIZED_MATMUL, n);
  mx_array in[4] = {b->in[0]};
  for (int i = 1; i < n->ninputs; i++) {
    in[i] = mxi_batch_repeated(b, i);
    if (in[i] == MX_BAD) return MX_BAD;
    in[i] = mxi_batch_align(in[i], n->inputs[0]->ndim);
  }
  return product_like(p, in, p->transpose);
}
MXI_VMAP(QUANTIZED_MATMUL) {
  bool matrix = false;
  for (int i = 1; i < n->ninputs; i++) matrix = matrix || b->batched[i];
  if (!matrix && n->inputs[1]->ndim == 2) return mxi_batch_apply(n, b, n->params->fields, b->in);
  return mxi_batch_done(b, MXI_COMPOSED(product_batched(n, b)));
}
