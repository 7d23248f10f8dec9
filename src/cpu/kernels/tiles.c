/* The tile engine: runs a program tile by tile.

   A program is prepared once (which function each instruction is), then each run of it (where each register
   lives, how each operand moves), which is repeated for each tile. A register is a pointer: to its slot in
   scratch memory, into an input that is read in place, or into an output that is written in place.

   In place means without a copy, and is chosen where the register form equals the stored form and the
   elements are contiguous. An output may be one of the inputs' memory. So an instruction may write into an
   output at once only if no input in place that overlaps it is read later in the tile; such an input is
   copied into its slot first. Whatever is not written in place is stored after the last instruction. */
#include "cpu/kernels/tiles.h"
#include "cpu/locals.h"
#include "cpu/stream_bytes.h"
#include "core/dtype.h"
#include <assert.h>

#define gather  MXI_ISA_NAME(mxi_tile_gather)
#define scatter MXI_ISA_NAME(mxi_tile_scatter)
#define splat   MXI_ISA_NAME(mxi_tile_splat)
#define widen   MXI_ISA_NAME(mxi_tile_widen)
#define narrow  MXI_ISA_NAME(mxi_tile_narrow)
#define stream  MXI_ISA_NAME(mxi_tile_stream)

static_assert(MXI_TILE_GET_SCRATCH <= MXI_LOCALS_BYTES / 2, "programs must leave room for other locals");
enum { NEVER = -1, AT_END = MXI_MAX_INSTRUCTIONS };

/* ---- What an instruction is ---- */
/* The form of a value in a register: its dtype, but both half types are float32. */
static int form_of(int type) { return mxi_is_half((mx_dtype)type) ? MX_FLOAT32 : type; }
/* Bytes of an element in memory and in a register. */
static int stored_size(int type) {
  static const uint8_t sizes[] = {
#define MX_DTYPE(ID, text, ctype, bytes, category) [MX_##ID] = bytes,
#include "core/dtypes.def"
#undef MX_DTYPE
  };
  return sizes[type];
}
static int register_size(int type) { return stored_size(form_of(type)); }

static const mxi_tile_fn *const float_tables[] = {[MX_FLOAT16] = MXI_ISA_NAME(mxi_tiles_f16),
                                                  [MX_BFLOAT16] = MXI_ISA_NAME(mxi_tiles_bf16),
                                                  [MX_FLOAT32] = MXI_ISA_NAME(mxi_tiles_f32),
                                                  [MX_FLOAT64] = MXI_ISA_NAME(mxi_tiles_f64),
                                                  [MX_COMPLEX64] = MXI_ISA_NAME(mxi_tiles_complex)};
static_assert(sizeof float_tables / sizeof *float_tables == MX_DTYPE_COUNT,
              "every inexact dtype has a table");
static mxi_tile_fn rounding(int type) {
  return type == MX_FLOAT16 ? MXI_ISA_NAME(mxi_tile_round_f16) : MXI_ISA_NAME(mxi_tile_round_bf16);
}
/* The function of an instruction, and the rounding that must follow it or NULL. NULL for an op its dtype
 * lacks. */
static mxi_tile_fn find_function(const struct mxi_tile_instruction *in, mxi_tile_fn *then) {
  *then = NULL;
  if (in->op >= MXI_TILE_OPS || in->type >= MX_DTYPE_COUNT || in->to >= MX_DTYPE_COUNT) return NULL;
  int half = mxi_is_half((mx_dtype)in->type);
  if (in->op == MXI_TILE_ASTYPE) {
    int rounds = mxi_is_half((mx_dtype)in->to) && in->to != in->type;
    if (rounds && form_of(in->type) == MX_FLOAT32) return rounding(in->to);
    if (rounds) *then = rounding(in->to);
    return MXI_ISA_NAME(mxi_tiles_cast)[form_of(in->type)][rounds ? in->to : form_of(in->to)];
  }
  if (in->type < MX_FLOAT16) return MXI_ISA_NAME(mxi_tiles_integer)[form_of(in->type)][in->op];
  mxi_tile_fn fn = float_tables[in->type][in->op];
  if (fn || !(half || in->type == MX_FLOAT32)) return fn;
  fn = MXI_ISA_NAME(mxi_tiles_f32)[in->op];
  if (!fn) fn = MXI_ISA_NAME(mxi_tiles_f32_math)[in->op];
  if (half) *then = rounding(in->type);
  return fn;
}

int MXI_ISA_NAME(mxi_tiles_has)(const struct mxi_tile_instruction *in) {
  mxi_tile_fn then;
  return find_function(in, &then) != NULL;
}

/* ---- Steps: once for each program ---- */
static void add_step(struct mxi_tile_steps *steps, mxi_tile_fn fn, int dst, const uint8_t *src, int nsrc) {
  struct mxi_tile_step *s = &steps->step[steps->n++];
  *s = (struct mxi_tile_step){.fn = fn, .dst = (int8_t)dst};
  for (int i = 0; i < 3; i++) s->src[i] = (int8_t)src[i < nsrc ? i : 0];
}
void MXI_ISA_NAME(mxi_tiles_prepare)(struct mxi_tile_program *p) {
  struct mxi_tile_steps *steps = mxi_tile_steps_of(p);
  steps->n = 0;
  for (int k = 0; k < p->ninstructions; k++) {
    const struct mxi_tile_instruction *in = &p->instructions[k];
    mxi_tile_fn then, fn = find_function(in, &then);
    if (!fn) continue; /* the builders of ops let no such instruction through */
    add_step(steps, fn, in->dst, in->src, mxi_arity(in->op));
    struct mxi_tile_step *s = &steps->step[steps->n - 1];
    int size = register_size(in->to);
    for (int i = 0; i < mxi_arity(in->op); i++) {
      int operand_size = in->op == MXI_TILE_SELECT && i == 0 ? 1 : register_size(in->type);
      if (in->src[i] == in->dst && operand_size != size) s->resizes = 1;
    }
    if (then) add_step(steps, then, in->dst, &in->dst, 1);
  }
}

/* ---- A prepared run ---- */
enum load { IN_PLACE, COPY, SCALAR, GATHER, GATHER_IN_PLACE, WIDEN, GATHER_WIDEN };
enum store { DONE, STORE_COPY, STORE_STREAM, STORE_SCATTER, STORE_NARROW, STORE_NARROW_SCATTER };
struct tile_run {
  const struct mxi_tile_job *job;
  struct mxi_tile_region region;
  const struct mxi_tile_steps *steps;
  int8_t output_of[2 * MXI_MAX_INSTRUCTIONS]; /* of each step: the output that it writes in place, or -1 */
  int noutputs;
  uint8_t load[MXI_MAX_OPERANDS], store[MXI_MAX_OPERANDS];
  char *slot[MXI_MAX_REGISTERS], *spare, *scalar[MXI_MAX_OPERANDS], *halves;
  const char *at[MXI_MAX_REGISTERS]; /* where each register is now */
};

static int is_contiguous(const struct mxi_tile_job *job, const int64_t *strides, int size) {
  int64_t expected = size;
  for (int d = job->ndim - 1; d >= 0; d--) {
    if (job->shape[d] != 1 && strides[d] != expected) return 0;
    expected *= job->shape[d];
  }
  return 1;
}
static int is_scalar(const struct mxi_tile_job *job, const int64_t *strides) {
  for (int d = 0; d < job->ndim; d++)
    if (strides[d] != 0 && job->shape[d] != 1) return 0;
  return 1;
}
/* The bytes an operand spans in memory. */
static void extent(const struct mxi_tile_job *job, const struct mxi_operand *o, int size, uintptr_t *low,
                   uintptr_t *high) {
  int64_t below = 0, above = size;
  for (int d = 0; d < job->ndim; d++) {
    int64_t span = (job->shape[d] - 1) * o->strides[d];
    if (span < 0)
      below += span;
    else
      above += span;
  }
  *low = (uintptr_t)o->data + (uintptr_t)below;
  *high = (uintptr_t)o->data + (uintptr_t)above;
}
static int overlap(const struct mxi_tile_job *job, const struct mxi_operand *a, int a_size,
                   const struct mxi_operand *b, int b_size) {
  uintptr_t a_low, a_high, b_low, b_high;
  extent(job, a, a_size, &a_low, &a_high);
  extent(job, b, b_size, &b_low, &b_high);
  return a_low < b_high && b_low < a_high;
}

static int last_write(const struct mxi_tile_program *p, int reg) {
  for (int k = p->ninstructions - 1; k >= 0; k--)
    if (p->instructions[k].dst == reg) return k;
  return NEVER;
}
/* The last instruction that reads input i before its register is written, AT_END if an output still holds it.
 */
static int last_read(const struct mxi_tile_program *p, int i) {
  int last = NEVER;
  for (int k = 0; k < p->ninstructions; k++) {
    const struct mxi_tile_instruction *in = &p->instructions[k];
    for (int s = 0; s < mxi_arity(in->op); s++)
      if (in->src[s] == i) last = k;
    if (in->dst == i) return last;
  }
  for (int o = 0; o < p->noutputs; o++)
    if (p->output_register[o] == i) return AT_END;
  return last;
}

static void prepare_inputs(struct tile_run *r) {
  const struct mxi_tile_program *p = r->job->program;
  for (int i = 0; i < p->ninputs; i++) {
    const int64_t *strides = r->job->in[i].strides;
    int type = p->input_type[i], size = stored_size(type), half = mxi_is_half((mx_dtype)type);
    if (is_contiguous(r->job, strides, size))
      r->load[i] = half ? WIDEN : IN_PLACE;
    else if (is_scalar(r->job, strides))
      r->load[i] = SCALAR;
    else
      r->load[i] = half ? GATHER_WIDEN : GATHER_IN_PLACE;
  }
}
/* Inputs in place that are read after the instruction that overwrites them are copied instead. */
static void protect_inputs(struct tile_run *r, int output, int written_by) {
  const struct mxi_tile_program *p = r->job->program;
  int size = stored_size(p->output_type[output]);
  for (int i = 0; i < p->ninputs; i++) {
    if (r->load[i] != IN_PLACE && r->load[i] != GATHER_IN_PLACE) continue;
    if (!overlap(r->job, &r->job->out[output], size, &r->job->in[i], stored_size(p->input_type[i]))) continue;
    if (last_read(p, i) > written_by || (written_by == AT_END && last_read(p, i) == AT_END))
      r->load[i] = r->load[i] == IN_PLACE ? COPY : GATHER;
  }
}
static int aliases_input(const struct tile_run *r, int output) {
  for (int i = 0; i < r->job->program->ninputs; i++)
    if (r->job->in[i].data == r->job->out[output].data) return 1;
  return 0;
}
static void prepare_outputs(struct tile_run *r) {
  const struct mxi_tile_program *p = r->job->program;
  for (int o = 0; o < p->noutputs; o++) {
    int type = p->output_type[o], size = stored_size(type), reg = p->output_register[o];
    int half = mxi_is_half((mx_dtype)type), contiguous = is_contiguous(r->job, r->job->out[o].strides, size);
    int write = last_write(p, reg);
    r->store[o] = half         ? (contiguous ? STORE_NARROW : STORE_NARROW_SCATTER)
                  : contiguous ? STORE_COPY
                               : STORE_SCATTER;
    if (r->store[o] == STORE_COPY && r->job->size >= MXI_STREAM_BYTES / size && !aliases_input(r, o))
      r->store[o] = STORE_STREAM;
    for (int earlier = 0; earlier < o; earlier++)
      if (p->output_register[earlier] == reg) write = NEVER; /* that one may have it in place */
    if (r->store[o] == STORE_COPY && write != NEVER)
      r->store[o] = DONE;
    else
      write = AT_END;
    protect_inputs(r, o, write);
  }
  r->noutputs = p->noutputs;
}
static void prepare_steps(struct tile_run *r) {
  const struct mxi_tile_program *p = r->job->program;
  r->steps = mxi_tile_steps_of(p);
  memset(r->output_of, -1, (size_t)r->steps->n);
  for (int o = 0; o < r->noutputs; o++)
    if (r->store[o] == DONE)
      for (int k = r->steps->n - 1; k >= 0; k--)
        if (r->steps->step[k].dst == p->output_register[o]) {
          r->output_of[k] = (int8_t)o;
          break;
        }
}
static int widest_register(const struct mxi_tile_program *p) {
  int widest = 4;
  for (int i = 0; i < p->ninputs; i++)
    if (register_size(p->input_type[i]) > widest) widest = 8;
  for (int k = 0; k < p->ninstructions; k++)
    if (register_size(p->instructions[k].to) > widest) widest = 8;
  return widest;
}
/* Slots for tiles of at most n elements, and the scalars, which stay. */
static void prepare_slots(struct tile_run *r, char *scratch, int n) {
  const struct mxi_tile_program *p = r->job->program;
  size_t stride = (size_t)((n * widest_register(p) + 63) & ~63) + MXI_TILE_SLOT_PAD;
  r->spare = scratch;
  scratch += stride;
  for (int i = 0; i < p->nregisters; i++, scratch += stride) r->slot[i] = scratch;
  for (int i = 0; i < p->ninputs; i++) {
    if (r->load[i] != SCALAR) continue;
    int type = p->input_type[i], half = mxi_is_half((mx_dtype)type);
    float widened;
    if (half) widen(&widened, (const uint16_t *)(const void *)r->job->in[i].data, 1, type);
    splat(scratch, half ? (const void *)&widened : r->job->in[i].data, n, register_size(type));
    r->scalar[i] = scratch;
    scratch += stride;
  }
  r->halves = scratch;
}

/* ---- Running ---- */
static void load_input(struct tile_run *r, int i, int64_t start, int n) {
  const struct mxi_operand *from = &r->job->in[i];
  int type = r->job->program->input_type[i], size = stored_size(type);
  const char *contiguous = from->data + start * size;
  r->at[i] = r->slot[i];
  switch (r->load[i]) {
  case IN_PLACE: r->at[i] = contiguous; break;
  case COPY: memcpy(r->slot[i], contiguous, (size_t)(n * size)); break;
  case SCALAR: r->at[i] = r->scalar[i]; break;
  case GATHER: gather(r->slot[i], &r->region, from, start, n, size, 0); break;
  case GATHER_IN_PLACE: r->at[i] = gather(r->slot[i], &r->region, from, start, n, size, 1); break;
  case WIDEN: widen((float *)(void *)r->slot[i], (const uint16_t *)(const void *)contiguous, n, type); break;
  case GATHER_WIDEN:
    widen((float *)(void *)r->slot[i], gather(r->halves, &r->region, from, start, n, size, 1), n, type);
    break;
  }
}
static void store_output(struct tile_run *r, int o, int64_t start, int n) {
  const struct mxi_operand *to = &r->job->out[o];
  int type = r->job->program->output_type[o], size = stored_size(type);
  const char *from = r->at[r->job->program->output_register[o]];
  char *contiguous = to->data + start * size;
  switch (r->store[o]) {
  case DONE: break;
  case STORE_COPY: memmove(contiguous, from, (size_t)(n * size)); break;
  case STORE_STREAM: stream(contiguous, from, (size_t)(n * size)); break;
  case STORE_SCATTER: scatter(to, &r->region, from, start, n, size); break;
  case STORE_NARROW:
    narrow((uint16_t *)(void *)contiguous, (const float *)(const void *)from, n, type);
    break;
  case STORE_NARROW_SCATTER:
    narrow((uint16_t *)(void *)r->halves, (const float *)(const void *)from, n, type);
    scatter(to, &r->region, r->halves, start, n, size);
    break;
  }
}
static void run_steps(struct tile_run *r, int64_t start, int n) {
  for (int k = 0; k < r->steps->n; k++) {
    const struct mxi_tile_step *s = &r->steps->step[k];
    int output = r->output_of[k];
    char *target = r->slot[s->dst];
    if (output >= 0) {
      const struct mxi_operand *out = &r->job->out[output];
      target = out->data + start * stored_size(r->job->program->output_type[output]);
    } else if (s->resizes) {
      char *used = target;
      target = r->slot[s->dst] = r->spare;
      r->spare = used;
    }
    s->fn(target, r->at[s->src[0]], r->at[s->src[1]], r->at[s->src[2]], n);
    r->at[s->dst] = target;
  }
}

void MXI_ISA_NAME(mxi_tiles_run)(const struct mxi_tile_job *job, int64_t begin, int64_t end) {
  struct tile_run r;
  int longest = end - begin < MXI_TILE ? (int)(end - begin) : MXI_TILE;
  MXI_LOCAL(char, scratch, MXI_TILE_SCRATCH);
  r.job = job;
  r.region = (struct mxi_tile_region){job->ndim, job->shape};
  prepare_inputs(&r);
  prepare_outputs(&r);
  prepare_steps(&r);
  prepare_slots(&r, scratch, longest);
  for (int64_t start = begin; start < end; start += MXI_TILE) {
    int n = end - start < MXI_TILE ? (int)(end - start) : MXI_TILE;
    for (int i = 0; i < job->program->ninputs; i++) load_input(&r, i, start, n);
    run_steps(&r, start, n);
    for (int o = 0; o < r.noutputs; o++) store_output(&r, o, start, n);
  }
  for (int o = 0; o < r.noutputs;
       o++) /* streaming stores come before whatever says that the tiles are done */
    if (r.store[o] == STORE_STREAM) _mm_sfence();
}

/* The register of output 0 lives at the front of the scratch; an input that is the output is read in place if
   it can be. */
const void *MXI_ISA_NAME(mxi_tiles_get)(const struct mxi_tile_job *job, int64_t begin, int64_t n,
                                        void *scratch) {
  const struct mxi_tile_program *p = job->program;
  char *out = scratch;
  struct tile_run r;
  r.job = job;
  r.region = (struct mxi_tile_region){job->ndim, job->shape};
  r.noutputs = 0;
  prepare_inputs(&r);
  prepare_steps(&r);
  prepare_slots(&r, out + 8 * MXI_TILE, (int)n);
  int reg = p->output_register[0], size = register_size(p->output_type[0]);
  if (size == widest_register(p)) r.slot[reg] = out; /* holds whatever passes through the register */
  for (int i = 0; i < p->ninputs; i++) load_input(&r, i, begin, (int)n);
  run_steps(&r, begin, (int)n);
  int is_input = reg < p->ninputs && last_write(p, reg) == NEVER;
  if (is_input && (r.load[reg] == IN_PLACE || r.load[reg] == GATHER_IN_PLACE)) return r.at[reg];
  if (r.at[reg] != out) memcpy(out, r.at[reg], (size_t)n * (size_t)size);
  return out;
}
