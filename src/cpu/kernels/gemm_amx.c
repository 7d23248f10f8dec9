/* The packed product of bfloat16 by AMX: a tile of 32 x 32 sums is four registers of 16 x 16; a unit of 32 of
   k adds two registers of A times two of B to them. A packed unit of A is 64 bytes a row, of B 16 rows of
   pairs, 64 bytes for each half of the panel. Sums are float32, and subnormals count as zero.
   Registers 0 1 2 3 hold the sums (upper left and right, lower left and right), 4 5 those of A, 6 7 of B; the
   intrinsics take them as plain numbers. */
#include "cpu/kernels/gemm_kernels.h"
#include "cpu/kernels/gemm_pack.h"
#include "cpu/simd.h"

#if defined(__AVX512F__)
#define AMX __attribute__((target("amx-tile,amx-bf16")))
enum { ROWS = 32, HALF = 16, UNIT_BYTES = 64, B_ROW = 2 * UNIT_BYTES };

struct amx_tile_shapes { /* what ldtilecfg reads */
  uint8_t palette, start_row, reserved[14];
  uint16_t bytes[16]; /* of a row */
  uint8_t rows[16];
};

/* The shapes for a tile of h rows; a register of no rows is left out. */
MXI_INLINE AMX void set_shapes(int h) {
  int upper = h < HALF ? h : HALF, lower = h - upper;
  struct amx_tile_shapes s = {.palette = 1};
  const int rows[8] = {upper, upper, lower, lower, upper, lower, HALF, HALF};
  for (int i = 0; i < 8; i++) {
    s.rows[i] = (uint8_t)rows[i];
    s.bytes[i] = rows[i] ? UNIT_BYTES : 0;
  }
  __asm__ volatile("ldtilecfg %0" : : "m"(s));
}

/* Rows of sums from `at`, the next half of them to its right. */
#define LOAD_SUMS(left, right, at, row)   \
  _tile_loadd(left, at, (size_t)(row)*4); \
  _tile_loadd(right, (at) + HALF, (size_t)(row)*4)
#define STORE_SUMS(left, right, at, row)   \
  _tile_stored(left, at, (size_t)(row)*4); \
  _tile_stored(right, (at) + HALF, (size_t)(row)*4)

static __attribute__((noinline)) AMX void amx_tile(int h, int64_t units, const char *a, const char *b,
                                                   const float *in, int64_t in_row, float *out,
                                                   int64_t out_row) {
  set_shapes(h);
  __asm__ volatile("" : : : "memory"); /* the intrinsics do not say that they read and write memory */
  _tile_zero(0);
  _tile_zero(1);
  if (in) { LOAD_SUMS(0, 1, in, in_row); }
  if (h > HALF) {
    _tile_zero(2);
    _tile_zero(3);
    if (in) { LOAD_SUMS(2, 3, in + HALF * in_row, in_row); }
    for (int64_t u = 0; u < units; u++, a += h * UNIT_BYTES, b += HALF * B_ROW) {
      _tile_loadd(6, b, B_ROW);
      _tile_loadd(4, a, UNIT_BYTES);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(5, a + HALF * UNIT_BYTES, UNIT_BYTES);
      _tile_dpbf16ps(2, 5, 6);
      _tile_loadd(7, b + UNIT_BYTES, B_ROW);
      _tile_dpbf16ps(1, 4, 7);
      _tile_dpbf16ps(3, 5, 7);
    }
    STORE_SUMS(2, 3, out + HALF * out_row, out_row);
  } else
    for (int64_t u = 0; u < units; u++, a += h * UNIT_BYTES, b += HALF * B_ROW) {
      _tile_loadd(4, a, UNIT_BYTES);
      _tile_loadd(6, b, B_ROW);
      _tile_dpbf16ps(0, 4, 6);
      _tile_loadd(7, b + UNIT_BYTES, B_ROW);
      _tile_dpbf16ps(1, 4, 7);
    }
  STORE_SUMS(0, 1, out, out_row);
  _tile_release();
  __asm__ volatile("" : : : "memory");
}

// clang-format off
#define EACH_HEIGHT(X)                                                                               \
  X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) \
  X(19) X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(28) X(29) X(30) X(31) X(32)
// clang-format on
#define TILE_OF_HEIGHT(h)                                                                           \
  static void tile_##h(int64_t units, const void *a, const void *b, const void *in, int64_t in_row, \
                       void *out, int64_t out_row) {                                                \
    amx_tile(h, units, a, b, in, in_row, out, out_row);                                             \
  }
EACH_HEIGHT(TILE_OF_HEIGHT)
#define TILE_ENTRY(h) tile_##h,
static const mxi_gemm_tile_fn tiles[ROWS] = {EACH_HEIGHT(TILE_ENTRY)};

const struct mxi_gemm_kernels *MXI_ISA_NAME(mxi_gemm_amx)(void) {
  static const struct mxi_gemm_kernels kernels = {.mr = ROWS,
                                                  .nr = 2 * HALF,
                                                  .unit = 32,
                                                  .unit_bytes = UNIT_BYTES,
                                                  .size = 4,
                                                  .kc = 512, /* a sliver of A stays in the first cache */
                                                  .tiles = tiles,
                                                  .finish = mxi_gemm_finish_f32,
                                                  .pack = {[MX_BFLOAT16] = mxi_pack_bf16_tiles},
                                                  .pack_a = mxi_pack_bf16_rows};
  return mxi_cpu_has(MXI_AMX) ? &kernels : NULL;
}
#else
const struct mxi_gemm_kernels *MXI_ISA_NAME(mxi_gemm_amx)(void) { return NULL; }
#endif
