/* The part of cuFFT that is used here: types, constants and functions as its ABI has them (cuFFT 12). No
   header of NVIDIA's is needed to build. */
#ifndef MXI_CUDA_API_CUFFT_H
#define MXI_CUDA_API_CUFFT_H
#include "cuda/api/driver.h"

typedef int cufftResult;
typedef int cufftHandle;

enum {
  CUFFT_SUCCESS = 0,
  CUFFT_INVALID_PLAN = 1,
  CUFFT_ALLOC_FAILED = 2,
  CUFFT_INVALID_VALUE = 4,
  CUFFT_EXEC_FAILED = 6,
  CUFFT_SETUP_FAILED = 7,
  CUFFT_INVALID_SIZE = 8
};
enum { CUFFT_C2C = 0x29, CUFFT_R2C = 0x2a, CUFFT_C2R = 0x2c };
enum { CUFFT_FORWARD = -1, CUFFT_INVERSE = 1 };

struct mxi_cufft {
#define MX_CUDA_FN(name, ...) cufftResult (*name)(__VA_ARGS__);
#include "cuda/api/cufft.def"
#undef MX_CUDA_FN
};
#endif
