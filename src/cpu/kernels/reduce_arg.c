/* Where the smallest or largest element is. A tile's extreme comes from the reduction's kernel; only a tile
   that beats what was found so far is searched for its place. */
#include "cpu/kernels/reduce.h"
#include "cpu/kernels/reduce_ops.h"
#include "cpu/simd.h"

/* Does x come before the best so far? NaN comes before all, and the first of equals stays. */
#define LESS(x, best)     ((x) < (best))
#define GREATER(x, best)  ((x) > (best))
#define FLESS(x, best)    (((x) < (best)) | (((x) != (x)) & ((best) == (best))))
#define FGREATER(x, best) (((x) > (best)) | (((x) != (x)) & ((best) == (best))))
MXI_INLINE bool complex_before(complex_pair x, complex_pair best, bool before) {
  return complex_nan(x) || complex_nan(best) ? complex_nan(x) && !complex_nan(best) : before;
}
#define CLESS(x, best)    complex_before(x, best, complex_less(x, best))
#define CGREATER(x, best) complex_before(x, best, complex_less(best, x))

struct reduce_arg_kernels {
  bool (*before)(const void *x, const void *best);
  int64_t (*find)(const void *tile, int64_t n, const void *value);
  void (*columns)(void *values, uint32_t *indices, const void *tile, int64_t n, uint32_t index);
};

#define KERNELS(T, name, BEFORE)                                                                    \
  static bool before_##name(const void *x, const void *best) {                                      \
    return BEFORE(*(const T *)x, *(const T *)best);                                                 \
  }                                                                                                 \
  static int64_t find_##name(const void *tile, int64_t n, const void *value) {                      \
    const T *x = tile, v = *(const T *)value;                                                       \
    for (int64_t i = 0; i < n; i++)                                                                 \
      if (!BEFORE(x[i], v) && !BEFORE(v, x[i])) return i;                                           \
    return 0;                                                                                       \
  }                                                                                                 \
  static void columns_##name(void *values, uint32_t *restrict indices, const void *tile, int64_t n, \
                             uint32_t index) {                                                      \
    T *restrict v = values;                                                                         \
    const T *restrict x = tile;                                                                     \
    for (int64_t i = 0; i < n; i++) {                                                               \
      bool better = BEFORE(x[i], v[i]);                                                             \
      v[i] = better ? x[i] : v[i];                                                                  \
      indices[i] = better ? index : indices[i];                                                     \
    }                                                                                               \
  }
#define BOTH(T, name, BELOW, ABOVE) \
  KERNELS(T, min_##name, BELOW)     \
  KERNELS(T, max_##name, ABOVE)
BOTH(uint8_t, u8, LESS, GREATER)
BOTH(uint16_t, u16, LESS, GREATER)
BOTH(uint32_t, u32, LESS, GREATER)
BOTH(uint64_t, u64, LESS, GREATER)
BOTH(int8_t, i8, LESS, GREATER)
BOTH(int16_t, i16, LESS, GREATER)
BOTH(int32_t, i32, LESS, GREATER)
BOTH(int64_t, i64, LESS, GREATER)
BOTH(float, f32, FLESS, FGREATER)
BOTH(double, f64, FLESS, FGREATER)
BOTH(complex_pair, c64, CLESS, CGREATER)

#define ENTRY(name) \
  { before_##name, find_##name, columns_##name }
static const struct reduce_arg_kernels table[2][MX_DTYPE_COUNT] = {ORDER(min), ORDER(max)};

static const struct reduce_arg_kernels *reduce_arg_kernels_of(const struct mxi_reduce_kind *r) {
  return &table[r->op == MXI_REDUCE_MAX][r->acc];
}

void MXI_ISA_NAME(mxi_extreme_tile)(const struct mxi_reduce_kind *r, struct mxi_extreme *e, const void *tile,
                                    int64_t n, int64_t first) {
  const struct reduce_arg_kernels *k = reduce_arg_kernels_of(r);
  mxi_reduce_state s;
  uint64_t value = 0;
  MXI_ISA_NAME(mxi_reduce_begin)(r, &s);
  MXI_ISA_NAME(mxi_reduce_tile)(r, &s, tile, n);
  MXI_ISA_NAME(mxi_reduce_finish)(r, &s, &value);
  if (e->index >= 0 && !k->before(&value, &e->value)) return;
  e->value = value;
  e->index = first + k->find(tile, n, &value);
}

void MXI_ISA_NAME(mxi_extreme_combine)(const struct mxi_reduce_kind *r, struct mxi_extreme *e,
                                       const struct mxi_extreme *later) {
  if (reduce_arg_kernels_of(r)->before(&later->value, &e->value)) *e = *later;
}

void MXI_ISA_NAME(mxi_extreme_columns)(const struct mxi_reduce_kind *r, void *values, uint32_t *indices,
                                       const void *tile, int64_t n, uint32_t index) {
  reduce_arg_kernels_of(r)->columns(values, indices, tile, n, index);
}
