/* Transforms of many lines, or of one. */
#ifndef MXI_CPU_FFT_RUN_H
#define MXI_CPU_FFT_RUN_H
#include "core/region.h"
#include "cpu/fft_plan.h"

/* The transform of one complex line of p->n elements, times scale. in and out may be the same memory. For use
   outside of parallel loops. 0, or -1 with the error set. */
int mxi_fft_run_line(const struct mxi_fft_plan *p, struct mxi_fft_row in, struct mxi_fft_row out,
                     float scale);

enum mxi_fft_form {
  MXI_FFT_COMPLEX,
  MXI_FFT_FROM_REAL, /* real lines of n elements to the first n / 2 + 1 of their transform */
  MXI_FFT_TO_REAL    /* and back, by the inverse transform */
};
/* Transforms along one axis. Even real lines have a packed plan. */
struct mxi_fft_pass {
  const struct mxi_fft_plan *plan;
  enum mxi_fft_form form;
  bool inverse; /* of a complex pass */
  float scale;
  struct mxi_region lines;   /* the other axes; strides in floats of input and output */
  float *in, *out;           /* may be the same memory if the lines are too */
  int64_t in_step, out_step; /* along the axis, in floats */
};
int mxi_fft_run_pass(const struct mxi_fft_pass *pass);
#endif
