/* Streams of the device, the numbers of what was submitted to them, and marks: points that can be waited for.
 */
#ifndef MXI_CUDA_STREAM_H
#define MXI_CUDA_STREAM_H
#include "core/device.h"
#include "cuda/api/driver.h"
#include "cuda/kernels/error.h"

struct mxi_cuda_pool;
enum { MXI_CUDA_MARKS = 64, MXI_CUDA_ERRORS = 256 };
struct mxi_cuda_stream {
  CUstream handle;
  mx_stream stream;
  _Atomic uint64_t submitted; /* the number of the last work */
  _Atomic uint64_t passed;    /* up to this one it is known to have ended */
  struct {
    uint64_t number;
    CUevent event;
  } marks[MXI_CUDA_MARKS]; /* a ring, numbers rising; under MXI_LOCK_CUDA_STREAMS */
  unsigned newest, nmarks;
  int64_t marked;                /* when, in ns */
  struct mxi_cuda_error *errors; /* on the host, where kernels write: what they found in their indices */
  struct {
    uint64_t number;          /* of the launch that may write there */
    struct mxi_check *check;  /* which is known then */
  } watched[MXI_CUDA_ERRORS]; /* a ring; under MXI_LOCK_CUDA_STREAMS */
  uint64_t first_watched, nwatched;
  uint32_t *counters;                   /* on the device, all 0 between launches */
  struct mxi_cuda_constants *constants; /* constants.c's */
  struct mxi_cuda_pool *pool;           /* memory.c's */
  struct mxi_cuda_stage *stage;         /* transfer.c's */
};

/* The device's stream for s, made when first asked for; the context is the thread's then. NULL with the error
 * set. */
struct mxi_cuda_stream *mxi_cuda_stream_of(mx_stream s);
/* Something was submitted. */
static inline uint64_t mxi_cuda_count(struct mxi_cuda_stream *s) {
  return atomic_fetch_add(&s->submitted, 1) + 1;
}
/* Has it ended? Marks the stream if it can't be told otherwise. */
bool mxi_cuda_passed(struct mxi_event e);

/* The backend's (engine/backend.h). */
uint64_t mxi_cuda_submitted(mx_stream s);
int mxi_cuda_wait_for(mx_stream s, struct mxi_event e);
int mxi_cuda_await(struct mxi_event e);
int mxi_cuda_mark_stream(mx_stream s);
/* Where the launch that comes next on s notes what it finds in its indices; a device address. Who reads
   `out`, or what is computed of it, then gets the error, and so does, once, who waits for the stream. NULL
   with the error set. */
struct mxi_cuda_error *mxi_cuda_error_word(mx_stream s, mx_array out);
/* Zeros on the device, one for each of so many groups of a launch's blocks: the last block to finish of a
   group learns of it by them, and puts the 0 back. NULL with the error set. */
enum { MXI_CUDA_COUNTERS = 4096 };
uint32_t *mxi_cuda_counters(mx_stream s);
#endif
