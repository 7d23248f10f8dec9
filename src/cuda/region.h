/* Regions (core/region.h) in the form that kernels take. */
#ifndef MXI_CUDA_REGION_H
#define MXI_CUDA_REGION_H
#include "base/error.h"
#include "core/region.h"
#include "cuda/kernels/region.h"

/* Elements of a piece: a kernel's numbers of them are 32 bits wide. */
enum { MXI_CUDA_PIECE = INT32_MAX };

/* d in [1, 2^31). */
struct mxi_cuda_divisor mxi_cuda_divisor_of(int64_t d);
/* Of at most MXI_CUDA_PIECE elements; not the offsets of its start. */
struct mxi_cuda_region mxi_cuda_region_of(const struct mxi_region *r);
/* Does `run` for pieces of at most `most` elements that together are the region, in row-major order; offset[]
   of a piece says where it starts. Stops at the first failure. */
int mxi_cuda_pieces(const struct mxi_region *r, int64_t most,
                    int (*run)(void *ctx, const struct mxi_region *piece), void *ctx);

/* How many elements along the innermost dim can be one word of at most 16 bytes, as a logarithm; for the
   operands whose bits are set in `which`, which must be contiguous there. */
int mxi_cuda_joinable(const struct mxi_region *r, const void *const *addresses, int log_bytes,
                      unsigned which);
/* Joins them: sizes, and strides of these operands, count words. */
void mxi_cuda_join(struct mxi_region *r, int log, unsigned which);
static inline int mxi_cuda_trailing_zeros(uint64_t x) { return x ? __builtin_ctzll(x) : 63; }
#endif
