#include "cuda/cusolver.h"
#include "base/alloc.h"
#include "base/error.h"
#include "base/lock.h"
#include "cuda/api/cusolver.h"
#include "cuda/context.h"
#include "cuda/library.h"
#include "cuda/memory.h"
#include <string.h>

/* ---- The library ---- */
static const char *const symbols[] = {
#define MX_CUDA_FN(name, ...) #name,
#include "cuda/api/cusolver.def"
#undef MX_CUDA_FN
};
static struct mxi_cusolver solver;
_Static_assert(sizeof solver == sizeof(void *) * (sizeof symbols / sizeof *symbols), "one symbol a function");
static struct mxi_cuda_library library = {.name = "cuSOLVER",
                                          .soname = "libcusolver.so.12",
                                          .folder = "cu13/lib",
                                          .wheel = "nvidia-cusolver",
                                          .nsymbols = sizeof symbols / sizeof *symbols,
                                          .symbols = symbols};

/* With MXI_LOCK_CUDA_SOLVERS held. */
static cusolverDnHandle_t handle;
static cusolverDnParams_t params;

bool mxi_cuda_has_cusolver(void) {
  struct mxi_error unimportant;
  if (mxi_cuda_library_open(&library, (void **)&solver) == 0) return true;
  mxi_error_take(&unimportant);
  return false;
}

static int check_solver(const struct mxi_cuda_solver *v, cusolverStatus_t status, const char *what) {
  if (status == CUSOLVER_STATUS_SUCCESS) return 0;
  return mxi_fail(status == CUSOLVER_STATUS_ALLOC_FAILED ? MX_OUT_OF_MEMORY : MX_DEVICE_ERROR,
                  "[%s] expected %.*s to succeed, got cuSOLVER status %d", v->op, (int)strcspn(what, "("),
                  what, status);
}
#define SOLVER_TRY(v, call) MXI_TRY(check_solver(v, solver.call, #call))

static int begin_cusolver(const struct mxi_cuda_solver *v) {
  struct mxi_cuda_stream *stream = mxi_cuda_stream_of(v->s);
  if (!stream) return -1;
  MXI_TRY(mxi_cuda_library_open(&library, (void **)&solver));
  if (!handle) SOLVER_TRY(v, cusolverDnCreate(&handle));
  if (!params) SOLVER_TRY(v, cusolverDnCreateParams(&params));
  SOLVER_TRY(v, cusolverDnSetStream(handle, stream->handle));
  return 0;
}

/* ---- Workspaces: one for all matrices, which are done in turn ---- */
struct solver_work {
  size_t device_bytes, host_bytes;
  struct mxi_cuda_scratch device;
  void *host;
};
static int take_work(const struct mxi_cuda_solver *v, struct solver_work *w) {
  if (w->host_bytes && !(w->host = mxi_calloc(1, w->host_bytes))) return -1;
  return w->device_bytes ? mxi_cuda_scratch_take(v->s, w->device_bytes, &w->device) : 0;
}

/* The memory on the host is in use until the work is done. */
static int end_work(const struct mxi_cuda_solver *v, struct solver_work *w, int result) {
  struct mxi_cuda_stream *stream = mxi_cuda_stream_of(v->s);
  mxi_cuda_count(stream);
  mxi_cuda_scratch_free(&w->device);
  if (w->host) {
    int waited = mxi_cuda_check(mxi_cuda.cuStreamSynchronize(stream->handle), "cuStreamSynchronize");
    if (result == 0) result = waited;
    mxi_free(w->host);
  }
  return result;
}

static int type_of(const struct mxi_cuda_solver *v) {
  return v->dtype == MX_FLOAT64 ? CUSOLVER_TYPE_FLOAT64 : CUSOLVER_TYPE_FLOAT32;
}
static void *matrix_at(const struct mxi_cuda_solver *v, void *matrices, int64_t i, int64_t columns) {
  return (char *)matrices + i * columns * v->n * (int64_t)mx_dtype_size(v->dtype);
}

/* ---- Cholesky ---- */
static int factor_positive(const struct mxi_cuda_solver *v, int triangle, struct solver_work *w) {
  int type = type_of(v);
  SOLVER_TRY(v, cusolverDnXpotrf_bufferSize(handle, params, triangle, v->n, type, v->a, v->n, type,
                                            &w->device_bytes, &w->host_bytes));
  MXI_TRY(take_work(v, w));
  for (int64_t i = 0; i < v->count; i++)
    SOLVER_TRY(v,
               cusolverDnXpotrf(handle, params, triangle, v->n, type, matrix_at(v, v->a, i, v->n), v->n, type,
                                w->device.address, w->device_bytes, w->host, w->host_bytes, v->infos + i));
  return 0;
}

int mxi_cuda_cusolver_cholesky(const struct mxi_cuda_solver *v, bool lower) {
  struct solver_work w = {0};
  mxi_lock(MXI_LOCK_CUDA_SOLVERS);
  int result = begin_cusolver(v);
  if (result == 0) {
    result = factor_positive(v, lower ? CUSOLVER_FILL_LOWER : CUSOLVER_FILL_UPPER, &w);
    result = end_work(v, &w, result);
  }
  mxi_unlock(MXI_LOCK_CUDA_SOLVERS);
  return result;
}

/* ---- Systems ---- */
static int solve_systems(const struct mxi_cuda_solver *v, bool transposed, int64_t columns, void *b,
                         int64_t *pivots, struct solver_work *w) {
  int type = type_of(v), op = transposed ? CUSOLVER_OP_T : CUSOLVER_OP_N;
  SOLVER_TRY(v, cusolverDnXgetrf_bufferSize(handle, params, v->n, v->n, type, v->a, v->n, type,
                                            &w->device_bytes, &w->host_bytes));
  MXI_TRY(take_work(v, w));
  for (int64_t i = 0; i < v->count; i++) {
    void *a = matrix_at(v, v->a, i, v->n);
    SOLVER_TRY(v, cusolverDnXgetrf(handle, params, v->n, v->n, type, a, v->n, pivots, type, w->device.address,
                                   w->device_bytes, w->host, w->host_bytes, v->infos + i));
    SOLVER_TRY(v, cusolverDnXgetrs(handle, params, op, v->n, columns, type, a, v->n, pivots, type,
                                   matrix_at(v, b, i, columns), v->n, v->infos + v->count + i));
  }
  return 0;
}

int mxi_cuda_cusolver_solve(const struct mxi_cuda_solver *v, bool transposed, int64_t columns, void *b) {
  struct solver_work w = {0};
  struct mxi_cuda_scratch pivots;
  MXI_TRY(mxi_cuda_scratch_take(v->s, (size_t)v->n * sizeof(int64_t), &pivots));
  mxi_lock(MXI_LOCK_CUDA_SOLVERS);
  int result = begin_cusolver(v);
  if (result == 0) {
    result = solve_systems(v, transposed, columns, b, pivots.address, &w);
    result = end_work(v, &w, result);
  }
  mxi_unlock(MXI_LOCK_CUDA_SOLVERS);
  mxi_cuda_scratch_free(&pivots);
  return result;
}
