/* A growing array of any type: `mxi_vec(int) v = {0}; if (mxi_push(&v, 3) < 0) return -1; mxi_vec_free(&v);`
 */
#ifndef MXI_BASE_VEC_H
#define MXI_BASE_VEC_H
#include "base/alloc.h"
#include <stddef.h>

#define mxi_vec(T) \
  struct {         \
    T *v;          \
    size_t n, cap; \
  }
static inline int mxi_vec_grow(void **v, size_t *cap, size_t want, size_t item) {
  if (want <= *cap) return 0;
  size_t cap2 = *cap ? *cap * 2 : 16;
  if (cap2 < want) cap2 = want;
  void *p = mxi_realloc(*v, cap2 * item);
  if (!p) return -1;
  *v = p;
  *cap = cap2;
  return 0;
}
#define mxi_reserve(vec, count) \
  ((count) <= (vec)->cap ? 0 : mxi_vec_grow((void **)&(vec)->v, &(vec)->cap, (count), sizeof *(vec)->v))
#define mxi_push(vec, item) (mxi_reserve((vec), (vec)->n + 1) < 0 ? -1 : ((vec)->v[(vec)->n++] = (item), 0))
#define mxi_vec_free(vec)   (mxi_free((vec)->v), (vec)->v = NULL, (vec)->n = (vec)->cap = 0)
#endif
