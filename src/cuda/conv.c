/* Convolutions: depthwise by a kernel of their own; others by cuDNN where it is installed and has an engine
   for them; else as products of matrices, of windows that are unfolded a part of the output at a time. */
#include "cuda/conv.h"
#include "base/checked.h"
#include "cuda/call.h"
#include "cuda/context.h"
#include "cuda/cuda.h"
#include "cuda/gemm.h"
#include <string.h>

enum { AXES = MXI_CUDA_CONV_AXES };
static struct mxi_cuda_kernel unfold[] = {MXI_CUDA_KERNEL(conv, unfold_2), MXI_CUDA_KERNEL(conv, unfold_4),
                                          MXI_CUDA_KERNEL(conv, unfold_8), MXI_CUDA_KERNEL(conv, unfold_16)};
static struct mxi_cuda_kernel depthwise[MX_DTYPE_COUNT] = {MXI_CUDA_FLOATS(conv, depthwise)};

/* ---- From arrays ---- */
static bool fits(int64_t v) { return v >= INT32_MIN && v <= INT32_MAX; }
static bool all_fit(mx_ints v) {
  for (int i = 0; i < v.n; i++)
    if (!fits(v.v[i])) return false;
  return true;
}
static int64_t product_of_axes(mx_array a) {
  int64_t product = 1;
  for (int i = 1; i < a->ndim - 1; i++)
    if (!mxi_mul(product, mxi_shape(a)[i], &product)) return INT64_MAX;
  return product;
}

bool mxi_cuda_can_CONVOLUTION(const struct mxi_call *c) {
  const struct mxi_p_CONVOLUTION *p = MXI_CALL_PARAMS(CONVOLUTION, c);
  return all_fit(p->stride) && all_fit(p->padding_low) && all_fit(p->padding_high) &&
         all_fit(p->kernel_dilation) && all_fit(p->input_dilation) && all_fit(mxi_shape_of(c->in[0])) &&
         all_fit(mxi_shape_of(c->in[1])) && all_fit(mxi_shape_of(c->out[0])) &&
         fits(product_of_axes(c->in[1])) && fits(product_of_axes(c->out[0]));
}

static void describe_axis(struct mxi_cuda_conv *c, int axis, const struct mxi_call *call, int i) {
  const struct mxi_p_CONVOLUTION *p = MXI_CALL_PARAMS(CONVOLUTION, call);
  struct mxi_cuda_window *w = &c->window;
  bool given = i >= 0;
  w->in[axis] = given ? (int32_t)mxi_shape(call->in[0])[i + 1] : 1;
  w->taps[axis] = given ? (int32_t)mxi_shape(call->in[1])[i + 1] : 1;
  w->out[axis] = given ? (int32_t)mxi_shape(call->out[0])[i + 1] : 1;
  w->stride[axis] = given ? (int32_t)p->stride.v[i] : 1;
  w->low[axis] = given ? (int32_t)p->padding_low.v[i] : 0;
  c->high[axis] = given ? (int32_t)p->padding_high.v[i] : 0;
  w->kernel_dilation[axis] = given ? (int32_t)p->kernel_dilation.v[i] : 1;
  w->input_dilation[axis] = given ? (int32_t)p->input_dilation.v[i] : 1;
  w->pixels *= w->out[axis];
  w->all_taps *= w->taps[axis];
}

static struct mxi_cuda_conv describe(const struct mxi_call *call, const struct mxi_cuda_input *x,
                                     const struct mxi_cuda_input *w) {
  const struct mxi_p_CONVOLUTION *p = MXI_CALL_PARAMS(CONVOLUTION, call);
  int n = x->shape.n - 2, missing = AXES - n;
  struct mxi_cuda_conv c = {.dtype = (mx_dtype)call->out[0]->dtype,
                            .batch = x->shape.v[0],
                            .groups = p->groups,
                            .channels = w->shape.v[n + 1],
                            .outputs = w->shape.v[0] / p->groups,
                            .window = {.flip = p->flip, .pixels = 1, .all_taps = 1},
                            .x = x->address,
                            .x_batch = x->strides[0],
                            .x_channel = x->strides[n + 1],
                            .w = w->address,
                            .y = mxi_cuda_out(call, 0)};
  for (int axis = 0; axis < AXES; axis++) {
    describe_axis(&c, axis, call, axis - missing);
    c.x_axis[axis] = axis >= missing ? x->strides[axis - missing + 1] : 0;
  }
  return c;
}

/* ---- Depthwise ---- */
static int run_depthwise(mx_stream s, const struct mxi_cuda_conv *c) {
  enum { THREADS = 256 };
  struct mxi_cuda_depthwise p = {.window = c->window,
                                 .x = c->x,
                                 .w = c->w,
                                 .y = c->y,
                                 .x_batch = c->x_batch,
                                 .x_channel = c->x_channel,
                                 .batch = c->batch,
                                 .groups = (uint32_t)c->groups,
                                 .multiplier = (uint32_t)c->outputs};
  memcpy(p.x_axis, c->x_axis, sizeof p.x_axis);
  int64_t size = c->batch * c->window.pixels * c->groups * c->outputs;
  return mxi_cuda_launch(s, &depthwise[c->dtype],
                         (struct mxi_cuda_grid){.x = mxi_cuda_blocks(size, THREADS), .threads = THREADS}, &p,
                         sizeof p);
}

/* ---- Products of matrices ---- */
/* Rows of y, from `first` on: columns of the groups' windows times their weights. */
static int multiply_rows(mx_stream s, const struct mxi_cuda_conv *c, struct mxi_cuda_matrix columns,
                         int64_t first, int64_t rows) {
  int64_t k = c->window.all_taps * c->channels, row = c->groups * c->outputs;
  struct mxi_cuda_gemm g = {.dtype = c->dtype,
                            .m = rows,
                            .n = c->outputs,
                            .k = k,
                            .batch = c->groups,
                            .a = columns,
                            .b = {c->w, 1, k, c->outputs * k},
                            .d = (char *)c->y + first * row * (int64_t)mx_dtype_size(c->dtype),
                            .d_row = row,
                            .d_batch = c->outputs,
                            .alpha = 1};
  return mxi_cuda_gemm_run(s, &g);
}

/* One tap that meets each element once: x is the matrix of windows. */
static bool is_pointwise(const struct mxi_cuda_conv *c) {
  int64_t stride = c->groups * c->channels;
  if (c->window.all_taps != 1 || (c->x_channel != 1 && stride != 1)) return false;
  for (int axis = AXES - 1; axis >= 0; axis--) {
    const struct mxi_cuda_window *w = &c->window;
    if (w->in[axis] == 1 && w->out[axis] == 1 && w->low[axis] == 0) continue;
    if (w->in[axis] != w->out[axis] || w->low[axis] || w->stride[axis] != 1 || w->input_dilation[axis] != 1 ||
        c->x_axis[axis] != stride)
      return false;
    stride *= w->in[axis];
  }
  return c->batch == 1 || c->x_batch == stride;
}

static int run_pointwise(mx_stream s, const struct mxi_cuda_conv *c) {
  struct mxi_cuda_matrix x = {c->x, c->groups * c->channels, 1, c->channels};
  return multiply_rows(s, c, x, 0, c->batch * c->window.pixels);
}

/* The channels of a window that are loaded as one word. */
static int channels_of_word(const struct mxi_cuda_conv *c) {
  int size = (int)mx_dtype_size(c->dtype), most = 16 / size;
  if (c->x_channel != 1) return 1;
  for (; most > 1; most /= 2) {
    bool fit = c->channels % most == 0 && c->x_batch % most == 0 && (size_t)c->x % (size_t)(most * size) == 0;
    for (int axis = 0; axis < AXES; axis++) fit = fit && c->x_axis[axis] % most == 0;
    if (fit) break;
  }
  return most;
}

static int unfold_rows(mx_stream s, const struct mxi_cuda_conv *c, void *columns, int64_t first,
                       int64_t rows) {
  enum { THREADS = 256 };
  int channels = channels_of_word(c), size = (int)mx_dtype_size(c->dtype) * channels;
  int64_t image = first / c->window.pixels, words = c->groups * rows * c->window.all_taps * c->channels;
  struct mxi_cuda_unfold p = {.window = c->window,
                              .x = (const char *)c->x + image * c->x_batch * (int64_t)mx_dtype_size(c->dtype),
                              .columns = columns,
                              .x_batch = c->x_batch / channels,
                              .x_channel = c->x_channel,
                              .groups = (uint32_t)c->groups,
                              .channels = (uint32_t)(c->channels / channels),
                              .rows = (uint32_t)rows,
                              .first = (uint32_t)(first - image * c->window.pixels)};
  for (int axis = 0; axis < AXES; axis++) p.x_axis[axis] = c->x_axis[axis] / channels;
  return mxi_cuda_launch(
      s, &unfold[__builtin_ctz((unsigned)size) - 1],
      (struct mxi_cuda_grid){.x = mxi_cuda_blocks(words / channels, THREADS), .threads = THREADS}, &p,
      sizeof p);
}

/* Rows that are unfolded at a time: about as many as stay in the cache. */
static int64_t rows_at_a_time(const struct mxi_cuda_conv *c) {
  int64_t row = c->groups * c->window.all_taps * c->channels * (int64_t)mx_dtype_size(c->dtype);
  int64_t rows = ((int64_t)64 << 20) / row, all = c->batch * c->window.pixels;
  return rows < 1 ? 1 : rows < all ? rows : all;
}

static int run_unfolded(mx_stream s, const struct mxi_cuda_conv *c) {
  int64_t k = c->window.all_taps * c->channels, rows = rows_at_a_time(c), all = c->batch * c->window.pixels;
  struct mxi_cuda_scratch columns;
  MXI_TRY(mxi_cuda_scratch_take(s, (size_t)(c->groups * rows * k) * mx_dtype_size(c->dtype), &columns));
  int result = 0;
  for (int64_t first = 0; first < all && result == 0; first += rows) {
    int64_t n = all - first < rows ? all - first : rows;
    result = unfold_rows(s, c, columns.address, first, n);
    struct mxi_cuda_matrix matrix = {columns.address, k, 1, n * k};
    if (result == 0) result = multiply_rows(s, c, matrix, first, n);
  }
  mxi_cuda_scratch_free(&columns);
  return result;
}

/* ---- Which ---- */
static int convolve(mx_stream s, const struct mxi_cuda_conv *c) {
  if (c->channels == 1 && c->groups > 1) return run_depthwise(s, c);
  if (is_pointwise(c)) return run_pointwise(s, c);
  bool served = false;
  MXI_TRY(mxi_cuda_cudnn_run(s, c, &served));
  return served ? 0 : run_unfolded(s, c);
}

/* The operand row-major at an address that vectors can be loaded from, so that who computes a convolution,
   and with it the last bits, doesn't depend on how its operands happen to lie. */
static int hold_aligned(const struct mxi_call *call, int i, struct mxi_cuda_input *in) {
  MXI_TRY(mxi_cuda_hold_row_major(call, i, in));
  if ((size_t)in->address % 16 == 0) return 0;
  size_t bytes = (size_t)call->in[i]->size * mxi_itemsize(call->in[i]);
  struct mxi_cuda_stream *s = mxi_cuda_stream_of(call->stream);
  struct mxi_cuda_scratch copy;
  if (!s || mxi_cuda_scratch_take(call->stream, bytes, &copy) < 0) return -1;
  CUresult r =
      mxi_cuda.cuMemcpyDtoDAsync_v2((CUdeviceptr)copy.address, (CUdeviceptr)in->address, bytes, s->handle);
  mxi_cuda_count(s);
  mxi_cuda_let_go(in);
  in->scratch = copy;
  in->address = copy.address;
  return mxi_cuda_check(r, "cuMemcpyDtoDAsync");
}

/* An empty sum. */
static int fill_with_zeros(const struct mxi_call *call) {
  mx_array y = call->out[0];
  struct mxi_cuda_stream *s = mxi_cuda_stream_of(call->stream);
  if (!s) return -1;
  MXI_CUDA_TRY(
      cuMemsetD8Async((CUdeviceptr)mxi_cuda_out(call, 0), 0, (size_t)y->size * mxi_itemsize(y), s->handle));
  mxi_cuda_count(s);
  return 0;
}

int mxi_cuda_CONVOLUTION(struct mxi_call *call) {
  if (call->out[0]->size == 0) return 0;
  if (call->in[0]->size == 0 || call->in[1]->size == 0) return fill_with_zeros(call);
  struct mxi_cuda_input x = {0}, w = {0};
  int result = hold_aligned(call, 0, &x);
  if (result == 0) result = hold_aligned(call, 1, &w);
  if (result == 0) {
    struct mxi_cuda_conv c = describe(call, &x, &w);
    result = convolve(call->stream, &c);
  }
  mxi_cuda_let_go(&x);
  mxi_cuda_let_go(&w);
  return result;
}
