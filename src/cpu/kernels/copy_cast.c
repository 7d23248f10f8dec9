/* Conversions go through five carrier types, wide enough for every dtype: int64, uint64, float, double,
   complex. A run is loaded into a block of its carrier, and stored from there. 14 loads and 5 x 14 stores
   serve all pairs. */
#include "core/cast.h"
#include "core/dtype.h"
#include "cpu/kernels/copy.h"
#include "cpu/simd.h"

enum { BLOCK = 512 };
enum carrier { CARRY_I64, CARRY_U64, CARRY_F32, CARRY_F64, CARRY_C64 };
static const uint8_t carrier_of[MX_DTYPE_COUNT] = {
    CARRY_I64, CARRY_I64, CARRY_I64, CARRY_I64, CARRY_U64, CARRY_I64, CARRY_I64,
    CARRY_I64, CARRY_I64, CARRY_F32, CARRY_F32, CARRY_F32, CARRY_F64, CARRY_C64,
};
union block {
  int64_t i64[BLOCK];
  uint64_t u64[BLOCK];
  float f32[BLOCK + MXI_VL];
  double f64[BLOCK];
  float c64[2 * BLOCK];
};

/* ---- Loads ---- */
#define LOAD(T, C, field)                                                            \
  static void load_##T(union block *b, const void *src, int64_t stride, int64_t n) { \
    const T *s = src;                                                                \
    if (stride == 1)                                                                 \
      for (int64_t i = 0; i < n; i++) b->field[i] = (C)s[i];                         \
    else                                                                             \
      for (int64_t i = 0; i < n; i++) b->field[i] = (C)s[i * stride];                \
  }
LOAD(uint8_t, int64_t, i64)
LOAD(uint16_t, int64_t, i64)
LOAD(uint32_t, int64_t, i64)
LOAD(uint64_t, uint64_t, u64)
LOAD(int8_t, int64_t, i64)
LOAD(int16_t, int64_t, i64)
LOAD(int32_t, int64_t, i64)
LOAD(int64_t, int64_t, i64)
LOAD(float, float, f32)
LOAD(double, double, f64)

static void load_complex(union block *b, const void *src, int64_t stride, int64_t n) {
  const float *s = src;
  for (int64_t i = 0; i < n; i++)
    b->c64[2 * i] = s[2 * i * stride], b->c64[2 * i + 1] = s[2 * i * stride + 1];
}

#define LOAD_HALF(name)                                                                 \
  static void load_##name(union block *b, const void *src, int64_t stride, int64_t n) { \
    const uint16_t *x = src;                                                            \
    uint16_t h[BLOCK + MXI_VL];                                                         \
    if (stride == 1) {                                                                  \
      int64_t i = 0;                                                                    \
      for (; i + MXI_VL <= n; i += MXI_VL)                                              \
        mxi_store_f32(b->f32 + i, mxi_f32_from_##name(mxi_load_u16h(x + i)));           \
      mxi_store_f32(b->f32 + i, mxi_f32_from_##name(mxi_loadn_u16h(x + i, n - i)));     \
      return;                                                                           \
    }                                                                                   \
    for (int64_t i = 0; i < n; i++) h[i] = x[i * stride];                               \
    memset(h + n, 0, MXI_VL * sizeof *h);                                               \
    for (int64_t i = 0; i < n; i += MXI_VL)                                             \
      mxi_store_f32(b->f32 + i, mxi_f32_from_##name(mxi_load_u16h(h + i)));             \
  }
LOAD_HALF(f16)
LOAD_HALF(bf16)

static void load_carrier(mx_dtype t, union block *b, const void *src, int64_t stride, int64_t n) {
  static void (*const loads[MX_DTYPE_COUNT])(union block *, const void *, int64_t, int64_t) = {
      load_uint8_t, load_uint8_t, load_uint16_t, load_uint32_t, load_uint64_t, load_int8_t, load_int16_t,
      load_int32_t, load_int64_t, load_f16,      load_bf16,     load_float,    load_double, load_complex};
  loads[t](b, src, stride, n);
}

/* ---- Stores, one group for each carrier ---- */
#define STORE(T, name, field, expr)                                              \
  static void name(const union block *b, void *dst, int64_t stride, int64_t n) { \
    T *d = dst;                                                                  \
    if (stride == 1)                                                             \
      for (int64_t i = 0; i < n; i++) {                                          \
        __typeof__(b->field[0]) x = b->field[i];                                 \
        d[i] = (T)(expr);                                                        \
      }                                                                          \
    else                                                                         \
      for (int64_t i = 0; i < n; i++) {                                          \
        __typeof__(b->field[0]) x = b->field[i];                                 \
        d[i * stride] = (T)(expr);                                               \
      }                                                                          \
  }
/* to_i32, to_u32 and the like make the integer whose low bits are stored. */
#define STORE_INTEGERS(field, to_i32, to_u32, to_u64) \
  STORE(uint8_t, field##_bool, field, x != 0)         \
  STORE(uint8_t, field##_u8, field, to_i32(x))        \
  STORE(uint16_t, field##_u16, field, to_i32(x))      \
  STORE(uint32_t, field##_u32, field, to_u32(x))      \
  STORE(uint64_t, field##_u64, field, to_u64(x))
#define AS_IT_IS(x) x
STORE_INTEGERS(i64, AS_IT_IS, AS_IT_IS, AS_IT_IS)
STORE_INTEGERS(u64, AS_IT_IS, AS_IT_IS, AS_IT_IS)
STORE_INTEGERS(f32, mxi_i32_of_f32, mxi_u32_of_f32, mxi_u64_of_f32)
STORE_INTEGERS(f64, mxi_i32_of_f64, mxi_u32_of_f64, mxi_u64_of_f64)
/* Signed integers of 32 and 64 bits have their own conversions from floats. */
STORE(int32_t, f32_s32, f32, mxi_i32_of_f32(x))
STORE(int32_t, f64_s32, f64, mxi_i32_of_f64(x))
STORE(int64_t, f32_s64, f32, mxi_i64_of_f32(x))
STORE(int64_t, f64_s64, f64, mxi_i64_of_f64(x))
#define STORE_FLOATS(field)           \
  STORE(float, field##_f32, field, x) \
  STORE(double, field##_f64, field, x)
STORE_FLOATS(i64)
STORE_FLOATS(u64)
STORE_FLOATS(f32)
STORE_FLOATS(f64)

#define STORE_HALF(name)                                                               \
  static void f32_##name(const union block *b, void *dst, int64_t stride, int64_t n) { \
    uint16_t h[BLOCK + MXI_VL], *d = dst;                                              \
    if (stride == 1) {                                                                 \
      int64_t i = 0;                                                                   \
      for (; i + MXI_VL <= n; i += MXI_VL)                                             \
        mxi_store_u16h(d + i, mxi_##name##_from_f32(mxi_load_f32(b->f32 + i)));        \
      mxi_storen_u16h(d + i, mxi_##name##_from_f32(mxi_load_f32(b->f32 + i)), n - i);  \
      return;                                                                          \
    }                                                                                  \
    for (int64_t i = 0; i < n; i += MXI_VL)                                            \
      mxi_store_u16h(h + i, mxi_##name##_from_f32(mxi_load_f32(b->f32 + i)));          \
    for (int64_t i = 0; i < n; i++) d[i * stride] = h[i];                              \
  }
STORE_HALF(f16)
STORE_HALF(bf16)

static void f32_complex(const union block *b, void *dst, int64_t stride, int64_t n) {
  float *d = dst;
  for (int64_t i = 0; i < n; i++) d[2 * i * stride] = b->f32[i], d[2 * i * stride + 1] = 0;
}
static void c64_complex(const union block *b, void *dst, int64_t stride, int64_t n) {
  float *d = dst;
  for (int64_t i = 0; i < n; i++)
    d[2 * i * stride] = b->c64[2 * i], d[2 * i * stride + 1] = b->c64[2 * i + 1];
}
static void c64_bool(const union block *b, void *dst, int64_t stride, int64_t n) {
  uint8_t *d = dst;
  for (int64_t i = 0; i < n; i++) d[i * stride] = b->c64[2 * i] != 0 || b->c64[2 * i + 1] != 0;
}

/* Halves and complex numbers are made from float. Complex ones are rounded to it, halves rounded to odd, so
   that they are rounded once. */
static void narrow_to_float(union block *b, enum carrier from, int64_t n) {
  float x[BLOCK];
  if (from == CARRY_I64)
    for (int64_t i = 0; i < n; i++) x[i] = (float)b->i64[i];
  else if (from == CARRY_U64)
    for (int64_t i = 0; i < n; i++) x[i] = (float)b->u64[i];
  else if (from == CARRY_F64)
    for (int64_t i = 0; i < n; i++) x[i] = (float)b->f64[i];
  else
    for (int64_t i = 0; i < n; i++) x[i] = b->c64[2 * i];
  memcpy(b->f32, x, (size_t)n * sizeof(float));
}
/* Is every one a float? Most integers are small; where x is negative, ~x says how many bits it needs. */
static bool all_small(const union block *b, enum carrier from, int64_t n) {
  uint64_t bits = 0;
  if (from == CARRY_F64) return false;
  if (from == CARRY_U64)
    for (int64_t i = 0; i < n; i++) bits |= b->u64[i];
  else
    for (int64_t i = 0; i < n; i++) bits |= (uint64_t)(b->i64[i] ^ (b->i64[i] >> 63));
  return bits < 1 << 24;
}
static void narrow_to_odd(union block *b, enum carrier from, int64_t n) {
  float x[BLOCK];
  if (from == CARRY_I64)
    for (int64_t i = 0; i < n; i++) x[i] = mxi_odd_of_i64(b->i64[i]);
  else if (from == CARRY_U64)
    for (int64_t i = 0; i < n; i++) x[i] = mxi_odd_of_u64(b->u64[i]);
  else
    for (int64_t i = 0; i < n; i++) x[i] = mxi_odd_of_f64(b->f64[i]);
  memcpy(b->f32, x, (size_t)n * sizeof(float));
}

typedef void (*store_fn)(const union block *, void *, int64_t, int64_t);
#define ROW(field)                                                                                         \
  {                                                                                                        \
    field##_bool, field##_u8, field##_u16, field##_u32, field##_u64, field##_u8, field##_u16, field##_s32, \
        field##_s64, NULL, NULL, field##_f32, field##_f64, NULL                                            \
  }
/* From integers the bits are the same. */
#define i64_s32 i64_u32
#define u64_s32 u64_u32
#define i64_s64 i64_u64
#define u64_s64 u64_u64
static const store_fn stores[4][MX_DTYPE_COUNT] = {
    [CARRY_I64] = ROW(i64), [CARRY_U64] = ROW(u64), [CARRY_F32] = ROW(f32), [CARRY_F64] = ROW(f64)};

static void store_carrier(mx_dtype t, enum carrier from, union block *b, void *dst, int64_t stride,
                          int64_t n) {
  if (from == CARRY_C64 && t == MX_COMPLEX64)
    c64_complex(b, dst, stride, n);
  else if (from == CARRY_C64 && t == MX_BOOL)
    c64_bool(b, dst, stride, n);
  else {
    bool through_float = from == CARRY_C64 || mxi_is_half(t) || t == MX_COMPLEX64;
    if (through_float && from != CARRY_F32) {
      bool rounds_to_odd = mxi_is_half(t) && from != CARRY_C64 && !all_small(b, from, n);
      (rounds_to_odd ? narrow_to_odd : narrow_to_float)(b, from, n);
      from = CARRY_F32;
    }
    if (t == MX_FLOAT16)
      f32_f16(b, dst, stride, n);
    else if (t == MX_BFLOAT16)
      f32_bf16(b, dst, stride, n);
    else if (t == MX_COMPLEX64)
      f32_complex(b, dst, stride, n);
    else
      stores[from][t](b, dst, stride, n);
  }
}

void MXI_ISA_NAME(mxi_cast_panel)(mx_dtype to, mx_dtype from, const struct mxi_panel *p, void *dst,
                                  const void *src) {
  int64_t to_bytes = (int64_t)mx_dtype_size(to), from_bytes = (int64_t)mx_dtype_size(from);
  union block b;
  for (int64_t i = 0; i < p->rows; i++)
    for (int64_t j = 0; j < p->columns; j += BLOCK) {
      int64_t n = p->columns - j < BLOCK ? p->columns - j : BLOCK;
      load_carrier(from, &b, (const char *)src + (i * p->src_row + j * p->src_column) * from_bytes,
                   p->src_column, n);
      store_carrier(to, carrier_of[from], &b, (char *)dst + (i * p->dst_row + j * p->dst_column) * to_bytes,
                    p->dst_column, n);
    }
}

/* Integers are counted in integers, which wrap. */
static void count_integers(union block *b, int64_t first, int64_t n, double start, double step) {
  uint64_t from = (uint64_t)mxi_i64_of_f64(start), by = (uint64_t)mxi_i64_of_f64(step);
  for (int64_t i = 0; i < n; i++) b->u64[i] = from + (uint64_t)(first + i) * by;
}

void MXI_ISA_NAME(mxi_arange)(mx_dtype t, void *dst, int64_t first, int64_t n, double start, double step) {
  union block b;
  int64_t bytes = (int64_t)mx_dtype_size(t);
  for (int64_t j = 0; j < n; j += BLOCK) {
    int64_t m = n - j < BLOCK ? n - j : BLOCK;
    if (mxi_is_integer(t))
      count_integers(&b, first + j, m, start, step);
    else
      for (int64_t i = 0; i < m; i++) b.f64[i] = start + (double)(first + j + i) * step;
    store_carrier(t, mxi_is_integer(t) ? CARRY_U64 : CARRY_F64, &b, (char *)dst + j * bytes, 1, m);
  }
}
