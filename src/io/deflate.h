/* zlib with the library's allocator, and sizes beyond the 32 bits it counts in. */
#ifndef MXI_IO_DEFLATE_H
#define MXI_IO_DEFLATE_H
#include "base/alloc.h"
#include "base/error.h"
#include "core/interrupt.h"
#include <stdint.h>
#include <zlib.h>

static inline void *mxi_zlib_allocate(void *unused, unsigned count, unsigned size) {
  (void)unused;
  return mxi_calloc(count, size);
}
static inline void mxi_zlib_free(void *unused, void *p) {
  (void)unused;
  mxi_free(p);
}
static inline z_stream mxi_zlib_stream(void) {
  return (z_stream){.zalloc = mxi_zlib_allocate, .zfree = mxi_zlib_free};
}
/* What zlib is given at once of n bytes: some 10 ms of its work, so that an interrupt is heard. */
static inline unsigned mxi_zlib_part(size_t n) { return n < 1u << 22 ? (unsigned)n : 1u << 22; }
/* Continues a checksum, which starts at 0. -1 with the error set when interrupted. */
static inline int mxi_checksum(const char *op, uint32_t *crc, const void *data, size_t n) {
  const uint8_t *p = data;
  for (unsigned part; n; p += part, n -= part) {
    MXI_TRY(mxi_go_on(op));
    part = mxi_zlib_part(n);
    *crc = (uint32_t)crc32(*crc, p, part);
  }
  return 0;
}
#endif
