#include "engine/call.h"
#include "engine/queue.h"
#include "engine/run.h"
#include "base/alloc.h"
#include "base/error.h"
#include <string.h>

static void release(mxi_object *o) {
  struct mxi_kept *k = (struct mxi_kept *)o;
  if (k->plan) mxi_plan_free(k->plan);
  for (int i = 0; i < k->ninputs; i++) mxi_unref(k->inputs[i]);
  for (int i = 0; i < k->noutputs; i++) mxi_unref(k->outputs[i]);
  mxi_free(k);
}

/* Plans the traced graph. Inputs get slots even when no output depends on them. */
static int make_plan(struct mxi_kept *k) {
  if (!(k->plan = mxi_plan_new())) return -1;
  k->plan->compiled = true;
  k->plan->tracing = false;
  mxi_planning_lock();
  int result = mxi_plan_walk(k->plan, k->ninputs, k->inputs);
  if (result == 0) result = mxi_plan_walk(k->plan, k->noutputs, k->outputs);
  for (size_t i = (size_t)k->ninputs; i < k->plan->slots.n && result == 0; i++)
    if (mxi_state(k->plan->slots.v[i].array) == MXI_PLACEHOLDER)
      result = mxi_fail(MX_INVALID_ARGUMENT,
                        "[compile] expected arrays with values besides the arguments, got a placeholder of a "
                        "trace that is over");
  if (result == 0) result = mxi_plan_fuse(k->plan);
  mxi_planning_unlock();
  return result;
}

struct mxi_kept *mxi_kept_new(int ninputs, const mx_array *inputs, int noutputs, const mx_array *outputs) {
  struct mxi_kept *k = mxi_malloc(sizeof *k + (size_t)(ninputs + noutputs) * sizeof(mx_array));
  if (!k) {
    for (int i = 0; i < ninputs; i++) mxi_unref(inputs[i]);
    for (int i = 0; i < noutputs; i++) mxi_unref(outputs[i]);
    return NULL;
  }
  *k = (struct mxi_kept){
      .object = {1, release}, .ninputs = ninputs, .noutputs = noutputs, .inputs = (mx_array *)(k + 1)};
  k->outputs = k->inputs + ninputs;
  memcpy(k->inputs, inputs, (size_t)ninputs * sizeof *inputs);
  memcpy(k->outputs, outputs, (size_t)noutputs * sizeof *outputs);
  if (make_plan(k) == 0) return k;
  release(&k->object);
  return NULL;
}

/* The slot of the k-th placeholder is its place in the first walk; outputs are looked up once, by the traced
   array: slots written by other plans since then don't matter, for a kept plan's own arrays are met by no
   other walk. */
static int32_t slot_of(const struct mxi_plan *p, mx_array a) {
  int32_t slot = mxi_plan_slot(p, a);
  for (size_t i = 0; slot < 0 && i < p->slots.n; i++) // a constant, met by other plans since
    if (p->slots.v[i].array == a) slot = (int32_t)i;
  return slot;
}

int mxi_kept_run(struct mxi_call *c) {
  const struct mxi_kept *k = (const struct mxi_kept *)MXI_CALL_PARAMS(CALL, c)->plan;
  const struct mxi_plan *p = k->plan;
  size_t n = p->slots.n;
  struct mxi_frame f;
  f.arrays = mxi_malloc(n * (sizeof(mx_array) + 1));
  if (!f.arrays) return -1;
  f.flags = (uint8_t *)(f.arrays + n);
  memset(f.flags, 0, n);
  for (size_t i = 0; i < n; i++) f.arrays[i] = p->slots.v[i].step == -1 ? p->slots.v[i].array : NULL;
  for (int i = 0; i < k->ninputs; i++) {
    int32_t slot = slot_of(p, k->inputs[i]);
    f.arrays[slot] = c->in[i];
    if (i < 64 && (c->donatable >> i & 1)) f.flags[slot] = MXI_FRAME_DONATABLE;
  }
  for (int i = 0; i < k->noutputs; i++) {
    int32_t slot = slot_of(p, k->outputs[i]);
    if (p->slots.v[slot].step >= 0 && !f.arrays[slot])
      f.arrays[slot] = c->out[i];
    else
      f.flags[slot] &=
          (uint8_t)~MXI_FRAME_DONATABLE; // an input or a constant, or given twice: seen by several
  }
  int result = mxi_plan_run_frame(p, &f);
  for (int i = 0; i < k->noutputs && result == 0; i++) {
    mx_array a = f.arrays[slot_of(p, k->outputs[i])];
    if (a != c->out[i]) mxi_set_view(c->out[i], a, 0, mxi_strides(a));
  }
  for (size_t i = 0; i < n; i++)
    if (f.flags[i] & MXI_FRAME_OWNED) mxi_unref(f.arrays[i]);
  mxi_free(f.arrays);
  return result;
}

int mxi_kept_replay(const struct mxi_kept *k, const mx_array *inputs, mx_array *out) {
  const struct mxi_plan *p = k->plan;
  mx_array *map = mxi_malloc(p->slots.n * sizeof *map), *in = NULL;
  if (!map) return -1;
  for (size_t i = 0; i < p->slots.n; i++) map[i] = p->slots.v[i].step == -1 ? p->slots.v[i].array : NULL;
  for (int i = 0; i < k->ninputs; i++) map[slot_of(p, k->inputs[i])] = inputs[i];
  int result = 0;
  for (size_t i = 0; i < p->order.n && result == 0; i++) {
    mx_array like = p->slots.v[p->order.v[i]].array;
    const mx_node *node = like->node;
    int nout = node->noutputs;
    in = mxi_malloc((size_t)(node->ninputs + 2 * nout) * sizeof *in);
    if (!in) {
      result = -1;
      break;
    }
    mx_array *made = in + node->ninputs, *likes = made + nout;
    for (int j = 0; j < node->ninputs; j++) in[j] = map[slot_of(p, node->inputs[j])];
    if (nout == 1)
      likes[0] = like;
    else // every output has a slot: a real one or a stand-in's, as operands of the node's step
      for (int j = 0; j < nout; j++) {
        const struct mxi_step *s = &p->steps.v[p->slots.v[p->order.v[i]].step];
        likes[j] = p->slots.v[p->operands.v[s->operands + s->ninputs + j].slot].array;
      }
    result = mxi_apply_like(node, likes, in, made);
    for (int j = 0; j < nout && result == 0; j++) map[slot_of(p, likes[j])] = made[j];
    mxi_free(in);
  }
  for (int i = 0; i < k->noutputs; i++) out[i] = result == 0 ? map[slot_of(p, k->outputs[i])] : MX_BAD;
  for (int i = 0; i < k->noutputs && result == 0; i++) out[i] = mxi_own(mxi_ref(out[i]));
  mxi_free(map);
  return result;
}
