/* Running fused programs over arrays; see fused.c. */
#ifndef MXI_CPU_FUSED_H
#define MXI_CPU_FUSED_H
#include "engine/backend.h"

int mxi_run_elementwise(const struct mxi_program *p, mx_ints shape, mx_array *in, mx_array *out,
                        uint64_t donatable);
/* A program whose values go into a reduction; out is the reduction's result. */
int mxi_run_reduction(const struct mxi_program *p, const struct mxi_reduction *r, mx_array *in, mx_array out);
#endif
