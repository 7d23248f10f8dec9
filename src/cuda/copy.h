/* Copies between layouts and dtypes; the launchers of other families use them too. */
#ifndef MXI_CUDA_COPY_H
#define MXI_CUDA_COPY_H
#include "core/array.h"
#include "core/stream.h"
#include "cuda/kernels/index.h"

struct mxi_cuda_strided {
  void *address; /* of the first element */
  mx_dtype dtype;
  const int64_t *strides; /* in elements */
};
/* to = from, cast as astype does. */
int mxi_cuda_copy_strided(mx_stream s, mx_ints shape, struct mxi_cuda_strided to,
                          struct mxi_cuda_strided from);
/* That of different dtypes (cast.c). */
int mxi_cuda_cast_strided(mx_stream s, mx_ints shape, struct mxi_cuda_strided to,
                          struct mxi_cuda_strided from);
/* One side is a slice of this shape that starts at the origin; its address is that of its array's first
   element. Equal dtypes. */
int mxi_cuda_copy_from_slice(mx_stream s, mx_ints shape, struct mxi_cuda_strided to,
                             struct mxi_cuda_strided from, const struct mxi_cuda_origin *origin);
int mxi_cuda_copy_to_slice(mx_stream s, mx_ints shape, struct mxi_cuda_strided to,
                           struct mxi_cuda_strided from, const struct mxi_cuda_origin *origin);
#endif
