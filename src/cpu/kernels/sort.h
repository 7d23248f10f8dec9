/* Sorting. An element becomes an unsigned key in the same order. Where indices are wanted they ride along
   below the key, so the order of equal keys is that of the input. Items of one word are sorted by vectors
   (sort_quick.c); pairs, and many keys of few bits, by radix: by their digits, last digit first, each pass
   stable (sort.c). */
#ifndef MXI_CPU_KERNELS_SORT_H
#define MXI_CPU_KERNELS_SORT_H
#include "mlx/dtype.h"
#include "cpu/isa.h"
#include <stdint.h>
#include <stddef.h>
#include <stdbool.h>

enum mxi_sort_form {
  MXI_SORT_32,  /* uint32_t: a key of up to 32 bits */
  MXI_SORT_64,  /* uint64_t: a key of 64 bits, or one of up to 32 above an index of 32 */
  MXI_SORT_PAIR /* a key of 64 bits and its index */
};
struct mxi_sort_pair {
  uint64_t key, index;
};
/* What is sorted: items of one form by the bits [low, high) of their key. */
struct mxi_sort {
  mx_dtype dtype;
  bool indexed; /* items carry indices; sorts of complex64 need them */
  enum mxi_sort_form form;
  int low, high;
};
enum { MXI_SORT_DIGIT = 8, MXI_SORT_BUCKETS = 1 << MXI_SORT_DIGIT };

static inline size_t mxi_sort_item_size(const struct mxi_sort *s) { return (size_t)4 << s->form; }

/* n contiguous elements to items; their indices count from `first`. NaN follows everything. */
MXI_DECLARE_KERNEL(void, mxi_sort_encode,
                   (const struct mxi_sort *s, const void *src, int64_t n, int64_t first, void *items));
/* Items back to elements (not for complex64). */
MXI_DECLARE_KERNEL(void, mxi_sort_decode,
                   (const struct mxi_sort *s, const void *items, int64_t n, void *dst));
/* The indices of indexed items. */
MXI_DECLARE_KERNEL(void, mxi_sort_indices,
                   (const struct mxi_sort *s, const void *items, int64_t n, uint32_t *dst));
/* Sorts n items by radix with as much room in `room`; returns where they are afterwards: items or room. */
MXI_DECLARE_KERNEL(void *, mxi_sort_radix, (const struct mxi_sort *s, void *items, void *room, int64_t n));
/* The steps of one pass over a part of the items, for parts that run in parallel: the number of items with
   each digit at `shift`, and the move of each to places[digit]++. */
MXI_DECLARE_KERNEL(void, mxi_sort_count,
                   (const struct mxi_sort *s, const void *items, int64_t n, int shift,
                    int64_t counts[MXI_SORT_BUCKETS]));
MXI_DECLARE_KERNEL(void, mxi_sort_scatter,
                   (const struct mxi_sort *s, const void *items, int64_t n, int shift,
                    int64_t places[MXI_SORT_BUCKETS], void *to));

/* ---- Items of one word. `spare` is as long as the items, and both are overwritten ---- */
/* The elements or indices of n items, sorted, become those at places [at, at + n) of out. */
MXI_DECLARE_KERNEL(void, mxi_sort_quick,
                   (const struct mxi_sort *s, void *items, void *spare, int64_t n, void *out, int64_t at));
/* An item near the median; n >= 64. */
MXI_DECLARE_KERNEL(uint64_t, mxi_sort_pivot, (const struct mxi_sort *s, const void *items, int64_t n));
/* Items below the pivot. */
MXI_DECLARE_KERNEL(int64_t, mxi_sort_below,
                   (const struct mxi_sort *s, const void *items, int64_t n, uint64_t pivot));
/* Moves the `less` items below the pivot to `below`, the others to `rest`, both in order. */
MXI_DECLARE_KERNEL(void, mxi_sort_split,
                   (const struct mxi_sort *s, const void *items, int64_t n, uint64_t pivot, void *below,
                    int64_t less, void *rest));
/* The k-th smallest of n items that carry no indices. */
MXI_DECLARE_KERNEL(uint64_t, mxi_select_kth,
                   (const struct mxi_sort *s, void *items, void *spare, int64_t n, int64_t k));
/* Items in [low, high] go to `to`, which has room for n; returns how many, and in *below how many are lower.
 */
MXI_DECLARE_KERNEL(int64_t, mxi_select_window,
                   (const struct mxi_sort *s, const void *items, int64_t n, uint64_t low, uint64_t high,
                    void *to, int64_t *below));
/* The elements of n items, or their indices first, first + 1, ..., go to out: those below the key to
   places[0]++, those equal to it to places[1]++, those above it to places[2]++. */
MXI_DECLARE_KERNEL(void, mxi_select_place,
                   (const struct mxi_sort *s, const void *items, int64_t n, int64_t first, uint64_t key,
                    bool indices, int64_t places[3], void *out));
#endif
