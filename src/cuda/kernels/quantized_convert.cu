/* quantize and dequantize. A thread takes eight neighbours, a run: BITS bytes of the packed stream.

   How quantize chooses: in a group, e is the end of [min, max] farther from zero, and the step s = (max -
   min) / (2^bits - 1), at least 1e-7, points from e to the other end. s is then stretched so that zero falls
   on the grid: e is a whole number of steps. The bias is e, or 0 where e rounds to no step at all. */
#include "cuda/kernels/quantized.cuh"
#include "cuda/kernels/quantized.h"

/* ---- quantize ---- */
/* Of the runs of a group, which neighbouring lanes hold. NaN is passed over. */
MXI_DEVICE mxi_affine choose_grid(const float (&x)[8], int bits, int group_runs) {
  float low = mxi_infinity(0.0f), high = -low;
#pragma unroll
  for (int i = 0; i < 8; i++) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  for (int lanes = 1; lanes < group_runs; lanes *= 2) {
    const float other_low = __shfl_xor_sync(~0u, low, lanes), other_high = __shfl_xor_sync(~0u, high, lanes);
    low = other_low < low ? other_low : low;
    high = other_high > high ? other_high : high;
  }
  float step = (high - low) / static_cast<float>((1 << bits) - 1);
  if (!(step >= 1e-7f)) step = step != step ? step : 1e-7f;
  const bool from_low = mxi_abs(low) > mxi_abs(high);
  const float edge = from_low ? low : high, scale = from_low ? step : -step, steps = mxi_rint(edge / scale);
  return steps == 0 ? mxi_affine{scale, 0.0f} : mxi_affine{edge / steps, edge};
}

/* Eight integers of `bits` bits to as many bytes. */
MXI_DEVICE void store_run(uint8_t *p, uint64_t run, int bits) {
  if (bits == 4) {
    *reinterpret_cast<uint32_t *>(p) = static_cast<uint32_t>(run);
  } else if (bits == 8) {
    reinterpret_cast<uint32_t *>(p)[0] = static_cast<uint32_t>(run);
    reinterpret_cast<uint32_t *>(p)[1] = static_cast<uint32_t>(run >> 32);
  } else {
    for (int i = 0; i < bits; i++) p[i] = static_cast<uint8_t>(run >> (8 * i));
  }
}

template <class T> MXI_DEVICE void quantize_runs(const mxi_cuda_quantized_conversion &p) {
  const int64_t own = static_cast<int64_t>(blockIdx.x) * MXI_CUDA_CONVERT_THREADS + threadIdx.x;
  const int64_t run = own < p.runs ? own : p.runs - 1; /* all lanes take part in the exchange */
  float x[8];
  mxi_load_eight(x, static_cast<const T *>(p.w) + 8 * run, p.aligned);
  const mxi_affine grid = choose_grid(x, p.bits, 1 << p.log_group_runs);
  const float most = static_cast<float>((1 << p.bits) - 1);
  uint64_t integers = 0;
#pragma unroll
  for (int i = 0; i < 8; i++) {
    float v = (x[i] - grid.bias) / grid.scale;
    v = v > 0 ? v : 0.0f; /* NaN becomes 0 */
    v = v < most ? v : most;
    integers |= static_cast<uint64_t>(mxi_bits(v + 0x1.8p23f) & 0xff) << (i * p.bits);
  }
  if (own >= p.runs) return;
  store_run(static_cast<uint8_t *>(p.packed) + run * p.bits, integers, p.bits);
  if (run & ((1 << p.log_group_runs) - 1)) return;
  const int64_t group = run >> p.log_group_runs;
  static_cast<T *>(p.scales)[group] = mxi_of_float<T>(grid.scale);
  static_cast<T *>(p.biases)[group] = mxi_of_float<T>(grid.bias);
}
MXI_KERNEL(quantize_float32, mxi_cuda_quantized_conversion, MXI_CUDA_CONVERT_THREADS) {
  quantize_runs<float>(p);
}
MXI_KERNEL(quantize_float16, mxi_cuda_quantized_conversion, MXI_CUDA_CONVERT_THREADS) {
  quantize_runs<mxi_f16>(p);
}
MXI_KERNEL(quantize_bfloat16, mxi_cuda_quantized_conversion, MXI_CUDA_CONVERT_THREADS) {
  quantize_runs<mxi_bf16>(p);
}

/* ---- dequantize ---- */
/* The BITS bytes of a run, in words. */
template <int BITS> MXI_DEVICE uint2 load_run(const uint8_t *p) {
  if constexpr (BITS == 4) return make_uint2(*reinterpret_cast<const uint32_t *>(p), 0);
  if constexpr (BITS == 8)
    return make_uint2(reinterpret_cast<const uint32_t *>(p)[0], reinterpret_cast<const uint32_t *>(p)[1]);
  const uint16_t *halves = reinterpret_cast<const uint16_t *>(p);
  if constexpr (BITS == 2) return make_uint2(halves[0], 0);
  if constexpr (BITS == 6) return make_uint2(halves[0] | static_cast<uint32_t>(halves[1]) << 16, halves[2]);
  const uint32_t low = p[0] | static_cast<uint32_t>(p[1]) << 8 | static_cast<uint32_t>(p[2]) << 16;
  if constexpr (BITS == 3) return make_uint2(low, 0);
  return make_uint2(low | static_cast<uint32_t>(p[3]) << 24, p[BITS - 1]);
}
template <int BITS> MXI_DEVICE uint32_t integer_of_run(uint2 run, int i) {
  const int bit = i * BITS;
  const uint32_t mask = (1u << BITS) - 1;
  if (bit >= 32) return run.y >> (bit - 32) & mask;
  return (bit + BITS > 32 ? __funnelshift_r(run.x, run.y, bit) : run.x >> bit) & mask;
}

template <class T> MXI_DEVICE mxi_pair rounded(float first, float second) {
  if constexpr (sizeof(T) == 4)
    return {first, second};
  else
    return mxi_round_pair<T>(first, second);
}

/* The product and the sum are each rounded to T, or only the whole. */
template <class F, class T>
MXI_DEVICE void dequantize_run(float (&out)[8], uint2 run, mxi_affine group, bool rounded_once) {
  float values[8];
#pragma unroll
  for (int i = 0; i < 8; i++) values[i] = mxi_quant_value<F>(integer_of_run<F::BITS>(run, i));
  if (rounded_once) {
#pragma unroll
    for (int i = 0; i < 8; i++) out[i] = mxi_fma(values[i], group.scale, group.bias);
    return;
  }
#pragma unroll
  for (int i = 0; i < 8; i += 2) {
    const mxi_pair scaled = rounded<T>(values[i] * group.scale, values[i + 1] * group.scale);
    out[i] = scaled.first + group.bias;
    out[i + 1] = scaled.second + group.bias;
  }
}

template <class F, class T> MXI_DEVICE void dequantize_runs(const mxi_cuda_quantized_conversion &p) {
  const int64_t first =
      static_cast<int64_t>(blockIdx.x) * (MXI_CUDA_CONVERT_THREADS * MXI_CUDA_CONVERT_RUNS) + threadIdx.x;
  uint2 runs[MXI_CUDA_CONVERT_RUNS];
  mxi_affine groups[MXI_CUDA_CONVERT_RUNS];
#pragma unroll
  for (int j = 0; j < MXI_CUDA_CONVERT_RUNS; j++) {
    const int64_t run = first + j * MXI_CUDA_CONVERT_THREADS;
    if (run >= p.runs) continue;
    runs[j] = load_run<F::BITS>(static_cast<const uint8_t *>(p.packed) + run * F::BITS);
    groups[j] = mxi_quant_group<F, T>(p.scales, p.biases, run >> p.log_group_runs);
  }
#pragma unroll
  for (int j = 0; j < MXI_CUDA_CONVERT_RUNS; j++) {
    const int64_t run = first + j * MXI_CUDA_CONVERT_THREADS;
    if (run >= p.runs) continue;
    float out[8];
    dequantize_run<F, T>(out, runs[j], groups[j], p.rounded_once);
    mxi_store_eight(static_cast<T *>(p.w) + 8 * run, out);
  }
}
#define INSTANCE(ID, T, DTYPE)                                                                     \
  MXI_KERNEL(dequantize_##ID##_##DTYPE, mxi_cuda_quantized_conversion, MXI_CUDA_CONVERT_THREADS) { \
    dequantize_runs<mxi_quant::ID, T>(p);                                                          \
  }
#define MX_QUANT_FORMAT(ID, ...) \
  INSTANCE(ID, float, float32) INSTANCE(ID, mxi_f16, float16) INSTANCE(ID, mxi_bf16, bfloat16)
#include "core/quant.def"
