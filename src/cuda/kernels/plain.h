/* Integer types for headers that launchers in C, kernels and NVRTC read. */
#ifndef MXI_CUDA_KERNELS_PLAIN_H
#define MXI_CUDA_KERNELS_PLAIN_H
#ifdef __CUDACC_RTC__
typedef signed char int8_t;
typedef short int16_t;
typedef int int32_t;
typedef long long int64_t;
typedef unsigned char uint8_t;
typedef unsigned short uint16_t;
typedef unsigned uint32_t;
typedef unsigned long long uint64_t;
#else
#include <stdint.h>
#endif
#endif
