/* Parameters of gathers and scatters. A position is one of the shape of the indices; at the offset that its
   indices lead to lies a slice. */
#ifndef MXI_CUDA_KERNELS_INDEXING_H
#define MXI_CUDA_KERNELS_INDEXING_H
#include "cuda/kernels/index.h"

enum { MXI_CUDA_INDEXING_THREADS = 256, MXI_CUDA_GATHER_EACH = 4 /* words of a thread */ };

/* Offsets of positions, for what needs several arrays of indices, or an order of them. */
struct mxi_cuda_resolve {
  struct mxi_cuda_indices indices;
  struct mxi_cuda_region positions; /* operands: the arrays of indices, then the base */
  int64_t base;                     /* from where offsets count */
  int32_t based, adds;              /* also by position; to what is in offsets already */
  int64_t bad;                      /* the offset where an index is out of bounds */
  int64_t *offsets;                 /* NULL: indices are only checked */
};
/* Every element of the slices is a position of its own. */
struct mxi_cuda_spread {
  const int64_t *offsets;
  int64_t *spread;
  int64_t bad;
  uint32_t positions;
  struct mxi_cuda_region slice; /* operand 0: the target */
};

struct mxi_cuda_gather {
  char *to;
  const char *from;
  const int64_t *offsets; /* NULL: by the one array of indices, or none */
  int64_t bad;            /* what is in them where an index is out of bounds */
  int64_t pitch;          /* words of `to` from one position to the next */
  struct mxi_cuda_indices indices;
  struct mxi_cuda_region
      positions; /* operand 0: indices; of the form along an axis 1: the offset to start from */
  struct mxi_cuda_region slice; /* operand 0: from */
  struct mxi_cuda_divisor slice_size;
};

/* Positions in the order of their keys, equal ones in their own. */
struct mxi_cuda_scatter {
  void *to;
  const void *from;
  const int64_t *keys;
  const uint32_t *order; /* NULL: that of the positions */
  int64_t bad;
  int64_t unit;  /* of `to` for a step of the keys */
  int64_t pitch; /* of `from` from one position to the next */
  int32_t mode;  /* a mxi_update_mode */
  uint32_t positions, first,
      size; /* all; and of this launch the first and the number of positions times slice */
  struct mxi_cuda_region slice; /* operand 0: to */
  struct mxi_cuda_divisor slice_size;
};
#endif
