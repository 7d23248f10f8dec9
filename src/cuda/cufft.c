#include "cuda/cufft.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/lock.h"
#include "base/lru.h"
#include "cuda/context.h"
#include "cuda/library.h"
#include "cuda/memory.h"
#include <string.h>

/* ---- The library ---- */
static const char *const symbols[] = {
#define MX_CUDA_FN(name, ...) #name,
#include "cuda/api/cufft.def"
#undef MX_CUDA_FN
};
static struct mxi_cufft cufft;
_Static_assert(sizeof cufft == sizeof(void *) * (sizeof symbols / sizeof *symbols), "one symbol a function");
static struct mxi_cuda_library library = {.name = "cuFFT",
                                          .soname = "libcufft.so.12",
                                          .folder = "cu13/lib",
                                          .wheel = "nvidia-cufft",
                                          .nsymbols = sizeof symbols / sizeof *symbols,
                                          .symbols = symbols};

bool mxi_cuda_has_cufft(void) {
  struct mxi_error unimportant;
  if (mxi_cuda_library_open(&library, (void **)&cufft) == 0) return true;
  mxi_error_take(&unimportant);
  return false;
}

static int check_cufft(cufftResult result, const char *what) {
  if (result == CUFFT_SUCCESS) return 0;
  return mxi_fail(result == CUFFT_ALLOC_FAILED ? MX_OUT_OF_MEMORY : MX_DEVICE_ERROR,
                  "[fft] expected %.*s to succeed, got cuFFT result %d", (int)strcspn(what, "("), what,
                  result);
}
#define CUFFT_TRY(call) MXI_TRY(check_cufft(cufft.call, #call))

/* ---- Plans, with MXI_LOCK_CUDA_TRANSFORMS held ---- */
struct fft_plan {
  struct mxi_lru_entry entry;
  struct mxi_cuda_fft_kind kind;
  bool made;
  cufftHandle handle;
  size_t work_bytes;
};
static struct mxi_lru plans;
_Static_assert(sizeof(struct mxi_cuda_fft_kind) == 8 * sizeof(uint64_t), "no holes");

static uint64_t hash_kind(const struct mxi_cuda_fft_kind *kind) {
  return mxi_mix_bytes(0, kind, sizeof *kind);
}
static bool same_kind(const struct mxi_lru_entry *e, const void *key) {
  return memcmp(&((const struct fft_plan *)e)->kind, key, sizeof(struct mxi_cuda_fft_kind)) == 0;
}

static void drop_plan(struct fft_plan *p) {
  if (p && p->made) cufft.cufftDestroy(p->handle);
  mxi_free(p);
}

static int make_plan(struct fft_plan *p) {
  const struct mxi_cuda_fft_kind *k = &p->kind;
  long long n[MXI_CUDA_FFT_MOST_AXES], in[MXI_CUDA_FFT_MOST_AXES], out[MXI_CUDA_FFT_MOST_AXES];
  int last = k->rank - 1;
  for (int i = 0; i < k->rank; i++) n[i] = in[i] = out[i] = k->n[i];
  if (k->type == CUFFT_R2C) out[last] = n[last] / 2 + 1;
  if (k->type == CUFFT_C2R) in[last] = n[last] / 2 + 1;
  CUFFT_TRY(cufftCreate(&p->handle));
  p->made = true;
  CUFFT_TRY(cufftSetAutoAllocation(p->handle, 0));
  CUFFT_TRY(cufftMakePlanMany64(p->handle, k->rank, n, in, k->stride, k->in_distance, out, k->stride,
                                k->out_distance, k->type, k->batch, &p->work_bytes));
  return 0;
}

static struct fft_plan *plan_of(const struct mxi_cuda_fft_kind *kind) {
  enum { MOST_PLANS = 256 }; /* each has tables on the device */
  uint64_t hash = hash_kind(kind);
  struct fft_plan *p = (struct fft_plan *)mxi_lru_find(&plans, hash, same_kind, kind);
  if (p || !(p = mxi_calloc(1, sizeof *p))) return p;
  p->kind = *kind;
  if (make_plan(p) < 0 || mxi_lru_put(&plans, &p->entry, hash) < 0) {
    drop_plan(p);
    return NULL;
  }
  if (plans.n > MOST_PLANS) drop_plan((struct fft_plan *)mxi_lru_take_oldest(&plans));
  return p;
}

/* ---- Running one ---- */
static int execute(struct fft_plan *p, bool inverse, void *in, void *out) {
  switch (p->kind.type) {
  case CUFFT_R2C: CUFFT_TRY(cufftExecR2C(p->handle, in, out)); break;
  case CUFFT_C2R: CUFFT_TRY(cufftExecC2R(p->handle, in, out)); break;
  default: CUFFT_TRY(cufftExecC2C(p->handle, in, out, inverse ? CUFFT_INVERSE : CUFFT_FORWARD)); break;
  }
  return 0;
}

static int submit(mx_stream s, struct fft_plan *p, bool inverse, void *in, void *out) {
  struct mxi_cuda_stream *stream = mxi_cuda_stream_of(s);
  struct mxi_cuda_scratch work = {0};
  if (!stream) return -1;
  CUFFT_TRY(cufftSetStream(p->handle, stream->handle));
  if (p->work_bytes) MXI_TRY(mxi_cuda_scratch_take(s, p->work_bytes, &work));
  int result = check_cufft(cufft.cufftSetWorkArea(p->handle, work.address), "cufftSetWorkArea");
  if (result == 0) result = execute(p, inverse, in, out);
  mxi_cuda_count(stream);
  mxi_cuda_scratch_free(&work);
  return result;
}

int mxi_cuda_cufft_run(mx_stream s, const struct mxi_cuda_fft_kind *kind, bool inverse, void *in, void *out) {
  MXI_TRY(mxi_cuda_enter());
  MXI_TRY(mxi_cuda_library_open(&library, (void **)&cufft));
  mxi_lock(MXI_LOCK_CUDA_TRANSFORMS);
  struct fft_plan *p = plan_of(kind);
  int result = p ? submit(s, p, inverse, in, out) : -1;
  mxi_unlock(MXI_LOCK_CUDA_TRANSFORMS);
  return result;
}
