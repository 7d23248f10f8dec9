#include "engine/queue.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/lock.h"
#include "core/interrupt.h"
#include "core/task.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

struct posted {
  uint64_t ticket;
  void (*run)(void *context);
  void *context;
  struct posted *next;
};

struct mxi_queue {
  uint64_t next_ticket;     // under the planning lock
  _Atomic uint64_t serving; // the ticket whose plan may run
  pthread_mutex_t lock;
  pthread_cond_t moved;        // serving moved, or a job came
  struct posted *first, **end; // where the next one is put
  mxi_vec(uint64_t) passed;    // tickets given up before their turn; has room for all that are out
  bool has_thread;
  struct mxi_error failure; // of posted work, not told yet; its code is MX_OK when there is none
  struct mxi_queue *next;
};

static struct mxi_queue *queues; // all of them; under the planning lock

/* What is posted and has not ended. A program that builds faster than the machine computes would fill the
   memory with graphs and their inputs: it has to wait instead. One evaluation is let through, however large.
 */
enum { MOST_POSTED = 64 };
static const size_t MOST_POSTED_BYTES = (size_t)1 << 30;
static struct {
  pthread_mutex_t lock;
  pthread_cond_t ended;
  size_t n, bytes;
} backlog = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};

int mxi_backlog_wait(void) {
  int result = 0;
  if (mxi_inside_check()) return 0; // what this thread is in the midst of may be what the others wait for
  pthread_mutex_lock(&backlog.lock);
  while (result == 0 && (backlog.n >= MOST_POSTED || (backlog.n && backlog.bytes > MOST_POSTED_BYTES)))
    result = mxi_wait(&backlog.ended, &backlog.lock);
  pthread_mutex_unlock(&backlog.lock);
  return result;
}

void mxi_backlog_add(size_t bytes) {
  pthread_mutex_lock(&backlog.lock);
  backlog.n++;
  backlog.bytes += bytes;
  pthread_mutex_unlock(&backlog.lock);
}

void mxi_backlog_remove(size_t bytes) {
  pthread_mutex_lock(&backlog.lock);
  backlog.n--;
  backlog.bytes -= bytes;
  pthread_cond_broadcast(&backlog.ended);
  pthread_mutex_unlock(&backlog.lock);
}

static void init(struct mxi_queue *q) {
  pthread_mutex_init(&q->lock, NULL);
  pthread_cond_init(&q->moved, NULL);
  q->first = NULL;
  q->end = &q->first;
}

/* Only the forking thread goes on in the child: what other threads queued or ran there never ends. */
static void start_child(void) {
  for (struct mxi_queue *q = queues; q; q = q->next) {
    init(q);
    q->has_thread = false;
    q->failure.code = MX_OK;
    atomic_store(&q->serving, q->next_ticket);
    q->passed.n = 0;
  }
  pthread_mutex_init(&backlog.lock, NULL);
  pthread_cond_init(&backlog.ended, NULL);
  backlog.n = backlog.bytes = 0;
  mxi_task_forked();
}
__attribute__((constructor)) static void watch_forks(void) { pthread_atfork(NULL, NULL, start_child); }

static struct mxi_queue *queue_of(mx_stream s) {
  if (s->queue) return s->queue;
  struct mxi_queue *q = mxi_calloc(1, sizeof *q);
  if (!q) return NULL;
  init(q);
  q->next = queues;
  queues = q;
  return s->queue = q;
}

/* Giving up a ticket must not fail. Only here does the room change, under the planning lock. */
static int make_room_to_pass(struct mxi_queue *q) {
  size_t out = q->next_ticket - atomic_load(&q->serving) + 1;
  if (q->passed.cap >= out) return 0;
  pthread_mutex_lock(&q->lock);
  int result = mxi_reserve(&q->passed, out);
  pthread_mutex_unlock(&q->lock);
  return result;
}

int mxi_tickets_take(struct mxi_tickets *t, mx_stream s) {
  for (size_t i = 0; i < t->n; i++)
    if (mxi_ticket_at(t, i)->stream == s) return 0;
  struct mxi_queue *q = queue_of(s);
  if (!q || (t->n && mxi_reserve(&t->more, t->n) < 0) || make_room_to_pass(q) < 0) return -1;
  struct mxi_ticket ticket = {s, q->next_ticket++};
  if (t->n++)
    t->more.v[t->more.n++] = ticket;
  else
    t->first = ticket;
  return 0;
}

int mxi_tickets_wait(const struct mxi_tickets *t) {
  int result = 0;
  if (mxi_inside_check()) return 0;
  for (size_t i = 0; i < t->n && result == 0; i++) {
    const struct mxi_ticket *ticket = mxi_ticket_at(t, i);
    struct mxi_queue *q = ticket->stream->queue;
    if (atomic_load_explicit(&q->serving, memory_order_acquire) == ticket->number) continue;
    pthread_mutex_lock(&q->lock);
    while (result == 0 && atomic_load(&q->serving) != ticket->number) result = mxi_wait(&q->moved, &q->lock);
    pthread_mutex_unlock(&q->lock);
  }
  return result;
}

/* With the queue's lock held. Was the ticket given up? Then it is forgotten. */
static bool was_passed(struct mxi_queue *q, uint64_t ticket) {
  for (size_t i = 0; i < q->passed.n; i++) {
    if (q->passed.v[i] != ticket) continue;
    q->passed.v[i] = q->passed.v[--q->passed.n];
    return true;
  }
  return false;
}

static void pass(struct mxi_queue *q, uint64_t ticket) {
  pthread_mutex_lock(&q->lock);
  if (atomic_load(&q->serving) == ticket) {
    do ticket++;
    while (was_passed(q, ticket));
    atomic_store(&q->serving, ticket);
    pthread_cond_broadcast(&q->moved);
  } else if (ticket > atomic_load(&q->serving)) { // else it is from before a fork
    q->passed.v[q->passed.n++] = ticket;
  }
  pthread_mutex_unlock(&q->lock);
}

void mxi_tickets_done(struct mxi_tickets *t) {
  for (size_t i = 0; i < t->n; i++) {
    const struct mxi_ticket *ticket = mxi_ticket_at(t, i);
    pass(ticket->stream->queue, ticket->number);
  }
  mxi_vec_free(&t->more);
  t->n = 0;
}

/* Takes the job whose turn it is off the list; NULL when it isn't there. Jobs may come in another order than
   their tickets were taken in, and to wait for one that comes later would be to wait for ever. */
static struct posted *take_job(struct mxi_queue *q) {
  struct posted **at = &q->first;
  while (*at && (*at)->ticket != q->serving) at = &(*at)->next;
  struct posted *j = *at;
  if (!j) return NULL;
  *at = j->next;
  if (q->end == &j->next) q->end = at;
  return j;
}

static void *serve(void *queue) {
  struct mxi_queue *q = queue;
  for (;;) {
    struct posted *j;
    pthread_mutex_lock(&q->lock);
    while (!(j = take_job(q))) pthread_cond_wait(&q->moved, &q->lock);
    pthread_mutex_unlock(&q->lock);
    j->run(j->context);
    mxi_free(j);
  }
  return NULL;
}

/* Starts the queue's thread, its signals blocked: they are the caller's business. */
static int start_thread(struct mxi_queue *q) {
  sigset_t all, old;
  sigfillset(&all);
  sigdelset(&all, SIGBUS); // see core/guard.h
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_t t;
  int failed = pthread_create(&t, NULL, serve, q);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (failed) return mxi_fail(MX_OUT_OF_MEMORY, "[async_eval] expected a thread for the stream, got none");
  pthread_detach(t);
  q->has_thread = true;
  return 0;
}

int mxi_queue_post(const struct mxi_tickets *t, void (*run)(void *context), void *context) {
  struct mxi_queue *q = t->first.stream->queue;
  struct posted *j = mxi_malloc(sizeof *j);
  if (!j) return -1;
  *j = (struct posted){t->first.number, run, context, NULL};
  pthread_mutex_lock(&q->lock);
  int result = q->has_thread ? 0 : start_thread(q);
  if (result == 0) {
    *q->end = j;
    q->end = &j->next;
    pthread_cond_broadcast(&q->moved);
  }
  pthread_mutex_unlock(&q->lock);
  if (result < 0) mxi_free(j);
  return result;
}

/* ---- Failures ---- */
void mxi_failure_keep(mx_stream s) {
  struct mxi_queue *q = s->queue;
  pthread_mutex_lock(&q->lock);
  if (q->failure.code == MX_OK) {
    mxi_error_take(&q->failure);
    mxi_error_put(&q->failure);
  }
  pthread_mutex_unlock(&q->lock);
}

/* An array whose evaluation failed is lazy again: whoever reads it has it evaluated again, which fails in the
   same words. */
static void forget_if_told(struct mxi_queue *q) {
  pthread_mutex_lock(&q->lock);
  if (q->failure.code == mx_error_code() && !strcmp(q->failure.text, mx_error())) q->failure.code = MX_OK;
  pthread_mutex_unlock(&q->lock);
}
void mxi_failure_told(void) {
  mxi_lock(MXI_LOCK_PLANNING);
  for (struct mxi_queue *q = queues; q; q = q->next) forget_if_told(q);
  mxi_unlock(MXI_LOCK_PLANNING);
}

int mxi_failure_take(mx_stream s) {
  struct mxi_queue *q = s->queue;
  pthread_mutex_lock(&q->lock);
  bool failed = q->failure.code != MX_OK;
  if (failed) mxi_error_put(&q->failure);
  q->failure.code = MX_OK;
  pthread_mutex_unlock(&q->lock);
  return failed ? -1 : 0;
}
