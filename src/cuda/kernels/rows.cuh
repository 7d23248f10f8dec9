/* Rows in registers (rows.h): where a thread's elements are, and how they are read, written and combined. */
#ifndef MXI_CUDA_KERNELS_ROWS_CUH
#define MXI_CUDA_KERNELS_ROWS_CUH
#include "cuda/kernels/block.cuh"
#include "cuda/kernels/math.cuh"
#include "cuda/kernels/ptx.cuh"
#include "cuda/kernels/reduce_ops.cuh"
#include "cuda/kernels/rows.h"
#include "cuda/kernels/vector.cuh"

/* A vector of elements in registers. Halves stay in pairs, and are widened where they are used: as floats, or
   one to a register, they would need twice as many. */
template <class T> struct mxi_row_vector {
  enum { V = mxi_vector_of<T>::size };
  mxi_vector<T, V> of;
  __device__ __forceinline__ T at(int e) const { return of.v[e]; }
  __device__ __forceinline__ void set(int e, T x) { of.v[e] = x; }
  __device__ __forceinline__ void stay_narrow() {}
};
template <class T> struct mxi_row_halves {
  enum { V = 8 };
  mxi_vector<uint32_t, 4> of;
  __device__ __forceinline__ float at(int e) const {
    return mxi_to_float(T{static_cast<uint16_t>(of.v[e / 2] >> (e % 2 * 16))});
  }
  __device__ __forceinline__ void set(int e, T x) {
    const uint32_t bits = static_cast<uint32_t>(x.bits) << (e % 2 * 16);
    of.v[e / 2] = (of.v[e / 2] & (e % 2 ? 0xffffu : 0xffff0000u)) | bits;
  }
  /* The compiler may not keep floats that it widened before. */
  __device__ __forceinline__ void stay_narrow() {
#ifndef MXI_EMULATED
#pragma unroll
    for (int i = 0; i < 4; i++) asm volatile("" : "+r"(of.v[i]));
#endif
  }
};
template <> struct mxi_row_vector<mxi_bf16> : mxi_row_halves<mxi_bf16> {};
template <> struct mxi_row_vector<mxi_f16> : mxi_row_halves<mxi_f16> {};

/* V elements at `from`, those from number `count` on being `rest`. */
template <class T> MXI_DEVICE mxi_row_vector<T> mxi_load_part(const T *from, int count, bool whole, T rest) {
  constexpr int V = mxi_vector_of<T>::size;
  mxi_row_vector<T> x = {};
  if (whole && count >= V)
    x.of = *reinterpret_cast<const decltype(x.of) *>(from);
  else
#pragma unroll
    for (int e = 0; e < V; e++) x.set(e, e < count ? from[e] : rest);
  return x;
}
/* Accumulators as elements; halves are rounded in pairs. */
template <class T, class A>
MXI_DEVICE mxi_row_vector<T> mxi_row_narrow(const A (&y)[mxi_vector_of<T>::size]) {
  mxi_row_vector<T> x;
  if constexpr (sizeof(T) == 2) {
#pragma unroll
    for (int i = 0; i < 4; i++) x.of.v[i] = mxi_pack<T>(y[2 * i], y[2 * i + 1]);
  } else
#pragma unroll
    for (int e = 0; e < mxi_vector_of<T>::size; e++) x.of.v[e] = y[e];
  return x;
}
/* Its first `count` elements. */
template <class T> MXI_DEVICE void mxi_store_part(T *to, int count, bool whole, const mxi_row_vector<T> &x) {
  constexpr int V = mxi_vector_of<T>::size;
  if (whole && count >= V) {
    *reinterpret_cast<decltype(x.of) *>(to) = x.of;
    return;
  }
  T narrow[V];
  memcpy(narrow, &x.of, sizeof narrow);
#pragma unroll
  for (int e = 0; e < V; e++)
    if (e < count) to[e] = narrow[e];
}

/* A thread's part of a row. */
template <class T> struct mxi_row {
  enum { V = mxi_vector_of<T>::size };
  typedef typename mxi_widened<T>::type acc;
  int64_t number; /* of the row; it may be behind the last */
  int n;          /* its elements, none behind the last row */
  int lane, team;

  __device__ __forceinline__ mxi_row(const mxi_cuda_rows &p) {
    team = p.team;
    lane = threadIdx.x & (team - 1);
    number = static_cast<int64_t>(blockIdx.x) * (blockDim.x / team) + threadIdx.x / team;
    n = number < p.rows ? static_cast<int>(p.n) : 0;
  }
  /* The place of the thread's vector k. */
  __device__ __forceinline__ int place(int k) const { return (k * team + lane) * V; }
  __device__ __forceinline__ mxi_row_vector<T> load(const T *row, int k, bool whole, T rest) const {
    return mxi_load_part(row + place(k), n - place(k), whole, rest);
  }
  __device__ __forceinline__ void store(T *row, int k, bool whole, const acc (&y)[V]) const {
    mxi_store_part(row + place(k), n - place(k), whole, mxi_row_narrow<T>(y));
  }
  /* Of a value a thread; all threads of the row get it. space: 32 values, of this call alone. */
  template <class OP, class A> __device__ __forceinline__ A combine(A x, A *space) const {
    return team <= 32 ? mxi_team_combine<OP>(x, team) : mxi_block_combine<OP>(x, team, space);
  }
};
template <class T> MXI_DEVICE typename mxi_widened<T>::type mxi_widen(T x) {
  return mxi_convert<typename mxi_widened<T>::type>::of(x);
}
#endif
