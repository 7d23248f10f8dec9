#include "cpu/kernels/conv_depthwise.h"
#include "cpu/kernels/multiply_add.h"
#include "cpu/simd.h"

enum { BLOCK = 8 /* pixels at a time: accumulators, one vector of weights, and room to spare */ };

/* The first n lanes, widened; and back. */
#define READ_WRITE(name, T, V, LANES)                                \
  MXI_INLINE V read_##name(const T *p, int64_t n) {                  \
    return n >= LANES ? mxi_load_##name(p) : mxi_loadn_##name(p, n); \
  }                                                                  \
  MXI_INLINE void write_##name(T *p, V v, int64_t n) {               \
    if (n >= LANES)                                                  \
      mxi_store_##name(p, v);                                        \
    else                                                             \
      mxi_storen_##name(p, v, n);                                    \
  }
READ_WRITE(f32, float, vf32, MXI_VL)
READ_WRITE(f64, double, vf64, MXI_VD)
READ_WRITE(u16h, uint16_t, vu16h, MXI_VL)
MXI_INLINE vf32 read_f16(const uint16_t *p, int64_t n) { return mxi_f32_from_f16(read_u16h(p, n)); }
MXI_INLINE vf32 read_bf16(const uint16_t *p, int64_t n) { return mxi_f32_from_bf16(read_u16h(p, n)); }
MXI_INLINE void write_f16(uint16_t *p, vf32 v, int64_t n) { write_u16h(p, mxi_f16_from_f32(v), n); }
MXI_INLINE void write_bf16(uint16_t *p, vf32 v, int64_t n) { write_u16h(p, mxi_bf16_from_f32(v), n); }

/* Up to `n` lanes of channels (a whole vector when `whole`), `count` pixels: x and w point at the first
   channel. The sum of each pixel takes the taps in order, however pixels are grouped. */
#define DEPTHWISE(name, T, A, V, wide)                                                                \
  MXI_INLINE void block_##name(const struct mxi_depthwise *d, const T *x, const A *w,                 \
                               const struct mxi_window *win, int count, T *y, int64_t n) {            \
    V acc[BLOCK];                                                                                     \
    MXI_UNROLL                                                                                        \
    for (int i = 0; i < count; i++) acc[i] = (V){0};                                                  \
    for (int64_t t0 = 0; t0 < win[0].count; t0++)                                                     \
      for (int64_t t1 = 0; t1 < win[1].count; t1++) {                                                 \
        const T *xt = x + (win[0].in + t0 * win[0].in_step) * d->x_axis[0] +                          \
                      (win[1].in + t1 * win[1].in_step) * d->x_axis[1] + win[2].in * d->x_axis[2];    \
        const A *wt = w + (win[0].tap + t0 * win[0].tap_step) * d->w_axis[0] +                        \
                      (win[1].tap + t1 * win[1].tap_step) * d->w_axis[1] + win[2].tap * d->w_axis[2]; \
        for (int64_t t2 = 0; t2 < win[2].count; t2++) {                                               \
          V weight = read_##wide(wt, n);                                                              \
          MXI_UNROLL                                                                                  \
          for (int i = 0; i < count; i++)                                                             \
            acc[i] = multiply_add_##wide(read_##name(xt + i * d->stride, n), weight, acc[i]);         \
          xt += win[2].in_step * d->x_axis[2];                                                        \
          wt += win[2].tap_step * d->w_axis[2];                                                       \
        }                                                                                             \
      }                                                                                               \
    MXI_UNROLL                                                                                        \
    for (int i = 0; i < count; i++) write_##name(y + i * d->channels, acc[i], n);                     \
  }                                                                                                   \
  MXI_INLINE void lanes_##name(const struct mxi_depthwise *d, const T *x, const A *w,                 \
                               const struct mxi_window *win, int64_t pixels, T *y, int64_t n) {       \
    int64_t i = 0;                                                                                    \
    for (; i + BLOCK <= pixels; i += BLOCK)                                                           \
      block_##name(d, x + i * d->stride, w, win, BLOCK, y + i * d->channels, n);                      \
    for (; i < pixels; i++) block_##name(d, x + i * d->stride, w, win, 1, y + i * d->channels, n);    \
  }                                                                                                   \
  static void pixels_##name(const struct mxi_depthwise *d, const T *x, const struct mxi_window *win,  \
                            int64_t pixels, T *y) {                                                   \
    enum { L = sizeof(V) / sizeof(A) };                                                               \
    const A *w = d->w;                                                                                \
    int64_t c = 0;                                                                                    \
    for (; c + L <= d->channels; c += L) lanes_##name(d, x + c, w + c, win, pixels, y + c, L);        \
    if (c < d->channels) lanes_##name(d, x + c, w + c, win, pixels, y + c, d->channels - c);          \
  }
DEPTHWISE(f32, float, float, vf32, f32)
DEPTHWISE(f16, uint16_t, float, vf32, f32)
DEPTHWISE(bf16, uint16_t, float, vf32, f32)
DEPTHWISE(f64, double, double, vf64, f64)

void MXI_ISA_NAME(mxi_depthwise_pixels)(const struct mxi_depthwise *d, const void *image,
                                        const struct mxi_window window[3], int64_t pixels, void *y) {
  if (d->dtype == MX_FLOAT32)
    pixels_f32(d, image, window, pixels, y);
  else if (d->dtype == MX_FLOAT16)
    pixels_f16(d, image, window, pixels, y);
  else if (d->dtype == MX_BFLOAT16)
    pixels_bf16(d, image, window, pixels, y);
  else
    pixels_f64(d, image, window, pixels, y);
}
