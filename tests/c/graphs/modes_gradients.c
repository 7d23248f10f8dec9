/* Derivatives of differentiable programs. The function that is differentiated leaks some of its intermediates
   into a list outside, where they are evaluated, and used by the function in the next step: what a running
   average on the side of a loss does. The values and derivatives are those of a function that leaks nothing,
   and is given those values from outside. */
#include "graphs/op.h"
#include "graphs/trial.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { STEPS = 3, MOST_THREADS = 3, MOST_ARGUMENTS = 64 };

/* What a function computes: the program's values, and their mean products with those of the step before. */
struct step_of {
  const struct trial *t;
  const mx_array *before; /* by number of the value; NULL: none */
  mx_array *leaked;       /* receives references; NULL: nothing leaks */
  int number, failed;
};

static bool leaks(const struct trial *t, int v) { return decide(t, ABOUT_SUBSET, v, 0.3); }

static mx_array mean_of(mx_array a) { return mx_mean(a, MX_ALL_AXES, false); }

/* Evaluates a value while the function runs, now and then. */
static int look_inside(const struct step_of *s, int v, mx_array a) {
  int at = v * STEPS + s->number;
  if (!s->leaked || !decide(s->t, ABOUT_EVAL, at, 0.05)) return 0;
  return decide(s->t, ABOUT_CHECK, at, 0.5) ? mx_eval(a) : mx_async_eval(1, &a);
}

static int loss(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  struct step_of *s = context;
  const struct program *p = s->t->p;
  int inputs[MOST_VALUES], failed = 0;
  mx_array *values = calloc(MOST_VALUES, sizeof *values), sum = mx_float(0);
  trial_list(p, true, inputs);
  for (int i = 0; i < n; i++) values[inputs[i]] = mx_keep(in[i]);
  for (int i = 0; i < p->ninstructions && !failed; i++) {
    const struct instruction *ins = &p->instructions[i];
    if (ins->dropped || ins->kind == INPUT_KIND) continue;
    failed = build(s->t->e, ins, values);
    for (int v = ins->first; v < ins->first + ins->nresults && !failed; v++) {
      failed = look_inside(s, v, values[v]);
      if (p->values[v].kept && p->values[v].size) sum = mx_add(sum, mean_of(values[v]));
      if (s->before && s->before[v] && p->values[v].size)
        sum = mx_add(sum, mean_of(mx_multiply(values[v], s->before[v])));
      if (s->leaked && leaks(s->t, v)) s->leaked[v] = mx_keep(values[v]);
    }
  }
  release_all(values);
  free(values);
  s->failed = failed;
  return failed ? -1 : one(sum, out);
}

/* The value, and the derivatives in one of three ways: their number with the value, or -1. */
static int differentiate_here(struct step_of *s, int n, const mx_array *in, mx_array *out) {
  int64_t argnums[MOST_ARGUMENTS];
  for (int i = 0; i < n; i++) argnums[i] = i;
  mx_array cotangent = mx_float(1);
  switch (decision(s->t, ABOUT_ROUNDS, 0) % 3) {
  case 0: return mx_value_and_grad(loss, s, n, in, (mx_ints){argnums, n}, 1, out, out + 1) < 0 ? -1 : n + 1;
  case 1: return mx_vjp(loss, s, n, in, 1, &cotangent, 1, out, out + 1) < 0 ? -1 : n + 1;
  default: return mx_jvp(loss, s, n, in, in, 1, out, out + 1) < 0 ? -1 : 2;
  }
}

/* The same as references. */
static int differentiate(struct step_of *s, int n, const mx_array *in, mx_array *out) {
  int made = 0;
  MX_SCOPE {
    made = differentiate_here(s, n, in, out);
    for (int i = 0; i < made; i++) mx_keep(out[i]);
  }
  return made;
}

static void release_some(int n, mx_array *arrays) {
  for (int i = 0; i < n; i++) mx_release(arrays[i]);
}

static int make_inputs(const struct trial *t, mx_array *in) {
  int inputs[MOST_VALUES], n = trial_list(t->p, true, inputs);
  if (n > MOST_ARGUMENTS) return 0;
  for (int i = 0; i < n; i++) {
    const struct value *v = &t->p->values[inputs[i]];
    MX_SCOPE { in[i] = mx_keep(mx_array_from(t->e->bytes[inputs[i]], shape_of(v), v->type)); }
  }
  return n;
}

/* ---- The reference: no fusion, nothing leaks ---- */
struct derivatives {
  int n;                              /* with the value; 0: not differentiated */
  mx_array first[MOST_ARGUMENTS + 1]; /* of the first step */
  mx_array later[MOST_ARGUMENTS + 1]; /* of those that are given the values of the one before */
};

/* The values that steps leak, made outside of any function. */
static int make_before(struct trial *t, int n, const mx_array *in, mx_array *before) {
  int inputs[MOST_VALUES], failed = 0;
  trial_list(t->p, true, inputs);
  for (int i = 0; i < n; i++) before[inputs[i]] = mx_keep(in[i]);
  for (int i = 0; i < t->p->ninstructions && !failed; i++) {
    const struct instruction *ins = &t->p->instructions[i];
    if (ins->dropped || ins->kind == INPUT_KIND) continue;
    failed = build(t->e, ins, before);
    for (int v = ins->first; v < ins->first + ins->nresults && !failed; v++) failed = mx_eval(before[v]);
  }
  for (int v = 0; v < t->p->nvalues; v++) {
    if (leaks(t, v)) continue;
    mx_release(before[v]);
    before[v] = NULL;
  }
  return failed;
}

static bool expect_derivatives(struct trial *t, int n, const mx_array *in, struct derivatives *d) {
  mx_array *before = calloc(MOST_VALUES, sizeof *before);
  struct step_of first = {.t = t}, later = {.t = t, .before = before};
  set_fusion(false);
  bool right = make_before(t, n, in, before) == 0;
  int made = right ? differentiate(&first, n, in, d->first) : 0;
  int also = made > 0 ? differentiate(&later, n, in, d->later) : 0;
  d->n = made > 0 && made == also ? made : 0;
  right = d->n && mx_eval_all(d->n, d->first) == 0 && mx_eval_all(d->n, d->later) == 0;
  set_fusion(true);
  release_all(before);
  free(before);
  return right || trial_error(t, "differentiated without leaking");
}

static bool check_derivatives(struct trial *t, int n, const mx_array *got, const mx_array *want) {
  for (int i = 0; i < n; i++) {
    MX_SCOPE {
      const struct value v = {.type = mx_dtype_of(want[i]), .size = mx_size(want[i])};
      const void *g = mx_data(mx_contiguous(got[i], false)), *w = mx_data(mx_contiguous(want[i], false));
      if (!g || !w) return trial_error(t, "derivative read");
      if (mx_size(got[i]) != v.size || mx_dtype_of(got[i]) != v.type)
        return fault_set(t->f, OUTCOME_WRONG, -1, "derivative %d has another size", i - 1), false;
      t->tally->values_compared++;
      if (!check_bytes(&v, -1, g, w, t->f)) return false;
    }
  }
  return true;
}

/* ---- Steps that leak ---- */
static int all_leaked(const struct trial *t, const mx_array *leaked, mx_array *some) {
  int n = 0;
  for (int v = 0; v < t->p->nvalues; v++)
    if (leaked[v]) some[n++] = leaked[v];
  return n;
}

/* Steps that each use what the one before leaked; evaluated in time, late, or at the end. */
static bool run_steps(struct trial *t, int n, const mx_array *in, const struct derivatives *d,
                      const mx_array *start, int salt) {
  mx_array(*leaked)[MOST_VALUES] = calloc(STEPS, sizeof *leaked), got[STEPS][MOST_ARGUMENTS + 1],
  some[MOST_VALUES];
  int made[STEPS] = {0};
  bool right = true;
  for (int k = 0; k < STEPS && right; k++) {
    struct step_of s = {.t = t, .before = k ? leaked[k - 1] : start, .leaked = leaked[k], .number = k};
    made[k] = differentiate(&s, n, in, got[k]);
    if (made[k] != d->n) right = trial_error(t, "differentiated");
    int at = -2 - k - STEPS * salt;
    if (right && decide(t, ABOUT_EVAL, at, 0.5)) right = mx_async_eval(made[k], got[k]) == 0;
    if (right && decide(t, ABOUT_SUBSET, at, 0.5))
      right = mx_async_eval(all_leaked(t, leaked[k], some), some) == 0;
    if (right && decide(t, ABOUT_ORDER, at, 0.2))
      right = mx_eval_all(all_leaked(t, leaked[k], some), some) == 0;
    if (!right) trial_error(t, "evaluated");
  }
  for (int k = STEPS; k-- && right;)
    right = check_derivatives(t, d->n, got[k], k || start ? d->later : d->first);
  for (int k = 0; k < STEPS; k++) {
    for (int v = 0; v < t->p->nvalues && right; v++)
      if (leaked[k][v]) right = check_value(t->e, v, leaked[k][v], t->f);
    release_some(made[k] > 0 ? made[k] : 0, got[k]);
    release_all(leaked[k]);
  }
  free(leaked);
  return right;
}

static void release_derivatives(struct derivatives *d) {
  release_some(d->n, d->first);
  release_some(d->n, d->later);
}

bool mode_gradient(struct trial *t) {
  mx_array in[MOST_ARGUMENTS];
  struct derivatives d = {0};
  int n = make_inputs(t, in);
  bool right = !n || (expect_derivatives(t, n, in, &d) && run_steps(t, n, in, &d, NULL, 0));
  release_derivatives(&d);
  release_some(n, in);
  return right;
}

/* ---- Compiled ---- */
static int compiled_step(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  return differentiate_here(context, n, in, out);
}

bool mode_gradient_compiled(struct trial *t) {
  mx_array in[MOST_ARGUMENTS], out[MOST_ARGUMENTS + 1];
  struct derivatives d = {0};
  struct step_of s = {.t = t};
  int n = make_inputs(t, in);
  bool right = !n || expect_derivatives(t, n, in, &d);
  mx_compiled f = mx_compile(compiled_step, &s, false, NULL);
  for (int k = 0; k < 2 && right && n; k++)
    MX_SCOPE {
      if (mx_compiled_call(f, 0, n, in, MOST_ARGUMENTS + 1, out) != d.n) right = trial_error(t, "called");
      right = right && check_derivatives(t, d.n, out, d.first);
    }
  mx_compiled_free(f);
  release_derivatives(&d);
  release_some(n, in);
  return right;
}

/* ---- Threads: all use what one step leaked, which is evaluated meanwhile ---- */
struct part {
  struct trial t;
  struct fault fault;
  struct tally tally;
  int n, number;
  const mx_array *in, *start;
  const struct derivatives *d;
  bool right;
};

static void *run_part(void *context) {
  struct part *part = context;
  part->right = run_steps(&part->t, part->n, part->in, part->d, part->start, 1 + part->number);
  return NULL;
}

static bool run_parts(struct trial *t, int n, const mx_array *in, const struct derivatives *d,
                      const mx_array *start) {
  pthread_t threads[MOST_THREADS];
  struct part *parts = calloc(MOST_THREADS, sizeof *parts);
  bool right = true;
  for (int k = 0; k < MOST_THREADS; k++) {
    parts[k] = (struct part){.t = *t, .n = n, .number = k, .in = in, .start = start, .d = d};
    parts[k].t.f = &parts[k].fault;
    parts[k].t.tally = &parts[k].tally;
    pthread_create(&threads[k], NULL, run_part, &parts[k]);
  }
  for (int k = 0; k < MOST_THREADS; k++) {
    pthread_join(threads[k], NULL);
    t->tally->values_compared += parts[k].tally.values_compared;
    if (!parts[k].right && right) *t->f = parts[k].fault;
    right &= parts[k].right;
  }
  free(parts);
  return right;
}

bool mode_gradient_threads(struct trial *t) {
  mx_array in[MOST_ARGUMENTS], got[MOST_ARGUMENTS + 1], *leaked = calloc(MOST_VALUES, sizeof *leaked);
  struct derivatives d = {0};
  int n = make_inputs(t, in), made = 0;
  bool right = !n || expect_derivatives(t, n, in, &d);
  struct step_of first = {.t = t, .leaked = leaked};
  if (n && right) {
    made = differentiate(&first, n, in, got);
    right = made == d.n ? run_parts(t, n, in, &d, leaked) && check_derivatives(t, d.n, got, d.first)
                        : trial_error(t, "differentiated");
  }
  release_some(made > 0 ? made : 0, got);
  release_all(leaked);
  free(leaked);
  release_derivatives(&d);
  release_some(n, in);
  return right;
}
