/* Around calls of the library that has LAPACK.

   OpenBLAS needs a buffer for each thread that is in it at once, keeps it for good, and ends the process
   where it can't get one. So it is made to take one when it is opened, and where memory has no room for as
   many as the pool has threads, calls are made one at a time, which need no more than that one. Memory is
   looked at before each job; what other threads take during the job isn't seen.

   A library that others may use runs on one thread during our calls, and on as many as it was set to after
   them. */
#ifndef MXI_CPU_LAPACK_CALLS_H
#define MXI_CPU_LAPACK_CALLS_H
#include "cpu/lapack_open.h"

/* Which library; called once, before any of the others. */
void mxi_lapack_calls_start(const struct mxi_lapack_library *l);
/* Has OpenBLAS take its first buffer; again is fine. 0, or -1 with the error set when memory is short. */
int mxi_lapack_first_buffer(void);
/* Before a job: may its threads make calls at once? */
void mxi_lapack_look_for_room(void);

/* Around each call. */
struct mxi_lapack_turn {
  bool alone;
};
struct mxi_lapack_turn mxi_lapack_begin(void);
void mxi_lapack_end(struct mxi_lapack_turn turn);
#endif
