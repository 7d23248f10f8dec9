/* The pointwise steps between transforms, on the rows of a transform too long for a block. */
#include "cpu/kernels/fft.h"
#include "cpu/simd.h"

typedef struct complex_number {
  float re, im;
} complex_number;

MXI_INLINE complex_number times(complex_number a, complex_number b) {
  return (complex_number){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}
MXI_INLINE complex_number swapped(complex_number a) { return (complex_number){a.im, a.re}; }
MXI_INLINE complex_number get(const float *x, int64_t k) { return (complex_number){x[2 * k], x[2 * k + 1]}; }
MXI_INLINE void put(float *x, int64_t k, complex_number v) {
  x[2 * k] = v.re;
  x[2 * k + 1] = v.im;
}
MXI_INLINE complex_number read(const struct mxi_fft_row *x, int64_t k) {
  const float *p = x->first + k * x->step;
  complex_number v = {*p, x->imag != MXI_FFT_NO_IMAG ? p[x->imag] : 0};
  return x->swap ? swapped(v) : v;
}
MXI_INLINE void write(const struct mxi_fft_row *x, int64_t k, complex_number v) {
  float *p = x->first + k * x->step;
  if (x->swap) v = swapped(v);
  *p = v.re;
  if (x->imag != MXI_FFT_NO_IMAG) p[x->imag] = v.im;
}
MXI_INLINE complex_number scaled(complex_number v, float s) { return (complex_number){v.re * s, v.im * s}; }

void MXI_ISA_NAME(mxi_fft_chirp_row)(const struct mxi_fft_row *x, int64_t first, int64_t end,
                                     const float *chirp, float *out) {
  if (x->step == 2 && x->imag == 1 && !x->swap)
    for (int64_t k = first; k < end; k++) put(out, k, times(get(x->first, k), get(chirp, k)));
  else
    for (int64_t k = first; k < end; k++) put(out, k, times(read(x, k), get(chirp, k)));
}

void MXI_ISA_NAME(mxi_fft_spectrum_row)(float *x, int64_t first, int64_t end, const float *spectrum) {
  for (int64_t k = first; k < end; k++) put(x, k, swapped(times(get(x, k), get(spectrum, k))));
}

void MXI_ISA_NAME(mxi_fft_unchirp_row)(const float *x, int64_t first, int64_t end, const float *chirp,
                                       float scale, const struct mxi_fft_row *out) {
  if (out->step == 2 && out->imag == 1 && !out->swap)
    for (int64_t k = first; k < end; k++)
      put(out->first, k, scaled(times(swapped(get(x, k)), get(chirp, k)), scale));
  else
    for (int64_t k = first; k < end; k++)
      write(out, k, scaled(times(swapped(get(x, k)), get(chirp, k)), scale));
}

/* The formulas of mxi_fft_unpack_real and mxi_fft_pack_real. */
void MXI_ISA_NAME(mxi_fft_unpack_real_row)(const float *x, int64_t h, int64_t first, int64_t end,
                                           const float *twiddles, float scale,
                                           const struct mxi_fft_row *out) {
  for (int64_t k = first; k < end; k++) {
    complex_number a = get(x, k), b = get(x, k ? h - k : 0);
    complex_number even = {0.5f * (a.re + b.re), 0.5f * (a.im - b.im)};
    complex_number odd =
        times((complex_number){0.5f * (a.im + b.im), 0.5f * (b.re - a.re)}, get(twiddles, k));
    write(out, k, scaled((complex_number){even.re + odd.re, even.im + odd.im}, scale));
    write(out, h - k, scaled((complex_number){even.re - odd.re, odd.im - even.im}, scale));
  }
}

void MXI_ISA_NAME(mxi_fft_pack_real_row)(const struct mxi_fft_row *x, int64_t h, int64_t first, int64_t end,
                                         const float *twiddles, float *out) {
  for (int64_t k = first; k < end; k++) {
    complex_number a = read(x, k), b = read(x, h - k), w = get(twiddles, k);
    if (k == 0) a.im = b.im = 0;
    complex_number even = {a.re + b.re, a.im - b.im};
    complex_number odd = times((complex_number){a.re - b.re, a.im + b.im}, (complex_number){w.re, -w.im});
    put(out, k, (complex_number){even.im + odd.re, even.re - odd.im});
    if (k) put(out, h - k, (complex_number){odd.re - even.im, even.re + odd.im});
  }
}

void MXI_ISA_NAME(mxi_fft_hermitian_row)(const struct mxi_fft_row *x, int64_t n, int64_t first, int64_t end,
                                         float *out) {
  for (int64_t k = first; k < end; k++) {
    complex_number a = read(x, k);
    if (k == 0) a.im = 0;
    put(out, k, swapped(a));
    if (k) put(out, n - k, (complex_number){-a.im, a.re});
  }
}

void MXI_ISA_NAME(mxi_fft_copy_row)(const float *x, int64_t first, int64_t end,
                                    const struct mxi_fft_row *out) {
  for (int64_t k = first; k < end; k++) write(out, k, get(x, k));
}
