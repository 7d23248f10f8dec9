/* softmax and logsumexp over the last axis. */
#include "cuda/cuda.h"
#include "cuda/rows.h"

#define FLOATS(name) static struct mxi_cuda_kernel name[MX_DTYPE_COUNT] = {MXI_CUDA_FLOATS(softmax, name)};
FLOATS(softmax_1)
FLOATS(softmax_4)
FLOATS(softmax_8)
FLOATS(logsumexp_1)
FLOATS(logsumexp_4)
FLOATS(logsumexp_8)
FLOATS(softmax_partials)
FLOATS(softmax_long)
FLOATS(logsumexp_long)

/* Rows that are cut into chunks: the chunks' partials, then the results, by `blocks` blocks of `finish`. */
static int run_long(mx_stream s, struct mxi_cuda_softmax *p, mx_dtype t, bool softmax) {
  int64_t each =
      (int64_t)MXI_CUDA_SOFTMAX_LONG_BLOCK * MXI_CUDA_SOFTMAX_LONG_EACH * 16 / (int64_t)mx_dtype_size(t);
  size_t partial_bytes = t == MX_FLOAT64 ? 2 * sizeof(double) : 2 * sizeof(float);
  p->chunks = mxi_cuda_blocks(p->at.n, each);
  p->at.team = MXI_CUDA_SOFTMAX_LONG_BLOCK;
  struct mxi_cuda_scratch partials;
  MXI_TRY(mxi_cuda_scratch_take(s, (size_t)(p->at.rows * p->chunks) * partial_bytes, &partials));
  p->partials = partials.address;
  struct mxi_cuda_grid grid = {
      .x = p->at.rows * p->chunks, .threads = MXI_CUDA_SOFTMAX_LONG_BLOCK, .overlaps = true};
  int result = mxi_cuda_launch(s, &softmax_partials[t], grid, p, sizeof *p);
  if (!softmax) grid.x = p->at.rows;
  if (result == 0)
    result = mxi_cuda_launch(s, softmax ? &softmax_long[t] : &logsumexp_long[t], grid, p, sizeof *p);
  mxi_cuda_scratch_free(&partials);
  return result;
}

static int run_rows(struct mxi_call *c, const struct mxi_cuda_input *in, bool softmax) {
  mx_dtype t = in->dtype;
  size_t bytes = mx_dtype_size(t);
  int64_t n = in->shape.v[in->shape.n - 1], rows = 1;
  for (int i = 0; i < in->shape.n - 1; i++) rows *= in->shape.v[i];
  void *out = mxi_cuda_out(c, 0);
  struct mxi_cuda_softmax p = {
      .at = mxi_cuda_rows_of(in->address, rows, n, n, bytes, softmax ? out : (void *)in->address)};
  p.at.out = out;
  if (!mxi_cuda_rows_fit(&p.at, bytes)) return run_long(c->stream, &p, t, softmax);
  struct mxi_cuda_row_kernels k = {&softmax_1[t], &softmax_4[t], &softmax_8[t]};
  if (!softmax) k = (struct mxi_cuda_row_kernels){&logsumexp_1[t], &logsumexp_4[t], &logsumexp_8[t]};
  return mxi_cuda_launch_rows(c->stream, &k, &p.at, bytes, &p, sizeof p);
}

static int run(struct mxi_call *c, bool softmax) {
  if (!c->out[0]->size) return 0;
  struct mxi_cuda_input in;
  if (mxi_cuda_hold_row_major(c, 0, &in) < 0) return mxi_untouched(c);
  int result = run_rows(c, &in, softmax);
  mxi_cuda_let_go(&in);
  return result;
}

int mxi_cuda_SOFTMAX(struct mxi_call *c) { return run(c, true); }
/* An empty last axis sums to zero, whose logarithm is -inf: rows of no elements. */
int mxi_cuda_LOGSUMEXP(struct mxi_call *c) { return run(c, false); }
