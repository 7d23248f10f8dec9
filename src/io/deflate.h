/* zlib with the library's allocator, and sizes beyond the 32 bits it counts in. */
#ifndef MXI_IO_DEFLATE_H
#define MXI_IO_DEFLATE_H
#include "base/alloc.h"
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
/* What zlib is given at once of n bytes. */
static inline unsigned mxi_zlib_part(size_t n) { return n < 1u << 30 ? (unsigned)n : 1u << 30; }
/* Continues a checksum, which starts at 0. */
static inline uint32_t mxi_crc32(uint32_t crc, const void *data, size_t n) {
  const uint8_t *p = data;
  for (unsigned part; n; p += part, n -= part) {
    part = mxi_zlib_part(n);
    crc = (uint32_t)crc32(crc, p, part);
  }
  return crc;
}
#endif
