/* One job at a time runs on the pool: the caller posts it, wakes sleepers, takes chunks itself, and waits for
   the helpers that joined. A second caller that finds the pool busy runs its loop alone, so callers never
   queue.

   Invariants: `generation` is odd while a job is open. A worker joins with `joined`+1 before it reads the
   job, and leaves with `joined`-1; the caller closes the job (generation even) before it waits for joined ==
   0.

   Each slot starts on a range of neighbouring chunks of its own, so that a thread reads memory in long runs,
   and helps with the other ranges when its own is used up.

   A loop that is to stop leaves out the chunks that nobody has begun, and notes that in a flag of its own,
   shared with the loops inside it. Whether all of it ran is told by that flag alone: what asked it to stop
   may have changed its mind since. */
#include "cpu/pool.h"
#include "cpu/locals.h"
#include "base/alloc.h"
#include "base/env.h"
#include "core/interrupt.h"
#include "cpu/float_mode.h"
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>

enum { MAX_THREADS = 256, SPINS = 4000 };

struct chunk_range {
  _Alignas(64) _Atomic int64_t next;
  int64_t end;
};

struct parallel_loop {
  void (*fn)(void *ctx, int64_t i, int slot);
  void *ctx;
  atomic_int *course; // the caller's
  int nranges;
  atomic_int slots; // slot 0 is the caller's
  struct chunk_range ranges[MAX_THREADS];
};

static struct {
  int size;
  _Alignas(64) atomic_uint generation;
  _Alignas(64) atomic_int joined;
  _Alignas(64) atomic_int sleepers;
  atomic_flag busy;
  struct parallel_loop job;
  pthread_mutex_t mutex;
  pthread_cond_t wake;
} pool = {.busy = ATOMIC_FLAG_INIT, .mutex = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static pthread_once_t once = PTHREAD_ONCE_INIT;
#define OF_THREAD static __attribute__((tls_model("initial-exec"))) _Thread_local // read in every loop
OF_THREAD bool inside_loop;
enum { GOING, CUT_SHORT, RUN_WHOLE }; // a loop's course: the first may become the second
OF_THREAD atomic_int *course;         // of the outermost loop that this thread runs; NULL outside
static int forks;                     // before this process; changed while there is one thread

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  sched_yield();
#endif
}

/* Before a chunk: is the loop to stop? Only the thread of the caller, which may have a check, asks it. */
static bool must_stop(bool more_than_one) {
  int so_far = atomic_load_explicit(course, memory_order_relaxed);
  if (so_far != GOING) return so_far == CUT_SHORT;
  if (!(more_than_one ? mxi_must_stop() : mxi_must_stop_soon())) return false;
  atomic_store_explicit(course, CUT_SHORT, memory_order_relaxed);
  return true;
}

bool mxi_chunk_must_stop(void) { return course && must_stop(true); }

static void take_chunks(struct parallel_loop *j, int slot) {
  for (int k = 0; k < j->nranges; k++) {
    struct chunk_range *r = &j->ranges[(slot + k) % j->nranges];
    while (atomic_load_explicit(&r->next, memory_order_relaxed) < r->end) {
      int64_t i = atomic_fetch_add_explicit(&r->next, 1, memory_order_relaxed);
      if (i >= r->end) break;
      if (must_stop(true)) return;
      j->fn(j->ctx, i, slot);
    }
  }
}

/* Cuts n chunks into a range for each thread. */
static void cut_ranges(struct parallel_loop *j, int64_t n) {
  j->nranges = n < pool.size ? (int)n : pool.size;
  int64_t each = n / j->nranges, rest = n % j->nranges, begin = 0;
  for (int k = 0; k < j->nranges; k++) {
    atomic_store_explicit(&j->ranges[k].next, begin, memory_order_relaxed);
    j->ranges[k].end = begin += each + (k < rest);
  }
}

static void *worker(void *locals) {
  mxi_locals_adopt(locals);
  mxi_float_mode_enter();
  inside_loop = true;
  unsigned seen = 0;
  for (;;) {
    unsigned g = atomic_load_explicit(&pool.generation, memory_order_acquire);
    for (int spin = 0; (g == seen || !(g & 1)) && spin < SPINS; spin++) {
      relax();
      g = atomic_load_explicit(&pool.generation, memory_order_acquire);
    }
    if (g == seen || !(g & 1)) {
      pthread_mutex_lock(&pool.mutex);
      atomic_fetch_add(&pool.sleepers, 1);
      while (g = atomic_load(&pool.generation), g == seen || !(g & 1))
        pthread_cond_wait(&pool.wake, &pool.mutex);
      atomic_fetch_sub(&pool.sleepers, 1);
      pthread_mutex_unlock(&pool.mutex);
    }
    seen = g;
    atomic_fetch_add(&pool.joined, 1);
    if (atomic_load(&pool.generation) == g) {
      course = pool.job.course;
      take_chunks(&pool.job, atomic_fetch_add(&pool.job.slots, 1));
    }
    atomic_fetch_sub_explicit(&pool.joined, 1, memory_order_release);
  }
  return NULL;
}

/* Whole CPUs that the cgroup's quota grants, or a large number where there is none. */
static int quota_cpus(void) {
  FILE *f = fopen("/sys/fs/cgroup/cpu.max", "re");
  if (!f) return MAX_THREADS;
  char quota[32];
  long period = 0;
  int got = fscanf(f, "%31s %ld", quota, &period);
  fclose(f);
  if (got != 2 || !strcmp(quota, "max") || period <= 0) return MAX_THREADS;
  long cpus = (strtol(quota, NULL, 10) + period - 1) / period;
  return cpus < 1 ? 1 : cpus > MAX_THREADS ? MAX_THREADS : (int)cpus;
}

static int allowed_cpus(void) {
  cpu_set_t set;
  int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  int quota = quota_cpus();
  return n < quota ? n : quota;
}

/* Starts size-1 workers; the pool shrinks to what the system gives. Signals stay with the caller's threads.
 */
static void start_workers(int size) {
  sigset_t all, old;
  sigfillset(&all);
  sigdelset(&all, SIGBUS); // see core/guard.h
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_attr_t attr;
  pthread_attr_init(&attr);
  pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
  pool.size = 1;
  for (; pool.size < size; pool.size++) {
    pthread_t t;
    void *locals = mxi_locals_new();
    if (locals && pthread_create(&t, &attr, worker, locals) == 0) continue;
    mxi_free(locals);
    break;
  }
  pthread_attr_destroy(&attr);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* A fork carries no workers over: the child starts with fresh state and its own threads. */
static void pool_after_fork(void) {
  forks++;
  if (course) atomic_store(course, CUT_SHORT); // the helpers' chunks are lost
  if (!pool.size) return;                      // not started yet
  pthread_mutex_init(&pool.mutex, NULL);
  pthread_cond_init(&pool.wake, NULL);
  atomic_store(&pool.generation, 0);
  atomic_store(&pool.joined, 0);
  atomic_store(&pool.sleepers, 0);
  atomic_flag_clear(&pool.busy);
  inside_loop = false;
  start_workers(pool.size);
}

__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, pool_after_fork); }

static void start_pool(void) {
  if (pool.size) return; // a fork came while the parent started, and the child has its workers
  int n = mxi_env()->num_threads > 0 ? mxi_env()->num_threads : allowed_cpus();
  start_workers(n > MAX_THREADS ? MAX_THREADS : n);
}

int mxi_pool_size(void) {
  pthread_once(&once, start_pool);
  return pool.size;
}

static void run_alone(int64_t n, void (*fn)(void *, int64_t, int), void *ctx) {
  for (int64_t i = 0; i < n && !must_stop(n > 1); i++) fn(ctx, i, 0);
}

/* The caller's check is asked here too: what the helpers are at may take long. */
static void wait_for_helpers(void) {
  for (int spin = 0; atomic_load_explicit(&pool.joined, memory_order_acquire); spin++) {
    if (spin < SPINS) {
      relax();
      continue;
    }
    sched_yield();
    must_stop(true);
  }
}

static void run_on_pool(int64_t n, void (*fn)(void *, int64_t, int), void *ctx) {
  int forks_before = forks;
  pool.job.fn = fn;
  pool.job.ctx = ctx;
  pool.job.course = course;
  cut_ranges(&pool.job, n);
  atomic_store_explicit(&pool.job.slots, 1, memory_order_relaxed);
  atomic_fetch_add(&pool.generation, 1);
  if (atomic_load(&pool.sleepers)) {
    pthread_mutex_lock(&pool.mutex);
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.mutex);
  }
  inside_loop = true;
  take_chunks(&pool.job, 0);
  inside_loop = false;
  if (forks != forks_before) return; // the caller's check forked: this process has a fresh pool
  atomic_fetch_add(&pool.generation, 1);
  wait_for_helpers();
  atomic_flag_clear_explicit(&pool.busy, memory_order_release);
}

int mxi_parallel_for_slots(int64_t n, void (*fn)(void *ctx, int64_t i, int slot), void *ctx) {
  atomic_int own = mxi_runs_whole ? RUN_WHOLE : GOING, *outer = course;
  if (!outer) course = &own;
  if (n <= 1 || inside_loop || mxi_pool_size() == 1 ||
      atomic_flag_test_and_set_explicit(&pool.busy, memory_order_acquire))
    run_alone(n, fn, ctx);
  else
    run_on_pool(n, fn, ctx);
  bool whole = atomic_load_explicit(course, memory_order_relaxed) != CUT_SHORT;
  course = outer;
  return whole ? 0 : mxi_fail_interrupted("eval");
}

struct plain {
  void (*fn)(void *ctx, int64_t i);
  void *ctx;
};

static void call_plain(void *ctx, int64_t i, int slot) {
  (void)slot;
  const struct plain *p = ctx;
  p->fn(p->ctx, i);
}

int mxi_parallel_for(int64_t n, void (*fn)(void *ctx, int64_t i), void *ctx) {
  struct plain p = {fn, ctx};
  return mxi_parallel_for_slots(n, call_plain, &p);
}

/* Scratch: one block a thread, freed when the thread ends. */
static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;
OF_THREAD struct scratch {
  size_t bytes;
  void *block;
} scratch;

static void scratch_free(void *s) { mxi_free(((struct scratch *)s)->block); }
static void scratch_start(void) { pthread_key_create(&scratch_key, scratch_free); }

void *mxi_scratch(size_t bytes) {
  if (bytes <= scratch.bytes) return scratch.block;
  pthread_once(&scratch_once, scratch_start);
  size_t want = bytes + bytes / 2;
  void *block = mxi_malloc_aligned(want);
  if (!block) return NULL;
  mxi_free(scratch.block);
  scratch = (struct scratch){want, block};
  pthread_setspecific(scratch_key, &scratch);
  return block;
}
