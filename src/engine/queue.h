/* Who runs when. Each stream serves its plans first in, first out, by tickets; all planning is under
   MXI_LOCK_PLANNING, in which a plan also takes its tickets. So every plan waits only for plans that were
   planned before it, and none waits in a circle. A forked child starts with empty queues. */
#ifndef MXI_ENGINE_QUEUE_H
#define MXI_ENGINE_QUEUE_H
#include "core/stream.h"
#include <stdint.h>

enum { MXI_PLAN_STREAMS = 8 };
struct mxi_tickets {
  int n;
  mx_stream streams[MXI_PLAN_STREAMS];
  uint64_t tickets[MXI_PLAN_STREAMS];
};
/* With the planning lock held. Fails for a plan over more streams than fit. */
int mxi_tickets_take(struct mxi_tickets *t, mx_stream s);
/* Blocks until the tickets are at the head of their streams. */
void mxi_tickets_wait(const struct mxi_tickets *t);
/* Lets the next plans of these streams run. */
void mxi_tickets_done(const struct mxi_tickets *t);

/* Runs job(context) on the own thread of the first ticket's stream, when its turn has come. The thread is
   started when first needed; -1 when none can be had. */
int mxi_queue_post(const struct mxi_tickets *t, void (*job)(void *context), void *context);
#endif
