#include "cuda/interpreter.h"
#include "cuda/call.h"
#include "cuda/fused.h"
#include "cuda/kernels/interpreter.h"
#include "cuda/region.h"
#include "cuda/single.h"
#include "engine/iteration.h"
#include "engine/memory.h"
#include <assert.h>

static_assert((int)MXI_CUDA_MAX_INPUTS <= (int)MXI_INTERPRETER_INPUTS, "");
static_assert((int)MXI_CUDA_MAX_OUTPUTS <= (int)MXI_INTERPRETER_OUTPUTS, "");
static_assert((int)MXI_CUDA_MAX_INSTRUCTIONS <= (int)MXI_INTERPRETER_INSTRUCTIONS, "");
static_assert(sizeof(struct mxi_interpreted) <= 4096, "a launch takes 4 KB of parameters");

enum {
  PIECE = 1 << 30,   // elements of a launch
  SHARED = 48 << 10, // bytes of a block's shared memory
  SCALARS = MXI_INTERPRETER_INPUTS * 8,
  LEAST_THREADS = 32,
  FEW_THREADS = 64,   // of a block, where there are few elements
  ENOUGH_BLOCKS = 512 // to fill any device
};
static_assert(SCALARS + MXI_CUDA_MAX_REGISTERS * MXI_INTERPRETER_BYTES * LEAST_THREADS <= SHARED,
              "the registers of every program must fit");

static const uint8_t kinds[MX_DTYPE_COUNT] = {
    [MX_BOOL] = MXI_SLOT_BOOL,   [MX_UINT8] = MXI_SLOT_U32,    [MX_UINT16] = MXI_SLOT_U32,
    [MX_UINT32] = MXI_SLOT_U32,  [MX_UINT64] = MXI_SLOT_U64,   [MX_INT8] = MXI_SLOT_I32,
    [MX_INT16] = MXI_SLOT_I32,   [MX_INT32] = MXI_SLOT_I32,    [MX_INT64] = MXI_SLOT_I64,
    [MX_FLOAT16] = MXI_SLOT_F32, [MX_BFLOAT16] = MXI_SLOT_F32, [MX_FLOAT32] = MXI_SLOT_F32,
    [MX_FLOAT64] = MXI_SLOT_F64, [MX_COMPLEX64] = MXI_SLOT_C64};
static const uint8_t forms[MX_DTYPE_COUNT] = {
    [MX_UINT8] = MXI_FORM_U8,  [MX_UINT16] = MXI_FORM_U16,  [MX_INT8] = MXI_FORM_I8,
    [MX_INT16] = MXI_FORM_I16, [MX_FLOAT16] = MXI_FORM_F16, [MX_BFLOAT16] = MXI_FORM_BF16};
static bool is_wide(int type) { return mx_dtype_size((mx_dtype)type) == 8; }

/* ---- Registers and instructions ---- */
/* Where a value is: a register, or a scalar's number. */
struct values {
  uint8_t at[MXI_MAX_VALUES];
  uint8_t last_use[MXI_MAX_VALUES];
  uint32_t used; // registers, a bit each
  int nregisters;
};
static uint8_t take_register(struct values *v) {
  int reg = __builtin_ctz(~v->used);
  v->used |= 1u << reg;
  if (reg >= v->nregisters) v->nregisters = reg + 1;
  return (uint8_t)reg;
}
static void let_go(struct values *v, int value, int k) {
  if (v->last_use[value] == k && v->at[value] < MXI_INTERPRETER_SCALAR) v->used &= ~(1u << v->at[value]);
}

/* What ASTYPE makes: what small integers and halves are made from by their form. */
static uint8_t cast_kind(int from, int to) {
  if (mxi_is_half((mx_dtype)to)) return from == to ? MXI_SLOT_F32 : MXI_SLOT_ODD;
  return forms[to] ? MXI_SLOT_I32 : kinds[to];
}

/* Inputs have their places; instructions get registers, of operands that end there too. */
static void put_instructions(struct mxi_interpreted *p, struct values *v, const struct mxi_program *program) {
  p->ninstructions = (uint8_t)program->ninstructions;
  for (int k = 0; k < program->ninstructions; k++) {
    const struct mxi_instruction *from = &program->instructions[k];
    struct mxi_interpreted_instruction *i = &p->instruction[k];
    int result = program->ninputs + k;
    *i = (struct mxi_interpreted_instruction){.op = from->op,
                                              .kind = kinds[from->type],
                                              .to = cast_kind(from->type, from->to),
                                              .form = forms[from->to]};
    for (int s = 0; s < 3; s++) i->src[s] = v->at[from->src[s < mxi_arity(from->op) ? s : 0]];
    for (int s = 0; s < mxi_arity(from->op); s++) let_go(v, from->src[s], k);
    i->dst = v->at[result] = take_register(v);
    let_go(v, result, k); // of a value that nothing reads
  }
}

/* ---- Operands ---- */
struct interpretation {
  struct mxi_interpreted p;
  struct mxi_iteration region;
  uint8_t number[MXI_CUDA_MAX_OPERANDS]; // of the region's operands: which input or output, or NO_OPERAND
  int noperands, ninputs;
  int threads, nregisters;
  bool wide;
  mx_stream stream;
};
enum { NO_OPERAND = 255 };

static bool is_scalar(const struct mxi_iteration *r, int k) {
  for (int d = 0; d < r->ndim; d++)
    if (r->strides[k][d] != 0) return false;
  return true;
}
static bool is_linear(const struct mxi_iteration *r, int k, int64_t size) {
  for (int d = r->ndim - 1; d >= 0; d--) {
    if (r->strides[k][d] != size) return false;
    size *= r->shape[d];
  }
  return true;
}

static void put_scalar(struct interpretation *x, struct values *v, int k, mx_array a) {
  struct mxi_interpreted_scalar *s = &x->p.scalar[x->p.nscalars];
  *s = (struct mxi_interpreted_scalar){.size = (uint8_t)mxi_itemsize(a), .form = forms[a->dtype]};
  if (a->buffer)
    s->address = (uint64_t)(uintptr_t)mxi_cuda_address(a);
  else
    s->bits = a->inline_value.bits;
  v->at[k] = (uint8_t)(MXI_INTERPRETER_SCALAR + x->p.nscalars++);
  x->number[k] = NO_OPERAND;
}

static void put_operand(struct interpretation *x, struct mxi_interpreted_operand *o, mx_array a, uint8_t reg,
                        int k, int number) {
  *o = (struct mxi_interpreted_operand){.address = (uint64_t)(uintptr_t)mxi_cuda_address(a),
                                        .size = (uint8_t)mxi_itemsize(a),
                                        .form = forms[a->dtype],
                                        .reg = reg,
                                        .linear = is_linear(&x->region, k, (int64_t)mxi_itemsize(a))};
  x->number[k] = (uint8_t)number;
}

/* A program's parameters, but for what depends on the piece of the region. */
static void put_program(struct interpretation *x, const struct mxi_call *c) {
  const struct mxi_program *program = c->program;
  struct values v = {.used = 0};
  mxi_program_last_uses(program, v.last_use);
  x->wide = false;
  x->p.ninputs = x->p.nscalars = 0;
  x->noperands = c->ninputs + c->noutputs;
  x->ninputs = c->ninputs;
  for (int i = 0; i < c->ninputs; i++) {
    x->wide |= is_wide(program->input_type[i]);
    if (is_scalar(&x->region, i)) {
      put_scalar(x, &v, i, c->in[i]);
      continue;
    }
    v.at[i] = take_register(&v);
    put_operand(x, &x->p.in[x->p.ninputs], c->in[i], v.at[i], i, x->p.ninputs);
    x->p.ninputs++;
  }
  put_instructions(&x->p, &v, program);
  for (int k = 0; k < program->ninstructions; k++) x->wide |= is_wide(program->instructions[k].to);
  x->p.noutputs = (uint8_t)c->noutputs;
  for (int o = 0; o < c->noutputs; o++)
    put_operand(x, &x->p.out[o], c->out[o], v.at[program->output_value[o]], c->ninputs + o, o);
  x->nregisters = v.nregisters;
}

/* ---- Pieces of the region ---- */
static struct mxi_interpreted_operand *operand_of(struct interpretation *x, int k) {
  return k < x->ninputs ? &x->p.in[x->number[k]] : &x->p.out[x->number[k]];
}

/* Strides of what is not linear, from dim `first` on. false: there are too many. */
static bool put_strides(struct interpretation *x, int first) {
  const struct mxi_iteration *r = &x->region;
  int n = 0;
  for (int k = 0; k < x->noperands; k++) {
    if (x->number[k] == NO_OPERAND || operand_of(x, k)->linear) continue;
    if (n + r->ndim - first > MXI_INTERPRETER_STRIDES) return false;
    operand_of(x, k)->strides = (uint8_t)n;
    for (int d = first; d < r->ndim; d++) x->p.strides[n++] = r->strides[k][d];
  }
  return true;
}

/* Whether a group of four elements is aligned and in one piece. */
static void put_groups(struct interpretation *x) {
  const struct mxi_iteration *r = &x->region;
  x->p.groups = r->shape[r->ndim - 1] % MXI_INTERPRETER_GROUP == 0;
  for (int k = 0; k < x->noperands; k++) {
    if (x->number[k] == NO_OPERAND) continue;
    struct mxi_interpreted_operand *o = operand_of(x, k);
    uint64_t together = o->address;
    o->whole = 1;
    if (!o->linear) {
      o->whole = x->p.groups && r->strides[k][r->ndim - 1] == o->size;
      for (int d = 0; d < r->ndim - 1; d++) together |= (uint64_t)r->strides[k][d];
    }
    if (together % (o->size >= 4 ? 16 : o->size * MXI_INTERPRETER_GROUP)) o->whole = 0;
  }
}

static struct mxi_cuda_kernel kernels[] = {MXI_CUDA_KERNEL(interpreter, interpret_narrow),
                                           MXI_CUDA_KERNEL(interpreter, interpret_wide)};

static int launch_piece(struct interpretation *x, int first, int64_t size) {
  const struct mxi_iteration *r = &x->region;
  x->p.size = (uint32_t)size;
  x->p.ndim = (uint8_t)(r->ndim - first);
  for (int d = first; d < r->ndim; d++) x->p.shape[d - first] = mxi_cuda_divisor_of(r->shape[d]);
  put_groups(x);
  int each = MXI_INTERPRETER_BYTES / (x->wide ? 8 : 4), threads = MXI_INTERPRETER_THREADS;
  size_t of_thread = (size_t)x->nregisters * MXI_INTERPRETER_BYTES;
  while (threads > LEAST_THREADS && SCALARS + of_thread * (size_t)threads > SHARED) threads /= 2;
  while (threads > FEW_THREADS && size < (int64_t)ENOUGH_BLOCKS * threads * each) threads /= 2;
  struct mxi_cuda_grid grid = {.x = mxi_cuda_blocks(size, (int64_t)threads * each),
                               .threads = (unsigned)threads,
                               .shared = SCALARS + of_thread * (size_t)threads};
  return mxi_cuda_launch(x->stream, &kernels[x->wide], grid, &x->p, sizeof x->p);
}

static void move(struct interpretation *x, int dim, int64_t steps) {
  for (int k = 0; k < x->noperands; k++)
    if (x->number[k] != NO_OPERAND)
      operand_of(x, k)->address += (uint64_t)(steps * x->region.strides[k][dim]);
}

/* From dim `first` on: at once, or as many steps of that dim as fit. */
static int launch_pieces(struct interpretation *x, int first) {
  struct mxi_iteration *r = &x->region;
  int64_t inner = 1, length = r->shape[first];
  for (int d = first + 1; d < r->ndim; d++) inner *= r->shape[d];
  bool fits = put_strides(x, first);
  if (fits && inner <= PIECE / length) return launch_piece(x, first, inner * length);
  int64_t steps = fits && inner <= PIECE ? PIECE / inner : 1;
  for (int64_t begin = 0; begin < length; begin += steps) {
    r->shape[first] = length - begin < steps ? length - begin : steps;
    MXI_TRY(r->shape[first] == 1 && first + 1 < r->ndim ? launch_pieces(x, first + 1)
                                                        : launch_piece(x, first, r->shape[first] * inner));
    move(x, first, r->shape[first]);
  }
  r->shape[first] = length;
  move(x, first, -length);
  return 0;
}

static int run(struct mxi_call *c) {
  struct interpretation x; // large: the region and the parameters fill it as far as they need
  x.stream = c->stream;
  if (!c->out[0]->size) return 0;
  mxi_iteration_of(&x.region, c, c->noutputs);
  int outcome;
  if (mxi_cuda_run_single(c, &x.region, &outcome)) return outcome;
  put_program(&x, c);
  return launch_pieces(&x, 0);
}

/* ---- Reductions ---- */
static int run_then_reduce(struct mxi_call *c) {
  mx_array values = mxi_array_new(c->reduction->type, c->reduction->shape), out = c->out[0];
  if (!values) return mxi_untouched(c);
  struct mxi_call program = *c, reduce = {.prim = &mxi_prims[MXI_REDUCE],
                                          .params = c->reduction->params,
                                          .stream = c->stream,
                                          .ninputs = 1,
                                          .noutputs = 1,
                                          .in = &values,
                                          .out = &out};
  program.out = &values;
  program.reduction = NULL;
  int result = mxi_place_fresh(values, c->stream, c->values_like ? mxi_strides(c->values_like) : NULL);
  if (result == 0) result = run(&program);
  if (result == 0) result = mxi_cuda_REDUCE(&reduce);
  mxi_unref(values);
  return result;
}

int mxi_cuda_interpret(struct mxi_call *c) { return c->reduction ? run_then_reduce(c) : run(c); }
