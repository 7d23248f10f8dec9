/* Grouped products of halves by tensor cores: a block computes 64 rows by 128 columns, two warps down by four
   across, in steps of 64 along k.

   x comes by asynchronous copies into one of two buffers while the other is multiplied. So does a dense w;
   the words of a quantised one wait in registers, a piece of 32 weights a thread, and are scaled, rounded and
   stored behind the step's product. w lies in shared memory as in its own rows: along k or along n. */
#include "cuda/kernels/grouped.h"
#include "cuda/kernels/ptx.cuh"
#include "cuda/kernels/quantized.cuh"

enum {
  THREADS = MXI_CUDA_GROUPED_THREADS,
  ROWS = MXI_CUDA_GROUPED_ROWS,
  COLUMNS = MXI_CUDA_GROUPED_COLUMNS,
  STEP = 64, /* along k */
  PAD = 8,   /* after each row in shared memory, against bank conflicts */
  X_PITCH = STEP + PAD
};
/* w in shared memory: a line an n, along k, or the other way around. */
template <bool ALONG_K> struct w_tile {
  enum {
    LINES = ALONG_K ? static_cast<int>(COLUMNS) : static_cast<int>(STEP),
    LENGTH = ALONG_K ? static_cast<int>(STEP) : static_cast<int>(COLUMNS),
    PITCH = LENGTH + PAD,
    HALVES = LINES * PITCH
  };
};

MXI_DEVICE void multiply_add(mxi_bf16, float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  mxi_mma_m16n8k16_bfloat16(d, a, b);
}
MXI_DEVICE void multiply_add(mxi_f16, float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  mxi_mma_m16n8k16_float16(d, a, b);
}

/* ---- Where w comes from ---- start() brings step k of the block's columns on its way to a buffer, store()
   puts there what it left in registers ---- */
template <class T, bool ALONG_K> struct dense_w {
  typedef w_tile<ALONG_K> tile;
  enum { VECTORS = tile::LENGTH / 8, EACH = tile::LINES * VECTORS / THREADS };
  const T *w;
  int64_t line, lines, length, line_first, length_first; /* of the whole matrix; where the block's begin */
  __device__ __forceinline__ dense_w(const mxi_cuda_grouped &p, int64_t matrix, int64_t column)
      : w(static_cast<const T *>(p.w) + matrix * p.w_matrix), line(ALONG_K ? p.w_n : p.w_k),
        lines(ALONG_K ? p.n : p.k), length(ALONG_K ? p.k : p.n), line_first(ALONG_K ? column : 0),
        length_first(ALONG_K ? 0 : column) {}
  __device__ __forceinline__ void start(T *to, int64_t k) {
    const int64_t line_at = line_first + (ALONG_K ? 0 : k), at = length_first + (ALONG_K ? k : 0);
#pragma unroll
    for (int e = 0; e < EACH; e++) {
      const int i = threadIdx.x + e * THREADS, row = i / VECTORS, vector = i % VECTORS;
      const bool inside = line_at + row < lines && at + 8 * vector < length;
      mxi_copy_async<16>(to + row * tile::PITCH + 8 * vector,
                         inside ? w + (line_at + row) * line + at + 8 * vector : w, inside ? 16 : 0);
    }
  }
  __device__ __forceinline__ void store(T *) {}
};

template <class F, class T, bool ALONG_K> struct quantized_w {
  typedef w_tile<ALONG_K> tile;
  enum { PIECE = 32, PIECES = tile::LENGTH / PIECE };
  static_assert(tile::LINES * PIECES == THREADS, "a piece a thread");
  const mxi_cuda_grouped &p;
  const uint32_t *packed;
  const char *scales, *biases;
  int64_t lines, length, line_first, length_first;
  uint32_t words[F::BITS];
  mxi_affine groups[2]; /* of the piece's halves */
  bool inside;
  __device__ __forceinline__ quantized_w(const mxi_cuda_grouped &p, int64_t matrix, int64_t column)
      : p(p), packed(p.packed + matrix * p.words), lines(ALONG_K ? p.n : p.k), length(ALONG_K ? p.k : p.n),
        line_first(ALONG_K ? column : 0), length_first(ALONG_K ? 0 : column), inside(false) {
    const int64_t skipped = matrix * p.groups * (F::BIASES ? static_cast<int64_t>(sizeof(T)) : 1);
    scales = static_cast<const char *>(p.scales) + skipped;
    biases = F::BIASES ? static_cast<const char *>(p.biases) + skipped : nullptr;
  }
  __device__ __forceinline__ void start(T *, int64_t k) {
    const int64_t row = line_first + (ALONG_K ? 0 : k) + threadIdx.x / PIECES;
    const int64_t at = length_first + (ALONG_K ? k : 0) + threadIdx.x % PIECES * PIECE;
    inside = row < lines && at < length;
    if (!inside) return;
    const uint32_t *from = packed + (row * (length / PIECE) + at / PIECE) * F::BITS;
#pragma unroll
    for (int i = 0; i < F::BITS; i++) words[i] = __ldg(from + i);
    const int64_t group = row * (length >> p.log_group);
    groups[0] = mxi_quant_group<F, T>(scales, biases, group + (at >> p.log_group));
    groups[1] = p.log_group > 4 ? groups[0]
                                : mxi_quant_group<F, T>(scales, biases, group + ((at + 16) >> p.log_group));
  }
  __device__ __forceinline__ void store(T *to) {
    T *row = to + threadIdx.x / PIECES * tile::PITCH + threadIdx.x % PIECES * PIECE;
#pragma unroll
    for (int run = 0; run < PIECE / 8; run++) {
      float w[8];
#pragma unroll
      for (int i = 0; i < 8; i++)
        w[i] = inside ? mxi_fma(mxi_quant_value<F>(mxi_quant_integer<F::BITS>(words, 8 * run + i)),
                                groups[run / 2].scale, groups[run / 2].bias)
                      : 0.0f;
      mxi_store_eight(row + 8 * run, w);
    }
  }
};

/* ---- The product ---- */
template <class T, bool ALONG_K, class W> MXI_DEVICE void grouped_product(const mxi_cuda_grouped &p) {
  typedef w_tile<ALONG_K> tile;
  enum { X_EACH = ROWS * STEP / 8 / THREADS, X_HALVES = ROWS * X_PITCH, BUFFER = X_HALVES + tile::HALVES };
  MXI_DYNAMIC_SHARED(T, shared);
  const mxi_cuda_tile rows = p.tiles[blockIdx.x % p.ntiles];
  const int64_t column = blockIdx.x / p.ntiles * COLUMNS;
  if (rows.count == 0) return;
  const int lane = threadIdx.x % 32, warp = threadIdx.x / 32, warp_row = warp / 4 * 32,
            warp_column = warp % 4 * 32;
  const T *x[X_EACH];
#pragma unroll
  for (int e = 0; e < X_EACH; e++) {
    const int row = (threadIdx.x + e * THREADS) / (STEP / 8);
    x[e] = row < rows.count ? static_cast<const T *>(p.x) + p.x_rows[rows.first + row] * p.k : nullptr;
  }
  W w(p, rows.matrix, column);
  auto start = [&](T *buffer, int64_t k) {
#pragma unroll
    for (int e = 0; e < X_EACH; e++) {
      const int i = threadIdx.x + e * THREADS, vector = i % (STEP / 8);
      const bool inside = x[e] && k + 8 * vector < p.k;
      mxi_copy_async<16>(buffer + i / (STEP / 8) * X_PITCH + 8 * vector,
                         inside ? x[e] + k + 8 * vector : static_cast<const T *>(p.x), inside ? 16 : 0);
    }
    w.start(buffer + X_HALVES, k);
    mxi_copy_async_commit();
  };
  float sum[2][4][4] = {};
  start(shared, 0);
  w.store(shared + X_HALVES);
  int now = 0;
#pragma unroll 1
  for (int64_t k = 0; k < p.k; k += STEP, now ^= 1) {
    const bool more = k + STEP < p.k;
    T *x_now = shared + now * BUFFER, *w_now = x_now + X_HALVES, *next = shared + (now ^ 1) * BUFFER;
    mxi_copy_async_wait<0>();
    __syncthreads();
    if (more) start(next, k + STEP);
#pragma unroll
    for (int l = 0; l < STEP; l += 16) {
      uint32_t a[2][4], b[2][4];
#pragma unroll
      for (int i = 0; i < 2; i++)
        mxi_ldmatrix_x4(a[i], x_now + (warp_row + 16 * i + lane % 16) * X_PITCH + l + lane / 16 * 8);
#pragma unroll
      for (int j = 0; j < 2; j++) {
        const int n = warp_column + 16 * j + lane / 16 * 8;
        if constexpr (ALONG_K)
          mxi_ldmatrix_x4(b[j], w_now + (n + lane % 8) * tile::PITCH + l + lane / 8 % 2 * 8);
        else
          mxi_ldmatrix_x4_trans(b[j], w_now + (l + lane % 16) * tile::PITCH + n);
      }
#pragma unroll
      for (int i = 0; i < 2; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
          multiply_add(T{}, sum[i][j], a[i], {b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]});
    }
    if (more) w.store(next + X_HALVES);
  }
  const bool pairs = p.n % 2 == 0 && reinterpret_cast<uintptr_t>(p.y) % 4 == 0;
#pragma unroll
  for (int i = 0; i < 4; i++) {
    const int row = warp_row + 8 * i + lane / 4;
    if (row >= rows.count) continue;
    T *y = static_cast<T *>(p.y) + p.y_rows[rows.first + row] * p.n;
#pragma unroll
    for (int j = 0; j < 4; j++) {
      const int64_t at = column + warp_column + 8 * j + lane % 4 * 2;
      const float first = sum[i / 2][j][i % 2 * 2], second = sum[i / 2][j][i % 2 * 2 + 1];
      if (pairs) {
        if (at < p.n) *reinterpret_cast<uint32_t *>(y + at) = mxi_pack<T>(first, second);
      } else {
        if (at < p.n) y[at] = mxi_of_float<T>(first);
        if (at + 1 < p.n) y[at + 1] = mxi_of_float<T>(second);
      }
    }
  }
}

#define DENSE(T, DTYPE)                                      \
  MXI_KERNEL(grouped_t_##DTYPE, mxi_cuda_grouped, THREADS) { \
    grouped_product<T, true, dense_w<T, true>>(p);           \
  }                                                          \
  MXI_KERNEL(grouped_n_##DTYPE, mxi_cuda_grouped, THREADS) { \
    grouped_product<T, false, dense_w<T, false>>(p);         \
  }
DENSE(mxi_f16, float16)
DENSE(mxi_bf16, bfloat16)

#define QUANTIZED(ID, T, DTYPE)                                         \
  MXI_KERNEL(grouped_t_##ID##_##DTYPE, mxi_cuda_grouped, THREADS) {     \
    grouped_product<T, true, quantized_w<mxi_quant::ID, T, true>>(p);   \
  }                                                                     \
  MXI_KERNEL(grouped_n_##ID##_##DTYPE, mxi_cuda_grouped, THREADS) {     \
    grouped_product<T, false, quantized_w<mxi_quant::ID, T, false>>(p); \
  }
#define MX_QUANT_FORMAT(ID, ...) QUANTIZED(ID, mxi_f16, float16) QUANTIZED(ID, mxi_bf16, bfloat16)
#include "core/quant.def"
