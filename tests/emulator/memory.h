/* The device's memory, and the host's pinned memory. */
#ifndef MXI_EMULATOR_MEMORY_H
#define MXI_EMULATOR_MEMORY_H
#include "cuda/api/driver.h"

namespace emulator {
/* Whether the bytes are in one allocation of the device. */
bool on_device(CUdeviceptr address, size_t bytes);
/* Whether the bytes are in pinned memory of the host. */
bool is_pinned(const void *address, size_t bytes);

/* While one lives, the device's memory can be touched; with MLX_EMULATOR_GUARD not otherwise. */
struct device_access {
  device_access();
  ~device_access();
  device_access(const device_access &) = delete;
};
} // namespace emulator
#endif
