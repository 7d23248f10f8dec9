/* Elements by dtype: MXI_EACH_DTYPE(X) calls X with each name and the type that holds it. */
#ifndef MXI_CUDA_KERNELS_ELEMENTS_CUH
#define MXI_CUDA_KERNELS_ELEMENTS_CUH
#include "cuda/kernels/complex.cuh"
#include "cuda/kernels/half.cuh"

/* V elements side by side, moved as one. */
template <class T, int V> struct alignas(V * sizeof(T)) mxi_pack_of { T of[V]; };

#define MXI_EACH_INTEGER(X) \
  X(uint8, uint8_t)         \
  X(uint16, uint16_t)       \
  X(uint32, uint32_t)       \
  X(uint64, uint64_t) X(int8, int8_t) X(int16, int16_t) X(int32, int32_t) X(int64, int64_t)
#define MXI_EACH_DTYPE(X) \
  X(bool, bool)           \
  MXI_EACH_INTEGER(X)     \
  X(float16, mxi_f16) X(bfloat16, mxi_bf16) X(float32, float) X(float64, double) X(complex64, mxi_c64)
#endif
