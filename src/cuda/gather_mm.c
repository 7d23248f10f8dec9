/* gather_mm: few products are one launch of a kernel for few rows, whose blocks read their indices; of many
   those with the same matrix are grouped. */
#include "base/error.h"
#include "cuda/choice.h"
#include "cuda/grouped.h"

enum { A, B, OPERANDS };

bool mxi_cuda_can_GATHER_MM(const struct mxi_call *c) {
  const struct mxi_p_GATHER_MM *p = MXI_CALL_PARAMS(GATHER_MM, c);
  return mxi_cuda_can_choose(c, B, OPERANDS, p->lhs, p->rhs);
}

/* Do the matrices lie evenly? From one to the next is *step. */
static bool evenly_spaced(mx_array a, int64_t *step) {
  int64_t extent = 0;
  *step = 0;
  for (int d = a->ndim - 3; d >= 0; d--) {
    int64_t size = mxi_shape(a)[d], stride = mxi_strides(a)[d];
    if (size == 1) continue;
    if (extent && stride != *step * extent) return false;
    if (!extent) *step = stride;
    extent = (extent ? extent : 1) * size;
  }
  return a->buffer != NULL;
}

static int64_t matrix_size(mx_array a) { return mxi_shape(a)[a->ndim - 2] * mxi_shape(a)[a->ndim - 1]; }

/* b as it is if its matrices lie evenly, else row-major. */
static int hold_b(const struct mxi_call *c, struct mxi_cuda_input *in, int64_t *step) {
  if (evenly_spaced(c->in[B], step)) return mxi_cuda_hold(c, B, in);
  *step = matrix_size(c->in[B]);
  return mxi_cuda_hold_row_major(c, B, in);
}

static int few_products(mx_stream s, const struct mxi_cuda_choice *choice, int64_t first, int64_t products,
                        const void *ctx) {
  struct mxi_cuda_gemm g = *(const struct mxi_cuda_gemm *)ctx;
  g.d = (char *)g.d + first * g.d_batch * (int64_t)mx_dtype_size(g.dtype);
  g.batch = products;
  g.choice = choice;
  return mxi_cuda_gemv_run(s, &g);
}

static int multiply(struct mxi_call *c, const struct mxi_cuda_chosen *chosen, struct mxi_cuda_gemm *g) {
  enum { FEW_PLACES = 128 };
  g->batch = chosen->places;
  if (chosen->places <= FEW_PLACES && mxi_cuda_gemv_suits_choice(g))
    return mxi_cuda_for_products(c, chosen, few_products, g);
  return mxi_cuda_grouped_dense(c, chosen, g);
}

static struct mxi_cuda_gemm first_product(struct mxi_call *c, const struct mxi_cuda_input *in,
                                          int64_t b_step) {
  mx_array out = c->out[0];
  int64_t m = mxi_shape(out)[out->ndim - 2], n = mxi_shape(out)[out->ndim - 1],
          k = in[A].shape.v[in[A].shape.n - 1];
  const int64_t *b = in[B].strides + in[B].shape.n - 2;
  return (struct mxi_cuda_gemm){.dtype = (mx_dtype)out->dtype,
                                .m = m,
                                .n = n,
                                .k = k,
                                .a = {in[A].address, k, 1, m * k},
                                .b = {in[B].address, b[0], b[1], b_step},
                                .d = mxi_cuda_out(c, 0),
                                .d_row = n,
                                .d_batch = m * n,
                                .alpha = 1};
}

int mxi_cuda_GATHER_MM(struct mxi_call *c) {
  const struct mxi_p_GATHER_MM *p = MXI_CALL_PARAMS(GATHER_MM, c);
  struct mxi_cuda_input in[OPERANDS];
  struct mxi_cuda_chosen chosen;
  int64_t step;
  if (c->out[0]->size == 0) return 0;
  if (mxi_cuda_hold_row_major(c, A, &in[A]) < 0) return mxi_untouched(c);
  int status = hold_b(c, &in[B], &step);
  if (!status) {
    status = mxi_cuda_choose(c, B, OPERANDS, p->lhs, p->rhs, &chosen);
    if (!status) {
      struct mxi_cuda_gemm g = first_product(c, in, step);
      status = multiply(c, &chosen, &g);
      mxi_cuda_choice_end(&chosen);
    }
    mxi_cuda_let_go(&in[B]);
  }
  mxi_cuda_let_go(&in[A]);
  return status;
}
