/* The pointwise steps between transforms, on blocks. */
#include "cpu/kernels/fft.h"
#include "cpu/locals.h"
#include "cpu/simd.h"

enum { LANES = MXI_VL, ELEMENT = 2 * MXI_VL };

/* (re, im) *= (c, s) */
MXI_INLINE void multiply(vf32 *re, vf32 *im, vf32 c, vf32 s) {
  vf32 r = *re;
  *re = mxi_fma_f32(r, c, -(*im * s));
  *im = mxi_fma_f32(r, s, *im * c);
}

/* Powers root^0 ... root^(rows - 1) of lanes' roots, rounded from double; root becomes root^rows. */
MXI_INLINE void powers(vf64 root[2][2], int64_t rows, float *table) {
  vf64 power[2][2] = {{mxi_set_f64(1), mxi_set_f64(1)}, {{0}, {0}}};
  for (int64_t i = 0; i < rows; i++, table += ELEMENT) {
    for (int part = 0; part < 2; part++)
      for (int l = 0; l < LANES; l++) table[part * LANES + l] = (float)power[part][l / MXI_VD][l % MXI_VD];
    for (int h = 0; h < 2; h++) {
      vf64 re = power[0][h] * root[0][h] - power[1][h] * root[1][h];
      power[1][h] = power[0][h] * root[1][h] + power[1][h] * root[0][h];
      power[0][h] = re;
    }
  }
  memcpy(root, power, sizeof power);
}

/* w^j is the product of two powers, of exponents j % STEP and j - j % STEP. */
void MXI_ISA_NAME(mxi_fft_twiddle)(float *x, int64_t n, const double *roots) {
  enum { STEP = 32 };
  MXI_LOCAL(float, small, STEP *ELEMENT);
  MXI_LOCAL(float, large, MXI_FFT_BLOCK_LENGTH / STEP * ELEMENT);
  vf64 root[2][2];
  memcpy(root, roots, sizeof root);
  powers(root, STEP, small);
  powers(root, (n + STEP - 1) / STEP, large);
  for (int64_t j = 0; j < n; j++, x += ELEMENT) {
    const float *a = small + j % STEP * ELEMENT, *b = large + j / STEP * ELEMENT;
    vf32 c = mxi_load_f32(a), s = mxi_load_f32(a + LANES), re = mxi_load_f32(x), im = mxi_load_f32(x + LANES);
    multiply(&c, &s, mxi_load_f32(b), mxi_load_f32(b + LANES));
    multiply(&re, &im, c, s);
    mxi_store_f32(x, re);
    mxi_store_f32(x + LANES, im);
  }
}

/* Each element times its factor of a row of factors, from places in and to places out for the parts. */
MXI_INLINE void times_row(float *x, int64_t n, const float *factors, int in, int out) {
  for (int64_t k = 0; k < n; k++, x += ELEMENT, factors += 2) {
    vf32 re = mxi_load_f32(x + in * LANES), im = mxi_load_f32(x + (1 - in) * LANES);
    multiply(&re, &im, mxi_set_f32(factors[0]), mxi_set_f32(factors[1]));
    mxi_store_f32(x + out * LANES, re);
    mxi_store_f32(x + (1 - out) * LANES, im);
  }
}
void MXI_ISA_NAME(mxi_fft_chirp)(float *x, int64_t n, int64_t m, const float *chirp) {
  times_row(x, n, chirp, 0, 0);
  memset(x + n * ELEMENT, 0, (size_t)((m - n) * ELEMENT) * sizeof *x);
}
void MXI_ISA_NAME(mxi_fft_spectrum)(float *x, int64_t m, const float *spectrum) {
  times_row(x, m, spectrum, 0, 1);
}
void MXI_ISA_NAME(mxi_fft_unchirp)(float *x, int64_t n, const float *chirp) { times_row(x, n, chirp, 1, 0); }

/* With E and O the transforms of the even and odd elements, Z = E + iO, and X[k] = E[k] + w^k O[k]. As E and
   O are Hermitian, E[k] = (Z[k] + conj Z[h - k]) / 2 and O[k] = (Z[k] - conj Z[h - k]) / 2i; X[h - k] =
   conj(E[k] - w^k O[k]).
 */
void MXI_ISA_NAME(mxi_fft_unpack_real)(float *x, int64_t h, const float *twiddles) {
  vf32 re = mxi_load_f32(x), im = mxi_load_f32(x + LANES), zero = {0}, half = mxi_set_f32(0.5f);
  float *last = x + h * ELEMENT;
  mxi_store_f32(x, re + im);
  mxi_store_f32(x + LANES, zero);
  mxi_store_f32(last, re - im);
  mxi_store_f32(last + LANES, zero);
  for (int64_t k = 1; k <= h - k; k++) {
    float *a = x + k * ELEMENT, *b = x + (h - k) * ELEMENT;
    vf32 ar = half * mxi_load_f32(a), ai = half * mxi_load_f32(a + LANES);
    vf32 br = half * mxi_load_f32(b), bi = half * mxi_load_f32(b + LANES);
    vf32 even_re = ar + br, even_im = ai - bi, odd_re = ai + bi, odd_im = br - ar;
    multiply(&odd_re, &odd_im, mxi_set_f32(twiddles[2 * k]), mxi_set_f32(twiddles[2 * k + 1]));
    mxi_store_f32(a, even_re + odd_re);
    mxi_store_f32(a + LANES, even_im + odd_im);
    mxi_store_f32(b, even_re - odd_re);
    mxi_store_f32(b + LANES, odd_im - even_im);
  }
}

/* 2 E[k] = X[k] + conj X[h - k], 2 O[k] = (X[k] - conj X[h - k]) w^-k, Z = E + iO. The ends are real. */
void MXI_ISA_NAME(mxi_fft_pack_real)(float *x, int64_t h, const float *twiddles) {
  vf32 first = mxi_load_f32(x), last = mxi_load_f32(x + h * ELEMENT);
  mxi_store_f32(x + LANES, first + last);
  mxi_store_f32(x, first - last);
  for (int64_t k = 1; k <= h - k; k++) {
    float *a = x + k * ELEMENT, *b = x + (h - k) * ELEMENT;
    vf32 ar = mxi_load_f32(a), ai = mxi_load_f32(a + LANES), br = mxi_load_f32(b),
         bi = mxi_load_f32(b + LANES);
    vf32 even_re = ar + br, even_im = ai - bi, odd_re = ar - br, odd_im = ai + bi;
    multiply(&odd_re, &odd_im, mxi_set_f32(twiddles[2 * k]), mxi_set_f32(-twiddles[2 * k + 1]));
    mxi_store_f32(a + LANES, even_re - odd_im);
    mxi_store_f32(a, even_im + odd_re);
    mxi_store_f32(b + LANES, even_re + odd_im);
    mxi_store_f32(b, odd_re - even_im);
  }
}

/* Elements n / 2 on are the conjugates of those before, and the first is real; parts are swapped. */
void MXI_ISA_NAME(mxi_fft_hermitian)(float *x, int64_t n) {
  mxi_store_f32(x, (vf32){0});
  for (int64_t k = 1; k < n - k; k++) {
    const float *a = x + k * ELEMENT;
    float *b = x + (n - k) * ELEMENT;
    mxi_store_f32(b, -mxi_load_f32(a));
    mxi_store_f32(b + LANES, mxi_load_f32(a + LANES));
  }
}
