/* Who computes an attention: attention.c chooses. */
#ifndef MXI_CUDA_ATTENTION_H
#define MXI_CUDA_ATTENTION_H
#include "core/array.h"
#include "core/stream.h"
#include "cuda/kernels/attention.h"

/* Can a row of an operand be read in vectors of 16 bytes, element size 2? */
static inline bool mxi_attention_in_vectors(const void *address, const int64_t strides[3]) {
  return (size_t)address % 16 == 0 && strides[0] % 8 == 0 && strides[1] % 8 == 0 && strides[2] % 8 == 0;
}

/* cudnn_attention.c. False: cuDNN isn't there, or not for this, and nothing was submitted. */
bool mxi_cuda_cudnn_attention(mx_stream s, const struct mxi_cuda_attention *a, int64_t batch, mx_dtype t);
#endif
