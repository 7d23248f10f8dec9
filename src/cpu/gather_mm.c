/* gather_mm and gather_qmm: the chosen matrices are read where they lie. */
#include "cpu/gather_mm.h"
#include "cpu/cpu.h"
#include "cpu/gemm.h"
#include "cpu/quantized.h"

/* ---- gather_mm ---- */
/* Where matrix `number` begins, in elements. */
static int64_t matrix_offset(mx_array a, int64_t number) {
  int64_t offset = 0;
  for (int d = a->ndim - 3; d >= 0; d--) {
    offset += number % mxi_shape(a)[d] * mxi_strides(a)[d];
    number /= mxi_shape(a)[d];
  }
  return offset;
}

static struct mxi_gemm product_with(mx_array a, mx_array b) {
  static const int64_t no_offset[1] = {0};
  int64_t m = mxi_shape(a)[a->ndim - 2], k = mxi_shape(a)[a->ndim - 1], n = mxi_shape(b)[b->ndim - 1];
  struct mxi_gemm g = {.dtype = (mx_dtype)a->dtype,
                       .m = m,
                       .n = n,
                       .k = k,
                       .batch = 1,
                       .a_row = mxi_strides(a)[a->ndim - 2],
                       .a_col = mxi_strides(a)[a->ndim - 1],
                       .a_batch = no_offset,
                       .b_row = mxi_strides(b)[b->ndim - 2],
                       .b_col = mxi_strides(b)[b->ndim - 1],
                       .b_batch = no_offset,
                       .c_row = n,
                       .c0_batch = no_offset,
                       .alpha = 1};
  /* An axis of one element has any stride: what lets B or A be read without packing. */
  if (k == 1) g.a_col = g.b_row = 1;
  if (n == 1) g.b_col = 1;
  if (m == 1) g.a_row = k;
  return g;
}

/* One product a place, all of them one batch. */
static int multiply_batch(mx_array a, mx_array b, mx_array out, struct mxi_chosen *chosen) {
  struct mxi_gemm g = product_with(a, b);
  for (int64_t i = 0; i < chosen->places; i++) {
    chosen->lhs[i] = matrix_offset(a, chosen->lhs[i]);
    chosen->rhs[i] = matrix_offset(b, chosen->rhs[i]);
  }
  g.batch = chosen->places;
  g.a = a->data, g.a_batch = chosen->lhs;
  g.b = b->data, g.b_batch = chosen->rhs;
  g.c = out->data;
  return mxi_gemm_run(&g);
}

struct dense_matrices {
  mx_array b;
  struct mxi_gemm g;
};
static int multiply_dense(void *ctx, int64_t matrix, int64_t rows, const void *x, void *y) {
  const struct dense_matrices *d = ctx;
  struct mxi_gemm g = d->g;
  g.m = rows;
  g.a = x, g.a_row = g.k, g.a_col = 1;
  g.b = mxi_data(char, d->b) + matrix_offset(d->b, matrix) * (int64_t)mxi_itemsize(d->b);
  g.c = y;
  return mxi_gemm_run(&g);
}
/* The rows of each matrix as one product. */
static int multiply_together(mx_array a, mx_array b, mx_array out, const struct mxi_chosen *chosen) {
  mx_array x = mxi_row_major(a);
  if (!x) return -1;
  struct dense_matrices d = {b, product_with(x, b)};
  struct mxi_chosen_rows r = {x->data,        out->data, d.g.m, d.g.k, d.g.n, (int64_t)mxi_itemsize(x),
                              multiply_dense, &d};
  int status = mxi_multiply_chosen(chosen, &r);
  mxi_unref(x);
  return status;
}

int mxi_cpu_GATHER_MM(struct mxi_call *c) {
  enum { FEW_ROWS = 64 }; /* with more, what rows of other places add to a product is little */
  const struct mxi_p_GATHER_MM *p = MXI_CALL_PARAMS(GATHER_MM, c);
  mx_array a = c->in[0], b = c->in[1], out = c->out[0], lhs = p->lhs ? c->in[2] : NULL,
           rhs = p->rhs ? c->in[2 + p->lhs] : NULL;
  struct mxi_chosen chosen;
  MXI_TRY(mxi_chosen_find(c, a, b, lhs, rhs, &chosen));
  bool together = mxi_shape(a)[a->ndim - 2] < FEW_ROWS && mxi_chosen_repeats(&chosen);
  int status = 0;
  if (out->size > 0)
    status = together ? multiply_together(a, b, out, &chosen) : multiply_batch(a, b, out, &chosen);
  mxi_chosen_free(&chosen);
  return status;
}

/* ---- gather_qmm ---- */
enum { X, PACKED, SCALES, BIASES, MOST_PARTS };
struct quantized_matrices {
  struct mxi_quantized first; /* of a stack; each has so many words and groups: */
  int64_t words, groups;
  mx_dtype dtype; /* of x */
  bool transpose;
};
static int multiply_quantized(void *ctx, int64_t matrix, int64_t rows, const void *x, void *y) {
  const struct quantized_matrices *q = ctx;
  struct mxi_quantized w = q->first;
  size_t skipped = (size_t)(matrix * q->groups) * mx_dtype_size(w.dtype);
  w.packed += matrix * q->words;
  w.scales = (const char *)w.scales + skipped;
  if (w.biases) w.biases = (const char *)w.biases + skipped;
  return mxi_quantized_matmul(y, x, q->dtype, rows, &w, q->transpose);
}

static struct quantized_matrices matrices_of(const mx_array *in, const struct mxi_p_GATHER_QMM *p) {
  const int64_t *groups = mxi_shape(in[SCALES]) + in[SCALES]->ndim - 2;
  struct mxi_quantized w = {.packed = in[PACKED]->data,
                            .scales = in[SCALES]->data,
                            .biases = in[BIASES] ? in[BIASES]->data : NULL,
                            .dtype = (mx_dtype)in[SCALES]->dtype,
                            .format = (enum mxi_quant_format)p->format,
                            .group_size = (int)p->group_size,
                            .rows = groups[0],
                            .cols = groups[1] * p->group_size};
  return (struct quantized_matrices){.first = w,
                                     .words = w.rows * (w.cols / 32) * mxi_quant_bits(w.format),
                                     .groups = groups[0] * groups[1],
                                     .dtype = (mx_dtype)in[X]->dtype,
                                     .transpose = p->transpose != 0};
}

static int multiply_stack(struct mxi_call *c, const mx_array *in, const struct mxi_chosen *chosen) {
  struct quantized_matrices q = matrices_of(in, MXI_CALL_PARAMS(GATHER_QMM, c));
  mx_array x = in[X], y = c->out[0];
  struct mxi_chosen_rows r = {.x = x->data,
                              .y = y->data,
                              .m = mxi_shape(x)[x->ndim - 2],
                              .k = mxi_shape(x)[x->ndim - 1],
                              .n = mxi_shape(y)[y->ndim - 1],
                              .item = (int64_t)mxi_itemsize(x),
                              .multiply = multiply_quantized,
                              .ctx = &q};
  return mxi_multiply_chosen(chosen, &r);
}

int mxi_cpu_GATHER_QMM(struct mxi_call *c) {
  const struct mxi_p_GATHER_QMM *p = MXI_CALL_PARAMS(GATHER_QMM, c);
  int parts = c->ninputs - (int)(p->lhs + p->rhs), status = 0;
  mx_array in[MOST_PARTS] = {0}, lhs = p->lhs ? c->in[parts] : NULL,
           rhs = p->rhs ? c->in[parts + p->lhs] : NULL;
  struct mxi_chosen chosen;
  MXI_TRY(mxi_chosen_find(c, c->in[X], c->in[PACKED], lhs, rhs, &chosen));
  for (int i = 0; !status && i < parts; i++) status = (in[i] = mxi_row_major(c->in[i])) ? 0 : -1;
  if (!status && c->out[0]->size > 0) status = multiply_stack(c, in, &chosen);
  for (int i = 0; i < parts; i++) mxi_unref(in[i]);
  mxi_chosen_free(&chosen);
  return status;
}
