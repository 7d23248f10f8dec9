/* Turning indices into offsets, and gathering by them. */
#include "cpu/kernels/copy.h"
#include "cpu/simd.h"

/* A run is converted as a whole and checked once; only a bad run is searched. Unsigned indices don't wrap. */
#define INDEX_RUN(T, negative)                                                                              \
  static int64_t index_##T(const T *x, int64_t step, int64_t n, int64_t dim, int64_t limit, int64_t stride, \
                           int64_t *out) {                                                                  \
    uint64_t bad = 0;                                                                                       \
    for (int64_t i = 0; i < n; i++) {                                                                       \
      int64_t at = (int64_t)x[i * step];                                                                    \
      if (negative) at += at < 0 ? dim : 0;                                                                 \
      bad |= (uint64_t)at >= (uint64_t)limit;                                                               \
      out[i] += (int64_t)((uint64_t)at * (uint64_t)stride);                                                 \
    }                                                                                                       \
    if (!bad) return -1;                                                                                    \
    int64_t i = 0;                                                                                          \
    for (;; i++) {                                                                                          \
      int64_t at = (int64_t)x[i * step];                                                                    \
      if (negative) at += at < 0 ? dim : 0;                                                                 \
      if ((uint64_t)at >= (uint64_t)limit) return i;                                                        \
    }                                                                                                       \
  }
INDEX_RUN(uint8_t, 0)
INDEX_RUN(uint16_t, 0)
INDEX_RUN(uint32_t, 0)
INDEX_RUN(uint64_t, 0)
INDEX_RUN(int8_t, 1)
INDEX_RUN(int16_t, 1)
INDEX_RUN(int32_t, 1)
INDEX_RUN(int64_t, 1)

int64_t MXI_ISA_NAME(mxi_index_run)(mx_dtype t, const void *x, int64_t step, int64_t n, int64_t dim,
                                    int64_t limit, int64_t stride, int64_t *offsets) {
  switch (t) {
  case MX_UINT16: return index_uint16_t(x, step, n, dim, limit, stride, offsets);
  case MX_UINT32: return index_uint32_t(x, step, n, dim, limit, stride, offsets);
  case MX_UINT64: return index_uint64_t(x, step, n, dim, limit, stride, offsets);
  case MX_INT8: return index_int8_t(x, step, n, dim, limit, stride, offsets);
  case MX_INT16: return index_int16_t(x, step, n, dim, limit, stride, offsets);
  case MX_INT32: return index_int32_t(x, step, n, dim, limit, stride, offsets);
  case MX_INT64: return index_int64_t(x, step, n, dim, limit, stride, offsets);
  default: return index_uint8_t(x, step, n, dim, limit, stride, offsets);
  }
}

#define GATHER(T)                                                                   \
  static void gather_##T(int64_t n, T *dst, const T *src, const int64_t *offsets) { \
    for (int64_t i = 0; i < n; i++) dst[i] = src[offsets[i]];                       \
  }
GATHER(uint8_t)
GATHER(uint16_t)
GATHER(uint32_t)
GATHER(uint64_t)

void MXI_ISA_NAME(mxi_gather_elements)(int itemsize, int64_t n, void *dst, const void *src,
                                       const int64_t *offsets) {
  switch (itemsize) {
  case 1: gather_uint8_t(n, dst, src, offsets); break;
  case 2: gather_uint16_t(n, dst, src, offsets); break;
  case 4: gather_uint32_t(n, dst, src, offsets); break;
  default: gather_uint64_t(n, dst, src, offsets); break;
  }
}

enum { AHEAD = 8 }; /* rows whose first lines are asked for early */

/* A row is moved by vectors, the last of which may overlap the one before it. */
MXI_INLINE void move_row(char *dst, const char *src, size_t bytes) {
  if (bytes < MXI_VBYTES || bytes > 2048) {
    memcpy(dst, src, bytes);
    return;
  }
  size_t i = 0;
  for (; i + MXI_VBYTES <= bytes; i += MXI_VBYTES) memcpy(dst + i, src + i, MXI_VBYTES);
  memcpy(dst + bytes - MXI_VBYTES, src + bytes - MXI_VBYTES, MXI_VBYTES);
}

/* A row of whole cache lines, past the caches. */
MXI_INLINE void stream_row(char *dst, const char *src, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) mxi_stream_line(dst + i, src + i);
}

void MXI_ISA_NAME(mxi_gather_rows)(int itemsize, size_t bytes, int64_t n, void *dst, const void *src,
                                   const int64_t *offsets, bool stream) {
  char *d = dst;
  const char *s = src;
  stream = stream && ((uintptr_t)dst | bytes) % 64 == 0;
  for (int64_t i = 0; i < n; i++, d += bytes) {
    if (i + AHEAD < n)
      for (size_t line = 0; line < bytes && line < 512; line += 64)
        __builtin_prefetch(s + offsets[i + AHEAD] * itemsize + line);
    if (stream)
      stream_row(d, s + offsets[i] * itemsize, bytes);
    else
      move_row(d, s + offsets[i] * itemsize, bytes);
  }
  if (stream) mxi_stream_fence();
}
