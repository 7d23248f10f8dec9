/* Walking strided memory. A box is a shape with one list of strides (in elements) for each of up to BOX
 * operands. */
#ifndef MXI_CPU_BOX_H
#define MXI_CPU_BOX_H
#include "core/array.h"

enum { MXI_BOX_OPERANDS = 3 };

struct mxi_box {
  int ndim; /* 0: one element */
  int noperands;
  int64_t size;
  int64_t shape[MXI_MAX_NDIM];
  int64_t strides[MXI_BOX_OPERANDS][MXI_MAX_NDIM];
  int64_t offset[MXI_BOX_OPERANDS]; /* of the box's first element, where dims were reversed */
};

/* strides[k] points to operand k's strides. Dims of size 1 are dropped. */
void mxi_box_init(struct mxi_box *b, int ndim, const int64_t *shape, int noperands,
                  const int64_t *const *strides);
/* Merges neighbouring dims that every operand walks as one. Keeps the row-major order of the elements. */
void mxi_box_merge(struct mxi_box *b);
/* For work whose order is free: dims along which operand 0 runs backwards are reversed, and sorted so that
   operand 0's strides fall (ties: operand 1's); then merged. */
void mxi_box_sort(struct mxi_box *b);

/* A row-major position in a box: the coordinates and each operand's offset. */
struct mxi_place {
  int64_t at[MXI_MAX_NDIM];
  int64_t offset[MXI_BOX_OPERANDS];
};
/* The place of element `index`. */
void mxi_place_init(struct mxi_place *p, const struct mxi_box *b, int64_t index);
/* Elements left in the innermost dim from here (1 in a box without dims). */
static inline int64_t mxi_place_run(const struct mxi_place *p, const struct mxi_box *b) {
  return b->ndim ? b->shape[b->ndim - 1] - p->at[b->ndim - 1] : 1;
}
/* Moves on by n elements, at most to the end of the innermost dim. */
void mxi_place_advance(struct mxi_place *p, const struct mxi_box *b, int64_t n);
#endif
