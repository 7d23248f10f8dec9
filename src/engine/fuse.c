/* From ordered nodes to steps: elementwise nodes of one shape gather into programs.

   Going backwards from consumers to producers, a producer joins its consumers' group when every use of it in
   this plan is by that group: then no path leaves the group and comes back, except through its last node.
   What nobody else refers to vanishes into a register; the rest are further outputs of the step. A reduction
   takes in the program that feeds it when all of that vanishes. */
#include "engine/plan.h"
#include "base/env.h"

struct group {
  int32_t id;
  int nmembers, nexternal;
  int32_t members[MXI_MAX_INSTRUCTIONS]; /* slots, in no order until sorted */
  int32_t external[MXI_MAX_OPERANDS];    /* distinct inputs from outside */
  int noutputs;
  int max_instructions;
  bool only_vanishing; /* under a reduction */
};

static bool is_elementwise(mx_array a) { return a->node && (a->node->prim->flags & MXI_P_ELEMENTWISE); }

/* Will the array live in registers alone? */
static bool can_vanish(const struct mxi_plan *p, const struct mxi_slot *s) {
  if (s->output || s->kept_node) return false;
  return p->compiled || atomic_load_explicit(&s->array->refs, memory_order_relaxed) == s->uses;
}

/* Equal scalar constants are one operand. Another thread may be making their data until they are ready. */
static bool same_constant(mx_array a, mx_array b) {
  return a->ndim == 0 && b->ndim == 0 && a->dtype == b->dtype && mxi_state(a) == MXI_READY &&
         mxi_state(b) == MXI_READY && a->data == &a->inline_value && b->data == &b->inline_value &&
         a->inline_value.bits == b->inline_value.bits;
}

static int find_external(const struct mxi_plan *p, const struct group *g, int32_t slot) {
  for (int i = 0; i < g->nexternal; i++)
    if (g->external[i] == slot || same_constant(p->slots.v[g->external[i]].array, p->slots.v[slot].array))
      return i;
  return -1;
}

static bool is_member(const struct group *g, int32_t slot) {
  for (int i = 0; i < g->nmembers; i++)
    if (g->members[i] == slot) return true;
  return false;
}

/* Adds the node of `slot` to the group if its inputs fit; counts its uses of them. */
static bool try_add(struct mxi_plan *p, struct group *g, int32_t slot) {
  mx_node *n = p->slots.v[slot].array->node;
  int at = find_external(p, g, slot);
  int32_t fresh[3];
  int nfresh = 0;
  for (int i = 0; i < n->ninputs; i++) {
    int32_t in = mxi_plan_slot(p, n->inputs[i]);
    bool known = find_external(p, g, in) >= 0;
    for (int k = 0; k < nfresh; k++)
      known |= fresh[k] == in || same_constant(p->slots.v[fresh[k]].array, p->slots.v[in].array);
    if (!known) fresh[nfresh++] = in;
  }
  if (g->nmembers == g->max_instructions || g->nexternal - (at >= 0) + nfresh > MXI_MAX_OPERANDS)
    return false;
  if (!can_vanish(p, &p->slots.v[slot]) && (g->only_vanishing || g->noutputs == MXI_MAX_OPERANDS))
    return false;
  g->noutputs += !can_vanish(p, &p->slots.v[slot]);
  if (at >= 0) g->external[at] = g->external[--g->nexternal];
  g->members[g->nmembers++] = slot;
  for (int i = 0; i < nfresh; i++) g->external[g->nexternal++] = fresh[i];
  for (int i = 0; i < n->ninputs; i++) {
    struct mxi_slot *s = &p->slots.v[mxi_plan_slot(p, n->inputs[i])];
    if (s->mark != g->id) s->mark = g->id, s->marked_uses = 0;
    s->marked_uses++;
  }
  return true;
}

static bool joins(const struct mxi_plan *p, const struct group *g, mx_array root, int32_t slot) {
  const struct mxi_slot *s = &p->slots.v[slot];
  return s->step == -2 && is_elementwise(s->array) && s->mark == g->id && s->marked_uses == s->uses &&
         mxi_same_shape(s->array, root) && s->array->node->stream == root->node->stream &&
         !is_member(g, slot);
}

/* The group of elementwise nodes that ends in `root`. */
static void gather(struct mxi_plan *p, struct group *g, int32_t root) {
  if (!try_add(p, g, root)) return;
  mx_array end = p->slots.v[root].array;
  if (mxi_env()->no_fusion) return;
  for (int done = 0; done < g->nmembers; done++) { // members grow while we look at them
    mx_node *n = p->slots.v[g->members[done]].array->node;
    for (int i = 0; i < n->ninputs; i++) {
      int32_t in = mxi_plan_slot(p, n->inputs[i]);
      if (joins(p, g, end, in)) try_add(p, g, in);
    }
  }
}

/* Slots are numbered in the order the walk met them: an array's inputs after it, so not by number; by
 * post-order. */
static void sort_members(struct group *g, const int32_t *rank) {
  for (int i = 0; i < g->nmembers / 2; i++) { // consumers came first
    int32_t t = g->members[i];
    g->members[i] = g->members[g->nmembers - 1 - i];
    g->members[g->nmembers - 1 - i] = t;
  }
  for (int i = 1; i < g->nmembers; i++) {
    int32_t slot = g->members[i];
    int k = i;
    for (; k > 0 && rank[g->members[k - 1]] > rank[slot]; k--) g->members[k] = g->members[k - 1];
    g->members[k] = slot;
  }
}

/* Registers by one pass: a temporary's register is free after its last use. False when they run out. */
static bool allocate(const struct mxi_plan *p, const struct group *g, struct mxi_program *program) {
  uint8_t reg[MXI_MAX_INSTRUCTIONS];
  int last_use[MXI_MAX_INSTRUCTIONS];
  for (int i = 0; i < g->nmembers; i++) last_use[i] = i;
  program->ninstructions = g->nmembers;
  program->ninputs = g->nexternal;
  program->noutputs = 0;
  program->nregisters = g->nexternal;
  int source[MXI_MAX_INSTRUCTIONS][3]; // >= 0: member; < 0: ~external
  for (int i = 0; i < g->nmembers; i++) {
    mx_node *n = p->slots.v[g->members[i]].array->node;
    for (int k = 0; k < n->ninputs; k++) {
      int32_t in = mxi_plan_slot(p, n->inputs[k]);
      int m = i - 1;
      while (m >= 0 && g->members[m] != in) m--;
      source[i][k] = m >= 0 ? m : ~find_external(p, g, in);
      if (m >= 0) last_use[m] = i;
    }
  }
  uint32_t busy = (1u << g->nexternal) - 1;
  for (int i = 0; i < g->nmembers; i++) {
    mx_array a = p->slots.v[g->members[i]].array;
    mx_node *n = a->node;
    struct mxi_instruction *ins = &program->instructions[i];
    *ins = (struct mxi_instruction){
        .op = (uint8_t)n->prim->id, .to = a->dtype, .type = n->inputs[n->ninputs == 3 ? 1 : 0]->dtype};
    for (int k = 0; k < n->ninputs; k++)
      ins->src[k] = source[i][k] >= 0 ? reg[source[i][k]] : (uint8_t)~source[i][k];
    bool vanishes = p->slots.v[g->members[i]].vanishes;
    if (!vanishes) last_use[i] = MXI_MAX_INSTRUCTIONS; // an output's register stays
    for (int m = 0; m < i; m++)
      if (last_use[m] == i) busy &= ~(1u << reg[m]);
    if (busy == UINT32_MAX) return false;
    reg[i] = (uint8_t)__builtin_ctz(~busy);
    busy |= 1u << reg[i];
    ins->dst = reg[i];
    if (reg[i] >= program->nregisters) program->nregisters = reg[i] + 1;
    if (!vanishes) {
      program->output_type[program->noutputs] = a->dtype;
      program->output_register[program->noutputs++] = reg[i];
    }
  }
  return true;
}

static int add_operand(struct mxi_plan *p, int32_t slot, int32_t uses) {
  struct mxi_operand_slot o = {slot, uses, false};
  return mxi_push(&p->operands, o);
}

/* References to `slot` among the inputs of the members' nodes. */
static int32_t uses_by(const struct mxi_plan *p, const struct group *g, int32_t slot) {
  return p->slots.v[slot].mark == g->id ? p->slots.v[slot].marked_uses : 0;
}

static int emit_program(struct mxi_plan *p, struct group *g, int32_t root, const int32_t *rank,
                        int32_t reduce) {
  sort_members(g, rank);
  struct mxi_program *program = mxi_malloc(offsetof(struct mxi_program, instructions) +
                                           (size_t)g->nmembers * sizeof(struct mxi_instruction));
  if (!program) return -1;
  for (int i = 0; i < g->nmembers; i++) {
    struct mxi_slot *s = &p->slots.v[g->members[i]];
    s->vanishes = g->members[i] != root && can_vanish(p, s); // the root's value goes on to other steps
  }
  if (!allocate(p, g, program)) { // too many values alive at once: a smaller group
    mxi_free(program);
    return 1;
  }
  if (reduce >= 0) p->slots.v[root].vanishes = true;
  mx_array end = p->slots.v[root].array;
  struct mxi_step step = {.stream = end->node->stream,
                          .program = program,
                          .shape = mxi_shape_of(end),
                          .operands = (int32_t)p->operands.n,
                          .ninputs = g->nexternal,
                          .members = (int32_t)p->members.n,
                          .nmembers = g->nmembers + (reduce >= 0)};
  for (int i = 0; i < g->nexternal; i++) {
    program->input_type[i] = p->slots.v[g->external[i]].array->dtype;
    if (add_operand(p, g->external[i], uses_by(p, g, g->external[i])) < 0) goto fail;
  }
  for (int i = 0; i < g->nmembers; i++) {
    struct mxi_slot *s = &p->slots.v[g->members[i]];
    s->step = (int32_t)p->steps.n;
    step.keeps_nodes |= s->kept_node;
    if (mxi_push(&p->members, g->members[i]) < 0) goto fail;
    if (!s->vanishes && add_operand(p, g->members[i], 0) < 0) goto fail;
  }
  step.noutputs = program->noutputs;
  if (reduce >= 0) {
    struct mxi_slot *s = &p->slots.v[reduce];
    s->step = (int32_t)p->steps.n;
    step.keeps_nodes |= s->kept_node;
    step.reduction = (struct mxi_reduction){s->array->node->params, (mx_dtype)end->dtype, mxi_shape_of(end)};
    step.noutputs = 1;
    if (mxi_push(&p->members, reduce) < 0 || add_operand(p, reduce, 0) < 0) goto fail;
  }
  if (mxi_push(&p->steps, step) == 0) return 0;
fail:
  mxi_free(program);
  return -1;
}

/* One program step ending in `root` (and in the reduction), with as many nodes as fit. */
static int fuse_program(struct mxi_plan *p, int32_t root, const int32_t *rank, int32_t *next_id,
                        int32_t reduce) {
  for (int limit = MXI_MAX_INSTRUCTIONS; limit; limit /= 2) {
    struct group g = {.id = (*next_id)++, .max_instructions = limit, .only_vanishing = reduce >= 0};
    gather(p, &g, root);
    int result = emit_program(p, &g, root, rank, reduce);
    if (result <= 0) return result;
  }
  return mxi_fail(MX_RUNTIME_ERROR, "[eval] expected one instruction to fit the registers, got none");
}

static int emit_node(struct mxi_plan *p, int32_t slot) {
  mx_array a = p->slots.v[slot].array;
  mx_node *n = a->node;
  struct mxi_step step = {.prim = n->prim,
                          .params = n->params,
                          .stream = n->stream,
                          .operands = (int32_t)p->operands.n,
                          .ninputs = n->ninputs,
                          .noutputs = n->noutputs,
                          .members = (int32_t)p->members.n,
                          .nmembers = n->noutputs};
  for (int i = 0; i < n->ninputs; i++) {
    int32_t in = mxi_plan_slot(p, n->inputs[i]);
    int32_t uses = 0;
    for (int k = 0; k < n->ninputs && k < 16; k++) uses += n->inputs[k] == n->inputs[i];
    if (add_operand(p, in, uses) < 0) return -1;
  }
  for (int i = 0; i < n->noutputs; i++) {
    mx_array out = n->noutputs == 1 || i == a->output_index ? mxi_ref(a) : mxi_output_take(n, i);
    int32_t o = out ? mxi_plan_slot(p, out) : -1;
    mxi_unref(out); // not the last reference: the walk holds those that lived, and the others stay gone
    if (o < 0) {    // gone before the walk took it: a stand-in receives the result
      out = mxi_array_new(n->outputs[i].dtype, n->outputs[i].shape);
      struct mxi_slot stand_in = {.array = out, .mark = -1};
      if (!out || mxi_push(&p->stand_ins, out) < 0) return mxi_unref(out), -1;
      out->slot = o = (int32_t)p->slots.n;
      if (mxi_push(&p->slots, stand_in) < 0) return -1;
    }
    p->slots.v[o].step = (int32_t)p->steps.n;
    step.keeps_nodes |= p->slots.v[o].kept_node;
    if (mxi_push(&p->members, o) < 0 || add_operand(p, o, 0) < 0) return -1;
  }
  return mxi_push(&p->steps, step);
}

/* The elementwise root that a reduction takes its values from, or -1. */
static int32_t feeds(const struct mxi_plan *p, mx_array reduce) {
  if (reduce->node->prim->id != MXI_REDUCE || mxi_env()->no_fusion) return -1;
  int32_t in = mxi_plan_slot(p, reduce->node->inputs[0]);
  const struct mxi_slot *s = &p->slots.v[in];
  bool fits = s->step == -2 && s->uses == 1 && is_elementwise(s->array) && can_vanish(p, s) &&
              s->array->node->stream == reduce->node->stream;
  return fits ? in : -1;
}

/* Steps come out last first; their order and that of their numbers is turned around at the end. */
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

/* Marks each slot's last reader, so that a frame drops it there, or lets the step write over it. A step that
   reads one slot by two inputs must not write over it: then no reader is the last. */
static void mark_last_uses(struct mxi_plan *p) {
  for (size_t i = 0; i < p->slots.n; i++) p->slots.v[i].mark = -1;
  for (size_t k = p->steps.n; k--;) {
    struct mxi_step *s = &p->steps.v[k];
    for (int32_t i = 0; i < s->ninputs; i++) {
      struct mxi_operand_slot *o = &p->operands.v[s->operands + i];
      int32_t reader = p->slots.v[o->slot].mark;
      o->last = reader < 0;
      if (reader == (int32_t)k)
        for (int32_t j = 0; j < i; j++)
          if (p->operands.v[s->operands + j].slot == o->slot) p->operands.v[s->operands + j].last = false;
      p->slots.v[o->slot].mark = (int32_t)k;
    }
  }
}

int mxi_plan_fuse(struct mxi_plan *p) {
  int32_t *rank = mxi_malloc(p->slots.n * sizeof *rank), next_id = 0;
  if (!rank) return -1;
  for (size_t i = 0; i < p->order.n; i++) rank[p->order.v[i]] = (int32_t)i;
  int result = 0;
  for (size_t i = p->order.n; i-- && result == 0;) {
    int32_t slot = p->order.v[i];
    if (p->slots.v[slot].step != -2) continue; // already in a group
    mx_array a = p->slots.v[slot].array;
    int32_t feeder = feeds(p, a);
    result = is_elementwise(a) ? fuse_program(p, slot, rank, &next_id, -1)
             : feeder >= 0     ? fuse_program(p, feeder, rank, &next_id, slot)
                               : emit_node(p, slot);
  }
  mxi_free(rank);
  if (result < 0) return -1;
  reverse_steps(p);
  mark_last_uses(p);
  return 0;
}
