/* Reading indices of any integer dtype, and checking them. */
#ifndef MXI_CUDA_KERNELS_INDEX_CUH
#define MXI_CUDA_KERNELS_INDEX_CUH
#include "cuda/kernels/error.cuh"
#include "cuda/kernels/index.h"
#include "mlx/dtype.h"

/* N of them, as 64 bits: all loads are in flight together. */
template <class T, int N>
MXI_DEVICE void mxi_load_indices_of(const void *address, const int64_t (&at)[N], int64_t (&index)[N]) {
  T value[N];
#pragma unroll
  for (int j = 0; j < N; j++) value[j] = static_cast<const T *>(address)[at[j]];
#pragma unroll
  for (int j = 0; j < N; j++) index[j] = static_cast<int64_t>(value[j]);
}
template <int N>
MXI_DEVICE void mxi_load_indices(int dtype, const void *address, const int64_t (&at)[N],
                                 int64_t (&index)[N]) {
  switch (dtype) {
  case MX_UINT8: return mxi_load_indices_of<uint8_t>(address, at, index);
  case MX_UINT16: return mxi_load_indices_of<uint16_t>(address, at, index);
  case MX_UINT32: return mxi_load_indices_of<uint32_t>(address, at, index);
  case MX_INT8: return mxi_load_indices_of<int8_t>(address, at, index);
  case MX_INT16: return mxi_load_indices_of<int16_t>(address, at, index);
  case MX_INT32: return mxi_load_indices_of<int32_t>(address, at, index);
  default: return mxi_load_indices_of<int64_t>(address, at, index);
  }
}

/* The offset to which an index of array k leads, unless it is out of bounds, which is noted. Indices of
   uint64 don't wrap. */
MXI_DEVICE bool mxi_index_offset(const mxi_cuda_indices &x, int k, int64_t index, int64_t &offset) {
  bool is_unsigned = x.dtype == MX_UINT64;
  int64_t i = index < 0 && !is_unsigned ? index + x.of[k].bound : index;
  bool good = static_cast<uint64_t>(i) < static_cast<uint64_t>(x.of[k].limit);
  if (!good)
    mxi_note_index(x.error, x.op | (is_unsigned ? MXI_CUDA_ERROR_UNSIGNED : 0), index, x.of[k].bound,
                   x.of[k].axis);
  offset = i * x.of[k].stride;
  return good;
}

/* Where the slice starts. */
MXI_DEVICE int64_t mxi_origin_offset(const mxi_cuda_origin &o) {
  int64_t offset = 0;
  for (int k = 0; k < o.naxes; k++) {
    int64_t at[1] = {k * o.step}, index[1];
    mxi_load_indices(o.dtype, o.start, at, index);
    bool above = index[0] > o.limit[k] || (index[0] < 0 && o.dtype == MX_UINT64);
    offset += (above ? o.limit[k] : index[0] < 0 ? 0 : index[0]) * o.stride[k];
  }
  return offset;
}
#endif
