/* Sums, products, minima and maxima: reduce_runs_OP_DTYPE and reduce_columns_OP_DTYPE where memory can be
   read in whole vectors, reduce_any_... elsewhere; and for sums and products of narrow dtypes the second pass
   over accumulators, ..._passed_DTYPE. */
#include "cuda/kernels/reduce.cuh"
#include "cuda/kernels/reduction.cuh"

#define REDUCE(NAME, O, FROM, TO, PARTIAL)                                            \
  MXI_KERNEL(reduce_runs_##NAME, mxi_cuda_reduce_runs, MXI_CUDA_REDUCE_BLOCK) {       \
    mxi_reduce_runs<mxi_reduce_by<O, FROM, TO, PARTIAL>, true>(p);                    \
  }                                                                                   \
  MXI_KERNEL(reduce_columns_##NAME, mxi_cuda_reduce_columns, MXI_CUDA_REDUCE_BLOCK) { \
    mxi_reduce_columns<mxi_reduce_by<O, FROM, TO, PARTIAL>, true>(p);                 \
  }
#define REDUCE_ANY(NAME, O, T, PARTIAL)                                                   \
  REDUCE(NAME, O, T, T, PARTIAL)                                                          \
  MXI_KERNEL(reduce_any_runs_##NAME, mxi_cuda_reduce_runs, MXI_CUDA_REDUCE_BLOCK) {       \
    mxi_reduce_runs<mxi_reduce_by<O, T, T, PARTIAL>, false>(p);                           \
  }                                                                                       \
  MXI_KERNEL(reduce_any_columns_##NAME, mxi_cuda_reduce_columns, MXI_CUDA_REDUCE_BLOCK) { \
    mxi_reduce_columns<mxi_reduce_by<O, T, T, PARTIAL>, false>(p);                        \
  }
/* A dtype whose values between passes are of its own, and one that has wider ones. */
#define REDUCE_SAME(NAME, O, T) REDUCE_ANY(NAME, O, T, T)
#define REDUCE_WIDE(op, dtype, O, T, WIDE) \
  REDUCE_ANY(op##_##dtype, O, T, WIDE)     \
  REDUCE(op##_passed_##dtype, O, WIDE, T, WIDE)

#define ARITHMETIC(op, O)                        \
  REDUCE_WIDE(op, uint8, O, uint8_t, uint32_t)   \
  REDUCE_WIDE(op, uint16, O, uint16_t, uint32_t) \
  REDUCE_WIDE(op, float16, O, mxi_f16, float)    \
  REDUCE_WIDE(op, bfloat16, O, mxi_bf16, float)  \
  REDUCE_SAME(op##_uint32, O, uint32_t)          \
  REDUCE_SAME(op##_uint64, O, uint64_t)          \
  REDUCE_SAME(op##_float32, O, float)            \
  REDUCE_SAME(op##_float64, O, double)           \
  REDUCE_SAME(op##_complex64, O, mxi_c64)
#define ORDER(op, O)                      \
  REDUCE_SAME(op##_uint8, O, uint8_t)     \
  REDUCE_SAME(op##_uint16, O, uint16_t)   \
  REDUCE_SAME(op##_uint32, O, uint32_t)   \
  REDUCE_SAME(op##_uint64, O, uint64_t)   \
  REDUCE_SAME(op##_int8, O, int8_t)       \
  REDUCE_SAME(op##_int16, O, int16_t)     \
  REDUCE_SAME(op##_int32, O, int32_t)     \
  REDUCE_SAME(op##_int64, O, int64_t)     \
  REDUCE_SAME(op##_float16, O, mxi_f16)   \
  REDUCE_SAME(op##_bfloat16, O, mxi_bf16) \
  REDUCE_SAME(op##_float32, O, float)     \
  REDUCE_SAME(op##_float64, O, double)    \
  REDUCE_SAME(op##_complex64, O, mxi_c64)

ARITHMETIC(sum, mxi_sum)
ARITHMETIC(product, mxi_product)
ORDER(min, mxi_least)
ORDER(max, mxi_greatest)
