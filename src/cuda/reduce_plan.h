/* How reductions, of values or of places, are laid over the device: runs or columns, in one pass or several
   (kernels/reduce.h). */
#ifndef MXI_CUDA_REDUCE_PLAN_H
#define MXI_CUDA_REDUCE_PLAN_H
#include "core/region.h"
#include "cuda/copy.h"
#include "cuda/kernel.h"
#include "cuda/kernels/reduce.h"

/* The kernels of an operation on a dtype. */
struct mxi_cuda_reduce_kernels {
  struct mxi_cuda_kernel *runs, *columns;               /* by whole vectors */
  struct mxi_cuda_kernel *any_runs, *any_columns;       /* of any layout */
  struct mxi_cuda_kernel *passed_runs, *passed_columns; /* of the values of a pass before */
  int from_bytes, to_bytes;                             /* of an element, of a result */
  int partial_bytes;                                    /* of a value between passes */
  int partial_vector;                                   /* of them that `passed` kernels read at once */
};

/* The axes that stay (operand 0: the input, 1: the output), merged, and those that are reduced (operand 0:
   the input), in their order. axes sorted. */
void mxi_cuda_split_axes(mx_ints shape, mx_ints axes, const int64_t *in_strides, const int64_t *out_strides,
                         struct mxi_region *kept, struct mxi_region *reduced);
/* The region's axes for a kernel: strides of operand 0 as `in` and of 1 as `out`. */
struct mxi_cuda_axes mxi_cuda_axes_of(const struct mxi_region *r);
/* How a run is shared, V elements to a vector: elements of a chunk, chunks, threads of one. */
struct mxi_cuda_run_shares {
  int64_t chunk, chunks;
  int team;
};
struct mxi_cuda_run_shares mxi_cuda_share_run(int64_t length, int vector);
/* Reduces p->count runs of p->length elements, `vector` of them to a vector, to p->out; the rest of p is
   filled in. The first pass is launched by `first`, those over its values by k's kernels. */
typedef int mxi_cuda_pass(void *ctx, const struct mxi_cuda_reduce_runs *p);
int mxi_cuda_reduce_runs_by(mx_stream s, const struct mxi_cuda_reduce_kernels *k, int vector,
                            struct mxi_cuda_reduce_runs *p, mxi_cuda_pass *first, void *ctx);
struct mxi_cuda_grid mxi_cuda_grid_of_runs(const struct mxi_cuda_reduce_runs *p);
/* Reduces what split_axes gave, neither empty; `in` and `out` are the arrays' first elements, out row-major.
 */
int mxi_cuda_reduce_regions(mx_stream s, const struct mxi_cuda_reduce_kernels *k,
                            const struct mxi_region *kept, const struct mxi_region *reduced, const void *in,
                            void *out);
/* Fills `count` results with the operation's identity. */
int mxi_cuda_reduce_nothing(mx_stream s, const struct mxi_cuda_reduce_kernels *k, int64_t count, void *out);
#endif
