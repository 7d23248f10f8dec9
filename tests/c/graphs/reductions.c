/* Reductions over axes, scans, sorting, softmax. */
#include "graphs/drawing.h"

/* Parameters: keepdims, then the axes; without axes all are meant. */
static bool draw_reduce(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){.types = op->types});
  operand(ins, a);
  parameter(ins, chance(&d->r, 0.6));
  if (a >= 0 && chance(&d->r, 0.8)) draw_axes(d, a, ins);
  return a >= 0;
}
static mx_ints axes_of(const struct instruction *ins) {
  return ins->nparameters > 1 ? parameters_from(ins, 1) : MX_ALL_AXES;
}
static int build_reduce(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                        mx_array *out) {
  return one(op->f.reduce(in[0], axes_of(ins), ins->parameters[0]), out);
}
static int build_var(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                     mx_array *out) {
  return one(mx_var(in[0], axes_of(ins), ins->parameters[0], 0), out);
}
static int build_std(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                     mx_array *out) {
  return one(mx_std(in[0], axes_of(ins), ins->parameters[0], 1), out);
}
static int build_softmax(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                         mx_array *out) {
  return one(mx_softmax(in[0], axes_of(ins), ins->parameters[0]), out);
}

/* Parameters: the axis, then up to two flags. */
static bool draw_along(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){.types = op->types, .least_ndim = 1});
  if (a < 0) return false;
  operand(ins, a);
  parameter(ins, draw_axis(d, a));
  for (int i = 0; i < 2; i++) parameter(ins, chance(&d->r, 0.5));
  return true;
}
static int build_scan(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                      mx_array *out) {
  const int64_t *p = ins->parameters;
  return one(op->f.scan(in[0], (int)p[0], p[1], p[2]), out);
}
static int build_along(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                       mx_array *out) {
  return one(op->f.along(in[0], (int)ins->parameters[0]), out);
}
static int build_pick(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                      mx_array *out) {
  return one(op->f.pick(in[0], (int)ins->parameters[0], ins->parameters[1]), out);
}

/* Parameters: the axis, and a place along it. */
static bool draw_at(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){.types = op->types, .least_ndim = 1, .least_size = 1});
  if (a < 0) return false;
  operand(ins, a);
  parameter(ins, draw_axis(d, a));
  parameter(ins, between(&d->r, 0, value_of(d, a)->shape[ins->parameters[0]] - 1));
  return true;
}
static int build_at(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                    mx_array *out) {
  return one(op->f.at(in[0], ins->parameters[1], (int)ins->parameters[0]), out);
}
static int build_topk(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                      mx_array *out) {
  return one(mx_topk(in[0], ins->parameters[1] + 1, (int)ins->parameters[0]), out);
}

#define ROW(name_, weight_, types_, draw_, ...)                                                    \
  {                                                                                                \
    .name = #name_, .family = FAMILY_REDUCTION, .weight = weight_, .types = types_, .draw = draw_, \
    __VA_ARGS__                                                                                    \
  }
#define REDUCE(name, weight, types) \
  ROW(name, weight, types, draw_reduce, .build = build_reduce, .f.reduce = mx_##name)
#define SCAN(name, types) ROW(name, 1.5, types, draw_along, .build = build_scan, .f.scan = mx_##name)
const struct graph_op reduction_ops[] = {
    REDUCE(sum, 8, TYPES_ALL),
    REDUCE(prod, 2, TYPES_ALL),
    REDUCE(min, 3, TYPES_ALL),
    REDUCE(max, 3, TYPES_ALL),
    REDUCE(all, 1, TYPES_ALL),
    REDUCE(any, 1, TYPES_ALL),
    REDUCE(mean, 3, TYPES_ALL),
    REDUCE(logsumexp, 2, TYPES_REAL),
    ROW(var, 2, TYPES_ALL, draw_reduce, .build = build_var),
    ROW(std, 1, TYPES_REAL, draw_reduce, .build = build_std),
    ROW(softmax, 3, TYPES_REAL, draw_reduce, .build = build_softmax),
    ROW(argmin, 1, TYPES_ALL, draw_along, .build = build_pick, .f.pick = mx_argmin),
    ROW(argmax, 1, TYPES_ALL, draw_along, .build = build_pick, .f.pick = mx_argmax),
    SCAN(cumsum, TYPES_ALL),
    SCAN(cumprod, TYPES_ALL),
    SCAN(cummax, TYPES_ALL),
    SCAN(cummin, TYPES_ALL),
    SCAN(logcumsumexp, TYPES_REAL),
    ROW(sort, 2, TYPES_ALL, draw_along, .build = build_along, .f.along = mx_sort),
    ROW(argsort, 2, TYPES_ALL, draw_along, .build = build_along, .f.along = mx_argsort),
    ROW(partition, 1, TYPES_ALL, draw_at, .build = build_at, .f.at = mx_partition),
    ROW(argpartition, 1, TYPES_ALL, draw_at, .build = build_at, .f.at = mx_argpartition),
    ROW(topk, 1, TYPES_ALL, draw_at, .build = build_topk),
    {0},
};
