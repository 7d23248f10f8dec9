/* Products with chosen matrices: which matrix each place of the result takes on either side, and the places
   of one matrix brought together, so that it is read once for all of them. */
#ifndef MXI_CPU_GATHER_MM_H
#define MXI_CPU_GATHER_MM_H
#include "engine/backend.h"

/* Numbers of matrices, counted through the batch dims, one for each place of the result's shape but for its
   last two dims. */
struct mxi_chosen {
  int64_t places;
  int64_t *lhs, *rhs;
};
/* Of operands a and b; the lists of indices, NULL where there are none, say which of their matrices. -1 with
   the error set (memory, an index out of bounds). */
int mxi_chosen_find(const struct mxi_call *c, mx_array a, mx_array b, mx_array lhs, mx_array rhs,
                    struct mxi_chosen *chosen);
void mxi_chosen_free(struct mxi_chosen *chosen);
/* Is a matrix on the right chosen more than once? */
bool mxi_chosen_repeats(const struct mxi_chosen *chosen);

/* y = x B for `rows` rows of x, B being the matrix of this number. */
typedef int (*mxi_multiply_fn)(void *ctx, int64_t matrix, int64_t rows, const void *x, void *y);
/* Matrices x (m, k) and y (m, n), row-major, of elements of `item` bytes: y of each place. */
struct mxi_chosen_rows {
  const char *x;
  char *y;
  int64_t m, k, n, item;
  mxi_multiply_fn multiply;
  void *ctx;
};
/* 0, or -1 with the error set. */
int mxi_multiply_chosen(const struct mxi_chosen *chosen, const struct mxi_chosen_rows *r);
#endif
