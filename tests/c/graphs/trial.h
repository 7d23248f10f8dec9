/* One run of a program in one mode: what the modes share. */
#ifndef MXI_TESTS_GRAPHS_TRIAL_H
#define MXI_TESTS_GRAPHS_TRIAL_H
#include "graphs/modes.h"

struct trial {
  const struct program *p;
  const struct expected *e;
  uint64_t seed;
  mx_array values[MOST_VALUES]; /* references */
  int last_use[MOST_VALUES];    /* the last instruction that takes it, or -1 */
  struct tally *tally;
  struct fault *f;
};

/* A decision about a value or an instruction: hangs on its number alone, so that it stays as it was when
   others are dropped. */
static inline uint64_t decision(const struct trial *t, int what, int number) {
  return hash_of(t->seed + (uint64_t)what, (uint64_t)number);
}
static inline bool decide(const struct trial *t, int what, int number, double p) {
  return (double)(decision(t, what, number) >> 11) * 0x1p-53 < p;
}
enum {
  ABOUT_EVAL,
  ABOUT_SUBSET,
  ABOUT_CHECK,
  ABOUT_ORDER,
  ABOUT_TIME,
  ABOUT_THREADS,
  ABOUT_FAILURE,
  ABOUT_ROUNDS
};

/* Builds instruction i and lets go of what it was the last to use. */
bool trial_step(struct trial *t, int i);
/* Some of the values held, in random order: their number. */
int trial_subset(const struct trial *t, int at, double p, mx_array *some);
/* The values of inputs, or the kept ones of other instructions, in order; their number. */
int trial_list(const struct program *p, bool inputs, int *list);
/* Compares all kept values; those evaluated before are not lost. */
bool trial_check_kept(struct trial *t);
bool trial_error(struct trial *t, const char *doing); /* false, with the thread's error as the fault */
/* Does the thread's error say that a value was lost, to an evaluation that ended early? */
bool trial_lost(void);

bool mode_at_once(struct trial *t);
bool mode_staged(struct trial *t);
bool mode_async(struct trial *t);
bool mode_freed(struct trial *t);
bool mode_compiled(struct trial *t);
bool mode_threads(struct trial *t);
bool mode_memory(struct trial *t);
bool mode_interrupted(struct trial *t);
bool mode_interrupted_threads(struct trial *t);
bool mode_gradient(struct trial *t);
bool mode_gradient_compiled(struct trial *t);
bool mode_gradient_threads(struct trial *t);
#endif
