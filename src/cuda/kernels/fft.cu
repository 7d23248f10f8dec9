/* x *= scale, in place. */
#include "cuda/kernels/fft.h"
#include "cuda/kernels/vector.cuh"

MXI_KERNEL(fft_scale, mxi_cuda_fft_scale, MXI_CUDA_FFT_THREADS) {
  enum { V = 2, STEP = V * MXI_CUDA_FFT_THREADS, COUNT = MXI_CUDA_FFT_EACH / V };
  const int64_t first = static_cast<int64_t>(blockIdx.x) * (COUNT * STEP) + V * threadIdx.x;
  mxi_vector<float, V> x[COUNT];
#pragma unroll
  for (int j = 0; j < COUNT; j++)
    if (first + j * STEP + V <= p.n) x[j] = mxi_load_vector<V>(p.x + first + j * STEP);
#pragma unroll
  for (int j = 0; j < COUNT; j++) {
    const int64_t i = first + j * STEP;
    if (i + V <= p.n) {
      for (int e = 0; e < V; e++) x[j].v[e] *= p.scale;
      mxi_store_vector(p.x + i, x[j]);
    } else if (i < p.n)
      p.x[i] *= p.scale;
  }
}
