/* Programs that end in a reduction, by kernels of their own. */
#ifndef MXI_CUDA_FUSED_REDUCTION_H
#define MXI_CUDA_FUSED_REDUCTION_H
#include "cuda/compiled.h"
#include "engine/backend.h"

/* Runs the placed program with its reduction if it has such a kernel: true, with the result. Its bits are
   those of storing the values and reducing them. */
bool mxi_cuda_run_reduction(const struct mxi_call *c, struct mxi_compiled *compiled, int *result);
#endif
