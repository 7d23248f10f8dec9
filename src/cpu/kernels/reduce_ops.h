/* What reductions and scans share: their operations on two elements, and which kernel serves which dtype. */
#ifndef MXI_CPU_KERNELS_REDUCE_OPS_H
#define MXI_CPU_KERNELS_REDUCE_OPS_H
#include "mlx/dtype.h"
#include "cpu/kernels/reduce_complex.h"
#include <stdint.h>

#define SUM(a, b)  ((a) + (b))
#define PROD(a, b) ((a) * (b))
#define MIN(a, b)  ((b) < (a) ? (b) : (a))
#define MAX(a, b)  ((b) > (a) ? (b) : (a))
/* NaN, once met, stays. */
#define FMIN(a, b) ((((b) < (a)) | ((b) != (b))) ? (b) : (a))
#define FMAX(a, b) ((((b) > (a)) | ((b) != (b))) ? (b) : (a))

#define ALL_COMPLEX(x) ((complex_pair){x, x})
#define ONE_COMPLEX    ((complex_pair){1, 0})

/* KERNELS(T, name, OP, identity) of the file that includes this, for minima and maxima of integers. */
#define EXTREMES(T, name, lowest, highest) \
  KERNELS(T, min_##name, MIN, highest)     \
  KERNELS(T, max_##name, MAX, lowest)
#define INTEGER_EXTREMES                       \
  EXTREMES(uint8_t, u8, 0, UINT8_MAX)          \
  EXTREMES(uint16_t, u16, 0, UINT16_MAX)       \
  EXTREMES(uint32_t, u32, 0, UINT32_MAX)       \
  EXTREMES(uint64_t, u64, 0, UINT64_MAX)       \
  EXTREMES(int8_t, i8, INT8_MIN, INT8_MAX)     \
  EXTREMES(int16_t, i16, INT16_MIN, INT16_MAX) \
  EXTREMES(int32_t, i32, INT32_MIN, INT32_MAX) \
  EXTREMES(int64_t, i64, INT64_MIN, INT64_MAX)

/* The rows of a table by dtype, of ENTRY(name): sums and products, and what goes by order. */
#define ARITHMETIC(op)                                                                            \
  {                                                                                               \
    [MX_UINT32] = ENTRY(op##_u32), [MX_UINT64] = ENTRY(op##_u64), [MX_INT32] = ENTRY(op##_u32),   \
    [MX_INT64] = ENTRY(op##_u64), [MX_FLOAT32] = ENTRY(op##_f32), [MX_FLOAT64] = ENTRY(op##_f64), \
    [MX_COMPLEX64] = ENTRY(op##_c64)                                                              \
  }
#define ORDER(op)                                                                                    \
  {                                                                                                  \
    [MX_BOOL] = ENTRY(op##_u8), [MX_UINT8] = ENTRY(op##_u8), [MX_UINT16] = ENTRY(op##_u16),          \
    [MX_UINT32] = ENTRY(op##_u32), [MX_UINT64] = ENTRY(op##_u64), [MX_INT8] = ENTRY(op##_i8),        \
    [MX_INT16] = ENTRY(op##_i16), [MX_INT32] = ENTRY(op##_i32), [MX_INT64] = ENTRY(op##_i64),        \
    [MX_FLOAT32] = ENTRY(op##_f32), [MX_FLOAT64] = ENTRY(op##_f64), [MX_COMPLEX64] = ENTRY(op##_c64) \
  }
#endif
