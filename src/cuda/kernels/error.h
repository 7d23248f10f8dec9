/* What a kernel found in its user's indices. The first that is out of bounds is noted, and read by the host
   when it next waits for the stream. */
#ifndef MXI_CUDA_KERNELS_ERROR_H
#define MXI_CUDA_KERNELS_ERROR_H
#include "cuda/kernels/plain.h"

enum mxi_cuda_error_op { /* whose words are in stream.c */
                         MXI_CUDA_ERROR_NONE,
                         MXI_CUDA_ERROR_GATHER,
                         MXI_CUDA_ERROR_TAKE_ALONG_AXIS,
                         MXI_CUDA_ERROR_PUT_ALONG_AXIS,
                         MXI_CUDA_ERROR_SCATTER,
                         MXI_CUDA_ERROR_GATHER_MM,
                         MXI_CUDA_ERROR_GATHER_QMM,
                         MXI_CUDA_ERROR_OPS
};
enum { MXI_CUDA_ERROR_UNSIGNED = 0x100 }; /* added to the op: the index is a uint64 */
struct mxi_cuda_error {
  uint32_t op;    /* set last; 0: nothing was found */
  uint32_t taken; /* by the thread that writes it */
  int64_t index, bound, axis;
};
#endif
