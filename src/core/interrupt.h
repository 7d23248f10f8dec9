/* Stopping what runs, in two ways. mx_interrupt stops every evaluation of the process. A thread's own check
   (mx_set_interrupt_check), asked between pieces of its work, stops what this thread is about and nothing
   else: it belongs to the thread that waits for the result, and the pool's workers follow the loop that they
   help with. */
#ifndef MXI_CORE_INTERRUPT_H
#define MXI_CORE_INTERRUPT_H
#include "mlx/array.h"
#include <pthread.h>
#include <stdatomic.h>

struct mxi_interrupt_check {
  int (*ask)(void *context); /* NULL: the thread has none */
  void *context;
  int64_t due;  /* when to ask next, in ms; 0: the clock has not been read yet */
  int64_t read; /* when the clock was read last */
  int skip;     /* small pieces until the clock is read */
  int depth;    /* checks being asked, one inside the other */
};
extern _Thread_local struct mxi_interrupt_check mxi_check __attribute__((tls_model("initial-exec")));
extern atomic_bool mxi_interrupt_flag;
/* The thread's loops go on to their end whatever asks them to stop: they write over what could not be
   computed again. */
extern _Thread_local bool mxi_runs_whole __attribute__((tls_model("initial-exec")));

/* Has mx_interrupt asked everything to stop? */
static inline bool mxi_interrupted(void) {
  return atomic_load_explicit(&mxi_interrupt_flag, memory_order_relaxed);
}
/* Asks the thread's check if it is time to; true: stop. The check runs code of the caller's, so that none of
   the process's locks may be held. */
bool mxi_ask_if_due(void);
bool mxi_ask_after_small_piece(void);

/* Between two pieces of work: must this thread stop? The first is for pieces of 10 us or more, whose clock is
   read each time (5 ns); the second for pieces of any size. */
static inline bool mxi_must_stop(void) { return mxi_interrupted() || (mxi_check.ask && mxi_ask_if_due()); }
static inline bool mxi_must_stop_soon(void) {
  if (mxi_interrupted()) return true;
  return mxi_check.ask && mxi_check.skip-- <= 0 && mxi_ask_after_small_piece();
}

/* Sets the error of an interrupted op; returns -1. */
int mxi_fail_interrupted(const char *op);
/* 0, or -1 with the error set when this thread must stop: for `MXI_TRY(mxi_go_on("save"))` between pieces. */
static inline int mxi_go_on(const char *op) { return mxi_must_stop() ? mxi_fail_interrupted(op) : 0; }

/* As pthread_cond_wait, for `while (!condition)`; a thread that has a check also asks it now and then, with
   the lock released. 0, or -1 with the error of an interrupted eval set; the lock is held either way. */
int mxi_wait(pthread_cond_t *changed, pthread_mutex_t *lock);

/* Does this thread run inside a check? Then it is in the midst of another evaluation, and waiting for what
   that one holds would be waiting for ever. */
static inline bool mxi_inside_check(void) { return mxi_check.depth > 0; }
#endif
