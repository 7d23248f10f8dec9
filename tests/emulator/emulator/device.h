/* CUDA C++ for a host compiler: what kernel.cuh includes where kernels are emulated. */
#ifndef MXI_EMULATOR_DEVICE_H
#define MXI_EMULATOR_DEVICE_H
#include "emulator/lane.h"

#define __device__
#define __host__
#define __global__
#define __constant__
#define __grid_constant__
#define __forceinline__  inline __attribute__((always_inline))
#define __noinline__     __attribute__((noinline))
#define __align__(BYTES) __attribute__((aligned(BYTES)))
#define __launch_bounds__(...)
/* A block runs in one thread of the host. */
#define __shared__ thread_local

/* The kernel is a function NAME of its parameters' address, called once a thread, and a record NAME_emulated.
 */
#define MXI_KERNEL(NAME, PARAMS, THREADS)                                                             \
  static void NAME##_body(const struct PARAMS &p);                                                    \
  static void NAME##_thread(const void *params) {                                                     \
    NAME##_body(*static_cast<const struct PARAMS *>(params));                                         \
  }                                                                                                   \
  extern "C" MXI_EMULATOR_API void NAME(const void *params);                                          \
  extern "C" void NAME(const void *params) { NAME##_thread(params); }                                 \
  extern "C" MXI_EMULATOR_API const struct emulator::kernel_record NAME##_emulated;                   \
  extern "C" const struct emulator::kernel_record NAME##_emulated = {#NAME, NAME##_thread, (THREADS), \
                                                                     sizeof(struct PARAMS)};          \
  static void NAME##_body([[maybe_unused]] const struct PARAMS &p)

#define MXI_DYNAMIC_SHARED(T, NAME) T *NAME = reinterpret_cast<T *>(mxi_emulated_lane->at->shared)

#define threadIdx (mxi_emulated_lane->thread)
#define blockIdx  (mxi_emulated_lane->at->block_index)
#define blockDim  (mxi_emulated_lane->at->block)
#define gridDim   (mxi_emulated_lane->at->grid)
static constexpr int warpSize = 32;

#include "emulator/arithmetic.h"
#include "emulator/atomics.h"
#include "emulator/warp.h"
#endif
