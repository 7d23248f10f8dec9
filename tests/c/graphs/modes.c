#include "graphs/op.h"
#include "graphs/trial.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EACH_MODE(M) \
  M(at_once)         \
  M(staged)          \
  M(async)           \
  M(freed)           \
  M(compiled)        \
  M(threads)         \
  M(memory) M(interrupted) M(interrupted_threads) M(gradient) M(gradient_compiled) M(gradient_threads)
#define NAME(name)     #name,
#define FUNCTION(name) mode_##name,
const char *const mode_names[MODE_COUNT] = {EACH_MODE(NAME)};
static bool (*const functions[MODE_COUNT])(struct trial *) = {EACH_MODE(FUNCTION)};

bool trial_error(struct trial *t, const char *doing) {
  fault_set(t->f, OUTCOME_ERROR, -1, "%s: %s", doing, mx_error());
  return false;
}

bool trial_lost(void) { return mx_error_code() == MX_RUNTIME_ERROR && strstr(mx_error(), "lost"); }

bool trial_step(struct trial *t, int i) {
  const struct instruction *ins = &t->p->instructions[i];
  if (ins->dropped) return true;
  if (build(t->e, ins, t->values) < 0) return trial_error(t, "built");
  for (int k = 0; k < ins->noperands + ins->nresults; k++) {
    int v = k < ins->noperands ? ins->operands[k] : ins->first + k - ins->noperands;
    if (t->last_use[v] > i || t->p->values[v].kept) continue;
    mx_release(t->values[v]);
    t->values[v] = NULL;
  }
  return true;
}

int trial_subset(const struct trial *t, int at, double p, mx_array *some) {
  int n = 0;
  for (int v = 0; v < t->p->nvalues; v++) {
    if (!t->values[v] || !decide(t, ABOUT_SUBSET + 16 * at, v, p)) continue;
    int place = (int)(decision(t, ABOUT_ORDER + 16 * at, v) % (uint64_t)(n + 1));
    some[n++] = some[place];
    some[place] = t->values[v];
  }
  return n;
}

int trial_list(const struct program *p, bool inputs, int *list) {
  int n = 0;
  for (int i = 0; i < p->ninstructions; i++) {
    const struct instruction *ins = &p->instructions[i];
    if (ins->dropped || (ins->kind == INPUT_KIND) != inputs) continue;
    for (int v = ins->first; v < ins->first + ins->nresults; v++)
      if (inputs || p->values[v].kept) list[n++] = v;
  }
  return n;
}

bool trial_check_kept(struct trial *t) {
  for (int v = 0; v < t->p->nvalues; v++) {
    if (!t->values[v] || !t->p->values[v].kept) continue;
    t->tally->values_compared++;
    if (!check_value(t->e, v, t->values[v], t->f)) return false;
  }
  return true;
}

bool mode_at_once(struct trial *t) {
  mx_array kept[MOST_VALUES];
  for (int i = 0; i < t->p->ninstructions; i++)
    if (!trial_step(t, i)) return false;
  if (mx_eval_all(trial_subset(t, 0, 2, kept), kept) < 0) return trial_error(t, "evaluated");
  return trial_check_kept(t);
}

bool mode_staged(struct trial *t) {
  mx_array some[MOST_VALUES];
  for (int i = 0; i < t->p->ninstructions; i++) {
    if (!trial_step(t, i)) return false;
    if (!decide(t, ABOUT_EVAL, i, 0.1)) continue;
    if (mx_eval_all(trial_subset(t, i, 0.3, some), some) < 0) return trial_error(t, "evaluated on the way");
  }
  return trial_check_kept(t);
}

bool mode_async(struct trial *t) {
  mx_array some[MOST_VALUES];
  for (int i = 0; i < t->p->ninstructions; i++) {
    if (!trial_step(t, i)) return false;
    if (decide(t, ABOUT_EVAL, i, 0.15) && mx_async_eval(trial_subset(t, i, 0.3, some), some) < 0)
      return trial_error(t, "started");
    if (decide(t, ABOUT_CHECK, i, 0.02) && mx_synchronize(NULL) < 0) return trial_error(t, "awaited");
  }
  if (decide(t, ABOUT_EVAL, -1, 0.5) && mx_async_eval(trial_subset(t, -1, 2, some), some) < 0)
    return trial_error(t, "started at the end");
  return trial_check_kept(t);
}

bool mode_freed(struct trial *t) {
  for (int i = 0; i < t->p->ninstructions; i++) {
    const struct instruction *ins = &t->p->instructions[i];
    if (ins->dropped) continue;
    for (int k = 0; k < ins->noperands; k++)
      if (decide(t, ABOUT_EVAL, ins->operands[k], 0.3) && mx_eval(t->values[ins->operands[k]]) < 0)
        return trial_error(t, "evaluated before use");
    if (!trial_step(t, i)) return false;
  }
  for (int v = t->p->nvalues; v--;) { // last ones first; each is let go before the next
    if (!t->values[v]) continue;
    t->tally->values_compared++;
    if (!check_value(t->e, v, t->values[v], t->f)) return false;
    mx_release(t->values[v]);
    t->values[v] = NULL;
  }
  return true;
}

bool run_mode(enum mode m, const struct program *p, const struct expected *e, uint64_t seed,
              struct tally *tally, struct fault *f) {
  struct trial *t = calloc(1, sizeof *t);
  *t = (struct trial){.p = p, .e = e, .seed = hash_of(seed, m), .tally = tally, .f = f};
  for (int v = 0; v < MOST_VALUES; v++) t->last_use[v] = -1;
  for (int i = 0; i < p->ninstructions; i++)
    for (int k = 0; !p->instructions[i].dropped && k < p->instructions[i].noperands; k++)
      t->last_use[p->instructions[i].operands[k]] = i;
  spoil_free_memory(t->seed);
  bool right = functions[m](t);
  release_all(t->values);
  free(t);
  return right;
}
