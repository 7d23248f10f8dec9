/* matmul and addmm: arrays to the matrix product of gemm.h. No operand is copied: any strides feed the
   packers, and batch dims that broadcast have stride 0. */
#include "cpu/cpu.h"
#include "cpu/gemm.h"
#include <string.h>

enum { A, B, C0, OPERANDS };

/* The operands as matrices. Where B is shared by all products and the rows of A follow one another across
   them, (batch, M) is one tall matrix. */
struct matmul_operands {
  mx_array out;
  mx_array array[OPERANDS];               /* C0 NULL for matmul */
  int64_t stride[OPERANDS][MXI_MAX_NDIM]; /* by the result's axes; 0 where the operand broadcasts */
  int64_t row[OPERANDS], col[OPERANDS];
  int64_t m, n, k, batch;
  int64_t *offset[OPERANDS]; /* of each product, elements */
};

/* Strides over the result's axes, operands aligned at the last one. */
static void align_strides(struct matmul_operands *o, int which) {
  const mx_array a = o->array[which];
  int ndim = o->out->ndim, missing = ndim - a->ndim;
  for (int d = 0; d < ndim; d++)
    o->stride[which][d] = d < missing || mxi_shape(a)[d - missing] == 1 ? 0 : mxi_strides(a)[d - missing];
}

/* One stride for axes [0, last] taken as one axis, if there is one. */
static bool collapsed_stride(const int64_t *shape, const int64_t *strides, int last, int64_t *stride) {
  int64_t extent = 0;
  *stride = 0;
  for (int d = last; d >= 0; d--) {
    if (shape[d] == 1) continue;
    if (extent == 0)
      *stride = strides[d], extent = shape[d];
    else if (strides[d] != *stride * extent)
      return false;
    else
      extent *= shape[d];
  }
  return true;
}

static bool broadcasts_over_batches(const struct matmul_operands *o, int which) {
  for (int d = 0; d < o->out->ndim - 2; d++)
    if (mxi_shape(o->out)[d] != 1 && o->stride[which][d] != 0) return false;
  return true;
}

static void fold_batches_into_rows(struct matmul_operands *o) {
  int rows = o->out->ndim - 2;
  int64_t a_row, c0_row = 0;
  if (o->batch == 1 || !broadcasts_over_batches(o, B)) return;
  if (!collapsed_stride(mxi_shape(o->out), o->stride[A], rows, &a_row)) return;
  if (o->array[C0] && !collapsed_stride(mxi_shape(o->out), o->stride[C0], rows, &c0_row)) return;
  o->row[A] = a_row;
  o->row[C0] = c0_row;
  o->m *= o->batch;
  o->batch = 1;
}

/* Offsets of every product, counting through the batch axes. */
static int find_offsets(struct matmul_operands *o) {
  int64_t *all = mxi_calloc((size_t)o->batch, OPERANDS * sizeof *all), at[MXI_MAX_NDIM] = {0},
          now[OPERANDS] = {0};
  if (!all) return -1;
  for (int w = 0; w < OPERANDS; w++) o->offset[w] = all + w * o->batch;
  for (int64_t i = 0; i < o->batch; i++) {
    for (int w = 0; w < OPERANDS; w++) o->offset[w][i] = now[w];
    for (int d = o->out->ndim - 3; d >= 0; d--) {
      bool carry = ++at[d] == mxi_shape(o->out)[d];
      for (int w = 0; w < OPERANDS; w++) now[w] += carry ? -o->stride[w][d] * (at[d] - 1) : o->stride[w][d];
      if (!carry) break;
      at[d] = 0;
    }
  }
  return 0;
}

static int find_operands(struct matmul_operands *o) {
  int ndim = o->out->ndim;
  o->m = mxi_shape(o->out)[ndim - 2];
  o->n = mxi_shape(o->out)[ndim - 1];
  o->k = mxi_shape(o->array[A])[o->array[A]->ndim - 1];
  o->batch = o->out->size / (o->m * o->n);
  for (int w = 0; w < OPERANDS; w++)
    if (o->array[w]) {
      align_strides(o, w);
      o->row[w] = o->stride[w][ndim - 2];
      o->col[w] = o->stride[w][ndim - 1];
    }
  /* An axis of one element has any stride: what lets B or A be read without packing. */
  if (o->k == 1) o->col[A] = o->row[B] = 1;
  if (o->n == 1) o->col[B] = 1;
  if (o->m == 1) o->row[A] = o->k;
  fold_batches_into_rows(o);
  return find_offsets(o);
}

static struct mxi_gemm product_of(const struct matmul_operands *o) {
  return (struct mxi_gemm){.dtype = (mx_dtype)o->out->dtype,
                           .m = o->m,
                           .n = o->n,
                           .k = o->k,
                           .batch = o->batch,
                           .a = o->array[A]->data,
                           .a_row = o->row[A],
                           .a_col = o->col[A],
                           .a_batch = o->offset[A],
                           .b = o->array[B]->data,
                           .b_row = o->row[B],
                           .b_col = o->col[B],
                           .b_batch = o->offset[B],
                           .c = o->out->data,
                           .c_row = o->n,
                           .alpha = 1};
}

/* ---- complex64: (a + bi)(c + di) by four real products over the parts, which are strided float32 matrices.
 * ---- */
struct complex_parts {
  const struct matmul_operands *o;
  const float *ac, *bd, *ad, *bc;
  double alpha, beta;
};

static void combine_complex_row(void *ctx, int64_t i) {
  const struct complex_parts *s = ctx;
  const struct matmul_operands *o = s->o;
  mxi_complex64 *out = mxi_data(mxi_complex64, o->out) + i * o->n;
  const mxi_complex64 *c0 = NULL;
  float alpha = (float)s->alpha, beta = (float)s->beta;
  if (o->array[C0] && s->beta != 0)
    c0 = mxi_data(mxi_complex64, o->array[C0]) + o->offset[C0][i / o->m] + i % o->m * o->row[C0];
  for (int64_t j = 0, p = i * o->n; j < o->n; j++, p++) {
    float parts[2] = {alpha * (s->ac[p] - s->bd[p]), alpha * (s->ad[p] + s->bc[p])};
    if (c0) {
      parts[0] += beta * crealf(c0[j * o->col[C0]]);
      parts[1] += beta * cimagf(c0[j * o->col[C0]]);
    }
    memcpy(&out[j], parts, sizeof parts);
  }
}

static int multiply_complex(struct matmul_operands *o, double alpha, double beta) {
  int64_t size = o->out->size, bytes;
  if (!mxi_mul(size, 4 * (int64_t)sizeof(float), &bytes)) return mxi_fail_memory(SIZE_MAX);
  float *sums = mxi_malloc_aligned((size_t)bytes);
  if (!sums) return -1;
  struct mxi_gemm g = product_of(o);
  g.dtype = MX_FLOAT32;
  g.a_row *= 2, g.a_col *= 2, g.b_row *= 2, g.b_col *= 2;
  for (int64_t i = 0; i < o->batch; i++) o->offset[A][i] *= 2, o->offset[B][i] *= 2;
  const float *a = o->array[A]->data, *b = o->array[B]->data;
  int failed = 0;
  for (int part = 0; part < 4 && !failed; part++) { /* ac, bd, ad, bc */
    g.a = a + (part == 1 || part == 3);
    g.b = b + (part == 1 || part == 2);
    g.c = sums + part * size;
    failed = mxi_gemm_run(&g);
  }
  struct complex_parts s = {o, sums, sums + size, sums + 2 * size, sums + 3 * size, alpha, beta};
  if (!failed) failed = mxi_parallel_for(o->batch * o->m, combine_complex_row, &s);
  mxi_free(sums);
  return failed;
}

static int multiply_arrays(struct mxi_call *c, double alpha, double beta) {
  struct matmul_operands o = {.out = c->out[0],
                              .array = {c->in[0], c->in[1], c->ninputs > 2 ? c->in[2] : NULL}};
  mx_dtype t = (mx_dtype)o.out->dtype;
  if (!mxi_is_inexact(t))
    return mxi_fail(MX_TYPE_ERROR, "[%s] expected a floating-point or complex dtype, got %s", c->prim->name,
                    mx_dtype_name(t));
  if (o.out->size == 0) return 0;
  MXI_TRY(find_operands(&o));
  int failed;
  if (t == MX_COMPLEX64)
    failed = multiply_complex(&o, alpha, beta);
  else {
    struct mxi_gemm g = product_of(&o);
    g.alpha = alpha;
    if (o.array[C0]) {
      g.c0 = o.array[C0]->data, g.c0_row = o.row[C0], g.c0_col = o.col[C0], g.c0_batch = o.offset[C0];
      g.beta = beta;
    }
    failed = mxi_gemm_run(&g);
  }
  mxi_free(o.offset[0]);
  return failed;
}

int mxi_cpu_MATMUL(struct mxi_call *c) { return multiply_arrays(c, 1, 0); }

int mxi_cpu_ADDMM(struct mxi_call *c) {
  const struct mxi_p_ADDMM *p = MXI_CALL_PARAMS(ADDMM, c);
  return multiply_arrays(c, p->alpha, p->beta);
}
