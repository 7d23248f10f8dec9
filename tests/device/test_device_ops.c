/* The device's elementwise functions (src/cuda/kernels/elementwise.cuh), compiled for the host, give the
   CPU's results: its bits, but for the sign and payload of NaN; or, where the table below says so, within a
   number of ulps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "core/node.h"
#include "cpu/isa.h"
#include "cpu/program.h"
#include "device_ops.h"

/* ---- What may differ ---- */
struct bound {
  uint8_t op, type;
  double ulps; /* complex numbers: of the larger part */
};
static const struct bound bounds[] = {
    /* The CPU looks the polynomial up where it can (AVX-512). */
    {MXI_ERF, MX_FLOAT32, 3},
    {MXI_ERF, MX_FLOAT16, 1},
    {MXI_ERF, MX_BFLOAT16, 1},
    /* The CPU asks libm. */
    {MXI_SIN, MX_FLOAT64, 1},
    {MXI_COS, MX_FLOAT64, 1},
    {MXI_TAN, MX_FLOAT64, 3},
    {MXI_LOG10, MX_FLOAT64, 2},
    {MXI_ARCSIN, MX_FLOAT64, 2},
    {MXI_ARCCOS, MX_FLOAT64, 2},
    {MXI_ARCTAN, MX_FLOAT64, 2},
    {MXI_SINH, MX_FLOAT64, 3},
    {MXI_COSH, MX_FLOAT64, 2},
    {MXI_ARCSINH, MX_FLOAT64, 4},
    {MXI_ARCCOSH, MX_FLOAT64, 4},
    {MXI_ARCTANH, MX_FLOAT64, 4},
    {MXI_ERF, MX_FLOAT64, 2},
    {MXI_ERFINV, MX_FLOAT64, 4},
    {MXI_POWER, MX_FLOAT64, 2},
    {MXI_LOGADDEXP, MX_FLOAT64, 2},
    {MXI_ARCTAN2, MX_FLOAT64, 2},
    {MXI_SQRT, MX_COMPLEX64, 3},
    {MXI_RSQRT, MX_COMPLEX64, 3},
    {MXI_EXP, MX_COMPLEX64, 3},
    {MXI_LOG, MX_COMPLEX64, 3},
    {MXI_LOG2, MX_COMPLEX64, 6},
    {MXI_LOG10, MX_COMPLEX64, 6},
    {MXI_LOG1P, MX_COMPLEX64, 3},
    {MXI_SIN, MX_COMPLEX64, 4},
    {MXI_COS, MX_COMPLEX64, 4},
    {MXI_TAN, MX_COMPLEX64, 6},
    {MXI_ARCSIN, MX_COMPLEX64, 4},
    {MXI_ARCCOS, MX_COMPLEX64, 4},
    {MXI_ARCTAN, MX_COMPLEX64, 6},
    {MXI_SINH, MX_COMPLEX64, 4},
    {MXI_COSH, MX_COMPLEX64, 4},
    {MXI_TANH, MX_COMPLEX64, 6},
    {MXI_ARCSINH, MX_COMPLEX64, 4},
    {MXI_ARCCOSH, MX_COMPLEX64, 4},
    {MXI_ARCTANH, MX_COMPLEX64, 6},
    {MXI_SIGMOID, MX_COMPLEX64, 1e5}, /* near its poles the floats of 1 + e^-z are few */
    {MXI_POWER, MX_COMPLEX64, 4},
    {MXI_LOGADDEXP, MX_COMPLEX64, 1e3}, /* so are those of e^a + e^b near its zeros */
};
static double bound_of(int op, int type) {
  for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
    if (bounds[i].op == op && bounds[i].type == type) return bounds[i].ulps;
  return 0;
}

static const struct {
  const char *name;
  int arity;
} ops[] = {
#define MX_ELEMENTWISE(ID, name, arity, rule) {#name, arity},
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
};
enum { OPS = sizeof ops / sizeof *ops };
static const struct {
  const char *name;
  int bytes;
} types[] = {
#define MX_DTYPE(ID, text, ctype, bytes, category) {text, bytes},
#include "core/dtypes.def"
#undef MX_DTYPE
};

/* ---- Inputs ---- */
static uint64_t random_state = 88172645463325252u;
static uint64_t random_bits(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  return random_state ^= random_state << 17;
}
static const double specials[] = {0.0,
                                  -0.0,
                                  1,
                                  -1,
                                  0.5,
                                  -0.5,
                                  0.25,
                                  0.75,
                                  2,
                                  -2,
                                  3,
                                  -3,
                                  1.5,
                                  2.5,
                                  -2.5,
                                  10,
                                  100,
                                  1000,
                                  INFINITY,
                                  -INFINITY,
                                  NAN,
                                  0x1p-149,
                                  -0x1p-149,
                                  0x1p-126,
                                  0x1.fffffep127,
                                  -0x1.fffffep127,
                                  0x1p20,
                                  0x1p21,
                                  0x1p31,
                                  -0x1p31,
                                  0x1p32,
                                  0x1p63,
                                  -0x1p63,
                                  0x1p64,
                                  0x1.fffffep30,
                                  0x1.fffffep62,
                                  88.7,
                                  -88.7,
                                  104,
                                  -104,
                                  709.7,
                                  -745.2,
                                  3.95,
                                  0.9,
                                  0.55,
                                  5.9,
                                  1e-5,
                                  -1e-5,
                                  1e-300,
                                  1e300,
                                  0x1p-1074,
                                  3.14159265358979,
                                  1.5707963267948966};
enum { SPECIALS = sizeof specials / sizeof *specials };

/* An element of the i-th kind: special values, random bits, or a number of moderate size. */
static double moderate(void) {
  static const double sizes[] = {1, 1, 4, 30, 1e3, 1e7};
  double x = (double)(int64_t)random_bits() * 0x1p-63;
  return x * sizes[random_bits() % 6];
}
static void store_float(char *p, int type, double x) {
  if (type == MX_FLOAT64)
    memcpy(p, &x, 8);
  else {
    float f = (float)x;
    memcpy(p, &f, 4);
  }
}
static void draw_part(char *p, int type) { /* of float32 or float64; no signalling NaN */
  uint64_t kind = random_bits() % 8, bits = random_bits();
  bits |= 1ull << (type == MX_FLOAT32 ? 22 : 51);
  if (kind == 0)
    store_float(p, type, specials[bits % SPECIALS]);
  else if (kind < 4)
    memcpy(p, &bits, (size_t)types[type].bytes);
  else
    store_float(p, type, kind == 4 ? rint(moderate()) : moderate());
}
static void draw(char *p, int type) {
  uint64_t bits = random_bits();
  if (type == MX_FLOAT32 || type == MX_FLOAT64)
    draw_part(p, type);
  else if (type == MX_COMPLEX64)
    draw_part(p, MX_FLOAT32), draw_part(p + 4, MX_FLOAT32);
  else {
    if (types[type].bytes > 2 && random_bits() % 2)
      bits = (uint64_t)((int64_t)bits >> (random_bits() % 64)); /* integers of all sizes */
    if (type == MX_BOOL) bits &= 1;
    memcpy(p, &bits, (size_t)types[type].bytes);
  }
}
/* Fills an operand: of types of up to 16 bits the first of the operands runs through all. */
static void fill(char *to, int64_t n, int type, int operand) {
  for (int64_t i = 0; i < n; i++) {
    char *p = to + i * types[type].bytes;
    if (types[type].bytes <= 2 && type != MX_BOOL && operand == 0) {
      uint64_t bits = (uint64_t)i;
      memcpy(p, &bits, (size_t)types[type].bytes);
    } else
      draw(p, type);
  }
}
/* All pairs of special values. */
static int64_t fill_specials(char *a, char *b, int type) {
  int64_t n = 0;
  for (int i = 0; i < SPECIALS; i++)
    for (int k = 0; k < SPECIALS; k++, n++) {
      if (type == MX_COMPLEX64) {
        store_float(a + 8 * n, MX_FLOAT32, specials[i]), store_float(a + 8 * n + 4, MX_FLOAT32, specials[k]);
        draw(b + 8 * n, type);
      } else
        store_float(a + types[type].bytes * n, type, specials[i]),
            store_float(b + types[type].bytes * n, type, specials[k]);
    }
  return n;
}

/* ---- The CPU ---- */
static int tile_has(int op, int type, int to) {
  struct mxi_tile_instruction in = {(uint8_t)op, (uint8_t)type, (uint8_t)to, 0, {0, 0, 0}};
  return MXI_DISPATCH(mxi_tiles_has)(&in);
}
static void cpu_apply(int op, int type, int to, int64_t n, char *const *in, char *out) {
  static _Alignas(8) char block[sizeof(struct mxi_tile_program) + sizeof(struct mxi_tile_steps) + 8];
  struct mxi_tile_program *p = (struct mxi_tile_program *)(void *)block;
  int arity = ops[op].arity;
  *p =
      (struct mxi_tile_program){.ninstructions = 1, .ninputs = arity, .noutputs = 1, .nregisters = arity + 1};
  for (int i = 0; i < arity; i++) p->input_type[i] = (uint8_t)(op == MXI_SELECT && i == 0 ? MX_BOOL : type);
  p->output_type[0] = (uint8_t)to;
  p->output_register[0] = (uint8_t)arity;
  p->instructions[0] =
      (struct mxi_tile_instruction){(uint8_t)op, (uint8_t)type, (uint8_t)to, (uint8_t)arity, {0, 1, 2}};
  MXI_DISPATCH(mxi_tiles_prepare)(p);
  int64_t strides[4];
  struct mxi_tile_job job = {.program = p, .ndim = 1, .shape = &n, .size = n};
  for (int i = 0; i < arity; i++) {
    strides[i] = types[p->input_type[i]].bytes;
    job.in[i] = (struct mxi_operand){in[i], &strides[i]};
  }
  strides[3] = types[to].bytes;
  job.out[0] = (struct mxi_operand){out, &strides[3]};
  MXI_DISPATCH(mxi_tiles_run)(&job, 0, n);
}

/* ---- Comparing ---- */
static double value(const char *p, int type) {
  float f;
  double d;
  uint16_t h;
  switch (type) {
  case MX_FLOAT16:
  case MX_BFLOAT16:
    memcpy(&h, p, 2);
    return type == MX_FLOAT16 ? (double)mxi_float_from_f16(h) : (double)mxi_float_from_bf16(h);
  case MX_FLOAT32: memcpy(&f, p, 4); return f;
  default: memcpy(&d, p, 8); return d;
  }
}
/* The distance in units of the last place of `unit_of`. */
static double distance(double got, double want, double unit_of, int type, int signs) {
  static const int digits[] = {[MX_FLOAT16] = 11, [MX_BFLOAT16] = 8, [MX_FLOAT32] = 24, [MX_FLOAT64] = 53};
  static const int least[] = {
      [MX_FLOAT16] = -13, [MX_BFLOAT16] = -125, [MX_FLOAT32] = -125, [MX_FLOAT64] = -1021};
  if (got != got || want != want) return (got != got) == (want != want) ? 0 : INFINITY;
  if (got == want) return !signs || signbit(got) == signbit(want) ? 0 : INFINITY;
  int e;
  double greatest = type == MX_FLOAT32 ? 0x1p128 : 0x1.fffffffffffffp1023;
  if (isinf(got)) got = copysign(greatest, got); /* one may overflow where the other rounds down */
  if (isinf(want)) want = copysign(greatest, want);
  frexp(isinf(unit_of) ? greatest : unit_of, &e);
  return fabs(got - want) / ldexp(1, (e < least[type] ? least[type] : e) - digits[type]);
}
/* `scale`: where terms of this size cancel, the least whose last place counts. The signs of complex zeros are
   those of rounding errors, and the sign of an infinity beside NaN is free. */
static double difference(const char *got, const char *want, int type, double scale, int exact) {
  if (type < MX_FLOAT16) return memcmp(got, want, (size_t)types[type].bytes) == 0 ? 0 : INFINITY;
  if (type != MX_COMPLEX64) {
    double x = value(want, type);
    return distance(value(got, type), x, fmax(fabs(x), scale), type, 1);
  }
  double part[2][2] = {{value(got, MX_FLOAT32), value(got + 4, MX_FLOAT32)},
                       {value(want, MX_FLOAT32), value(want + 4, MX_FLOAT32)}};
  if (!exact && (isinf(part[0][0]) || isinf(part[0][1])) && (isinf(part[1][0]) || isinf(part[1][1])))
    return 0;
  double larger = fmax(fmax(fabs(part[1][0]), fabs(part[1][1])), scale);
  return fmax(distance(part[0][0], part[1][0], larger, MX_FLOAT32, exact),
              distance(part[0][1], part[1][1], larger, MX_FLOAT32, exact));
}
/* The largest operand of a sum of logarithms. */
static double scale_of(int op, int type, char *const *in, int64_t i) {
  if (op != MXI_LOGADDEXP || type < MX_FLOAT16) return 0;
  double largest = 0;
  for (int k = 0; k < 2; k++) {
    const char *p = in[k] + i * types[type].bytes;
    double x = fabs(value(p, type == MX_COMPLEX64 ? MX_FLOAT32 : type));
    largest = isfinite(x) ? fmax(largest, x) : largest;
  }
  return largest;
}
static void print_element(const char *p, int type) {
  if (type == MX_COMPLEX64)
    printf("(%a %a)", value(p, MX_FLOAT32), value(p + 4, MX_FLOAT32));
  else if (type >= MX_FLOAT16)
    printf("%a", value(p, type));
  else {
    uint64_t bits = 0;
    memcpy(&bits, p, (size_t)types[type].bytes);
    printf("0x%llx", (unsigned long long)bits);
  }
}
/* Is the result more than the rounding of an angle? Where |y ln x| is large, the sine of an angle as large is
   asked; and infinite numbers to a power are what the terms of a product happen to cancel to. */
static int is_defined(int op, int type, char *const *in, int64_t i) {
  if (op != MXI_POWER || type != MX_COMPLEX64) return 1;
  for (int part = 0; part < 4; part++) {
    double x = value(in[part / 2] + 8 * i + 4 * (part % 2), MX_FLOAT32);
    if (!isfinite(x) || (part >= 2 && fabs(x) > 1e3)) return 0;
  }
  return 1;
}
static int compare(int op, int type, int to, int64_t n, char *const *in, const char *got, const char *want) {
  double worst = 0;
  int64_t at = 0, wrong = 0;
  double most = bound_of(op, type);
  for (int64_t i = 0; i < n; i++) {
    if (!is_defined(op, type, in, i)) continue;
    double d = difference(got + i * types[to].bytes, want + i * types[to].bytes, to,
                          most > 0 ? scale_of(op, type, in, i) : 0, most == 0);
    wrong += d > most;
    if (d > worst) worst = d, at = i;
    if (d > most && wrong <= 6 && getenv("MXI_SHOW")) {
      printf("  %s of %s: ", ops[op].name, types[type].name);
      for (int k = 0; k < ops[op].arity; k++) print_element(in[k] + i * types[type].bytes, type), printf(" ");
      printf("got "), print_element(got + i * types[to].bytes, to);
      printf(" want "), print_element(want + i * types[to].bytes, to);
      printf("\n");
    }
  }
  if (worst <= most) return 0;
  printf("%s of %s to %s: %g ulps, %lld beyond %g; at ", ops[op].name, types[type].name, types[to].name,
         worst, (long long)wrong, most);
  for (int k = 0; k < ops[op].arity; k++) print_element(in[k] + at * types[type].bytes, type), printf(" ");
  printf("got "), print_element(got + at * types[to].bytes, to);
  printf(", want "), print_element(want + at * types[to].bytes, to), printf("\n");
  return 1;
}

enum { MOST = 1 << 18 };
static char *in[3], *got, *want;
static int setup(void **state) {
  for (int i = 0; i < 3; i++) in[i] = malloc(8 * MOST);
  got = malloc(8 * MOST), want = malloc(8 * MOST);
  return 0;
}
static int teardown(void **state) {
  for (int i = 0; i < 3; i++) free(in[i]);
  free(got), free(want);
  return 0;
}

static int result_type(int op, int type) {
  static const uint8_t to_bool[] = {MXI_LOGICAL_NOT, MXI_ISNAN,      MXI_ISINF,      MXI_ISFINITE,
                                    MXI_ISPOSINF,    MXI_ISNEGINF,   MXI_EQUAL,      MXI_NOT_EQUAL,
                                    MXI_LESS,        MXI_LESS_EQUAL, MXI_GREATER,    MXI_GREATER_EQUAL,
                                    MXI_LOGICAL_AND, MXI_LOGICAL_OR, MXI_LOGICAL_XOR};
  for (size_t i = 0; i < sizeof to_bool; i++)
    if (to_bool[i] == op) return MX_BOOL;
  return type == MX_COMPLEX64 && (op == MXI_ABS || op == MXI_REAL || op == MXI_IMAG) ? MX_FLOAT32 : type;
}
static int check(int op, int type, int64_t n) {
  int to = result_type(op, type);
  memset(got, 0xa5, (size_t)(n * 8));
  memset(want, 0xa5, (size_t)(n * 8));
  int runs = device_apply(op, type, in[0], in[1], in[2], got, n);
  if (!tile_has(op, type, to) || !runs) {
    if (tile_has(op, type, to) != runs)
      printf("note: %s of %s: device %d\n", ops[op].name, types[type].name, runs);
    return 0;
  }
  cpu_apply(op, type, to, n, in, want);
  return compare(op, type, to, n, in, got, want);
}
static void every_op_of_every_dtype_gives_what_the_cpu_gives(void **state) {
  int wrong = 0;
  for (int op = 0; op < OPS; op++)
    for (int type = 0; type < MX_DTYPE_COUNT; type++) {
      if (op == MXI_ASTYPE) continue;
      for (int i = 0; i < 3; i++) fill(in[i], MOST, op == MXI_SELECT && i == 0 ? MX_BOOL : type, i);
      wrong += check(op, type, types[type].bytes <= 2 ? 1 << 17 : MOST);
      if (type >= MX_FLOAT32 && op != MXI_SELECT) wrong += check(op, type, fill_specials(in[0], in[1], type));
    }
  assert_int_equal(wrong, 0);
}
static void every_cast_gives_what_the_cpu_gives(void **state) {
  int wrong = 0;
  for (int type = 0; type < MX_DTYPE_COUNT; type++) {
    int64_t n = MOST;
    fill(in[0], n, type, 0);
    if (type >= MX_FLOAT32) fill_specials(in[0], in[1], type);
    for (int to = 0; to < MX_DTYPE_COUNT; to++) {
      if (to == type) continue;
      device_cast(type, to, in[0], got, n);
      cpu_apply(MXI_ASTYPE, type, to, n, in, want);
      wrong += compare(MXI_ASTYPE, type, to, n, in, got, want);
    }
  }
  assert_int_equal(wrong, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_op_of_every_dtype_gives_what_the_cpu_gives),
      cmocka_unit_test(every_cast_gives_what_the_cpu_gives),
  };
  return cmocka_run_group_tests(tests, setup, teardown);
}
