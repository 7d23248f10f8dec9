/* Several threads over shared lazy values; one may be interrupted, and then all may be. */
#include "graphs/op.h"
#include "graphs/interrupter.h"
#include "graphs/trial.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_THREADS = 4 };
struct part {
  struct trial t; /* its own references and its own fault */
  struct fault fault;
  struct tally tally;
  int first, number; /* the instruction it begins with */
  bool interrupted, right;
};

/* 0; or -1 with an error that is not an interrupt. */
static int eval_until_done(struct part *part, int n, const mx_array *arrays) {
  for (int tries = 0;; tries++) {
    if (mx_eval_all(n, arrays) == 0) return 0;
    if (!part->interrupted || mx_error_code() != MX_INTERRUPTED || tries == 1000) return -1;
    part->tally.interrupts++;
    mx_interrupt_clear();
  }
}

static bool build_and_evaluate(struct part *part) {
  struct trial *t = &part->t;
  mx_array some[MOST_VALUES];
  for (int i = part->first; i < t->p->ninstructions; i++) {
    if (!trial_step(t, i)) return false;
    int at = i * MOST_THREADS + part->number;
    if (!decide(t, ABOUT_EVAL, at, 0.1)) continue;
    int n = trial_subset(t, at, 0.2, some);
    bool async = decide(t, ABOUT_THREADS, at, 0.3) && !part->interrupted;
    int result = async ? mx_async_eval(n, some) : eval_until_done(part, n, some);
    if (result < 0 && !(part->interrupted && trial_lost())) return trial_error(t, "evaluated on the way");
  }
  return true;
}

/* Every kept value by itself: where evals are interrupted, it may be lost. */
static bool check_kept(struct part *part) {
  struct trial *t = &part->t;
  if (!part->interrupted) return trial_check_kept(t);
  for (int v = 0; v < t->p->nvalues; v++) {
    if (!t->values[v] || !t->p->values[v].kept) continue;
    if (eval_until_done(part, 1, &t->values[v]) < 0) {
      if (!trial_lost()) return trial_error(t, "evaluated again");
      part->tally.values_lost++;
      continue;
    }
    struct fault f;
    do { // reading what is strided copies it
      f = (struct fault){.value = -1};
      part->tally.values_compared++;
    } while (!check_value(t->e, v, t->values[v], &f) && f.outcome == OUTCOME_ERROR &&
             mx_error_code() == MX_INTERRUPTED && (mx_interrupt_clear(), true));
    if (f.outcome != OUTCOME_RIGHT) return *t->f = f, false;
  }
  return true;
}

static void *run_part(void *context) {
  struct part *part = context;
  part->right = build_and_evaluate(part) && check_kept(part);
  release_all(part->t.values);
  return NULL;
}

static bool run_parts(struct trial *t, bool interrupted) {
  int nparts = (int)(2 + decision(t, ABOUT_THREADS, 0) % (MOST_THREADS - 1));
  int middle = t->p->ninstructions / 3 +
               (int)(decision(t, ABOUT_THREADS, 1) % (uint64_t)(t->p->ninstructions / 2 + 1));
  for (int i = 0; i < middle; i++)
    if (!trial_step(t, i)) return false;
  struct part *parts = calloc((size_t)nparts, sizeof *parts);
  pthread_t threads[MOST_THREADS];
  for (int k = 0; k < nparts; k++) {
    struct part *part = &parts[k];
    part->t = *t;
    part->t.f = &part->fault;
    part->t.tally = &part->tally;
    part->first = middle, part->number = k, part->interrupted = interrupted;
    for (int v = 0; v < t->p->nvalues; v++) mx_keep(part->t.values[v]);
  }
  release_all(t->values);
  for (int k = 0; k < nparts; k++) pthread_create(&threads[k], NULL, run_part, &parts[k]);
  for (int k = 0; interrupted && k < 3; k++) {
    interrupt_after(decision(t, ABOUT_TIME, k) % 200000);
    interrupt_await();
  }
  bool right = true;
  for (int k = 0; k < nparts; k++) pthread_join(threads[k], NULL);
  mx_interrupt_clear();
  for (int k = 0; k < nparts; k++) {
    t->tally->values_compared += parts[k].tally.values_compared;
    t->tally->interrupts += parts[k].tally.interrupts;
    t->tally->values_lost += parts[k].tally.values_lost;
    if (!parts[k].right && right) *t->f = parts[k].fault;
    right &= parts[k].right;
  }
  free(parts);
  return right;
}

bool mode_threads(struct trial *t) { return run_parts(t, false); }
bool mode_interrupted_threads(struct trial *t) { return run_parts(t, true); }
