/* Rows of n elements that threads hold in registers while they work on them: softmax, logsumexp, rms_norm and
   layer_norm. A team of threads has a row: thread t holds vectors t, t + team, ... of 16 bytes, `each` of
   them at most. Up to 32 threads are lanes of a warp, and then a block has BLOCK threads; more are a block.

   vectors of a row   threads             each
   up to 32           a power of two      1
   up to 128          32                  4
   up to 4096         64 .. 1024          4
   up to 8192         1024                8
   more               (long rows)                     */
#ifndef MXI_CUDA_KERNELS_ROWS_H
#define MXI_CUDA_KERNELS_ROWS_H
#include "cuda/kernels/plain.h"

enum { MXI_CUDA_ROWS_BLOCK = 128, MXI_CUDA_ROWS_MOST = 8192 /* vectors of a row in registers */ };

struct mxi_cuda_rows {
  const void *x;
  void *out; /* rows of n one after another; may be x */
  int64_t rows, n;
  int64_t step;    /* elements from a row of x to the next */
  int32_t team;    /* threads of a row, a power of two */
  int32_t vectors; /* are x's and out's rows aligned to 16 bytes? */
};

/* softmax and logsumexp, whose result is one element a row. */
struct mxi_cuda_softmax {
  struct mxi_cuda_rows at;
  /* Long rows: chunks, a block each, whose partials (row, chunk) are a maximum and a sum of exponentials. */
  void *partials;
  int64_t chunks;
};
enum { MXI_CUDA_SOFTMAX_LONG_BLOCK = 256, MXI_CUDA_SOFTMAX_LONG_EACH = 8 /* vectors of a thread */ };

/* rms_norm and layer_norm; weight and bias have x's dtype and n elements, or are NULL. */
struct mxi_cuda_norm {
  struct mxi_cuda_rows at;
  const void *weight, *bias;
  double eps;
  int32_t centered;   /* layer_norm */
  int32_t parameters; /* are weight and bias aligned to 16 bytes? */
};
#endif
