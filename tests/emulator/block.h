/* Runs the blocks of a launch, one after the other, on the calling thread. */
#ifndef MXI_EMULATOR_BLOCK_H
#define MXI_EMULATOR_BLOCK_H
#include "cuda/api/driver.h"
#include "emulator/lane.h"

namespace emulator {

struct launch {
  const kernel_record *kernel;
  dim3 grid, block;
  unsigned shared_bytes;
  const void *params;
};
/* CUDA_SUCCESS, or the error with which the launch failed, which was reported to stderr. */
CUresult run_launch(const launch &l);

} // namespace emulator
#endif
