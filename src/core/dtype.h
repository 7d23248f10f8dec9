#ifndef MXI_CORE_DTYPE_H
#define MXI_CORE_DTYPE_H
#include "mlx/types.h"
#include <complex.h>

typedef float _Complex mxi_complex64;

static inline bool mxi_is_float(mx_dtype t) { return t >= MX_FLOAT16 && t <= MX_FLOAT64; }
static inline bool mxi_is_half(mx_dtype t) { return t == MX_FLOAT16 || t == MX_BFLOAT16; }
static inline bool mxi_is_inexact(mx_dtype t) { return t >= MX_FLOAT16; }
static inline bool mxi_is_integer(mx_dtype t) { return t >= MX_UINT8 && t <= MX_INT64; }
static inline bool mxi_is_unsigned(mx_dtype t) { return t >= MX_UINT8 && t <= MX_UINT64; }
/* Floats stay, everything else becomes float32. complex64 stays too. */
static inline mx_dtype mxi_at_least_float(mx_dtype t) { return mxi_is_inexact(t) ? t : MX_FLOAT32; }

/* bfloat16 and float16 of one value, for scalars; kernels use simd.h. */
float mxi_float_from_bf16(uint16_t h);
float mxi_float_from_f16(uint16_t h);
uint16_t mxi_bf16_from_float(float x);
uint16_t mxi_f16_from_float(float x);
/* Writes value (re + im*i) as one element of dtype t, converted as astype does. */
void mxi_scalar_store(void *element, mx_dtype t, double re, double im);
/* One element of dtype f as one of dtype t, as astype makes it. */
void mxi_scalar_cast(void *to, mx_dtype t, const void *from, mx_dtype f);
/* Reads one element; *im may be NULL. 64-bit integers beyond 2^53 lose digits: use mxi_scalar_load_int. */
double mxi_scalar_load(const void *element, mx_dtype t, double *im);
int64_t mxi_scalar_load_int(const void *element, mx_dtype t);
/* to[i] = from[i] != 0: bytes from outside as bools, which are 0 or 1. `to` may be `from`. */
void mxi_normalise_bools(uint8_t *to, const uint8_t *from, int64_t n);
#endif
