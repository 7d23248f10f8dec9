/* Tiles in and out of memory: gathering and scattering along the region's strides, splatting scalars,
   widening and narrowing halves, and stores past the caches. */
#include "cpu/kernels/tiles.h"

#define STRIDED_RUN(bits)                                                             \
  static void gather_##bits(void *dst, const char *from, int64_t stride, int64_t n) { \
    uint##bits##_t *to = dst;                                                         \
    for (int64_t i = 0; i < n; i++, from += stride) memcpy(to + i, from, sizeof *to); \
  }                                                                                   \
  static void scatter_##bits(char *to, int64_t stride, const void *src, int64_t n) {  \
    const uint##bits##_t *from = src;                                                 \
    for (int64_t i = 0; i < n; i++, to += stride) memcpy(to, from + i, sizeof *from); \
  }                                                                                   \
  static void splat_##bits(void *dst, const void *element, int64_t n) {               \
    uint##bits##_t *to = dst, x;                                                      \
    memcpy(&x, element, sizeof x);                                                    \
    for (int64_t i = 0; i < n; i++) to[i] = x;                                        \
  }
STRIDED_RUN(8)
STRIDED_RUN(16)
STRIDED_RUN(32)
STRIDED_RUN(64)

static void splat_run(void *dst, const void *element, int64_t n, int size) {
  switch (size) {
  case 1: splat_8(dst, element, n); break;
  case 2: splat_16(dst, element, n); break;
  case 4: splat_32(dst, element, n); break;
  default: splat_64(dst, element, n);
  }
}
static void gather_run(void *dst, const char *from, int64_t stride, int64_t n, int size) {
  if (stride == size) {
    memcpy(dst, from, (size_t)(n * size));
    return;
  }
  if (stride == 0) {
    splat_run(dst, from, n, size);
    return;
  }
  switch (size) {
  case 1: gather_8(dst, from, stride, n); break;
  case 2: gather_16(dst, from, stride, n); break;
  case 4: gather_32(dst, from, stride, n); break;
  default: gather_64(dst, from, stride, n);
  }
}
static void scatter_run(char *to, int64_t stride, const void *src, int64_t n, int size) {
  if (stride == size) {
    memcpy(to, src, (size_t)(n * size));
    return;
  }
  switch (size) {
  case 1: scatter_8(to, stride, src, n); break;
  case 2: scatter_16(to, stride, src, n); break;
  case 4: scatter_32(to, stride, src, n); break;
  default: scatter_64(to, stride, src, n);
  }
}

/* A place in the region, walked row by row: where it is in an operand, and its index along the innermost
   dims, the innermost first. Stepping beyond those dims seeks anew. */
enum { CURSOR_DIMS = 8 };
struct tile_cursor {
  const struct mxi_tile_region *region;
  const struct mxi_operand *operand;
  int64_t position, row,
      stride; /* element of the region; the innermost dim's length, and its stride in bytes */
  char *at;
  int64_t index[CURSOR_DIMS];
};
static void cursor_seek(struct tile_cursor *c, int64_t position) {
  c->position = position;
  c->at = c->operand->data;
  for (int d = c->region->ndim - 1, depth = 0; d >= 0; d--, depth++) {
    int64_t index = position % c->region->shape[d];
    position /= c->region->shape[d];
    c->at += index * c->operand->strides[d];
    if (depth < CURSOR_DIMS) c->index[depth] = index;
  }
}
static void cursor_open(struct tile_cursor *c, const struct mxi_tile_region *region,
                        const struct mxi_operand *operand, int64_t start) {
  int last = region->ndim - 1;
  c->region = region, c->operand = operand;
  c->index[0] = 0;
  c->row = last < 0 ? 1 : region->shape[last];
  c->stride = last < 0 ? 0 : operand->strides[last];
  cursor_seek(c, start);
}
/* Elements of this row before position `end`. */
static int64_t cursor_run(const struct tile_cursor *c, int64_t end) {
  int64_t in_row = c->row - c->index[0];
  return in_row < end - c->position ? in_row : end - c->position;
}
static void cursor_advance(struct tile_cursor *c, int64_t run) {
  c->position += run;
  c->at += run * c->stride;
  c->index[0] += run;
  for (int d = c->region->ndim - 1, depth = 0; d > 0 && c->index[depth] == c->region->shape[d]; d--) {
    c->at += c->operand->strides[d - 1] - c->region->shape[d] * c->operand->strides[d];
    c->index[depth++] = 0;
    if (depth == CURSOR_DIMS) {
      cursor_seek(c, c->position);
      return;
    }
    c->index[depth]++;
  }
}

const void *MXI_ISA_NAME(mxi_tile_gather)(void *dst, const struct mxi_tile_region *region,
                                          const struct mxi_operand *from, int64_t start, int n, int size,
                                          int in_place) {
  struct tile_cursor c;
  cursor_open(&c, region, from, start);
  if (in_place && c.stride == size && cursor_run(&c, start + n) == n) return c.at;
  for (char *to = dst; c.position < start + n;) {
    int64_t run = cursor_run(&c, start + n);
    gather_run(to, c.at, c.stride, run, size);
    to += run * size;
    cursor_advance(&c, run);
  }
  return dst;
}
void MXI_ISA_NAME(mxi_tile_scatter)(const struct mxi_operand *to, const struct mxi_tile_region *region,
                                    const void *src, int64_t start, int n, int size) {
  struct tile_cursor c;
  cursor_open(&c, region, to, start);
  for (const char *from = src; c.position < start + n;) {
    int64_t run = cursor_run(&c, start + n);
    scatter_run(c.at, c.stride, from, run, size);
    from += run * size;
    cursor_advance(&c, run);
  }
}
void MXI_ISA_NAME(mxi_tile_splat)(void *dst, const void *element, int n, int size) {
  splat_run(dst, element, n, size);
}

/* The last n mod MXI_VL halves go through the same conversion, on a copy padded with zeros. */
#define WIDEN(type)                                                                                       \
  static void widen_##type(float *dst, const uint16_t *src, int n) {                                      \
    int i = 0;                                                                                            \
    for (; i + MXI_VL <= n; i += MXI_VL)                                                                  \
      mxi_store_f32(dst + i, mxi_f32_from_##type(mxi_load_u16h(src + i)));                                \
    if (i < n) mxi_store_part_f32(dst + i, mxi_f32_from_##type(mxi_loadn_u16h(src + i, n - i)), n - i);   \
  }                                                                                                       \
  static void narrow_##type(uint16_t *dst, const float *src, int n) {                                     \
    int i = 0;                                                                                            \
    for (; i + MXI_VL <= n; i += MXI_VL)                                                                  \
      mxi_store_u16h(dst + i, mxi_##type##_from_f32(mxi_load_f32(src + i)));                              \
    if (i < n) mxi_storen_u16h(dst + i, mxi_##type##_from_f32(mxi_load_part_f32(src + i, n - i)), n - i); \
  }
WIDEN(f16)
WIDEN(bf16)
void MXI_ISA_NAME(mxi_tile_widen)(float *dst, const uint16_t *src, int n, int type) {
  if (type == MX_FLOAT16)
    widen_f16(dst, src, n);
  else
    widen_bf16(dst, src, n);
}
void MXI_ISA_NAME(mxi_tile_narrow)(uint16_t *dst, const float *src, int n, int type) {
  if (type == MX_FLOAT16)
    narrow_f16(dst, src, n);
  else
    narrow_bf16(dst, src, n);
}

void MXI_ISA_NAME(mxi_tile_stream)(void *dst, const void *src, size_t bytes) {
  char *to = dst;
  const char *from = src;
  size_t head = -(uintptr_t)to % MXI_VBYTES;
  if (head > bytes) head = bytes;
  memcpy(to, from, head);
  size_t i = head;
  for (; i + MXI_VBYTES <= bytes; i += MXI_VBYTES) {
    vf32 v = mxi_load_f32((const float *)(const void *)(from + i));
#if defined(__AVX512F__)
    _mm512_stream_ps((float *)(void *)(to + i), (__m512)v);
#elif defined(__AVX2__)
    _mm256_stream_ps((float *)(void *)(to + i), (__m256)v);
#else
    _mm_stream_ps((float *)(void *)(to + i), (__m128)v);
#endif
  }
  memcpy(to + i, from + i, bytes - i);
}
