/* A walk over the steps with a list of the gaps in the arena: outputs of a step take the smallest gap that
   holds them, and what was read for the last time gives its region back after the step. An output that may be
   written over an input takes that input's region, if nothing else reads it. */
#include "engine/arena.h"
#include "base/checked.h"
#include <string.h>

enum { ALIGNMENT = 64, NONE = -1 };

/* Values that may share memory, as views do, are one family; each slot names another of it, or itself. */
struct lifetime {
  int32_t relative;
  int32_t last;       /* of a family's head: the last step that touches it */
  int32_t last_reads; /* and by how many inputs */
  bool escapes;       /* it has a member outside of the arena */
  bool inherited;     /* of the slot: an output of its last step has its region */
  int64_t region;     /* of the slot: where in the arena, or -1 */
};

struct gap {
  int64_t offset, bytes;
};

struct arena {
  struct mxi_plan *plan;
  struct lifetime *lives;   /* one a slot */
  int32_t *first_to_die;    /* of each step: a slot whose region comes free after it, or -1 */
  int32_t *next_to_die;     /* of each slot: another of the same step */
  mxi_vec(struct gap) gaps; /* by offset; no two touch */
  int64_t bytes;
};

static bool on_host(mx_stream s) { return !mxi_backend_of(s->device)->allocate; }

/* ---- Families and their lifetimes ---- */
static int32_t head_of(struct lifetime *lives, int32_t slot) {
  while (lives[slot].relative != slot) slot = lives[slot].relative = lives[lives[slot].relative].relative;
  return slot;
}

static void join_families(struct lifetime *lives, int32_t a, int32_t b) {
  a = head_of(lives, a), b = head_of(lives, b);
  lives[a].relative = b;
  lives[b].escapes |= lives[a].escapes;
}

static const struct mxi_operand_slot *operands_of(const struct mxi_plan *p, const struct mxi_step *s) {
  return p->operands.v + s->operands;
}

static void find_lifetimes(struct arena *r) {
  struct mxi_plan *p = r->plan;
  for (size_t i = 0; i < p->slots.n; i++) {
    const struct mxi_slot *s = &p->slots.v[i];
    r->lives[i] = (struct lifetime){.relative = (int32_t)i,
                                    .last = s->step,
                                    .escapes = s->output || s->step == MXI_STEP_LEAF,
                                    .region = NONE};
  }
  for (size_t k = 0; k < p->steps.n; k++) {
    const struct mxi_step *s = &p->steps.v[k];
    const struct mxi_operand_slot *o = operands_of(p, s);
    if (s->kind == MXI_STEP_VIEW ||
        s->kind == MXI_STEP_CALL) // what a call returns may be a view of its input
      for (int i = 1; i < s->ninputs + s->noutputs; i++) join_families(r->lives, o[0].slot, o[i].slot);
  }
  for (size_t k = 0; k < p->steps.n; k++) {
    const struct mxi_step *s = &p->steps.v[k];
    const struct mxi_operand_slot *o = operands_of(p, s);
    for (int i = 0; i < s->ninputs + s->noutputs; i++) {
      struct lifetime *family = &r->lives[head_of(r->lives, o[i].slot)];
      if (family->last != (int32_t)k) family->last_reads = 0;
      family->last = (int32_t)k;
      family->last_reads += i < s->ninputs;
      family->escapes |= s->stream != p->steps.v[0].stream;
    }
  }
}

/* ---- Gaps ---- */
static int64_t region_bytes(const struct mxi_plan *p, int32_t slot) {
  mx_array like = p->slots.v[slot].array;
  return mxi_round_up(like->size * (int64_t)mxi_itemsize(like), ALIGNMENT);
}

static void remove_gap(struct arena *r, size_t i) {
  memmove(r->gaps.v + i, r->gaps.v + i + 1, (r->gaps.n - i - 1) * sizeof *r->gaps.v);
  r->gaps.n--;
}

static int64_t take(struct arena *r, int64_t bytes) {
  size_t best = r->gaps.n;
  for (size_t i = 0; i < r->gaps.n; i++)
    if (r->gaps.v[i].bytes >= bytes && (best == r->gaps.n || r->gaps.v[i].bytes < r->gaps.v[best].bytes))
      best = i;
  if (best == r->gaps.n) { // the arena grows, from its last gap if it ends in one
    struct gap *end = r->gaps.n ? &r->gaps.v[r->gaps.n - 1] : NULL;
    int64_t offset = end && end->offset + end->bytes == r->bytes ? end->offset : r->bytes;
    if (offset < r->bytes) r->gaps.n--;
    r->bytes = offset + bytes;
    return offset;
  }
  struct gap *g = &r->gaps.v[best];
  int64_t offset = g->offset;
  g->offset += bytes;
  g->bytes -= bytes;
  if (!g->bytes) remove_gap(r, best);
  return offset;
}

static int give_back(struct arena *r, int64_t offset, int64_t bytes) {
  size_t i = 0;
  while (i < r->gaps.n && r->gaps.v[i].offset < offset) i++;
  bool follows = i > 0 && r->gaps.v[i - 1].offset + r->gaps.v[i - 1].bytes == offset;
  bool precedes = i < r->gaps.n && offset + bytes == r->gaps.v[i].offset;
  if (follows) {
    r->gaps.v[i - 1].bytes += bytes + (precedes ? r->gaps.v[i].bytes : 0);
    if (precedes) remove_gap(r, i);
  } else if (precedes) {
    r->gaps.v[i].offset = offset;
    r->gaps.v[i].bytes += bytes;
  } else {
    struct gap g = {offset, bytes};
    MXI_TRY(mxi_push(&r->gaps, g));
    memmove(r->gaps.v + i + 1, r->gaps.v + i, (r->gaps.n - 1 - i) * sizeof g);
    r->gaps.v[i] = g;
  }
  return 0;
}

/* ---- Regions ---- */
static bool has_region(const struct arena *r, int32_t slot) {
  const struct mxi_slot *s = &r->plan->slots.v[slot];
  bool is_inline = s->array->size == 1 && on_host(r->plan->steps.v[s->step].stream);
  return s->array->size > 0 && !is_inline && !r->lives[head_of(r->lives, slot)].escapes;
}

/* The input whose region the output takes, or NONE. */
static int32_t heritage(struct arena *r, int32_t step, int k) {
  struct mxi_plan *p = r->plan;
  const struct mxi_step *s = &p->steps.v[step];
  const struct mxi_operand_slot *o = operands_of(p, s);
  mx_array out = p->slots.v[o[s->ninputs + k].slot].array;
  for (int i = 0; i < s->ninputs; i++) {
    int32_t slot = o[i].slot;
    if (r->lives[slot].region < 0 || r->lives[slot].inherited || !mxi_works_in_place(s, i, k)) continue;
    const struct lifetime *family = &r->lives[head_of(r->lives, slot)];
    mx_array in = p->slots.v[slot].array;
    if (family->last == step && family->last_reads == 1 && mxi_same_extent(in, out)) return slot;
  }
  return NONE;
}

static void will_die(struct arena *r, int32_t slot) {
  int32_t last = r->lives[head_of(r->lives, slot)].last;
  r->next_to_die[slot] = r->first_to_die[last];
  r->first_to_die[last] = slot;
}

static int lay_out_step(struct arena *r, int32_t step) {
  struct mxi_plan *p = r->plan;
  const struct mxi_step *s = &p->steps.v[step];
  const struct mxi_operand_slot *o = operands_of(p, s);
  bool computes = s->kind == MXI_STEP_PROGRAM || s->kind == MXI_STEP_NODE;
  for (int k = 0; k < s->noutputs && computes; k++) {
    int32_t slot = o[s->ninputs + k].slot;
    if (!has_region(r, slot)) continue;
    int32_t from = heritage(r, step, k);
    if (from >= 0) r->lives[from].inherited = true;
    r->lives[slot].region = from >= 0 ? r->lives[from].region : take(r, region_bytes(p, slot));
    will_die(r, slot);
  }
  for (int32_t slot = r->first_to_die[step]; slot >= 0; slot = r->next_to_die[slot])
    if (!r->lives[slot].inherited) MXI_TRY(give_back(r, r->lives[slot].region, region_bytes(p, slot)));
  return 0;
}

int mxi_plan_lay_out(struct mxi_plan *p) {
  size_t nslots = p->slots.n, nsteps = p->steps.n;
  struct arena r = {.plan = p};
  r.lives = mxi_malloc(nslots * (sizeof *r.lives + sizeof *r.next_to_die) + nsteps * sizeof *r.first_to_die);
  if (!r.lives) return -1;
  r.next_to_die = (int32_t *)(r.lives + nslots);
  r.first_to_die = r.next_to_die + nslots;
  for (size_t i = 0; i < nsteps; i++) r.first_to_die[i] = NONE;
  find_lifetimes(&r);
  int result = 0;
  for (size_t i = 0; i < nsteps && result == 0; i++) result = lay_out_step(&r, (int32_t)i);
  for (size_t i = 0; i < p->operands.n; i++) p->operands.v[i].region = r.lives[p->operands.v[i].slot].region;
  p->arena_bytes = (size_t)r.bytes;
  mxi_vec_free(&r.gaps);
  mxi_free(r.lives);
  return result;
}
