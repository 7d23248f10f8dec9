/* Arrays made from nothing or put together: arange, concatenate, pad, slices that are written. */
#include "base/checked.h"
#include "core/cast.h"
#include "core/reduce.h"
#include "cuda/call.h"
#include "cuda/cuda.h"
#include "cuda/kernels/creation.h"
#include "cuda/region.h"

enum { TO, FROM };

static struct mxi_cuda_kernel arange_kernels[] = {MXI_CUDA_ALL(creation, arange)};
static struct mxi_cuda_kernel update_kernels[] = {MXI_CUDA_ALL(creation, update)};
static struct mxi_cuda_kernel wide_update_kernels[] = {MXI_CUDA_ALL(creation, update_wide)};

static struct mxi_cuda_grid grid_for(int64_t elements, int each) {
  return (struct mxi_cuda_grid){.x = mxi_cuda_blocks(elements, MXI_CUDA_CREATION_THREADS * each),
                                .threads = MXI_CUDA_CREATION_THREADS};
}

int mxi_cuda_ARANGE(struct mxi_call *c) {
  const struct mxi_p_ARANGE *given = MXI_CALL_PARAMS(ARANGE, c);
  struct mxi_cuda_arange p = {.to = mxi_cuda_out(c, 0),
                              .size = c->out[0]->size,
                              .integer_start = (uint64_t)mxi_i64_of_f64(given->start),
                              .integer_step = (uint64_t)mxi_i64_of_f64(given->step),
                              .start = given->start,
                              .step = given->step};
  return mxi_cuda_launch(c->stream, &arange_kernels[c->out[0]->dtype],
                         grid_for(p.size, MXI_CUDA_CREATION_EACH), &p, sizeof p);
}

/* ---- Part of the output: its strides times step, from an offset ---- */
static struct mxi_cuda_strided part_of_out(const struct mxi_call *c, const int64_t *start,
                                           const int64_t *step, int64_t *strides) {
  mx_array out = c->out[0];
  int64_t offset = 0;
  for (int i = 0; i < out->ndim; i++) {
    offset += start[i] * mxi_strides(out)[i];
    strides[i] = mxi_strides(out)[i] * (step ? step[i] : 1);
  }
  char *address = (char *)mxi_cuda_out(c, 0) + offset * (int64_t)mxi_itemsize(out);
  return (struct mxi_cuda_strided){address, (mx_dtype)out->dtype, strides};
}

/* Input i into the part of the output that starts there. */
static int copy_to_part(const struct mxi_call *c, int i, const int64_t *start) {
  struct mxi_cuda_input in;
  int64_t strides[MXI_MAX_NDIM];
  MXI_TRY(mxi_cuda_hold(c, i, &in));
  int result = mxi_cuda_copy_strided(c->stream, in.shape, part_of_out(c, start, NULL, strides),
                                     mxi_cuda_strided_of(&in));
  mxi_cuda_let_go(&in);
  return result;
}

int mxi_cuda_CONCATENATE(struct mxi_call *c) {
  int64_t axis = MXI_CALL_PARAMS(CONCATENATE, c)->axis, start[MXI_MAX_NDIM] = {0};
  for (int i = 0; i < c->ninputs; i++) {
    if (!c->in[i]->size) continue;
    MXI_TRY(copy_to_part(c, i, start));
    start[axis] += mxi_shape(c->in[i])[axis];
  }
  return 0;
}

/* ---- pad ---- */
/* Fills the part of the output with the one element of value. */
static int fill_part(const struct mxi_call *c, const int64_t *start, const int64_t *shape,
                     const struct mxi_cuda_input *value) {
  int64_t strides[MXI_MAX_NDIM], none[MXI_MAX_NDIM] = {0};
  struct mxi_cuda_strided element = {(void *)value->address, value->dtype, none};
  return mxi_cuda_copy_strided(c->stream, (mx_ints){shape, c->out[0]->ndim},
                               part_of_out(c, start, NULL, strides), element);
}

/* The border is two slabs an axis: axes before it lie within the interior, axes after it run their whole
   length. */
static int fill_border(const struct mxi_call *c, const struct mxi_cuda_input *value) {
  mx_array in = c->in[0], out = c->out[0];
  const int64_t *low = MXI_CALL_PARAMS(PAD, c)->low.v;
  int64_t start[MXI_MAX_NDIM] = {0}, shape[MXI_MAX_NDIM];
  memcpy(shape, mxi_shape(out), (size_t)out->ndim * sizeof *shape);
  for (int i = 0; i < out->ndim; i++) {
    int64_t length = mxi_shape(in)[i], whole = shape[i];
    start[i] = 0, shape[i] = low[i];
    MXI_TRY(fill_part(c, start, shape, value));
    start[i] = low[i] + length, shape[i] = whole - low[i] - length;
    MXI_TRY(fill_part(c, start, shape, value));
    start[i] = low[i], shape[i] = length;
  }
  return 0;
}

int mxi_cuda_PAD(struct mxi_call *c) {
  struct mxi_cuda_input value;
  if (!c->out[0]->size) return 0;
  MXI_TRY(mxi_cuda_hold(c, 1, &value));
  int result = fill_border(c, &value);
  if (result == 0) result = copy_to_part(c, 0, MXI_CALL_PARAMS(PAD, c)->low.v);
  mxi_cuda_let_go(&value);
  return result;
}

/* ---- Slices that are written ---- */
struct strided_update {
  mx_stream stream;
  int mode;
  char *to;
  const char *from;
  mx_dtype dtype;
  int64_t bytes; /* of what a thread moves at once: an element, or 16 */
};

static int update_piece(void *ctx, const struct mxi_region *piece) {
  const struct strided_update *u = ctx;
  struct mxi_cuda_update p = {.to = u->to + piece->offset[TO] * u->bytes,
                              .from = u->from + piece->offset[FROM] * u->bytes,
                              .mode = u->mode,
                              .region = mxi_cuda_region_of(piece)};
  bool wide = u->bytes != (int64_t)mx_dtype_size(u->dtype);
  return mxi_cuda_launch(u->stream, (wide ? wide_update_kernels : update_kernels) + u->dtype,
                         grid_for(piece->size, MXI_CUDA_UPDATE_EACH), &p, sizeof p);
}

/* to = to mode from, elementwise; one dtype. */
static int update_strided(mx_stream s, int mode, mx_ints shape, struct mxi_cuda_strided to,
                          struct mxi_cuda_strided from) {
  const unsigned both = 1 << TO | 1 << FROM;
  struct mxi_region r;
  const int64_t *strides[] = {to.strides, from.strides};
  mxi_region_init(&r, shape.n, shape.v, 2, strides);
  if (!r.size) return 0;
  mxi_region_sort(&r);
  struct strided_update u = {s, mode, to.address, from.address, to.dtype, (int64_t)mx_dtype_size(to.dtype)};
  u.to += r.offset[TO] * u.bytes;
  u.from += r.offset[FROM] * u.bytes;
  r.offset[TO] = r.offset[FROM] = 0;
  int log_bytes = mxi_cuda_trailing_zeros((uint64_t)u.bytes);
  const void *addresses[] = {u.to, u.from};
  if (mxi_cuda_joinable(&r, addresses, log_bytes, both) == 4 - log_bytes) {
    mxi_cuda_join(&r, 4 - log_bytes, both);
    u.bytes = 16;
  }
  return mxi_cuda_pieces(&r, MXI_CUDA_PIECE, update_piece, &u);
}

int mxi_cuda_SLICE_UPDATE(struct mxi_call *c) {
  const struct mxi_p_SLICE_UPDATE *p = MXI_CALL_PARAMS(SLICE_UPDATE, c);
  struct mxi_cuda_input update;
  int64_t strides[MXI_MAX_NDIM];
  if (mxi_cuda_hold(c, 1, &update) < 0) return mxi_untouched(c);
  int result = mxi_cuda_copy_into(c, 0);
  if (result == 0 && c->in[1]->size) {
    struct mxi_cuda_strided to = part_of_out(c, p->start.v, p->step.v, strides),
                            from = mxi_cuda_strided_of(&update);
    result = p->mode == MXI_UPDATE_SET ? mxi_cuda_copy_strided(c->stream, update.shape, to, from)
                                       : update_strided(c->stream, (int)p->mode, update.shape, to, from);
  }
  mxi_cuda_let_go(&update);
  return result;
}

/* ---- Slices whose start is data ---- */
/* The start of a slice of this shape in `target`: the vector's elements for `axes`, 0 elsewhere. */
static struct mxi_cuda_origin origin_of(const struct mxi_cuda_input *vector, mx_ints axes, mx_ints target,
                                        const int64_t *strides, const int64_t *shape) {
  struct mxi_cuda_origin o = {.start = vector->address,
                              .step = vector->shape.n ? vector->strides[vector->shape.n - 1] : 0,
                              .dtype = (int32_t)vector->dtype,
                              .naxes = axes.n};
  for (int i = 0; i < axes.n; i++) {
    o.limit[i] = target.v[axes.v[i]] - shape[axes.v[i]];
    o.stride[i] = strides[axes.v[i]];
  }
  return o;
}

int mxi_cuda_DYNAMIC_SLICE(struct mxi_call *c) {
  mx_ints axes = MXI_CALL_PARAMS(DYNAMIC_SLICE, c)->axes, shape = mxi_shape_of(c->out[0]);
  struct mxi_cuda_input in, start = {0};
  MXI_TRY(mxi_cuda_hold(c, 0, &in));
  int result = mxi_cuda_hold(c, 1, &start);
  if (result == 0) {
    struct mxi_cuda_origin o = origin_of(&start, axes, in.shape, in.strides, shape.v);
    result =
        mxi_cuda_copy_from_slice(c->stream, shape, mxi_cuda_strided_out(c), mxi_cuda_strided_of(&in), &o);
  }
  mxi_cuda_let_go(&start);
  mxi_cuda_let_go(&in);
  return result;
}

static int update_dynamically(struct mxi_call *c, const struct mxi_cuda_input *update,
                              const struct mxi_cuda_input *start) {
  mx_array out = c->out[0];
  mx_ints axes = MXI_CALL_PARAMS(DYNAMIC_SLICE_UPDATE, c)->axes;
  struct mxi_cuda_origin o = origin_of(start, axes, mxi_shape_of(out), mxi_strides(out), update->shape.v);
  MXI_TRY(mxi_cuda_copy_into(c, 0));
  return mxi_cuda_copy_to_slice(c->stream, update->shape, mxi_cuda_strided_out(c),
                                mxi_cuda_strided_of(update), &o);
}

int mxi_cuda_DYNAMIC_SLICE_UPDATE(struct mxi_call *c) {
  struct mxi_cuda_input update, start = {0};
  if (mxi_cuda_hold(c, 1, &update) < 0) return mxi_untouched(c);
  int result = mxi_cuda_hold(c, 2, &start);
  if (result < 0) mxi_untouched(c);
  if (result == 0) result = update_dynamically(c, &update, &start);
  mxi_cuda_let_go(&start);
  mxi_cuda_let_go(&update);
  return result;
}

/* ---- copy ---- */
int mxi_cuda_COPY(struct mxi_call *c) { return mxi_cuda_copy_into(c, 0); }
