/* Tile functions on float32 registers: the elementary functions of vmath.h. */
#include "cpu/kernels/tiles_loops.h"
#include "cpu/kernels/vmath.h"

#define MATH_OPS(U, B)    \
  U(EXP, exp)             \
  U(EXPM1, expm1)         \
  U(LOG, log)             \
  U(LOG2, log2)           \
  U(LOG10, log10)         \
  U(LOG1P, log1p)         \
  U(SIN, sin)             \
  U(COS, cos)             \
  U(TAN, tan)             \
  U(ARCSIN, arcsin)       \
  U(ARCCOS, arccos)       \
  U(ARCTAN, arctan)       \
  U(SINH, sinh)           \
  U(COSH, cosh)           \
  U(TANH, tanh)           \
  U(ARCSINH, arcsinh)     \
  U(ARCCOSH, arccosh)     \
  U(ARCTANH, arctanh)     \
  U(ERF, erf)             \
  U(ERFINV, erfinv)       \
  U(SIGMOID, sigmoid)     \
  B(POWER, power)         \
  B(LOGADDEXP, logaddexp) \
  B(ARCTAN2, arctan2)

#define DEFINE_UNARY(ID, name)  F32_UNARY(name##_tile, UNROUNDED, mxi_v_##name)
#define DEFINE_BINARY(ID, name) F32_BINARY(name##_tile, UNROUNDED, mxi_v_##name)
MATH_OPS(DEFINE_UNARY, DEFINE_BINARY)

#define ROW(ID, name) [MXI_TILE_##ID] = name##_tile,
mxi_tile_table MXI_ISA_NAME(mxi_tiles_f32_math) = {MATH_OPS(ROW, ROW)};
