/* Kernels of the user's are code for a GPU: a device that isn't one comes here. */
#include "core/kernel_code.h"
#include "cpu/cpu.h"

int mxi_cpu_CUSTOM_KERNEL(struct mxi_call *c) {
  const struct mxi_kernel_code *k = (const struct mxi_kernel_code *)MXI_CALL_PARAMS(CUSTOM_KERNEL, c)->code;
  return mxi_fail(MX_DEVICE_ERROR, "[%s] expected an NVIDIA GPU, got another device", k->op);
}
