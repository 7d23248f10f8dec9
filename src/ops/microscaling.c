/* Small floats and blocks of them under a shared scale: the OCP "8-bit Floating Point" and "Microscaling
   Formats (MX)" specifications, and NVIDIA's NVFP4. A narrow float is turned into float16 by moving its bits:
   its exponent field is shorter, so the value comes out too small by a fixed power of two, subnormals
   included. */
#include "ops/common.h"
#include "ops/quantized.h"
#include "ops/rules.h"
#include <math.h>
#include <string.h>

static mx_array u16(int64_t v) { return mx_scalar_int(v, MX_UINT16); }
static mx_array u32(int64_t v) { return mx_scalar_int(v, MX_UINT32); }

/* ---- e4m3 ---- */
enum { E4M3_MAX = 126, E4M3_NAN = 127 };

static mx_array e4m3_decoded(mx_array codes) { /* uint8 -> float32 */
  mx_array wide = mx_astype(codes, MX_UINT16), magnitude = mx_bitwise_and(wide, u16(127));
  mx_array sign = mx_left_shift(mx_bitwise_and(wide, u16(128)), u16(8));
  mx_array half = mx_view(mx_bitwise_or(sign, mx_left_shift(magnitude, u16(7))), MX_FLOAT16);
  mx_array value = mx_multiply(mx_astype(half, MX_FLOAT32), mx_float(256));
  return mx_where(mx_equal(magnitude, u16(E4M3_NAN)), mx_float(NAN), value);
}

/* Half to even at 3 mantissa bits; 448 for what is larger, infinities and NaN. */
static mx_array e4m3_encoded(mx_array x) { /* float32 -> uint8 */
  mx_array bits = mx_view(x, MX_UINT32), magnitude = mx_bitwise_and(bits, u32(0x7fffffff));
  mx_array odd = mx_bitwise_and(mx_right_shift(magnitude, u32(20)), u32(1));
  mx_array rounded = mx_right_shift(mx_add(magnitude, mx_add(odd, u32(0x7ffff))), u32(20));
  const int64_t bias = 127 - 7, smallest_normal = (bias + 1) << 23;
  mx_array normal =
      mx_minimum(mx_subtract(mx_maximum(rounded, u32(bias << 3)), u32(bias << 3)), u32(E4M3_MAX));
  /* Below 2^-6 values are multiples of 2^-9, the spacing of floats at 2^14: adding it rounds to them. */
  mx_array at_2_14 = mx_view(mx_add(mx_minimum(mx_abs(x), mx_float(1)), mx_float(16384)), MX_UINT32);
  mx_array subnormal = mx_bitwise_and(at_2_14, u32(15));
  mx_array code = mx_where(mx_less(magnitude, u32(smallest_normal)), subnormal, normal);
  return mx_astype(mx_bitwise_or(code, mx_bitwise_and(mx_right_shift(bits, u32(24)), u32(128))), MX_UINT8);
}

mx_array mx_to_fp8(mx_array a) {
  if (!mxi_usable1("to_fp8", a)) return MX_BAD;
  if (!mxi_is_float(mxi_dtype(a)))
    return mxi_bad(MX_INVALID_ARGUMENT, "[to_fp8] expected a real floating point dtype, got %s",
                   mx_dtype_name(mxi_dtype(a)));
  return MXI_COMPOSED(e4m3_encoded(mx_astype(a, MX_FLOAT32)));
}

mx_array mx_from_fp8(mx_array a, mx_dtype t) {
  if (!mxi_usable1("from_fp8", a)) return MX_BAD;
  if (mxi_dtype(a) != MX_UINT8 || !mxi_is_float(t))
    return mxi_bad(MX_INVALID_ARGUMENT,
                   "[from_fp8] expected uint8 and a real floating point dtype, got %s to %s",
                   mx_dtype_name(mxi_dtype(a)), mx_dtype_name(t));
  return MXI_COMPOSED(mx_astype(e4m3_decoded(a), t));
}

/* ---- e2m1 ---- 0, 0.5, 1, 1.5, 2, 3, 4, 6 ---- */
static mx_array e2m1_decoded(mx_array codes) { /* uint8 below 16 -> float32 */
  mx_array wide = mx_astype(codes, MX_UINT16);
  mx_array sign = mx_left_shift(mx_bitwise_and(wide, u16(8)), u16(12));
  mx_array magnitude = mx_left_shift(mx_bitwise_and(wide, u16(7)), u16(9));
  mx_array half = mx_view(mx_bitwise_or(sign, magnitude), MX_FLOAT16);
  return mx_multiply(mx_astype(half, MX_FLOAT32), mx_float(16384));
}

/* To the nearest, halves towards zero: the code counts the midpoints that the size exceeds. A zero has no
 * sign. */
static mx_array e2m1_encoded(mx_array x) { /* float32 -> uint8 */
  static const double midpoints[] = {0.25, 0.75, 1.25, 1.75, 2.5, 3.5, 5};
  mx_array size = mx_abs(x), code = NULL;
  for (int i = 0; i < 7; i++) {
    mx_array passed = mx_astype(mx_greater(size, mx_float(midpoints[i])), MX_UINT8);
    code = code ? mx_add(code, passed) : passed;
  }
  mx_array zero = mx_scalar_int(0, MX_UINT8), minus = mx_scalar_int(8, MX_UINT8);
  mx_array negative = mx_logical_and(mx_less(x, mx_float(0)), mx_not_equal(code, zero));
  return mx_bitwise_or(code, mx_where(negative, minus, zero));
}

/* Two codes a byte, the first in the low half; and back. The last axis is even. */
static mx_array nibbles_packed(mx_array codes) {
  mx_array pair = mx_view(codes, MX_UINT16);
  return mx_astype(mx_bitwise_and(mx_bitwise_or(pair, mx_right_shift(pair, u16(4))), u16(255)), MX_UINT8);
}
static mx_array nibbles_unpacked(mx_array bytes) {
  mx_array wide = mx_astype(bytes, MX_UINT16), low = mx_bitwise_and(wide, u16(15));
  return mx_view(mx_bitwise_or(low, mx_left_shift(mx_bitwise_and(wide, u16(240)), u16(4))), MX_UINT8);
}

/* ---- Groups ---- */
/* Codes are bytes. A format of floats has values that are no integers. */
static double largest_value(enum mxi_quant_values values) {
  switch (values) {
  case MXI_VALUES_INTEGER: break;
  case MXI_VALUES_E2M1: return 6;
  case MXI_VALUES_E4M3: return 448;
  }
  __builtin_unreachable();
}
/* float32 (..., K) -> packed uint32 (..., K * bits / 32). */
static mx_array values_packed(mx_array x, enum mxi_quant_values values) {
  switch (values) {
  case MXI_VALUES_INTEGER: break;
  case MXI_VALUES_E2M1: return mx_view(nibbles_packed(e2m1_encoded(x)), MX_UINT32);
  case MXI_VALUES_E4M3: return mx_view(e4m3_encoded(x), MX_UINT32);
  }
  __builtin_unreachable();
}
static mx_array values_unpacked(mx_array packed, enum mxi_quant_values values) {
  mx_array bytes = mx_view(packed, MX_UINT8);
  switch (values) {
  case MXI_VALUES_INTEGER: break;
  case MXI_VALUES_E2M1: return e2m1_decoded(nibbles_unpacked(bytes));
  case MXI_VALUES_E4M3: return e4m3_decoded(bytes);
  }
  __builtin_unreachable();
}
/* Under a global scale, the largest value is the largest e4m3 times the largest e2m1. */
static const double nvfp4_largest = 448 * 6;

static enum mxi_quant_mode mode_of_floats(mx_float_format format) {
  return (enum mxi_quant_mode)(format + 1);
}
static enum mxi_quant_format format_of_floats(mx_float_format format) {
  return (enum mxi_quant_format)mxi_quant_format_of(mode_of_floats(format),
                                                    mxi_quant_modes[mode_of_floats(format)].bits);
}

static const struct mxi_quant_mode_info *find_mode(const char *op, mx_float_format format,
                                                   mx_array global_scale) {
  if ((unsigned)format >= MX_FLOAT_FORMAT_COUNT) {
    mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a format, got %d", op, (int)format);
    return NULL;
  }
  if (global_scale && (format != MX_NVFP4 || global_scale->size != 1)) {
    mxi_fail(MX_INVALID_ARGUMENT,
             "[%s] expected a global scale, of one element, for nvfp4 only, got shape %s "
             "for %s",
             op, MXI_SHAPE_TEXT(global_scale), mx_float_format_name(format));
    return NULL;
  }
  return &mxi_quant_modes[mode_of_floats(format)];
}
static mx_array global_factor(mx_array global_scale) {
  return mx_divide(mx_reshape(mx_astype(global_scale, MX_FLOAT32), MX_NO_SHAPE), mx_float(nvfp4_largest));
}

/* The bytes s of powers of two 2^(s - 127) not below x; 127 for 0. */
static mx_array exponents_above(mx_array x) {
  mx_array bits = mx_view(x, MX_UINT32), mantissa = mx_bitwise_and(bits, u32(0x7fffff));
  mx_array up = mx_astype(mx_not_equal(mantissa, u32(0)), MX_UINT32);
  mx_array s = mx_minimum(mx_add(mx_right_shift(bits, u32(23)), up), u32(254));
  return mx_astype(mx_where(mx_equal(bits, u32(0)), u32(127), s), MX_UINT8);
}
static mx_array powers_of_two(mx_array bytes) {
  mx_array wide = mx_astype(bytes, MX_UINT32);
  mx_array subnormal = mx_where(mx_equal(wide, u32(0)), u32(0x400000), u32(0));
  return mx_view(mx_bitwise_or(mx_left_shift(wide, u32(23)), subnormal), MX_FLOAT32);
}

/* The float32 value of scale bytes. */
static mx_array scale_values(mx_array bytes, mx_float_format format, mx_array global_scale) {
  mx_array s = NULL;
  switch (mxi_quant_scales(format_of_floats(format))) {
  case MXI_SCALES_FLOAT: __builtin_unreachable();
  case MXI_SCALES_E8M0: s = powers_of_two(bytes); break;
  case MXI_SCALES_E4M3: s = e4m3_decoded(bytes); break;
  }
  return global_scale ? mx_multiply(s, global_factor(global_scale)) : s;
}
/* The scale bytes for groups whose largest elements are given. */
static mx_array scale_bytes(mx_array largest, mx_float_format format, mx_array global_scale) {
  enum mxi_quant_format f = format_of_floats(format);
  mx_array ratio = mx_divide(largest, mx_float(largest_value(mxi_quant_values(f))));
  if (global_scale) ratio = mx_divide(ratio, global_factor(global_scale));
  switch (mxi_quant_scales(f)) {
  case MXI_SCALES_FLOAT: break;
  case MXI_SCALES_E8M0: return exponents_above(ratio);
  case MXI_SCALES_E4M3: return e4m3_encoded(ratio);
  }
  __builtin_unreachable();
}

struct packed_floats {
  mx_array words, scales;
};
static struct packed_floats packed_groups(mx_array w, mx_float_format format, mx_array global_scale) {
  const int n = mx_float_format_group_size(format);
  mx_array groups = mx_unflatten(mx_astype(w, MX_FLOAT32), -1, MX_SHAPE(w->dims[w->ndim - 1] / n, n));
  struct packed_floats p;
  p.scales = scale_bytes(mx_max(mx_abs(groups), MX_AXES(-1), false), format, global_scale);
  mx_array s = mx_expand_dims(scale_values(p.scales, format, global_scale), MX_AXES(-1));
  mx_array zero = mx_float(0), x = mx_where(mx_equal(s, zero), zero, mx_divide(groups, s));
  p.words = values_packed(mx_flatten(x, -2, -1), mxi_quant_values(format_of_floats(format)));
  return p;
}

int mx_quantize_float(mx_array w, mx_float_format format, mx_array global_scale, mx_array *packed,
                      mx_array *scales) {
  if (!mxi_has_place("quantize", packed) || !mxi_has_place("quantize", scales)) return -1;
  *packed = *scales = MX_BAD;
  if (!mxi_usable1("quantize", w) || global_scale == MX_BAD) return -1;
  const struct mxi_quant_mode_info *mode = find_mode("quantize", format, global_scale);
  if (!mode) return -1;
  if (!mxi_is_float(mxi_dtype(w)))
    return mxi_fail(MX_INVALID_ARGUMENT, "[quantize] expected a real floating point dtype, got %s",
                    mx_dtype_name(mxi_dtype(w)));
  if (w->ndim < 2 || w->ndim == MX_MAX_NDIM || mx_dim(w, -1) % mode->group_size)
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[quantize] expected at least 2 dimensions and a last one divisible by "
                    "the group size %d of %s, got shape %s",
                    mode->group_size, mode->name, MXI_SHAPE_TEXT(w));
  mx_scope scope = mx_scope_open();
  struct packed_floats p = packed_groups(w, format, global_scale);
  *packed = mx_pass(p.words);
  *scales = mx_pass(p.scales);
  mx_scope_close(&scope);
  return mx_ok(*packed) && mx_ok(*scales) ? 0 : -1;
}

/* K of packed (..., N, K * bits / 32) with scales (..., N, K / group size), or -1. */
static int64_t check_packed_floats(const char *op, mx_array packed, mx_array scales, mx_float_format format,
                                   mx_array global_scale) {
  if (!mxi_usable2(op, packed, scales) || global_scale == MX_BAD) return -1;
  const struct mxi_quant_mode_info *mode = find_mode(op, format, global_scale);
  if (!mode) return -1;
  if (mxi_dtype(packed) != MX_UINT32 || mxi_dtype(scales) != MX_UINT8)
    return mxi_fail(MX_INVALID_ARGUMENT,
                    "[%s] expected a packed matrix of uint32 and scales of uint8, got %s and %s", op,
                    mx_dtype_name(mxi_dtype(packed)), mx_dtype_name(mxi_dtype(scales)));
  bool match = packed->ndim >= 2 && packed->ndim < MX_MAX_NDIM && scales->ndim == packed->ndim;
  for (int i = 0; match && i < packed->ndim - 1; i++) match = packed->dims[i] == scales->dims[i];
  int64_t words = mode->group_size * mode->bits / 32, columns = 0; /* words of a group */
  match = match && mx_dim(packed, -1) % words == 0 && mx_dim(packed, -1) / words == mx_dim(scales, -1) &&
          mxi_mul(mx_dim(scales, -1), mode->group_size, &columns);
  if (match) return columns;
  return mxi_fail(MX_INVALID_ARGUMENT,
                  "[%s] expected packed (..., N, K * %d / 32) and scales (..., N, K / %d) for %s, "
                  "got shapes %s and %s",
                  op, mode->bits, mode->group_size, mode->name, MXI_SHAPE_TEXT(packed),
                  MXI_SHAPE_TEXT(scales));
}

static mx_array unpacked_groups(mx_array packed, mx_array scales, mx_float_format format,
                                mx_array global_scale, mx_dtype t) {
  mx_array values = values_unpacked(packed, mxi_quant_values(format_of_floats(format)));
  mx_array groups =
      mx_unflatten(values, -1, MX_SHAPE(mx_dim(scales, -1), mx_float_format_group_size(format)));
  mx_array s = mx_expand_dims(scale_values(scales, format, global_scale), MX_AXES(-1));
  return mx_astype(mx_flatten(mx_multiply(groups, s), -2, -1), t);
}

mx_array mx_dequantize_float(mx_array packed, mx_array scales, mx_float_format format, mx_array global_scale,
                             mx_dtype t) {
  if (check_packed_floats("dequantize", packed, scales, format, global_scale) < 0) return MX_BAD;
  if (!mxi_is_float(t))
    return mxi_bad(MX_INVALID_ARGUMENT, "[dequantize] expected a real floating point dtype, got %s",
                   mx_dtype_name(t));
  return MXI_COMPOSED(unpacked_groups(packed, scales, format, global_scale, t));
}

/* ---- Products ---- */
static bool check_factor(const char *op, mx_array x) {
  if (mxi_is_float(mxi_dtype(x))) return true;
  mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a real floating point dtype, got %s", op,
           mx_dtype_name(mxi_dtype(x)));
  return false;
}

int mxi_float_matrix(mx_array x, mx_array packed, mx_array scales, bool transpose, mx_float_format format,
                     struct mxi_packed_matrix *w) {
  const char *op = "quantized_matmul";
  int64_t columns = check_packed_floats(op, packed, scales, format, NULL);
  if (columns < 0 || !check_factor(op, x) || !mxi_check_contracted(x, packed, columns, transpose)) return -1;
  *w = (struct mxi_packed_matrix){
      packed, scales, NULL, format_of_floats(format), mx_float_format_group_size(format), columns};
  return 0;
}

mx_array mx_quantized_matmul_float(mx_array x, mx_array packed, mx_array scales, bool transpose,
                                   mx_float_format format) {
  struct mxi_packed_matrix w;
  if (!mxi_usable1("quantized_matmul", x)) return MX_BAD;
  if (mxi_float_matrix(x, packed, scales, transpose, format, &w) < 0) return MX_BAD;
  return MXI_COMPOSED(mxi_quantized_product(x, &w, transpose));
}

/* a rounded to the format, as float32: what quantize followed by dequantize gives. */
static mx_array rounded_to_format(mx_array a, mx_float_format format, mx_array global_scale) {
  mx_array words, scales;
  bool vector = mx_ok(a) && a->ndim == 1;
  if (vector) a = mx_reshape(a, MX_SHAPE(1, a->size));
  if (mx_quantize_float(a, format, global_scale, &words, &scales) < 0) return MX_BAD;
  mx_array r = mx_dequantize_float(words, scales, format, global_scale, MX_FLOAT32);
  return vector && mx_ok(r) ? mx_reshape(r, MX_SHAPE(-1)) : r;
}

/* The factors of a product that rounds both: x in float32, W packed. */
struct rounded_factors {
  mx_array x;
  struct packed_floats w;
  mx_array scale; /* of the product: W's global scale, or NULL */
};
static int round_factors(mx_array x, mx_array w, mx_array scales, mx_float_format format, mx_array scale_x,
                         mx_array scale_w, struct rounded_factors *f) {
  *f = (struct rounded_factors){.x = rounded_to_format(x, format, scale_x), .w = {w, scales}};
  if (scales && check_packed_floats("dequantize", w, scales, format, scale_w) < 0) return -1;
  if (!scales && mx_quantize_float(w, format, scale_w, &f->w.words, &f->w.scales) < 0) return -1;
  if (scale_w) f->scale = global_factor(scale_w);
  return mx_ok(f->x) ? 0 : -1;
}
static mx_array scaled_product(mx_array y, const struct rounded_factors *f, mx_dtype t) {
  return mx_astype(f->scale ? mx_multiply(y, f->scale) : y, t);
}
static mx_array rounded_product(mx_array x, mx_array w, mx_array scales, mx_float_format format,
                                mx_array scale_x, mx_array scale_w) {
  struct rounded_factors f;
  if (round_factors(x, w, scales, format, scale_x, scale_w, &f) < 0) return MX_BAD;
  mx_array y = mx_quantized_matmul_float(f.x, f.w.words, f.w.scales, true, format);
  return scaled_product(y, &f, mxi_dtype(x));
}
static mx_array rounded_gather(mx_array x, mx_array w, mx_array scales, mx_array x_indices, mx_array indices,
                               mx_float_format format, mx_array scale_x, mx_array scale_w) {
  struct rounded_factors f;
  if (round_factors(x, w, scales, format, scale_x, scale_w, &f) < 0) return MX_BAD;
  mx_array y = mx_gather_qmm_float(f.x, f.w.words, f.w.scales, x_indices, indices, true, format);
  return scaled_product(y, &f, mxi_dtype(x));
}

/* ---- The derivative of the product ---- as if nothing had been rounded on the way: g W and g^T x, where W
   is what a packed matrix unpacks to (Bengio et al., "Estimating or Propagating Gradients Through Stochastic
   Neurons", 2013) ---- */
struct product_inputs {
  mx_array y, x, w, scales, scale_w; /* w packed if there are scales */
};
static struct product_inputs product_inputs_of(int n, const mx_array *in) {
  return (struct product_inputs){in[0], in[1], in[2], n > 3 ? in[3] : NULL, n > 4 ? in[4] : NULL};
}
/* Is y of the shape and dtype of x w^T? Else the error is set. */
static bool is_product(const struct product_inputs *p, mx_float_format format) {
  int64_t columns = p->w->ndim > 0 ? mx_dim(p->w, -1) : 0, leading[MX_MAX_NDIM];
  if (p->scales && (columns = check_packed_floats("qqmm", p->w, p->scales, format, p->scale_w)) < 0)
    return false;
  mx_array y = p->y, x = p->x, w = p->w;
  if (y->ndim >= 2 && x->ndim >= 2 && w->ndim >= 2 && mxi_is_float(mxi_dtype(x)) &&
      (p->scales || mxi_is_float(mxi_dtype(w))) && mxi_dtype(y) == mxi_dtype(x) && mx_dim(x, -1) == columns &&
      mx_dim(y, -1) == mx_dim(w, -2) && mx_dim(y, -2) == mx_dim(x, -2)) {
    int n = mxi_broadcast_shape("qqmm", (mx_ints){x->dims, x->ndim - 2}, (mx_ints){w->dims, w->ndim - 2},
                                leading);
    if (n == y->ndim - 2 && !memcmp(leading, y->dims, (size_t)n * sizeof *leading)) return true;
    if (n < 0) return false;
  }
  mxi_fail(MX_INVALID_ARGUMENT, "[qqmm] expected the product of shapes %s and %s, got shape %s",
           MXI_SHAPE_TEXT(x), MXI_SHAPE_TEXT(w), MXI_SHAPE_TEXT(y));
  return false;
}
static mx_array with_derivative(int n, const mx_array *in, mx_float_format format) {
  struct product_inputs inputs = product_inputs_of(n, in);
  struct mxi_p_QQMM p = {.format = format};
  if (!mxi_usable("qqmm", n, in) || !is_product(&inputs, format)) return MX_BAD;
  return mxi_apply(MXI_QQMM, &p, n, in, mxi_dtype(in[0]), mxi_shape_of(in[0]));
}

MXI_VJP(QQMM) {
  struct product_inputs in = product_inputs_of(n->ninputs, n->inputs);
  mx_array g = cotangents[0];
  mxi_no_grads(n, grads);
  if (want[1]) {
    mx_float_format format = (mx_float_format)MXI_PARAMS(QQMM, n)->format;
    mx_array w = in.scales ? mx_dequantize_float(in.w, in.scales, format, in.scale_w, mxi_dtype(g))
                           : mx_astype(in.w, mxi_dtype(g));
    grads[1] = MXI_COMPOSED(mxi_unbroadcast(mx_matmul(g, w), in.x));
  }
  if (want[2] && !in.scales)
    grads[2] = MXI_COMPOSED(mxi_unbroadcast(mx_matmul(mx_swapaxes(g, -1, -2), in.x), in.w));
  return mxi_grads_done(n, grads);
}
MXI_VMAP(QQMM) {
  int ndim = b->outputs[0].shape.n;
  mx_array in[5];
  for (int i = 0; i < n->ninputs; i++) in[i] = i < 4 ? mxi_batch_aligned(b, i, ndim) : b->in[i];
  if (n->ninputs == 5 && b->batched[4])
    return mxi_fail(MX_NOT_SUPPORTED,
                    "[vmap] expected qqmm to have one global scale for all, got a batch of them");
  in[0] = mxi_batch_repeated(b, 0);
  return mxi_batch_done(b, with_derivative(n->ninputs, in, (mx_float_format)MXI_PARAMS(QQMM, n)->format));
}
MXI_BUILD(QQMM) {
  int64_t format = MXI_BUILD_PARAMS(QQMM, b)->format;
  int ninputs = b->ninputs < 3 ? 3 : b->ninputs > 5 ? 5 : b->ninputs;
  if (!mxi_build_takes(b, ninputs, 1)) return -1;
  if (format < 0 || format >= MX_FLOAT_FORMAT_COUNT) return mxi_build_refuse(b, "a format of floats");
  return mxi_build_done(b, with_derivative(ninputs, b->in, (mx_float_format)format));
}

static mx_array product(mx_array x, mx_array w, mx_array scales, mx_float_format format, mx_array scale_x,
                        mx_array scale_w) {
  bool vector = x->ndim == 1;
  if (vector) x = mx_expand_dims(x, MX_AXES(0));
  mx_array y = rounded_product(mx_stop_gradient(x), mx_stop_gradient(w), scales, format, scale_x, scale_w);
  mx_array in[] = {y, x, w, scales, scale_w};
  y = with_derivative(scales ? 4 + (scale_w != NULL) : 3, in, format);
  return vector ? mx_squeeze(y, MX_AXES(-2)) : y;
}
mx_array mx_qqmm(mx_array x, mx_array w, mx_array scales, mx_float_format format, mx_array global_scale_x,
                 mx_array global_scale_w) {
  if (!mxi_usable2("qqmm", x, w) || scales == MX_BAD || !check_factor("qqmm", x)) return MX_BAD;
  return MXI_NAMED("qqmm", product(x, w, scales, format, global_scale_x, global_scale_w));
}
mx_array mx_gather_qqmm(mx_array x, mx_array w, mx_array scales, mx_array x_indices, mx_array indices,
                        mx_float_format format, mx_array global_scale_x, mx_array global_scale_w) {
  if (!mxi_usable2("gather_qqmm", x, w) || scales == MX_BAD || !check_factor("gather_qqmm", x)) return MX_BAD;
  return MXI_NAMED("gather_qqmm",
                   rounded_gather(x, w, scales, x_indices, indices, format, global_scale_x, global_scale_w));
}
