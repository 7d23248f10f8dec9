/* y = x W^T for few rows of x, by tensor cores: W is read once, in the order in which it lies.

   A warp multiplies chunks of 16 rows by 128 columns: each lane has a piece of 32 neighbours of two rows,
   which are the left operand of eight instructions m16n8k16 as they come out of the packed words. A group's
   scale belongs to the sum over its own columns; but the four lanes of a row hold pieces of GROUPS groups. So
   the right operand has a column for each pair of a group and a row of x, which is zero for the lanes of
   other groups: GROUPS * X_ROWS columns, TILES instructions side by side. With s the scale, b the bias, and
   OFFSET what the pairs stand too high:

     y[n] = sum over groups of  s sum (q + OFFSET) x + (b - OFFSET s) sum x

   With more rows of x than two instructions have columns this is too many: then each weight is scaled first,
   and rounded.

   Shared memory holds x in the pairs' order, and the sums of x over groups. Weights are in flight, a run of
   DEPTH chunks for each warp, before anything waits for them: a chunk's registers are filled again as soon as
   it is multiplied, over the tiles' borders too. The sums of a team's warps meet in shared memory, several
   tiles at a time, and are added in the order of the warps. */
#include "cuda/kernels/choice.cuh"
#include "cuda/kernels/quantized.h"
#include "cuda/kernels/quantized_tensor.cuh"

enum { CHUNK = MXI_CUDA_TENSOR_CHUNK, TILE_ROWS = MXI_CUDA_TENSOR_ROWS, PIECE = 32 };

/* GROUPS of a chunk; at most X_ROWS rows of x. */
template <class F, class T, int GROUPS, int X_ROWS, int WARPS> struct tensor_product {
  enum {
    SCALED = X_ROWS > MXI_CUDA_TENSOR_EXACT_ROWS, /* weights, before the product */
    TILES = (SCALED ? 1 : GROUPS) * X_ROWS / 8,
    SLOTS = MXI_CUDA_TENSOR_SLOTS(X_ROWS),
    SUMS = X_ROWS > 8 ? X_ROWS / 8 : 1, /* tiles of the result */
    /* chunks of a run: 32 KB are in flight at least, 64 KB if registers allow */
    DEPTH = F::BITS == 8 || (WARPS == 16 && (GROUPS * X_ROWS > 8 || (F::BIASES && GROUPS == 4))) ? 2 : 4,
    SCALE_BYTES = F::BIASES ? 2 : 1,
    SCALE_WORDS = GROUPS * DEPTH * SCALE_BYTES / 4, /* of a row's run */
    PARTIAL = TILE_ROWS * 8 * SUMS,                 /* floats of a tile's result */
    ADDS_SUMS = F::BIASES && !SCALED
  };
  using pairs = mxi_pairs<F, T>;
  static_assert(TILES >= 1 && MXI_CUDA_TENSOR_RUN % DEPTH == 0, "whole instructions, whole runs");

  /* The scales of a run, of rows group and group + 8. */
  struct run_scales {
    uint32_t scales[2][SCALE_WORDS], biases[2][F::BIASES ? SCALE_WORDS : 1];
  };

  const mxi_cuda_quantized_tensor &p;
  unsigned char *shared;
  int group, tig;         /* of the lane: its place in fragments (ptx.cuh) */
  int first_run, runs;    /* of the warp, in units of DEPTH chunks, from the part's beginning */
  int part_first;         /* the chunk where the part begins */
  int pieces, row_groups; /* of a whole row */
  const uint32_t *packed; /* of the batch's matrix */
  const char *scales, *biases;
  int x_at[TILES]; /* where the lane's column of x begins; 0: it is zero */

  /* ---- Loads ---- */
  /* The two rows of a tile that the lane reads, eight apart; beyond the last row it is the last. */
  struct rows {
    const uint32_t *packed; /* of the first */
    int groups;
    int second_packed, second_groups; /* from it to the second */
  };
  __device__ __forceinline__ rows rows_of(int64_t tile) const {
    const int64_t last = p.product.n - 1, first = min(tile * TILE_ROWS + group, last);
    const int apart = static_cast<int>(min(first + 8, last) - first);
    return {packed + first * pieces * F::BITS, static_cast<int>(first) * row_groups, apart * pieces * F::BITS,
            apart * row_groups};
  }
  /* Pieces beyond the last are the last: x is zero there. */
  __device__ __forceinline__ void load_chunk(uint32_t (&w)[2][F::BITS], const rows &r, int chunk) const {
    const int piece = min((part_first + chunk) * (CHUNK / PIECE) + tig, pieces - 1);
    const uint32_t *first = r.packed + piece * F::BITS, *second = first + r.second_packed;
#pragma unroll
    for (int j = 0; j < F::BITS; j += 4) {
      const uint4 a = mxi_load_once(first + j), b = mxi_load_once(second + j);
      w[0][j] = a.x, w[0][j + 1] = a.y, w[0][j + 2] = a.z, w[0][j + 3] = a.w;
      w[1][j] = b.x, w[1][j + 1] = b.y, w[1][j + 2] = b.z, w[1][j + 3] = b.w;
    }
  }
  /* SCALE_WORDS words from the scales of groups from `at` on, `left` of them in the row. */
  __device__ __forceinline__ void load_scale_words(uint32_t (&to)[SCALE_WORDS], const char *from, int at,
                                                   int left) const {
    const char *address = from + static_cast<int64_t>(at) * SCALE_BYTES;
    if (p.whole) {
      if constexpr (SCALE_WORDS % 4 == 0) {
#pragma unroll
        for (int i = 0; i < SCALE_WORDS; i += 4) {
          const uint4 v = __ldg(reinterpret_cast<const uint4 *>(address) + i / 4);
          to[i] = v.x, to[i + 1] = v.y, to[i + 2] = v.z, to[i + 3] = v.w;
        }
      } else if constexpr (SCALE_WORDS == 2) {
        const uint2 v = __ldg(reinterpret_cast<const uint2 *>(address));
        to[0] = v.x, to[1] = v.y;
      } else {
        to[0] = __ldg(reinterpret_cast<const uint32_t *>(address));
      }
      return;
    }
#pragma unroll
    for (int i = 0; i < SCALE_WORDS; i++) {
      to[i] = 0;
#pragma unroll
      for (int j = 0; j < 4 / SCALE_BYTES; j++) {
        const int e = i * (4 / SCALE_BYTES) + j;
        uint32_t value = 0;
        if (e < left) {
          if constexpr (SCALE_BYTES == 2)
            value = reinterpret_cast<const uint16_t *>(address)[e];
          else
            value = reinterpret_cast<const uint8_t *>(address)[e];
        }
        to[i] |= value << (8 * SCALE_BYTES * j);
      }
    }
  }
  __device__ __forceinline__ void load_scales(run_scales &to, const rows &r, int run) const {
    const int at = (part_first + run * DEPTH) * GROUPS;
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const int from = r.groups + i * r.second_groups + at;
      load_scale_words(to.scales[i], scales, from, row_groups - at);
      if constexpr (F::BIASES) load_scale_words(to.biases[i], biases, from, row_groups - at);
    }
  }

  /* ---- Scales of the result's columns 8 j + 2 tig and the next, which are of one group ---- */
  __device__ __forceinline__ float scale_at(const uint32_t (&words)[SCALE_WORDS], int chunk, int j) const {
    const int e =
        chunk * GROUPS + 8 * j / X_ROWS; /* the lane's is as many after it as its group after the tile's */
    const int after = X_ROWS >= 8 ? 0 : 2 * tig / X_ROWS;
    if constexpr (SCALE_BYTES == 1) {
      const uint32_t byte = words[e / 4] >> (8 * (e % 4 + after)) & 255;
      return F::SCALES_ARE == mxi_quant::SCALES_E8M0 ? mxi_e8m0_value(byte) : mxi_e4m3_value(byte);
    }
    uint32_t word = words[e / 2];
    if (X_ROWS == 2 && after >= 2) word = words[(e / 2 + 1) % SCALE_WORDS];
    const int half = (e + after) % 2;
    if constexpr (mxi_is_bf16<T>::value)
      return mxi_float_of_bits(__byte_perm(word, 0, half ? 0x3244 : 0x1044));
    return mxi_to_float(T{static_cast<uint16_t>(half ? word >> 16 : word)});
  }

  /* The scale or bias of the lane's own piece, twice in a word. */
  __device__ __forceinline__ uint32_t own_pair(const uint32_t (&words)[SCALE_WORDS], int chunk) const {
    const int own = tig * GROUPS / 4;
    uint32_t word = words[chunk * GROUPS / 2];
    if (GROUPS == 4 && own >= 2) word = words[(chunk * GROUPS / 2 + 1) % SCALE_WORDS];
    return __byte_perm(word, 0, (chunk * GROUPS + own) % 2 ? 0x3232 : 0x1010);
  }

  /* ---- The product of a chunk ---- */
  __device__ __forceinline__ int x_place(int j, int chunk) const {
    return x_at[j] ? x_at[j] + chunk * (CHUNK * 2) : 0;
  }
  __device__ __forceinline__ void multiply(float (&sums)[SUMS][4], const uint32_t (&w)[2][F::BITS],
                                           const run_scales &s, int chunk, int in_run) const {
    float product[TILES][4] = {};
#pragma unroll
    for (int quarter = 0; quarter < 4; quarter++) {
      uint32_t a[2][4];
#pragma unroll
      for (int half = 0; half < 2; half++)
#pragma unroll
        for (int i = 0; i < 4; i++) a[half][i] = pairs::at(w[i % 2], 4 * quarter + 2 * half + i / 2);
#pragma unroll
      for (int j = 0; j < TILES; j++) {
        const uint4 x = *reinterpret_cast<const uint4 *>(shared + x_place(j, chunk) + 64 * quarter);
        const uint32_t b[2][2] = {{x.x, x.y}, {x.z, x.w}};
        mxi_mma_halves<T>(product[j], a[0], b[0]);
        mxi_mma_halves<T>(product[j], a[1], b[1]);
      }
    }
    const float2 *group_sums = reinterpret_cast<const float2 *>(shared + p.sums_at) + chunk * TILES * 4 + tig;
#pragma unroll
    for (int j = 0; j < TILES; j++) {
      float(&sum)[4] = sums[8 * j % X_ROWS / 8];
#pragma unroll
      for (int i = 0; i < 2; i++) {
        const float scale = scale_at(s.scales[i], in_run, j);
        if constexpr (ADDS_SUMS) {
          const float2 x_sums = group_sums[4 * j];
          const float offset = mxi_fma(-pairs::offset(), scale, scale_at(s.biases[i], in_run, j));
          sum[2 * i] = mxi_fma(offset, x_sums.x, sum[2 * i]);
          sum[2 * i + 1] = mxi_fma(offset, x_sums.y, sum[2 * i + 1]);
        }
        sum[2 * i] = mxi_fma(scale, product[j][2 * i], sum[2 * i]);
        sum[2 * i + 1] = mxi_fma(scale, product[j][2 * i + 1], sum[2 * i + 1]);
      }
    }
  }

  __device__ __forceinline__ void multiply_scaled(float (&sums)[SUMS][4], const uint32_t (&w)[2][F::BITS],
                                                  const run_scales &s, int chunk, int in_run) const {
    const uint32_t scales[2] = {own_pair(s.scales[0], in_run), own_pair(s.scales[1], in_run)};
    const uint32_t biases[2] = {own_pair(s.biases[0], in_run), own_pair(s.biases[1], in_run)};
#pragma unroll
    for (int quarter = 0; quarter < 4; quarter++) {
      uint32_t a[2][4];
#pragma unroll
      for (int half = 0; half < 2; half++)
#pragma unroll
        for (int i = 0; i < 4; i++)
          a[half][i] =
              pairs::scaled_at(w[i % 2], 4 * quarter + 2 * half + i / 2, scales[i % 2], biases[i % 2]);
#pragma unroll
      for (int j = 0; j < TILES; j++) {
        const uint4 x = *reinterpret_cast<const uint4 *>(shared + x_place(j, chunk) + 64 * quarter);
        const uint32_t b[2][2] = {{x.x, x.y}, {x.z, x.w}};
        mxi_mma_halves<T>(sums[j], a[0], b[0]);
        mxi_mma_halves<T>(sums[j], a[1], b[1]);
      }
    }
  }

  /* ---- x ---- */
  /* Rows of x into shared memory, a thread eight neighbours, and their sums over groups: [chunk][column]. */
  __device__ __forceinline__ void stage(const T *x, int x_rows) const {
    const int64_t k = p.product.k, k_first = static_cast<int64_t>(part_first) * CHUNK;
    const int chunks = p.part_runs * MXI_CUDA_TENSOR_RUN, eights = chunks * (CHUNK / 8);
    const int pitch = chunks * CHUNK * 2 + MXI_CUDA_TENSOR_PAD;
    for (int i = threadIdx.x; i < MXI_CUDA_TENSOR_ZEROS / 4; i += blockDim.x)
      reinterpret_cast<uint32_t *>(shared)[i] = 0;
#pragma unroll 1
    for (int i = threadIdx.x; i < X_ROWS * eights;
         i += blockDim.x) { /* a multiple of 16 * RUN: warps stay together */
      const int row = i / eights, eight = i % eights, chunk = eight / (CHUNK / 8),
                in_chunk = eight % (CHUNK / 8);
      const int64_t column = k_first + static_cast<int64_t>(eight) * 8;
      uint4 v = make_uint4(0, 0, 0, 0);
      if (row < x_rows && column < k) v = load_eight_halves(x + row * k + column);
      if constexpr (ADDS_SUMS) {
        float sum = sum_of_eight(v);
        for (int lanes = 1; lanes < CHUNK / 8 / GROUPS; lanes *= 2) sum += __shfl_xor_sync(~0u, sum, lanes);
        const int own = in_chunk / (CHUNK / 8 / GROUPS);
        if (in_chunk % (CHUNK / 8 / GROUPS) == 0)
          reinterpret_cast<float *>(shared + p.sums_at)[chunk * TILES * 8 + own * X_ROWS + row] = sum;
      }
      if (row < x_rows) /* piece in_chunk / 4 has its quarters 64 bytes apart */
        *reinterpret_cast<uint4 *>(shared + MXI_CUDA_TENSOR_ZEROS + row * pitch + chunk * CHUNK * 2 +
                                   in_chunk % 4 * 64 + in_chunk / 4 * 16) = pairs::arranged(v);
    }
  }
  __device__ __forceinline__ uint4 load_eight_halves(const T *from) const {
    if (p.product.aligned) return *reinterpret_cast<const uint4 *>(from);
    const uint16_t *h = reinterpret_cast<const uint16_t *>(from);
    return make_uint4(h[0] | static_cast<uint32_t>(h[1]) << 16, h[2] | static_cast<uint32_t>(h[3]) << 16,
                      h[4] | static_cast<uint32_t>(h[5]) << 16, h[6] | static_cast<uint32_t>(h[7]) << 16);
  }
  __device__ __forceinline__ float sum_of_eight(uint4 v) const {
    const mxi_pair a = mxi_unpack<T>(v.x), b = mxi_unpack<T>(v.y), c = mxi_unpack<T>(v.z),
                   d = mxi_unpack<T>(v.w);
    return ((a.first + a.second) + (b.first + b.second)) + ((c.first + c.second) + (d.first + d.second));
  }
  /* Column 8 j + group of the right operand: which row of x, and whether the lane's piece is of its group. */
  __device__ __forceinline__ void find_columns(int x_rows) {
    const int pitch = p.part_runs * MXI_CUDA_TENSOR_RUN * CHUNK * 2 + MXI_CUDA_TENSOR_PAD;
#pragma unroll
    for (int j = 0; j < TILES; j++) {
      const int column = 8 * j + group, row = column % X_ROWS;
      const bool own = (SCALED || column / X_ROWS == tig * GROUPS / 4) && row < x_rows;
      x_at[j] = own ? MXI_CUDA_TENSOR_ZEROS + row * pitch + tig * 16 : 0;
    }
  }

  /* ---- Results ---- */
  /* The warps of a team wait for each other; there are barriers for all teams of at least two. */
  __device__ __forceinline__ void meet(int team) const {
    if (p.slices == 1)
      __syncwarp();
    else
      mxi_barrier_sync(1 + team, p.slices * 32);
  }
  __device__ __forceinline__ float *partial_of(int warp, int slot) const {
    return reinterpret_cast<float *>(shared + p.partial_at) + (warp * SLOTS + slot) * PARTIAL;
  }
  __device__ __forceinline__ void put_partial(const float (&sums)[SUMS][4], int warp, int slot) const {
    float *to = partial_of(warp, slot);
#pragma unroll
    for (int j = 0; j < SUMS; j++)
#pragma unroll
      for (int i = 0; i < 2; i++)
        *reinterpret_cast<float2 *>(to + (group + 8 * i) * (8 * SUMS) + 8 * j + 2 * tig) =
            make_float2(sums[j][2 * i], sums[j][2 * i + 1]);
  }
  /* The results of tiles `first`, first + step ..., `count` of them, by the threads of a team. */
  __device__ __forceinline__ void finish(int64_t first, int64_t step, int count, int team, int x_rows,
                                         int64_t y_row) const {
    const int thread = threadIdx.x - team * p.slices * 32;
#pragma unroll 1
    for (int i = thread; i < count * x_rows * TILE_ROWS; i += p.slices * 32) {
      const int in_tile = i % TILE_ROWS, x_row = i / TILE_ROWS % x_rows, slot = i / TILE_ROWS / x_rows;
      float sum = 0;
#pragma unroll 1
      for (int slice = 0; slice < p.slices; slice++) {
        const float *from = partial_of(team * p.slices + slice, slot) + in_tile * (8 * SUMS) + x_row;
#pragma unroll
        for (int copy = 0; copy < (X_ROWS < 8 ? 8 / X_ROWS : 1); copy++) sum += from[copy * X_ROWS];
      }
      const int64_t row = (first + slot * step) * TILE_ROWS + in_tile;
      if (row >= p.product.n) continue;
      sum *= pairs::factor();
      if (p.partial)
        p.partial[static_cast<int64_t>(blockIdx.y) * (gridDim.z / p.passes) * p.product.m * p.product.n +
                  (y_row + x_row) * p.product.n + row] = sum;
      else
        static_cast<T *>(p.product.y)[(y_row + x_row) * p.product.n + row] = mxi_of_float<T>(sum);
    }
  }

  /* All tiles of a warp. The first weights are on their way before x is brought. */
  __device__ __forceinline__ void run(const T *x, int x_rows, int64_t y_row) {
    const int warp = threadIdx.x / 32, team = warp / p.slices;
    const int64_t tiles = (p.product.n + TILE_ROWS - 1) / TILE_ROWS,
                  step = static_cast<int64_t>(p.teams) * gridDim.x;
    int64_t tile = static_cast<int64_t>(team) * gridDim.x + blockIdx.x;
    const bool works = team < p.teams && tile < tiles;
    uint32_t w[DEPTH][2][F::BITS];
    run_scales scales_now, scales_next = {};
    rows r = {};
    if (works && runs > 0) {
      r = rows_of(tile);
      load_scales(scales_next, r, first_run);
#pragma unroll
      for (int c = 0; c < DEPTH; c++) load_chunk(w[c], r, first_run * DEPTH + c);
    }
    stage(x, x_rows);
    find_columns(x_rows);
    __syncthreads();
    if (!works) return;
#pragma unroll 1
    for (int64_t first = tile; first < tiles; first = tile) {
      int slot = 0;
#pragma unroll 1
      for (; slot < SLOTS && tile < tiles; slot++, tile += step) {
        float sums[SUMS][4] = {};
#pragma unroll 1
        for (int at = first_run; at < first_run + runs; at++) {
          const bool last = at + 1 == first_run + runs, more = !last || tile + step < tiles;
          const int next = last ? first_run : at + 1;
          scales_now = scales_next;
          if (last && more) r = rows_of(tile + step);
#pragma unroll
          for (int c = 0; c < DEPTH; c++) {
            if (c == DEPTH - 1 && more) load_scales(scales_next, r, next);
            if constexpr (SCALED)
              multiply_scaled(sums, w[c], scales_now, at * DEPTH + c, c);
            else
              multiply(sums, w[c], scales_now, at * DEPTH + c, c);
            if (more) load_chunk(w[c], r, next * DEPTH + c);
          }
        }
        put_partial(sums, warp, slot);
      }
      meet(team);
      finish(first, step, slot, team, x_rows, y_row);
      meet(team);
    }
  }
};

template <class F, class T, int GROUPS, int X_ROWS, int WARPS>
MXI_DEVICE void multiply_few(const mxi_cuda_quantized_tensor &p) {
  using product = tensor_product<F, T, GROUPS, X_ROWS, WARPS>;
  MXI_DYNAMIC_SHARED(unsigned char, shared);
  mxi_grid_wait();
  mxi_grid_launch_dependents();
  const int64_t batch = blockIdx.z / p.passes, x_first = static_cast<int64_t>(blockIdx.z % p.passes) * X_ROWS;
  const int x_rows = static_cast<int>(min(static_cast<int64_t>(X_ROWS), p.product.m - x_first));
  int64_t left, right;
  if (!mxi_find_chosen(p.product.choice, static_cast<uint32_t>(batch), left, right)) return;
  const int warp = threadIdx.x / 32, slice = warp % p.slices, lane = threadIdx.x % 32;
  const int part_first = blockIdx.y * p.part_runs * MXI_CUDA_TENSOR_RUN;
  const int all_chunks = static_cast<int>((p.product.k + CHUNK - 1) / CHUNK);
  const int chunks = min(p.part_runs * MXI_CUDA_TENSOR_RUN, all_chunks - part_first);
  const int runs = (chunks + product::DEPTH - 1) / product::DEPTH, first_run = runs * slice / p.slices;
  const int64_t scales = right * p.product.scales_batch * product::SCALE_BYTES;
  product a = {p,
               shared,
               lane / 4,
               lane % 4,
               first_run,
               runs * (slice + 1) / p.slices - first_run,
               part_first,
               static_cast<int>(p.product.k / PIECE),
               static_cast<int>(p.product.k >> p.product.log_group),
               p.product.packed + right * p.product.packed_batch,
               static_cast<const char *>(p.product.scales) + scales,
               F::BIASES ? static_cast<const char *>(p.product.biases) + scales : nullptr,
               {}};
  a.run(static_cast<const T *>(p.product.x) + left * p.product.x_batch + x_first * p.product.k, x_rows,
        batch * p.product.m + x_first);
}

#define INSTANCE(ID, GROUPS, X_ROWS, WARPS, T, DTYPE)                                                        \
  MXI_KERNEL(quantized_tensor_##ID##_##GROUPS##_##X_ROWS##_##DTYPE, mxi_cuda_quantized_tensor, 32 * WARPS) { \
    multiply_few<mxi_quant::ID, T, GROUPS, X_ROWS, WARPS>(p);                                                \
  }
#define MXI_CUDA_TENSOR_FORM(ID, GROUPS, X_ROWS, WARPS) \
  INSTANCE(ID, GROUPS, X_ROWS, WARPS, mxi_f16, float16) \
  INSTANCE(ID, GROUPS, X_ROWS, WARPS, mxi_bf16, bfloat16)
#include "cuda/kernels/quantized_tensor.def"

/* ---- The sum of the parts ---- */
template <class T> MXI_DEVICE void sum_parts(const mxi_cuda_quantized_parts &p) {
  mxi_grid_wait();
  const int64_t i = static_cast<int64_t>(blockIdx.x) * MXI_CUDA_PARTS_THREADS + threadIdx.x;
  if (i >= p.size) return;
  float sum = 0;
  for (int part = 0; part < p.parts; part++) sum += p.partial[part * p.size + i];
  static_cast<T *>(p.y)[i] = mxi_of_float<T>(sum);
}
MXI_KERNEL(quantized_parts_float16, mxi_cuda_quantized_parts, MXI_CUDA_PARTS_THREADS) {
  sum_parts<mxi_f16>(p);
}
MXI_KERNEL(quantized_parts_bfloat16, mxi_cuda_quantized_parts, MXI_CUDA_PARTS_THREADS) {
  sum_parts<mxi_bf16>(p);
}
