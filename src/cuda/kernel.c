#include "cuda/kernel.h"
#include "base/lock.h"
#include "cuda/context.h"
#include "cuda/library.h"
#include "cuda/stream.h"

/* The machine code of each file, for several devices (images.S, made where there is nvcc). */
#ifdef MXI_CUDA_IMAGES
#define MX_CUDA_FILE(name) extern const char mxi_cuda_image_##name[];
#include "cuda/kernels/files.def"
#undef MX_CUDA_FILE
#define MX_CUDA_FILE(name) mxi_cuda_image_##name,
#else
#define MX_CUDA_FILE(name) NULL,
#endif
static const void *const images[] = {
#include "cuda/kernels/files.def"
};
#undef MX_CUDA_FILE
static CUlibrary libraries[MXI_CUDA_FILES]; // under MXI_LOCK_CUDA_KERNELS

bool mxi_cuda_has_kernels(void) { return images[0] || mxi_cuda_emulated(); }

static int load(struct mxi_cuda_kernel *k, CUfunction *f) {
  CUlibrary *l = &libraries[k->file];
  CUkernel kernel;
  if (!*l) {
    CUresult r = mxi_cuda.cuLibraryLoadData(l, images[k->file], NULL, NULL, 0, NULL, NULL, 0);
    if (r == CUDA_ERROR_NO_BINARY_FOR_GPU) {
      const struct mxi_cuda_device *d = mxi_cuda_device();
      return mxi_fail(MX_DEVICE_ERROR,
                      "[cuda] expected a device that this build has kernels for, got %s (sm_%d%d)", d->name,
                      d->major, d->minor);
    }
    MXI_TRY(mxi_cuda_check(r, "cuLibraryLoadData"));
  }
  MXI_TRY(mxi_cuda_check(mxi_cuda.cuLibraryGetKernel(&kernel, *l, k->name), k->name));
  MXI_CUDA_TRY(cuKernelGetFunction(f, kernel));
  return 0;
}

CUfunction mxi_cuda_function(struct mxi_cuda_kernel *k) {
  CUfunction f = atomic_load_explicit(&k->function, memory_order_acquire);
  if (f || mxi_cuda_enter() < 0) return f;
  mxi_lock(MXI_LOCK_CUDA_KERNELS);
  if (!(f = atomic_load(&k->function)) && load(k, &f) == 0)
    atomic_store_explicit(&k->function, f, memory_order_release);
  mxi_unlock(MXI_LOCK_CUDA_KERNELS);
  return f;
}

/* More than 48 KB must be allowed first. */
static int allow_shared(struct mxi_cuda_kernel *k, CUfunction f, size_t bytes) {
  enum { ALWAYS = 48 << 10 };
  if (bytes <= ALWAYS || (int)bytes <= atomic_load(&k->shared)) return 0;
  MXI_CUDA_TRY(cuFuncSetAttribute(f, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, (int)bytes));
  atomic_store(&k->shared, (int)bytes);
  return 0;
}

int mxi_cuda_submit(mx_stream stream, CUlaunchConfig *config, CUfunction f, const char *name, void **params) {
  struct mxi_cuda_stream *s = mxi_cuda_stream_of(stream);
  if (!s) return -1;
  if (!config->gridDimX || !config->gridDimY || !config->gridDimZ) return 0;
  config->hStream = s->handle;
  MXI_TRY(mxi_cuda_check(mxi_cuda.cuLaunchKernelEx(config, f, params, NULL), name));
  mxi_cuda_count(s);
  return 0;
}

int mxi_cuda_launch_function(mx_stream stream, CUfunction f, const char *name, struct mxi_cuda_grid grid,
                             const void *params, size_t bytes) {
  if (grid.x <= 0) return 0;
  if (grid.x > INT32_MAX || bytes > 4096)
    return mxi_fail(MX_NOT_SUPPORTED, "[cuda] expected fewer than 2^31 blocks, got %lld for %s",
                    (long long)grid.x, name);
  CUlaunchAttribute overlap = {.id = CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION,
                               .value.programmaticStreamSerializationAllowed = 1};
  CUlaunchConfig config = {.gridDimX = (unsigned)grid.x,
                           .gridDimY = grid.y ? grid.y : 1,
                           .gridDimZ = grid.z ? grid.z : 1,
                           .blockDimX = grid.threads,
                           .blockDimY = 1,
                           .blockDimZ = 1,
                           .sharedMemBytes = (unsigned)grid.shared,
                           .attrs = &overlap,
                           .numAttrs = grid.overlaps && mxi_cuda_device()->major >= 9};
  void *pointers[] = {(void *)params};
  return mxi_cuda_submit(stream, &config, f, name, pointers);
}

int mxi_cuda_launch(mx_stream s, struct mxi_cuda_kernel *k, struct mxi_cuda_grid grid, const void *params,
                    size_t bytes) {
  if (grid.x <= 0) return 0;
  CUfunction f = mxi_cuda_function(k);
  if (!f || allow_shared(k, f, grid.shared) < 0) return -1;
  return mxi_cuda_launch_function(s, f, k->name, grid, params, bytes);
}
