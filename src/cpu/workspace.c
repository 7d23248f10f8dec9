#include "cpu/workspace.h"
#include "base/alloc.h"
#include <stdatomic.h>
#include <stdint.h>

enum { KEPT = 16, HEADER = 64 };
static const size_t keep_limit = (size_t)64 << 20;

struct workspace {
  size_t bytes;
};
static _Atomic(struct workspace *) kept[KEPT];

void *mxi_workspace_take(size_t bytes) {
  for (int i = 0; i < KEPT; i++) {
    if (!atomic_load_explicit(&kept[i], memory_order_relaxed)) continue;
    struct workspace *w = atomic_exchange(&kept[i], NULL);
    if (w && w->bytes >= bytes) return (char *)w + HEADER;
    mxi_free(w);
  }
  if (bytes > SIZE_MAX - HEADER) bytes = SIZE_MAX - HEADER;
  struct workspace *w = mxi_malloc_aligned(bytes + HEADER);
  if (!w) return NULL;
  w->bytes = bytes;
  return (char *)w + HEADER;
}

void mxi_workspace_give(void *workspace) {
  struct workspace *w = (struct workspace *)((char *)workspace - HEADER);
  for (int i = 0; i < KEPT && w->bytes <= keep_limit; i++) {
    struct workspace *none = NULL;
    if (atomic_compare_exchange_strong(&kept[i], &none, w)) return;
  }
  mxi_free(w);
}
