#include "cpu/kernels/conv_tile.h"
#include "cpu/kernels/gemm_kernels.h"
#include "cpu/kernels/multiply_add.h"
#include "cpu/kernels/tile_heights.h"
#include "cpu/simd.h"

enum { PER_POINTER = 3, POINTERS = (MR + PER_POINTER - 1) / PER_POINTER };

/* Each pointer serves three pixels, at 0, 1 and 2 times the distance: so many addresses fit the registers. */
MXI_INLINE void conv_tile(int h, const struct mxi_patch *p, const float *a, const float *b, float *y,
                          int64_t y_row, int64_t cols) {
  vf32 acc[MR][2];
  int64_t pixel = p->pixel, run = p->run;
  MXI_UNROLL
  for (int i = 0; i < h; i++) acc[i][0] = acc[i][1] = (vf32){0};
  for (int64_t r = 0; r < p->runs; r++) {
    const float *at[POINTERS];
    MXI_UNROLL
    for (int j = 0; j < POINTERS; j++) at[j] = a + p->offsets[r] + j * PER_POINTER * pixel;
    for (int64_t k = 0; k < run; k++, b += 2 * MXI_VL) {
      vf32 b0 = mxi_load_f32(b), b1 = mxi_load_f32(b + MXI_VL);
      MXI_UNROLL
      for (int i = 0; i < h; i++) {
        vf32 x = mxi_set_f32(at[i / PER_POINTER][i % PER_POINTER * pixel]);
        acc[i][0] = multiply_add_f32(x, b0, acc[i][0]);
        acc[i][1] = multiply_add_f32(x, b1, acc[i][1]);
      }
      MXI_UNROLL
      for (int j = 0; j < POINTERS; j++) at[j]++;
    }
  }
  MXI_UNROLL
  for (int i = 0; i < h; i++, y += y_row) {
    if (cols >= MXI_VL)
      mxi_store_f32(y, acc[i][0]);
    else
      mxi_storen_f32(y, acc[i][0], cols);
    if (cols >= 2 * MXI_VL)
      mxi_store_f32(y + MXI_VL, acc[i][1]);
    else if (cols > MXI_VL)
      mxi_storen_f32(y + MXI_VL, acc[i][1], cols - MXI_VL);
  }
}

#define TILE_OF_HEIGHT(name, h)                                                                              \
  static void name##_##h(const struct mxi_patch *p, const float *a, const float *b, float *y, int64_t y_row, \
                         int64_t cols) {                                                                     \
    conv_tile(h, p, a, b, y, y_row, cols);                                                                   \
  }
EACH_HEIGHT(TILE_OF_HEIGHT, tile)
#define TILE_ENTRY(name, h) name##_##h,

const struct mxi_conv_tiles *MXI_ISA_NAME(mxi_conv_tiles)(void) {
  static const mxi_conv_tile_fn tiles[MR] = {EACH_HEIGHT(TILE_ENTRY, tile)};
  static const struct mxi_conv_tiles kernels = {.mr = MR, .nr = 2 * MXI_VL, .tiles = tiles};
  return &kernels;
}
