/* Reductions of arrays in device memory, for launchers of programs that end in one. */
#ifndef MXI_CUDA_REDUCE_H
#define MXI_CUDA_REDUCE_H
#include "core/reduce.h"
#include "cuda/copy.h"
#include "cuda/reduce_plan.h"

/* to, row-major, = from, of this shape, reduced along sorted axes, which `to` keeps with size 1. Both have
   one dtype. */
int mxi_cuda_reduce(mx_stream s, enum mxi_reduce_op op, mx_ints axes, mx_ints shape,
                    struct mxi_cuda_strided to, struct mxi_cuda_strided from);
/* What a reduction of values of a dtype comes to: any op there is to SUM .. MAX, the dtypes of its elements
   and of values between passes. */
struct mxi_cuda_reduction {
  enum mxi_reduce_op op;
  mx_dtype values, partial;
  struct mxi_cuda_reduce_kernels kernels;
};
struct mxi_cuda_reduction mxi_cuda_reduction_of(enum mxi_reduce_op op, mx_dtype t, bool empty);
#endif
