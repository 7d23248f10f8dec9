/* Quantised matrices in device memory: the conversion to floats, and products. How they are stored:
   core/quant.def. */
#ifndef MXI_CUDA_QUANTIZED_H
#define MXI_CUDA_QUANTIZED_H
#include "core/quant.h"
#include "cuda/kernel.h"
#include "cuda/kernels/choice.h"

/* A matrix (rows, cols), row-major. */
struct mxi_cuda_quantized {
  const uint32_t *packed;      /* (rows, cols * bits / 32) */
  const void *scales, *biases; /* (rows, cols / group_size); biases NULL where the mode has none */
  enum mxi_quant_format format;
  int group_size;
  int64_t rows, cols;
};
/* A batch of products y (m, n) = x (m, k) W^T, or x W. Scales and biases that are floats have the dtype of x
   and y: float32, float16 or bfloat16. The matrices of the batch lie `.._step` elements apart, words or
   groups for W. */
struct mxi_cuda_quantized_operands {
  mx_dtype dtype;
  struct mxi_cuda_quantized w;
  const void *x;
  void *y;
  int64_t m;
  int64_t batch, x_step, packed_step, scales_step, y_step;
  bool transpose;
  const struct mxi_cuda_choice *choice; /* matrices of each product; NULL: its number */
};
int mxi_cuda_quantized_multiply(mx_stream s, const struct mxi_cuda_quantized_operands *o);
/* The same by tensor cores, where they suit. */
bool mxi_cuda_quantized_tensor_suits(const struct mxi_cuda_quantized_operands *o);
int mxi_cuda_quantized_tensor_multiply(mx_stream s, const struct mxi_cuda_quantized_operands *o);
/* out (rows, cols) of dtype t, that of scales which are floats; aligned to 16 bytes. A weight is rounded
   once, or its product with the scale is first. */
int mxi_cuda_dequantize(mx_stream s, const struct mxi_cuda_quantized *w, void *out, mx_dtype t,
                        bool rounded_once);
#endif
