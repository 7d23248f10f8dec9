/* Runs a program of elementwise instructions over arrays that the engine has placed. */
#include "cpu/fused.h"
#include "cpu/cpu.h"
#include "cpu/program.h"
#include "cpu/reduce.h"
#include "engine/iteration.h"

enum { CHUNK = 32 * MXI_TILE };

static void run_tiles_chunk(void *ctx, int64_t i) {
  const struct mxi_tile_job *job = ctx;
  MXI_DISPATCH(mxi_tiles_run)(job, i * CHUNK, mxi_min((i + 1) * CHUNK, job->size));
}

/* Where the region's operands lie; nout: outputs in memory. */
static void make_job(struct mxi_tile_job *job, const struct mxi_iteration *region,
                     const struct mxi_tile_program *p, const struct mxi_call *c, int nout) {
  job->program = p;
  job->size = region->size;
  job->ndim = region->ndim;
  job->shape = region->shape;
  for (int i = 0; i < c->ninputs; i++) job->in[i] = (struct mxi_operand){c->in[i]->data, region->strides[i]};
  for (int o = 0; o < nout; o++)
    job->out[o] = (struct mxi_operand){c->out[o]->data, region->strides[c->ninputs + o]};
}

static int run_elementwise(const struct mxi_tile_program *p, const struct mxi_call *c) {
  struct mxi_tile_job job;
  struct mxi_iteration region;
  if (c->out[0]->size == 0) return 0;
  mxi_iteration_of(&region, c, c->noutputs);
  make_job(&job, &region, p, c, c->noutputs);
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
  struct mxi_iteration region;
  struct mxi_tile_job job;
  mxi_iteration_of(&region, c, 0);
  if (region.size == 0 || length == 0 || c->values_like) return run_stored(p, c);
  make_job(&job, &region, p, c, 0);
  return mxi_cpu_reduce_program(&job, (enum mxi_reduce_op)params->op, length, c->out[0]);
}

int mxi_run_program(struct mxi_call *c) {
  return c->reduction ? run_reduction(c->prepared, c) : run_elementwise(c->prepared, c);
}
