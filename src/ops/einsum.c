/* Einstein summation. Every axis of an operand carries a label; equal labels run together and those that the
   output lacks are summed. Many operands are contracted two at a time, in an order that needs few
   multiplications: the best of all for few operands, found over subsets (as for a chain of matrix products);
   the cheapest pair at every step for many. */
#include "base/alloc.h"
#include "ops/common.h"

/* Labels are the letters in the order of their codes, then the axes of the ellipsis, counted from the right.
 */
enum { LETTERS = 52, LABELS = LETTERS + MX_MAX_NDIM, EXACT_ORDER = 8 };

struct term { /* the labels of one operand's axes, or of the output's */
  int n;
  uint8_t label[MX_MAX_NDIM];
};
/* A set of labels. */
typedef struct labels {
  uint64_t letters, ellipsis;
} labels;
struct equation {
  int n; /* operands */
  struct term *in, out;
  labels out_set;
  int64_t size[LABELS];
};

static labels with_label(labels s, int label) {
  if (label < LETTERS)
    s.letters |= UINT64_C(1) << label;
  else
    s.ellipsis |= UINT64_C(1) << (label - LETTERS);
  return s;
}
static bool has(labels s, int label) {
  return label < LETTERS ? s.letters >> label & 1 : s.ellipsis >> (label - LETTERS) & 1;
}
static labels both(labels a, labels b) { return (labels){a.letters & b.letters, a.ellipsis & b.ellipsis}; }
static labels either(labels a, labels b) { return (labels){a.letters | b.letters, a.ellipsis | b.ellipsis}; }
static int count(labels s) { return __builtin_popcountll(s.letters) + __builtin_popcountll(s.ellipsis); }
static bool same(labels a, labels b) { return a.letters == b.letters && a.ellipsis == b.ellipsis; }
static labels set_of(const struct term *t) {
  labels s = {0, 0};
  for (int i = 0; i < t->n; i++) s = with_label(s, t->label[i]);
  return s;
}

/* ---- Reading the subscripts ---- */
static int letter(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return 26 + c - 'a';
  return -1;
}

/* One term, up to a comma, "->" or the end. ndim is the operand's, or -1 for the output, whose ellipsis has
   `ellipsis` axes. Returns the number of axes its ellipsis stands for, -1 without one, -2 on failure. */
static int read_term(const char *op, const char **text, int ndim, int ellipsis, struct term *t) {
  int before = -1, n = 0;
  uint8_t letters[MX_MAX_NDIM];
  for (; **text && **text != ',' && strncmp(*text, "->", 2); ++*text) {
    if (**text == ' ') continue;
    if (!strncmp(*text, "...", 3) && before < 0) {
      before = n;
      *text += 2;
      continue;
    }
    int l = letter(**text);
    if (l < 0) {
      mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected letters, commas, one '...' a term and '->', got '%c'", op,
               **text);
      return -2;
    }
    if (n == MX_MAX_NDIM) {
      mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected at most %d subscripts a term", op, MX_MAX_NDIM);
      return -2;
    }
    letters[n++] = (uint8_t)l;
  }
  int more = before < 0 ? 0 : ndim < 0 ? ellipsis : ndim - n;
  if (more < 0 || n + more > MX_MAX_NDIM || (ndim >= 0 && n + more != ndim)) {
    mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected one subscript for each of %d dimensions, got %d", op, ndim,
             n);
    return -2;
  }
  t->n = n + more;
  for (int i = 0; i < t->n; i++) {
    int in_ellipsis = before < 0 || i < before ? -1 : i - before;
    if (in_ellipsis >= 0 && in_ellipsis < more)
      t->label[i] = (uint8_t)(LETTERS + more - 1 - in_ellipsis);
    else
      t->label[i] = letters[in_ellipsis < 0 ? i : i - more];
  }
  return before < 0 ? -1 : more;
}

/* Without "->": the axes of the ellipsis, then the letters that occur once. */
static int implicit_output(const char *op, struct equation *e, int ellipsis) {
  int times[LABELS] = {0};
  for (int i = 0; i < e->n; i++)
    for (int j = 0; j < e->in[i].n; j++) times[e->in[i].label[j]]++;
  e->out.n = 0;
  for (int i = ellipsis - 1; i >= 0; i--) e->out.label[e->out.n++] = (uint8_t)(LETTERS + i);
  for (int l = 0; l < LETTERS; l++) {
    if (times[l] != 1) continue;
    if (e->out.n == MX_MAX_NDIM)
      return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected an output of at most %d dimensions", op,
                      MX_MAX_NDIM);
    e->out.label[e->out.n++] = (uint8_t)l;
  }
  return 0;
}

/* The size of every label: operands agree, or have 1. */
static int read_sizes(const char *op, struct equation *e, const mx_array *operands) {
  for (int l = 0; l < LABELS; l++) e->size[l] = -1;
  for (int i = 0; i < e->n; i++)
    for (int j = 0; j < e->in[i].n; j++) {
      int64_t d = operands[i]->dims[j], *size = &e->size[e->in[i].label[j]];
      if (*size < 0 || *size == 1)
        *size = d;
      else if (d != *size && d != 1)
        return mxi_fail(MX_INVALID_ARGUMENT,
                        "[%s] expected size %lld or 1 for dimension %d of input %d, got "
                        "shape %s",
                        op, (long long)*size, j, i, MXI_SHAPE_TEXT(operands[i]));
    }
  return 0;
}

static int check_output(const char *op, const struct equation *e, int ellipsis) {
  labels seen = {0, 0};
  int shown = 0;
  for (int i = 0; i < e->out.n; i++) {
    int l = e->out.label[i];
    shown += l >= LETTERS;
    if (has(seen, l)) return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected no repeated output subscripts", op);
    if (e->size[l] < 0)
      return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected output subscripts that an input has, got '%c'", op,
                      l < 26 ? 'A' + l : 'a' + l - 26);
    seen = with_label(seen, l);
  }
  if (ellipsis > 0 && !shown)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected '...' in the output, as in the inputs", op);
  return 0;
}

static int read_equation(const char *op, const char *text, int n, const mx_array *operands,
                         struct equation *e) {
  int terms = 1, ellipsis = -1;
  if (!text) return mxi_fail(MX_TYPE_ERROR, "[%s] expected subscripts, got NULL", op);
  for (const char *p = text; *p && strncmp(p, "->", 2); p++) terms += *p == ',';
  if (n < 1) return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected at least one operand", op);
  if (terms != n)
    return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected %d operands for these subscripts, got %d", op, terms,
                    n);
  e->n = n;
  for (int i = 0; i < n; i++) {
    int axes = read_term(op, &text, operands[i]->ndim, 0, &e->in[i]);
    if (axes < -1) return -1;
    if (axes > ellipsis) ellipsis = axes;
    if (*text == ',') text++;
  }
  MXI_TRY(read_sizes(op, e, operands));
  if (!*text) {
    MXI_TRY(implicit_output(op, e, ellipsis));
  } else {
    text += 2;
    if (read_term(op, &text, -1, ellipsis < 0 ? 0 : ellipsis, &e->out) < -1) return -1;
    if (*text) return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected one output term, got more", op);
  }
  e->out_set = set_of(&e->out);
  return check_output(op, e, ellipsis);
}

/* ---- The order of contraction ---- */
static double volume(const struct equation *e, labels s) {
  double v = 1;
  for (int l = 0; l < LABELS; l++)
    if (has(s, l)) v *= (double)e->size[l];
  return v;
}
/* Multiplications and additions of one step over n operands that runs over `all` labels. */
static double step_cost(const struct equation *e, labels all, int n, bool sums) {
  return volume(e, all) * (double)((n > 2 ? n - 1 : 1) + sums);
}

/* What an operand and its labels become as steps are taken. */
struct order {
  const struct equation *e;
  int n; /* operands left */
  labels set[];
};
/* The labels that a pair's product keeps: those in the output or in another operand. */
static labels kept(const struct order *o, int i, int j) {
  labels rest = o->e->out_set;
  for (int k = 0; k < o->n; k++)
    if (k != i && k != j) rest = either(rest, o->set[k]);
  return both(either(o->set[i], o->set[j]), rest);
}
static double pair_cost(const struct order *o, int i, int j) {
  labels all = either(o->set[i], o->set[j]);
  return step_cost(o->e, all, 2, !same(all, kept(o, i, j)));
}
/* Replaces operands i < j by their product, at the end. */
static void take_pair(struct order *o, int i, int j) {
  labels result = kept(o, i, j);
  int n = 0;
  for (int k = 0; k < o->n; k++)
    if (k != i && k != j) o->set[n++] = o->set[k];
  o->set[n++] = result;
  o->n = n;
}

/* The best split of every set of operands: cost[s] and split[s], one of the two parts. */
struct best {
  double cost[1 << EXACT_ORDER];
  uint16_t split[1 << EXACT_ORDER];
};
static labels subset_labels(const struct order *o, unsigned s) {
  labels all = {0, 0};
  for (int i = 0; i < o->n; i++)
    if (s >> i & 1) all = either(all, o->set[i]);
  return all;
}
/* The labels of the product of the operands in s. */
static labels product_labels(const struct order *o, unsigned s) {
  unsigned others = ((1u << o->n) - 1) & ~s;
  return (s & (s - 1)) ? both(subset_labels(o, s), either(o->e->out_set, subset_labels(o, others)))
                       : subset_labels(o, s);
}
static void find_best(const struct order *o, struct best *b) {
  for (unsigned s = 1; s < 1u << o->n; s++) {
    b->cost[s] = s & (s - 1) ? -1 : 0;
    b->split[s] = 0;
    labels result = product_labels(o, s);
    for (unsigned part = (s - 1) & s; part > (s ^ part); part = (part - 1) & s) {
      labels all = either(product_labels(o, part), product_labels(o, s ^ part));
      double cost = b->cost[part] + b->cost[s ^ part] + step_cost(o->e, all, 2, !same(all, result));
      if (b->cost[s] >= 0 && cost >= b->cost[s]) continue;
      b->cost[s] = cost;
      b->split[s] = (uint16_t)part;
    }
  }
}
/* Steps of the best tree, the parts first. members[] are the sets of operands behind those left. */
static void write_steps(struct order *o, const struct best *b, unsigned s, unsigned *members,
                        mx_einsum_step *steps, int *nsteps) {
  if (!(s & (s - 1))) return;
  unsigned left = b->split[s], right = s ^ left;
  write_steps(o, b, right, members, steps, nsteps);
  write_steps(o, b, left, members, steps, nsteps);
  int i = 0, j = 0;
  while (members[i] != left) i++;
  while (members[j] != right) j++;
  int low = i < j ? i : j, high = i < j ? j : i;
  steps[(*nsteps)++] = (mx_einsum_step){low, high};
  int n = 0;
  for (int k = 0; k < o->n; k++)
    if (k != low && k != high) members[n++] = members[k];
  members[n] = s;
  take_pair(o, low, high);
}
static int exact_order(struct order *o, mx_einsum_step *steps) {
  struct best *b = mxi_malloc(sizeof *b);
  if (!b) return -1;
  unsigned members[EXACT_ORDER];
  int nsteps = 0;
  for (int i = 0; i < o->n; i++) members[i] = 1u << i;
  find_best(o, b);
  write_steps(o, b, (1u << o->n) - 1, members, steps, &nsteps);
  mxi_free(b);
  return 0;
}
static void greedy_order(struct order *o, mx_einsum_step *steps) {
  for (int step = 0; o->n > 1; step++) {
    mx_einsum_step best = {0, 1};
    double least = -1;
    for (int i = 0; i < o->n; i++)
      for (int j = i + 1; j < o->n; j++) {
        double cost = pair_cost(o, i, j);
        if (least < 0 || cost < least) least = cost, best = (mx_einsum_step){i, j};
      }
    steps[step] = best;
    take_pair(o, best.first, best.second);
  }
}

static struct order *new_order(const struct equation *e) {
  struct order *o = mxi_malloc(sizeof *o + sizeof(labels) * (size_t)e->n);
  if (!o) return NULL;
  o->e = e;
  o->n = e->n;
  for (int i = 0; i < e->n; i++) o->set[i] = set_of(&e->in[i]);
  return o;
}
static int find_order(const struct equation *e, mx_einsum_step *steps) {
  struct order *o = new_order(e);
  if (!o) return -1;
  int status = 0;
  if (e->n <= EXACT_ORDER)
    status = exact_order(o, steps);
  else
    greedy_order(o, steps);
  mxi_free(o);
  return status;
}

static int find_cost(const struct equation *e, const mx_einsum_step *steps, mx_einsum_cost *c) {
  struct order *o = new_order(e);
  if (!o) return -1;
  labels all = {0, 0};
  for (int i = 0; i < e->n; i++) all = either(all, o->set[i]);
  *c = (mx_einsum_cost){.naive_scaling = count(all),
                        .naive_flops = step_cost(e, all, e->n, !same(all, e->out_set))};
  if (e->n == 1) c->scaling = c->naive_scaling, c->flops = c->naive_flops;
  for (int i = 0; i + 1 < e->n; i++) {
    labels pair = either(o->set[steps[i].first], o->set[steps[i].second]);
    c->flops += pair_cost(o, steps[i].first, steps[i].second);
    if (count(pair) > c->scaling) c->scaling = count(pair);
    take_pair(o, steps[i].first, steps[i].second);
  }
  mxi_free(o);
  return 0;
}

/* ---- Contraction ---- */
/* An operand on its way: the labels of its axes are distinct, and have their full size. */
struct factor {
  mx_array a;
  struct term t;
};

static int place_of(const struct term *t, int label) {
  for (int i = 0; i < t->n; i++)
    if (t->label[i] == label) return i;
  return -1;
}
static void drop_place(struct term *t, int place) {
  t->n--;
  memmove(t->label + place, t->label + place + 1, (size_t)(t->n - place));
}

/* Repeated labels become diagonals; an axis of size 1 that runs along with longer ones goes. */
static int start_factor(const struct equation *e, const struct term *t, mx_array a, struct factor *f) {
  *f = (struct factor){a, *t};
  for (int i = 0; i < f->t.n && mx_ok(f->a); i++)
    if (f->a->dims[i] == 1 && e->size[f->t.label[i]] != 1) {
      f->a = mx_squeeze(f->a, MX_AXES(i));
      drop_place(&f->t, i--);
    }
  for (int i = 0; i < f->t.n && mx_ok(f->a); i++)
    for (int j = i + 1; j < f->t.n; j++) {
      uint8_t label = f->t.label[i];
      if (f->t.label[j] != label) continue;
      f->a = mx_diagonal(f->a, 0, i, j);
      drop_place(&f->t, j);
      drop_place(&f->t, i);
      f->t.label[f->t.n++] = label;
      i = -1; /* the axes have moved: look again */
      break;
    }
  return mx_ok(f->a) ? 0 : -1;
}

/* Sums the labels that are not in `keep`. */
static void sum_out(struct factor *f, labels keep) {
  int64_t axes[MX_MAX_NDIM];
  struct term t = {0};
  int n = 0;
  for (int i = 0; i < f->t.n; i++) {
    if (has(keep, f->t.label[i]))
      t.label[t.n++] = f->t.label[i];
    else
      axes[n++] = i;
  }
  if (n) f->a = mx_sum(f->a, (mx_ints){axes, n}, false);
  f->t = t;
}

/* The labels of f in `s`, as a term. */
static struct term labels_within(const struct factor *f, labels s) {
  struct term t = {0};
  for (int i = 0; i < f->t.n; i++)
    if (has(s, f->t.label[i])) t.label[t.n++] = f->t.label[i];
  return t;
}
static struct term joined(const struct term *a, const struct term *b) {
  struct term t = *a;
  for (int i = 0; i < b->n && t.n < MX_MAX_NDIM; i++) t.label[t.n++] = b->label[i];
  return t;
}
static int64_t elements(const struct equation *e, const struct term *t) {
  int64_t n = 1;
  for (int i = 0; i < t->n; i++) n *= e->size[t->label[i]];
  return n;
}
static mx_ints shape_of(const struct equation *e, const struct term *t, int64_t *shape) {
  for (int i = 0; i < t->n; i++) shape[i] = e->size[t->label[i]];
  return (mx_ints){shape, t->n};
}
static mx_array factor_permuted(const struct factor *f, const struct term *order) {
  int64_t axes[MX_MAX_NDIM];
  for (int i = 0; i < order->n; i++) axes[i] = place_of(&f->t, order->label[i]);
  return mx_transpose(f->a, (mx_ints){axes, order->n});
}

/* f's axes in the order of `all`, which may have more: those have size 1. */
static mx_array aligned(const struct factor *f, const struct term *all) {
  int64_t shape[MX_MAX_NDIM];
  struct term own = {0};
  for (int i = 0; i < all->n; i++) {
    int place = place_of(&f->t, all->label[i]);
    shape[i] = place < 0 ? 1 : f->a->dims[place];
    if (place >= 0) own.label[own.n++] = all->label[i];
  }
  return mx_reshape(factor_permuted(f, &own), (mx_ints){shape, all->n});
}

static int too_many_axes(const char *op) {
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected intermediate results of at most %d dimensions", op,
                  MX_MAX_NDIM);
}

/* x = x y, keeping the labels in `keep`: a batched matrix product (batch, x's own, summed) (batch, summed,
   y's own), or elementwise where nothing is summed or neither has labels of its own. */
static int contract(const struct equation *e, struct factor *x, struct factor *y, labels keep) {
  sum_out(x, either(keep, set_of(&y->t)));
  sum_out(y, either(keep, set_of(&x->t)));
  if (!mx_ok(x->a) || !mx_ok(y->a)) return -1;
  labels sx = set_of(&x->t), sy = set_of(&y->t), shared = both(sx, sy), batch = both(shared, keep);
  labels own_x = {sx.letters & ~sy.letters, sx.ellipsis & ~sy.ellipsis};
  labels own_y = {sy.letters & ~sx.letters, sy.ellipsis & ~sx.ellipsis};
  labels summed = {shared.letters & ~keep.letters, shared.ellipsis & ~keep.ellipsis};
  struct term tb = labels_within(x, batch), tx = labels_within(x, own_x), ty = labels_within(y, own_y),
              ts = labels_within(x, summed);
  struct term xy = joined(&tx, &ty), result = joined(&tb, &xy);
  if (tb.n + tx.n + ty.n + ts.n > MX_MAX_NDIM) return too_many_axes("einsum");
  if (!ts.n || (!tx.n && !ty.n)) {
    struct term all = joined(&result, &ts);
    x->a = mx_multiply(aligned(x, &all), aligned(y, &all));
    x->t = all;
    sum_out(x, keep);
    return mx_ok(x->a) ? 0 : -1;
  }
  struct term rows = joined(&tb, &tx), left = joined(&rows, &ts), columns = joined(&tb, &ts),
              right = joined(&columns, &ty);
  int64_t b = elements(e, &tb), m = elements(e, &tx), n = elements(e, &ty), k = elements(e, &ts);
  int64_t shape[MX_MAX_NDIM];
  bool plain = tb.n == 0; /* 2-D operands: the product needs no batch */
  mx_array a2 = mx_reshape(factor_permuted(x, &left), plain ? MX_SHAPE(m, k) : MX_SHAPE(b, m, k));
  mx_array b2 = mx_reshape(factor_permuted(y, &right), plain ? MX_SHAPE(k, n) : MX_SHAPE(b, k, n));
  x->a = mx_reshape(mx_matmul(a2, b2), shape_of(e, &result, shape));
  x->t = result;
  return mx_ok(x->a) ? 0 : -1;
}

/* The labels that the other operands or the output still need. */
static labels needed(const struct equation *e, const struct factor *f, int n, int i, int j) {
  labels s = e->out_set;
  for (int k = 0; k < n; k++)
    if (k != i && k != j) s = either(s, set_of(&f[k].t));
  return s;
}

static mx_array finished(const struct equation *e, struct factor *f) {
  int64_t shape[MX_MAX_NDIM];
  sum_out(f, e->out_set);
  if (!mx_ok(f->a)) return MX_BAD;
  return mx_broadcast_to(aligned(f, &e->out), shape_of(e, &e->out, shape));
}

static mx_array contracted(const struct equation *e, const mx_array *operands, const mx_einsum_step *steps,
                           struct factor *f) {
  int n = e->n;
  for (int i = 0; i < n; i++)
    if (start_factor(e, &e->in[i], operands[i], &f[i]) < 0) return MX_BAD;
  for (int s = 0; n > 1; s++) {
    int i = steps[s].first, j = steps[s].second;
    if (contract(e, &f[i], &f[j], needed(e, f, n, i, j)) < 0) return MX_BAD;
    struct factor product = f[i];
    memmove(f + j, f + j + 1, sizeof *f * (size_t)(n - 1 - j));
    memmove(f + i, f + i + 1, sizeof *f * (size_t)(n - 2 - i));
    f[--n - 1] = product;
  }
  return finished(e, &f[0]);
}

/* ---- Entry points ---- */
mx_array mx_einsum(const char *subscripts, int n, const mx_array *operands) {
  if (!mxi_usable("einsum", n, operands) || !mxi_given("einsum", "subscripts", subscripts)) return MX_BAD;
  size_t room = n > 0 ? (size_t)n : 1;
  struct term *terms = mxi_calloc(room, sizeof *terms);
  mx_einsum_step *steps = mxi_calloc(room, sizeof *steps);
  struct factor *factors = mxi_calloc(room, sizeof *factors);
  struct equation e = {.in = terms};
  mx_array out = MX_BAD;
  if (terms && steps && factors && read_equation("einsum", subscripts, n, operands, &e) == 0 &&
      find_order(&e, steps) == 0)
    out = MXI_COMPOSED(contracted(&e, operands, steps, factors));
  mxi_free(factors);
  mxi_free(steps);
  mxi_free(terms);
  return out;
}

int mx_einsum_path(const char *subscripts, int n, const mx_array *operands, mx_einsum_step *steps,
                   mx_einsum_cost *cost) {
  if (!mxi_usable("einsum_path", n, operands) || !mxi_given("einsum_path", "subscripts", subscripts) ||
      (n > 1 && !mxi_has_place("einsum_path", steps)) || !mxi_has_place("einsum_path", cost))
    return -1;
  struct term *terms = mxi_calloc(n > 0 ? (size_t)n : 1, sizeof *terms);
  struct equation e = {.in = terms};
  int status = -1;
  if (terms && read_equation("einsum_path", subscripts, n, operands, &e) == 0 && find_order(&e, steps) == 0)
    status = find_cost(&e, steps, cost);
  mxi_free(terms);
  return status;
}
