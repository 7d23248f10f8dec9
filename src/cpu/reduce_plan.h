/* What reduce.c, reduce_arg.c and scan.c share: the split of an array's axes. */
#ifndef MXI_CPU_REDUCE_PLAN_H
#define MXI_CPU_REDUCE_PLAN_H
#include "core/region.h"
#include "cpu/kernels/reduce.h"

/* How op over elements of dtype `from` is computed: its accumulator. */
struct mxi_reduce_kind mxi_reduce_kind_of(enum mxi_reduce_op op, mx_dtype from, mx_dtype to);
/* Bytes of an accumulator. */
static inline int64_t mxi_acc_size(const struct mxi_reduce_kind *r) { return (int64_t)mx_dtype_size(r->acc); }
/* The kept axes (operand 0 the input, 1 the output) and the reduced ones (operand 0 the input), in order.
 * axes sorted. */
void mxi_split_axes(mx_array in, mx_array out, mx_ints axes, struct mxi_region *kept,
                    struct mxi_region *reduced);
/* The kept axis along which the input is contiguous, if it is wide enough to be worth it; else -1. */
int mxi_contiguous_axis(const struct mxi_region *kept);
#endif
