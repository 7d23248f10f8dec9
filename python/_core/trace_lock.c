/* The lock of those who trace. Its fields are guarded by the interpreter's lock, but not its wait.

   In a forked child only the thread that forked goes on: what any other thread held, or was about to hold, is
   thrown away for a new lock. */
#include "transforms.h"
#include <pthread.h>

static int forks;              /* of this process and those it stems from */
static unsigned long survivor; /* the thread that the last of them left alive */

static void forget_holders(void) {
  forks++;
  survivor = PyThread_get_thread_ident();
}
__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, forget_holders); }

static bool is_mine(const trace_lock *l) {
  unsigned long me = PyThread_get_thread_ident(); /* which a thread of before the fork may have had */
  return l->depth && l->owner == me && (l->forks == forks || me == survivor);
}

/* Taken before the fork, and not by its survivor. */
static bool is_stale(const trace_lock *l) { return l->forks != forks && !(l->depth && l->owner == survivor); }

static int make(trace_lock *l) {
  PyThread_type_lock lock = PyThread_allocate_lock();
  if (!lock) return PyErr_NoMemory(), -1;
  if (l->lock) PyThread_free_lock(l->lock);
  *l = (trace_lock){.lock = lock, .forks = forks};
  return 0;
}

static int wait_for(trace_lock *l) {
  for (;;) {
    PyLockStatus status;
    Py_BEGIN_ALLOW_THREADS status = PyThread_acquire_lock_timed(l->lock, -1, 1);
    Py_END_ALLOW_THREADS if (status == PY_LOCK_ACQUIRED) return 0;
    if (Py_MakePendingCalls() < 0) return -1; /* a signal came */
  }
}

int py_trace_lock(trace_lock *l) {
  if (is_mine(l)) return l->depth++, 0;
  if ((!l->lock || is_stale(l)) && make(l) < 0) return -1;
  if (!PyThread_acquire_lock(l->lock, NOWAIT_LOCK) && wait_for(l) < 0) return -1;
  l->owner = PyThread_get_thread_ident();
  l->depth = 1;
  return 0;
}

void py_trace_unlock(trace_lock *l) {
  if (--l->depth) return;
  l->forks = forks; /* it may have been held over a fork */
  PyThread_release_lock(l->lock);
}

void py_trace_lock_free(trace_lock *l) {
  if (l->lock) PyThread_free_lock(l->lock);
}
