/* Host memory. Freed buffers wait in a cache of size classes, so that a loop of evals touches the same pages
   again.

   Size classes: multiples of 64 bytes up to 1 KiB, then eight steps to each power of two (at most 12.5%
   waste). Blocks below LARGE come from malloc with the header in front; larger ones are mapped, aligned to 2
   MiB, with huge pages asked for: first touch of 64 MiB costs 5 ms that way, and 35 ms with 4 KiB pages. */
#include "core/device.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/lock.h"
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HEADER = 64, SMALL_CLASSES = 17, CLASSES = SMALL_CLASSES + 8 * 38 };
static const size_t LARGE = (size_t)1 << 20, HUGE_PAGE = (size_t)2 << 20;
_Static_assert(sizeof(mx_buffer) <= HEADER, "a small buffer's header fits in front of its data");

static struct {
  mx_buffer *free_list[CLASSES]; // linked through owner
  size_t figures[MXI_MEMORY_FIGURES];
  size_t from_system; // buffers that were allocated because the cache had none
} cache;              // under MXI_LOCK_MEMORY
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Bytes of memory this process may use: the machine's, or the cgroup's if that is less. */
static size_t memory_of_machine(void) {
  size_t total = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
  FILE *f = fopen("/sys/fs/cgroup/memory.max", "re");
  if (f) {
    unsigned long long limit;
    if (fscanf(f, "%llu", &limit) == 1 && limit < total) total = (size_t)limit;
    fclose(f);
  }
  return total;
}

static void set_limits(void) {
  size_t total = memory_of_machine();
  cache.figures[MXI_MEMORY_LIMIT] = total / 20 * 19;
  cache.figures[MXI_MEMORY_CACHE_LIMIT] = total / 4;
}

/* The class that serves `bytes`, and the class's own size. */
static int size_class(size_t bytes, size_t *class_bytes) {
  if (bytes <= 1024) {
    size_t k = (bytes + 63) / 64;
    if (!k) k = 1;
    *class_bytes = k * 64;
    return (int)k;
  }
  int log = 63 - __builtin_clzll(bytes - 1); // 2^log < bytes <= 2^(log+1)
  size_t step = (size_t)1 << (log - 3), eighths = (bytes - 1 - ((size_t)1 << log)) / step + 1;
  *class_bytes = ((size_t)1 << log) + eighths * step;
  return SMALL_CLASSES + (log - 10) * 8 + (int)eighths - 1;
}

static size_t mapped_bytes(size_t class_bytes) { return (class_bytes + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1); }

/* A mapping aligned to 2 MiB: map one huge page more and cut the ends off. */
static void *map_aligned(size_t bytes) {
  char *p = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return NULL;
  size_t head = (HUGE_PAGE - ((uintptr_t)p & (HUGE_PAGE - 1))) & (HUGE_PAGE - 1);
  if (head) munmap(p, head);
  if (HUGE_PAGE - head) munmap(p + head + bytes, HUGE_PAGE - head);
  madvise(p + head, bytes, MADV_HUGEPAGE);
  return p + head;
}

static mx_buffer *system_allocate(size_t class_bytes) {
  if (mxi_alloc_should_fail()) return NULL;
  if (class_bytes < LARGE) {
    mx_buffer *b = aligned_alloc(64, HEADER + class_bytes);
    if (b) *b = (mx_buffer){.data = (char *)b + HEADER, .bytes = class_bytes};
    return b;
  }
  mx_buffer *b = malloc(sizeof *b);
  void *data = b ? map_aligned(mapped_bytes(class_bytes)) : NULL;
  if (!data) {
    free(b);
    return NULL;
  }
  *b = (mx_buffer){.data = data, .bytes = class_bytes};
  return b;
}

static void system_free(mx_buffer *b) {
  if (b->bytes >= LARGE) munmap(b->data, mapped_bytes(b->bytes));
  free(b);
}

/* Gives cached buffers back to the system, largest first, until at most `keep` bytes stay. Called with the
 * lock held. */
static void trim(size_t keep) {
  for (int k = CLASSES - 1; k > 0 && cache.figures[MXI_MEMORY_CACHED] > keep; k--)
    while (cache.free_list[k] && cache.figures[MXI_MEMORY_CACHED] > keep) {
      mx_buffer *b = cache.free_list[k];
      cache.free_list[k] = b->owner;
      cache.figures[MXI_MEMORY_CACHED] -= b->bytes;
      system_free(b);
    }
}

mx_buffer *mxi_buffer_new(size_t bytes) {
  pthread_once(&once, set_limits);
  if (bytes > (size_t)1 << 47) return mxi_fail_memory(bytes), NULL;
  size_t class_bytes;
  int k = size_class(bytes, &class_bytes);
  mxi_lock(MXI_LOCK_MEMORY);
  bool allowed = cache.figures[MXI_MEMORY_ACTIVE] + class_bytes <= cache.figures[MXI_MEMORY_LIMIT];
  mx_buffer *b = allowed ? cache.free_list[k] : NULL;
  if (b) {
    cache.free_list[k] = b->owner;
    cache.figures[MXI_MEMORY_CACHED] -= class_bytes;
  } else if (allowed) {
    trim(cache.figures[MXI_MEMORY_LIMIT] - cache.figures[MXI_MEMORY_ACTIVE] - class_bytes);
    cache.from_system++;
    b = system_allocate(class_bytes);
    if (!b && cache.figures[MXI_MEMORY_CACHED]) { // the cache may hold what the system lacks
      trim(0);
      b = system_allocate(class_bytes);
    }
  }
  if (b) {
    cache.figures[MXI_MEMORY_ACTIVE] += class_bytes;
    if (cache.figures[MXI_MEMORY_ACTIVE] > cache.figures[MXI_MEMORY_PEAK])
      cache.figures[MXI_MEMORY_PEAK] = cache.figures[MXI_MEMORY_ACTIVE];
  }
  mxi_unlock(MXI_LOCK_MEMORY);
  if (!b) return mxi_fail_memory(bytes), NULL;
  b->owner = NULL;
  b->side = NULL;
  atomic_store_explicit(&b->refs, 1, memory_order_relaxed);
  atomic_store_explicit(&b->flags, 0, memory_order_relaxed);
  return b;
}

mx_buffer *mxi_buffer_foreign(void *data, size_t bytes, unsigned flags, void (*release)(void *),
                              void *owner) {
  mx_buffer *b = mxi_malloc(sizeof *b);
  if (!b) return NULL;
  *b = (mx_buffer){.data = data, .bytes = bytes, .release = release, .owner = owner};
  atomic_init(&b->refs, 1);
  atomic_init(&b->flags, flags | MXI_BUFFER_FOREIGN);
  return b;
}

mx_buffer *mxi_buffer_on_device(struct mxi_side *side) {
  mx_buffer *b = mxi_malloc(sizeof *b);
  if (!b) return NULL;
  *b = (mx_buffer){.bytes = side->bytes, .side = side};
  atomic_init(&b->refs, 1);
  atomic_init(&b->flags, 0);
  return b;
}

/* Lets go of the bytes on the device, and of all there is if the buffer began there: then true. */
static bool release_side(mx_buffer *b) {
  struct mxi_side *side = b->side;
  bool began_there = !b->data || side->host;
  mxi_buffer_unref(side->host);
  side->host = NULL;
  mxi_side_drop_checks(side);
  side->release(side);
  b->side = NULL;
  if (began_there) mxi_free(b);
  return began_there;
}

/* ---- Foreign owners whose last array has gone wait here: their destructors belong to another runtime. ----
 */
static _Atomic(mx_buffer *) dead_foreign; // linked through data
static void (*_Atomic wake_binding)(void);

static void queue_foreign(mx_buffer *b) {
  mx_buffer *head = atomic_load(&dead_foreign);
  do b->data = head;
  while (!atomic_compare_exchange_weak(&dead_foreign, &head, b));
  void (*wake)(void) = atomic_load(&wake_binding);
  if (wake) wake();
}

static void release_foreign(mx_buffer *b) {
  if (b->release) b->release(b->owner);
  mxi_free(b);
}

void mx_drain_foreign(void) {
  if (!atomic_load_explicit(&dead_foreign, memory_order_relaxed)) return;
  mx_buffer *b = atomic_exchange(&dead_foreign, NULL);
  while (b) {
    mx_buffer *next = b->data;
    release_foreign(b);
    b = next;
  }
}

void mx_on_foreign(void (*wake)(void)) { atomic_store(&wake_binding, wake); }

/* Without a binding, the library's own public calls drain the queue. */
void mxi_drain_unbound(void) {
  if (atomic_load_explicit(&dead_foreign, memory_order_relaxed) && !atomic_load(&wake_binding))
    mx_drain_foreign();
}

void mxi_buffer_unref(mx_buffer *b) {
  if (!b || atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) != 1) return;
  if (b->side && release_side(b)) return;
  unsigned flags = atomic_load_explicit(&b->flags, memory_order_relaxed);
  if (flags & MXI_BUFFER_FOREIGN) {
    if (flags & MXI_BUFFER_OURS)
      release_foreign(b);
    else
      queue_foreign(b);
    return;
  }
  size_t class_bytes;
  int k = size_class(b->bytes, &class_bytes);
  mxi_lock(MXI_LOCK_MEMORY);
  cache.figures[MXI_MEMORY_ACTIVE] -= b->bytes;
  cache.figures[MXI_MEMORY_CACHED] += b->bytes;
  b->owner = cache.free_list[k];
  cache.free_list[k] = b;
  if (cache.figures[MXI_MEMORY_CACHED] > cache.figures[MXI_MEMORY_CACHE_LIMIT])
    trim(cache.figures[MXI_MEMORY_CACHE_LIMIT]);
  mxi_unlock(MXI_LOCK_MEMORY);
}

/* ---- Figures and limits ---- */
size_t mxi_buffers_from_system(void) {
  mxi_lock(MXI_LOCK_MEMORY);
  size_t n = cache.from_system;
  mxi_unlock(MXI_LOCK_MEMORY);
  return n;
}

size_t mxi_host_memory(enum mxi_memory_figure f) {
  pthread_once(&once, set_limits);
  mxi_lock(MXI_LOCK_MEMORY);
  size_t bytes = cache.figures[f];
  mxi_unlock(MXI_LOCK_MEMORY);
  return bytes;
}

void mxi_host_memory_set(enum mxi_memory_figure f, size_t bytes) {
  pthread_once(&once, set_limits);
  mxi_lock(MXI_LOCK_MEMORY);
  cache.figures[f] = bytes;
  if (f == MXI_MEMORY_CACHE_LIMIT) trim(bytes);
  mxi_unlock(MXI_LOCK_MEMORY);
}

void mxi_host_memory_trim(void) {
  mxi_lock(MXI_LOCK_MEMORY);
  trim(0);
  mxi_unlock(MXI_LOCK_MEMORY);
#ifdef __GLIBC__
  malloc_trim(0); // freed graphs and small buffers too, which the allocator keeps otherwise
#endif
}
