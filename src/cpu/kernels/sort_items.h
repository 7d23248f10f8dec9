/* Quicksort and selection of unsigned items, included once for each width: BITS is 32 or 64.

   Up to 16 vectors are sorted in registers, by a bitonic network. An item's place in that block is
   lane * rows + row, so that most of the network compares whole vectors, and a transposition at the end puts
   the items in order. Longer runs are partitioned by a pivot: those below it move to spare memory, the others
   close ranks; both are then sorted the same way. A run that partitions badly too often goes to the radix
   sort. */
#define NAME_(base, bits)  base##_u##bits
#define NAME__(base, bits) NAME_(base, bits)
#define NAME(base)         NAME__(base, BITS)
#define MXI_NAME(base)     NAME__(mxi_##base, BITS)
#if BITS == 32
#define T                 uint32_t
#define V                 vu32
#define LANES             MXI_VL
#define LARGEST           UINT32_MAX
#define BLEND(mask, a, b) ((V)mxi_blend_i32((vi32)(mask), (vi32)(a), (vi32)(b)))
#else
#define T                 uint64_t
#define V                 vu64
#define LANES             MXI_VD
#define LARGEST           UINT64_MAX
#define BLEND(mask, a, b) ((V)mxi_blend_i64((vi64)(mask), (vi64)(a), (vi64)(b)))
#endif
#define BLOCK (16 * LANES)

#if LANES == 16
#define EXCHANGE(v, d)                                                                                \
  __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d, 4 ^ d, 5 ^ d, 6 ^ d, 7 ^ d, 8 ^ d, 9 ^ d, \
                          10 ^ d, 11 ^ d, 12 ^ d, 13 ^ d, 14 ^ d, 15 ^ d)
#define INTERLEAVE_LOW(a, b) \
  __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define INTERLEAVE_HIGH(a, b) \
  __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#elif LANES == 8
#define EXCHANGE(v, d)        __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d, 4 ^ d, 5 ^ d, 6 ^ d, 7 ^ d)
#define INTERLEAVE_LOW(a, b)  __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define INTERLEAVE_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#elif LANES == 4
#define EXCHANGE(v, d)        __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d, 2 ^ d, 3 ^ d)
#define INTERLEAVE_LOW(a, b)  __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define INTERLEAVE_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#else
#define EXCHANGE(v, d)        __builtin_shufflevector(v, v, 0 ^ d, 1 ^ d)
#define INTERLEAVE_LOW(a, b)  __builtin_shufflevector(a, b, 0, 2)
#define INTERLEAVE_HIGH(a, b) __builtin_shufflevector(a, b, 1, 3)
#endif

/* ---- A block of rows <= 16 vectors; rows is a constant wherever these are inlined ---- */
/* The vector whose lane i is lane i ^ distance of v. */
MXI_INLINE V NAME(exchanged)(V v, int distance) {
  switch (distance) {
#define TO(d) \
  case d: return EXCHANGE(v, d)
    TO(1);
#if LANES > 2
    TO(2);
    TO(3);
#endif
#if LANES > 4
    TO(4);
    TO(7);
#endif
#if LANES > 8
    TO(8);
    TO(15);
#endif
#undef TO
  default: return v;
  }
}
/* Lanes with the bit `half` get the larger, the others the smaller. */
MXI_INLINE V NAME(ordered)(V a, V b, int half) {
  return BLEND((MXI_NAME(lanes)() & (T)half) != 0, MXI_NAME(max)(a, b), MXI_NAME(min)(a, b));
}
MXI_INLINE void NAME(compare_rows)(V *v, int i, int k) {
  V low = MXI_NAME(min)(v[i], v[k]);
  v[k] = MXI_NAME(max)(v[i], v[k]);
  v[i] = low;
}
/* Each column of `span` rows is two halves that, the second reversed, are both in order or a bitonic run. */
MXI_INLINE void NAME(merge_rows)(V *v, int rows, int span) {
  _Pragma("GCC unroll 4")
  for (int d = span / 2; d; d /= 2) _Pragma("GCC unroll 16")
  for (int i = 0; i < rows; i++)
    if (!(i & d)) NAME(compare_rows)(v, i, i + d);
}
MXI_INLINE void NAME(sort_columns)(V *v, int rows) {
  _Pragma("GCC unroll 4")
  for (int span = 2; span <= rows; span *= 2) {
    _Pragma("GCC unroll 16")
    for (int i = 0; i < rows; i++)
      if (!(i & (span / 2))) NAME(compare_rows)(v, i, i ^ (span - 1));
    NAME(merge_rows)(v, rows, span / 2);
  }
}
/* Columns in order become groups of 2, 4, ... columns in order. */
MXI_INLINE void NAME(merge_columns)(V *v, int rows) {
  _Pragma("GCC unroll 4")
  for (int group = 2; group <= LANES; group *= 2) {
    _Pragma("GCC unroll 8")
    for (int i = 0; i < (rows + 1) / 2; i++) {
      V a = v[i], b = v[rows - 1 - i];
      v[i] = NAME(ordered)(a, NAME(exchanged)(b, group - 1), group / 2);
      if (rows > 1) v[rows - 1 - i] = NAME(ordered)(b, NAME(exchanged)(a, group - 1), group / 2);
    }
    _Pragma("GCC unroll 4")
    for (int d = group / 4; d; d /= 2) _Pragma("GCC unroll 16")
    for (int i = 0; i < rows; i++) v[i] = NAME(ordered)(v[i], NAME(exchanged)(v[i], d), d);
    NAME(merge_rows)(v, rows, rows);
  }
}
/* Each perfect shuffle of the rows turns the bits of an item's place (row, lane) by one. */
MXI_INLINE void NAME(transpose)(V *v, int rows) {
  V t[16];
  _Pragma("GCC unroll 4")
  for (int turn = 1; turn < rows; turn *= 2) {
    _Pragma("GCC unroll 8")
    for (int i = 0; i < rows / 2; i++) {
      t[2 * i] = INTERLEAVE_LOW(v[i], v[i + rows / 2]);
      t[2 * i + 1] = INTERLEAVE_HIGH(v[i], v[i + rows / 2]);
    }
    _Pragma("GCC unroll 16")
    for (int i = 0; i < rows; i++) v[i] = t[i];
  }
}
MXI_INLINE void NAME(sort_rows)(const T *x, int64_t n, T *to, int rows) {
  V v[16];
  _Pragma("GCC unroll 16")
  for (int i = 0; i < rows; i++) {
    int64_t left = n - i * LANES;
    if (left >= LANES)
      v[i] = MXI_NAME(load)(x + i * LANES);
    else {
      left = left < 0 ? 0 : left;
      v[i] = MXI_NAME(load_first)(x + i * LANES, left) | (V)(MXI_NAME(lanes)() >= (T)left);
    }
  }
  NAME(sort_columns)(v, rows);
  NAME(merge_columns)(v, rows);
  NAME(transpose)(v, rows);
  _Pragma("GCC unroll 16")
  for (int i = 0; i < rows; i++) MXI_NAME(store)(to + i * LANES, v[i]);
}
/* n <= BLOCK items of x, sorted, to `to`, which has room for a block. Not inlined: the networks are long. */
static __attribute__((noinline)) void NAME(sort_block)(const T *x, int64_t n, T *to) {
  if (n <= LANES)
    NAME(sort_rows)(x, n, to, 1);
  else if (n <= 2 * LANES)
    NAME(sort_rows)(x, n, to, 2);
  else if (n <= 4 * LANES)
    NAME(sort_rows)(x, n, to, 4);
  else if (n <= 8 * LANES)
    NAME(sort_rows)(x, n, to, 8);
  else
    NAME(sort_rows)(x, n, to, 16);
}

/* ---- Partitions ---- */
/* About the median of x: of nine places spread over it, lane by lane the median of three medians of three;
   then of the lanes. n >= LANES. */
MXI_INLINE V NAME(median)(V a, V b, V c) {
  return MXI_NAME(max)(MXI_NAME(min)(a, b), MXI_NAME(min)(MXI_NAME(max)(a, b), c));
}
static T NAME(pivot)(const T *x, int64_t n) {
  V m[3];
  T sorted[LANES];
  int64_t step = (n - LANES) / 8;
  for (int i = 0; i < 3; i++) {
    const T *p = x + i * 3 * step;
    m[i] = NAME(median)(MXI_NAME(load)(p), MXI_NAME(load)(p + step), MXI_NAME(load)(p + 2 * step));
  }
  V v = NAME(median)(m[0], m[1], m[2]);
  NAME(merge_columns)(&v, 1);
  MXI_NAME(store)(sorted, v);
  return sorted[LANES / 2];
}

/* Moves the items of x below the pivot to `below` and those that aren't to the front of x, both in order.
   Returns how many are below. Vectors are stored whole: what they write too much lies before the place read
   last in x, and there is as much room in `below`. */
static int64_t NAME(split)(T *x, T *below, int64_t n, T pivot) {
  V p = MXI_NAME(set)(pivot);
  int64_t i = 0, less = 0;
  for (; i + LANES <= n; i += LANES) {
    V v = MXI_NAME(load)(x + i);
    unsigned bits = MXI_NAME(below)(v, p);
    MXI_NAME(store)(below + less, MXI_NAME(compress)(bits, v));
    MXI_NAME(store)(x + i - less, MXI_NAME(compress)(MXI_NAME(others)(bits), v));
    less += __builtin_popcount(bits);
  }
  if (i < n) {
    V v = MXI_NAME(load_first)(x + i, n - i);
    unsigned tail = (1u << (n - i)) - 1, bits = MXI_NAME(below)(v, p) & tail, others = tail & ~bits;
    MXI_NAME(store_first)(below + less, MXI_NAME(compress)(bits, v), __builtin_popcount(bits));
    MXI_NAME(store_first)(x + i - less, MXI_NAME(compress)(others, v), __builtin_popcount(others));
    less += __builtin_popcount(bits);
  }
  return less;
}

/* ---- Runs of any length ---- */
/* Elements or indices of n sorted items to places [at, at + n) of the result. */
static void NAME(emit)(const struct mxi_sort *s, const T *items, int64_t n, void *out, int64_t at) {
  if (s->indexed)
    MXI_ISA_NAME(mxi_sort_indices)(s, items, n, (uint32_t *)out + at);
  else
    MXI_ISA_NAME(mxi_sort_decode)(s, items, n, (char *)out + at * (int64_t)mx_dtype_size(s->dtype));
}
static void NAME(emit_equal)(const struct mxi_sort *s, T item, int64_t n, void *out, int64_t at) {
  T items[BLOCK];
  for (int i = 0; i < BLOCK; i++) items[i] = item;
  for (int64_t i = 0; i < n; i += BLOCK) NAME(emit)(s, items, n - i < BLOCK ? n - i : BLOCK, out, at + i);
}

/* `bad`: partitions that may still be lopsided. */
static void NAME(quick)(const struct mxi_sort *s, T *x, T *spare, int64_t n, void *out, int64_t at, int bad) {
  T block[BLOCK];
  while (n > BLOCK) {
    if (n > INTERRUPTIBLE && mxi_chunk_must_stop()) return;
    if (!bad) {
      NAME(emit)(s, MXI_ISA_NAME(mxi_sort_radix)(s, x, spare, n), n, out, at);
      return;
    }
    T pivot = NAME(pivot)(x, n);
    int64_t less = NAME(split)(x, spare, n, pivot);
    bad -= less < n / 8 || less > n - n / 8;
    if (!less) { /* the pivot is the smallest item: all its equals are in place */
      int64_t same = pivot == LARGEST ? n : NAME(split)(x, spare, n, pivot + 1);
      NAME(emit_equal)(s, pivot, same, out, at);
      at += same, n -= same;
      continue;
    }
    NAME(quick)(s, spare, x + (n - less), less, out, at, bad);
    spare += less, at += less, n -= less;
  }
  if (!n) return;
  NAME(sort_block)(x, n, block);
  NAME(emit)(s, block, n, out, at);
}

/* ---- Steps on parts of a run that threads share ---- */
static int64_t NAME(count)(const T *x, int64_t n, T pivot) {
  V p = MXI_NAME(set)(pivot);
  int64_t i = 0, less = 0;
  for (; i + LANES <= n; i += LANES) less += __builtin_popcount(MXI_NAME(below)(MXI_NAME(load)(x + i), p));
  for (; i < n; i++) less += x[i] < pivot;
  return less;
}
/* The `less` items below the pivot go to `below`, the others to `rest`; nothing is written past their ends.
 */
static void NAME(move)(const T *x, int64_t n, T pivot, T *below, int64_t less, T *rest) {
  V p = MXI_NAME(set)(pivot);
  int64_t i = 0, l = 0, more = n - less;
  for (; i + LANES <= n && l + LANES <= less && i - l + LANES <= more; i += LANES) {
    V v = MXI_NAME(load)(x + i);
    unsigned bits = MXI_NAME(below)(v, p);
    MXI_NAME(store)(below + l, MXI_NAME(compress)(bits, v));
    MXI_NAME(store)(rest + i - l, MXI_NAME(compress)(MXI_NAME(others)(bits), v));
    l += __builtin_popcount(bits);
  }
  for (; i < n; i++)
    if (x[i] < pivot)
      below[l++] = x[i];
    else
      rest[i - l] = x[i];
}

/* ---- Selection ---- */
/* The k-th smallest item; x and spare are overwritten. */
static T NAME(kth)(const struct mxi_sort *s, T *x, T *spare, int64_t n, int64_t k) {
  T block[BLOCK];
  for (int bad = MAX_BAD; n > BLOCK;) {
    if (!bad) return ((const T *)MXI_ISA_NAME(mxi_sort_radix)(s, x, spare, n))[k];
    T pivot = NAME(pivot)(x, n);
    int64_t less = NAME(split)(x, spare, n, pivot);
    bad -= less < n / 8 || less > n - n / 8;
    if (k < less) {
      T *rest = x + (n - less);
      x = spare, spare = rest, n = less;
      continue;
    }
    n -= less, k -= less;
    if (less) continue;
    int64_t same = pivot == LARGEST ? n : NAME(split)(x, spare, n, pivot + 1);
    if (k < same) return pivot;
    n -= same, k -= same;
  }
  NAME(sort_block)(x, n, block);
  return block[k];
}

/* Items in [low, high] go to `to`, which has room for n; returns how many, and how many are below low. */
static int64_t NAME(window)(const T *x, int64_t n, T low, T high, T *to, int64_t *below) {
  V base = MXI_NAME(set)(low), span = MXI_NAME(set)(high - low);
  int64_t i = 0, within = 0, less = 0;
  for (; i + LANES <= n; i += LANES) {
    V v = MXI_NAME(load)(x + i);
    unsigned inside = MXI_NAME(others)(MXI_NAME(below)(span, v - base));
    less += __builtin_popcount(MXI_NAME(below)(v, base));
    MXI_NAME(store)(to + within, MXI_NAME(compress)(inside, v));
    within += __builtin_popcount(inside);
  }
  for (; i < n; i++) {
    less += x[i] < low;
    if (x[i] - low <= high - low) to[within++] = x[i];
  }
  *below = less;
  return within;
}

/* Up to BLOCK items of a run: numbers first, first + 1, ... of those below the key, equal to it, above it,
   each list in order; counts gets their lengths. With `items`, those below and above themselves. */
static void NAME(sift)(const T *x, int64_t n, T key, bool items, T first, T lists[3][BLOCK + LANES],
                       int64_t counts[3]) {
  V k = MXI_NAME(set)(key);
  memset(counts, 0, 3 * sizeof *counts);
  for (int64_t i = 0; i < n; i += LANES) {
    V v, number = MXI_NAME(lanes)() + (first + (T)i);
    unsigned all = (1u << LANES) - 1;
    if (n - i >= LANES)
      v = MXI_NAME(load)(x + i);
    else {
      v = MXI_NAME(load_first)(x + i, n - i);
      all = (1u << (n - i)) - 1;
    }
    unsigned bits[3] = {MXI_NAME(below)(v, k) & all, 0, MXI_NAME(below)(k, v) & all};
    bits[1] = all & ~(bits[0] | bits[2]);
    for (int j = 0; j < 3; j++) {
      MXI_NAME(store)(lists[j] + counts[j], MXI_NAME(compress)(bits[j], items ? v : number));
      counts[j] += __builtin_popcount(bits[j]);
    }
  }
}
static void NAME(place)(const struct mxi_sort *s, const T *x, int64_t n, int64_t first, T key, bool indices,
                        int64_t places[3], void *out) {
  T lists[3][BLOCK + LANES];
  int64_t counts[3];
  for (int64_t i = 0; i < n; i += BLOCK) {
    NAME(sift)(x + i, n - i < BLOCK ? n - i : BLOCK, key, !indices, (T)(first + i), lists, counts);
    for (int j = 0; j < 3; j++) {
      if (indices)
        for (int64_t l = 0; l < counts[j]; l++) ((uint32_t *)out)[places[j] + l] = (uint32_t)lists[j][l];
      else
        NAME(emit)(s, lists[j], counts[j], out, places[j]);
      places[j] += counts[j];
    }
  }
}
#undef NAME_
#undef NAME__
#undef NAME
#undef MXI_NAME
#undef T
#undef V
#undef LANES
#undef LARGEST
#undef BLEND
#undef BLOCK
#undef EXCHANGE
#undef INTERLEAVE_LOW
#undef INTERLEAVE_HIGH
