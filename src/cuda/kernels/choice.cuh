/* The matrices of a product. */
#ifndef MXI_CUDA_KERNELS_CHOICE_CUH
#define MXI_CUDA_KERNELS_CHOICE_CUH
#include "cuda/kernels/choice.h"
#include "cuda/kernels/index.cuh"
#include "cuda/kernels/region.cuh"

/* The matrix at an offset of one side; -1, which is noted, if its index is out of bounds. */
MXI_DEVICE int64_t mxi_chosen_matrix(const mxi_cuda_choice &c, const mxi_cuda_chosen_side &side,
                                     int64_t offset) {
  if (!side.indices) return offset;
  const int64_t at[1] = {offset};
  int64_t index[1];
  mxi_load_indices(side.dtype, side.indices, at, index);
  const bool is_unsigned = side.dtype == MX_UINT64;
  const int64_t i = index[0] < 0 && !is_unsigned ? index[0] + side.matrices : index[0];
  if (static_cast<uint64_t>(i) < static_cast<uint64_t>(side.matrices)) return i;
  mxi_note_index(c.error, c.op | (is_unsigned ? MXI_CUDA_ERROR_UNSIGNED : 0), index[0], side.matrices, 0);
  return -1;
}

/* Those of a product; false where an index is out of bounds. */
MXI_DEVICE bool mxi_find_chosen(const mxi_cuda_choice &c, uint32_t product, int64_t &left, int64_t &right) {
  left = right = product;
  if (!c.chosen) return true;
  uint32_t place = c.first + product;
  int64_t offset[2] = {0, 0};
  for (int d = c.ndim - 1; d >= 0; d--) {
    const int64_t at = d ? mxi_divide_off(place, c.shape[d]) : place;
    offset[0] += at * c.side[0].strides[d];
    offset[1] += at * c.side[1].strides[d];
  }
  left = mxi_chosen_matrix(c, c.side[0], offset[0]);
  right = mxi_chosen_matrix(c, c.side[1], offset[1]);
  return left >= 0 && right >= 0;
}
#endif
