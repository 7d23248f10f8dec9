/* The tile engine: every op on every dtype and instruction set against plain scalar references in double (or
   in wide integers), and what must hold of layouts, tails, fusion and aliasing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <complex.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "core/node.h"
#include "cpu/isa.h"
#include "cpu/program.h"

/* ---- The instruction sets this machine has ---- */
typedef void (*run_fn)(const struct mxi_tile_job *, int64_t, int64_t);
typedef void (*prepare_fn)(struct mxi_tile_program *);
typedef const void *(*get_fn)(const struct mxi_tile_job *, int64_t, int64_t, void *);
#ifdef MXI_ONLY_ISA
static const run_fn run_of[] = {[0 ... MXI_ISA_V4] = MXI_DISPATCH(mxi_tiles_run)};
static const get_fn get_of[] = {[0 ... MXI_ISA_V4] = MXI_DISPATCH(mxi_tiles_get)};
static const prepare_fn prepare_of[] = {[0 ... MXI_ISA_V4] = MXI_DISPATCH(mxi_tiles_prepare)};
#define EACH_ISA(isa) for (int isa = (int)mxi_isa(); isa == (int)mxi_isa(); isa++)
#else
static const run_fn run_of[] = {mxi_tiles_run_v2, mxi_tiles_run_v3, mxi_tiles_run_v4};
static const get_fn get_of[] = {mxi_tiles_get_v2, mxi_tiles_get_v3, mxi_tiles_get_v4};
static const prepare_fn prepare_of[] = {mxi_tiles_prepare_v2, mxi_tiles_prepare_v3, mxi_tiles_prepare_v4};
#define EACH_ISA(isa) for (int isa = 0; isa <= (int)mxi_isa(); isa++)
#endif

static const uint8_t sizes[] = {
#define MX_DTYPE(ID, text, ctype, bytes, category) bytes,
#include "core/dtypes.def"
#undef MX_DTYPE
};
enum { CAST, SAME, FLOAT, REAL, COMPARE, LOGIC, BITS, TEST, PART, SELECT };
static const struct {
  const char *name;
  int arity, rule;
} ops[] = {
#define MX_ELEMENTWISE(ID, name, arity, rule) {#name, arity, rule},
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
};
enum { OPS = sizeof ops / sizeof *ops };
/* The rows of elementwise.def are the first primitives, so that an elementwise primitive's id is its tile op.
 */
_Static_assert((int)MXI_IDENTITY == (int)OPS, "elementwise primitives come first");

static uint64_t random_state = 88172645463325252u;
static uint64_t random_bits(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  return random_state ^= random_state << 17;
}
static double uniform(double low, double high) {
  return low + (high - low) * (double)(random_bits() >> 11) * 0x1p-53;
}

/* ---- Halves, by plain arithmetic ---- */
static double half_value(uint16_t h, int type) {
  int mantissa_bits = type == MX_FLOAT16 ? 10 : 7, bias = type == MX_FLOAT16 ? 15 : 127;
  int top = type == MX_FLOAT16 ? 31 : 255, e = (h & 0x7fff) >> mantissa_bits,
      m = h & ((1 << mantissa_bits) - 1);
  double v = e == top ? (m ? NAN : INFINITY)
                      : ldexp(e ? m + (1 << mantissa_bits) : m, (e ? e : 1) - bias - mantissa_bits);
  return h & 0x8000 ? -v : v;
}
static uint16_t half_bits(double x, int type) {
  int mantissa_bits = type == MX_FLOAT16 ? 10 : 7, bias = type == MX_FLOAT16 ? 15 : 127;
  int top = type == MX_FLOAT16 ? 31 : 255;
  uint16_t sign = signbit(x) ? 0x8000 : 0;
  if (x != x) return (uint16_t)(sign | top << mantissa_bits | 1 << (mantissa_bits - 1));
  if (x == 0) return sign;
  int e;
  frexp(x, &e);
  e = e - 1 < 1 - bias ? 1 - bias : e - 1;
  double units =
      isinf(x) ? 0 : rint(ldexp(fabs(x), mantissa_bits - e)); /* half to even, may carry into the exponent */
  double biased = units + ldexp((double)(e + bias - 1), mantissa_bits);
  if (isinf(x) || biased >= ldexp(top, mantissa_bits)) return (uint16_t)(sign | top << mantissa_bits);
  return (uint16_t)(sign | (int)biased);
}

/* ---- Elements of any dtype ---- */
static double _Complex get(const void *base, int64_t i, int type) {
  const char *p = (const char *)base + i * sizes[type];
  switch (type) {
  case MX_BOOL:
  case MX_UINT8: return *(const uint8_t *)p;
  case MX_UINT16: return *(const uint16_t *)(const void *)p;
  case MX_UINT32: return *(const uint32_t *)(const void *)p;
  case MX_UINT64: return (double)*(const uint64_t *)(const void *)p;
  case MX_INT8: return *(const int8_t *)p;
  case MX_INT16: return *(const int16_t *)(const void *)p;
  case MX_INT32: return *(const int32_t *)(const void *)p;
  case MX_INT64: return (double)*(const int64_t *)(const void *)p;
  case MX_FLOAT16:
  case MX_BFLOAT16: return half_value(*(const uint16_t *)(const void *)p, type);
  case MX_FLOAT32: return *(const float *)(const void *)p;
  case MX_FLOAT64: return *(const double *)(const void *)p;
  default: return *(const float _Complex *)(const void *)p;
  }
}
static int64_t get_int(const void *base, int64_t i, int type) {
  const char *p = (const char *)base + i * sizes[type];
  switch (type) {
  case MX_UINT64:
  case MX_INT64: return *(const int64_t *)(const void *)p;
  default: return (int64_t)creal(get(base, i, type));
  }
}
static void put(void *base, int64_t i, int type, double x, double im) {
  char *p = (char *)base + i * sizes[type];
  if (type == MX_FLOAT32)
    *(float *)(void *)p = (float)x;
  else if (type == MX_FLOAT64)
    *(double *)(void *)p = x;
  else if (type == MX_COMPLEX64)
    ((float *)(void *)p)[0] = (float)x, ((float *)(void *)p)[1] = (float)im;
  else if (type == MX_FLOAT16 || type == MX_BFLOAT16)
    *(uint16_t *)(void *)p = half_bits(x, type);
}
static void put_int(void *base, int64_t i, int type, int64_t x) {
  if (type == MX_BOOL) x = x & 1;
  memcpy((char *)base + i * sizes[type], &x, sizes[type]); /* little-endian */
}
static int is_floating(int t) { return t >= MX_FLOAT16; }

/* The same bits, but for the sign and payload of NaN, which compilers may change by swapping operands. */
static int same_results(const void *a, const void *b, int64_t n, int type) {
  if (memcmp(a, b, (size_t)n * sizes[type]) == 0) return 1;
  int parts = type == MX_COMPLEX64 ? 2 : 1, part_type = parts == 2 ? MX_FLOAT32 : type;
  for (int64_t i = 0; i < n * parts; i++) {
    double x = creal(get(a, i, part_type)), y = creal(get(b, i, part_type));
    if (!(x == y && signbit(x) == signbit(y)) && !(x != x && y != y)) return 0;
  }
  return 1;
}

/* ---- Running a program ---- */
/* The job on this instruction set, whose functions its program gets. */
static struct mxi_tile_job prepared_for(int isa, const struct mxi_tile_job *job) {
  static _Alignas(8) char block[sizeof(struct mxi_tile_program) + sizeof(struct mxi_tile_steps) + 8];
  struct mxi_tile_job prepared = *job;
  struct mxi_tile_program *p = (struct mxi_tile_program *)(void *)block;
  memcpy(block, job->program, sizeof *p);
  prepare_of[isa](p);
  prepared.program = p;
  return prepared;
}
static void run_on(int isa, const struct mxi_tile_job *job, int64_t begin, int64_t end) {
  struct mxi_tile_job prepared = prepared_for(isa, job);
  run_of[isa](&prepared, begin, end);
}
static const void *get_on(int isa, const struct mxi_tile_job *job, int64_t begin, int64_t n, void *scratch) {
  struct mxi_tile_job prepared = prepared_for(isa, job);
  return get_of[isa](&prepared, begin, n, scratch);
}

/* ---- Running one instruction ---- */
static struct mxi_tile_program one(int op, int type, int to) {
  struct mxi_tile_program p = {
      .ninstructions = 1, .ninputs = ops[op].arity, .noutputs = 1, .nregisters = ops[op].arity + 1};
  for (int i = 0; i < p.ninputs; i++)
    p.input_type[i] = (uint8_t)(op == MXI_SELECT && i == 0 ? MX_BOOL : type);
  p.output_type[0] = (uint8_t)to;
  p.output_register[0] = (uint8_t)p.ninputs;
  p.instructions[0] =
      (struct mxi_tile_instruction){(uint8_t)op, (uint8_t)type, (uint8_t)to, (uint8_t)p.ninputs, {0, 1, 2}};
  if (!MXI_DISPATCH(mxi_tiles_has)(p.instructions))
    fail_msg("expected a formula for %s of dtype %d in cpu/kernels/tiles_*.c, got none", ops[op].name, type);
  return p;
}
static int result_type(int op, int type) {
  switch (ops[op].rule) {
  case COMPARE:
  case LOGIC:
  case TEST: return MX_BOOL;
  case PART: return type == MX_COMPLEX64 ? MX_FLOAT32 : type;
  default: return type;
  }
}
static int allowed(int op, int type) {
  if (op == MXI_ASTYPE) return 0;
  if (type == MX_COMPLEX64 &&
      (op == MXI_REMAINDER || op == MXI_FLOOR_DIVIDE || op == MXI_FLOOR || op == MXI_CEIL || op == MXI_TRUNC))
    return 0;
  switch (ops[op].rule) {
  case FLOAT: return is_floating(type);
  case REAL: return is_floating(type) && type != MX_COMPLEX64;
  case BITS: return !is_floating(type);
  default: return 1;
  }
}
static const int64_t stride_of[] = {1, 2, 4, 8};
static const int64_t *flat_stride(int type) {
  int s = sizes[type];
  return &stride_of[s == 1 ? 0 : s == 2 ? 1 : s == 4 ? 2 : 3];
}
/* A job over flat arrays. */
static struct mxi_tile_job flat_job(const struct mxi_tile_program *p, const int64_t *n, void *const *in,
                                    void *const *out) {
  struct mxi_tile_job job = {.program = p, .ndim = 1, .shape = n, .size = *n};
  for (int i = 0; i < p->ninputs; i++) job.in[i] = (struct mxi_operand){in[i], flat_stride(p->input_type[i])};
  for (int o = 0; o < p->noutputs; o++)
    job.out[o] = (struct mxi_operand){out[o], flat_stride(p->output_type[o])};
  return job;
}
static void run_flat(int isa, const struct mxi_tile_program *p, int64_t n, void *const *in,
                     void *const *out) {
  struct mxi_tile_job job = flat_job(p, &n, in, out);
  run_on(isa, &job, 0, n);
}

/* ---- References ---- */
static double python_mod(double x, double y) {
  double r = fmod(x, y);
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}
static double log_add(double x, double y) {
  if (x != x || y != y) return NAN;
  if (x == y && isinf(x)) return x;
  return fmax(x, y) + log1p(exp(-fabs(x - y)));
}
/* By bisection on erf, or on erfc where erf is flat. */
static double inverse_erf(double x) {
  double p = fabs(x), low = 0, high = 7;
  if (!(p <= 1)) return NAN;
  if (p == 1) return x * INFINITY;
  if (p < 1e-9) return x * sqrt(M_PI) / 2;
  for (int i = 0; i < 200; i++) {
    double mid = (low + high) / 2;
    if (p > 0.5 ? erfc(mid) > 1 - p : erf(mid) < p)
      low = mid;
    else
      high = mid;
  }
  return copysign(low, x);
}
static double real_reference(int op, double x, double y) {
  switch (op) {
  case MXI_ABS: return fabs(x);
  case MXI_NEGATIVE: return -x;
  case MXI_SIGN: return x != x ? x : (x > 0) - (x < 0);
  case MXI_SQUARE: return x * x;
  case MXI_SQRT: return sqrt(x);
  case MXI_RSQRT: return 1 / sqrt(x);
  case MXI_RECIPROCAL: return 1 / x;
  case MXI_EXP: return exp(x);
  case MXI_EXPM1: return expm1(x);
  case MXI_LOG: return log(x);
  case MXI_LOG2: return log2(x);
  case MXI_LOG10: return log10(x);
  case MXI_LOG1P: return log1p(x);
  case MXI_SIN: return sin(x);
  case MXI_COS: return cos(x);
  case MXI_TAN: return tan(x);
  case MXI_ARCSIN: return asin(x);
  case MXI_ARCCOS: return acos(x);
  case MXI_ARCTAN: return atan(x);
  case MXI_SINH: return sinh(x);
  case MXI_COSH: return cosh(x);
  case MXI_TANH: return tanh(x);
  case MXI_ARCSINH: return asinh(x);
  case MXI_ARCCOSH: return acosh(x);
  case MXI_ARCTANH: return atanh(x);
  case MXI_ERF: return erf(x);
  case MXI_ERFINV: return inverse_erf(x);
  case MXI_SIGMOID: return x < 0 ? exp(x) / (1 + exp(x)) : 1 / (1 + exp(-x));
  case MXI_FLOOR: return floor(x);
  case MXI_CEIL: return ceil(x);
  case MXI_RINT: return nearbyint(x);
  case MXI_TRUNC: return trunc(x);
  case MXI_LOGICAL_NOT: return x == 0;
  case MXI_ISNAN: return x != x;
  case MXI_ISINF: return isinf(x) != 0;
  case MXI_ISFINITE: return isfinite(x) != 0;
  case MXI_ISPOSINF: return x == INFINITY;
  case MXI_ISNEGINF: return x == -INFINITY;
  case MXI_REAL:
  case MXI_CONJUGATE: return x;
  case MXI_IMAG: return 0;
  case MXI_ADD: return x + y;
  case MXI_SUBTRACT: return x - y;
  case MXI_MULTIPLY: return x * y;
  case MXI_DIVIDE: return x / y;
  case MXI_REMAINDER: return python_mod(x, y);
  case MXI_POWER: return pow(x, y);
  case MXI_MAXIMUM: return x != x || y != y ? NAN : x > y ? x : y;
  case MXI_MINIMUM: return x != x || y != y ? NAN : x < y ? x : y;
  case MXI_LOGADDEXP: return log_add(x, y);
  case MXI_ARCTAN2: return atan2(x, y);
  case MXI_EQUAL: return x == y;
  case MXI_NOT_EQUAL: return x != y;
  case MXI_LESS: return x < y;
  case MXI_LESS_EQUAL: return x <= y;
  case MXI_GREATER: return x > y;
  case MXI_GREATER_EQUAL: return x >= y;
  case MXI_LOGICAL_AND: return x != 0 && y != 0;
  case MXI_LOGICAL_OR: return x != 0 || y != 0;
  case MXI_LOGICAL_XOR: return (x != 0) != (y != 0);
  default: fail_msg("no reference for %s", ops[op].name); return 0;
  }
}
static double _Complex complex_of(double re, double im) {
  double part[2] = {re, im};
  double _Complex z;
  memcpy(&z, part, sizeof z);
  return z;
}
static int before(double _Complex x, double _Complex y) {
  return creal(x) < creal(y) || (creal(x) == creal(y) && cimag(x) < cimag(y));
}
static double _Complex complex_reference(int op, double _Complex x, double _Complex y) {
  switch (op) {
  case MXI_ABS: return cabs(x);
  case MXI_NEGATIVE: return -x;
  case MXI_SIGN: return x == 0 ? 0 : x / cabs(x);
  case MXI_SQUARE: return x * x;
  case MXI_SQRT: return csqrt(x);
  case MXI_RSQRT: return 1 / csqrt(x);
  case MXI_RECIPROCAL: return 1 / x;
  case MXI_EXP: return cexp(x);
  case MXI_LOG: return clog(x);
  case MXI_LOG2: return clog(x) / M_LN2;
  case MXI_LOG10: return clog(x) / M_LN10;
  case MXI_LOG1P: return clog(1 + x);
  case MXI_SIN: return csin(x);
  case MXI_COS: return ccos(x);
  case MXI_TAN: return ctan(x);
  case MXI_ARCSIN: return casin(x);
  case MXI_ARCCOS: return cacos(x);
  case MXI_ARCTAN: return catan(x);
  case MXI_SINH: return csinh(x);
  case MXI_COSH: return ccosh(x);
  case MXI_TANH: return ctanh(x);
  case MXI_ARCSINH: return casinh(x);
  case MXI_ARCCOSH: return cacosh(x);
  case MXI_ARCTANH: return catanh(x);
  case MXI_SIGMOID: return 1 / (1 + cexp(-x));
  case MXI_RINT: return complex_of(nearbyint(creal(x)), nearbyint(cimag(x)));
  case MXI_LOGICAL_NOT: return x == 0;
  case MXI_ISNAN: return creal(x) != creal(x) || cimag(x) != cimag(x);
  case MXI_ISINF: return isinf(creal(x)) || isinf(cimag(x));
  case MXI_ISFINITE: return isfinite(creal(x)) && isfinite(cimag(x));
  case MXI_ISPOSINF:
  case MXI_ISNEGINF: return 0;
  case MXI_REAL: return creal(x);
  case MXI_IMAG: return cimag(x);
  case MXI_CONJUGATE: return conj(x);
  case MXI_ADD: return x + y;
  case MXI_SUBTRACT: return x - y;
  case MXI_MULTIPLY: return x * y;
  case MXI_DIVIDE: return x / y;
  case MXI_POWER: return cpow(x, y);
  case MXI_MAXIMUM: return before(x, y) ? y : x;
  case MXI_MINIMUM: return before(x, y) ? x : y;
  case MXI_LOGADDEXP: return before(x, y) ? y + clog(1 + cexp(x - y)) : x + clog(1 + cexp(y - x));
  case MXI_EQUAL: return x == y;
  case MXI_NOT_EQUAL: return x != y;
  case MXI_LESS: return before(x, y);
  case MXI_LESS_EQUAL: return !before(y, x);
  case MXI_GREATER: return before(y, x);
  case MXI_GREATER_EQUAL: return !before(x, y);
  case MXI_LOGICAL_AND: return x != 0 && y != 0;
  case MXI_LOGICAL_OR: return x != 0 || y != 0;
  case MXI_LOGICAL_XOR: return (x != 0) != (y != 0);
  default: fail_msg("no reference for %s", ops[op].name); return 0;
  }
}
/* In 128 bits, to be cut to the result's width. */
static __int128 integer_reference(int op, __int128 x, __int128 y, int type) {
  int bits = sizes[type] <= 4 ? 32 : 64;
  switch (op) {
  case MXI_ABS: return x < 0 ? -x : x;
  case MXI_NEGATIVE: return type == MX_BOOL ? x : -x;
  case MXI_SIGN: return (x > 0) - (x < 0);
  case MXI_SQUARE: return (__int128)((unsigned __int128)x * (unsigned __int128)x);
  case MXI_FLOOR:
  case MXI_CEIL:
  case MXI_RINT:
  case MXI_TRUNC:
  case MXI_REAL:
  case MXI_CONJUGATE: return x;
  case MXI_IMAG:
  case MXI_ISNAN:
  case MXI_ISINF:
  case MXI_ISPOSINF:
  case MXI_ISNEGINF: return 0;
  case MXI_ISFINITE: return 1;
  case MXI_BITWISE_INVERT: return type == MX_BOOL ? !x : ~x;
  case MXI_ADD: return x + y;
  case MXI_SUBTRACT: return x - y;
  case MXI_MULTIPLY: return (__int128)((unsigned __int128)x * (unsigned __int128)y);
  case MXI_FLOOR_DIVIDE: return y == 0 ? 0 : x / y - (x % y != 0 && (x < 0) != (y < 0));
  case MXI_REMAINDER: return y == 0 ? 0 : x % y + (x % y != 0 && (x < 0) != (y < 0) ? y : 0);
  case MXI_POWER: {
    unsigned __int128 r = 1, f = (unsigned __int128)x;
    if (y < 0) return 0;
    for (; y; y >>= 1, f *= f)
      if (y & 1) r *= f;
    return (__int128)r;
  }
  case MXI_MAXIMUM: return x > y ? x : y;
  case MXI_MINIMUM: return x < y ? x : y;
  case MXI_BITWISE_AND: return x & y;
  case MXI_BITWISE_OR: return x | y;
  case MXI_BITWISE_XOR: return x ^ y;
  case MXI_LEFT_SHIFT: return (__int128)((unsigned __int128)x << (y & (bits - 1)));
  case MXI_RIGHT_SHIFT: return x >> (y & (bits - 1));
  case MXI_LOGICAL_NOT: return x == 0;
  case MXI_EQUAL: return x == y;
  case MXI_NOT_EQUAL: return x != y;
  case MXI_LESS: return x < y;
  case MXI_LESS_EQUAL: return x <= y;
  case MXI_GREATER: return x > y;
  case MXI_GREATER_EQUAL: return x >= y;
  case MXI_LOGICAL_AND: return x && y;
  case MXI_LOGICAL_OR: return x || y;
  case MXI_LOGICAL_XOR: return !x != !y;
  default: fail_msg("no reference for %s", ops[op].name); return 0;
  }
}

/* Distance of got from want in units of want's last place in a format of `digits` bits, least exponent
 * `least`. */
static double ulps(double got, double want, int digits, int least) {
  if (want != want || got != got) return (want != want) != (got != got) ? INFINITY : 0;
  if (got == want) return 0;
  double greatest = least == -125 && digits == 24 ? 0x1p128 : INFINITY;
  if (fabs(want) > greatest && isinf(got)) return signbit(got) == signbit(want) ? 0 : INFINITY;
  if (isinf(got)) got = copysign(greatest, got);
  int e;
  frexp(want, &e);
  return fabs(got - want) / ldexp(1, (e < least ? least : e) - digits);
}

static const double specials[] = {0.0,
                                  -0.0,
                                  1,
                                  -1,
                                  0.5,
                                  -0.5,
                                  2,
                                  -2,
                                  3,
                                  -3,
                                  1.5,
                                  2.5,
                                  -2.5,
                                  INFINITY,
                                  -INFINITY,
                                  NAN,
                                  0x1p-149,
                                  -0x1p-149,
                                  0x1p-126,
                                  0x1.fffffep127,
                                  -0x1.fffffep127,
                                  0x1p-24,
                                  88.8,
                                  -104,
                                  1e10,
                                  -1e10,
                                  0x1.fffffep-1,
                                  16777217,
                                  3.1415927,
                                  1.5707964,
                                  0x1.921fb6p+20,
                                  0x1p100};
enum { SPECIALS = sizeof specials / sizeof *specials, COUNT = 4096 + 37 };
/* Values over the whole range, dense where functions bend, and all pairs of special ones. */
static void fill(void *base, int type, int64_t n, int operand) {
  for (int64_t i = 0; i < n; i++) {
    if (!is_floating(type)) {
      static const int64_t edges[] = {0,         1,         -1,        2,   3,   -3, INT64_MIN,
                                      INT64_MAX, INT32_MIN, INT32_MAX, 128, 127, 33, 64};
      int64_t small = (int64_t)(random_bits() % 41) - 20, x = i % 3 ? (int64_t)random_bits() : small;
      if (i < 196)
        x = edges[operand ? i % 14 : i / 14];
      else if (i < 220)
        x = (int64_t)((uint64_t)1 << (8 * sizes[type] - 1)); /* the least integer */
      put_int(base, i, type, x);
      if (type == MX_BOOL) put_int(base, i, type, (int64_t)(random_bits() & 1));
      continue;
    }
    float wide;
    uint32_t bits = (uint32_t)random_bits();
    memcpy(&wide, &bits, sizeof wide);
    double x = i % 4 == 0   ? wide
               : i % 4 == 1 ? uniform(-1, 1)
               : i % 4 == 2 ? uniform(-10, 10)
                            : uniform(-100, 100);
    if (type == MX_COMPLEX64)
      put(base, i, type, uniform(-3, 3), uniform(-3, 3));
    else if (i < SPECIALS * SPECIALS)
      put(base, i, type, specials[operand ? i % SPECIALS : i / SPECIALS], 0);
    else
      put(base, i, type, x, 0);
  }
}
static char *guarded(int64_t n, int type) { return calloc((size_t)n + 1, sizes[type]); }

/* ---- Values ---- */
static void check_real(int isa, int op, int type, int to, const void *a, const void *b, const void *got) {
  for (int64_t i = 0; i < COUNT; i++) {
    double x = creal(get(a, i, type)), y = creal(get(b, i, type)), have = creal(get(got, i, to)), want, error,
           limit;
    if (op == MXI_FLOOR_DIVIDE)
      want = type == MX_FLOAT64 ? floor(x / y) : floorf((float)x / (float)y);
    else
      want = real_reference(op, x, y);
    if (to == MX_BOOL)
      error = have != want, limit = 0;
    else if (type == MX_FLOAT16 || type == MX_BFLOAT16) {
      /* the float result, rounded: off by one only where that lay next to a rounding boundary */
      error = ulps(have, half_value(half_bits((double)(float)want, type), type), type == MX_FLOAT16 ? 11 : 8,
                   type == MX_FLOAT16 ? -13 : -125);
      limit = 1;
    } else if (type == MX_FLOAT32)
      error = ulps(have, want, 24, -125), limit = 2;
    else
      error = ulps(have, want, 53, -1021), limit = 4;
    if (op == MXI_ERFINV && type == MX_FLOAT64) limit = 64; /* the reference's own error */
    if (!(error <= limit))
      fail_msg("v%d %s of dtype %d: x=%a y=%a got %a want %a (%g ulp)", isa + 2, ops[op].name, type, x, y,
               have, want, error);
  }
}
static void check_complex(int isa, int op, int to, const void *a, const void *b, const void *got) {
  for (int64_t i = 0; i < COUNT; i++) {
    double _Complex x = get(a, i, MX_COMPLEX64), y = get(b, i, MX_COMPLEX64), have = get(got, i, to);
    double _Complex want = complex_reference(op, x, y);
    double limit = to == MX_BOOL ? 0 : 2e-5 * fmax(1e-3, cabs(want));
    if (!(cabs(have - want) <= limit))
      fail_msg("v%d %s of complex: x=%g%+gi y=%g%+gi got %g%+gi want %g%+gi", isa + 2, ops[op].name, creal(x),
               cimag(x), creal(y), cimag(y), creal(have), cimag(have), creal(want), cimag(want));
  }
}
static void check_integer(int isa, int op, int type, int to, const void *a, const void *b, const void *got) {
  for (int64_t i = 0; i < COUNT; i++) {
    __int128 x = get_int(a, i, type), y = get_int(b, i, type);
    if (type == MX_UINT64) x = (uint64_t)x, y = (uint64_t)y;
    __int128 want = integer_reference(op, x, y, type);
    char cut[16];
    if (to == MX_BOOL) want = want != 0;
    memcpy(cut, &want, sizeof want);
    if (memcmp(cut, (const char *)got + i * sizes[to], sizes[to]) != 0)
      fail_msg("v%d %s of dtype %d: x=%lld y=%lld got %lld want %lld", isa + 2, ops[op].name, type,
               (long long)x, (long long)y, (long long)get_int(got, i, to), (long long)want);
  }
}
static void every_op_gives_the_reference_value(void **state) {
  (void)state;
  EACH_ISA(isa) for (int op = 0; op < OPS; op++) for (int type = 0; type < MX_DTYPE_COUNT; type++) {
    if (!allowed(op, type) || op == MXI_SELECT) continue;
    int to = result_type(op, type);
    char *a = guarded(COUNT, type), *b = guarded(COUNT, type), *got = guarded(COUNT, to);
    fill(a, type, COUNT, 0);
    fill(b, type, COUNT, 1);
    struct mxi_tile_program p = one(op, type, to);
    run_flat(isa, &p, COUNT, (void *[]){a, b}, (void *[]){got});
    if (type == MX_COMPLEX64)
      check_complex(isa, op, to, a, b, got);
    else if (is_floating(type))
      check_real(isa, op, type, to, a, b, got);
    else
      check_integer(isa, op, type, to, a, b, got);
    free(a), free(b), free(got);
  }
}
static void select_takes_each_element_from_its_side(void **state) {
  (void)state;
  EACH_ISA(isa) for (int type = 0; type < MX_DTYPE_COUNT; type++) {
    char *c = guarded(COUNT, MX_BOOL), *a = guarded(COUNT, type), *b = guarded(COUNT, type),
         *got = guarded(COUNT, type);
    fill(c, MX_BOOL, COUNT, 0), fill(a, type, COUNT, 0), fill(b, type, COUNT, 1);
    struct mxi_tile_program p = one(MXI_SELECT, type, type);
    run_flat(isa, &p, COUNT, (void *[]){c, a, b}, (void *[]){got});
    for (int64_t i = 0; i < COUNT; i++) {
      double _Complex want = get(c[i] ? a : b, i, type), have = get(got, i, type);
      assert_true(have == want || (want != want && have != have));
    }
    free(c), free(a), free(b), free(got);
  }
}
/* Truncation with x86's answers out of range. */
static int64_t float_to_int(double x, int to) {
  int wide = sizes[to] == 8, is_unsigned = to == MX_UINT32 || to == MX_UINT64;
  double limit = wide ? 0x1p63 : 0x1p31, shift = is_unsigned && x >= limit ? limit : 0;
  x = trunc(x - shift);
  int64_t least = wide ? INT64_MIN : INT32_MIN, r = x >= -limit && x < limit ? (int64_t)x : least;
  return shift != 0 ? r ^ least : r;
}
/* x rounded once, of two halves as near to the even one. long double holds integers of 64 bits. */
static double nearest_half(long double x, int to) {
  int digits = to == MX_FLOAT16 ? 11 : 8, least = to == MX_FLOAT16 ? -24 : -133, exponent;
  if (!isfinite(x) || x == 0) return (double)x;
  frexpl(x, &exponent);
  int power = exponent - digits > least ? exponent - digits : least;
  double r = (double)ldexpl(rintl(ldexpl(x, -power)), power);
  return fabs(r) > (to == MX_FLOAT16 ? 65504 : 0x1.fep127) ? copysign(INFINITY, r) : r;
}
static void casts_follow_astype(void **state) {
  (void)state;
  EACH_ISA(isa)
  for (int from = 0; from < MX_DTYPE_COUNT; from++)
    for (int to = 0; to < MX_DTYPE_COUNT; to++) {
      char *a = guarded(COUNT, from), *got = guarded(COUNT, to);
      fill(a, from, COUNT, 0);
      struct mxi_tile_program p = one(MXI_ASTYPE, from, to);
      run_flat(isa, &p, COUNT, (void *[]){a}, (void *[]){got});
      for (int64_t i = 0; i < COUNT; i++) {
        double _Complex z = get(a, i, from), have = get(got, i, to);
        double x = creal(z), im = to == MX_COMPLEX64 ? cimag(z) : 0, real = creal(have);
        if (to == MX_BOOL)
          assert_true(real == (z != 0));
        else if (!is_floating(to)) {
          int64_t want = is_floating(from) ? float_to_int(x, to) : get_int(a, i, from);
          assert_memory_equal(&want, got + i * sizes[to], sizes[to]);
        } else {
          long double exact = is_floating(from)   ? x
                              : from == MX_UINT64 ? (long double)(uint64_t)get_int(a, i, from)
                                                  : (long double)get_int(a, i, from);
          x = to == MX_FLOAT64                        ? (double)exact
              : to == MX_FLOAT16 || to == MX_BFLOAT16 ? nearest_half(exact, to)
                                                      : (float)exact;
          if (!((real == x && signbit(real) == signbit(x)) || (real != real && x != x)) ||
              !(cimag(have) == im || im != im))
            fail_msg("v%d cast %d to %d of %a: got %a", isa + 2, from, to, creal(z), real);
        }
      }
      free(a), free(got);
    }
}

/* ---- Tails and positions ---- */
static void results_do_not_depend_on_length_or_position(void **state) {
  (void)state;
  int64_t lengths[43], count = 0;
  for (int64_t n = 1; n <= 40; n++) lengths[count++] = n;
  lengths[count++] = 1023, lengths[count++] = 1024, lengths[count++] = 1025;
  EACH_ISA(isa) for (int op = 0; op < OPS; op++) for (int type = 0; type < MX_DTYPE_COUNT; type++) {
    if (!allowed(op, type)) continue;
    int to = result_type(op, type), first = op == MXI_SELECT ? MX_BOOL : type;
    enum { N = 1100 };
    char *in[3] = {guarded(N, first), guarded(N, type), guarded(N, type)}, *whole = guarded(N, to),
         *part = malloc(N * 8 + 64);
    for (int i = 0; i < 3; i++) fill(in[i], i ? type : first, N, i);
    struct mxi_tile_program p = one(op, type, to);
    run_flat(isa, &p, N, (void **)in, (void *[]){whole});
    for (int64_t k = 0; k < count; k++) {
      int64_t n = lengths[k], at = (int64_t)(random_bits() % (uint64_t)(N - n + 1));
      memset(part, 0xa5, N * 8 + 64);
      /* inputs end where the heap block does, so that a sanitizer sees a read past them */
      char *exact[3];
      for (int i = 0; i < 3; i++) {
        size_t size = sizes[i ? type : first];
        exact[i] = malloc((size_t)n * size);
        memcpy(exact[i], in[i] + at * (int64_t)size, (size_t)n * size);
      }
      run_flat(isa, &p, n, (void **)exact, (void *[]){part});
      if (!same_results(part, whole + at * sizes[to], n, to))
        fail_msg("v%d %s of dtype %d, length %d at %d", isa + 2, ops[op].name, type, (int)n, (int)at);
      for (int i = 0; i < 64; i++) assert_int_equal((unsigned char)part[n * sizes[to] + i], 0xa5);
      for (int i = 0; i < 3; i++) free(exact[i]);
    }
    for (int i = 0; i < 3; i++) free(in[i]);
    free(whole), free(part);
  }
}

/* ---- Layouts ---- */
/* x + y where x and y are laid out in any way over a 3-d box, against the element-by-element sum. */
static void check_layout(int isa, int type, const int64_t shape[3], const int64_t steps[3][3]) {
  enum { ROOM = 1 << 16 };
  int64_t size = shape[0] * shape[1] * shape[2], strides[3][3];
  char *memory[3];
  struct mxi_tile_program p = one(MXI_ADD, type, type);
  struct mxi_tile_job job = {.program = &p, .ndim = 3, .shape = shape, .size = size};
  for (int k = 0; k < 3; k++) {
    memory[k] = calloc(2 * ROOM, sizes[type]);
    if (k < 2) fill(memory[k], type == MX_BOOL ? MX_UINT8 : type, 2 * ROOM, k);
    for (int d = 0; d < 3; d++) strides[k][d] = steps[k][d] * sizes[type];
    struct mxi_operand operand = {memory[k] + (int64_t)ROOM * sizes[type], strides[k]};
    if (k < 2)
      job.in[k] = operand;
    else
      job.out[0] = operand;
  }
  char *flat[3];
  for (int k = 0; k < 3; k++) flat[k] = guarded(size, type);
  int64_t e = 0;
  for (int64_t i = 0; i < shape[0]; i++)
    for (int64_t j = 0; j < shape[1]; j++)
      for (int64_t l = 0; l < shape[2]; l++, e++)
        for (int k = 0; k < 2; k++)
          memcpy(flat[k] + e * sizes[type],
                 job.in[k].data + i * strides[k][0] + j * strides[k][1] + l * strides[k][2], sizes[type]);
  run_flat(isa, &p, size, (void **)flat, (void *[]){flat[2]});
  for (int64_t begin = 0; begin < size; begin += 2 * MXI_TILE) /* in chunks, as the pool runs it */
    run_on(isa, &job, begin, begin + 2 * MXI_TILE < size ? begin + 2 * MXI_TILE : size);
  e = 0;
  for (int64_t i = 0; i < shape[0]; i++)
    for (int64_t j = 0; j < shape[1]; j++)
      for (int64_t l = 0; l < shape[2]; l++, e++)
        assert_true(same_results(flat[2] + e * sizes[type],
                                 job.out[0].data + i * strides[2][0] + j * strides[2][1] + l * strides[2][2],
                                 1, type));
  for (int64_t begin = 0; begin < size; begin += 700) { /* the same values, handed out tile by tile */
    static _Alignas(64) char scratch[MXI_TILE_GET_SCRATCH];
    int n = size - begin < 700 ? (int)(size - begin) : 700;
    const void *tile = get_on(isa, &job, begin, n, scratch);
    for (int i = 0; i < n; i++) {
      double _Complex want = get(flat[2], begin + i, type);
      double _Complex have =
          type == MX_FLOAT16 || type == MX_BFLOAT16 ? get(tile, i, MX_FLOAT32) : get(tile, i, type);
      assert_true(have == want || (have != have && want != want));
    }
  }
  for (int k = 0; k < 3; k++) free(memory[k]), free(flat[k]);
}
static void any_layout_gives_the_same_sum(void **state) {
  (void)state;
  EACH_ISA(isa) for (int type = 0; type < MX_DTYPE_COUNT; type++) {
    const int64_t s[3] = {5, 7, 90}, wide[3] = {2, 3, 2500}, thin[3] = {40, 30, 3}, none[3] = {1, 1, 1};
    check_layout(isa, type, s, (const int64_t[3][3]){{630, 90, 1}, {0, 0, 0}, {630, 90, 1}}); /* scalar */
    check_layout(isa, type, s,
                 (const int64_t[3][3]){{1, 5, 35}, {0, 0, 1}, {630, 90, 1}}); /* transposed, row */
    check_layout(isa, type, s,
                 (const int64_t[3][3]){{-630, -90, -1}, {90, 0, 2}, {630, 90, 1}}); /* negative, step */
    check_layout(isa, type, s,
                 (const int64_t[3][3]){{7, 1, 0}, {1, 0, 0}, {1, 5, 35}}); /* column, strided out */
    check_layout(isa, type, s,
                 (const int64_t[3][3]){{700, 100, 1}, {630, 90, 1}, {1000, 100, 1}}); /* sliced rows */
    check_layout(isa, type, wide,
                 (const int64_t[3][3]){{8000, 2600, 1}, {0, 0, 1}, {7500, 2500, 1}});         /* long rows */
    check_layout(isa, type, thin, (const int64_t[3][3]){{90, 3, 1}, {1, 40, 0}, {90, 3, 1}}); /* short rows */
    check_layout(isa, type, none, (const int64_t[3][3]){{5, 6, 7}, {0, 0, 0}, {1, 1, 1}}); /* one element */
  }
}
static void deep_boxes_are_walked_in_order(void **state) {
  (void)state;
  /* 12 dims of 2, reversed: element i comes from the index with its bits reversed */
  int64_t shape[12], in[12], out[12];
  float a[4096], got[4096];
  for (int d = 0; d < 12; d++) shape[d] = 2, in[d] = (int64_t)4 << d, out[d] = (int64_t)4 << (11 - d);
  for (int i = 0; i < 4096; i++) a[i] = (float)i;
  struct mxi_tile_program p = one(MXI_NEGATIVE, MX_FLOAT32, MX_FLOAT32);
  struct mxi_tile_job job = {.program = &p,
                             .ndim = 12,
                             .shape = shape,
                             .size = 4096,
                             .in = {{(char *)a, in}},
                             .out = {{(char *)got, out}}};
  EACH_ISA(isa) {
    memset(got, 0, sizeof got);
    run_on(isa, &job, 0, 4096);
    for (int i = 0; i < 4096; i++) {
      int reversed = 0;
      for (int bit = 0; bit < 12; bit++) reversed |= (i >> bit & 1) << (11 - bit);
      assert_true(got[i] == -(float)reversed);
    }
  }
}

/* ---- Programs ---- */
static const struct mxi_tile_instruction gelu_like[] = {
    {MXI_MULTIPLY, 0, 0, 3, {0, 1, 0}}, {MXI_ERF, 0, 0, 3, {3, 0, 0}},    {MXI_ADD, 0, 0, 3, {3, 2, 0}},
    {MXI_MULTIPLY, 0, 0, 3, {3, 0, 0}}, {MXI_DIVIDE, 0, 0, 3, {3, 1, 0}},
};
static void a_fused_program_gives_the_bits_of_its_parts(void **state) {
  (void)state;
  static const int types[] = {MX_FLOAT16, MX_BFLOAT16, MX_FLOAT32, MX_FLOAT64};
  enum { N = 3000 };
  EACH_ISA(isa) for (int t = 0; t < 4; t++) {
    int type = types[t];
    struct mxi_tile_program p = {
        .ninstructions = 5, .ninputs = 3, .noutputs = 1, .nregisters = 4, .output_register = {3}};
    for (int i = 0; i < 3; i++) p.input_type[i] = (uint8_t)type;
    p.output_type[0] = (uint8_t)type;
    for (int k = 0; k < 5; k++)
      p.instructions[k] = gelu_like[k], p.instructions[k].type = p.instructions[k].to = (uint8_t)type;
    char *reg[4], *fused = guarded(N, type);
    for (int i = 0; i < 4; i++) reg[i] = guarded(N, type), fill(reg[i], type, N, i & 1);
    run_flat(isa, &p, N, (void **)reg, (void *[]){fused});
    for (int k = 0; k < 5; k++) {
      struct mxi_tile_program single = one(gelu_like[k].op, type, type);
      const uint8_t *src = gelu_like[k].src;
      run_flat(isa, &single, N, (void *[]){reg[src[0]], reg[src[1]]}, (void *[]){reg[3]});
    }
    assert_true(same_results(fused, reg[3], N, type));
    for (int i = 0; i < 4; i++) free(reg[i]);
    free(fused);
  }
}
static void registers_may_be_reused_with_other_element_sizes(void **state) {
  (void)state;
  enum { N = 2100 };
  uint8_t a[N];
  double got[N];
  for (int i = 0; i < N; i++) a[i] = (uint8_t)(i * 7);
  /* uint8 -> float64 -> float32 -> float64, all in register 0 */
  struct mxi_tile_program p = {.ninstructions = 4,
                               .ninputs = 1,
                               .noutputs = 1,
                               .nregisters = 1,
                               .input_type = {MX_UINT8},
                               .output_type = {MX_FLOAT64},
                               .instructions = {{MXI_ASTYPE, MX_UINT8, MX_FLOAT64, 0, {0}},
                                                {MXI_SQRT, MX_FLOAT64, MX_FLOAT64, 0, {0}},
                                                {MXI_ASTYPE, MX_FLOAT64, MX_FLOAT32, 0, {0}},
                                                {MXI_ASTYPE, MX_FLOAT32, MX_FLOAT64, 0, {0}}}};
  EACH_ISA(isa) {
    run_flat(isa, &p, N, (void *[]){a}, (void *[]){got});
    for (int i = 0; i < N; i++) assert_true(got[i] == (double)(float)sqrt(a[i]));
  }
}
static void an_output_may_be_its_input(void **state) {
  (void)state;
  enum { N = 2500 };
  EACH_ISA(isa) for (int type = 0; type < MX_DTYPE_COUNT; type++) {
    char *a = guarded(N, type), *b = guarded(N, type), *want = guarded(N, type);
    fill(a, type, N, 0), fill(b, type, N, 1);
    struct mxi_tile_program p = one(MXI_SUBTRACT, type, type);
    run_flat(isa, &p, N, (void *[]){a, b}, (void *[]){want});
    char *copy = guarded(N, type);
    memcpy(copy, b, (size_t)N * sizes[type]);
    run_flat(isa, &p, N, (void *[]){a, copy}, (void *[]){copy});
    assert_true(same_results(copy, want, N, type));
    run_flat(isa, &p, N, (void *[]){a, b}, (void *[]){a});
    assert_true(same_results(a, want, N, type));
    free(a), free(b), free(want), free(copy);
  }
}
static void two_outputs_may_swap_their_inputs(void **state) {
  (void)state;
  enum { N = 2500 };
  static float a[N], b[N], c[N];
  /* out 0 (over a) = b + b, out 1 (over b) = a - b, out 2 (over c) = a, out 3 = c, read after all are written
   */
  static float d[N];
  struct mxi_tile_program p = {.ninstructions = 2,
                               .ninputs = 3,
                               .noutputs = 4,
                               .nregisters = 5,
                               .input_type = {MX_FLOAT32, MX_FLOAT32, MX_FLOAT32},
                               .output_type = {MX_FLOAT32, MX_FLOAT32, MX_FLOAT32, MX_FLOAT32},
                               .output_register = {3, 4, 0, 2},
                               .instructions = {{MXI_ADD, MX_FLOAT32, MX_FLOAT32, 3, {1, 1}},
                                                {MXI_SUBTRACT, MX_FLOAT32, MX_FLOAT32, 4, {0, 1}}}};
  EACH_ISA(isa) {
    for (int i = 0; i < N; i++) a[i] = (float)i, b[i] = (float)(3 * i + 1), c[i] = (float)-i;
    run_flat(isa, &p, N, (void *[]){a, b, c}, (void *[]){a, b, c, d});
    for (int i = 0; i < N; i++) {
      assert_true(a[i] == (float)(6 * i + 2) && b[i] == (float)(-2 * i - 1));
      assert_true(c[i] == (float)i && d[i] == (float)-i);
    }
  }
}
static void a_scalar_register_may_be_overwritten(void **state) {
  (void)state;
  enum { N = 3000 };
  static float a[N], got[N];
  float half = 0.5f;
  for (int i = 0; i < N; i++) a[i] = (float)i;
  const int64_t n = N, step = 4, zero = 0;
  struct mxi_tile_program p = {.ninstructions = 2,
                               .ninputs = 2,
                               .noutputs = 1,
                               .nregisters = 2,
                               .input_type = {MX_FLOAT32, MX_FLOAT32},
                               .output_type = {MX_FLOAT32},
                               .output_register = {1},
                               .instructions = {{MXI_ADD, MX_FLOAT32, MX_FLOAT32, 1, {0, 1}},
                                                {MXI_ADD, MX_FLOAT32, MX_FLOAT32, 1, {1, 1}}}};
  struct mxi_tile_job job = {.program = &p,
                             .ndim = 1,
                             .shape = &n,
                             .size = N,
                             .in = {{(char *)a, &step}, {(char *)&half, &zero}},
                             .out = {{(char *)got, &step}}};
  EACH_ISA(isa) {
    run_on(isa, &job, 0, N);
    for (int i = 0; i < N; i++) assert_true(got[i] == (float)(2 * i + 1));
  }
}
static void large_outputs_are_whole(void **state) {
  (void)state;
  const int64_t n =
      (32 << 18) + 1029; /* past the size where stores bypass the caches, with an unaligned start */
  float *a = malloc((size_t)n * 4), *got = calloc((size_t)n + 2, 4);
  for (int64_t i = 0; i < n; i++) a[i] = (float)i;
  struct mxi_tile_program p = one(MXI_NEGATIVE, MX_FLOAT32, MX_FLOAT32);
  EACH_ISA(isa) {
    run_flat(isa, &p, n, (void *[]){a}, (void *[]){got + 1});
    assert_true(got[0] == 0 && got[n + 1] == 0);
    for (int64_t i = 0; i < n; i++) assert_true(got[i + 1] == -(float)i);
  }
  free(a), free(got);
}
/* A sparse scan of all floats. */
static void float_functions_stay_within_two_ulp_everywhere(void **state) {
  (void)state;
  static const int functions[] = {MXI_EXP,  MXI_EXPM1,   MXI_LOG,  MXI_LOG2,    MXI_LOG10,   MXI_LOG1P,
                                  MXI_SIN,  MXI_COS,     MXI_TAN,  MXI_ARCSIN,  MXI_ARCCOS,  MXI_ARCTAN,
                                  MXI_SINH, MXI_COSH,    MXI_TANH, MXI_ARCSINH, MXI_ARCCOSH, MXI_ARCTANH,
                                  MXI_ERF,  MXI_SIGMOID, MXI_SQRT, MXI_RSQRT};
  enum { N = 1 << 15 };
  float *x = malloc(N * 4), *got = malloc(N * 4);
  for (uint32_t i = 0; i < N; i++) {
    uint32_t bits = i * 131071u; /* 2^32 / 2^15, less one: every exponent, and mantissas that differ */
    memcpy(&x[i], &bits, 4);
  }
  EACH_ISA(isa) for (size_t f = 0; f < sizeof functions / sizeof *functions; f++) {
    struct mxi_tile_program p = one(functions[f], MX_FLOAT32, MX_FLOAT32);
    run_flat(isa, &p, N, (void *[]){x}, (void *[]){got});
    for (int i = 0; i < N; i++) {
      double want = real_reference(functions[f], x[i], 0), error = ulps(got[i], want, 24, -125);
      if (!(error <= 2) || (want == 0 && signbit(want) != signbit(got[i])))
        fail_msg("v%d %s(%a): got %a want %a (%g ulp)", isa + 2, ops[functions[f]].name, x[i], got[i], want,
                 error);
    }
  }
  free(x), free(got);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_op_gives_the_reference_value),
      cmocka_unit_test(float_functions_stay_within_two_ulp_everywhere),
      cmocka_unit_test(select_takes_each_element_from_its_side),
      cmocka_unit_test(casts_follow_astype),
      cmocka_unit_test(results_do_not_depend_on_length_or_position),
      cmocka_unit_test(any_layout_gives_the_same_sum),
      cmocka_unit_test(deep_boxes_are_walked_in_order),
      cmocka_unit_test(a_fused_program_gives_the_bits_of_its_parts),
      cmocka_unit_test(registers_may_be_reused_with_other_element_sizes),
      cmocka_unit_test(an_output_may_be_its_input),
      cmocka_unit_test(two_outputs_may_swap_their_inputs),
      cmocka_unit_test(a_scalar_register_may_be_overwritten),
      cmocka_unit_test(large_outputs_are_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
