/* Rotary position embedding (Su et al., "RoFormer", 2021): the pair (a, b) number i of a row at position p
   turns to (a cos t - b sin t, b cos t + a sin t) with t = p * frequency[i]. The pairs are (x[i], x[i +
   pairs]), or traditionally (x[2i], x[2i + 1]). Angles are reduced in double, so that positions of any size
   keep the accuracy of a float result. */
#include "cuda/kernels/rope.h"
#include "cuda/kernels/axes.cuh"
#include "cuda/kernels/math.cuh"
#include "cuda/kernels/ptx.cuh"
#include "cuda/kernels/reduce_ops.cuh"
#include "cuda/kernels/vector.cuh"

MXI_DEVICE int64_t rope_offset(const mxi_cuda_rope &p, int64_t batch) {
  const int64_t i = batch * p.offset_step;
  const void *at = p.offset;
  switch (p.offset_bytes * 2 + (p.offset_signed != 0)) {
  case 2: return static_cast<const uint8_t *>(at)[i];
  case 3: return static_cast<const int8_t *>(at)[i];
  case 4: return static_cast<const uint16_t *>(at)[i];
  case 5: return static_cast<const int16_t *>(at)[i];
  case 8: return static_cast<const uint32_t *>(at)[i];
  case 9: return static_cast<const int32_t *>(at)[i];
  default: return static_cast<const int64_t *>(at)[i];
  }
}
MXI_DEVICE double rope_frequency(const mxi_cuda_rope &p, int64_t pair) {
  if (p.frequencies) return p.factor / static_cast<double>(p.frequencies[pair * p.frequency_step]);
  return p.factor * mxi_exp(static_cast<double>(pair) * p.log_ratio);
}

/* N pairs of a row: where the first ones and the second ones are. */
template <int N, class T, class A>
MXI_DEVICE void rope_turn(const mxi_cuda_rope &p, const T *x, T *out, int64_t pair, const A *cosine,
                          const A *sine) {
  const int64_t first = p.traditional ? 2 * pair : pair, second = p.traditional ? first + N : first + p.pairs;
  const mxi_vector<T, N> low = mxi_load_vector<N>(x + first), high = mxi_load_vector<N>(x + second);
  mxi_vector<T, N> y, z;
  typedef mxi_convert<A> wide;
#pragma unroll
  for (int i = 0; i < N; i++) {
    const A a = wide::of(!p.traditional ? low.v[i] : 2 * i < N ? low.v[2 * i % N] : high.v[2 * i % N]);
    const A b = wide::of(!p.traditional  ? high.v[i]
                         : 2 * i + 1 < N ? low.v[(2 * i + 1) % N]
                                         : high.v[(2 * i + 1) % N]);
    const A turned_a = mxi_fma(a, cosine[i], -(b * sine[i])), turned_b = mxi_fma(a, sine[i], b * cosine[i]);
    if (!p.traditional) {
      y.v[i] = mxi_convert<T>::of(turned_a);
      z.v[i] = mxi_convert<T>::of(turned_b);
    } else {
      (2 * i < N ? y : z).v[2 * i % N] = mxi_convert<T>::of(turned_a);
      (2 * i + 1 < N ? y : z).v[(2 * i + 1) % N] = mxi_convert<T>::of(turned_b);
    }
  }
  mxi_store_vector<N>(out + first, y);
  mxi_store_vector<N>(out + second, z);
}

/* N: pairs that are read together, where rows are aligned to them; else 1. */
template <class T, int N> MXI_DEVICE void rope(const mxi_cuda_rope &p) {
  typedef typename mxi_widened<T>::type acc;
  enum { BLOCK = MXI_CUDA_ROPE_BLOCK };
  __shared__ __align__(16) acc cosines[BLOCK], sines[BLOCK];
  mxi_grid_wait();
  int64_t rest = blockIdx.x;
  const int64_t position_tile = rest % p.position_tiles;
  rest /= p.position_tiles;
  const int64_t pair_tile = rest % p.pair_tiles;
  rest /= p.pair_tiles;
  const int64_t batch = rest / p.row_tiles, first_row = (rest - batch * p.row_tiles) * p.rows_each;
  const int64_t first_position = position_tile * p.tile_positions, first_pair = pair_tile * p.tile_pairs;
  const int rows = static_cast<int>(min(p.rows_each, p.rows - first_row));
  const int positions =
      static_cast<int>(min(p.positions - first_position, static_cast<int64_t>(p.tile_positions)));
  const int pairs = static_cast<int>(min(p.pairs - first_pair, static_cast<int64_t>(p.tile_pairs)));

  const int thread = threadIdx.x, angle = thread % p.tile_pairs, position = thread / p.tile_pairs;
  if (angle < pairs && position < positions) {
    const double at =
        static_cast<double>(rope_offset(p, batch)) + static_cast<double>(first_position + position);
    const double t = at * rope_frequency(p, first_pair + angle);
    cosines[thread] = static_cast<acc>(mxi_cos(t));
    sines[thread] = static_cast<acc>(mxi_sin(t));
  }
  __syncthreads();

  const int vectors = pairs / N, items = rows * positions * vectors;
  const int64_t rows_before = batch * p.rows + first_row;
#pragma unroll 2
  for (int item = thread; item < items; item += BLOCK) {
    const int vector = item % vectors, line = item / vectors, row = line / positions,
              at = line - row * positions;
    const int64_t to = mxi_out_offset(p.axes, rows_before + row) + (first_position + at) * p.out_step;
    const int64_t from = mxi_in_offset(p.axes, rows_before + row) + (first_position + at) * p.x_step;
    const int turn = at * p.tile_pairs + vector * N;
    rope_turn<N>(p, static_cast<const T *>(p.x) + from, static_cast<T *>(p.out) + to, first_pair + vector * N,
                 cosines + turn, sines + turn);
  }
  /* What doesn't turn is copied, N elements at a time. */
  if (pair_tile || p.width == 2 * p.pairs) return;
  const int left = static_cast<int>((p.width - 2 * p.pairs) / N);
  for (int64_t item = thread; item < static_cast<int64_t>(rows) * positions * left; item += BLOCK) {
    const int64_t line = item / left, column = 2 * p.pairs + (item - line * left) * N;
    const int64_t row = line / positions, at = first_position + line - row * positions;
    const T *x = static_cast<const T *>(p.x) + mxi_in_offset(p.axes, rows_before + row) + at * p.x_step;
    T *out = static_cast<T *>(p.out) + mxi_out_offset(p.axes, rows_before + row) + at * p.out_step;
    mxi_store_vector<N>(out + column, mxi_load_vector<N>(x + column));
  }
}

#define ROPE(dtype, T)                                                                                 \
  MXI_KERNEL(rope_##dtype, mxi_cuda_rope, MXI_CUDA_ROPE_BLOCK) { rope<T, mxi_vector_of<T>::size>(p); } \
  MXI_KERNEL(rope_any_##dtype, mxi_cuda_rope, MXI_CUDA_ROPE_BLOCK) { rope<T, 1>(p); }
ROPE(float16, mxi_f16)
ROPE(bfloat16, mxi_bf16)
ROPE(float32, float)
ROPE(float64, double)
