/* Runs a program of elementwise instructions over arrays that the engine has placed. */
#include "cpu/fused.h"
#include "cpu/cpu.h"
#include "cpu/program.h"
#include "cpu/reduce.h"
#include <string.h>

enum { CHUNK = 32 * MXI_TILE };

/* The iteration region: axes by falling stride of the outputs' layout, those of size 1 dropped, neighbours
   merged where every operand allows. */
struct iteration_region {
  int ndim;
  int64_t shape[MXI_MAX_NDIM];
  int64_t strides[2 * MXI_MAX_OPERANDS][MXI_MAX_NDIM]; // bytes; operands: inputs, then outputs
};

static void axis_order(mx_array like, int ndim, int *order) {
  for (int i = 0; i < ndim; i++) order[i] = i;
  if (!like) return;
  const int64_t *strides = mxi_strides(like);
  for (int i = 1; i < ndim; i++)
    for (int k = i; k > 0 && strides[order[k - 1]] < strides[order[k]]; k--) {
      int t = order[k];
      order[k] = order[k - 1];
      order[k - 1] = t;
    }
}

static int64_t byte_stride(mx_array a, int axis, int ndim) {
  int own = axis - (ndim - a->ndim); // operands of fewer dims align at the end
  return own < 0 || a->dims[own] == 1 ? 0 : mxi_strides(a)[own] * (int64_t)mxi_itemsize(a);
}

static void make_region(struct iteration_region *b, mx_ints shape, mx_array like, int noperands,
                        mx_array *const *operands) {
  int order[MXI_MAX_NDIM];
  axis_order(like, shape.n, order);
  b->ndim = 0;
  for (int i = 0; i < shape.n; i++) {
    int axis = order[i];
    if (shape.v[axis] == 1) continue;
    int64_t step[2 * MXI_MAX_OPERANDS];
    bool merges = b->ndim > 0;
    for (int k = 0; k < noperands; k++) {
      step[k] = byte_stride(*operands[k], axis, shape.n);
      merges = merges && b->strides[k][b->ndim - 1] == step[k] * shape.v[axis];
    }
    if (!merges) b->shape[b->ndim++] = 1;
    b->shape[b->ndim - 1] *= shape.v[axis];
    for (int k = 0; k < noperands; k++) b->strides[k][b->ndim - 1] = step[k];
  }
  if (b->ndim == 0) { // one element
    b->shape[b->ndim++] = 1;
    for (int k = 0; k < noperands; k++) b->strides[k][0] = 0;
  }
}

/* When everything is row-major or one element, the region is a line. */
static bool is_line(const struct mxi_call *c, int64_t size) {
  for (int i = 0; i < c->ninputs; i++) {
    mx_array in = c->in[i];
    if (in->size != 1 && (in->size != size || in->ndim != c->shape.n || !mxi_row_contiguous(in)))
      return false;
  }
  return true;
}

static void run_tiles_chunk(void *ctx, int64_t i) {
  const struct mxi_tile_job *job = ctx;
  MXI_DISPATCH(mxi_tiles_run)(job, i * CHUNK, mxi_min((i + 1) * CHUNK, job->size));
}

/* Fills the job's operands from the arrays; `line`: everything contiguous. nout: outputs in memory. */
static void make_job(struct mxi_tile_job *job, struct iteration_region *region,
                     const struct mxi_tile_program *p, const struct mxi_call *c, int nout, bool line,
                     mx_array like) {
  job->program = p;
  if (line) {
    region->ndim = 1;
    region->shape[0] = job->size;
    for (int i = 0; i < c->ninputs; i++)
      region->strides[i][0] = c->in[i]->size == 1 ? 0 : (int64_t)mxi_itemsize(c->in[i]);
    for (int o = 0; o < nout; o++) region->strides[c->ninputs + o][0] = (int64_t)mxi_itemsize(c->out[o]);
  } else {
    mx_array *operands[2 * MXI_MAX_OPERANDS];
    for (int i = 0; i < c->ninputs; i++) operands[i] = &c->in[i];
    for (int o = 0; o < nout; o++) operands[c->ninputs + o] = &c->out[o];
    make_region(region, c->shape, like, c->ninputs + nout, operands);
  }
  job->ndim = region->ndim;
  job->shape = region->shape;
  for (int i = 0; i < c->ninputs; i++) job->in[i] = (struct mxi_operand){c->in[i]->data, region->strides[i]};
  for (int o = 0; o < nout; o++)
    job->out[o] = (struct mxi_operand){c->out[o]->data, region->strides[c->ninputs + o]};
}

static int run_elementwise(const struct mxi_tile_program *p, const struct mxi_call *c) {
  struct mxi_tile_job job;
  struct iteration_region region;
  job.size = c->out[0]->size;
  if (job.size == 0) return 0;
  bool one_layout = true;
  for (int o = 1; o < c->noutputs; o++)
    one_layout &=
        !memcmp(mxi_strides(c->out[o]), mxi_strides(c->out[0]), (size_t)c->shape.n * sizeof(int64_t));
  bool row = mxi_row_contiguous(c->out[0]);
  bool line = one_layout && row && is_line(c, job.size);
  make_job(&job, &region, p, c, c->noutputs, line, one_layout && !row ? c->out[0] : NULL);
  return mxi_parallel_for(mxi_ceil_div(job.size, CHUNK), run_tiles_chunk, &job);
}

/* ---- Reductions ---- */
/* Elements of each run that the reduction folds, when it folds the last axes; 0 when it folds others. */
static int64_t run_length(const struct mxi_reduction *r, mx_ints axes) {
  int64_t length = 1;
  int k = axes.n - 1;
  for (int i = r->shape.n - 1; i >= 0; i--) {
    bool folded = k >= 0 && axes.v[k] == i;
    if (folded)
      length *= r->shape.v[i], k--;
    else if (r->shape.v[i] != 1)
      break;
  }
  for (; k >= 0; k--)
    if (r->shape.v[axes.v[k]] != 1) return 0;
  return length;
}

/* By way of memory: for reductions of other axes, and for values laid out in another order. */
static int run_stored(const struct mxi_tile_program *p, struct mxi_call *c) {
  mx_array values = mxi_array_new(c->reduction->type, c->reduction->shape), out = c->out[0];
  if (!values) return -1;
  mx_buffer *b = mxi_buffer_new((size_t)values->size * mxi_itemsize(values));
  if (!b) {
    mxi_unref(values);
    return -1;
  }
  mxi_set_data(values, b, 0, c->values_like ? mxi_strides(c->values_like) : NULL);
  struct mxi_call program = *c;
  program.out = &values;
  struct mxi_call reduce = {.prim = &mxi_prims[MXI_REDUCE],
                            .params = c->reduction->params,
                            .ninputs = 1,
                            .noutputs = 1,
                            .in = &values,
                            .out = &out};
  int result = run_elementwise(p, &program);
  if (result == 0) result = mxi_cpu_REDUCE(&reduce);
  mxi_unref(values);
  return result;
}

static int run_reduction(const struct mxi_tile_program *p, struct mxi_call *c) {
  const struct mxi_reduction *r = c->reduction;
  const struct mxi_p_REDUCE *params = (const struct mxi_p_REDUCE *)r->params->fields;
  int64_t length = run_length(r, params->axes);
  struct mxi_tile_job job = {.size = 1};
  for (int i = 0; i < r->shape.n; i++) job.size *= r->shape.v[i];
  if (job.size == 0 || length == 0 || c->values_like) return run_stored(p, c);
  struct iteration_region region;
  make_job(&job, &region, p, c, 0, is_line(c, job.size), NULL);
  return mxi_cpu_reduce_program(&job, (enum mxi_reduce_op)params->op, length, c->out[0]);
}

int mxi_run_program(struct mxi_call *c) {
  return c->reduction ? run_reduction(c->prepared, c) : run_elementwise(c->prepared, c);
}
