#include "core/interrupt.h"
#include "base/error.h"
#include <time.h>

/* Ctrl-C is to be felt within 100 ms: this, a chunk of work, and the wait for the caller's own lock. */
enum { INTERVAL_MS = 30, SMALL_PIECES = 16 };

_Thread_local struct mxi_interrupt_check mxi_check __attribute__((tls_model("initial-exec")));
atomic_bool mxi_interrupt_flag;
_Thread_local bool mxi_runs_whole __attribute__((tls_model("initial-exec")));

void mx_interrupt(void) { atomic_store(&mxi_interrupt_flag, true); }
void mx_interrupt_clear(void) { atomic_store(&mxi_interrupt_flag, false); }

void mx_set_interrupt_check(int (*check)(void *context), void *context) {
  mxi_check = (struct mxi_interrupt_check){
      .ask = check, .context = context, .skip = SMALL_PIECES / 2, .depth = mxi_check.depth};
}

static int64_t now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &t); // to 4 ms, and no system call
  return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* What the check itself evaluates may set another check, or none: this thread's is put back afterwards. */
static bool ask(void) {
  struct mxi_interrupt_check saved = mxi_check;
  mxi_check.depth++;
  bool stop = saved.ask(saved.context) != 0;
  mxi_check = saved;
  mxi_check.due = now_ms() + INTERVAL_MS;
  return stop;
}

static bool is_due(void) {
  mxi_check.read = now_ms();
  if (!mxi_check.due) mxi_check.due = mxi_check.read + INTERVAL_MS;
  return mxi_check.read >= mxi_check.due;
}

bool mxi_ask_if_due(void) { return is_due() && ask(); }

/* Pieces that end within one tick of the clock are short: the next few go without reading it. */
bool mxi_ask_after_small_piece(void) {
  int64_t read_before = mxi_check.read;
  bool stop = mxi_ask_if_due();
  mxi_check.skip = mxi_check.read == read_before ? SMALL_PIECES : 0;
  return stop;
}

int mxi_fail_interrupted(const char *op) {
  return mxi_fail(MX_INTERRUPTED, "[%s] expected to finish, got interrupted", op);
}

int mxi_wait(pthread_cond_t *changed, pthread_mutex_t *lock) {
  if (!mxi_check.ask) {
    pthread_cond_wait(changed, lock);
    return 0;
  }
  bool due = is_due(); // so that the time runs from here
  if (!due) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += INTERVAL_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_clockwait(changed, lock, CLOCK_MONOTONIC, &until);
    due = is_due();
  }
  if (!due) return 0;
  pthread_mutex_unlock(lock);
  bool stop = ask();
  pthread_mutex_lock(lock);
  return stop ? mxi_fail_interrupted("eval") : 0;
}
