/* rms_norm and layer_norm of rows: y = (x - mean) / sqrt(mean((x - mean)^2) + eps) * weight + bias, where
   rms_norm takes the mean to be 0. Halves are computed in float. A row is read once, into registers; one that
   is too long for them is read again for each of its sums. */
#include "cuda/kernels/rows.cuh"

enum { NORM_LONG_BLOCK = 1024 };

template <class A> MXI_DEVICE A norm_factor(A squares, int64_t n, double eps) {
  return 1 / mxi_sqrt(squares / static_cast<A>(n) + static_cast<A>(eps));
}

/* A vector of the result. */
template <class T, class A>
MXI_DEVICE mxi_row_vector<T> norm_apply(const mxi_row_vector<T> &x, A center, A factor,
                                        const mxi_row_vector<T> &weight, const mxi_row_vector<T> &bias) {
  A y[mxi_vector_of<T>::size];
#pragma unroll
  for (int e = 0; e < mxi_vector_of<T>::size; e++)
    y[e] = mxi_fma((x.at(e) - center) * factor, static_cast<A>(weight.at(e)), static_cast<A>(bias.at(e)));
  return mxi_row_narrow<T>(y);
}
/* `count` elements of weight or bias, or the factor 1 and the term -0, which change nothing. */
template <class T>
MXI_DEVICE mxi_row_vector<T> norm_parameter(const void *row, int64_t at, int count, bool whole, float none) {
  const T rest = mxi_convert<T>::of(static_cast<typename mxi_widened<T>::type>(none));
  return mxi_load_part(static_cast<const T *>(row) + at, row ? count : 0, whole, rest);
}

template <class T, int K> MXI_DEVICE void norm_rows(const mxi_cuda_norm &p) {
  enum { V = mxi_vector_of<T>::size };
  typedef typename mxi_widened<T>::type acc;
  __shared__ acc space[2][32];
  mxi_grid_wait();
  const mxi_row<T> row(p.at);
  const T *from = static_cast<const T *>(p.at.x) + row.number * p.at.step;
  T *to = static_cast<T *>(p.at.out) + row.number * p.at.n;
  mxi_row_vector<T> x[K], weight[K], bias[K];
#pragma unroll
  for (int k = 0; k < K; k++) x[k] = row.load(from, k, p.at.vectors, T());
  if (K < 8) /* early, so that they arrive while the row is summed up */
#pragma unroll
    for (int k = 0; k < K; k++)
      weight[k] = norm_parameter<T>(p.weight, row.place(k), row.n - row.place(k), p.parameters, 1);
  acc center = 0;
  if (p.centered) {
    acc sums[V] = {};
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
      for (int e = 0; e < V; e++) sums[e] += x[k].at(e);
    center =
        row.template combine<mxi_sum>(mxi_lanes_combine<mxi_sum>(sums), space[0]) / static_cast<acc>(p.at.n);
  }
  acc squares[V] = {};
#pragma unroll
  for (int k = 0; k < K; k++) {
    x[k].stay_narrow();
#pragma unroll
    for (int e = 0; e < V; e++) {
      const acc d = row.place(k) + e < row.n ? x[k].at(e) - center : acc(0);
      squares[e] = mxi_fma(d, d, squares[e]);
    }
  }
  const acc square = row.template combine<mxi_sum>(mxi_lanes_combine<mxi_sum>(squares), space[1]);
  const acc factor = norm_factor(square, p.at.n, p.eps);
#pragma unroll
  for (int k = 0; k < K; k++) {
    if (row.place(k) >= row.n) break;
    if (K == 8) asm volatile("" ::: "memory"); /* one after the other, as registers are few */
    if (K == 8) weight[k] = norm_parameter<T>(p.weight, row.place(k), row.n - row.place(k), p.parameters, 1);
    bias[k] = norm_parameter<T>(p.bias, row.place(k), row.n - row.place(k), p.parameters, -0.0f);
    x[k].stay_narrow();
    mxi_store_part(to + row.place(k), row.n - row.place(k), p.at.vectors,
                   norm_apply(x[k], center, factor, weight[k], bias[k]));
  }
}

/* The sum of (x - center), or of its square, over a long row: a block's work. */
template <class T, class A>
MXI_DEVICE A norm_long_sum(const mxi_cuda_norm &p, const T *from, A center, bool square, A *space) {
  enum { V = mxi_vector_of<T>::size };
  A sums[V] = {};
#pragma unroll 2
  for (int64_t i = threadIdx.x * V; i < p.at.n; i += NORM_LONG_BLOCK * V) {
    const int left = static_cast<int>(min(p.at.n - i, static_cast<int64_t>(V)));
    const mxi_row_vector<T> x = mxi_load_part(from + i, left, p.at.vectors, T());
#pragma unroll
    for (int e = 0; e < V; e++) {
      const A d = x.at(e) - center;
      if (e < left) sums[e] = square ? mxi_fma(d, d, sums[e]) : sums[e] + d;
    }
  }
  return mxi_block_combine<mxi_sum>(mxi_lanes_combine<mxi_sum>(sums), NORM_LONG_BLOCK, space);
}
template <class T> MXI_DEVICE void norm_long(const mxi_cuda_norm &p) {
  enum { V = mxi_vector_of<T>::size };
  typedef typename mxi_widened<T>::type acc;
  __shared__ acc space[2][32];
  mxi_grid_wait();
  const T *from = static_cast<const T *>(p.at.x) + blockIdx.x * p.at.step;
  T *to = static_cast<T *>(p.at.out) + blockIdx.x * p.at.n;
  const acc center =
      p.centered ? norm_long_sum(p, from, acc(0), false, space[0]) / static_cast<acc>(p.at.n) : acc(0);
  const acc factor = norm_factor(norm_long_sum(p, from, center, true, space[1]), p.at.n, p.eps);
#pragma unroll 2
  for (int64_t i = threadIdx.x * V; i < p.at.n; i += NORM_LONG_BLOCK * V) {
    const int left = static_cast<int>(min(p.at.n - i, static_cast<int64_t>(V)));
    mxi_store_part(to + i, left, p.at.vectors,
                   norm_apply(mxi_load_part(from + i, left, p.at.vectors, T()), center, factor,
                              norm_parameter<T>(p.weight, i, left, p.parameters, 1),
                              norm_parameter<T>(p.bias, i, left, p.parameters, -0.0f)));
  }
}

#define NORM(dtype, T)                                                                   \
  MXI_KERNEL(norm_1_##dtype, mxi_cuda_norm, MXI_CUDA_ROWS_BLOCK) { norm_rows<T, 1>(p); } \
  MXI_KERNEL(norm_4_##dtype, mxi_cuda_norm, 1024) { norm_rows<T, 4>(p); }                \
  MXI_KERNEL(norm_8_##dtype, mxi_cuda_norm, 1024) { norm_rows<T, 8>(p); }                \
  MXI_KERNEL(norm_long_##dtype, mxi_cuda_norm, 1024) { norm_long<T>(p); }
NORM(float16, mxi_f16)
NORM(bfloat16, mxi_bf16)
NORM(float32, float)
NORM(float64, double)
