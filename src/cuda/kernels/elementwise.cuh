/* Every row of core/elementwise.def as a device function mxi_e_<name>, overloaded for each dtype that its
   rule allows: bool, the integers, float, double, mxi_c64. Halves are computed as float and rounded by the
   caller. And mxi_cast<To>(x) between all dtypes, mxi_bf16 and mxi_f16 too. Each gives what the CPU's tile
   functions give (cpu/kernels/tiles_*.c, core/cast.h). */
#ifndef MXI_CUDA_KERNELS_ELEMENTWISE_CUH
#define MXI_CUDA_KERNELS_ELEMENTWISE_CUH
#include "cuda/kernels/complex_math.cuh"
#include "cuda/kernels/half.cuh"

/* ---- Types ---- */
template <class A, class B> struct mxi_same {
  enum { value = 0 };
};
template <class A> struct mxi_same<A, A> {
  enum { value = 1 };
};
/* Of integers: the unsigned type that arithmetic is done in, as wide as int at least, and the one of right
 * shifts. */
template <int BYTES, bool SIGNED> struct mxi_integers {
  typedef uint32_t wide;
  typedef uint32_t shifted;
};
template <int BYTES> struct mxi_integers<BYTES, true> {
  typedef uint32_t wide;
  typedef int32_t shifted;
};
template <> struct mxi_integers<8, false> {
  typedef uint64_t wide;
  typedef uint64_t shifted;
};
template <> struct mxi_integers<8, true> {
  typedef uint64_t wide;
  typedef int64_t shifted;
};
template <class T> struct mxi_integer : mxi_integers<sizeof(T), ((T)-1 < (T)0)> {
  enum {
    is_signed = (T)-1 < (T)0,
    bits = sizeof(typename mxi_integers<sizeof(T), ((T)-1 < (T)0)>::wide) * 8
  };
};

/* ---- Casts ---- */
/* Truncated towards zero; the least integer where it doesn't fit. */
MXI_DEVICE int32_t mxi_i32_of(float x) { return (int32_t)(x >= -0x1p31f && x < 0x1p31f ? x : -0x1p31f); }
MXI_DEVICE int32_t mxi_i32_of(double x) { return (int32_t)(x >= -0x1p31 && x < 0x1p31 ? x : -0x1p31); }
MXI_DEVICE int64_t mxi_i64_of(float x) { return (int64_t)(x >= -0x1p63f && x < 0x1p63f ? x : -0x1p63f); }
MXI_DEVICE int64_t mxi_i64_of(double x) { return (int64_t)(x >= -0x1p63 && x < 0x1p63 ? x : -0x1p63); }
/* The upper half of an unsigned type's range is moved down and back. */
template <class F> MXI_DEVICE uint32_t mxi_u32_of(F x) {
  bool upper = x >= (F)0x1p31;
  return (uint32_t)mxi_i32_of(upper ? x - (F)0x1p31 : x) ^ (upper ? 0x80000000u : 0);
}
template <class F> MXI_DEVICE uint64_t mxi_u64_of(F x) {
  bool upper = x >= (F)0x1p63;
  return (uint64_t)mxi_i64_of(upper ? x - (F)0x1p63 : x) ^ (upper ? 1ull << 63 : 0);
}
/* x as a float, rounded to odd. */
MXI_DEVICE float mxi_odd_of(float x) { return x; }
MXI_DEVICE float mxi_odd_of(double x) {
  float f = (float)x;
  double back = f;
  uint32_t u = mxi_bits(f), odd = (u - (uint32_t)(mxi_abs(back) > mxi_abs(x))) | 1;
  return mxi_float_of_bits(back == x ? u : odd);
}
/* Of integers that a double doesn't hold, the low 16 bits say no more than whether they are 0. */
MXI_DEVICE uint64_t mxi_fold_low_bits(uint64_t x) {
  return (x & ~(uint64_t)0xffff) | (uint64_t)((x & 0xffff) != 0) << 15;
}
template <class T> MXI_DEVICE float mxi_odd_of(T x) {
  if constexpr (sizeof(T) < 4)
    return (float)x;
  else if constexpr (sizeof(T) == 4)
    return mxi_odd_of((double)x);
  else if constexpr (mxi_integer<T>::is_signed) {
    bool small = (uint64_t)x + (1ull << 53) <= 1ull << 54;
    return mxi_odd_of((double)(small ? (int64_t)x : (int64_t)mxi_fold_low_bits((uint64_t)x)));
  } else
    return mxi_odd_of((double)(x <= 1ull << 53 ? (uint64_t)x : mxi_fold_low_bits(x)));
}

template <class To, class From> MXI_DEVICE To mxi_cast(From x) {
  constexpr bool from_half = mxi_same<From, mxi_bf16>::value || mxi_same<From, mxi_f16>::value;
  constexpr bool from_float = mxi_same<From, float>::value || mxi_same<From, double>::value;
  if constexpr (mxi_same<To, From>::value)
    return x;
  else if constexpr (from_half)
    return mxi_cast<To>(mxi_to_float(x));
  else if constexpr (mxi_same<From, mxi_c64>::value) {
    if constexpr (mxi_same<To, bool>::value)
      return mxi_nonzero(x);
    else
      return mxi_cast<To>(x.re);
  } else if constexpr (mxi_same<To, bool>::value)
    return x != 0;
  else if constexpr (mxi_same<To, mxi_c64>::value)
    return mxi_complex((float)x, 0);
  else if constexpr (mxi_same<To, mxi_bf16>::value || mxi_same<To, mxi_f16>::value)
    return mxi_of_float<To>(mxi_odd_of(x));
  else if constexpr (!from_float || mxi_same<To, float>::value || mxi_same<To, double>::value)
    return (To)x;
  else if constexpr (sizeof(To) == 8) {
    if constexpr (mxi_integer<To>::is_signed)
      return (To)mxi_i64_of(x);
    else
      return (To)mxi_u64_of(x);
  } else if constexpr (mxi_same<To, uint32_t>::value)
    return mxi_u32_of(x);
  else
    return (To)mxi_i32_of(x);
}

/* ---- Integers ---- */
/* Sums, products and shifts wrap; a division or remainder by zero gives 0, as does a negative exponent. */
#define MXI_WIDE typename mxi_integer<T>::wide
template <class T> MXI_DEVICE T mxi_e_abs(T x) {
  if constexpr (mxi_integer<T>::is_signed)
    return (T)(x < 0 ? 0 - (MXI_WIDE)x : (MXI_WIDE)x);
  else
    return x;
}
template <class T> MXI_DEVICE T mxi_e_negative(T x) { return (T)(0 - (MXI_WIDE)x); }
template <class T> MXI_DEVICE T mxi_e_sign(T x) {
  if constexpr (mxi_integer<T>::is_signed)
    return (T)((x > 0) - (x < 0));
  else
    return (T)(x != 0);
}
template <class T> MXI_DEVICE T mxi_e_square(T x) { return (T)((MXI_WIDE)x * (MXI_WIDE)x); }
template <class T> MXI_DEVICE T mxi_e_floor(T x) { return x; }
template <class T> MXI_DEVICE T mxi_e_ceil(T x) { return x; }
template <class T> MXI_DEVICE T mxi_e_rint(T x) { return x; }
template <class T> MXI_DEVICE T mxi_e_trunc(T x) { return x; }
template <class T> MXI_DEVICE T mxi_e_real(T x) { return x; }
template <class T> MXI_DEVICE T mxi_e_imag(T) { return 0; }
template <class T> MXI_DEVICE T mxi_e_conjugate(T x) { return x; }
template <class T> MXI_DEVICE bool mxi_e_logical_not(T x) { return x == 0; }
template <class T> MXI_DEVICE T mxi_e_bitwise_invert(T x) { return (T)~x; }
template <class T> MXI_DEVICE bool mxi_e_isnan(T) { return false; }
template <class T> MXI_DEVICE bool mxi_e_isinf(T) { return false; }
template <class T> MXI_DEVICE bool mxi_e_isfinite(T) { return true; }
template <class T> MXI_DEVICE bool mxi_e_isposinf(T) { return false; }
template <class T> MXI_DEVICE bool mxi_e_isneginf(T) { return false; }
template <class T> MXI_DEVICE T mxi_e_add(T x, T y) { return (T)((MXI_WIDE)x + (MXI_WIDE)y); }
template <class T> MXI_DEVICE T mxi_e_subtract(T x, T y) { return (T)((MXI_WIDE)x - (MXI_WIDE)y); }
template <class T> MXI_DEVICE T mxi_e_multiply(T x, T y) { return (T)((MXI_WIDE)x * (MXI_WIDE)y); }
template <class T> MXI_DEVICE T mxi_e_floor_divide(T x, T y) {
  if (y == 0) return 0;
  if constexpr (mxi_integer<T>::is_signed) {
    if (y == -1) return (T)(0 - (MXI_WIDE)x); /* apart, as the least integer divided by it has no quotient */
    return (T)(x / y - (x % y != 0 && (x < 0) != (y < 0)));
  } else
    return (T)(x / y);
}
template <class T> MXI_DEVICE T mxi_e_remainder(T x, T y) {
  if (y == 0) return 0;
  if constexpr (mxi_integer<T>::is_signed) {
    if (y == -1) return 0;
    T r = (T)(x % y);
    return r != 0 && (r < 0) != (y < 0) ? (T)(r + y) : r;
  } else
    return (T)(x % y);
}
template <class T> MXI_DEVICE T mxi_e_power(T x, T y) {
  if constexpr (mxi_integer<T>::is_signed)
    if (y < 0) return 0;
  MXI_WIDE result = 1, factor = (MXI_WIDE)x;
  for (MXI_WIDE left = (MXI_WIDE)y; left; left >>= 1, factor *= factor)
    if (left & 1) result *= factor;
  return (T)result;
}
template <class T> MXI_DEVICE T mxi_e_maximum(T x, T y) { return x > y ? x : y; }
template <class T> MXI_DEVICE T mxi_e_minimum(T x, T y) { return x < y ? x : y; }
template <class T> MXI_DEVICE bool mxi_e_equal(T x, T y) { return x == y; }
template <class T> MXI_DEVICE bool mxi_e_not_equal(T x, T y) { return !(x == y); }
template <class T> MXI_DEVICE bool mxi_e_less(T x, T y) { return x < y; }
template <class T> MXI_DEVICE bool mxi_e_less_equal(T x, T y) { return x <= y; }
template <class T> MXI_DEVICE bool mxi_e_greater(T x, T y) { return mxi_e_less(y, x); }
template <class T> MXI_DEVICE bool mxi_e_greater_equal(T x, T y) { return mxi_e_less_equal(y, x); }
template <class T> MXI_DEVICE bool mxi_e_logical_and(T x, T y) { return x != 0 && y != 0; }
template <class T> MXI_DEVICE bool mxi_e_logical_or(T x, T y) { return x != 0 || y != 0; }
template <class T> MXI_DEVICE bool mxi_e_logical_xor(T x, T y) { return (x != 0) != (y != 0); }
template <class T> MXI_DEVICE T mxi_e_bitwise_and(T x, T y) { return (T)(x & y); }
template <class T> MXI_DEVICE T mxi_e_bitwise_or(T x, T y) { return (T)(x | y); }
template <class T> MXI_DEVICE T mxi_e_bitwise_xor(T x, T y) { return (T)(x ^ y); }
template <class T> MXI_DEVICE T mxi_e_left_shift(T x, T y) {
  return (T)((MXI_WIDE)x << ((MXI_WIDE)y & (mxi_integer<T>::bits - 1)));
}
template <class T> MXI_DEVICE T mxi_e_right_shift(T x, T y) {
  return (T)((typename mxi_integer<T>::shifted)x >> ((MXI_WIDE)y & (mxi_integer<T>::bits - 1)));
}
template <class T> MXI_DEVICE T mxi_e_where(bool which, T yes, T no) { return which ? yes : no; }
#undef MXI_WIDE

/* ---- bool: what the integer op gives on 0 and 1, as a truth value ---- */
MXI_DEVICE bool mxi_e_abs(bool x) { return x; }
MXI_DEVICE bool mxi_e_negative(bool x) { return x; }
MXI_DEVICE bool mxi_e_sign(bool x) { return x; }
MXI_DEVICE bool mxi_e_square(bool x) { return x; }
MXI_DEVICE bool mxi_e_bitwise_invert(bool x) { return !x; }
MXI_DEVICE bool mxi_e_add(bool x, bool y) { return x | y; }
MXI_DEVICE bool mxi_e_subtract(bool x, bool y) { return x ^ y; }
MXI_DEVICE bool mxi_e_multiply(bool x, bool y) { return x & y; }
MXI_DEVICE bool mxi_e_floor_divide(bool x, bool y) { return x & y; }
MXI_DEVICE bool mxi_e_remainder(bool, bool) { return false; }
MXI_DEVICE bool mxi_e_power(bool x, bool y) { return x | !y; }
MXI_DEVICE bool mxi_e_left_shift(bool x, bool) { return x; }
MXI_DEVICE bool mxi_e_right_shift(bool x, bool y) { return x & !y; }

/* ---- float and double ---- */
#define MXI_BOTH(RESULT, name, expr)                              \
  MXI_DEVICE RESULT(float) mxi_e_##name(float x) { return expr; } \
  MXI_DEVICE RESULT(double) mxi_e_##name(double x) { return expr; }
#define MXI_BOTH_2(RESULT, name, expr)                                     \
  MXI_DEVICE RESULT(float) mxi_e_##name(float x, float y) { return expr; } \
  MXI_DEVICE RESULT(double) mxi_e_##name(double x, double y) { return expr; }
#define MXI_SAME(T) T
#define MXI_BOOL(T) bool
template <class T> MXI_DEVICE T mxi_sign_of(T x) { return x != x ? x : (T)((x > 0) - (x < 0)); }
MXI_BOTH(MXI_SAME, abs, mxi_abs(x))
MXI_BOTH(MXI_SAME, negative, -x)
MXI_BOTH(MXI_SAME, sign, mxi_sign_of(x))
MXI_BOTH(MXI_SAME, square, x *x)
MXI_BOTH(MXI_SAME, sqrt, mxi_sqrt(x))
MXI_BOTH(MXI_SAME, rsqrt, mxi_rsqrt(x))
MXI_BOTH(MXI_SAME, reciprocal, 1 / x)
MXI_BOTH(MXI_SAME, exp, mxi_exp(x))
MXI_BOTH(MXI_SAME, expm1, mxi_expm1(x))
MXI_BOTH(MXI_SAME, log, mxi_log(x))
MXI_BOTH(MXI_SAME, log2, mxi_log2(x))
MXI_BOTH(MXI_SAME, log10, mxi_log10(x))
MXI_BOTH(MXI_SAME, log1p, mxi_log1p(x))
MXI_BOTH(MXI_SAME, sin, mxi_sin(x))
MXI_BOTH(MXI_SAME, cos, mxi_cos(x))
MXI_BOTH(MXI_SAME, tan, mxi_tan(x))
MXI_BOTH(MXI_SAME, arcsin, mxi_arcsin(x))
MXI_BOTH(MXI_SAME, arccos, mxi_arccos(x))
MXI_BOTH(MXI_SAME, arctan, mxi_arctan(x))
MXI_BOTH(MXI_SAME, sinh, mxi_sinh(x))
MXI_BOTH(MXI_SAME, cosh, mxi_cosh(x))
MXI_BOTH(MXI_SAME, tanh, mxi_tanh(x))
MXI_BOTH(MXI_SAME, arcsinh, mxi_arcsinh(x))
MXI_BOTH(MXI_SAME, arccosh, mxi_arccosh(x))
MXI_BOTH(MXI_SAME, arctanh, mxi_arctanh(x))
MXI_BOTH(MXI_SAME, erf, mxi_erf(x))
MXI_BOTH(MXI_SAME, erfinv, mxi_erfinv(x))
MXI_BOTH(MXI_SAME, sigmoid, mxi_sigmoid(x))
MXI_BOTH(MXI_SAME, floor, mxi_floor(x))
MXI_BOTH(MXI_SAME, ceil, mxi_ceil(x))
MXI_BOTH(MXI_SAME, rint, mxi_rint(x))
MXI_BOTH(MXI_SAME, trunc, mxi_trunc(x))
MXI_BOTH(MXI_BOOL, isnan, x != x)
MXI_BOTH(MXI_BOOL, isinf, mxi_abs(x) == mxi_infinity(x))
MXI_BOTH(MXI_BOOL, isfinite, mxi_abs(x) < mxi_infinity(x))
MXI_BOTH(MXI_BOOL, isposinf, x == mxi_infinity(x))
MXI_BOTH(MXI_BOOL, isneginf, x == -mxi_infinity(x))
MXI_BOTH_2(MXI_SAME, add, x + y)
MXI_BOTH_2(MXI_SAME, subtract, x - y)
MXI_BOTH_2(MXI_SAME, multiply, x *y)
MXI_BOTH_2(MXI_SAME, divide, x / y)
MXI_BOTH_2(MXI_SAME, floor_divide, mxi_floor(x / y))
MXI_BOTH_2(MXI_SAME, remainder, mxi_remainder(x, y))
MXI_BOTH_2(MXI_SAME, power, mxi_power(x, y))
MXI_BOTH_2(MXI_SAME, maximum, x > y || x != x ? x : y)
MXI_BOTH_2(MXI_SAME, minimum, x < y || x != x ? x : y)
MXI_BOTH_2(MXI_SAME, logaddexp, mxi_logaddexp(x, y))
MXI_BOTH_2(MXI_SAME, arctan2, mxi_arctan2(x, y))
#undef MXI_BOTH
#undef MXI_BOTH_2
#undef MXI_SAME
#undef MXI_BOOL

/* ---- complex64 ---- */
#define MXI_UNARY(R, name, expr) \
  MXI_DEVICE R mxi_e_##name(mxi_c64 x) { return expr; }
#define MXI_BINARY(R, name, expr) \
  MXI_DEVICE R mxi_e_##name(mxi_c64 x, mxi_c64 y) { return expr; }
MXI_UNARY(float, abs, mxi_abs(x))
MXI_UNARY(mxi_c64, negative, -x)
MXI_UNARY(mxi_c64, sign, mxi_sign(x))
MXI_UNARY(mxi_c64, square, x *x)
MXI_UNARY(mxi_c64, sqrt, mxi_sqrt(x))
MXI_UNARY(mxi_c64, rsqrt, mxi_rsqrt(x))
MXI_UNARY(mxi_c64, reciprocal, mxi_complex(1, 0) / x)
MXI_UNARY(mxi_c64, exp, mxi_exp(x))
MXI_UNARY(mxi_c64, log, mxi_log(x))
MXI_UNARY(mxi_c64, log2, mxi_log2(x))
MXI_UNARY(mxi_c64, log10, mxi_log10(x))
MXI_UNARY(mxi_c64, log1p, mxi_log1p(x))
MXI_UNARY(mxi_c64, sin, mxi_sin(x))
MXI_UNARY(mxi_c64, cos, mxi_cos(x))
MXI_UNARY(mxi_c64, tan, mxi_tan(x))
MXI_UNARY(mxi_c64, arcsin, mxi_arcsin(x))
MXI_UNARY(mxi_c64, arccos, mxi_arccos(x))
MXI_UNARY(mxi_c64, arctan, mxi_arctan(x))
MXI_UNARY(mxi_c64, sinh, mxi_sinh(x))
MXI_UNARY(mxi_c64, cosh, mxi_cosh(x))
MXI_UNARY(mxi_c64, tanh, mxi_tanh(x))
MXI_UNARY(mxi_c64, arcsinh, mxi_arcsinh(x))
MXI_UNARY(mxi_c64, arccosh, mxi_arccosh(x))
MXI_UNARY(mxi_c64, arctanh, mxi_arctanh(x))
MXI_UNARY(mxi_c64, sigmoid, mxi_sigmoid(x))
MXI_UNARY(mxi_c64, floor, mxi_complex(mxi_floor(x.re), mxi_floor(x.im)))
MXI_UNARY(mxi_c64, ceil, mxi_complex(mxi_ceil(x.re), mxi_ceil(x.im)))
MXI_UNARY(mxi_c64, rint, mxi_complex(mxi_rint(x.re), mxi_rint(x.im)))
MXI_UNARY(mxi_c64, trunc, mxi_complex(mxi_trunc(x.re), mxi_trunc(x.im)))
MXI_UNARY(bool, logical_not, !mxi_nonzero(x))
MXI_UNARY(bool, isnan, mxi_is_nan(x))
MXI_UNARY(bool, isinf, mxi_is_inf(x))
MXI_UNARY(bool, isfinite, mxi_is_finite(x))
MXI_UNARY(bool, isposinf, x.re == mxi_infinity(x.re) && x.im == 0)
MXI_UNARY(bool, isneginf, x.re == -mxi_infinity(x.re) && x.im == 0)
MXI_UNARY(float, real, x.re)
MXI_UNARY(float, imag, x.im)
MXI_UNARY(mxi_c64, conjugate, mxi_complex(x.re, -x.im))
MXI_BINARY(mxi_c64, add, x + y)
MXI_BINARY(mxi_c64, subtract, x - y)
MXI_BINARY(mxi_c64, multiply, x *y)
MXI_BINARY(mxi_c64, divide, x / y)
MXI_BINARY(mxi_c64, power, mxi_power(x, y))
MXI_BINARY(mxi_c64, maximum, mxi_is_nan(x) || mxi_before(y, x) ? x : y)
MXI_BINARY(mxi_c64, minimum, mxi_is_nan(x) || (mxi_before(x, y) && !mxi_is_nan(y)) ? x : y)
MXI_BINARY(mxi_c64, logaddexp, mxi_logaddexp(x, y))
MXI_BINARY(bool, less, mxi_before(x, y))
MXI_BINARY(bool, less_equal, mxi_not_after(x, y))
MXI_BINARY(bool, logical_and, mxi_nonzero(x) && mxi_nonzero(y))
MXI_BINARY(bool, logical_or, mxi_nonzero(x) || mxi_nonzero(y))
MXI_BINARY(bool, logical_xor, mxi_nonzero(x) != mxi_nonzero(y))
#undef MXI_UNARY
#undef MXI_BINARY
#endif
