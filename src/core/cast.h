/* A float made an integer: the one rule of every path, in registers, in memory and of a scalar.

   x is truncated towards zero to an integer of 64 bits for 64-bit results, and of 32 bits for all others, of
   which a narrower result keeps the low bits. That integer is signed; the upper half of the range of uint32
   and uint64 is moved down to it and back. What the signed integer can't hold, NaN too, becomes its least
   value. So -1 is 255 as uint8, and 3e9, infinity and NaN are -2^31 as int32. It is what x86's conversions
   give, and so NumPy and MLX there; spelled out, because C leaves it undefined. */
#ifndef MXI_CORE_CAST_H
#define MXI_CORE_CAST_H
#include <stdint.h>

#define MXI_TRUNCATE(F, I, name, LIMIT) \
  static inline I name(F x) { return (I)(((x >= -LIMIT) & (x < LIMIT)) ? x : -LIMIT); }
MXI_TRUNCATE(float, int32_t, mxi_i32_of_f32, 0x1p31f)
MXI_TRUNCATE(double, int32_t, mxi_i32_of_f64, 0x1p31)
MXI_TRUNCATE(float, int64_t, mxi_i64_of_f32, 0x1p63f)
MXI_TRUNCATE(double, int64_t, mxi_i64_of_f64, 0x1p63)
#undef MXI_TRUNCATE

static inline uint32_t mxi_u32_of_f32(float x) {
  return x >= 0x1p31f ? (uint32_t)mxi_i32_of_f32(x - 0x1p31f) ^ 0x80000000u : (uint32_t)mxi_i32_of_f32(x);
}
static inline uint32_t mxi_u32_of_f64(double x) {
  return x >= 0x1p31 ? (uint32_t)mxi_i32_of_f64(x - 0x1p31) ^ 0x80000000u : (uint32_t)mxi_i32_of_f64(x);
}
static inline uint64_t mxi_u64_of_f32(float x) {
  return x >= 0x1p63f ? (uint64_t)mxi_i64_of_f32(x - 0x1p63f) ^ (1ull << 63) : (uint64_t)mxi_i64_of_f32(x);
}
static inline uint64_t mxi_u64_of_f64(double x) {
  return x >= 0x1p63 ? (uint64_t)mxi_i64_of_f64(x - 0x1p63) ^ (1ull << 63) : (uint64_t)mxi_i64_of_f64(x);
}
#endif
