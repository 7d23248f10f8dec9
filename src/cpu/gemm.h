/* General matrix product: C = alpha * A B + beta * C0, one packed, blocked algorithm with pluggable packers.
   Nothing here knows arrays; strides are in elements. */
#ifndef MXI_CPU_GEMM_H
#define MXI_CPU_GEMM_H
#include "core/dtype.h"
#include <stdint.h>

/* Packs B[k0 .. k0+kc) x [n0 .. n0+nc) as floats into dst[kc][nr], columns beyond nc as zeros. */
typedef void (*mxi_pack_b_fn)(const void *ctx, float *dst, int64_t k0, int64_t kc, int64_t n0, int64_t nc,
                              int64_t nr);

/* Copies rows [m0, m0 + rows) of A, k in [k0, k0 + kc), into dst[rows][kc], elements as A would hold them. */
typedef void (*mxi_gather_a_fn)(const void *ctx, void *dst, int64_t m0, int64_t rows, int64_t k0, int64_t kc);

struct mxi_gemm {
  mx_dtype dtype; /* of A, B and C: a float type. Halves accumulate in float32 and round once. */
  int64_t m, n, k;
  int64_t batch; /* number of products */
  const void *a;
  int64_t a_row, a_col;
  const int64_t *a_batch; /* strides; offset of product i: a_batch[i] */
  const void *b;
  int64_t b_row, b_col;
  const int64_t *b_batch;
  void *c;
  int64_t c_row; /* C is row-major, column stride 1; product i at c + i * m * c_row */
  const void *c0;
  int64_t c0_row, c0_col;
  const int64_t *c0_batch; /* NULL: no addend */
  double alpha, beta;
  mxi_pack_b_fn pack_b;
  const void *pack_ctx; /* NULL, or B comes from here (float types up to 32 bits; batch 1) */
  mxi_gather_a_fn gather_a;
  const void *gather_ctx; /* NULL, or A comes from here (batch 1) */
};
/* Runs on the pool. 0, or -1 with the error set (memory, interrupted). k == 0 gives beta * C0. */
int mxi_gemm_run(const struct mxi_gemm *g);
#endif
