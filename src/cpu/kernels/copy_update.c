/* Updates in place: dst = dst mode src along a run, in order, so that a stride of zero on dst folds the run.
   Halves are computed in float and rounded each time. max and min take NaN from either side; complex numbers
   compare by real, then imaginary part. */
#include "cpu/kernels/copy.h"
#include "cpu/kernels/reduce_complex.h"
#include "cpu/simd.h"

#define MAXIMUM(T, a, b) ((((a) > (b)) | ((a) != (a))) ? (a) : (b))
#define MINIMUM(T, a, b) ((((a) < (b)) | ((a) != (a))) ? (a) : (b))
#define EACH(D, S, expr)               \
  for (int64_t i = 0; i < n; i++) {    \
    __typeof__(*d) a = d[D], b = s[S]; \
    d[D] = (__typeof__(*d))(expr);     \
  }
#define MODES(T, D, S, add, multiply)                          \
  switch (mode) {                                              \
  case MXI_UPDATE_ADD: EACH(D, S, add) break;                  \
  case MXI_UPDATE_MULTIPLY: EACH(D, S, multiply) break;        \
  case MXI_UPDATE_MAXIMUM: EACH(D, S, MAXIMUM(T, a, b)) break; \
  case MXI_UPDATE_MINIMUM: EACH(D, S, MINIMUM(T, a, b)) break; \
  default:                                                     \
    for (int64_t i = 0; i < n; i++) d[D] = s[S];               \
  }
#define UPDATE(T, name, add, multiply)                                                                 \
  static void update_##name(int mode, int64_t n, void *dst, int64_t ds, const void *src, int64_t ss) { \
    T *d = dst;                                                                                        \
    const T *s = src;                                                                                  \
    if (ds == 1 && ss == 1)                                                                            \
      MODES(T, i, i, add, multiply)                                                                    \
    else                                                                                               \
      MODES(T, i *ds, i *ss, add, multiply)                                                            \
  }                                                                                                    \
  static void at_##name(int mode, int64_t n, void *dst, const int64_t *to, const void *src,            \
                        const int64_t *from) {                                                         \
    T *d = dst;                                                                                        \
    const T *s = src;                                                                                  \
    MODES(T, to[i], from[i], add, multiply)                                                            \
  }
/* Integers wrap: the arithmetic is unsigned, at least 32 bits wide. */
#define WRAP(a) ((uint64_t)(a))
UPDATE(uint8_t, bool, a | b, a &b)
UPDATE(uint8_t, u8, WRAP(a) + WRAP(b), WRAP(a) * WRAP(b))
UPDATE(uint16_t, u16, WRAP(a) + WRAP(b), WRAP(a) * WRAP(b))
UPDATE(uint32_t, u32, WRAP(a) + WRAP(b), WRAP(a) * WRAP(b))
UPDATE(uint64_t, u64, WRAP(a) + WRAP(b), WRAP(a) * WRAP(b))
UPDATE(int8_t, i8, WRAP(a) + WRAP(b), WRAP(a) * WRAP(b))
UPDATE(int16_t, i16, WRAP(a) + WRAP(b), WRAP(a) * WRAP(b))
UPDATE(int32_t, i32, WRAP(a) + WRAP(b), WRAP(a) * WRAP(b))
UPDATE(int64_t, i64, WRAP(a) + WRAP(b), WRAP(a) * WRAP(b))
UPDATE(float, f32, a + b, a *b)
UPDATE(double, f64, a + b, a *b)

static float combine(int mode, float a, float b) {
  switch (mode) {
  case MXI_UPDATE_ADD: return a + b;
  case MXI_UPDATE_MULTIPLY: return a * b;
  case MXI_UPDATE_MAXIMUM: return MAXIMUM(float, a, b);
  case MXI_UPDATE_MINIMUM: return MINIMUM(float, a, b);
  default: return b;
  }
}

#define UPDATE_HALF(name)                                            \
  static uint16_t combine_##name(int mode, uint16_t a, uint16_t b) { \
    vf32 x = mxi_f32_from_##name((vu16h){a, b});                     \
    x[0] = combine(mode, x[0], x[1]);                                \
    return mode == MXI_UPDATE_SET ? b : mxi_##name##_from_f32(x)[0]; \
  }
UPDATE_HALF(f16)
UPDATE_HALF(bf16)

static complex_pair combine_complex(int mode, complex_pair a, complex_pair b) {
  switch (mode) {
  case MXI_UPDATE_ADD: return complex_sum(a, b);
  case MXI_UPDATE_MULTIPLY: return complex_prod(a, b);
  case MXI_UPDATE_MAXIMUM: return complex_max(a, b);
  case MXI_UPDATE_MINIMUM: return complex_min(a, b);
  default: return b;
  }
}

/* Types whose elements are combined by a function. */
#define UPDATE_BY(T, name, combine_elements)                                                           \
  static void update_##name(int mode, int64_t n, void *dst, int64_t ds, const void *src, int64_t ss) { \
    T *d = dst;                                                                                        \
    const T *s = src;                                                                                  \
    for (int64_t i = 0; i < n; i++) d[i * ds] = combine_elements(mode, d[i * ds], s[i * ss]);          \
  }                                                                                                    \
  static void at_##name(int mode, int64_t n, void *dst, const int64_t *to, const void *src,            \
                        const int64_t *from) {                                                         \
    T *d = dst;                                                                                        \
    const T *s = src;                                                                                  \
    for (int64_t i = 0; i < n; i++) d[to[i]] = combine_elements(mode, d[to[i]], s[from[i]]);           \
  }
UPDATE_BY(uint16_t, f16, combine_f16)
UPDATE_BY(uint16_t, bf16, combine_bf16)
UPDATE_BY(complex_pair, complex, combine_complex)

#define TABLE(prefix)                                                                                      \
  {                                                                                                        \
    prefix##bool, prefix##u8, prefix##u16, prefix##u32, prefix##u64, prefix##i8, prefix##i16, prefix##i32, \
        prefix##i64, prefix##f16, prefix##bf16, prefix##f32, prefix##f64, prefix##complex                  \
  }

void MXI_ISA_NAME(mxi_update_run)(mx_dtype t, int mode, int64_t n, void *dst, int64_t dst_stride,
                                  const void *src, int64_t src_stride) {
  static void (*const updates[MX_DTYPE_COUNT])(int, int64_t, void *, int64_t, const void *, int64_t) =
      TABLE(update_);
  updates[t](mode, n, dst, dst_stride, src, src_stride);
}

void MXI_ISA_NAME(mxi_update_at)(mx_dtype t, int mode, int64_t n, void *dst, const int64_t *to,
                                 const void *src, const int64_t *from) {
  static void (*const updates[MX_DTYPE_COUNT])(int, int64_t, void *, const int64_t *, const void *,
                                               const int64_t *) = TABLE(at_);
  updates[t](mode, n, dst, to, src, from);
}
