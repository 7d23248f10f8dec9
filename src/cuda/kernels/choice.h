/* Which matrices the products of a launch take: gather_mm and gather_qmm. */
#ifndef MXI_CUDA_KERNELS_CHOICE_H
#define MXI_CUDA_KERNELS_CHOICE_H
#include "cuda/kernels/error.h"
#include "cuda/kernels/region.h"

enum { MXI_CUDA_CHOICE_NDIM = 4, MXI_CUDA_CHOICE_SIDES = 2 /* left, right */ };
/* On one side: the numbers of its matrices are elements of `indices`, or (NULL) their own offsets. */
struct mxi_cuda_chosen_side {
  const void *indices;
  int64_t matrices; /* that there are */
  int64_t strides[MXI_CUDA_CHOICE_NDIM];
  int32_t dtype;
};
struct mxi_cuda_choice {
  int32_t chosen; /* 0: product i takes matrix i on both sides */
  int32_t ndim;
  uint32_t first;                                      /* the place of product 0 */
  struct mxi_cuda_divisor shape[MXI_CUDA_CHOICE_NDIM]; /* of the places; the first is not divided by */
  struct mxi_cuda_chosen_side side[MXI_CUDA_CHOICE_SIDES];
  uint32_t op; /* a mxi_cuda_error_op */
  struct mxi_cuda_error *error;
};
#endif
