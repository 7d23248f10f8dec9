/* Parameters of the radix sorts. */
#ifndef MXI_CUDA_KERNELS_SORT_H
#define MXI_CUDA_KERNELS_SORT_H
#include "cuda/kernels/plain.h"

enum {
  MXI_CUDA_SORT_BITS = 8, /* of a digit */
  MXI_CUDA_SORT_DIGITS = 1 << MXI_CUDA_SORT_BITS,
  MXI_CUDA_SORT_THREADS = 512, /* of a tile, of long rows */
  MXI_CUDA_SORT_SHORT_THREADS = 256,
  MXI_CUDA_SORT_TILE_BYTES = MXI_CUDA_SORT_THREADS * 64, /* of keys: 32 bits each, or 64 */
  MXI_CUDA_SORT_PART = 1 << 15,                          /* keys that a block counts */
  /* A state: what is known of how often a digit comes up to the end of a tile, and of what. */
  MXI_CUDA_SORT_STATE_BITS = 30
};

/* How elements become unsigned keys in the same order. */
enum mxi_cuda_sort_kind {
  MXI_CUDA_SORT_UNSIGNED,
  MXI_CUDA_SORT_SIGNED,
  MXI_CUDA_SORT_FLOAT,  /* NaN is the last of all */
  MXI_CUDA_SORT_COMPLEX /* no way back */
};
struct mxi_cuda_sort_coding {
  int32_t kind;      /* enum mxi_cuda_sort_kind */
  int32_t equates;   /* -0 and +0 have one key */
  uint64_t infinity; /* a float's, as bits */
};

/* Rows that fit a block, one or several to each. Keys come from `in`; `out` gets the elements, or their
   places in the row as uint32. */
struct mxi_cuda_sort_rows {
  const void *in;
  void *out;
  int64_t count;  /* rows */
  int32_t length; /* of a row */
  int32_t rows;   /* of a block; more than one: with places only */
  int32_t each;   /* elements of a thread, as many as the block's rows need */
  int32_t bits;   /* of a key that differ */
  int32_t places; /* the result is places */
  struct mxi_cuda_sort_coding coding;
};

/* How often each digit comes in each row, for all passes in one reading. */
struct mxi_cuda_sort_counts {
  const void *in;
  unsigned long long *counts; /* (rows, passes, digits), zeros before; sums of those before, after the scan */
  int64_t length, parts;      /* of a row */
  int32_t passes;
  struct mxi_cuda_sort_coding coding;
};

/* Of sorted rows, the key at kth, and where keys like it begin and end. */
struct mxi_cuda_sort_bounds {
  const void *sorted;
  uint64_t *pivots; /* (rows) */
  uint64_t *bases;  /* (rows, digits): where those below, at and above the pivot go */
  int64_t rows, length, kth;
  struct mxi_cuda_sort_coding coding;
};

/* A pass: items of each row go to their places by one digit, those that share it in their order. A chunk of
   each row: what a state's bits can count. */
struct mxi_cuda_sort_pass {
  const void *in;               /* keys, or elements in the first pass */
  void *out;                    /* keys, or elements in the last pass; NULL: not wanted */
  const void *in_with;          /* values that go with them; NULL: uint32 places in the row */
  void *out_with;               /* NULL: there are none */
  uint32_t *turn;               /* a counter, 0 before: blocks take tiles in this order */
  uint32_t *states;             /* (rows, tiles, digits), zeros before */
  const uint64_t *base;         /* of a row: where its first item of each digit goes */
  uint64_t *next_base;          /* (rows, digits), for the chunk that follows; NULL: none does */
  int64_t base_step;            /* from row to row */
  int64_t length, first, count; /* of a row; of the chunk in it */
  uint32_t tiles;               /* of a row's chunk */
  uint32_t shift;
  const uint64_t *pivots;   /* of each row: the digit of a key is 0 below, 1 at, 2 above it; or NULL */
  int32_t encodes, decodes; /* the first pass; the last one */
  struct mxi_cuda_sort_coding coding;
};
#endif
