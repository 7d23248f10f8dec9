#include "base/lru.h"
#include "base/alloc.h"

enum { FIRST_BITS = 4 };

/* Fibonacci hashing (Knuth, vol. 3, 6.4): the upper bits of a product, so that any hash will do. */
static struct mxi_lru_entry **bucket_of(const struct mxi_lru *l, uint64_t hash) {
  return &l->buckets[hash * UINT64_C(0x9e3779b97f4a7c15) >> (64 - l->bits)];
}

static void link_newest(struct mxi_lru *l, struct mxi_lru_entry *e) {
  e->newer = NULL;
  e->older = l->newest;
  *(l->newest ? &l->newest->newer : &l->oldest) = e;
  l->newest = e;
}

static void unlink_use(struct mxi_lru *l, struct mxi_lru_entry *e) {
  *(e->newer ? &e->newer->older : &l->newest) = e->older;
  *(e->older ? &e->older->newer : &l->oldest) = e->newer;
}

struct mxi_lru_entry *mxi_lru_find(struct mxi_lru *l, uint64_t hash,
                                   bool (*same)(const struct mxi_lru_entry *e, const void *key),
                                   const void *key) {
  if (!l->n) return NULL;
  struct mxi_lru_entry *e = *bucket_of(l, hash);
  while (e && !(e->hash == hash && same(e, key))) e = e->next;
  if (e && e != l->newest) {
    unlink_use(l, e);
    link_newest(l, e);
  }
  return e;
}

static int grow(struct mxi_lru *l) {
  struct mxi_lru bigger = *l;
  bigger.bits = l->buckets ? l->bits + 1 : FIRST_BITS;
  bigger.buckets = mxi_calloc((size_t)1 << bigger.bits, sizeof *bigger.buckets);
  if (!bigger.buckets) return -1;
  for (struct mxi_lru_entry *e = l->newest; e; e = e->older) {
    struct mxi_lru_entry **bucket = bucket_of(&bigger, e->hash);
    e->next = *bucket;
    *bucket = e;
  }
  mxi_free(l->buckets);
  *l = bigger;
  return 0;
}

int mxi_lru_put(struct mxi_lru *l, struct mxi_lru_entry *e, uint64_t hash) {
  if ((!l->buckets || l->n == (size_t)1 << l->bits) && grow(l) < 0) return -1;
  struct mxi_lru_entry **bucket = bucket_of(l, hash);
  e->hash = hash;
  e->next = *bucket;
  *bucket = e;
  link_newest(l, e);
  l->n++;
  return 0;
}

struct mxi_lru_entry *mxi_lru_take_oldest(struct mxi_lru *l) {
  struct mxi_lru_entry *e = l->oldest;
  if (!e) return NULL;
  struct mxi_lru_entry **at = bucket_of(l, e->hash);
  while (*at != e) at = &(*at)->next;
  *at = e->next;
  unlink_use(l, e);
  l->n--;
  return e;
}

void mxi_lru_free(struct mxi_lru *l) {
  mxi_free(l->buckets);
  *l = (struct mxi_lru){0};
}
