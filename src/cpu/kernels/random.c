/* Threefry-2x32-20: J. Salmon, M. Moraes, R. Dror, D. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC
   2011. Two 32-bit words x, y; a round is x += y; y = rotate(y, r) ^ x; after every fourth round a key is
   added, from k0, k1 and k2 = k0 ^ k1 ^ 0x1bd11bda in turn, and the number of the addition. */
#include "cpu/kernels/random.h"
#include "cpu/simd.h"

enum { GROUPS = 4 }; /* vectors in flight: a round is a chain of three dependent instructions */

#define ROUND(r)                                          \
  for (int g = 0; g < GROUPS; g++) {                      \
    x[g] += y[g];                                         \
    y[g] = ((y[g] << (r)) | (y[g] >> (32 - (r)))) ^ x[g]; \
  }
#define INJECT(i)                             \
  for (int g = 0; g < GROUPS; g++) {          \
    x[g] += k[(i) % 3];                       \
    y[g] += k[((i) + 1) % 3] + (uint32_t)(i); \
  }
#define FOUR_ROUNDS(i, r0, r1, r2, r3) ROUND(r0) ROUND(r1) ROUND(r2) ROUND(r3) INJECT(i)

MXI_INLINE void block(const uint32_t k[3], vu32 x[GROUPS], vu32 y[GROUPS]) {
  INJECT(0)
  FOUR_ROUNDS(1, 13, 15, 26, 6)
  FOUR_ROUNDS(2, 17, 29, 16, 24)
  FOUR_ROUNDS(3, 13, 15, 26, 6)
  FOUR_ROUNDS(4, 17, 29, 16, 24)
  FOUR_ROUNDS(5, 13, 15, 26, 6)
}

void MXI_ISA_NAME(mxi_threefry)(const uint32_t key[2], uint32_t first, uint32_t second, int64_t n,
                                uint32_t *a, uint32_t *b) {
  const uint32_t k[3] = {key[0], key[1], key[0] ^ key[1] ^ 0x1bd11bdau};
  vu32 lane;
  for (int i = 0; i < MXI_VL; i++) lane[i] = (uint32_t)i;
  for (int64_t i = 0; i < n; i += GROUPS * MXI_VL) {
    vu32 x[GROUPS], y[GROUPS];
    for (int g = 0; g < GROUPS; g++) {
      x[g] = lane + (first + (uint32_t)(i + g * MXI_VL));
      y[g] = lane + (second + (uint32_t)(i + g * MXI_VL));
    }
    block(k, x, y);
    if (i + GROUPS * MXI_VL <= n)
      for (int g = 0; g < GROUPS; g++) {
        mxi_store_u32(a + i + g * MXI_VL, x[g]);
        mxi_store_u32(b + i + g * MXI_VL, y[g]);
      }
    else {
      memcpy(a + i, x, (size_t)(n - i) * sizeof *a);
      memcpy(b + i, y, (size_t)(n - i) * sizeof *b);
    }
  }
}
