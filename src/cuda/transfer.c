/* A stage is a ring of pinned pieces; one is filled while the device reads another. Each stream has one for
   what goes up; one for the process serves what comes down, with a stream of its own, as its caller has
   waited for what it reads. */
#include "cuda/transfer.h"
#include "base/alloc.h"
#include "base/lock.h"
#include "cuda/context.h"
#include "cuda/stream.h"
#include <string.h>

enum { PIECES = 4 };
static const size_t piece_bytes = (size_t)2 << 20;

struct mxi_cuda_stage {
  char *memory;
  size_t used; /* of the piece that is being filled */
  int piece;
  CUevent done[PIECES]; /* the device has read the piece */
  bool recorded[PIECES];
};

static struct mxi_cuda_stage *new_stage(void) {
  struct mxi_cuda_stage *g = mxi_calloc(1, sizeof *g);
  if (!g) return NULL;
  void *memory = NULL;
  CUresult r = mxi_cuda.cuMemHostAlloc(&memory, PIECES * piece_bytes, 0);
  for (int i = 0; i < PIECES && r == CUDA_SUCCESS; i++)
    r = mxi_cuda.cuEventCreate(&g->done[i], CU_EVENT_DISABLE_TIMING);
  g->memory = memory;
  if (r == CUDA_SUCCESS) return g;
  if (memory) mxi_cuda.cuMemFreeHost(memory);
  mxi_cuda_check(r, "cuMemHostAlloc");
  mxi_free(g);
  return NULL;
}

/* ---- Up ---- */
static int next_piece(struct mxi_cuda_stream *s) {
  struct mxi_cuda_stage *g = s->stage;
  MXI_CUDA_TRY(cuEventRecord(g->done[g->piece], s->handle));
  g->recorded[g->piece] = true;
  g->piece = (g->piece + 1) % PIECES;
  g->used = 0;
  if (g->recorded[g->piece]) MXI_CUDA_TRY(cuEventSynchronize(g->done[g->piece]));
  return 0;
}

/* With MXI_LOCK_CUDA_STAGES held. */
static int put(struct mxi_cuda_stream *s, CUdeviceptr to, const char *from, size_t bytes) {
  if (!s->stage && !(s->stage = new_stage())) return -1;
  struct mxi_cuda_stage *g = s->stage;
  while (bytes) {
    if (g->used == piece_bytes) MXI_TRY(next_piece(s));
    size_t n = piece_bytes - g->used < bytes ? piece_bytes - g->used : bytes;
    char *piece = g->memory + (size_t)g->piece * piece_bytes + g->used;
    memcpy(piece, from, n);
    MXI_CUDA_TRY(cuMemcpyHtoDAsync_v2(to, piece, n, s->handle));
    mxi_cuda_count(s);
    g->used += (n + 15) & ~(size_t)15;
    to += n, from += n, bytes -= n;
  }
  return 0;
}

int mxi_cuda_put(mx_stream stream, void *address, const void *from, size_t bytes) {
  struct mxi_cuda_stream *s = mxi_cuda_stream_of(stream);
  if (!s) return -1;
  mxi_lock(MXI_LOCK_CUDA_STAGES);
  int result = put(s, (CUdeviceptr)address, from, bytes);
  mxi_unlock(MXI_LOCK_CUDA_STAGES);
  return result;
}

int mxi_cuda_upload(mx_stream s, struct mxi_side *to, const void *from) {
  return mxi_cuda_put(s, to->address, from, to->bytes);
}

/* ---- Down; with MXI_LOCK_DOWNLOADS held, as the engine has it ---- */
static CUstream downward;
static struct mxi_cuda_stage *down;

static int open_down(void) {
  if (!downward) MXI_CUDA_TRY(cuStreamCreate(&downward, CU_STREAM_NON_BLOCKING));
  return down || (down = new_stage()) ? 0 : -1;
}

static int ask_for_piece(int piece, CUdeviceptr from, size_t bytes) {
  MXI_CUDA_TRY(cuMemcpyDtoHAsync_v2(down->memory + (size_t)piece * piece_bytes, from, bytes, downward));
  MXI_CUDA_TRY(cuEventRecord(down->done[piece], downward));
  return 0;
}

int mxi_cuda_download(const struct mxi_side *side, void *to) {
  MXI_TRY(mxi_cuda_enter());
  MXI_TRY(open_down());
  size_t asked = 0, got = 0;
  for (int ahead = 0, first = 0; got < side->bytes;) {
    for (; ahead < PIECES && asked < side->bytes; ahead++) {
      size_t n = side->bytes - asked < piece_bytes ? side->bytes - asked : piece_bytes;
      MXI_TRY(ask_for_piece((first + ahead) % PIECES, (CUdeviceptr)side->address + asked, n));
      asked += n;
    }
    size_t n = side->bytes - got < piece_bytes ? side->bytes - got : piece_bytes;
    MXI_CUDA_TRY(cuEventSynchronize(down->done[first]));
    memcpy((char *)to + got, down->memory + (size_t)first * piece_bytes, n);
    got += n;
    first = (first + 1) % PIECES;
    ahead--;
  }
  return 0;
}
