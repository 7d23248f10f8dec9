/* The functions of the driver, and what they share. */
#ifndef MXI_EMULATOR_DRIVER_H
#define MXI_EMULATOR_DRIVER_H
#include "cuda/api/driver.h"
#include "errors.h"
#include <functional>

/* One definition each; a missing one fails the link (driver.cpp has a table of all). */
extern "C" {
#define MX_CUDA_FN(name, ...) __attribute__((visibility("default"))) CUresult name(__VA_ARGS__);
#include "cuda/api/driver.def"
#undef MX_CUDA_FN
}

namespace emulator {
/* Why no function of the driver can run: not initialised, or in the child of a fork; no current context; an
   earlier error of a launch, which stays. */
CUresult obstacle();
/* Notes the error of a launch. */
void stick(CUresult error);
bool failed_before();

/* Appends work on the device's memory to a stream; null is the default stream. */
void submit(CUstream stream, std::function<void()> work);
void wait_for(CUstream stream);
void wait_for_all_streams();
} // namespace emulator

#define EMULATOR_ENTER() \
  if (const CUresult obstacle = emulator::obstacle()) return obstacle
#endif
