/* Evaluations that end early, for want of memory or by an interrupt, and are taken up again: each value is
   right then, or an error says that it was lost. */
#include "base/alloc.h"
#include "graphs/interrupter.h"
#include "graphs/trial.h"
#include <string.h>
#include <time.h>

/* Every kept value by itself. */
static bool check_right_or_lost(struct trial *t) {
  for (int v = 0; v < t->p->nvalues; v++) {
    if (!t->values[v] || !t->p->values[v].kept) continue;
    if (mx_eval(t->values[v]) < 0) {
      if (!trial_lost()) return trial_error(t, "evaluated again");
      t->tally->values_lost++;
      continue;
    }
    t->tally->values_compared++;
    if (!check_value(t->e, v, t->values[v], t->f)) return false;
  }
  return true;
}

/* Builds an instruction that may run out of memory, until it doesn't. */
static bool step_without_memory(struct trial *t, int i) {
  bool fails = decide(t, ABOUT_FAILURE, i, 0.05);
  struct fault none = {0}, *f = t->f;
  if (fails) {
    mxi_alloc_fail_after((long)(decision(t, ABOUT_TIME, i) % 12));
    t->f = &none;
    bool built = trial_step(t, i);
    mxi_alloc_fail_after(-1);
    t->f = f;
    if (built) return true;
    if (mx_error_code() != MX_OUT_OF_MEMORY) return trial_error(t, "built without memory");
  }
  return trial_step(t, i);
}

bool mode_memory(struct trial *t) {
  mx_array some[MOST_VALUES];
  for (int i = 0; i < t->p->ninstructions; i++)
    if (!step_without_memory(t, i)) return false;
  int rounds = 1 + (int)(decision(t, ABOUT_ROUNDS, 0) % 4);
  for (int round = 0; round < rounds; round++) {
    int n = trial_subset(t, round, round ? 0.7 : 2, some);
    if (decide(t, ABOUT_CHECK, round, 0.5)) mx_clear_cache(); // so that buffers are allocations too
    uint64_t x = decision(t, ABOUT_TIME, -1 - round);
    mxi_alloc_fail_after((long)(x % ((uint64_t)2 << (x >> 32) % 9)));
    int result = mx_eval_all(n, some);
    mxi_alloc_fail_after(-1);
    if (result == 0) break;
    t->tally->evals_failed++;
    if (mx_error_code() != MX_OUT_OF_MEMORY && !trial_lost())
      return trial_error(t, "evaluated without memory");
  }
  return check_right_or_lost(t);
}

/* Nanoseconds that an eval of all kept values takes when nobody interrupts it. */
static uint64_t time_eval(struct trial *t) {
  mx_array kept[MOST_VALUES];
  struct timespec begin, end;
  for (int i = 0; i < t->p->ninstructions; i++)
    if (!trial_step(t, i)) return 0;
  clock_gettime(CLOCK_MONOTONIC, &begin);
  bool done = mx_eval_all(trial_subset(t, 0, 2, kept), kept) == 0;
  clock_gettime(CLOCK_MONOTONIC, &end);
  if (!done) trial_error(t, "evaluated");
  release_all(t->values);
  return done ? (uint64_t)(end.tv_sec - begin.tv_sec) * 1000000000u + (uint64_t)(end.tv_nsec - begin.tv_nsec)
              : 0;
}

bool mode_interrupted(struct trial *t) {
  mx_array some[MOST_VALUES];
  uint64_t duration = time_eval(t);
  if (!duration) return t->f->outcome == OUTCOME_RIGHT;
  for (int i = 0; i < t->p->ninstructions; i++)
    if (!trial_step(t, i)) return false;
  int rounds = 1 + (int)(decision(t, ABOUT_ROUNDS, 0) % 6);
  for (int round = 0; round < rounds; round++) {
    int n = trial_subset(t, round, round ? 0.7 : 2, some);
    interrupt_after(decision(t, ABOUT_TIME, round) % duration);
    int result = mx_eval_all(n, some);
    bool expected = result == 0 || mx_error_code() == MX_INTERRUPTED || trial_lost();
    if (!expected) trial_error(t, "interrupted");
    interrupt_await();
    mx_interrupt_clear();
    if (!expected) return false;
    t->tally->interrupts += result < 0;
  }
  return check_right_or_lost(t);
}
