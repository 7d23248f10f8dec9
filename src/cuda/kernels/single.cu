#include "cuda/kernels/single.h"
#include "cuda/kernels/elementwise.cuh"

/* N elements, loaded and stored at once. */
template <class T, int N> struct alignas(sizeof(T) * N) vector { T of[N]; };
/* A result as it is stored: a half, or a truth value. */
template <class T> MXI_DEVICE T rounded(float x) { return mxi_of_float<T>(x); }
template <class T> MXI_DEVICE bool rounded(bool x) { return x; }

/* All of a thread's vectors are loaded before the first is stored: so more loads are under way, and an output
   may be an input's memory. The last block goes element by element. */
template <class T, int OPERANDS, class F> MXI_DEVICE void run(const struct mxi_single &p, F f) {
  constexpr int N = 16 / sizeof(T), VECTORS = MXI_SINGLE_VECTORS;
  constexpr int64_t stride = (int64_t)MXI_SINGLE_THREADS * N; /* from one of a thread's vectors to the next */
  typedef decltype(rounded<T>(f(0.0f, 0.0f))) R;
  const T *x = reinterpret_cast<const T *>(p.in[0]), *y = reinterpret_cast<const T *>(p.in[1]);
  R *to = reinterpret_cast<R *>(p.out);
  bool one_x = p.scalar[0], one_y = p.scalar[1];
  float first_x = mxi_float_of_bits((uint32_t)p.in[0]), first_y = mxi_float_of_bits((uint32_t)p.in[1]);
  int64_t begin = (int64_t)blockIdx.x * VECTORS * stride, end = begin + VECTORS * stride;
  if (end > p.size) {
    for (int64_t n = begin + threadIdx.x; n < p.size; n += MXI_SINGLE_THREADS)
      to[n] = rounded<T>(f(one_x ? first_x : mxi_to_float(x[n]), OPERANDS < 2 ? 0.0f
                                                                 : one_y      ? first_y
                                                                              : mxi_to_float(y[n])));
    return;
  }
  int64_t first = begin + threadIdx.x * N;
  vector<T, N> a[VECTORS] = {}, b[VECTORS] = {};
  if (!one_x)
#pragma unroll
    for (int v = 0; v < VECTORS; v++) a[v] = *reinterpret_cast<const vector<T, N> *>(x + first + v * stride);
  if (OPERANDS == 2 && !one_y)
#pragma unroll
    for (int v = 0; v < VECTORS; v++) b[v] = *reinterpret_cast<const vector<T, N> *>(y + first + v * stride);
#pragma unroll
  for (int v = 0; v < VECTORS; v++) {
    vector<R, N> r;
#pragma unroll
    for (int i = 0; i < N; i++)
      r.of[i] = rounded<T>(
          f(one_x ? first_x : mxi_to_float(a[v].of[i]), one_y ? first_y : mxi_to_float(b[v].of[i])));
    *reinterpret_cast<vector<R, N> *>(to + first + v * stride) = r;
  }
}

#define UNARY_OF(KERNEL, T, op)                         \
  MXI_KERNEL(KERNEL, mxi_single, MXI_SINGLE_THREADS) {  \
    run<T, 1>(p, [](float x, float) { return op(x); }); \
  }
#define BINARY_OF(KERNEL, T, op)                             \
  MXI_KERNEL(KERNEL, mxi_single, MXI_SINGLE_THREADS) {       \
    run<T, 2>(p, [](float x, float y) { return op(x, y); }); \
  }
#define UNARY(ID, name)                                      \
  UNARY_OF(single_##name##_float16, mxi_f16, mxi_e_##name)   \
  UNARY_OF(single_##name##_bfloat16, mxi_bf16, mxi_e_##name) \
  UNARY_OF(single_##name##_float32, float, mxi_e_##name)
#define BINARY(ID, name)                                      \
  BINARY_OF(single_##name##_float16, mxi_f16, mxi_e_##name)   \
  BINARY_OF(single_##name##_bfloat16, mxi_bf16, mxi_e_##name) \
  BINARY_OF(single_##name##_float32, float, mxi_e_##name)
MXI_SINGLE_UNARY(UNARY)
MXI_SINGLE_BINARY(BINARY)
