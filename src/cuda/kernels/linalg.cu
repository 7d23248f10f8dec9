/* triangle_DTYPE: one triangle of Cholesky factors. */
#include "cuda/kernels/kernel.cuh"
#include "cuda/kernels/linalg.h"

template <class T> MXI_DEVICE void keep_triangle(const mxi_cuda_triangle &p) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * MXI_CUDA_LINALG_THREADS + threadIdx.x;
  if (i >= p.size) return;
  const int64_t line = i / p.n, column = i % p.n, row = line % p.n;
  T *a = static_cast<T *>(p.a);
  if (row == column) {
    if (!(a[i] > 0)) p.infos[line / p.n] = 1;
  } else if ((row > column) == (p.upper != 0))
    a[i] = 0;
}
MXI_KERNEL(triangle_float32, mxi_cuda_triangle, MXI_CUDA_LINALG_THREADS) { keep_triangle<float>(p); }
MXI_KERNEL(triangle_float64, mxi_cuda_triangle, MXI_CUDA_LINALG_THREADS) { keep_triangle<double>(p); }
