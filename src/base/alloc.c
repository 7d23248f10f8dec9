#include "base/alloc.h"
#include "base/error.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static atomic_int armed; // the common case costs one relaxed load
static atomic_long remaining;

void mxi_alloc_fail_after(long n) {
  atomic_store(&remaining, n);
  atomic_store(&armed, n >= 0);
}

int mxi_alloc_should_fail(void) {
  return __builtin_expect(atomic_load_explicit(&armed, memory_order_relaxed), 0) &&
         atomic_fetch_sub(&remaining, 1) <= 0;
}

void *mxi_malloc(size_t bytes) {
  void *p = mxi_alloc_should_fail() ? NULL : malloc(bytes ? bytes : 1);
  if (!p) mxi_fail_memory(bytes);
  return p;
}

void *mxi_calloc(size_t count, size_t bytes) {
  void *p = mxi_alloc_should_fail() ? NULL : calloc(count ? count : 1, bytes ? bytes : 1);
  if (!p) mxi_fail_memory(count * bytes);
  return p;
}

void *mxi_realloc(void *old, size_t bytes) {
  void *p = mxi_alloc_should_fail() ? NULL : realloc(old, bytes ? bytes : 1);
  if (!p) mxi_fail_memory(bytes);
  return p;
}

void *mxi_malloc_aligned(size_t bytes) {
  size_t padded = (bytes + 63) & ~(size_t)63;
  void *p = padded < bytes || mxi_alloc_should_fail() ? NULL : aligned_alloc(64, padded ? padded : 64);
  if (!p) mxi_fail_memory(bytes);
  return p;
}

char *mxi_strdup(const char *s) {
  size_t n = strlen(s) + 1;
  char *p = mxi_malloc(n);
  if (p) memcpy(p, s, n);
  return p;
}

void mxi_free(void *p) { free(p); }
