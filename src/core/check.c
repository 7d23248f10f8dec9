#include "core/device.h"
#include "base/alloc.h"

struct mxi_check *mxi_check_new(struct mxi_event launch) {
  struct mxi_check *c = mxi_calloc(1, sizeof *c);
  if (!c) return NULL;
  atomic_init(&c->refs, 1);
  c->launch = launch;
  return c;
}

struct mxi_check *mxi_check_ref(struct mxi_check *c) {
  atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
  return c;
}

void mxi_check_unref(struct mxi_check *c) {
  if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1) mxi_free(c);
}

void mxi_side_drop_checks(struct mxi_side *side) {
  for (int i = 0; i < side->nchecks; i++) mxi_check_unref(side->checks[i]);
  side->nchecks = 0;
}
