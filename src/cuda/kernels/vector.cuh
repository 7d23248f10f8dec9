/* Elements that are read and written together: 16 bytes where they lie so. */
#ifndef MXI_CUDA_KERNELS_VECTOR_CUH
#define MXI_CUDA_KERNELS_VECTOR_CUH
#include "cuda/kernels/kernel.cuh"

enum { MXI_VECTOR_BYTES = 16 };
template <class T> struct mxi_vector_of {
  enum { size = sizeof(T) < 16 ? 16 / (int)sizeof(T) : 1 };
};

template <class T, int N> struct alignas(N * sizeof(T) < 16 ? N * sizeof(T) : 16) mxi_vector { T v[N]; };
/* N elements from an address that is aligned to all of them (N * sizeof(T) <= 16, or a multiple of it). */
template <int N, class T> MXI_DEVICE mxi_vector<T, N> mxi_load_vector(const T *from) {
  return *reinterpret_cast<const mxi_vector<T, N> *>(from);
}
template <int N, class T> MXI_DEVICE void mxi_store_vector(T *to, const mxi_vector<T, N> &x) {
  *reinterpret_cast<mxi_vector<T, N> *>(to) = x;
}
#endif
