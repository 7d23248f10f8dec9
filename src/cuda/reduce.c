/* Reductions of values. All and any are minima and maxima of bytes; sums and products of integers are the
   same for either sign. */
#include "cuda/reduce.h"
#include "cuda/call.h"
#include "cuda/reduce_plan.h"

/* The rows of a form's kernels: of those that add or multiply, and of those that go by order. */
#define OF(form, op, DTYPE, dtype) MXI_CUDA_OF(reduce, reduce_##form##_##op, DTYPE, dtype)
#define NARROW(form, op)                                                                    \
  OF(form, op, UINT8, uint8), OF(form, op, UINT16, uint16), OF(form, op, FLOAT16, float16), \
      OF(form, op, BFLOAT16, bfloat16)
#define WIDE(form, op)                                                                        \
  OF(form, op, UINT32, uint32), OF(form, op, UINT64, uint64), OF(form, op, FLOAT32, float32), \
      OF(form, op, FLOAT64, float64), OF(form, op, COMPLEX64, complex64)
#define SIGNED(form, op) \
  OF(form, op, INT8, int8), OF(form, op, INT16, int16), OF(form, op, INT32, int32), OF(form, op, INT64, int64)
#define ARITHMETIC(form)                                                                               \
  [MXI_REDUCE_SUM] = {NARROW(form, sum), WIDE(form, sum)}, [MXI_REDUCE_PROD] = {NARROW(form, product), \
                                                                                WIDE(form, product)}
#define ORDER(form)                                                                                  \
  [MXI_REDUCE_MIN] = {NARROW(form, min), WIDE(form, min), SIGNED(form, min)}, [MXI_REDUCE_MAX] = {   \
                                                                                  NARROW(form, max), \
                                                                                  WIDE(form, max),   \
                                                                                  SIGNED(form, max)}
enum { OPS = 4 };
static struct mxi_cuda_kernel runs[OPS][MX_DTYPE_COUNT] = {ARITHMETIC(runs), ORDER(runs)};
static struct mxi_cuda_kernel columns[OPS][MX_DTYPE_COUNT] = {ARITHMETIC(columns), ORDER(columns)};
static struct mxi_cuda_kernel any_runs[OPS][MX_DTYPE_COUNT] = {ARITHMETIC(any_runs), ORDER(any_runs)};
static struct mxi_cuda_kernel any_columns[OPS][MX_DTYPE_COUNT] = {ARITHMETIC(any_columns),
                                                                  ORDER(any_columns)};
/* Of sums and products of narrow dtypes, whose values between passes are wider. */
static struct mxi_cuda_kernel passed_runs[2][MX_DTYPE_COUNT] = {
    [MXI_REDUCE_SUM] = {NARROW(runs, sum_passed)}, [MXI_REDUCE_PROD] = {NARROW(runs, product_passed)}};
static struct mxi_cuda_kernel passed_columns[2][MX_DTYPE_COUNT] = {
    [MXI_REDUCE_SUM] = {NARROW(columns, sum_passed)}, [MXI_REDUCE_PROD] = {NARROW(columns, product_passed)}};

static mx_dtype as_unsigned(mx_dtype t) {
  switch (t) {
  case MX_INT8: return MX_UINT8;
  case MX_INT16: return MX_UINT16;
  case MX_INT32: return MX_UINT32;
  case MX_INT64: return MX_UINT64;
  default: return t;
  }
}
/* Among bytes of 0 and 1. The identities are 0 and 1 too if there is nothing to reduce. */
static enum mxi_reduce_op op_of_bools(enum mxi_reduce_op op, bool empty) {
  bool all = op == MXI_REDUCE_PROD || op == MXI_REDUCE_MIN || op == MXI_REDUCE_AND;
  if (empty) return all ? MXI_REDUCE_PROD : MXI_REDUCE_SUM;
  return all ? MXI_REDUCE_MIN : MXI_REDUCE_MAX;
}

struct mxi_cuda_reduction mxi_cuda_reduction_of(enum mxi_reduce_op op, mx_dtype t, bool empty) {
  if (t == MX_BOOL) {
    op = op_of_bools(op, empty);
    t = MX_UINT8;
  }
  bool arithmetic = op == MXI_REDUCE_SUM || op == MXI_REDUCE_PROD;
  if (arithmetic) t = as_unsigned(t);
  bool widens = arithmetic && mx_dtype_size(t) < 4;
  mx_dtype partial = !widens ? t : t == MX_FLOAT16 || t == MX_BFLOAT16 ? MX_FLOAT32 : MX_UINT32;
  struct mxi_cuda_reduce_kernels kernels = {
      .runs = &runs[op][t],
      .columns = &columns[op][t],
      .any_runs = &any_runs[op][t],
      .any_columns = &any_columns[op][t],
      .passed_runs = widens ? &passed_runs[op][t] : &runs[op][t],
      .passed_columns = widens ? &passed_columns[op][t] : &columns[op][t],
      .from_bytes = (int)mx_dtype_size(t),
      .to_bytes = (int)mx_dtype_size(t),
      .partial_bytes = (int)mx_dtype_size(partial),
      .partial_vector = 16 / (int)mx_dtype_size(partial),
  };
  return (struct mxi_cuda_reduction){op, t, partial, kernels};
}

int mxi_cuda_reduce(mx_stream s, enum mxi_reduce_op op, mx_ints axes, mx_ints shape,
                    struct mxi_cuda_strided to, struct mxi_cuda_strided from) {
  struct mxi_region kept, reduced;
  mxi_cuda_split_axes(shape, axes, from.strides, to.strides, &kept, &reduced);
  if (!kept.size) return 0;
  struct mxi_cuda_reduce_kernels k = mxi_cuda_reduction_of(op, from.dtype, !reduced.size).kernels;
  if (!reduced.size) return mxi_cuda_reduce_nothing(s, &k, kept.size, to.address);
  if (reduced.size == 1) return mxi_cuda_copy_strided(s, shape, to, from);
  mxi_region_sort(&reduced); // to the order of memory
  return mxi_cuda_reduce_regions(s, &k, &kept, &reduced, from.address, to.address);
}

int mxi_cuda_REDUCE(struct mxi_call *c) {
  const struct mxi_p_REDUCE *p = MXI_CALL_PARAMS(REDUCE, c);
  mx_array out = c->out[0];
  struct mxi_cuda_input in;
  if (!out->size) return 0;
  if (mxi_cuda_hold(c, 0, &in) < 0) return mxi_untouched(c);
  struct mxi_cuda_strided to = {mxi_cuda_out(c, 0), (mx_dtype)out->dtype, mxi_strides(out)},
                          from = {(void *)in.address, in.dtype, in.strides};
  int result = mxi_cuda_reduce(c->stream, (enum mxi_reduce_op)p->op, p->axes, in.shape, to, from);
  mxi_cuda_let_go(&in);
  return result;
}
