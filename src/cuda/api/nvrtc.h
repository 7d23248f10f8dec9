/* The part of NVIDIA's runtime compiler (NVRTC 13) that is used here: types and functions as its ABI has
   them. No header of theirs is needed to build. */
#ifndef MXI_CUDA_API_NVRTC_H
#define MXI_CUDA_API_NVRTC_H
#include <stddef.h>

typedef int nvrtcResult;
typedef struct _nvrtcProgram *nvrtcProgram;

enum { NVRTC_SUCCESS = 0, NVRTC_ERROR_COMPILATION = 6, NVRTC_ERROR_CANCELLED = 16 };

/* Every function of NVRTC that is used. */
struct mxi_cuda_nvrtc {
#define MX_CUDA_FN(name, ...) nvrtcResult (*name)(__VA_ARGS__);
#include "cuda/api/nvrtc.def"
#undef MX_CUDA_FN
};
#endif
