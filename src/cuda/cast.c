/* Copies that cast, between any layouts. */
#include "cuda/copy.h"
#include "cuda/kernel.h"
#include "cuda/kernels/copy.h"
#include "cuda/region.h"

enum { TO, FROM };

static struct mxi_cuda_kernel cast_kernels[] = {MXI_CUDA_ALL(cast, cast)};

struct strided_cast {
  mx_stream stream;
  struct mxi_cuda_strided to, from;
};

static int cast_piece(void *ctx, const struct mxi_region *piece) {
  const struct strided_cast *j = ctx;
  struct mxi_cuda_cast p = {
      .copy = {.to = (char *)j->to.address + piece->offset[TO] * (int64_t)mx_dtype_size(j->to.dtype),
               .from = (char *)j->from.address + piece->offset[FROM] * (int64_t)mx_dtype_size(j->from.dtype),
               .region = mxi_cuda_region_of(piece)},
      .dtype = (int32_t)j->to.dtype};
  struct mxi_cuda_grid grid = {.x = mxi_cuda_blocks(piece->size, MXI_CUDA_COPY_THREADS * MXI_CUDA_COPY_EACH),
                               .threads = MXI_CUDA_COPY_THREADS};
  return mxi_cuda_launch(j->stream, &cast_kernels[j->from.dtype], grid, &p, sizeof p);
}

int mxi_cuda_cast_strided(mx_stream s, mx_ints shape, struct mxi_cuda_strided to,
                          struct mxi_cuda_strided from) {
  struct strided_cast j = {s, to, from};
  struct mxi_region region;
  const int64_t *strides[] = {to.strides, from.strides};
  mxi_region_init(&region, shape.n, shape.v, 2, strides);
  if (!region.size) return 0;
  mxi_region_sort(&region);
  return mxi_cuda_pieces(&region, MXI_CUDA_PIECE, cast_piece, &j);
}
