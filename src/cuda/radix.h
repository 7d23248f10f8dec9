/* Stable sorts by unsigned keys in device memory (kernels/sort.cu), for sort.c and order.c. */
#ifndef MXI_CUDA_RADIX_H
#define MXI_CUDA_RADIX_H
#include "cuda/kernels/sort.h"
#include "cuda/memory.h"

struct mxi_cuda_radix {
  int log_bytes; /* of an element */
  struct mxi_cuda_sort_coding coding;
  int bits;              /* of a key, the lowest, by which they differ */
  int64_t rows, length;  /* row after row; neither 0 */
  const void *in;        /* it may be out, or sorted */
  void *sorted, *places; /* what is wanted: either, or of unsigned keys both */
};
int mxi_cuda_radix_sort(mx_stream s, const struct mxi_cuda_radix *r);
/* Places of rows that are only parted at kth, but for short rows: those of the elements below the kth, of its
   equals, of those above, each in their order. */
int mxi_cuda_radix_part(mx_stream s, const struct mxi_cuda_radix *r, int64_t kth);
#endif
