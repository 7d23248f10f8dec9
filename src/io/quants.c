/* GGUF's blocks of 32 elements (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and the types it
   names):

   format  bytes  fields                                weights
   Q4_0     18    d, nibbles [16]                       d (q - 8)    -> scale d, bias -8 d
   Q4_1     20    d, m, nibbles [16]                    d q + m      -> scale d, bias m
   Q5_0     22    d, fifth bits [4], nibbles [16]       d (q - 16)   -> scale d, bias -16 d
   Q5_1     24    d, m, fifth bits [4], nibbles [16]    d q + m      -> scale d, bias m
   Q8_0     34    d, signed bytes [32]                  d q          -> q + 128, scale d, bias -128 d
   MXFP4    17    exponent, nibbles [16]                2^(e - 127) times a float of 4 bits (e2m1): as it is

   d and m are float16. Byte i of the nibbles holds element i below and element i + 16 above. A packed word
   holds its elements in order from the lowest bits. Biases are d times a power of two: exact unless they
   overflow. */
#include "io/quants.h"
#include "core/dtype.h"
#include <string.h>

/* The low nibbles of 8 bytes, side by side in 32 bits. */
static inline uint32_t gather_nibbles(uint64_t bytes) {
  return (uint32_t)mxi_gather_bits(bytes & 0x0f0f0f0f0f0f0f0f, 4);
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

void mxi_pack_Q4_0(const uint8_t *block, size_t n, uint32_t *words, void *to_scales, void *to_biases) {
  uint16_t *scales = to_scales, *biases = to_biases;
  for (size_t i = 0; i < n; i++, block += 18) {
    memcpy(&scales[i], block, 2);
    biases[i] = scaled_half(scales[i], -8);
    pack_nibbles(block + 2, words + 4 * i);
  }
}

void mxi_pack_Q4_1(const uint8_t *block, size_t n, uint32_t *words, void *to_scales, void *to_biases) {
  uint16_t *scales = to_scales, *biases = to_biases;
  for (size_t i = 0; i < n; i++, block += 20) {
    memcpy(&scales[i], block, 2);
    memcpy(&biases[i], block + 2, 2);
    pack_nibbles(block + 4, words + 4 * i);
  }
}

void mxi_pack_Q8_0(const uint8_t *block, size_t n, uint32_t *words, void *to_scales, void *to_biases) {
  uint16_t *scales = to_scales, *biases = to_biases;
  for (size_t i = 0; i < n; i++, block += 34) {
    memcpy(&scales[i], block, 2);
    biases[i] = scaled_half(scales[i], -128);
    memcpy(words + 8 * i, block + 2, 32);
    for (int j = 0; j < 8; j++) words[8 * i + (size_t)j] ^= 0x80808080; // + 128 in each byte
  }
}

/* 32 elements of 5 bits: their fifth bits, then their nibbles. */
static void pack_fives(const uint8_t *block, uint32_t *words) {
  uint8_t q[32], *out = (uint8_t *)words;
  uint32_t fifth;
  memcpy(&fifth, block, sizeof fifth);
  for (int i = 0; i < 16; i++) {
    q[i] = (uint8_t)((block[4 + i] & 15) | (fifth >> i & 1) << 4);
    q[i + 16] = (uint8_t)(block[4 + i] >> 4 | (fifth >> (i + 16) & 1) << 4);
  }
  for (int i = 0; i < 32; i += 8, out += 5) {
    uint64_t bytes;
    memcpy(&bytes, q + i, sizeof bytes);
    bytes = mxi_gather_bits(bytes, 5);
    memcpy(out, &bytes, 5);
  }
}

void mxi_pack_Q5_0(const uint8_t *block, size_t n, uint32_t *words, void *to_scales, void *to_biases) {
  uint16_t *scales = to_scales, *biases = to_biases;
  for (size_t i = 0; i < n; i++, block += 22) {
    memcpy(&scales[i], block, 2);
    biases[i] = scaled_half(scales[i], -16);
    pack_fives(block + 2, words + 5 * i);
  }
}

void mxi_pack_Q5_1(const uint8_t *block, size_t n, uint32_t *words, void *to_scales, void *to_biases) {
  uint16_t *scales = to_scales, *biases = to_biases;
  for (size_t i = 0; i < n; i++, block += 24) {
    memcpy(&scales[i], block, 2);
    memcpy(&biases[i], block + 2, 2);
    pack_fives(block + 4, words + 5 * i);
  }
}

void mxi_pack_MXFP4(const uint8_t *block, size_t n, uint32_t *words, void *to_scales, void *to_biases) {
  uint8_t *scales = to_scales;
  (void)to_biases;
  for (size_t i = 0; i < n; i++, block += 17) {
    scales[i] = *block;
    pack_nibbles(block + 1, words + 4 * i);
  }
}
