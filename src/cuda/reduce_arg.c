/* argmin and argmax: reductions of values that carry their places. */
#include "core/reduce.h"
#include "cuda/call.h"
#include "cuda/reduce_plan.h"

#define OF(form, op)                                                                                  \
  {                                                                                                   \
    MXI_CUDA_INTEGERS(reduce_arg, arg_##form##_##op), MXI_CUDA_FLOATS(reduce_arg, arg_##form##_##op), \
        MXI_CUDA_OF(reduce_arg, arg_##form##_##op, COMPLEX64, complex64)                              \
  }
#define BOTH(form) \
  { [MXI_ARG_MIN] = OF(form, min), [MXI_ARG_MAX] = OF(form, max) }
#define PASSED(form) \
  { [MXI_ARG_MIN] = OF(form, min_passed), [MXI_ARG_MAX] = OF(form, max_passed) }
static struct mxi_cuda_kernel runs[2][MX_DTYPE_COUNT] = BOTH(runs);
static struct mxi_cuda_kernel columns[2][MX_DTYPE_COUNT] = BOTH(columns);
static struct mxi_cuda_kernel any_runs[2][MX_DTYPE_COUNT] = BOTH(any_runs);
static struct mxi_cuda_kernel any_columns[2][MX_DTYPE_COUNT] = BOTH(any_columns);
static struct mxi_cuda_kernel passed_runs[2][MX_DTYPE_COUNT] = PASSED(runs);
static struct mxi_cuda_kernel passed_columns[2][MX_DTYPE_COUNT] = PASSED(columns);

int mxi_cuda_ARG_REDUCE(struct mxi_call *c) {
  const struct mxi_p_ARG_REDUCE *p = MXI_CALL_PARAMS(ARG_REDUCE, c);
  mx_array out = c->out[0];
  struct mxi_cuda_input in;
  struct mxi_region kept, reduced;
  if (!out->size) return 0;
  if (mxi_cuda_hold(c, 0, &in) < 0) return mxi_untouched(c);
  mxi_cuda_split_axes(in.shape, (mx_ints){&p->axis, 1}, in.strides, mxi_strides(out), &kept, &reduced);
  mx_dtype t = in.dtype == MX_BOOL ? MX_UINT8 : in.dtype;
  int bytes = (int)mx_dtype_size(t), op = (int)p->op;
  struct mxi_cuda_reduce_kernels k = {.runs = &runs[op][t],
                                      .columns = &columns[op][t],
                                      .any_runs = &any_runs[op][t],
                                      .any_columns = &any_columns[op][t],
                                      .passed_runs = &passed_runs[op][t],
                                      .passed_columns = &passed_columns[op][t],
                                      .from_bytes = bytes,
                                      .to_bytes = sizeof(uint32_t),
                                      .partial_bytes = bytes == 8 ? 16 : 8, /* value and place */
                                      .partial_vector = 1};
  int result = mxi_cuda_reduce_regions(c->stream, &k, &kept, &reduced, in.address, mxi_cuda_out(c, 0));
  mxi_cuda_let_go(&in);
  return result;
}
