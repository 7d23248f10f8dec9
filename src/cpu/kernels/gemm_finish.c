/* The end of a tile of float32 sums: c = alpha * tile + beta * c0, rounded once to C's dtype. */
#include "cpu/kernels/gemm_kernels.h"
#include "cpu/simd.h"

/* The first lanes of an addend, at most n; stride 0 repeats one element. */
MXI_INLINE vf32 load_strided(mx_dtype t, const void *src, int64_t stride, int64_t n) {
  if (n > MXI_VL) n = MXI_VL;
  if (t == MX_FLOAT32) {
    if (stride == 1) return n == MXI_VL ? mxi_load_f32(src) : mxi_loadn_f32(src, n);
    float lanes[MXI_VL] = {0};
    for (int64_t j = 0; j < n; j++) lanes[j] = ((const float *)src)[j * stride];
    return mxi_load_f32(lanes);
  }
  uint16_t halves[MXI_VL] = {0};
  for (int64_t j = 0; j < n; j++) halves[j] = ((const uint16_t *)src)[j * stride];
  return t == MX_FLOAT16 ? mxi_f32_from_f16(mxi_load_u16h(halves)) : mxi_f32_from_bf16(mxi_load_u16h(halves));
}
MXI_INLINE void store_lanes(mx_dtype t, char *dst, vf32 x, int64_t n) {
  if (t == MX_FLOAT32) {
    if (n >= MXI_VL)
      mxi_store_f32((float *)dst, x);
    else
      mxi_storen_f32((float *)dst, x, n);
    return;
  }
  vu16h h = t == MX_FLOAT16 ? mxi_f16_from_f32(x) : mxi_bf16_from_f32(x);
  if (n >= MXI_VL)
    mxi_store_u16h((uint16_t *)dst, h);
  else
    mxi_storen_u16h((uint16_t *)dst, h, n);
}

MXI_INLINE void finish_tile(mx_dtype t, const float *tile, int64_t tile_row,
                            const struct mxi_gemm_finish *f) {
  int64_t item = t == MX_FLOAT32 ? 4 : 2;
  vf32 alpha = mxi_set_f32((float)f->alpha), beta = mxi_set_f32((float)f->beta);
  for (int64_t i = 0; i < f->rows; i++)
    for (int64_t j = 0; j < f->cols; j += MXI_VL) {
      const float *sums = tile + i * tile_row + j;
      int64_t n = f->cols - j;
      vf32 x = alpha * (n >= MXI_VL ? mxi_load_f32(sums) : mxi_loadn_f32(sums, n));
      if (f->c0)
        x += beta *
             load_strided(t, (const char *)f->c0 + (i * f->c0_row + j * f->c0_col) * item, f->c0_col, n);
      store_lanes(t, (char *)f->c + (i * f->c_row + j) * item, x, n);
    }
}

void mxi_gemm_finish_f32(const void *tile, int64_t tile_row, const struct mxi_gemm_finish *f) {
  if (f->dtype == MX_FLOAT32)
    finish_tile(MX_FLOAT32, tile, tile_row, f);
  else if (f->dtype == MX_FLOAT16)
    finish_tile(MX_FLOAT16, tile, tile_row, f);
  else
    finish_tile(MX_BFLOAT16, tile, tile_row, f);
}
