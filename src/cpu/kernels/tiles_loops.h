/* Tile functions from what they do with one element, or with one vector of floats. */
#ifndef MXI_CPU_KERNELS_TILES_LOOPS_H
#define MXI_CPU_KERNELS_TILES_LOOPS_H
#include "cpu/kernels/tiles.h"

/* An expression of x, or of x and y, elements of type T; R is the type of the result. */
#define EACH_UNARY(name, T, R, expr) \
  static void name(MXI_TILE_ARGS) {  \
    const T *from = a;               \
    R *to = dst;                     \
    MXI_EACH {                       \
      T x = from[i];                 \
      (void)x;                       \
      to[i] = (R)(expr);             \
    }                                \
  }
#define EACH_BINARY(name, T, R, expr) \
  static void name(MXI_TILE_ARGS) {   \
    const T *left = a, *right = b;    \
    R *to = dst;                      \
    MXI_EACH {                        \
      T x = left[i], y = right[i];    \
      to[i] = (R)(expr);              \
    }                                 \
  }
/* Elements of the size of T, whatever they are. */
#define EACH_SELECT(name, T)                    \
  static void name(MXI_TILE_ARGS) {             \
    const uint8_t *which = a;                   \
    const T *yes = b, *no = c;                  \
    T *to = dst;                                \
    MXI_EACH to[i] = which[i] ? yes[i] : no[i]; \
  }

/* round(f(...)) of vectors of floats. */
#define F32_UNARY(name, round, f)                                                   \
  static void name(MXI_TILE_ARGS) {                                                 \
    const float *x = a;                                                             \
    float *to = dst;                                                                \
    for (int i = 0; i < n; i += MXI_VL)                                             \
      mxi_store_upto_f32(to + i, round(f(mxi_load_upto_f32(x + i, n - i))), n - i); \
  }
#define F32_BINARY(name, round, f)                                                   \
  static void name(MXI_TILE_ARGS) {                                                  \
    const float *x = a, *y = b;                                                      \
    float *to = dst;                                                                 \
    for (int i = 0; i < n; i += MXI_VL) {                                            \
      vf32 u = mxi_load_upto_f32(x + i, n - i), v = mxi_load_upto_f32(y + i, n - i); \
      mxi_store_upto_f32(to + i, round(f(u, v)), n - i);                             \
    }                                                                                \
  }
/* For results that float32 holds as they are. */
#define UNROUNDED(x) (x)
#endif
