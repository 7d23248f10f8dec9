/* The allocator. Each stream has a pool of segments of the driver's. A segment is cut into blocks, and a free
   block joins its free neighbours. Free blocks lie in bins, eight to each power of two, found by bitmaps (the
   two-level segregated fit of Masmano et al., 2004): taking and giving back take constant time. Small blocks
   have segments of their own, so that they don't keep large ones from coming free. */
#include "cuda/memory.h"
#include "base/alloc.h"
#include "base/lock.h"
#include "cuda/context.h"
#include <string.h>

enum { LOG_ALIGNMENT = 9, STEPS = 8, LOG_STEPS = 3, LOGS = 48, SMALL = 0, LARGE = 1, ROOMS = 2 };
static const size_t alignment = (size_t)1 << LOG_ALIGNMENT;
static const size_t small_bytes = (size_t)1 << 20; /* at most, of a small block */
static const size_t small_segment = (size_t)8 << 20, large_segment = (size_t)64 << 20; /* at least */
static const size_t page = (size_t)2 << 20;

struct block {
  CUdeviceptr address;
  size_t bytes;
  bool is_free;
  uint8_t room;
  struct mxi_cuda_pool *pool;
  struct block *before, *after;  /* in its segment */
  struct block *previous, *next; /* in its bin, or in the pool's list of those that others still use */
  struct mxi_event used[MXI_SIDE_STREAMS];
  int nused;
};
struct room {
  uint64_t logs;       /* which have a free block */
  uint8_t steps[LOGS]; /* and in which of their bins */
  struct block *bins[LOGS][STEPS];
};
struct mxi_cuda_pool {
  struct mxi_cuda_stream *stream;
  struct room rooms[ROOMS];
  struct block *awaited; /* free once what is in `used` has passed */
  struct mxi_cuda_pool *next;
};

/* With MXI_LOCK_CUDA_MEMORY held. */
static struct mxi_cuda_pool *pools;
static size_t figures[MXI_MEMORY_FIGURES];
static struct block *spare; /* unused structures, linked by next */

static struct block *new_block(void) {
  struct block *b = spare;
  if (b)
    spare = b->next;
  else if (!(b = mxi_malloc(sizeof *b)))
    return NULL;
  *b = (struct block){0};
  return b;
}
static void drop_block(struct block *b) {
  b->next = spare;
  spare = b;
}

/* ---- Bins ---- */
struct bin {
  unsigned log, step;
};
static struct bin
bin_of(size_t bytes) { // its blocks have at least this many bytes if that is a bin's lower end
  unsigned log = 63 - (unsigned)__builtin_clzll(bytes);
  return (struct bin){log, (unsigned)(bytes >> (log - LOG_STEPS)) & (STEPS - 1)};
}
static size_t round_to_bin(size_t bytes) {
  unsigned log = 63 - (unsigned)__builtin_clzll(bytes);
  size_t step = (size_t)1 << (log - LOG_STEPS);
  return (bytes + step - 1) & ~(step - 1);
}

static void put_in_bin(struct block *b) {
  struct room *r = &b->pool->rooms[b->room];
  struct bin at = bin_of(b->bytes);
  struct block **first = &r->bins[at.log][at.step];
  b->is_free = true;
  b->previous = NULL;
  b->next = *first;
  if (*first) (*first)->previous = b;
  *first = b;
  r->logs |= 1ull << at.log;
  r->steps[at.log] |= (uint8_t)(1u << at.step);
}

static void take_from_bin(struct block *b) {
  struct room *r = &b->pool->rooms[b->room];
  struct bin at = bin_of(b->bytes);
  b->is_free = false;
  if (b->next) b->next->previous = b->previous;
  if (b->previous) {
    b->previous->next = b->next;
    return;
  }
  if ((r->bins[at.log][at.step] = b->next)) return;
  r->steps[at.log] &= (uint8_t) ~(1u << at.step);
  if (!r->steps[at.log]) r->logs &= ~(1ull << at.log);
}

static struct block *find(const struct room *r, size_t bytes) {
  struct bin at = bin_of(round_to_bin(bytes));
  unsigned steps = r->steps[at.log] >> at.step << at.step;
  if (!steps) {
    uint64_t logs = r->logs >> (at.log + 1) << (at.log + 1);
    if (!logs) return NULL;
    at.log = (unsigned)__builtin_ctzll(logs);
    steps = r->steps[at.log];
  }
  return r->bins[at.log][__builtin_ctz(steps)];
}

/* ---- Blocks ---- */
/* What is behind the first `bytes` becomes a free block, if it is worth one. Without memory for its structure
   the block stays whole. */
static void cut(struct block *b, size_t bytes) {
  if (b->bytes - bytes < alignment) return;
  struct block *rest = new_block();
  if (!rest) return;
  *rest = (struct block){.address = b->address + bytes,
                         .bytes = b->bytes - bytes,
                         .room = b->room,
                         .pool = b->pool,
                         .before = b,
                         .after = b->after};
  if (b->after) b->after->before = rest;
  b->after = rest;
  b->bytes = bytes;
  put_in_bin(rest);
}

static struct block *join(struct block *b, struct block *behind) {
  b->bytes += behind->bytes;
  b->after = behind->after;
  if (b->after) b->after->before = b;
  drop_block(behind);
  return b;
}

static void give_back(struct block *b) {
  if (b->after && b->after->is_free) {
    take_from_bin(b->after);
    join(b, b->after);
  }
  if (b->before && b->before->is_free) {
    take_from_bin(b->before);
    b = join(b->before, b);
  }
  put_in_bin(b);
}

static bool is_segment(const struct block *b) { return !b->before && !b->after; }

/* ---- Segments ---- */
static void free_segments(struct room *r, size_t keep) {
  for (int log = LOGS - 1; log >= LOG_ALIGNMENT && figures[MXI_MEMORY_CACHED] > keep; log--)
    for (int step = STEPS - 1; step >= 0; step--)
      for (struct block *b = r->bins[log][step], *next; b && figures[MXI_MEMORY_CACHED] > keep; b = next) {
        next = b->next;
        if (!is_segment(b)) continue;
        take_from_bin(b);
        figures[MXI_MEMORY_CACHED] -= b->bytes;
        mxi_cuda.cuMemFree_v2(b->address); // waits for the device
        drop_block(b);
      }
}

static void trim(size_t keep) {
  for (struct mxi_cuda_pool *p = pools; p; p = p->next)
    for (int room = 0; room < ROOMS; room++) free_segments(&p->rooms[room], keep);
}

static void take_awaited(struct mxi_cuda_pool *p) {
  for (struct block **at = &p->awaited; *at;) {
    struct block *b = *at;
    bool passed = true;
    for (int i = 0; i < b->nused && passed; i++) passed = mxi_cuda_passed(b->used[i]);
    if (!passed) {
      at = &b->next;
      continue;
    }
    *at = b->next;
    figures[MXI_MEMORY_ACTIVE] -= b->bytes;
    figures[MXI_MEMORY_CACHED] += b->bytes;
    give_back(b);
  }
}

static struct block *new_segment(struct mxi_cuda_pool *p, int room, size_t bytes) {
  size_t least = room == SMALL ? small_segment : large_segment;
  size_t size = bytes < least ? least : (bytes + page - 1) / page * page;
  struct block *b = new_block();
  if (!b) return NULL;
  CUdeviceptr address = 0;
  CUresult r = mxi_cuda.cuMemAlloc_v2(&address, size);
  if (r ==
      CUDA_ERROR_OUT_OF_MEMORY) { // what is free in others' pools may help, and then as little as is needed
    for (struct mxi_cuda_pool *q = pools; q; q = q->next) take_awaited(q);
    trim(0);
    size = (bytes + page - 1) / page * page;
    r = mxi_cuda.cuMemAlloc_v2(&address, size);
  }
  if (r != CUDA_SUCCESS) {
    drop_block(b);
    if (r == CUDA_ERROR_OUT_OF_MEMORY)
      mxi_fail(MX_OUT_OF_MEMORY,
               "[cuda] expected %zu bytes of the GPU's memory, got none: %zu bytes are in use", bytes,
               figures[MXI_MEMORY_ACTIVE]);
    else
      mxi_cuda_check(r, "cuMemAlloc");
    return NULL;
  }
  *b = (struct block){.address = address, .bytes = size, .pool = p, .room = (uint8_t)room};
  figures[MXI_MEMORY_CACHED] += size;
  return b;
}

static struct block *take(struct mxi_cuda_pool *p, size_t bytes) {
  int room = bytes <= small_bytes ? SMALL : LARGE;
  if (p->awaited) take_awaited(p);
  struct block *b = find(&p->rooms[room], bytes);
  if (b)
    take_from_bin(b);
  else if (!(b = new_segment(p, room, bytes)))
    return NULL;
  figures[MXI_MEMORY_CACHED] -= b->bytes;
  size_t whole = b->bytes;
  cut(b, bytes);
  figures[MXI_MEMORY_CACHED] += whole - b->bytes;
  figures[MXI_MEMORY_ACTIVE] += b->bytes;
  if (figures[MXI_MEMORY_ACTIVE] > figures[MXI_MEMORY_PEAK])
    figures[MXI_MEMORY_PEAK] = figures[MXI_MEMORY_ACTIVE];
  return b;
}

static void release(struct block *b) {
  int others = 0;
  for (int i = 0; i < b->nused; i++)
    if (b->used[i].stream != b->pool->stream->stream && !mxi_cuda_passed(b->used[i]))
      b->used[others++] = b->used[i];
  b->nused = others;
  if (others) {
    b->next = b->pool->awaited;
    b->pool->awaited = b;
    return;
  }
  figures[MXI_MEMORY_ACTIVE] -= b->bytes;
  figures[MXI_MEMORY_CACHED] += b->bytes;
  give_back(b);
  if (figures[MXI_MEMORY_CACHED] > figures[MXI_MEMORY_CACHE_LIMIT]) trim(figures[MXI_MEMORY_CACHE_LIMIT]);
}

static void set_limits(void) {
  static bool done;
  if (!done) figures[MXI_MEMORY_CACHE_LIMIT] = figures[MXI_MEMORY_LIMIT] = mxi_cuda_device()->memory_bytes;
  done = true;
}

static struct mxi_cuda_pool *pool_of(struct mxi_cuda_stream *s) {
  if (s->pool) return s->pool;
  struct mxi_cuda_pool *p = mxi_calloc(1, sizeof *p);
  if (!p) return NULL;
  set_limits();
  p->stream = s;
  p->next = pools;
  pools = p;
  return s->pool = p;
}

static struct block *allocate(mx_stream stream, size_t bytes) {
  struct mxi_cuda_stream *s = mxi_cuda_stream_of(stream);
  if (!s) return NULL;
  if (bytes > (size_t)1 << 46) return mxi_fail_memory(bytes), NULL;
  bytes = bytes ? (bytes + alignment - 1) & ~(alignment - 1) : alignment;
  mxi_lock(MXI_LOCK_CUDA_MEMORY);
  struct mxi_cuda_pool *p = pool_of(s);
  struct block *b = NULL;
  if (p && figures[MXI_MEMORY_ACTIVE] + bytes > figures[MXI_MEMORY_LIMIT])
    mxi_fail(MX_OUT_OF_MEMORY,
             "[cuda] expected at most %zu bytes of the GPU's memory in use, got %zu more than %zu",
             figures[MXI_MEMORY_LIMIT], bytes, figures[MXI_MEMORY_ACTIVE]);
  else if (p)
    b = take(p, bytes);
  mxi_unlock(MXI_LOCK_CUDA_MEMORY);
  return b;
}

/* ---- Sides ---- */
struct device_side {
  struct mxi_side side; // first
  struct block *block;
};

static void release_side(struct mxi_side *side) {
  struct block *b = ((struct device_side *)side)->block;
  if (mxi_cuda_enter() == 0) { // else it is another process's, after a fork
    mxi_lock(MXI_LOCK_CUDA_MEMORY);
    memcpy(b->used, side->used, sizeof b->used);
    b->nused = side->nused;
    release(b);
    mxi_unlock(MXI_LOCK_CUDA_MEMORY);
  }
  mxi_free(side->failure);
  mxi_free(side);
}

struct mxi_side *mxi_cuda_allocate(mx_stream s, size_t bytes) {
  struct device_side *d = mxi_calloc(1, sizeof *d);
  if (!d) return NULL;
  if (!(d->block = allocate(s, bytes))) {
    mxi_free(d);
    return NULL;
  }
  d->side = (struct mxi_side){
      .release = release_side, .device = s->device, .bytes = bytes, .address = (void *)d->block->address};
  return &d->side;
}

/* ---- Scratch ---- */
int mxi_cuda_scratch_take(mx_stream s, size_t bytes, struct mxi_cuda_scratch *scratch) {
  struct block *b = allocate(s, bytes);
  *scratch = (struct mxi_cuda_scratch){b ? (void *)b->address : NULL, b};
  return b ? 0 : -1;
}

void mxi_cuda_scratch_free(struct mxi_cuda_scratch *scratch) {
  if (!scratch->block) return;
  mxi_lock(MXI_LOCK_CUDA_MEMORY);
  ((struct block *)scratch->block)->nused = 0;
  release(scratch->block);
  mxi_unlock(MXI_LOCK_CUDA_MEMORY);
  *scratch = (struct mxi_cuda_scratch){0};
}

/* ---- Figures ---- */
size_t mxi_cuda_memory(enum mxi_memory_figure f) {
  mxi_lock(MXI_LOCK_CUDA_MEMORY);
  set_limits();
  size_t bytes = figures[f];
  mxi_unlock(MXI_LOCK_CUDA_MEMORY);
  return bytes;
}

void mxi_cuda_set_memory(enum mxi_memory_figure f, size_t bytes) {
  mxi_lock(MXI_LOCK_CUDA_MEMORY);
  set_limits();
  figures[f] = bytes;
  if (f == MXI_MEMORY_CACHE_LIMIT && mxi_cuda_enter() == 0) trim(bytes);
  mxi_unlock(MXI_LOCK_CUDA_MEMORY);
}

void mxi_cuda_trim(void) {
  if (mxi_cuda_enter() < 0) return;
  mxi_lock(MXI_LOCK_CUDA_MEMORY);
  for (struct mxi_cuda_pool *p = pools; p; p = p->next) take_awaited(p);
  trim(0);
  mxi_unlock(MXI_LOCK_CUDA_MEMORY);
}
