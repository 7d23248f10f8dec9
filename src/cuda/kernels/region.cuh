/* From the number of an element to where it is in each operand. */
#ifndef MXI_CUDA_KERNELS_REGION_CUH
#define MXI_CUDA_KERNELS_REGION_CUH
#include "cuda/kernels/kernel.cuh"
#include "cuda/kernels/region.h"

MXI_DEVICE uint32_t mxi_divide(uint32_t i, const struct mxi_cuda_divisor &d) {
  return (__umulhi(i, d.magic) + i) >> d.shift;
}
/* i becomes the quotient; the remainder is returned. */
MXI_DEVICE uint32_t mxi_divide_off(uint32_t &i, const struct mxi_cuda_divisor &d) {
  uint32_t quotient = mxi_divide(i, d), remainder = i - quotient * d.divisor;
  i = quotient;
  return remainder;
}

/* Adds element i's offsets, in elements, for the first N operands. */
template <int N>
MXI_DEVICE void mxi_region_offsets(const struct mxi_cuda_region &r, uint32_t i, int64_t (&offset)[N]) {
  for (int k = r.ndim - 1; k > 0; k--) {
    int64_t at = mxi_divide_off(i, r.shape[k]);
    for (int o = 0; o < N; o++) offset[o] += at * r.strides[o][k];
  }
  if (r.ndim)
    for (int o = 0; o < N; o++) offset[o] += i * r.strides[o][0];
}
#endif
