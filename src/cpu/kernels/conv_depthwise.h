/* The depthwise convolution's kernel: y[pixel][channel] = sum over taps of x[pixel + tap][channel]
   w[tap][channel], vectors over channels, several pixels at a time so that a tap's weights are loaded once
   for all. */
#ifndef MXI_CPU_KERNELS_CONV_DEPTHWISE_H
#define MXI_CPU_KERNELS_CONV_DEPTHWISE_H
#include "mlx/dtype.h"
#include "cpu/isa.h"
#include <stdint.h>

/* The taps that meet the input along an axis, for one place of the output: `count` of them from `tap`, with
   the elements of the input under them. */
struct mxi_window {
  int64_t tap, tap_step, in, in_step, count;
};

struct mxi_depthwise {
  mx_dtype dtype;
  int64_t channels;
  int64_t x_axis[3]; /* strides of the image, in elements; channels are contiguous */
  int64_t w_axis[3]; /* of the taps */
  int64_t stride;    /* elements of the image between neighbouring output pixels */
  const void *w;     /* (taps, channels) as float32, float64 for float64 */
};

/* `pixels` neighbours, whose windows along the last axis follow one another: `last` is the first one's. */
MXI_DECLARE_KERNEL(void, mxi_depthwise_pixels,
                   (const struct mxi_depthwise *d, const void *image, const struct mxi_window window[3],
                    int64_t pixels, void *y));
#endif
