#include "cpu/kernels/sort.h"
#include "cpu/locals.h"
#include "cpu/simd.h"

enum { DIGIT = MXI_SORT_DIGIT, BUCKETS = MXI_SORT_BUCKETS, MAX_PASSES = 64 / DIGIT, SHORT_ROW = 96 };
typedef struct mxi_sort_pair pair;

/* ---- Keys. A float's bits, sign flipped, are in order; a negative one's are all flipped. ---- */
MXI_INLINE uint32_t key_f32(uint32_t u) {
  if ((u & 0x7fffffff) > 0x7f800000) return UINT32_MAX;
  return u ^ ((uint32_t)((int32_t)u >> 31) | 0x80000000u);
}
MXI_INLINE uint32_t bits_f32(uint32_t k) { return k ^ (((k >> 31) - 1) | 0x80000000u); }
MXI_INLINE uint64_t key_f64(uint64_t u) {
  if ((u & INT64_MAX) > 0x7ff0000000000000) return UINT64_MAX;
  return u ^ ((uint64_t)((int64_t)u >> 63) | (uint64_t)INT64_MIN);
}
MXI_INLINE uint64_t bits_f64(uint64_t k) { return k ^ (((k >> 63) - 1) | (uint64_t)INT64_MIN); }
MXI_INLINE uint16_t key_half(uint16_t u, uint16_t infinity) {
  if ((u & 0x7fff) > infinity) return UINT16_MAX;
  return u & 0x8000 ? (uint16_t)~u : u | 0x8000;
}
MXI_INLINE uint16_t bits_half(uint16_t k) { return k & 0x8000 ? k ^ 0x8000 : (uint16_t)~k; }

/* ---- Encode: T as stored, K its key, `zero` what makes -0 and +0 equal (they are told apart only without
 * indices) --- */
#define AS_STORED(u) (u)
#define ENCODE(T, name, key, zero)                                                                         \
  static void encode_##name(const struct mxi_sort *s, const void *src, int64_t n, int64_t first,           \
                            void *items) {                                                                 \
    const T *x = src;                                                                                      \
    if (!s->indexed && sizeof(T) == 8)                                                                     \
      for (int64_t i = 0; i < n; i++) ((uint64_t *)items)[i] = key(x[i]);                                  \
    else if (!s->indexed)                                                                                  \
      for (int64_t i = 0; i < n; i++) ((uint32_t *)items)[i] = (uint32_t)key(x[i]);                        \
    else if (sizeof(T) == 8)                                                                               \
      for (int64_t i = 0; i < n; i++) ((pair *)items)[i] = (pair){key(zero(x[i])), (uint64_t)(first + i)}; \
    else                                                                                                   \
      for (int64_t i = 0; i < n; i++)                                                                      \
        ((uint64_t *)items)[i] = (uint64_t)key(zero(x[i])) << 32 | (uint32_t)(first + i);                  \
  }
#define KEY_I8(u)   ((uint8_t)((u) ^ 0x80))
#define KEY_I16(u)  ((uint16_t)((u) ^ 0x8000))
#define KEY_I32(u)  ((u) ^ 0x80000000u)
#define KEY_I64(u)  ((u) ^ (uint64_t)INT64_MIN)
#define KEY_F16(u)  key_half(u, 0x7c00)
#define KEY_BF16(u) key_half(u, 0x7f80)
#define ZERO_16(u)  ((uint16_t)((u) == 0x8000 ? 0 : (u)))
#define ZERO_32(u)  ((u) == 0x80000000u ? 0 : (u))
#define ZERO_64(u)  ((u) == (uint64_t)INT64_MIN ? 0 : (u))
ENCODE(uint8_t, u8, AS_STORED, AS_STORED)
ENCODE(uint16_t, u16, AS_STORED, AS_STORED)
ENCODE(uint32_t, u32, AS_STORED, AS_STORED)
ENCODE(uint64_t, u64, AS_STORED, AS_STORED)
ENCODE(uint8_t, i8, KEY_I8, AS_STORED)
ENCODE(uint16_t, i16, KEY_I16, AS_STORED)
ENCODE(uint32_t, i32, KEY_I32, AS_STORED)
ENCODE(uint64_t, i64, KEY_I64, AS_STORED)
ENCODE(uint16_t, f16, KEY_F16, ZERO_16)
ENCODE(uint16_t, bf16, KEY_BF16, ZERO_16)
ENCODE(uint32_t, f32, key_f32, ZERO_32)
ENCODE(uint64_t, f64, key_f64, ZERO_64)

/* By real, then imaginary part; after all those without NaN come those with a NaN imaginary part alone (as
   equals), a NaN real part alone, both. */
static uint64_t key_complex(const uint32_t part[2]) {
  uint64_t re = key_f32(ZERO_32(part[0])), im = key_f32(ZERO_32(part[1]));
  if (re == UINT32_MAX) return (im == UINT32_MAX ? re : re - 1) << 32 | im;
  return im == UINT32_MAX ? (uint64_t)(UINT32_MAX - 2) << 32 : re << 32 | im;
}
static void encode_complex(const struct mxi_sort *s, const void *src, int64_t n, int64_t first, void *items) {
  const uint32_t *x = src;
  for (int64_t i = 0; i < n; i++)
    if (s->indexed)
      ((pair *)items)[i] = (pair){key_complex(x + 2 * i), (uint64_t)(first + i)};
    else
      ((uint64_t *)items)[i] = key_complex(x + 2 * i);
}

void MXI_ISA_NAME(mxi_sort_encode)(const struct mxi_sort *s, const void *src, int64_t n, int64_t first,
                                   void *items) {
  static void (*const encode[MX_DTYPE_COUNT])(const struct mxi_sort *, const void *, int64_t, int64_t,
                                              void *) = {
      encode_u8,  encode_u8,  encode_u16, encode_u32,  encode_u64, encode_i8,  encode_i16,
      encode_i32, encode_i64, encode_f16, encode_bf16, encode_f32, encode_f64, encode_complex};
  encode[s->dtype](s, src, n, first, items);
}

#define DECODE(T, K, bits)                                                        \
  for (int64_t i = 0; i < n; i++) ((T *)dst)[i] = bits((T)((const K *)items)[i]); \
  break
void MXI_ISA_NAME(mxi_sort_decode)(const struct mxi_sort *s, const void *items, int64_t n, void *dst) {
  switch (s->dtype) {
  case MX_UINT16: DECODE(uint16_t, uint32_t, AS_STORED);
  case MX_UINT32: DECODE(uint32_t, uint32_t, AS_STORED);
  case MX_UINT64: DECODE(uint64_t, uint64_t, AS_STORED);
  case MX_INT8: DECODE(uint8_t, uint32_t, KEY_I8);
  case MX_INT16: DECODE(uint16_t, uint32_t, KEY_I16);
  case MX_INT32: DECODE(uint32_t, uint32_t, KEY_I32);
  case MX_INT64: DECODE(uint64_t, uint64_t, KEY_I64);
  case MX_FLOAT16:
  case MX_BFLOAT16: DECODE(uint16_t, uint32_t, bits_half);
  case MX_FLOAT32: DECODE(uint32_t, uint32_t, bits_f32);
  case MX_FLOAT64: DECODE(uint64_t, uint64_t, bits_f64);
  default: DECODE(uint8_t, uint32_t, AS_STORED);
  }
}

void MXI_ISA_NAME(mxi_sort_indices)(const struct mxi_sort *s, const void *items, int64_t n, uint32_t *dst) {
  if (s->form == MXI_SORT_64)
    for (int64_t i = 0; i < n; i++) dst[i] = (uint32_t)((const uint64_t *)items)[i];
  else
    for (int64_t i = 0; i < n; i++) dst[i] = (uint32_t)((const pair *)items)[i].index;
}

/* ---- Short rows of pairs: a pair's place is the number of pairs that come before it ---- */
static void *rank_pair(pair *x, pair *room, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    int64_t before = 0;
    for (int64_t j = 0; j < n; j++) before += (x[j].key < x[i].key) | ((x[j].key == x[i].key) & (j < i));
    room[before] = x[i];
  }
  return room;
}

/* ---- Rows of any length ---- */
#define KEY_OF_PAIR(p) ((p).key)
typedef int64_t digit_counts[BUCKETS];
#define SORT(E, KEY, name)                                                                             \
  static void count_##name(const E *x, int64_t n, int shift, int64_t *counts) {                        \
    int64_t other[BUCKETS] = {0}; /* two tables, so that equal neighbours don't wait for each other */ \
    memset(counts, 0, BUCKETS * sizeof *counts);                                                       \
    int64_t i = 0;                                                                                     \
    for (; i + 2 <= n; i += 2) {                                                                       \
      counts[KEY(x[i]) >> shift & (BUCKETS - 1)]++;                                                    \
      other[KEY(x[i + 1]) >> shift & (BUCKETS - 1)]++;                                                 \
    }                                                                                                  \
    if (i < n) counts[KEY(x[i]) >> shift & (BUCKETS - 1)]++;                                           \
    for (int k = 0; k < BUCKETS; k++) counts[k] += other[k];                                           \
  }                                                                                                    \
  static void scatter_##name(const E *x, int64_t n, int shift, int64_t *places, E *to) {               \
    for (int64_t i = 0; i < n; i++) to[places[KEY(x[i]) >> shift & (BUCKETS - 1)]++] = x[i];           \
  }                                                                                                    \
  /* All digits are counted in one reading; a digit that is the same everywhere needs no pass. */      \
  static void *sort_##name(const struct mxi_sort *s, E *x, E *room, int64_t n) {                       \
    MXI_LOCAL(digit_counts, counts, MAX_PASSES);                                                       \
    int passes = (s->high - s->low) / DIGIT;                                                           \
    memset(counts, 0, (size_t)passes * sizeof counts[0]);                                              \
    for (int64_t i = 0; i < n; i++)                                                                    \
      for (int p = 0; p < passes; p++) counts[p][KEY(x[i]) >> (s->low + p * DIGIT) & (BUCKETS - 1)]++; \
    for (int p = 0; p < passes; p++) {                                                                 \
      int shift = s->low + p * DIGIT;                                                                  \
      int64_t *c = counts[p], place = 0;                                                               \
      if (c[KEY(x[0]) >> shift & (BUCKETS - 1)] == n) continue;                                        \
      for (int k = 0; k < BUCKETS; k++) {                                                              \
        int64_t here = c[k];                                                                           \
        c[k] = place;                                                                                  \
        place += here;                                                                                 \
      }                                                                                                \
      for (int64_t i = 0; i < n; i++) room[c[KEY(x[i]) >> shift & (BUCKETS - 1)]++] = x[i];            \
      E *t = x;                                                                                        \
      x = room;                                                                                        \
      room = t;                                                                                        \
    }                                                                                                  \
    return x;                                                                                          \
  }
SORT(uint32_t, AS_STORED, 32)
SORT(uint64_t, AS_STORED, 64)
SORT(pair, KEY_OF_PAIR, pair)

void *MXI_ISA_NAME(mxi_sort_radix)(const struct mxi_sort *s, void *items, void *room, int64_t n) {
  switch (s->form) {
  case MXI_SORT_32: return sort_32(s, items, room, n);
  case MXI_SORT_64: return sort_64(s, items, room, n);
  default: return n <= SHORT_ROW ? rank_pair(items, room, n) : sort_pair(s, items, room, n);
  }
}

void MXI_ISA_NAME(mxi_sort_count)(const struct mxi_sort *s, const void *items, int64_t n, int shift,
                                  int64_t counts[BUCKETS]) {
  switch (s->form) {
  case MXI_SORT_32: count_32(items, n, shift, counts); break;
  case MXI_SORT_64: count_64(items, n, shift, counts); break;
  default: count_pair(items, n, shift, counts); break;
  }
}

void MXI_ISA_NAME(mxi_sort_scatter)(const struct mxi_sort *s, const void *items, int64_t n, int shift,
                                    int64_t places[BUCKETS], void *to) {
  switch (s->form) {
  case MXI_SORT_32: scatter_32(items, n, shift, places, to); break;
  case MXI_SORT_64: scatter_64(items, n, shift, places, to); break;
  default: scatter_pair(items, n, shift, places, to); break;
  }
}
