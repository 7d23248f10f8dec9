/* A convolution as its kernels take it: three spatial axes (leading ones of size 1), no flip. */
#ifndef MXI_CPU_CONV_H
#define MXI_CPU_CONV_H
#include "core/dtype.h"
#include <stdbool.h>

enum { MXI_CONV_AXES = 3 };

struct mxi_conv {
  mx_dtype dtype;
  int64_t batch, groups, channels, outputs; /* channels and outputs of one group */
  int64_t in[MXI_CONV_AXES], out[MXI_CONV_AXES], taps[MXI_CONV_AXES];
  int64_t stride[MXI_CONV_AXES], low[MXI_CONV_AXES]; /* low: padding */
  int64_t kernel_dilation[MXI_CONV_AXES], input_dilation[MXI_CONV_AXES];
  const char *x; /* elements anywhere: strides in elements */
  int64_t x_batch, x_axis[MXI_CONV_AXES], x_channel;
  const char *w; /* (groups, outputs, taps..., channels), row-major */
  char *y;       /* (batch, out..., groups, outputs), row-major */
};

/* One group a channel, of one output; x_channel is 1. Runs on the pool. 0, or -1 with the error set. */
int mxi_conv_depthwise(const struct mxi_conv *c);
/* Without unfolding: float32, enough outputs and pixels, a window of moderate size. */
bool mxi_conv_is_direct(const struct mxi_conv *c);
int mxi_conv_direct(const struct mxi_conv *c);
/* As a matrix product of the unfolded input: any. */
int mxi_conv_im2col(const struct mxi_conv *c);
#endif
