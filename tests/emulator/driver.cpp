/* Initialisation, the device and its context, and errors. */
#include "driver.h"
#include "settings.h"
#include <atomic>
#include <map>
#include <mutex>
#include <pthread.h>
#include <string.h>

using namespace emulator;

/* Every function that the library takes from the driver. */
extern const mxi_cuda_driver emulated_driver;
__attribute__((used)) const mxi_cuda_driver emulated_driver = {
#define MX_CUDA_FN(name, ...) name,
#include "cuda/api/driver.def"
#undef MX_CUDA_FN
};

namespace emulator {
namespace {
enum { VERSION = 13000, MULTIPROCESSORS = 132 };
CUcontext const the_context = reinterpret_cast<CUcontext>(0x1000);

std::atomic<bool> initialized{false}, forked{false};
std::atomic<CUresult> sticky{CUDA_SUCCESS};
thread_local CUcontext current;

/* As an H200 answers, but for what the emulator lacks. */
const std::map<int, int> &attributes() {
  static const auto &all = *new std::map<int, int>{
      {1, 1024},       // threads of a block
      {2, 1024},       // its x
      {3, 1024},       // y
      {4, 64},         // z
      {5, 2147483647}, // blocks of a grid: x
      {6, 65535},      // y
      {7, 65535},      // z
      {8, 49152},      // shared memory of a block
      {10, 32},        // threads of a warp
      {12, 65536},     // registers of a block
      {13, 1980000},   // clock in kHz
      {CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, MULTIPROCESSORS},
      {CU_DEVICE_ATTRIBUTE_INTEGRATED, 0},
      {36, 3201000}, // clock of the memory in kHz
      {37, 6144},    // width of its bus in bits
      {CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE, 60 << 20},
      {39, 2048}, // threads of a multiprocessor
      {41, 1},    // unified addressing
      {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, 9},
      {CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, 0},
      {81, 233472}, // shared memory of a multiprocessor
      {CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS, 0},
      {CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN, 227 << 10},
      {CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES, 0},
  };
  return all;
}

struct error_text {
  CUresult error;
  const char *name, *text;
};
const error_text texts[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
    {invalid_value, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {out_of_memory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {not_initialized, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {invalid_device, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {invalid_image, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {invalid_context, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {invalid_handle, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {not_found, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {not_ready, "CUDA_ERROR_NOT_READY", "device not ready"},
    {illegal_address, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {launch_failed, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
};
const error_text *find_text(CUresult error) {
  for (const error_text &t : texts)
    if (t.error == error) return &t;
  return nullptr;
}

CUresult uninitialized() { return initialized && !forked ? CUDA_SUCCESS : CUresult(not_initialized); }
} // namespace

CUresult obstacle() {
  if (const CUresult e = uninitialized()) return e;
  if (!current) return invalid_context;
  return sticky;
}
void stick(CUresult error) {
  CUresult none = CUDA_SUCCESS;
  if (error) sticky.compare_exchange_strong(none, error);
}
bool failed_before() { return sticky != CUDA_SUCCESS; }
} // namespace emulator

CUresult cuInit(unsigned flags) {
  if (flags) return invalid_value;
  if (forked) return not_initialized;
  static std::once_flag once;
  std::call_once(once, [] {
    get_settings();
    pthread_atfork(nullptr, nullptr, [] { forked = initialized.load(); });
  });
  initialized = true;
  return CUDA_SUCCESS;
}
CUresult cuDriverGetVersion(int *version) {
  *version = VERSION;
  return CUDA_SUCCESS;
}
CUresult cuGetErrorName(CUresult error, const char **name) {
  const error_text *t = find_text(error);
  *name = t ? t->name : nullptr;
  return t ? CUDA_SUCCESS : CUresult(invalid_value);
}
CUresult cuGetErrorString(CUresult error, const char **text) {
  const error_text *t = find_text(error);
  *text = t ? t->text : nullptr;
  return t ? CUDA_SUCCESS : CUresult(invalid_value);
}

CUresult cuDeviceGetCount(int *count) {
  if (const CUresult e = uninitialized()) return e;
  *count = 1;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  if (const CUresult e = uninitialized()) return e;
  *device = ordinal;
  return ordinal ? CUresult(invalid_device) : CUDA_SUCCESS;
}
CUresult cuDeviceGetName(char *name, int length, CUdevice device) {
  if (const CUresult e = uninitialized()) return e;
  if (device || length <= 0) return invalid_value;
  strncpy(name, "Emulated GPU", size_t(length));
  name[length - 1] = 0;
  return CUDA_SUCCESS;
}
CUresult cuDeviceGetAttribute(int *value, int attribute, CUdevice device) {
  if (const CUresult e = uninitialized()) return e;
  const auto found = attributes().find(attribute);
  if (device || found == attributes().end()) return invalid_value;
  *value = found->second;
  return CUDA_SUCCESS;
}
CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
  if (const CUresult e = uninitialized()) return e;
  *bytes = get_settings().memory;
  return device ? CUresult(invalid_device) : CUDA_SUCCESS;
}
CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  if (const CUresult e = uninitialized()) return e;
  *context = the_context;
  return device ? CUresult(invalid_device) : CUDA_SUCCESS;
}
CUresult cuCtxSynchronize(void) {
  EMULATOR_ENTER();
  wait_for_all_streams();
  return CUDA_SUCCESS;
}
CUresult cuCtxSetCurrent(CUcontext context) {
  if (const CUresult e = uninitialized()) return e;
  if (context && context != the_context) return invalid_context;
  current = context;
  return CUDA_SUCCESS;
}
