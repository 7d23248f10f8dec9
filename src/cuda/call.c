#include "cuda/call.h"
#include "cuda/copy.h"
#include "cuda/constants.h"

/* The element's bits, and zeros behind them. */
static uint64_t bits_of(mx_array a) {
  size_t bytes = mxi_itemsize(a);
  return bytes == sizeof(uint64_t) ? a->inline_value.bits
                                   : a->inline_value.bits & (((uint64_t)1 << 8 * bytes) - 1);
}

int mxi_cuda_hold(const struct mxi_call *c, int i, struct mxi_cuda_input *in) {
  mx_array a = c->in[i];
  *in = (struct mxi_cuda_input){
      .dtype = (mx_dtype)a->dtype, .shape = mxi_shape_of(a), .strides = mxi_strides(a)};
  in->address = a->buffer ? mxi_cuda_address(a) : mxi_cuda_constant(c->stream, bits_of(a));
  return in->address ? 0 : -1;
}

int mxi_cuda_hold_row_major(const struct mxi_call *c, int i, struct mxi_cuda_input *in) {
  mx_array a = c->in[i];
  if (a->buffer && mxi_row_contiguous(a)) return mxi_cuda_hold(c, i, in);
  struct mxi_cuda_input as_it_is;
  MXI_TRY(mxi_cuda_hold(c, i, &as_it_is));
  *in = as_it_is;
  in->scratch = (struct mxi_cuda_scratch){0};
  int64_t stride = 1;
  for (int k = a->ndim - 1; k >= 0; k--) {
    in->own_strides[k] = stride;
    stride *= mxi_shape(a)[k];
  }
  in->strides = in->own_strides;
  int result = mxi_cuda_scratch_take(c->stream, (size_t)a->size * mxi_itemsize(a), &in->scratch);
  in->address = in->scratch.address;
  if (result == 0)
    result = mxi_cuda_copy_strided(
        c->stream, in->shape, (struct mxi_cuda_strided){in->scratch.address, in->dtype, in->own_strides},
        (struct mxi_cuda_strided){(void *)as_it_is.address, in->dtype, as_it_is.strides});
  mxi_cuda_let_go(&as_it_is);
  if (result < 0) mxi_cuda_let_go(in);
  return result;
}
