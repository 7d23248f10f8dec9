/* Arrays put together from others, padded, repeated and shifted. */
#include "graphs/drawing.h"

/* Values that differ along the axis at most; parameter: the axis. */
static bool draw_concatenate(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){.types = TYPES_ALL, .least_ndim = 1});
  if (a < 0) return false;
  const struct value *v = value_of(d, a);
  int axis = draw_axis(d, a),
      n = chance(&d->r, 0.1) ? (int)between(&d->r, 10, 36) : (int)between(&d->r, 1, 5);
  parameter(ins, axis);
  operand(ins, a);
  for (int i = 1; i < n; i++) {
    int b = draw_value(d, (struct wanted){TYPES_ALL, v->ndim, v->ndim, 0, 0});
    bool fits = chance(&d->r, 0.2) || value_of(d, b)->type == v->type;
    for (int k = 0; k < v->ndim; k++) fits &= k == axis || value_of(d, b)->shape[k] == v->shape[k];
    operand(ins, fits ? b : a);
  }
  return true;
}
static int build_concatenate(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                             mx_array *out) {
  return one(mx_concatenate(ins->noperands, in, (int)ins->parameters[0]), out);
}

static bool draw_stack(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){TYPES_ALL, 0, 3, 0, 0});
  if (a < 0) return false;
  const struct value *v = value_of(d, a);
  parameter(ins, between(&d->r, 0, v->ndim));
  for (int i = (int)between(&d->r, 1, 4); i; i--) {
    int b = draw_partner(d, a, TYPES_ALL);
    bool fits = value_of(d, b)->ndim == v->ndim;
    for (int k = 0; fits && k < v->ndim; k++) fits = value_of(d, b)->shape[k] == v->shape[k];
    operand(ins, fits ? b : a);
  }
  return true;
}
static int build_stack(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                       mx_array *out) {
  return one(mx_stack(ins->noperands, in, (int)ins->parameters[0]), out);
}

/* Parameters: how often, and the axis. */
static bool draw_repeat(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){.types = TYPES_ALL, .least_ndim = 1});
  if (a < 0) return false;
  operand(ins, a);
  parameter(ins, between(&d->r, 0, 3));
  parameter(ins, draw_axis(d, a));
  return true;
}
static int build_repeat(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                        mx_array *out) {
  return one(mx_repeat(in[0], ins->parameters[0], (int)ins->parameters[1]), out);
}

static bool draw_tile(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  operand(ins, draw_value(d, (struct wanted){.types = TYPES_ALL}));
  for (int i = (int)between(&d->r, 1, 3); i; i--)
    parameter(ins, between(&d->r, 0, 3) ? between(&d->r, 1, 3) : 1);
  return true;
}
static int build_tile(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                      mx_array *out) {
  return one(mx_tile(in[0], parameters_from(ins, 0)), out);
}

/* Parameters: the shift, and the axis. */
static bool draw_roll(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){.types = TYPES_ALL, .least_ndim = 1});
  if (a < 0) return false;
  operand(ins, a);
  parameter(ins, between(&d->r, -9, 9));
  parameter(ins, draw_axis(d, a));
  return true;
}
static int build_roll(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                      mx_array *out) {
  return one(mx_roll(in[0], parameters_at(ins, 0, 1), parameters_at(ins, 1, 1)), out);
}

/* Parameters: the mode, elements before, elements after. */
static bool draw_pad(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){.types = TYPES_ALL, .least_size = 1});
  if (a < 0) return false;
  operand(ins, a);
  operand(ins, draw_value(d, (struct wanted){1 << value_of(d, a)->type, 0, 0, 1, 1}));
  if (ins->operands[1] < 0) ins->operands[1] = draw_input(d, value_of(d, a)->type, MX_NO_SHAPE);
  parameter(ins, chance(&d->r, 0.6) ? MX_PAD_CONSTANT : between(&d->r, MX_PAD_EDGE, MX_PAD_SYMMETRIC));
  for (int i = 0; i < 2 * value_of(d, a)->ndim; i++)
    parameter(ins, chance(&d->r, 0.5) ? 0 : between(&d->r, 0, 3));
  return true;
}
static int build_pad(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                     mx_array *out) {
  int n = (ins->nparameters - 1) / 2;
  mx_ints low = parameters_at(ins, 1, n), high = parameters_at(ins, 1 + n, n);
  return one(mx_pad(in[0], low, high, (mx_pad_mode)ins->parameters[0], mx_reshape(in[1], MX_NO_SHAPE)), out);
}

static bool draw_triangle(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  operand(ins, draw_value(d, (struct wanted){.types = TYPES_ALL, .least_ndim = 2}));
  parameter(ins, between(&d->r, -3, 3));
  return true;
}
static int build_tril(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                      mx_array *out) {
  return one(mx_tril(in[0], ins->parameters[0]), out);
}
static int build_triu(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                      mx_array *out) {
  return one(mx_triu(in[0], ins->parameters[0]), out);
}
static bool draw_diag(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  operand(ins, draw_value(d, (struct wanted){TYPES_ALL, 1, 2, 0, 1000}));
  parameter(ins, between(&d->r, -2, 2));
  return true;
}
static int build_diag(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                      mx_array *out) {
  return one(mx_diag(in[0], ins->parameters[0]), out);
}

#define ROW(name_, weight_, moves_, draw_, build_)                                               \
  {                                                                                              \
    .name = name_, .family = FAMILY_ASSEMBLY, .weight = weight_, .moves = moves_, .draw = draw_, \
    .build = build_                                                                              \
  }
const struct graph_op assembly_ops[] = {
    ROW("concatenate", 5, false, draw_concatenate, build_concatenate),
    ROW("stack", 4, false, draw_stack, build_stack),
    ROW("repeat", 1, true, draw_repeat, build_repeat),
    ROW("tile", 1, true, draw_tile, build_tile),
    ROW("roll", 2, true, draw_roll, build_roll),
    ROW("pad", 3, true, draw_pad, build_pad),
    ROW("tril", 1, false, draw_triangle, build_tril),
    ROW("triu", 1, false, draw_triangle, build_triu),
    ROW("diag", 1, false, draw_diag, build_diag),
    {0},
};
