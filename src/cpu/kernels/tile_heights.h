/* Tiles of h x 2 vectors of accumulators that stay in registers, one function for each height h up to MR. */
#ifndef MXI_CPU_KERNELS_TILE_HEIGHTS_H
#define MXI_CPU_KERNELS_TILE_HEIGHTS_H
#if defined(__AVX512F__)
enum { MR = 14 }; /* 28 accumulators, 2 vectors of the other operand, 1 broadcast: 31 of 32 registers */
#define EACH_HEIGHT EACH_HEIGHT_TO_14
#elif defined(__AVX2__)
enum { MR = 6 }; /* 12 accumulators, 2 vectors, 1 broadcast: 15 of 16 */
#define EACH_HEIGHT EACH_HEIGHT_TO_6
#else
enum { MR = 4 };
#define EACH_HEIGHT EACH_HEIGHT_TO_4
#endif
/* X(name, 1) X(name, 2) ... X(name, MR) */
#define EACH_HEIGHT_TO_4(X, name) X(name, 1) X(name, 2) X(name, 3) X(name, 4)
#define EACH_HEIGHT_TO_6(X, name) EACH_HEIGHT_TO_4(X, name) X(name, 5) X(name, 6)
#define EACH_HEIGHT_TO_14(X, name) \
  EACH_HEIGHT_TO_6(X, name)        \
  X(name, 7) X(name, 8) X(name, 9) X(name, 10) X(name, 11) X(name, 12) X(name, 13) X(name, 14)
#endif
