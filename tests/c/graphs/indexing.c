/* Elements picked and updated by slices and by indices. Indices are any integers, brought into range. */
#include "graphs/drawing.h"

/* Integers in [0, n), or in [-n, 0), whatever the operand holds, in a dtype that follows from `how`. */
static mx_array indices_below(mx_array a, int64_t n, int64_t how) {
  static const mx_dtype types[] = {MX_INT32, MX_INT64, MX_INT16, MX_UINT32};
  mx_array i = mx_remainder(mx_astype(a, MX_INT32), mx_int(n > 0 ? n : 1));
  if (how == 4) return mx_subtract(i, mx_int(n));
  return how == 0 ? i : mx_astype(i, types[how]);
}
enum { WAYS = 4 }; /* of `how`; int16 holds every index that a program has but the largest */
static int64_t way_below(struct drawing *d, int64_t n) {
  int64_t how = between(&d->r, 0, WAYS);
  return how == 2 && n > INT16_MAX ? 0 : how;
}

static int nonempty(struct drawing *d, int least_ndim) {
  return draw_value(d, (struct wanted){.types = TYPES_ALL, .least_ndim = least_ndim, .least_size = 1});
}
static int integers(struct drawing *d) {
  int a = draw_value(d, (struct wanted){TYPES_BITS, 0, 3, 0, 500});
  return a >= 0 ? a : draw_input(d, MX_INT32, MX_SHAPE(between(&d->r, 0, 12)));
}

/* Parameters: how, and the axis. */
static bool draw_take(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = nonempty(d, 1);
  if (a < 0) return false;
  operand(ins, a);
  operand(ins, integers(d));
  int axis = draw_axis(d, a);
  parameter(ins, way_below(d, value_of(d, a)->shape[axis]));
  parameter(ins, axis);
  return true;
}
static int build_take(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                      mx_array *out) {
  int axis = (int)ins->parameters[1];
  return one(mx_take(in[0], indices_below(in[1], mx_dim(in[0], axis), ins->parameters[0]), axis), out);
}

static bool draw_take_flat(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = nonempty(d, 0);
  if (a < 0) return false;
  operand(ins, a);
  operand(ins, integers(d));
  parameter(ins, way_below(d, value_of(d, a)->size));
  return true;
}
static int build_take_flat(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                           mx_array *out) {
  return one(mx_take_flat(in[0], indices_below(in[1], mx_size(in[0]), ins->parameters[0])), out);
}

/* Indices of a's shape but for the axis. */
static bool draw_along_axis(struct drawing *d, struct instruction *ins) {
  int a = nonempty(d, 1);
  if (a < 0) return false;
  int64_t shape[MOST_AXES];
  const struct value *v = value_of(d, a);
  int axis = draw_axis(d, a), n = v->ndim;
  for (int i = 0; i < n; i++) shape[i] = v->shape[i];
  if (chance(&d->r, 0.4)) shape[axis] = between(&d->r, 0, 9);
  operand(ins, a);
  operand(ins, draw_integers(d, (mx_ints){shape, n}));
  parameter(ins, way_below(d, v->shape[axis]));
  parameter(ins, axis);
  return ins->operands[1] >= 0;
}
static bool draw_take_along_axis(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  return draw_along_axis(d, ins);
}
static int build_take_along_axis(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                                 mx_array *out) {
  int axis = (int)ins->parameters[1];
  mx_array i = indices_below(in[1], mx_dim(in[0], axis), ins->parameters[0]);
  return one(mx_take_along_axis(in[0], i, axis), out);
}
static bool draw_put_along_axis(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  if (!draw_along_axis(d, ins)) return false;
  const struct value *v = value_of(d, ins->operands[0]), *i = value_of(d, ins->operands[1]);
  operand(ins, draw_shaped(d, v->type, chance(&d->r, 0.7) ? shape_of(i) : MX_NO_SHAPE));
  parameter(ins, between(&d->r, MX_UPDATE_SET, MX_UPDATE_MINIMUM));
  return true;
}
static int build_put_along_axis(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                                mx_array *out) {
  int axis = (int)ins->parameters[1];
  mx_array i = indices_below(in[1], mx_dim(in[0], axis), ins->parameters[0]);
  return one(mx_put_along_axis(in[0], i, in[2], axis, (mx_update_mode)ins->parameters[2]), out);
}

/* Operands: a, indices of one or two axes. Parameters: how, how many axes, the axes, slice sizes. */
static bool draw_places(struct drawing *d, struct instruction *ins) {
  int a = nonempty(d, 1);
  if (a < 0) return false;
  const struct value *v = value_of(d, a);
  int n = v->ndim > 1 && chance(&d->r, 0.4) ? 2 : 1, first = draw_axis(d, a);
  operand(ins, a);
  operand(ins, integers(d));
  if (n == 2) operand(ins, ins->operands[1] >= 0 ? draw_partner(d, ins->operands[1], TYPES_BITS) : -1);
  parameter(ins, between(&d->r, 0, 1));
  parameter(ins, n);
  parameter(ins, first);
  if (n == 2) parameter(ins, (first + 1) % v->ndim);
  for (int i = 0; i < v->ndim; i++) {
    bool indexed = i == first || (n == 2 && i == (first + 1) % v->ndim);
    parameter(ins, indexed && chance(&d->r, 0.7) ? 1 : between(&d->r, 1, v->shape[i]));
  }
  return true;
}
/* The indices of each axis; where a slice starts, it ends within the array. */
static mx_ints places(const struct instruction *ins, const mx_array *in, mx_array *indices, mx_ints *axes) {
  int n = (int)ins->parameters[1];
  *axes = parameters_at(ins, 2, n);
  mx_ints sizes = parameters_at(ins, 2 + n, mx_ndim(in[0]));
  for (int i = 0; i < n; i++) {
    int64_t axis = axes->v[i];
    indices[i] = indices_below(in[1 + i], mx_dim(in[0], (int)axis) - sizes.v[axis] + 1, ins->parameters[0]);
  }
  return sizes;
}
static bool draw_gather(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  return draw_places(d, ins);
}
static int build_gather(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                        mx_array *out) {
  mx_array indices[2];
  mx_ints axes, sizes = places(ins, in, indices, &axes);
  return one(mx_gather(in[0], axes.n, indices, axes, sizes), out);
}
/* One more operand, the updates, as large as what gather would give, or one element for all of it. */
static bool draw_scatter(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  if (!draw_places(d, ins)) return false;
  const struct value *v = value_of(d, ins->operands[0]);
  operand(ins, draw_partner(d, ins->operands[0], 1 << v->type));
  parameter(ins, between(&d->r, MX_UPDATE_SET, MX_UPDATE_MINIMUM));
  return true;
}
static int build_scatter(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                         mx_array *out) {
  mx_array indices[2];
  mx_ints axes, sizes = places(ins, in, indices, &axes);
  mx_array like = mx_gather(in[0], axes.n, indices, axes, sizes), updates = in[ins->noperands - 1];
  int64_t most = mx_size(updates), n = mx_size(like);
  if (!mx_ok(like)) return -1;
  if (!most) return mx_error_set(MX_INVALID_ARGUMENT, "[scatter] no updates"), -1;
  updates =
      mx_reshape(mx_take_flat(updates, mx_remainder(mx_arange(0, (double)n, 1, MX_INT32), mx_int(most))),
                 mx_shape_ints(like));
  mx_update_mode mode = (mx_update_mode)ins->parameters[ins->nparameters - 1];
  return one(mx_scatter(in[0], axes.n, indices, updates, axes, mode), out);
}

/* Parameters: the mode, starts, stops, steps. The update is one element, or a slice's worth. */
static bool draw_slice_update(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = nonempty(d, 1);
  if (a < 0) return false;
  const struct value *v = value_of(d, a);
  int64_t shape[MOST_AXES], *p = ins->parameters + 1;
  ins->parameters[0] = between(&d->r, MX_UPDATE_SET, MX_UPDATE_MINIMUM);
  for (int i = 0; i < v->ndim; i++) {
    int64_t n = v->shape[i], start = between(&d->r, 0, n - 1), step = between(&d->r, 1, 3);
    bool down = chance(&d->r, 0.2);
    shape[i] = down ? start / step + 1 : (n - start + step - 1) / step;
    p[i] = start, p[v->ndim + i] = down ? -n - 1 : n, p[2 * v->ndim + i] = down ? -step : step;
  }
  ins->nparameters = 1 + 3 * v->ndim;
  mx_dtype t = chance(&d->r, 0.9) ? v->type : draw_type(d, TYPES_REAL);
  mx_ints whole = {shape, v->ndim};
  operand(ins, a);
  operand(ins, draw_shaped(d, t, chance(&d->r, 0.6) ? whole : MX_NO_SHAPE));
  return true;
}
static int build_slice_update(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                              mx_array *out) {
  int n = (ins->nparameters - 1) / 3;
  mx_ints start = parameters_at(ins, 1, n), stop = parameters_at(ins, 1 + n, n),
          step = parameters_at(ins, 1 + 2 * n, n);
  return one(mx_slice_update(in[0], in[1], start, stop, step, (mx_update_mode)ins->parameters[0]), out);
}

/* Starts in one axis. Parameters: the axis, then the sizes. */
static bool draw_dynamic_slice(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = nonempty(d, 1);
  if (a < 0) return false;
  operand(ins, a);
  operand(ins, draw_integers(d, MX_SHAPE(1)));
  parameter(ins, draw_axis(d, a));
  for (int i = 0; i < value_of(d, a)->ndim; i++)
    parameter(ins, i == ins->parameters[0] ? between(&d->r, 1, value_of(d, a)->shape[i])
                                           : value_of(d, a)->shape[i]);
  return true;
}
static int build_dynamic_slice(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                               mx_array *out) {
  mx_array start = mx_astype(in[1], MX_INT32);
  return one(mx_dynamic_slice(in[0], start, parameters_at(ins, 0, 1), parameters_from(ins, 1)), out);
}
static bool draw_dynamic_slice_update(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  if (!draw_dynamic_slice(d, op, ins)) return false;
  operand(ins, draw_shaped(d, value_of(d, ins->operands[0])->type, parameters_from(ins, 1)));
  return true;
}
static int build_dynamic_slice_update(const struct graph_op *op, const struct instruction *ins,
                                      const mx_array *in, mx_array *out) {
  mx_array start = mx_astype(in[1], MX_INT32);
  return one(mx_dynamic_slice_update(in[0], in[2], start, parameters_at(ins, 0, 1)), out);
}

static bool draw_searchsorted(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){.types = TYPES_REAL});
  operand(ins, a);
  operand(ins, a >= 0 ? draw_partner(d, a, TYPES_REAL) : -1);
  parameter(ins, chance(&d->r, 0.5));
  return true;
}
static int build_searchsorted(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                              mx_array *out) {
  mx_array sorted = mx_sort(mx_reshape(in[0], MX_SHAPE(mx_size(in[0]))), 0);
  return one(mx_searchsorted(sorted, in[1], ins->parameters[0]), out);
}

static bool draw_unique(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  operand(ins, nonempty(d, 0));
  parameter(ins, between(&d->r, 1, 12));
  return true;
}
static int build_unique(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                        mx_array *out) {
  return mx_unique(in[0], ins->parameters[0], NULL, &out[0], &out[1], &out[2], &out[3]) < 0 ? -1 : 4;
}

#define ROW(name_, weight_, moves_)                                                                      \
  {                                                                                                      \
    .name = #name_, .family = FAMILY_INDEXING, .weight = weight_, .moves = moves_, .draw = draw_##name_, \
    .build = build_##name_                                                                               \
  }
const struct graph_op indexing_ops[] = {
    ROW(take, 3, false),           ROW(take_flat, 2, false),     ROW(take_along_axis, 2, false),
    ROW(put_along_axis, 2, false), ROW(gather, 2, false),        ROW(scatter, 3, false),
    ROW(slice_update, 5, false),   ROW(dynamic_slice, 2, false), ROW(dynamic_slice_update, 2, false),
    ROW(searchsorted, 1, false),   ROW(unique, 1, false),        {0},
};
