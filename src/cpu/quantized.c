/* quantize, dequantize and quantized_matmul on arrays; the work is in quantized_product.c. */
#include "cpu/cpu.h"
#include "cpu/quantized.h"

/* The matrix or stack of matrices held by packed (..., rows, cols * bits / 32), scales and biases (NULL:
   none), as one tall matrix of all their rows. */
static struct mxi_quantized stacked(mx_array packed, mx_array scales, mx_array biases, int64_t format,
                                    int64_t group_size) {
  int64_t cols = mxi_shape(scales)[scales->ndim - 1] * group_size;
  return (struct mxi_quantized){.packed = packed->data,
                                .scales = scales->data,
                                .biases = biases ? biases->data : NULL,
                                .dtype = (mx_dtype)scales->dtype,
                                .format = (enum mxi_quant_format)format,
                                .group_size = (int)group_size,
                                .rows = cols ? scales->size / (cols / group_size) : 0,
                                .cols = cols};
}

int mxi_cpu_QUANTIZE(struct mxi_call *c) {
  const struct mxi_p_QUANTIZE *p = MXI_CALL_PARAMS(QUANTIZE, c);
  mx_array w = mxi_row_major(c->in[0]);
  if (!w) return -1;
  struct mxi_quantized q = stacked(c->out[0], c->out[1], c->out[2], p->format, p->group_size);
  int status = mxi_quantize(&q, w->data);
  mxi_unref(w);
  return status;
}

/* Row-major forms of the inputs; all are released by release_all, also after a failure. */
static int row_major_inputs(struct mxi_call *c, mx_array *out) {
  for (int i = 0; i < c->ninputs; i++)
    if (!(out[i] = mxi_row_major(c->in[i]))) return -1;
  return 0;
}
static void release_all(int n, mx_array *a) {
  for (int i = 0; i < n; i++) mxi_unref(a[i]);
}

int mxi_cpu_DEQUANTIZE(struct mxi_call *c) {
  const struct mxi_p_DEQUANTIZE *p = MXI_CALL_PARAMS(DEQUANTIZE, c);
  mx_array in[3] = {0};
  int status = row_major_inputs(c, in);
  if (!status) {
    struct mxi_quantized q = stacked(in[0], in[1], in[2], p->format, p->group_size);
    status = mxi_dequantize(c->out[0]->data, &q);
  }
  release_all(3, in);
  return status;
}

static bool batch_is_one(const struct mxi_array *a) {
  for (int i = 0; i + 2 < a->ndim; i++)
    if (mxi_shape(a)[i] != 1) return false;
  return true;
}

/* Which matrix of a the batch index `batch` of the result (shape[ndim - 2] batch dims) reads, where a's batch
   dims align from the right and those of size 1 repeat. */
static int64_t matrix_of(const struct mxi_array *a, const struct mxi_array *result, int64_t batch) {
  int64_t matrix = 0, stride = 1;
  for (int back = 3; back <= result->ndim; back++) {
    int64_t size = mxi_shape(result)[result->ndim - back], at = batch % size;
    batch /= size;
    if (back > a->ndim) continue;
    int64_t own = mxi_shape(a)[a->ndim - back];
    if (own > 1) matrix += at * stride;
    stride *= own;
  }
  return matrix;
}

/* y[i] = x[i] W[i] over the result's batch, on row-major inputs. */
static int multiply_batches(mx_array y, mx_array x, mx_array scales, const struct mxi_quantized *all,
                            bool transpose) {
  int64_t m = x->ndim > 1 ? mxi_shape(x)[x->ndim - 2] : 1, k = mxi_shape(x)[x->ndim - 1];
  int64_t n = mxi_shape(y)[y->ndim - 1], rows = mxi_shape(scales)[scales->ndim - 2];
  int64_t groups = rows * mxi_shape(scales)[scales->ndim - 1],
          words = rows * (all->cols / 32) * mxi_quant_bits(all->format);
  size_t item = mxi_itemsize(x), scale_item = mx_dtype_size(all->dtype);
  struct mxi_quantized w = *all;
  w.rows = rows;
  for (int64_t i = 0, batches = y->size / (m * n); i < batches; i++) {
    int64_t at = matrix_of(scales, y, i);
    w.packed = all->packed + at * words;
    w.scales = (const char *)all->scales + (size_t)(at * groups) * scale_item;
    if (all->biases) w.biases = (const char *)all->biases + (size_t)(at * groups) * scale_item;
    MXI_TRY(mxi_quantized_matmul((char *)y->data + (size_t)(i * m * n) * item,
                                 (const char *)x->data + (size_t)(matrix_of(x, y, i) * m * k) * item,
                                 (mx_dtype)x->dtype, m, &w, transpose));
  }
  return 0;
}

int mxi_cpu_QUANTIZED_MATMUL(struct mxi_call *c) {
  const struct mxi_p_QUANTIZED_MATMUL *p = MXI_CALL_PARAMS(QUANTIZED_MATMUL, c);
  mx_array in[4] = {0}, y = c->out[0];
  int status = row_major_inputs(c, in);
  if (!status && y->size > 0) {
    struct mxi_quantized w = stacked(in[1], in[2], in[3], p->format, p->group_size);
    int64_t n = mxi_shape(y)[y->ndim - 1];
    if (batch_is_one(in[2]))
      status =
          mxi_quantized_matmul(y->data, in[0]->data, (mx_dtype)in[0]->dtype, y->size / n, &w, p->transpose);
    else
      status = multiply_batches(y, in[0], in[2], &w, p->transpose);
  }
  release_all(4, in);
  return status;
}
