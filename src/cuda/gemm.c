/* Who computes a product. */
#include "cuda/gemm.h"
#include "base/error.h"
#include "cuda/copy.h"
#include "cuda/kernel.h"
#include "cuda/kernels/gemm.h"

static struct mxi_cuda_kernel strided[MX_DTYPE_COUNT] = {
    MXI_CUDA_FLOATS(gemm, gemm_strided), MXI_CUDA_OF(gemm, gemm_strided, COMPLEX64, complex64)};

/* ---- Any strides ---- */
static int run_strided(mx_stream s, const struct mxi_cuda_gemm *g) {
  struct mxi_cuda_strided_gemm p = {.a = g->a.address,
                                    .b = g->b.address,
                                    .c = g->c.address,
                                    .d = g->d,
                                    .m = g->m,
                                    .n = g->n,
                                    .k = g->k,
                                    .batch = g->batch,
                                    .a_row = g->a.row,
                                    .a_column = g->a.column,
                                    .a_batch = g->a.batch,
                                    .b_row = g->b.row,
                                    .b_column = g->b.column,
                                    .b_batch = g->b.batch,
                                    .c_row = g->c.row,
                                    .c_column = g->c.column,
                                    .c_batch = g->c.batch,
                                    .d_row = g->d_row,
                                    .d_batch = g->d_batch,
                                    .alpha = g->alpha,
                                    .beta = g->beta};
  int64_t tiles = mxi_cuda_blocks(g->m, MXI_CUDA_GEMM_TILE) * mxi_cuda_blocks(g->n, MXI_CUDA_GEMM_TILE);
  return mxi_cuda_launch(s, &strided[g->dtype],
                         (struct mxi_cuda_grid){.x = tiles,
                                                .z = (unsigned)g->batch,
                                                .threads = MXI_CUDA_GEMM_TILE * MXI_CUDA_GEMM_TILE},
                         &p, sizeof p);
}

/* ---- cuBLASLt ---- */
/* c as d's first contents. */
static int put_c_in_d(mx_stream s, struct mxi_cuda_gemm *g) {
  mx_ints shape = {(int64_t[]){g->batch, g->m, g->n}, 3};
  MXI_TRY(mxi_cuda_copy_strided(
      s, shape, (struct mxi_cuda_strided){g->d, g->dtype, (int64_t[]){g->d_batch, g->d_row, 1}},
      (struct mxi_cuda_strided){(void *)g->c.address, g->dtype,
                                (int64_t[]){g->c.batch, g->c.row, g->c.column}}));
  g->c = (struct mxi_cuda_matrix){g->d, g->d_row, 1, g->d_batch};
  return 0;
}

static int run_cublaslt(mx_stream s, struct mxi_cuda_gemm g) {
  bool served = false;
  if (mxi_cuda_is_bias(&g)) {
    MXI_TRY(mxi_cuda_cublaslt_run(s, &g, &served));
    if (served) return 0;
  }
  if (g.c.address && !mxi_cuda_row_order_of(&g.c, g.m, g.n).possible) MXI_TRY(put_c_in_d(s, &g));
  MXI_TRY(mxi_cuda_cublaslt_run(s, &g, &served));
  return served ? 0 : run_strided(s, &g);
}

/* ---- One product of few enough batches ---- */
static int run_product(mx_stream s, const struct mxi_cuda_gemm *g) {
  if (mxi_cuda_gemv_suits(g)) return mxi_cuda_gemv_run(s, g);
  if (g->k == 0 || !mxi_cuda_order_of(&g->a, g->m, g->k).possible ||
      !mxi_cuda_order_of(&g->b, g->k, g->n).possible)
    return run_strided(s, g);
  return run_cublaslt(s, *g);
}

static void skip_batches(struct mxi_cuda_matrix *x, int64_t batches, int64_t element) {
  if (x->address) x->address = (const char *)x->address + batches * x->batch * element;
}

int mxi_cuda_gemm_run(mx_stream s, const struct mxi_cuda_gemm *whole) {
  struct mxi_cuda_gemm g = *whole;
  int64_t element = (int64_t)mx_dtype_size(g.dtype);
  if (g.m == 0 || g.n == 0) return 0;
  if (g.beta == 0) g.c = (struct mxi_cuda_matrix){0};
  for (int64_t left = whole->batch; left > 0; left -= g.batch) {
    g.batch = left < MXI_CUDA_MOST_BATCHES ? left : MXI_CUDA_MOST_BATCHES;
    MXI_TRY(run_product(s, &g));
    skip_batches(&g.a, g.batch, element);
    skip_batches(&g.b, g.batch, element);
    skip_batches(&g.c, g.batch, element);
    g.d = (char *)g.d + g.batch * g.d_batch * element;
  }
  return 0;
}
