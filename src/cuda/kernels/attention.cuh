/* What the kernels of attention have in common: rows of blocks, masks, and steps of a running softmax, in
   base 2 and float. */
#ifndef MXI_CUDA_KERNELS_ATTENTION_CUH
#define MXI_CUDA_KERNELS_ATTENTION_CUH
#include "cuda/kernels/kernel.cuh"
#include "cuda/kernels/attention.h"
#include "cuda/kernels/half.cuh"
#include "cuda/kernels/math.cuh"
#include "cuda/kernels/ptx.cuh"

#define LOWEST         (-3.402823466e38f)
#define MINUS_INFINITY (-__int_as_float(0x7f800000))
#define LOG2E          1.4426950408889634

namespace {

/* 2^x, to 2 ulp; 0 of -inf. */
MXI_DEVICE float exp2_fast(float x) {
#ifdef MXI_EMULATED
  return __builtin_exp2f(x);
#else
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#endif
}

MXI_DEVICE void multiply_add(mxi_bf16, float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  mxi_mma_m16n8k16_bfloat16(c, a, b);
}
MXI_DEVICE void multiply_add(mxi_f16, float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
  mxi_mma_m16n8k16_float16(c, a, b);
}

/* What is added to a logit, in natural logarithms; LOWEST from *hidden. */
MXI_DEVICE double mask_of(const struct mxi_cuda_attention &p, int64_t at, bool *hidden) {
  switch (p.mask_type) {
  case MXI_ATTENTION_BOOL: *hidden |= !static_cast<const uint8_t *>(p.mask)[at]; return 0;
  case MXI_ATTENTION_FLOAT16: return mxi_to_float(static_cast<const mxi_f16 *>(p.mask)[at]);
  case MXI_ATTENTION_BFLOAT16: return mxi_to_float(static_cast<const mxi_bf16 *>(p.mask)[at]);
  case MXI_ATTENTION_FLOAT32: return static_cast<const float *>(p.mask)[at];
  case MXI_ATTENTION_FLOAT64: return static_cast<const double *>(p.mask)[at];
  default: return 0;
  }
}

/* The same in base 2; LOWEST: hidden. A finite sum that no float holds is LOWEST too. */
MXI_DEVICE float mask_in_base_2(const struct mxi_cuda_attention &p, int64_t at) {
  bool hidden = false;
  float added = static_cast<float>(mask_of(p, at, &hidden)), x = added * static_cast<float>(LOG2E);
  if (hidden || (x < LOWEST && added != MINUS_INFINITY)) return LOWEST;
  return x;
}
MXI_DEVICE float masked_logit(float logit, float mask) {
  float sum = logit + mask;
  return mask <= LOWEST ? mask : sum < LOWEST ? LOWEST : sum;
}

/* One of a block's rows: a head's query. */
struct row {
  int64_t query, head; /* head in all; beyond the last row: those of the last, and not stored */
  bool is_real;
};
MXI_DEVICE struct row row_of(const struct mxi_cuda_attention &p, int64_t kv_head, int64_t r) {
  int64_t group = p.heads / p.kv_heads, rows = group * p.queries;
  bool is_real = r < rows;
  if (!is_real) r = rows - 1;
  return {r % p.queries, kv_head * group + r / p.queries, is_real};
}

MXI_DEVICE float of_quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(~0u, x, 1));
  return fmaxf(x, __shfl_xor_sync(~0u, x, 2));
}
MXI_DEVICE float of_quad_sum(float x) {
  x += __shfl_xor_sync(~0u, x, 1);
  return x + __shfl_xor_sync(~0u, x, 2);
}
MXI_DEVICE float shift_of(float maximum) { return maximum == MINUS_INFINITY ? 0 : maximum; }

/* The key that a block's rows see last: the one that sees most, and the one that sees least. */
struct seen_keys {
  int64_t most, least; /* keys up to these; below 0: none */
};
MXI_DEVICE struct seen_keys seen_by(const struct mxi_cuda_attention &p, int64_t first_row, int rows) {
  if (!p.causal) return {p.keys - 1, p.keys - 1};
  int64_t all = static_cast<int64_t>(p.heads / p.kv_heads) * p.queries, last_row = first_row + rows - 1;
  if (last_row >= all) last_row = all - 1;
  bool of_one_head = first_row / p.queries == last_row / p.queries;
  int64_t most = of_one_head ? last_row % p.queries : p.queries - 1,
          least = of_one_head ? first_row % p.queries : 0;
  return {most + p.keys - p.queries, least + p.keys - p.queries};
}
/* The end of the keys that a block has to look at: of a row that sees none, all count alike. */
MXI_DEVICE int64_t end_of(const struct mxi_cuda_attention &p, const struct seen_keys &seen) {
  return seen.least >= 0 && seen.most + 1 < p.keys ? seen.most + 1 : p.keys;
}

/* The end of a row's softmax: its sink joins the sum. Factor for its values. */
MXI_DEVICE float last_factor(const struct mxi_cuda_attention &p, const struct row &r, float maximum,
                             float sum) {
  float factor = 1;
  if (p.sinks) {
    float sink = p.sinks[r.head] * static_cast<float>(LOG2E), top = fmaxf(maximum, sink),
          shift = shift_of(top);
    factor = exp2_fast(maximum - shift);
    sum = mxi_fma(sum, factor, exp2_fast(sink - shift));
  }
  return factor / sum;
}

MXI_DEVICE float4 scaled(const float4 &x, float factor) {
  return {x.x * factor, x.y * factor, x.z * factor, x.w * factor};
}
MXI_DEVICE float4 add_scaled(const float4 &sum, const float4 &x, float factor) {
  return {mxi_fma(x.x, factor, sum.x), mxi_fma(x.y, factor, sum.y), mxi_fma(x.z, factor, sum.z),
          mxi_fma(x.w, factor, sum.w)};
}
/* Four columns of a row. */
template <class H>
MXI_DEVICE void store_four(const struct mxi_cuda_attention &p, int64_t batch, const struct row &r, int column,
                           const float4 &x) {
  H *to = static_cast<H *>(p.out) + batch * p.out_strides[0] + r.head * p.out_strides[1] +
          r.query * p.out_strides[2] + column;
  *reinterpret_cast<uint2 *>(to) = {mxi_pack<H>(x.x, x.y), mxi_pack<H>(x.z, x.w)};
}

/* ---- Keys split between blocks ---- */
/* Is this the last block of an item to be done? For all threads, after each wrote what it has. */
MXI_DEVICE bool is_last_of(const struct mxi_cuda_attention &p, int64_t item) {
  __shared__ bool is_last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    is_last = atomicAdd(&p.finished[item], 1u) == static_cast<uint32_t>(p.splits - 1);
    if (is_last) p.finished[item] = 0;
    __threadfence();
  }
  __syncthreads();
  return is_last;
}

/* Joins the splits' results of a tile of rows, 16 at a time: 8 threads a row find its maximum and what each
   split's values count for, then a thread has 4 columns of a row. In shared memory: factors (splits, 16),
   with the row's last factor in them. */
template <class H, int D, int TILE_ROWS>
MXI_DEVICE void join_splits(const struct mxi_cuda_attention &p, int64_t item, int64_t batch, int64_t kv_head,
                            int64_t first_row, int rows, float *factors) {
  enum { THREADS = 128, ROWS = 16, TEAM = THREADS / ROWS, FOURS = D / 4 };
  const float2 *sums = reinterpret_cast<const float2 *>(p.sums) + item * p.splits * TILE_ROWS;
  const float4 *values = reinterpret_cast<const float4 *>(p.values) + item * p.splits * TILE_ROWS * FOURS;
  int row = threadIdx.x / TEAM, member = threadIdx.x % TEAM;
  for (int first = 0; first < rows; first += ROWS) {
    int of_tile = first + row < rows ? first + row : rows - 1;
    float top = MINUS_INFINITY, sum = 0;
    for (int s = member; s < p.splits; s += TEAM) top = fmaxf(top, __ldcg(&sums[s * TILE_ROWS + of_tile]).x);
    for (int mask = 1; mask < TEAM; mask *= 2) top = fmaxf(top, __shfl_xor_sync(~0u, top, mask));
    for (int s = member; s < p.splits; s += TEAM) {
      float2 of_split = __ldcg(&sums[s * TILE_ROWS + of_tile]);
      float factor = exp2_fast(of_split.x - shift_of(top));
      factors[s * ROWS + row] = factor;
      sum = mxi_fma(of_split.y, factor, sum);
    }
    for (int mask = 1; mask < TEAM; mask *= 2) sum += __shfl_xor_sync(~0u, sum, mask);
    float last = last_factor(p, row_of(p, kv_head, first_row + of_tile), top, sum);
    for (int s = member; s < p.splits; s += TEAM) factors[s * ROWS + row] *= last;
    __syncthreads();
    for (int i = threadIdx.x; i < (rows - first < ROWS ? rows - first : ROWS) * FOURS; i += THREADS) {
      int r = i / FOURS, four = i % FOURS;
      const float4 *from = values + (first + r) * FOURS + four;
      float4 x = {0, 0, 0, 0};
#pragma unroll 8
      for (int s = 0; s < p.splits; s++)
        x = add_scaled(x, __ldcg(&from[static_cast<int64_t>(s) * TILE_ROWS * FOURS]), factors[s * ROWS + r]);
      store_four<H>(p, batch, row_of(p, kv_head, first_row + first + r), four * 4, x);
    }
    __syncthreads();
  }
}

} // namespace
#endif
