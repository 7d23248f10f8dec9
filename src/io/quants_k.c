/* GGUF's "K" blocks: 256 elements in groups of 32 or 16. The groups' scales and minima are small integers
   that share one or two float16 factors d and m; a group's scale is d times its integer. That product needs
   up to 19 bits, so scales and biases are float32, and exact; so is q times the scale.

   format  bytes  group  q           scale         bias        fields
   Q2_K     84     16    0 .. 3      d s (4 bits)  -m t (4)    s | t << 4 [16], q [64], d, m
   Q3_K    110     16    0 .. 7      d (s - 32)    -4 scale    highest bits of q [32], q [64], s [12], d
   Q4_K    144     32    0 .. 15     d s (6)       -m t (6)    d, m, s and t [12], q [128]
   Q5_K    176     32    0 .. 31     d s (6)       -m t (6)    d, m, s and t [12], highest bits of q [32], q
   [128] Q6_K    210     16    0 .. 63     d s (int8)    -32 scale   q [128], high bits of q [64], s [16], d

   Elements are stored in runs of 32: byte l of a run holds element l of several runs, the first in the lowest
   bits. 6-bit integers s and t lie in 12 bytes, their high bits apart. */
#include "io/quants.h"
#include "core/dtype.h"
#include <string.h>

enum { BLOCK = 256, RUN = 32 };

static float half_at(const uint8_t *p) {
  uint16_t half;
  memcpy(&half, p, sizeof half);
  return mxi_float_from_f16(half);
}

/* 256 integers, one a byte, to `bits` * 8 words. */
static inline void pack_block(const uint8_t q[BLOCK], int bits, uint32_t *words) {
  uint8_t *out = (uint8_t *)words;
  for (int i = 0; i < BLOCK; i += 8, out += bits) {
    uint64_t bytes;
    memcpy(&bytes, q + i, sizeof bytes);
    bytes = mxi_gather_bits(bytes, bits);
    memcpy(out, &bytes, (size_t)bits);
  }
}

/* q[l] = the bits of from[l] at shift. */
static inline void take_low(uint8_t *restrict q, const uint8_t *restrict from, int shift, int bits) {
  for (int l = 0; l < RUN; l++) q[l] = (uint8_t)(from[l] >> shift & ((1 << bits) - 1));
}
/* Adds bits above the `low` ones. */
static inline void add_high(uint8_t *restrict q, const uint8_t *restrict from, int shift, int bits, int low) {
  for (int l = 0; l < RUN; l++) q[l] |= (uint8_t)((from[l] >> shift & ((1 << bits) - 1)) << low);
}

void mxi_pack_Q2_K(const uint8_t *b, size_t n, uint32_t *words, void *scales, void *biases) {
  float *s = scales, *t = biases;
  uint8_t q[BLOCK];
  for (; n--; b += 84, words += 2 * 8, s += 16, t += 16) {
    float d = half_at(b + 80), m = half_at(b + 82);
    for (int i = 0; i < 16; i++) {
      s[i] = d * (float)(b[i] & 15);
      t[i] = -m * (float)(b[i] >> 4);
    }
    for (int run = 0; run < 8; run++) take_low(q + RUN * run, b + 16 + RUN * (run / 4), 2 * (run % 4), 2);
    pack_block(q, 2, words);
  }
}

void mxi_pack_Q3_K(const uint8_t *b, size_t n, uint32_t *words, void *scales, void *biases) {
  float *s = scales, *t = biases;
  uint8_t q[BLOCK];
  for (; n--; b += 110, words += 3 * 8, s += 16, t += 16) {
    const uint8_t *packed = b + 96;
    float d = half_at(b + 108);
    for (int i = 0; i < 16; i++) {
      int low = packed[i % 8] >> (i < 8 ? 0 : 4) & 15, high = packed[8 + i % 4] >> (2 * (i / 4)) & 3;
      s[i] = d * (float)((low | high << 4) - 32);
      t[i] = -4 * s[i];
    }
    for (int run = 0; run < 8; run++) {
      take_low(q + RUN * run, b + 32 + RUN * (run / 4), 2 * (run % 4), 2);
      add_high(q + RUN * run, b, run, 1, 2);
    }
    pack_block(q, 3, words);
  }
}

/* The eight scales and biases of Q4_K and Q5_K, from d, m and the 12 bytes behind them. */
static void read_scales(const uint8_t *b, float *s, float *t) {
  const uint8_t *packed = b + 4;
  float d = half_at(b), m = half_at(b + 2);
  for (int i = 0; i < 4; i++) {
    s[i] = d * (float)(packed[i] & 63);
    t[i] = -m * (float)(packed[i + 4] & 63);
    s[i + 4] = d * (float)((packed[i + 8] & 15) | packed[i] >> 6 << 4);
    t[i + 4] = -m * (float)(packed[i + 8] >> 4 | packed[i + 4] >> 6 << 4);
  }
}

void mxi_pack_Q4_K(const uint8_t *b, size_t n, uint32_t *words, void *scales, void *biases) {
  float *s = scales, *t = biases;
  uint8_t q[BLOCK];
  for (; n--; b += 144, words += 4 * 8, s += 8, t += 8) {
    read_scales(b, s, t);
    for (int run = 0; run < 8; run++) take_low(q + RUN * run, b + 16 + RUN * (run / 2), 4 * (run % 2), 4);
    pack_block(q, 4, words);
  }
}

void mxi_pack_Q5_K(const uint8_t *b, size_t n, uint32_t *words, void *scales, void *biases) {
  float *s = scales, *t = biases;
  uint8_t q[BLOCK];
  for (; n--; b += 176, words += 5 * 8, s += 8, t += 8) {
    read_scales(b, s, t);
    for (int run = 0; run < 8; run++) {
      take_low(q + RUN * run, b + 48 + RUN * (run / 2), 4 * (run % 2), 4);
      add_high(q + RUN * run, b + 16, run, 1, 4);
    }
    pack_block(q, 5, words);
  }
}

void mxi_pack_Q6_K(const uint8_t *b, size_t n, uint32_t *words, void *scales, void *biases) {
  float *s = scales, *t = biases;
  uint8_t q[BLOCK];
  for (; n--; b += 210, words += 6 * 8, s += 16, t += 16) {
    float d = half_at(b + 208);
    for (int i = 0; i < 16; i++) {
      s[i] = d * (float)(int8_t)b[192 + i];
      t[i] = -32 * s[i];
    }
    for (int run = 0; run < 8; run++) {
      int half = run / 4, part = run % 4;
      take_low(q + RUN * run, b + 64 * half + RUN * (part % 2), 4 * (part / 2), 4);
      add_high(q + RUN * run, b + 128 + RUN * half, 2 * part, 2, 4);
    }
    pack_block(q, 6, words);
  }
}
