/* GGUF's blocks of 4 bits that choose one of 16 weights, which are not evenly spaced. Their integers take 8
   bits, so that the affine form is exact: q = 128 + table[nibble], and the bias is -128 times the scale.

   format  bytes  elements  group  scale           fields
   IQ4_NL    18     32        32   d               d, nibbles [16]
   IQ4_XS   136    256        32   d (s - 32)      d, high bits of s [2], low bits of s [4], nibbles [128]

   d is float16, s has 6 bits. Byte i of a group's 16 nibbles holds element i below and element i + 16 above.
   The scale of IQ4_XS needs up to 16 bits, so scales and biases are float32, and exact; so is q times the
   scale. */
#include "io/quants.h"
#include "core/dtype.h"
#include <string.h>

static const uint8_t table_plus_128[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                           129, 141, 153, 166, 181, 197, 217, 241};

static void look_up_group(const uint8_t nibbles[16], uint8_t q[32]) {
  for (int i = 0; i < 16; i++) {
    q[i] = table_plus_128[nibbles[i] & 15];
    q[i + 16] = table_plus_128[nibbles[i] >> 4];
  }
}

void mxi_pack_IQ4_NL(const uint8_t *block, size_t n, uint32_t *words, void *to_scales, void *to_biases) {
  uint16_t *scales = to_scales, *biases = to_biases;
  for (size_t i = 0; i < n; i++, block += 18) {
    memcpy(&scales[i], block, 2);
    biases[i] = mxi_f16_from_float(-128 * mxi_float_from_f16(scales[i]));
    look_up_group(block + 2, (uint8_t *)(words + 8 * i));
  }
}

void mxi_pack_IQ4_XS(const uint8_t *block, size_t n, uint32_t *words, void *to_scales, void *to_biases) {
  float *scales = to_scales, *biases = to_biases;
  for (; n--; block += 136, scales += 8, biases += 8) {
    uint16_t d, high;
    memcpy(&d, block, 2);
    memcpy(&high, block + 2, 2);
    for (int i = 0; i < 8; i++, words += 8) {
      int s = (block[4 + i / 2] >> (4 * (i % 2)) & 15) | (high >> (2 * i) & 3) << 4;
      scales[i] = mxi_float_from_f16(d) * (float)(s - 32);
      biases[i] = -128 * scales[i];
      look_up_group(block + 8 + 16 * i, (uint8_t *)words);
    }
  }
}
