/* Single elements that travel by value, put where kernels can read them. */
#ifndef MXI_CUDA_CONSTANTS_H
#define MXI_CUDA_CONSTANTS_H
#include "core/stream.h"
#include <stdint.h>

/* A device address of these bits, at least until a thousand other constants were asked for on s; for launches
   on s, by the thread whose turn it is there. NULL with the error set. */
const void *mxi_cuda_constant(mx_stream s, uint64_t bits);
#endif
