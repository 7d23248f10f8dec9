/* Butterflies, and the stages of a transform within a block. */
#include "cpu/kernels/fft.h"
#include "cpu/simd.h"

typedef struct complex_vector {
  vf32 re, im;
} complex_vector;

MXI_INLINE complex_vector add(complex_vector a, complex_vector b) {
  return (complex_vector){a.re + b.re, a.im + b.im};
}
MXI_INLINE complex_vector sub(complex_vector a, complex_vector b) {
  return (complex_vector){a.re - b.re, a.im - b.im};
}
/* a - i b and a + i b */
MXI_INLINE complex_vector sub_i(complex_vector a, complex_vector b) {
  return (complex_vector){a.re + b.im, a.im - b.re};
}
MXI_INLINE complex_vector add_i(complex_vector a, complex_vector b) {
  return (complex_vector){a.re - b.im, a.im + b.re};
}
MXI_INLINE complex_vector scale(complex_vector a, float s) {
  vf32 v = mxi_set_f32(s);
  return (complex_vector){a.re * v, a.im * v};
}
/* a + s b */
MXI_INLINE complex_vector add_scaled(complex_vector a, float s, complex_vector b) {
  vf32 v = mxi_set_f32(s);
  return (complex_vector){mxi_fma_f32(v, b.re, a.re), mxi_fma_f32(v, b.im, a.im)};
}
MXI_INLINE complex_vector multiply(complex_vector a, float re, float im) {
  vf32 c = mxi_set_f32(re), s = mxi_set_f32(im);
  return (complex_vector){mxi_fma_f32(a.re, c, -(a.im * s)), mxi_fma_f32(a.re, s, a.im * c)};
}

MXI_INLINE void butterfly2(complex_vector *x) {
  complex_vector a = x[0];
  x[0] = add(a, x[1]);
  x[1] = sub(a, x[1]);
}

MXI_INLINE void butterfly3(complex_vector *x) {
  const float sine = 0.866025403784438646763723170752936f; /* sin(2 pi / 3) */
  complex_vector sum = add(x[1], x[2]), difference = scale(sub(x[1], x[2]), sine);
  complex_vector middle = add_scaled(x[0], -0.5f, sum);
  x[0] = add(x[0], sum);
  x[1] = sub_i(middle, difference);
  x[2] = add_i(middle, difference);
}

MXI_INLINE void butterfly4(complex_vector *x) {
  complex_vector a = add(x[0], x[2]), b = sub(x[0], x[2]), c = add(x[1], x[3]), d = sub(x[1], x[3]);
  x[0] = add(a, c);
  x[1] = sub_i(b, d);
  x[2] = sub(a, c);
  x[3] = add_i(b, d);
}

MXI_INLINE void butterfly5(complex_vector *x) {
  const float c1 = 0.309016994374947424102293417182819f, s1 = 0.951056516295153572116439333379382f;
  const float c2 = -0.809016994374947424102293417182819f, s2 = 0.587785252292473129168705954639073f;
  complex_vector a = add(x[1], x[4]), b = sub(x[1], x[4]), c = add(x[2], x[3]), d = sub(x[2], x[3]);
  complex_vector even1 = add_scaled(add_scaled(x[0], c1, a), c2, c);
  complex_vector even2 = add_scaled(add_scaled(x[0], c2, a), c1, c);
  complex_vector odd1 = add_scaled(scale(b, s1), s2, d), odd2 = add_scaled(scale(b, s2), -s1, d);
  x[0] = add(x[0], add(a, c));
  x[1] = sub_i(even1, odd1);
  x[2] = sub_i(even2, odd2);
  x[3] = add_i(even2, odd2);
  x[4] = add_i(even1, odd1);
}

MXI_INLINE void butterfly8(complex_vector *x) {
  const float half = 0.707106781186547524400844362104849f; /* sqrt(1/2) */
  complex_vector even[4] = {x[0], x[2], x[4], x[6]}, odd[4] = {x[1], x[3], x[5], x[7]};
  butterfly4(even);
  butterfly4(odd);
  complex_vector odd1 = scale(sub_i(odd[1], odd[1]), half);  /* times exp(-i pi / 4) */
  complex_vector odd3 = scale(add_i(odd[3], odd[3]), -half); /* times exp(-3 i pi / 4) */
  x[0] = add(even[0], odd[0]);
  x[4] = sub(even[0], odd[0]);
  x[1] = add(even[1], odd1);
  x[5] = sub(even[1], odd1);
  x[2] = sub_i(even[2], odd[2]);
  x[6] = add_i(even[2], odd[2]);
  x[3] = add(even[3], odd3);
  x[7] = sub(even[3], odd3);
}

enum { ELEMENT = 2 * MXI_VL }; /* floats */

MXI_INLINE complex_vector load(const float *x) {
  return (complex_vector){mxi_load_f32(x), mxi_load_f32(x + MXI_VL)};
}
MXI_INLINE void store(float *x, complex_vector v) {
  mxi_store_f32(x, v.re);
  mxi_store_f32(x + MXI_VL, v.im);
}

/* One stage, of a constant radix. The last stage has one group, and no twiddles. */
MXI_INLINE void stage_of(int radix, void (*butterfly)(complex_vector *), const struct mxi_fft_stage *t,
                         const float *x, float *y) {
  const int64_t jump = t->groups * t->stride * ELEMENT, out = t->stride * ELEMENT;
  for (int64_t p = 0; p < t->groups; p++) {
    const float *from = x + p * out, *w = t->twiddles + p * (radix - 1) * 2;
    float *to = y + p * radix * out;
    for (int64_t q = 0; q < t->stride; q++, from += ELEMENT, to += ELEMENT) {
      complex_vector v[8];
      for (int j = 0; j < radix; j++) v[j] = load(from + j * jump);
      butterfly(v);
      store(to, v[0]);
      for (int j = 1; j < radix; j++)
        store(to + j * out, t->groups == 1 ? v[j] : multiply(v[j], w[2 * j - 2], w[2 * j - 1]));
    }
  }
}

/* Any odd radix r, from the sums a[k] and differences b[k] of elements k and r - k: with c, s the cosine and
   sine of 2 pi jk / r, X[j] = x[0] + sum_k a[k] c - i sum_k b[k] s, and X[r - j] the same with + i. */
static void odd_stage(const struct mxi_fft_stage *t, const float *x, float *y) {
  const int radix = t->radix, half = radix / 2;
  const int64_t jump = t->groups * t->stride * ELEMENT, out = t->stride * ELEMENT;
  complex_vector a[MXI_FFT_MAX_RADIX / 2 + 1], b[MXI_FFT_MAX_RADIX / 2 + 1];
  for (int64_t p = 0; p < t->groups; p++) {
    const float *w = t->twiddles + p * (radix - 1) * 2;
    for (int64_t q = 0; q < t->stride; q++) {
      const float *from = x + p * out + q * ELEMENT;
      float *to = y + p * radix * out + q * ELEMENT;
      complex_vector first = load(from), total = first;
      for (int k = 1; k <= half; k++) {
        complex_vector u = load(from + k * jump), v = load(from + (radix - k) * jump);
        a[k] = add(u, v);
        b[k] = sub(u, v);
        total = add(total, a[k]);
      }
      store(to, total);
      for (int j = 1; j <= half; j++) {
        complex_vector even = first, odd = {{0}, {0}};
        for (int k = 1, exponent = j; k <= half;
             k++, exponent += j, exponent -= exponent >= radix ? radix : 0) {
          even = add_scaled(even, t->roots[2 * exponent], a[k]);
          odd = add_scaled(odd, t->roots[2 * exponent + 1], b[k]);
        }
        int other = radix - j;
        store(to + j * out, multiply(sub_i(even, odd), w[2 * j - 2], w[2 * j - 1]));
        store(to + other * out, multiply(add_i(even, odd), w[2 * other - 2], w[2 * other - 1]));
      }
    }
  }
}

float *MXI_ISA_NAME(mxi_fft_run)(const struct mxi_fft_stages *t, float *x, float *y) {
  for (int i = 0; i < t->count; i++) {
    const struct mxi_fft_stage *stage = &t->stage[i];
    switch (stage->radix) {
    case 2: stage_of(2, butterfly2, stage, x, y); break;
    case 3: stage_of(3, butterfly3, stage, x, y); break;
    case 4: stage_of(4, butterfly4, stage, x, y); break;
    case 5: stage_of(5, butterfly5, stage, x, y); break;
    case 8: stage_of(8, butterfly8, stage, x, y); break;
    default: odd_stage(stage, x, y); break;
    }
    float *previous = x;
    x = y;
    y = previous;
  }
  return x;
}

int MXI_ISA_NAME(mxi_fft_lanes)(void) { return MXI_VL; }
