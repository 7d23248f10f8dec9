/* Between lines in memory and blocks. */
#include "cpu/kernels/fft.h"
#include "cpu/simd.h"

enum { LANES = MXI_VL, ELEMENT = 2 * MXI_VL };

/* Lanes of a and b in turn: a0 b0 a1 b1 ..., the first half and the second; and the way back. */
#if MXI_VBYTES == 64
#define LOW(a, b)  __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define HIGH(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define EVEN(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30)
#define ODD(a, b)  __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31)
#elif MXI_VBYTES == 32
#define LOW(a, b)  __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define EVEN(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14)
#define ODD(a, b)  __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15)
#else
#define LOW(a, b)  __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define EVEN(a, b) __builtin_shufflevector(a, b, 0, 2, 4, 6)
#define ODD(a, b)  __builtin_shufflevector(a, b, 1, 3, 5, 7)
#endif

/* A square of floats, transposed: log2(LANES) rounds, each of which riffles the rows' first half into their
 * second.
 */
MXI_INLINE void transpose(vf32 *v) {
  for (int round = 1; round < LANES; round *= 2) {
    vf32 r[LANES];
    for (int i = 0; i < LANES / 2; i++) {
      r[2 * i] = LOW(v[i], v[i + LANES / 2]);
      r[2 * i + 1] = HIGH(v[i], v[i + LANES / 2]);
    }
    for (int i = 0; i < LANES; i++) v[i] = r[i];
  }
}

/* Are lanes neighbours in memory, `apart` floats from one to the next? */
static bool adjacent(const struct mxi_fft_lines *l, int64_t apart) {
  if (l->lanes < LANES) return false;
  for (int i = 1; i < LANES; i++)
    if (l->line[i] != l->line[0] + i * apart) return false;
  return true;
}
static bool are_rows(const struct mxi_fft_lines *l) { return l->imag == 1 && l->step == 2; }

/* Row r of a square of block rows that starts at x, parts swapped or not. */
MXI_INLINE float *part(float *x, int r, bool swap) { return x + (swap ? r ^ 1 : r) * LANES; }

static void load_rows(const struct mxi_fft_lines *from, int64_t n, bool swap, float *x) {
  vf32 v[LANES];
  for (int64_t at = 0; at < 2 * n; at += LANES) {
    int64_t width = 2 * n - at < LANES ? 2 * n - at : LANES;
    if (width == LANES)
      for (int i = 0; i < LANES; i++) v[i] = mxi_load_f32(from->line[i] + at);
    else
      for (int i = 0; i < LANES; i++) v[i] = mxi_loadn_f32(from->line[i] + at, width);
    transpose(v);
    for (int i = 0; i < width; i++) mxi_store_f32(part(x + at * LANES, i, swap), v[i]);
  }
}

static void store_rows(const struct mxi_fft_lines *to, int64_t n, bool swap, float scale, const float *x) {
  vf32 v[LANES], s = mxi_set_f32(scale);
  for (int64_t at = 0; at < 2 * n; at += LANES) {
    int64_t width = 2 * n - at < LANES ? 2 * n - at : LANES;
    for (int i = 0; i < LANES; i++) v[i] = s;
    for (int i = 0; i < width; i++) v[i] = s * mxi_load_f32(part((float *)x + at * LANES, i, swap));
    transpose(v);
    if (width == LANES)
      for (int i = 0; i < to->lanes; i++) mxi_store_f32(to->line[i] + at, v[i]);
    else
      for (int i = 0; i < to->lanes; i++) mxi_storen_f32(to->line[i] + at, v[i], width);
  }
}

/* Complex columns: the lanes' parts lie in turn. */
static void load_pairs(const struct mxi_fft_lines *from, int64_t n, bool swap, float *x) {
  const float *p = from->line[0];
  for (int64_t k = 0; k < n; k++, p += from->step, x += ELEMENT) {
    vf32 a = mxi_load_f32(p), b = mxi_load_f32(p + LANES);
    mxi_store_f32(part(x, 0, swap), EVEN(a, b));
    mxi_store_f32(part(x, 1, swap), ODD(a, b));
  }
}
MXI_INLINE void stream_f32(float *p, vf32 v) {
#if defined(__AVX512F__)
  _mm512_stream_ps(p, (__m512)v);
#elif defined(__AVX2__)
  _mm256_stream_ps(p, (__m256)v);
#elif defined(__x86_64__)
  _mm_stream_ps(p, (__m128)v);
#else
  mxi_store_f32(p, v);
#endif
}
MXI_INLINE void store_pairs(const struct mxi_fft_lines *to, int64_t n, bool swap, float scale, bool stream,
                            const float *x) {
  void (*put)(float *p, vf32 v) = stream ? stream_f32 : mxi_store_f32;
  float *p = to->line[0];
  vf32 s = mxi_set_f32(scale);
  for (int64_t k = 0; k < n; k++, p += to->step, x += ELEMENT) {
    vf32 re = s * mxi_load_f32(part((float *)x, 0, swap)), im = s * mxi_load_f32(part((float *)x, 1, swap));
    put(p, LOW(re, im));
    put(p + LANES, HIGH(re, im));
  }
}
static void stream_pairs(const struct mxi_fft_lines *to, int64_t n, bool swap, float scale, const float *x) {
  store_pairs(to, n, swap, scale, true, x);
#if defined(__x86_64__)
  _mm_sfence();
#endif
}
static bool may_stream(const struct mxi_fft_lines *l) {
  return l->stream &&
         ((uintptr_t)l->line[0] | (uintptr_t)(l->step * (int64_t)sizeof(float))) % MXI_VBYTES == 0;
}

/* Real columns: an element's parts, or its one part, are vectors. */
static void load_columns(const struct mxi_fft_lines *from, int64_t n, bool swap, float *x) {
  const float *p = from->line[0];
  for (int64_t k = 0; k < n; k++, p += from->step, x += ELEMENT) {
    mxi_store_f32(part(x, 0, swap), mxi_load_f32(p));
    mxi_store_f32(part(x, 1, swap),
                  from->imag != MXI_FFT_NO_IMAG ? mxi_load_f32(p + from->imag) : mxi_set_f32(0));
  }
}
static void store_columns(const struct mxi_fft_lines *to, int64_t n, bool swap, float scale, const float *x) {
  float *p = to->line[0];
  vf32 s = mxi_set_f32(scale);
  for (int64_t k = 0; k < n; k++, p += to->step, x += ELEMENT) {
    mxi_store_f32(p, s * mxi_load_f32(part((float *)x, 0, swap)));
    if (to->imag != MXI_FFT_NO_IMAG) mxi_store_f32(p + to->imag, s * mxi_load_f32(part((float *)x, 1, swap)));
  }
}

/* Any layout. */
static void load_each(const struct mxi_fft_lines *from, int64_t n, bool swap, float *x) {
  for (int64_t k = 0; k < n; k++, x += ELEMENT)
    for (int i = 0; i < LANES; i++) {
      const float *p = from->line[i] + k * from->step;
      part(x, 0, swap)[i] = *p;
      part(x, 1, swap)[i] = from->imag != MXI_FFT_NO_IMAG ? p[from->imag] : 0;
    }
}
static void store_each(const struct mxi_fft_lines *to, int64_t n, bool swap, float scale, const float *x) {
  for (int64_t k = 0; k < n; k++, x += ELEMENT)
    for (int i = 0; i < to->lanes; i++) {
      float *p = to->line[i] + k * to->step;
      *p = scale * part((float *)x, 0, swap)[i];
      if (to->imag != MXI_FFT_NO_IMAG) p[to->imag] = scale * part((float *)x, 1, swap)[i];
    }
}

void MXI_ISA_NAME(mxi_fft_load)(const struct mxi_fft_lines *from, int64_t n, bool swap, float *x) {
  if (from->imag == 1 && adjacent(from, 2))
    load_pairs(from, n, swap, x);
  else if (are_rows(from))
    load_rows(from, n, swap, x);
  else if (from->imag != 1 && adjacent(from, 1))
    load_columns(from, n, swap, x);
  else
    load_each(from, n, swap, x);
}

void MXI_ISA_NAME(mxi_fft_store)(const struct mxi_fft_lines *to, int64_t n, bool swap, float scale,
                                 const float *x) {
  if (to->imag == 1 && adjacent(to, 2) && may_stream(to))
    stream_pairs(to, n, swap, scale, x);
  else if (to->imag == 1 && adjacent(to, 2))
    store_pairs(to, n, swap, scale, false, x);
  else if (are_rows(to))
    store_rows(to, n, swap, scale, x);
  else if (to->imag != 1 && adjacent(to, 1))
    store_columns(to, n, swap, scale, x);
  else
    store_each(to, n, swap, scale, x);
}
