/* arange_DTYPE; update_DTYPE and update_wide_DTYPE (elements, or 16 bytes of them): a slice is written where
   each of its elements meets another. */
#include "cuda/kernels/combine.cuh"
#include "cuda/kernels/creation.h"
#include "cuda/kernels/elementwise.cuh"
#include "cuda/kernels/region.cuh"

enum {
  THREADS = MXI_CUDA_CREATION_THREADS,
  EACH = MXI_CUDA_CREATION_EACH,
  UPDATE_EACH = MXI_CUDA_UPDATE_EACH
};

template <class T> MXI_DEVICE T arange_element(const mxi_cuda_arange &p, int64_t i) {
  return mxi_cast<T>(p.start + static_cast<double>(i) * p.step);
}
template <class T> MXI_DEVICE T arange_integer(const mxi_cuda_arange &p, int64_t i) {
  return static_cast<T>(p.integer_start + static_cast<uint64_t>(i) * p.integer_step);
}
template <class T, T (*ELEMENT)(const mxi_cuda_arange &, int64_t)>
MXI_DEVICE void arange(const mxi_cuda_arange &p) {
  int64_t first = static_cast<int64_t>(blockIdx.x) * (THREADS * EACH) + threadIdx.x;
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    int64_t i = first + j * THREADS;
    if (i < p.size) static_cast<T *>(p.to)[i] = ELEMENT(p, i);
  }
}
#define ARANGE_INTEGER(dtype, T) \
  MXI_KERNEL(arange_##dtype, mxi_cuda_arange, THREADS) { arange<T, arange_integer<T>>(p); }
#define ARANGE(dtype, T) \
  MXI_KERNEL(arange_##dtype, mxi_cuda_arange, THREADS) { arange<T, arange_element<T>>(p); }
MXI_EACH_INTEGER(ARANGE_INTEGER)
ARANGE(bool, bool)
ARANGE(float16, mxi_f16)
ARANGE(bfloat16, mxi_bf16)
ARANGE(float32, float)
ARANGE(float64, double)
ARANGE(complex64, mxi_c64)

template <class T, int V> MXI_DEVICE void update(const mxi_cuda_update &p) {
  typedef mxi_pack_of<T, V> pack;
  uint32_t first = blockIdx.x * (THREADS * UPDATE_EACH) + threadIdx.x;
  pack *at[UPDATE_EACH], old[UPDATE_EACH], value[UPDATE_EACH];
#pragma unroll
  for (int j = 0; j < UPDATE_EACH; j++) {
    uint32_t i = first + j * THREADS;
    if (i >= p.region.size) break;
    int64_t offset[2] = {0, 0};
    mxi_region_offsets(p.region, i, offset);
    at[j] = static_cast<pack *>(p.to) + offset[0];
    old[j] = *at[j];
    value[j] = static_cast<const pack *>(p.from)[offset[1]];
  }
#pragma unroll
  for (int j = 0; j < UPDATE_EACH; j++) {
    if (first + j * THREADS >= p.region.size) break;
    mxi_combine_into(p.mode, old[j], value[j]);
    *at[j] = old[j];
  }
}
#define UPDATE(dtype, T)                                                    \
  MXI_KERNEL(update_##dtype, mxi_cuda_update, THREADS) { update<T, 1>(p); } \
  MXI_KERNEL(update_wide_##dtype, mxi_cuda_update, THREADS) { update<T, 16 / sizeof(T)>(p); }
MXI_EACH_DTYPE(UPDATE)
