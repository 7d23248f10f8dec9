/* Mixing words into a hash. */
#ifndef MXI_BASE_HASH_H
#define MXI_BASE_HASH_H
#include <stdint.h>

static inline uint64_t mxi_mix(uint64_t h, uint64_t x) {
  return (h ^ x) * UINT64_C(0x9e3779b97f4a7c15) ^ (h >> 29);
}
#endif
