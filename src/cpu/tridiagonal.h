/* Eigenvalues and vectors of a symmetric tridiagonal matrix by divide and conquer (Cuppen 1981; Gu &
   Eisenstat 1995): halves are solved on the pool, and joined by a change of rank 1. */
#ifndef MXI_CPU_TRIDIAGONAL_H
#define MXI_CPU_TRIDIAGONAL_H
#include "cpu/lapack.h"
#include "core/dtype.h"

/* Bytes of workspace for n rows. */
size_t mxi_tridiagonal_work(mx_dtype t, int n);
/* d (n): the diagonal, becomes the eigenvalues in rising order; e (n - 1): the one beside it, is overwritten;
   z (n, n), column-major, becomes the vectors. 0, or a mxi_job failure. float32 or float64. */
int mxi_tridiagonal_eigen(const struct mxi_lapack *l, mx_dtype t, int n, void *d, void *e, void *z,
                          char *work);
#endif
