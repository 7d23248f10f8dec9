/* Block layouts (GGUF, https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and the ggml types it
   names): Q4_0  f16 d, 16 bytes of nibbles:          w = d (q - 8)    -> scale d, bias -8 d Q4_1  f16 d, f16
   m, 16 bytes of nibbles:   w = d q + m      -> scale d, bias m Q8_0  f16 d, 32 signed bytes:              w
   = d q          -> q + 128, scale d, bias -128 d Byte i of the nibbles holds element i below and element i +
   16 above. A packed word holds its elements in order from the lowest bits. Biases are d times a power of
   two: exact unless they overflow. */
#include "io/quants.h"
#include "core/dtype.h"
#include <string.h>

/* The low nibbles of 8 bytes, side by side in 32 bits. */
static inline uint32_t gather_nibbles(uint64_t bytes) {
  bytes &= 0x0f0f0f0f0f0f0f0f;
  bytes = (bytes | bytes >> 4) & 0x00ff00ff00ff00ff;
  bytes = (bytes | bytes >> 8) & 0x0000ffff0000ffff;
  return (uint32_t)(bytes | bytes >> 16);
}

/* 16 bytes of nibbles to 4 words. */
static inline void pack_nibbles(const uint8_t *nibbles, uint32_t words[4]) {
  uint64_t first, second;
  memcpy(&first, nibbles, 8);
  memcpy(&second, nibbles + 8, 8);
  words[0] = gather_nibbles(first);
  words[1] = gather_nibbles(second);
  words[2] = gather_nibbles(first >> 4);
  words[3] = gather_nibbles(second >> 4);
}

static uint16_t scaled_half(uint16_t half, int factor) {
  return mxi_f16_from_float(mxi_float_from_f16(half) * (float)factor);
}

static void pack_q4_0(const uint8_t *block, size_t n, uint32_t *words, uint16_t *scales, uint16_t *biases) {
  for (size_t i = 0; i < n; i++, block += 18) {
    memcpy(&scales[i], block, 2);
    biases[i] = scaled_half(scales[i], -8);
    pack_nibbles(block + 2, words + 4 * i);
  }
}

static void pack_q4_1(const uint8_t *block, size_t n, uint32_t *words, uint16_t *scales, uint16_t *biases) {
  for (size_t i = 0; i < n; i++, block += 20) {
    memcpy(&scales[i], block, 2);
    memcpy(&biases[i], block + 2, 2);
    pack_nibbles(block + 4, words + 4 * i);
  }
}

static void pack_q8_0(const uint8_t *block, size_t n, uint32_t *words, uint16_t *scales, uint16_t *biases) {
  for (size_t i = 0; i < n; i++, block += 34) {
    memcpy(&scales[i], block, 2);
    biases[i] = scaled_half(scales[i], -128);
    memcpy(words + 8 * i, block + 2, 32);
    for (int j = 0; j < 8; j++) words[8 * i + (size_t)j] ^= 0x80808080; // + 128 in each byte
  }
}

static const struct mxi_quant_format formats[] = {
    {2, 4, 18, pack_q4_0, -8}, {3, 4, 20, pack_q4_1, 0}, {8, 8, 34, pack_q8_0, -128}};

const struct mxi_quant_format *mxi_quant_format_of(uint32_t type) {
  for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
    if (formats[i].ggml_type == type) return &formats[i];
  return NULL;
}
