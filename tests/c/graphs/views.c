/* Views: other strides over the same bytes, or other dtypes. */
#include "graphs/drawing.h"
#include <string.h>

static int any_array(struct drawing *d, int least_ndim) {
  return draw_value(d, (struct wanted){.types = TYPES_ALL, .least_ndim = least_ndim});
}

static bool draw_reshape(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = any_array(d, 0);
  if (a < 0) return false;
  operand(ins, a);
  ins->nparameters = draw_factors(d, value_of(d, a)->size, ins->parameters);
  return true;
}
static int build_reshape(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                         mx_array *out) {
  return one(mx_reshape(in[0], parameters_from(ins, 0)), out);
}

static bool draw_two_axes(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = any_array(d, 1);
  if (a < 0) return false;
  operand(ins, a);
  parameter(ins, draw_axis(d, a));
  parameter(ins, draw_axis(d, a));
  return true;
}
static int build_flatten(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                         mx_array *out) {
  int i = (int)ins->parameters[0], j = (int)ins->parameters[1];
  return one(mx_flatten(in[0], i < j ? i : j, i < j ? j : i), out);
}
static int build_swapaxes(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                          mx_array *out) {
  return one(mx_swapaxes(in[0], (int)ins->parameters[0], (int)ins->parameters[1]), out);
}
static int build_moveaxis(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                          mx_array *out) {
  return one(mx_moveaxis(in[0], (int)ins->parameters[0], (int)ins->parameters[1]), out);
}

static bool draw_squeeze(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = any_array(d, 1);
  if (a < 0) return false;
  const struct value *v = value_of(d, a);
  operand(ins, a);
  for (int i = 0; i < v->ndim; i++)
    if (v->shape[i] == 1 && chance(&d->r, 0.7)) parameter(ins, i);
  return ins->nparameters > 0;
}
static int build_squeeze(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                         mx_array *out) {
  return one(mx_squeeze(in[0], parameters_from(ins, 0)), out);
}

static bool draw_expand_dims(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = any_array(d, 0);
  if (a < 0) return false;
  operand(ins, a);
  parameter(ins, between(&d->r, 0, value_of(d, a)->ndim));
  return value_of(d, a)->ndim < 4;
}
static int build_expand_dims(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                             mx_array *out) {
  return one(mx_expand_dims(in[0], parameters_from(ins, 0)), out);
}

static bool draw_transpose(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = any_array(d, 1);
  if (a < 0) return false;
  operand(ins, a);
  int n = value_of(d, a)->ndim;
  for (int i = 0; i < n; i++) parameter(ins, i);
  for (int i = n - 1; i > 0; i--) {
    int j = (int)between(&d->r, 0, i);
    int64_t t = ins->parameters[i];
    ins->parameters[i] = ins->parameters[j];
    ins->parameters[j] = t;
  }
  return true;
}
static int build_transpose(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                           mx_array *out) {
  return one(mx_transpose(in[0], parameters_from(ins, 0)), out);
}

static bool draw_flip(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = any_array(d, 1);
  operand(ins, a);
  if (a >= 0) draw_axes(d, a, ins);
  return a >= 0;
}
static int build_flip(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                      mx_array *out) {
  return one(mx_flip(in[0], parameters_from(ins, 0)), out);
}

static bool draw_broadcast_to(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = any_array(d, 0);
  if (a < 0) return false;
  operand(ins, a);
  const struct value *v = value_of(d, a);
  int more = v->ndim < 4 ? (int)between(&d->r, 0, 1) : 0;
  for (int i = 0; i < more; i++) parameter(ins, between(&d->r, 0, 4));
  for (int i = 0; i < v->ndim; i++)
    parameter(ins, v->shape[i] == 1 && chance(&d->r, 0.7) ? between(&d->r, 0, 9) : v->shape[i]);
  return true;
}
static int build_broadcast_to(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                              mx_array *out) {
  return one(mx_broadcast_to(in[0], parameters_from(ins, 0)), out);
}

/* Parameters: starts, stops, steps. */
static bool draw_slice(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = any_array(d, 1);
  if (a < 0) return false;
  operand(ins, a);
  const struct value *v = value_of(d, a);
  int64_t *p = ins->parameters;
  for (int i = 0; i < v->ndim; i++) {
    int64_t n = v->shape[i], *start = &p[i], *stop = &p[v->ndim + i], *step = &p[2 * v->ndim + i];
    *start = 0, *stop = n, *step = 1;
    if (n == 0 || chance(&d->r, 0.4)) continue;
    if (chance(&d->r, 0.3)) { // from the end, down to element 0
      *start = n - 1 - between(&d->r, 0, n / 4), *stop = -n - 1, *step = -between(&d->r, 1, 3);
      continue;
    }
    *start = between(&d->r, 0, chance(&d->r, 0.1) ? n : n / 3);
    *stop = between(&d->r, *start, n);
    *step = chance(&d->r, 0.6) ? 1 : between(&d->r, 1, 3);
  }
  ins->nparameters = 3 * v->ndim;
  return true;
}
static int build_slice(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                       mx_array *out) {
  int n = ins->nparameters / 3;
  return one(
      mx_slice(in[0], parameters_at(ins, 0, n), parameters_at(ins, n, n), parameters_at(ins, 2 * n, n)), out);
}

/* Parameters: offset, shape, strides. */
static bool draw_as_strided(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){.types = TYPES_ALL, .least_size = 1});
  if (a < 0) return false;
  operand(ins, a);
  int64_t low = 0, high = 0, size = value_of(d, a)->size;
  int n = (int)between(&d->r, 0, 3);
  ins->nparameters = 1 + 2 * n;
  for (int i = 0; i < n; i++) {
    int64_t stride = between(&d->r, -3, 9), dim = between(&d->r, 0, 9);
    if (dim > 1) *(stride < 0 ? &low : &high) += stride * (dim - 1);
    ins->parameters[1 + i] = dim;
    ins->parameters[1 + n + i] = stride;
  }
  if (high - low >= size) return false;
  ins->parameters[0] = between(&d->r, -low, size - 1 - high);
  return true;
}
static int build_as_strided(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                            mx_array *out) {
  int n = (ins->nparameters - 1) / 2;
  mx_ints shape = parameters_at(ins, 1, n), strides = parameters_at(ins, 1 + n, n);
  return one(mx_as_strided(in[0], shape, strides, ins->parameters[0]), out);
}

/* a without NaNs, whose bits are not fixed. */
static mx_array without_nan(mx_array a) { return mx_where(mx_isnan(a), mx_like(a, 0), a); }

/* Parameters: the dtype, and whether NaNs are taken out first. */
static bool draw_view(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = any_array(d, 0);
  if (a < 0) return false;
  operand(ins, a);
  parameter(ins, (int64_t)draw_type(d, chance(&d->r, 0.9) ? TYPES_ALL & ~TYPES_BOOL : TYPES_ALL));
  parameter(ins, !value_of(d, a)->fixed_bits);
  return true;
}
static int build_view(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                      mx_array *out) {
  mx_array a = ins->parameters[1] ? without_nan(in[0]) : in[0];
  return one(mx_view(a, (mx_dtype)ins->parameters[0]), out);
}

/* Elements that start between two elements of their dtype. Parameters: the dtype, the first byte, how many
   elements, and whether NaNs are taken out first. */
static bool draw_unaligned(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = draw_value(d, (struct wanted){.types = TYPES_ALL, .least_size = 4});
  if (a < 0) return false;
  mx_dtype t = draw_type(d, TYPES_ALL & ~TYPES_BOOL);
  int64_t bytes = value_of(d, a)->size * (int64_t)mx_dtype_size(value_of(d, a)->type);
  int64_t first = between(&d->r, 1, 7), most = (bytes - first) / (int64_t)mx_dtype_size(t);
  if (most < 1) return false;
  operand(ins, a);
  parameter(ins, (int64_t)t);
  parameter(ins, first);
  parameter(ins, between(&d->r, (most + 1) / 2, most));
  parameter(ins, !value_of(d, a)->fixed_bits);
  return true;
}
static int build_unaligned(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                           mx_array *out) {
  mx_dtype t = (mx_dtype)ins->parameters[0];
  int64_t first = ins->parameters[1], n = ins->parameters[2] * (int64_t)mx_dtype_size(t);
  mx_array a = mx_reshape(ins->parameters[3] ? without_nan(in[0]) : in[0], MX_SHAPE(-1));
  mx_array bytes = mx_view(a, MX_UINT8);
  return one(mx_view(mx_slice(bytes, MX_SHAPE(first), MX_SHAPE(first + n), MX_SHAPE(1)), t), out);
}

/* Parameters: offset and two axes. */
static bool draw_diagonal(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = any_array(d, 2);
  if (a < 0) return false;
  operand(ins, a);
  parameter(ins, between(&d->r, -2, 2));
  parameter(ins, draw_axis(d, a));
  do ins->parameters[2] = draw_axis(d, a);
  while (ins->parameters[2] == ins->parameters[1]);
  ins->nparameters = 3;
  return true;
}
static int build_diagonal(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                          mx_array *out) {
  const int64_t *p = ins->parameters;
  return one(mx_diagonal(in[0], p[0], (int)p[1], (int)p[2]), out);
}

static bool draw_contiguous(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  operand(ins, any_array(d, 0));
  parameter(ins, chance(&d->r, 0.5));
  return true;
}
static int build_contiguous(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                            mx_array *out) {
  return one(mx_contiguous(in[0], ins->parameters[0]), out);
}

/* Parameters: the axis, then where to cut. */
static bool draw_split(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = any_array(d, 1);
  if (a < 0) return false;
  operand(ins, a);
  parameter(ins, draw_axis(d, a));
  int64_t n = value_of(d, a)->shape[ins->parameters[0]], at = 0;
  for (int i = (int)between(&d->r, 1, 4); i; i--) parameter(ins, at = between(&d->r, at, n));
  return true;
}
static int build_split(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                       mx_array *out) {
  int n = ins->nparameters - 1;
  return mx_split_at(in[0], parameters_from(ins, 1), (int)ins->parameters[0], out) < 0 ? -1 : n + 1;
}

static bool draw_unstack(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  int a = any_array(d, 1);
  if (a < 0) return false;
  operand(ins, a);
  parameter(ins, draw_axis(d, a));
  int64_t n = value_of(d, a)->shape[ins->parameters[0]];
  parameter(ins, n);
  return n >= 1 && n <= MOST_RESULTS;
}
static int build_unstack(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                         mx_array *out) {
  return mx_unstack(in[0], (int)ins->parameters[0], out) < 0 ? -1 : (int)ins->parameters[1];
}

/* Two values that wait for a third. */
static bool draw_depends(struct drawing *d, const struct graph_op *op, struct instruction *ins) {
  for (int i = 0; i < 3; i++) operand(ins, any_array(d, 0));
  return true;
}
static int build_depends(const struct graph_op *op, const struct instruction *ins, const mx_array *in,
                         mx_array *out) {
  return mx_depends(2, in, 1, in + 2, out) < 0 ? -1 : 2;
}

#define ROW(name_, weight_, moves_)                                                                  \
  {                                                                                                  \
    .name = #name_, .family = FAMILY_VIEW, .weight = weight_, .moves = moves_, .draw = draw_##name_, \
    .build = build_##name_                                                                           \
  }
const struct graph_op view_ops[] = {
    ROW(reshape, 6, true),
    ROW(squeeze, 3, true),
    ROW(expand_dims, 3, true),
    ROW(transpose, 6, true),
    ROW(flip, 3, true),
    ROW(broadcast_to, 4, true),
    ROW(slice, 10, true),
    ROW(as_strided, 3, true),
    ROW(view, 5, true),
    ROW(unaligned, 4, true),
    ROW(diagonal, 2, true),
    ROW(contiguous, 2, true),
    ROW(split, 3, true),
    ROW(unstack, 2, true),
    ROW(depends, 1, true),
    {.name = "flatten",
     .family = FAMILY_VIEW,
     .weight = 2,
     .moves = true,
     .draw = draw_two_axes,
     .build = build_flatten},
    {.name = "swapaxes",
     .family = FAMILY_VIEW,
     .weight = 2,
     .moves = true,
     .draw = draw_two_axes,
     .build = build_swapaxes},
    {.name = "moveaxis",
     .family = FAMILY_VIEW,
     .weight = 2,
     .moves = true,
     .draw = draw_two_axes,
     .build = build_moveaxis},
    {0},
};
