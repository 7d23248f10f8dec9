/* The instruction set's part of the matrix product: packers, tiles and the step that finishes a tile.

   Both operands are packed in slivers: a sliver of width w holds, for each unit of k in turn, w values side
   by side. A unit is one element of k, or, for the bfloat16 dot products, a pair of them in one 32-bit lane.
   Slivers of A are 1 .. mr rows wide, slivers of B (panels) are nr columns wide, columns beyond the matrix as
   zeros. */
#ifndef MXI_CPU_GEMM_KERNELS_H
#define MXI_CPU_GEMM_KERNELS_H
#include "mlx/dtype.h"
#include "cpu/isa.h"
#include <stddef.h>
#include <stdint.h>

/* Packs src[r * r_stride + k * k_stride], r < valid <= width, k < kc, into dst[unit][width]. */
typedef void (*mxi_gemm_pack_fn)(void *dst, const void *src, int64_t r_stride, int64_t k_stride,
                                 int64_t valid, int64_t width, int64_t kc);
/* out[h][nr] = in[h][nr] + a[units][h] * b[units][nr], in NULL = zeros, in and out may be the same. */
typedef void (*mxi_gemm_tile_fn)(int64_t units, const void *a, const void *b, const void *in, int64_t in_row,
                                 void *out, int64_t out_row);

/* Where a finished tile goes: c = alpha * tile + beta * c0, converted to dtype. */
struct mxi_gemm_finish {
  mx_dtype dtype;
  int64_t rows, cols;
  void *c;
  int64_t c_row;
  const void *c0; /* NULL: no addend */
  int64_t c0_row, c0_col;
  double alpha, beta;
};

enum { MXI_GEMM_TILE_BYTES = 32 * 2 * 64 }; /* of the largest tile of accumulators, mr x nr */

struct mxi_gemm_kernels {
  int mr, nr;
  int unit;       /* elements of k in a unit */
  int unit_bytes; /* of a packed one, for each row or column */
  int size;       /* bytes of an accumulator */
  int kc;         /* elements of k that a tile covers at most: slivers stay in the nearest cache */
  const mxi_gemm_tile_fn *tiles;         /* tiles[h - 1]: a tile of h rows */
  mxi_gemm_pack_fn pack[MX_DTYPE_COUNT]; /* by the dtype of the operand; NULL = not served */
  mxi_gemm_pack_fn pack_a;               /* of A, where it is packed in another way than B; else NULL */
  void (*finish)(const void *tile, int64_t tile_row, const struct mxi_gemm_finish *f);
  void (*negate)(void *values, int64_t n); /* n packed values, of the dtype of the sums */
};

/* Products summed in float32, in float64, and of bfloat16 by dot products or AMX (NULL where the machine
   lacks them). */
MXI_DECLARE_KERNEL(const struct mxi_gemm_kernels *, mxi_gemm_f32, (void));
MXI_DECLARE_KERNEL(const struct mxi_gemm_kernels *, mxi_gemm_f64, (void));
MXI_DECLARE_KERNEL(const struct mxi_gemm_kernels *, mxi_gemm_bf16_dot, (void));
MXI_DECLARE_KERNEL(const struct mxi_gemm_kernels *, mxi_gemm_amx, (void));

/* ---- Products of few rows of A: B is read once, where it lies ---- */
enum { MXI_FEW_ROWS = 32, MXI_FEW_ROWS_SUMS = 32 * 256 }; /* most rows; most sums that are local variables */
/* sums[m][n] (row stride sums_row) = A * B for n columns of B, m <= MXI_FEW_ROWS. A is float32, a[m][a_row],
   k contiguous. `stride` is B's other one. */
typedef void (*mxi_few_rows_fn)(const void *a, int64_t a_row, const void *b, int64_t stride, int64_t m,
                                int64_t n, int64_t k, float *sums, int64_t sums_row);
struct mxi_few_rows_kernels {
  mxi_few_rows_fn along_k[MX_DTYPE_COUNT]; /* B's columns are contiguous (b_row == 1), stride = b_col */
  mxi_few_rows_fn along_n[MX_DTYPE_COUNT]; /* B's rows are contiguous (b_col == 1), stride = b_row */
  void (*widen[MX_DTYPE_COUNT])(void *dst, const void *src, int64_t n); /* contiguous to float32 */
};
MXI_DECLARE_KERNEL(const struct mxi_few_rows_kernels *, mxi_few_rows, (void));
/* B's columns contiguous, A and B bfloat16, by dot products; NULL where the machine lacks them. */
MXI_DECLARE_KERNEL(mxi_few_rows_fn, mxi_few_rows_bf16_dot, (void));

#ifdef MXI_ISA
/* Shared by the kernel files of one instruction set. */
#define mxi_gemm_finish_f32 MXI_ISA_NAME(mxi_gemm_finish_f32)
void mxi_gemm_finish_f32(const void *tile, int64_t tile_row, const struct mxi_gemm_finish *f);
#endif
#endif
