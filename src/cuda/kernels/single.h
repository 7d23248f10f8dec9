/* Programs of one instruction on halves and float32, whose operands lie one element after the other or are
   one element: what is limited by memory alone, with a kernel for each op. */
#ifndef MXI_CUDA_KERNELS_SINGLE_H
#define MXI_CUDA_KERNELS_SINGLE_H
#include "cuda/kernels/plain.h"

enum { MXI_SINGLE_THREADS = 256, MXI_SINGLE_VECTORS = 2 /* of 16 bytes that a thread computes */ };
struct mxi_single {
  uint64_t in[2]; /* addresses; of one element: its bits as float */
  uint8_t scalar[2];
  uint64_t out;
  int64_t size;
};
/* OP(ID, name) */
#define MXI_SINGLE_UNARY(OP) \
  OP(ABS, abs)               \
  OP(NEGATIVE, negative)     \
  OP(SIGN, sign)             \
  OP(SQUARE, square)         \
  OP(SQRT, sqrt)             \
  OP(RSQRT, rsqrt)           \
  OP(RECIPROCAL, reciprocal) \
  OP(EXP, exp)               \
  OP(LOG, log)               \
  OP(SIN, sin)               \
  OP(COS, cos)               \
  OP(TANH, tanh)             \
  OP(ERF, erf)               \
  OP(SIGMOID, sigmoid)       \
  OP(FLOOR, floor)           \
  OP(CEIL, ceil)             \
  OP(RINT, rint)             \
  OP(ISNAN, isnan)           \
  OP(ISINF, isinf)           \
  OP(ISFINITE, isfinite)
#define MXI_SINGLE_BINARY(OP) \
  OP(ADD, add)                \
  OP(SUBTRACT, subtract)      \
  OP(MULTIPLY, multiply)      \
  OP(DIVIDE, divide)          \
  OP(MAXIMUM, maximum)        \
  OP(MINIMUM, minimum)        \
  OP(EQUAL, equal)            \
  OP(NOT_EQUAL, not_equal)    \
  OP(LESS, less)              \
  OP(LESS_EQUAL, less_equal)  \
  OP(GREATER, greater)        \
  OP(GREATER_EQUAL, greater_equal)
#endif
