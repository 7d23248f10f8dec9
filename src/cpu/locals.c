#include "cpu/locals.h"
#include "base/alloc.h"
#include <pthread.h>

_Thread_local struct mxi_locals mxi_locals __attribute__((tls_model("initial-exec")));
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static void make_key(void) { pthread_key_create(&key, mxi_free); }

void *mxi_locals_new(void) { return mxi_malloc_aligned(MXI_LOCALS_BYTES + 2 * MXI_LOCALS_PAGE); }

void mxi_locals_adopt(void *block) {
  pthread_once(&once, make_key);
  pthread_setspecific(key, block);
  size_t into_page = (size_t)block % MXI_LOCALS_PAGE;
  mxi_locals.block = (char *)block + (MXI_LOCALS_PAGE - into_page) + MXI_LOCALS_PAGE / 2;
}

int mxi_locals_ready(void) {
  if (mxi_locals.block) return 0;
  void *block = mxi_locals_new();
  if (!block) return -1;
  mxi_locals_adopt(block);
  return 0;
}
