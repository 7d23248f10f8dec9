/* Small allocations of the library. Every one goes through here, so that tests can make the n-th fail. */
#ifndef MXI_BASE_ALLOC_H
#define MXI_BASE_ALLOC_H
#include <stddef.h>

void *mxi_malloc(size_t bytes); /* NULL with the thread's error set when there is no memory */
void *mxi_calloc(size_t count, size_t bytes);
void *mxi_realloc(void *p, size_t bytes); /* on failure p stays valid */
void mxi_free(void *p);
char *mxi_strdup(const char *s);
/* Memory aligned to 64 bytes; freed by mxi_free. */
void *mxi_malloc_aligned(size_t bytes);

/* For tests: after n more successful allocations every one fails until reset with a negative n. */
void mxi_alloc_fail_after(long n);
/* True when the next allocation must fail, counting down; for allocators that don't come through here. */
int mxi_alloc_should_fail(void);
#endif
