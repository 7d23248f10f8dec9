/* A file mapped into memory, read where it is used, and watched: others may cut it short or write over it.
   Whoever reads a mapped array asks afterwards whether what was read is the file that was loaded: a file's
   size and time of change move before its bytes do, so a check that passes vouches for all reads before it.
 */
#ifndef MXI_CORE_MAPPED_H
#define MXI_CORE_MAPPED_H
#include "core/array.h"
#include <sys/stat.h>

struct mxi_mapped;
/* Maps the regular file at path, which is not empty, and takes over its descriptor, also on failure: NULL
   with the error set; MX_OUT_OF_MEMORY when the system or the guards allow no more mappings. */
struct mxi_mapped *mxi_mapped_new(const char *op, const char *path, int fd);
const uint8_t *mxi_mapped_data(const struct mxi_mapped *m);
size_t mxi_mapped_bytes(const struct mxi_mapped *m);
void mxi_mapped_unref(struct mxi_mapped *m);
/* A buffer over part of it, which holds a reference. */
mx_buffer *mxi_mapped_buffer(struct mxi_mapped *m, size_t offset, size_t bytes);
/* 0 while the file is what it was when it was mapped; else MX_IO_ERROR, from then on. */
int mxi_mapped_check(struct mxi_mapped *m);
/* Is the file used by a mapping that lives? */
bool mxi_mapped_uses(const struct stat *file);

extern atomic_int mxi_mapped_count; /* mappings that live */
static inline bool mxi_mapped_any(void) {
  return atomic_load_explicit(&mxi_mapped_count, memory_order_relaxed) != 0;
}

/* For who reads arrays. Before: so that a read of a file cut short is no crash. */
void mxi_mapped_guard(void);
static inline void mxi_before_reading(void) {
  if (mxi_mapped_any()) mxi_mapped_guard();
}
/* After: 0, or -1 with MX_IO_ERROR when an array's file has changed. */
static inline int mxi_after_reading(const struct mxi_array *a) {
  bool mapped =
      a->buffer && (atomic_load_explicit(&a->buffer->flags, memory_order_relaxed) & MXI_BUFFER_MAPPED);
  return mapped ? mxi_mapped_check(a->buffer->owner) : 0;
}
#endif
