/* Programs of elementwise instructions on the device. */
#ifndef MXI_CUDA_FUSED_H
#define MXI_CUDA_FUSED_H
#include "engine/program.h"
#include <stddef.h>

/* A program's parameters must fit in those of a launch, and its registers in a block's shared memory. */
enum {
  MXI_CUDA_MAX_INPUTS = 16,
  MXI_CUDA_MAX_OUTPUTS = 8,
  MXI_CUDA_MAX_OPERANDS = 20,
  MXI_CUDA_MAX_INSTRUCTIONS = 64,
  MXI_CUDA_MAX_REGISTERS = 32
};
size_t mxi_cuda_prepared_bytes(int ninstructions);
void mxi_cuda_prepare(const struct mxi_program *program, void *prepared);
void mxi_cuda_forget_program(void *prepared);
#endif
