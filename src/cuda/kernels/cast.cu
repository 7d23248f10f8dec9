/* Copies that cast: a kernel for each dtype that is read. What is written is chosen when it runs, for all
   elements alike. */
#include "cuda/kernels/copy.h"
#include "cuda/kernels/elements.cuh"
#include "cuda/kernels/elementwise.cuh"
#include "cuda/kernels/region.cuh"
#include "mlx/dtype.h"

enum { THREADS = MXI_CUDA_COPY_THREADS, EACH = MXI_CUDA_COPY_EACH };

template <class To, class From>
MXI_DEVICE void store_all(char *to, const int64_t (&offset)[EACH][2], const From (&value)[EACH], uint32_t n) {
#pragma unroll
  for (uint32_t j = 0; j < EACH; j++)
    if (j < n) reinterpret_cast<To *>(to)[offset[j][0]] = mxi_cast<To>(value[j]);
}

template <class From> MXI_DEVICE void cast_region(const mxi_cuda_cast &p) {
  uint32_t first = blockIdx.x * (THREADS * EACH) + threadIdx.x, n = 0;
  From value[EACH];
  int64_t offset[EACH][2] = {};
#pragma unroll
  for (int j = 0; j < EACH; j++) {
    uint32_t i = first + j * THREADS;
    if (i >= p.copy.region.size) break;
    mxi_region_offsets(p.copy.region, i, offset[j]);
    value[j] = reinterpret_cast<const From *>(p.copy.from)[offset[j][1]];
    n++;
  }
  switch (p.dtype) {
  case MX_BOOL: return store_all<bool>(p.copy.to, offset, value, n);
  case MX_UINT8: return store_all<uint8_t>(p.copy.to, offset, value, n);
  case MX_UINT16: return store_all<uint16_t>(p.copy.to, offset, value, n);
  case MX_UINT32: return store_all<uint32_t>(p.copy.to, offset, value, n);
  case MX_UINT64: return store_all<uint64_t>(p.copy.to, offset, value, n);
  case MX_INT8: return store_all<int8_t>(p.copy.to, offset, value, n);
  case MX_INT16: return store_all<int16_t>(p.copy.to, offset, value, n);
  case MX_INT32: return store_all<int32_t>(p.copy.to, offset, value, n);
  case MX_INT64: return store_all<int64_t>(p.copy.to, offset, value, n);
  case MX_FLOAT16: return store_all<mxi_f16>(p.copy.to, offset, value, n);
  case MX_BFLOAT16: return store_all<mxi_bf16>(p.copy.to, offset, value, n);
  case MX_FLOAT32: return store_all<float>(p.copy.to, offset, value, n);
  case MX_FLOAT64: return store_all<double>(p.copy.to, offset, value, n);
  default: return store_all<mxi_c64>(p.copy.to, offset, value, n);
  }
}
#define KERNEL(dtype, T) \
  MXI_KERNEL(cast_##dtype, mxi_cuda_cast, THREADS) { cast_region<T>(p); }
MXI_EACH_DTYPE(KERNEL)
