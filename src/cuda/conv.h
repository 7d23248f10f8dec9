/* A convolution in device memory, as conv.c describes it to who computes it. */
#ifndef MXI_CUDA_CONV_H
#define MXI_CUDA_CONV_H
#include "core/array.h"
#include "core/stream.h"
#include "cuda/kernels/conv.h"
#include <stdbool.h>

struct mxi_cuda_conv {
  mx_dtype dtype;
  int64_t batch, groups, channels, outputs; /* channels and outputs of one group */
  int32_t high[MXI_CUDA_CONV_AXES];         /* padding; the lower one is the window's */
  struct mxi_cuda_window window;
  const void *x; /* elements anywhere: strides in elements */
  int64_t x_batch, x_axis[MXI_CUDA_CONV_AXES], x_channel;
  const void *w; /* (groups, outputs, taps..., channels), row-major */
  void *y;       /* (batch, out..., groups, outputs), row-major */
};

/* cudnn_conv.c. served: the library is there, has an engine for it, and computes it. */
int mxi_cuda_cudnn_run(mx_stream s, const struct mxi_cuda_conv *c, bool *served);
#endif
