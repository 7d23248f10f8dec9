/* Values from nothing: inputs, constants, ranges, random numbers. */
#include "graphs/drawing.h"

/* Inputs are given to a graph, not built; see evaluate.c. */
static bool draw_new_input(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  return false;
}
static int build_input(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                       mx_array *out) {
  return mx_error_set(MX_RUNTIME_ERROR, "[input] expected a value from outside");
}

static void draw_small_shape(struct drawing *d, struct instruction *ins) {
  const struct style *s = &d->style;
  for (int i = (int)between(&d->r, 0, s->base_ndim); i < s->base_ndim; i++)
    parameter(ins, chance(&d->r, 0.8) ? s->base[i] : 1);
}

static bool draw_scalar(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  mx_dtype t = chance(&d->r, 0.5) ? d->style.types[0] : draw_type(d, TYPES_ALL);
  parameter(ins, (int64_t)t);
  parameter(ins, between(&d->r, is_in(t, TYPES_UNSIGNED) ? 0 : -64, 64) * (is_in(t, TYPES_BITS) ? 16 : 1));
  return true;
}
static int build_scalar(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                        mx_array *out) {
  return one(mx_scalar(sixteenths(ins->parameters[1]), (mx_dtype)ins->parameters[0]), out);
}

static bool draw_full(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  operand(ins, draw_value(d, (struct wanted){TYPES_ALL, 0, 0, 1, 1}));
  parameter(ins, (int64_t)(chance(&d->r, 0.6) ? d->style.types[0] : draw_type(d, TYPES_ALL)));
  draw_small_shape(d, ins);
  return true;
}
static int build_full(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                      mx_array *out) {
  mx_dtype t = (mx_dtype)ins->parameters[0];
  mx_array value = mx_reshape(in[0], MX_NO_SHAPE);
  if (mx_dtype_of(value) == MX_COMPLEX64 && t != MX_COMPLEX64) value = mx_real(value);
  return one(mx_full(parameters_from(ins, 1), value, t), out);
}

static bool draw_arange(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  parameter(ins, (int64_t)draw_type(d, TYPES_INTEGERS | TYPES_FLOATS));
  parameter(ins, between(&d->r, 0, 100));
  parameter(ins, ins->parameters[1] + between(&d->r, 0, 1000));
  parameter(ins, between(&d->r, 16, 48));
  return true;
}
static int build_arange(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                        mx_array *out) {
  const int64_t *p = ins->parameters;
  return one(mx_arange(sixteenths(p[1]), sixteenths(p[2]), sixteenths(p[3]), (mx_dtype)p[0]), out);
}

static bool draw_linspace(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  parameter(ins, (int64_t)draw_type(d, TYPES_FLOATS));
  parameter(ins, between(&d->r, -100, 100));
  parameter(ins, between(&d->r, -100, 100));
  parameter(ins, between(&d->r, 0, 40));
  parameter(ins, chance(&d->r, 0.5));
  return true;
}
static int build_linspace(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                          mx_array *out) {
  const int64_t *p = ins->parameters;
  return one(mx_linspace(sixteenths(p[1]), sixteenths(p[2]), p[3], p[4], (mx_dtype)p[0]), out);
}

static bool draw_eye(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  parameter(ins, (int64_t)draw_type(d, TYPES_ALL));
  parameter(ins, between(&d->r, 0, 12));
  parameter(ins, between(&d->r, 0, 12));
  parameter(ins, between(&d->r, -4, 4));
  return true;
}
static int build_eye(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                     mx_array *out) {
  const int64_t *p = ins->parameters;
  return one(mx_eye(p[1], p[2], p[3], (mx_dtype)p[0]), out);
}
static int build_tri(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                     mx_array *out) {
  const int64_t *p = ins->parameters;
  return one(mx_tri(p[1], p[2], p[3], (mx_dtype)p[0]), out);
}

/* Parameters: the key's seed, then the shape. */
static bool draw_random(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  parameter(ins, between(&d->r, 0, 1000000));
  draw_small_shape(d, ins);
  return true;
}
static int build_random_normal(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                               mx_array *out) {
  mx_array key = mx_random_key((uint64_t)ins->parameters[0]);
  return one(mx_random_normal(parameters_from(ins, 1), MX_FLOAT32, NULL, NULL, key), out);
}
static int build_random_uniform(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                                mx_array *out) {
  mx_array key = mx_random_key((uint64_t)ins->parameters[0]);
  mx_dtype t = ins->parameters[0] % 2 ? MX_BFLOAT16 : MX_FLOAT32;
  return one(mx_random_uniform(mx_float(-1), mx_float(2), parameters_from(ins, 1), t, key), out);
}
static int build_random_bits(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                             mx_array *out) {
  mx_array key = mx_random_key((uint64_t)ins->parameters[0]);
  return one(mx_random_bits(parameters_from(ins, 1), 1 << ins->parameters[0] % 3, key), out);
}

#define ROW(name_, weight_, draw_, build_) \
  { .name = name_, .family = FAMILY_CREATION, .weight = weight_, .draw = draw_, .build = build_ }
const struct graph_op creation_ops[] = {
    ROW("input", 0, draw_new_input, build_input),
    ROW("scalar", 4, draw_scalar, build_scalar),
    ROW("full", 1, draw_full, build_full),
    ROW("arange", 1, draw_arange, build_arange),
    ROW("linspace", 0.5, draw_linspace, build_linspace),
    ROW("eye", 0.5, draw_eye, build_eye),
    ROW("tri", 0.5, draw_eye, build_tri),
    ROW("random_normal", 0.5, draw_random, build_random_normal),
    ROW("random_uniform", 0.5, draw_random, build_random_uniform),
    ROW("random_bits", 0.5, draw_random, build_random_bits),
    {0},
};
