/* Products of matrices cut into segments or masked by blocks. */
#include "ops/products.h"
#include "ops/common.h"

/* ---- Segments ---- */
/* Which of n places each segment covers, (S, n): pairs of segments (S, 2) are start and stop. */
static mx_array covered(mx_array segments, int64_t n) {
  mx_array place = mx_arange(0, (double)n, 1, MX_INT64), bounds = mx_astype(segments, MX_INT64);
  mx_array start = mx_slice(bounds, MX_SHAPE(0, 0), MX_SHAPE(mx_dim(bounds, 0), 1), MX_SHAPE(1, 1));
  mx_array stop = mx_slice(bounds, MX_SHAPE(0, 1), MX_SHAPE(mx_dim(bounds, 0), 2), MX_SHAPE(1, 1));
  return mx_logical_and(mx_greater_equal(place, start), mx_less(place, stop));
}
/* Both operands are cleared outside the segment, so that a NaN there stays there. */
static mx_array segmented_product(mx_array a, mx_array b, mx_array segments) {
  int64_t k = a->dims[1], shape[MX_MAX_NDIM], n = segments->size / 2;
  int ndim = segments->ndim - 1;
  mx_array inside = covered(mx_reshape(segments, MX_SHAPE(n, 2)), k);
  mx_array left = mx_where(mx_expand_dims(inside, MX_AXES(1)), a, mx_like(a, 0));
  mx_array right = mx_where(mx_expand_dims(inside, MX_AXES(2)), b, mx_like(b, 0));
  mxi_copy_ints(shape, (mx_ints){segments->dims, ndim});
  shape[ndim] = a->dims[0];
  shape[ndim + 1] = b->dims[1];
  return mx_reshape(mx_matmul(left, right), (mx_ints){shape, ndim + 2});
}

mx_array mx_segmented_mm(mx_array a, mx_array b, mx_array segments) {
  const char *op = "segmented_mm";
  if (!mxi_usable(op, 3, (mx_array[]){a, b, segments})) return MX_BAD;
  if (a->ndim != 2 || b->ndim != 2)
    return mxi_bad(MX_INVALID_ARGUMENT, "[%s] expected two matrices, got shapes %s and %s", op,
                   MXI_SHAPE_TEXT(a), MXI_SHAPE_TEXT(b));
  if (!mxi_inner_dims_match(op, a, b) || !mxi_real_floats(op, a, b) || mxi_check_indices(op, segments) < 0)
    return MX_BAD;
  if (segments->ndim < 1 || mx_dim(segments, -1) != 2 || segments->ndim + 1 > MX_MAX_NDIM)
    return mxi_bad(MX_INVALID_ARGUMENT, "[%s] expected segments of shape (..., 2), got %s", op,
                   MXI_SHAPE_TEXT(segments));
  return MXI_COMPOSED(segmented_product(a, b, segments));
}

/* ---- Blocks ---- */
static int64_t blocks(int64_t n, int64_t block) { return n / block + (n % block != 0); }

/* a (..., R, C) with its blocks kept, cleared or scaled by the mask (..., blocks of R, blocks of C). */
static mx_array masked(mx_array a, mx_array mask, int64_t block) {
  if (!mask || !mx_ok(a)) return a;
  int64_t rows = mx_dim(a, -2), columns = mx_dim(a, -1), shape[MX_MAX_NDIM], start[MX_MAX_NDIM],
          step[MX_MAX_NDIM];
  int n = mask->ndim;
  mxi_copy_ints(shape, mxi_shape_of(mask));
  shape[n - 2] = blocks(rows, block);
  shape[n - 1] = blocks(columns, block);
  mask = mx_broadcast_to(mask, (mx_ints){shape, n});
  mask = mx_repeat(mx_repeat(mask, block, n - 2), block, n - 1);
  shape[n - 2] = rows;
  shape[n - 1] = columns;
  mask = mx_slice(mask, mxi_fill_ints(start, n, 0), (mx_ints){shape, n}, mxi_fill_ints(step, n, 1));
  if (!mx_ok(mask)) return MX_BAD;
  if (mxi_dtype(mask) == MX_BOOL) return mx_where(mask, a, mx_like(a, 0));
  return mx_multiply(a, mx_astype(mask, mxi_dtype(a)));
}

static mx_array masked_product(mx_array a, mx_array b, int64_t block, mx_array mask_out, mx_array mask_a,
                               mx_array mask_b) {
  bool row = a->ndim == 1, column = b->ndim == 1;
  if (row) a = mx_reshape(a, MX_SHAPE(1, a->size));
  if (column) b = mx_reshape(b, MX_SHAPE(b->size, 1));
  mx_array y = masked(mx_matmul(masked(a, mask_a, block), masked(b, mask_b, block)), mask_out, block);
  if (row && mx_ok(y)) y = mx_squeeze(y, MX_AXES(-2));
  return column && mx_ok(y) ? mx_squeeze(y, MX_AXES(-1)) : y;
}

mx_array mx_block_masked_mm(mx_array a, mx_array b, int block_size, mx_array mask_out, mx_array mask_a,
                            mx_array mask_b) {
  const char *op = "block_masked_mm";
  mx_array masks[] = {mask_out, mask_a, mask_b};
  if (!mxi_usable2(op, a, b)) return MX_BAD;
  if (block_size != 32 && block_size != 64)
    return mxi_bad(MX_INVALID_ARGUMENT, "[%s] expected a block size of 32 or 64, got %d", op, block_size);
  if (!mxi_inner_dims_match(op, a, b) || !mxi_real_floats(op, a, b)) return MX_BAD;
  for (int i = 0; i < 3; i++) {
    if (masks[i] == MX_BAD) return MX_BAD;
    if (masks[i] && (masks[i]->ndim < 2 || mxi_dtype(masks[i]) == MX_COMPLEX64))
      return mxi_bad(MX_INVALID_ARGUMENT,
                     "[%s] expected real masks of at least 2 dimensions, got %s of shape "
                     "%s",
                     op, mx_dtype_name(mxi_dtype(masks[i])), MXI_SHAPE_TEXT(masks[i]));
  }
  return MXI_NAMED("block_masked_mm", masked_product(a, b, block_size, mask_out, mask_a, mask_b));
}
