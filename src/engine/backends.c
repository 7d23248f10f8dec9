/* The table of devices. */
#include "engine/backend.h"
#include "base/env.h"

#ifdef MXI_MOCK
extern const struct mxi_backend mxi_mock_backend;
static const struct mxi_backend *gpu(void) {
  return mxi_env()->mock_gpu ? &mxi_mock_backend : mxi_cuda_backend();
}
#else
static const struct mxi_backend *gpu(void) { return mxi_cuda_backend(); }
#endif

const struct mxi_backend *mxi_backend_of(mx_device d) {
  return d.index != 0              ? NULL
         : d.type == MX_CPU_DEVICE ? &mxi_cpu_backend
         : d.type == MX_GPU_DEVICE ? gpu()
                                   : NULL;
}

bool mx_is_available(mx_device d) { return mxi_backend_of(d); }
int mx_device_count(mx_device_type t) { return mx_is_available((mx_device){t, 0}); }
