#include "cuda/context.h"
#include "cuda/cuda.h"
#include "cuda/fused.h"
#include "cuda/memory.h"
#include "cuda/transfer.h"

static int (*const functions[MXI_PRIM_COUNT])(struct mxi_call *) = {
#define MX_CUDA_PRIM(ID)      [MXI_##ID] = mxi_cuda_##ID,
#define MX_CUDA_PRIM_SOME(ID) MX_CUDA_PRIM(ID)
#include "cuda/prims.def"
#undef MX_CUDA_PRIM
#undef MX_CUDA_PRIM_SOME
};
/* NULL: whatever it is given. */
static bool (*const conditions[MXI_PRIM_COUNT])(const struct mxi_call *) = {
#define MX_CUDA_PRIM(ID)
#define MX_CUDA_PRIM_SOME(ID) [MXI_##ID] = mxi_cuda_can_##ID,
#include "cuda/prims.def"
#undef MX_CUDA_PRIM
#undef MX_CUDA_PRIM_SOME
};

static bool supports(const struct mxi_call *c) {
  if (!c->prim) return true;
  return functions[c->prim->id] && (!conditions[c->prim->id] || conditions[c->prim->id](c));
}

static int launch(struct mxi_call *c) {
  if (mxi_cuda_enter() < 0) return mxi_untouched(c);
  return c->prim ? functions[c->prim->id](c) : mxi_cuda_run_program(c);
}

static const struct mxi_backend backend = {
    .limits = {.inputs = MXI_CUDA_MAX_INPUTS,
               .outputs = MXI_CUDA_MAX_OUTPUTS,
               .operands = MXI_CUDA_MAX_OPERANDS,
               .instructions = MXI_CUDA_MAX_INSTRUCTIONS,
               .registers = MXI_CUDA_MAX_REGISTERS},
    .prepared_bytes = mxi_cuda_prepared_bytes,
    .prepare = mxi_cuda_prepare,
    .forget = mxi_cuda_forget_program,
    .supports = supports,
    .launch = launch,
    .allocate = mxi_cuda_allocate,
    .upload = mxi_cuda_upload,
    .download = mxi_cuda_download,
    .submitted = mxi_cuda_submitted,
    .wait_for = mxi_cuda_wait_for,
    .await = mxi_cuda_await,
    .mark = mxi_cuda_mark_stream,
    .memory = mxi_cuda_memory,
    .set_memory = mxi_cuda_set_memory,
    .trim = mxi_cuda_trim,
    .describe = mxi_cuda_describe,
};

const struct mxi_backend *mxi_cuda_backend(void) {
  return mxi_cuda_available() && mxi_cuda_has_kernels() ? &backend : NULL;
}
