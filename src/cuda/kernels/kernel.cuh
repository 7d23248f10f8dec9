/* What every kernel is written with. A kernel takes one structure by value, declared in a header that its
   launcher includes too. nvcc compiles it ahead of time, NVRTC some of it at run time, and a C++ compiler for
   the emulation, which runs it on the host (tests/emulator). */
#ifndef MXI_CUDA_KERNELS_KERNEL_CUH
#define MXI_CUDA_KERNELS_KERNEL_CUH

#include "cuda/kernels/plain.h"

#ifdef MXI_EMULATED
#include "emulator/device.h"
#else
/* MXI_KERNEL(name, parameter structure, threads of a block at most) { body: p is the parameters } */
#define MXI_KERNEL(NAME, PARAMS, THREADS) \
  extern "C" __global__ void __launch_bounds__(THREADS) NAME(const __grid_constant__ struct PARAMS p)
/* T *NAME: the block's shared memory whose size the launch gives. */
#define MXI_DYNAMIC_SHARED(T, NAME)                                  \
  extern __shared__ __align__(128) unsigned char mxi_shared_bytes[]; \
  T *NAME = reinterpret_cast<T *>(mxi_shared_bytes)
#endif

#define MXI_DEVICE static __device__ __forceinline__
#endif
