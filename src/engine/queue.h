/* Who runs when. Each stream serves its plans first in, first out, by tickets; all planning is under
   MXI_LOCK_PLANNING, in which a plan also takes its tickets. So every plan waits only for plans that were
   planned before it, and none waits in a circle. A forked child starts with empty queues. */
#ifndef MXI_ENGINE_QUEUE_H
#define MXI_ENGINE_QUEUE_H
#include "base/vec.h"
#include "core/stream.h"
#include <stdint.h>

struct mxi_ticket {
  mx_stream stream;
  uint64_t number;
};
/* One on each stream of a plan, the first inline. `struct mxi_tickets t = {0}`. */
struct mxi_tickets {
  size_t n;
  struct mxi_ticket first;
  mxi_vec(struct mxi_ticket) more;
};
static inline const struct mxi_ticket *mxi_ticket_at(const struct mxi_tickets *t, size_t i) {
  return i ? &t->more.v[i - 1] : &t->first;
}
/* With the planning lock held. A stream's second ticket is its first. */
int mxi_tickets_take(struct mxi_tickets *t, mx_stream s);
/* Blocks until the tickets are at the head of their streams; -1 when this thread was interrupted. Inside an
   interrupt check it doesn't wait: this thread itself may hold what is before it. */
int mxi_tickets_wait(const struct mxi_tickets *t);
/* Lets the next plans of these streams run, also when it wasn't this one's turn yet; the tickets are used up.
 */
void mxi_tickets_done(struct mxi_tickets *t);

/* Runs job(context) on the own thread of the first ticket's stream, when its turn has come. The thread is
   started when first needed; -1 when none can be had. */
int mxi_queue_post(const struct mxi_tickets *t, void (*job)(void *context), void *context);

/* ---- Failures that nobody has been told of ---- Each stream keeps the first of what was posted, until it is
   taken or an eval has met the same error. ---- */
/* Work posted on s failed with the thread's error. Before its tickets are done, so that who waits behind it
   learns of it. */
void mxi_failure_keep(mx_stream s);
/* An eval returns the thread's error: streams that keep it forget it. */
void mxi_failure_told(void);
/* -1 with the error set if s keeps a failure, which it then forgets. */
int mxi_failure_take(mx_stream s);

/* ---- How much may be under way that nobody waits for ---- */
/* Waits until there is room for one more posted evaluation; -1 when this thread was interrupted. Not with
   tickets in hand. */
int mxi_backlog_wait(void);
/* A posted evaluation that keeps so many bytes in use begins (before it is posted) or ends. */
void mxi_backlog_add(size_t bytes);
void mxi_backlog_remove(size_t bytes);
#endif
