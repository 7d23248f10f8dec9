/* Runs a program of elementwise instructions over arrays.

   Layout rule, the same fused or not: an elementwise result takes the strides of its inputs when all inputs
   of the result's shape are dense with the same strides (inputs that broadcast have no say); else it is
   row-major. */
#include "cpu/cpu.h"
#include "cpu/fused.h"
#include "cpu/program.h"
#include "cpu/reduce.h"
#include <string.h>

enum { CHUNK = 32 * MXI_TILE, NEUTRAL = 255, ROW = 254 };

/* Tags of layouts: NEUTRAL, ROW, or the number of the first input that has these strides. */
static uint8_t input_tag(mx_array *in, int i, mx_ints shape) {
  mx_array a = in[i];
  if (a->size == 1 || a->ndim != shape.n || memcmp(a->dims, shape.v, (size_t)shape.n * sizeof(int64_t)))
    return NEUTRAL;
  if (mxi_row_contiguous(a) || !(a->flags & MXI_DENSE)) return ROW;
  for (int k = 0; k < i; k++)
    if (in[k]->ndim == a->ndim && !memcmp(in[k]->dims, a->dims, (size_t)a->ndim * 2 * sizeof(int64_t)))
      return (uint8_t)k;
  return (uint8_t)i;
}

static uint8_t join(uint8_t a, uint8_t b) { return a == NEUTRAL ? b : b == NEUTRAL || a == b ? a : ROW; }

static int arity(int op) {
  static const uint8_t table[] = {
#define MX_ELEMENTWISE(ID, name, arity, rule) arity,
#include "core/elementwise.def"
#undef MX_ELEMENTWISE
  };
  return table[op];
}

/* The layout tag of every output. */
static void output_tags(const struct mxi_program *p, mx_array *in, mx_ints shape, uint8_t *tags) {
  uint8_t reg[MXI_MAX_REGISTERS];
  bool all_row = true;
  for (int i = 0; i < p->ninputs; i++) {
    reg[i] = input_tag(in, i, shape);
    all_row &= reg[i] >= ROW;
  }
  for (int i = 0; i < p->ninstructions && !all_row; i++) {
    const struct mxi_instruction *ins = &p->instructions[i];
    uint8_t tag = NEUTRAL;
    for (int k = 0; k < arity(ins->op); k++) tag = join(tag, reg[ins->src[k]]);
    reg[ins->dst] = tag;
    /* registers are reused, so outputs' tags are read when their last writer has run */
    for (int o = 0; o < p->noutputs; o++)
      if (p->output_register[o] == ins->dst) tags[o] = tag;
  }
  for (int o = 0; o < p->noutputs; o++)
    if (all_row || tags[o] == NEUTRAL) tags[o] = ROW;
}

/* out takes the memory of a dying input of its layout and element size, or fresh memory. */
static int give_memory(const struct mxi_program *p, mx_array *in, mx_array out, uint8_t tag,
                       uint64_t *donatable) {
  if (out->size == 1) { // one element needs no buffer
    out->data = &out->inline_value;
    return 0;
  }
  const int64_t *strides = tag == ROW ? NULL : mxi_strides(in[tag]);
  for (int i = 0; i < p->ninputs; i++) {
    if (!(*donatable >> i & 1) || mxi_itemsize(in[i]) != mxi_itemsize(out) || in[i]->size != out->size ||
        in[i]->ndim != out->ndim)
      continue;
    bool fits = strides ? !memcmp(mxi_strides(in[i]), strides, (size_t)out->ndim * sizeof(int64_t))
                        : mxi_row_contiguous(in[i]);
    if (!fits || memcmp(in[i]->dims, out->dims, (size_t)out->ndim * sizeof(int64_t))) continue;
    *donatable &= ~(1ull << i);
    int64_t offset = ((char *)in[i]->data - (char *)in[i]->buffer->data) / (int64_t)mxi_itemsize(out);
    mxi_set_data(out, mxi_buffer_ref(in[i]->buffer), offset, strides);
    return 0;
  }
  mx_buffer *b = mxi_buffer_new((size_t)out->size * mxi_itemsize(out));
  if (!b) return -1;
  mxi_set_data(out, b, 0, strides);
  return 0;
}

/* The iteration box: axes by falling stride of the outputs' layout, those of size 1 dropped, neighbours
   merged where every operand allows. */
struct box {
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

static void make_box(struct box *b, mx_ints shape, mx_array like, int noperands, mx_array *const *operands) {
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

static bool same_memory_order(mx_array a) { return a->size == 1 || mxi_row_contiguous(a); }

/* When everything is row-major or one element, the box is a line. */
static bool is_line(const struct mxi_program *p, mx_array *in, mx_ints shape, int64_t size) {
  for (int i = 0; i < p->ninputs; i++)
    if (in[i]->size != 1 && (in[i]->size != size || in[i]->ndim != shape.n || !same_memory_order(in[i])))
      return false;
  return true;
}

static void run_chunk(void *ctx, int64_t i) {
  const struct mxi_tile_job *job = ctx;
  MXI_DISPATCH(mxi_tiles_run)(job, i * CHUNK, mxi_min((i + 1) * CHUNK, job->size));
}

/* Fills the job's operands from the arrays; `line`: everything contiguous. */
static void make_job(struct mxi_tile_job *job, struct box *box, const struct mxi_program *p, mx_ints shape,
                     mx_array *in, int nout, mx_array *out, bool line, mx_array like) {
  job->program = p;
  if (line) {
    box->ndim = 1;
    box->shape[0] = job->size;
    for (int i = 0; i < p->ninputs; i++)
      box->strides[i][0] = in[i]->size == 1 ? 0 : (int64_t)mxi_itemsize(in[i]);
    for (int o = 0; o < nout; o++) box->strides[p->ninputs + o][0] = (int64_t)mxi_itemsize(out[o]);
  } else {
    mx_array *operands[2 * MXI_MAX_OPERANDS];
    for (int i = 0; i < p->ninputs; i++) operands[i] = &in[i];
    for (int o = 0; o < nout; o++) operands[p->ninputs + o] = &out[o];
    make_box(box, shape, like, p->ninputs + nout, operands);
  }
  job->ndim = box->ndim;
  job->shape = box->shape;
  for (int i = 0; i < p->ninputs; i++) job->in[i] = (struct mxi_operand){in[i]->data, box->strides[i]};
  for (int o = 0; o < nout; o++)
    job->out[o] = (struct mxi_operand){out[o]->data, box->strides[p->ninputs + o]};
}

int mxi_run_elementwise(const struct mxi_program *p, mx_ints shape, mx_array *in, mx_array *out,
                        uint64_t donatable) {
  uint8_t tags[MXI_MAX_OPERANDS];
  output_tags(p, in, shape, tags);
  bool one_layout = true;
  for (int o = 0; o < p->noutputs; o++) {
    one_layout &= tags[o] == tags[0];
    MXI_TRY(give_memory(p, in, out[o], tags[o], &donatable));
  }
  struct mxi_tile_job job;
  struct box box;
  job.size = out[0]->size;
  if (job.size == 0) return 0;
  bool line = one_layout && tags[0] == ROW && is_line(p, in, shape, job.size);
  make_job(&job, &box, p, shape, in, p->noutputs, out, line,
           one_layout && tags[0] != ROW ? in[tags[0]] : NULL);
  return mxi_parallel_for(mxi_ceil_div(job.size, CHUNK), run_chunk, &job);
}

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
static int run_stored(const struct mxi_program *p, const struct mxi_reduction *r, mx_array *in,
                      mx_array out) {
  mx_array values = mxi_array_new(r->type, r->shape);
  if (!values) return -1;
  struct mxi_call reduce = {&mxi_prims[MXI_REDUCE], r->params, 1, 1, &values, &out, 1};
  int result = mxi_run_elementwise(p, r->shape, in, &values, 0);
  if (result == 0) result = mxi_cpu_table[MXI_REDUCE](&reduce);
  mxi_unref(values);
  return result;
}

int mxi_run_reduction(const struct mxi_program *p, const struct mxi_reduction *r, mx_array *in,
                      mx_array out) {
  const struct mxi_p_REDUCE *params = (const struct mxi_p_REDUCE *)r->params->fields;
  int64_t length = run_length(r, params->axes);
  uint8_t tag;
  output_tags(p, in, r->shape, &tag);
  struct mxi_tile_job job = {.size = 1};
  for (int i = 0; i < r->shape.n; i++) job.size *= r->shape.v[i];
  if (job.size == 0 || length == 0 || tag != ROW) return run_stored(p, r, in, out);
  struct box box;
  make_job(&job, &box, p, r->shape, in, 0, NULL, is_line(p, in, r->shape, job.size), NULL);
  return mxi_cpu_reduce_program(&job, (enum mxi_reduce_op)params->op, length, out);
}
