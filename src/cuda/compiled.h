/* Programs as kernels: the index of those that the process knows, by what they compute. A program that ran
   once or twice on the interpreter kernel gets kernels of its own, one for each form of its operands, made in
   the background (compiler.h). Both compute the same bits, so that a kernel may take over at any launch. */
#ifndef MXI_CUDA_COMPILED_H
#define MXI_CUDA_COMPILED_H
#include "cuda/compiler.h"

/* The program, which the caller releases; NULL, without an error, when programs aren't compiled or memory is
   short. */
struct mxi_compiled *mxi_compiled_take(const struct mxi_program *p);

/* The kernel for operands of this form, or NULL: not yet. Then the run on `size` elements is noted, and the
   kernel asked for once it is worth its while. */
CUfunction mxi_compiled_function(struct mxi_compiled *c, const struct mxi_cuda_form *form, int64_t size);
#endif
