/* Products of matrices in device memory. matmul.c makes them of arrays, and convolutions are made of them;
   gemm.c chooses who computes one: gemv.c where one side has few rows, else cuBLASLt, else a kernel of any
   strides. */
#ifndef MXI_CUDA_GEMM_H
#define MXI_CUDA_GEMM_H
#include "core/array.h"
#include "core/stream.h"
#include <stdbool.h>

enum { MXI_CUDA_MOST_BATCHES = 65535 }; /* of one launch */

/* Strides in elements; of a batch 0: it is the same in all products. */
struct mxi_cuda_matrix {
  const void *address;
  int64_t row, column, batch;
};
/* d = alpha a b + beta c for each of a batch. */
struct mxi_cuda_gemm {
  mx_dtype dtype; /* of all: inexact */
  int64_t m, n, k, batch;
  struct mxi_cuda_matrix a, b; /* (m, k), (k, n) */
  struct mxi_cuda_matrix c;    /* (m, n); address NULL: none */
  void *d;                     /* (m, n), columns side by side */
  int64_t d_row, d_batch;
  double alpha, beta;
};
int mxi_cuda_gemm_run(mx_stream s, const struct mxi_cuda_gemm *g);

/* gemm_order.c: the order in memory in which cuBLASLt can read a matrix. */
struct mxi_cuda_order {
  bool possible;
  bool columns;    /* a column's elements are side by side, not a row's */
  int64_t leading; /* from one column (row) to the next */
};
struct mxi_cuda_order mxi_cuda_order_of(const struct mxi_cuda_matrix *x, int64_t rows, int64_t columns);
/* As rows, if it lies so. */
struct mxi_cuda_order mxi_cuda_row_order_of(const struct mxi_cuda_matrix *x, int64_t rows, int64_t columns);

/* Is c one row for all, which cuBLASLt adds as it writes? */
bool mxi_cuda_is_bias(const struct mxi_cuda_gemm *g);

/* gemv.c: is it one of those? */
bool mxi_cuda_gemv_suits(const struct mxi_cuda_gemm *g);
int mxi_cuda_gemv_run(mx_stream s, const struct mxi_cuda_gemm *g);
/* cublaslt.c. c: none, one row for all (row and batch 0, beta 1), or rows with columns side by side. served:
   it has an algorithm, and computes it. */
int mxi_cuda_cublaslt_run(mx_stream s, const struct mxi_cuda_gemm *g, bool *served);
bool mxi_cuda_cublaslt_available(void);
#endif
