/* NVIDIA's runtime compiler, emulated: the C++ compiler makes a shared library of the source, whose bytes
   stand for the machine code (library.cpp loads them). */
#include "cuda/api/nvrtc.h"
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#define EXPORTED              extern "C" __attribute__((visibility("default")))
#define MX_CUDA_FN(name, ...) EXPORTED nvrtcResult name(__VA_ARGS__);
#include "cuda/api/nvrtc.def"
#undef MX_CUDA_FN

enum : nvrtcResult { INVALID_INPUT = 3 };

struct _nvrtcProgram {
  std::string source, log, code;
  std::vector<std::pair<std::string, std::string>> headers; // name, text
  int (*must_stop)(void *, void *) = nullptr;
  void *context = nullptr;
};

namespace {
std::string read_file(const std::string &path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}
void write_file(const std::string &folder, const std::string &name, const std::string &text) {
  for (size_t slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1))
    mkdir((folder + "/" + name.substr(0, slash)).c_str(), 0700);
  std::ofstream(folder + "/" + name) << text;
}

/* `extern __shared__ T x[];` is the block's dynamic shared memory, for which C++ has no word. */
std::string with_dynamic_shared(const std::string &source) {
  static const std::regex declaration(
      R"(extern\s+__shared__\s+(?:(?:__align__|alignas)\s*\(\s*\w+\s*\)\s*)?([\w:\s]+?)\s+(\w+)\s*\[\s*\]\s*;)");
  return std::regex_replace(source, declaration, "MXI_DYNAMIC_SHARED($1, $2);");
}

/* A folder that is there as long as this is. */
struct temporary_folder {
  std::string path;
  temporary_folder() {
    const char *parent = getenv("TMPDIR");
    path = std::string(parent ? parent : "/tmp") + "/emulated_nvrtc_XXXXXX";
    if (!mkdtemp(&path[0])) path.clear();
  }
  ~temporary_folder() {
    if (!path.empty() && system(("rm -rf '" + path + "'").c_str()) != 0) perror("rm");
  }
};
} // namespace

nvrtcResult nvrtcVersion(int *major, int *minor) {
  *major = 13;
  *minor = 0;
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcCreateProgram(nvrtcProgram *program, const char *source, const char *, int nheaders,
                               const char *const *headers, const char *const *include_names) {
  *program = new _nvrtcProgram;
  (*program)->source = source;
  for (int i = 0; i < nheaders; i++) (*program)->headers.emplace_back(include_names[i], headers[i]);
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcSetFlowCallback(nvrtcProgram program, int (*must_stop)(void *, void *), void *context) {
  program->must_stop = must_stop;
  program->context = context;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcCompileProgram(nvrtcProgram program, int noptions, const char *const *options) {
  bool says = false;
  for (int i = 0; i < noptions; i++) says |= strncmp(options[i], "--fmad=", 7) == 0;
  if (!says) return INVALID_INPUT; // whether results are those of kernels compiled ahead
  if (program->must_stop && program->must_stop(program->context, nullptr)) return NVRTC_ERROR_CANCELLED;
  const temporary_folder folder;
  if (folder.path.empty()) return INVALID_INPUT;
  for (const auto &header : program->headers) write_file(folder.path, header.first, header.second);
  write_file(folder.path, "program.cpp", with_dynamic_shared(program->source));
  const std::string library = folder.path + "/program.so";
  std::ostringstream command; // EMULATED_COMPILER: the compiler and its arguments, from the build
  command << EMULATED_COMPILER " -shared -fPIC -I'" << folder.path << "' -o '" << library << "' '"
          << folder.path << "/program.cpp' >'" << folder.path << "/log' 2>&1";
  const bool compiled = system(command.str().c_str()) == 0;
  program->log = read_file(folder.path + "/log");
  if (!compiled) return NVRTC_ERROR_COMPILATION;
  const std::string bytes = read_file(library);
  const uint64_t size = bytes.size();
  program->code =
      "MXI_EMULATED_IMAGE:" + std::string(reinterpret_cast<const char *>(&size), sizeof size) + bytes;
  return NVRTC_SUCCESS;
}

nvrtcResult nvrtcGetCUBINSize(nvrtcProgram program, size_t *bytes) {
  *bytes = program->code.size();
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetCUBIN(nvrtcProgram program, char *cubin) {
  memcpy(cubin, program->code.data(), program->code.size());
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetProgramLogSize(nvrtcProgram program, size_t *bytes) {
  *bytes = program->log.size() + 1;
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcGetProgramLog(nvrtcProgram program, char *log) {
  memcpy(log, program->log.c_str(), program->log.size() + 1);
  return NVRTC_SUCCESS;
}
nvrtcResult nvrtcDestroyProgram(nvrtcProgram *program) {
  delete *program;
  *program = nullptr;
  return NVRTC_SUCCESS;
}
