/* Tracers, the arrays made under vjp or jvp: each has the number of the thread that traces, and keeps its
   node when it is evaluated, by whichever thread, while a trace of that thread is open. */
#ifndef MXI_CORE_TRACER_H
#define MXI_CORE_TRACER_H
#include <stdbool.h>
#include <stdint.h>

/* The calling thread's number; never 0, which is no tracer's. Beyond 254 threads numbers are shared. */
uint8_t mxi_tracer_number(void);
/* The number for a result of an input numbered a and one numbered b; 0 is none. */
enum { MXI_TRACER_OF_MANY = 255 };
static inline uint8_t mxi_tracer_of_both(uint8_t a, uint8_t b) {
  return !a || a == b ? b : b ? MXI_TRACER_OF_MANY : a;
}
/* Opens (+1) or closes (-1) a trace of the calling thread. */
void mxi_tracer_count(int change);
bool mxi_tracer_is_open(uint8_t number);
#endif
