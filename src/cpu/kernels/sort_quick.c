/* Sorting and selecting items of 32 and 64 bits by vectors: the entry points of sort_items.h. */
#include "core/dtype.h"
#include "cpu/kernels/compress.h"
#include "cpu/kernels/sort.h"
#include "cpu/pool.h"

enum {
  MAX_BAD = 32,           /* lopsided partitions before a run goes to the radix sort */
  INTERRUPTIBLE = 1 << 19 /* items that take some 10 ms */
};

#define BITS 32
#include "cpu/kernels/sort_items.h"
#undef BITS
#define BITS 64
#include "cpu/kernels/sort_items.h"
#undef BITS

void MXI_ISA_NAME(mxi_sort_quick)(const struct mxi_sort *s, void *items, void *spare, int64_t n, void *out,
                                  int64_t at) {
  if (s->form == MXI_SORT_32)
    quick_u32(s, items, spare, n, out, at, MAX_BAD);
  else
    quick_u64(s, items, spare, n, out, at, MAX_BAD);
}

uint64_t MXI_ISA_NAME(mxi_sort_pivot)(const struct mxi_sort *s, const void *items, int64_t n) {
  return s->form == MXI_SORT_32 ? pivot_u32(items, n) : pivot_u64(items, n);
}

int64_t MXI_ISA_NAME(mxi_sort_below)(const struct mxi_sort *s, const void *items, int64_t n, uint64_t pivot) {
  return s->form == MXI_SORT_32 ? count_u32(items, n, (uint32_t)pivot) : count_u64(items, n, pivot);
}

void MXI_ISA_NAME(mxi_sort_split)(const struct mxi_sort *s, const void *items, int64_t n, uint64_t pivot,
                                  void *below, int64_t less, void *rest) {
  if (s->form == MXI_SORT_32)
    move_u32(items, n, (uint32_t)pivot, below, less, rest);
  else
    move_u64(items, n, pivot, below, less, rest);
}

uint64_t MXI_ISA_NAME(mxi_select_kth)(const struct mxi_sort *s, void *items, void *spare, int64_t n,
                                      int64_t k) {
  return s->form == MXI_SORT_32 ? kth_u32(s, items, spare, n, k) : kth_u64(s, items, spare, n, k);
}

int64_t MXI_ISA_NAME(mxi_select_window)(const struct mxi_sort *s, const void *items, int64_t n, uint64_t low,
                                        uint64_t high, void *to, int64_t *below) {
  return s->form == MXI_SORT_32 ? window_u32(items, n, (uint32_t)low, (uint32_t)high, to, below)
                                : window_u64(items, n, low, high, to, below);
}

void MXI_ISA_NAME(mxi_select_place)(const struct mxi_sort *s, const void *items, int64_t n, int64_t first,
                                    uint64_t key, bool indices, int64_t places[3], void *out) {
  if (s->form == MXI_SORT_32)
    place_u32(s, items, n, first, (uint32_t)key, indices, places, out);
  else
    place_u64(s, items, n, first, key, indices, places, out);
}
