/* GGUF's block formats to the packed affine form: w = q * scale + bias. */
#ifndef MXI_IO_QUANTS_H
#define MXI_IO_QUANTS_H
#include "mlx/types.h"
#include <stddef.h>
#include <stdint.h>

struct mxi_quant_format {
  uint32_t ggml_type;
  int bits;           /* of a packed element */
  int block;          /* elements in a block of the file; rows are whole blocks */
  size_t block_bytes; /* in the file */
  int group;          /* elements that share a scale and a bias: 32 or 16 */
  mx_dtype dtype;     /* of scales and biases: float16 where the file holds them so, else float32.
                         uint8: exponents of two over floats of 4 bits, without biases */
  /* Packs n blocks: n * block elements into words, n * block / group scales and biases. */
  void (*pack)(const uint8_t *blocks, size_t n, uint32_t *words, void *scales, void *biases);
  /* Of float16: the bias as a multiple of the scale; 0 where the file holds the bias itself. */
  int bias_factor;
};
const struct mxi_quant_format *mxi_quant_format_of(uint32_t ggml_type); /* NULL: not one of them */

/* The blocks of 256 elements; see quants_k.c. */
void mxi_pack_q2_k(const uint8_t *blocks, size_t n, uint32_t *words, void *scales, void *biases);
void mxi_pack_q3_k(const uint8_t *blocks, size_t n, uint32_t *words, void *scales, void *biases);
void mxi_pack_q4_k(const uint8_t *blocks, size_t n, uint32_t *words, void *scales, void *biases);
void mxi_pack_q5_k(const uint8_t *blocks, size_t n, uint32_t *words, void *scales, void *biases);
void mxi_pack_q6_k(const uint8_t *blocks, size_t n, uint32_t *words, void *scales, void *biases);

/* Eight integers of `bits` bits, one a byte, side by side from the lowest bits. */
static inline uint64_t mxi_gather_bits(uint64_t bytes, int bits) {
  bytes = (bytes & 0x00ff00ff00ff00ff) | (bytes & 0xff00ff00ff00ff00) >> (8 - bits);
  bytes = (bytes & 0x0000ffff0000ffff) | (bytes & 0xffff0000ffff0000) >> (16 - 2 * bits);
  return (bytes & 0x00000000ffffffff) | bytes >> 32 << (4 * bits);
}
#endif
