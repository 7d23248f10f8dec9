/* A block computes a tile of outputs. Its warps, or those of a team, share the sums over l: they take turns
   of a step each, so that together they read w in the order of memory, and add up what they have in shared
   memory, in the warps' order. Where the tiles are few, l is split among blocks too, and gemv_sum_* adds the
   splits in their order.

   w comes from memory once and is what takes the time: 16 bytes a load, several under way in each thread. x
   stays in the caches. */
#include "cuda/kernels/gemv.h"
#include "cuda/kernels/choice.cuh"
#include "cuda/kernels/half.cuh"
#include "cuda/kernels/ptx.cuh"

enum { ROWS = MXI_CUDA_GEMV_ROWS, WARPS = MXI_CUDA_GEMV_WARPS, THREADS = 32 * WARPS };

/* ---- Memory ---- */
MXI_DEVICE float4 as_floats(uint4 v) {
  return make_float4(__uint_as_float(v.x), __uint_as_float(v.y), __uint_as_float(v.z), __uint_as_float(v.w));
}

/* What this block sums: l in [first, end). */
struct range {
  int64_t first, end;
};
MXI_DEVICE range range_of(const mxi_cuda_gemv &p) {
  int64_t first = blockIdx.y * p.split, end = first + p.split;
  return {first, end < p.k ? end : p.k};
}

template <class T>
MXI_DEVICE void store_output(const mxi_cuda_gemv &p, int64_t batch, int row, int64_t j, float sum) {
  float value = p.alpha * sum;
  if (p.c) {
    const T *c = static_cast<const T *>(p.c) + batch * p.c_batch + row * p.c_row + j * p.c_column;
    value = fmaf(p.beta, mxi_to_float(*c), value);
  }
  static_cast<T *>(p.y)[batch * p.y_batch + row * p.y_row + j * p.y_column] = mxi_of_float<T>(value);
}

/* sums[slice][output][row], of R rows: adds the slices' and stores them. */
template <class T, int R>
MXI_DEVICE void finish_tile(const mxi_cuda_gemv &p, const float *sums, int tile, int slices) {
  __syncthreads();
  for (int i = threadIdx.x; i < tile * R; i += blockDim.x) {
    const int row = i / tile, output = i % tile;
    const int64_t j = static_cast<int64_t>(blockIdx.x) * tile + output;
    if (row >= p.rows || j >= p.n) continue;
    float sum = 0;
    for (int s = 0; s < slices; s++) sum += sums[(s * tile + output) * R + row];
    if (p.partial)
      p.partial[((blockIdx.y * p.batch + blockIdx.z) * p.rows + row) * p.n + j] = sum;
    else
      store_output<T>(p, blockIdx.z, row, j, sum);
  }
}

/* ---- Halves, by tensor cores. In which order a sum's elements come is free if a and b agree. ---- */
MXI_DEVICE void multiply_add(mxi_bf16, float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  mxi_mma_m16n8k16_bfloat16(d, a, b);
}
MXI_DEVICE void multiply_add(mxi_f16, float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  mxi_mma_m16n8k16_float16(d, a, b);
}

/* A warp has two outputs, and reads 512 neighbouring bytes of a row of w at once, as memory likes best. So
   a's rows, eight for an output, are pieces of its row of w: lane (g, t) has elements 8 (4g + t) .. + 7 of
   256 along l. b's columns are the same pieces of x. Only the diagonal is wanted: piece g of w times piece g
   of x. */
enum { OUTPUTS = MXI_CUDA_GEMV_T_OUTPUTS, PIECE = 256, LOADS = MXI_CUDA_GEMV_T_STEP / PIECE };

/* One step: w's rows and x from the lane's place in it; `left` elements are left from there, or WHOLE. */
template <class T, bool WHOLE>
MXI_DEVICE void multiply_pieces(float (&d)[4], const T *const (&w)[OUTPUTS], const T *x, int64_t left) {
  const uint4 zero = make_uint4(0, 0, 0, 0);
  uint4 a[LOADS][OUTPUTS], b[LOADS];
#pragma unroll
  for (int i = 0; i < LOADS; i++)
#pragma unroll
    for (int o = 0; o < OUTPUTS; o++)
      a[i][o] = WHOLE || PIECE * i < left ? mxi_load_once(w[o] + PIECE * i) : zero;
#pragma unroll
  for (int i = 0; i < LOADS; i++)
    b[i] = WHOLE || PIECE * i < left ? *reinterpret_cast<const uint4 *>(x + PIECE * i) : zero;
  __syncwarp(); /* lest the compiler put the second loads after the first products, to save registers */
#pragma unroll
  for (int i = 0; i < LOADS; i++) {
    multiply_add(T{}, d, {a[i][0].x, a[i][1].x, a[i][0].y, a[i][1].y}, {b[i].x, b[i].y});
    multiply_add(T{}, d, {a[i][0].z, a[i][1].z, a[i][0].w, a[i][1].w}, {b[i].z, b[i].w});
  }
}

template <class T> MXI_DEVICE void gemv_t_halves(const mxi_cuda_gemv &p) {
  mxi_grid_launch_dependents();
  constexpr int STEP = MXI_CUDA_GEMV_T_STEP;
  __shared__ float sums[WARPS * OUTPUTS];
  const int lane = threadIdx.x % 32, g = lane / 4, t = lane % 4, warp = threadIdx.x / 32;
  const int slices = blockDim.x / 32 / p.teams, slice = warp / p.teams, team = warp % p.teams;
  const range r = range_of(p);
  const int64_t j = (static_cast<int64_t>(blockIdx.x) * p.teams + team) * OUTPUTS;
  int64_t l = r.first + slice * STEP;
  mxi_grid_wait();
  int64_t x_matrix, w_matrix;
  if (!mxi_find_chosen(p.choice, blockIdx.z, x_matrix, w_matrix)) return;
  const T *w[OUTPUTS], *x = static_cast<const T *>(p.x) + x_matrix * p.x_batch + l + 8 * lane;
  for (int o = 0; o < OUTPUTS; o++)
    w[o] = static_cast<const T *>(p.w) + w_matrix * p.w_batch + (j + o < p.n ? j + o : p.n - 1) * p.w_line +
           l + 8 * lane;
  float d[4] = {0, 0, 0, 0};
#pragma unroll 1
  for (; l + STEP <= r.end; l += slices * STEP) {
    multiply_pieces<T, true>(d, w, x, STEP);
    x += slices * STEP;
    for (int o = 0; o < OUTPUTS; o++) w[o] += slices * STEP;
  }
  if (l < r.end) multiply_pieces<T, false>(d, w, x, r.end - l - 8 * lane);
#pragma unroll
  for (int o = 0; o < OUTPUTS; o++) {
    float sum = t != g / 2 ? 0 : d[2 * o + g % 2];
    for (int apart = 16; apart; apart /= 2) sum += __shfl_xor_sync(~0u, sum, apart);
    if (lane == 0) sums[warp * OUTPUTS + o] = sum;
  }
  finish_tile<T, 1>(p, sums, p.teams * OUTPUTS, slices);
}

/* Lane (g, t) has outputs 8g .. 8g+7 of the tile and elements 4t .. 4t+3 of sixteen along l: the halves of
   words of two neighbours along l are exchanged. Row g of a is an even output, row g + 8 the odd one after
   it. */
template <class T> MXI_DEVICE void gemv_n_halves(const mxi_cuda_gemv &p) {
  mxi_grid_wait();
  int64_t x_matrix, w_matrix;
  if (!mxi_find_chosen(p.choice, blockIdx.z, x_matrix, w_matrix)) return;
  constexpr int TILE = MXI_CUDA_GEMV_N_TILE, STEP = MXI_CUDA_GEMV_N_STEP, LOADS = STEP / 16;
  __shared__ float sums[WARPS * TILE * ROWS];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, g = lane / 4, t = lane % 4;
  const int64_t j = static_cast<int64_t>(blockIdx.x) * TILE + 8 * g;
  const bool has_output = j < p.n, has_row = g < p.rows;
  const T *w = static_cast<const T *>(p.w) + w_matrix * p.w_batch + (has_output ? j : 0);
  const T *x = static_cast<const T *>(p.x) + x_matrix * p.x_batch + (has_row ? g : 0) * p.x_row;
  const range r = range_of(p);
  const uint4 zero = make_uint4(0, 0, 0, 0);
  float d[4][4] = {};
  for (int64_t l = r.first + warp * STEP; l < r.end; l += blockDim.x / 32 * STEP) {
    uint4 a[LOADS][4];
    uint2 b[LOADS];
#pragma unroll
    for (int i = 0; i < LOADS; i++)
#pragma unroll
      for (int e = 0; e < 4; e++) {
        const int64_t at = l + 16 * i + 4 * t + e;
        a[i][e] = has_output && at < r.end ? mxi_load_once(w + at * p.w_line) : zero;
      }
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
      const int64_t at = l + 16 * i + 4 * t;
      b[i] = has_row && at < r.end ? *reinterpret_cast<const uint2 *>(x + at) : make_uint2(0, 0);
    }
#pragma unroll
    for (int i = 0; i < LOADS; i++) {
      const uint32_t words[4][4] = {{a[i][0].x, a[i][1].x, a[i][2].x, a[i][3].x},
                                    {a[i][0].y, a[i][1].y, a[i][2].y, a[i][3].y},
                                    {a[i][0].z, a[i][1].z, a[i][2].z, a[i][3].z},
                                    {a[i][0].w, a[i][1].w, a[i][2].w, a[i][3].w}};
#pragma unroll
      for (int o = 0; o < 4; o++)
        multiply_add(
            T{}, d[o],
            {__byte_perm(words[o][0], words[o][1], 0x5410), __byte_perm(words[o][0], words[o][1], 0x7632),
             __byte_perm(words[o][2], words[o][3], 0x5410), __byte_perm(words[o][2], words[o][3], 0x7632)},
            {b[i].x, b[i].y});
    }
  }
  float *mine = sums + warp * TILE * ROWS;
#pragma unroll
  for (int o = 0; o < 4; o++)
#pragma unroll
    for (int e = 0; e < 4; e++) mine[(8 * g + 2 * o + e / 2) * ROWS + 2 * t + e % 2] = d[o][e];
  finish_tile<T, ROWS>(p, sums, TILE, blockDim.x / 32);
}

/* ---- float32, by the ordinary units: R rows of x, the last repeated where it has fewer ---- */
template <int R> struct rows_of {
  const float *row[R];
  MXI_DEVICE rows_of make(const mxi_cuda_gemv &p, int64_t matrix) {
    rows_of x;
    for (int i = 0; i < R; i++)
      x.row[i] =
          static_cast<const float *>(p.x) + matrix * p.x_batch + (i < p.rows ? i : p.rows - 1) * p.x_row;
    return x;
  }
};

/* A warp's lanes lie along l, and it has TILE outputs. */
template <int R> MXI_DEVICE void gemv_t_floats(const mxi_cuda_gemv &p) {
  mxi_grid_wait();
  int64_t x_matrix, w_matrix;
  if (!mxi_find_chosen(p.choice, blockIdx.z, x_matrix, w_matrix)) return;
  constexpr int TILE = MXI_CUDA_GEMV_T_TILE_FLOAT32, STEP = MXI_CUDA_GEMV_T_STEP_FLOAT32;
  __shared__ float sums[WARPS * TILE * R];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  const float *w[TILE];
  for (int o = 0; o < TILE; o++) {
    const int64_t j = static_cast<int64_t>(blockIdx.x) * TILE + o;
    w[o] = static_cast<const float *>(p.w) + w_matrix * p.w_batch + (j < p.n ? j : p.n - 1) * p.w_line;
  }
  const rows_of<R> x = rows_of<R>::make(p, x_matrix);
  const range r = range_of(p);
  float d[TILE][R] = {};
  for (int64_t l = r.first + warp * STEP + 4 * lane; l < r.end; l += blockDim.x / 32 * STEP) {
    float4 a[TILE];
#pragma unroll
    for (int o = 0; o < TILE; o++) a[o] = as_floats(mxi_load_once(w[o] + l));
#pragma unroll
    for (int i = 0; i < R; i++) {
      const float4 b = *reinterpret_cast<const float4 *>(x.row[i] + l);
#pragma unroll
      for (int o = 0; o < TILE; o++) {
        d[o][i] = fmaf(a[o].x, b.x, d[o][i]);
        d[o][i] = fmaf(a[o].y, b.y, d[o][i]);
        d[o][i] = fmaf(a[o].z, b.z, d[o][i]);
        d[o][i] = fmaf(a[o].w, b.w, d[o][i]);
      }
    }
  }
#pragma unroll
  for (int o = 0; o < TILE; o++)
#pragma unroll
    for (int i = 0; i < R; i++) {
      for (int apart = 16; apart; apart /= 2) d[o][i] += __shfl_xor_sync(~0u, d[o][i], apart);
      if (lane == 0) sums[(warp * TILE + o) * R + i] = d[o][i];
    }
  finish_tile<float, R>(p, sums, TILE, blockDim.x / 32);
}

/* Half a warp's lanes have four outputs each, and the halves four elements along l. */
template <int R> MXI_DEVICE void gemv_n_floats(const mxi_cuda_gemv &p) {
  mxi_grid_wait();
  int64_t x_matrix, w_matrix;
  if (!mxi_find_chosen(p.choice, blockIdx.z, x_matrix, w_matrix)) return;
  constexpr int TILE = MXI_CUDA_GEMV_N_TILE, STEP = MXI_CUDA_GEMV_N_STEP_FLOAT32;
  __shared__ float sums[WARPS * TILE * R];
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, output = lane % 16 * 4;
  const int64_t j = static_cast<int64_t>(blockIdx.x) * TILE + output;
  const bool has_output = j < p.n;
  const float *w = static_cast<const float *>(p.w) + w_matrix * p.w_batch + (has_output ? j : 0);
  const rows_of<R> x = rows_of<R>::make(p, x_matrix);
  const range r = range_of(p);
  float d[R][4] = {};
  for (int64_t l = r.first + warp * STEP + lane / 16 * 4; l < r.end; l += blockDim.x / 32 * STEP) {
    float4 a[4];
#pragma unroll
    for (int e = 0; e < 4; e++)
      a[e] = has_output ? as_floats(mxi_load_once(w + (l + e) * p.w_line)) : make_float4(0, 0, 0, 0);
#pragma unroll
    for (int i = 0; i < R; i++) {
      const float4 b = *reinterpret_cast<const float4 *>(x.row[i] + l);
      const float along[4] = {b.x, b.y, b.z, b.w};
#pragma unroll
      for (int e = 0; e < 4; e++) {
        d[i][0] = fmaf(a[e].x, along[e], d[i][0]);
        d[i][1] = fmaf(a[e].y, along[e], d[i][1]);
        d[i][2] = fmaf(a[e].z, along[e], d[i][2]);
        d[i][3] = fmaf(a[e].w, along[e], d[i][3]);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < R; i++)
#pragma unroll
    for (int o = 0; o < 4; o++) {
      d[i][o] += __shfl_xor_sync(~0u, d[i][o], 16);
      if (lane < 16) sums[(warp * TILE + output + o) * R + i] = d[i][o];
    }
  finish_tile<float, R>(p, sums, TILE, blockDim.x / 32);
}

/* ---- The splits' sums ---- */
template <class T> MXI_DEVICE void sum_splits(const mxi_cuda_gemv &p) {
  mxi_grid_wait();
  const int64_t size = p.batch * p.rows * p.n;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= size) return;
  float sum = 0;
  for (int64_t s = 0; s < p.splits; s++) sum += p.partial[s * size + i];
  const int64_t row = i / p.n;
  store_output<T>(p, row / p.rows, static_cast<int>(row % p.rows), i % p.n, sum);
}

MXI_KERNEL(gemv_t_bfloat16, mxi_cuda_gemv, THREADS) { gemv_t_halves<mxi_bf16>(p); }
MXI_KERNEL(gemv_t_float16, mxi_cuda_gemv, THREADS) { gemv_t_halves<mxi_f16>(p); }
MXI_KERNEL(gemv_n_bfloat16, mxi_cuda_gemv, THREADS) { gemv_n_halves<mxi_bf16>(p); }
MXI_KERNEL(gemv_n_float16, mxi_cuda_gemv, THREADS) { gemv_n_halves<mxi_f16>(p); }
MXI_KERNEL(gemv_t_float32_1, mxi_cuda_gemv, THREADS) { gemv_t_floats<1>(p); }
MXI_KERNEL(gemv_t_float32_2, mxi_cuda_gemv, THREADS) { gemv_t_floats<2>(p); }
MXI_KERNEL(gemv_t_float32_4, mxi_cuda_gemv, THREADS) { gemv_t_floats<4>(p); }
MXI_KERNEL(gemv_t_float32_8, mxi_cuda_gemv, THREADS) { gemv_t_floats<8>(p); }
MXI_KERNEL(gemv_n_float32_1, mxi_cuda_gemv, THREADS) { gemv_n_floats<1>(p); }
MXI_KERNEL(gemv_n_float32_2, mxi_cuda_gemv, THREADS) { gemv_n_floats<2>(p); }
MXI_KERNEL(gemv_n_float32_4, mxi_cuda_gemv, THREADS) { gemv_n_floats<4>(p); }
MXI_KERNEL(gemv_n_float32_8, mxi_cuda_gemv, THREADS) { gemv_n_floats<8>(p); }
MXI_KERNEL(gemv_sum_bfloat16, mxi_cuda_gemv, 256) { sum_splits<mxi_bf16>(p); }
MXI_KERNEL(gemv_sum_float16, mxi_cuda_gemv, 256) { sum_splits<mxi_f16>(p); }
MXI_KERNEL(gemv_sum_float32, mxi_cuda_gemv, 256) { sum_splits<float>(p); }
