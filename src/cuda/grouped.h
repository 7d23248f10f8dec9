/* Products with chosen matrices, grouped by the matrix on the right: each is read once for all the rows of a
   tile that meet it. */
#ifndef MXI_CUDA_GROUPED_H
#define MXI_CUDA_GROUPED_H
#include "cuda/choice.h"
#include "cuda/gemm.h"
#include "cuda/quantized.h"

/* g: the first product; from one matrix to the next are a.batch and b.batch elements. a and d are row-major,
   and so are their batches. */
int mxi_cuda_grouped_dense(const struct mxi_call *c, const struct mxi_cuda_chosen *chosen,
                           const struct mxi_cuda_gemm *g);
/* The same of quantised matrices, where the kernels suit. */
bool mxi_cuda_grouped_suits(const struct mxi_cuda_quantized_operands *o);
int mxi_cuda_grouped_quantized(const struct mxi_call *c, const struct mxi_cuda_chosen *chosen,
                               const struct mxi_cuda_quantized_operands *o);
#endif
