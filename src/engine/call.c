#include "engine/call.h"
#include "engine/arena.h"
#include "engine/liveness.h"
#include "engine/queue.h"
#include "engine/run.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/lock.h"
#include "base/map.h"
#include <string.h>

enum { FEW_SLOTS = 128 };

static void release(mxi_object *o) {
  struct mxi_kept *k = (struct mxi_kept *)o;
  if (k->plan) mxi_plan_free(k->plan);
  for (int i = 0; i < k->ninputs; i++) mxi_unref(k->inputs[i]);
  for (int i = 0; i < k->noutputs; i++) mxi_unref(k->outputs[i]);
  mxi_free(k->used);
  mxi_free(k);
}

static int list_used(struct mxi_kept *k) {
  const struct mxi_plan *p = k->plan;
  if (!(k->used = mxi_malloc((p->slots.n + 1) * sizeof *k->used))) return -1;
  for (size_t i = 0; i < p->slots.n; i++)
    if (!p->slots.v[i].vanishes) k->used[k->nused++] = (int32_t)i;
  return 0;
}

/* Plans the traced graph. Inputs get slots even when no output depends on them. */
static int make_plan(struct mxi_kept *k) {
  if (!(k->plan = mxi_plan_new())) return -1;
  k->plan->compiled = true;
  mxi_lock(MXI_LOCK_PLANNING);
  int result = mxi_plan_walk(k->plan, k->ninputs, k->inputs);
  if (result == 0) result = mxi_plan_walk(k->plan, k->noutputs, k->outputs);
  for (size_t i = (size_t)k->ninputs; i < k->plan->slots.n && result == 0; i++)
    if (mxi_state(k->plan->slots.v[i].array) == MXI_PLACEHOLDER)
      result = mxi_fail(MX_INVALID_ARGUMENT,
                        "[compile] expected arrays with values besides the arguments, got a placeholder of a "
                        "trace that is over");
  if (result == 0) result = mxi_plan_make_steps(k->plan);
  if (result == 0) mxi_plan_mark_last_uses(k->plan);
  if (result == 0) result = mxi_plan_lay_out(k->plan);
  for (int i = 0; i < k->ninputs && result == 0; i++) k->slots[i] = mxi_plan_slot(k->plan, k->inputs[i]);
  for (int i = 0; i < k->noutputs && result == 0; i++)
    k->slots[k->ninputs + i] = mxi_plan_slot(k->plan, k->outputs[i]);
  mxi_unlock(MXI_LOCK_PLANNING);
  return result < 0 ? result : list_used(k);
}

struct mxi_kept *mxi_kept_new(int ninputs, const mx_array *inputs, int noutputs, const mx_array *outputs) {
  struct mxi_kept *k =
      mxi_malloc(sizeof *k + (size_t)(ninputs + noutputs) * (sizeof(mx_array) + sizeof(int32_t)));
  if (!k) {
    for (int i = 0; i < ninputs; i++) mxi_unref(inputs[i]);
    for (int i = 0; i < noutputs; i++) mxi_unref(outputs[i]);
    return NULL;
  }
  *k = (struct mxi_kept){
      .object = {1, release}, .ninputs = ninputs, .noutputs = noutputs, .inputs = (mx_array *)(k + 1)};
  k->outputs = k->inputs + ninputs;
  k->slots = (int32_t *)(k->outputs + noutputs);
  memcpy(k->inputs, inputs, (size_t)ninputs * sizeof *inputs);
  memcpy(k->outputs, outputs, (size_t)noutputs * sizeof *outputs);
  if (make_plan(k) == 0) return k;
  release(&k->object);
  return NULL;
}

int mxi_kept_run(const struct mxi_step *s, struct mxi_operands *o) {
  const struct mxi_kept *k = (const struct mxi_kept *)((const struct mxi_p_CALL *)s->params->fields)->plan;
  const struct mxi_plan *p = k->plan;
  size_t n = p->slots.n;
  struct mxi_frame f;
  mx_array few[FEW_SLOTS + FEW_SLOTS / sizeof(mx_array)];
  f.arrays = n <= FEW_SLOTS ? few : mxi_malloc(n * (sizeof(mx_array) + 1));
  if (!f.arrays) return -1;
  f.flags = (uint8_t *)(f.arrays + n);
  for (int u = 0; u < k->nused; u++) {
    int32_t i = k->used[u];
    f.arrays[i] = p->slots.v[i].step == MXI_STEP_LEAF ? p->slots.v[i].array : NULL;
    f.flags[i] = 0;
  }
  for (int i = 0; i < k->ninputs; i++) {
    int32_t slot = k->slots[i];
    f.arrays[slot] = o->in[i];
    if (i < 64 && (o->donatable >> i & 1)) f.flags[slot] = MXI_FRAME_DONATABLE;
  }
  for (int i = 0; i < k->noutputs; i++) {
    int32_t slot = k->slots[k->ninputs + i];
    if (p->slots.v[slot].step >= 0 && !f.arrays[slot])
      f.arrays[slot] = o->out[i];
    else
      f.flags[slot] &=
          (uint8_t)~MXI_FRAME_DONATABLE; // an input or a constant, or given twice: seen by several
  }
  int result = mxi_plan_run_frame(p, &f);
  for (int i = 0; i < k->noutputs && result == 0; i++) {
    mx_array a = f.arrays[k->slots[k->ninputs + i]];
    if (a != o->out[i]) mxi_set_view(o->out[i], a, 0, mxi_strides(a));
  }
  for (int i = 0; i < k->ninputs && i < 64; i++)
    if (f.flags[k->slots[i]] & MXI_FRAME_TAKEN) o->taken |= 1ull << i;
  for (int u = 0; u < k->nused; u++)
    if (f.flags[k->used[u]] & MXI_FRAME_OWNED) mxi_unref(f.arrays[k->used[u]]);
  if (f.arrays != few) mxi_free(f.arrays);
  return result;
}

/* The arrays' own slot fields may belong to other plans by now, as those of constants do. */
static int map_slots(const struct mxi_plan *p, struct mxi_map *slots) {
  for (size_t i = 0; i < p->slots.n; i++) MXI_TRY(mxi_map_put(slots, p->slots.v[i].array, (int32_t)i));
  return 0;
}

static int replay_node(const struct mxi_plan *p, const struct mxi_map *slots, int32_t slot,
                       mx_array *values) {
  mx_array like = p->slots.v[slot].array;
  const mx_node *node = like->node;
  int nout = node->noutputs;
  mx_array *in = mxi_malloc((size_t)(node->ninputs + 2 * nout) * sizeof *in);
  if (!in) return -1;
  mx_array *made = in + node->ninputs, *likes = made + nout;
  for (int i = 0; i < node->ninputs; i++) in[i] = values[mxi_map_get(slots, node->inputs[i])];
  const struct mxi_step *s = &p->steps.v[p->slots.v[slot].step];
  for (int i = 0; i < nout;
       i++) // of several outputs each has a slot, a stand-in's at least: the step's operands
    likes[i] = nout == 1 ? like : p->slots.v[p->operands.v[s->operands + s->ninputs + i].slot].array;
  int result = mxi_apply_like(node, likes, in, made);
  for (int i = 0; i < nout && result == 0; i++) values[mxi_map_get(slots, likes[i])] = made[i];
  mxi_free(in);
  return result;
}

int mxi_kept_replay(const struct mxi_kept *k, const mx_array *inputs, mx_array *out) {
  const struct mxi_plan *p = k->plan;
  struct mxi_map slots = {0};
  mx_array *values = mxi_malloc(p->slots.n * sizeof *values);
  int result = values ? map_slots(p, &slots) : -1;
  for (size_t i = 0; i < p->slots.n && result == 0; i++)
    values[i] = p->slots.v[i].step == MXI_STEP_LEAF ? p->slots.v[i].array : NULL;
  for (int i = 0; i < k->ninputs && result == 0; i++) values[k->slots[i]] = inputs[i];
  for (size_t i = 0; i < p->order.n && result == 0; i++)
    result = replay_node(p, &slots, p->order.v[i], values);
  for (int i = 0; i < k->noutputs; i++) {
    out[i] = result == 0 ? mxi_own(mxi_ref(values[k->slots[k->ninputs + i]])) : MX_BAD;
    if (out[i] == MX_BAD) result = -1;
  }
  mxi_map_free(&slots);
  mxi_free(values);
  return result;
}
