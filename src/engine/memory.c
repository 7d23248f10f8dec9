#include "engine/memory.h"
#include "base/error.h"
#include "base/lock.h"
#include "core/interrupt.h"
#include "core/mapped.h"

/* ---- Results ---- */
static mx_buffer *device_buffer(const struct mxi_backend *b, mx_stream s, size_t bytes) {
  struct mxi_side *side = b->allocate(s, bytes);
  mx_buffer *buffer = side ? mxi_buffer_on_device(side) : NULL;
  if (buffer)
    side->valid = true; // once the step that is placed has written it
  else if (side)
    side->release(side);
  return buffer;
}

mx_buffer *mxi_memory_for(mx_stream s, size_t bytes) {
  const struct mxi_backend *b = mxi_backend_of(s->device);
  return b->allocate ? device_buffer(b, s, bytes) : mxi_buffer_new(bytes);
}

int mxi_place_fresh(mx_array out, mx_stream s, const int64_t *strides) {
  const struct mxi_backend *b = mxi_backend_of(s->device);
  if (!b->allocate && out->size == 1) {
    out->data = &out->inline_value;
    return 0;
  }
  mx_buffer *buffer = mxi_memory_for(s, (size_t)out->size * mxi_itemsize(out));
  if (!buffer) return -1;
  mxi_set_data(out, buffer, 0, strides);
  return 0;
}

bool mxi_may_take(mx_array a, mx_stream s) {
  return mxi_buffer_donatable(a->buffer) && (mxi_backend_of(s->device)->allocate || !a->buffer->side);
}

void mxi_place_over(mx_array out, mx_array in, const int64_t *strides) {
  mxi_set_data(out, mxi_buffer_ref(in->buffer), in->offset, strides);
  if (in->buffer->side) out->data = NULL; // what the host has is of no use any more
}

/* ---- To a device ---- */
/* The stream waits for what else is done with the memory: its writing, or every use. */
static int wait_for(const struct mxi_backend *b, mx_stream s, const struct mxi_side *side, bool uses) {
  if (side->written.stream && side->written.stream != s) MXI_TRY(b->wait_for(s, side->written));
  for (int i = 0; i < side->nused && uses; i++)
    if (side->used[i].stream != s) MXI_TRY(b->wait_for(s, side->used[i]));
  return 0;
}

/* A writable view of it lives outside: the host's bytes may have changed since they were uploaded. */
static bool may_change(const mx_buffer *buffer) {
  unsigned flags = atomic_load(&((mx_buffer *)buffer)->flags);
  return (flags & MXI_BUFFER_EXPORTED) && !(flags & MXI_BUFFER_READ_ONLY);
}

static int bring_to_device(mx_array a, mx_stream s, bool over) {
  const struct mxi_backend *b = mxi_backend_of(s->device);
  mx_buffer *buffer = a->buffer;
  if (!buffer->side) {
    struct mxi_side *side = b->allocate(s, buffer->bytes);
    if (!side) return -1;
    side->host_valid = true;
    buffer->side = side;
  }
  struct mxi_side *side = buffer->side;
  bool upload = !side->valid || (side->host_valid && may_change(buffer));
  MXI_TRY(wait_for(b, s, side, upload || over));
  if (upload) {
    MXI_TRY(b->upload(s, side, buffer->data));
    MXI_TRY(mxi_after_reading(a));
    side->valid = true;
    side->written = (struct mxi_event){s, b->submitted(s)};
  }
  if (over) side->host_valid = false;
  return 0;
}

/* ---- To the host ---- */
static int await_event(struct mxi_event e) {
  return e.stream ? mxi_backend_of(e.stream->device)->await(e) : 0;
}

/* With locks held the thread's check isn't asked: it runs code of the caller's, which may need them. */
static int await_unasked(struct mxi_event e) {
  int (*ask)(void *) = mxi_check.ask;
  mxi_check.ask = NULL;
  int result = await_event(e);
  mxi_check.ask = ask;
  return result;
}

static int await_check(const struct mxi_check *c) {
  if (!atomic_load_explicit(&c->known, memory_order_acquire)) MXI_TRY(await_event(c->launch));
  return c->failure.code == MX_OK ? 0 : mxi_error_put(&c->failure);
}

static int await_side(const struct mxi_side *side) {
  MXI_TRY(await_event(side->written));
  for (int i = 0; i < side->nchecks; i++) MXI_TRY(await_check(side->checks[i]));
  return side->failure ? mxi_error_put(side->failure) : 0;
}

/* With MXI_LOCK_DOWNLOADS held: one at a time writes the host's memory. */
static int download(mx_buffer *buffer) {
  struct mxi_side *side = buffer->side;
  if (side->host_valid) return 0;
  MXI_TRY(await_side(side));
  if (!buffer->data) {
    if (!(side->host = mxi_buffer_new(buffer->bytes))) return -1;
    buffer->data = side->host->data;
  }
  MXI_TRY(mxi_backend_of(side->device)->download(side, buffer->data));
  mxi_lock(MXI_LOCK_SIDES);
  side->host_valid = true;
  mxi_unlock(MXI_LOCK_SIDES);
  return 0;
}

int mxi_to_host(mx_array a) {
  if (mxi_state(a) == MXI_SUBMITTED) MXI_TRY(mxi_await(a)); // with no lock held, for it may be interrupted
  mxi_lock(MXI_LOCK_DOWNLOADS);
  int result = a->data ? 0 : download(a->buffer);
  if (result == 0 && !a->data) a->data = (char *)a->buffer->data + a->offset;
  mxi_unlock(MXI_LOCK_DOWNLOADS);
  return result;
}

int mxi_bring(mx_array a, mx_stream s, bool over) {
  if (!mxi_backend_of(s->device)->allocate) return a->data ? 0 : mxi_to_host(a);
  if (!a->buffer) return 0; // one element, which travels by value
  mxi_lock(MXI_LOCK_SIDES);
  int result = bring_to_device(a, s, over);
  mxi_unlock(MXI_LOCK_SIDES);
  return result;
}

/* ---- Checks ---- */
static bool is_known(const struct mxi_check *c) {
  return atomic_load_explicit(&c->known, memory_order_acquire);
}
static bool is_right(const struct mxi_check *c) { return is_known(c) && c->failure.code == MX_OK; }

/* Waits for it, interrupts or not: a step can't be left half submitted. A device that has failed tells nobody
   anything any more. */
static void settle(const struct mxi_check *c) {
  struct mxi_error e = {.code = MX_INTERRUPTED};
  while (!is_known(c) && e.code == MX_INTERRUPTED)
    if (await_unasked(c->launch) < 0) mxi_error_take(&e);
}

static void forget_right_ones(struct mxi_side *side) {
  int left = 0;
  for (int i = 0; i < side->nchecks; i++)
    if (is_right(side->checks[i]))
      mxi_check_unref(side->checks[i]);
    else
      side->checks[left++] = side->checks[i];
  side->nchecks = left;
}

/* Of more than there is room for, one that failed stands for all; else the oldest is waited for. */
void mxi_add_check(struct mxi_side *side, struct mxi_check *c) {
  for (int i = 0; i < side->nchecks; i++)
    if (side->checks[i] == c) return;
  if (side->nchecks == MXI_SIDE_CHECKS) forget_right_ones(side);
  while (side->nchecks == MXI_SIDE_CHECKS) {
    settle(side->checks[0]);
    if (!is_right(side->checks[0])) return;
    forget_right_ones(side);
  }
  side->checks[side->nchecks++] = mxi_check_ref(c);
}

static bool depends(const struct mxi_call *c, int out, int in) {
  return !c->program || c->noutputs == 1 || mxi_program_depends(c->program, out, in);
}

/* What is computed of something in doubt is in doubt. */
static void carry_checks(const struct mxi_call *c) {
  for (int i = 0; i < c->ninputs; i++) {
    const struct mxi_side *from = c->in[i]->buffer ? c->in[i]->buffer->side : NULL;
    for (int k = 0; from && k < from->nchecks; k++)
      for (int j = 0; j < c->noutputs && !is_right(from->checks[k]); j++)
        if (depends(c, j, i)) mxi_add_check(c->out[j]->buffer->side, from->checks[k]);
  }
}

/* ---- Uses ---- */
static void use(struct mxi_side *side, struct mxi_event e) {
  int i = 0;
  while (i < side->nused && side->used[i].stream != e.stream) i++;
  if (i == MXI_SIDE_STREAMS) { // more streams than there is room for: the first is waited for
    await_unasked(side->used[0]);
    i = 0;
  }
  side->used[i] = e;
  if (i == side->nused) side->nused++;
}

void mxi_in_use(const struct mxi_call *c) {
  const struct mxi_backend *b = mxi_backend_of(c->stream->device);
  struct mxi_event e = {c->stream, b->submitted(c->stream)};
  mxi_lock(MXI_LOCK_SIDES);
  for (int i = 0; i < c->ninputs; i++)
    if (c->in[i]->buffer) use(c->in[i]->buffer->side, e);
  for (int i = 0; i < c->noutputs; i++) {
    use(c->out[i]->buffer->side, e);
    c->out[i]->buffer->side->written = e;
  }
  carry_checks(c);
  mxi_unlock(MXI_LOCK_SIDES);
}

/* ---- States ---- */
enum mxi_state mxi_state_of_result(mx_array a) { return a->data ? MXI_READY : MXI_SUBMITTED; }

int mxi_await(mx_array a) {
  mxi_lock(MXI_LOCK_SIDES);
  const struct mxi_side *side = a->buffer->side;
  mxi_unlock(MXI_LOCK_SIDES);
  MXI_TRY(await_side(side));
  int submitted = MXI_SUBMITTED;
  atomic_compare_exchange_strong(&a->state, &submitted, MXI_READY);
  return 0;
}
