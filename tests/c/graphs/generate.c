/* A style is drawn first, inputs next, then instruction by instruction: a family, a row of it, its operands.
   Every instruction is built on lazy stand-ins, so that the library itself says what dtype and shape come
   out; nothing is evaluated. */
#include "graphs/generate.h"
#include "graphs/drawing.h"

bool generate_without[MOST_KINDS];
int64_t generate_drawn[MOST_KINDS], generate_refused[MOST_KINDS];

enum character { MIXED, CHAIN, FAN, VIEWS, MANY_STREAMS, LARGE };

static enum character draw_character(struct random *r) {
  static const enum character often[] = {MIXED, MIXED, MIXED, MIXED, MIXED, MIXED, MIXED, MIXED,
                                         CHAIN, CHAIN, FAN,   FAN,   VIEWS, VIEWS, VIEWS, MANY_STREAMS};
  if (chance(r, 0.015)) return LARGE;
  return often[between(r, 0, sizeof often / sizeof *often - 1)];
}

static void draw_style(struct random *r, struct style *s) {
  static const double kept[] = {0.02, 0.1, 0.3, 0.6, 0.95};
  *s = (struct style){
      .length = chance(r, 0.04) ? (int)between(r, 150, 380) : (int)between(r, 20, 100),
      .families = {[FAMILY_CREATION] = 4,
                   [FAMILY_ELEMENTWISE] = 50,
                   [FAMILY_VIEW] = 18,
                   [FAMILY_ASSEMBLY] = 7,
                   [FAMILY_INDEXING] = 7,
                   [FAMILY_REDUCTION] = 10,
                   [FAMILY_PRODUCT] = 5},
      .recent = chance(r, 0.5) ? 0.3 : 0.7,
      .hub = 0.03,
      .kept = kept[between(r, 0, 4)],
      .other_type = chance(r, 0.7) ? 0.05 : 0.6,
      .streams = chance(r, 0.7) ? 1 : (int)between(r, 2, 3),
      .most_elements = chance(r, 0.8) ? 600 : 5000,
  };
  switch (draw_character(r)) {
  case MIXED: break;
  case CHAIN:
    s->families[FAMILY_ELEMENTWISE] = 2000;
    s->length = (int)between(r, 60, chance(r, 0.2) ? 400 : 220);
    s->recent = 0.75;
    break;
  case FAN:
    s->families[FAMILY_ELEMENTWISE] = 600;
    s->length = (int)between(r, 50, 160);
    s->hub = 0.45;
    s->kept = 0.7;
    break;
  case VIEWS:
    s->families[FAMILY_VIEW] = 60;
    s->families[FAMILY_INDEXING] = 14;
    break;
  case MANY_STREAMS: s->streams = (int)between(r, 4, MOST_STREAMS); break;
  case LARGE:
    s->length = (int)between(r, 10, 30);
    s->most_elements = 150000;
    break;
  }
  s->most_elements_in_all = s->most_elements * (s->most_elements > 100000 ? 12 : 60);
}

/* The shape most inputs have: a few axes, whose product is within what a value may have. */
static void draw_base(struct random *r, struct style *s) {
  s->base_ndim = chance(r, 0.1) ? (int)between(r, 0, 1) : (int)between(r, 1, 4);
  int64_t left = s->most_elements > 100000 ? 110000 : s->most_elements / 4;
  for (int i = s->base_ndim; i--;) {
    int64_t most = i == 0 ? left : left < 8 ? left : s->most_elements > 100000 ? 48 : 12;
    int64_t least = s->most_elements > 100000 && i == 0 ? most / 2 : 1;
    s->base[i] = chance(r, 0.02) ? 0 : between(r, least > 0 ? least : 1, most > 0 ? most : 1);
    if (s->base[i] > 1) left /= s->base[i];
  }
}

static void draw_types(struct drawing *d) {
  struct style *s = &d->style;
  for (int i = 0; i < 3; i++)
    s->types[i] = d->allowed || chance(&d->r, 0.35)
                      ? MX_FLOAT32
                      : draw_type(d, chance(&d->r, 0.6) ? TYPES_INEXACT : TYPES_ALL);
}

static void draw_inputs(struct drawing *d) {
  const struct style *s = &d->style;
  for (int i = (int)between(&d->r, 3, 8); i; i--) {
    int64_t shape[MOST_AXES];
    int first = chance(&d->r, 0.6) ? 0 : (int)between(&d->r, 0, s->base_ndim);
    for (int k = first; k < s->base_ndim; k++) shape[k - first] = chance(&d->r, 0.9) ? s->base[k] : 1;
    mx_dtype t = d->allowed || chance(&d->r, 0.8) ? s->types[between(&d->r, 0, 2)] : draw_type(d, TYPES_ALL);
    draw_input(d, t, (mx_ints){shape, s->base_ndim - first});
  }
}

static double uniform(struct random *r) { return (double)(next(r) >> 11) * 0x1p-53; }

static int draw_family(struct drawing *d) {
  if (d->burst) return FAMILY_ELEMENTWISE;
  double total = 0;
  for (int f = 0; f < FAMILY_COUNT; f++) total += d->style.families[f];
  double at = uniform(&d->r) * total;
  int f = 0;
  while (f < FAMILY_COUNT - 1 && at >= d->style.families[f]) at -= d->style.families[f++];
  return f;
}

static int draw_kind(struct drawing *d) {
  int family = draw_family(d), n = graph_op_count(), last = INPUT_KIND;
  double total = 0;
  for (int k = 0; k < n; k++)
    if (graph_op(k)->family == (enum op_family)family) total += graph_op(k)->weight;
  double at = uniform(&d->r) * total;
  for (int k = 0; k < n; k++) {
    const struct graph_op *op = graph_op(k);
    if (op->family != (enum op_family)family || op->weight == 0) continue;
    last = k;
    if (at < op->weight) return k;
    at -= op->weight;
  }
  return last;
}

/* A strict chain begins here: what a program that keeps every step of a loop does. */
static void start_burst(struct drawing *d) {
  static const double kept[] = {0, 0.3, 0.7, 1};
  d->burst = (int)between(&d->r, 8, 60);
  d->burst_kept = kept[between(&d->r, 0, 3)];
}

static void draw_instruction(struct drawing *d) {
  struct instruction ins = {.kind = draw_kind(d)};
  const struct graph_op *op = graph_op(ins.kind);
  if (generate_without[ins.kind] || (d->allowed && !d->allowed[ins.kind])) return;
  if (d->burst)
    d->burst--;
  else if (chance(&d->r, 0.008))
    start_burst(d);
  if (d->style.streams > 1 && !d->burst && chance(&d->r, 0.3))
    d->stream = (int)between(&d->r, 0, d->style.streams - 1);
  ins.stream = d->stream;
  generate_drawn[ins.kind]++;
  if (!op->draw(d, op, &ins) || !draw_append(d, &ins)) generate_refused[ins.kind]++;
  if (chance(&d->r, 0.03)) d->hub = d->p->nvalues - 1;
}

/* ---- Differentiable programs ---- */
static const bool *differentiable_kinds(void) {
  static const char *const names[] = {"add",       "subtract",  "multiply",     "divide",
                                      "maximum",   "minimum",   "negative",     "square",
                                      "sin",       "cos",       "tanh",         "sigmoid",
                                      "arctan",    "exp",       "abs",          "erf",
                                      "logaddexp", "where",     "clip",         "reshape",
                                      "squeeze",   "transpose", "flip",         "broadcast_to",
                                      "slice",     "diagonal",  "split",        "concatenate",
                                      "stack",     "repeat",    "roll",         "expand_dims",
                                      "pad",       "sum",       "mean",         "max",
                                      "min",       "softmax",   "logsumexp",    "cumsum",
                                      "var",       "matmul",    "gram",         "outer",
                                      "rms_norm",  "sort",      "layer_norm",   "stop_gradient",
                                      "take",      "tril",      "unstack",      "flatten",
                                      "swapaxes",  "moveaxis",  "slice_update", "take_along_axis"};
  static bool kinds[MOST_KINDS];
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) kinds[graph_op_find(names[i])] = true;
  return kinds;
}

static void draw_differentiable_style(struct drawing *d) {
  struct style *s = &d->style;
  d->allowed = differentiable_kinds();
  s->length = (int)between(&d->r, 10, 50);
  s->most_elements = 400;
  s->most_elements_in_all = 20000;
  s->other_type = 0;
}

/* What nobody uses is kept, but for some results of instructions that have several; so are some others. */
static void draw_kept(struct drawing *d) {
  struct program *p = d->p;
  for (int i = 0; i < p->ninstructions; i++) {
    struct instruction *ins = &p->instructions[i];
    for (int r = 0; r < ins->nresults; r++) {
      struct value *v = &p->values[ins->first + r];
      v->kept = chance(&d->r, v->uses ? d->keep[ins->first + r] : ins->nresults > 1 ? 0.4 : 1);
    }
  }
  program_drop_unused(p);
}

void generate(uint64_t seed, struct program *p) {
  mx_array stand_ins[MOST_VALUES];
  struct drawing d = {.p = p, .r = {hash64(seed)}, .stand_ins = stand_ins};
  p->seed = seed;
  p->ninstructions = p->nvalues = 0;
  MX_SCOPE {
    draw_style(&d.r, &d.style);
    if (is_differentiable(seed)) draw_differentiable_style(&d);
    draw_base(&d.r, &d.style);
    draw_types(&d);
    draw_inputs(&d);
    for (int tries = 0; tries < 2 * d.style.length && p->ninstructions < d.style.length; tries++)
      draw_instruction(&d);
    draw_kept(&d);
  }
}
