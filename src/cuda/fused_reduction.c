/* Where values in row-major order are reduced along their last axes, each result is that of a run of them,
   and an input has one step from run to run and one within them, of 1 or 0. Other reductions go by way of
   memory.
 */
#include "cuda/fused_reduction.h"
#include "cuda/call.h"
#include "engine/iteration.h"
#include "cuda/reduce.h"

enum { VECTOR_BYTES = 16 };

/* The parameters of the kernel (codegen_reduction.c). */
struct program_runs {
  struct mxi_cuda_reduce_runs runs;
  uint64_t words[2 * MXI_MAX_OPERANDS]; /* of each input: address or value; its step from run to run */
};
struct first_pass {
  const struct mxi_call *call;
  CUfunction function;
  struct program_runs p;
};
static int launch_first_pass(void *ctx, const struct mxi_cuda_reduce_runs *runs) {
  struct first_pass *f = ctx;
  f->p.runs = *runs;
  size_t bytes = offsetof(struct program_runs, words) + 2 * sizeof(uint64_t) * (size_t)f->call->ninputs;
  return mxi_cuda_launch_function(f->call->stream, f->function, MXI_CODEGEN_KERNEL,
                                  mxi_cuda_grid_of_runs(runs), &f->p, bytes);
}

/* The first of the axes that are reduced, when those are the last ones; else -1. */
static int first_reduced(mx_ints shape, mx_ints axes) {
  int first = shape.n, k = axes.n;
  for (int i = shape.n - 1; i >= 0; i--) {
    bool reduced = k > 0 && axes.v[k - 1] == i;
    k -= reduced;
    if (reduced && shape.v[i] != 1 && i + 1 != first) return -1;
    if (reduced || (shape.v[i] == 1 && i + 1 == first)) first = i;
  }
  return first;
}

static int64_t size_of(mx_ints shape, int begin, int end) {
  int64_t size = 1;
  for (int i = begin; i < end; i++) size *= shape.v[i];
  return size;
}
/* The step of an input along axes [begin, end) as one; false: there is none. */
static bool step_along(mx_array a, mx_ints shape, int begin, int end, int64_t *step) {
  int64_t size = 1;
  *step = 0;
  for (int i = end - 1; i >= begin; size *= shape.v[i--]) {
    int64_t stride = mxi_iteration_stride(a, i, shape.n);
    if (shape.v[i] == 1) continue;
    if (size == 1)
      *step = stride;
    else if (stride != *step * size)
      return false;
  }
  return true;
}

static bool put_input(const struct mxi_call *c, int i, int kept, struct mxi_cuda_form *form,
                      uint64_t words[2]) {
  mx_array a = c->in[i];
  int64_t run, step, bytes = (int64_t)mxi_itemsize(a);
  if (!a->buffer) {
    form->kind[i] = MXI_OPERAND_VALUE;
    words[0] = words[1] = 0;
    memcpy(words, &a->inline_value, (size_t)bytes);
    return true;
  }
  if (!step_along(a, c->shape, 0, kept, &run) || !step_along(a, c->shape, kept, c->shape.n, &step))
    return false;
  words[0] = (uint64_t)(uintptr_t)mxi_cuda_address(a);
  words[1] = (uint64_t)run;
  form->kind[i] = step ? MXI_OPERAND_UNIT : MXI_OPERAND_REPEAT;
  if (step == 0) return true;
  return step == 1 && form->vector * bytes <= VECTOR_BYTES &&
         words[0] % (uint64_t)(form->vector * bytes) == 0 && run % form->vector == 0;
}

bool mxi_cuda_run_reduction(const struct mxi_call *c, struct mxi_compiled *compiled, int *result) {
  const struct mxi_reduction *r = c->reduction;
  const struct mxi_p_REDUCE *params = (const struct mxi_p_REDUCE *)r->params->fields;
  int kept = first_reduced(r->shape, params->axes);
  if (!compiled || c->values_like || kept < 0) return false;
  int64_t count = size_of(r->shape, 0, kept), length = size_of(r->shape, kept, r->shape.n);
  if (count == 0 || length <= 1) return false;
  struct mxi_cuda_reduction reduction = mxi_cuda_reduction_of((enum mxi_reduce_op)params->op, r->type, false);
  int bytes = (int)mx_dtype_size(reduction.values), vector = bytes < VECTOR_BYTES ? VECTOR_BYTES / bytes : 1;
  struct first_pass f = {.call = c};
  struct mxi_cuda_form form = {.ndim = 2,
                               .vector = (uint8_t)vector,
                               .wide = 1,
                               .reduce = (uint8_t)(1 + reduction.op),
                               .values = (uint8_t)reduction.values,
                               .partial = (uint8_t)reduction.partial};
  for (int i = 0; i < c->ninputs; i++)
    if (!put_input(c, i, kept, &form, f.p.words + 2 * i)) return false;
  f.function = mxi_compiled_function(compiled, &form, count * length);
  if (!f.function) return false;
  struct mxi_cuda_reduce_runs runs = {.out = mxi_cuda_out(c, 0), .count = count, .length = length};
  *result = mxi_cuda_reduce_runs_by(c->stream, &reduction.kernels, vector, &runs, launch_first_pass, &f);
  return true;
}
