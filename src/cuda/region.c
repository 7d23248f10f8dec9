#include "cuda/region.h"
#include "base/checked.h"

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
int mxi_cuda_pieces(const struct mxi_region *r, int64_t most,
                    int (*run)(void *ctx, const struct mxi_region *piece), void *ctx) {
  if (!r->size) return 0;
  if (r->size <= most) return run(ctx, r);
  int64_t length = r->shape[0], inner = r->size / length;
  int64_t steps = inner < most ? most / inner : 1;
  for (int64_t begin = 0; begin < length; begin += steps) {
    struct mxi_region piece = *r;
    piece.shape[0] = length - begin < steps ? length - begin : steps;
    piece.size = piece.shape[0] * inner;
    for (int k = 0; k < r->noperands; k++) piece.offset[k] += begin * r->strides[k][0];
    if (piece.shape[0] == 1) mxi_region_drop(&piece, 0);
    MXI_TRY(mxi_cuda_pieces(&piece, most, run, ctx));
  }
  return 0;
}

/* Of one operand, whose strides along the outer dims and whose address must be whole words. */
static int joinable_operand(const struct mxi_region *r, const int64_t *strides, const void *address,
                            int log_bytes) {
  int last = r->ndim - 1, log = mxi_cuda_trailing_zeros((uintptr_t)address) - log_bytes;
  if (strides[last] != 1) return 0;
  for (int i = 0; i < last; i++) log = (int)mxi_min(log, mxi_cuda_trailing_zeros((uint64_t)strides[i]));
  return log;
}

int mxi_cuda_joinable(const struct mxi_region *r, const void *const *addresses, int log_bytes,
                      unsigned which) {
  if (!r->ndim) return 0;
  int64_t log = mxi_min(4 - log_bytes, mxi_cuda_trailing_zeros((uint64_t)r->shape[r->ndim - 1]));
  for (int k = 0; k < r->noperands; k++)
    if (which >> k & 1) log = mxi_min(log, joinable_operand(r, r->strides[k], addresses[k], log_bytes));
  return (int)mxi_max(log, 0);
}

void mxi_cuda_join(struct mxi_region *r, int log, unsigned which) {
  int last = r->ndim - 1;
  r->shape[last] >>= log;
  r->size >>= log;
  for (int k = 0; k < r->noperands; k++)
    for (int i = 0; i < last && which >> k & 1; i++) r->strides[k][i] >>= log;
  if (r->shape[last] == 1) mxi_region_drop(r, last);
}
