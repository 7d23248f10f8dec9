/* Products, convolutions, transforms, quantised and fused layers. */
#include "graphs/drawing.h"
#include "mlx/conv.h"
#include "mlx/fast.h"
#include "mlx/fft.h"

static int matrix(struct drawing *d, int types) {
  return draw_value(d, (struct wanted){types, 1, 4, 1, 4000});
}

/* a (..., M, K) and b (K, N), now and then (..., K, N). */
static bool draw_matmul(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = matrix(d, TYPES_INEXACT);
  if (a < 0) return false;
  const struct value *v = value_of(d, a);
  int64_t shape[MOST_AXES];
  int n = v->ndim > 2 && chance(&d->r, 0.5) ? v->ndim : 2;
  for (int i = 0; i < n - 2; i++) shape[i] = v->shape[i];
  shape[n - 2] = v->shape[v->ndim - 1];
  shape[n - 1] = chance(&d->r, 0.9) ? between(&d->r, 1, 16) : between(&d->r, 17, 70);
  operand(ins, a);
  operand(ins, draw_shaped(d, v->type, (mx_ints){shape, n}));
  return true;
}
static int build_matmul(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                        mx_array *out) {
  return one(mx_matmul(in[0], in[1]), out);
}
/* Parameters: how many places, a step, and whether there are indices on the left too. The indices go through
   the matrices, a step at a time. */
static void add_choice(struct drawing *d, struct instruction *ins, bool left) {
  parameter(ins, between(&d->r, 1, 7));
  parameter(ins, between(&d->r, 0, 5));
  parameter(ins, left);
}
static mx_array chosen(const struct instruction *ins, int first, int64_t matrices) {
  mx_array i = mx_multiply(mx_arange(0, (double)ins->parameters[first], 1, MX_INT32),
                           mx_int(ins->parameters[first + 1]));
  return mx_remainder(i, mx_int(matrices));
}
static bool draw_gather_mm(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = matrix(d, TYPES_FLOATS);
  if (a < 0) return false;
  const struct value *v = value_of(d, a);
  operand(ins, a);
  operand(ins, draw_shaped(d, v->type, MX_SHAPE(3, v->shape[v->ndim - 1], between(&d->r, 1, 20))));
  add_choice(d, ins, v->ndim > 2 || chance(&d->r, 0.5));
  return true;
}
static int build_gather_mm(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                           mx_array *out) {
  int64_t matrices = 1;
  for (int i = 0; i < mx_ndim(in[0]) - 2; i++) matrices *= mx_dim(in[0], i);
  mx_array left = ins->parameters[2] ? chosen(ins, 0, matrices) : NULL;
  return one(mx_gather_mm(in[0], in[1], left, chosen(ins, 0, 3)), out);
}
/* A matrix by its own transpose, which is a view. */
static bool draw_gram(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  operand(ins, draw_value(d, (struct wanted){TYPES_INEXACT, 2, 4, 0, 4000}));
  return true;
}
static int build_gram(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                      mx_array *out) {
  return one(mx_matmul(in[0], mx_swapaxes(in[0], -1, -2)), out);
}
static bool draw_addmm(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  if (!draw_matmul(d, op, ins) || ins->operands[1] < 0) return false;
  const struct value *a = value_of(d, ins->operands[0]), *b = value_of(d, ins->operands[1]);
  operand(ins, draw_shaped(d, a->type, MX_SHAPE(b->shape[b->ndim - 1])));
  return a->ndim >= 2;
}
static int build_addmm(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                       mx_array *out) {
  return one(mx_addmm(in[2], in[0], in[1], 0.5, 2), out);
}
static bool draw_outer(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  for (int i = 0; i < 2; i++) operand(ins, draw_value(d, (struct wanted){TYPES_INEXACT, 0, 0, 0, 60}));
  return true;
}
static int build_outer(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                       mx_array *out) {
  return one(mx_outer(in[0], in[1]), out);
}
static bool draw_inner(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = matrix(d, TYPES_INEXACT);
  if (a < 0) return false;
  const struct value *v = value_of(d, a);
  operand(ins, a);
  operand(ins, draw_shaped(d, v->type, MX_SHAPE(between(&d->r, 1, 5), v->shape[v->ndim - 1])));
  return true;
}
static int build_inner(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                       mx_array *out) {
  return one(mx_inner(in[0], in[1]), out);
}

/* A signal (N, L, C) of any value of three axes; the weight (O, K, C). */
static bool draw_conv(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){TYPES_FLOATS, 3, 3, 1, 4000});
  if (a < 0) return false;
  const struct value *v = value_of(d, a);
  operand(ins, a);
  operand(ins, draw_shaped(d, v->type, MX_SHAPE(between(&d->r, 1, 5), between(&d->r, 1, 3), v->shape[2])));
  parameter(ins, between(&d->r, 1, 2));
  parameter(ins, between(&d->r, 0, 2));
  return true;
}
static int build_conv(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                      mx_array *out) {
  const int64_t *p = ins->parameters;
  mx_conv_opts opts = {.stride = {p[0]}, .padding_low = {p[1]}, .padding_high = {p[1]}};
  return one(mx_conv(in[0], in[1], opts), out);
}

static bool draw_fft(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){TYPES_ALL & ~(1 << MX_FLOAT64), 1, 0, 1, 2000});
  if (a < 0) return false;
  operand(ins, a);
  parameter(ins, draw_axis(d, a));
  return true;
}
static int build_fft(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                     mx_array *out) {
  return one(mx_fft_fft(in[0], 0, (int)ins->parameters[0], MX_FFT_ORTHO), out);
}
static int build_rfft(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                      mx_array *out) {
  return one(mx_fft_rfft(mx_real(in[0]), 0, (int)ins->parameters[0], MX_FFT_BACKWARD), out);
}

/* A matrix (N, K) for groups of 32. */
static bool draw_quantize(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  static const int bits[] = {2, 3, 4, 5, 6, 8};
  mx_dtype t;
  do t = draw_type(d, TYPES_FLOATS);
  while (t == MX_FLOAT64);
  operand(ins, draw_shaped(d, t, MX_SHAPE(8 * between(&d->r, 1, 3), 32 * between(&d->r, 1, 3))));
  parameter(ins, bits[between(&d->r, 0, 5)]);
  return true;
}
static mx_quant quantization(const struct instruction *ins) {
  return (mx_quant){.group_size = 32, .bits = (int)ins->parameters[0]};
}
static int build_quantize(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                          mx_array *out) {
  return mx_quantize(in[0], quantization(ins), &out[0], &out[1], &out[2]) < 0 ? -1 : 3;
}
/* Some quantize's results, and its bits; where there is none, one more instruction. */
static bool add_quantized(struct drawing *d, struct instruction *ins) {
  const struct program *p = d->p;
  struct instruction fresh = {.kind = graph_op_find("quantize")};
  const struct instruction *q = NULL;
  for (int i = p->ninstructions; i-- && !q;)
    if (p->instructions[i].kind == fresh.kind) q = &p->instructions[i];
  if (!q && (!draw_quantize(d, graph_op(fresh.kind), &fresh) || !draw_append(d, &fresh))) return false;
  if (!q) q = &fresh;
  for (int r = 0; r < 3; r++) operand(ins, q->first + r);
  parameter(ins, q->parameters[0]);
  return true;
}
static bool draw_dequantize(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  return add_quantized(d, ins);
}
static int build_dequantize(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                            mx_array *out) {
  return one(mx_dequantize(in[0], in[1], in[2], quantization(ins)), out);
}
static bool draw_quantized_matmul(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  if (!add_quantized(d, ins)) return false;
  const struct value *scales = value_of(d, ins->operands[1]);
  bool transpose = chance(&d->r, 0.6);
  int64_t k = transpose ? scales->shape[1] * 32 : scales->shape[0];
  operand(ins, draw_shaped(d, scales->type, MX_SHAPE(between(&d->r, 1, 6), k)));
  parameter(ins, transpose);
  return true;
}
static int build_quantized_matmul(const struct graph_op *op, const struct instruction *ins,
                                  const mx_array *in, mx_array *out) {
  return one(mx_quantized_matmul(in[3], in[0], in[1], in[2], ins->parameters[1], quantization(ins)), out);
}
/* Of two copies of the matrix. */
static bool draw_gather_qmm(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  if (!draw_quantized_matmul(d, op, ins)) return false;
  add_choice(d, ins, chance(&d->r, 0.5));
  return true;
}
static int build_gather_qmm(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                            mx_array *out) {
  mx_array w[3], left = ins->parameters[4] ? chosen(ins, 2, 1) : NULL;
  for (int i = 0; i < 3; i++) w[i] = mx_stack(2, (mx_array[]){in[i], in[i]}, 0);
  return one(
      mx_gather_qmm(in[3], w[0], w[1], w[2], left, chosen(ins, 2, 2), ins->parameters[1], quantization(ins)),
      out);
}

/* Operands: x, weight, and bias, which the mean square's norm doesn't take. Parameter: have a weight? */
static bool draw_norm(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){.types = TYPES_FLOATS, .least_ndim = 1, .least_size = 1});
  if (a < 0) return false;
  const struct value *v = value_of(d, a);
  mx_ints last = MX_SHAPE(v->shape[v->ndim - 1]);
  mx_dtype t = v->type;
  operand(ins, a);
  for (int i = 0; i < 2; i++) operand(ins, draw_shaped(d, t, last));
  parameter(ins, chance(&d->r, 0.7));
  return true;
}
static int build_rms_norm(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                          mx_array *out) {
  return one(mx_fast_rms_norm(in[0], ins->parameters[0] ? in[1] : NULL, 1e-5), out);
}
static int build_layer_norm(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                            mx_array *out) {
  bool has = ins->parameters[0];
  return one(mx_fast_layer_norm(in[0], has ? in[1] : NULL, has ? in[2] : NULL, 1e-5), out);
}

/* Parameters: dims, traditional. */
static bool draw_rope(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){TYPES_FLOATS, 3, 0, 1, 0});
  if (a < 0) return false;
  const struct value *v = value_of(d, a);
  int64_t most = v->shape[v->ndim - 1] / 2;
  if (!most) return false;
  operand(ins, a);
  operand(ins, draw_shaped(d, MX_INT32, MX_NO_SHAPE));
  parameter(ins, 2 * between(&d->r, 1, most));
  parameter(ins, chance(&d->r, 0.5));
  return true;
}
static int build_rope(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                      mx_array *out) {
  mx_rope_opts opts = {
      .dims = (int)ins->parameters[0], .traditional = ins->parameters[1], .base = 100, .scale = 1};
  return one(mx_fast_rope(in[0], opts, mx_remainder(in[1], mx_int(100)), NULL), out);
}

/* q, k and v of one shape (B, H, T, D). */
static bool draw_attention(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  mx_dtype t = chance(&d->r, 0.5) ? MX_FLOAT32 : draw_type(d, 1 << MX_FLOAT16 | 1 << MX_BFLOAT16);
  int a = draw_value(d, (struct wanted){1 << t, 4, 4, 1, 2000});
  if (a < 0) a = draw_input(d, t, MX_SHAPE(1, between(&d->r, 1, 2), between(&d->r, 1, 9), 8));
  operand(ins, a);
  for (int i = 0; i < 2; i++) operand(ins, a >= 0 ? draw_shaped(d, t, shape_of(value_of(d, a))) : -1);
  parameter(ins, chance(&d->r, 0.5));
  return true;
}
static int build_attention(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                           mx_array *out) {
  return one(mx_fast_scaled_dot_product_attention(in[0], in[1], in[2], 0.3, ins->parameters[0], NULL, NULL),
             out);
}

static bool draw_hadamard(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int64_t shape[] = {between(&d->r, 1, 4), 1 << between(&d->r, 1, 6)};
  mx_dtype t;
  do t = draw_type(d, TYPES_FLOATS);
  while (t == MX_FLOAT64);
  operand(ins, draw_shaped(d, t, (mx_ints){shape, 2}));
  return true;
}
static int build_hadamard(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                          mx_array *out) {
  return one(mx_hadamard_transform(in[0], 0.25), out);
}

#define ROW(name_, weight_, draw_, build_) \
  { .name = name_, .family = FAMILY_PRODUCT, .weight = weight_, .draw = draw_, .build = build_ }
const struct graph_op product_ops[] = {
    ROW("matmul", 6, draw_matmul, build_matmul),
    ROW("gram", 2, draw_gram, build_gram),
    ROW("addmm", 2, draw_addmm, build_addmm),
    ROW("outer", 1, draw_outer, build_outer),
    ROW("inner", 1, draw_inner, build_inner),
    ROW("conv", 1, draw_conv, build_conv),
    ROW("fft", 0.7, draw_fft, build_fft),
    ROW("rfft", 0.7, draw_fft, build_rfft),
    ROW("quantize", 1, draw_quantize, build_quantize),
    ROW("dequantize", 1, draw_dequantize, build_dequantize),
    ROW("quantized_matmul", 2, draw_quantized_matmul, build_quantized_matmul),
    ROW("gather_mm", 1, draw_gather_mm, build_gather_mm),
    ROW("gather_qmm", 1, draw_gather_qmm, build_gather_qmm),
    ROW("rms_norm", 1.5, draw_norm, build_rms_norm),
    ROW("layer_norm", 1.5, draw_norm, build_layer_norm),
    ROW("rope", 1.5, draw_rope, build_rope),
    ROW("attention", 1, draw_attention, build_attention),
    ROW("hadamard", 0.7, draw_hadamard, build_hadamard),
    {0},
};
