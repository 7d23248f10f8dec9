/* A task: one eval under way. The arrays it claimed point to it; whoever needs one of them waits for it. */
#ifndef MXI_CORE_TASK_H
#define MXI_CORE_TASK_H
#include "core/array.h"
#include "base/error.h"

struct mxi_task {
  atomic_int refs;
  atomic_int done; /* 0 running, 1 succeeded, -1 failed: see error */
  int process;     /* counts the forks before it: a running task of another process never ends in this one */
  struct mxi_error error;
};
mx_task *mxi_task_new(void);
static inline mx_task *mxi_task_ref(mx_task *t) {
  atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
  return t;
}
void mxi_task_unref(mx_task *t);
/* Ends the task: with this thread's error if it failed (which stays the thread's error). Wakes the waiters.
 */
void mxi_task_finish(mx_task *t, int result);
/* The thread that ran the task was asked to stop, and this one wasn't: what the task had claimed is lazy
   again, and is there to be evaluated here. */
enum { MXI_TASK_STOPPED = -2 };
/* Blocks until the task has ended. Returns 0; or -1 or MXI_TASK_STOPPED with its error put into this thread;
   or -1 when this thread was interrupted. */
int mxi_task_wait(mx_task *t);
/* In the child of a fork, while it has one thread. */
void mxi_task_forked(void);
#endif
