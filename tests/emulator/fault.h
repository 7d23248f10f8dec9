/* Faults of kernels: a bad address, a division by zero. */
#ifndef MXI_EMULATOR_FAULT_H
#define MXI_EMULATOR_FAULT_H
#include "fiber.h"

namespace emulator {
/* Sees to it that a fault on this thread, inside a kernel, ends the launch with an error. */
void watch_faults();
/* Reports the fault and gives where to go on; null outside kernels. */
context *fault_in_kernel(const char *what, const void *address);
} // namespace emulator
#endif
