/* quantize, dequantize and quantized_matmul on arrays; the products are in quantized_product.c. */
#include "cuda/quantized.h"
#include "cuda/call.h"
#include "cuda/copy.h"
#include "cuda/cuda.h"
#include "cuda/grouped.h"
#include "cuda/kernels/quantized.h"

static struct mxi_cuda_kernel quantize[MX_DTYPE_COUNT] = {
    MXI_CUDA_HALVES_AND_FLOAT(quantized_convert, quantize)};

int mxi_cuda_QUANTIZE(struct mxi_call *c) {
  const struct mxi_p_QUANTIZE *params = MXI_CALL_PARAMS(QUANTIZE, c);
  struct mxi_cuda_input w;
  if (mxi_cuda_hold_row_major(c, 0, &w) < 0) return mxi_untouched(c);
  struct mxi_cuda_quantized_conversion p = {.w = (void *)w.address,
                                            .packed = mxi_cuda_out(c, 0),
                                            .scales = mxi_cuda_out(c, 1),
                                            .biases = mxi_cuda_out(c, 2),
                                            .runs = c->in[0]->size / 8,
                                            .bits = mxi_quant_bits((enum mxi_quant_format)params->format),
                                            .log_group_runs = __builtin_ctz((unsigned)params->group_size / 8),
                                            .aligned = (uintptr_t)w.address % 16 == 0};
  struct mxi_cuda_grid grid = {.x = mxi_cuda_blocks(p.runs, MXI_CUDA_CONVERT_THREADS),
                               .threads = MXI_CUDA_CONVERT_THREADS};
  int status = mxi_cuda_launch(c->stream, &quantize[w.dtype], grid, &p, sizeof p);
  mxi_cuda_let_go(&w);
  return status;
}

/* ---- Inputs ---- */
enum { X, PACKED, SCALES, BIASES, MOST_INPUTS };
struct quantized_inputs {
  int n;
  struct mxi_cuda_input in[MOST_INPUTS];
};
static void let_go_all(struct quantized_inputs *inputs) {
  for (int i = 0; i < inputs->n; i++) mxi_cuda_let_go(&inputs->in[i]);
}

static bool matrices_row_major(mx_array a) {
  int n = a->ndim;
  const int64_t *shape = mxi_shape(a), *strides = mxi_strides(a);
  return a->buffer && n >= 2 && (shape[n - 1] == 1 || strides[n - 1] == 1) &&
         (shape[n - 2] == 1 || strides[n - 2] == shape[n - 1]);
}

/* Input `from` in row-major matrices, which repeated ones need not be copied for. */
static int hold_matrices(const struct mxi_call *c, int from, struct mxi_cuda_input *in) {
  return matrices_row_major(c->in[from]) ? mxi_cuda_hold(c, from, in) : mxi_cuda_hold_row_major(c, from, in);
}

/* The same as dtype t, row-major as a whole. */
static int hold_cast(const struct mxi_call *c, int from, mx_dtype t, struct mxi_cuda_input *in) {
  struct mxi_cuda_input as_it_is;
  MXI_TRY(mxi_cuda_hold(c, from, &as_it_is));
  *in = as_it_is;
  in->dtype = t;
  in->scratch = (struct mxi_cuda_scratch){0};
  int64_t size = 1;
  for (int i = (int)in->shape.n - 1; i >= 0; i--) {
    in->own_strides[i] = size;
    size *= in->shape.v[i];
  }
  in->strides = in->own_strides;
  int status = mxi_cuda_scratch_take(c->stream, (size_t)size * mx_dtype_size(t), &in->scratch);
  in->address = in->scratch.address;
  if (!status)
    status = mxi_cuda_copy_strided(
        c->stream, in->shape, (struct mxi_cuda_strided){in->scratch.address, t, in->own_strides},
        (struct mxi_cuda_strided){(void *)as_it_is.address, as_it_is.dtype, as_it_is.strides});
  mxi_cuda_let_go(&as_it_is);
  if (status < 0) mxi_cuda_let_go(in);
  return status;
}

/* x and the parts of W, `parts` inputs in all; scales and biases that are floats as x's dtype. whole: a bit
   for each that is to be row-major as a whole, not its matrices alone. On failure none is held. */
static int hold_product(const struct mxi_call *c, int parts, unsigned whole,
                        struct quantized_inputs *inputs) {
  mx_dtype t = (mx_dtype)c->in[X]->dtype;
  for (inputs->n = 0; inputs->n < parts; inputs->n++) {
    int i = inputs->n;
    mx_dtype own = (mx_dtype)c->in[i]->dtype;
    bool cast = i >= SCALES && own != MX_UINT8 && own != t;
    int status = cast             ? hold_cast(c, i, t, &inputs->in[i])
                 : whole >> i & 1 ? mxi_cuda_hold_row_major(c, i, &inputs->in[i])
                                  : hold_matrices(c, i, &inputs->in[i]);
    if (status < 0) {
      let_go_all(inputs);
      return -1;
    }
  }
  return 0;
}

int mxi_cuda_DEQUANTIZE(struct mxi_call *c) {
  const struct mxi_p_DEQUANTIZE *params = MXI_CALL_PARAMS(DEQUANTIZE, c);
  struct quantized_inputs inputs = {0};
  for (inputs.n = 0; inputs.n < c->ninputs; inputs.n++)
    if (mxi_cuda_hold_row_major(c, inputs.n, &inputs.in[inputs.n]) < 0) {
      let_go_all(&inputs);
      return mxi_untouched(c);
    }
  struct mxi_cuda_quantized w = {.packed = inputs.in[0].address,
                                 .scales = inputs.in[1].address,
                                 .biases = inputs.n > 2 ? inputs.in[2].address : NULL,
                                 .format = (enum mxi_quant_format)params->format,
                                 .group_size = (int)params->group_size,
                                 .rows = 1,
                                 .cols = c->out[0]->size};
  int status = mxi_cuda_dequantize(c->stream, &w, mxi_cuda_out(c, 0), (mx_dtype)c->out[0]->dtype, false);
  let_go_all(&inputs);
  return status;
}

/* ---- Batches ---- */
/* Where an input's matrix for batch index `batch` of the result begins, in elements. Batch dims align from
   the right, and those of size 1 repeat. */
static int64_t matrix_offset(const struct mxi_cuda_input *in, mx_ints result, int64_t batch) {
  int64_t offset = 0;
  for (int back = 3; back <= result.n; back++) {
    int64_t size = result.v[result.n - back], at = batch % size;
    batch /= size;
    if (back > in->shape.n) break;
    if (in->shape.v[in->shape.n - back] > 1) offset += at * in->strides[in->shape.n - back];
  }
  return offset;
}
struct batch_offsets {
  int64_t x, packed, scales, biases;
};
static struct batch_offsets batch_offsets(const struct quantized_inputs *inputs, mx_ints result,
                                          int64_t batch) {
  const struct mxi_cuda_input *in = inputs->in;
  struct batch_offsets o = {matrix_offset(&in[X], result, batch), matrix_offset(&in[PACKED], result, batch),
                            matrix_offset(&in[SCALES], result, batch), 0};
  o.biases = inputs->n > BIASES ? matrix_offset(&in[BIASES], result, batch) : o.scales;
  return o;
}
static struct batch_offsets step_between(struct batch_offsets a, struct batch_offsets b) {
  return (struct batch_offsets){b.x - a.x, b.packed - a.packed, b.scales - a.scales, b.biases - a.biases};
}
static bool same_step(struct batch_offsets a, struct batch_offsets b) {
  return a.x == b.x && a.packed == b.packed && a.scales == b.scales && a.biases == b.biases;
}
/* How many matrices from batch index `first` on lie at one step, at most `most`. */
static int64_t evenly_spaced(const struct quantized_inputs *inputs, mx_ints result, int64_t first,
                             int64_t most, struct batch_offsets *step) {
  struct batch_offsets last = batch_offsets(inputs, result, first);
  *step = (struct batch_offsets){0};
  for (int64_t i = 1; i < most; i++) {
    struct batch_offsets next = batch_offsets(inputs, result, first + i), between = step_between(last, next);
    if (between.scales != between.biases || (i > 1 && !same_step(between, *step))) return i;
    *step = between;
    last = next;
  }
  return most;
}

/* Products that lie evenly are one launch. */
static int multiply_batches(struct mxi_call *c, const struct quantized_inputs *inputs,
                            const struct mxi_cuda_quantized_operands *first, int64_t batches) {
  enum { MOST = 65535 };
  mx_ints result = mxi_shape_of(c->out[0]);
  size_t item = mx_dtype_size(first->dtype), scale_item = mx_dtype_size((mx_dtype)inputs->in[SCALES].dtype);
  for (int64_t i = 0, n = 0; i < batches; i += n) {
    struct batch_offsets at = batch_offsets(inputs, result, i), step;
    struct mxi_cuda_quantized_operands o = *first;
    n = evenly_spaced(inputs, result, i, batches - i < MOST ? batches - i : MOST, &step);
    o.x = (const char *)o.x + (size_t)at.x * item;
    o.y = (char *)o.y + (size_t)(i * o.y_step) * item;
    o.w.packed += at.packed;
    o.w.scales = (const char *)o.w.scales + (size_t)at.scales * scale_item;
    if (o.w.biases) o.w.biases = (const char *)o.w.biases + (size_t)at.biases * scale_item;
    o.batch = n;
    o.x_step = step.x;
    o.packed_step = step.packed;
    o.scales_step = step.scales;
    MXI_TRY(mxi_cuda_quantized_multiply(c->stream, &o));
  }
  return 0;
}

static bool is_one_matrix(mx_ints shape) {
  for (int i = 0; i + 2 < shape.n; i++)
    if (shape.v[i] != 1) return false;
  return true;
}

static struct mxi_cuda_quantized first_matrix(const struct quantized_inputs *inputs, int64_t format,
                                              int64_t group_size) {
  const struct mxi_cuda_input *in = inputs->in;
  const int64_t *groups = &in[SCALES].shape.v[in[SCALES].shape.n - 2];
  return (struct mxi_cuda_quantized){.packed = in[PACKED].address,
                                     .scales = in[SCALES].address,
                                     .biases = inputs->n > BIASES ? in[BIASES].address : NULL,
                                     .format = (enum mxi_quant_format)format,
                                     .group_size = (int)group_size,
                                     .rows = groups[0],
                                     .cols = groups[1] * group_size};
}

int mxi_cuda_QUANTIZED_MATMUL(struct mxi_call *c) {
  const struct mxi_p_QUANTIZED_MATMUL *params = MXI_CALL_PARAMS(QUANTIZED_MATMUL, c);
  mx_array y = c->out[0];
  if (y->size == 0) return 0;
  struct quantized_inputs inputs = {0};
  bool one = is_one_matrix(mxi_shape_of(c->in[PACKED]));
  if (hold_product(c, c->ninputs, one ? 1u << X : 0, &inputs) < 0) return mxi_untouched(c);
  int64_t n = mxi_shape(y)[y->ndim - 1], m = one ? y->size / n : mxi_shape(y)[y->ndim - 2];
  struct mxi_cuda_quantized_operands o = {.dtype = (mx_dtype)y->dtype,
                                          .w = first_matrix(&inputs, params->format, params->group_size),
                                          .x = inputs.in[X].address,
                                          .y = mxi_cuda_out(c, 0),
                                          .m = m,
                                          .batch = 1,
                                          .y_step = m * n,
                                          .transpose = params->transpose};
  int status =
      one ? mxi_cuda_quantized_multiply(c->stream, &o) : multiply_batches(c, &inputs, &o, y->size / (m * n));
  let_go_all(&inputs);
  return status;
}

/* ---- Chosen matrices ---- */
static int lists_of(const struct mxi_p_GATHER_QMM *p) { return (int)(p->lhs + p->rhs); }

bool mxi_cuda_can_GATHER_QMM(const struct mxi_call *c) {
  const struct mxi_p_GATHER_QMM *p = MXI_CALL_PARAMS(GATHER_QMM, c);
  return mxi_cuda_can_choose(c, PACKED, c->ninputs - lists_of(p), p->lhs, p->rhs);
}

static int few_products(mx_stream s, const struct mxi_cuda_choice *choice, int64_t first, int64_t products,
                        const void *ctx) {
  struct mxi_cuda_quantized_operands o = *(const struct mxi_cuda_quantized_operands *)ctx;
  o.y = (char *)o.y + first * o.y_step * (int64_t)mx_dtype_size(o.dtype);
  o.batch = products;
  o.choice = choice;
  return mxi_cuda_quantized_multiply(s, &o);
}

/* Few products are a launch that reads each one's matrix; of many, those with the same matrix are grouped. */
static int multiply_chosen(struct mxi_call *c, const struct mxi_cuda_chosen *chosen,
                           struct mxi_cuda_quantized_operands *o) {
  enum { FEW_PLACES = 128, FEW_ROWS = 16 };
  bool few = chosen->places <= FEW_PLACES && o->m <= FEW_ROWS;
  if (!few && mxi_cuda_grouped_suits(o)) return mxi_cuda_grouped_quantized(c, chosen, o);
  return mxi_cuda_for_products(c, chosen, few_products, o);
}

int mxi_cuda_GATHER_QMM(struct mxi_call *c) {
  const struct mxi_p_GATHER_QMM *p = MXI_CALL_PARAMS(GATHER_QMM, c);
  mx_array x = c->in[X], y = c->out[0];
  int parts = c->ninputs - lists_of(p);
  struct quantized_inputs inputs = {0};
  struct mxi_cuda_chosen chosen;
  if (y->size == 0) return 0;
  if (hold_product(c, parts, ~0u, &inputs) < 0) return mxi_untouched(c);
  if (mxi_cuda_choose(c, PACKED, parts, p->lhs, p->rhs, &chosen) < 0) {
    let_go_all(&inputs);
    return mxi_untouched(c);
  }
  struct mxi_cuda_quantized w = first_matrix(&inputs, p->format, p->group_size);
  int64_t m = mxi_shape(x)[x->ndim - 2], k = mxi_shape(x)[x->ndim - 1], n = mxi_shape(y)[y->ndim - 1];
  struct mxi_cuda_quantized_operands o = {.dtype = (mx_dtype)y->dtype,
                                          .w = w,
                                          .x = inputs.in[X].address,
                                          .y = mxi_cuda_out(c, 0),
                                          .m = m,
                                          .x_step = m * k,
                                          .packed_step = w.rows * (w.cols / 32) * mxi_quant_bits(w.format),
                                          .scales_step = w.rows * (w.cols / w.group_size),
                                          .y_step = m * n,
                                          .transpose = p->transpose};
  int status = multiply_chosen(c, &chosen, &o);
  mxi_cuda_choice_end(&chosen);
  let_go_all(&inputs);
  return status;
}
