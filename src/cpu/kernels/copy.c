/* Panels of elements of one size. Rows that are contiguous on both sides are moved as bytes; a panel that is
   contiguous along its rows on one side and along its columns on the other is a transpose, done in registers,
   square by square, so that every cache line is read and written once, whole. */
#include "cpu/kernels/copy.h"
#include "cpu/simd.h"

/* ---- Squares: LANES vectors of LANES elements, transposed by log2(LANES) perfect shuffles of the rows ----
 */
typedef uint8_t v16u8 __attribute__((vector_size(16)));
typedef uint16_t v8u16 __attribute__((vector_size(16)));
typedef uint16_t v16u16 __attribute__((vector_size(32)));
typedef uint32_t v4u32 __attribute__((vector_size(16)));
typedef uint32_t v8u32 __attribute__((vector_size(32)));
typedef uint32_t v16u32 __attribute__((vector_size(64)));
typedef uint64_t v2u64 __attribute__((vector_size(16)));
typedef uint64_t v4u64 __attribute__((vector_size(32)));
typedef uint64_t v8u64 __attribute__((vector_size(64)));

#define INTERLEAVE_LOW_2(a, b)  __builtin_shufflevector(a, b, 0, 2)
#define INTERLEAVE_HIGH_2(a, b) __builtin_shufflevector(a, b, 1, 3)
#define INTERLEAVE_LOW_4(a, b)  __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define INTERLEAVE_HIGH_4(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#define INTERLEAVE_LOW_8(a, b)  __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define INTERLEAVE_HIGH_8(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define INTERLEAVE_LOW_16(a, b) \
  __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define INTERLEAVE_HIGH_16(a, b) \
  __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)

/* A full, aligned line of 64 bytes may go past the caches. */
MXI_INLINE void store_line(void *dst, const void *v, size_t bytes, int stream) {
#if defined(__AVX512F__)
  if (stream && bytes == 64) {
    _mm512_stream_si512(dst, *(const __m512i *)v);
    return;
  }
#endif
  memcpy(dst, v, bytes);
}

/* dst[j][i] = src[i][j] for i, j in [0, LANES); row strides dst_row, src_row. */
#define SQUARE(T, V, LANES, name)                                                            \
  MXI_INLINE void name(T *dst, int64_t dst_row, const T *src, int64_t src_row, int stream) { \
    V r[LANES], t[LANES];                                                                    \
    for (int i = 0; i < LANES; i++) memcpy(&r[i], src + i * src_row, sizeof(V));             \
    _Pragma("GCC unroll 4")                                                                  \
    for (int stage = 1; stage < LANES; stage *= 2) {                                         \
      _Pragma("GCC unroll 8")                                                                \
      for (int i = 0; i < LANES / 2; i++) {                                                  \
        t[2 * i] = INTERLEAVE_LOW_##LANES(r[i], r[i + LANES / 2]);                           \
        t[2 * i + 1] = INTERLEAVE_HIGH_##LANES(r[i], r[i + LANES / 2]);                      \
      }                                                                                      \
      memcpy(r, t, sizeof r);                                                                \
    }                                                                                        \
    for (int i = 0; i < LANES; i++) store_line(dst + i * dst_row, &r[i], sizeof(V), stream); \
  }

#if defined(__AVX512F__)
#define LANES_4 16
SQUARE(uint32_t, v16u32, 16, square_4)
#define LANES_8 8
SQUARE(uint64_t, v8u64, 8, square_8)
#elif defined(__AVX2__)
#define LANES_4 8
SQUARE(uint32_t, v8u32, 8, square_4)
#define LANES_8 4
SQUARE(uint64_t, v4u64, 4, square_8)
#else
#define LANES_4 4
SQUARE(uint32_t, v4u32, 4, square_4)
#define LANES_8 2
SQUARE(uint64_t, v2u64, 2, square_8)
#endif
#if defined(__AVX2__)
#define LANES_2 16
SQUARE(uint16_t, v16u16, 16, square_2)
#else
#define LANES_2 8
SQUARE(uint16_t, v8u16, 8, square_2)
#endif
#define LANES_1 16
SQUARE(uint8_t, v16u8, 16, square_1)

/* dst is contiguous along columns, src along rows: dst[i][j] = src[j][i]. Bands of LANES destination columns
   (source rows) are walked down the rows, so each source row is read forwards. */
#define PANELS(T, B)                                                                                 \
  static void transpose_##B(const struct mxi_panel *p, T *dst, const T *src, int stream) {           \
    enum { LANES = LANES_##B };                                                                      \
    int64_t rows = p->rows - p->rows % LANES, columns = p->columns - p->columns % LANES;             \
    stream = stream && ((uintptr_t)dst | (uintptr_t)(p->dst_row * B)) % 64 == 0;                     \
    for (int64_t i = 0; i < rows; i += LANES)                                                        \
      for (int64_t j = 0; j < columns; j += LANES)                                                   \
        square_##B(dst + i * p->dst_row + j, p->dst_row, src + j * p->src_column + i, p->src_column, \
                   stream);                                                                          \
    for (int64_t i = 0; i < p->rows; i++)                                                            \
      for (int64_t j = i < rows ? columns : 0; j < p->columns; j++)                                  \
        dst[i * p->dst_row + j] = src[j * p->src_column + i];                                        \
  }                                                                                                  \
  static void strided_##B(const struct mxi_panel *p, T *dst, const T *src) {                         \
    for (int64_t i = 0; i < p->rows; i++) {                                                          \
      T *d = dst + i * p->dst_row;                                                                   \
      const T *s = src + i * p->src_row;                                                             \
      int64_t ds = p->dst_column, ss = p->src_column;                                                \
      if (ds == 1 && ss == 0)                                                                        \
        for (int64_t j = 0; j < p->columns; j++) d[j] = *s;                                          \
      else if (ds == 1 && ss == -1)                                                                  \
        for (int64_t j = 0; j < p->columns; j++) d[j] = s[-j];                                       \
      else if (ds == 1 && ss == 2)                                                                   \
        for (int64_t j = 0; j < p->columns; j++) d[j] = s[2 * j];                                    \
      else                                                                                           \
        for (int64_t j = 0; j < p->columns; j++) d[j * ds] = s[j * ss];                              \
    }                                                                                                \
  }                                                                                                  \
  static void panel_##B(const struct mxi_panel *p, void *dst, const void *src, int stream) {         \
    if (p->dst_column == 1 && p->src_column == 1)                                                    \
      for (int64_t i = 0; i < p->rows; i++)                                                          \
        memcpy((T *)dst + i * p->dst_row, (const T *)src + i * p->src_row, (size_t)p->columns * B);  \
    else if (p->dst_column == 1 && p->src_row == 1 && p->rows > 1)                                   \
      transpose_##B(p, dst, src, stream);                                                            \
    else                                                                                             \
      strided_##B(p, dst, src);                                                                      \
  }
PANELS(uint8_t, 1)
PANELS(uint16_t, 2)
PANELS(uint32_t, 4)
PANELS(uint64_t, 8)

void MXI_ISA_NAME(mxi_copy_panel)(int itemsize, const struct mxi_panel *p, void *dst, const void *src,
                                  int stream) {
  switch (itemsize) {
  case 1: panel_1(p, dst, src, stream); break;
  case 2: panel_2(p, dst, src, stream); break;
  case 4: panel_4(p, dst, src, stream); break;
  default: panel_8(p, dst, src, stream); break;
  }
#if defined(__AVX512F__)
  if (stream) _mm_sfence();
#endif
}
