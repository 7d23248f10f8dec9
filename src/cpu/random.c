/* Random bits. Each key makes the W = ceil(bytes / 4) words of its part of the output: with h = W / 2 and odd
   = W % 2, words i and h + odd + i, for i < h, are the two words of counter (i, h + odd + i); the middle word
   of an odd W is the first word of counter (h, 0). Words lie in memory little-endian, so narrower elements
   are their bytes in turn. */
#include "cpu/cpu.h"
#include "cpu/kernels/random.h"
#include "cpu/locals.h"
#include "core/region.h"
#include <string.h>

enum { CHUNK = 8192 /* counters */ };

struct draw {
  struct mxi_region keys; /* operand 0: the keys, without their last axis */
  const uint32_t *key_data;
  int64_t key_step; /* between a key's two words */
  char *out;
  int64_t bytes, half, odd; /* of one key's output, in bytes and words */
  int64_t chunks;           /* of one key */
  int64_t keys_in_chunk;
};

static void read_key(const struct draw *d, int64_t i, uint32_t key[2]) {
  struct mxi_region_iter it;
  mxi_region_iter_init(&it, &d->keys, i);
  key[0] = d->key_data[it.offset[0]];
  key[1] = d->key_data[it.offset[0] + d->key_step];
}

/* The words may end within the last four bytes. */
static void put_words(const struct draw *d, char *out, int64_t word, const uint32_t *values, int64_t n) {
  int64_t bytes = mxi_min(n * 4, d->bytes - word * 4);
  if (n > 0) memcpy(out + word * 4, values, (size_t)bytes);
}

/* Counters [begin, end) of key i. Output in place needs aligned words that all belong to this key. */
static void draw_counters(const struct draw *d, int64_t i, int64_t begin, int64_t end) {
  char *out = d->out + i * d->bytes;
  uint32_t key[2];
  MXI_LOCAL(uint32_t, a, CHUNK);
  MXI_LOCAL(uint32_t, b, CHUNK);
  int64_t n = end - begin, upper = d->half + d->odd;
  bool in_place = d->bytes % 4 == 0;
  uint32_t *first = in_place ? (uint32_t *)out + begin : a;
  uint32_t *second = in_place ? (uint32_t *)out + upper + begin : b;
  read_key(d, i, key);
  MXI_DISPATCH(mxi_threefry)(key, (uint32_t)begin, (uint32_t)(upper + begin), n, first, second);
  if (!in_place) {
    put_words(d, out, begin, a, n);
    put_words(d, out, upper + begin, b, n);
  }
  if (d->odd && end == d->half) {
    MXI_DISPATCH(mxi_threefry)(key, (uint32_t)d->half, 0, 1, a, b);
    put_words(d, out, d->half, a, 1);
  }
}

static void draw_chunk(void *ctx, int64_t i) {
  const struct draw *d = ctx;
  if (d->chunks > 1) {
    int64_t begin = i % d->chunks * CHUNK;
    draw_counters(d, i / d->chunks, begin, mxi_min(d->half, begin + CHUNK));
    return;
  }
  int64_t end = mxi_min(d->keys.size, (i + 1) * d->keys_in_chunk);
  for (int64_t k = i * d->keys_in_chunk; k < end; k++) draw_counters(d, k, 0, d->half);
}

int mxi_cpu_RANDOM_BITS(struct mxi_call *c) {
  mx_array key = c->in[0], out = c->out[0];
  if (!out->size) return 0;
  const int64_t *strides[1] = {mxi_strides(key)};
  struct draw d = {.key_data = key->data, .key_step = mxi_strides(key)[key->ndim - 1], .out = out->data};
  mxi_region_init(&d.keys, key->ndim - 1, mxi_shape(key), 1, strides);
  d.bytes = out->size / d.keys.size * MXI_CALL_PARAMS(RANDOM_BITS, c)->width;
  int64_t words = mxi_ceil_div(d.bytes, 4);
  d.half = words / 2;
  d.odd = words % 2;
  d.chunks = mxi_max(1, mxi_ceil_div(d.half, CHUNK));
  d.keys_in_chunk = mxi_max(1, CHUNK / mxi_max(1, d.half));
  return mxi_parallel_for(d.chunks > 1 ? d.keys.size * d.chunks : mxi_ceil_div(d.keys.size, d.keys_in_chunk),
                          draw_chunk, &d);
}
