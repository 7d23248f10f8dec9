/* Casts that C leaves undefined or would round twice: the one rule of every path, in registers, in memory and
   of a scalar.

   A float made an integer.

   x is truncated towards zero to an integer of 64 bits for 64-bit results, and of 32 bits for all others, of
   which a narrower result keeps the low bits. That integer is signed; the upper half of the range of uint32
   and uint64 is moved down to it and back. What the signed integer can't hold, NaN too, becomes its least
   value. So -1 is 255 as uint8, and 3e9, infinity and NaN are -2^31 as int32. It is what x86's conversions
   give, and so NumPy and MLX there; spelled out, because C leaves it undefined.

   A float16 or bfloat16 is made of a float32. What a float32 doesn't hold is first made one by rounding to
   odd: of the two neighbours the one whose last bit is 1. That float lies on the same side of every half, and
   of every middle between two halves, as the value itself, so the second rounding gives what one would
   (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", IEEE Trans. Comput. 57, 2008). */
#ifndef MXI_CORE_CAST_H
#define MXI_CORE_CAST_H
#include <stdint.h>
#include <string.h>

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

/* x rounded to odd. */
static inline float mxi_odd_of_f64(double x) {
  float f = (float)x;
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  double back = f, above = back < 0 ? -back : back, size = x < 0 ? -x : x;
  uint32_t odd = (u - (uint32_t)(above > size)) | 1; /* towards zero if it was rounded away from it */
  u = back == x ? u : odd;
  memcpy(&f, &u, sizeof f);
  return f;
}
/* A double holds integers up to 2^53. Of larger ones the low 16 bits say no more than whether they are 0. */
static inline uint64_t mxi_fold_low_bits(uint64_t x) {
  return (x & ~(uint64_t)0xffff) | (uint64_t)((x & 0xffff) != 0) << 15;
}
static inline float mxi_odd_of_i64(int64_t x) {
  int small = (uint64_t)x + (1ull << 53) <= 1ull << 54;
  return mxi_odd_of_f64((double)(small ? x : (int64_t)mxi_fold_low_bits((uint64_t)x)));
}
static inline float mxi_odd_of_u64(uint64_t x) {
  return mxi_odd_of_f64((double)(x <= 1ull << 53 ? x : mxi_fold_low_bits(x)));
}
#endif
