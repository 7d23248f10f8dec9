/* Where the outputs of a step lie.

   Layout. An elementwise result takes the strides of its inputs when all inputs of the result's shape are
   dense with the same strides (inputs that broadcast have no say); else it is row-major. The rule is applied
   value by value, so it is the same fused or not. Other outputs are row-major, but where the primitive's row
   says otherwise. One element lies inline, where the device allows.

   Memory. An output of a kept plan has its region in the plan's arena, if it is no result (arena.h).

   Donation. An output takes the memory of an input that dies with the step, if their elements have one size
   and lie alike. From then on the input is lost if the step fails, unless the launch says that it has written
   nothing. */
#include "engine/place.h"
#include "base/error.h"
#include "core/interrupt.h"
#include "core/mapped.h"
#include "engine/call.h"
#include "engine/memory.h"
#include <string.h>

/* ---- Layouts ---- */
/* NEUTRAL, ROW, or the number of the first input that has these strides. */
typedef uint8_t layout;
enum { NEUTRAL = 255, ROW = 254 };

static layout layout_of_input(mx_array *in, int i, mx_ints shape) {
  mx_array a = in[i];
  if (a->size == 1 || !mxi_ints_equal(mxi_shape_of(a), shape)) return NEUTRAL;
  if (mxi_row_contiguous(a) || !(a->flags & MXI_DENSE)) return ROW;
  for (int k = 0; k < i; k++)
    if (in[k]->ndim == a->ndim && !memcmp(in[k]->dims, a->dims, (size_t)a->ndim * 2 * sizeof(int64_t)))
      return (layout)k;
  return (layout)i;
}

static layout join(layout a, layout b) { return a == NEUTRAL ? b : b == NEUTRAL || a == b ? a : ROW; }

/* The layout of every output of a program. */
static void output_layouts(const struct mxi_program *p, mx_array *in, mx_ints shape, layout *outputs) {
  layout value[MXI_MAX_VALUES];
  bool all_row = true;
  for (int i = 0; i < p->ninputs; i++) {
    value[i] = layout_of_input(in, i, shape);
    all_row &= value[i] >= ROW;
  }
  for (int k = 0; k < p->ninstructions && !all_row; k++) {
    const struct mxi_instruction *i = &p->instructions[k];
    layout of_operands = NEUTRAL;
    for (int s = 0; s < mxi_arity(i->op); s++) of_operands = join(of_operands, value[i->src[s]]);
    value[p->ninputs + k] = of_operands == NEUTRAL ? ROW : of_operands; // as it would be in memory
  }
  for (int o = 0; o < p->noutputs; o++) { outputs[o] = all_row ? ROW : value[p->output_value[o]]; }
}

/* ---- Memory ---- */
/* Does the output lie as the input does, with these strides (NULL: row-major)? */
static bool lies_alike(mx_array in, mx_array out, const int64_t *strides) {
  if (!mxi_same_extent(in, out)) return false;
  return strides ? !memcmp(mxi_strides(in), strides, (size_t)out->ndim * sizeof(int64_t))
                 : mxi_row_contiguous(in);
}

/* Is the input's memory free for such an output? */
static bool fits(const struct mxi_operands *o, int input, mx_array out, const int64_t *strides) {
  return (o->donatable >> input & 1) && !(o->taken >> input & 1) && lies_alike(o->in[input], out, strides);
}

/* In the arena, where the plan has laid it. If that is in an input's place, and the input isn't somewhere
   else in this run, the two must lie alike; else the output needs memory of its own. */
static int place_in_arena(const struct mxi_step *s, struct mxi_operands *o, int64_t region, mx_array out,
                          const int64_t *strides) {
  for (int i = 0; i < s->ninputs; i++)
    if (o->in[i]->buffer == o->arena && o->in[i]->offset == region) {
      if (!lies_alike(o->in[i], out, strides)) return mxi_place_fresh(out, s->stream, strides);
      MXI_TRY(mxi_bring(o->in[i], s->stream, true));
    }
  mxi_set_data(out, mxi_buffer_ref(o->arena), region, strides);
  if (!o->arena->side) return 0;
  out->data = NULL; // if the host has a copy of the arena, it is of no use any more
  return mxi_bring(out, s->stream, true);
}

/* Output k gets the memory of an input, its region of the arena, or fresh memory. */
static int take_or_make(const struct mxi_step *s, struct mxi_operands *o, int input, int k,
                        const int64_t *strides) {
  mx_array out = o->out[k];
  int64_t region = o->arena ? o->slots_out[k].region : -1;
  if (input >= 0 && out->size != 1) {
    MXI_TRY(mxi_bring(o->in[input], s->stream, true));
    o->taken |= 1ull << input;
    mxi_place_over(out, o->in[input], strides);
    return 0;
  }
  return region >= 0 ? place_in_arena(s, o, region, out, strides) : mxi_place_fresh(out, s->stream, strides);
}

/* ---- Programs ---- */
static int place_program(const struct mxi_step *s, struct mxi_operands *o, struct mxi_call *c) {
  layout layouts[MXI_MAX_OPERANDS];
  output_layouts(s->program, o->in, s->shape, layouts);
  if (s->reduction.params) {
    c->reduction = &s->reduction;
    c->values_like = layouts[0] == ROW ? NULL : o->in[layouts[0]];
    return take_or_make(s, o, -1, 0, NULL);
  }
  for (int k = 0; k < s->noutputs; k++) {
    mx_array out = o->out[k];
    const int64_t *strides = layouts[k] == ROW ? NULL : mxi_strides(o->in[layouts[k]]);
    int input = 0;
    while (input < s->ninputs && !fits(o, input, out, strides)) input++;
    MXI_TRY(take_or_make(s, o, input < s->ninputs ? input : -1, k, strides));
  }
  return 0;
}

/* ---- Nodes ---- */
/* (B, H, L, D) as q lies: the heads of a position together if q's are. */
static const int64_t *heads_strides(mx_array q, mx_array out, int64_t *strides) {
  const int64_t *shape = mxi_shape(out), *of_q = mxi_strides(q);
  bool rows = of_q[3] == 1 || mxi_shape(q)[3] == 1; // else the kernel reads a row-major copy
  if (!rows || shape[1] == 1 || shape[2] == 1 || of_q[1] >= of_q[2]) return NULL;
  strides[0] = shape[2] * shape[1] * shape[3];
  strides[1] = shape[3];
  strides[2] = shape[1] * shape[3];
  strides[3] = 1;
  return strides;
}

/* Matrices whose columns lie where rows would. */
static const int64_t *columns_strides(mx_array out, int64_t *strides) {
  memcpy(strides, mxi_strides(out), (size_t)out->ndim * sizeof *strides); // row-major so far
  int64_t rows = strides[out->ndim - 2];
  strides[out->ndim - 2] = strides[out->ndim - 1];
  strides[out->ndim - 1] = rows;
  return strides;
}

static int place_node(const struct mxi_step *s, struct mxi_operands *o) {
  unsigned flags = s->prim->flags;
  int64_t own[MXI_MAX_NDIM];
  for (int k = 0; k < s->noutputs; k++) {
    mx_array out = o->out[k];
    const int64_t *strides = flags & MXI_P_HEADS                ? heads_strides(o->in[0], out, own)
                             : (flags & MXI_P_COLUMNS) && k > 0 ? columns_strides(out, own)
                                                                : NULL;
    bool over = mxi_works_in_place(s, 0, k) && fits(o, 0, out, NULL);
    MXI_TRY(take_or_make(s, o, over ? 0 : -1, k, strides));
  }
  return 0;
}

/* ---- Launching ---- */
/* A step that writes over an input is not interrupted, as the input could not be computed again: some 0.1 s
   at most, so many bytes an instruction. A longer one is, and the input is lost. */
static const size_t MOST_RUN_WHOLE = (size_t)256 << 20;
static bool runs_whole(const struct mxi_call *c) {
  size_t instructions = c->program ? (size_t)c->program->ninstructions : 1;
  return mx_nbytes(c->out[0]) <= MOST_RUN_WHOLE / instructions;
}

static int bring_inputs(const struct mxi_call *c) {
  for (int i = 0; i < c->ninputs; i++) MXI_TRY(mxi_bring(c->in[i], c->stream, false));
  return 0;
}

/* What was computed of mapped files counts if they are what they were. */
static int check_files(const struct mxi_call *c) {
  int result = 0;
  for (int i = 0; i < c->ninputs && result == 0; i++) result = mxi_after_reading(c->in[i]);
  return result;
}

static struct mxi_call call_of(const struct mxi_step *s, const struct mxi_operands *o) {
  return (struct mxi_call){.prim = s->prim,
                           .params = s->params,
                           .program = s->program,
                           .prepared = s->prepared,
                           .shape = s->shape,
                           .stream = s->stream,
                           .ninputs = s->ninputs,
                           .noutputs = s->noutputs,
                           .in = o->in,
                           .out = o->out};
}

static int launch_there(const struct mxi_backend *b, const struct mxi_step *s, struct mxi_operands *o) {
  struct mxi_call c = call_of(s, o);
  int result = bring_inputs(&c);
  if (result == 0) result = s->program ? place_program(s, o, &c) : place_node(s, o);
  if (result < 0) c.untouched = true;
  mxi_runs_whole = o->taken && runs_whole(&c);
  if (result == 0) result = b->launch(&c);
  mxi_runs_whole = false;
  if (!b->allocate && mxi_mapped_any() && check_files(&c) < 0) result = -1; // why, whatever the op says
  if (result == 0 && b->allocate) mxi_in_use(&c);
  if (result < 0 && c.untouched) o->taken = 0;
  return result;
}

/* What a device can't run runs on the CPU: its inputs come to the host, its outputs begin there. */
static int launch_on_cpu(const struct mxi_step *s, struct mxi_operands *o) {
  struct mxi_step there = *s;
  if (!(there.stream = mx_default_stream(MX_CPU))) return -1;
  o->donatable = 0;
  o->arena = NULL;
  return launch_there(&mxi_cpu_backend, &there, o);
}

static int launch(const struct mxi_step *s, struct mxi_operands *o) {
  const struct mxi_backend *b = mxi_backend_of(s->stream->device);
  if (b->supports) {
    struct mxi_call c = call_of(s, o);
    if (!b->supports(&c)) return launch_on_cpu(s, o);
  }
  return launch_there(b, s, o);
}

int mxi_step_run(const struct mxi_step *s, struct mxi_operands *o) {
  o->taken = 0;
  switch (s->kind) {
  case MXI_STEP_VIEW: return mxi_view_run(s, o->in, o->out);
  case MXI_STEP_CALL: return mxi_kept_run(s, o);
  default: return launch(s, o);
  }
}

mx_array mxi_copy_launch(mx_stream stream, mx_array a) {
  mx_array copy = mxi_array_new((mx_dtype)a->dtype, mxi_shape_of(a));
  if (!copy) return NULL;
  struct mxi_step s = {
      .kind = MXI_STEP_NODE, .prim = &mxi_prims[MXI_COPY], .stream = stream, .ninputs = 1, .noutputs = 1};
  struct mxi_operands o = {.in = &a, .out = &copy};
  if (launch(&s, &o) == 0) return copy;
  mxi_unref(copy);
  return NULL;
}
