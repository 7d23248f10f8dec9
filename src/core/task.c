#include "core/task.h"
#include "base/alloc.h"
#include "core/interrupt.h"
#include <pthread.h>

/* All tasks share one lock and one condition: waiting for another thread's eval is rare. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static int process; // forks so far; changed while there is one thread

mx_task *mxi_task_new(void) {
  mx_task *t = mxi_malloc(sizeof *t);
  if (!t) return NULL;
  atomic_init(&t->refs, 1);
  atomic_init(&t->done, 0);
  t->process = process;
  return t;
}

void mxi_task_unref(mx_task *t) {
  if (t && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) mxi_free(t);
}

void mxi_task_finish(mx_task *t, int result) {
  if (result < 0) {
    mxi_error_take(&t->error);
    mxi_error_put(&t->error);
  }
  if (atomic_load(&t->refs) == 1) { // nobody else can wait
    atomic_store(&t->done, result < 0 ? -1 : 1);
    return;
  }
  pthread_mutex_lock(&lock);
  atomic_store(&t->done, result < 0 ? -1 : 1);
  pthread_cond_broadcast(&ended);
  pthread_mutex_unlock(&lock);
}

int mxi_task_wait(mx_task *t) {
  if (!atomic_load(&t->done)) {
    if (t->process != process)
      return mxi_fail(MX_RUNTIME_ERROR,
                      "[eval] expected arrays that no thread was evaluating when the process "
                      "forked, got one that was: evaluate it before");
    if (mxi_inside_check())
      return mxi_fail(MX_RUNTIME_ERROR,
                      "[eval] expected arrays that are not being evaluated, in a signal handler or "
                      "an interrupt check, got one that is");
    int result = 0;
    pthread_mutex_lock(&lock);
    while (result == 0 && !atomic_load(&t->done)) result = mxi_wait(&ended, &lock);
    pthread_mutex_unlock(&lock);
    if (result < 0) return -1;
  }
  if (atomic_load(&t->done) > 0) return 0;
  mxi_error_put(&t->error);
  return t->error.code == MX_INTERRUPTED && !mxi_interrupted() ? MXI_TASK_STOPPED : -1;
}

void mxi_task_forked(void) {
  pthread_mutex_init(&lock, NULL);
  pthread_cond_init(&ended, NULL);
  process++;
}
