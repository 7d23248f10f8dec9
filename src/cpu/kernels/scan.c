#include "cpu/kernels/scan.h"
#include "cpu/kernels/reduce_ops.h"
#include "cpu/simd.h"
#include <math.h>

/* log(e^a + e^b) = max + log(1 + e^(min - max)); an infinite or NaN maximum is the result. */
static float logaddexp_f32(float a, float b) {
  float high = FMAX(a, b), low = FMIN(a, b);
  return high - high != 0 ? high : high + log1pf(expf(low - high));
}
static double logaddexp_f64(double a, double b) {
  double high = FMAX(a, b), low = FMIN(a, b);
  return high - high != 0 ? high : high + log1p(exp(low - high));
}
/* The same of complex numbers, with the larger by real part in front. */
static complex_pair logaddexp_c64(complex_pair a, complex_pair b) {
  if (complex_nan(a) || complex_nan(b)) return (complex_pair){NAN, NAN};
  complex_pair high = complex_less(a, b) ? b : a, low = complex_less(a, b) ? a : b;
  if (high.re == INFINITY || low.re == -INFINITY) return high;
  float size = expf(low.re - high.re), re = size * cosf(low.im - high.im), im = size * sinf(low.im - high.im);
  return (complex_pair){high.re + (float)log_abs_1p(re, im), high.im + atan2f(im, 1 + re)};
}

struct scan_kernels {
  void (*identity)(void *values, int64_t n);
  void (*tile)(void *dst, const void *src, int64_t n, void *carry);
  void (*combine)(void *values, const void *with, int64_t with_step, int64_t n);
};

#define IN_TURN(T, name, OP)                                                    \
  static void tile_##name(void *dst, const void *src, int64_t n, void *carry) { \
    T *to = dst, sum = *(T *)carry;                                             \
    const T *x = src;                                                           \
    for (int64_t i = 0; i < n; i++) to[i] = sum = (T)OP(sum, x[i]);             \
    *(T *)carry = sum;                                                          \
  }
#define ELEMENTWISE(T, name, OP, IDENTITY)                                              \
  static void identity_##name(void *values, int64_t n) {                                \
    for (int64_t i = 0; i < n; i++) ((T *)values)[i] = IDENTITY;                        \
  }                                                                                     \
  static void combine_##name(void *values, const void *with, int64_t step, int64_t n) { \
    T *restrict x = values;                                                             \
    const T *restrict w = with;                                                         \
    if (step)                                                                           \
      for (int64_t i = 0; i < n; i++) x[i] = (T)OP(w[i], x[i]);                         \
    else                                                                                \
      for (int64_t i = 0; i < n; i++) x[i] = (T)OP(w[0], x[i]);                         \
  }
#define KERNELS(T, name, OP, IDENTITY) \
  IN_TURN(T, name, OP)                 \
  ELEMENTWISE(T, name, OP, IDENTITY)

/* A group of 16 floats on every instruction set, so that all give the same bits. */
typedef float v16f32 __attribute__((vector_size(64)));
#define SHIFTED(v, ...) __builtin_shufflevector(v, (v16f32){0}, __VA_ARGS__)
MXI_INLINE v16f32 prefix_sums(v16f32 v) {
  v = SHIFTED(v, 16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14) + v;
  v = SHIFTED(v, 16, 16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13) + v;
  v = SHIFTED(v, 16, 16, 16, 16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11) + v;
  return SHIFTED(v, 16, 16, 16, 16, 16, 16, 16, 16, 0, 1, 2, 3, 4, 5, 6, 7) + v;
}
static void scan_sum_f32(float *dst, const float *x, int64_t n, float *carry, const float *before,
                         bool stream) {
  float base = *carry, start = before ? *before : 0;
  int64_t i = 0;
  v16f32 v;
  stream = stream && (uintptr_t)dst % 64 == 0;
  for (; i + 16 <= n; i += 16) {
    memcpy(&v, x + i, sizeof v);
    v = prefix_sums(v);
    v16f32 sums = v + base;
    if (before) sums += start;
    if (stream)
      mxi_stream_line(dst + i, &sums);
    else
      memcpy(dst + i, &sums, sizeof v);
    base += v[15];
  }
  if (i < n) {
    v = (v16f32){0};
    memcpy(&v, x + i, (size_t)(n - i) * sizeof *x);
    v = prefix_sums(v);
    v16f32 sums = v + base;
    if (before) sums += start;
    memcpy(dst + i, &sums, (size_t)(n - i) * sizeof *x);
    base += v[15];
  }
  if (stream) mxi_stream_fence();
  *carry = base;
}
static void tile_sum_f32(void *dst, const void *src, int64_t n, void *carry) {
  scan_sum_f32(dst, src, n, carry, NULL, false);
}
ELEMENTWISE(float, sum_f32, SUM, 0)

KERNELS(uint32_t, sum_u32, SUM, 0)
KERNELS(uint64_t, sum_u64, SUM, 0)
KERNELS(double, sum_f64, SUM, 0)
KERNELS(complex_pair, sum_c64, complex_sum, ALL_COMPLEX(0))
KERNELS(uint32_t, prod_u32, PROD, 1)
KERNELS(uint64_t, prod_u64, PROD, 1)
KERNELS(float, prod_f32, PROD, 1)
KERNELS(double, prod_f64, PROD, 1)
KERNELS(complex_pair, prod_c64, complex_prod, ONE_COMPLEX)
INTEGER_EXTREMES
KERNELS(float, min_f32, FMIN, __builtin_inff())
KERNELS(float, max_f32, FMAX, -__builtin_inff())
KERNELS(double, min_f64, FMIN, __builtin_inf())
KERNELS(double, max_f64, FMAX, -__builtin_inf())
KERNELS(complex_pair, min_c64, complex_min, ALL_COMPLEX(__builtin_inff()))
KERNELS(complex_pair, max_c64, complex_max, ALL_COMPLEX(-__builtin_inff()))
KERNELS(float, log_f32, logaddexp_f32, -__builtin_inff())
KERNELS(double, log_f64, logaddexp_f64, -__builtin_inf())
KERNELS(complex_pair, log_c64, logaddexp_c64, ((complex_pair){-__builtin_inff(), 0}))

#define ENTRY(name) \
  { identity_##name, tile_##name, combine_##name }
static const struct scan_kernels table[5][MX_DTYPE_COUNT] = {
    ARITHMETIC(sum),
    ARITHMETIC(prod),
    ORDER(min),
    ORDER(max),
    {[MX_FLOAT32] = ENTRY(log_f32), [MX_FLOAT64] = ENTRY(log_f64), [MX_COMPLEX64] = ENTRY(log_c64)}};

void MXI_ISA_NAME(mxi_scan_tile)(const struct mxi_reduce_kind *r, void *dst, const void *src, int64_t n,
                                 void *carry, const void *before, bool stream) {
  const struct scan_kernels *k = &table[r->op][r->acc];
  if (k->tile == tile_sum_f32) {
    scan_sum_f32(dst, src, n, carry, before, stream);
    return;
  }
  k->tile(dst, src, n, carry);
  if (before) k->combine(dst, before, 0, n);
}
void MXI_ISA_NAME(mxi_scan_combine)(const struct mxi_reduce_kind *r, void *values, const void *with,
                                    int64_t with_step, int64_t n) {
  table[r->op][r->acc].combine(values, with, with_step, n);
}
void MXI_ISA_NAME(mxi_scan_identity)(const struct mxi_reduce_kind *r, void *values, int64_t n) {
  table[r->op][r->acc].identity(values, n);
}
