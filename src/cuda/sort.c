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

/* What is done to rows: sorted, or partitioned at kth. */
struct row_order {
  int64_t axis, kth; /* kth < 0: sorted */
  bool places;       /* the result is places */
};

static int order_rows(mx_stream s, const struct row_order *o, mx_dtype t, int64_t rows, int64_t length,
                      const void *in, void *out) {
  int log_bytes = 0, bits = 8 * (int)mx_dtype_size(t);
  while (8 << log_bytes < bits) log_bytes++;
  struct mxi_cuda_radix r = {.log_bytes = log_bytes,
                             .coding = coding_of(t, o->places),
                             .bits = bits,
                             .rows = rows,
                             .length = length,
                             .in = in,
                             .sorted = o->places ? NULL : out,
                             .places = o->places ? out : NULL};
  /* rows that are sorted are partitioned, too */
  return o->kth < 0 || !o->places ? mxi_cuda_radix_sort(s, &r) : mxi_cuda_radix_part(s, &r, o->kth);
}

/* The shape with an axis moved last, and strides in that order. */
static void move_last(mx_ints shape, const int64_t *strides, int64_t axis, int64_t *to_shape,
                      int64_t *to_strides) {
  int k = 0;
  for (int i = 0; i < shape.n; i++)
    if (i != axis) to_shape[k] = shape.v[i], to_strides[k++] = strides[i];
  to_shape[k] = shape.v[axis], to_strides[k] = strides[axis];
}

static int order_copies(struct mxi_call *c, const struct mxi_cuda_input *in, const struct row_order *o,
                        void *rows, void *ordered) {
  mx_array out = c->out[0];
  mx_dtype out_type = (mx_dtype)out->dtype;
  int64_t shape[MXI_MAX_NDIM], in_strides[MXI_MAX_NDIM], out_strides[MXI_MAX_NDIM], own[MXI_MAX_NDIM];
  int64_t length = in->shape.v[o->axis], step = 1;
  move_last(in->shape, in->strides, o->axis, shape, in_strides);
  move_last(in->shape, mxi_strides(out), o->axis, shape, out_strides);
  for (int i = in->shape.n - 1; i >= 0; i--) own[i] = step, step *= shape[i];
  mx_ints moved = {shape, in->shape.n};
  MXI_TRY(mxi_cuda_copy_strided(c->stream, moved, (struct mxi_cuda_strided){rows, in->dtype, own},
                                (struct mxi_cuda_strided){(void *)in->address, in->dtype, in_strides}));
  MXI_TRY(order_rows(c->stream, o, in->dtype, out->size / length, length, rows, ordered));
  return mxi_cuda_copy_strided(c->stream, moved,
                               (struct mxi_cuda_strided){mxi_cuda_out(c, 0), out_type, out_strides},
                               (struct mxi_cuda_strided){ordered, out_type, own});
}

static int order_other_axis(struct mxi_call *c, const struct row_order *o) {
  struct mxi_cuda_input in;
  struct mxi_cuda_scratch copies = {0};
  if (mxi_cuda_hold(c, 0, &in) < 0) return mxi_untouched(c);
  int64_t bytes = mxi_round_up(c->out[0]->size * (int64_t)mx_dtype_size(in.dtype), 256);
  int64_t place_bytes = o->places ? c->out[0]->size * (int64_t)sizeof(uint32_t) : 0;
  int result = mxi_cuda_scratch_take(c->stream, (size_t)(bytes + place_bytes), &copies);
  if (result == 0)
    result = order_copies(c, &in, o, copies.address, (char *)copies.address + (o->places ? bytes : 0));
  mxi_cuda_scratch_free(&copies);
  mxi_cuda_let_go(&in);
  return result;
}

static int order_axis(struct mxi_call *c, struct row_order o) {
  mx_array in = c->in[0];
  if (!c->out[0]->size) return 0;
  int64_t length = in->ndim ? mxi_shape(in)[o.axis] : 1;
  if (o.places && length > (int64_t)UINT32_MAX)
    return mxi_fail(MX_NOT_SUPPORTED, "[argsort] expected at most 2^32 - 1 elements along the axis, got %lld",
                    (long long)length);
  if (in->ndim && o.axis != in->ndim - 1 && in->size != length) return order_other_axis(c, &o);
  struct mxi_cuda_input rows;
  if (mxi_cuda_hold_row_major(c, 0, &rows) < 0) return mxi_untouched(c);
  int result =
      order_rows(c->stream, &o, rows.dtype, in->size / length, length, rows.address, mxi_cuda_out(c, 0));
  mxi_cuda_let_go(&rows);
  return result;
}

int mxi_cuda_SORT(struct mxi_call *c) {
  return order_axis(c, (struct row_order){MXI_CALL_PARAMS(SORT, c)->axis, -1, false});
}
int mxi_cuda_ARGSORT(struct mxi_call *c) {
  return order_axis(c, (struct row_order){MXI_CALL_PARAMS(ARGSORT, c)->axis, -1, true});
}
int mxi_cuda_PARTITION(struct mxi_call *c) {
  const struct mxi_p_PARTITION *p = MXI_CALL_PARAMS(PARTITION, c);
  return order_axis(c, (struct row_order){p->axis, p->kth, false});
}
int mxi_cuda_ARGPARTITION(struct mxi_call *c) {
  const struct mxi_p_ARGPARTITION *p = MXI_CALL_PARAMS(ARGPARTITION, c);
  return order_axis(c, (struct row_order){p->axis, p->kth, true});
}
