/* The index of a cache: its entries by their hash, in constant time, and in the order of their last use, so
   that the one not used for longest can go. An entry of the cache begins with a struct mxi_lru_entry; who
   owns the entries, how many may be kept, and the lock are the cache's business.

   `struct mxi_lru c = {0}; mxi_lru_find(&c, hash, same, &key); mxi_lru_put(&c, &e->entry, hash);
    while (c.n > MOST) drop(mxi_lru_take_oldest(&c)); mxi_lru_free(&c);` */
#ifndef MXI_BASE_LRU_H
#define MXI_BASE_LRU_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mxi_lru_entry {
  uint64_t hash;
  struct mxi_lru_entry *next;          /* in its bucket */
  struct mxi_lru_entry *newer, *older; /* by their last use */
};
struct mxi_lru {
  struct mxi_lru_entry **buckets; /* 2^bits of them, at least as many as entries */
  int bits;
  size_t n;
  struct mxi_lru_entry *newest, *oldest;
};

/* The entry of this hash that is `same` as the key, which becomes the newest; NULL when there is none. */
struct mxi_lru_entry *mxi_lru_find(struct mxi_lru *l, uint64_t hash,
                                   bool (*same)(const struct mxi_lru_entry *e, const void *key),
                                   const void *key);
/* Adds an entry, the newest. -1 with the error set when memory is short. */
int mxi_lru_put(struct mxi_lru *l, struct mxi_lru_entry *e, uint64_t hash);
/* Takes the entry out that was not used for longest; NULL when there is none. */
struct mxi_lru_entry *mxi_lru_take_oldest(struct mxi_lru *l);
/* Of an empty cache. */
void mxi_lru_free(struct mxi_lru *l);
#endif
