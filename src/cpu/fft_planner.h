/* Plans of transforms, made and kept. */
#ifndef MXI_CPU_FFT_PLANNER_H
#define MXI_CPU_FFT_PLANNER_H
#include "cpu/fft_plan.h"

/* A plan for length n >= 1, of complex lines, or packed, of real ones (n even); the caller unrefs it. NULL
   with the error set. */
struct mxi_fft_plan *mxi_fft_plan_get(int64_t n, bool packed_real, enum mxi_fft_use use);
void mxi_fft_plan_unref(struct mxi_fft_plan *p);
#endif
