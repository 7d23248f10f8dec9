/* A plan: steps in an order that respects every dependency, over numbered slots.

   Two kinds share it. An eval's plan is used once: its slots are the arrays of the graph themselves, claimed,
   and a step that commits makes their nodes let go of their inputs. A compiled plan is kept: its slots are
   templates, and each run brings a frame of fresh arrays. */
#ifndef MXI_ENGINE_PLAN_H
#define MXI_ENGINE_PLAN_H
#include "base/vec.h"
#include "core/task.h"
#include "engine/backend.h"

enum { MXI_STEP_LEAF = -1, MXI_STEP_NONE = -2 }; /* in place of a step's number */

struct mxi_slot {
  mx_array array; /* eval: alive through its consumers or the plan's reference; compiled: the traced array */
  int32_t uses;   /* how many inputs of the plan's nodes it is */
  int32_t mark;   /* group: which one counted `marked_uses`; liveness: its last reader */
  int32_t marked_uses;
  int32_t step;   /* that produces it; LEAF: it is there already; NONE: not yet in a step */
  bool kept_node; /* a tracer of an open session: its node stays after the step */
  bool pinned;    /* an input of such a node: its value stays too */
  bool vanishes;  /* lives in registers alone */
  bool output;    /* a result of the plan */
  bool held;      /* the plan has a reference, until the step that computes it commits */
};

struct mxi_operand_slot {
  int32_t slot;
  int32_t uses;   /* references to it that this step's nodes hold */
  bool last;      /* no later step reads it */
  int64_t region; /* compiled: where it lies in the arena; -1: in memory of its own */
};

enum mxi_step_kind {
  MXI_STEP_PROGRAM,
  MXI_STEP_NODE,
  MXI_STEP_VIEW, /* views and calls are the engine's own: no backend sees them */
  MXI_STEP_CALL
};
struct mxi_step {
  enum mxi_step_kind kind;
  const mx_prim *prim; /* of the one node; NULL for a program */
  const mx_params *params;
  mx_stream stream;
  struct mxi_program *program;
  void *prepared;                      /* the backend's form of it, in the same block */
  struct mxi_reduction reduction;      /* params NULL: none */
  mx_ints shape;                       /* program: its iteration shape */
  int32_t operands, ninputs, noutputs; /* plan->operands[operands ...]: inputs, then outputs */
  int32_t members, nmembers; /* plan->members[members ...]: slots this step computes, vanishing ones too */
};

struct mxi_plan {
  mxi_vec(struct mxi_slot) slots;
  mxi_vec(int32_t) order; /* slots in post-order; of a node with several outputs, one stands for all */
  mxi_vec(int32_t) rank;  /* of each slot: its place in that order */
  mxi_vec(struct mxi_step) steps;
  mxi_vec(struct mxi_operand_slot) operands;
  mxi_vec(int32_t) members;
  mxi_vec(mx_task *) waits;    /* other evals whose arrays this one reads; referenced */
  mxi_vec(mx_array) stand_ins; /* owned: for outputs that are gone */
  mxi_vec(struct visit) stack;
  mx_task *task; /* eval only */
  bool compiled;
  size_t arena_bytes; /* compiled: of the arena that each run borrows (arena.h) */
  struct mxi_plan *next_free;
};

struct mxi_plan *mxi_plan_new(void);
/* Lets go of what it holds; keeps the memory, unless it is much, for the next. Not under the planning lock:
 * it may release anything. */
void mxi_plan_free(struct mxi_plan *p);

/* With the planning lock held (queue.h): */
/* Walks from the roots: claims lazy arrays (eval), or numbers them (compiled), and fills slots and order. */
int mxi_plan_walk(struct mxi_plan *p, int n, const mx_array *roots);
/* Gathers the ordered nodes into steps (steps.c). */
int mxi_plan_make_steps(struct mxi_plan *p);
/* Takes the plan's references on what its steps will compute. */
void mxi_plan_hold(struct mxi_plan *p);
/* Arrays of the steps from `first_step` on are lazy again. */
void mxi_plan_unclaim(struct mxi_plan *p, int32_t first_step);

/* Slot of an array that the walk has met; -1 otherwise. */
static inline int32_t mxi_plan_slot(const struct mxi_plan *p, mx_array a) {
  return a->slot >= 0 && (size_t)a->slot < p->slots.n && p->slots.v[a->slot].array == a ? a->slot : -1;
}
/* May output k of the step be written over its input i, once nothing else reads that? */
static inline bool mxi_works_in_place(const struct mxi_step *s, int i, int k) {
  if (s->kind == MXI_STEP_PROGRAM) return !s->reduction.params;
  return (s->prim->flags & MXI_P_IN_PLACE) && i == 0 && k == 0;
}
/* And would they fill the same bytes, were both dense? */
static inline bool mxi_same_extent(mx_array in, mx_array out) {
  return mxi_itemsize(in) == mxi_itemsize(out) && mxi_same_shape(in, out);
}
/* Will the value live in registers alone, if only one step needs it? */
static inline bool mxi_can_vanish(const struct mxi_plan *p, const struct mxi_slot *s) {
  if (s->output || s->kept_node || s->pinned) return false;
  return p->compiled || atomic_load_explicit(&s->array->refs, memory_order_relaxed) == s->uses;
}
#endif
