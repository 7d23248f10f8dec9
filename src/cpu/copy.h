/* Strided copies of memory that need not belong to an array: parts of one, say. */
#ifndef MXI_CPU_COPY_H
#define MXI_CPU_COPY_H
#include "core/array.h"
#include "core/reduce.h"

/* One side of a copy: memory, dtype, strides in elements. */
struct mxi_strided {
  void *data; /* the first element */
  mx_dtype dtype;
  const int64_t *strides;
};
static inline struct mxi_strided mxi_strided_of(mx_array a) {
  return (struct mxi_strided){a->data, (mx_dtype)a->dtype, mxi_strides(a)};
}
/* Copies src into dst, casting; one shape, no overlap. On the pool when big. 0, or -1 when interrupted. */
int mxi_copy_strided(int ndim, const int64_t *shape, struct mxi_strided dst, struct mxi_strided src);
/* dst = dst mode src, elementwise; one dtype. */
int mxi_update_strided(int mode, int ndim, const int64_t *shape, struct mxi_strided dst,
                       struct mxi_strided src);
/* Output 0 of the call becomes what an update writes into: it is input 0's memory, or a copy. */
struct mxi_call;
int mxi_start_from_input(struct mxi_call *c);
#endif
