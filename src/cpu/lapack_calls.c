#include "cpu/lapack_calls.h"
#include "cpu/locals.h"
#include "cpu/pool.h"
#include "base/error.h"
#include "base/lock.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

static struct {
  bool is_openblas, shared;
  size_t buffer_bytes;
  int (*get_threads)(void);
  void (*set_threads)(int);
  void (*cholesky)(const char *uplo, const int *n, float *a, const int *lda, int *info, size_t);
  bool has_buffer;
  atomic_bool one_at_a_time;
  int inside, kept_threads; /* under the lock; what it was set to before the first of those inside came */
} library;

/* Threads that were inside are no more in the child of a fork. */
static void lapack_after_fork(void) { library.inside = 0; }
__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, lapack_after_fork); }

void mxi_lapack_calls_start(const struct mxi_lapack_library *l) {
  void *get = mxi_lapack_symbol(l, "openblas_get_num_threads");
  void *set = mxi_lapack_symbol(l, "openblas_set_num_threads");
  void *cholesky = mxi_lapack_symbol(l, "spotrf_");
  memcpy(&library.get_threads, &get, sizeof get);
  memcpy(&library.set_threads, &set, sizeof set);
  memcpy(&library.cholesky, &cholesky, sizeof cholesky);
  library.is_openblas = get && set && cholesky;
  library.shared = library.is_openblas && l->shared;
  library.buffer_bytes = l->buffer_bytes;
  if (!l->shared && set) library.set_threads(1);
}

/* ---- Buffers ---- */
int mxi_lapack_first_buffer(void) {
  enum { SIDE = 64 };
  if (!library.is_openblas || library.has_buffer) return 0;
  MXI_TRY(mxi_locals_ready());
  if (!mxi_lapack_memory_for(library.buffer_bytes)) return mxi_fail_memory(library.buffer_bytes);
  MXI_LOCAL(float, a, SIDE *SIDE);
  memset(a, 0, SIDE * SIDE * sizeof *a);
  for (int i = 0; i < SIDE; i++) a[i * SIDE + i] = 1;
  int side = SIDE, info;
  struct mxi_lapack_turn turn = mxi_lapack_begin();
  library.cholesky("U", &side, a, &side, &info, 1);
  mxi_lapack_end(turn);
  library.has_buffer = true;
  return 0;
}

void mxi_lapack_look_for_room(void) {
  if (!library.is_openblas) return;
  size_t callers = (size_t)mxi_pool_size() + 1; // another stream's, too
  bool room = mxi_lapack_memory_for(callers * library.buffer_bytes);
  if (room == atomic_load_explicit(&library.one_at_a_time, memory_order_relaxed))
    atomic_store(&library.one_at_a_time, !room);
}

/* ---- Settings ---- */
static void set_one_thread(void) {
  mxi_lock(MXI_LOCK_LAPACK);
  if (library.inside++ == 0) {
    library.kept_threads = library.get_threads();
    library.set_threads(1);
  }
  mxi_unlock(MXI_LOCK_LAPACK);
}
/* What somebody else set meanwhile stays. */
static void set_as_it_was(void) {
  mxi_lock(MXI_LOCK_LAPACK);
  if (--library.inside == 0 && library.get_threads() == 1) library.set_threads(library.kept_threads);
  mxi_unlock(MXI_LOCK_LAPACK);
}

struct mxi_lapack_turn mxi_lapack_begin(void) {
  struct mxi_lapack_turn turn = {.alone = atomic_load(&library.one_at_a_time)};
  if (turn.alone) mxi_lock(MXI_LOCK_LAPACK_TURN);
  if (library.shared) set_one_thread();
  return turn;
}
void mxi_lapack_end(struct mxi_lapack_turn turn) {
  if (library.shared) set_as_it_was();
  if (turn.alone) mxi_unlock(MXI_LOCK_LAPACK_TURN);
}
