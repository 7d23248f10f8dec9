/* What a transform of one length needs beside its data: factors, roots of unity, convolution tables. Plans
   are immutable and shared; fft_planner.c makes them, fft_run.c runs them. */
#ifndef MXI_CPU_FFT_PLAN_H
#define MXI_CPU_FFT_PLAN_H
#include "base/lru.h"
#include "cpu/kernels/fft.h"
#include <stdatomic.h>
#include <stddef.h>

enum mxi_fft_kind {
  MXI_FFT_BLOCK,           /* stages in a block */
  MXI_FFT_BLOCK_BLUESTEIN, /* a convolution with a chirp in a block, for large prime factors */
  MXI_FFT_FOUR_STEP,       /* n = first x second: columns, twiddle factors, rows (Bailey 1990) */
  MXI_FFT_BLUESTEIN,       /* a convolution in memory; first: of its length m */
  MXI_FFT_PACKED_REAL      /* real lines of even length n as complex ones of n / 2; first: of those */
};

/* exp(-2 pi i a / order) is fine[a % size] coarse[a / size], in double. */
struct mxi_fft_roots {
  int64_t order;
  int shift; /* size is 2^shift */
  double *fine, *coarse;
};

/* What a plan is for: many lines, so that a vector's lanes are full; a few, which are split even when they
   would fit a block; a part of another plan that must run in a block. */
enum mxi_fft_use { MXI_FFT_MANY, MXI_FFT_FEW, MXI_FFT_PART };

struct mxi_fft_plan {
  struct mxi_lru_entry entry; /* first */
  atomic_int refs;
  enum mxi_fft_use use;
  enum mxi_fft_kind kind;
  int64_t n, m;                 /* m: length of the convolution */
  size_t bytes;                 /* of its tables */
  struct mxi_fft_stages stages; /* of n, or of m */
  float *tables;                /* the stages' */
  float *chirp, *spectrum;    /* (n, 2): exp(-pi i k^2 / n); (m, 2): the transform of its conjugate, over m */
  struct mxi_fft_roots roots; /* of order n */
  float *real_twiddles;       /* (n / 4 + 1, 2): exp(-2 pi i k / n) */
  struct mxi_fft_plan *first, *second;
};

static inline void mxi_fft_root(const struct mxi_fft_roots *r, int64_t a, double *re, double *im) {
  const double *x = r->fine + 2 * (a & (((int64_t)1 << r->shift) - 1)), *y = r->coarse + 2 * (a >> r->shift);
  *re = x[0] * y[0] - x[1] * y[1];
  *im = x[0] * y[1] + x[1] * y[0];
}
#endif
