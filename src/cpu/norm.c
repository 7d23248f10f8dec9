/* rms_norm and layer_norm over the last axis. */
#include "cpu/cpu.h"
#include "cpu/kernels/rows.h"
#include "cpu/stream_bytes.h"

enum { CHUNK = 65536 /* elements a chunk of rows aims at: about 10 us */ };

struct norm_rows {
  struct mxi_norm job;
  int64_t count, chunk; /* rows in all, and in a chunk */
  void (*kernel)(const struct mxi_norm *job, int64_t first, int64_t rows);
};

static void norm_chunk(void *ctx, int64_t i) {
  const struct norm_rows *r = ctx;
  r->kernel(&r->job, i * r->chunk, mxi_min(r->chunk, r->count - i * r->chunk));
}

/* Are the rows of x (its last axis) contiguous and evenly spaced? Then their distance goes to *row. */
static bool even_rows(mx_array x, int64_t *row) {
  int last = x->ndim - 1;
  const int64_t *shape = mxi_shape(x), *strides = mxi_strides(x);
  if (shape[last] != 1 && strides[last] != 1) return false;
  int64_t step = shape[last], rows = 1;
  for (int i = last - 1; i >= 0; i--) {
    if (shape[i] == 1) continue;
    if (rows == 1)
      step = strides[i];
    else if (strides[i] != step * rows)
      return false;
    rows *= shape[i];
  }
  *row = step;
  return true;
}

/* a with dtype t and contiguous rows, owned by the caller; every a is as good as its copy. */
static mx_array as_type(mx_array a, mx_dtype t) {
  if ((mx_dtype)a->dtype == t) return mxi_row_major(a);
  mx_array copy = mxi_array_alloc(t, mxi_shape_of(a));
  if (copy && mxi_copy_into(copy, a) < 0) {
    mxi_unref(copy);
    return NULL;
  }
  return copy;
}

/* x as the kernel takes it: float64 for a float64 result, rows even. Owned by the caller. */
static mx_array norm_input(mx_array x, mx_dtype out_type, int64_t *row) {
  bool convert = ((mx_dtype)x->dtype == MX_FLOAT64) != (out_type == MX_FLOAT64);
  if (!convert && even_rows(x, row)) return mxi_ref(x);
  *row = mxi_shape(x)[x->ndim - 1];
  return convert ? as_type(x, out_type == MX_FLOAT64 ? MX_FLOAT64 : MX_FLOAT32) : mxi_row_major(x);
}

static int run_norm(struct norm_rows *r, mx_array out, mx_array x, mx_array weight, mx_array bias) {
  int64_t n = mxi_shape(out)[out->ndim - 1];
  r->job.x_type = (mx_dtype)x->dtype;
  r->job.out_type = (mx_dtype)out->dtype;
  r->job.x = x->data;
  r->job.out = out->data;
  r->job.n = n;
  r->job.weight = weight ? weight->data : NULL;
  r->job.bias = bias ? bias->data : NULL;
  r->job.stream = out->data != x->data && out->size * (int64_t)mxi_itemsize(out) >= MXI_STREAM_BYTES;
  r->count = out->size / n;
  r->chunk = n >= CHUNK ? 1 : CHUNK / n;
  return mxi_parallel_for(mxi_ceil_div(r->count, r->chunk), norm_chunk, r);
}

/* weight and bias may be NULL. */
static int normalise(struct mxi_call *c, struct norm_rows *r, mx_array weight, mx_array bias) {
  mx_array out = c->out[0];
  mx_dtype t = (mx_dtype)out->dtype == MX_FLOAT64 ? MX_FLOAT64 : MX_FLOAT32;
  mx_array x = norm_input(c->in[0], (mx_dtype)out->dtype, &r->job.x_row);
  mx_array w = weight && x ? as_type(weight, t) : NULL;
  mx_array b = bias && x ? as_type(bias, t) : NULL;
  int status = !x || (weight && !w) || (bias && !b) ? mxi_untouched(c) : 0;
  if (status == 0 && out->size > 0) status = run_norm(r, out, x, w, b);
  mxi_unref(x);
  mxi_unref(w);
  mxi_unref(b);
  return status;
}

int mxi_cpu_RMS_NORM(struct mxi_call *c) {
  struct norm_rows r = {.kernel = MXI_DISPATCH(mxi_rms_norm_rows),
                        .job.eps = MXI_CALL_PARAMS(RMS_NORM, c)->eps};
  return normalise(c, &r, c->ninputs > 1 ? c->in[1] : NULL, NULL);
}

int mxi_cpu_LAYER_NORM(struct mxi_call *c) {
  const struct mxi_p_LAYER_NORM *p = MXI_CALL_PARAMS(LAYER_NORM, c);
  struct norm_rows r = {.kernel = MXI_DISPATCH(mxi_layer_norm_rows), .job.eps = p->eps};
  mx_array weight = p->has_weight ? c->in[1] : NULL;
  mx_array bias = p->has_bias ? c->in[p->has_weight ? 2 : 1] : NULL;
  return normalise(c, &r, weight, bias);
}
