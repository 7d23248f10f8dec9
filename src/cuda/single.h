/* Programs of one instruction that have a kernel each; see kernels/single.h. */
#ifndef MXI_CUDA_SINGLE_H
#define MXI_CUDA_SINGLE_H
#include "engine/iteration.h"

/* Launches it if it is one: true, with the outcome. */
bool mxi_cuda_run_single(const struct mxi_call *c, const struct mxi_iteration *region, int *outcome);
#endif
