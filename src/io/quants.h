/* GGUF's blocks to packed words, scales and biases: one converter a row of gguf_types.def. */
#ifndef MXI_IO_QUANTS_H
#define MXI_IO_QUANTS_H
#include "io/gguf_types.h"

#define GGUF_BLOCKS(number, name, ...) mxi_gguf_pack mxi_pack_##name;
#include "io/gguf_types.def"

/* Eight integers of `bits` bits, one a byte, side by side from the lowest bits. */
static inline uint64_t mxi_gather_bits(uint64_t bytes, int bits) {
  bytes = (bytes & 0x00ff00ff00ff00ff) | (bytes & 0xff00ff00ff00ff00) >> (8 - bits);
  bytes = (bytes & 0x0000ffff0000ffff) | (bytes & 0xffff0000ffff0000) >> (16 - 2 * bits);
  return (bytes & 0x00000000ffffffff) | bytes >> 32 << (4 * bits);
}
#endif
