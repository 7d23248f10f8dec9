/* Mixing words into a hash. */
#ifndef MXI_BASE_HASH_H
#define MXI_BASE_HASH_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t mxi_mix(uint64_t h, uint64_t x) {
  return (h ^ x) * UINT64_C(0x9e3779b97f4a7c15) ^ (h >> 29);
}
/* Bytes, eight at a time; the last are filled up with zeros. */
static inline uint64_t mxi_mix_bytes(uint64_t h, const void *bytes, size_t n) {
  for (size_t i = 0; i < n; i += sizeof(uint64_t)) {
    uint64_t word = 0;
    memcpy(&word, (const char *)bytes + i, n - i < sizeof word ? n - i : sizeof word);
    h = mxi_mix(h, word);
  }
  return h;
}
#endif
