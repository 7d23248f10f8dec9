/* The process's pool of CPU threads. A parallel loop hands out chunks from an atomic counter.

   Results never depend on the number of threads: cut work into chunks of a fixed size that is a function of
   the shape alone, write each chunk's result to its own place, and combine in a fixed order. */
#ifndef MXI_CPU_POOL_H
#define MXI_CPU_POOL_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Runs fn(ctx, i) for every i in [0, n), in any order, on the pool and the caller. Returns 0 when all of it
   ran, else -1 with the error set: the evaluation was interrupted. A loop inside a loop, and n == 1, run
   inline; what they leave out their outermost loop reports too. fn must not fail: collect failures in ctx. */
int mxi_parallel_for(int64_t n, void (*fn)(void *ctx, int64_t i), void *ctx);
/* The same, or a loop on the caller alone where a parallel one would cost more than its work. */
static inline int mxi_parallel_for_if(bool parallel, int64_t n, void (*fn)(void *ctx, int64_t i), void *ctx) {
  if (parallel) return mxi_parallel_for(n, fn, ctx);
  for (int64_t i = 0; i < n; i++) fn(ctx, i);
  return 0;
}
/* As mxi_parallel_for, and fn knows its thread's slot in [0, mxi_pool_size()), for per-thread scratch. */
int mxi_parallel_for_slots(int64_t n, void (*fn)(void *ctx, int64_t i, int slot), void *ctx);
/* For a chunk that takes long: must its loop stop? Then it may return with its work undone, for the loop
   fails. False outside of loops. */
bool mxi_chunk_must_stop(void);
/* Threads that serve a loop, the caller included. */
int mxi_pool_size(void);
/* Scratch memory of this thread, at least `bytes`, aligned to 64, kept for the thread's life and handed out
   anew by each call (one user at a time: a kernel, never two nested). NULL with the error set when out of
   memory. */
void *mxi_scratch(size_t bytes);
#endif
