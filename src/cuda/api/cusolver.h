/* The part of cuSOLVER that is used here: types, constants and functions as its ABI has them (cuSOLVER 12).
   No header of NVIDIA's is needed to build. */
#ifndef MXI_CUDA_API_CUSOLVER_H
#define MXI_CUDA_API_CUSOLVER_H
#include "cuda/api/driver.h"

typedef int cusolverStatus_t;
typedef struct cusolverDnContext *cusolverDnHandle_t;
typedef struct cusolverDnParams *cusolverDnParams_t;

enum { CUSOLVER_STATUS_SUCCESS = 0, CUSOLVER_STATUS_ALLOC_FAILED = 2 };
enum { CUSOLVER_FILL_LOWER = 0, CUSOLVER_FILL_UPPER = 1 };     /* cublasFillMode_t */
enum { CUSOLVER_OP_N = 0, CUSOLVER_OP_T = 1 };                 /* cublasOperation_t */
enum { CUSOLVER_TYPE_FLOAT32 = 0, CUSOLVER_TYPE_FLOAT64 = 1 }; /* cudaDataType */

struct mxi_cusolver {
#define MX_CUDA_FN(name, ...) cusolverStatus_t (*name)(__VA_ARGS__);
#include "cuda/api/cusolver.def"
#undef MX_CUDA_FN
};
#endif
