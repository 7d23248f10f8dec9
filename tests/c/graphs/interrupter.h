/* A thread that calls mx_interrupt a little later. */
#ifndef MXI_TESTS_GRAPHS_INTERRUPTER_H
#define MXI_TESTS_GRAPHS_INTERRUPTER_H
#include <stdint.h>
void interrupt_after(uint64_t nanoseconds); /* one at a time */
void interrupt_await(void);                 /* returns when it has been called */
#endif
