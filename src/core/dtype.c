#include "core/dtype.h"
#include "base/error.h"
#include "core/cast.h"
#include <float.h>
#include <math.h>
#include <string.h>

static const struct {
  const char *name;
  uint8_t bytes, category;
} info[] = {
#define MX_DTYPE(ID, text, ctype, bytes, category) [MX_##ID] = {text, bytes, MX_##category},
#include "core/dtypes.def"
#undef MX_DTYPE
};
/* The rows are those of mx_dtype, elements have their size, and the ranges that dtype.h tests are categories.
 */
enum {
#define MX_DTYPE(...) +1
  ROWS = 0
#include "core/dtypes.def"
#undef MX_DTYPE
};
_Static_assert((int)ROWS == (int)MX_DTYPE_COUNT && sizeof info / sizeof *info == MX_DTYPE_COUNT,
               "dtypes.def and mx_dtype list the same dtypes");
#define IN_RANGE(t, first, last) ((t) >= MX_##first && (t) <= MX_##last)
#define MX_DTYPE(ID, text, ctype, bytes, category)                                                       \
  _Static_assert(sizeof(ctype) == bytes, "the size of " text);                                           \
  _Static_assert((MX_##category == MX_FLOATING) == IN_RANGE(MX_##ID, FLOAT16, FLOAT64), "mxi_is_float"); \
  _Static_assert((MX_##category >= MX_FLOATING) == (MX_##ID >= MX_FLOAT16), "mxi_is_inexact");           \
  _Static_assert((MX_##category == MX_UNSIGNED_INTEGER) == IN_RANGE(MX_##ID, UINT8, UINT64),             \
                 "mxi_is_unsigned");                                                                     \
  _Static_assert((MX_##category == MX_SIGNED_INTEGER) == IN_RANGE(MX_##ID, INT8, INT64), "mxi_is_integer");
#include "core/dtypes.def"
#undef MX_DTYPE

static int check_dtype(const char *op, mx_dtype t) {
  if ((unsigned)t < MX_DTYPE_COUNT) return 0;
  return mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected a dtype, got %d", op, (int)t);
}

size_t mx_dtype_size(mx_dtype t) { return check_dtype("dtype_size", t) < 0 ? 0 : info[t].bytes; }
const char *mx_dtype_name(mx_dtype t) { return (unsigned)t < MX_DTYPE_COUNT ? info[t].name : "no dtype"; }
mx_dtype_category mx_dtype_category_of(mx_dtype t) {
  return check_dtype("dtype_category_of", t) < 0 ? MX_GENERIC : (mx_dtype_category)info[t].category;
}

double mx_dtype_max(mx_dtype t) {
  switch (t) {
  case MX_FLOAT16: return 65504;
  case MX_BFLOAT16: return 0x1.fep127;
  case MX_FLOAT32:
  case MX_COMPLEX64: return FLT_MAX;
  case MX_FLOAT64: return DBL_MAX;
  default: break;
  }
  if (check_dtype("dtype_max", t) == 0)
    mxi_fail(MX_INVALID_ARGUMENT, "[dtype_max] expected an inexact dtype, got %s", mx_dtype_name(t));
  return 0;
}

bool mx_issubcategory(mx_dtype_category a, mx_dtype_category b) {
  static const uint8_t parent[] = {
      [MX_GENERIC] = MX_GENERIC,        [MX_NUMBER] = MX_GENERIC,           [MX_INTEGER] = MX_NUMBER,
      [MX_SIGNED_INTEGER] = MX_INTEGER, [MX_UNSIGNED_INTEGER] = MX_INTEGER, [MX_INEXACT] = MX_NUMBER,
      [MX_FLOATING] = MX_INEXACT,       [MX_COMPLEX_FLOATING] = MX_INEXACT,
  };
  if ((unsigned)a > MX_COMPLEX_FLOATING || (unsigned)b > MX_COMPLEX_FLOATING) {
    mxi_fail(MX_INVALID_ARGUMENT, "[issubcategory] expected categories of dtypes, got %d and %d", (int)a,
             (int)b);
    return false;
  }
  while (a != b && a != MX_GENERIC) a = (mx_dtype_category)parent[a];
  return a == b;
}

mx_dtype mx_promote_types(mx_dtype a, mx_dtype b) {
  enum {
    B = MX_BOOL,
    U8 = MX_UINT8,
    U16 = MX_UINT16,
    U32 = MX_UINT32,
    U64 = MX_UINT64,
    I8 = MX_INT8,
    I16 = MX_INT16,
    I32 = MX_INT32,
    I64 = MX_INT64,
    F16 = MX_FLOAT16,
    BF = MX_BFLOAT16,
    F32 = MX_FLOAT32,
    F64 = MX_FLOAT64,
    C64 = MX_COMPLEX64
  };
  // clang-format off
  static const uint8_t table[MX_DTYPE_COUNT][MX_DTYPE_COUNT] = {
    {B, U8, U16, U32, U64, I8, I16, I32, I64, F16, BF, F32, F64, C64},
    {U8, U8, U16, U32, U64, I16, I16, I32, I64, F16, BF, F32, F64, C64},
    {U16, U16, U16, U32, U64, I32, I32, I32, I64, F16, BF, F32, F64, C64},
    {U32, U32, U32, U32, U64, I64, I64, I64, I64, F16, BF, F32, F64, C64},
    {U64, U64, U64, U64, U64, F32, F32, F32, F32, F16, BF, F32, F64, C64},
    {I8, I16, I32, I64, F32, I8, I16, I32, I64, F16, BF, F32, F64, C64},
    {I16, I16, I32, I64, F32, I16, I16, I32, I64, F16, BF, F32, F64, C64},
    {I32, I32, I32, I64, F32, I32, I32, I32, I64, F16, BF, F32, F64, C64},
    {I64, I64, I64, I64, F32, I64, I64, I64, I64, F16, BF, F32, F64, C64},
    {F16, F16, F16, F16, F16, F16, F16, F16, F16, F16, F32, F32, F64, C64},
    {BF, BF, BF, BF, BF, BF, BF, BF, BF, F32, BF, F32, F64, C64},
    {F32, F32, F32, F32, F32, F32, F32, F32, F32, F32, F32, F32, F64, C64},
    {F64, F64, F64, F64, F64, F64, F64, F64, F64, F64, F64, F64, F64, C64},
    {C64, C64, C64, C64, C64, C64, C64, C64, C64, C64, C64, C64, C64, C64},
  };
  // clang-format on
  if (check_dtype("promote_types", a) < 0 || check_dtype("promote_types", b) < 0) return MX_DTYPE_COUNT;
  return (mx_dtype)table[a][b];
}

static float float_of_bits(uint32_t u) {
  float f;
  memcpy(&f, &u, sizeof f);
  return f;
}
static uint32_t bits_of_float(float f) {
  uint32_t u;
  memcpy(&u, &f, sizeof u);
  return u;
}

float mxi_float_from_bf16(uint16_t h) { return float_of_bits((uint32_t)h << 16); }

uint16_t mxi_bf16_from_float(float x) {
  uint32_t u = bits_of_float(x);
  if (x != x) return (uint16_t)((u >> 16) | 0x40);
  return (uint16_t)((u + 0x7fff + ((u >> 16) & 1)) >> 16);
}

float mxi_float_from_f16(uint16_t h) {
  uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = (h >> 10) & 31, mantissa = h & 0x3ff;
  if (exponent == 31) return float_of_bits(sign | 0x7f800000 | mantissa << 13);
  float magnitude =
      exponent ? ldexpf((float)(mantissa | 0x400), (int)exponent - 25) : ldexpf((float)mantissa, -24);
  return sign ? -magnitude : magnitude;
}

uint16_t mxi_f16_from_float(float x) {
  uint32_t u = bits_of_float(x), sign = (u >> 16) & 0x8000, magnitude = u & 0x7fffffff;
  if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00 | ((magnitude >> 13) & 0x3ff));
  if (magnitude >= 0x47800000) return (uint16_t)(sign | 0x7c00);
  if (magnitude < 0x38800000) /* subnormal half: adding 0.5 aligns and rounds the mantissa */
    return (uint16_t)(sign | (bits_of_float(float_of_bits(magnitude) + 0.5f) - 0x3f000000));
  return (uint16_t)(sign | ((magnitude + 0xc8000fff + ((magnitude >> 13) & 1)) >> 13));
}

void mxi_scalar_store(void *p, mx_dtype t, double re, double im) {
  switch (t) {
  case MX_BOOL: *(uint8_t *)p = re != 0 || im != 0; break;
  case MX_UINT8:
  case MX_INT8: *(uint8_t *)p = (uint8_t)mxi_i32_of_f64(re); break;
  case MX_UINT16:
  case MX_INT16: *(uint16_t *)p = (uint16_t)mxi_i32_of_f64(re); break;
  case MX_UINT32: *(uint32_t *)p = mxi_u32_of_f64(re); break;
  case MX_UINT64: *(uint64_t *)p = mxi_u64_of_f64(re); break;
  case MX_INT32: *(int32_t *)p = mxi_i32_of_f64(re); break;
  case MX_INT64: *(int64_t *)p = mxi_i64_of_f64(re); break;
  case MX_FLOAT16: *(uint16_t *)p = mxi_f16_from_float(mxi_odd_of_f64(re)); break;
  case MX_BFLOAT16: *(uint16_t *)p = mxi_bf16_from_float(mxi_odd_of_f64(re)); break;
  case MX_FLOAT32: *(float *)p = (float)re; break;
  case MX_FLOAT64: *(double *)p = re; break;
  case MX_COMPLEX64: ((float *)p)[0] = (float)re, ((float *)p)[1] = (float)im; break;
  case MX_DTYPE_COUNT: break;
  }
}

/* An integer of 64 bits is rounded once. */
static void store_integer(void *p, mx_dtype t, mx_dtype from, int64_t value) {
  bool is_unsigned = from == MX_UINT64;
  if (t == MX_BOOL)
    *(uint8_t *)p = value != 0;
  else if (!mxi_is_inexact(t))
    memcpy(p, &value, mx_dtype_size(t)); // little-endian: the low bytes are the narrower integer
  else if (t == MX_FLOAT64)
    *(double *)p = is_unsigned ? (double)(uint64_t)value : (double)value;
  else if (mxi_is_half(t))
    mxi_scalar_store(p, t, is_unsigned ? mxi_odd_of_u64((uint64_t)value) : mxi_odd_of_i64(value), 0);
  else
    mxi_scalar_store(p, t, is_unsigned ? (float)(uint64_t)value : (float)value, 0);
}

void mxi_scalar_cast(void *to, mx_dtype t, const void *from, mx_dtype f) {
  if (!mxi_is_inexact(f)) {
    store_integer(to, t, f, mxi_scalar_load_int(from, f));
    return;
  }
  double im, re = mxi_scalar_load(from, f, &im);
  mxi_scalar_store(to, t, re, im);
}

double mxi_scalar_load(const void *p, mx_dtype t, double *im) {
  if (im) *im = t == MX_COMPLEX64 ? ((const float *)p)[1] : 0;
  switch (t) {
  case MX_UINT64: return (double)*(const uint64_t *)p;
  case MX_FLOAT16: return mxi_float_from_f16(*(const uint16_t *)p);
  case MX_BFLOAT16: return mxi_float_from_bf16(*(const uint16_t *)p);
  case MX_FLOAT32:
  case MX_COMPLEX64: return *(const float *)p;
  case MX_FLOAT64: return *(const double *)p;
  default: return (double)mxi_scalar_load_int(p, t);
  }
}

int64_t mxi_scalar_load_int(const void *p, mx_dtype t) {
  switch (t) {
  case MX_BOOL:
  case MX_UINT8: return *(const uint8_t *)p;
  case MX_UINT16: return *(const uint16_t *)p;
  case MX_UINT32: return *(const uint32_t *)p;
  case MX_UINT64:
  case MX_INT64: return *(const int64_t *)p;
  case MX_INT8: return *(const int8_t *)p;
  case MX_INT16: return *(const int16_t *)p;
  case MX_INT32: return *(const int32_t *)p;
  default: return mxi_i64_of_f64(mxi_scalar_load(p, t, NULL));
  }
}

void mxi_normalise_bools(uint8_t *to, const uint8_t *from, int64_t n) {
  for (int64_t i = 0; i < n; i++) to[i] = from[i] != 0;
}
