/* Transforms by cuFFT of evenly laid out lines, planes or volumes; fft.c makes them of arrays. */
#ifndef MXI_CUDA_CUFFT_H
#define MXI_CUDA_CUFFT_H
#include "core/stream.h"
#include "cuda/api/cufft.h"
#include <stdbool.h>

enum { MXI_CUDA_FFT_MOST_AXES = 3 };

/* What a plan is for. An element of number i of transform number b is at i * stride + b * distance, elements
   being in row-major order. */
struct mxi_cuda_fft_kind {
  int64_t n[MXI_CUDA_FFT_MOST_AXES]; /* lengths, real ones of the last axis; 0 behind the rank */
  int64_t batch, stride, in_distance, out_distance;
  int32_t rank, type; /* CUFFT_C2C ... */
};
/* Is there cuFFT? */
bool mxi_cuda_has_cufft(void);
/* Not normalised. Complex transforms may be in place; those to real destroy what they read. Both addresses
   are aligned to 8 bytes. */
int mxi_cuda_cufft_run(mx_stream s, const struct mxi_cuda_fft_kind *kind, bool inverse, void *in, void *out);
#endif
