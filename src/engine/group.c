/* Which elementwise nodes run together.

   Going backwards from consumers to producers, a producer joins its consumers' group when every use of it in
   this plan is by that group: then no path leaves the group and comes back, except through its root. What
   nobody else refers to vanishes into a register; the rest are further outputs of the step, as the root's
   value always is, unless it goes into a reduction. One check, in try_add, keeps the group within its limits.
 */
#include "engine/group.h"
#include "base/env.h"

/* Does the member's value leave the step? Decided once, when it joins: others may drop references meanwhile.
 */
static bool is_output(const struct mxi_plan *p, const struct mxi_group *g, int32_t member) {
  if (member == g->root) return !g->ends_in_reduce;
  return !mxi_can_vanish(p, &p->slots.v[member]);
}

/* Equal constants are one operand. */
static int find_operand(const struct mxi_plan *p, const int32_t *slots, int n, int32_t slot) {
  for (int i = 0; i < n; i++)
    if (slots[i] == slot || mxi_same_constant(p->slots.v[slots[i]].array, p->slots.v[slot].array)) return i;
  return -1;
}
int mxi_group_input(const struct mxi_plan *p, const struct mxi_group *g, int32_t slot) {
  return find_operand(p, g->inputs, g->ninputs, slot);
}

static bool is_member(const struct mxi_group *g, int32_t slot) {
  for (int i = 0; i < g->nmembers; i++)
    if (g->members[i] == slot) return true;
  return false;
}

/* The group's inputs, were `slot` a member: into inputs[2 * MXI_MAX_OPERANDS]; their number. */
static int inputs_with(const struct mxi_plan *p, const struct mxi_group *g, int32_t slot, int32_t *inputs) {
  const mx_node *node = p->slots.v[slot].array->node;
  int n = 0;
  for (int i = 0; i < g->ninputs; i++)
    if (g->inputs[i] != slot) inputs[n++] = g->inputs[i];
  for (int i = 0; i < node->ninputs; i++) {
    int32_t in = mxi_plan_slot(p, node->inputs[i]);
    if (find_operand(p, inputs, n, in) < 0) inputs[n++] = in;
  }
  return n;
}

/* Adds the node of `slot` to the group if it stays within the limits; counts its uses of its inputs. */
static bool try_add(struct mxi_plan *p, struct mxi_group *g, int32_t slot) {
  int32_t inputs[2 * MXI_MAX_OPERANDS];
  int ninputs = inputs_with(p, g, slot, inputs);
  bool output = is_output(p, g, slot);
  int noutputs = g->noutputs + output, counted = noutputs + g->ends_in_reduce;
  if (g->nmembers == g->limits.instructions || ninputs > g->limits.inputs || counted > g->limits.outputs ||
      ninputs + counted > g->limits.operands)
    return false;
  if (g->ends_in_reduce && output) return false;
  for (int i = 0; i < ninputs; i++) g->inputs[i] = inputs[i];
  g->ninputs = ninputs;
  g->noutputs = noutputs;
  g->members[g->nmembers++] = slot;
  p->slots.v[slot].vanishes = !output;
  const mx_node *node = p->slots.v[slot].array->node;
  for (int i = 0; i < node->ninputs; i++) {
    struct mxi_slot *s = &p->slots.v[mxi_plan_slot(p, node->inputs[i])];
    if (s->mark != g->id) s->mark = g->id, s->marked_uses = 0;
    s->marked_uses++;
  }
  return true;
}

static bool joins(const struct mxi_plan *p, const struct mxi_group *g, int32_t slot) {
  const struct mxi_slot *s = &p->slots.v[slot];
  mx_array root = p->slots.v[g->root].array;
  return s->step == MXI_STEP_NONE && mxi_is_elementwise(s->array) && s->mark == g->id &&
         s->marked_uses == s->uses && mxi_same_shape(s->array, root) &&
         s->array->node->stream == root->node->stream && !is_member(g, slot);
}

/* Members came consumers first; their ranks tell the order in which they can run. */
static void sort_members(const struct mxi_plan *p, struct mxi_group *g) {
  for (int i = 0; i < g->nmembers / 2; i++) {
    int32_t t = g->members[i];
    g->members[i] = g->members[g->nmembers - 1 - i];
    g->members[g->nmembers - 1 - i] = t;
  }
  for (int i = 1; i < g->nmembers; i++) {
    int32_t slot = g->members[i];
    int k = i;
    for (; k > 0 && p->rank.v[g->members[k - 1]] > p->rank.v[slot]; k--) g->members[k] = g->members[k - 1];
    g->members[k] = slot;
  }
}

void mxi_group_gather(struct mxi_plan *p, struct mxi_group *g) {
  g->ninputs = g->noutputs = g->nmembers = 0;
  if (!try_add(p, g, g->root) || mxi_env()->no_fusion) return;
  for (int done = 0; done < g->nmembers; done++) { // members grow while we look at them
    const mx_node *node = p->slots.v[g->members[done]].array->node;
    for (int i = 0; i < node->ninputs; i++) {
      int32_t in = mxi_plan_slot(p, node->inputs[i]);
      if (joins(p, g, in)) try_add(p, g, in);
    }
  }
  sort_members(p, g);
}
