#include "mock/lanes.h"
#include "base/alloc.h"
#include "base/error.h"
#include "cpu/cpu.h"
#include <pthread.h>
#include <signal.h>
#include <time.h>

struct lane {
  mx_stream stream;
  uint64_t submitted, done;
  struct mxi_lane_item *first, **end;
  bool has_thread;
  struct lane *next;
};

/* One lock and one condition for all lanes: it is no device to be fast on. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static struct lane *lanes;
static struct mxi_side *retired;

static struct lane *lane_of(mx_stream s) {
  struct lane *l = lanes;
  while (l && l->stream != s) l = l->next;
  return l;
}

static bool passed(struct mxi_event e) {
  const struct lane *l = e.stream ? lane_of(e.stream) : NULL;
  return !l || l->done >= e.number;
}

static void free_side(struct mxi_side *side) {
  mxi_free(side->failure);
  mxi_free(side->address);
  mxi_free(side);
}

static void free_retired(void) {
  for (struct mxi_side **at = &retired; *at;) {
    struct mxi_side *side = *at;
    bool unused = true;
    for (int i = 0; i < side->nused; i++) unused &= passed(side->used[i]);
    if (!unused) {
      at = &side->next;
      continue;
    }
    *at = side->next;
    free_side(side);
  }
}

void mxi_lane_retire(struct mxi_side *side) {
  pthread_mutex_lock(&lock);
  side->next = retired;
  retired = side;
  free_retired();
  pthread_mutex_unlock(&lock);
}

/* Out of step with who submits: now and then an item comes late. */
static void dawdle(uint64_t number) {
  if (number % 5 == 0) nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
}

static void *serve(void *lane) {
  struct lane *l = lane;
  unsigned mode;
  mxi_cpu_backend.enter(&mode);
  pthread_mutex_lock(&lock);
  for (;;) {
    while (!l->first || !passed(l->first->after)) pthread_cond_wait(&moved, &lock);
    struct mxi_lane_item *item = l->first;
    if (!(l->first = item->next)) l->end = &l->first;
    pthread_mutex_unlock(&lock);
    dawdle(l->done);
    item->run(item);
    pthread_mutex_lock(&lock);
    l->done++;
    free_retired();
    pthread_cond_broadcast(&moved);
  }
  return NULL;
}

static int start_thread(struct lane *l) {
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_t t;
  int failed = pthread_create(&t, NULL, serve, l);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (failed) return mxi_fail(MX_OUT_OF_MEMORY, "[eval] expected a thread for the mock device, got none");
  pthread_detach(t);
  l->has_thread = true;
  return 0;
}

/* With the lock held. */
static struct lane *lane_for(mx_stream s) {
  struct lane *l = lane_of(s);
  if (!l) {
    if (!(l = mxi_calloc(1, sizeof *l))) return NULL;
    l->stream = s;
    l->end = &l->first;
    l->next = lanes;
    lanes = l;
  }
  return l->has_thread || start_thread(l) == 0 ? l : NULL;
}

int mxi_lane_submit(mx_stream s, struct mxi_lane_item *item) {
  pthread_mutex_lock(&lock);
  struct lane *l = lane_for(s);
  if (l) {
    item->next = NULL;
    *l->end = item;
    l->end = &item->next;
    l->submitted++;
    pthread_cond_broadcast(&moved);
  }
  pthread_mutex_unlock(&lock);
  return l ? 0 : -1;
}

uint64_t mxi_lane_submitted(mx_stream s) {
  pthread_mutex_lock(&lock);
  const struct lane *l = lane_of(s);
  uint64_t number = l ? l->submitted : 0;
  pthread_mutex_unlock(&lock);
  return number;
}

int mxi_lane_await(struct mxi_event e) {
  pthread_mutex_lock(&lock);
  while (!passed(e)) pthread_cond_wait(&moved, &lock);
  pthread_mutex_unlock(&lock);
  return 0;
}

/* In the child of a fork nothing that was submitted will be done; its lanes start anew. */
static void before_fork(void) { pthread_mutex_lock(&lock); }
static void after_fork(void) { pthread_mutex_unlock(&lock); }
static void after_fork_in_child(void) {
  pthread_cond_init(&moved, NULL);
  for (struct lane *l = lanes; l; l = l->next) {
    l->first = NULL;
    l->end = &l->first;
    l->done = l->submitted;
    l->has_thread = false;
  }
  pthread_mutex_unlock(&lock);
}
__attribute__((constructor)) static void watch_forks(void) {
  pthread_atfork(before_fork, after_fork, after_fork_in_child);
}
