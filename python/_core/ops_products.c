/* Products of many matrices at once. */
#include "core.h"

#define A           f->v[0].a
#define B           f->v[1].a
#define OPTIONAL(i) (py_given(f, i) ? f->v[i].a : NULL)

FUNCTION(
    gather_mm,
    "a: array, b: array, /, lhs_indices: array? = None, rhs_indices: array? = None, *, sorted_indices: "
    "bool = False, stream: stream = None",
    "Products of matrices picked by flat indices into the batches of a (..., M, K) and b (..., K, N): "
    "(I..., M, N), where both index arrays broadcast to I. None: every matrix. sorted_indices is a hint. "
    "An index out of range raises IndexError at eval.") {
  return py_wrap(mx_gather_mm(A, B, OPTIONAL(2), OPTIONAL(3)));
}
FUNCTION(
    segmented_mm, "a: array, b: array, /, segments: array" STREAM,
    "a[:, start:stop] @ b[start:stop] for each pair (start, stop) of segments (..., 2): (..., M, N) of a "
    "(M, K) and b (K, N). Places outside 0 to K count for nothing.") {
  return py_wrap(mx_segmented_mm(A, B, f->v[2].a));
}
FUNCTION(
    block_masked_mm,
    "a: array, b: array, /, block_size: int = 64, mask_out: array? = None, mask_lhs: array? = None, "
    "mask_rhs: array? = None" STREAM,
    "The matrix product with blocks of block_size x block_size (32 or 64) of a, b and the result masked. A "
    "mask has one element for each block, (..., rows / block_size, columns / block_size) rounded up: a "
    "bool keeps or clears the block, a number multiplies it.") {
  int64_t block = f->v[2].i;
  return py_wrap(
      mx_block_masked_mm(A, B, block == (int)block ? (int)block : 0, OPTIONAL(3), OPTIONAL(4), OPTIONAL(5)));
}
FUNCTION(hadamard_transform, "a: array, scale: float? = None, stream: stream = None",
         "scale times the Hadamard matrix times the last axis, whose size is m 2^k with m 1, 12, 20 or 28. "
         "scale None: 1 / sqrt of that size, which keeps lengths. Integers give float32.") {
  int64_t n = mx_ndim(A) ? mx_dim(A, -1) : 1;
  double scale = py_given(f, 1) ? f->v[1].d : 1 / __builtin_sqrt((double)(n ? n : 1));
  return py_wrap(mx_hadamard_transform(A, scale));
}
