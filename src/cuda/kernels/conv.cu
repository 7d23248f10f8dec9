/* Convolutions: windows unfolded for a product of matrices, and depthwise ones, which are no such product. */
#include "cuda/kernels/conv.h"
#include "cuda/kernels/half.cuh"

enum { AXES = MXI_CUDA_CONV_AXES, THREADS = 256 };

/* Where an output of an axis meets its input at a tap; false: on padding, or between elements. */
MXI_DEVICE bool meets(const mxi_cuda_window &w, int axis, int out, int tap, int64_t *at) {
  int64_t i = static_cast<int64_t>(out) * w.stride[axis] +
              static_cast<int64_t>(tap) * w.kernel_dilation[axis] - w.low[axis];
  if (i < 0) return false;
  if (w.input_dilation[axis] != 1) {
    if (i % w.input_dilation[axis]) return false;
    i /= w.input_dilation[axis];
  }
  *at = i;
  return i < w.in[axis];
}

/* ---- Unfolding: a thread a word ---- */
template <class Word> MXI_DEVICE void unfold(const mxi_cuda_unfold &p) {
  const mxi_cuda_window &w = p.window;
  const uint32_t row_words = w.all_taps * p.channels;
  const uint64_t words = static_cast<uint64_t>(p.groups) * p.rows * row_words;
  const uint64_t index = static_cast<uint64_t>(blockIdx.x) * THREADS + threadIdx.x;
  if (index >= words) return;
  const uint32_t i = static_cast<uint32_t>(index), line = i / row_words, in_row = i % row_words;
  const uint32_t group = line / p.rows, row = line % p.rows;
  const uint32_t tap = in_row / p.channels, channel = in_row % p.channels;
  const uint32_t pixel = p.first + row, in_image = pixel % w.pixels;
  const uint32_t above = in_image / w.out[2], tap_above = tap / w.taps[2];
  const int out[AXES] = {static_cast<int>(above / w.out[1]), static_cast<int>(above % w.out[1]),
                         static_cast<int>(in_image % w.out[2])};
  const int at[AXES] = {static_cast<int>(tap_above / w.taps[1]), static_cast<int>(tap_above % w.taps[1]),
                        static_cast<int>(tap % w.taps[2])};
  const Word *x = static_cast<const Word *>(p.x) + pixel / w.pixels * p.x_batch +
                  (static_cast<int64_t>(group) * p.channels + channel) * p.x_channel;
  bool inside = true;
#pragma unroll
  for (int axis = 0; axis < AXES; axis++) {
    int64_t from = 0;
    inside = inside && meets(w, axis, out[axis], w.flip ? w.taps[axis] - 1 - at[axis] : at[axis], &from);
    x += from * p.x_axis[axis];
  }
  static_cast<Word *>(p.columns)[i] = inside ? *x : Word{};
}

/* ---- Depthwise: a thread an output, neighbours along the channels ---- */
MXI_DEVICE float in_sum(float x) { return x; }
MXI_DEVICE double in_sum(double x) { return x; }
MXI_DEVICE float in_sum(mxi_bf16 x) { return mxi_to_float(x); }
MXI_DEVICE float in_sum(mxi_f16 x) { return mxi_to_float(x); }
MXI_DEVICE void put_sum(double *to, double sum) { *to = sum; }
template <class T> MXI_DEVICE void put_sum(T *to, float sum) { *to = mxi_of_float<T>(sum); }
MXI_DEVICE float add_product(float sum, float a, float b) { return fmaf(a, b, sum); }
MXI_DEVICE double add_product(double sum, double a, double b) { return fma(a, b, sum); }

template <class T> MXI_DEVICE void depthwise(const mxi_cuda_depthwise &p) {
  const mxi_cuda_window &w = p.window;
  const uint32_t outputs = p.groups * p.multiplier;
  const int64_t index = static_cast<int64_t>(blockIdx.x) * THREADS + threadIdx.x;
  const int64_t pixels = index / outputs;
  if (pixels >= p.batch * w.pixels) return;
  const uint32_t output = static_cast<uint32_t>(index - pixels * outputs);
  const int64_t image = pixels / w.pixels;
  const uint32_t in_image = static_cast<uint32_t>(pixels - image * w.pixels), above = in_image / w.out[2];
  const int out[AXES] = {static_cast<int>(above / w.out[1]), static_cast<int>(above % w.out[1]),
                         static_cast<int>(in_image % w.out[2])};
  const T *x = static_cast<const T *>(p.x) + image * p.x_batch + output / p.multiplier * p.x_channel;
  const T *weight = static_cast<const T *>(p.w) + static_cast<int64_t>(output) * w.all_taps;
  decltype(in_sum(T{})) sum = 0;
  int tap = w.flip ? w.all_taps - 1 : 0;
  const int step = w.flip ? -1 : 1;
  for (int i = 0; i < w.taps[0]; i++)
    for (int j = 0; j < w.taps[1]; j++)
      for (int k = 0; k < w.taps[2]; k++, tap += step) {
        int64_t at[AXES];
        if (meets(w, 0, out[0], i, &at[0]) && meets(w, 1, out[1], j, &at[1]) &&
            meets(w, 2, out[2], k, &at[2]))
          sum = add_product(sum, in_sum(x[at[0] * p.x_axis[0] + at[1] * p.x_axis[1] + at[2] * p.x_axis[2]]),
                            in_sum(weight[tap]));
      }
  put_sum(static_cast<T *>(p.y) + index, sum);
}

MXI_KERNEL(unfold_2, mxi_cuda_unfold, THREADS) { unfold<uint16_t>(p); }
MXI_KERNEL(unfold_4, mxi_cuda_unfold, THREADS) { unfold<uint32_t>(p); }
MXI_KERNEL(unfold_8, mxi_cuda_unfold, THREADS) { unfold<uint2>(p); }
MXI_KERNEL(unfold_16, mxi_cuda_unfold, THREADS) { unfold<uint4>(p); }
MXI_KERNEL(depthwise_float16, mxi_cuda_depthwise, THREADS) { depthwise<mxi_f16>(p); }
MXI_KERNEL(depthwise_bfloat16, mxi_cuda_depthwise, THREADS) { depthwise<mxi_bf16>(p); }
MXI_KERNEL(depthwise_float32, mxi_cuda_depthwise, THREADS) { depthwise<float>(p); }
MXI_KERNEL(depthwise_float64, mxi_cuda_depthwise, THREADS) { depthwise<double>(p); }
