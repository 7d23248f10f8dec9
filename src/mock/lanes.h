/* The lanes of the mock device: each stream has a thread that does what is submitted, in order, some time
 * later. */
#ifndef MXI_MOCK_LANES_H
#define MXI_MOCK_LANES_H
#include "core/device.h"

struct mxi_lane_item {
  void (*run)(struct mxi_lane_item *self); /* on the lane's thread; frees itself */
  struct mxi_event after;                  /* what has to pass first; no stream: nothing */
  struct mxi_lane_item *next;
};
/* Takes over the item, also on failure (then it is not run, and not freed). */
int mxi_lane_submit(mx_stream s, struct mxi_lane_item *item);
uint64_t mxi_lane_submitted(mx_stream s);
int mxi_lane_await(struct mxi_event e);
/* Frees the side once all its uses have passed. */
void mxi_lane_retire(struct mxi_side *side);
#endif
