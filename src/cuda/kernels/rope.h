/* Rotary position embedding: x is (batches, rows, positions, width), where a batch has one offset. A block
   takes a tile of positions and up to BLOCK pairs: an angle a thread, whose cosines and sines then serve
   `rows_each` rows. */
#ifndef MXI_CUDA_KERNELS_ROPE_H
#define MXI_CUDA_KERNELS_ROPE_H
#include "cuda/kernels/axes.h"

enum { MXI_CUDA_ROPE_BLOCK = 256 };

struct mxi_cuda_rope {
  const void *x;
  void *out;
  const void *offset; /* integers, offset_step apart for each batch */
  int64_t offset_step;
  const float *frequencies; /* wavelengths, rather; NULL: powers of the base */
  int64_t frequency_step;
  double factor, log_ratio; /* of the angles; of neighbouring powers */
  int64_t batches, rows, positions, width, pairs;
  int64_t x_step, out_step; /* from a position to the next */
  int32_t offset_bytes, offset_signed;
  int32_t traditional; /* pairs are neighbours */
  int32_t tile_positions, tile_pairs;
  int64_t position_tiles, pair_tiles, rows_each, row_tiles;
  struct mxi_cuda_axes axes; /* of batches and rows together */
};
#endif
