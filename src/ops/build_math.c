/* Making nodes again: what computes. */
#include "core/reduce.h"
#include "mlx/conv.h"
#include "mlx/fast.h"
#include "mlx/linalg.h"
#include "mlx/random.h"
#include "core/quant.h"
#include "ops/common.h"
#include "ops/products.h"
#include "ops/rules.h"

/* ---- Elementwise ---- */
mx_array mx_rint(mx_array a);

#define CALL_1(name)            mx_##name(in[0])
#define CALL_2(name)            mx_##name(in[0], in[1])
#define CALL_3(name)            mx_##name(in[0], in[1], in[2])
#define BUILD_CAST(name, arity) mx_##name(in[0], t)
#define BUILD_SAME(name, arity) CALL_##arity(name)
#define BUILD_FLOAT             BUILD_SAME
#define BUILD_REAL              BUILD_SAME
#define BUILD_COMPARE           BUILD_SAME
#define BUILD_LOGIC             BUILD_SAME
#define BUILD_BITS              BUILD_SAME
#define BUILD_TEST              BUILD_SAME
#define BUILD_PART              BUILD_SAME
#define BUILD_SELECT            BUILD_SAME
static const int arities[] = {
#define MX_ELEMENTWISE(ID, name, arity, rule) arity,
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
};
static mx_array elementwise(int prim, const mx_array *in, mx_dtype t) {
  switch (prim) {
#define MX_ELEMENTWISE(ID, name, arity, rule) \
  case MXI_##ID:                              \
    return BUILD_##rule(name, arity);
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
  default: return MX_BAD;
  }
}
int mxi_build_elementwise(const struct mxi_build *b) {
  if (!mxi_build_takes(b, arities[b->prim->id], 1)) return -1;
  return mxi_build_done(b, elementwise(b->prim->id, b->in, b->outputs[0].dtype));
}

/* ---- Reductions, scans, order ---- */
MXI_BUILD(REDUCE) {
  const struct mxi_p_REDUCE *p = MXI_BUILD_PARAMS(REDUCE, b);
  static mx_array (*const reductions[])(mx_array, mx_ints, bool) = {
      [MXI_REDUCE_SUM] = mx_sum, [MXI_REDUCE_PROD] = mx_prod, [MXI_REDUCE_MIN] = mx_min,
      [MXI_REDUCE_MAX] = mx_max, [MXI_REDUCE_AND] = mx_all,   [MXI_REDUCE_OR] = mx_any};
  if (!mxi_build_takes(b, 1, 1)) return -1;
  if (p->op < 0 || p->op >= (int64_t)(sizeof reductions / sizeof *reductions) || p->axes.n < 0)
    return mxi_build_refuse(b, "a reduction");
  return mxi_build_done(b, reductions[p->op](b->in[0], p->axes, true));
}
MXI_BUILD(ARG_REDUCE) {
  const struct mxi_p_ARG_REDUCE *p = MXI_BUILD_PARAMS(ARG_REDUCE, b);
  int axis;
  if (!mxi_build_takes(b, 1, 1) || !mxi_build_int(b, p->axis, &axis)) return -1;
  if (p->op != MXI_ARG_MIN && p->op != MXI_ARG_MAX) return mxi_build_refuse(b, "argmin or argmax");
  return mxi_build_done(b, (p->op == MXI_ARG_MIN ? mx_argmin : mx_argmax)(b->in[0], axis, true));
}
MXI_BUILD(SCAN) {
  const struct mxi_p_SCAN *p = MXI_BUILD_PARAMS(SCAN, b);
  static mx_array (*const scans[])(mx_array, int, bool, bool) = {
      [MXI_SCAN_SUM] = mx_cumsum, [MXI_SCAN_PROD] = mx_cumprod,           [MXI_SCAN_MAX] = mx_cummax,
      [MXI_SCAN_MIN] = mx_cummin, [MXI_SCAN_LOGADDEXP] = mx_logcumsumexp,
  };
  int axis;
  if (!mxi_build_takes(b, 1, 1) || !mxi_build_int(b, p->axis, &axis)) return -1;
  if (p->op < 0 || p->op >= (int64_t)(sizeof scans / sizeof *scans)) return mxi_build_refuse(b, "a scan");
  return mxi_build_done(b, scans[p->op](b->in[0], axis, p->reverse != 0, p->inclusive != 0));
}

static int order(const struct mxi_build *b, int64_t axis, mx_array (*op)(mx_array, int)) {
  int along;
  if (!mxi_build_takes(b, 1, 1) || !mxi_build_int(b, axis, &along)) return -1;
  return mxi_build_done(b, op(b->in[0], along));
}
MXI_BUILD(SORT) { return order(b, MXI_BUILD_PARAMS(SORT, b)->axis, mx_sort); }
MXI_BUILD(ARGSORT) { return order(b, MXI_BUILD_PARAMS(ARGSORT, b)->axis, mx_argsort); }

static int partition(const struct mxi_build *b, int64_t axis, int64_t kth,
                     mx_array (*op)(mx_array, int64_t, int)) {
  int along;
  if (!mxi_build_takes(b, 1, 1) || !mxi_build_int(b, axis, &along)) return -1;
  return mxi_build_done(b, op(b->in[0], kth, along));
}
MXI_BUILD(PARTITION) {
  const struct mxi_p_PARTITION *p = MXI_BUILD_PARAMS(PARTITION, b);
  return partition(b, p->axis, p->kth, mx_partition);
}
MXI_BUILD(ARGPARTITION) {
  const struct mxi_p_ARGPARTITION *p = MXI_BUILD_PARAMS(ARGPARTITION, b);
  return partition(b, p->axis, p->kth, mx_argpartition);
}

MXI_BUILD(SOFTMAX) {
  bool precise = MXI_BUILD_PARAMS(SOFTMAX, b)->precise != 0;
  return mxi_build_takes(b, 1, 1) ? mxi_build_done(b, mx_softmax(b->in[0], MX_AXES(-1), precise)) : -1;
}
MXI_BUILD(LOGSUMEXP) {
  return mxi_build_takes(b, 1, 1) ? mxi_build_done(b, mx_logsumexp(b->in[0], MX_AXES(-1), true)) : -1;
}

/* ---- Products ---- */
MXI_BUILD(MATMUL) { return mxi_build_takes(b, 2, 1) ? mxi_build_done(b, mx_matmul(b->in[0], b->in[1])) : -1; }
MXI_BUILD(ADDMM) {
  const struct mxi_p_ADDMM *p = MXI_BUILD_PARAMS(ADDMM, b);
  if (!mxi_build_takes(b, 3, 1)) return -1;
  return mxi_build_done(b, mx_addmm(b->in[2], b->in[0], b->in[1], p->alpha, p->beta));
}

/* ---- Quantised ---- */
/* Is it one of the formats, with a group size of its own? Zeros would stand for the defaults. */
static bool is_format(const struct mxi_build *b, int64_t format, int64_t group_size) {
  int size;
  if (format < 0 || format >= MXI_QUANT_FORMATS) {
    mxi_build_refuse(b, "a quantisation format");
    return false;
  }
  if (!mxi_build_int(b, group_size, &size)) return false;
  return mxi_quant_has_group_size(mxi_quant_formats[format].mode, size) ||
         mxi_build_refuse(b, "a group size of its format") == 0;
}
static bool affine_of(const struct mxi_build *b, int64_t format, int64_t group_size, mx_quant *q) {
  if (!is_format(b, format, group_size)) return false;
  *q = (mx_quant){(int)group_size, mxi_quant_bits((enum mxi_quant_format)format)};
  return mxi_quant_formats[format].mode == MXI_MODE_AFFINE || mxi_build_refuse(b, "an affine format") == 0;
}
MXI_BUILD(QUANTIZE) {
  const struct mxi_p_QUANTIZE *p = MXI_BUILD_PARAMS(QUANTIZE, b);
  mx_quant q;
  if (!mxi_build_takes(b, 1, 3) || !affine_of(b, p->format, p->group_size, &q)) return -1;
  return mx_quantize(b->in[0], q, &b->out[0], &b->out[1], &b->out[2]);
}
MXI_BUILD(DEQUANTIZE) {
  const struct mxi_p_DEQUANTIZE *p = MXI_BUILD_PARAMS(DEQUANTIZE, b);
  mx_quant q;
  if (!mxi_build_takes(b, 3, 1) || !affine_of(b, p->format, p->group_size, &q)) return -1;
  return mxi_build_done(b, mx_dequantize(b->in[0], b->in[1], b->in[2], q));
}
MXI_BUILD(QUANTIZED_MATMUL) {
  const struct mxi_p_QUANTIZED_MATMUL *p = MXI_BUILD_PARAMS(QUANTIZED_MATMUL, b);
  if (!is_format(b, p->format, p->group_size)) return -1;
  enum mxi_quant_mode mode = mxi_quant_formats[p->format].mode;
  bool transpose = p->transpose != 0, biases = mxi_quant_modes[mode].biases;
  if (!mxi_build_takes(b, 3 + biases, 1)) return -1;
  mx_quant q = {(int)p->group_size, mxi_quant_bits((enum mxi_quant_format)p->format)};
  return mxi_build_done(
      b, biases ? mx_quantized_matmul(b->in[0], b->in[1], b->in[2], b->in[3], transpose, q)
                : mx_quantized_matmul_float(b->in[0], b->in[1], b->in[2], transpose,
                                            (mx_float_format)(mode - 1))); // as quant.c asserts
}

static bool is_flag(const struct mxi_build *b, int64_t value) {
  return value == 0 || value == 1 || mxi_build_refuse(b, "flags of 0 or 1") == 0;
}
MXI_BUILD(GATHER_MM) {
  const struct mxi_p_GATHER_MM *p = MXI_BUILD_PARAMS(GATHER_MM, b);
  if (!is_flag(b, p->lhs) || !is_flag(b, p->rhs) || !mxi_build_takes(b, (int)(2 + p->lhs + p->rhs), 1))
    return -1;
  struct mxi_choice of = mxi_choice_of(b->in, 2, p->lhs, p->rhs);
  return mxi_build_done(b, mx_gather_mm(b->in[0], b->in[1], of.lhs, of.rhs));
}
MXI_BUILD(GATHER_QMM) {
  const struct mxi_p_GATHER_QMM *p = MXI_BUILD_PARAMS(GATHER_QMM, b);
  if (!is_format(b, p->format, p->group_size) || !is_flag(b, p->lhs) || !is_flag(b, p->rhs)) return -1;
  enum mxi_quant_mode mode = mxi_quant_formats[p->format].mode;
  bool transpose = p->transpose != 0, biases = mxi_quant_modes[mode].biases;
  if (!mxi_build_takes(b, (int)(3 + biases + p->lhs + p->rhs), 1)) return -1;
  struct mxi_choice of = mxi_choice_of(b->in, 3 + biases, p->lhs, p->rhs);
  mx_quant q = {(int)p->group_size, mxi_quant_bits((enum mxi_quant_format)p->format)};
  return mxi_build_done(
      b, biases ? mx_gather_qmm(b->in[0], b->in[1], b->in[2], b->in[3], of.lhs, of.rhs, transpose, q)
                : mx_gather_qmm_float(b->in[0], b->in[1], b->in[2], of.lhs, of.rhs, transpose,
                                      (mx_float_format)(mode - 1)));
}

static void option(int64_t *to, mx_ints from) { mxi_copy_ints(to, from); }
MXI_BUILD(CONVOLUTION) {
  const struct mxi_p_CONVOLUTION *p = MXI_BUILD_PARAMS(CONVOLUTION, b);
  if (!mxi_build_takes(b, 2, 1)) return -1;
  int n = b->in[0]->ndim - 2;
  const mx_ints lists[] = {p->stride, p->padding_low, p->padding_high, p->kernel_dilation, p->input_dilation};
  for (int i = 0; i < 5; i++)
    if (n < 1 || n > MX_CONV_AXES || lists[i].n != n)
      return mxi_build_refuse(b, "options for 1 to 3 spatial axes");
  mx_conv_opts o = {.groups = p->groups, .flip = p->flip != 0};
  option(o.stride, p->stride);
  option(o.padding_low, p->padding_low);
  option(o.padding_high, p->padding_high);
  option(o.kernel_dilation, p->kernel_dilation);
  option(o.input_dilation, p->input_dilation);
  return mxi_build_done(b, mx_conv(b->in[0], b->in[1], o));
}

/* ---- Linear algebra ---- */
MXI_BUILD(INVERSE) { return mxi_build_takes(b, 1, 1) ? mxi_build_done(b, mx_linalg_inv(b->in[0])) : -1; }
MXI_BUILD(PINV) { return mxi_build_takes(b, 1, 1) ? mxi_build_done(b, mx_linalg_pinv(b->in[0])) : -1; }
MXI_BUILD(SOLVE) {
  return mxi_build_takes(b, 2, 1) ? mxi_build_done(b, mx_linalg_solve(b->in[0], b->in[1])) : -1;
}
MXI_BUILD(SOLVE_TRIANGULAR) {
  bool upper = MXI_BUILD_PARAMS(SOLVE_TRIANGULAR, b)->upper != 0;
  if (!mxi_build_takes(b, 2, 1)) return -1;
  return mxi_build_done(b, mx_linalg_solve_triangular(b->in[0], b->in[1], upper));
}
MXI_BUILD(CHOLESKY) {
  bool upper = MXI_BUILD_PARAMS(CHOLESKY, b)->upper != 0;
  return mxi_build_takes(b, 1, 1) ? mxi_build_done(b, mx_linalg_cholesky(b->in[0], upper)) : -1;
}
MXI_BUILD(QR) { return mxi_build_takes(b, 1, 2) ? mx_linalg_qr(b->in[0], &b->out[0], &b->out[1]) : -1; }
MXI_BUILD(SVD) {
  if (b->ninputs == 1 && b->noutputs == 1) return mxi_build_done(b, mx_linalg_svdvals(b->in[0]));
  if (!mxi_build_takes(b, 1, 3)) return -1;
  return mx_linalg_svd(b->in[0], &b->out[0], &b->out[1], &b->out[2]);
}
MXI_BUILD(EIGH) {
  bool upper = MXI_BUILD_PARAMS(EIGH, b)->upper != 0;
  if (b->ninputs == 1 && b->noutputs == 1) return mxi_build_done(b, mx_linalg_eigvalsh(b->in[0], upper));
  return mxi_build_takes(b, 1, 2) ? mx_linalg_eigh(b->in[0], upper, &b->out[0], &b->out[1]) : -1;
}
MXI_BUILD(EIG) {
  if (b->ninputs == 1 && b->noutputs == 1) return mxi_build_done(b, mx_linalg_eigvals(b->in[0]));
  return mxi_build_takes(b, 1, 2) ? mx_linalg_eig(b->in[0], &b->out[0], &b->out[1]) : -1;
}

/* ---- Random ---- */
MXI_BUILD(RANDOM_BITS) {
  int width;
  if (!mxi_build_takes(b, 1, 1) || !mxi_build_int(b, MXI_BUILD_PARAMS(RANDOM_BITS, b)->width, &width))
    return -1;
  mx_ints shape = b->outputs[0].shape;
  int keys = b->in[0]->ndim - 1;
  if (keys < 0 || keys > shape.n) return mxi_build_refuse(b, "a key");
  return mxi_build_done(b, mx_random_bits((mx_ints){shape.v + keys, shape.n - keys}, width, b->in[0]));
}

/* ---- Layers ---- */
MXI_BUILD(RMS_NORM) {
  double eps = MXI_BUILD_PARAMS(RMS_NORM, b)->eps;
  bool weight = b->ninputs == 2;
  if (!mxi_build_takes(b, 1 + weight, 1)) return -1;
  return mxi_build_done(b, mx_fast_rms_norm(b->in[0], weight ? b->in[1] : NULL, eps));
}
MXI_BUILD(LAYER_NORM) {
  const struct mxi_p_LAYER_NORM *p = MXI_BUILD_PARAMS(LAYER_NORM, b);
  bool weight = p->has_weight != 0, bias = p->has_bias != 0;
  if (!mxi_build_takes(b, 1 + weight + bias, 1)) return -1;
  return mxi_build_done(
      b, mx_fast_layer_norm(b->in[0], weight ? b->in[1] : NULL, bias ? b->in[1 + weight] : NULL, p->eps));
}
MXI_BUILD(SDPA) {
  const struct mxi_p_SDPA *p = MXI_BUILD_PARAMS(SDPA, b);
  bool mask = p->has_mask != 0, sinks = p->has_sinks != 0;
  if (!mxi_build_takes(b, 3 + mask + sinks, 1)) return -1;
  return mxi_build_done(b, mx_fast_scaled_dot_product_attention(b->in[0], b->in[1], b->in[2], p->scale,
                                                                p->causal != 0, mask ? b->in[3] : NULL,
                                                                sinks ? b->in[3 + mask] : NULL));
}
