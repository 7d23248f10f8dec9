/* Convolutions of up to three spatial axes (leading ones of size 1), channels last. */
#ifndef MXI_CUDA_KERNELS_CONV_H
#define MXI_CUDA_KERNELS_CONV_H
#include "cuda/kernels/plain.h"

enum { MXI_CUDA_CONV_AXES = 3 };

/* Output o of an axis meets, at tap t, the element at o stride + t kernel_dilation - low of the input with
   input_dilation - 1 zeros between its elements. */
struct mxi_cuda_window {
  int32_t in[MXI_CUDA_CONV_AXES], out[MXI_CUDA_CONV_AXES], taps[MXI_CUDA_CONV_AXES];
  int32_t stride[MXI_CUDA_CONV_AXES], low[MXI_CUDA_CONV_AXES];
  int32_t kernel_dilation[MXI_CUDA_CONV_AXES], input_dilation[MXI_CUDA_CONV_AXES];
  int32_t flip;             /* the taps are those of the weight in reverse */
  int32_t pixels, all_taps; /* products of out, of taps */
};

/* The windows of some output pixels as rows of a matrix of each group, (groups, rows, taps, channels). Words
   of 1 to 16 bytes: an element, or several channels. */
struct mxi_cuda_unfold {
  struct mxi_cuda_window window;
  const void *x; /* of the first image that is met */
  void *columns;
  int64_t x_batch, x_axis[MXI_CUDA_CONV_AXES], x_channel; /* strides in words */
  uint32_t groups, channels;                              /* words of one group */
  uint32_t rows, first;                                   /* first: the pixel of row 0 in its image */
};

/* One channel a group: y (batch, out..., groups, multiplier), w (groups, multiplier, taps...), row-major. */
struct mxi_cuda_depthwise {
  struct mxi_cuda_window window;
  const void *x, *w;
  void *y;
  int64_t x_batch, x_axis[MXI_CUDA_CONV_AXES], x_channel; /* strides in elements */
  int64_t batch;
  uint32_t groups, multiplier;
};
#endif
