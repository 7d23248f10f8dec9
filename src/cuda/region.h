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
/* Does `run` for pieces of the region that together are all of it, and small enough; offset[] of a piece says
   where it starts. Stops at the first failure. */
int mxi_cuda_pieces(const struct mxi_region *r, int (*run)(void *ctx, const struct mxi_region *piece),
                    void *ctx);
#endif
