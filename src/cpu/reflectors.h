/* Products of Householder reflectors, as LAPACK leaves them: Q = H_0 H_1 ... with H_i = I - tau_i v_i v_i^T,
   v_i zero before element i and 1 there. Blocks of them are I - V T V^T (Schreiber & Van Loan 1989), applied
   by products on the pool. */
#ifndef MXI_CPU_REFLECTORS_H
#define MXI_CPU_REFLECTORS_H
#include "core/dtype.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mxi_reflectors {
  mx_dtype dtype;     /* float32 or float64 */
  const void *v;      /* element 0 of v_0 */
  int64_t step, next; /* elements to the next of the vector, to the same of the next vector */
  const void *tau;
  int64_t count, length; /* of v_0 */
};
enum { MXI_REFLECTOR_BLOCK = 64 };
/* Bytes of workspace to apply them to `others` vectors. */
size_t mxi_reflectors_work(mx_dtype t, int64_t length, int64_t others);
/* c = Q c, c (length, n) row-major with rows `row` elements apart. */
int mxi_reflect_columns(const struct mxi_reflectors *q, void *c, int64_t row, int64_t n, char *work);
/* The same of the identity's first n columns, which c holds. */
int mxi_reflect_identity(const struct mxi_reflectors *q, void *c, int64_t row, int64_t n, char *work);
/* c = c Q^T, c (n, length): each row becomes Q times it. inverse: c Q. */
int mxi_reflect_rows(const struct mxi_reflectors *q, bool inverse, void *c, int64_t row, int64_t n,
                     char *work);
#endif
