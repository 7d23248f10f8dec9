/* Products of many matrices at once: picked by indices, cut into segments, masked by blocks. */
#include "ops/common.h"

static bool real_floats(const char *op, mx_array a, mx_array b) {
  mx_dtype t = mx_promote_types(mxi_dtype(a), mxi_dtype(b));
  if (mxi_is_float(t)) return true;
  mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected real floating point dtypes, got %s and %s", op,
           mx_dtype_name(mxi_dtype(a)), mx_dtype_name(mxi_dtype(b)));
  return false;
}
static bool inner_dims_match(const char *op, mx_array a, mx_array b) {
  if (a->ndim && b->ndim && mx_dim(a, -1) == mx_dim(b, b->ndim == 1 ? 0 : -2)) return true;
  mxi_fail(MX_INVALID_ARGUMENT,
           "[%s] expected the last axis of the first to match the second last of the second, got shapes %s "
           "and %s",
           op, MXI_SHAPE_TEXT(a), MXI_SHAPE_TEXT(b));
  return false;
}

/* ---- Picked matrices ---- */
static mx_ints batch_of(mx_array a) { return (mx_ints){a->dims, a->ndim - 2}; }

/* Indices of every matrix of a, in the shape of its batch. */
static mx_array every_index(mx_array a) {
  int64_t n = 1;
  for (int i = 0; i < a->ndim - 2; i++) n *= a->dims[i];
  return mx_reshape(mx_arange(0, (double)n, 1, MX_INT64), batch_of(a));
}
/* The matrices of a (..., R, C) at flat indices: (I..., R, C). */
static mx_array picked(mx_array a, mx_array indices) {
  return mx_take(a->ndim == 2 ? mx_expand_dims(a, MX_AXES(0)) : mx_flatten(a, 0, -3), indices, 0);
}
/* The common shape of both index lists in out; absent lists stand for all matrices. */
static int common_indices(const char *op, mx_array a, mx_array b, mx_array a_indices, mx_array b_indices,
                          mx_array *out) {
  mx_array in[2] = {a_indices ? a_indices : every_index(a), b_indices ? b_indices : every_index(b)};
  if (!mx_ok(in[0]) || !mx_ok(in[1])) return -1;
  for (int i = 0; i < 2; i++) MXI_TRY(mxi_check_indices(op, in[i]));
  return mxi_broadcast_all(op, 2, in, out);
}
/* a's matrices at the indices, or a itself where no index was given and nothing is repeated. */
static mx_array pick(mx_array a, mx_array given, mx_array indices) {
  if (!given && mxi_ints_equal(mxi_shape_of(indices), batch_of(a))) return mxi_itself(a);
  if (!given && a->ndim == 2) return mxi_itself(a);
  return picked(a, indices);
}

static mx_array gathered_product(mx_array a, mx_array b, mx_array a_indices, mx_array b_indices) {
  bool row = a->ndim == 1, column = b->ndim == 1;
  if (row) a = mx_reshape(a, MX_SHAPE(1, a->size));
  if (column) b = mx_reshape(b, MX_SHAPE(b->size, 1));
  mx_array indices[2];
  if (!mx_ok(a) || !mx_ok(b) || common_indices("gather_mm", a, b, a_indices, b_indices, indices) < 0)
    return MX_BAD;
  mx_array y = mx_matmul(pick(a, a_indices, indices[0]), pick(b, b_indices, indices[1]));
  if (row && mx_ok(y)) y = mx_squeeze(y, MX_AXES(-2));
  return column && mx_ok(y) ? mx_squeeze(y, MX_AXES(-1)) : y;
}

mx_array mx_gather_mm(mx_array a, mx_array b, mx_array a_indices, mx_array b_indices) {
  if (!mxi_usable2("gather_mm", a, b) || a_indices == MX_BAD || b_indices == MX_BAD) return MX_BAD;
  if (!inner_dims_match("gather_mm", a, b) || !real_floats("gather_mm", a, b)) return MX_BAD;
  return MXI_COMPOSED(gathered_product(a, b, a_indices, b_indices));
}

/* The last axes of x at its indices and of W at its own: enough for the product to see equal batches. */
static bool gather_operands(const char *op, mx_array *x, mx_array w, mx_array x_indices, mx_array indices,
                            mx_array *w_indices) {
  if ((*x)->ndim < 1 || w->ndim < 2) {
    mxi_fail(MX_INVALID_ARGUMENT, "[%s] expected matrices, got shapes %s and %s", op, MXI_SHAPE_TEXT(*x),
             MXI_SHAPE_TEXT(w));
    return false;
  }
  if ((*x)->ndim == 1) *x = mx_reshape(*x, MX_SHAPE(1, (*x)->size));
  mx_array both[2];
  if (common_indices(op, *x, w, x_indices, indices, both) < 0) return false;
  *x = pick(*x, x_indices, both[0]);
  *w_indices = both[1];
  return mx_ok(*x);
}

static mx_array gathered_qmm(mx_array x, mx_array packed, mx_array scales, mx_array biases,
                             mx_array x_indices, mx_array indices, bool transpose, mx_quant q) {
  mx_array at;
  bool vector = x->ndim == 1;
  if (!gather_operands("gather_qmm", &x, packed, x_indices, indices, &at)) return MX_BAD;
  if (scales->ndim != packed->ndim || biases->ndim != packed->ndim)
    return mxi_bad(MX_INVALID_ARGUMENT,
                   "[gather_qmm] expected scales and biases with the batch of %s, got %s "
                   "and %s",
                   MXI_SHAPE_TEXT(packed), MXI_SHAPE_TEXT(scales), MXI_SHAPE_TEXT(biases));
  mx_array y = mx_quantized_matmul(x, pick(packed, indices, at), pick(scales, indices, at),
                                   pick(biases, indices, at), transpose, q);
  return vector && mx_ok(y) ? mx_squeeze(y, MX_AXES(-2)) : y;
}

mx_array mx_gather_qmm(mx_array x, mx_array packed, mx_array scales, mx_array biases, mx_array x_indices,
                       mx_array indices, bool transpose, mx_quant q) {
  if (!mxi_usable("gather_qmm", 4, (mx_array[]){x, packed, scales, biases}) || x_indices == MX_BAD ||
      indices == MX_BAD)
    return MX_BAD;
  return MXI_NAMED("gather_qmm", gathered_qmm(x, packed, scales, biases, x_indices, indices, transpose, q));
}

static mx_array gathered_float_qmm(mx_array x, mx_array packed, mx_array scales, mx_array x_indices,
                                   mx_array indices, bool transpose, mx_float_format format) {
  mx_array at;
  bool vector = x->ndim == 1;
  if (!gather_operands("gather_qmm", &x, packed, x_indices, indices, &at)) return MX_BAD;
  if (scales->ndim != packed->ndim)
    return mxi_bad(MX_INVALID_ARGUMENT, "[gather_qmm] expected scales with the batch of %s, got %s",
                   MXI_SHAPE_TEXT(packed), MXI_SHAPE_TEXT(scales));
  mx_array y =
      mx_quantized_matmul_float(x, pick(packed, indices, at), pick(scales, indices, at), transpose, format);
  return vector && mx_ok(y) ? mx_squeeze(y, MX_AXES(-2)) : y;
}

mx_array mx_gather_qmm_float(mx_array x, mx_array packed, mx_array scales, mx_array x_indices,
                             mx_array indices, bool transpose, mx_float_format format) {
  if (!mxi_usable("gather_qmm", 3, (mx_array[]){x, packed, scales}) || x_indices == MX_BAD ||
      indices == MX_BAD)
    return MX_BAD;
  return MXI_NAMED("gather_qmm",
                   gathered_float_qmm(x, packed, scales, x_indices, indices, transpose, format));
}

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
  if (!inner_dims_match(op, a, b) || !real_floats(op, a, b) || mxi_check_indices(op, segments) < 0)
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
  if (!inner_dims_match(op, a, b) || !real_floats(op, a, b)) return MX_BAD;
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
