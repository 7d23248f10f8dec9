/* The text of a kernel of the user's: the source between what makes a kernel of it. */
#ifndef MXI_OPS_CUSTOM_SOURCE_H
#define MXI_OPS_CUSTOM_SOURCE_H
#include "mlx/fast.h"

/* The kernel's name in the text is this and its own. */
#define MXI_CUSTOM_ENTRY "custom_kernel_"
/* The text, which the caller frees. uses[i] receives which of input i's sizes, strides and dims are
   parameters (core/kernel_code.h). NULL with the error set: names that can't be, or memory is short. The
   inputs are usable, and the launch has been checked. */
char *mxi_custom_source(const mx_cuda_kernel_opts *k, const mx_array *inputs, uint8_t *uses);
#endif
