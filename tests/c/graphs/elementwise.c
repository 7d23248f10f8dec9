/* Elementwise ops of one, two and three operands, and those made of them. */
#include "graphs/drawing.h"

static bool draw_unary(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  operand(ins, draw_value(d, (struct wanted){.types = op->types}));
  return true;
}
static int build_unary(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                       mx_array *out) {
  return one(op->f.unary(in[0]), out);
}

static bool draw_binary(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){.types = op->types}), b = a >= 0 ? draw_partner(d, a, op->types) : -1;
  bool turned = chance(&d->r, 0.5);
  operand(ins, turned ? b : a);
  operand(ins, turned ? a : b);
  return true;
}
static int build_binary(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                        mx_array *out) {
  return one(op->f.binary(in[0], in[1]), out);
}

static int build_divmod(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                        mx_array *out) {
  return mx_divmod(in[0], in[1], &out[0], &out[1]) < 0 ? -1 : 2;
}

static bool draw_where(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int x = draw_value(d, (struct wanted){.types = TYPES_ALL});
  if (x < 0) return false;
  operand(ins, draw_partner(d, x, chance(&d->r, 0.7) ? TYPES_BOOL : TYPES_ALL));
  operand(ins, x);
  operand(ins, draw_partner(d, x, TYPES_ALL));
  return true;
}
static int build_where(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                       mx_array *out) {
  return one(mx_where(in[0], in[1], in[2]), out);
}

/* Parameter: which bound is absent, 0 for none. */
static bool draw_clip(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){.types = op->types});
  if (a < 0) return false;
  operand(ins, a);
  operand(ins, draw_partner(d, a, op->types));
  operand(ins, draw_partner(d, a, op->types));
  parameter(ins, between(&d->r, 0, 2));
  return true;
}
static int build_clip(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                      mx_array *out) {
  int64_t absent = ins->parameters[0];
  return one(mx_clip(in[0], absent == 1 ? NULL : in[1], absent == 2 ? NULL : in[2]), out);
}

static bool draw_round(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  parameter(ins, chance(&d->r, 0.6) ? 0 : between(&d->r, -2, 3));
  return draw_unary(d, op, ins);
}
static int build_round(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                       mx_array *out) {
  return one(mx_round(in[0], (int)ins->parameters[0]), out);
}

static bool draw_astype(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){.types = TYPES_ALL});
  mx_dtype t = chance(&d->r, 0.4) ? d->style.types[0] : draw_type(d, TYPES_ALL);
  operand(ins, a);
  parameter(ins, (int64_t)t);
  return a >= 0 && value_of(d, a)->type != t;
}
static int build_astype(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                        mx_array *out) {
  return one(mx_astype(in[0], (mx_dtype)ins->parameters[0]), out);
}

static int build_nan_to_num(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                            mx_array *out) {
  return one(mx_nan_to_num(in[0], 0.5, &(double){2}, NULL), out);
}
static int build_isclose(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                         mx_array *out) {
  return one(mx_isclose(in[0], in[1], 1e-2, 1e-3, true), out);
}
static int build_allclose(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                          mx_array *out) {
  return one(mx_allclose(in[0], in[1], 1e-2, 1e-3, false), out);
}
static int build_array_equal(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                             mx_array *out) {
  return one(mx_array_equal(in[0], in[1], true), out);
}

#define ROW(name_, weight_, types_, ...) \
  { .name = name_, .family = FAMILY_ELEMENTWISE, .weight = weight_, .types = types_, __VA_ARGS__ }
#define UNARY(name, weight, types) \
  ROW(#name, weight, types, .draw = draw_unary, .build = build_unary, .f.unary = mx_##name)
#define BINARY(name, weight, types) \
  ROW(#name, weight, types, .draw = draw_binary, .build = build_binary, .f.binary = mx_##name)
const struct graph_op elementwise_ops[] = {
    UNARY(abs, 2, TYPES_ALL),
    UNARY(negative, 2, TYPES_NUMBERS),
    UNARY(sign, 1, TYPES_ALL),
    UNARY(square, 2, TYPES_ALL),
    UNARY(sqrt, 1, TYPES_ALL),
    UNARY(rsqrt, 1, TYPES_ALL),
    UNARY(reciprocal, 1, TYPES_ALL),
    UNARY(exp, 1, TYPES_ALL),
    UNARY(expm1, 1, TYPES_REAL),
    UNARY(log, 1, TYPES_ALL),
    UNARY(log2, 1, TYPES_ALL),
    UNARY(log10, 1, TYPES_ALL),
    UNARY(log1p, 1, TYPES_ALL),
    UNARY(sin, 3, TYPES_ALL),
    UNARY(cos, 3, TYPES_ALL),
    UNARY(tan, 1, TYPES_ALL),
    UNARY(arcsin, 1, TYPES_ALL),
    UNARY(arccos, 1, TYPES_ALL),
    UNARY(arctan, 2, TYPES_ALL),
    UNARY(sinh, 1, TYPES_ALL),
    UNARY(cosh, 1, TYPES_ALL),
    UNARY(tanh, 3, TYPES_ALL),
    UNARY(arcsinh, 1, TYPES_ALL),
    UNARY(arccosh, 1, TYPES_ALL),
    UNARY(arctanh, 1, TYPES_ALL),
    UNARY(erf, 1, TYPES_REAL),
    UNARY(erfinv, 1, TYPES_REAL),
    UNARY(sigmoid, 2, TYPES_ALL),
    UNARY(degrees, 1, TYPES_REAL),
    UNARY(radians, 1, TYPES_REAL),
    UNARY(floor, 1, TYPES_REAL),
    UNARY(ceil, 1, TYPES_REAL),
    UNARY(trunc, 1, TYPES_REAL),
    UNARY(logical_not, 1, TYPES_ALL),
    UNARY(bitwise_invert, 1, TYPES_BITS),
    UNARY(isnan, 1, TYPES_ALL),
    UNARY(isinf, 1, TYPES_ALL),
    UNARY(isfinite, 1, TYPES_ALL),
    UNARY(isposinf, 0.5, TYPES_REAL),
    UNARY(isneginf, 0.5, TYPES_REAL),
    UNARY(real, 1, TYPES_ALL),
    UNARY(imag, 1, TYPES_ALL),
    UNARY(conjugate, 1, TYPES_ALL),
    UNARY(stop_gradient, 0.5, TYPES_ALL),
    BINARY(add, 8, TYPES_ALL),
    BINARY(subtract, 6, TYPES_NUMBERS),
    BINARY(multiply, 8, TYPES_ALL),
    BINARY(divide, 3, TYPES_ALL),
    BINARY(floor_divide, 1, TYPES_REAL),
    BINARY(remainder, 2, TYPES_REAL),
    BINARY(power, 1, TYPES_ALL),
    BINARY(maximum, 2, TYPES_ALL),
    BINARY(minimum, 2, TYPES_ALL),
    BINARY(logaddexp, 1, TYPES_ALL),
    BINARY(arctan2, 1, TYPES_REAL),
    BINARY(equal, 1, TYPES_ALL),
    BINARY(not_equal, 1, TYPES_ALL),
    BINARY(less, 1, TYPES_ALL),
    BINARY(less_equal, 1, TYPES_ALL),
    BINARY(greater, 1, TYPES_ALL),
    BINARY(greater_equal, 1, TYPES_ALL),
    BINARY(logical_and, 1, TYPES_ALL),
    BINARY(logical_or, 1, TYPES_ALL),
    BINARY(logical_xor, 1, TYPES_ALL),
    BINARY(bitwise_and, 1, TYPES_BITS),
    BINARY(bitwise_or, 1, TYPES_BITS),
    BINARY(bitwise_xor, 1, TYPES_BITS),
    BINARY(left_shift, 1, TYPES_BITS),
    BINARY(right_shift, 1, TYPES_BITS),
    ROW("divmod", 1, TYPES_REAL, .draw = draw_binary, .build = build_divmod),
    ROW("where", 5, TYPES_ALL, .draw = draw_where, .build = build_where),
    ROW("clip", 3, TYPES_REAL, .draw = draw_clip, .build = build_clip),
    ROW("round", 1, TYPES_ALL, .draw = draw_round, .build = build_round),
    ROW("astype", 6, TYPES_ALL, .draw = draw_astype, .build = build_astype),
    ROW("nan_to_num", 4, TYPES_FLOATS, .draw = draw_unary, .build = build_nan_to_num),
    ROW("isclose", 1, TYPES_ALL, .draw = draw_binary, .build = build_isclose),
    ROW("allclose", 0.3, TYPES_ALL, .draw = draw_binary, .build = build_allclose),
    ROW("array_equal", 0.3, TYPES_ALL, .draw = draw_binary, .build = build_array_equal),
    {0},
};
