/* The walk from the roots, without recursion: a graph may be a million nodes deep. */
#include "engine/plan.h"
#include "base/lock.h"
#include "core/tracer.h"
#include "engine/backend.h"

struct visit {
  mx_node *node;
  int32_t slot; /* of the output by which the walk came */
  int32_t next; /* input to look at next */
};

/* The lists of a larger plan, some 200 bytes a slot, and those of compiled functions go back to the system.
 */
enum { MOST_SLOTS_KEPT = 1 << 14 };
static struct mxi_plan *free_plans; // under MXI_LOCK_PLANS

struct mxi_plan *mxi_plan_new(void) {
  mxi_lock(MXI_LOCK_PLANS);
  struct mxi_plan *p = free_plans;
  if (p) free_plans = p->next_free;
  mxi_unlock(MXI_LOCK_PLANS);
  if (!p && !(p = mxi_calloc(1, sizeof *p))) return NULL;
  p->task = NULL;
  p->compiled = false;
  p->arena_bytes = 0;
  return p;
}

static void free_program(const struct mxi_step *s) {
  if (!s->program) return;
  const struct mxi_backend *b = mxi_backend_of(s->stream->device);
  if (b->forget) b->forget(s->prepared);
  mxi_free(s->program);
}

void mxi_plan_free(struct mxi_plan *p) {
  for (size_t i = 0; i < p->steps.n; i++) free_program(&p->steps.v[i]);
  for (size_t i = 0; i < p->waits.n; i++) mxi_task_unref(p->waits.v[i]);
  for (size_t i = 0; i < p->stand_ins.n; i++) mxi_unref(p->stand_ins.v[i]);
  for (size_t i = 0; i < p->slots.n; i++)
    if (p->slots.v[i].held) mxi_unref(p->slots.v[i].array);
  mxi_task_unref(p->task);
  if (p->compiled || p->slots.cap > MOST_SLOTS_KEPT) {
    mxi_vec_free(&p->slots);
    mxi_vec_free(&p->order);
    mxi_vec_free(&p->rank);
    mxi_vec_free(&p->steps);
    mxi_vec_free(&p->operands);
    mxi_vec_free(&p->members);
    mxi_vec_free(&p->stack);
  }
  p->slots.n = p->order.n = p->steps.n = p->operands.n = p->members.n = p->waits.n = p->stand_ins.n =
      p->stack.n = 0;
  mxi_lock(MXI_LOCK_PLANS);
  p->next_free = free_plans;
  free_plans = p;
  mxi_unlock(MXI_LOCK_PLANS);
}

void mxi_plan_hold(struct mxi_plan *p) {
  for (size_t i = 0; i < p->slots.n; i++) {
    struct mxi_slot *s = &p->slots.v[i];
    if (s->step < 0 || s->vanishes || s->held) continue;
    mxi_ref(s->array);
    s->held = true;
  }
}

void mxi_plan_unclaim(struct mxi_plan *p, int32_t first_step) {
  for (size_t i = 0; i < p->slots.n; i++) {
    struct mxi_slot *s = &p->slots.v[i];
    if (s->step == MXI_STEP_LEAF || (s->step >= 0 && s->step < first_step)) continue;
    if (mxi_state(s->array) == MXI_CLAIMED && s->array->task == p->task)
      atomic_store(&s->array->state, MXI_LAZY);
  }
}

static int32_t add_slot(struct mxi_plan *p, mx_array a, int32_t step) {
  struct mxi_slot s = {.array = a, .mark = -1, .step = step};
  if (mxi_push(&p->slots, s) < 0) return -1;
  a->slot = (int32_t)p->slots.n - 1;
  return a->slot;
}

/* Claims a for this plan; its consumers and, from mxi_plan_hold on, the plan keep it alive. */
static int32_t claim(struct mxi_plan *p, mx_array a) {
  int32_t slot = add_slot(p, a, MXI_STEP_NONE);
  if (slot < 0) return -1;
  p->slots.v[slot].kept_node = !p->compiled && mxi_session_is_open(a->session);
  if (p->compiled) return slot;
  mxi_task_unref(a->task); // of an eval that failed
  a->task = mxi_task_ref(p->task);
  atomic_store_explicit(&a->state, MXI_CLAIMED, memory_order_relaxed);
  return slot;
}

/* Outputs of a node run together: claims the others alive, with a reference, for nothing else may hold them.
 */
static int claim_siblings(struct mxi_plan *p, mx_node *n, mx_array first) {
  for (int i = 0; i < n->noutputs; i++) {
    if (i == first->output_index) continue;
    if (mxi_reserve(&p->slots, p->slots.n + 1) < 0) return -1;
    mx_array a = mxi_output_take(n, i);
    if (a) p->slots.v[claim(p, a)].held = true;
  }
  return 0;
}

/* The slot of an input or root, and on the stack its node if it has to run. */
static int32_t visit(struct mxi_plan *p, mx_array a) {
  int32_t slot = mxi_plan_slot(p, a);
  if (slot >= 0) return slot;
  switch (mxi_state(a)) {
  case MXI_READY:
  case MXI_SUBMITTED: return add_slot(p, a, MXI_STEP_LEAF);
  case MXI_PLACEHOLDER:
    if (p->compiled) return add_slot(p, a, MXI_STEP_LEAF);
    mxi_fail(MX_INVALID_ARGUMENT, "[eval] expected arrays with values, got a placeholder: what depends on a "
                                  "function's arguments can't be evaluated while compile or vmap traces it, "
                                  "nor later");
    return -1;
  case MXI_CLAIMED:
    if (mxi_push(&p->waits, a->task) < 0) return -1;
    mxi_task_ref(a->task);
    return add_slot(p, a, MXI_STEP_LEAF);
  case MXI_LOST:
    mxi_fail(MX_RUNTIME_ERROR,
             "[eval] expected the values that the result is made of, got one that was lost: an "
             "evaluation that failed or was interrupted had begun to write over it. Build the "
             "result anew");
    return -1;
  case MXI_BAD:
    mxi_fail(MX_RUNTIME_ERROR, "[eval] expected an array, got the result of a failed op");
    return -1;
  default: break;
  }
  slot = claim(p, a);
  if (slot < 0) return -1;
  if (a->node->noutputs > 1 && claim_siblings(p, a->node, a) < 0) return -1;
  struct visit v = {a->node, slot, 0};
  return mxi_push(&p->stack, v) < 0 ? -1 : slot;
}

int mxi_plan_walk(struct mxi_plan *p, int n, const mx_array *roots) {
  for (int r = 0; r < n; r++) {
    int32_t root = visit(p, roots[r]);
    if (root < 0) return -1;
    p->slots.v[root].output = true;
    while (p->stack.n) {
      struct visit *v = &p->stack.v[p->stack.n - 1];
      if (v->next == v->node->ninputs) {
        if (mxi_push(&p->order, v->slot) < 0) return -1;
        p->stack.n--;
        continue;
      }
      int32_t reader = v->slot, slot = visit(p, v->node->inputs[v->next++]);
      if (slot < 0) return -1;
      p->slots.v[slot].uses++;
      p->slots.v[slot].pinned |= p->slots.v[reader].kept_node;
    }
  }
  return 0;
}
