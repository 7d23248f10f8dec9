/* Evaluation: plan under the lock, run outside it, commit step by step. */
#include "engine/run.h"
#include "engine/memory.h"
#include "engine/place.h"
#include "engine/queue.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/lock.h"
#include "core/interrupt.h"
#include "core/mapped.h"
#include "core/stream.h"
#include "core/thread.h"
#include "core/tracer.h"

/* ---- The arrays of one step ---- */
enum { FEW_OPERANDS = 48 };

struct few_operands {
  struct mxi_operands o;
  mx_array few[FEW_OPERANDS];
};

static int operands_init(struct few_operands *f, const struct mxi_step *s) {
  int n = s->ninputs + s->noutputs;
  f->o.in = n <= FEW_OPERANDS ? f->few : mxi_malloc((size_t)n * sizeof(mx_array));
  f->o.out = f->o.in + s->ninputs;
  f->o.donatable = 0;
  f->o.arena = NULL;
  return f->o.in ? 0 : -1;
}
static void operands_free(struct few_operands *f) {
  if (f->o.in != f->few) mxi_free(f->o.in);
}

/* ---- Eval ---- */
/* Is the memory of the array this step's to write over? Its nodes hold every reference and let go of it, and
   nobody else holds the buffer. */
static bool donatable(const struct mxi_slot *slot, int32_t uses, mx_stream s) {
  mx_array a = slot->array;
  return !slot->pinned && atomic_load_explicit(&a->refs, memory_order_acquire) == uses && mxi_may_take(a, s);
}

static void find_operands(struct mxi_plan *p, const struct mxi_step *s, struct mxi_operands *o) {
  for (int i = 0; i < s->ninputs + s->noutputs; i++) {
    const struct mxi_operand_slot *operand = &p->operands.v[s->operands + i];
    const struct mxi_slot *slot = &p->slots.v[operand->slot];
    o->in[i] = slot->array; // outputs follow the inputs
    /* a node that reads it by two inputs must not write over it */
    bool once = s->kind == MXI_STEP_PROGRAM || operand->uses == 1;
    if (i < s->ninputs && i < 64 && once && donatable(slot, operand->uses, s->stream))
      o->donatable |= 1ull << i;
  }
}

static void publish(mx_array a) {
  atomic_store_explicit(&a->state, mxi_state_of_result(a), memory_order_release);
}

/* Results become visible, and nodes let go of their inputs. */
static void commit(struct mxi_plan *p, const struct mxi_step *s) {
  const int32_t *members = p->members.v + s->members;
  for (int i = 0; i < s->nmembers; i++)
    if (!p->slots.v[members[i]].vanishes) publish(p->slots.v[members[i]].array);
  for (int i = s->nmembers; i--;) {
    struct mxi_slot *slot = &p->slots.v[members[i]];
    if (slot->vanishes) continue; // freed with the nodes that use it
    mx_array a = slot->array;
    if (slot->kept_node) {
      mxi_session_evaluated(a);
    } else if (a->node) {
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
  struct few_operands f;
  MXI_TRY(operands_init(&f, s));
  find_operands(p, s, &f.o);
  int result = mxi_step_run(s, &f.o);
  if (result == 0) {
    commit(p, s);
  } else {
    for (int i = 0; i < s->noutputs; i++) mxi_reset_data(f.o.out[i]);
    for (int i = 0; i < s->ninputs && i < 64; i++)
      if (f.o.taken >> i & 1) atomic_store(&f.o.in[i]->state, MXI_LOST);
  }
  operands_free(&f);
  return result;
}

struct evaluation {
  struct mxi_plan *plan;
  struct mxi_tickets tickets;
  bool posted;
  size_t bytes; /* posted: what it keeps in use */
};

/* Posted work has failed after `done` of its steps. What stopped because it was asked to has not: it is lazy
   again. */
static void keep_failure(const struct evaluation *e, size_t done) {
  const struct mxi_plan *p = e->plan;
  if (mx_error_code() == MX_INTERRUPTED) return;
  mxi_failure_keep(done < p->steps.n ? p->steps.v[done].stream : e->tickets.first.stream);
}

/* The plan's end, after `done` of its steps; what they have not computed is lazy again. */
static int finish(struct evaluation *e, int result, size_t done) {
  struct mxi_plan *p = e->plan;
  if (result < 0 && e->posted) keep_failure(e, done);
  if (result < 0) {
    mxi_lock(MXI_LOCK_PLANNING);
    mxi_plan_unclaim(p, (int32_t)done);
    mxi_unlock(MXI_LOCK_PLANNING);
  }
  mxi_tickets_done(&e->tickets);
  mxi_task_finish(p->task, result);
  mxi_plan_free(p);
  return result;
}

/* Who waits for this eval need not wait for what comes after it. */
static int mark_streams(const struct mxi_tickets *t) {
  int result = 0;
  for (size_t i = 0; i < t->n; i++) {
    mx_stream s = mxi_ticket_at(t, i)->stream;
    const struct mxi_backend *b = mxi_backend_of(s->device);
    if (b->mark && b->mark(s) < 0) result = -1;
  }
  return result;
}

static int run_plan(struct evaluation *e) {
  struct mxi_plan *p = e->plan;
  int result = mxi_tickets_wait(&e->tickets);
  size_t done = 0;
  for (size_t i = 0; i < p->waits.n && result == 0; i++) result = mxi_task_wait(p->waits.v[i]);
  mxi_before_reading();
  if (result == 0 && p->steps.n) {
    unsigned saved;
    mxi_cpu_backend.enter(&saved);
    for (; done < p->steps.n && result == 0; done += result == 0)
      result = mxi_must_stop_soon() ? mxi_fail_interrupted("eval") : run_and_commit(p, &p->steps.v[done]);
    mxi_cpu_backend.leave(&saved);
    if (mark_streams(&e->tickets) < 0) result = -1;
  }
  return finish(e, result, done);
}

/* Plans the evaluation of the roots. 1: to run; 0: nothing to do; -1: failed. */
static int plan(int n, const mx_array *roots, struct evaluation *e) {
  struct mxi_plan *p = e->plan = mxi_plan_new();
  e->tickets = (struct mxi_tickets){0};
  e->posted = false;
  if (!p) return -1;
  if (!(p->task = mxi_task_new())) {
    mxi_plan_free(p);
    return -1;
  }
  mxi_lock(MXI_LOCK_PLANNING);
  int result = mxi_plan_walk(p, n, roots);
  if (result == 0) result = mxi_plan_make_steps(p);
  for (size_t i = 0; i < p->steps.n && result == 0; i++)
    if (i == 0 || p->steps.v[i].stream != p->steps.v[i - 1].stream)
      result = mxi_tickets_take(&e->tickets, p->steps.v[i].stream);
  if (result == 0)
    mxi_plan_hold(p);
  else
    mxi_plan_unclaim(p, 0);
  mxi_unlock(MXI_LOCK_PLANNING);
  if (result == 0 && (p->steps.n || p->waits.n)) return 1;
  mxi_tickets_done(&e->tickets); // taken before the failure
  mxi_task_finish(p->task, result);
  mxi_plan_free(p);
  return result;
}

/* placed: nothing is left to plan. */
static int check_roots(int n, const mx_array *roots, bool *placed) {
  *placed = true;
  if (n < 0 || (n > 0 && !roots))
    return mxi_fail(MX_INVALID_ARGUMENT, "[eval] expected a list of arrays, got %s",
                    n < 0 ? "a negative number" : "NULL");
  for (int i = 0; i < n; i++) {
    if (!roots[i]) return mxi_fail(MX_TYPE_ERROR, "[eval] expected an array, got NULL");
    if (roots[i] == MX_BAD) {
      if (mx_error_code() == MX_OK)
        mxi_fail(MX_RUNTIME_ERROR, "[eval] expected an array, got the result of a failed op");
      return -1;
    }
    int state = mxi_state(roots[i]);
    *placed &= state == MXI_READY || state == MXI_SUBMITTED;
    if (state == MXI_READY && mxi_mapped_any()) MXI_TRY(mxi_after_reading(roots[i]));
  }
  return 0;
}

static int await_all(int n, const mx_array *roots) {
  for (int i = 0; i < n; i++)
    if (mxi_state(roots[i]) == MXI_SUBMITTED && mxi_await(roots[i]) < 0) {
      mxi_failure_told();
      return -1;
    }
  return 0;
}

static void *run_apart(void *evaluation) {
  struct evaluation *e = evaluation;
  mxi_check.depth = 1;
  run_plan(e);
  return NULL;
}

/* Inside an interrupt check this thread is in the midst of a kernel, which keeps scratch memory for it: what
   the check evaluates runs in a thread of its own. */
static int run_inside_check(struct evaluation *e) {
  pthread_t thread;
  mx_task *task = mxi_task_ref(e->plan->task);
  int result = pthread_create(&thread, NULL, run_apart, e);
  if (result != 0) {
    mxi_fail(MX_OUT_OF_MEMORY, "[eval] expected a thread inside an interrupt check, got none");
    result = finish(e, -1, 0);
  } else {
    pthread_join(thread, NULL);
    result = mxi_task_wait(task);
  }
  mxi_task_unref(task);
  return result;
}

static int run_here(struct evaluation *e) { return mxi_inside_check() ? run_inside_check(e) : run_plan(e); }

int mx_eval_all(int n, const mx_array *roots) {
  bool placed;
  MXI_TRY(check_roots(n, roots, &placed));
  int result = 0;
  if (!placed) {
    struct evaluation e;
    do {
      result = plan(n, roots, &e);
      if (result > 0) result = run_here(&e);
    } while (result == MXI_TASK_STOPPED);
    if (result < 0) mxi_failure_told();
    mxi_drain_unbound();
  }
  return result < 0 ? -1 : await_all(n, roots);
}

int mx_eval(mx_array a) { return mx_eval_all(1, &a); }

/* All that the plan reads and makes. */
static size_t bytes_of(const struct mxi_plan *p) {
  size_t bytes = 0;
  for (size_t i = 0; i < p->slots.n; i++)
    if (!p->slots.v[i].vanishes) bytes += mx_nbytes(p->slots.v[i].array);
  return bytes;
}

static void run_posted(void *context) {
  struct evaluation *e = context;
  run_plan(e);
  mxi_backlog_remove(e->bytes);
  mxi_free(e);
}

/* Does a thread compute in it, and not only submit? */
static bool computes(const struct mxi_plan *p) {
  for (size_t i = 0; i < p->steps.n; i++)
    if (!mxi_backend_of(p->steps.v[i].stream->device)->allocate) return true;
  return p->waits.n;
}

int mx_async_eval(int n, const mx_array *roots) {
  bool placed;
  MXI_TRY(check_roots(n, roots, &placed));
  if (placed) return 0;
  struct evaluation *e = mxi_malloc(sizeof *e);
  if (!e) return -1;
  int result = mxi_backlog_wait();
  if (result == 0) result = plan(n, roots, e);
  if (result > 0 && !e->tickets.n) { // all of it is under way in other evals
    mxi_task_finish(e->plan->task, 0);
    mxi_plan_free(e->plan);
    result = 0;
  }
  if (result > 0 && !computes(e->plan)) {
    result = run_here(e);
  } else if (result > 0) {
    size_t bytes = e->bytes = bytes_of(e->plan);
    mxi_backlog_add(bytes);
    e->posted = true;
    if (mxi_queue_post(&e->tickets, run_posted, e) == 0) return 0;
    e->posted = false;
    result = run_here(e); // no thread to be had: run it here
    mxi_backlog_remove(bytes);
  }
  mxi_free(e);
  return result;
}

int mx_synchronize(mx_stream s) {
  if (!s && !(s = mx_default_stream(mx_default_device()))) return -1;
  if (mxi_inside_check())
    return mxi_fail(
        MX_RUNTIME_ERROR,
        "[synchronize] expected to be outside of signal handlers and interrupt checks, got inside");
  struct mxi_tickets t = {0};
  mxi_lock(MXI_LOCK_PLANNING);
  int result = mxi_tickets_take(&t, s);
  mxi_unlock(MXI_LOCK_PLANNING);
  if (result < 0) return -1;
  result = mxi_tickets_wait(&t);
  if (result == 0) result = mxi_failure_take(s);
  mxi_tickets_done(&t);
  mxi_drain_unbound();
  if (result < 0) return -1;
  const struct mxi_backend *b = mxi_backend_of(s->device);
  if (!b->allocate) return 0;
  MXI_TRY(b->await((struct mxi_event){s, b->submitted(s)}));
  return mxi_failure_take(s); // what the device has found
}

/* ---- Kept plans ---- */
static void find_in_frame(const struct mxi_step *s, const struct mxi_operand_slot *slots,
                          const struct mxi_frame *f, struct mxi_operands *o) {
  for (int i = 0; i < s->ninputs; i++) {
    o->in[i] = f->arrays[slots[i].slot];
    bool ours = (f->flags[slots[i].slot] & MXI_FRAME_DONATABLE) && slots[i].last && i < 64;
    if (ours && mxi_may_take(o->in[i], s->stream)) o->donatable |= 1ull << i;
  }
}

static int make_outputs(const struct mxi_plan *p, const struct mxi_step *s,
                        const struct mxi_operand_slot *slots, struct mxi_frame *f, struct mxi_operands *o) {
  for (int i = 0; i < s->noutputs; i++) {
    int32_t k = slots[s->ninputs + i].slot;
    if (!f->arrays[k]) {
      mx_array like = p->slots.v[k].array;
      f->arrays[k] = mxi_array_new((mx_dtype)like->dtype, mxi_shape_of(like));
      f->flags[k] = MXI_FRAME_OWNED | MXI_FRAME_DONATABLE;
      if (!f->arrays[k]) return -1;
    }
    o->out[i] = f->arrays[k];
  }
  o->arena = f->arena;
  o->slots_out = slots + s->ninputs;
  return 0;
}

static int run_in_frame(const struct mxi_plan *p, const struct mxi_step *s, struct mxi_frame *f) {
  struct few_operands few;
  struct mxi_operands *o = &few.o;
  MXI_TRY(operands_init(&few, s));
  const struct mxi_operand_slot *slots = p->operands.v + s->operands;
  find_in_frame(s, slots, f, o);
  int result = make_outputs(p, s, slots, f, o);
  if (result == 0) {
    result = mxi_step_run(s, o);
    for (int i = 0; i < s->ninputs && i < 64; i++)
      if (o->taken >> i & 1) f->flags[slots[i].slot] |= MXI_FRAME_TAKEN;
  }
  for (int i = 0; i < s->ninputs && result == 0; i++) {
    int32_t k = slots[i].slot;
    if (!slots[i].last || !(f->flags[k] & MXI_FRAME_OWNED) || !f->arrays[k]) continue;
    mxi_unref(f->arrays[k]);
    f->arrays[k] = NULL;
    f->flags[k] = 0;
  }
  operands_free(&few);
  return result;
}

static int run_steps(const struct mxi_plan *p, struct mxi_frame *frame) {
  for (size_t i = 0; i < p->steps.n; i++) {
    if (mxi_must_stop_soon()) return mxi_fail_interrupted("eval");
    MXI_TRY(run_in_frame(p, &p->steps.v[i], frame));
  }
  return 0;
}

int mxi_plan_run_frame(const struct mxi_plan *p, struct mxi_frame *frame) {
  frame->arena = NULL;
  if (p->arena_bytes && !(frame->arena = mxi_memory_for(p->steps.v[0].stream, p->arena_bytes))) return -1;
  int result = run_steps(p, frame);
  mxi_buffer_unref(frame->arena);
  return result;
}
