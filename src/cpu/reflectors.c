#include "cpu/reflectors.h"
#include "base/checked.h"
#include "base/error.h"
#include "cpu/gemm.h"
#include <string.h>

enum { BLOCK = MXI_REFLECTOR_BLOCK };

/* One block: vt (count, length), row-major; tt, the transpose of T, lower triangular. */
struct reflector_block {
  mx_dtype dtype;
  int64_t count, length, first;
  char *vt, *tt, *gram, *w, *w2;
};

size_t mxi_reflectors_work(mx_dtype t, int64_t length, int64_t others) {
  return (size_t)(BLOCK * (length + 2 * others + 2 * BLOCK)) * mx_dtype_size(t) + 64;
}

struct product_factor {
  const void *data;
  int64_t row, column;
};
/* c (m, n) = a b, or c -= a b. */
static int multiply_factors(const struct reflector_block *b, struct product_factor x, struct product_factor y,
                            void *c, int64_t c_row, int64_t m, int64_t n, int64_t k, bool subtract) {
  struct mxi_gemm g = {.dtype = b->dtype,
                       .m = m,
                       .n = n,
                       .k = k,
                       .batch = 1,
                       .a = x.data,
                       .a_row = x.row,
                       .a_col = x.column,
                       .b = y.data,
                       .b_row = y.row,
                       .b_col = y.column,
                       .c = c,
                       .c_row = c_row,
                       .c0 = subtract ? c : NULL,
                       .c0_row = c_row,
                       .c0_col = 1,
                       .alpha = subtract ? -1 : 1,
                       .beta = subtract ? 1 : 0};
  return mxi_gemm_run(&g);
}

/* Column i of T, above its diagonal tau_i, is -tau_i T (V^T v_i); row i of tt holds it. */
#define BLOCK_STEPS(T, name)                                                                          \
  static void copy_vectors_##name(const struct mxi_reflectors *q, const struct reflector_block *b) {  \
    for (int64_t r = 0; r < b->count; r++) {                                                          \
      T *out = (T *)b->vt + r * b->length;                                                            \
      const T *v = (const T *)q->v + (b->first + r) * q->next + b->first * q->step;                   \
      for (int64_t i = 0; i < r; i++) out[i] = 0;                                                     \
      out[r] = 1;                                                                                     \
      for (int64_t i = r + 1; i < b->length; i++) out[i] = v[i * q->step];                            \
    }                                                                                                 \
  }                                                                                                   \
  static void fill_triangle_##name(const struct mxi_reflectors *q, const struct reflector_block *b) { \
    T *tt = (T *)b->tt;                                                                               \
    const T *gram = (const T *)b->gram, *tau = (const T *)q->tau + b->first;                          \
    memset(tt, 0, (size_t)(b->count * b->count) * sizeof(T));                                         \
    for (int64_t i = 0; i < b->count; i++) {                                                          \
      T *row = tt + i * b->count;                                                                     \
      for (int64_t c = 0; c < i; c++) {                                                               \
        T x = -tau[i] * gram[i * b->count + c];                                                       \
        for (int64_t r = 0; r <= c; r++) row[r] += x * tt[c * b->count + r];                          \
      }                                                                                               \
      row[i] = tau[i];                                                                                \
    }                                                                                                 \
  }
BLOCK_STEPS(float, f32)
BLOCK_STEPS(double, f64)

static int make_block(const struct mxi_reflectors *q, int64_t first, int64_t others, char *work,
                      struct reflector_block *b) {
  size_t item = mx_dtype_size(q->dtype);
  *b = (struct reflector_block){.dtype = q->dtype, .first = first, .count = mxi_min(BLOCK, q->count - first)};
  b->length = q->length - first;
  b->vt = work;
  b->tt = b->vt + (size_t)(BLOCK * b->length) * item;
  b->gram = b->tt + BLOCK * BLOCK * item;
  b->w = b->gram + BLOCK * BLOCK * item;
  b->w2 = b->w + (size_t)(BLOCK * others) * item;
  if (q->dtype == MX_FLOAT64)
    copy_vectors_f64(q, b);
  else
    copy_vectors_f32(q, b);
  struct product_factor rows = {b->vt, b->length, 1}, columns = {b->vt, 1, b->length};
  MXI_TRY(multiply_factors(b, rows, columns, b->gram, b->count, b->count, b->count, b->length, false));
  if (q->dtype == MX_FLOAT64)
    fill_triangle_f64(q, b);
  else
    fill_triangle_f32(q, b);
  return 0;
}

/* c - V (T (V^T c)) */
static int columns_by_block(const struct reflector_block *b, char *c, int64_t row, int64_t n) {
  struct product_factor rows = {b->vt, b->length, 1}, columns = {b->vt, 1, b->length},
                        t = {b->tt, 1, b->count};
  MXI_TRY(
      multiply_factors(b, rows, (struct product_factor){c, row, 1}, b->w, n, b->count, n, b->length, false));
  MXI_TRY(
      multiply_factors(b, t, (struct product_factor){b->w, n, 1}, b->w2, n, b->count, n, b->count, false));
  return multiply_factors(b, columns, (struct product_factor){b->w2, n, 1}, c, row, b->length, n, b->count,
                          true);
}
/* c - ((c V) T^T) V^T; inverse: T for T^T. */
static int rows_by_block(const struct reflector_block *b, bool inverse, char *c, int64_t row, int64_t n) {
  struct product_factor rows = {b->vt, b->length, 1}, columns = {b->vt, 1, b->length};
  struct product_factor t = {b->tt, inverse ? 1 : b->count, inverse ? b->count : 1};
  MXI_TRY(multiply_factors(b, (struct product_factor){c, row, 1}, columns, b->w, b->count, n, b->count,
                           b->length, false));
  MXI_TRY(multiply_factors(b, (struct product_factor){b->w, b->count, 1}, t, b->w2, b->count, n, b->count,
                           b->count, false));
  return multiply_factors(b, (struct product_factor){b->w2, b->count, 1}, rows, c, row, n, b->length,
                          b->count, true);
}

int mxi_reflect_columns(const struct mxi_reflectors *q, void *c, int64_t row, int64_t n, char *work) {
  struct reflector_block b;
  for (int64_t i = mxi_ceil_div(q->count, BLOCK); i-- > 0;) { // the last reflector acts first
    MXI_TRY(make_block(q, i * BLOCK, n, work, &b));
    MXI_TRY(columns_by_block(&b, (char *)c + (size_t)(b.first * row) * mx_dtype_size(q->dtype), row, n));
  }
  return 0;
}

/* What the reflectors so far have changed begins at the block's first row and column. */
int mxi_reflect_identity(const struct mxi_reflectors *q, void *c, int64_t row, int64_t n, char *work) {
  struct reflector_block b;
  for (int64_t i = mxi_ceil_div(q->count, BLOCK); i-- > 0;) {
    MXI_TRY(make_block(q, i * BLOCK, n, work, &b));
    char *corner = (char *)c + (size_t)(b.first * row + b.first) * mx_dtype_size(q->dtype);
    MXI_TRY(columns_by_block(&b, corner, row, n - b.first));
  }
  return 0;
}

int mxi_reflect_rows(const struct mxi_reflectors *q, bool inverse, void *c, int64_t row, int64_t n,
                     char *work) {
  struct reflector_block b;
  int64_t blocks = mxi_ceil_div(q->count, BLOCK);
  for (int64_t i = 0; i < blocks; i++) {
    MXI_TRY(make_block(q, (inverse ? i : blocks - 1 - i) * BLOCK, n, work, &b));
    MXI_TRY(rows_by_block(&b, inverse, (char *)c + (size_t)b.first * mx_dtype_size(q->dtype), row, n));
  }
  return 0;
}
