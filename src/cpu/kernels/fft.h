/* Fourier transforms run a vector's lanes at a time: lane l of every vector belongs to transform l, so
   butterflies need no shuffles. A block holds n elements of each: float x[n][2][lanes], real parts then
   imaginary parts.

   All transforms here are forward, X[k] = sum_j x[j] exp(-2 pi i jk / n). The inverse is the forward
   transform with real and imaginary parts swapped on the way in and on the way out. */
#ifndef MXI_CPU_KERNELS_FFT_H
#define MXI_CPU_KERNELS_FFT_H
#include "cpu/isa.h"
#include <stdbool.h>
#include <stdint.h>

enum {
  MXI_FFT_LANES = 16,         /* at most, in a vector of any instruction set */
  MXI_FFT_STAGES = 16,        /* of a transform in a block */
  MXI_FFT_MAX_RADIX = 61,     /* the largest radix */
  MXI_FFT_BLOCK_LENGTH = 4096 /* elements of a line in a block */
};

/* One stage of Stockham's autosort algorithm (Swarztrauber 1984), decimation in frequency: with w = exp(-2 pi
   i / (radix groups)), y[q + stride (radix p + j)] = w^(pj) sum_k x[q + stride (p + groups k)] exp(-2 pi i jk
   / radix). */
struct mxi_fft_stage {
  int radix;
  int64_t groups, stride;
  const float *twiddles; /* (groups, radix - 1, 2): w^(pj), j from 1 */
  const float *roots;    /* (radix, 2): cos and sin of 2 pi j / radix; of odd radices beyond 5 */
};
struct mxi_fft_stages {
  int64_t n;
  int count;
  struct mxi_fft_stage stage[MXI_FFT_STAGES];
};

/* The distance to imaginary parts that are not there. A real line that is one number many times has its
   pairs' at distance 0. */
#define MXI_FFT_NO_IMAG INT64_MIN

/* Where the lanes' elements lie in memory; distances in floats. */
struct mxi_fft_lines {
  float *line[MXI_FFT_LANES]; /* the first elements; lanes out of use repeat one in use */
  int lanes;                  /* in use */
  int64_t step;               /* from element to element */
  int64_t imag;               /* from real to imaginary part, or MXI_FFT_NO_IMAG */
  bool stream;                /* what is stored won't be read soon, and may bypass the caches */
};

/* Transforms in a vector. */
MXI_DECLARE_KERNEL(int, mxi_fft_lanes, (void));
/* Reads n elements of each lane into a block; swap exchanges real and imaginary parts. */
MXI_DECLARE_KERNEL(void, mxi_fft_load, (const struct mxi_fft_lines *from, int64_t n, bool swap, float *x));
/* Writes n elements, scaled. */
MXI_DECLARE_KERNEL(void, mxi_fft_store,
                   (const struct mxi_fft_lines *to, int64_t n, bool swap, float scale, const float *x));
/* Transforms a block; the result is in x or in y, whichever is returned. */
MXI_DECLARE_KERNEL(float *, mxi_fft_run, (const struct mxi_fft_stages *t, float *x, float *y));

/* x[j] *= w^j for j < n, n up to BLOCK_LENGTH, with each lane's own w: roots[2][lanes]. */
MXI_DECLARE_KERNEL(void, mxi_fft_twiddle, (float *x, int64_t n, const double *roots));
/* The steps of a convolution with a chirp (Bluestein 1970) on blocks: the chirp on n elements, zeros up to m;
   the product with a spectrum, swapped; the chirp on swapped elements. */
MXI_DECLARE_KERNEL(void, mxi_fft_chirp, (float *x, int64_t n, int64_t m, const float *chirp));
MXI_DECLARE_KERNEL(void, mxi_fft_spectrum, (float *x, int64_t m, const float *spectrum));
MXI_DECLARE_KERNEL(void, mxi_fft_unchirp, (float *x, int64_t n, const float *chirp));
/* A real line of 2h elements is transformed as h complex ones, even elements real, odd ones imaginary.
   Unpack: their transform Z of h elements becomes the first h + 1 of the line's. Pack: the way back, to twice
   Z with its parts swapped. twiddles (h / 2 + 1, 2): exp(-2 pi i k / 2h). */
MXI_DECLARE_KERNEL(void, mxi_fft_unpack_real, (float *x, int64_t h, const float *twiddles));
MXI_DECLARE_KERNEL(void, mxi_fft_pack_real, (float *x, int64_t h, const float *twiddles));

/* Completes the transform of an odd real line from its first n / 2 + 1 elements, parts swapped. */
MXI_DECLARE_KERNEL(void, mxi_fft_hermitian, (float *x, int64_t n));

/* The same steps on elements [first, end) of the row of one transform. A plain float * is contiguous. */
struct mxi_fft_row {
  float *first;
  int64_t step, imag; /* as in mxi_fft_lines */
  bool swap;          /* real and imaginary parts change places on the way */
};
MXI_DECLARE_KERNEL(void, mxi_fft_chirp_row,
                   (const struct mxi_fft_row *x, int64_t first, int64_t end, const float *chirp, float *out));
MXI_DECLARE_KERNEL(void, mxi_fft_spectrum_row, (float *x, int64_t first, int64_t end, const float *spectrum));
MXI_DECLARE_KERNEL(void, mxi_fft_unchirp_row,
                   (const float *x, int64_t first, int64_t end, const float *chirp, float scale,
                    const struct mxi_fft_row *out));
/* Each k below end stands also for h - k, or n - k: the range is [0, h / 2 + 1), or [0, n / 2 + 1). */
MXI_DECLARE_KERNEL(void, mxi_fft_unpack_real_row,
                   (const float *x, int64_t h, int64_t first, int64_t end, const float *twiddles, float scale,
                    const struct mxi_fft_row *out));
MXI_DECLARE_KERNEL(void, mxi_fft_pack_real_row,
                   (const struct mxi_fft_row *x, int64_t h, int64_t first, int64_t end, const float *twiddles,
                    float *out));
MXI_DECLARE_KERNEL(void, mxi_fft_hermitian_row,
                   (const struct mxi_fft_row *x, int64_t n, int64_t first, int64_t end, float *out));
MXI_DECLARE_KERNEL(void, mxi_fft_copy_row,
                   (const float *x, int64_t first, int64_t end, const struct mxi_fft_row *out));
#endif
