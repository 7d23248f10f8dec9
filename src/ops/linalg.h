/* What the files of linear algebra share. */
#ifndef MXI_OPS_LINALG_H
#define MXI_OPS_LINALG_H
#include "mlx/linalg.h"
#include "ops/common.h"

mx_array mxi_transposed(mx_array a);  /* the last two axes change places */
mx_array mxi_adjoint(mx_array a);     /* and the elements are conjugated */
mx_array mxi_identity(mx_array like); /* (M, N) of like's dtype: 1 on the diagonal */
/* Rows and columns of matrices, from the first and how many. */
mx_array mxi_block(mx_array a, int64_t row, int64_t rows, int64_t column, int64_t columns);
/* The outputs of an LU node: lu, pivots, rows. */
int mxi_lu(const char *op, mx_array a, mx_array *lu, mx_array *pivots, mx_array *rows);
#endif
