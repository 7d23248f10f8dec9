/* A map from pointers to small integers: open addressing, grown at half full. Keys are never removed.
   `struct mxi_map m = {0}; mxi_map_put(&m, key, 3); mxi_map_get(&m, key) == 3; mxi_map_free(&m);` */
#ifndef MXI_BASE_MAP_H
#define MXI_BASE_MAP_H
#include "base/alloc.h"
#include <stdint.h>

struct mxi_map {
  struct mxi_map_entry {
    const void *key;
    int32_t value;
  } * entries;
  size_t n, cap; /* cap is a power of two */
};

static inline size_t mxi_map_place(const struct mxi_map *m, const void *key) {
  size_t i = ((uintptr_t)key >> 4) * 0x9e3779b97f4a7c15u >> 20;
  for (i &= m->cap - 1; m->entries[i].key && m->entries[i].key != key;) i = (i + 1) & (m->cap - 1);
  return i;
}
/* The value of key, or -1. */
static inline int32_t mxi_map_get(const struct mxi_map *m, const void *key) {
  if (!m->cap) return -1;
  const struct mxi_map_entry *e = &m->entries[mxi_map_place(m, key)];
  return e->key ? e->value : -1;
}
static inline int mxi_map_put(struct mxi_map *m, const void *key, int32_t value) {
  if (2 * (m->n + 1) > m->cap) {
    struct mxi_map bigger = {.cap = m->cap ? m->cap * 2 : 64};
    if (!(bigger.entries = (struct mxi_map_entry *)mxi_calloc(bigger.cap, sizeof *bigger.entries))) return -1;
    for (size_t i = 0; i < m->cap; i++)
      if (m->entries[i].key) bigger.entries[mxi_map_place(&bigger, m->entries[i].key)] = m->entries[i];
    bigger.n = m->n;
    mxi_free(m->entries);
    *m = bigger;
  }
  struct mxi_map_entry *e = &m->entries[mxi_map_place(m, key)];
  m->n += !e->key;
  *e = (struct mxi_map_entry){key, value};
  return 0;
}
static inline void mxi_map_free(struct mxi_map *m) { mxi_free(m->entries); }
#endif
