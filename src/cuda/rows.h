/* What launchers of row kernels share (kernels/rows.h). */
#ifndef MXI_CUDA_ROWS_H
#define MXI_CUDA_ROWS_H
#include "cuda/call.h"
#include "cuda/kernels/rows.h"

/* An operation's kernels of a dtype, by vectors that a thread has in registers. */
struct mxi_cuda_row_kernels {
  struct mxi_cuda_kernel *one, *four, *eight;
};

/* Rows of n elements of `bytes` each, `step` apart, at x; results of result_bytes each are rows at out. */
struct mxi_cuda_rows mxi_cuda_rows_of(const void *x, int64_t rows, int64_t n, int64_t step, size_t bytes,
                                      void *out);
/* Do the rows fit registers? */
bool mxi_cuda_rows_fit(const struct mxi_cuda_rows *r, size_t bytes);
/* Launches the kernel for r, which is the first member of params: r->team is set. */
int mxi_cuda_launch_rows(mx_stream s, const struct mxi_cuda_row_kernels *k, struct mxi_cuda_rows *r,
                         size_t bytes, const void *params, size_t params_bytes);
bool mxi_cuda_is_aligned(const void *address);
#endif
