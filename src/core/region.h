/* Strided regions of several operands, and iterators over them. A region is a shape with a list of strides
   (in elements) for each operand. */
#ifndef MXI_CORE_REGION_H
#define MXI_CORE_REGION_H
#include "core/array.h"

enum { MXI_REGION_OPERANDS = 3 };

struct mxi_region {
  int ndim; /* 0: one element */
  int noperands;
  int64_t size;
  int64_t shape[MXI_MAX_NDIM];
  int64_t strides[MXI_REGION_OPERANDS][MXI_MAX_NDIM];
  int64_t offset[MXI_REGION_OPERANDS]; /* of the region's first element, where dims were reversed */
};

/* strides[k] points to operand k's strides. Dims of size 1 are dropped. */
void mxi_region_init(struct mxi_region *r, int ndim, const int64_t *shape, int noperands,
                     const int64_t *const *strides);
/* Merges neighbouring dims that every operand walks as one. Keeps the row-major order of the elements. */
void mxi_region_merge(struct mxi_region *r);
/* For work whose order is free: dims along which operand 0 runs backwards are reversed, and sorted so that
   operand 0's strides fall (ties: operand 1's); then merged. */
void mxi_region_sort(struct mxi_region *r);

/* Takes dim i out. */
void mxi_region_drop(struct mxi_region *r, int i);

/* Iterates in row-major order: the coordinates and each operand's offset. */
struct mxi_region_iter {
  int64_t at[MXI_MAX_NDIM];
  int64_t offset[MXI_REGION_OPERANDS];
};
/* At element `index`. */
void mxi_region_iter_init(struct mxi_region_iter *it, const struct mxi_region *r, int64_t index);
/* Elements left in the innermost dim from here (1 in a region without dims). */
static inline int64_t mxi_region_iter_run(const struct mxi_region_iter *it, const struct mxi_region *r) {
  return r->ndim ? r->shape[r->ndim - 1] - it->at[r->ndim - 1] : 1;
}
/* Moves on by n elements, at most to the end of the innermost dim. */
void mxi_region_iter_advance(struct mxi_region_iter *it, const struct mxi_region *r, int64_t n);
#endif
