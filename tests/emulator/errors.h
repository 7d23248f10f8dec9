/* The driver's errors that an emulated one can meet, and its state. */
#ifndef MXI_EMULATOR_ERRORS_H
#define MXI_EMULATOR_ERRORS_H
#include "cuda/api/driver.h"

namespace emulator {
enum : CUresult {
  invalid_value = 1,
  out_of_memory = 2,
  not_initialized = 3,
  invalid_device = 101,
  invalid_image = 200,
  invalid_context = 201,
  invalid_handle = 400,
  not_found = 500,
  not_ready = 600,
  illegal_address = 700,
  launch_failed = 719
};
} // namespace emulator
#endif
