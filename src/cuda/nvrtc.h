/* NVIDIA's runtime compiler, opened when it is first needed. */
#ifndef MXI_CUDA_NVRTC_H
#define MXI_CUDA_NVRTC_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* The headers that sources may include, as text: made when the library is built (tools/embed_headers.py). */
struct mxi_cuda_header {
  const char *name, *text;
};
extern const struct mxi_cuda_header mxi_cuda_headers[];
enum { MXI_CUDA_MOST_HEADERS = 32 };
extern const int mxi_cuda_header_count;
extern const char mxi_cuda_headers_version[]; /* a hash of them */

/* -1 with an error that says what to install. */
int mxi_nvrtc_open(void);
/* After it was opened. The code of the source for an architecture ("sm_90"), which the caller frees.
   contracts: a * b + c may become one instruction, rounded once. NULL with the error set: there is no
   compiler, or it refused, or `stop` was set meanwhile. */
void *mxi_nvrtc_compile(const char *source, const char *architecture, bool contracts, const atomic_bool *stop,
                        size_t *bytes);
#endif
