/* Programs on the device without a kernel of their own; see kernels/interpreter.h. */
#ifndef MXI_CUDA_INTERPRETER_H
#define MXI_CUDA_INTERPRETER_H
#include "engine/backend.h"

/* A placed program, with the reduction it may end in. */
int mxi_cuda_interpret(struct mxi_call *c);
#endif
