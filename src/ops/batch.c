/* What batching rules share: shapes and inputs with a batch axis in front. */
#include "base/alloc.h"
#include "ops/common.h"
#include "ops/rules.h"

mx_ints mxi_batch_prefixed(int64_t first, mx_ints list, int64_t *out) {
  out[0] = first;
  mxi_copy_ints(out + 1, list);
  return (mx_ints){out, list.n + 1};
}

mx_ints mxi_batch_shape(const struct mxi_batch *b, mx_ints shape, int64_t *out) {
  return mxi_batch_prefixed(b->size, shape, out);
}

mx_ints mxi_batch_shifted(mx_ints axes, int64_t *out) {
  for (int i = 0; i < axes.n; i++) out[i] = axes.v[i] + 1;
  return (mx_ints){out, axes.n};
}

mx_array mxi_batch_align(mx_array a, int ndim) {
  if (a->ndim == ndim + 1) return a;
  int64_t shape[MXI_BATCH_NDIM];
  mxi_fill_ints(shape, ndim + 1, 1);
  shape[0] = a->dims[0];
  int own = a->ndim - 1;
  mxi_copy_ints(shape + 1 + ndim - own, (mx_ints){a->dims + 1, own});
  return mx_reshape(a, (mx_ints){shape, ndim + 1});
}

mx_array mxi_batch_aligned(const struct mxi_batch *b, int i, int ndim) {
  return b->batched[i] ? mxi_batch_align(b->in[i], ndim) : b->in[i];
}

mx_array mxi_batch_repeated(const struct mxi_batch *b, int i) {
  int64_t shape[MXI_BATCH_NDIM];
  if (b->batched[i]) return b->in[i];
  return mx_broadcast_to(b->in[i], mxi_batch_shape(b, mxi_shape_of(b->in[i]), shape));
}

int mxi_batch_done(struct mxi_batch *b, mx_array out) {
  b->out[0] = out;
  return mx_ok(out) ? 0 : -1;
}

/* The same lists on the stack for a few operands. */
enum { FEW = 8 };

static int apply_batched(const mx_node *n, struct mxi_batch *b, const void *params, const mx_array *in,
                         struct mxi_output *outputs, int64_t *dims) {
  for (int j = 0; j < n->noutputs; j++, dims += MXI_BATCH_NDIM)
    outputs[j] = (struct mxi_output){b->outputs[j].dtype, mxi_batch_shape(b, b->outputs[j].shape, dims)};
  return mxi_apply_multi(n->prim->id, params, n->ninputs, in, n->noutputs, outputs, b->out);
}

int mxi_batch_apply(const mx_node *n, struct mxi_batch *b, const void *params, const mx_array *in) {
  mx_array few[FEW], *all = few;
  struct mxi_output few_outputs[FEW], *outputs = few_outputs;
  int64_t few_dims[FEW * MXI_BATCH_NDIM], *dims = few_dims;
  void *many = NULL;
  size_t nin = (size_t)n->ninputs, nout = (size_t)n->noutputs;
  if (nin > FEW || nout > FEW) {
    many = mxi_malloc(nout * (sizeof *outputs + MXI_BATCH_NDIM * sizeof *dims) + nin * sizeof *all);
    if (!many) return -1;
    outputs = many;
    dims = (int64_t *)(outputs + nout);
    all = (mx_array *)(dims + nout * MXI_BATCH_NDIM);
  }
  for (int i = 0; i < n->ninputs && !in; i++) all[i] = mxi_batch_repeated(b, i);
  int result = apply_batched(n, b, params, in ? in : all, outputs, dims);
  mxi_free(many);
  return result;
}
