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

/* Adds MXI_VL elements of k to the sums. */
MXI_INLINE void dot_step(mx_dtype t, int m, int cols, const float *a, int64_t a_row, const char *b,
                         int64_t b_bytes, vf32 acc[GROUP][MAX_COLS]) {
  vf32 y[MAX_COLS];
  MXI_UNROLL
  for (int j = 0; j < cols; j++) y[j] = load_lanes(t, b + j * b_bytes, 0);
  MXI_UNROLL
  for (int i = 0; i < m; i++) {
    vf32 x = mxi_load_f32(a + i * a_row);
    MXI_UNROLL
    for (int j = 0; j < cols; j++) acc[i][j] = multiply_add_f32(x, y[j], acc[i][j]);
  }
}
MXI_INLINE void dot_end(mx_dtype t, int m, int cols, const float *a, int64_t a_row, const char *b,
                        int64_t b_bytes, int64_t n, vf32 acc[GROUP][MAX_COLS]) {
  MXI_UNROLL
  for (int i = 0; i < m; i++) {
    vf32 x = mxi_loadn_f32(a + i * a_row, n);
    MXI_UNROLL
    for (int j = 0; j < cols; j++)
      acc[i][j] = multiply_add_f32(x, load_lanes_n(t, b + j * b_bytes, 0, n), acc[i][j]);
  }
}

/* sums[i][j] for i < m, j < cols, which are constants here. Meanwhile the columns that follow are fetched:
   prefetchers in hardware lose a column's start. */
MXI_INLINE void dots(mx_dtype t, int m, int cols, const float *a, int64_t a_row, const char *b,
                     int64_t b_bytes, int64_t k, float *sums, int64_t sums_row) {
  vf32 acc[GROUP][MAX_COLS];
  int64_t p = 0, item = t == MX_FLOAT32 ? 4 : 2;
  MXI_UNROLL
  for (int i = 0; i < m; i++) MXI_UNROLL
  for (int j = 0; j < cols; j++) acc[i][j] = (vf32){0};
  for (; p + MXI_VL <= k; p += MXI_VL) {
    MXI_UNROLL
    for (int j = 0; j < cols; j++) __builtin_prefetch(b + (cols + j) * b_bytes + p * item, 0, 2);
    dot_step(t, m, cols, a + p, a_row, b + p * item, b_bytes, acc);
  }
  if (p < k) dot_end(t, m, cols, a + p, a_row, b + p * item, b_bytes, k - p, acc);
  MXI_UNROLL
  for (int i = 0; i < m; i++) MXI_UNROLL
  for (int j = 0; j < cols; j++) sums[i * sums_row + j] = mxi_hsum_f32(acc[i][j]);
}

MXI_INLINE void all_dots(mx_dtype t, int m, const float *a, int64_t a_row, const char *b, int64_t b_bytes,
                         int64_t n, int64_t k, float *sums, int64_t sums_row) {
  int cols = DOT_SUMS / m < MAX_COLS ? DOT_SUMS / m : MAX_COLS;
  int64_t j = 0;
  for (; j + cols <= n; j += cols)
    dots(t, m, cols, a, a_row, b + j * b_bytes, b_bytes, k, sums + j, sums_row);
  for (; j < n; j++) dots(t, m, 1, a, a_row, b + j * b_bytes, b_bytes, k, sums + j, sums_row);
}

MXI_INLINE void along_k(mx_dtype t, const float *a, int64_t a_row, const void *b, int64_t stride, int64_t m,
                        int64_t n, int64_t k, float *sums, int64_t sums_row) {
  int64_t b_bytes = stride * (t == MX_FLOAT32 ? 4 : 2);
  /* More rows take further passes over B's chunk, which is in cache by then. */
  for (; m > GROUP; m -= GROUP, a += GROUP * a_row, sums += GROUP * sums_row)
    all_dots(t, GROUP, a, a_row, b, b_bytes, n, k, sums, sums_row);
  switch (m) {
  case 1: all_dots(t, 1, a, a_row, b, b_bytes, n, k, sums, sums_row); break;
  case 2: all_dots(t, 2, a, a_row, b, b_bytes, n, k, sums, sums_row); break;
  case 3: all_dots(t, 3, a, a_row, b, b_bytes, n, k, sums, sums_row); break;
  case 4: all_dots(t, 4, a, a_row, b, b_bytes, n, k, sums, sums_row); break;
  case 5: all_dots(t, 5, a, a_row, b, b_bytes, n, k, sums, sums_row); break;
  case 6: all_dots(t, 6, a, a_row, b, b_bytes, n, k, sums, sums_row); break;
  case 7: all_dots(t, 7, a, a_row, b, b_bytes, n, k, sums, sums_row); break;
  default: all_dots(t, 8, a, a_row, b, b_bytes, n, k, sums, sums_row);
  }
}

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

#define THIN(name, t)                                                                                 \
  static void along_k_##name(const float *a, int64_t a_row, const void *b, int64_t stride, int64_t m, \
                             int64_t n, int64_t k, float *sums, int64_t sums_row) {                   \
    along_k(t, a, a_row, b, stride, m, n, k, sums, sums_row);                                         \
  }                                                                                                   \
  static void along_n_##name(const float *a, int64_t a_row, const void *b, int64_t stride, int64_t m, \
                             int64_t n, int64_t k, float *sums, int64_t sums_row) {                   \
    along_n(t, a, a_row, b, stride, m, n, k, sums, sums_row);                                         \
  }                                                                                                   \
  static void widen_##name(float *dst, const void *src, int64_t n) { widen(t, dst, src, n); }
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
