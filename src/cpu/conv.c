/* A convolution goes from here to one of its forms, none of which comes back: depthwise, direct, or a matrix
   product of the unfolded input; where the input is dilated, its phases each go to one of the latter two. */
#include "cpu/conv.h"
#include "cpu/conv_polyphase.h"
#include "cpu/cpu.h"
#include <string.h>

static int convolve_undecomposed(const struct mxi_conv *c) {
  return mxi_conv_is_direct(c) ? mxi_conv_direct(c) : mxi_conv_im2col(c);
}

static int convolve_phases(const struct mxi_conv *c) {
  struct mxi_polyphase p;
  MXI_TRY(mxi_polyphase_begin(&p, c));
  int failed = 0;
  for (int64_t i = 0; i < p.count && !failed; i++) {
    if (mxi_polyphase_enter(&p, i)) failed = convolve_undecomposed(&p.phase);
    if (!failed) failed = mxi_polyphase_interleave(&p);
  }
  mxi_polyphase_end(&p);
  return failed;
}

static int convolve(const struct mxi_conv *c) {
  return mxi_conv_is_polyphase(c) ? convolve_phases(c) : convolve_undecomposed(c);
}

/* ---- From arrays ---- */
/* The weight row-major, reversed along its spatial axes if asked; owned by the caller. */
static mx_array plain_weight(mx_array w, bool flip) {
  if (!flip) return mxi_row_major(w);
  mx_array view = mxi_array_new((mx_dtype)w->dtype, mxi_shape_of(w)), copy;
  if (!view) return NULL;
  int64_t strides[MXI_MAX_NDIM], offset = 0;
  memcpy(strides, mxi_strides(w), (size_t)w->ndim * sizeof *strides);
  for (int i = 1; i < w->ndim - 1; i++) {
    offset += (mxi_shape(w)[i] - 1) * strides[i];
    strides[i] = -strides[i];
  }
  mxi_set_view(view, w, w->size ? offset : 0, strides);
  mxi_publish(view);
  copy = mxi_row_major(view);
  mxi_unref(view);
  return copy;
}

static struct mxi_conv describe(const struct mxi_p_CONVOLUTION *p, mx_array x, mx_array w, mx_array y) {
  int n = x->ndim - 2, missing = MXI_CONV_AXES - n;
  struct mxi_conv c = {.dtype = (mx_dtype)y->dtype,
                       .batch = mxi_shape(x)[0],
                       .groups = p->groups,
                       .channels = mxi_shape(w)[n + 1],
                       .outputs = mxi_shape(w)[0] / p->groups,
                       .x = x->data,
                       .x_batch = mxi_strides(x)[0],
                       .x_channel = mxi_strides(x)[n + 1],
                       .w = w->data,
                       .y = y->data};
  for (int axis = 0; axis < MXI_CONV_AXES; axis++) {
    int i = axis - missing;
    bool given = i >= 0;
    c.in[axis] = given ? mxi_shape(x)[i + 1] : 1;
    c.out[axis] = given ? mxi_shape(y)[i + 1] : 1;
    c.taps[axis] = given ? mxi_shape(w)[i + 1] : 1;
    c.x_axis[axis] = given ? mxi_strides(x)[i + 1] : 0;
    c.stride[axis] = given ? p->stride.v[i] : 1;
    c.low[axis] = given ? p->padding_low.v[i] : 0;
    c.kernel_dilation[axis] = given ? p->kernel_dilation.v[i] : 1;
    c.input_dilation[axis] = given ? p->input_dilation.v[i] : 1;
  }
  return c;
}

int mxi_cpu_CONVOLUTION(struct mxi_call *call) {
  const struct mxi_p_CONVOLUTION *p = MXI_CALL_PARAMS(CONVOLUTION, call);
  mx_array x = call->in[0], w = call->in[1], y = call->out[0];
  int64_t channels = mxi_shape(x)[x->ndim - 1];
  bool depthwise = p->groups == channels && mxi_shape(w)[0] == channels && channels > 1;
  if (y->size == 0) return 0;
  w = plain_weight(w, p->flip);
  /* Vectors over channels want them side by side; patches take any strides. */
  x = depthwise && w ? mxi_row_major(x) : mxi_ref(x);
  int status = -1;
  if (x && w) {
    struct mxi_conv c = describe(p, x, w, y);
    status = depthwise ? mxi_conv_depthwise(&c) : convolve(&c);
  }
  mxi_unref(x);
  mxi_unref(w);
  return status;
}
