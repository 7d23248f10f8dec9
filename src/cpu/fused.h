/* Running programs over arrays; see fused.c. */
#ifndef MXI_CPU_FUSED_H
#define MXI_CPU_FUSED_H
#include "engine/backend.h"

/* A placed program, with the reduction it ends in. */
int mxi_run_program(struct mxi_call *c);
#endif
