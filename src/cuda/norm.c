/* rms_norm and layer_norm over the last axis. */
#include "cuda/copy.h"
#include "cuda/cuda.h"
#include "cuda/rows.h"

#define FLOATS(name) static struct mxi_cuda_kernel name[MX_DTYPE_COUNT] = {MXI_CUDA_FLOATS(norm, name)};
FLOATS(norm_1)
FLOATS(norm_4)
FLOATS(norm_8)
FLOATS(norm_long)

/* Are the rows contiguous and evenly spaced? Then their distance goes to *step. */
static bool even_rows(const struct mxi_cuda_input *x, int64_t *step) {
  int last = x->shape.n - 1;
  const int64_t *shape = x->shape.v;
  if (shape[last] != 1 && x->strides[last] != 1) return false;
  int64_t apart = shape[last], rows = 1;
  for (int i = last - 1; i >= 0; i--) {
    if (shape[i] == 1) continue;
    if (rows == 1)
      apart = x->strides[i];
    else if (x->strides[i] != apart * rows)
      return false;
    rows *= shape[i];
  }
  *step = apart;
  return true;
}

/* Input i as the kernels take it: of dtype t, its rows even, unless it is a row itself. */
static int hold(struct mxi_call *c, int i, mx_dtype t, struct mxi_cuda_input *in, int64_t *step) {
  MXI_TRY(mxi_cuda_hold(c, i, in));
  if (in->dtype == t && even_rows(in, step)) return 0;
  mxi_cuda_let_go(in);
  MXI_TRY(mxi_cuda_hold_row_major(c, i, in));
  *step = in->shape.v[in->shape.n - 1];
  if (in->dtype == t) return 0;
  struct mxi_cuda_input as_it_is = *in;
  struct mxi_cuda_strided from = {(void *)in->address, in->dtype, in->strides};
  int result = mxi_cuda_scratch_take(c->stream, (size_t)c->in[i]->size * mx_dtype_size(t), &in->scratch);
  if (result == 0)
    result = mxi_cuda_copy_strided(c->stream, in->shape,
                                   (struct mxi_cuda_strided){in->scratch.address, t, in->strides}, from);
  in->address = in->scratch.address;
  in->dtype = t;
  mxi_cuda_let_go(&as_it_is);
  if (result < 0) mxi_cuda_let_go(in);
  return result;
}

/* x, weight and bias; weight_at and bias_at are -1 where there is none. */
static int normalise(struct mxi_call *c, struct mxi_cuda_norm *p, int weight_at, int bias_at) {
  mx_array out = c->out[0];
  mx_dtype t = (mx_dtype)out->dtype;
  size_t bytes = mx_dtype_size(t);
  struct mxi_cuda_input x = {0}, weight = {0}, bias = {0};
  int64_t step, none, n = mxi_shape(out)[out->ndim - 1];
  int result = hold(c, 0, t, &x, &step);
  if (result == 0 && weight_at > 0) result = hold(c, weight_at, t, &weight, &none);
  if (result == 0 && bias_at > 0) result = hold(c, bias_at, t, &bias, &none);
  if (result < 0) c->untouched = true;
  if (result == 0) {
    p->at = mxi_cuda_rows_of(x.address, out->size / n, n, step, bytes, mxi_cuda_out(c, 0));
    p->weight = weight.address;
    p->bias = bias.address;
    p->parameters = mxi_cuda_is_aligned(weight.address) && mxi_cuda_is_aligned(bias.address);
    struct mxi_cuda_row_kernels k = {&norm_1[t], &norm_4[t], &norm_8[t]};
    if (!mxi_cuda_rows_fit(&p->at, bytes)) k.eight = &norm_long[t];
    result = mxi_cuda_launch_rows(c->stream, &k, &p->at, bytes, p, sizeof *p);
  }
  mxi_cuda_let_go(&x);
  mxi_cuda_let_go(&weight);
  mxi_cuda_let_go(&bias);
  return result;
}

int mxi_cuda_RMS_NORM(struct mxi_call *c) {
  if (!c->out[0]->size) return 0;
  struct mxi_cuda_norm p = {.eps = MXI_CALL_PARAMS(RMS_NORM, c)->eps};
  return normalise(c, &p, c->ninputs > 1 ? 1 : -1, -1);
}

int mxi_cuda_LAYER_NORM(struct mxi_call *c) {
  if (!c->out[0]->size) return 0;
  const struct mxi_p_LAYER_NORM *given = MXI_CALL_PARAMS(LAYER_NORM, c);
  struct mxi_cuda_norm p = {.eps = given->eps, .centered = true};
  return normalise(c, &p, given->has_weight ? 1 : -1, given->has_bias ? 1 + (given->has_weight != 0) : -1);
}
