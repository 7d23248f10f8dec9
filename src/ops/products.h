/* What the products of matrices share that are no plain matmul. */
#ifndef MXI_OPS_PRODUCTS_H
#define MXI_OPS_PRODUCTS_H
#include "mlx/ops.h"

/* Is the product of them one of real floats? Do their inner dims match? Else the error is set. */
bool mxi_real_floats(const char *op, mx_array a, mx_array b);
bool mxi_inner_dims_match(const char *op, mx_array a, mx_array b);

/* ---- Chosen matrices (gather_mm.c) ---- */
/* Lists of flat indices into the batches of a left and a right operand; NULL: there is none, and each matrix
   of the batch stands in its own place. */
struct mxi_choice {
  mx_array lhs, rhs;
};
/* Lists are of integers? Else the error is set. */
bool mxi_choice_ok(const char *op, struct mxi_choice of);
/* What the lists, or the batches of a and b in their place, broadcast to, followed by `rows` and `columns`:
   the shape in out[MX_MAX_NDIM]; its ndim, or -1. */
int mxi_chosen_shape(const char *op, mx_array a, mx_array b, struct mxi_choice of, int64_t rows,
                     int64_t columns, int64_t *out);
/* The lists of a node, or of anything that has inputs like one, which begin at in[first]. */
static inline struct mxi_choice mxi_choice_of(const mx_array *in, int first, int64_t lhs, int64_t rhs) {
  return (struct mxi_choice){lhs ? in[first] : NULL, rhs ? in[first + (lhs != 0)] : NULL};
}

/* g (I..., R, C), a gradient of each chosen matrix, as one of `like`, whose last dims may be others than
   (R, C)'s: what was chosen several times sums. indices: of the choice; NULL: it was the batch. */
mx_array mxi_collected(mx_array g, mx_array like, mx_array indices);
/* The matrices of a at the indices, (I..., R, C), or a itself where there are none. */
mx_array mxi_chosen(mx_array a, mx_array indices);

struct mxi_batch;
/* Under vmap: indices into an operand whose batch axis, if it has one, counts among its matrices. Inputs of
   the node by their numbers; ndim: of the indices of one element, all broadcast. */
mx_array mxi_batched_indices(const struct mxi_batch *b, mx_array operand, bool batched, int indices,
                             int ndim);
#endif
