/* Products of few rows: at most MXI_FEW_ROWS of A, so each element of B is used a few times only, and the
   time is that of reading B. It is read once, in its own order, and widened in registers. */
#include "cpu/kernels/gemm_kernels.h"
#include "cpu/kernels/multiply_add.h"
#include "cpu/simd.h"

MXI_INLINE vf32 load_widened(mx_dtype t, const void *p, int64_t i) {
  if (t == MX_FLOAT16) return mxi_f32_from_f16(mxi_load_u16h((const uint16_t *)p + i));
  if (t == MX_BFLOAT16) return mxi_f32_from_bf16(mxi_load_u16h((const uint16_t *)p + i));
  return mxi_load_f32((const float *)p + i);
}
MXI_INLINE vf32 load_widened_n(mx_dtype t, const void *p, int64_t i, int64_t n) {
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
typedef float widened_a;
enum { widened_lanes = MXI_VL };
MXI_INLINE vf32 widened_load_a(const void *p) { return mxi_load_f32(p); }
MXI_INLINE vf32 widened_load_a_n(const void *p, int64_t n) { return mxi_loadn_f32(p, n); }
MXI_INLINE vf32 widened_load_b(mx_dtype t, const void *p) { return load_widened(t, p, 0); }
MXI_INLINE vf32 widened_load_b_n(mx_dtype t, const void *p, int64_t n) { return load_widened_n(t, p, 0, n); }
MXI_INLINE vf32 widened_add_products(vf32 a, vf32 b, vf32 sum) { return multiply_add_f32(a, b, sum); }
#define NAME(x) widened_##x
#define TARGET
#include "cpu/kernels/few_rows_dots.h"
#undef NAME
#undef TARGET

#if defined(__AVX512F__)
/* Pairs of bfloat16, multiplied and summed by one instruction, as in gemm_bf16.c. */
typedef uint16_t pairs_a;
enum { pairs_lanes = 2 * MXI_VL };
MXI_INLINE vf32 pairs_load_a(const void *p) { return (vf32)_mm512_loadu_si512(p); }
MXI_INLINE vf32 pairs_load_a_n(const void *p, int64_t n) {
  return (vf32)_mm512_maskz_loadu_epi16((__mmask32)((1ull << n) - 1), p);
}
MXI_INLINE vf32 pairs_load_b(mx_dtype t, const void *p) { return pairs_load_a(p); }
MXI_INLINE vf32 pairs_load_b_n(mx_dtype t, const void *p, int64_t n) { return pairs_load_a_n(p, n); }
MXI_INLINE MXI_BF16_DOT vf32 pairs_add_products(vf32 a, vf32 b, vf32 sum) { return mxi_bf16_dot(a, b, sum); }
#define NAME(x) pairs_##x
#define TARGET  MXI_BF16_DOT
#include "cpu/kernels/few_rows_dots.h"

static MXI_BF16_DOT void along_k_pairs(const void *a, int64_t a_row, const void *b, int64_t stride, int64_t m,
                                       int64_t n, int64_t k, float *sums, int64_t sums_row) {
  pairs_along_k(MX_BFLOAT16, a, a_row, b, stride, m, n, k, sums, sums_row);
}
#endif

/* ---- B's rows contiguous: four rows of B at a time are scaled and added to the sums, which stay in cache.
 * ---- */
enum { ROWS = 4 };

/* Adds `rows` rows of B to the sums, and fetches the rows that follow. */
MXI_INLINE void add_scaled_rows(mx_dtype t, const float *a, int64_t a_row, const char *b, int64_t b_bytes,
                                int64_t m, int64_t n, int rows, float *sums, int64_t sums_row) {
  for (int64_t j = 0; j < n; j += MXI_VL) {
    int64_t left = n - j;
    vf32 y[ROWS];
    MXI_UNROLL
    for (int r = 0; r < rows; r++) {
      __builtin_prefetch(b + (ROWS + r) * b_bytes + j * (t == MX_FLOAT32 ? 4 : 2), 0, 2);
      y[r] =
          left >= MXI_VL ? load_widened(t, b + r * b_bytes, j) : load_widened_n(t, b + r * b_bytes, j, left);
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
    add_scaled_rows(t, a + p, a_row, (const char *)b + p * b_bytes, b_bytes, m, n, ROWS, sums, sums_row);
  for (; p < k; p++)
    add_scaled_rows(t, a + p, a_row, (const char *)b + p * b_bytes, b_bytes, m, n, 1, sums, sums_row);
}

MXI_INLINE void widen(mx_dtype t, float *dst, const void *src, int64_t n) {
  int64_t i = 0;
  for (; i + MXI_VL <= n; i += MXI_VL) mxi_store_f32(dst + i, load_widened(t, src, i));
  if (i < n) mxi_storen_f32(dst + i, load_widened_n(t, src, i, n - i), n - i);
}

#define OF_DTYPE(name, t)                                                                            \
  static void along_n_##name(const void *a, int64_t a_row, const void *b, int64_t stride, int64_t m, \
                             int64_t n, int64_t k, float *sums, int64_t sums_row) {                  \
    along_n(t, a, a_row, b, stride, m, n, k, sums, sums_row);                                        \
  }                                                                                                  \
  static void along_k_##name(const void *a, int64_t a_row, const void *b, int64_t stride, int64_t m, \
                             int64_t n, int64_t k, float *sums, int64_t sums_row) {                  \
    widened_along_k(t, a, a_row, b, stride, m, n, k, sums, sums_row);                                \
  }                                                                                                  \
  static void widen_##name(void *dst, const void *src, int64_t n) { widen(t, dst, src, n); }
OF_DTYPE(f32, MX_FLOAT32)
OF_DTYPE(f16, MX_FLOAT16)
OF_DTYPE(bf16, MX_BFLOAT16)

const struct mxi_few_rows_kernels *MXI_ISA_NAME(mxi_few_rows)(void) {
  static const struct mxi_few_rows_kernels kernels = {
      .along_k = {[MX_FLOAT32] = along_k_f32, [MX_FLOAT16] = along_k_f16, [MX_BFLOAT16] = along_k_bf16},
      .along_n = {[MX_FLOAT32] = along_n_f32, [MX_FLOAT16] = along_n_f16, [MX_BFLOAT16] = along_n_bf16},
      .widen = {[MX_FLOAT32] = widen_f32, [MX_FLOAT16] = widen_f16, [MX_BFLOAT16] = widen_bf16}};
  return &kernels;
}

mxi_few_rows_fn MXI_ISA_NAME(mxi_few_rows_bf16_dot)(void) {
#if defined(__AVX512F__)
  if (mxi_cpu_has(MXI_BF16)) return along_k_pairs;
#endif
  return NULL;
}
