/* The ways in which one program is built and evaluated; each must give what the reference gives. */
#ifndef MXI_TESTS_GRAPHS_MODES_H
#define MXI_TESTS_GRAPHS_MODES_H
#include "graphs/evaluate.h"

enum mode {
  MODE_AT_ONCE, /* built, all but the kept let go, evaluated in one */
  MODE_STAGED,  /* random values evaluated on the way, others let go */
  MODE_ASYNC,   /* the same with mx_async_eval: used while under way */
  MODE_FREED, /* every value let go after its last use, many evaluated just before: donation of ready ones */
  MODE_COMPILED, /* traced with other data, called twice, the second time with inputs that nobody else has */
  MODE_THREADS,  /* several threads build and evaluate over shared lazy values */
  MODE_MEMORY,   /* allocations fail, in the builder and in eval; then evaluated again */
  MODE_INTERRUPTED,         /* interrupted by another thread at a random time; then evaluated again */
  MODE_INTERRUPTED_THREADS, /* both */
  MODE_GRADIENT, /* derivatives, with intermediates leaked out of the function and used in the next step */
  MODE_GRADIENT_COMPILED, /* derivatives within a compiled function */
  MODE_GRADIENT_THREADS,  /* several threads differentiate functions that use the same leaked values */
  MODE_COUNT
};
static inline bool is_gradient_mode(enum mode m) {
  return m >= MODE_GRADIENT;
} /* of differentiable programs */
extern const char *const mode_names[MODE_COUNT];

/* What happened on the way, for those who want to know that it did. */
struct tally {
  int64_t evals_failed, interrupts, values_lost, values_compared;
};

/* Runs the program in a mode; seed decides what is random in that. Returns false with the fault. */
bool run_mode(enum mode m, const struct program *p, const struct expected *e, uint64_t seed,
              struct tally *tally, struct fault *f);
#endif
