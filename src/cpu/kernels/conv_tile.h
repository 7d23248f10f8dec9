/* Tiles of a direct convolution in float32: `height` neighbouring output pixels of a line by two vectors of
   outputs. The input is a padded strip, (lines, pixels, channels) without gaps, so the elements under a
   tile's pixels are always one distance apart and are read where they lie. */
#ifndef MXI_CPU_KERNELS_CONV_TILE_H
#define MXI_CPU_KERNELS_CONV_TILE_H
#include "cpu/isa.h"
#include <stdint.h>

/* The elements under one output pixel: runs of `run` contiguous ones, at these offsets from the first. */
struct mxi_patch {
  int64_t runs, run;
  const int64_t *offsets;
  int64_t pixel; /* elements from a pixel's patch to its neighbour's */
};
/* y[height][cols] (row stride y_row) = patches at a * b[runs * run][nr], cols <= nr. */
typedef void (*mxi_conv_tile_fn)(const struct mxi_patch *p, const float *a, const float *b, float *y,
                                 int64_t y_row, int64_t cols);
struct mxi_conv_tiles {
  int mr, nr;
  const mxi_conv_tile_fn *tiles; /* tiles[height - 1], height <= mr */
};
MXI_DECLARE_KERNEL(const struct mxi_conv_tiles *, mxi_conv_tiles, (void));
#endif
