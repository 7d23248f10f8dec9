/* Operations of both element types under one kind of name, for kernels written once for float and double. */
#ifndef MXI_CPU_KERNELS_LINALG_PARTS_H
#define MXI_CPU_KERNELS_LINALG_PARTS_H
#include "cpu/kernels/multiply_add.h"
#include "cpu/simd.h"
#include <math.h>

MXI_INLINE vi32 mxi_load_index_f32(const int32_t *p) { return mxi_load_i32(p); }
MXI_INLINE vi64 mxi_load_index_f64(const int64_t *p) { return mxi_load_i64(p); }
MXI_INLINE vf32 magnitude_f32(vf32 x) { return (vf32)((vi32)x & 0x7fffffff); }
MXI_INLINE vf64 magnitude_f64(vf64 x) { return (vf64)((vi64)x & INT64_MAX); }
MXI_INLINE vf64 mxi_max_f64(vf64 a, vf64 b) { return mxi_blend_f64(a > b, a, b); }
MXI_INLINE float size_f32(float x) { return fabsf(x); }
MXI_INLINE double size_f64(double x) { return fabs(x); }
MXI_INLINE float root_f32(float x) { return sqrtf(x); }
MXI_INLINE double root_f64(double x) { return sqrt(x); }
#endif
