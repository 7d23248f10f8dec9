/* softmax and logsumexp of rows: the maximum m, the sum of e^(x - m), then e^(x - m) / sum or m + log(sum). A
   NaN never wins a maximum, but its exponential is NaN and so is the sum. For logsumexp, and for the partials
   of long rows, an infinite m counts as zero in the difference: a row with +inf then sums to inf. */
#include "cuda/kernels/rows.cuh"

struct softmax_max {
  template <class A> static __device__ __forceinline__ A combine(A a, A b) { return max(a, b); }
};
template <class A> MXI_DEVICE A finite_or_zero(A m) { return mxi_abs(m) == mxi_infinity(m) ? A(0) : m; }
/* e^d for d <= 0; results that are rounded to halves need no more than the hardware's 2^x. */
template <class T> struct softmax_exp {
  template <class A> static __device__ __forceinline__ A of(A d) { return mxi_exp(d); }
};
MXI_DEVICE float exp_by_hardware(float d) {
  float x = d * 0x1.715476p+0f, y;
#ifdef MXI_EMULATED
  y = exp2f(x);
#else
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
#endif
  return y;
}
template <> struct softmax_exp<mxi_bf16> {
  static __device__ __forceinline__ float of(float d) { return exp_by_hardware(d); }
};
template <> struct softmax_exp<mxi_f16> {
  static __device__ __forceinline__ float of(float d) { return exp_by_hardware(d); }
};

/* ---- Rows in registers ---- */
/* The thread's part of a row, its maximum, and the sum of exponentials. Floats and doubles become their
   exponentials on the way, if those are kept. */
template <class T, int K> struct softmax_part {
  enum { V = mxi_vector_of<T>::size };
  typedef typename mxi_widened<T>::type acc;
  mxi_row_vector<T> x[K];

  __device__ __forceinline__ void load(const mxi_row<T> &row, const T *from, bool whole) {
    const T least = mxi_convert<T>::of(mxi_range<acc>::least());
#pragma unroll
    for (int k = 0; k < K; k++) x[k] = row.load(from, k, whole, least);
  }
  __device__ __forceinline__ acc largest() const {
    acc m = mxi_range<acc>::least();
#pragma unroll
    for (int k = 0; k < K; k++)
#pragma unroll
      for (int e = 0; e < V; e++) m = max(m, x[k].at(e));
    return m;
  }
  __device__ __forceinline__ acc sum(acc shift, bool keep) {
    acc sums[V] = {};
#pragma unroll
    for (int k = 0; k < K; k++) {
      x[k].stay_narrow();
#pragma unroll
      for (int e = 0; e < V; e++) {
        acc y = softmax_exp<T>::of(x[k].at(e) - shift);
        sums[e] += y;
        if (sizeof(T) == sizeof(acc) && keep) x[k].set(e, mxi_convert<T>::of(y));
      }
    }
    return mxi_lanes_combine<mxi_sum>(sums);
  }
  /* After sum(shift, true). */
  __device__ __forceinline__ void store(const mxi_row<T> &row, T *to, bool whole, acc shift, acc factor) {
#pragma unroll
    for (int k = 0; k < K; k++) {
      acc y[V];
      x[k].stay_narrow();
#pragma unroll
      for (int e = 0; e < V; e++) {
        acc xe = x[k].at(e);
        y[e] = (sizeof(T) == sizeof(acc) ? xe : softmax_exp<T>::of(xe - shift)) * factor;
      }
      row.store(to, k, whole, y);
    }
  }
};

template <class T, int K> MXI_DEVICE void softmax_rows(const mxi_cuda_softmax &p) {
  typedef typename mxi_widened<T>::type acc;
  __shared__ acc space[2][32];
  mxi_grid_wait();
  const mxi_row<T> row(p.at);
  softmax_part<T, K> part;
  part.load(row, static_cast<const T *>(p.at.x) + row.number * p.at.step, p.at.vectors);
  const acc m = row.template combine<softmax_max>(part.largest(), space[0]);
  const acc sum = row.template combine<mxi_sum>(part.sum(m, true), space[1]);
  part.store(row, static_cast<T *>(p.at.out) + row.number * p.at.n, p.at.vectors, m, 1 / sum);
}

template <class T>
MXI_DEVICE void logsumexp_store(const mxi_cuda_softmax &p, int64_t row, typename mxi_widened<T>::type m,
                                typename mxi_widened<T>::type sum) {
  typedef typename mxi_widened<T>::type acc;
  double y = static_cast<double>(finite_or_zero(m)) + mxi_log(static_cast<double>(sum));
  static_cast<T *>(p.at.out)[row] = mxi_convert<T>::of(static_cast<acc>(y));
}
template <class T, int K> MXI_DEVICE void logsumexp_rows(const mxi_cuda_softmax &p) {
  typedef typename mxi_widened<T>::type acc;
  __shared__ acc space[2][32];
  mxi_grid_wait();
  const mxi_row<T> row(p.at);
  softmax_part<T, K> part;
  part.load(row, static_cast<const T *>(p.at.x) + row.number * p.at.step, p.at.vectors);
  const acc m = row.template combine<softmax_max>(part.largest(), space[0]);
  const acc sum = row.template combine<mxi_sum>(part.sum(finite_or_zero(m), false), space[1]);
  if (row.lane == 0 && row.number < p.at.rows) logsumexp_store<T>(p, row.number, m, sum);
}

/* ---- Long rows, a chunk a block ---- */
template <class A> struct softmax_partial { A m, sum; };
template <class T> struct softmax_chunk {
  enum { K = MXI_CUDA_SOFTMAX_LONG_EACH, SIZE = MXI_CUDA_SOFTMAX_LONG_BLOCK * K * mxi_vector_of<T>::size };
  int64_t row, chunk;
  softmax_part<T, K> part;
  mxi_row<T> place; /* of the chunk, as if it were a row */

  __device__ __forceinline__ softmax_chunk(const mxi_cuda_softmax &p) : place(p.at) {
    row = blockIdx.x / p.chunks;
    chunk = blockIdx.x - row * p.chunks;
    place.lane = threadIdx.x;
    place.team = MXI_CUDA_SOFTMAX_LONG_BLOCK;
    place.n = static_cast<int>(min(p.at.n - chunk * SIZE, static_cast<int64_t>(SIZE)));
    part.load(place, static_cast<const T *>(p.at.x) + row * p.at.step + chunk * SIZE, p.at.vectors);
  }
};
template <class T> MXI_DEVICE void softmax_partials(const mxi_cuda_softmax &p) {
  typedef typename mxi_widened<T>::type acc;
  __shared__ acc space[2][32];
  mxi_grid_wait();
  softmax_chunk<T> c(p);
  const acc m = c.place.template combine<softmax_max>(c.part.largest(), space[0]);
  const acc sum = c.place.template combine<mxi_sum>(c.part.sum(finite_or_zero(m), false), space[1]);
  if (threadIdx.x == 0) static_cast<softmax_partial<acc> *>(p.partials)[blockIdx.x] = {m, sum};
}
/* The whole row's partial, from those of its chunks: a block's work. */
template <class T, class A>
MXI_DEVICE softmax_partial<A> softmax_whole(const mxi_cuda_softmax &p, int64_t row, A (*space)[32]) {
  const softmax_partial<A> *partial = static_cast<const softmax_partial<A> *>(p.partials) + row * p.chunks;
  A m = mxi_range<A>::least(), sum = 0;
  for (int64_t i = threadIdx.x; i < p.chunks; i += MXI_CUDA_SOFTMAX_LONG_BLOCK) m = max(m, partial[i].m);
  m = mxi_block_combine<softmax_max>(m, MXI_CUDA_SOFTMAX_LONG_BLOCK, space[0]);
  for (int64_t i = threadIdx.x; i < p.chunks; i += MXI_CUDA_SOFTMAX_LONG_BLOCK)
    if (partial[i].sum != 0)
      sum += partial[i].sum * mxi_exp(finite_or_zero(partial[i].m) - finite_or_zero(m));
  sum = mxi_block_combine<mxi_sum>(sum, MXI_CUDA_SOFTMAX_LONG_BLOCK, space[1]);
  return {m, sum};
}
template <class T> MXI_DEVICE void softmax_long(const mxi_cuda_softmax &p) {
  typedef typename mxi_widened<T>::type acc;
  __shared__ acc space[2][32];
  mxi_grid_wait();
  softmax_chunk<T> c(p);
  const softmax_partial<acc> whole = softmax_whole<T, acc>(p, c.row, space);
  if (sizeof(T) == sizeof(acc)) c.part.sum(whole.m, true);
  /* A row of -inf alone, or with +inf in it, is NaN. */
  const acc factor = mxi_abs(whole.m) == mxi_infinity(whole.m) ? mxi_nan(whole.m) : 1 / whole.sum;
  c.part.store(c.place, static_cast<T *>(p.at.out) + c.row * p.at.n + c.chunk * softmax_chunk<T>::SIZE,
               p.at.vectors, whole.m, factor);
}
template <class T> MXI_DEVICE void logsumexp_long(const mxi_cuda_softmax &p) {
  typedef typename mxi_widened<T>::type acc;
  __shared__ acc space[2][32];
  mxi_grid_wait();
  const softmax_partial<acc> whole = softmax_whole<T, acc>(p, blockIdx.x, space);
  if (threadIdx.x == 0) logsumexp_store<T>(p, blockIdx.x, whole.m, whole.sum);
}

#define ROWS(WHAT, dtype, T)                                                                    \
  MXI_KERNEL(WHAT##_1_##dtype, mxi_cuda_softmax, MXI_CUDA_ROWS_BLOCK) { WHAT##_rows<T, 1>(p); } \
  MXI_KERNEL(WHAT##_4_##dtype, mxi_cuda_softmax, 1024) { WHAT##_rows<T, 4>(p); }                \
  MXI_KERNEL(WHAT##_8_##dtype, mxi_cuda_softmax, 1024) { WHAT##_rows<T, 8>(p); }
#define SOFTMAX(dtype, T)                                                                                 \
  ROWS(softmax, dtype, T)                                                                                 \
  ROWS(logsumexp, dtype, T)                                                                               \
  MXI_KERNEL(softmax_partials_##dtype, mxi_cuda_softmax, MXI_CUDA_SOFTMAX_LONG_BLOCK) {                   \
    softmax_partials<T>(p);                                                                               \
  }                                                                                                       \
  MXI_KERNEL(softmax_long_##dtype, mxi_cuda_softmax, MXI_CUDA_SOFTMAX_LONG_BLOCK) { softmax_long<T>(p); } \
  MXI_KERNEL(logsumexp_long_##dtype, mxi_cuda_softmax, MXI_CUDA_SOFTMAX_LONG_BLOCK) { logsumexp_long<T>(p); }
SOFTMAX(float16, mxi_f16)
SOFTMAX(bfloat16, mxi_bf16)
SOFTMAX(float32, float)
SOFTMAX(float64, double)
