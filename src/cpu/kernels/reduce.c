#include "core/dtype.h"
#include "cpu/kernels/reduce.h"
#include "cpu/kernels/copy.h"
#include "cpu/kernels/reduce_ops.h"
#include "cpu/locals.h"
#include "cpu/simd.h"

/* ---- What one operation on one dtype needs ---- */
struct reduce_kernels {
  void (*identity)(void *values, int64_t n);
  void (*tile)(void *state, const void *tile, int64_t n);
  void (*finish)(void *state, void *value);
  void (*pairs)(void *values, int64_t n);
  void (*rows)(const void *rows, int64_t stride, int64_t n, int64_t count, void *values);
  void (*short_rows)(const void *rows, int64_t stride, int64_t n, int64_t count, void *values);
  void (*combine)(void *a, const void *b, int64_t n);
  void (*combine4)(void *a, const void *const rows[4], int64_t n);
};

#define IDENTITIES(T, name, IDENTITY)                            \
  MXI_INLINE void identity_##name(void *values, int64_t n) {     \
    for (int64_t i = 0; i < n; i++) ((T *)values)[i] = IDENTITY; \
  }
/* Loops that the compiler turns into vectors. */
#define LOOPS(T, name, OP)                                                                              \
  MXI_INLINE void tile_##name(void *state, const void *tile, int64_t n) {                               \
    enum { LANES = 256 / sizeof(T) };                                                                   \
    T *restrict s = state;                                                                              \
    const T *restrict x = tile;                                                                         \
    int64_t i = 0;                                                                                      \
    for (; i + LANES <= n; i += LANES)                                                                  \
      for (int l = 0; l < LANES; l++) s[l] = (T)OP(s[l], x[i + l]);                                     \
    if (i == n) return;                                                                                 \
    T rest[LANES];                                                                                      \
    identity_##name(rest, LANES);                                                                       \
    memcpy(rest, x + i, (size_t)(n - i) * sizeof(T));                                                   \
    for (int l = 0; l < LANES; l++) s[l] = (T)OP(s[l], rest[l]);                                        \
  }                                                                                                     \
  static void combine_##name(void *to, const void *with, int64_t n) {                                   \
    T *restrict a = to;                                                                                 \
    const T *restrict b = with;                                                                         \
    for (int64_t i = 0; i < n; i++) a[i] = (T)OP(a[i], b[i]);                                           \
  }                                                                                                     \
  static void combine4_##name(void *to, const void *const rows[4], int64_t n) {                         \
    T *restrict a = to;                                                                                 \
    const T *restrict b = rows[0], *restrict c = rows[1], *restrict d = rows[2], *restrict e = rows[3]; \
    for (int64_t i = 0; i < n; i++) {                                                                   \
      T low = (T)OP(b[i], c[i]), high = (T)OP(d[i], e[i]), both = (T)OP(low, high);                     \
      a[i] = (T)OP(a[i], both);                                                                         \
    }                                                                                                   \
  }
/* The same in vectors, for floats: accumulators stay in registers, and minima and maxima of NaN are not
 * branches. */
#define VECTOR_LOOPS(T, V, OP, VOP, name)                                                      \
  MXI_INLINE V load_##name(const T *p) {                                                       \
    V v;                                                                                       \
    memcpy(&v, p, sizeof v);                                                                   \
    return v;                                                                                  \
  }                                                                                            \
  MXI_INLINE void each_##name(void *state, const void *tile, int64_t n) {                      \
    enum { STEP = sizeof(V) / sizeof(T), LANES = 256 / sizeof(T), VECTORS = 256 / sizeof(V) }; \
    const T *x = tile;                                                                         \
    V s[VECTORS];                                                                              \
    memcpy(s, state, sizeof s);                                                                \
    int64_t i = 0;                                                                             \
    for (; i + LANES <= n; i += LANES) _Pragma("GCC unroll 16")                                \
    for (int k = 0; k < VECTORS; k++) s[k] = VOP(s[k], load_##name(x + i + k * STEP));         \
    if (i < n) {                                                                               \
      T rest[LANES];                                                                           \
      identity_##name(rest, LANES);                                                            \
      memcpy(rest, x + i, (size_t)(n - i) * sizeof(T));                                        \
      _Pragma("GCC unroll 16")                                                                 \
      for (int k = 0; k < VECTORS; k++) s[k] = VOP(s[k], load_##name(rest + k * STEP));        \
    }                                                                                          \
    memcpy(state, s, sizeof s);                                                                \
  }                                                                                            \
  static void combine_##name(void *to, const void *with, int64_t n) {                          \
    enum { STEP = sizeof(V) / sizeof(T) };                                                     \
    T *a = to;                                                                                 \
    const T *b = with;                                                                         \
    int64_t i = 0;                                                                             \
    for (; i + STEP <= n; i += STEP) {                                                         \
      V v = VOP(load_##name(a + i), load_##name(b + i));                                       \
      memcpy(a + i, &v, sizeof v);                                                             \
    }                                                                                          \
    for (; i < n; i++) a[i] = OP(a[i], b[i]);                                                  \
  }                                                                                            \
  static void combine4_##name(void *to, const void *const rows[4], int64_t n) {                \
    enum { STEP = sizeof(V) / sizeof(T) };                                                     \
    T *a = to;                                                                                 \
    const T *b = rows[0], *c = rows[1], *d = rows[2], *e = rows[3];                            \
    int64_t i = 0;                                                                             \
    for (; i + STEP <= n; i += STEP) {                                                         \
      V low = VOP(load_##name(b + i), load_##name(c + i)),                                     \
        high = VOP(load_##name(d + i), load_##name(e + i));                                    \
      V both = VOP(low, high), v = VOP(load_##name(a + i), both);                              \
      memcpy(a + i, &v, sizeof v);                                                             \
    }                                                                                          \
    for (; i < n; i++) {                                                                       \
      T low = OP(b[i], c[i]), high = OP(d[i], e[i]), both = OP(low, high);                     \
      a[i] = OP(a[i], both);                                                                   \
    }                                                                                          \
  }
#define COMMON(T, name, OP)                                                                                 \
  MXI_INLINE void finish_##name(void *state, void *value) {                                                 \
    T *s = state;                                                                                           \
    _Pragma("GCC unroll 8")                                                                                 \
    for (int w = 128 / sizeof(T); w; w /= 2)                                                                \
      for (int l = 0; l < w; l++) s[l] = (T)OP(s[l], s[l + w]);                                             \
    *(T *)value = s[0];                                                                                     \
  }                                                                                                         \
  static void rows_##name(const void *rows, int64_t stride, int64_t n, int64_t count, void *values) {       \
    enum { LANES = 256 / sizeof(T) };                                                                       \
    const T *x = rows;                                                                                      \
    for (int64_t k = 0; k < count; k++, x += stride) {                                                      \
      T s[LANES];                                                                                           \
      identity_##name(s, LANES);                                                                            \
      tile_##name(s, x, n);                                                                                 \
      finish_##name(s, (T *)values + k);                                                                    \
    }                                                                                                       \
  }                                                                                                         \
  static void pairs_##name(void *values, int64_t n) {                                                       \
    T *v = values;                                                                                          \
    for (int64_t w = 1; w < n; w *= 2)                                                                      \
      for (int64_t i = 0; i + w < n; i += 2 * w) v[i] = (T)OP(v[i], v[i + w]);                              \
  }                                                                                                         \
  static void short_rows_##name(const void *rows, int64_t stride, int64_t n, int64_t count, void *values) { \
    const T *x = rows;                                                                                      \
    for (int64_t k = 0; k < count; k++, x += stride) {                                                      \
      int64_t i = 1;                                                                                        \
      T sum = x[0];                                                                                         \
      if (n >= 4) {                                                                                         \
        T s0 = x[0], s1 = x[1], s2 = x[2], s3 = x[3];                                                       \
        for (i = 4; i + 4 <= n; i += 4) {                                                                   \
          s0 = (T)OP(s0, x[i]), s1 = (T)OP(s1, x[i + 1]);                                                   \
          s2 = (T)OP(s2, x[i + 2]), s3 = (T)OP(s3, x[i + 3]);                                               \
        }                                                                                                   \
        s0 = (T)OP(s0, s1), s2 = (T)OP(s2, s3), sum = (T)OP(s0, s2);                                        \
      }                                                                                                     \
      for (; i < n; i++) sum = (T)OP(sum, x[i]);                                                            \
      ((T *)values)[k] = sum;                                                                               \
    }                                                                                                       \
  }
#define KERNELS(T, name, OP, IDENTITY) \
  IDENTITIES(T, name, IDENTITY)        \
  LOOPS(T, name, OP)                   \
  COMMON(T, name, OP)
#define ARITHMETIC_KERNELS(T, V, name, OP)                                                               \
  IDENTITIES(T, name, IDENTITY_##OP)                                                                     \
  VECTOR_LOOPS(T, V, OP, OP, name)                                                                       \
  MXI_INLINE void tile_##name(void *state, const void *tile, int64_t n) { each_##name(state, tile, n); } \
  COMMON(T, name, OP)
#define IDENTITY_SUM  0
#define IDENTITY_PROD 1
/* A tile without NaN needs only the machine's instruction, which keeps an accumulator that is NaN already. */
#define EXTREME_KERNELS(T, V, name, OP, IDENTITY)                                              \
  IDENTITIES(T, name, IDENTITY)                                                                \
  VECTOR_LOOPS(T, V, OP, v##name, name)                                                        \
  MXI_INLINE void tile_##name(void *state, const void *tile, int64_t n) {                      \
    enum { STEP = sizeof(V) / sizeof(T), LANES = 256 / sizeof(T), VECTORS = 256 / sizeof(V) }; \
    const T *x = tile;                                                                         \
    V s[VECTORS];                                                                              \
    lanes_seen nan = {0};                                                                      \
    memcpy(s, state, sizeof s);                                                                \
    int64_t i = 0;                                                                             \
    for (; i + LANES <= n; i += LANES) _Pragma("GCC unroll 16")                                \
    for (int k = 0; k < VECTORS; k += 2) {                                                     \
      V a = load_##name(x + i + k * STEP), b = load_##name(x + i + (k + 1) * STEP);            \
      s[k] = plain_##name(a, s[k]);                                                            \
      s[k + 1] = plain_##name(b, s[k + 1]);                                                    \
      nan |= unordered_##name(a, b);                                                           \
    }                                                                                          \
    if (any_seen(nan))                                                                         \
      i = 0;                                                                                   \
    else                                                                                       \
      memcpy(state, s, sizeof s);                                                              \
    if (i < n) each_##name(state, x + i, n - i);                                               \
  }                                                                                            \
  COMMON(T, name, OP)

/* FMIN and FMAX of vectors: the machine's instruction gives its second operand where either is NaN or both
 * are equal. */
#if defined(__AVX512F__)
typedef unsigned lanes_seen;
MXI_INLINE bool any_seen(lanes_seen x) { return x != 0; }
#define EXTREME(op, V, M, name)                                                                              \
  MXI_INLINE V plain_##name(V a, V b) { return (V)_mm512_##op##_p##M(a, b); }                                \
  MXI_INLINE lanes_seen unordered_##name(V a, V b) { return _mm512_cmp_p##M##_mask(a, b, _CMP_UNORD_Q); }    \
  MXI_INLINE V v##name(V a, V b) {                                                                           \
    return (V)_mm512_mask_mov_p##M(_mm512_##op##_p##M(b, a), _mm512_cmp_p##M##_mask(b, b, _CMP_UNORD_Q), b); \
  }
#elif defined(__AVX2__)
typedef vi32 lanes_seen;
MXI_INLINE bool any_seen(lanes_seen x) { return mxi_any(x); }
#define EXTREME(op, V, M, name)                                                                          \
  MXI_INLINE V plain_##name(V a, V b) { return (V)_mm256_##op##_p##M(a, b); }                            \
  MXI_INLINE lanes_seen unordered_##name(V a, V b) { return (vi32)_mm256_cmp_p##M(a, b, _CMP_UNORD_Q); } \
  MXI_INLINE V v##name(V a, V b) {                                                                       \
    return (V)_mm256_blendv_p##M(_mm256_##op##_p##M(b, a), b, _mm256_cmp_p##M(b, b, _CMP_UNORD_Q));      \
  }
#else
typedef vi32 lanes_seen;
MXI_INLINE bool any_seen(lanes_seen x) { return mxi_any(x); }
#define EXTREME(op, V, M, name)                                                              \
  MXI_INLINE V plain_##name(V a, V b) { return (V)_mm_##op##_p##M(a, b); }                   \
  MXI_INLINE lanes_seen unordered_##name(V a, V b) { return (vi32)_mm_cmpunord_p##M(a, b); } \
  MXI_INLINE V v##name(V a, V b) {                                                           \
    return (V)_mm_blendv_p##M(_mm_##op##_p##M(b, a), b, _mm_cmpunord_p##M(b, b));            \
  }
#endif
EXTREME(min, vf32, s, min_f32)
EXTREME(max, vf32, s, max_f32)
EXTREME(min, vf64, d, min_f64)
EXTREME(max, vf64, d, max_f64)

KERNELS(uint32_t, sum_u32, SUM, 0)
KERNELS(uint64_t, sum_u64, SUM, 0)
ARITHMETIC_KERNELS(float, vf32, sum_f32, SUM)
ARITHMETIC_KERNELS(double, vf64, sum_f64, SUM)
KERNELS(complex_pair, sum_c64, complex_sum, ALL_COMPLEX(0))
KERNELS(uint32_t, prod_u32, PROD, 1)
KERNELS(uint64_t, prod_u64, PROD, 1)
ARITHMETIC_KERNELS(float, vf32, prod_f32, PROD)
ARITHMETIC_KERNELS(double, vf64, prod_f64, PROD)
KERNELS(complex_pair, prod_c64, complex_prod, ONE_COMPLEX)
INTEGER_EXTREMES
EXTREME_KERNELS(float, vf32, min_f32, FMIN, __builtin_inff())
EXTREME_KERNELS(float, vf32, max_f32, FMAX, -__builtin_inff())
EXTREME_KERNELS(double, vf64, min_f64, FMIN, __builtin_inf())
EXTREME_KERNELS(double, vf64, max_f64, FMAX, -__builtin_inf())
KERNELS(complex_pair, min_c64, complex_min, ALL_COMPLEX(__builtin_inff()))
KERNELS(complex_pair, max_c64, complex_max, ALL_COMPLEX(-__builtin_inff()))

#define ENTRY(name)                                                                            \
  {                                                                                            \
    identity_##name, tile_##name, finish_##name, pairs_##name, rows_##name, short_rows_##name, \
        combine_##name, combine4_##name                                                        \
  }
static const struct reduce_kernels table[4][MX_DTYPE_COUNT] = {ARITHMETIC(sum), ARITHMETIC(prod), ORDER(min),
                                                               ORDER(max)};

static const struct reduce_kernels *reduce_kernels_of(const struct mxi_reduce_kind *r) {
  return &table[r->op][r->acc];
}

/* ---- Loading and storing ---- */
static bool same_bits(mx_dtype a, mx_dtype b) {
  if (a == b) return true;
  if (a == MX_BOOL) return b == MX_UINT8;
  if (a == MX_INT32) return b == MX_UINT32;
  return a == MX_INT64 && b == MX_UINT64;
}

const void *MXI_ISA_NAME(mxi_reduce_load)(const struct mxi_reduce_kind *r, const void *src, int64_t stride,
                                          int64_t n, void *scratch) {
  bool same = same_bits(r->from, r->acc);
  if (same && stride == 1) return src;
  struct mxi_panel p = {1, n, 0, 1, 0, stride};
  if (same)
    MXI_ISA_NAME(mxi_copy_panel)((int)mx_dtype_size(r->acc), &p, scratch, src, 0);
  else
    MXI_ISA_NAME(mxi_cast_panel)(r->acc, r->from, &p, scratch, src);
  return scratch;
}

void MXI_ISA_NAME(mxi_reduce_store)(const struct mxi_reduce_kind *r, const void *values, int64_t n, void *out,
                                    int64_t stride) {
  struct mxi_panel p = {1, n, 0, stride, 0, 1};
  /* The identity of a bool minimum is 255, which a cast makes 1. */
  if (r->to != MX_BOOL && same_bits(r->to, r->acc))
    MXI_ISA_NAME(mxi_copy_panel)((int)mx_dtype_size(r->to), &p, out, values, 0);
  else
    MXI_ISA_NAME(mxi_cast_panel)(r->to, r->acc, &p, out, values);
}

/* ---- Entry points ---- */
void MXI_ISA_NAME(mxi_reduce_begin)(const struct mxi_reduce_kind *r, mxi_reduce_state *s) {
  reduce_kernels_of(r)->identity(s, 256 / (int64_t)mx_dtype_size(r->acc));
}
void MXI_ISA_NAME(mxi_reduce_tile)(const struct mxi_reduce_kind *r, mxi_reduce_state *s, const void *tile,
                                   int64_t n) {
  reduce_kernels_of(r)->tile(s, tile, n);
}
void MXI_ISA_NAME(mxi_reduce_finish)(const struct mxi_reduce_kind *r, mxi_reduce_state *s, void *value) {
  reduce_kernels_of(r)->finish(s, value);
}
void MXI_ISA_NAME(mxi_reduce_pairs)(const struct mxi_reduce_kind *r, void *values, int64_t n) {
  reduce_kernels_of(r)->pairs(values, n);
}
void MXI_ISA_NAME(mxi_reduce_combine)(const struct mxi_reduce_kind *r, void *a, const void *b, int64_t n) {
  reduce_kernels_of(r)->combine(a, b, n);
}
void MXI_ISA_NAME(mxi_reduce_identity)(const struct mxi_reduce_kind *r, void *values, int64_t n) {
  reduce_kernels_of(r)->identity(values, n);
}

/* Short rows: as many as fit a tile are loaded at once when they lie one after the other. */
static void short_rows(const struct mxi_reduce_kind *r, const char *src, int64_t row_stride, int64_t n,
                       int64_t rows, char *values) {
  const struct reduce_kernels *k = reduce_kernels_of(r);
  int64_t from_size = (int64_t)mx_dtype_size(r->from), acc_size = (int64_t)mx_dtype_size(r->acc);
  if (same_bits(r->from, r->acc)) {
    k->short_rows(src, row_stride, n, rows, values);
    return;
  }
  MXI_LOCAL(double, scratch, MXI_REDUCE_TILE);
  int64_t batch = row_stride == n ? MXI_REDUCE_TILE / n : 1;
  for (int64_t i = 0; i < rows; i += batch) {
    int64_t count = rows - i < batch ? rows - i : batch;
    const void *tile =
        MXI_ISA_NAME(mxi_reduce_load)(r, src + i * row_stride * from_size, 1, count * n, scratch);
    k->short_rows(tile, n, n, count, values + i * acc_size);
  }
}

void MXI_ISA_NAME(mxi_reduce_rows)(const struct mxi_reduce_kind *r, const void *src, int64_t row_stride,
                                   int64_t n, int64_t rows, void *values) {
  if (n < MXI_REDUCE_SHORT) {
    short_rows(r, src, row_stride, n, rows, values);
    return;
  }
  const struct reduce_kernels *k = reduce_kernels_of(r);
  if (same_bits(r->from, r->acc)) {
    k->rows(src, row_stride, n, rows, values);
    return;
  }
  int64_t from_size = (int64_t)mx_dtype_size(r->from), acc_size = (int64_t)mx_dtype_size(r->acc);
  MXI_LOCAL(double, scratch, MXI_REDUCE_TILE);
  for (int64_t i = 0; i < rows; i++) {
    const char *row = (const char *)src + i * row_stride * from_size;
    mxi_reduce_state s;
    k->identity(&s, 256 / acc_size);
    for (int64_t j = 0; j < n; j += MXI_REDUCE_TILE) {
      int64_t count = n - j < MXI_REDUCE_TILE ? n - j : MXI_REDUCE_TILE;
      k->tile(&s, MXI_ISA_NAME(mxi_reduce_load)(r, row + j * from_size, 1, count, scratch), count);
    }
    k->finish(&s, (char *)values + i * acc_size);
  }
}

void MXI_ISA_NAME(mxi_reduce_columns)(const struct mxi_reduce_kind *r, const void *src, int64_t row_stride,
                                      int64_t rows, int64_t columns, void *values) {
  const struct reduce_kernels *k = reduce_kernels_of(r);
  int64_t row_bytes = row_stride * (int64_t)mx_dtype_size(r->from);
  const char *row = src;
  MXI_LOCAL(double, scratch, 4 * MXI_REDUCE_TILE);
  int64_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    const void *four[4];
    for (int j = 0; j < 4; j++, row += row_bytes)
      four[j] = MXI_ISA_NAME(mxi_reduce_load)(r, row, 1, columns, scratch + j * MXI_REDUCE_TILE);
    k->combine4(values, four, columns);
  }
  for (; i < rows; i++, row += row_bytes)
    k->combine(values, MXI_ISA_NAME(mxi_reduce_load)(r, row, 1, columns, scratch), columns);
}
