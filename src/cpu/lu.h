/* LU factorisation with partial pivoting and triangular systems, on padded row-major matrices (see
   kernels/lu.h). Long ones are cut in halves whose products run on the pool; results don't depend on the
   number of threads. */
#ifndef MXI_CPU_LU_H
#define MXI_CPU_LU_H
#include "core/dtype.h"
#include "cpu/kernels/lu.h"

struct mxi_padded {
  mx_dtype dtype; /* float32 or float64 */
  char *data;
  int64_t row; /* elements from row to row */
};
/* Elements of a padded row of n. */
int64_t mxi_padded_row(int64_t n);
/* Factors a (m, n) in place: row i changed places with pivots[i]. 0, or -1 with the error set. */
int mxi_lu_factor(struct mxi_padded a, int64_t m, int64_t n, int32_t *pivots, char *work);
size_t mxi_lu_work(mx_dtype t, int64_t m); /* bytes of that work */
/* b (k, n) becomes the solution x of t x = b. */
int mxi_triangular_solve(enum mxi_triangle which, struct mxi_padded t, int64_t k, struct mxi_padded b,
                         int64_t n);
#endif
