#include "core/tracer.h"
#include <stdatomic.h>

static atomic_int open_traces[MXI_TRACER_OF_MANY + 1]; /* by thread; the last counts all */
static atomic_uint threads;
static _Thread_local uint8_t number;

uint8_t mxi_tracer_number(void) {
  if (!number) number = (uint8_t)(1 + atomic_fetch_add(&threads, 1) % (MXI_TRACER_OF_MANY - 1));
  return number;
}

void mxi_tracer_count(int change) {
  atomic_fetch_add(&open_traces[mxi_tracer_number()], change);
  atomic_fetch_add(&open_traces[MXI_TRACER_OF_MANY], change);
}

bool mxi_tracer_is_open(uint8_t n) { return n && atomic_load(&open_traces[n]) > 0; }
