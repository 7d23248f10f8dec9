#include "cpu/lapack.h"
#include "cpu/lapack_open.h"
#include "base/error.h"
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int fill(struct mxi_lapack *l, const struct mxi_lapack_library *library) {
  void *found;
#define FIND(slot, name)                                                                                  \
  if (!(found = mxi_lapack_symbol(library, name "_")))                                                    \
    return mxi_fail(MX_DEVICE_ERROR, "[lapack] expected a LAPACK library with the function %s, got none", \
                    name);                                                                                \
  memcpy(&(slot), &found, sizeof found);
#define F(name, arguments) FIND(l->name[0], "s" #name) FIND(l->name[1], "d" #name)
  MXI_LAPACK_REAL(F)
#undef F
#define F(name, arguments) FIND(l->c##name, "c" #name)
  MXI_LAPACK_COMPLEX(F)
#undef F
#undef FIND
  return 0;
}

/* ---- Opened once ----
   No lock guards this, as the linker and a fork take locks of their own in either order. The process that
   opens the library leaves its number, so that a child whose parent was opening it doesn't wait. */
static struct mxi_lapack table;
static bool opened;
static atomic_bool ready;
static atomic_int opening;

static int open_and_fill(void) {
  struct mxi_lapack_library library;
  MXI_TRY(mxi_lapack_open(&library));
  if (fill(&table, &library) < 0) {
    dlclose(library.handle);
    return -1;
  }
  mxi_lapack_calls_start(&library);
  opened = true;
  return 0;
}

static bool start_opening(void) {
  int self = getpid(), other = 0;
  return atomic_compare_exchange_strong(&opening, &other, self) ||
         (other != self && atomic_compare_exchange_strong(&opening, &other, self));
}
static int open_once(void) {
  while (!start_opening()) nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  int status = opened ? 0 : open_and_fill();
  if (status == 0) status = mxi_lapack_first_buffer();
  if (status == 0) atomic_store(&ready, true);
  atomic_store(&opening, 0);
  return status;
}

const struct mxi_lapack *mxi_lapack(void) {
  return atomic_load_explicit(&ready, memory_order_acquire) || open_once() == 0 ? &table : NULL;
}
