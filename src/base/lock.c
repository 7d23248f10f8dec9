#include "base/lock.h"
#include <pthread.h>

static struct {
  _Alignas(64) pthread_mutex_t mutex;
} locks[MXI_LOCK_COUNT] = {[0 ... MXI_LOCK_COUNT - 1] = {PTHREAD_MUTEX_INITIALIZER}};

void mxi_lock(enum mxi_lock l) { pthread_mutex_lock(&locks[l].mutex); }
void mxi_unlock(enum mxi_lock l) { pthread_mutex_unlock(&locks[l].mutex); }

static void lock_all(void) {
  for (int l = 0; l < MXI_LOCK_COUNT; l++) mxi_lock((enum mxi_lock)l);
}
static void unlock_all(void) {
  for (int l = MXI_LOCK_COUNT; l--;) mxi_unlock((enum mxi_lock)l);
}

/* When the library is loaded: a fork may come before any of the locks is taken. */
__attribute__((constructor)) static void watch_forks(void) {
  pthread_atfork(lock_all, unlock_all, unlock_all);
}
