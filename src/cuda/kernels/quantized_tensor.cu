/* y = x W^T for few rows of x, by tensor cores: W is read once, in the order in which it lies.

   A warp multiplies chunks of 16 rows by 128 columns. W is the left operand of instructions m16n8k16,
   straight from the packed words, x the right one. In which order a sum's elements come is free as long as
   both sides agree: so the four lanes of a row share each group's words evenly, and a group's product is
   complete before the next begins. With s its scale, b its bias, and OFFSET what the pairs stand too high:

     y[n] = sum over groups of  s sum (q + OFFSET) x + (b - OFFSET s) sum x

   Shared memory holds x in the pairs' order, the sums of x over groups, and for each warp a ring of runs:
   some chunks of a tile's rows, and their scales. The copies into it don't wait, and a run's place is filled
   again as soon as it is multiplied, over the tiles' borders too: so most of the ring is under way all the
   time. The sums of a team's warps meet in shared memory, several tiles at a time, and are added in the order
   of the warps. */
#include "cuda/kernels/choice.cuh"
#include "cuda/kernels/quantized.h"
#include "cuda/kernels/quantized_tensor.cuh"

enum {
  CHUNK = MXI_CUDA_TENSOR_CHUNK,
  STAGES = MXI_CUDA_TENSOR_STAGES,
  TILE_ROWS = MXI_CUDA_TENSOR_ROWS,
  UNITS = MXI_CUDA_TENSOR_RUN_BYTES / 16
};

/* GROUPS of a chunk; at most X_ROWS of x. */
template <class F, class T, int GROUPS, int X_ROWS> struct tensor_product {
  enum {
    TILES = X_ROWS / 8,
    SLOTS = MXI_CUDA_TENSOR_SLOTS(X_ROWS),
    EIGHT_WORDS = F::BITS / 4,                                        /* of eight neighbours */
    EIGHTS = CHUNK / GROUPS / 4 / 8,                                  /* of a group that a lane has */
    NEIGHBOURS = EIGHTS * EIGHT_WORDS < 4 ? EIGHTS : 4 / EIGHT_WORDS, /* of those, side by side */
    LANE_WORDS = NEIGHBOURS * EIGHT_WORDS,
    DEPTH = MXI_CUDA_TENSOR_RUN_BYTES * 8 / F::BITS / CHUNK, /* chunks of a run */
    SCALE_BYTES = F::BIASES ? 2 : 1,
    SCALE_ROW = GROUPS * DEPTH * SCALE_BYTES, /* bytes of a row's run */
    SCALE_WORDS = (SCALE_ROW + 3) / 4,
    SCALE_KINDS = F::BIASES ? 2 : 1,
    SCALES_AT = TILE_ROWS * MXI_CUDA_TENSOR_RUN_BYTES, /* in a stage: [kind][row][SCALE_ROW] */
    STAGE = MXI_CUDA_TENSOR_STAGE(GROUPS * DEPTH, F::BIASES),
    PARTIAL = TILE_ROWS * X_ROWS /* floats of a tile's result */
  };
  using pairs = mxi_pairs<F, T>;
  static_assert(X_ROWS % 8 == 0 && MXI_CUDA_TENSOR_STEP % DEPTH == 0, "whole instructions, whole runs");

  /* The scales of a run, of rows group and group + 8. */
  struct run_scales {
    uint32_t scales[2][SCALE_WORDS], biases[2][F::BIASES ? SCALE_WORDS : 1];
  };

  const mxi_cuda_quantized_tensor &p;
  unsigned char *shared;
  int group, tig;                       /* of the lane: its place in fragments (ptx.cuh) */
  int first_run, runs;                  /* of the warp, in units of DEPTH chunks, from the part's beginning */
  int part_first;                       /* the chunk where the part begins */
  int row_bytes, row_groups;            /* of a whole row */
  const char *packed, *scales, *biases; /* of the batch's matrix */
  int x_at[TILES];                      /* where the lane's column of x begins */

  /* ---- Copies ---- */
  __device__ __forceinline__ unsigned char *stage_at(int at) const {
    return shared + p.ring_at + (static_cast<int>(threadIdx.x) / 32 * STAGES + at) * STAGE;
  }
  /* Where in a stage 16 bytes of a row lie: the lanes of a load meet in different banks, whether they take
     64, 32 or 16 bytes of each row. */
  __device__ __forceinline__ static int unit_at(int row, int unit) {
    return (row * UNITS + (unit ^ ((row & 1) << 2 | (row & 2) | (row >> 2 & 1)))) * 16;
  }
  /* The next run to be copied, of the runs of the warp's tiles in their order, and where the lane's part of
     it begins. */
  struct cursor {
    int64_t tile;
    int run, rows;                  /* rows of the tile */
    const char *from, *scales_from; /* the scales' or the biases' */
  };
  __device__ __forceinline__ int run_byte(int run) const {
    return part_first * (CHUNK * F::BITS / 8) + run * MXI_CUDA_TENSOR_RUN_BYTES;
  }
  __device__ __forceinline__ cursor cursor_at(int64_t tile) const {
    const int lane = 4 * group + tig;
    const int64_t first = tile * TILE_ROWS;
    const char *values = SCALE_KINDS == 2 && lane >= TILE_ROWS ? biases : scales;
    const int64_t at = (first + lane % TILE_ROWS) * row_groups + (part_first + first_run * DEPTH) * GROUPS;
    return {tile, first_run, static_cast<int>(min(p.product.n - first, static_cast<int64_t>(TILE_ROWS))),
            packed + (first + lane / UNITS) * row_bytes + run_byte(first_run) + lane % UNITS * 16,
            values + at * SCALE_BYTES};
  }
  /* Starts the copy of a run. What is beyond the last row or column is zero. */
  __device__ __forceinline__ void copy_run(unsigned char *to, const cursor &c) const {
    constexpr int ROWS = 32 / UNITS; /* at once */
    static_assert(ROWS == 4, "eight rows on, and so every second time, a unit lies where it did");
    const int lane = 4 * group + tig, row = lane / UNITS, unit = lane % UNITS, place = unit_at(row, unit);
    const bool inside = run_byte(c.run) + unit * 16 < row_bytes;
#pragma unroll
    for (int i = 0; i < TILE_ROWS; i += ROWS)
      mxi_copy_async<16>(to + (place ^ (i & ROWS) * (16 / ROWS)) + i * MXI_CUDA_TENSOR_RUN_BYTES,
                         c.from + static_cast<int64_t>(i) * row_bytes, inside && row + i < c.rows ? 16 : 0);
    if (SCALE_ROW < 4 || !p.whole)
      copy_cut_scales(to + SCALES_AT, c);
    else if (lane < SCALE_KINDS * TILE_ROWS)
      mxi_copy_async < SCALE_ROW<4 ? 4 : SCALE_ROW>(to + SCALES_AT + lane * SCALE_ROW, c.scales_from,
                                                    lane % TILE_ROWS < c.rows ? SCALE_ROW : 0);
  }
  /* One by one, as a run ends where its row does or the scales aren't aligned. */
  __device__ __forceinline__ void copy_cut_scales(unsigned char *to, const cursor &c) const {
    const int at = (part_first + c.run * DEPTH) * GROUPS;
    for (int i = 4 * group + tig; i < SCALE_KINDS * TILE_ROWS * GROUPS * DEPTH; i += 32) {
      const int in_run = i % (GROUPS * DEPTH), row = i / (GROUPS * DEPTH) % TILE_ROWS;
      const char *values = i / (GROUPS * DEPTH * TILE_ROWS) ? biases : scales;
      const char *from = values + ((c.tile * TILE_ROWS + row) * row_groups + at + in_run) * SCALE_BYTES;
      const bool inside = row < c.rows && at + in_run < row_groups;
      if constexpr (SCALE_BYTES == 2)
        reinterpret_cast<uint16_t *>(to)[i] = inside ? *reinterpret_cast<const uint16_t *>(from) : 0;
      else
        to[i] = inside ? static_cast<unsigned char>(*from) : 0;
    }
  }

  /* ---- Out of a stage ---- */
  /* The lane's words of group g of a chunk, of rows group and group + 8: for every 4 LANE_WORDS of the group
     its own LANE_WORDS. */
  __device__ __forceinline__ void load_group(uint32_t (&w)[2][F::BITS], const unsigned char *stage, int chunk,
                                             int g) const {
#pragma unroll
    for (int i = 0; i < 2; i++)
#pragma unroll
      for (int j = 0; j < EIGHTS * EIGHT_WORDS; j += LANE_WORDS) {
        const int word =
            chunk * (CHUNK * F::BITS / 32) + g * (CHUNK * F::BITS / 32 / GROUPS) + 4 * j + tig * LANE_WORDS;
        const unsigned char *from = stage + unit_at(group + 8 * i, word / 4) + word % 4 * 4;
        if constexpr (LANE_WORDS == 4) {
          const uint4 v = *reinterpret_cast<const uint4 *>(from);
          w[i][j] = v.x, w[i][j + 1] = v.y, w[i][j + 2] = v.z, w[i][j + 3] = v.w;
        } else if constexpr (LANE_WORDS == 2) {
          const uint2 v = *reinterpret_cast<const uint2 *>(from);
          w[i][j] = v.x, w[i][j + 1] = v.y;
        } else {
          w[i][j] = *reinterpret_cast<const uint32_t *>(from);
        }
      }
  }
  __device__ __forceinline__ static void load_words(uint32_t (&to)[SCALE_WORDS], const unsigned char *from) {
    if constexpr (SCALE_WORDS % 4 == 0) {
#pragma unroll
      for (int i = 0; i < SCALE_WORDS; i += 4) {
        const uint4 v = reinterpret_cast<const uint4 *>(from)[i / 4];
        to[i] = v.x, to[i + 1] = v.y, to[i + 2] = v.z, to[i + 3] = v.w;
      }
    } else if constexpr (SCALE_WORDS == 2) {
      const uint2 v = *reinterpret_cast<const uint2 *>(from);
      to[0] = v.x, to[1] = v.y;
    } else if constexpr (SCALE_ROW >= 4) {
      to[0] = *reinterpret_cast<const uint32_t *>(from);
    } else {
      to[0] = *reinterpret_cast<const uint16_t *>(from);
    }
  }
  __device__ __forceinline__ void load_scales(run_scales &to, const unsigned char *stage) const {
#pragma unroll
    for (int i = 0; i < 2; i++) {
      const unsigned char *from = stage + SCALES_AT + (group + 8 * i) * SCALE_ROW;
      load_words(to.scales[i], from);
      if constexpr (F::BIASES) load_words(to.biases[i], from + TILE_ROWS * SCALE_ROW);
    }
  }

  /* ---- The product of a chunk ---- */
  __device__ __forceinline__ static float scale_at(const uint32_t (&words)[SCALE_WORDS], int e) {
    if constexpr (SCALE_BYTES == 1) {
      const uint32_t byte = words[e / 4] >> (8 * (e % 4)) & 255;
      return F::SCALES_ARE == mxi_quant::SCALES_E8M0 ? mxi_e8m0_value(byte) : mxi_e4m3_value(byte);
    }
    return mxi_to_float(T{static_cast<uint16_t>(e % 2 ? words[e / 2] >> 16 : words[e / 2])});
  }
  __device__ __forceinline__ void multiply(float (&sums)[TILES][4], const unsigned char *stage,
                                           const run_scales &s, int chunk, int in_run) const {
    float product[GROUPS][TILES][4] = {};
    uint32_t w[GROUPS][2][F::BITS];
#pragma unroll
    for (int g = 0; g < GROUPS; g++) load_group(w[g], stage, in_run, g);
#pragma unroll
    for (int e = 0; e < EIGHTS; e++)
#pragma unroll
      for (int g = 0; g < GROUPS; g++) {
        uint32_t a[2][4];
#pragma unroll
        for (int half = 0; half < 2; half++)
#pragma unroll
          for (int i = 0; i < 4; i++) a[half][i] = pairs::at(w[g][i % 2], 4 * e + 2 * half + i / 2);
#pragma unroll
        for (int j = 0; j < TILES; j++) {
          const uint4 x = *reinterpret_cast<const uint4 *>(shared + x_at[j] + chunk * (CHUNK * 2) +
                                                           (g * EIGHTS + e) * 64);
          const uint32_t b[2][2] = {{x.x, x.y}, {x.z, x.w}};
          mxi_mma_halves<T>(product[g][j], a[0], b[0]);
          mxi_mma_halves<T>(product[g][j], a[1], b[1]);
        }
      }
    const float *group_sums =
        reinterpret_cast<const float *>(shared + p.sums_at) + chunk * GROUPS * X_ROWS + 2 * tig;
#pragma unroll
    for (int g = 0; g < GROUPS; g++)
#pragma unroll
      for (int i = 0; i < 2; i++) {
        const float scale = scale_at(s.scales[i], in_run * GROUPS + g);
        float offset = 0;
        if constexpr (F::BIASES)
          offset = mxi_fma(-pairs::offset(), scale, scale_at(s.biases[i], in_run * GROUPS + g));
#pragma unroll
        for (int j = 0; j < TILES; j++) {
          float(&sum)[4] = sums[j];
          if constexpr (F::BIASES) {
            const float2 x_sums = *reinterpret_cast<const float2 *>(group_sums + g * X_ROWS + 8 * j);
            sum[2 * i] = mxi_fma(offset, x_sums.x, sum[2 * i]);
            sum[2 * i + 1] = mxi_fma(offset, x_sums.y, sum[2 * i + 1]);
          }
          sum[2 * i] = mxi_fma(scale, product[g][j][2 * i], sum[2 * i]);
          sum[2 * i + 1] = mxi_fma(scale, product[g][j][2 * i + 1], sum[2 * i + 1]);
        }
      }
  }

  /* ---- x ---- */
  /* Rows of x into shared memory, a thread eight neighbours, and their sums over groups: [chunk][group][row].
     Columns of the right operand that have no row are of any values. */
  __device__ __forceinline__ void stage_x(const T *x, int x_rows) const {
    enum { AT_ONCE = 4 /* loads under way in a thread */ };
    const int64_t k = p.product.k, k_first = static_cast<int64_t>(part_first) * CHUNK;
    const int chunks = p.part_steps * MXI_CUDA_TENSOR_STEP, eights = chunks * (CHUNK / 8);
    const int all = x_rows * eights; /* a multiple of 16 * STEP: warps stay together */
#pragma unroll 1
    for (int first = threadIdx.x; first < all; first += AT_ONCE * blockDim.x) {
      uint4 v[AT_ONCE];
#pragma unroll
      for (int u = 0; u < AT_ONCE; u++) {
        const int i = first + u * blockDim.x, row = i / eights;
        const int64_t column = k_first + static_cast<int64_t>(i - row * eights) * 8;
        v[u] = i < all && column < k ? load_eight_halves(x + row * k + column) : make_uint4(0, 0, 0, 0);
      }
#pragma unroll
      for (int u = 0; u < AT_ONCE; u++) {
        const int i = first + u * blockDim.x, row = i / eights;
        if (i < all) put_eight(v[u], row, i - row * eights);
      }
    }
  }
  __device__ __forceinline__ void put_eight(uint4 v, int row, int eight) const {
    constexpr int GROUP = CHUNK / GROUPS / 8; /* eights */
    const int group_at = eight / GROUP, in_group = eight % GROUP, lane = in_group / NEIGHBOURS % 4,
              e = in_group / (4 * NEIGHBOURS) * NEIGHBOURS + in_group % NEIGHBOURS;
    if constexpr (F::BIASES) {
      float sum = sum_of_eight(v);
#pragma unroll
      for (int lanes = 1; lanes < GROUP; lanes *= 2) sum += __shfl_xor_sync(~0u, sum, lanes);
      if (in_group == 0) reinterpret_cast<float *>(shared + p.sums_at)[group_at * X_ROWS + row] = sum;
    }
    *reinterpret_cast<uint4 *>(shared + row * x_pitch() + (group_at * EIGHTS + e) * 64 + lane * 16) =
        pairs::arranged(v);
  }
  __device__ __forceinline__ int x_pitch() const {
    return p.part_steps * MXI_CUDA_TENSOR_STEP * CHUNK * 2 + MXI_CUDA_TENSOR_PAD;
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
  __device__ __forceinline__ void find_columns(int x_rows) {
#pragma unroll
    for (int j = 0; j < TILES; j++) {
      const int row = 8 * j + group;
      x_at[j] = (row < x_rows ? row : 0) * x_pitch() + tig * 16;
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
  __device__ __forceinline__ void put_partial(const float (&sums)[TILES][4], int warp, int slot) const {
    float *to = partial_of(warp, slot);
#pragma unroll
    for (int j = 0; j < TILES; j++)
#pragma unroll
      for (int i = 0; i < 2; i++)
        *reinterpret_cast<float2 *>(to + (group + 8 * i) * X_ROWS + 8 * j + 2 * tig) =
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
        sum += partial_of(team * p.slices + slice, slot)[in_tile * X_ROWS + x_row];
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

  /* ---- The ring ---- */
  __device__ __forceinline__ void fill(int stage, cursor &next, int64_t tiles, int64_t step) const {
    if (next.tile < tiles) {
      copy_run(stage_at(stage), next);
      next.from += MXI_CUDA_TENSOR_RUN_BYTES;
      next.scales_from += SCALE_ROW;
      if (++next.run == first_run + runs) next = cursor_at(next.tile + step);
    }
    mxi_copy_async_commit();
  }
  __device__ __forceinline__ static void wait_for_oldest() {
    mxi_copy_async_wait<STAGES - 1>();
    __syncwarp();
  }
  __device__ __forceinline__ void multiply_run(float (&sums)[TILES][4], const unsigned char *stage,
                                               int run) const {
    run_scales s;
    load_scales(s, stage);
#pragma unroll
    for (int c = 0; c < DEPTH; c++) multiply(sums, stage, s, run * DEPTH + c, c);
  }

  /* All tiles of a warp. The first weights are on their way before x is brought. */
  __device__ __forceinline__ void run(const T *x, int x_rows, int64_t y_row) {
    const int warp = threadIdx.x / 32, team = warp / p.slices;
    const int64_t tiles = (p.product.n + TILE_ROWS - 1) / TILE_ROWS,
                  step = static_cast<int64_t>(p.teams) * gridDim.x;
    int64_t tile = static_cast<int64_t>(team) * gridDim.x + blockIdx.x;
    const bool works = team < p.teams && tile < tiles;
    cursor next = cursor_at(works && runs > 0 ? tile : tiles);
    mxi_grid_wait();
    mxi_grid_launch_dependents();
#pragma unroll 1
    for (int stage = 0; stage < STAGES; stage++) fill(stage, next, tiles, step);
    stage_x(x, x_rows);
    find_columns(x_rows);
    __syncthreads();
    if (!works) return;
    int at = 0;
#pragma unroll 1
    for (int64_t first = tile; first < tiles; first = tile) {
      int slot = 0;
#pragma unroll 1
      for (; slot < SLOTS && tile < tiles; slot++, tile += step) {
        float sums[TILES][4] = {};
#pragma unroll 1
        for (int run = first_run; run < first_run + runs; run++) {
          wait_for_oldest();
          multiply_run(sums, stage_at(at), run);
          __syncwarp();
          fill(at, next, tiles, step);
          at = at + 1 == STAGES ? 0 : at + 1;
        }
        put_partial(sums, warp, slot);
      }
      meet(team);
      finish(first, step, slot, team, x_rows, y_row);
      meet(team);
    }
  }
};

template <class F, class T, int GROUPS, int X_ROWS>
MXI_DEVICE void multiply_few(const mxi_cuda_quantized_tensor &p) {
  using product = tensor_product<F, T, GROUPS, X_ROWS>;
  MXI_DYNAMIC_SHARED(unsigned char, shared);
  const int64_t batch = blockIdx.z / p.passes, x_first = static_cast<int64_t>(blockIdx.z % p.passes) * X_ROWS;
  const int x_rows = static_cast<int>(min(static_cast<int64_t>(X_ROWS), p.product.m - x_first));
  int64_t left, right;
  mxi_grid_wait();
  if (!mxi_find_chosen(p.product.choice, static_cast<uint32_t>(batch), left, right)) return;
  const int warp = threadIdx.x / 32, slice = warp % p.slices, lane = threadIdx.x % 32;
  const int part_first = blockIdx.y * p.part_steps * MXI_CUDA_TENSOR_STEP;
  const int all_chunks = static_cast<int>((p.product.k + CHUNK - 1) / CHUNK);
  const int chunks = min(p.part_steps * MXI_CUDA_TENSOR_STEP, all_chunks - part_first);
  const int runs = (chunks + product::DEPTH - 1) / product::DEPTH, first_run = runs * slice / p.slices;
  const int64_t scales = right * p.product.scales_batch * product::SCALE_BYTES;
  product a = {p,
               shared,
               lane / 4,
               lane % 4,
               first_run,
               runs * (slice + 1) / p.slices - first_run,
               part_first,
               static_cast<int>(p.product.k / 8 * F::BITS),
               static_cast<int>(p.product.k >> p.product.log_group),
               reinterpret_cast<const char *>(p.product.packed + right * p.product.packed_batch),
               static_cast<const char *>(p.product.scales) + scales,
               F::BIASES ? static_cast<const char *>(p.product.biases) + scales : nullptr,
               {}};
  a.run(static_cast<const T *>(p.product.x) + left * p.product.x_batch + x_first * p.product.k, x_rows,
        batch * p.product.m + x_first);
}

#define INSTANCE(ID, GROUPS, X_ROWS, T, DTYPE)                                                 \
  MXI_KERNEL(quantized_tensor_##ID##_##GROUPS##_##X_ROWS##_##DTYPE, mxi_cuda_quantized_tensor, \
             32 * MXI_CUDA_TENSOR_WARPS) {                                                     \
    multiply_few<mxi_quant::ID, T, GROUPS, X_ROWS>(p);                                         \
  }
#define MXI_CUDA_TENSOR_FORM(ID, GROUPS, X_ROWS) \
  INSTANCE(ID, GROUPS, X_ROWS, mxi_f16, float16) INSTANCE(ID, GROUPS, X_ROWS, mxi_bf16, bfloat16)
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
