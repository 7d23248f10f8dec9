/* Casts between register forms, as astype does them: floats become integers by the rule of core/cast.h,
   integers wrap, anything but zero is true, a complex number's imaginary part is dropped. Halves are rounded
   by the step that follows: what float32 doesn't hold comes to it rounded to odd. */
#include "core/cast.h"
#include "cpu/kernels/tiles.h"

typedef struct {
  float re, im;
} c64;

#define CAST(from, to, A, B, expr)            \
  static void from##_to_##to(MXI_TILE_ARGS) { \
    const A *source = a;                      \
    B *target = dst;                          \
    MXI_EACH {                                \
      A x = source[i];                        \
      target[i] = expr;                       \
    }                                         \
  }
/* Integers and bool to all forms. */
#define FROM_INTEGER(s, T)               \
  CAST(s, b8, T, uint8_t, x != 0)        \
  CAST(s, w8, T, uint8_t, (uint8_t)x)    \
  CAST(s, w16, T, uint16_t, (uint16_t)x) \
  CAST(s, w32, T, uint32_t, (uint32_t)x) \
  CAST(s, w64, T, uint64_t, (uint64_t)x) \
  CAST(s, f32, T, float, (float)x)       \
  CAST(s, f64, T, double, (double)x)     \
  CAST(s, c64, T, c64, ((c64){(float)x, 0}))
FROM_INTEGER(u8, uint8_t)
FROM_INTEGER(u16, uint16_t)
FROM_INTEGER(u32, uint32_t)
FROM_INTEGER(u64, uint64_t)
FROM_INTEGER(i8, int8_t)
FROM_INTEGER(i16, int16_t)
FROM_INTEGER(i32, int32_t)
FROM_INTEGER(i64, int64_t)
/* Most integers are small, and float32s as they are: to look first costs less than to round all to odd. Where
   x is negative, ~x says how many bits it needs. */
#define ODD(s, T, needed, of)             \
  static void s##_to_odd(MXI_TILE_ARGS) { \
    const T *source = a;                  \
    T bits = 0;                           \
    for (int i = 0; i < n; i++) {         \
      T x = source[i];                    \
      bits |= needed;                     \
    }                                     \
    if (bits < 1 << 24) {                 \
      s##_to_f32(dst, a, b, c, n);        \
      return;                             \
    }                                     \
    float *target = dst;                  \
    MXI_EACH target[i] = of(source[i]);   \
  }
ODD(i32, int32_t, x ^ (x >> 31), mxi_odd_of_f64)
ODD(i64, int64_t, x ^ (x >> 63), mxi_odd_of_i64)
ODD(u32, uint32_t, x, mxi_odd_of_f64)
ODD(u64, uint64_t, x, mxi_odd_of_u64)
CAST(f64, odd, double, float, mxi_odd_of_f64(x))
/* Small integers are float32s. */
#define u8_to_odd  u8_to_f32
#define u16_to_odd u16_to_f32
#define i8_to_odd  i8_to_f32
#define i16_to_odd i16_to_f32
#define f32_to_odd f32_to_f32
#define c64_to_odd c64_to_f32
#define FROM_FLOAT(s, A, F, x_)                           \
  CAST(s, w8, A, uint8_t, (uint8_t)mxi_i32_of_##F(x_))    \
  CAST(s, w16, A, uint16_t, (uint16_t)mxi_i32_of_##F(x_)) \
  CAST(s, u32, A, uint32_t, mxi_u32_of_##F(x_))           \
  CAST(s, u64, A, uint64_t, mxi_u64_of_##F(x_))           \
  CAST(s, i32, A, int32_t, mxi_i32_of_##F(x_))            \
  CAST(s, i64, A, int64_t, mxi_i64_of_##F(x_))            \
  CAST(s, f32, A, float, (float)x_)                       \
  CAST(s, f64, A, double, (double)x_)
FROM_FLOAT(f32, float, f32, x)
FROM_FLOAT(f64, double, f64, x)
FROM_FLOAT(c64, c64, f32, x.re)
CAST(f32, b8, float, uint8_t, x != 0)
CAST(f64, b8, double, uint8_t, x != 0)
CAST(c64, b8, c64, uint8_t, (x.re != 0) | (x.im != 0))
CAST(f32, c64, float, c64, ((c64){x, 0}))
CAST(f64, c64, double, c64, ((c64){(float)x, 0}))
CAST(c64, c64, c64, c64, x)

/* clang-format off */
#define ROW_INTEGER(s)                                                                                       \
  {[MX_BOOL] = s##_to_b8, [MX_UINT8] = s##_to_w8, [MX_UINT16] = s##_to_w16,                      \
   [MX_UINT32] = s##_to_w32, [MX_UINT64] = s##_to_w64, [MX_INT8] = s##_to_w8,                      \
   [MX_INT16] = s##_to_w16, [MX_INT32] = s##_to_w32, [MX_INT64] = s##_to_w64,                    \
   [MX_FLOAT16] = s##_to_odd, [MX_BFLOAT16] = s##_to_odd, [MX_FLOAT32] = s##_to_f32,               \
   [MX_FLOAT64] = s##_to_f64, [MX_COMPLEX64] = s##_to_c64}
#define ROW_FLOAT(s)                                                                                         \
  {[MX_BOOL] = s##_to_b8, [MX_UINT8] = s##_to_w8, [MX_UINT16] = s##_to_w16,                      \
   [MX_UINT32] = s##_to_u32, [MX_UINT64] = s##_to_u64, [MX_INT8] = s##_to_w8,                      \
   [MX_INT16] = s##_to_w16, [MX_INT32] = s##_to_i32, [MX_INT64] = s##_to_i64,                    \
   [MX_FLOAT16] = s##_to_odd, [MX_BFLOAT16] = s##_to_odd, [MX_FLOAT32] = s##_to_f32,               \
   [MX_FLOAT64] = s##_to_f64, [MX_COMPLEX64] = s##_to_c64}
const mxi_tile_fn MXI_ISA_NAME(mxi_tiles_cast)[MX_DTYPE_COUNT][MX_DTYPE_COUNT] = {
  [MX_BOOL] = ROW_INTEGER(u8),
  [MX_UINT8] = ROW_INTEGER(u8),
  [MX_UINT16] = ROW_INTEGER(u16),
  [MX_UINT32] = ROW_INTEGER(u32),
  [MX_UINT64] = ROW_INTEGER(u64),
  [MX_INT8] = ROW_INTEGER(i8),
  [MX_INT16] = ROW_INTEGER(i16),
  [MX_INT32] = ROW_INTEGER(i32),
  [MX_INT64] = ROW_INTEGER(i64),
  [MX_FLOAT32] = ROW_FLOAT(f32),
  [MX_FLOAT64] = ROW_FLOAT(f64),
  [MX_COMPLEX64] = ROW_FLOAT(c64),
};
