/* Tiles of the packed product in float32 and float64: an outer product per k, h x 2 vectors of accumulators
   in registers. Every tile of any height sums k in the same order, so results don't depend on how C is cut.
 */
#include "cpu/kernels/gemm_kernels.h"
#include "cpu/kernels/gemm_pack.h"
#include "cpu/kernels/multiply_add.h"
#include "cpu/kernels/tile_heights.h"
#include "cpu/simd.h"

enum { AHEAD = 8 }; /* steps of k that a panel is fetched before, from the second-level cache */

#define TILE(T, V, name)                                                                              \
  MXI_INLINE void tile_##name(int h, int64_t kc, const T *a, const T *b, const T *in, int64_t in_row, \
                              T *out, int64_t out_row) {                                              \
    enum { L = sizeof(V) / sizeof(T) };                                                               \
    V acc[MR][2];                                                                                     \
    MXI_UNROLL                                                                                        \
    for (int i = 0; i < h; i++) {                                                                     \
      acc[i][0] = acc[i][1] = (V){0};                                                                 \
      __builtin_prefetch(out + i * out_row);                                                          \
      __builtin_prefetch(out + i * out_row + L);                                                      \
    }                                                                                                 \
    _Pragma("GCC unroll 4")                                                                           \
    for (int64_t k = 0; k < kc; k++, a += h, b += 2 * L) {                                            \
      V b0 = mxi_load_##name(b), b1 = mxi_load_##name(b + L);                                         \
      __builtin_prefetch(b + AHEAD * 2 * L);                                                          \
      __builtin_prefetch(b + AHEAD * 2 * L + L);                                                      \
      MXI_UNROLL                                                                                      \
      for (int i = 0; i < h; i++) {                                                                   \
        acc[i][0] = multiply_add_##name(mxi_set_##name(a[i]), b0, acc[i][0]);                         \
        acc[i][1] = multiply_add_##name(mxi_set_##name(a[i]), b1, acc[i][1]);                         \
      }                                                                                               \
    }                                                                                                 \
    MXI_UNROLL                                                                                        \
    for (int i = 0; i < h; i++) {                                                                     \
      if (in) {                                                                                       \
        acc[i][0] += mxi_load_##name(in + i * in_row);                                                \
        acc[i][1] += mxi_load_##name(in + i * in_row + L);                                            \
      }                                                                                               \
      mxi_store_##name(out + i * out_row, acc[i][0]);                                                 \
      mxi_store_##name(out + i * out_row + L, acc[i][1]);                                             \
    }                                                                                                 \
  }
TILE(float, vf32, f32)
TILE(double, vf64, f64)

#define TILE_OF_HEIGHT(name, h)                                                                           \
  static void tile_##name##_##h(int64_t kc, const void *a, const void *b, const void *in, int64_t in_row, \
                                void *out, int64_t out_row) {                                             \
    tile_##name(h, kc, a, b, in, in_row, out, out_row);                                                   \
  }
EACH_HEIGHT(TILE_OF_HEIGHT, f32)
EACH_HEIGHT(TILE_OF_HEIGHT, f64)

#define TILE_ENTRY(name, h) tile_##name##_##h,
static const mxi_gemm_tile_fn tiles_f32[MR] = {EACH_HEIGHT(TILE_ENTRY, f32)};
static const mxi_gemm_tile_fn tiles_f64[MR] = {EACH_HEIGHT(TILE_ENTRY, f64)};

static void finish_f64(const void *tile, int64_t tile_row, const struct mxi_gemm_finish *f) {
  for (int64_t i = 0; i < f->rows; i++) {
    const double *t = (const double *)tile + i * tile_row;
    double *c = (double *)f->c + i * f->c_row;
    if (f->c0) {
      const double *c0 = (const double *)f->c0 + i * f->c0_row;
      for (int64_t j = 0; j < f->cols; j++) c[j] = f->alpha * t[j] + f->beta * c0[j * f->c0_col];
    } else
      for (int64_t j = 0; j < f->cols; j++) c[j] = f->alpha * t[j];
  }
}

#define NEGATE(T, name)                                                   \
  static void name(void *values, int64_t n) {                             \
    for (int64_t i = 0; i < n; i++) ((T *)values)[i] = -((T *)values)[i]; \
  }
NEGATE(float, negate_f32)
NEGATE(double, negate_f64)

const struct mxi_gemm_kernels *MXI_ISA_NAME(mxi_gemm_f32)(void) {
  static const struct mxi_gemm_kernels kernels = {
      .mr = MR,
      .nr = 2 * MXI_VL,
      .unit = 1,
      .unit_bytes = 4,
      .size = 4,
      .kc = 384,
      .tiles = tiles_f32,
      .finish = mxi_gemm_finish_f32,
      .negate = negate_f32,
      .pack = {[MX_FLOAT32] = mxi_pack_f32, [MX_FLOAT16] = mxi_pack_f16, [MX_BFLOAT16] = mxi_pack_bf16}};
  return &kernels;
}
const struct mxi_gemm_kernels *MXI_ISA_NAME(mxi_gemm_f64)(void) {
  static const struct mxi_gemm_kernels kernels = {.mr = MR,
                                                  .nr = 2 * MXI_VD,
                                                  .unit = 1,
                                                  .unit_bytes = 8,
                                                  .size = 8,
                                                  .kc = 256,
                                                  .tiles = tiles_f64,
                                                  .finish = finish_f64,
                                                  .negate = negate_f64,
                                                  .pack = {[MX_FLOAT64] = mxi_pack_f64}};
  return &kernels;
}
