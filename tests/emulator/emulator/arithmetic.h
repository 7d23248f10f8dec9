/* CUDA's functions on numbers, as far as C has not got them. Float operations are rounded to nearest, and
   nothing is contracted, so that __fadd_rn is the operator. */
#ifndef MXI_EMULATOR_ARITHMETIC_H
#define MXI_EMULATOR_ARITHMETIC_H
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Bits ---- */
namespace emulator {
template <class To, class From> static inline To bits(From x) {
  static_assert(sizeof(To) == sizeof(From), "sizes differ");
  To y;
  memcpy(&y, &x, sizeof y);
  return y;
}
/* A float to an integer: saturated, and NaN is 0 (the sign bit alone for 64 bits). */
template <class To, class From> static inline To saturated(From x) {
  constexpr bool is_signed = To(-1) < To(0);
  constexpr int width = 8 * sizeof(To);
  constexpr To least = is_signed ? To(1ull << (width - 1)) : To(0), most = To(~least);
  const From end = ldexp(From(1), is_signed ? width - 1 : width); // the first that is too large
  if (x != x) return width == 64 ? To(1ull << 63) : To(0);
  return x >= end ? most : x < From(least) ? least : To(x);
}
} // namespace emulator

static inline unsigned __float_as_uint(float x) { return emulator::bits<unsigned>(x); }
static inline int __float_as_int(float x) { return emulator::bits<int>(x); }
static inline float __uint_as_float(unsigned x) { return emulator::bits<float>(x); }
static inline float __int_as_float(int x) { return emulator::bits<float>(x); }
static inline long long __double_as_longlong(double x) { return emulator::bits<long long>(x); }
static inline double __longlong_as_double(long long x) { return emulator::bits<double>(x); }
static inline int __double2hiint(double x) { return int(emulator::bits<long long>(x) >> 32); }
static inline int __double2loint(double x) { return int(emulator::bits<long long>(x)); }
static inline double __hiloint2double(int high, int low) {
  return emulator::bits<double>((unsigned long long)(unsigned)high << 32 | (unsigned)low);
}

static inline int __popc(unsigned x) { return __builtin_popcount(x); }
static inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
static inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
static inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
static inline int __ffs(int x) { return __builtin_ffs(x); }
static inline int __ffsll(long long x) { return __builtin_ffsll(x); }
static inline unsigned __brev(unsigned x) {
  x = (x >> 1 & 0x55555555u) | (x & 0x55555555u) << 1;
  x = (x >> 2 & 0x33333333u) | (x & 0x33333333u) << 2;
  x = (x >> 4 & 0x0f0f0f0fu) | (x & 0x0f0f0f0fu) << 4;
  return __builtin_bswap32(x);
}
static inline unsigned long long __brevll(unsigned long long x) {
  return (unsigned long long)__brev((unsigned)x) << 32 | __brev((unsigned)(x >> 32));
}
/* Each digit of the selector names one of the eight bytes of y:x; with its high bit, that byte's sign. */
static inline unsigned __byte_perm(unsigned x, unsigned y, unsigned selector) {
  const unsigned long long both = (unsigned long long)y << 32 | x;
  unsigned result = 0;
  for (int i = 0; i < 4; i++) {
    const unsigned digit = selector >> (4 * i) & 15, byte = both >> (8 * (digit & 7)) & 255;
    result |= (digit & 8 ? (byte & 128 ? 255u : 0u) : byte) << (8 * i);
  }
  return result;
}
static inline unsigned __funnelshift_l(unsigned low, unsigned high, unsigned shift) {
  return unsigned((((unsigned long long)high << 32 | low) << (shift & 31)) >> 32);
}
static inline unsigned __funnelshift_r(unsigned low, unsigned high, unsigned shift) {
  return unsigned(((unsigned long long)high << 32 | low) >> (shift & 31));
}
static inline unsigned __funnelshift_lc(unsigned low, unsigned high, unsigned shift) {
  return shift >= 32 ? low : __funnelshift_l(low, high, shift);
}
static inline unsigned __funnelshift_rc(unsigned low, unsigned high, unsigned shift) {
  return shift >= 32 ? high : __funnelshift_r(low, high, shift);
}

/* ---- Integers ---- */
static inline int __mulhi(int x, int y) { return int((long long)x * y >> 32); }
static inline unsigned __umulhi(unsigned x, unsigned y) { return unsigned((unsigned long long)x * y >> 32); }
static inline long long __mul64hi(long long x, long long y) {
  return (long long)(__extension__(__int128) x * y >> 64);
}
static inline unsigned long long __umul64hi(unsigned long long x, unsigned long long y) {
  return (unsigned long long)(__extension__(unsigned __int128) x * y >> 64);
}
static inline int __mul24(int x, int y) { return (int)((unsigned)(x << 8 >> 8) * (unsigned)(y << 8 >> 8)); }
static inline unsigned __umul24(unsigned x, unsigned y) { return (x & 0xffffffu) * (y & 0xffffffu); }
static inline unsigned __usad(unsigned x, unsigned y, unsigned z) { return (x < y ? y - x : x - y) + z; }
static inline int __dp4a(int x, int y, int sum) {
  for (int i = 0; i < 32; i += 8) sum += (signed char)(x >> i) * (signed char)(y >> i);
  return sum;
}
static inline unsigned __dp4a(unsigned x, unsigned y, unsigned sum) {
  for (int i = 0; i < 32; i += 8) sum += (x >> i & 255) * (y >> i & 255);
  return sum;
}

/* ---- The smaller and the larger, as CUDA overloads them ---- */
#define MXI_MIN_MAX(T)                                    \
  static inline T min(T x, T y) { return y < x ? y : x; } \
  static inline T max(T x, T y) { return x < y ? y : x; }
MXI_MIN_MAX(int)
MXI_MIN_MAX(unsigned)
MXI_MIN_MAX(long)
MXI_MIN_MAX(unsigned long)
MXI_MIN_MAX(long long)
MXI_MIN_MAX(unsigned long long)
#undef MXI_MIN_MAX
#define MXI_MIN_MAX_MIXED(S, U)                          \
  static inline U min(S x, U y) { return min((U)x, y); } \
  static inline U min(U x, S y) { return min(x, (U)y); } \
  static inline U max(S x, U y) { return max((U)x, y); } \
  static inline U max(U x, S y) { return max(x, (U)y); }
MXI_MIN_MAX_MIXED(int, unsigned)
MXI_MIN_MAX_MIXED(long, unsigned long)
MXI_MIN_MAX_MIXED(long long, unsigned long long)
#undef MXI_MIN_MAX_MIXED
static inline float min(float x, float y) { return fminf(x, y); }
static inline float max(float x, float y) { return fmaxf(x, y); }
static inline double min(double x, double y) { return fmin(x, y); }
static inline double max(double x, double y) { return fmax(x, y); }
static inline double min(float x, double y) { return fmin(x, y); }
static inline double min(double x, float y) { return fmin(x, y); }
static inline double max(float x, double y) { return fmax(x, y); }
static inline double max(double x, float y) { return fmax(x, y); }
static inline unsigned umin(unsigned x, unsigned y) { return min(x, y); }
static inline unsigned umax(unsigned x, unsigned y) { return max(x, y); }

/* ---- Floats ---- */
static inline float __fadd_rn(float x, float y) { return x + y; }
static inline float __fsub_rn(float x, float y) { return x - y; }
static inline float __fmul_rn(float x, float y) { return x * y; }
static inline float __fdiv_rn(float x, float y) { return x / y; }
static inline float __frcp_rn(float x) { return 1 / x; }
static inline float __fsqrt_rn(float x) { return sqrtf(x); }
static inline float __fmaf_rn(float x, float y, float z) { return fmaf(x, y, z); }
static inline double __dadd_rn(double x, double y) { return x + y; }
static inline double __dsub_rn(double x, double y) { return x - y; }
static inline double __dmul_rn(double x, double y) { return x * y; }
static inline double __ddiv_rn(double x, double y) { return x / y; }
static inline double __dsqrt_rn(double x) { return sqrt(x); }
static inline double __fma_rn(double x, double y, double z) { return fma(x, y, z); }
static inline float __fdividef(float x, float y) { return x / y; }
static inline float mxi_emulated_rsqrt(float x) { return float(1 / sqrt(double(x))); }
static inline double mxi_emulated_rsqrt(double x) { return 1 / sqrt(x); }
#define rsqrtf mxi_emulated_rsqrt // newer C libraries have functions of these names
#define rsqrt  mxi_emulated_rsqrt
static inline float __saturatef(float x) { return x > 0 ? x < 1 ? x : 1.0f : 0.0f; }

static inline int __float2int_rz(float x) { return emulator::saturated<int>(x); }
static inline int __float2int_rn(float x) { return emulator::saturated<int>(rintf(x)); }
static inline int __float2int_rd(float x) { return emulator::saturated<int>(floorf(x)); }
static inline int __float2int_ru(float x) { return emulator::saturated<int>(ceilf(x)); }
static inline unsigned __float2uint_rz(float x) { return emulator::saturated<unsigned>(x); }
static inline unsigned __float2uint_rn(float x) { return emulator::saturated<unsigned>(rintf(x)); }
static inline long long __float2ll_rz(float x) { return emulator::saturated<long long>(x); }
static inline long long __float2ll_rn(float x) { return emulator::saturated<long long>(rintf(x)); }
static inline unsigned long long __float2ull_rz(float x) {
  return emulator::saturated<unsigned long long>(x);
}
static inline int __double2int_rz(double x) { return emulator::saturated<int>(x); }
static inline int __double2int_rn(double x) { return emulator::saturated<int>(rint(x)); }
static inline unsigned __double2uint_rz(double x) { return emulator::saturated<unsigned>(x); }
static inline long long __double2ll_rz(double x) { return emulator::saturated<long long>(x); }
static inline long long __double2ll_rn(double x) { return emulator::saturated<long long>(rint(x)); }
static inline unsigned long long __double2ull_rz(double x) {
  return emulator::saturated<unsigned long long>(x);
}
static inline float __int2float_rn(int x) { return float(x); }
static inline float __uint2float_rn(unsigned x) { return float(x); }
static inline float __ll2float_rn(long long x) { return float(x); }
static inline float __ull2float_rn(unsigned long long x) { return float(x); }
static inline double __int2double_rn(int x) { return x; }
static inline double __ll2double_rn(long long x) { return double(x); }
static inline double __ull2double_rn(unsigned long long x) { return double(x); }
static inline float __double2float_rn(double x) { return float(x); }

#endif
