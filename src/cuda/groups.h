/* Places of chosen products sorted by the matrix on the right, and tiles of their rows (kernels/grouped.h).
 */
#ifndef MXI_CUDA_GROUPS_H
#define MXI_CUDA_GROUPS_H
#include "cuda/choice.h"
#include "cuda/kernels/grouped.h"

/* Of `rows_each` rows a place: where each is in x and in y, in the sorted order. */
struct mxi_cuda_groups {
  struct mxi_cuda_tile *tiles;
  int64_t *x_rows, *y_rows;
  int64_t ntiles;
  struct mxi_cuda_scratch scratch;
};
/* All of it is done on the device. */
int mxi_cuda_group(const struct mxi_call *c, const struct mxi_cuda_chosen *chosen, int64_t rows_each,
                   struct mxi_cuda_groups *groups);
static inline void mxi_cuda_groups_end(struct mxi_cuda_groups *groups) {
  mxi_cuda_scratch_free(&groups->scratch);
}
#endif
