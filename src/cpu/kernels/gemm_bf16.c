/* The packed product by bfloat16 dot products (AVX512_BF16): a lane of 32 bits holds two of k, multiplied and
   summed in float32 by one instruction. It rounds each of the two sums and takes subnormals as zero. */
#include "cpu/kernels/gemm_kernels.h"
#include "cpu/kernels/gemm_pack.h"
#include "cpu/kernels/multiply_add.h"
#include "cpu/kernels/tile_heights.h"
#include "cpu/simd.h"

#if defined(__AVX512F__)
/* By integers: the bits of a pair are no float. */
MXI_INLINE vf32 broadcast(const float *pair) {
  int32_t bits;
  memcpy(&bits, pair, sizeof bits);
  return (vf32)mxi_set_i32(bits);
}

MXI_INLINE MXI_BF16_DOT void bf16_tile(int h, int64_t units, const float *a, const float *b, const float *in,
                                       int64_t in_row, float *out, int64_t out_row) {
  vf32 acc[MR][2];
  MXI_UNROLL
  for (int i = 0; i < h; i++) {
    acc[i][0] = acc[i][1] = (vf32){0};
    __builtin_prefetch(out + i * out_row);
    __builtin_prefetch(out + i * out_row + MXI_VL);
  }
  _Pragma("GCC unroll 4")
  for (int64_t u = 0; u < units; u++, a += h, b += 2 * MXI_VL) {
    vf32 b0 = mxi_load_f32(b), b1 = mxi_load_f32(b + MXI_VL);
    MXI_UNROLL
    for (int i = 0; i < h; i++) {
      vf32 pair = broadcast(a + i);
      acc[i][0] = mxi_bf16_dot(pair, b0, acc[i][0]);
      acc[i][1] = mxi_bf16_dot(pair, b1, acc[i][1]);
    }
  }
  MXI_UNROLL
  for (int i = 0; i < h; i++) {
    if (in) {
      acc[i][0] += mxi_load_f32(in + i * in_row);
      acc[i][1] += mxi_load_f32(in + i * in_row + MXI_VL);
    }
    mxi_store_f32(out + i * out_row, acc[i][0]);
    mxi_store_f32(out + i * out_row + MXI_VL, acc[i][1]);
  }
}

#define TILE_OF_HEIGHT(name, h)                                                                    \
  static MXI_BF16_DOT void name##_##h(int64_t units, const void *a, const void *b, const void *in, \
                                      int64_t in_row, void *out, int64_t out_row) {                \
    bf16_tile(h, units, a, b, in, in_row, out, out_row);                                           \
  }
EACH_HEIGHT(TILE_OF_HEIGHT, tile)
#define TILE_ENTRY(name, h) name##_##h,
static const mxi_gemm_tile_fn tiles[MR] = {EACH_HEIGHT(TILE_ENTRY, tile)};

const struct mxi_gemm_kernels *MXI_ISA_NAME(mxi_gemm_bf16_dot)(void) {
  static const struct mxi_gemm_kernels kernels = {.mr = MR,
                                                  .nr = 2 * MXI_VL,
                                                  .unit = 2,
                                                  .unit_bytes = 4,
                                                  .size = 4,
                                                  .kc = 1024,
                                                  .tiles = tiles,
                                                  .finish = mxi_gemm_finish_f32,
                                                  .pack = {[MX_BFLOAT16] = mxi_pack_bf16_pairs}};
  return mxi_cpu_has(MXI_BF16) ? &kernels : NULL;
}
#else
const struct mxi_gemm_kernels *MXI_ISA_NAME(mxi_gemm_bf16_dot)(void) { return NULL; }
#endif
