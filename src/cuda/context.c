#include "cuda/context.h"
#include "cuda/library.h"
#include "base/lock.h"
#include <pthread.h>
#include <string.h>

struct mxi_cuda_driver mxi_cuda;

static const char *const symbols[] = {
#define MX_CUDA_FN(name, ...) #name,
#include "cuda/api/driver.def"
#undef MX_CUDA_FN
};
_Static_assert(sizeof mxi_cuda == sizeof(void *) * (sizeof symbols / sizeof *symbols),
               "one symbol a function");
static struct mxi_cuda_library library = {.name = "the driver",
                                          .soname = "libcuda.so.1",
                                          .nsymbols = sizeof symbols / sizeof *symbols,
                                          .symbols = symbols};

static struct mxi_cuda_device device;
static CUcontext context;
static pthread_once_t opened = PTHREAD_ONCE_INIT;
static bool available, forked;
static struct mxi_error why; // there is none
static _Thread_local bool entered;

static int attribute(CUdevice d, int which) {
  int value = 0;
  mxi_cuda.cuDeviceGetAttribute(&value, which, d);
  return value;
}

static void describe(CUdevice d) {
  mxi_cuda.cuDeviceGetName(device.name, sizeof device.name, d);
  device.major = attribute(d, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR);
  device.minor = attribute(d, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  device.multiprocessors = attribute(d, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT);
  device.shared_bytes = attribute(d, CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN);
  device.cache_bytes = (size_t)attribute(d, CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE);
  device.shares_memory = attribute(d, CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES);
  mxi_cuda.cuDeviceTotalMem_v2(&device.memory_bytes, d);
}

static int open_device(void) {
  CUdevice d;
  int count = 0;
  MXI_TRY(mxi_cuda_library_open(&library, (void **)&mxi_cuda));
  MXI_CUDA_TRY(cuInit(0));
  MXI_CUDA_TRY(cuDeviceGetCount(&count));
  if (!count) return mxi_fail(MX_DEVICE_ERROR, "[cuda] expected a GPU, got none");
  MXI_CUDA_TRY(cuDeviceGet(&d, 0));
  MXI_CUDA_TRY(cuDevicePrimaryCtxRetain(&context, d));
  describe(d);
  return 0;
}

static void after_fork_in_child(void) { forked = true; }
static void open_once(void) {
  available = open_device() == 0;
  if (available)
    pthread_atfork(NULL, NULL, after_fork_in_child);
  else
    mxi_error_take(&why);
}

bool mxi_cuda_available(void) {
  pthread_once(&opened, open_once);
  return available;
}

int mxi_cuda_enter(void) {
  if (entered && !forked) return 0;
  if (!mxi_cuda_available()) return mxi_error_put(&why);
  if (forked)
    return mxi_fail(MX_DEVICE_ERROR,
                    "[cuda] expected the process that began to use the GPU, got a child forked from it; use "
                    "the multiprocessing method \"spawn\", or mx.cpu in the child");
  MXI_CUDA_TRY(cuCtxSetCurrent(context));
  entered = true;
  return 0;
}

const struct mxi_cuda_device *mxi_cuda_device(void) { return &device; }

int mxi_cuda_describe(mx_device_info *info) {
  size_t total;
  MXI_TRY(mxi_cuda_enter());
  *info = (mx_device_info){.memory_bytes = device.memory_bytes,
                           .compute_major = device.major,
                           .compute_minor = device.minor,
                           .multiprocessors = device.multiprocessors};
  memcpy(info->name, device.name, sizeof info->name);
  MXI_CUDA_TRY(cuMemGetInfo_v2(&info->free_bytes, &total));
  return 0;
}

int mxi_cuda_check(CUresult r, const char *what) {
  if (r == CUDA_SUCCESS) return 0;
  const char *name = NULL, *text = NULL;
  mxi_cuda.cuGetErrorName(r, &name);
  mxi_cuda.cuGetErrorString(r, &text);
  int length = (int)strcspn(what, "(");
  return mxi_fail(r == CUDA_ERROR_OUT_OF_MEMORY ? MX_OUT_OF_MEMORY : MX_DEVICE_ERROR,
                  "[cuda] expected %.*s to succeed, got %s: %s", length, what,
                  name ? name : "an unknown error", text ? text : "no text");
}
