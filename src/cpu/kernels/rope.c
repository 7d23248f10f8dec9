/* Angles are reduced in double, so that positions of any size keep the accuracy of a float result. */
#include "cpu/kernels/rope.h"
#include "cpu/kernels/rows_exp.h"

/* cos and sin of t, |t| < 2^30: t = k pi/2 + r, with pi/2 in three parts of which the first two have 33 bits,
   so that their products with k are exact; then minimax polynomials in r^2 on [-pi/4, pi/4] (errors below
   5e-12), and the quadrant k mod 4 swaps and negates. */
MXI_INLINE void cos_sin(vf64 t, vf64 *cosine, vf64 *sine) {
  const double shift = 0x1.8p52; /* adding it rounds to an integer, held in the low bits */
  vf64 shifted = t * 0x1.45f306dc9c883p-1 + mxi_set_f64(shift);
  vi64 k = (vi64)shifted;
  vf64 n = shifted - mxi_set_f64(shift);
  vf64 r = t - n * 0x1.921fb544p+0 - n * 0x1.0b4611a6p-34 - n * 0x1.3198a2e037073p-69;
  vf64 z = r * r;
  vf64 s = ((z * 0x1.6cd5ecc98a4d4p-19 - 0x1.a00f939b2e2f6p-13) * z + 0x1.11110889f923ap-7) * z -
           0x1.5555554ca9341p-3;
  vf64 c = ((z * -0x1.242909b195d45p-22 + 0x1.a011178f87464p-16) * z - 0x1.6c16b88bf6588p-10) * z +
           0x1.5555554f42917p-5;
  s = r + r * z * s;
  c = mxi_set_f64(1) - 0.5 * z + z * z * c;
  vi64 odd = (k & 1) != 0;
  vi64 sine_sign = (k & 2) << 62, cosine_sign = ((k + 1) & 2) << 62;
  *sine = (vf64)((vi64)mxi_blend_f64(odd, c, s) ^ sine_sign);
  *cosine = (vf64)((vi64)mxi_blend_f64(odd, s, c) ^ cosine_sign);
}

static void store_angle(float *row, int64_t i, int64_t pairs, bool traditional, double cosine, double sine) {
  if (traditional) {
    row[2 * i] = row[2 * i + 1] = (float)cosine;
    row[2 * (pairs + i)] = -(float)sine;
    row[2 * (pairs + i) + 1] = (float)sine;
  } else {
    row[i] = (float)cosine;
    row[pairs + i] = (float)sine;
  }
}

void MXI_ISA_NAME(mxi_rope_table)(double position, const double *frequencies, int64_t pairs, bool traditional,
                                  float *row) {
  for (int64_t i = 0; i < pairs; i += MXI_VD) {
    int64_t n = pairs - i < MXI_VD ? pairs - i : MXI_VD;
    vf64 c, s,
        t = position * (n == MXI_VD ? mxi_load_f64(frequencies + i) : mxi_loadn_f64(frequencies + i, n));
    cos_sin(t, &c, &s);
    for (int64_t j = 0; j < n; j++) {
      bool large = !(fabs(t[j]) < 0x1p30);
      store_angle(row, i + j, pairs, traditional, large ? cos(t[j]) : c[j], large ? sin(t[j]) : s[j]);
    }
  }
}

MXI_INLINE void rotate_halves(const void *x, void *out, int64_t pairs, const float *table, int type) {
  const float *cosine = table, *sine = table + pairs;
  int64_t i = 0;
  for (; i + MXI_VL <= pairs; i += MXI_VL) {
    vf32 a = load_as_f32(x, i, type), b = load_as_f32(x, pairs + i, type);
    vf32 c = mxi_load_f32(cosine + i), s = mxi_load_f32(sine + i);
    store_from_f32(out, i, multiply_add_f32(a, c, -(b * s)), type);
    store_from_f32(out, pairs + i, multiply_add_f32(a, s, b * c), type);
  }
  if (i == pairs) return;
  int64_t n = pairs - i;
  vf32 a = loadn_as_f32(x, i, n, type), b = loadn_as_f32(x, pairs + i, n, type);
  vf32 c = mxi_loadn_f32(cosine + i, n), s = mxi_loadn_f32(sine + i, n);
  storen_from_f32(out, i, multiply_add_f32(a, c, -(b * s)), n, type);
  storen_from_f32(out, pairs + i, multiply_add_f32(a, s, b * c), n, type);
}

/* Each lane changes places with its neighbour. */
MXI_INLINE vf32 swap_pairs(vf32 v) { return (vf32)(((vu64)v >> 32) | ((vu64)v << 32)); }

MXI_INLINE void rotate_neighbours(const void *x, void *out, int64_t pairs, const float *table, int type) {
  const float *cosine = table, *sine = table + 2 * pairs;
  int64_t i = 0;
  for (; i + MXI_VL <= 2 * pairs; i += MXI_VL) {
    vf32 v = load_as_f32(x, i, type), c = mxi_load_f32(cosine + i), s = mxi_load_f32(sine + i);
    store_from_f32(out, i, multiply_add_f32(v, c, swap_pairs(v) * s), type);
  }
  if (i == 2 * pairs) return;
  int64_t n = 2 * pairs - i;
  vf32 v = loadn_as_f32(x, i, n, type), c = mxi_loadn_f32(cosine + i, n), s = mxi_loadn_f32(sine + i, n);
  storen_from_f32(out, i, multiply_add_f32(v, c, swap_pairs(v) * s), n, type);
}

MXI_INLINE void rotate_row(const void *x, void *out, int64_t width, int64_t pairs, bool traditional,
                           const float *table, int type) {
  if (traditional)
    rotate_neighbours(x, out, pairs, table, type);
  else
    rotate_halves(x, out, pairs, table, type);
  int64_t bytes = type == MX_FLOAT32 ? 4 : 2;
  if (out != x && width > 2 * pairs)
    memcpy((char *)out + 2 * pairs * bytes, (const char *)x + 2 * pairs * bytes,
           (size_t)((width - 2 * pairs) * bytes));
}

void MXI_ISA_NAME(mxi_rope_row)(mx_dtype dtype, const void *x, void *out, int64_t width, int64_t pairs,
                                bool traditional, const float *table) {
  FOR_FLOAT_TYPE(dtype, type, rotate_row(x, out, width, pairs, traditional, table, type));
}
