/* Inputs are arguments, kept values results. */
#include "graphs/op.h"
#include "graphs/trial.h"

static int traced(void *context, int n, const mx_array *in, int max_out, mx_array *out) {
  struct trial *t = context;
  int inputs[MOST_VALUES], results[MOST_VALUES];
  trial_list(t->p, true, inputs);
  for (int i = 0; i < n; i++) t->values[inputs[i]] = mx_keep(in[i]);
  for (int i = 0; i < t->p->ninstructions; i++) {
    const struct instruction *ins = &t->p->instructions[i];
    if (!ins->dropped && ins->kind != INPUT_KIND && build(t->e, ins, t->values) < 0) return -1;
  }
  int nresults = trial_list(t->p, false, results);
  for (int i = 0; i < nresults; i++) out[i] = t->values[results[i]];
  return nresults; // the references are let go after the call
}

/* One call. Donating: nobody else has the inputs when the results are evaluated. */
static bool call(struct trial *t, mx_compiled f, const struct expected *e, bool donating) {
  int inputs[MOST_VALUES], results[MOST_VALUES];
  int n = trial_list(t->p, true, inputs), nout = trial_list(t->p, false, results), made = 0;
  mx_array in[MOST_VALUES], out[MOST_VALUES];
  for (int i = 0; i < n; i++) {
    const struct value *v = &t->p->values[inputs[i]];
    MX_SCOPE { in[i] = mx_keep(mx_array_from(e->bytes[inputs[i]], shape_of(v), v->type)); }
  }
  bool right = true;
  MX_SCOPE {
    made = mx_compiled_call(f, 0, n, in, MOST_VALUES, out);
    for (int i = 0; i < made; i++) mx_keep(out[i]);
  }
  release_all(t->values);
  if (donating)
    for (int i = 0; i < n; i++) mx_release(in[i]);
  if (made != nout) right = trial_error(t, "called");
  if (right && mx_eval_all(made, out) < 0) right = trial_error(t, "evaluated");
  for (int i = 0; right && i < made; i++) {
    t->tally->values_compared++;
    right = check_value(e, results[i], out[i], t->f);
  }
  for (int i = 0; !donating && right && i < n; i++) right = check_value(e, inputs[i], in[i], t->f);
  for (int i = 0; i < made; i++) mx_release(out[i]);
  if (!donating)
    for (int i = 0; i < n; i++) mx_release(in[i]);
  return right;
}

bool mode_compiled(struct trial *t) {
  int results[MOST_VALUES];
  struct expected other; // the trace must not remember the data it was made with
  if (!trial_list(t->p, false, results)) return true;
  if (expect(t->p, decision(t, ABOUT_CHECK, 0) | 1, &other, t->f) < 0) return expected_free(&other), false;
  mx_compiled f = mx_compile(traced, t, false, NULL);
  bool right = f && call(t, f, &other, false) && call(t, f, t->e, false) && call(t, f, t->e, true);
  mx_compiled_free(f);
  expected_free(&other);
  return right;
}
