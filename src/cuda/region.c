#include "cuda/region.h"

struct mxi_cuda_divisor mxi_cuda_divisor_of(int64_t d) {
  uint32_t shift = 0;
  while (((int64_t)1 << shift) < d) shift++;
  uint64_t above = ((uint64_t)1 << shift) - (uint64_t)d;
  return (struct mxi_cuda_divisor){(uint32_t)d, (uint32_t)((above << 32) / (uint64_t)d + 1), shift};
}

struct mxi_cuda_region mxi_cuda_region_of(const struct mxi_region *r) {
  struct mxi_cuda_region of = {.size = (uint32_t)r->size, .ndim = r->ndim};
  int noperands = r->noperands < MXI_CUDA_REGION_OPERANDS ? r->noperands : MXI_CUDA_REGION_OPERANDS;
  for (int i = 0; i < r->ndim; i++) {
    of.shape[i] = mxi_cuda_divisor_of(r->shape[i]);
    for (int k = 0; k < noperands; k++) of.strides[k][i] = r->strides[k][i];
  }
  return of;
}

/* As many steps of the first dim as fit make a piece, or parts of one step. */
int mxi_cuda_pieces(const struct mxi_region *r, int (*run)(void *ctx, const struct mxi_region *piece),
                    void *ctx) {
  if (!r->size) return 0;
  if (r->size <= MXI_CUDA_PIECE) return run(ctx, r);
  int64_t length = r->shape[0], inner = r->size / length;
  int64_t steps = inner < MXI_CUDA_PIECE ? MXI_CUDA_PIECE / inner : 1;
  for (int64_t begin = 0; begin < length; begin += steps) {
    struct mxi_region piece = *r;
    piece.shape[0] = length - begin < steps ? length - begin : steps;
    piece.size = piece.shape[0] * inner;
    for (int k = 0; k < r->noperands; k++) piece.offset[k] += begin * r->strides[k][0];
    if (piece.shape[0] == 1) mxi_region_drop(&piece, 0);
    MXI_TRY(mxi_cuda_pieces(&piece, run, ctx));
  }
  return 0;
}
