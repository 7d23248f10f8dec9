/* LU factorisation and triangular systems on row-major matrices whose rows are padded: `row` is a multiple of
   MXI_LU_BLOCK elements, and so is every first column, so that whole vectors may be read and written. */
#ifndef MXI_CPU_KERNELS_LU_H
#define MXI_CPU_KERNELS_LU_H
#include "cpu/isa.h"
#include <stdint.h>

enum { MXI_LU_BLOCK = 32 }; /* rows and columns that the kernels take at once */

/* What a triangular system reads: the lower triangle with ones on its diagonal, or with its own, or the upper
 * one. */
enum mxi_triangle { MXI_UNIT_LOWER, MXI_LOWER, MXI_UPPER };

struct mxi_lu_kernels {
  /* Factors a (m, n), n up to LU_BLOCK, by partial pivoting: row i changes places with pivots[i], within a. a
     is column-major, its columns `column` elements apart, which is a multiple of LU_BLOCK. */
  void (*panel)(void *a, int64_t column, int64_t m, int64_t n, int32_t *pivots);
  /* Row i of a (..., n) changes places with pivots[i], for i < count in turn. */
  void (*swap_rows)(void *a, int64_t row, int64_t n, int64_t count, const int32_t *pivots);
  /* b (k, n) becomes the solution x of t x = b, t (k, k), k up to LU_BLOCK. */
  void (*solve)(enum mxi_triangle which, const void *t, int64_t t_row, int64_t k, void *b, int64_t b_row,
                int64_t n);
};
MXI_DECLARE_KERNEL(const struct mxi_lu_kernels *, mxi_lu_f32, (void));
MXI_DECLARE_KERNEL(const struct mxi_lu_kernels *, mxi_lu_f64, (void));
#endif
