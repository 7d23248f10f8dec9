/* Products with quantised matrices by float multiply-adds: every format, every dtype of x, W transposed or
   not. A weight is unpacked to float32, scaled, and meets a few rows of x; the kernels of quantized_tensor.cu
   are faster where they apply. */
#include "cuda/kernels/quantized.cuh"
#include "cuda/kernels/quantized.h"
#include "cuda/kernels/choice.cuh"

enum { PIECE = 32 /* weights that a thread unpacks at once: BITS words */ };

/* The operands of a block's product. */
template <class T> struct operands {
  const T *x;
  const uint32_t *packed;
  const void *scales, *biases;
  T *y;
};
/* False where an index is out of bounds. */
template <class F, class T>
MXI_DEVICE bool find_operands(const mxi_cuda_quantized_product &p, operands<T> &o) {
  int64_t left, right;
  if (!mxi_find_chosen(p.choice, blockIdx.z, left, right)) return false;
  const int64_t scale_bytes = F::BIASES ? static_cast<int64_t>(sizeof(T)) : 1,
                scales = right * p.scales_batch * scale_bytes;
  o = {static_cast<const T *>(p.x) + left * p.x_batch, p.packed + right * p.packed_batch,
       static_cast<const char *>(p.scales) + scales,
       F::BIASES ? static_cast<const char *>(p.biases) + scales : nullptr,
       static_cast<T *>(p.y) + blockIdx.z * p.y_batch};
  return true;
}

/* A piece of which `left` weights exist: all, or of groups of 16 half. */
template <int BITS> MXI_DEVICE void load_piece(uint32_t (&words)[BITS], const uint32_t *p, int64_t left) {
#pragma unroll
  for (int i = 0; i < BITS; i++) words[i] = 32 * i < left * BITS ? p[i] : 0;
}
/* Weights [8 run, 8 run + 8) of a piece. */
template <class F>
MXI_DEVICE void scaled_weights(float (&out)[8], const uint32_t (&words)[F::BITS], int run, mxi_affine group) {
#pragma unroll
  for (int i = 0; i < 8; i++)
    out[i] =
        mxi_fma(mxi_quant_value<F>(mxi_quant_integer<F::BITS>(words, 8 * run + i)), group.scale, group.bias);
}

/* y = x W^T: a warp has a row of W, its lanes every 32nd piece, and meets up to four rows of x. */
template <class F, class T> MXI_DEVICE void multiply_rows(const mxi_cuda_quantized_product &p) {
  enum { ROWS = MXI_CUDA_QUANTIZED_ROWS_X };
  operands<T> o;
  if (!find_operands<F, T>(p, o)) return;
  const int lane = threadIdx.x % 32;
  const int64_t row =
      static_cast<int64_t>(blockIdx.x) * (MXI_CUDA_QUANTIZED_ROWS_THREADS / 32) + threadIdx.x / 32;
  if (row >= p.n) return;
  const int64_t first = static_cast<int64_t>(blockIdx.y) * ROWS, groups = p.k >> p.log_group;
  const uint32_t *packed = o.packed + row * (p.k * F::BITS / 32);
  float sum[ROWS] = {};
  for (int64_t piece = lane; piece * PIECE < p.k; piece += 32) {
    uint32_t words[F::BITS];
    load_piece<F::BITS>(words, packed + piece * F::BITS, p.k - piece * PIECE);
    mxi_affine group = {};
#pragma unroll
    for (int run = 0; run < PIECE / 8; run++) {
      const int64_t k = piece * PIECE + 8 * run;
      if (k >= p.k) break;
      if (run % 2 == 0) group = mxi_quant_group<F, T>(o.scales, o.biases, row * groups + (k >> p.log_group));
      float w[8], x[8];
      scaled_weights<F>(w, words, run, group);
#pragma unroll
      for (int r = 0; r < ROWS; r++) {
        if (first + r >= p.m) break;
        mxi_load_eight(x, o.x + (first + r) * p.k + k, p.aligned);
#pragma unroll
        for (int i = 0; i < 8; i++) sum[r] = mxi_fma(w[i], x[i], sum[r]);
      }
    }
  }
#pragma unroll
  for (int r = 0; r < ROWS; r++) {
    for (int lanes = 16; lanes; lanes /= 2) sum[r] += __shfl_xor_sync(~0u, sum[r], lanes);
    if (lane == 0 && first + r < p.m) o.y[(first + r) * p.n + row] = mxi_of_float<T>(sum[r]);
  }
}

/* y = x W: eight threads have neighbouring pieces of a row of W, the block 32 rows at a time, and one row of
 * x. */
template <class F, class T> MXI_DEVICE void multiply_columns(const mxi_cuda_quantized_product &p) {
  enum {
    WIDTH = MXI_CUDA_QUANTIZED_COLUMNS_WIDTH,
    PIECES = WIDTH / PIECE,
    SLICES = MXI_CUDA_QUANTIZED_COLUMNS_THREADS / PIECES
  };
  __shared__ float partial[SLICES / 2][WIDTH];
  operands<T> o;
  if (!find_operands<F, T>(p, o)) return;
  const int slice = threadIdx.x / PIECES, at = threadIdx.x % PIECES * PIECE;
  const int64_t column = static_cast<int64_t>(blockIdx.x) * WIDTH + at, groups = p.n >> p.log_group;
  const T *x = o.x + blockIdx.y * p.k;
  float sum[PIECE] = {};
  for (int64_t k = slice; column < p.n && k < p.k; k += SLICES) {
    uint32_t words[F::BITS];
    load_piece<F::BITS>(words, o.packed + k * (p.n * F::BITS / 32) + column / PIECE * F::BITS, p.n - column);
    const float factor = mxi_to_float(x[k]);
    mxi_affine group = {};
#pragma unroll
    for (int run = 0; run < PIECE / 8; run++) {
      float w[8];
      if (column + 8 * run >= p.n) break;
      if (run % 2 == 0)
        group = mxi_quant_group<F, T>(o.scales, o.biases, k * groups + ((column + 8 * run) >> p.log_group));
      scaled_weights<F>(w, words, run, group);
#pragma unroll
      for (int i = 0; i < 8; i++) sum[8 * run + i] = mxi_fma(w[i], factor, sum[8 * run + i]);
    }
  }
  for (int half = SLICES / 2; half; half /= 2) { /* the upper half of the slices joins the lower one */
    if (slice >= half && slice < 2 * half)
#pragma unroll
      for (int i = 0; i < PIECE; i++) partial[slice - half][at + i] = sum[i];
    __syncthreads();
    if (slice < half)
#pragma unroll
      for (int i = 0; i < PIECE; i++) sum[i] += partial[slice][at + i];
    __syncthreads();
  }
  if (slice != 0 || column >= p.n) return;
  T *y = o.y + blockIdx.y * p.n + column;
#pragma unroll
  for (int i = 0; i < PIECE; i++)
    if (column + i < p.n) y[i] = mxi_of_float<T>(sum[i]);
}

#define INSTANCE(ID, T, DTYPE)                                                                             \
  MXI_KERNEL(quantized_rows_##ID##_##DTYPE, mxi_cuda_quantized_product, MXI_CUDA_QUANTIZED_ROWS_THREADS) { \
    multiply_rows<mxi_quant::ID, T>(p);                                                                    \
  }                                                                                                        \
  MXI_KERNEL(quantized_columns_##ID##_##DTYPE, mxi_cuda_quantized_product,                                 \
             MXI_CUDA_QUANTIZED_COLUMNS_THREADS) {                                                         \
    multiply_columns<mxi_quant::ID, T>(p);                                                                 \
  }
#define MX_QUANT_FORMAT(ID, ...) \
  INSTANCE(ID, float, float32) INSTANCE(ID, mxi_f16, float16) INSTANCE(ID, mxi_bf16, bfloat16)
#include "core/quant.def"
