/* GGUF's block formats, 32 elements a block, to the packed affine form: w = q * scale + bias. */
#ifndef MXI_IO_QUANTS_H
#define MXI_IO_QUANTS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mxi_quant_format {
  uint32_t ggml_type;
  int bits;           /* of a packed element */
  size_t block_bytes; /* of 32 elements in the file */
  /* Packs n blocks: words[n * bits] and half-precision scales[n], biases[n]. */
  void (*pack)(const uint8_t *blocks, size_t n, uint32_t *words, uint16_t *scales, uint16_t *biases);
  /* The bias as a multiple of the scale; 0 where the file holds the bias itself. */
  int bias_factor;
};
enum { MXI_QUANT_BLOCK = 32 };
const struct mxi_quant_format *mxi_quant_format_of(uint32_t ggml_type); /* NULL: not one of them */
#endif
