/* Thin products: at most MXI_THIN_ROWS rows of A, so each element of B is used a few times only, and the time
   is that of reading B. It is read once, in its own order, and widened in registers. */
#include "cpu/kernels/gemm_kernels.h"
#include "cpu/kernels/multiply_add.h"
#include "cpu/simd.h"

MXI_INLINE vf32 load_lanes(mx_dtype t, const void *p, int64_t i) {
  if (t == MX_FLOAT16) return mxi_f32_from_f16(mxi_load_u16h((const uint16_t *)p + i));
  if (t == MX_BFLOAT16) return mxi_f32_from_bf16(mxi_load_u16h((const uint16_t *)p + i));
  return mxi_load_f32((const float *)p + i);
}
MXI_INLINE vf32 load_lanes_n(mx_dtype t, const void *p, int64_t i, int64_t n) {
  if (t == MX_FLOAT16) return mxi_f32_from_f16(mxi_loadn_u16h((const uint16_t *)p + i, n));
  if (t == MX_BFLOAT16) return mxi_f32_from_bf16(mxi_loadn_u16h((const uint16_t *)p + i, n));
  return mxi_loadn_f32((const float *)p + i, n);
}

/* ---- B's columns contiguous: dot products of all m rows and a few columns at a time. ---- */
#if defined(__AVX512F__)
enum { DOT_SUMS = 24 }; /* accumulators that registers hold */
#else
enum { DOT_SUMS = 10 };
#endif
enum { MAX_COLS = 4, GROUP = 8 }; /* columns and rows of A that share registers */

/* B is widened as it is loaded, to meet A in float32. */
#define TARGET
#define LANES                  MXI_VL
#define A                      float
#define LOAD_A(p)              mxi_load_f32(p)
#define LOAD_A_N(p, n)         mxi_loadn_f32(p, n)
#define LOAD_B(p)              load_lanes(DTYPE, p, 0)
#define LOAD_B_N(p, n)         load_lanes_n(DTYPE, p, 0, n)
#define MULTIPLY_ADD(a, b, to) multiply_add_f32(a, b, to)
#define NAME(fn)               fn##_f32
#define DTYPE                  MX_FLOAT32
#define B                      float
#include "cpu/kernels/thin_dots.h"
#undef NAME
#undef DTYPE
#undef B
#define NAME(fn) fn##_f16
#define DTYPE    MX_FLOAT16
#define B        uint16_t
#include "cpu/kernels/thin_dots.h"
#undef NAME
#undef DTYPE
#define NAME(fn) fn##_bf16
#define DTYPE    MX_BFLOAT16
#include "cpu/kernels/thin_dots.h"

#if defined(__AVX512F__)
/* Pairs of bfloat16, multiplied and summed by one instruction, as in gemm_bf16.c. */
MXI_INLINE vf32 load_pairs(const uint16_t *p) { return (vf32)_mm512_loadu_si512(p); }
MXI_INLINE vf32 load_pairs_n(const uint16_t *p, int64_t n) {
  return (vf32)_mm512_maskz_loadu_epi16((__mmask32)((1ull << n) - 1), p);
}
#undef TARGET
#undef LANES
#undef A
#undef LOAD_A
#undef LOAD_A_N
#undef LOAD_B
#undef LOAD_B_N
#undef MULTIPLY_ADD
#undef NAME
#define NAME(fn)               fn##_pairs
#define TARGET                 MXI_BF16_DOT
#define LANES                  (2 * MXI_VL)
#define A                      uint16_t
#define LOAD_A(p)              load_pairs(p)
#define LOAD_A_N(p, n)         load_pairs_n(p, n)
#define LOAD_B(p)              load_pairs(p)
#define LOAD_B_N(p, n)         load_pairs_n(p, n)
#define MULTIPLY_ADD(a, b, to) mxi_bf16_dot(a, b, to)
#include "cpu/kernels/thin_dots.h"
#endif

/* ---- B's rows contiguous: four rows of B at a time are scaled and added to the sums, which stay in cache.
 * ---- */
enum { ROWS = 4 };

/* Adds `rows` rows of B to the sums, and fetches the rows that follow. */
MXI_INLINE void add_rows(mx_dtype t, const float *a, int64_t a_row, const char *b, int64_t b_bytes, int64_t m,
                         int64_t n, int rows, float *sums, int64_t sums_row) {
  for (int64_t j = 0; j < n; j += MXI_VL) {
    int64_t left = n - j;
    vf32 y[ROWS];
    MXI_UNROLL
    for (int r = 0; r < rows; r++) {
      __builtin_prefetch(b + (ROWS + r) * b_bytes + j * (t == MX_FLOAT32 ? 4 : 2), 0, 2);
      y[r] = left >= MXI_VL ? load_lanes(t, b + r * b_bytes, j) : load_lanes_n(t, b + r * b_bytes, j, left);
    }
    for (int64_t i = 0; i < m; i++) {
      float *s = sums + i * sums_row + j;
      vf32 sum = left >= MXI_VL ? mxi_load_f32(s) : mxi_loadn_f32(s, left);
      MXI_UNROLL
      for (int r = 0; r < rows; r++) sum = multiply_add_f32(mxi_set_f32(a[i * a_row + r]), y[r], sum);
      if (left >= MXI_VL)
        mxi_store_f32(s, sum);
      else
        mxi_storen_f32(s, sum, left);
    }
  }
}

MXI_INLINE void along_n(mx_dtype t, const float *a, int64_t a_row, const void *b, int64_t stride, int64_t m,
                        int64_t n, int64_t k, float *sums, int64_t sums_row) {
  int64_t b_bytes = stride * (t == MX_FLOAT32 ? 4 : 2), p = 0;
  for (int64_t i = 0; i < m; i++) memset(sums + i * sums_row, 0, (size_t)n * sizeof *sums);
  for (; p + ROWS <= k; p += ROWS)
    add_rows(t, a + p, a_row, (const char *)b + p * b_bytes, b_bytes, m, n, ROWS, sums, sums_row);
  for (; p < k; p++)
    add_rows(t, a + p, a_row, (const char *)b + p * b_bytes, b_bytes, m, n, 1, sums, sums_row);
}

MXI_INLINE void widen(mx_dtype t, float *dst, const void *src, int64_t n) {
  int64_t i = 0;
  for (; i + MXI_VL <= n; i += MXI_VL) mxi_store_f32(dst + i, load_lanes(t, src, i));
  if (i < n) mxi_storen_f32(dst + i, load_lanes_n(t, src, i, n - i), n - i);
}

#define THIN(name, t)                                                                                \
  static void along_n_##name(const void *a, int64_t a_row, const void *b, int64_t stride, int64_t m, \
                             int64_t n, int64_t k, float *sums, int64_t sums_row) {                  \
    along_n(t, a, a_row, b, stride, m, n, k, sums, sums_row);                                        \
  }                                                                                                  \
  static void widen_##name(void *dst, const void *src, int64_t n) { widen(t, dst, src, n); }
THIN(f32, MX_FLOAT32)
THIN(f16, MX_FLOAT16)
THIN(bf16, MX_BFLOAT16)

const struct mxi_thin_kernels *MXI_ISA_NAME(mxi_thin)(void) {
  static const struct mxi_thin_kernels kernels = {
      .along_k = {[MX_FLOAT32] = along_k_f32, [MX_FLOAT16] = along_k_f16, [MX_BFLOAT16] = along_k_bf16},
      .along_n = {[MX_FLOAT32] = along_n_f32, [MX_FLOAT16] = along_n_f16, [MX_BFLOAT16] = along_n_bf16},
      .widen = {[MX_FLOAT32] = widen_f32, [MX_FLOAT16] = widen_f16, [MX_BFLOAT16] = widen_bf16}};
  return &kernels;
}

mxi_thin_fn MXI_ISA_NAME(mxi_thin_bf16_dot)(void) {
#if defined(__AVX512F__)
  if (mxi_cpu_has(MXI_BF16)) return along_k_pairs;
#endif
  return NULL;
}
