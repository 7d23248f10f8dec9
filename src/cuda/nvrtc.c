#include "cuda/nvrtc.h"
#include "base/alloc.h"
#include "base/error.h"
#include "cuda/api/nvrtc.h"
#include "cuda/library.h"
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { MOST_HEADERS = MXI_CUDA_MOST_HEADERS + 4 }; /* ours, and the well-known ones */

static struct mxi_cuda_nvrtc nvrtc;
static const char *const nvrtc_symbols[] = {
#define MX_CUDA_FN(name, ...) #name,
#include "cuda/api/nvrtc.def"
#undef MX_CUDA_FN
};
static struct mxi_cuda_library nvrtc_library = {.name = "NVIDIA's runtime compiler",
                                                .soname = "libnvrtc.so.13",
                                                .folder = "cu13/lib",
                                                .wheel = "nvidia-cuda-nvrtc",
                                                .nsymbols = sizeof nvrtc_symbols / sizeof *nvrtc_symbols,
                                                .symbols = nvrtc_symbols};

static int must_stop(void *stop, void *reserved) {
  (void)reserved;
  return atomic_load((const atomic_bool *)stop);
}

/* The first lines of what the compiler says. */
static int fail_with_log(nvrtcProgram program, nvrtcResult result) {
  size_t bytes = 0;
  char *log = NULL;
  if (nvrtc.nvrtcGetProgramLogSize(program, &bytes) == NVRTC_SUCCESS && (log = mxi_malloc(bytes + 1)) &&
      nvrtc.nvrtcGetProgramLog(program, log) == NVRTC_SUCCESS)
    log[bytes] = 0;
  mxi_fail(MX_DEVICE_ERROR, "[cuda] expected the runtime compiler to take the source, got error %d: %.400s",
           result, log ? log : "");
  mxi_free(log);
  return -1;
}

static void *code_of(nvrtcProgram program, size_t *bytes) {
  void *code = NULL;
  if (nvrtc.nvrtcGetCUBINSize(program, bytes) != NVRTC_SUCCESS || *bytes == 0 || !(code = mxi_malloc(*bytes)))
    return NULL;
  if (nvrtc.nvrtcGetCUBIN(program, code) == NVRTC_SUCCESS) return code;
  mxi_free(code);
  return NULL;
}

/* The compiler opens a second library, by its bare name: one that lies beside it must be open before. Where
   there is none, it is the system's business. */
static void open_builtins(void) {
  Dl_info compiler;
  int major, minor;
  char path[PATH_MAX];
  if (nvrtc.nvrtcVersion(&major, &minor) != NVRTC_SUCCESS ||
      !dladdr((void *)(size_t)nvrtc.nvrtcVersion, &compiler) || !compiler.dli_fname)
    return;
  const char *slash = strrchr(compiler.dli_fname, '/');
  int folder = slash ? (int)(slash - compiler.dli_fname) : 0;
  int n = snprintf(path, sizeof path, "%.*s/libnvrtc-builtins.so.%d.%d", folder, compiler.dli_fname, major,
                   minor);
  if (folder && n > 0 && (size_t)n < sizeof path) dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

int mxi_nvrtc_open(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  MXI_TRY(mxi_cuda_library_open(&nvrtc_library, (void **)&nvrtc));
  pthread_once(&once, open_builtins);
  return 0;
}

/* Headers of CUDA's that kernels of the user's include: what they use of them is in custom.cuh, for nobody
   need have a toolkit. */
static const struct mxi_cuda_header well_known[] = {{"cuda_fp16.h", ""},
                                                    {"cuda_bf16.h", ""},
                                                    {"cooperative_groups.h", ""},
                                                    {"cooperative_groups/reduce.h", ""}};
static int list_headers(const char **texts, const char **names) {
  int n = 0, nknown = sizeof well_known / sizeof *well_known;
  for (int i = 0; i < mxi_cuda_header_count + nknown && n < MOST_HEADERS; i++, n++) {
    const struct mxi_cuda_header *h = i < nknown ? &well_known[i] : &mxi_cuda_headers[i - nknown];
    texts[n] = h->text;
    names[n] = h->name;
  }
  return n;
}

void *mxi_nvrtc_compile(const char *source, const char *architecture, bool contracts, const atomic_bool *stop,
                        size_t *bytes) {
  const char *texts[MOST_HEADERS], *names[MOST_HEADERS];
  int nheaders = list_headers(texts, names);
  char option[32];
  snprintf(option, sizeof option, "-arch=%s", architecture);
  const char *options[] = {option, "-std=c++17", contracts ? "--fmad=true" : "--fmad=false",
                           "-default-device"};
  nvrtcProgram program;
  nvrtcResult result = nvrtc.nvrtcCreateProgram(&program, source, "program.cu", nheaders, texts, names);
  if (result != NVRTC_SUCCESS) {
    mxi_fail(MX_DEVICE_ERROR, "[cuda] expected the runtime compiler to start, got error %d", result);
    return NULL;
  }
  nvrtc.nvrtcSetFlowCallback(program, must_stop, (void *)(size_t)stop);
  result = nvrtc.nvrtcCompileProgram(program, sizeof options / sizeof *options, options);
  void *code = result == NVRTC_SUCCESS ? code_of(program, bytes) : (fail_with_log(program, result), NULL);
  nvrtc.nvrtcDestroyProgram(&program);
  return code;
}
