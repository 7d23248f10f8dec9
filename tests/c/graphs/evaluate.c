#include "graphs/evaluate.h"
#include "graphs/op.h"
#include "base/env.h"
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void fault_set(struct fault *f, enum outcome outcome, int value, const char *format, ...) {
  if (f->outcome != OUTCOME_RIGHT) return;
  f->outcome = outcome;
  f->value = value;
  va_list args;
  va_start(args, format);
  vsnprintf(f->text, sizeof f->text, format, args);
  va_end(args);
}

/* ---- Data of inputs ---- */
enum { DATA_SMALL, DATA_WHOLE, DATA_SPECIAL, DATA_POSITIVE };

static double draw_double(struct random *r, int kind) {
  static const double special[] = {0.0, -0.0, INFINITY, -INFINITY, 1e-40, -1e-310, 3e38, -7e4, 1e300, 65504};
  double u = (double)(int64_t)(next(r) >> 11) * 0x1p-53;
  switch (kind) {
  case DATA_WHOLE: return (double)between(r, -9, 9);
  case DATA_POSITIVE: return u + 0.125;
  case DATA_SPECIAL:
    if (chance(r, 0.04)) return NAN;
    if (chance(r, 0.1)) return special[between(r, 0, sizeof special / sizeof *special - 1)];
  }
  return 4 * u - 2;
}

/* A float's bits as a half's: rounded towards zero, tiny numbers to zero. */
static uint16_t half_bits(float x) {
  uint32_t u;
  memcpy(&u, &x, sizeof u);
  int32_t exponent = (int32_t)(u >> 23 & 255) - 127 + 15;
  uint32_t sign = u >> 16 & 0x8000, fraction = u >> 13 & 0x3ff;
  if (isnan(x)) return (uint16_t)(sign | 0x7e00 | fraction);
  if (exponent >= 31) return (uint16_t)(sign | 0x7c00);
  return (uint16_t)(exponent <= 0 ? sign : sign | (uint32_t)exponent << 10 | fraction);
}

static uint64_t draw_integer(struct random *r, int kind, bool is_signed) {
  if (kind == DATA_SPECIAL && chance(r, 0.2)) return next(r);
  if (kind == DATA_SPECIAL && chance(r, 0.1))
    return is_signed ? (uint64_t)1 << between(r, 6, 63) : UINT64_MAX;
  return (uint64_t)between(r, is_signed && kind != DATA_POSITIVE ? -9 : 0, 12);
}

static void fill_float(struct random *r, mx_dtype t, int kind, void *to) {
  double x = draw_double(r, kind);
  float f = (float)x;
  uint32_t bits;
  memcpy(&bits, &f, sizeof bits);
  if (isnan(x) && chance(r, 0.5)) bits ^= 0x80000000; // NaNs of both signs
  memcpy(&f, &bits, sizeof f);
  uint16_t half = t == MX_FLOAT16 ? half_bits(f) : (uint16_t)(bits >> 16);
  switch (t) {
  case MX_FLOAT64: memcpy(to, &x, 8); break;
  case MX_FLOAT16:
  case MX_BFLOAT16: memcpy(to, &half, 2); break;
  default: memcpy(to, &f, 4);
  }
}

void fill_input(const struct program *p, const struct instruction *ins, int v, uint64_t salt, void *to) {
  const struct value *value = &p->values[v];
  struct random r = {hash_of(p->seed ^ salt, (uint64_t)v)};
  int kind = ins->nparameters ? (int)ins->parameters[0] : DATA_SMALL;
  size_t bytes = mx_dtype_size(value->type);
  char *at = to;
  for (int64_t i = 0; i < value->size; i++, at += bytes) {
    if (value->type == MX_BOOL)
      *at = (char)(next(&r) & 1);
    else if (value->type == MX_COMPLEX64)
      fill_float(&r, MX_FLOAT32, kind, at), fill_float(&r, MX_FLOAT32, kind, at + 4);
    else if (value->type >= MX_FLOAT16)
      fill_float(&r, value->type, kind, at);
    else {
      uint64_t x = draw_integer(&r, kind, value->type >= MX_INT8);
      memcpy(at, &x, bytes);
    }
  }
}

/* ---- Building ---- */
mx_stream graph_stream(int number) {
  static mx_stream streams[MOST_STREAMS];
  if (!number) return mx_default_stream(MX_CPU);
  if (!streams[number]) streams[number] = mx_stream_new(MX_CPU);
  return streams[number];
}

static int build_input(const struct expected *e, const struct instruction *ins, mx_array *values) {
  for (int v = ins->first; v < ins->first + ins->nresults; v++) {
    const struct value *value = &e->p->values[v];
    values[v] = mx_keep(mx_array_from(e->bytes[v], shape_of(value), value->type));
    if (!mx_ok(values[v])) return values[v] = NULL, -1;
  }
  return 0;
}

int build(const struct expected *e, const struct instruction *ins, mx_array *values) {
  int n = 0;
  MX_SCOPE {
    if (ins->kind == INPUT_KIND) return build_input(e, ins, values);
    mx_array in[MOST_OPERANDS], out[MOST_RESULTS];
    for (int k = 0; k < ins->noperands; k++) in[k] = values[ins->operands[k]];
    const struct graph_op *op = graph_op(ins->kind);
    MX_ON (graph_stream(ins->stream)) { n = op->build(op, ins, in, out); }
    for (int r = 0; r < n; r++) values[ins->first + r] = mx_keep(out[r]);
  }
  return n < 0 ? -1 : 0;
}

void release_all(mx_array *values) {
  for (int v = 0; v < MOST_VALUES; v++) {
    mx_release(values[v]);
    values[v] = NULL;
  }
}

void spoil_free_memory(uint64_t seed) {
  enum { EACH = 3, LEAST = 6, MOST = 16 };
  enum { WORDS = (1 << MOST) / 8 };
  uint64_t *bytes = malloc(WORDS * sizeof *bytes);
  struct random r = {seed};
  for (size_t i = 0; i < WORDS; i++) bytes[i] = next(&r);
  MX_SCOPE {
    for (int i = 0; i < EACH * (MOST - LEAST + 1); i++)
      mx_array_from(bytes, MX_SHAPE((int64_t)1 << (LEAST + i / EACH)), MX_UINT8);
  }
  free(bytes);
}

/* ---- The reference ---- */
void set_fusion(bool on) {
  ((struct mxi_env *)mxi_env())->no_fusion = !on; // a variable of the library, which the tests include
}

static int expect_results(struct expected *e, const struct instruction *ins, mx_array *values,
                          struct fault *f) {
  for (int v = ins->first; v < ins->first + ins->nresults; v++) {
    size_t bytes = mx_nbytes(values[v]);
    MX_SCOPE {
      if (mx_eval(values[v]) < 0) return fault_set(f, OUTCOME_ERROR, v, "op by op: %s", mx_error()), -1;
      memcpy(e->strides[v], mx_strides(values[v]), (size_t)mx_ndim(values[v]) * sizeof(int64_t));
      if (ins->kind == INPUT_KIND) continue;
      const void *data = mx_data(mx_contiguous(values[v], false));
      if (!data) return fault_set(f, OUTCOME_ERROR, v, "op by op, read: %s", mx_error()), -1;
      e->bytes[v] = malloc(bytes ? bytes : 1);
      memcpy(e->bytes[v], data, bytes);
    }
  }
  return 0;
}

int expect(const struct program *p, uint64_t salt, struct expected *e, struct fault *f) {
  static _Thread_local mx_array values[MOST_VALUES];
  *e = (struct expected){.p = p};
  spoil_free_memory(p->seed + salt);
  set_fusion(false);
  int result = 0;
  for (int i = 0; i < p->ninstructions && result == 0; i++) {
    const struct instruction *ins = &p->instructions[i];
    if (ins->dropped) continue;
    if (ins->kind == INPUT_KIND)
      for (int v = ins->first; v < ins->first + ins->nresults; v++) {
        e->bytes[v] = malloc((size_t)p->values[v].size * mx_dtype_size(p->values[v].type) + 1);
        fill_input(p, ins, v, salt, e->bytes[v]);
      }
    result = build(e, ins, values);
    if (result < 0) fault_set(f, OUTCOME_ERROR, ins->first, "op by op, built: %s", mx_error());
    if (result == 0) result = expect_results(e, ins, values, f);
  }
  release_all(values);
  set_fusion(true);
  return result;
}

void expected_free(struct expected *e) {
  for (int v = 0; v < MOST_VALUES; v++) free(e->bytes[v]);
}

/* ---- Comparing ---- */
static bool is_nan_at(mx_dtype t, const void *at) {
  uint64_t u = 0;
  memcpy(&u, at, mx_dtype_size(t));
  switch (t) {
  case MX_FLOAT16: return (u & 0x7fff) > 0x7c00;
  case MX_BFLOAT16: return (u & 0x7fff) > 0x7f80;
  case MX_FLOAT32: return (u & 0x7fffffff) > 0x7f800000;
  case MX_FLOAT64: return (u & INT64_MAX) > (uint64_t)0x7ff << 52;
  default: return false;
  }
}

static void print_element(mx_dtype t, const void *at, char *text, size_t bytes) {
  uint64_t u = 0;
  size_t n = mx_dtype_size(t);
  memcpy(&u, at, n);
  float f;
  double d;
  memcpy(&f, at, n < 4 ? n : 4);
  memcpy(&d, at, n < 8 ? n : 8);
  if (t == MX_FLOAT32)
    snprintf(text, bytes, "%.9g (0x%08llx)", (double)f, (unsigned long long)u);
  else if (t == MX_FLOAT64)
    snprintf(text, bytes, "%.17g (0x%016llx)", d, (unsigned long long)u);
  else
    snprintf(text, bytes, "0x%llx", (unsigned long long)u);
}

bool check_bytes(const struct value *value, int v, const char *got, const char *want, struct fault *f) {
  size_t bytes = (size_t)value->size * mx_dtype_size(value->type);
  if (!memcmp(got, want, bytes)) return true;
  mx_dtype t = value->type == MX_COMPLEX64 ? MX_FLOAT32 : value->type;
  size_t step = mx_dtype_size(t), differ = 0, first = 0;
  for (size_t i = 0; i < bytes; i += step) {
    bool same = !memcmp(got + i, want + i, step) || (is_nan_at(t, got + i) && is_nan_at(t, want + i));
    if (!same && !differ++) first = i;
  }
  if (!differ) return true;
  char g[64], w[64];
  print_element(t, got + first, g, sizeof g);
  print_element(t, want + first, w, sizeof w);
  fault_set(f, OUTCOME_WRONG, v, "%zu of %zu elements differ, the first at %zu: got %s, expected %s", differ,
            bytes / step, first / step, g, w);
  return false;
}

bool check_value(const struct expected *e, int v, mx_array a, struct fault *f) {
  const struct value *value = &e->p->values[v];
  if (mx_dtype_of(a) != value->type || mx_ndim(a) != value->ndim ||
      memcmp(mx_shape(a), value->shape, (size_t)value->ndim * sizeof(int64_t)))
    return fault_set(f, OUTCOME_WRONG, v, "another shape or dtype"), false;
  MX_SCOPE {
    const char *got = mx_data(mx_contiguous(a, false));
    if (!got) return fault_set(f, OUTCOME_ERROR, v, "read: %s", mx_error()), false;
    if (!check_bytes(value, v, got, e->bytes[v], f)) return false;
  }
  const int64_t *strides = mx_strides(a);
  for (int i = 0; value->size > 1 && i < value->ndim; i++)
    if (value->shape[i] > 1 && strides[i] != e->strides[v][i])
      return fault_set(f, OUTCOME_LAYOUT, v, "along axis %d the stride is %lld, expected %lld", i,
                       (long long)strides[i], (long long)e->strides[v][i]),
             false;
  return true;
}
