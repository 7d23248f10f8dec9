/* Convolutions (strictly, cross-correlations, as deep learning has it), with channels last.

   Input (N, L..., C), weight (O, K..., C / groups), result (N, M..., O), with one to three spatial axes. */
#ifndef MLX_CONV_H
#define MLX_CONV_H
#include "mlx/array.h"
MX_BEGIN
enum { MX_CONV_AXES = 3 }; /* most spatial axes; options for axes an input lacks must be left 0 */

/* Strides, dilations and groups of 0 stand for 1, so that options left out do nothing. */
typedef struct mx_conv_opts {
  int64_t stride[MX_CONV_AXES];
  int64_t padding_low[MX_CONV_AXES], padding_high[MX_CONV_AXES]; /* zeros around the input; negative crops */
  int64_t kernel_dilation[MX_CONV_AXES];                         /* distance of the weight's taps */
  int64_t input_dilation[MX_CONV_AXES]; /* distance of the input's elements, zeros between them */
  int64_t groups; /* channels and outputs in as many blocks, each block of outputs on its own channels */
  bool flip;      /* the weight reversed along its spatial axes */
} mx_conv_opts;
/* Along an axis: y[m] = sum over k and channels of x'[m stride + k kernel_dilation] w[k], where x' is x
   dilated, then padded. M = (L' - (K - 1) kernel_dilation - 1) / stride + 1, rounded down. */
MX_API mx_array mx_conv(mx_array x, mx_array w, mx_conv_opts opts);

typedef struct mx_conv_transpose_opts {
  int64_t stride[MX_CONV_AXES];
  int64_t padding[MX_CONV_AXES];
  int64_t dilation[MX_CONV_AXES];
  int64_t output_padding[MX_CONV_AXES]; /* more elements at the end */
  int64_t groups;
} mx_conv_transpose_opts;
/* The gradient of a convolution of these options with respect to its input: x (N, M..., C), w (O, K..., C /
   groups), result (N, L..., O), L = (M - 1) stride - 2 padding + (K - 1) dilation + 1 + output_padding. */
MX_API mx_array mx_conv_transpose(mx_array x, mx_array w, mx_conv_transpose_opts opts);

typedef enum mx_convolve_mode { MX_CONVOLVE_FULL, MX_CONVOLVE_SAME, MX_CONVOLVE_VALID } mx_convolve_mode;
/* The convolution of two vectors, as in NumPy. */
MX_API mx_array mx_convolve(mx_array a, mx_array v, mx_convolve_mode mode);
MX_END
#endif
