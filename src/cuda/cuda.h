/* The CUDA backend: one function a primitive, as in cpu/cpu.h. */
#ifndef MXI_CUDA_CUDA_H
#define MXI_CUDA_CUDA_H
#include "base/error.h"
#include "cuda/kernel.h"
#include "engine/backend.h"

#define MX_CUDA_PRIM(ID)      int mxi_cuda_##ID(struct mxi_call *c);
#define MX_CUDA_PRIM_SOME(ID) MX_CUDA_PRIM(ID) bool mxi_cuda_can_##ID(const struct mxi_call *c);
#include "cuda/prims.def"
#undef MX_CUDA_PRIM
#undef MX_CUDA_PRIM_SOME
int mxi_cuda_run_program(struct mxi_call *c);

/* NULL where there is no device. */
const struct mxi_backend *mxi_cuda_backend(void);
#endif
