/* Arrays of indices: positions in them lead to offsets in a target. */
#ifndef MXI_CUDA_KERNELS_INDEX_H
#define MXI_CUDA_KERNELS_INDEX_H
#include "cuda/kernels/error.h"
#include "cuda/kernels/region.h"

enum { MXI_CUDA_INDEX_ARRAYS = 3 /* of one launch */ };
struct mxi_cuda_indices {
  int32_t dtype, count; /* one dtype for all of them */
  uint32_t op;          /* a mxi_cuda_error_op */
  struct mxi_cuda_error *error;
  struct {
    const void *address;
    int64_t bound;  /* of the axis */
    int64_t limit;  /* less than that where slices are longer than one element of it */
    int64_t stride; /* of the target */
    int64_t axis;
  } of[MXI_CUDA_INDEX_ARRAYS];
};

/* The start of a slice, whose coordinates are elements of a vector: they are clamped to [0, limit]. */
struct mxi_cuda_origin {
  const void *start; /* elements are `step` apart */
  int64_t step;
  int32_t dtype, naxes;
  int64_t limit[MXI_CUDA_REGION_NDIM], stride[MXI_CUDA_REGION_NDIM];
};
#endif
