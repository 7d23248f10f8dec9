/* Local variables that are too large for a frame. Frames are below 16 KB (-Wframe-larger-than), so that any
   op runs on a thread whose stack has 128 KB, such as the threads of other languages' runtimes.

   A thread has one block for them, from which they are taken and to which they return in the order of calls.
   Fresh pages cost memory only when they are touched, and what is taken again lies where it did, in the
   cache.

   Large ones start in the middle of a page. Tiles of large arrays start at its beginning, and a load waits
   for a store that the processor takes for one to the same address, as it compares their last 12 bits. */
#ifndef MXI_CPU_LOCALS_H
#define MXI_CPU_LOCALS_H
#include <assert.h>
#include <stddef.h>

/* The largest, a tile program's registers, are 400 KB; some of the others may be below them. */
enum { MXI_LOCALS_BYTES = 1 << 20, MXI_LOCALS_PAGE = 4096 };

/* MXI_LOCAL(double, values, 1024) declares `double *values`, 1,024 elements aligned to 64, for the rest of
   the block around it. */
#define MXI_LOCAL(T, name, n) \
  __attribute__((cleanup(mxi_local_end))) T *name = mxi_local_take((size_t)(n) * sizeof(T))

/* Makes sure that this thread has its block, so that taking can't fail. 0, or -1 with the error set. */
int mxi_locals_ready(void);
/* A block for a thread to come, which adopts it; NULL with the error set. It is freed when the thread ends,
   or by mxi_free if there was no thread. */
void *mxi_locals_new(void);
void mxi_locals_adopt(void *block);

struct mxi_locals {
  char *block;
  size_t used;
};
extern __attribute__((visibility("hidden"),
                      tls_model("initial-exec"))) _Thread_local struct mxi_locals mxi_locals;

static inline void *mxi_local_take(size_t bytes) {
  if (__builtin_expect(!mxi_locals.block, 0) && mxi_locals_ready() < 0) return NULL;
  char *taken = mxi_locals.block + mxi_locals.used;
  size_t unit = bytes < MXI_LOCALS_PAGE ? 64 : MXI_LOCALS_PAGE;
  mxi_locals.used += (bytes + unit - 1) & ~(unit - 1);
  assert(mxi_locals.used <= MXI_LOCALS_BYTES);
  return taken;
}
static inline void mxi_local_end(void *variable) {
  mxi_locals.used = (size_t)(*(char **)variable - mxi_locals.block);
}
#endif
