/* Vectors of 32-bit lanes, transposed in registers. */
#ifndef MXI_CPU_KERNELS_TRANSPOSE_H
#define MXI_CPU_KERNELS_TRANSPOSE_H
#include "cpu/simd.h"

/* Lanes of a and b alternately: of their lower halves, of their upper halves. */
#if MXI_VL == 16
#define ZIP_LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HIGH(a, b) \
  __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif MXI_VL == 8
#define ZIP_LOW(a, b)  __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define ZIP_LOW(a, b)  __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define ZIP_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#endif

/* v as a square of MXI_VL rows: transposed by perfect shuffles of its halves. */
MXI_INLINE void transpose_square(vf32 v[MXI_VL]) {
  MXI_UNROLL
  for (int round = 1; round < MXI_VL; round *= 2) {
    vf32 w[MXI_VL];
    MXI_UNROLL
    for (int i = 0; i < MXI_VL / 2; i++) {
      w[2 * i] = ZIP_LOW(v[i], v[i + MXI_VL / 2]);
      w[2 * i + 1] = ZIP_HIGH(v[i], v[i + MXI_VL / 2]);
    }
    MXI_UNROLL
    for (int i = 0; i < MXI_VL; i++) v[i] = w[i];
  }
}
#endif
