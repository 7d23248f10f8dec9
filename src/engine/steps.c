/* From ordered nodes to steps: groups of elementwise nodes become programs, with the reduction they feed;
   views and calls are the engine's own; every other node is a step by itself. */
#include "base/alloc.h"
#include "base/env.h"
#include "base/error.h"
#include "engine/group.h"

static int add_operand(struct mxi_plan *p, int32_t slot, int32_t uses) {
  struct mxi_operand_slot o = {.slot = slot, .uses = uses};
  return mxi_push(&p->operands, o);
}

/* The slot is computed by the step that comes next. */
static int add_member(struct mxi_plan *p, int32_t slot) {
  p->slots.v[slot].step = (int32_t)p->steps.n;
  return mxi_push(&p->members, slot);
}

/* ---- Programs ---- */
/* The number of the value that `slot` is in the group's program, as an operand of member `reader`. */
static uint8_t value_of(const struct mxi_plan *p, const struct mxi_group *g, int reader, int32_t slot) {
  for (int m = reader - 1; m >= 0; m--)
    if (g->members[m] == slot) return (uint8_t)(g->ninputs + m);
  return (uint8_t)mxi_group_input(p, g, slot);
}

/* Bytes before the backend's form of a program. */
static size_t program_bytes(int ninstructions) {
  size_t bytes =
      offsetof(struct mxi_program, instructions) + (size_t)ninstructions * sizeof(struct mxi_instruction);
  return (bytes + 7) & ~(size_t)7;
}

static struct mxi_program *make_program(const struct mxi_plan *p, const struct mxi_group *g,
                                        const struct mxi_backend *b) {
  struct mxi_program *program = mxi_malloc(program_bytes(g->nmembers) + b->prepared_bytes(g->nmembers));
  if (!program) return NULL;
  program->ninstructions = g->nmembers;
  program->ninputs = g->ninputs;
  program->noutputs = 0;
  for (int i = 0; i < g->ninputs; i++) program->input_type[i] = p->slots.v[g->inputs[i]].array->dtype;
  for (int m = 0; m < g->nmembers; m++) {
    mx_array a = p->slots.v[g->members[m]].array;
    const mx_node *n = a->node;
    struct mxi_instruction *i = &program->instructions[m];
    *i = (struct mxi_instruction){
        .op = (uint8_t)n->prim->id, .to = a->dtype, .type = n->inputs[n->ninputs == 3 ? 1 : 0]->dtype};
    for (int k = 0; k < n->ninputs; k++) i->src[k] = value_of(p, g, m, mxi_plan_slot(p, n->inputs[k]));
    if (!p->slots.v[g->members[m]].vanishes || g->members[m] == g->root) {
      program->output_type[program->noutputs] = a->dtype;
      program->output_value[program->noutputs++] = (uint8_t)(g->ninputs + m);
    }
  }
  return program;
}

static void *prepared_of(struct mxi_program *program) {
  return (char *)program + program_bytes(program->ninstructions);
}

/* References to `slot` among the inputs of the members' nodes. */
static int32_t uses_by(const struct mxi_plan *p, const struct mxi_group *g, int32_t slot) {
  return p->slots.v[slot].mark == g->id ? p->slots.v[slot].marked_uses : 0;
}

/* The step of a group; it takes over the program. `reduce`: the slot of the reduction it ends in. */
static int add_program_step(struct mxi_plan *p, const struct mxi_group *g, struct mxi_program *program,
                            int32_t reduce) {
  mx_array root = p->slots.v[g->root].array;
  struct mxi_step step = {.kind = MXI_STEP_PROGRAM,
                          .stream = root->node->stream,
                          .program = program,
                          .prepared = prepared_of(program),
                          .shape = mxi_shape_of(root),
                          .operands = (int32_t)p->operands.n,
                          .ninputs = g->ninputs,
                          .noutputs = g->ends_in_reduce ? 1 : program->noutputs,
                          .members = (int32_t)p->members.n,
                          .nmembers = g->nmembers + g->ends_in_reduce};
  for (int i = 0; i < g->ninputs; i++) MXI_TRY(add_operand(p, g->inputs[i], uses_by(p, g, g->inputs[i])));
  for (int m = 0; m < g->nmembers; m++) {
    int32_t member = g->members[m];
    MXI_TRY(add_member(p, member));
    if (!p->slots.v[member].vanishes) MXI_TRY(add_operand(p, member, 0));
  }
  if (g->ends_in_reduce) {
    step.reduction = (struct mxi_reduction){p->slots.v[reduce].array->node->params, (mx_dtype)root->dtype,
                                            mxi_shape_of(root)};
    MXI_TRY(add_member(p, reduce));
    MXI_TRY(add_operand(p, reduce, 0));
  }
  return mxi_push(&p->steps, step);
}

/* One program step that ends in `root` (and in the reduction, if any), with as many nodes as the backend
   takes: when a group needs too many registers, half as many. */
static int fuse(struct mxi_plan *p, int32_t root, int32_t reduce, int32_t *next_id) {
  const struct mxi_backend *b = mxi_backend_of(p->slots.v[root].array->node->stream->device);
  struct mxi_group g; // gathering sets the rest
  g.root = root;
  g.ends_in_reduce = reduce >= 0;
  g.limits = b->limits;
  for (; g.limits.instructions; g.limits.instructions /= 2) {
    g.id = (*next_id)++;
    mxi_group_gather(p, &g);
    if (!g.nmembers) break;
    struct mxi_program *program = make_program(p, &g, b);
    if (!program) return -1;
    bool fits = program->ninputs + program->ninstructions <= g.limits.registers ||
                mxi_program_registers(program) <= g.limits.registers;
    if (!fits) {
      mxi_free(program);
      continue;
    }
    b->prepare(program, prepared_of(program));
    int result = add_program_step(p, &g, program, reduce);
    if (result == 0) return 0;
    if (b->forget) b->forget(prepared_of(program));
    mxi_free(program);
    return -1;
  }
  return mxi_fail(MX_RUNTIME_ERROR,
                  "[eval] expected one instruction to fit the device's registers, got none");
}

/* The elementwise root that a reduction takes its values from, or -1. */
static int32_t feeder_of(const struct mxi_plan *p, mx_array reduce) {
  if (reduce->node->prim->id != MXI_REDUCE || mxi_env()->no_fusion) return -1;
  int32_t in = mxi_plan_slot(p, reduce->node->inputs[0]);
  const struct mxi_slot *s = &p->slots.v[in];
  bool fits = s->step == MXI_STEP_NONE && s->uses == 1 && mxi_is_elementwise(s->array) &&
              mxi_can_vanish(p, s) && s->array->node->stream == reduce->node->stream;
  return fits ? in : -1;
}

/* ---- Single nodes ---- */
static enum mxi_step_kind kind_of(const mx_prim *prim) {
  if (prim->id == MXI_CALL) return MXI_STEP_CALL;
  return prim->flags & MXI_P_VIEW ? MXI_STEP_VIEW : MXI_STEP_NODE;
}

/* The slot of output i of a's node. One that was gone before the walk could take it gets a stand-in. -1 on
 * failure. */
static int32_t output_slot(struct mxi_plan *p, mx_array a, int i) {
  mx_node *n = a->node;
  mx_array out = n->noutputs == 1 || i == a->output_index ? mxi_ref(a) : mxi_output_take(n, i);
  int32_t slot = out ? mxi_plan_slot(p, out) : -1;
  mxi_unref(out); // not the last reference: the walk holds those that lived, and the others stay gone
  if (slot >= 0) return slot;
  out = mxi_array_new(n->outputs[i].dtype, n->outputs[i].shape);
  if (!out || mxi_push(&p->stand_ins, out) < 0) return mxi_unref(out), -1;
  struct mxi_slot stand_in = {.array = out, .mark = -1};
  out->slot = (int32_t)p->slots.n;
  return mxi_push(&p->slots, stand_in) < 0 ? -1 : out->slot;
}

static int add_node_step(struct mxi_plan *p, int32_t slot) {
  mx_array a = p->slots.v[slot].array;
  const mx_node *n = a->node;
  struct mxi_step step = {.kind = kind_of(n->prim),
                          .prim = n->prim,
                          .params = n->params,
                          .stream = n->stream,
                          .operands = (int32_t)p->operands.n,
                          .ninputs = n->ninputs,
                          .noutputs = n->noutputs,
                          .members = (int32_t)p->members.n,
                          .nmembers = n->noutputs};
  for (int i = 0; i < n->ninputs; i++) {
    int32_t uses = 0;
    for (int k = 0; k < n->ninputs && k < MXI_MAX_OPERANDS; k++) uses += n->inputs[k] == n->inputs[i];
    MXI_TRY(add_operand(p, mxi_plan_slot(p, n->inputs[i]), uses));
  }
  for (int i = 0; i < n->noutputs; i++) {
    int32_t out = output_slot(p, a, i);
    if (out < 0 || add_member(p, out) < 0 || add_operand(p, out, 0) < 0) return -1;
  }
  return mxi_push(&p->steps, step);
}

/* ---- All ---- */
/* Steps come out last first. */
static void reverse_steps(struct mxi_plan *p) {
  size_t n = p->steps.n;
  for (size_t i = 0; i < n / 2; i++) {
    struct mxi_step t = p->steps.v[i];
    p->steps.v[i] = p->steps.v[n - 1 - i];
    p->steps.v[n - 1 - i] = t;
  }
  for (size_t i = 0; i < p->slots.n; i++)
    if (p->slots.v[i].step >= 0) p->slots.v[i].step = (int32_t)n - 1 - p->slots.v[i].step;
}

int mxi_plan_make_steps(struct mxi_plan *p) {
  MXI_TRY(mxi_reserve(&p->rank, p->slots.n));
  for (size_t i = 0; i < p->order.n; i++) p->rank.v[p->order.v[i]] = (int32_t)i;
  int32_t next_id = 0;
  for (size_t i = p->order.n; i--;) {
    int32_t slot = p->order.v[i];
    mx_array a = p->slots.v[slot].array;
    if (p->slots.v[slot].step != MXI_STEP_NONE) continue; // already in a group
    int32_t feeder = feeder_of(p, a);
    MXI_TRY(mxi_is_elementwise(a) ? fuse(p, slot, -1, &next_id)
            : feeder >= 0         ? fuse(p, feeder, slot, &next_id)
                                  : add_node_step(p, slot));
  }
  reverse_steps(p);
  return 0;
}
