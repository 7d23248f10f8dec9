/* The SVD of an upper bidiagonal matrix by divide and conquer (Gu & Eisenstat 1995): LAPACK solves two halves
   on the pool and joins them. */
#ifndef MXI_CPU_BIDIAGONAL_H
#define MXI_CPU_BIDIAGONAL_H
#include "core/dtype.h"
#include "cpu/lapack.h"

size_t mxi_bidiagonal_work(mx_dtype t, int n); /* bytes of workspace for n rows */
/* d (n): the diagonal, becomes the singular values, falling; e (n - 1): the one above it, is overwritten. u
   and vt, column-major with columns of ldu and ldvt elements, become the vectors; identities at first. 0, or
   a mxi_job failure. float32 or float64. */
int mxi_bidiagonal_svd(const struct mxi_lapack *l, mx_dtype t, int n, void *d, void *e, void *u, int ldu,
                       void *vt, int ldvt, char *work);
#endif
