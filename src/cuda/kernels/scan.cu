/* Cumulative sums, products, extrema and logsumexps: scan_lines_OP_DTYPE and scan_columns_OP_DTYPE. */
#include "cuda/kernels/scan.h"
#include "cuda/kernels/axes.cuh"
#include "cuda/kernels/block.cuh"
#include "cuda/kernels/complex_math.cuh"
#include "cuda/kernels/math.cuh"
#include "cuda/kernels/ptx.cuh"
#include "cuda/kernels/reduce_ops.cuh"
#include "cuda/kernels/vector.cuh"

MXI_DEVICE float scan_log_of_zero(float) { return -mxi_infinity(0.0f); }
MXI_DEVICE double scan_log_of_zero(double) { return -mxi_infinity(0.0); }
MXI_DEVICE mxi_c64 scan_log_of_zero(mxi_c64) { return mxi_complex(-mxi_infinity(0.0f), 0); }
struct scan_logaddexp {
  template <class T> using acc = typename mxi_widened<T>::type;
  template <class T> static __device__ __forceinline__ T identity() { return scan_log_of_zero(T()); }
  template <class T> static __device__ __forceinline__ T combine(T a, T b) { return mxi_logaddexp(a, b); }
};

/* ---- Lines ---- */
template <class T> struct scan_each {
  enum { elements = sizeof(T) < 8 ? 8 : 4 };
};
/* E elements from number `at` of a line on, of which `count` exist. */
template <class T, class A, int E>
MXI_DEVICE void scan_load(const mxi_cuda_scan &p, const T *line, int64_t at, int count, A identity,
                          A (&v)[E]) {
  if (p.vectors && count == E) {
    const bool forward = p.in_step > 0;
    const mxi_vector<T, E> x = mxi_load_vector<E>(forward ? line + at : line - at - (E - 1));
#pragma unroll
    for (int e = 0; e < E; e++) v[e] = mxi_convert<A>::of(forward ? x.v[e] : x.v[E - 1 - e]);
  } else
#pragma unroll
    for (int e = 0; e < E; e++) v[e] = e < count ? mxi_convert<A>::of(line[(at + e) * p.in_step]) : identity;
}
template <class T, class A, int E>
MXI_DEVICE void scan_store(const mxi_cuda_scan &p, T *line, int64_t at, int count, const A (&v)[E]) {
  if (p.vectors && count == E) {
    const bool forward = p.out_step > 0;
    mxi_vector<T, E> x;
#pragma unroll
    for (int e = 0; e < E; e++) x.v[e] = mxi_convert<T>::of(forward ? v[e] : v[E - 1 - e]);
    mxi_store_vector<E>(forward ? line + at : line - at - (E - 1), x);
  } else
#pragma unroll
    for (int e = 0; e < E; e++)
      if (e < count) line[(at + e) * p.out_step] = mxi_convert<T>::of(v[e]);
}

/* `carry`, which came before the tile, and the tile's own totals that come before the thread; carry moves on.
   space: a value a warp, not in use by the tile before. */
template <class O, class A> MXI_DEVICE A scan_before(A total, int team, A &carry, A *space) {
  const int lane = threadIdx.x % 32;
  A sum = total;
#pragma unroll
  for (int d = 1; d < 32; d *= 2) {
    const A other = mxi_shuffle_up(sum, d);
    if (lane >= d) sum = O::combine(other, sum);
  }
  A before = mxi_shuffle_up(sum, 1), start = carry;
  if (team == 32)
    carry = O::combine(carry, mxi_shuffle(sum, 31));
  else {
    if (lane == 31) space[threadIdx.x / 32] = sum;
    __syncthreads();
#pragma unroll 1
    for (unsigned w = 0; w < MXI_CUDA_SCAN_BLOCK / 32; w++) {
      if (w == threadIdx.x / 32) start = carry;
      carry = O::combine(carry, space[w]);
    }
  }
  return lane ? O::combine(start, before) : start;
}

template <class O, class T> MXI_DEVICE void scan_lines(const mxi_cuda_scan &p) {
  typedef typename O::template acc<T> acc;
  enum { E = scan_each<T>::elements };
  __shared__ acc space[2][MXI_CUDA_SCAN_BLOCK / 32];
  mxi_grid_wait();
  const int64_t unit =
      static_cast<int64_t>(blockIdx.x) * (MXI_CUDA_SCAN_BLOCK / p.team) + threadIdx.x / p.team;
  if (unit >= p.lines * p.chunks) return;
  const int64_t line = p.chunks == 1 ? unit : unit / p.chunks, first = (unit - line * p.chunks) * p.chunk;
  const int64_t end = min(first + p.chunk, p.length);
  const T *in = static_cast<const T *>(p.in) + mxi_in_offset(p.axes, line);
  T *out = static_cast<T *>(p.out) + mxi_out_offset(p.axes, line);
  acc *totals = static_cast<acc *>(p.totals), carry = O::template identity<acc>();
  if (totals && !p.only_totals) carry = totals[unit];
  const int thread = threadIdx.x & (p.team - 1);
  int turn = 0;
#pragma unroll 1
  for (int64_t tile = first; tile < end; tile += p.team * E, turn ^= 1) {
    const int64_t at = tile + thread * E;
    const int count = static_cast<int>(max(min(end - at, static_cast<int64_t>(E)), static_cast<int64_t>(0)));
    acc v[E];
    scan_load(p, in, at, count, O::template identity<acc>(), v);
#pragma unroll
    for (int e = 1; e < E; e++) v[e] = O::combine(v[e - 1], v[e]);
    const acc before = scan_before<O>(v[E - 1], p.team, carry, space[turn]);
    if (p.only_totals) continue;
#pragma unroll
    for (int e = E - 1; e >= 0; e--)
      v[e] = !p.exclusive ? O::combine(before, v[e]) : e ? O::combine(before, v[e - 1]) : before;
    scan_store(p, out, at, count, v);
  }
  if (p.only_totals && thread == 0) totals[unit] = carry;
}

/* ---- Columns ---- */
template <class O, class T> MXI_DEVICE void scan_columns(const mxi_cuda_scan &p) {
  typedef typename O::template acc<T> acc;
  enum { U = 4 };
  mxi_grid_wait();
  const int64_t unit = static_cast<int64_t>(blockIdx.x) * MXI_CUDA_SCAN_BLOCK + threadIdx.x;
  if (unit >= p.lines * p.chunks) return;
  const int64_t chunk = p.chunks == 1 ? 0 : unit / p.lines, line = unit - chunk * p.lines;
  const int64_t first = chunk * p.chunk, end = min(first + p.chunk, p.length);
  const T *in = static_cast<const T *>(p.in) + mxi_in_offset(p.axes, line);
  T *out = static_cast<T *>(p.out) + mxi_out_offset(p.axes, line);
  acc *totals = static_cast<acc *>(p.totals), sum = O::template identity<acc>();
  if (totals && !p.only_totals) sum = totals[unit];
#pragma unroll 1
  for (int64_t i = first; i < end; i += U) {
    T x[U] = {};
#pragma unroll
    for (int u = 0; u < U; u++)
      if (i + u < end) x[u] = in[(i + u) * p.in_step];
#pragma unroll
    for (int u = 0; u < U; u++) {
      if (i + u >= end) continue;
      const acc before = sum;
      sum = O::combine(sum, mxi_convert<acc>::of(x[u]));
      if (!p.only_totals) out[(i + u) * p.out_step] = mxi_convert<T>::of(p.exclusive ? before : sum);
    }
  }
  if (p.only_totals) totals[unit] = sum;
}

#define SCAN(NAME, O, T)                                                                     \
  MXI_KERNEL(scan_lines_##NAME, mxi_cuda_scan, MXI_CUDA_SCAN_BLOCK) { scan_lines<O, T>(p); } \
  MXI_KERNEL(scan_columns_##NAME, mxi_cuda_scan, MXI_CUDA_SCAN_BLOCK) { scan_columns<O, T>(p); }
#define HALVES(op, O)            \
  SCAN(op##_float16, O, mxi_f16) \
  SCAN(op##_bfloat16, O, mxi_bf16)
#define FLOATS(op, O)           \
  HALVES(op, O)                 \
  SCAN(op##_float32, O, float)  \
  SCAN(op##_float64, O, double) \
  SCAN(op##_complex64, O, mxi_c64)
#define UNSIGNED(op, O)          \
  SCAN(op##_uint8, O, uint8_t)   \
  SCAN(op##_uint16, O, uint16_t) \
  SCAN(op##_uint32, O, uint32_t) \
  SCAN(op##_uint64, O, uint64_t)
#define SIGNED(op, O)          \
  SCAN(op##_int8, O, int8_t)   \
  SCAN(op##_int16, O, int16_t) \
  SCAN(op##_int32, O, int32_t) \
  SCAN(op##_int64, O, int64_t)
FLOATS(sum, mxi_sum)
UNSIGNED(sum, mxi_sum)
FLOATS(product, mxi_product)
UNSIGNED(product, mxi_product)
FLOATS(min, mxi_least)
UNSIGNED(min, mxi_least)
SIGNED(min, mxi_least)
FLOATS(max, mxi_greatest)
UNSIGNED(max, mxi_greatest)
SIGNED(max, mxi_greatest)
FLOATS(logaddexp, scan_logaddexp)
