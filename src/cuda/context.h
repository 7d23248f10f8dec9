/* The device: the driver's functions, the context, and what the device is. */
#ifndef MXI_CUDA_CONTEXT_H
#define MXI_CUDA_CONTEXT_H
#include "base/error.h"
#include "cuda/api/driver.h"
#include "mlx/array.h"
#include <stdbool.h>

struct mxi_cuda_device {
  char name[128];
  int major, minor; /* of the compute capability */
  int multiprocessors;
  int shared_bytes; /* of a block at most */
  size_t memory_bytes, cache_bytes;
  bool shares_memory; /* with the host, coherently: it reads and writes ordinary memory */
};

/* Is there a device, and a driver for it? Asked once; no error. */
bool mxi_cuda_available(void);
/* Makes the context the thread's. Before any call of the driver; -1 with the error set where there is no
   device, or in the child of a process that had used it before the fork. */
int mxi_cuda_enter(void);
/* After mxi_cuda_enter. */
extern struct mxi_cuda_driver mxi_cuda;
const struct mxi_cuda_device *mxi_cuda_device(void);
int mxi_cuda_describe(mx_device_info *info); /* engine/backend.h */

/* -1 with the error set unless the result is CUDA_SUCCESS. `what` names the call. */
int mxi_cuda_check(CUresult r, const char *what);
#define MXI_CUDA_TRY(call)                                   \
  do {                                                       \
    if (mxi_cuda_check(mxi_cuda.call, #call) < 0) return -1; \
  } while (0)
#endif
