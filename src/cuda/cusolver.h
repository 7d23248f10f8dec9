/* Matrices by cuSOLVER. It stores them by columns: a row-major matrix is its transpose there. */
#ifndef MXI_CUDA_CUSOLVER_H
#define MXI_CUDA_CUSOLVER_H
#include "core/array.h"
#include "core/stream.h"
#include <stdbool.h>

/* A batch, matrix after matrix, of float32 or float64. */
struct mxi_cuda_solver {
  mx_stream s;
  const char *op;
  mx_dtype dtype;
  int64_t count, n; /* matrices, each (n, n) */
  void *a;          /* overwritten */
  int *infos;       /* on the device, 2 * count: what cuSOLVER says of each; 0 before */
};
bool mxi_cuda_has_cusolver(void);
/* Cholesky factors, in the lower triangle as cuSOLVER sees it or in the upper one. */
int mxi_cuda_cusolver_cholesky(const struct mxi_cuda_solver *v, bool lower);
/* b (count, columns, n) becomes x where a x = b, or transposed(a) x = b. */
int mxi_cuda_cusolver_solve(const struct mxi_cuda_solver *v, bool transposed, int64_t columns, void *b);
#endif
