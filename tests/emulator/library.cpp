/* Libraries of kernels. The emulator's own are compiled into it, whatever image it is given; others are
   shared libraries that are loaded when an image says MXI_EMULATED_LIBRARY:path. */
#include "block.h"
#include "driver.h"
#include "emulator/lane.h"
#include "kernel_names.h"
#include <atomic>
#include <dlfcn.h>
#include <fcntl.h>
#include <map>
#include <memory>
#include <mutex>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <unistd.h>
#include <vector>

using namespace emulator;

namespace {
enum : unsigned {
  SHARED_DEFAULT = 48 << 10,
  SHARED_MOST = 227 << 10,
  SHARED_OF_MULTIPROCESSOR = 228 << 10,
  SHARED_RESERVED = 1 << 10, // of each block
  MOST_THREADS = 1024,
  MOST_PARAMS_BYTES = 4096
};
const char runtime_library[] = "MXI_EMULATED_LIBRARY:";
const char runtime_image[] = "MXI_EMULATED_IMAGE:"; // its size, 8 bytes, and the library's bytes (nvrtc.cpp)

bool begins_with(const void *code, const char *word) {
  return !strncmp(static_cast<const char *>(code), word, strlen(word));
}

/* A shared library that lies in memory: by way of a file of a new name, as the loader knows libraries by
 * theirs. */
void *open_image(const char *image) {
  uint64_t bytes;
  memcpy(&bytes, image, sizeof bytes);
  const char *folder = getenv("TMPDIR");
  std::string path = std::string(folder ? folder : "/tmp") + "/emulated_image_XXXXXX";
  const int fd = mkostemp(&path[0], O_CLOEXEC);
  if (fd < 0) return nullptr;
  const bool written = write(fd, image + sizeof bytes, bytes) == ssize_t(bytes);
  void *handle = written ? dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL) : nullptr;
  unlink(path.c_str());
  close(fd);
  return handle;
}

/* nvcc's fat binaries: a header, then a header and its code for each target. */
const uint32_t FATBIN_MAGIC = 0xBA55ED50u;
struct fatbin_header {
  uint32_t magic;
  uint16_t version, header_bytes;
  uint64_t bytes; // that follow
};
struct fatbin_entry {
  uint16_t kind, unknown;
  uint32_t header_bytes;
  uint64_t bytes;
  uint32_t compressed_bytes, unknowns[5];
  uint64_t flags;
};
enum : uint64_t { FATBIN_COMPRESSED = 0x2000 | 0x8000 };

bool is_fatbin(const void *code) {
  uint32_t magic;
  memcpy(&magic, code, sizeof magic);
  return magic == FATBIN_MAGIC;
}

/* Whether the image can have the kernel: names are readable where nothing is compressed. */
bool may_contain(const void *code, const char *name) {
  fatbin_header h;
  memcpy(&h, code, sizeof h);
  const char *p = static_cast<const char *>(code) + h.header_bytes, *end = p + h.bytes;
  if (memmem(p, h.bytes, name, strlen(name))) return true;
  while (p + sizeof(fatbin_entry) <= end) {
    fatbin_entry e;
    memcpy(&e, p, sizeof e);
    if (e.flags & FATBIN_COMPRESSED) return true;
    if (e.header_bytes + e.bytes == 0) break;
    p += e.header_bytes + e.bytes;
  }
  return false;
}
} // namespace

struct CUfunc_st {
  const kernel_record *kernel;
  std::atomic<unsigned> shared_allowed{SHARED_DEFAULT};
};
struct CUlib_st {
  std::vector<void *> handles; // of dlopen
  bool is_runtime;             // loaded for this library alone
  const void *image;           // a fat binary, or null
  std::mutex lock;
  std::map<std::string, std::unique_ptr<CUfunc_st>> functions;
};

static void *open_library(const std::string &path) {
  void *handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) fprintf(stderr, "emulator: %s\n", dlerror());
  return handle;
}
/* The project's kernels. What the emulator exports is seen by libraries that are loaded from then on. */
static const std::vector<void *> &project_kernels() {
  static const std::vector<void *> &all = *[] {
    Dl_info self;
    dladdr(reinterpret_cast<void *>(project_kernels), &self);
    dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD | RTLD_GLOBAL);
    const std::string path = self.dli_fname, folder = path.substr(0, path.rfind('/') + 1);
    auto *handles = new std::vector<void *>;
    for (const char *const *name = kernel_names; *name; name++)
      if (void *handle = open_library(folder + "libemulated_" + *name + ".so")) handles->push_back(handle);
    return handles;
  }();
  return all;
}

CUresult cuLibraryLoadData(CUlibrary *library, const void *code, int *, void **, unsigned, int *, void **,
                           unsigned) {
  EMULATOR_ENTER();
  std::vector<void *> handles = project_kernels();
  const char *text = static_cast<const char *>(code);
  const bool is_image = code && begins_with(text, runtime_image);
  const bool is_runtime = is_image || (code && begins_with(text, runtime_library));
  if (is_runtime) {
    handles = {is_image ? open_image(text + strlen(runtime_image))
                        : open_library(text + strlen(runtime_library))};
    if (!handles[0]) return invalid_image;
  } else if (code && !is_fatbin(code)) {
    return invalid_image;
  }
  *library = new CUlib_st;
  (*library)->handles = handles;
  (*library)->is_runtime = is_runtime;
  (*library)->image = is_runtime ? nullptr : code;
  return CUDA_SUCCESS;
}
CUresult cuLibraryUnload(CUlibrary library) {
  EMULATOR_ENTER();
  if (!library) return invalid_handle;
  wait_for_all_streams();
  if (library->is_runtime) dlclose(library->handles[0]);
  delete library;
  return CUDA_SUCCESS;
}

/* Kernels and functions are the same here. */
static CUfunction as_function(CUkernel kernel) { return reinterpret_cast<CUfunction>(kernel); }

CUresult cuLibraryGetKernel(CUkernel *kernel, CUlibrary library, const char *name) {
  EMULATOR_ENTER();
  if (!library || !name) return invalid_value;
  if (library->image && !may_contain(library->image, name)) return not_found;
  void *record = nullptr;
  for (void *handle : library->handles)
    if (!record) record = dlsym(handle, (std::string(name) + "_emulated").c_str());
  if (!record) return not_found;
  std::lock_guard<std::mutex> hold(library->lock);
  auto &f = library->functions[name];
  if (!f) {
    f = std::make_unique<CUfunc_st>();
    f->kernel = static_cast<const kernel_record *>(record);
  }
  *kernel = reinterpret_cast<CUkernel>(f.get());
  return CUDA_SUCCESS;
}
CUresult cuKernelGetFunction(CUfunction *function, CUkernel kernel) {
  EMULATOR_ENTER();
  if (!kernel) return invalid_handle;
  *function = as_function(kernel);
  return CUDA_SUCCESS;
}
CUresult cuFuncSetAttribute(CUfunction f, int attribute, int value) {
  EMULATOR_ENTER();
  if (!f) return invalid_handle;
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || value < 0 || value > int(SHARED_MOST))
    return invalid_value;
  f->shared_allowed = unsigned(value);
  return CUDA_SUCCESS;
}
CUresult cuFuncGetAttribute(int *value, int attribute, CUfunction f) {
  EMULATOR_ENTER();
  if (!f) return invalid_handle;
  switch (attribute) {
  case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *value = int(f->kernel->threads); return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES: *value = 0; return CUDA_SUCCESS; // unknown here
  case CU_FUNC_ATTRIBUTE_NUM_REGS: *value = 32; return CUDA_SUCCESS;
  case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *value = int(f->shared_allowed); return CUDA_SUCCESS;
  default: return invalid_value;
  }
}
/* Here every kernel has one parameter, its structure. */
CUresult cuFuncGetParamInfo(CUfunction f, size_t i, size_t *offset, size_t *bytes) {
  EMULATOR_ENTER();
  if (!f) return invalid_handle;
  if (i) return invalid_value;
  *offset = 0;
  *bytes = f->kernel->params_bytes;
  return CUDA_SUCCESS;
}
CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction f, int threads, size_t shared) {
  EMULATOR_ENTER();
  if (!f || threads <= 0 || threads > int(MOST_THREADS)) return invalid_value;
  const size_t by_threads = 2048u / unsigned(threads),
               by_shared = SHARED_OF_MULTIPROCESSOR / (shared + SHARED_RESERVED);
  const size_t least = by_threads < by_shared ? by_threads : by_shared;
  *blocks = least < 32 ? int(least) : 32;
  return CUDA_SUCCESS;
}

/* ---- Launches ---- */

/* Why the hardware or the driver would refuse the launch; null if it would not. */
static const char *refusal(const CUlaunchConfig &c, const CUfunc_st &f) {
  const uint64_t threads = uint64_t(c.blockDimX) * c.blockDimY * c.blockDimZ;
  if (!c.gridDimX || !c.gridDimY || !c.gridDimZ || !threads) return "a grid or block without threads";
  if (c.gridDimX > 0x7fffffffu || c.gridDimY > 65535 || c.gridDimZ > 65535) return "a grid that is too large";
  if (c.blockDimX > 1024 || c.blockDimY > 1024 || c.blockDimZ > 64) return "a block that is too large";
  if (threads > f.kernel->threads || threads > MOST_THREADS)
    return "a block of more threads than the kernel's bound";
  if (c.sharedMemBytes > f.shared_allowed) return "more shared memory than the function was allowed";
  if (f.kernel->params_bytes > MOST_PARAMS_BYTES) return "parameters of more than 4096 bytes";
  return nullptr;
}

/* The parameters as the caller packed them; null if they are not the kernel's. */
static const void *packed_params(void **params, void **extra, size_t expected) {
  enum : uintptr_t { END = 0, POINTER = 1, SIZE = 2 };
  if (params) return params[0];
  const void *buffer = nullptr;
  size_t bytes = 0;
  for (; extra && reinterpret_cast<uintptr_t>(*extra) != END; extra += 2) {
    if (reinterpret_cast<uintptr_t>(*extra) == POINTER) buffer = extra[1];
    if (reinterpret_cast<uintptr_t>(*extra) == SIZE) bytes = *static_cast<const size_t *>(extra[1]);
  }
  return bytes == expected ? buffer : nullptr;
}

static CUresult refuse(const CUfunc_st &f, const char *why) {
  fprintf(stderr, "emulator: %s: launch refused: %s\n", f.kernel->name, why);
  return invalid_value;
}

CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction f, void **params, void **extra) {
  EMULATOR_ENTER();
  if (!config || !f) return invalid_handle;
  const CUlaunchConfig c = *config;
  if (const char *why = refusal(c, *f)) return refuse(*f, why);
  const char *from = static_cast<const char *>(packed_params(params, extra, f->kernel->params_bytes));
  if (!from) return refuse(*f, "parameters of another size");
  struct alignas(16) packed {
    char bytes[MOST_PARAMS_BYTES];
  };
  const auto copy = std::make_shared<packed>();
  memcpy(copy->bytes, from, f->kernel->params_bytes);
  const kernel_record *kernel = f->kernel;
  submit(c.hStream, [=] {
    if (failed_before()) return;
    stick(run_launch({kernel,
                      {c.gridDimX, c.gridDimY, c.gridDimZ},
                      {c.blockDimX, c.blockDimY, c.blockDimZ},
                      c.sharedMemBytes,
                      copy->bytes}));
  });
  return CUDA_SUCCESS;
}
