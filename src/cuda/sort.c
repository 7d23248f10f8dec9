/* sort, argsort, partition and argpartition along an axis. Rows along the last axis are sorted where they
   are; other axes are copied last and back. */
#include "base/checked.h"
#include "cuda/call.h"
#include "cuda/copy.h"
#include "cuda/cuda.h"
#include "cuda/radix.h"

static struct mxi_cuda_sort_coding coding_of(mx_dtype t, bool places) {
  struct mxi_cuda_sort_coding c = {.equates = places};
  switch (t) {
  case MX_INT8:
  case MX_INT16:
  case MX_INT32:
  case MX_INT64: c.kind = MXI_CUDA_SORT_SIGNED; break;
  case MX_FLOAT16: c.kind = MXI_CUDA_SORT_FLOAT, c.infinity = 0x7c00; break;
  case MX_BFLOAT16: c.kind = MXI_CUDA_SORT_FLOAT, c.infinity = 0x7f80; break;
  case MX_FLOAT32: c.kind = MXI_CUDA_SORT_FLOAT, c.infinity = 0x7f800000; break;
  case MX_FLOAT64: c.kind = MXI_CUDA_SORT_FLOAT, c.infinity = 0x7ff0000000000000; break;
  case MX_COMPLEX64: c.kind = MXI_CUDA_SORT_COMPLEX; break;
  default: c.kind = MXI_CUDA_SORT_UNSIGNED; break;
  }
  return c;
}

static int sort_rows(mx_stream s, mx_dtype t, bool places, int64_t rows, int64_t length, const void *in,
                     void *out) {
  int log_bytes = 0, bits = 8 * (int)mx_dtype_size(t);
  while (8 << log_bytes < bits) log_bytes++;
  struct mxi_cuda_radix r = {.log_bytes = log_bytes,
                             .coding = coding_of(t, places),
                             .bits = bits,
                             .rows = rows,
                             .length = length,
                             .in = in,
                             .sorted = places ? NULL : out,
                             .places = places ? out : NULL};
  return mxi_cuda_radix_sort(s, &r);
}

/* The shape with an axis moved last, and strides in that order. */
static void move_last(mx_ints shape, const int64_t *strides, int64_t axis, int64_t *to_shape,
                      int64_t *to_strides) {
  int k = 0;
  for (int i = 0; i < shape.n; i++)
    if (i != axis) to_shape[k] = shape.v[i], to_strides[k++] = strides[i];
  to_shape[k] = shape.v[axis], to_strides[k] = strides[axis];
}

static int sort_copies(struct mxi_call *c, const struct mxi_cuda_input *in, int64_t axis, bool places,
                       void *rows, void *ordered) {
  mx_array out = c->out[0];
  mx_dtype out_type = (mx_dtype)out->dtype;
  int64_t shape[MXI_MAX_NDIM], in_strides[MXI_MAX_NDIM], out_strides[MXI_MAX_NDIM], own[MXI_MAX_NDIM];
  int64_t length = in->shape.v[axis], step = 1;
  move_last(in->shape, in->strides, axis, shape, in_strides);
  move_last(in->shape, mxi_strides(out), axis, shape, out_strides);
  for (int i = in->shape.n - 1; i >= 0; i--) own[i] = step, step *= shape[i];
  mx_ints moved = {shape, in->shape.n};
  MXI_TRY(mxi_cuda_copy_strided(c->stream, moved, (struct mxi_cuda_strided){rows, in->dtype, own},
                                (struct mxi_cuda_strided){(void *)in->address, in->dtype, in_strides}));
  MXI_TRY(sort_rows(c->stream, in->dtype, places, out->size / length, length, rows, ordered));
  return mxi_cuda_copy_strided(c->stream, moved,
                               (struct mxi_cuda_strided){mxi_cuda_out(c, 0), out_type, out_strides},
                               (struct mxi_cuda_strided){ordered, out_type, own});
}

static int sort_other_axis(struct mxi_call *c, int64_t axis, bool places) {
  struct mxi_cuda_input in;
  struct mxi_cuda_scratch copies = {0};
  if (mxi_cuda_hold(c, 0, &in) < 0) return mxi_untouched(c);
  int64_t bytes = mxi_round_up(c->out[0]->size * (int64_t)mx_dtype_size(in.dtype), 256);
  int64_t place_bytes = places ? c->out[0]->size * (int64_t)sizeof(uint32_t) : 0;
  int result = mxi_cuda_scratch_take(c->stream, (size_t)(bytes + place_bytes), &copies);
  if (result == 0)
    result = sort_copies(c, &in, axis, places, copies.address, (char *)copies.address + (places ? bytes : 0));
  mxi_cuda_scratch_free(&copies);
  mxi_cuda_let_go(&in);
  return result;
}

static int sort_axis(struct mxi_call *c, int64_t axis, bool places) {
  mx_array in = c->in[0];
  if (!c->out[0]->size) return 0;
  int64_t length = in->ndim ? mxi_shape(in)[axis] : 1;
  if (places && length > (int64_t)UINT32_MAX)
    return mxi_fail(MX_NOT_SUPPORTED, "[argsort] expected at most 2^32 - 1 elements along the axis, got %lld",
                    (long long)length);
  if (in->ndim && axis != in->ndim - 1 && in->size != length) return sort_other_axis(c, axis, places);
  struct mxi_cuda_input rows;
  if (mxi_cuda_hold_row_major(c, 0, &rows) < 0) return mxi_untouched(c);
  int result =
      sort_rows(c->stream, rows.dtype, places, in->size / length, length, rows.address, mxi_cuda_out(c, 0));
  mxi_cuda_let_go(&rows);
  return result;
}

int mxi_cuda_SORT(struct mxi_call *c) { return sort_axis(c, MXI_CALL_PARAMS(SORT, c)->axis, false); }
int mxi_cuda_ARGSORT(struct mxi_call *c) { return sort_axis(c, MXI_CALL_PARAMS(ARGSORT, c)->axis, true); }
/* Rows that are sorted are partitioned. */
int mxi_cuda_PARTITION(struct mxi_call *c) {
  return sort_axis(c, MXI_CALL_PARAMS(PARTITION, c)->axis, false);
}
int mxi_cuda_ARGPARTITION(struct mxi_call *c) {
  return sort_axis(c, MXI_CALL_PARAMS(ARGPARTITION, c)->axis, true);
}
