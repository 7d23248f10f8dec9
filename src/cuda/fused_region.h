/* The region that a placed program runs over. */
#ifndef MXI_CUDA_FUSED_REGION_H
#define MXI_CUDA_FUSED_REGION_H
#include "cuda/codegen.h"
#include "engine/backend.h"

/* false: it has more dims than kernels take. */
bool mxi_fused_region_of(const struct mxi_call *c, struct mxi_fused_region *r);
#endif
