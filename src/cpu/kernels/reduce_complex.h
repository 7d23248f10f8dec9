/* complex64 elements in kernels that combine them. They are ordered by real, then imaginary part; NaN in
   either part makes the whole a NaN. */
#ifndef MXI_CPU_KERNELS_REDUCE_COMPLEX_H
#define MXI_CPU_KERNELS_REDUCE_COMPLEX_H
#include "cpu/simd.h"
#include <math.h>
#include <stdbool.h>

typedef struct {
  float re, im;
} complex_pair;

/* x, from where the compiler can't see it: gcc 12 fuses the products of a complex multiplication into
   vfmaddsub, in spite of -ffp-contract=off, and then differently in different loops. */
MXI_INLINE float rounded(float x) {
#if defined(__x86_64__)
  __asm__("" : "+x"(x));
#elif defined(__aarch64__)
  __asm__("" : "+w"(x));
#endif
  return x;
}

MXI_INLINE bool complex_nan(complex_pair a) { return a.re != a.re || a.im != a.im; }
MXI_INLINE bool complex_less(complex_pair a, complex_pair b) {
  return a.re < b.re || (a.re == b.re && a.im < b.im);
}
MXI_INLINE complex_pair complex_sum(complex_pair a, complex_pair b) {
  return (complex_pair){a.re + b.re, a.im + b.im};
}
MXI_INLINE complex_pair complex_prod(complex_pair a, complex_pair b) {
  return (complex_pair){a.re * b.re - rounded(a.im * b.im), a.re * b.im + rounded(a.im * b.re)};
}
/* ln|1 + z| = log1p(|z|^2 + 2 re z) / 2; near z = -1 the sum of the squares of its parts, where 1 + re is
 * exact. */
MXI_INLINE double log_abs_1p(double re, double im) {
  double excess = re * (2 + re) + im * im;
  return excess < -0.5 ? 0.5 * log((1 + re) * (1 + re) + im * im) : 0.5 * log1p(excess);
}
/* NaN, once met, stays; of equals the first. */
MXI_INLINE complex_pair complex_min(complex_pair a, complex_pair b) {
  return !complex_nan(a) && (complex_nan(b) || complex_less(b, a)) ? b : a;
}
MXI_INLINE complex_pair complex_max(complex_pair a, complex_pair b) {
  return !complex_nan(a) && (complex_nan(b) || complex_less(a, b)) ? b : a;
}
#endif
