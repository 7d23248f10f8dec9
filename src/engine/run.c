/* Evaluation: plan under the lock, run outside it, commit step by step. */
#include "engine/run.h"
#include "engine/queue.h"
#include "base/error.h"
#include "base/lock.h"
#include "core/mapped.h"
#include "core/stream.h"
#include "core/thread.h"

/* ---- One step ---- */
enum { FEW_OPERANDS = 48 };

struct operands {
  mx_array *arrays;
  mx_array few[FEW_OPERANDS];
};

static int operands_init(struct operands *o, const struct mxi_step *s) {
  int n = s->ninputs + s->noutputs;
  o->arrays = n <= FEW_OPERANDS ? o->few : mxi_malloc((size_t)n * sizeof(mx_array));
  return o->arrays ? 0 : -1;
}
static void operands_free(struct operands *o) {
  if (o->arrays != o->few) mxi_free(o->arrays);
}

/* What was computed of mapped files counts if they are what they were. A view has read nothing. */
static int check_files(int ninputs, const mx_array *in, const mx_array *out) {
  int result = 0;
  if (!mxi_mapped_any()) return 0;
  for (int i = 0; i < ninputs && result == 0; i++)
    if (in[i]->buffer != out[0]->buffer) result = mxi_after_reading(in[i]);
  return result;
}

static int run_step(const struct mxi_step *s, mx_array *in, mx_array *out, uint64_t donatable) {
  const struct mxi_backend *b = mxi_backend_of(s->stream->device);
  struct mxi_call c = {s->prim, s->params, s->ninputs, s->noutputs, in, out, donatable};
  int result = s->program ? b->run_program(s->program, s->reduction.params ? &s->reduction : NULL, s->shape,
                                           in, out, donatable)
                          : b->run_node(&c);
  return check_files(s->ninputs, in, out) < 0 ? -1 : result; // the file is why, whatever the op says
}

/* ---- Eval ---- */

/* Is the memory of the array this step's to write over? Its nodes hold every reference, and nobody else the
 * buffer. */
static bool donatable(mx_array a, int32_t uses) {
  return atomic_load_explicit(&a->refs, memory_order_acquire) == uses && mxi_buffer_donatable(a->buffer);
}

/* Results become visible, and nodes let go of their inputs. */
static void commit(struct mxi_plan *p, const struct mxi_step *s) {
  const int32_t *members = p->members.v + s->members;
  for (int i = 0; i < s->nmembers; i++)
    if (!p->slots.v[members[i]].vanishes) mxi_publish(p->slots.v[members[i]].array);
  for (int i = s->nmembers; i--;) {
    struct mxi_slot *slot = &p->slots.v[members[i]];
    if (slot->vanishes) continue; // freed with the nodes that use it
    mx_array a = slot->array;
    if (!s->keeps_nodes && a->node) {
      mx_node *n = a->node;
      a->node = NULL;
      mxi_node_unref(n);
    }
    if (slot->held) {
      slot->held = false;
      mxi_unref(a);
    }
  }
}

static int run_and_commit(struct mxi_plan *p, const struct mxi_step *s) {
  struct operands o;
  MXI_TRY(operands_init(&o, s));
  uint64_t donate = 0;
  for (int i = 0; i < s->ninputs + s->noutputs; i++) {
    const struct mxi_operand_slot *slot = &p->operands.v[s->operands + i];
    o.arrays[i] = p->slots.v[slot->slot].array;
    bool single = s->program || slot->uses == 1; // a node that reads it by two inputs must not write over it
    if (i < s->ninputs && i < 64 && single && !s->keeps_nodes && donatable(o.arrays[i], slot->uses))
      donate |= 1ull << i;
  }
  int result = run_step(s, o.arrays, o.arrays + s->ninputs, donate);
  if (result == 0)
    commit(p, s);
  else
    for (int i = 0; i < s->noutputs; i++) mxi_reset_data(o.arrays[s->ninputs + i]);
  operands_free(&o);
  return result;
}

struct evaluation {
  struct mxi_plan *plan;
  struct mxi_tickets tickets;
};

static int run_plan(struct mxi_plan *p, const struct mxi_tickets *tickets) {
  mxi_tickets_wait(tickets);
  int result = 0;
  size_t done = 0;
  for (size_t i = 0; i < p->waits.n && result == 0; i++) result = mxi_task_wait(p->waits.v[i]);
  mxi_before_reading();
  if (result == 0 && p->steps.n) {
    const struct mxi_backend *b = mxi_backend_of(p->steps.v[0].stream->device);
    unsigned saved;
    b->enter(&saved);
    for (; done < p->steps.n && result == 0; done += result == 0)
      result = run_and_commit(p, &p->steps.v[done]);
    b->leave(&saved);
  }
  if (result < 0) {
    mxi_lock(MXI_LOCK_PLANNING);
    mxi_plan_unclaim(p, (int32_t)done);
    mxi_unlock(MXI_LOCK_PLANNING);
  }
  mxi_tickets_done(tickets);
  mxi_task_finish(p->task, result);
  mxi_plan_free(p);
  return result;
}

/* Plans the evaluation of the roots. 1: to run; 0: nothing to do; -1: failed. */
static int plan(int n, const mx_array *roots, struct evaluation *e) {
  struct mxi_plan *p = e->plan = mxi_plan_new();
  e->tickets.n = 0;
  if (!p) return -1;
  if (!(p->task = mxi_task_new())) {
    mxi_plan_free(p);
    return -1;
  }
  mxi_lock(MXI_LOCK_PLANNING);
  int result = mxi_plan_walk(p, n, roots);
  if (result == 0) result = mxi_plan_fuse(p);
  for (size_t i = 0; i < p->steps.n && result == 0; i++)
    if (i == 0 || p->steps.v[i].stream != p->steps.v[i - 1].stream)
      result = mxi_tickets_take(&e->tickets, p->steps.v[i].stream);
  if (result == 0)
    mxi_plan_hold(p);
  else
    mxi_plan_unclaim(p, 0);
  mxi_unlock(MXI_LOCK_PLANNING);
  if (result == 0 && (p->steps.n || p->waits.n)) return 1;
  if (e->tickets.n) { // taken before the failure: pass them on in turn
    mxi_tickets_wait(&e->tickets);
    mxi_tickets_done(&e->tickets);
  }
  mxi_task_finish(p->task, result);
  mxi_plan_free(p);
  return result;
}

static int check_roots(int n, const mx_array *roots, bool *all_ready) {
  *all_ready = true;
  for (int i = 0; i < n; i++) {
    if (!roots[i]) return mxi_fail(MX_TYPE_ERROR, "[eval] expected an array, got NULL");
    if (roots[i] == MX_BAD) {
      if (mx_error_code() == MX_OK)
        mxi_fail(MX_RUNTIME_ERROR, "[eval] expected an array, got the result of a failed op");
      return -1;
    }
    bool is_ready = mxi_state(roots[i]) == MXI_READY;
    if (is_ready && mxi_mapped_any()) MXI_TRY(mxi_after_reading(roots[i]));
    *all_ready &= is_ready;
  }
  return 0;
}

int mx_eval_all(int n, const mx_array *roots) {
  bool all_ready;
  MXI_TRY(check_roots(n, roots, &all_ready));
  if (all_ready) return 0;
  struct evaluation e;
  int result = plan(n, roots, &e);
  if (result > 0) result = run_plan(e.plan, &e.tickets);
  mxi_drain_unbound();
  return result;
}

int mx_eval(mx_array a) { return mx_eval_all(1, &a); }

static void run_posted(void *context) {
  struct evaluation *e = context;
  run_plan(e->plan, &e->tickets);
  mxi_free(e);
}

int mx_async_eval(int n, const mx_array *roots) {
  bool all_ready;
  MXI_TRY(check_roots(n, roots, &all_ready));
  if (all_ready) return 0;
  struct evaluation *e = mxi_malloc(sizeof *e);
  if (!e) return -1;
  int result = plan(n, roots, e);
  if (result > 0 && !e->tickets.n) { // all of it is under way in other evals
    mxi_task_finish(e->plan->task, 0);
    mxi_plan_free(e->plan);
    result = 0;
  }
  if (result > 0 && mxi_queue_post(&e->tickets, run_posted, e) == 0) return 0;
  if (result > 0) result = run_plan(e->plan, &e->tickets); // no thread to be had: run it here
  mxi_free(e);
  return result;
}

int mx_synchronize(mx_stream s) {
  if (!s && !(s = mx_default_stream(mx_default_device()))) return -1;
  struct mxi_tickets t = {0};
  mxi_lock(MXI_LOCK_PLANNING);
  int result = mxi_tickets_take(&t, s);
  mxi_unlock(MXI_LOCK_PLANNING);
  if (result < 0) return -1;
  mxi_tickets_wait(&t);
  mxi_tickets_done(&t);
  mxi_drain_unbound();
  return 0;
}

/* ---- Kept plans ---- */
static int run_in_frame(const struct mxi_plan *p, const struct mxi_step *s, struct mxi_frame *f) {
  struct operands o;
  MXI_TRY(operands_init(&o, s));
  const struct mxi_operand_slot *slots = p->operands.v + s->operands;
  uint64_t donate = 0;
  int result = 0;
  for (int i = 0; i < s->ninputs; i++) {
    mx_array a = o.arrays[i] = f->arrays[slots[i].slot];
    bool ours = (f->flags[slots[i].slot] & MXI_FRAME_DONATABLE) && slots[i].last && i < 64;
    if (ours && mxi_buffer_donatable(a->buffer)) donate |= 1ull << i;
  }
  for (int i = s->ninputs; i < s->ninputs + s->noutputs && result == 0; i++) {
    int32_t k = slots[i].slot;
    if (!f->arrays[k]) {
      mx_array like = p->slots.v[k].array;
      f->arrays[k] = mxi_array_new((mx_dtype)like->dtype, mxi_shape_of(like));
      f->flags[k] = MXI_FRAME_OWNED | MXI_FRAME_DONATABLE;
      if (!f->arrays[k]) result = -1;
    }
    o.arrays[i] = f->arrays[k];
  }
  if (result == 0) result = run_step(s, o.arrays, o.arrays + s->ninputs, donate);
  for (int i = 0; i < s->ninputs && result == 0; i++) {
    int32_t k = slots[i].slot;
    if (!slots[i].last || !(f->flags[k] & MXI_FRAME_OWNED) || !f->arrays[k]) continue;
    mxi_unref(f->arrays[k]);
    f->arrays[k] = NULL;
    f->flags[k] = 0;
  }
  operands_free(&o);
  return result;
}

int mxi_plan_run_frame(const struct mxi_plan *p, struct mxi_frame *frame) {
  for (size_t i = 0; i < p->steps.n; i++) MXI_TRY(run_in_frame(p, &p->steps.v[i], frame));
  return 0;
}
