/* Work on a stream is numbered as it is submitted. An event of the driver is recorded at the end of each
   eval, and where somebody needs one: recording one for every launch would cost as much as the launch. */
#include "cuda/stream.h"
#include "cuda/context.h"
#include "base/alloc.h"
#include "base/lock.h"
#include "core/interrupt.h"
#include "engine/memory.h"
#include "engine/queue.h"
#include <sched.h>
#include <stdio.h>
#include <time.h>

static const char *const op_names[MXI_CUDA_ERROR_OPS] = {
    [MXI_CUDA_ERROR_GATHER] = "gather",
    [MXI_CUDA_ERROR_TAKE_ALONG_AXIS] = "take_along_axis",
    [MXI_CUDA_ERROR_PUT_ALONG_AXIS] = "put_along_axis",
    [MXI_CUDA_ERROR_SCATTER] = "scatter",
    [MXI_CUDA_ERROR_GATHER_MM] = "gather_mm",
    [MXI_CUDA_ERROR_GATHER_QMM] = "gather_qmm",
};

/* ---- Making them ---- */
static int make(mx_stream s, struct mxi_cuda_stream *made) {
  made->stream = s;
  MXI_CUDA_TRY(cuStreamCreate(&made->handle, CU_STREAM_NON_BLOCKING));
  void *word;
  MXI_CUDA_TRY(cuMemHostAlloc(&word, MXI_CUDA_ERRORS * sizeof *made->errors, 0));
  made->errors = word;
  return 0;
}

struct mxi_cuda_stream *mxi_cuda_stream_of(mx_stream s) {
  if (mxi_cuda_enter() < 0) return NULL;
  struct mxi_cuda_stream *found = atomic_load_explicit(&s->lane, memory_order_acquire);
  if (found) return found;
  mxi_lock(MXI_LOCK_CUDA_STREAMS);
  found = atomic_load(&s->lane);
  if (!found) {
    struct mxi_cuda_stream *made = mxi_calloc(1, sizeof *made);
    if (made && make(s, made) == 0)
      atomic_store_explicit(&s->lane, found = made, memory_order_release);
    else
      mxi_free(made);
  }
  mxi_unlock(MXI_LOCK_CUDA_STREAMS);
  return found;
}

/* ---- Marks; with MXI_LOCK_CUDA_STREAMS held ---- */
static uint64_t number_of(const struct mxi_cuda_stream *s, unsigned age) { // 0: the newest
  return s->marks[(s->newest - age) % MXI_CUDA_MARKS].number;
}

static int put_mark(struct mxi_cuda_stream *s) {
  uint64_t number = atomic_load(&s->submitted);
  if (s->nmarks && number_of(s, 0) >= number) return 0;
  unsigned i = (s->newest + 1) % MXI_CUDA_MARKS;
  if (!s->marks[i].event) MXI_CUDA_TRY(cuEventCreate(&s->marks[i].event, CU_EVENT_DISABLE_TIMING));
  MXI_CUDA_TRY(cuEventRecord(s->marks[i].event, s->handle));
  s->marks[i].number = number;
  s->newest = i;
  if (s->nmarks < MXI_CUDA_MARKS) s->nmarks++;
  return 0;
}

/* The first mark at or behind the number; one is put if there is none. */
static CUevent mark_behind(struct mxi_cuda_stream *s, uint64_t number) {
  if (!s->nmarks || number_of(s, 0) < number) return put_mark(s) < 0 ? NULL : s->marks[s->newest].event;
  unsigned age = 0;
  while (age + 1 < s->nmarks && number_of(s, age + 1) >= number) age++;
  return s->marks[(s->newest - age) % MXI_CUDA_MARKS].event;
}

/* Notes which marks have passed. */
static CUresult look(struct mxi_cuda_stream *s, uint64_t number) {
  CUevent e = mark_behind(s, number);
  if (!e) return CUDA_ERROR_OUT_OF_MEMORY;
  CUresult r = mxi_cuda.cuEventQuery(e);
  if (r == CUDA_SUCCESS && atomic_load(&s->passed) < number) atomic_store(&s->passed, number);
  return r;
}

/* A mark costs half as much as a launch: of evals that follow each other closely the first is marked. Who
   waits for another waits for those behind it too. */
static const int64_t between_marks = 20000; // ns
static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int mxi_cuda_mark_stream(mx_stream stream) {
  struct mxi_cuda_stream *s = mxi_cuda_stream_of(stream);
  if (!s) return -1;
  int64_t time = now();
  if (time - s->marked < between_marks) return 0;
  s->marked = time;
  mxi_lock(MXI_LOCK_CUDA_STREAMS);
  int result = put_mark(s);
  mxi_unlock(MXI_LOCK_CUDA_STREAMS);
  return result;
}

static CUresult query(struct mxi_cuda_stream *s, uint64_t number) {
  if (atomic_load_explicit(&s->passed, memory_order_acquire) >= number) return CUDA_SUCCESS;
  mxi_lock(MXI_LOCK_CUDA_STREAMS);
  CUresult r = look(s, number);
  mxi_unlock(MXI_LOCK_CUDA_STREAMS);
  return r;
}

bool mxi_cuda_passed(struct mxi_event e) {
  struct mxi_cuda_stream *s = e.stream ? mxi_cuda_stream_of(e.stream) : NULL;
  return !s || query(s, e.number) == CUDA_SUCCESS;
}

/* ---- Errors that kernels note ---- */
static void describe(const struct mxi_cuda_error *found, struct mxi_error *error) {
  uint32_t op = found->op & ~(uint32_t)MXI_CUDA_ERROR_UNSIGNED;
  char index[24];
  snprintf(index, sizeof index, found->op & MXI_CUDA_ERROR_UNSIGNED ? "%llu" : "%lld",
           (long long)found->index);
  snprintf(error->text, sizeof error->text, "[%s] expected indices in [-%lld, %lld) on axis %lld, got %s",
           op < MXI_CUDA_ERROR_OPS ? op_names[op] : "eval", (long long)found->bound, (long long)found->bound,
           (long long)found->axis, index);
  error->evaluated = true;
  error->code = MX_INDEX_ERROR;
}

/* Who waits for the stream is told too. */
static void keep_failure(mx_stream s, const struct mxi_error *error) {
  struct mxi_error ours;
  mxi_error_put(error);
  mxi_failure_keep(s);
  mxi_error_take(&ours);
}

/* With MXI_LOCK_CUDA_STREAMS held: what launches up to the number have noted is known from now on. */
static void look_at_errors(struct mxi_cuda_stream *s, uint64_t number) {
  for (; s->first_watched < s->nwatched; s->first_watched++) {
    unsigned i = s->first_watched % MXI_CUDA_ERRORS;
    struct mxi_check *check = s->watched[i].check;
    if (s->watched[i].number > number) return;
    if (atomic_load_explicit((_Atomic uint32_t *)&s->errors[i].op, memory_order_acquire)) {
      describe(&s->errors[i], &check->failure);
      keep_failure(s->stream, &check->failure);
    }
    atomic_store_explicit(&check->known, true, memory_order_release);
    mxi_check_unref(check);
  }
}

/* The ring is full: the oldest launch is waited for. */
static int make_room(struct mxi_cuda_stream *s) {
  while (s->nwatched - s->first_watched == MXI_CUDA_ERRORS) {
    uint64_t oldest = s->watched[s->first_watched % MXI_CUDA_ERRORS].number;
    CUevent mark = mark_behind(s, oldest);
    if (!mark) return -1;
    MXI_CUDA_TRY(cuEventSynchronize(mark));
    look_at_errors(s, oldest);
  }
  return 0;
}

struct mxi_cuda_error *mxi_cuda_error_word(mx_stream stream, mx_array out) {
  struct mxi_cuda_stream *s = mxi_cuda_stream_of(stream);
  struct mxi_cuda_error *word = NULL;
  if (!s) return NULL;
  struct mxi_check *check = mxi_check_new((struct mxi_event){stream, atomic_load(&s->submitted) + 1});
  if (!check) return NULL;
  mxi_add_check(out->buffer->side, check);
  mxi_lock(MXI_LOCK_CUDA_STREAMS);
  if (make_room(s) == 0) {
    unsigned i = s->nwatched++ % MXI_CUDA_ERRORS;
    s->watched[i].number = check->launch.number;
    s->watched[i].check = mxi_check_ref(check);
    word = &s->errors[i];
    *word = (struct mxi_cuda_error){0};
  } else {
    atomic_store(&check->known, true); // there is no launch
  }
  mxi_unlock(MXI_LOCK_CUDA_STREAMS);
  mxi_check_unref(check);
  return word;
}

/* ---- Counters ---- */
static int make_counters(struct mxi_cuda_stream *s) {
  CUdeviceptr made;
  MXI_CUDA_TRY(cuMemAlloc_v2(&made, MXI_CUDA_COUNTERS * sizeof(uint32_t)));
  MXI_CUDA_TRY(cuMemsetD32Async(made, 0, MXI_CUDA_COUNTERS, s->handle));
  s->counters = (uint32_t *)made;
  return 0;
}

uint32_t *mxi_cuda_counters(mx_stream stream) {
  struct mxi_cuda_stream *s = mxi_cuda_stream_of(stream);
  return s && (s->counters || make_counters(s) == 0) ? s->counters : NULL;
}

/* ---- The backend's ---- */
uint64_t mxi_cuda_submitted(mx_stream stream) {
  struct mxi_cuda_stream *s = mxi_cuda_stream_of(stream);
  return s ? atomic_load(&s->submitted) : 0;
}

int mxi_cuda_wait_for(mx_stream stream, struct mxi_event e) {
  struct mxi_cuda_stream *s = mxi_cuda_stream_of(stream), *other = mxi_cuda_stream_of(e.stream);
  if (!s || !other) return -1;
  if (atomic_load(&other->passed) >= e.number) return 0;
  mxi_lock(MXI_LOCK_CUDA_STREAMS);
  CUevent mark = mark_behind(other, e.number);
  int result =
      mark ? mxi_cuda_check(mxi_cuda.cuStreamWaitEvent(s->handle, mark, 0), "cuStreamWaitEvent") : -1;
  mxi_unlock(MXI_LOCK_CUDA_STREAMS);
  return result;
}

/* The thread spins, for what it waits for is short more often than not and sleeping costs 50 us; it lets
   others run, and asks its interrupt check. */
int mxi_cuda_await(struct mxi_event e) {
  struct mxi_cuda_stream *s = mxi_cuda_stream_of(e.stream);
  if (!s) return -1;
  CUresult r;
  for (unsigned round = 0; (r = query(s, e.number)) == CUDA_ERROR_NOT_READY; round++) {
    if (mxi_must_stop_soon()) return mxi_fail_interrupted("eval");
    if (round > 64) sched_yield();
  }
  MXI_TRY(mxi_cuda_check(r, "the work of an eval"));
  mxi_lock(MXI_LOCK_CUDA_STREAMS);
  look_at_errors(s, e.number);
  mxi_unlock(MXI_LOCK_CUDA_STREAMS);
  return 0;
}
