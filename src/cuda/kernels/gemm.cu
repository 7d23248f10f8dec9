/* A product of any strides: a block computes a square tile, a thread an element of it, from tiles of a and b
   in shared memory. Simple, not fast: it is the last resort. */
#include "cuda/kernels/gemm.h"
#include "cuda/kernels/complex.cuh"
#include "cuda/kernels/half.cuh"

enum { SIDE = MXI_CUDA_GEMM_TILE };

/* What elements are summed in. */
MXI_DEVICE double widened(double x) { return x; }
MXI_DEVICE mxi_c64 widened(mxi_c64 x) { return x; }
MXI_DEVICE float widened(float x) { return x; }
MXI_DEVICE float widened(mxi_bf16 x) { return mxi_to_float(x); }
MXI_DEVICE float widened(mxi_f16 x) { return mxi_to_float(x); }
template <class T> struct sum_of {
  typedef float type;
  MXI_DEVICE T narrowed(float x) { return mxi_of_float<T>(x); }
};
template <> struct sum_of<double> {
  typedef double type;
  MXI_DEVICE double narrowed(double x) { return x; }
};
template <> struct sum_of<mxi_c64> {
  typedef mxi_c64 type;
  MXI_DEVICE mxi_c64 narrowed(mxi_c64 x) { return x; }
};
MXI_DEVICE float plus_product(float sum, float a, float b) { return fmaf(a, b, sum); }
MXI_DEVICE double plus_product(double sum, double a, double b) { return fma(a, b, sum); }
MXI_DEVICE mxi_c64 plus_product(mxi_c64 sum, mxi_c64 a, mxi_c64 b) {
  sum.re = fmaf(-a.im, b.im, fmaf(a.re, b.re, sum.re));
  sum.im = fmaf(a.im, b.re, fmaf(a.re, b.im, sum.im));
  return sum;
}
MXI_DEVICE float times(double factor, float x) { return static_cast<float>(factor) * x; }
MXI_DEVICE double times(double factor, double x) { return factor * x; }
MXI_DEVICE mxi_c64 times(double factor, mxi_c64 x) {
  return mxi_complex(static_cast<float>(factor) * x.re, static_cast<float>(factor) * x.im);
}

template <class T> MXI_DEVICE void strided_gemm(const mxi_cuda_strided_gemm &p) {
  typedef typename sum_of<T>::type sum_type;
  __shared__ sum_type a_tile[SIDE][SIDE], b_tile[SIDE][SIDE];
  const int x = threadIdx.x % SIDE, y = threadIdx.x / SIDE;
  const int64_t tiles = (p.n + SIDE - 1) / SIDE;
  const int64_t row = blockIdx.x / tiles * SIDE + y, column = blockIdx.x % tiles * SIDE + x;
  const bool has_row = row < p.m, has_column = column < p.n;
  const T *a = static_cast<const T *>(p.a) + blockIdx.z * p.a_batch + (has_row ? row : 0) * p.a_row;
  const T *b = static_cast<const T *>(p.b) + blockIdx.z * p.b_batch + (has_column ? column : 0) * p.b_column;
  sum_type sum = {}, zero = {};
  for (int64_t l = 0; l < p.k; l += SIDE) {
    a_tile[y][x] = has_row && l + x < p.k ? widened(a[(l + x) * p.a_column]) : zero;
    b_tile[y][x] = has_column && l + y < p.k ? widened(b[(l + y) * p.b_row]) : zero;
    __syncthreads();
    for (int i = 0; i < SIDE; i++) sum = plus_product(sum, a_tile[y][i], b_tile[i][x]);
    __syncthreads();
  }
  if (!has_row || !has_column) return;
  sum = times(p.alpha, sum);
  if (p.c) {
    const T *c = static_cast<const T *>(p.c) + blockIdx.z * p.c_batch;
    sum = sum + times(p.beta, widened(c[row * p.c_row + column * p.c_column]));
  }
  static_cast<T *>(p.d)[blockIdx.z * p.d_batch + row * p.d_row + column] = sum_of<T>::narrowed(sum);
}

MXI_KERNEL(gemm_strided_float16, mxi_cuda_strided_gemm, SIDE *SIDE) { strided_gemm<mxi_f16>(p); }
MXI_KERNEL(gemm_strided_bfloat16, mxi_cuda_strided_gemm, SIDE *SIDE) { strided_gemm<mxi_bf16>(p); }
MXI_KERNEL(gemm_strided_float32, mxi_cuda_strided_gemm, SIDE *SIDE) { strided_gemm<float>(p); }
MXI_KERNEL(gemm_strided_float64, mxi_cuda_strided_gemm, SIDE *SIDE) { strided_gemm<double>(p); }
MXI_KERNEL(gemm_strided_complex64, mxi_cuda_strided_gemm, SIDE *SIDE) { strided_gemm<mxi_c64>(p); }
