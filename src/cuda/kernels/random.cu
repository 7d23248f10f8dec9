/* Threefry-2x32-20 (src/cpu/kernels/random.c): random_bits for one key, random_bits_many for several; _bytes
   where a key's output isn't whole words. A thread takes counters that lie a block apart, so that a warp
   writes whole lines. */
#include "cuda/kernels/random.h"
#include "cuda/kernels/region.cuh"

enum { THREADS = MXI_CUDA_RANDOM_THREADS, EACH = MXI_CUDA_RANDOM_EACH };

struct threefry_words {
  uint32_t x, y;
};

template <int R> MXI_DEVICE void threefry_round(threefry_words &w) {
  w.x += w.y;
  w.y = __funnelshift_l(w.y, w.y, R) ^ w.x;
}
template <int R0, int R1, int R2, int R3> MXI_DEVICE void four_rounds(threefry_words &w) {
  threefry_round<R0>(w);
  threefry_round<R1>(w);
  threefry_round<R2>(w);
  threefry_round<R3>(w);
}
MXI_DEVICE threefry_words threefry(threefry_words key, threefry_words w) {
  const uint32_t k0 = key.x, k1 = key.y, k2 = key.x ^ key.y ^ 0x1bd11bdau;
  w = {w.x + k0, w.y + k1};
  four_rounds<13, 15, 26, 6>(w);
  w = {w.x + k1, w.y + (k2 + 1)};
  four_rounds<17, 29, 16, 24>(w);
  w = {w.x + k2, w.y + (k0 + 2)};
  four_rounds<13, 15, 26, 6>(w);
  w = {w.x + k0, w.y + (k1 + 3)};
  four_rounds<17, 29, 16, 24>(w);
  w = {w.x + k1, w.y + (k2 + 4)};
  four_rounds<13, 15, 26, 6>(w);
  return {w.x + k2, w.y + (k0 + 5)};
}

/* Word i of a key's output, whose last may end within the word. */
template <bool BYTES> MXI_DEVICE void put_word(char *to, int64_t bytes, int64_t i, uint32_t word) {
  if (!BYTES)
    reinterpret_cast<uint32_t *>(to)[i] = word;
  else
    for (int b = 0; b < 4 && i * 4 + b < bytes; b++) to[i * 4 + b] = static_cast<char>(word >> (8 * b));
}

template <bool MANY, bool BYTES> MXI_DEVICE void draw_bits(const mxi_cuda_random &p) {
  int64_t counters = p.half + p.odd, upper = counters;
  int64_t first = static_cast<int64_t>(blockIdx.x) * (THREADS * EACH) + threadIdx.x;
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    int64_t i = first + j * THREADS, k = MANY ? i / counters : 0, offset[1] = {0};
    if (MANY ? k >= p.each.size : i >= counters) return;
    if (MANY) {
      i -= k * counters;
      mxi_region_offsets(p.each, static_cast<uint32_t>(k), offset);
    }
    threefry_words key = {p.keys[offset[0]], p.keys[offset[0] + p.key_step]};
    bool middle = i == p.half;
    threefry_words w =
        threefry(key, {static_cast<uint32_t>(i), middle ? 0 : static_cast<uint32_t>(upper + i)});
    char *to = p.to + k * p.bytes;
    put_word<BYTES>(to, p.bytes, i, w.x);
    if (!middle) put_word<BYTES>(to, p.bytes, upper + i, w.y);
  }
}
MXI_KERNEL(random_bits, mxi_cuda_random, THREADS) { draw_bits<false, false>(p); }
MXI_KERNEL(random_bits_bytes, mxi_cuda_random, THREADS) { draw_bits<false, true>(p); }
MXI_KERNEL(random_bits_many, mxi_cuda_random, THREADS) { draw_bits<true, false>(p); }
MXI_KERNEL(random_bits_many_bytes, mxi_cuda_random, THREADS) { draw_bits<true, true>(p); }
