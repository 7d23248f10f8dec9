/* Products with chosen matrices: which matrix each place of the result takes on either side, for kernels that
   find it themselves, and for grouped products (kernels/grouped.h). */
#ifndef MXI_CUDA_CHOICE_H
#define MXI_CUDA_CHOICE_H
#include "cuda/call.h"
#include "cuda/kernels/grouped.h"

struct mxi_cuda_chosen {
  struct mxi_cuda_choice choice; /* error: to be set for each launch */
  int64_t places;
  struct mxi_cuda_input lists[MXI_CUDA_CHOICE_SIDES]; /* held */
  int nlists;
};
/* A step whose operands are inputs 0 and `right`, and whose lists, where they are given, are inputs from
   `lists` on. Can kernels serve it? Else the CPU does. */
bool mxi_cuda_can_choose(const struct mxi_call *c, int right, int lists, int64_t lhs, int64_t rhs);
int mxi_cuda_choose(const struct mxi_call *c, int right, int lists, int64_t lhs, int64_t rhs,
                    struct mxi_cuda_chosen *chosen);
void mxi_cuda_choice_end(struct mxi_cuda_chosen *chosen);

/* Does `run` for as many places at a time as a launch has products. */
typedef int (*mxi_cuda_products_fn)(mx_stream s, const struct mxi_cuda_choice *choice, int64_t first,
                                    int64_t products, const void *ctx);
int mxi_cuda_for_products(const struct mxi_call *c, const struct mxi_cuda_chosen *chosen,
                          mxi_cuda_products_fn run, const void *ctx);

#endif
