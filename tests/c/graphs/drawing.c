#include "graphs/drawing.h"
#include <string.h>

static bool fits(const struct value *v, struct wanted w) {
  return is_in(v->type, w.types) && v->ndim >= w.least_ndim && (!w.most_ndim || v->ndim <= w.most_ndim) &&
         v->size >= w.least_size && (!w.most_size || v->size <= w.most_size);
}

/* Any value, as the style likes them. */
static int any_value(struct drawing *d) {
  int n = d->p->nvalues;
  if (chance(&d->r, d->style.hub)) return d->hub;
  if (chance(&d->r, d->style.recent)) return (int)between(&d->r, n > 3 ? n - 3 : 0, n - 1);
  return (int)between(&d->r, 0, n - 1);
}

int draw_value(struct drawing *d, struct wanted w) {
  int n = d->p->nvalues;
  if (!n) return -1;
  if (d->burst && fits(value_of(d, n - 1), w)) return n - 1;
  for (int tries = 0; tries < 16; tries++) {
    int a = any_value(d);
    if (fits(value_of(d, a), w)) return a;
  }
  int start = (int)between(&d->r, 0, n - 1);
  for (int i = 0; i < n; i++)
    if (fits(value_of(d, (start + i) % n), w)) return (start + i) % n;
  return -1;
}

/* Elements of the common shape, or -1. */
static int64_t broadcast_size(const struct value *a, const struct value *b) {
  int64_t size = 1;
  int n = a->ndim > b->ndim ? a->ndim : b->ndim;
  for (int i = 1; i <= n; i++) {
    int64_t x = i <= a->ndim ? a->shape[a->ndim - i] : 1, y = i <= b->ndim ? b->shape[b->ndim - i] : 1;
    if (x != y && x != 1 && y != 1) return -1;
    size *= x == 1 ? y : x;
  }
  return size;
}

int draw_partner(struct drawing *d, int a, int types) {
  const struct value *v = value_of(d, a);
  bool same_type = !chance(&d->r, d->style.other_type);
  for (int tries = 0; tries < 40; tries++) {
    int b = any_value(d);
    const struct value *o = value_of(d, b);
    if (!is_in(o->type, types) || (same_type && o->type != v->type && tries < 24)) continue;
    int64_t size = broadcast_size(v, o);
    if (size >= 0 && size <= d->style.most_elements && (size == v->size || tries > 12)) return b;
  }
  return a;
}

static bool same_shape(const struct value *v, mx_ints shape) {
  return v->ndim == shape.n && (!shape.n || !memcmp(v->shape, shape.v, (size_t)shape.n * sizeof(int64_t)));
}

/* A value of this shape and these dtypes, or -1. */
static int find_shaped(struct drawing *d, int types, mx_ints shape) {
  int n = d->p->nvalues, start = (int)between(&d->r, 0, n - 1);
  for (int i = 0; i < n; i++) {
    const struct value *v = value_of(d, (start + i) % n);
    if (is_in(v->type, types) && same_shape(v, shape)) return (start + i) % n;
  }
  return -1;
}

int draw_shaped(struct drawing *d, mx_dtype t, mx_ints shape) {
  int a = chance(&d->r, 0.8) ? find_shaped(d, 1 << t, shape) : -1;
  return a >= 0 ? a : draw_input(d, t, shape);
}

int draw_integers(struct drawing *d, mx_ints shape) {
  int a = chance(&d->r, 0.8) ? find_shaped(d, TYPES_BITS, shape) : -1;
  return a >= 0 ? a : draw_input(d, draw_type(d, TYPES_INTEGERS), shape);
}

int draw_input(struct drawing *d, mx_dtype t, mx_ints shape) {
  struct instruction ins = {.kind = INPUT_KIND, .nresults = 1};
  struct value v = {.type = t, .ndim = shape.n, .size = 1, .fixed_bits = true};
  if (shape.n > MOST_AXES || d->p->nvalues == MOST_VALUES || d->p->ninstructions == MOST_INSTRUCTIONS)
    return -1;
  for (int i = 0; i < shape.n; i++) v.size *= v.shape[i] = shape.v[i];
  if (v.size > d->style.most_elements) return -1;
  parameter(&ins, between(&d->r, 0, 3));
  ins.first = d->p->nvalues++;
  d->p->values[ins.first] = v;
  d->stand_ins[ins.first] = mx_zeros(shape, t);
  d->keep[ins.first] = d->style.kept;
  d->p->instructions[d->p->ninstructions++] = ins;
  d->elements += v.size;
  return ins.first;
}

mx_dtype draw_type(struct drawing *d, int types) {
  mx_dtype t;
  do t = (mx_dtype)between(&d->r, 0, MX_DTYPE_COUNT - 1);
  while (!is_in(t, types));
  return t;
}

int draw_factors(struct drawing *d, int64_t size, int64_t *shape) {
  int n = (int)between(&d->r, size == 1 ? 0 : 1, 4);
  for (int i = 0; i < n; i++) shape[i] = 1;
  if (size == 0) {
    for (int i = 0; i < n; i++) shape[i] = between(&d->r, 0, 3);
    shape[between(&d->r, 0, n - 1)] = 0;
    return n;
  }
  for (int64_t factor = 2; size > 1;) {
    if (factor * factor > size) factor = size;
    if (size % factor == 0) {
      shape[between(&d->r, 0, n - 1)] *= factor;
      size /= factor;
    } else
      factor++;
  }
  return n;
}

int draw_axis(struct drawing *d, int a) { return (int)between(&d->r, 0, value_of(d, a)->ndim - 1); }

void draw_axes(struct drawing *d, int a, struct instruction *ins) {
  int n = value_of(d, a)->ndim, before = ins->nparameters;
  for (int i = 0; i < n; i++)
    if (chance(&d->r, 0.5)) parameter(ins, chance(&d->r, 0.5) ? i : i - n);
  if (ins->nparameters == before && n) parameter(ins, between(&d->r, 0, n - 1));
}

bool draw_append(struct drawing *d, struct instruction *ins) {
  struct program *p = d->p;
  const struct graph_op *op = graph_op(ins->kind);
  mx_array in[MOST_OPERANDS], out[MOST_RESULTS];
  bool fixed = op->moves;
  for (int k = 0; k < ins->noperands; k++) {
    if (ins->operands[k] < 0) return false;
    in[k] = d->stand_ins[ins->operands[k]];
    fixed &= p->values[ins->operands[k]].fixed_bits;
  }
  ins->nresults = op->build(op, ins, in, out);
  if (ins->nresults < 0 || p->nvalues + ins->nresults > MOST_VALUES || p->ninstructions == MOST_INSTRUCTIONS)
    return false;
  int64_t elements = 0;
  for (int r = 0; r < ins->nresults; r++) {
    if (mx_ndim(out[r]) > MOST_AXES || mx_size(out[r]) > d->style.most_elements) return false;
    elements += mx_size(out[r]);
  }
  if (d->elements + elements > d->style.most_elements_in_all) return false;
  d->elements += elements;
  ins->first = p->nvalues;
  for (int r = 0; r < ins->nresults; r++) {
    struct value *v = &p->values[p->nvalues];
    *v = (struct value){.type = mx_dtype_of(out[r]), .ndim = mx_ndim(out[r]), .size = mx_size(out[r])};
    memcpy(v->shape, mx_shape(out[r]), (size_t)v->ndim * sizeof(int64_t));
    v->fixed_bits = fixed || is_in(v->type, TYPES_BITS);
    d->keep[p->nvalues] = d->burst ? d->burst_kept : d->style.kept;
    d->stand_ins[p->nvalues++] = out[r];
  }
  for (int k = 0; k < ins->noperands; k++) p->values[ins->operands[k]].uses++;
  p->instructions[p->ninstructions++] = *ins;
  return true;
}
