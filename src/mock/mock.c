/* The mock device: copies a placed step, with the addresses of its operands on the device, and runs it later
   by the CPU's kernels on arrays that have no buffer. A step that fails marks what it should have written,
   and whatever reads that fails too. */
#include "base/alloc.h"
#include "base/error.h"
#include "cpu/cpu.h"
#include "cpu/fused.h"
#include "cpu/program.h"
#include "mock/lanes.h"
#include <string.h>

enum { INPUTS = 3, OPERANDS = 4, REGISTERS = 5, INSTRUCTIONS = 16 };

/* ---- Memory ---- */
static struct mxi_side *allocate(mx_stream s, size_t bytes) {
  struct mxi_side *side = mxi_calloc(1, sizeof *side);
  if (!side) return NULL;
  *side = (struct mxi_side){.release = mxi_lane_retire, .device = s->device, .bytes = bytes};
  if ((side->address = mxi_malloc_aligned(bytes))) return side;
  mxi_free(side);
  return NULL;
}

struct upload {
  struct mxi_lane_item item; // first
  struct mxi_side *to;
  char bytes[];
};
static void run_upload(struct mxi_lane_item *item) {
  struct upload *u = (struct upload *)item;
  memcpy(u->to->address, u->bytes, u->to->bytes);
  mxi_free(u);
}
static int upload(mx_stream s, struct mxi_side *to, const void *from) {
  struct upload *u = mxi_malloc(sizeof *u + to->bytes);
  if (!u) return -1;
  *u = (struct upload){{run_upload, {0}, NULL}, to};
  memcpy(u->bytes, from, to->bytes);
  if (mxi_lane_submit(s, &u->item) == 0) return 0;
  mxi_free(u);
  return -1;
}

static int download(const struct mxi_side *from, void *to) {
  memcpy(to, from->address, from->bytes);
  return 0;
}

/* ---- Waiting ---- */
static void run_nothing(struct mxi_lane_item *item) { mxi_free(item); }
static int wait_for(mx_stream s, struct mxi_event e) {
  struct mxi_lane_item *item = mxi_malloc(sizeof *item);
  if (!item) return -1;
  *item = (struct mxi_lane_item){run_nothing, e, NULL};
  if (mxi_lane_submit(s, item) == 0) return 0;
  mxi_free(item);
  return -1;
}

/* ---- Steps ---- */
struct step {
  struct mxi_lane_item item; // first
  struct mxi_call call;
  mx_params *params;
  struct mxi_reduction reduction;
  mx_params *reduction_params;
  int64_t shape[MXI_MAX_NDIM], reduction_shape[MXI_MAX_NDIM];
  mx_array values_like;
  mx_array *arrays;   /* inputs, then outputs */
  mx_buffer *buffers; /* theirs: no memory of its own, and never freed by an array */
  struct mxi_side **sides;
};

static void free_step(struct step *s) {
  int n = s->call.ninputs + s->call.noutputs;
  for (int i = 0; i < n && s->arrays; i++) mxi_unref(s->arrays[i]);
  if (s->params) mxi_params_unref(s->call.prim, s->params);
  if (s->reduction_params) mxi_params_unref(&mxi_prims[MXI_REDUCE], s->reduction_params);
  mxi_free((void *)s->call.prepared);
  mxi_free(s->arrays);
  mxi_free(s->buffers);
  mxi_free(s->sides);
  mxi_free(s);
}

static struct mxi_error *failure_of_inputs(const struct step *s) {
  for (int i = 0; i < s->call.ninputs; i++)
    if (s->sides[i] && s->sides[i]->failure) return s->sides[i]->failure;
  return NULL;
}

static void fail_outputs(const struct step *s, const struct mxi_error *e) {
  for (int i = 0; i < s->call.noutputs; i++) {
    struct mxi_side *side = s->sides[s->call.ninputs + i];
    if (!side->failure && !(side->failure = mxi_malloc(sizeof *e))) continue;
    *side->failure = *e;
  }
}

static void run_step(struct mxi_lane_item *item) {
  struct step *s = (struct step *)item;
  struct mxi_error e;
  const struct mxi_error *before = failure_of_inputs(s);
  if (before) {
    e = *before;
    fail_outputs(s, &e);
  } else if (mxi_cpu_backend.launch(&s->call) < 0) {
    mxi_error_take(&e);
    fail_outputs(s, &e);
  }
  free_step(s);
}

/* An array that lies where the given one does on the device. */
static mx_array on_device(mx_array a, mx_buffer *buffer) {
  mx_array copy = mxi_array_new((mx_dtype)a->dtype, mxi_shape_of(a));
  if (!copy) return NULL;
  memcpy(mxi_strides(copy), mxi_strides(a), (size_t)a->ndim * sizeof(int64_t));
  copy->inline_value = a->inline_value;
  copy->data = &copy->inline_value;
  if (a->buffer) {
    *buffer = (mx_buffer){.refs = 2, .data = a->buffer->side->address, .bytes = a->buffer->side->bytes};
    copy->buffer = buffer;
    copy->offset = a->offset;
    copy->data = (char *)buffer->data + a->offset;
  }
  mxi_update_flags(copy);
  mxi_publish(copy);
  return copy;
}

static int copy_call(struct step *s, const struct mxi_call *c) {
  int n = c->ninputs + c->noutputs;
  s->call = *c;
  s->call.prepared = NULL;
  s->arrays = mxi_calloc((size_t)n, sizeof *s->arrays);
  s->buffers = mxi_calloc((size_t)n, sizeof *s->buffers);
  s->sides = mxi_calloc((size_t)n, sizeof *s->sides);
  if (!s->arrays || !s->buffers || !s->sides) return -1;
  for (int i = 0; i < n; i++) {
    mx_array a = i < c->ninputs ? c->in[i] : c->out[i - c->ninputs];
    if (!(s->arrays[i] = on_device(a, &s->buffers[i]))) return -1;
    s->sides[i] = a->buffer ? a->buffer->side : NULL;
    if (i < c->ninputs && a == c->values_like) s->call.values_like = s->arrays[i];
  }
  s->call.in = s->arrays;
  s->call.out = s->arrays + c->ninputs;
  s->call.params = s->params = mxi_params_ref(c->params);
  s->call.program = NULL;
  if (c->shape.n > 0) memcpy(s->shape, c->shape.v, (size_t)c->shape.n * sizeof(int64_t));
  s->call.shape.v = s->shape;
  if (c->reduction) {
    s->reduction = *c->reduction;
    memcpy(s->reduction_shape, c->reduction->shape.v, (size_t)c->reduction->shape.n * sizeof(int64_t));
    s->reduction.shape.v = s->reduction_shape;
    s->reduction.params = s->reduction_params = mxi_params_ref(c->reduction->params);
    s->call.reduction = &s->reduction;
  }
  return 0;
}

static int copy_program(struct step *s, const struct mxi_call *c) {
  size_t bytes = mxi_tile_program_bytes(c->program->ninstructions);
  void *prepared = mxi_malloc(bytes);
  if (!prepared) return -1;
  memcpy(prepared, c->prepared, bytes);
  s->call.prepared = prepared;
  const struct mxi_tile_program *p = prepared;
  if (p->nregisters <= REGISTERS && p->ninputs + c->noutputs <= OPERANDS) return 0;
  return mxi_fail(MX_RUNTIME_ERROR,
                  "[mock] expected a program of %d registers and %d operands, got %d and %d", REGISTERS,
                  OPERANDS, p->nregisters, p->ninputs + c->noutputs);
}

static int launch(struct mxi_call *c) {
  struct step *s = mxi_calloc(1, sizeof *s);
  if (!s) return mxi_untouched(c);
  s->item.run = run_step;
  if (copy_call(s, c) == 0 && (!c->program || copy_program(s, c) == 0) &&
      mxi_lane_submit(c->stream, &s->item) == 0)
    return 0;
  free_step(s);
  return mxi_untouched(c);
}

const struct mxi_backend mxi_mock_backend = {
    .limits = {.inputs = INPUTS,
               .outputs = OPERANDS - 1,
               .operands = OPERANDS,
               .instructions = INSTRUCTIONS,
               .registers = REGISTERS},
    .prepared_bytes = mxi_tile_program_bytes,
    .prepare = mxi_make_tile_program,
    .launch = launch,
    .allocate = allocate,
    .upload = upload,
    .download = download,
    .submitted = mxi_lane_submitted,
    .wait_for = wait_for,
    .await = mxi_lane_await,
};
